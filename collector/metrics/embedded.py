"""The metric store that needs no server: one SQLite file.

A table a measurement, keyed by (series, time) without rowids, so that one series lies together; a table a measurement
of its series, so that tags are written once. Columns follow the catalogue.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from collector.metrics.embedded_tables import (
    SeriesIds,
    create_tables,
    insert_statement,
    purge_statement,
    read_statement,
    series_statement,
)
from collector.metrics.port import (
    MetricStoreError,
    Point,
    Reading,
    RefusedPoint,
    StoreHealth,
    StoreMisconfiguredError,
    StoreUnavailableError,
)
from collector.metrics.schema import MeasurementSchema, Schema, catalogue_schema, refusal, require_readable

_ROWS_A_FETCH = 1_000
_PURGE_ROWS_A_TRANSACTION = 10_000

_UNAVAILABLE = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM}
)
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class EmbeddedMetricStore:
    """A `MetricStore` in the SQLite file `path`; several threads may use it at once.

    Args:
        path: the file; it and its folder are made by `ensure_storage`.
        busy_timeout_seconds: how long a write waits for another process that holds the file.
        schema: what may be stored; the catalogue's unless a test says otherwise.
    """

    def __init__(self, path: str | Path, *, busy_timeout_seconds: float = 5.0, schema: Schema | None = None) -> None:
        self._path = Path(path)
        self._busy_timeout_seconds = busy_timeout_seconds
        self._schema = catalogue_schema() if schema is None else schema
        self._write_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._series_ids = SeriesIds()
        self._readers_lock = threading.Lock()
        self._idle_readers: list[sqlite3.Connection] = []

    def ensure_storage(self) -> None:
        """Makes the file, and the tables and columns it lacks; columns that the catalogue lost stay as they are."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreMisconfiguredError(
                f"the folder of the metric store {self._path} cannot be made: {error.strerror}; "
                "change the path or the rights of its parent folder"
            ) from error
        with self._write_lock, self._transaction() as writer:
            create_tables(writer, self._schema, self._path)

    def write(self, points: Sequence[Point]) -> list[RefusedPoint]:
        """Stores all points in one transaction that is on disk when this returns."""
        refused = []
        accepted: dict[str, list[Point]] = {}
        for point in points:
            reason = refusal(point, self._schema)
            if reason is None:
                accepted.setdefault(point.measurement, []).append(point)
            else:
                refused.append(RefusedPoint(point, reason))
        if accepted:
            # Ids made here are remembered after the commit, not before.
            with self._write_lock, self._series_ids.transaction(), self._transaction() as writer:
                for name, of_measurement in accepted.items():
                    self._insert(writer, self._schema[name], of_measurement)
        return refused

    def _insert(self, writer: sqlite3.Connection, measurement: MeasurementSchema, points: list[Point]) -> None:
        writer.executemany(
            insert_statement(measurement),
            (
                (
                    self._series_ids.of(writer, measurement, point.tags),
                    point.time_seconds,
                    *(point.fields.get(name) for name in measurement.fields),
                )
                for point in points
            ),
        )

    def read(
        self,
        measurement: str,
        fields: Sequence[str],
        *,
        start_seconds: int,
        end_seconds: int,
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[Reading]:
        """Readings as the port says; rows are fetched as the iterator is drawn, from one state of the file."""
        found = require_readable(measurement, fields, tags, self._schema)
        wanted = tuple(dict.fromkeys(fields))
        return self._rows(found, wanted, start_seconds, end_seconds, dict(tags or {}))

    def _rows(
        self,
        measurement: MeasurementSchema,
        fields: tuple[str, ...],
        start_seconds: int,
        end_seconds: int,
        tags: Mapping[str, str],
    ) -> Iterator[Reading]:
        with self._reader() as reader:
            # One read transaction, so that series and their points belong together.
            reader.execute("BEGIN")
            series = reader.execute(series_statement(measurement, tuple(tags)), tuple(tags.values()))
            tags_of = {
                row[0]: {name: value for name, value in zip(measurement.tags, row[1:], strict=True) if value}
                for row in series
            }
            cursor = reader.execute(
                read_statement(measurement, fields, tuple(tags)), (*tags.values(), start_seconds, end_seconds)
            )
            while rows := cursor.fetchmany(_ROWS_A_FETCH):
                for row in rows:
                    values = {name: value for name, value in zip(fields, row[2:], strict=True) if value is not None}
                    yield Reading(tags_of[row[0]], row[1], values)

    def purge(self, before_seconds: int) -> None:
        """Forgets older points in small transactions, so that writes come between; series stay, being few."""
        for measurement in self._schema.values():
            deleted = _PURGE_ROWS_A_TRANSACTION
            while deleted == _PURGE_ROWS_A_TRANSACTION:
                with self._write_lock, self._transaction() as writer:
                    deleted = writer.execute(
                        purge_statement(measurement), (before_seconds, _PURGE_ROWS_A_TRANSACTION)
                    ).rowcount

    def health(self) -> StoreHealth:
        """Reads one row of every table and takes the write lock for a moment."""
        try:
            with self._write_lock, self._transaction() as writer:
                for name in self._schema:
                    writer.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()  # noqa: S608 (catalogue's name)
            size_bytes = self._path.stat().st_size
        except MetricStoreError as error:
            return StoreHealth(ok=False, kind="embedded", detail=str(error))
        except OSError as error:
            return StoreHealth(ok=False, kind="embedded", detail=f"{self._path}: {error.strerror}")
        return StoreHealth(ok=True, kind="embedded", detail=f"{self._path}, {size_bytes / 2**20:.1f} MiB")

    def close(self) -> None:
        """Closes the file; a later call opens it again."""
        with self._write_lock, self._readers_lock:
            for connection in (self._writer, *self._idle_readers):
                if connection is not None:
                    connection.close()
            self._writer = None
            self._idle_readers.clear()
            # The file may be another one when it is opened again.
            self._series_ids = SeriesIds()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._busy_timeout_seconds,
            # Transactions are spelled out.
            isolation_level=None,
            # SQLite's own locks make this safe; an iterator may be drawn from another thread than the one it began in.
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The writer's connection inside a transaction: committed, or rolled back on any error."""
        with self._translated_errors():
            if self._writer is None:
                self._writer = self._open()
            writer = self._writer
            writer.execute("BEGIN IMMEDIATE")
            try:
                yield writer
                writer.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself on some errors, a full disk being one.
                with suppress(sqlite3.Error):
                    writer.execute("ROLLBACK")
                raise

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for one read, kept for the next."""
        with self._translated_errors():
            with self._readers_lock:
                reader = self._idle_readers.pop() if self._idle_readers else None
            reader = reader or self._open()
            try:
                yield reader
                reader.execute("COMMIT")
            except BaseException:
                reader.close()
                raise
            with self._readers_lock:
                self._idle_readers.append(reader)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._store_error(error) from error

    def _store_error(self, error: sqlite3.Error) -> MetricStoreError:
        # The lower byte is the class of the error; errors of the binding itself have none.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _UNAVAILABLE:
            return StoreUnavailableError(f"metric store {self._path}: {error}; room on its disk and locks are to check")
        if code in _CORRUPT:
            return StoreMisconfiguredError(
                f"metric store {self._path} is damaged or not SQLite: {error}. Stop the collector, move the file with "
                "its -wal and -shm files aside, bring back a backup or save what can be read with "
                f"`sqlite3 {self._path.name} .recover | sqlite3 new.sqlite`, start again; "
                "without a file an empty one is made"
            )
        if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
            return StoreMisconfiguredError(
                f"metric store {self._path} cannot be opened for writing: {error}; "
                "the collector's user needs to write this file and its folder"
            )
        return StoreMisconfiguredError(f"metric store {self._path}: {error}; its tables are made by ensure_storage()")
