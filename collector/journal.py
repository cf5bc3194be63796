"""Keeps reports durably before they are acknowledged, and knows for longer than any spool which it has had.

SQLite with `synchronous=FULL`: a commit is on disk before the answer leaves. Commits are grouped naturally: while one
runs, everything that arrives waits and becomes the next, so that the disk sets the pace and no timer does
(measured against a fixed window in the performance notes of the project).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.errors import JournalFullError

log = logging.getLogger(__name__)

GROUP_MOST = 2000
LOCK_WAIT_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    received_at REAL NOT NULL,
    time_seconds REAL NOT NULL,
    skew_seconds REAL NOT NULL,
    -- NULL once it is in the registry and the metric store; the row stays for a while, so that a repeat is known.
    body BLOB,
    UNIQUE (device_id, boot_id, sequence)
);
CREATE INDEX IF NOT EXISTS entry_waiting ON entry (id) WHERE body IS NOT NULL;
CREATE INDEX IF NOT EXISTS entry_received ON entry (received_at);
-- What older written entries are folded into: a terminal's boot in a row or two instead of one for every minute.
CREATE TABLE IF NOT EXISTS receipt (
    device_id TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    received_at REAL NOT NULL,
    PRIMARY KEY (device_id, boot_id, first)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS receipt_received ON receipt (received_at);
-- Of version 0.1; boots have a file of their own now.
DROP TABLE IF EXISTS boot;
"""

_INSERT = """
INSERT INTO entry (device_id, boot_id, sequence, received_at, time_seconds, skew_seconds, body)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
WHERE NOT EXISTS (
    SELECT 1 FROM receipt WHERE device_id = ?1 AND boot_id = ?2 AND first <= ?3 AND last >= ?3
)
ON CONFLICT DO NOTHING
"""

_HAS = """
SELECT EXISTS (SELECT 1 FROM entry WHERE device_id = ?1 AND boot_id = ?2 AND sequence = ?3)
    OR EXISTS (SELECT 1 FROM receipt WHERE device_id = ?1 AND boot_id = ?2 AND first <= ?3 AND last >= ?3)
"""

# Runs of consecutive numbers among written entries that are old enough: number minus rank is the same within a run.
_FOLD = """
INSERT INTO receipt (device_id, boot_id, first, last, received_at)
SELECT device_id, boot_id, min(sequence), max(sequence), max(received_at)
FROM (
    SELECT device_id, boot_id, sequence, received_at,
        sequence - row_number() OVER (PARTITION BY device_id, boot_id ORDER BY sequence) AS run
    FROM entry WHERE body IS NULL AND received_at < ?1
)
GROUP BY device_id, boot_id, run
"""

# Neighbouring receipts of one boot become one.
_MERGE = """
WITH marked AS (
    SELECT device_id, boot_id, first, last, received_at,
        first > 1 + max(last) OVER (
            PARTITION BY device_id, boot_id ORDER BY first ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS begins
    FROM receipt
), numbered AS (
    SELECT *, sum(coalesce(begins, 1)) OVER (PARTITION BY device_id, boot_id ORDER BY first) AS run FROM marked
)
SELECT device_id, boot_id, min(first), max(last), max(received_at) FROM numbered
GROUP BY device_id, boot_id, run HAVING count(*) > 1
"""


@dataclass(frozen=True)
class Entry:
    """One report in the journal; `id` is 0 before it is there."""

    device_id: str
    boot_id: str
    sequence: int
    received_at: float
    time_seconds: float
    skew_seconds: float
    body: bytes
    id: int = 0


@dataclass
class _Waiting:
    entries: Sequence[Entry]
    done: asyncio.Future[None]


