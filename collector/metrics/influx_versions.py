"""What must be done differently for versions 1, 2 and 3 of InfluxDB: making databases, and what to warn about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collector.metrics.port import StoreMisconfiguredError

if TYPE_CHECKING:
    # At run time this would load the client.
    from collector.metrics.influx_connection import InfluxConnection

RETENTION_DAYS = 30


def generation(version: str) -> int:
    """1, 2 or 3 of a version as `/ping` tells it, as 1.6.7~rc0 or v2.7.12.

    Raises:
        StoreMisconfiguredError: another version.
    """
    match = re.match(r"v?([123])\.", version)
    if match is None:
        raise StoreMisconfiguredError(f"InfluxDB {version!r} is not known; versions 1.6 to 3 are")
    return int(match.group(1))


def databases(connection: InfluxConnection) -> set[str]:
    """Databases that this user may see (buckets, for version 2)."""
    return {row[0] for series in connection.query("SHOW DATABASES") for row in series.rows}


def ensure_database(connection: InfluxConnection, database: str, version: str) -> list[str]:
    """Makes the database where this version lets us; returns what an operator should know though it works.

    Raises:
        StoreMisconfiguredError: it is missing and somebody else has to make it; the text has the command.
    """
    of_generation = generation(version)
    if database not in databases(connection):
        if of_generation != 1:
            raise StoreMisconfiguredError(_MISSING[of_generation].format(database=database, days=RETENTION_DAYS))
        _create_database(connection, database)
    return _warnings_of_version_1(connection, database) if of_generation == 1 else []


_MISSING = {
    2: "bucket {database} is missing or hidden from this token; as an administrator: "
    "`influx bucket create --name {database} --retention {days}d`",
    3: "database {database} is missing or hidden from this token; as an administrator: "
    "`influxdb3 create database --retention-period {days}d {database}`",
}


def _create_database(connection: InfluxConnection, database: str) -> None:
    # One database a retention class, never a second policy: version 3 ignores policies, 2 maps them to buckets.
    statement = f'CREATE DATABASE "{database}" WITH DURATION {RETENTION_DAYS}d SHARD DURATION 1d NAME autogen'
    try:
        list(connection.query(statement, changes=True))
    except StoreMisconfiguredError as error:
        raise StoreMisconfiguredError(
            f"database {database} is missing and could not be made ({error}); as an administrator: `{statement}` and "
            f'`GRANT ALL ON "{database}" TO <the collector\'s user>`'
        ) from error


def _warnings_of_version_1(connection: InfluxConnection, database: str) -> list[str]:
    warnings = []
    if "inmem" in _index_types(connection, database):
        warnings.append(
            'index-version is "inmem": it refuses the 100,001st terminal and needs more memory; '
            'set index-version = "tsi1" (docs/influxdb.md)'
        )
    duration = _retention(connection, database)
    if duration is not None:
        warnings.append(f"keeps {duration}")
    return warnings


def _index_types(connection: InfluxConnection, database: str) -> set[str]:
    """Index types of the shards; empty where they are not told (before 1.7) or not to this user (no administrator)."""
    try:
        return {
            series.tags.get("indexType", "")
            for series in connection.query("SHOW STATS FOR 'shard'")
            if series.tags.get("database") == database
        }
    except StoreMisconfiguredError:
        return set()


def _retention(connection: InfluxConnection, database: str) -> str | None:
    for series in connection.query(f'SHOW RETENTION POLICIES ON "{database}"'):
        for row in series.rows:
            policy = dict(zip(series.columns, row, strict=True))
            if policy.get("default"):
                return "for ever" if policy["duration"] in {"0s", "0"} else str(policy["duration"])
    return None
