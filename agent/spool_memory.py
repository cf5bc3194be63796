"""Small texts that the spool keeps beside the reports: counters, clocks, the boot's name on the wire."""

from __future__ import annotations

import os
import sqlite3
from typing import Optional

from agent.host import Host

# The age clock trusts the wall clock between two boots, but a battery-less clock that jumps by years must not age
# reports by years.
LONGEST_OFF_SECONDS = 7 * 86_400.0


class SpoolMemory:
    """Texts by name in the spool's file; whoever calls holds the spool's lock, and a transaction where it writes.

    Args:
        database: the open file.
        host: for clocks and the boot's identity.
    """

    def __init__(self, database: sqlite3.Connection, host: Host) -> None:
        self._database = database
        self._host = host

    def recall(self, name: str) -> Optional[str]:
        """The text kept under this name, None if there is none."""
        row = self._database.execute("SELECT value FROM memory WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, name: str, value: str) -> None:
        """Keeps a text."""
        self._database.execute("INSERT OR REPLACE INTO memory (name, value) VALUES (?, ?)", (name, value))

    def forget(self, name: str) -> None:
        """Lets a text go."""
        self._database.execute("DELETE FROM memory WHERE name = ?", (name,))

    def count(self, name: str) -> int:
        """The counter kept under this name, 0 before it was first counted."""
        return int(self.recall(name) or 0)

    def boot_id(self) -> str:
        """The wire's name for this boot: random, kept with the system's own boot identity that it stands for.

        Random, and not made from the system's: a spool made anew in the same boot starts counting from 1 again, and so
        do two machines restored from one image; under the same name their new reports would be taken for repeats.
        """
        system_boot_id = self._host.boot_id()
        boot_id = self.recall("boot_id")
        # Where a system calls two starts by one name, the clock that runs since the start went back.
        is_restarted = self._host.monotonic_time_seconds() < float(self.recall("age_monotonic") or 0.0)
        if boot_id is None or is_restarted or self.recall("system_boot_id") != system_boot_id:
            boot_id = os.urandom(16).hex()
            self.remember("boot_id", boot_id)
            self.remember("system_boot_id", system_boot_id)
            self.remember("sequence", "0")
            # Starts the age clock's count by monotonic time anew.
            self.forget("age_monotonic")
        return boot_id

    def age_seconds(self) -> float:
        """Seconds of the spool's life up to the newest report."""
        return float(self.recall("age_clock") or 0.0)

    def advance_age_clock(self) -> float:
        """Seconds that have passed in the spool's life: by the monotonic clock within a boot, by the wall's between."""
        wall, monotonic = self._host.wall_time_seconds(), self._host.monotonic_time_seconds()
        earlier_monotonic, earlier_wall = self.recall("age_monotonic"), self.recall("age_wall")
        passed = 0.0
        if earlier_monotonic is not None:
            passed = monotonic - float(earlier_monotonic)
        elif earlier_wall is not None:
            passed = min(wall - float(earlier_wall), LONGEST_OFF_SECONDS)
        age = self.age_seconds() + max(passed, 0.0)
        self.remember("age_clock", repr(age))
        self.remember("age_monotonic", repr(monotonic))
        self.remember("age_wall", repr(wall))
        return age
