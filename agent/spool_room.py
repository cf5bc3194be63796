"""What goes from the spool when room or time is up. Within a transaction of whoever calls."""

from __future__ import annotations

import sqlite3

SENT_AGE_SECONDS = 7 * 86_400.0
REJECTED_LIMIT_BYTES = 1024 * 1024

# Without the index's name SQLite may walk through a week of sent reports to find the few that wait.
WAITING = "FROM report INDEXED BY report_waiting WHERE sent_at IS NULL"
SENT = "FROM report INDEXED BY report_sent WHERE sent_at IS NOT NULL"

_DROP_AT_ONCE = 16


def forget_sent(database: sqlite3.Connection, most: int) -> int:
    """Lets the reports go that were sent longest ago; how many, which are not lost: the collector has them."""
    return _delete(database, SENT + " ORDER BY sent_at, id", most)


def drop_old(database: sqlite3.Connection, now: float, limit_age_seconds: float) -> int:
    """Drops what is too old; how many waiting reports.

    Args:
        database: the spool's.
        now: by the spool's age clock.
        limit_age_seconds: how long a waiting report is kept.
    """
    database.execute(f"DELETE {SENT} AND sent_at <= ?", (now - SENT_AGE_SECONDS,))
    dropped = 0
    while True:
        # They are kept in the order of their age.
        oldest = database.execute(f"SELECT kept_at {WAITING} ORDER BY id LIMIT 1").fetchone()
        if oldest is None or oldest[0] >= now - limit_age_seconds:
            return dropped
        dropped += _delete(database, WAITING + " ORDER BY id", 1)


def drop_beyond_bytes(database: sqlite3.Connection, limit_bytes: int, newest_id: int) -> int:
    """Drops the oldest until the file's used pages fit; how many waiting reports, never the newest."""
    dropped = 0
    while _used_bytes(database) > limit_bytes:
        if forget_sent(database, _DROP_AT_ONCE):
            continue
        deleted = _delete(database, f"{WAITING} AND id < {newest_id} ORDER BY id", _DROP_AT_ONCE)
        if deleted == 0:
            break
        dropped += deleted
    return dropped


def bound_rejected(database: sqlite3.Connection) -> None:
    """Drops the oldest of the reports kept aside until they are within their own limit."""
    query = "SELECT COALESCE(SUM(LENGTH(body)), 0) FROM rejected"
    while database.execute(query).fetchone()[0] > REJECTED_LIMIT_BYTES:
        database.execute("DELETE FROM rejected WHERE id = (SELECT MIN(id) FROM rejected)")


def _delete(database: sqlite3.Connection, chosen: str, most: int) -> int:
    query = f"DELETE FROM report WHERE id IN (SELECT id {chosen} LIMIT ?)"  # noqa: S608  # of this module's words
    return database.execute(query, (most,)).rowcount


def _used_bytes(database: sqlite3.Connection) -> int:
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(database.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return (pages - free) * size
