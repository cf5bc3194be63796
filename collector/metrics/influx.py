"""The metric store on an InfluxDB server: line protocol to `/write`, InfluxQL at `/query`, no retention policies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from collector.metrics.influx_versions import databases, ensure_database
from collector.metrics.line_protocol import LineFormatter, RefusedLinesError, decode_tag_value, encode_tag_value
from collector.metrics.port import (
    MetricStoreError,
    Point,
    Reading,
    RefusedPoint,
    StoreHealth,
    StoreMisconfiguredError,
)
from collector.metrics.schema import MeasurementSchema, catalogue_schema, refusal, require_readable

if TYPE_CHECKING:
    # At run time it is imported when a store is made: the client costs 31 MiB.
    from collector.metrics.influx_connection import InfluxConnection

LINES_A_REQUEST = 5_000

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INMEM_LIMITS = ("max-values-per-tag", "max-series-per-database")


class InfluxMetricStore:
    """A `MetricStore` on InfluxDB; several threads may use it at once. Nothing is sent before the first call.

    Args:
        url: where the server listens, as http://127.0.0.1:8086.
        database: name of the database (a bucket, for version 2), letters, digits and underscores.
        username: see `InfluxConnection`.
        password: see `InfluxConnection`.
        timeout_seconds: for each request.
        ca_file: certificates that the server's must come from.

    Raises:
        StoreMisconfiguredError: one of these cannot be right.
    """

    def __init__(
        self,
        url: str,
        *,
        database: str = "fleet_raw",
        username: str | None = None,
        password: str | None = None,
        timeout_seconds: float = 30.0,
        ca_file: str | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise StoreMisconfiguredError(f"url is {url!r}; expected http://host:port or https://host:port")
        if not _PLAIN_NAME.fullmatch(database):
            raise StoreMisconfiguredError(f"database is {database!r}; expected letters, digits and underscores")
        if username is not None and ":" in username:
            raise StoreMisconfiguredError(f"username is {username!r}; Basic authentication allows no colon in it")
        # 31 MiB that a collector with the embedded store does not need.
        from collector.metrics.influx_connection import InfluxConnection  # noqa: PLC0415 - see above

        self._connection: InfluxConnection = InfluxConnection(
            url, username=username, password=password, timeout_seconds=timeout_seconds, ca_file=ca_file
        )
        self._url = url
        self._database = database
        self._schema = catalogue_schema()
        self._formatter = LineFormatter()
        self._notes: list[str] = []

    def ensure_storage(self) -> None:
        """Makes the database where the version and the user's rights let us, else says what to do."""
        self._notes = ensure_database(self._connection, self._database, self._connection.ping())

    def write(self, points: Sequence[Point]) -> list[RefusedPoint]:
        """Stores points in requests of 5,000 lines; a point the server refuses is found by halving its request."""
        refused = []
        accepted = []
        for point in points:
            reason = refusal(point, self._schema)
            if reason is None:
                accepted.append(point)
            else:
                refused.append(RefusedPoint(point, reason))
        for start in range(0, len(accepted), LINES_A_REQUEST):
            batch = accepted[start : start + LINES_A_REQUEST]
            refused += self._write_batch(batch, [self._formatter.line(point) for point in batch])
        return refused

    def _write_batch(self, points: list[Point], lines: list[bytes]) -> list[RefusedPoint]:
        try:
            self._connection.write(self._database, b"\n".join(lines))
        except RefusedLinesError as error:
            if len(points) == 1 or error.refuses_all(len(points)):
                return [RefusedPoint(point, _with_advice(error.reason)) for point in points]
            # One bad line may hide others: the answer names only the first kind of trouble, and version 3 stores
            # nothing at all of such a request. Writing the halves again stores the same points over themselves.
            middle = len(points) // 2
            return [
                *self._write_batch(points[:middle], lines[:middle]),
                *self._write_batch(points[middle:], lines[middle:]),
            ]
        return []

    def read(
        self,
        measurement: str,
        fields: Sequence[str],
        *,
        start_seconds: int,
        end_seconds: int,
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[Reading]:
        """Readings as the port says, while they arrive from the server."""
        found = require_readable(measurement, fields, tags, self._schema)
        wanted = tuple(dict.fromkeys(fields))
        asked = {name: encode_tag_value(value) for name, value in (tags or {}).items()}
        return self._readings(found, wanted, start_seconds, end_seconds, asked)

    def _readings(
        self,
        measurement: MeasurementSchema,
        fields: tuple[str, ...],
        start_seconds: int,
        end_seconds: int,
        tags: Mapping[str, str],
    ) -> Iterator[Reading]:
        # Names are the catalogue's own; values from outside are bound, never part of the text.
        conditions = [f"time >= {start_seconds:d}s", f"time < {end_seconds:d}s"]
        conditions += [f'"{name}" = $tag_{name}' for name in tags]
        statement = (
            f"SELECT {_quoted(fields)} "  # noqa: S608 (see above)
            f'FROM "{measurement.name}" '
            f"WHERE {' AND '.join(conditions)} GROUP BY {_quoted(measurement.tags)}"
        )
        parameters = {f"tag_{name}": value for name, value in tags.items()}
        for series in self._connection.query(statement, database=self._database, parameters=parameters):
            series_tags = {name: decode_tag_value(value) for name, value in series.tags.items() if value}
            for row in series.rows:
                # The first column is the time.
                values = {
                    name: value for name, value in zip(series.columns[1:], row[1:], strict=True) if value is not None
                }
                yield Reading(series_tags, row[0], values)

    def purge(self, before_seconds: int) -> None:
        """Does nothing: the database itself forgets after its retention time."""

    def health(self) -> StoreHealth:
        """Asks for the version and, with the user's rights, for the database."""
        try:
            version = self._connection.ping()
            found = self._database in databases(self._connection)
        except MetricStoreError as error:
            return StoreHealth(ok=False, kind="influxdb", detail=str(error))
        detail = f"InfluxDB {version} at {self._url}, database {self._database}"
        if not found:
            return StoreHealth(ok=False, kind="influxdb", detail=f"{detail} is missing or hidden from this user")
        return StoreHealth(ok=True, kind="influxdb", detail="; ".join([detail, *self._notes]))

    def close(self) -> None:
        """Closes the connections."""
        self._connection.close()


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _with_advice(reason: str) -> str:
    if any(limit in reason for limit in _INMEM_LIMITS):
        return f'{reason} (set index-version = "tsi1" in InfluxDB: docs/influxdb.md)'
    return reason
