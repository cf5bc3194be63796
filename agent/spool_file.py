"""The spool's file: opened with what makes it survive a power cut, and replaced when it is damaged."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
import zlib
from itertools import islice
from pathlib import Path
from typing import Callable, Iterator, Optional, Tuple, TypeVar

from agent.errors import SpoolError
from agent.host import Host
from agent.spool_body import pack, unpack
from agent.spool_memory import SpoolMemory
from agent.wire.message import Message

Announce = Callable[[Message], None]
_Result = TypeVar("_Result")

MOVED_ASIDE_LIMIT = 3

_SCHEMA_VERSION = 2
_INDEXES = """
CREATE INDEX IF NOT EXISTS report_waiting ON report (id) WHERE sent_at IS NULL;
CREATE INDEX IF NOT EXISTS report_sent ON report (sent_at) WHERE sent_at IS NOT NULL;
"""
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS report (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot_id TEXT NOT NULL, sequence INTEGER NOT NULL, kept_at REAL NOT NULL, body BLOB NOT NULL, sent_at REAL
);
{_INDEXES}
CREATE TABLE IF NOT EXISTS rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot_id TEXT NOT NULL, sequence INTEGER NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS memory (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""
# Version 1 (agent 0.1) kept no sent reports, and bodies as they were.
_FROM_VERSION_1 = f"""
BEGIN IMMEDIATE;
ALTER TABLE report ADD COLUMN sent_at REAL;
DROP INDEX IF EXISTS report_kept_at;
{_INDEXES}
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""
_BUSY_SECONDS = 10.0
_WAL_PAGES = 256
_WAL_LIMIT_BYTES = 1024 * 1024
# However much waits, the running agent holds no more of it in memory than this.
_CACHE_KIB = 256
_ROWS_AT_ONCE = 200
_DAMAGE_WORDS = (
    "malformed",
    "not a database",
    "no such table",
    "no such column",
    "no such index",
    "has no column",
    "Could not decode",
)
# What a new file takes over from a damaged one. Not the boot's identity: its numbers start a space of their own.
_COUNTERS = ("dropped_total", "rejected_total", "moved_aside_total", "sent_again_total")
_CLOCKS = ("age_clock", "age_wall", "sent_again_at")
_TEXTS = ("device_id", "acknowledged")
_TEXT_CHARACTERS = 200
_LARGEST_ID = 2**53

_Row = Tuple[int, str, int, float, bytes, Optional[float]]


