"""Reports on disk until the collector has them: survives power cuts, full disks and its own corruption.

One SQLite file, written through at every report. Bounded in bytes and in age: the oldest go first, and each is counted.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, List, Mapping, Optional, Sequence, Tuple, TypeVar

from agent.errors import SpoolError
from agent.host import Host
from agent.spool_file import Announce, is_damage, open_file, replace_damaged_file, write_again

SPOOL_FILE = "spool.sqlite3"
LIMIT_BYTES = 64 * 1024 * 1024
LIMIT_AGE_SECONDS = 30 * 86_400.0
REJECTED_LIMIT_BYTES = 1024 * 1024

_DROP_AT_ONCE = 16
_REASON_CHARACTERS = 512  # a reason comes from the network; it must not take the room of reports
# The age clock trusts the wall clock between two boots, but a battery-less clock that jumps by years must not age
# reports by years.
_LONGEST_OFF_SECONDS = 7 * 86_400.0

Builder = Callable[[str, int, int, int], bytes]
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Entry:
    """One kept report: its number here, its name on the wire and its JSON."""

    id: int
    boot_id: str
    sequence: int
    body: bytes


@dataclass(frozen=True)
class SpoolCounts:
    """How the spool stands.

    Args:
        reports: waiting to be sent.
        dropped_total: dropped since the spool was first made: too many bytes, too old, or a disk without room.
        rejected: kept aside now because the collector refused them for good.
        rejected_total: refused since the spool was first made.
        moved_aside_total: how often the file was found damaged and replaced.
    """

    reports: int
    dropped_total: int
    rejected: int
    rejected_total: int
    moved_aside_total: int


class Spool:
    """The reports waiting to be sent. Safe to use from several threads.

    Args:
        path: the SQLite file; its folder exists.
        host: for clocks and the boot's identity.
        limit_bytes: room the file may use.
        limit_age_seconds: how long a report is kept.
        announce: is told what a person should know, such as a damaged file.

    Raises:
        SpoolError: the file can neither be opened nor replaced.
    """

    def __init__(
        self,
        path: Path,
        host: Host,
        *,
        limit_bytes: int = LIMIT_BYTES,
        limit_age_seconds: float = LIMIT_AGE_SECONDS,
        announce: Announce = lambda _message: None,
    ) -> None:
        self._path = path
        self._host = host
        self._limit_bytes = limit_bytes
        self._limit_age_seconds = limit_age_seconds
        self._announce = announce
        self._lock = threading.RLock()
        # Reports lost while the disk had no room to count them either.
        self._lost_without_count = 0
        # After an error the connection is not trusted: the next use opens the file anew.
        self._is_stale = False
        try:
            self._database = open_file(path)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise _unusable(path, error) from error
            self._database = self._replaced()

    def close(self) -> None:
        """Ends the use of the file."""
        with self._lock:
            self._database.close()

    def adopt(self, device_id: str) -> None:
        """Makes this the device that all waiting reports speak for.

        After a new enrolment the collector would refuse what was measured under the old name, although it is the same
        machine.

        Raises:
            SpoolError: they stay as they were.
        """

        def work() -> None:
            if self._recall("device_id") == device_id:
                return
            with self._transaction():
                for entry in self._select("ASC", -1):
                    body = {**json.loads(entry.body), "device_id": device_id}
                    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
                    self._database.execute("UPDATE report SET body = ? WHERE id = ?", (text.encode(), entry.id))
                self._remember("device_id", device_id)

        with self._lock:
            self._guarded(work)

    def append(self, build: Builder, remember: Optional[Mapping[str, str]] = None) -> Entry:
        """Keeps a new report durably before it returns.

        The report's number is drawn in the same transaction that keeps it: no crash can give a number out twice.

        Args:
            build: makes the report's JSON from (boot_id, sequence, reports waiting, reports dropped so far).
            remember: small texts to keep with it, as `remember` does.

        Raises:
            SpoolError: it could not be kept; it is counted as dropped.
        """
        with self._lock:
            try:
                return self._guarded(lambda: self._append(build, remember or {}))
            except SpoolError:
                self._lost_without_count += 1
                raise

    def _append(self, build: Builder, remember: Mapping[str, str]) -> Entry:
        with self._transaction():
            boot_id = self._boot_id()
            sequence = int(self._recall("sequence") or 0) + 1
            kept_at = self._advance_age_clock()
            dropped = self._count("dropped_total") + self._lost_without_count
            dropped += self._drop_old(kept_at)
            body = build(boot_id, sequence, self._reports(), dropped)
            inserted = self._database.execute(
                "INSERT INTO report (boot_id, sequence, kept_at, body) VALUES (?, ?, ?, ?)",
                (boot_id, sequence, kept_at, body),
            )
            dropped += self._drop_beyond_bytes(inserted.lastrowid or 0)
            self._remember("sequence", str(sequence))
            self._remember("dropped_total", str(dropped))
            for name, value in remember.items():
                self._remember(name, value)
        self._lost_without_count = 0
        return Entry(inserted.lastrowid or 0, boot_id, sequence, body)

    def batch(self, limit_count: int, limit_bytes: int, *, newest: bool = False) -> List[Entry]:
        """Waiting reports for one upload, in their order: the oldest, or the newest; at least one if there is any.

        Raises:
            SpoolError: they cannot be read.
        """
        order = "DESC" if newest else "ASC"
        with self._lock:
            chosen: List[Entry] = []
            room = limit_bytes
            for entry in self._guarded(lambda: self._select(order, limit_count)):
                room -= len(entry.body)
                if chosen and room < 0:
                    break
                chosen.append(entry)
        return sorted(chosen, key=lambda entry: entry.id)

    def _select(self, order: str, limit_count: int) -> List[Entry]:
        query = f"SELECT id, boot_id, sequence, body FROM report ORDER BY id {order} LIMIT ?"  # noqa: S608  # two words
        return [Entry(*row) for row in self._database.execute(query, (limit_count,))]

    def accept(self, entries: Sequence[Entry]) -> None:
        """Forgets reports that the collector has.

        Raises:
            SpoolError: they stay, and will be sent again; the collector knows repeats.
        """

        def work() -> None:
            with self._transaction():
                self._database.executemany("DELETE FROM report WHERE id = ?", [(entry.id,) for entry in entries])

        with self._lock:
            self._guarded(work)

    def reject(self, entry: Entry, reason: str) -> None:
        """Puts a report aside that the collector refused for good, with its reason, for a person to see.

        Raises:
            SpoolError: it stays among the waiting.
        """

        def work() -> None:
            with self._transaction():
                self._database.execute("DELETE FROM report WHERE id = ?", (entry.id,))
                self._database.execute(
                    "INSERT INTO rejected (boot_id, sequence, reason, body) VALUES (?, ?, ?, ?)",
                    (entry.boot_id, entry.sequence, reason[:_REASON_CHARACTERS], entry.body),
                )
                self._remember("rejected_total", str(self._count("rejected_total") + 1))
                self._bound_rejected()

        with self._lock:
            self._guarded(work)

    def rejected(self) -> List[Tuple[str, int, str]]:
        """(boot_id, sequence, reason) of the reports kept aside, oldest first.

        Raises:
            SpoolError: they cannot be read.
        """
        query = "SELECT boot_id, sequence, reason FROM rejected ORDER BY id"
        with self._lock:
            return self._guarded(lambda: self._database.execute(query).fetchall())

    def counts(self) -> SpoolCounts:
        """How the spool stands.

        Raises:
            SpoolError: it cannot be read.
        """

        def work() -> SpoolCounts:
            return SpoolCounts(
                reports=self._reports(),
                dropped_total=self._count("dropped_total") + self._lost_without_count,
                rejected=self._database.execute("SELECT COUNT(*) FROM rejected").fetchone()[0],
                rejected_total=self._count("rejected_total"),
                moved_aside_total=self._count("moved_aside_total"),
            )

        with self._lock:
            return self._guarded(work)

    def remember(self, name: str, value: str) -> None:
        """Keeps a small text, as the time of the last upload, for `agent status`.

        Raises:
            SpoolError: it could not be kept.
        """

        def work() -> None:
            with self._transaction():
                self._remember(name, value)

        with self._lock:
            self._guarded(work)

    def recall(self, name: str) -> Optional[str]:
        """The text kept under this name, None if there is none.

        Raises:
            SpoolError: it cannot be read.
        """
        with self._lock:
            return self._guarded(lambda: self._recall(name))

    # Within a transaction

    def _boot_id(self) -> str:
        """The wire's name for this boot: random, kept with the system's own boot identity that it stands for.

        Random, and not made from the system's: a spool made anew in the same boot starts counting from 1 again, and so
        do two machines restored from one image; under the same name their new reports would be taken for repeats.
        """
        system_boot_id = self._host.boot_id()
        boot_id = self._recall("boot_id")
        if boot_id is None or self._recall("system_boot_id") != system_boot_id:
            boot_id = uuid.uuid4().hex
            self._remember("boot_id", boot_id)
            self._remember("system_boot_id", system_boot_id)
            self._remember("sequence", "0")
            # Starts the age clock's count by monotonic time anew.
            self._database.execute("DELETE FROM memory WHERE name = 'age_monotonic'")
        return boot_id

    def _advance_age_clock(self) -> float:
        """Seconds that have passed in the spool's life: by the monotonic clock within a boot, by the wall's between."""
        wall, monotonic = self._host.wall_time_seconds(), self._host.monotonic_time_seconds()
        earlier_monotonic, earlier_wall = self._recall("age_monotonic"), self._recall("age_wall")
        passed = 0.0
        if earlier_monotonic is not None:
            passed = monotonic - float(earlier_monotonic)
        elif earlier_wall is not None:
            passed = min(wall - float(earlier_wall), _LONGEST_OFF_SECONDS)
        age = float(self._recall("age_clock") or 0.0) + max(passed, 0.0)
        self._remember("age_clock", repr(age))
        self._remember("age_monotonic", repr(monotonic))
        self._remember("age_wall", repr(wall))
        return age

    def _drop_old(self, now: float) -> int:
        oldest_allowed = now - self._limit_age_seconds
        return self._database.execute("DELETE FROM report WHERE kept_at < ?", (oldest_allowed,)).rowcount

    def _drop_beyond_bytes(self, newest_id: int) -> int:
        dropped = 0
        while self._used_bytes() > self._limit_bytes:
            deleted = self._database.execute(
                "DELETE FROM report WHERE id IN (SELECT id FROM report WHERE id < ? ORDER BY id LIMIT ?)",
                (newest_id, _DROP_AT_ONCE),
            ).rowcount
            if deleted == 0:
                break
            dropped += deleted
        return dropped

    def _used_bytes(self) -> int:
        pages, free, size = (self._pragma(name) for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    def _bound_rejected(self) -> None:
        query = "SELECT COALESCE(SUM(LENGTH(body)), 0) FROM rejected"
        while self._database.execute(query).fetchone()[0] > REJECTED_LIMIT_BYTES:
            self._database.execute("DELETE FROM rejected WHERE id = (SELECT MIN(id) FROM rejected)")

    def _reports(self) -> int:
        return int(self._database.execute("SELECT COUNT(*) FROM report").fetchone()[0])

    def _pragma(self, name: str) -> int:
        return int(self._database.execute(f"PRAGMA {name}").fetchone()[0])

    def _count(self, name: str) -> int:
        return int(self._recall(name) or 0)

    def _recall(self, name: str) -> Optional[str]:
        row = self._database.execute("SELECT value FROM memory WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _remember(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO memory (name, value) VALUES (?, ?)", (name, value))

    # The file

    def _guarded(self, work: Callable[[], _Result]) -> _Result:
        """Does the work; a damaged file is replaced and the work done once more, any other trouble is a SpoolError."""
        try:
            if not self._is_stale and not self._path.exists():
                self._is_stale = True
                write_again(self._path, self._database)
            if self._is_stale:
                self._database.close()
                self._database = open_file(self._path)
                self._is_stale = False
            return work()
        except sqlite3.Error as error:
            if not is_damage(error):
                self._is_stale = True
                raise _unusable(self._path, error) from error
        try:
            self._database.close()
            self._database = self._replaced()
            self._is_stale = False
            return work()
        except sqlite3.Error as error:
            self._is_stale = True
            raise _unusable(self._path, error) from error

    def _replaced(self) -> sqlite3.Connection:
        try:
            return replace_damaged_file(self._path, self._host.wall_time_seconds(), self._announce)
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            # After some errors SQLite has rolled back by itself.
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise


def _unusable(path: Path, error: sqlite3.Error) -> SpoolError:
    return SpoolError("{path}: the spool cannot be used ({why})", path=str(path), why=str(error))