class Journal:
    """The durable queue between the doors and the writer.

    Args:
        path: the SQLite file.
        free_bytes: refuse new reports when the disk has less room than this left, while everything is still consistent.
    """

    def __init__(self, path: Path, *, free_bytes: int) -> None:
        self._path = path
        self._free_bytes = free_bytes
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._connection = self._connect()
        self._connection.executescript(_SCHEMA)
        self._lock = threading.Lock()
        self._committer = threading.Thread(target=self._commit_groups, name="journal", daemon=True)
        self._committer.start()

    def _connect(self) -> sqlite3.Connection:
        if not self._path.exists():
            self._path.touch(mode=0o600)
        connection = sqlite3.connect(
            self._path,
            timeout=LOCK_WAIT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    async def append(self, entries: Sequence[Entry]) -> None:
        """Returns when all entries are on disk; those that were there already change nothing.

        Raises:
            JournalFullError: none of them was kept.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiting(entries, future))
        await future

    def waiting(self, after_id: int, most: int) -> list[Entry]:
        """The oldest entries behind `after_id` that are not yet written, at most `most`."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT device_id, boot_id, sequence, received_at, time_seconds, skew_seconds, body, id FROM entry"
                " WHERE body IS NOT NULL AND id > ? ORDER BY id LIMIT ?",
                (after_id, most),
            ).fetchall()
        return [Entry(*row) for row in rows]

    def has(self, device_id: str, boot_id: str, sequence: int) -> bool:
        """Whether this report was ever kept here, and is not yet forgotten."""
        with self._lock:
            row = self._connection.execute(_HAS, (device_id, boot_id, sequence)).fetchone()
        return bool(row[0])

    def mark_written(self, ids: Iterable[int]) -> None:
        """Lets go of the bodies of entries that are in the registry and in the metric store."""
        with self._lock, _transaction(self._connection):
            self._connection.executemany("UPDATE entry SET body = NULL WHERE id = ?", [(id_,) for id_ in ids])

    def fold(self, written_before: float) -> None:
        """Folds written entries received before that time into receipts of consecutive numbers."""
        with self._lock, _transaction(self._connection):
            self._connection.execute(_FOLD, (written_before,))
            self._connection.execute("DELETE FROM entry WHERE body IS NULL AND received_at < ?", (written_before,))
            for device_id, boot_id, first, last, received_at in self._connection.execute(_MERGE).fetchall():
                self._connection.execute(
                    "DELETE FROM receipt WHERE device_id = ? AND boot_id = ? AND first BETWEEN ? AND ?",
                    (device_id, boot_id, first, last),
                )
                self._connection.execute(
                    "INSERT INTO receipt (device_id, boot_id, first, last, received_at) VALUES (?, ?, ?, ?, ?)",
                    (device_id, boot_id, first, last, received_at),
                )

    def forget(self, before: float) -> int:
        """Drops receipts whose newest report was received before that time; returns how many."""
        with self._lock, _transaction(self._connection):
            return self._connection.execute("DELETE FROM receipt WHERE received_at < ?", (before,)).rowcount

    def backlog(self) -> tuple[int, float | None]:
        """How many entries wait to be written, and when the oldest of them was received."""
        with self._lock:
            count, oldest = self._connection.execute(
                "SELECT count(*), min(received_at) FROM entry WHERE body IS NOT NULL",
            ).fetchone()
        return int(count), oldest

    def close(self) -> None:
        """Commits what was handed in and closes the file."""
        self._queue.put(None)
        self._committer.join()
        self._connection.close()

    def _check_room(self) -> None:
        if shutil.disk_usage(self._path.parent).free < self._free_bytes:
            raise JournalFullError(f"less than {self._free_bytes} bytes are free under {self._path.parent}")

    def _commit_groups(self) -> None:
        going_on = True
        while going_on:
            group: list[_Waiting] = []
            item = self._queue.get()
            while item is not None:
                group.append(item)
                if len(group) >= GROUP_MOST or self._queue.empty():
                    break
                item = self._queue.get()
            going_on = item is not None
            if group:
                self._commit(group)

    def _commit(self, group: list[_Waiting]) -> None:
        error: JournalFullError | None = None
        try:
            self._check_room()
            with self._lock, _transaction(self._connection):
                self._connection.executemany(
                    _INSERT,
                    [
                        (
                            entry.device_id,
                            entry.boot_id,
                            entry.sequence,
                            entry.received_at,
                            entry.time_seconds,
                            entry.skew_seconds,
                            entry.body,
                        )
                        for waiting in group
                        for entry in waiting.entries
                    ],
                )
        except Exception as caught:  # the thread's edge: whoever waits must be answered, whatever went wrong
            error = caught if isinstance(caught, JournalFullError) else JournalFullError(f"{caught}")
            log.exception("journal: nothing of this group was kept")
        for waiting in group:
            loop = waiting.done.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_answer, waiting.done, error)


def waiting_reports(path: Path) -> int:
    """How many reports of a running collector's journal wait to be written, asked from beside.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    with contextlib.closing(
        sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=LOCK_WAIT_SECONDS)
    ) as connection:
        return int(connection.execute("SELECT count(*) FROM entry WHERE body IS NOT NULL").fetchone()[0])


def _answer(done: asyncio.Future[None], error: JournalFullError | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; a COMMIT that fails for want of room is rolled back too."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
