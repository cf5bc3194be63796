"""The spool's file: opened with what makes it survive a power cut, and replaced when it is damaged."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Callable, Iterator, List, Tuple

from agent.errors import SpoolError
from agent.wire.message import Message

Announce = Callable[[Message], None]

MOVED_ASIDE_LIMIT = 3

_SCHEMA_VERSION = 1
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS report (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot_id TEXT NOT NULL, sequence INTEGER NOT NULL, kept_at REAL NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS report_kept_at ON report (kept_at);
CREATE TABLE IF NOT EXISTS rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot_id TEXT NOT NULL, sequence INTEGER NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS memory (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""
_BUSY_SECONDS = 10.0
_WAL_PAGES = 256
_WAL_LIMIT_BYTES = 1024 * 1024
_DAMAGE_WORDS = ("malformed", "not a database", "no such table", "no such column", "has no column")
# What a new file takes over from a damaged one. Not the boot's identity: its numbers start a space of their own.
_COUNTERS = ("dropped_total", "rejected_total", "moved_aside_total", "age_clock", "age_wall")


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
    if version not in (0, _SCHEMA_VERSION):
        raise sqlite3.DatabaseError(f"malformed: schema version {version}, expected {_SCHEMA_VERSION}")
    if version == 0:
        database.executescript(_SCHEMA)
    verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"malformed: {verdict}")


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
    counters = {"moved_aside_total": "0"}
    reports: List[Tuple[str, int, float, bytes]] = []
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(str(aside), timeout=1.0)) as damaged:
        with contextlib.suppress(sqlite3.Error, ValueError, TypeError):
            for name in _COUNTERS:
                for row in damaged.execute("SELECT value FROM memory WHERE name = ?", (name,)):
                    counters[name] = str(float(row[0])) if name.startswith("age") else str(int(row[0]))
        reports = _readable(damaged)
    counters["moved_aside_total"] = str(int(counters["moved_aside_total"]) + 1)
    database.execute("BEGIN IMMEDIATE")
    database.executemany("INSERT OR REPLACE INTO memory (name, value) VALUES (?, ?)", list(counters.items()))
    database.executemany("INSERT INTO report (boot_id, sequence, kept_at, body) VALUES (?, ?, ?, ?)", reports)
    database.execute("COMMIT")
    return len(reports)


def _readable(damaged: sqlite3.Connection) -> List[Tuple[str, int, float, bytes]]:
    """The whole reports of a damaged file: read from both ends, up to the broken page from each."""
    found = {}
    for order in ("ASC", "DESC"):
        query = f"SELECT boot_id, sequence, kept_at, body FROM report ORDER BY id {order}"  # noqa: S608  # two words
        with contextlib.suppress(sqlite3.Error, ValueError):
            for row in _rows(damaged, query):
                found[row[:2]] = row
    return sorted(found.values(), key=lambda row: (row[2], row[1]))


def _rows(damaged: sqlite3.Connection, query: str) -> Iterator[Tuple[str, int, float, bytes]]:
    for boot_id, sequence, kept_at, body in damaged.execute(query):
        if _is_whole(boot_id, sequence, body):
            yield boot_id, sequence, float(kept_at), body


def _is_whole(boot_id: str, sequence: int, body: bytes) -> bool:
    try:
        raw = json.loads(body)
        return bool(raw["boot_id"] == boot_id and raw["sequence"] == sequence)
    except (ValueError, TypeError, KeyError):
        return False


def _forget_oldest_moved_aside(folder: Path) -> None:
    moved = sorted(folder.glob("spool-damaged-*.sqlite3"), key=lambda path: path.stat().st_mtime)
    for path in moved[:-MOVED_ASIDE_LIMIT]:
        for name in (path, _beside(path, "-wal"), _beside(path, "-shm")):
            with contextlib.suppress(OSError):
                name.unlink()


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