class GuardedFile:
    """The open file. Work on it that meets damage is done again on a new file; other trouble opens it anew next time.

    Args:
        path: the file; its folder exists.
        host: for clocks and the boot's identity.
        announce: is told of damage.

    Attributes:
        database: the connection; good until the next `guarded`.
        memory: the small texts in it.

    Raises:
        SpoolError: the file can neither be opened nor replaced.
    """

    def __init__(self, path: Path, host: Host, announce: Announce) -> None:
        self._path = path
        self._host = host
        self._announce = announce
        # After an error the connection is not trusted: the next use opens the file anew.
        self._is_stale = False
        try:
            self._use(open_file(path))
        except sqlite3.Error as error:
            if not is_damage(error):
                raise _unusable(path, error) from error
            self._use(self._replaced())

    def close(self) -> None:
        """Ends the use of the file."""
        self.database.close()

    def guarded(self, work: Callable[[], _Result]) -> _Result:
        """Does the work; a damaged file is replaced and the work done once more.

        Raises:
            SpoolError: any other trouble.
        """
        try:
            if not self._is_stale and not self._path.exists():
                self._is_stale = True
                write_again(self._path, self.database)
            if self._is_stale:
                self.database.close()
                self._use(open_file(self._path))
                self._is_stale = False
            return work()
        except sqlite3.Error as error:
            if not is_damage(error):
                self._is_stale = True
                raise _unusable(self._path, error) from error
        try:
            self.database.close()
            self._use(self._replaced())
            self._is_stale = False
            return work()
        except sqlite3.Error as error:
            self._is_stale = True
            raise _unusable(self._path, error) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.database.execute("COMMIT")
        except BaseException:
            # After some errors SQLite has rolled back by itself.
            with contextlib.suppress(sqlite3.Error):
                self.database.execute("ROLLBACK")
            raise

    def _use(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.memory = SpoolMemory(database, self._host)

    def _replaced(self) -> sqlite3.Connection:
        try:
            return replace_damaged_file(self._path, self._host.wall_time_seconds(), self._announce)
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error


def _unusable(path: Path, error: sqlite3.Error) -> SpoolError:
    return SpoolError("{path}: the spool cannot be used ({why})", path=str(path), why=str(error))


def open_file(path: Path) -> sqlite3.Connection:
    """A connection to the spool's file, made if it is not there.

    Raises:
        sqlite3.Error: it cannot be opened, or is damaged (`is_damage` tells).
    """
    if not path.exists():
        _make_empty(path)
    database = sqlite3.connect(
        str(path),
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        database.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        _check(database)
    except BaseException:
        database.close()
        raise
    return database


def write_again(path: Path, database: sqlite3.Connection) -> None:
    """Puts the file back that was deleted under an open connection, from what the connection still holds.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    _make_empty(path)
    database.execute("VACUUM INTO ?", (str(path),))


def _make_empty(path: Path) -> None:
    # Reports hold serial numbers: closed to others from the first moment; SQLite does alike for its side files.
    with contextlib.suppress(OSError):
        os.close(os.open(str(path), os.O_CREAT | os.O_WRONLY, 0o600))


def _check(database: sqlite3.Connection) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, 1, _SCHEMA_VERSION):
        raise sqlite3.DatabaseError(f"malformed: schema version {version}, expected {_SCHEMA_VERSION}")
    if version == 0:
        database.executescript(_SCHEMA)
    verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"malformed: {verdict}")
    if version == 1:
        database.executescript(_FROM_VERSION_1)
        _pack_earlier(database)


def _pack_earlier(database: sqlite3.Connection) -> None:
    """Makes room where reports lie as version 1 kept them; one that it does not get to can be read all the same."""
    last = 0
    with contextlib.suppress(sqlite3.Error):
        while True:
            query = "SELECT id, body FROM report WHERE id > ? ORDER BY id LIMIT ?"
            rows = database.execute(query, (last, _ROWS_AT_ONCE)).fetchall()
            if not rows:
                return
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "UPDATE report SET body = ? WHERE id = ?",
                [(pack(body), number) for number, body in rows],
            )
            database.execute("COMMIT")
            last = rows[-1][0]
    # The disk was full, say.
    with contextlib.suppress(sqlite3.Error):
        database.execute("ROLLBACK")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, and not merely busy, full or out of reach."""
    return any(word in str(error) for word in _DAMAGE_WORDS)


def replace_damaged_file(path: Path, wall_time_seconds: float, announce: Announce) -> sqlite3.Connection:
    """Moves a damaged file aside, starts a new one and carries over every report that can still be read.

    Args:
        path: the damaged file; its connection is closed.
        wall_time_seconds: for the name of the file moved aside.
        announce: is told loudly.

    Raises:
        SpoolError: the file cannot be moved.
        sqlite3.Error: no new one can be made.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall_time_seconds))
    aside = path.with_name(f"spool-damaged-{stamp}.sqlite3")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"spool-damaged-{stamp}-{number}.sqlite3")
    try:
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                _beside(path, suffix).replace(_beside(aside, suffix))
    except OSError as error:
        raise SpoolError(
            "{path}: the spool is damaged and cannot be moved aside ({why})",
            path=str(path),
            why=error.strerror or type(error).__name__,
        ) from error
    database = open_file(path)
    saved = _carry_over(aside, database)
    _forget_oldest_moved_aside(path.parent)
    announce(
        Message(
            "{path}: THE SPOOL WAS DAMAGED. It was moved to {aside} and a new one was started; "
            "{saved} reports were saved from it, others in it are lost",
            {"path": str(path), "aside": aside.name, "saved": saved},
        ),
    )
    return database


def _carry_over(aside: Path, database: sqlite3.Connection) -> int:
    memory = {"moved_aside_total": "0"}
    with contextlib.closing(sqlite3.connect(str(aside), timeout=1.0)) as damaged:
        memory.update(_readable_memory(damaged))
        # From both ends, up to the broken page from each.
        for order in ("ASC", "DESC"):
            rows = _rows(damaged, order)
            some = list(islice(rows, _ROWS_AT_ONCE))
            while some:
                database.execute("BEGIN IMMEDIATE")
                database.executemany(
                    "INSERT OR IGNORE INTO report (id, boot_id, sequence, kept_at, body, sent_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    some,
                )
                database.execute("COMMIT")
                some = list(islice(rows, _ROWS_AT_ONCE))
    memory["moved_aside_total"] = str(int(memory["moved_aside_total"]) + 1)
    database.execute("BEGIN IMMEDIATE")
    database.executemany("INSERT OR REPLACE INTO memory (name, value) VALUES (?, ?)", list(memory.items()))
    database.execute("COMMIT")
    return int(database.execute("SELECT COUNT(*) FROM report WHERE sent_at IS NULL").fetchone()[0])


def _readable_memory(damaged: sqlite3.Connection) -> Iterator[Tuple[str, str]]:
    kinds = [(name, int) for name in _COUNTERS], [(name, float) for name in _CLOCKS], [(name, str) for name in _TEXTS]
    with contextlib.suppress(sqlite3.Error, ValueError, TypeError):
        for name, kind in (pair for pairs in kinds for pair in pairs):
            for row in damaged.execute("SELECT value FROM memory WHERE name = ?", (name,)):
                yield name, str(kind(row[0]))[:_TEXT_CHARACTERS]


def _rows(damaged: sqlite3.Connection, order: str) -> Iterator[_Row]:
    """The whole reports of a damaged file, up to the first page that cannot be read."""
    with contextlib.suppress(sqlite3.Error, ValueError):
        damaged.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        columns = {row[1] for row in damaged.execute("PRAGMA table_info(report)")}
        names = "id, boot_id, sequence, kept_at, body, " + ("sent_at" if "sent_at" in columns else "NULL")
        query = f"SELECT {names} FROM report NOT INDEXED ORDER BY id {order}"  # noqa: S608  # of this module's words
        for row in damaged.execute(query):
            if _is_whole(*row):
                yield row


def _is_whole(number: int, boot_id: str, sequence: int, kept_at: object, body: bytes, sent_at: object) -> bool:
    if not (0 < number < _LARGEST_ID and isinstance(kept_at, float) and isinstance(sent_at, (float, type(None)))):
        return False
    try:
        raw = json.loads(unpack(body))
        return bool(raw["boot_id"] == boot_id and raw["sequence"] == sequence)
    except (ValueError, TypeError, KeyError, AttributeError, zlib.error):
        return False


def _forget_oldest_moved_aside(folder: Path) -> None:
    moved = sorted(folder.glob("spool-damaged-*.sqlite3"), key=lambda path: path.stat().st_mtime)
    for path in moved[:-MOVED_ASIDE_LIMIT]:
        for name in (path, _beside(path, "-wal"), _beside(path, "-shm")):
            with contextlib.suppress(OSError):
                name.unlink()


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
