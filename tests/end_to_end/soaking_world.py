"""The one true clock of a soak, what happens in its order, and the collector, which is killed and comes back.

Real are: the agents with their spools, rounds, uploads and HTTP; the collector, a process of its own that is killed as
a power cut would. Simulated are only the clocks, and the line between the two.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

from soaking import DAY, START, SharedClock

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class CollectorProcess:
    """The real collector in a process of its own, its clock the true one of this world; killed, never closed."""

    def __init__(self, state: Path, clock_file: Path, log: Path, terminals: int) -> None:
        self.state = state
        self._told = {"state": str(state), "clock": str(clock_file), "codes": terminals}
        self._log = log
        self._process = None
        self.codes: list[str] = []
        self.url = "http://127.0.0.1:1"

    def start(self, prober_upload_seconds: int) -> None:
        """Starts it and waits until it listens; on another port than before, which the line knows."""
        told = json.dumps({**self._told, "prober_upload_seconds": prober_upload_seconds})
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "soaking_process.py"), "collect", told],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
            )
        line = self._process.stdout.readline()
        assert line, self.said()
        answer = json.loads(line)
        self.url = f"http://127.0.0.1:{answer['port']}"
        self.codes = answer["codes"] or self.codes

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None
            with socket.create_server(("127.0.0.1", 0)) as closed:
                self.url = f"http://127.0.0.1:{closed.getsockname()[1]}"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def resident_bytes(self) -> int:
        return resident_bytes(self._process.pid)

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-3000:]

    def ask(self, file: str, query: str) -> list[tuple]:
        """Rows of one of its files, read from beside."""
        path = self.state / file
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=20)) as database:
            return database.execute(query).fetchall()


class World:
    """The true clock, everything that happens in its order, the collector and the terminals."""

    def __init__(self, folder: Path) -> None:
        self.clock_file = folder / "clock"
        self.clock = SharedClock(self.clock_file)
        self.collector: CollectorProcess | None = None
        self.terminals = {}
        self.outages: list[tuple[float, float, str]] = []
        self.kills_in_flight = 0
        self.story: list[str] = []
        self.counted: dict[str, int] = {}
        self._events: list[tuple] = []
        self._numbers = itertools.count()

    @property
    def now(self) -> float:
        return self.clock.read()

    def advance(self, seconds: float) -> None:
        self.clock.set(self.clock.read() + seconds)

    def at(self, when: float, what, *arguments) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), what, arguments))

    def later(self, seconds: float, what, *arguments) -> None:
        self.at(self.now + seconds, what, *arguments)

    def run_until(self, end: float) -> None:
        while self._events and self._events[0][0] <= end:
            when, _, what, arguments = heapq.heappop(self._events)
            if when > self.now:
                self.clock.set(when)
            what(*arguments)
        self.clock.set(max(end, self.now))

    def is_line_down(self, name: str) -> bool:
        if not self.collector.is_running:
            return False
        now = self.now
        return any(begin <= now < end and of in ("", name) for begin, end, of in self.outages)

    def note(self, who: str, what: str) -> None:
        days, seconds = divmod(self.now - START, DAY)
        self.story.append(f"day {days:.0f} {int(seconds // 3600):02}:{int(seconds // 60 % 60):02} {who}: {what}")

    def count(self, what: str) -> None:
        self.counted[what] = self.counted.get(what, 0) + 1


def resident_bytes(pid: int | str = "self") -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
