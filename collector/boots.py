"""What uploads have shown of each terminal's boots, kept in `boots.sqlite`: what its reports are dated by.

Losing the file loses no report: reports are then dated by what their own upload shows.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent.wire.exchange import Moment
from agent.wire.report import Report
from collector.cloning import Turn, take_turn
from collector.dating import AHEAD_SECONDS, BootTime, PlacedReport, date_boots, place_in_time

LOCK_WAIT_SECONDS = 10.0
# Of boots that long ago nothing comes any more; see `collector.writer.RECEIPT_SECONDS`.
KEEP_SECONDS = 400 * 86400.0
FORGET_EVERY_UPLOADS = 20_000
# What is known of more boots than this bounds no other.
BOOTS_READ = 200

_SCHEMA = """
CREATE TABLE IF NOT EXISTS boot (
    device_id TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    basis TEXT NOT NULL,
    knots TEXT NOT NULL,
    first_monotonic_seconds REAL NOT NULL,
    last_monotonic_seconds REAL NOT NULL,
    first_wall_offset_seconds REAL NOT NULL,
    heard_at REAL NOT NULL,
    seen_at REAL NOT NULL,
    PRIMARY KEY (device_id, boot_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS boot_seen ON boot (seen_at);
-- From which boots uploads came in turn; see collector.cloning.
CREATE TABLE IF NOT EXISTS turns (device_id TEXT PRIMARY KEY, turns TEXT NOT NULL, seen_at REAL NOT NULL) WITHOUT ROWID;
-- Keys of the hardware as the reports of a boot told them; see inventory.hardware.
CREATE TABLE IF NOT EXISTS hardware (
    device_id TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    keys TEXT NOT NULL,
    seen_at REAL NOT NULL,
    PRIMARY KEY (device_id, boot_id)
) WITHOUT ROWID;
"""

_COLUMNS = "boot_id, basis, knots, first_monotonic_seconds, last_monotonic_seconds, first_wall_offset_seconds, heard_at"


@dataclass(frozen=True)
class SeenBoot:
    """A boot as it is known, and when something of it came last."""

    time: BootTime
    seen_at: float


class Boots:
    """The memory of boots, in a file of its own.

    Args:
        path: the SQLite file.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.touch(mode=0o600)
        self._lock = threading.Lock()
        self._uploads = 0
        self._connection = sqlite3.connect(
            path, timeout=LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        # After a power cut the newest upload's part may be missing, never the rest.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    def place(
        self,
        device_id: str,
        reports: Sequence[Report],
        sent: Moment | None,
        *,
        received_at: float,
        not_before: float = 0.0,
        ahead_seconds: float = AHEAD_SECONDS,
    ) -> list[PlacedReport]:
        """Gives each report of one upload its time, and remembers what the upload has shown.

        Args:
            device_id: whose reports.
            reports: in any order.
            sent: the sender's clocks when it left; None from an agent that does not tell them.
            received_at: when the upload began to arrive, seconds since 1970-01-01 UTC.
            not_before: when the device was enrolled.
            ahead_seconds: `limits.future_seconds` of the settings.
        """
        with self._lock:
            known = {one.time.boot_id: one.time for one in self._read(device_id)}
            found = date_boots(
                known,
                reports,
                sent,
                received_at=received_at,
                not_before=not_before,
                ahead_seconds=ahead_seconds,
            )
            self._write(device_id, [boot for boot in found.values() if known.get(boot.boot_id) != boot], received_at)
            self._uploads += 1
            forget = self._uploads % FORGET_EVERY_UPLOADS == 0
        if forget:
            self.forget(received_at - KEEP_SECONDS)
        return place_in_time(reports, found, sent, received_at=received_at)

    def of(self, device_id: str) -> list[SeenBoot]:
        """The boots of one device that are known, the newest heard first."""
        with self._lock:
            return self._read(device_id)

    def take_turn(self, device_id: str, sent: Moment, received_at: float) -> tuple[Turn, ...]:
        """The turns of the boots that uploads came from, this upload's included."""
        with self._lock:
            turns = self._turns(device_id)
            taken = take_turn(turns, sent, received_at)
            if taken != turns:
                self._keep_turns(device_id, taken, received_at)
        return taken

    def forget_turns(self, device_id: str, boot_id: str) -> None:
        """Leaves out the turns of a boot that turned out to be of another machine."""
        with self._lock:
            turns = self._turns(device_id)
            if turns:
                # One life remains, and its turns say nothing any more.
                kept = [turn for turn in turns if turn.boot_id != boot_id][:1]
                self._keep_turns(device_id, kept, turns[-1].at)

    def note_hardware(self, device_id: str, boot_id: str, keys: Mapping[str, Sequence[str]], seen_at: float) -> None:
        """Keeps what the reports of a boot told of the hardware; kinds that were told before stay."""
        with self._lock:
            row = self._connection.execute(
                "SELECT keys FROM hardware WHERE device_id = ? AND boot_id = ?", (device_id, boot_id)
            ).fetchone()
            known = {} if row is None else json.loads(row[0])
            if whole := {**keys, **known}:
                self._connection.execute(
                    "INSERT OR REPLACE INTO hardware (device_id, boot_id, keys, seen_at) VALUES (?, ?, ?, ?)",
                    (device_id, boot_id, json.dumps(whole), seen_at),
                )

    def hardware(self, device_id: str) -> dict[str, dict[str, list[str]]]:
        """Boot id -> kind -> keys of the hardware, as its reports told them."""
        with self._lock:
            rows = self._connection.execute("SELECT boot_id, keys FROM hardware WHERE device_id = ?", (device_id,))
            with closing(rows):
                return {boot_id: json.loads(keys) for boot_id, keys in rows}

    def forget(self, before: float) -> int:
        """Drops boots of which nothing has come since that time; returns how many."""
        with self._lock:
            for table in ("turns", "hardware"):
                self._connection.execute(f"DELETE FROM {table} WHERE seen_at < ?", (before,))  # noqa: S608  # names of tables
            return self._connection.execute("DELETE FROM boot WHERE seen_at < ?", (before,)).rowcount

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def _turns(self, device_id: str) -> tuple[Turn, ...]:
        row = self._connection.execute("SELECT turns FROM turns WHERE device_id = ?", (device_id,)).fetchone()
        return () if row is None else tuple(Turn(*turn) for turn in json.loads(row[0]))

    def _keep_turns(self, device_id: str, turns: Sequence[Turn], seen_at: float) -> None:
        told = json.dumps([(turn.boot_id, turn.epoch_seconds, turn.at) for turn in turns])
        self._connection.execute(
            "INSERT OR REPLACE INTO turns (device_id, turns, seen_at) VALUES (?, ?, ?)", (device_id, told, seen_at)
        )

    def _read(self, device_id: str) -> list[SeenBoot]:
        rows = self._connection.execute(
            f"SELECT {_COLUMNS}, seen_at FROM boot WHERE device_id = ? ORDER BY seen_at DESC LIMIT ?",  # noqa: S608  # names of columns
            (device_id, BOOTS_READ),
        )
        with closing(rows):
            return [
                SeenBoot(
                    BootTime(
                        boot_id, basis, tuple((m, t) for m, t in json.loads(knots)), first, last, offset, heard_at
                    ),
                    seen_at,
                )
                for boot_id, basis, knots, first, last, offset, heard_at, seen_at in rows
            ]

    def _write(self, device_id: str, boots: Iterable[BootTime], seen_at: float) -> None:
        rows = [
            (
                device_id,
                boot.boot_id,
                boot.basis,
                json.dumps(boot.knots),
                boot.first_monotonic_seconds,
                boot.last_monotonic_seconds,
                boot.first_wall_offset_seconds,
                boot.heard_at,
                seen_at,
            )
            for boot in boots
        ]
        if not rows:
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(
                f"INSERT OR REPLACE INTO boot (device_id, {_COLUMNS}, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # likewise
                rows,
            )
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
