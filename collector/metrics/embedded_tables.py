"""Tables of the embedded store and the statements over them; names come from the catalogue, values are always bound."""
# ruff: noqa: S608
# (every name in a statement is the catalogue's own; nothing from outside is ever part of the text)

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from collector.metrics.port import StoreMisconfiguredError
from collector.metrics.schema import MeasurementSchema, Schema

APPLICATION_ID = 0x544D4D53  # "TMMS"
LAYOUT_VERSION = 1


def create_tables(writer: sqlite3.Connection, schema: Schema, path: Path) -> None:
    """Makes what `schema` names and the file lacks.

    Raises:
        StoreMisconfiguredError: the file is another program's, or a newer version's.
    """
    application_id = writer.execute("PRAGMA application_id").fetchone()[0]
    tables = writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application_id != APPLICATION_ID:
        raise StoreMisconfiguredError(
            f"{path} is a SQLite file of something else than the metric store; give the store a path of its own"
        )
    layout_version = writer.execute("PRAGMA user_version").fetchone()[0]
    if layout_version > LAYOUT_VERSION:
        raise StoreMisconfiguredError(
            f"{path} was written by a newer version (layout {layout_version}, known is {LAYOUT_VERSION}); "
            "install that version again, or give the store another path"
        )
    writer.execute(f"PRAGMA application_id={APPLICATION_ID}")
    writer.execute(f"PRAGMA user_version={LAYOUT_VERSION}")
    for measurement in schema.values():
        _create_series_table(writer, measurement)
        _create_points_table(writer, measurement)


def _create_series_table(writer: sqlite3.Connection, measurement: MeasurementSchema) -> None:
    table = f"{measurement.name}_series"
    columns = ", ".join(f"\"{name}\" TEXT NOT NULL DEFAULT ''" for name in measurement.tags)
    writer.execute(f'CREATE TABLE IF NOT EXISTS "{table}" (id INTEGER PRIMARY KEY, {columns})')
    missing = [name for name in measurement.tags if name not in _columns(writer, table)]
    for name in missing:
        writer.execute(f'ALTER TABLE "{table}" ADD COLUMN "{name}" TEXT NOT NULL DEFAULT \'\'')
    if missing:
        writer.execute(f'DROP INDEX IF EXISTS "{table}_identity"')
    identity = ", ".join(f'"{name}"' for name in measurement.tags)
    writer.execute(f'CREATE UNIQUE INDEX IF NOT EXISTS "{table}_identity" ON "{table}" ({identity})')
    for name in ("device_id", "unit"):
        if name in measurement.tags:
            writer.execute(f'CREATE INDEX IF NOT EXISTS "{table}_{name}" ON "{table}" ("{name}")')


def _create_points_table(writer: sqlite3.Connection, measurement: MeasurementSchema) -> None:
    table = measurement.name
    columns = ", ".join(f'"{name}" INTEGER' for name in measurement.fields)
    writer.execute(
        f'CREATE TABLE IF NOT EXISTS "{table}" (series INTEGER NOT NULL, time INTEGER NOT NULL, {columns}, '
        "PRIMARY KEY (series, time)) WITHOUT ROWID"
    )
    present = _columns(writer, table)
    for name in measurement.fields:
        if name not in present:
            writer.execute(f'ALTER TABLE "{table}" ADD COLUMN "{name}" INTEGER')
    writer.execute(f'CREATE INDEX IF NOT EXISTS "{table}_time" ON "{table}" (time)')


def _columns(writer: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in writer.execute(f'PRAGMA table_info("{table}")')}


def insert_statement(measurement: MeasurementSchema) -> str:
    """One point, parameters (series, time, *fields); fields that are NULL leave what is stored as it is."""
    names = ", ".join(f'"{name}"' for name in measurement.fields)
    marks = ", ".join("?" for _ in measurement.fields)
    keep = ", ".join(f'"{name}" = coalesce(excluded."{name}", "{name}")' for name in measurement.fields)
    return (
        f'INSERT INTO "{measurement.name}" (series, time, {names}) VALUES (?, ?, {marks}) '
        f"ON CONFLICT (series, time) DO UPDATE SET {keep}"
    )


def series_statement(measurement: MeasurementSchema, tags: tuple[str, ...]) -> str:
    """Id and tags of every series with these tags; parameters: their values."""
    names = ", ".join(f'"{name}"' for name in measurement.tags)
    return f'SELECT id, {names} FROM "{measurement.name}_series"{_where(tags)}'


def read_statement(measurement: MeasurementSchema, fields: tuple[str, ...], tags: tuple[str, ...]) -> str:
    """Series, time and fields of the points sought; parameters: values of `tags`, first second, second after the last.

    CROSS JOIN holds SQLite to going through the series one by one and through each by its key.
    """
    names = ", ".join(f'point."{name}"' for name in fields)
    some = " OR ".join(f'point."{name}" IS NOT NULL' for name in fields)
    return (
        f"SELECT point.series, point.time, {names} "
        f'FROM (SELECT id FROM "{measurement.name}_series"{_where(tags)}) AS s '
        f'CROSS JOIN "{measurement.name}" AS point '
        f"WHERE point.series = s.id AND point.time >= ? AND point.time < ? AND ({some}) "
        "ORDER BY s.id, point.time"
    )


def purge_statement(measurement: MeasurementSchema) -> str:
    """Deletes points older than the first parameter, at most as many as the second."""
    return (
        f'DELETE FROM "{measurement.name}" WHERE (series, time) IN '
        f'(SELECT series, time FROM "{measurement.name}" WHERE time < ? LIMIT ?)'
    )


def _where(tags: tuple[str, ...]) -> str:
    return " WHERE " + " AND ".join(f'"{name}" = ?' for name in tags) if tags else ""


class SeriesIds:
    """Ids of series, remembered; used by the one thread that holds the write lock.

    Series are never deleted, so that what is remembered stays true whatever other processes do.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], int] = {}
        self._uncommitted: dict[tuple[str, ...], int] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keeps ids made inside only if the block ends well."""
        self._uncommitted = {}
        try:
            yield
            self._known.update(self._uncommitted)
        finally:
            self._uncommitted = {}

    def of(self, writer: sqlite3.Connection, measurement: MeasurementSchema, tags: Mapping[str, str]) -> int:
        """The id of the series with these tags, made if it is new."""
        values = tuple(tags[name] for name in measurement.tags)
        key = (measurement.name, *values)
        found = self._known.get(key) or self._uncommitted.get(key)
        if found is None:
            found = self._uncommitted[key] = self._look_up_or_insert(writer, measurement, values)
        return found

    def _look_up_or_insert(
        self, writer: sqlite3.Connection, measurement: MeasurementSchema, values: tuple[str, ...]
    ) -> int:
        row = writer.execute(f"{series_statement(measurement, measurement.tags)} LIMIT 1", values).fetchone()
        if row is not None:
            return int(row[0])
        names = ", ".join(f'"{name}"' for name in measurement.tags)
        marks = ", ".join("?" for _ in values)
        cursor = writer.execute(f'INSERT INTO "{measurement.name}_series" ({names}) VALUES ({marks})', values)
        if cursor.lastrowid is None:
            raise AssertionError("SQLite gives every inserted row an id")
        return cursor.lastrowid
