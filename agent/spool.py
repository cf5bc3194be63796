"""Reports on disk until the collector has them: survives power cuts, full disks and its own corruption.

One SQLite file, written through at every report. Bounded in bytes and in age: the oldest go first, and each is counted.
Reports that were sent stay for a week where there is room, for a collector that is restored from an older backup.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from pathlib import Path
from typing import Callable, List, Mapping, Optional, Sequence, Tuple

from agent.errors import AgentError, SpoolError
from agent.host import Host
from agent.spool_body import pack, unpack
from agent.spool_file import Announce, GuardedFile
from agent.spool_memory import SpoolMemory
from agent.spool_room import SENT, WAITING, bound_rejected, drop_beyond_bytes, drop_old, forget_sent
from agent.wire.exchange import ReportName
from agent.wire.record import dataclass

SPOOL_FILE = "spool.sqlite3"
LIMIT_BYTES = 64 * 1024 * 1024
LIMIT_AGE_SECONDS = 30 * 86_400.0
SEND_AGAIN_SECONDS = 3600.0

# A disk with less room than this is nearly full: sent reports go, some at a time, for new ones to take their place.
_FREE_BYTES = 8 * 1024 * 1024
_MAKE_ROOM_FOR = 64
_REASON_CHARACTERS = 512  # a reason comes from the network; it must not take the room of reports

Builder = Callable[[str, int, int, int], bytes]


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
        sent: kept although the collector has them, in case that it is restored from an older backup.
        sent_again_total: sent ones that became waiting again because the collector had lost them.
        dropped_total: dropped since the spool was first made: too many bytes, too old, or a disk without room.
        rejected: kept aside now because the collector refused them for good.
        rejected_total: refused since the spool was first made.
        moved_aside_total: how often the file was found damaged and replaced.
    """

    reports: int
    sent: int
    sent_again_total: int
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
        self._file = GuardedFile(path, host, announce)
        self._folder = path.parent
        self._host = host
        self._limit_bytes = limit_bytes
        self._limit_age_seconds = limit_age_seconds
        self._lock = threading.RLock()
        # Reports lost while the disk had no room to count them either.
        self._lost_without_count = 0
        self._device_id: Optional[str] = None

    @property
    def _database(self) -> sqlite3.Connection:
        return self._file.database

    @property
    def _memory(self) -> SpoolMemory:
        return self._file.memory

    def close(self) -> None:
        """Ends the use of the file."""
        with self._lock:
            self._file.close()

    def adopt(self, device_id: str) -> None:
        """Makes this the device that all waiting reports speak for.

        After a new enrolment the collector would refuse what was measured under the old name, although it is the same
        machine. What was sent under the old name the collector has, and it goes.

        Raises:
            SpoolError: that could not be kept.
        """

        def work() -> None:
            if self._memory.recall("device_id") == device_id:
                return
            with self._file.transaction():
                if self._memory.recall("device_id") is not None:
                    self._database.execute(f"DELETE {SENT}")
                    self._memory.forget("acknowledged")
                self._memory.remember("device_id", device_id)

        with self._lock:
            self._device_id = device_id
            self._file.guarded(work)

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
                return self._file.guarded(lambda: self._append(build, remember or {}))
            except SpoolError:
                self._lost_without_count += 1
                raise

    def _append(self, build: Builder, remember: Mapping[str, str]) -> Entry:
        with self._file.transaction():
            boot_id = self._memory.boot_id()
            sequence = self._memory.count("sequence") + 1
            kept_at = self._memory.advance_age_clock()
            dropped = self._memory.count("dropped_total") + self._lost_without_count
            if self._is_disk_nearly_full():
                # Before nothing can be written at all: room in the file for those that come.
                forget_sent(self._database, _MAKE_ROOM_FOR)
            dropped += drop_old(self._database, kept_at, self._limit_age_seconds)
            body = build(boot_id, sequence, self._reports(), dropped)
            inserted = self._database.execute(
                "INSERT INTO report (boot_id, sequence, kept_at, body) VALUES (?, ?, ?, ?)",
                (boot_id, sequence, kept_at, pack(body)),
            )
            dropped += drop_beyond_bytes(self._database, self._limit_bytes, inserted.lastrowid or 0)
            self._memory.remember("sequence", str(sequence))
            self._memory.remember("dropped_total", str(dropped))
            for name, value in remember.items():
                self._memory.remember(name, value)
        self._lost_without_count = 0
        return Entry(inserted.lastrowid or 0, boot_id, sequence, body)

    def _is_disk_nearly_full(self) -> bool:
        try:
            return self._host.file_system_space_bytes(str(self._folder))[1] < _FREE_BYTES
        except (OSError, AgentError):
            return False

    def batch(self, limit_count: int, limit_bytes: int) -> List[Entry]:
        """The newest of the waiting reports for one upload, in their order; at least one if there is any.

        Raises:
            SpoolError: they cannot be read.
        """

        def work() -> List[Entry]:
            chosen: List[Entry] = []
            room = limit_bytes
            query = f"SELECT id, boot_id, sequence, body {WAITING} ORDER BY id DESC LIMIT ?"
            for number, boot_id, sequence, kept in self._database.execute(query, (limit_count,)):
                entry = Entry(number, boot_id, sequence, self._body(boot_id, sequence, kept))
                room -= len(entry.body)
                if chosen and room < 0:
                    break
                chosen.append(entry)
            return chosen[::-1]

        with self._lock:
            return self._file.guarded(work)

    def _body(self, boot_id: str, sequence: int, kept: bytes) -> bytes:
        try:
            body = unpack(kept)
            is_whole = boot_id.encode() in body and str(sequence).encode() in body
        except (zlib.error, TypeError, AttributeError):
            is_whole = False
        if not is_whole:
            # SQLite does not see a changed byte within a row.
            raise sqlite3.DatabaseError("malformed: a report is not whole")
        if self._device_id is None or b'"device_id":' + _json(self._device_id) in body:
            return body
        return _json({**json.loads(body), "device_id": self._device_id})

    def is_any_older(self, entry: Entry) -> bool:
        """Whether reports wait that are older than this one.

        Raises:
            SpoolError: they cannot be read.
        """
        query = f"SELECT EXISTS (SELECT 1 {WAITING} AND id < ?)"
        with self._lock:
            return bool(self._file.guarded(lambda: self._database.execute(query, (entry.id,)).fetchone()[0]))

    def accept(self, entries: Sequence[Entry], *, is_acknowledged: bool = True) -> None:
        """Keeps reports that the collector has as sent, and no longer as waiting.

        Args:
            entries: the reports.
            is_acknowledged: whether the newest of them is what `acknowledged` names from now on.

        Raises:
            SpoolError: they wait on, and will be sent again; the collector knows repeats.
        """

        def work() -> None:
            with self._file.transaction():
                now = self._memory.age_seconds()
                self._database.executemany(
                    "UPDATE report SET sent_at = ? WHERE id = ?", [(now, entry.id) for entry in entries]
                )
                if entries and is_acknowledged:
                    newest = max(entries, key=lambda entry: entry.id)
                    self._memory.remember("acknowledged", f"{newest.sequence} {newest.boot_id}")

        with self._lock:
            self._file.guarded(work)

    def acknowledged(self) -> Optional[ReportName]:
        """The report that the collector has accepted last; None where there was none yet.

        Raises:
            SpoolError: it cannot be read.
        """
        text = self.recall("acknowledged")
        if not text:
            return None
        sequence, boot_id = text.split(" ", 1)
        return ReportName(boot_id, int(sequence))

    def send_again(self) -> Optional[int]:
        """Makes every sent report wait again: the collector was restored from a backup that lacks some of them.

        Returns:
            How many; None, and nothing is done, within an hour after the last time: a collector that always says so
            must not be sent the same for ever.

        Raises:
            SpoolError: they stay as they were.
        """

        def work() -> Optional[int]:
            with self._file.transaction():
                now = self._memory.advance_age_clock()
                earlier = self._memory.recall("sent_again_at")
                if earlier is not None and now - float(earlier) < SEND_AGAIN_SECONDS:
                    return None
                count = self._database.execute("UPDATE report SET sent_at = NULL WHERE sent_at IS NOT NULL").rowcount
                self._memory.remember("sent_again_at", repr(now))
                self._memory.remember("sent_again_total", str(self._memory.count("sent_again_total") + count))
                return count

        with self._lock:
            return self._file.guarded(work)

    def reject(self, entry: Entry, reason: str) -> None:
        """Puts a report aside that the collector refused for good, with its reason, for a person to see.

        Raises:
            SpoolError: it stays among the waiting.
        """

        def work() -> None:
            with self._file.transaction():
                self._database.execute("DELETE FROM report WHERE id = ?", (entry.id,))
                self._database.execute(
                    "INSERT INTO rejected (boot_id, sequence, reason, body) VALUES (?, ?, ?, ?)",
                    (entry.boot_id, entry.sequence, reason[:_REASON_CHARACTERS], pack(entry.body)),
                )
                self._memory.remember("rejected_total", str(self._memory.count("rejected_total") + 1))
                bound_rejected(self._database)

        with self._lock:
            self._file.guarded(work)

    def rejected(self) -> List[Tuple[str, int, str]]:
        """(boot_id, sequence, reason) of the reports kept aside, oldest first.

        Raises:
            SpoolError: they cannot be read.
        """
        query = "SELECT boot_id, sequence, reason FROM rejected ORDER BY id"
        with self._lock:
            return self._file.guarded(lambda: self._database.execute(query).fetchall())

    def counts(self) -> SpoolCounts:
        """How the spool stands.

        Raises:
            SpoolError: it cannot be read.
        """

        def work() -> SpoolCounts:
            return SpoolCounts(
                reports=self._reports(),
                sent=self._database.execute(f"SELECT COUNT(*) {SENT}").fetchone()[0],
                sent_again_total=self._memory.count("sent_again_total"),
                dropped_total=self._memory.count("dropped_total") + self._lost_without_count,
                rejected=self._database.execute("SELECT COUNT(*) FROM rejected").fetchone()[0],
                rejected_total=self._memory.count("rejected_total"),
                moved_aside_total=self._memory.count("moved_aside_total"),
            )

        with self._lock:
            return self._file.guarded(work)

    def remember(self, name: str, value: str) -> None:
        """Keeps a small text, as the time of the last upload, for `agent status`.

        Raises:
            SpoolError: it could not be kept.
        """

        def work() -> None:
            with self._file.transaction():
                self._memory.remember(name, value)

        with self._lock:
            self._file.guarded(work)

    def recall(self, name: str) -> Optional[str]:
        """The text kept under this name, None if there is none.

        Raises:
            SpoolError: it cannot be read.
        """
        with self._lock:
            return self._file.guarded(lambda: self._memory.recall(name))

    def _reports(self) -> int:
        return int(self._database.execute(f"SELECT COUNT(*) {WAITING}").fetchone()[0])


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
