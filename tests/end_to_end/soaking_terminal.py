"""A soaked terminal: the real agent on clocks that lie, losing its power at any moment; and what it truly did."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from soaking import HOUR, START, STEP_SECONDS, Machine, Never, SoakedAgent, SoakedHost

from agent.config import load_identity
from agent.connection import Connection, parse_collector_url
from agent.spool import SPOOL_FILE
from collector.drift import DRIFT_RATIO

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
QUICKEST_SECONDS, SLOWEST_SECONDS = 0.02, 0.5
SLOW_SECONDS = (2.0, 25.0)
# From the loss of power to the next start's first moment.
QUICKEST_START_SECONDS = 20.0
SLOW, LOST, DOUBLED = 0.02, 0.05, 0.07


class PowerCut(BaseException):
    """The power goes; nothing in the agent may catch it."""


class Line(Connection):
    """The agent's own connection over a line that is away, slow, loses answers or carries uploads twice."""

    def __init__(self, world, terminal) -> None:
        self._world, self._terminal = world, terminal
        super().__init__(parse_collector_url(world.collector.url))

    def _open(self) -> None:
        if self._world.is_line_down(self._terminal.name):
            raise OSError(101, "Network is unreachable")
        self._address = parse_collector_url(self._world.collector.url)
        super()._open()

    def _exchange(self, path, body, headers):
        world, terminal = self._world, self._terminal
        if world.is_line_down(terminal.name):
            self.close()
        fate = terminal.random.random()
        span = SLOW_SECONDS if fate < SLOW else (QUICKEST_SECONDS, SLOWEST_SECONDS)
        transit = terminal.random.uniform(*span)
        world.advance(transit)
        if world.kills_in_flight:
            world.kills_in_flight -= 1
            self._send(path, body, headers)
            time.sleep(terminal.random.uniform(0.0, 0.02))
            world.collector.kill()
            world.note(terminal.name, "the collector is killed while it takes an upload")
            self._break()
        if SLOW <= fate < LOST:
            self._send(path, body, headers)
            self._channel.settimeout(30)
            if b" 200 " in self._channel.recv(4096)[:16]:
                terminal.note_tie(transit)
            world.count("lost answers")
            self._break()
        answer = super()._exchange(path, body, headers)
        if LOST <= fate < DOUBLED:
            world.count("doubled uploads")
            answer = super()._exchange(path, body, headers)
        if answer.status == 200:
            terminal.note_tie(transit)
            world.count("slow uploads" if fate < SLOW else "quick uploads")
        return answer

    def _send(self, path, body, headers) -> None:
        if self._channel is None:
            self._open()
        self._channel.sendall(self._request(path, body, headers))

    def _break(self) -> None:
        self.close()
        raise ConnectionResetError(104, "Connection reset by peer")


@dataclass(frozen=True)
class Made:
    """A report as its terminal made it.

    Args:
        serial: its number within the soak.
        true_at: when, by the true clock.
        wall_at: by the terminal's own.
        start: number of the machine's start.
        name: (boot id, sequence); None where that was not told before the power went.
        is_kept: whether the spool had said that it is durable; None where the power went before it could.
    """

    serial: int
    true_at: float
    wall_at: float
    start: int
    name: tuple[str, int] | None
    is_kept: bool | None


@dataclass
class Start:
    """One start of a machine: when, how wrong its clock was, and the first and the quickest upload that told it."""

    number: int
    at: float
    skew_at_start: float
    first_transit: float | None = None
    first_told_at: float = 0.0
    last_told_at: float = 0.0
    # What the collector may take for drift although uploads since the last quick one were slow.
    slack: float = 0.0
    best_transit: float | None = None
    wall_changes: int = 0


class Terminal:
    """A machine with an agent, and what it truly did."""

    def __init__(self, world, name, identity, folder, random, rate) -> None:
        self.world, self.name, self.identity, self.folder, self.random = world, name, identity, folder, random
        self.machine = Machine(rate=rate)
        self.made: list[Made] = []
        self.starts: list[Start] = []
        self._late_at_delivery: dict[tuple[str, int], float] = {}
        self.agent = None
        self.suspended_until = 0.0
        self.disk_full_until = 0.0
        self.is_measuring = True
        self.uploaded_at, self.upload_due, self.waits_regularly = 0.0, 0.0, True
        self.most_bytes = 0
        self.failed_appends = self.never_counted = self._uncounted = 0
        self.said: list[str] = []
        self._serial = 0
        self._off_at = 0.0
        self._generation = 0

    # Power

    def power_on(self, wall: float | None = None) -> None:
        """Starts the machine; `wall` is what its clock begins with where that has no battery."""
        now = self.world.now
        if self.agent is not None:
            return
        if now < self._off_at + QUICKEST_START_SECONDS:
            self.world.at(self._off_at + QUICKEST_START_SECONDS, self.power_on, wall)
            return
        self.machine.boot_name = f"{self.name}-{len(self.starts) + 1}"
        self.machine.boot_at = now
        if wall is not None:
            self.machine.set_wall(now, wall)
        self.starts.append(Start(len(self.starts), now, self.machine.wall_at_time(now) - now))
        self.world.note(self.name, f"starts, clock wrong by {self.starts[-1].skew_at_start:.0f} s")
        self.start_agent()

    def start_agent(self) -> None:
        self.host = SoakedHost(self.world.clock.read, self.machine)
        self.agent = SoakedAgent(
            self._identity(), self.folder, self.host, lambda m: self.said.append(m.render()), self._tell
        )
        self.agent.uplink._connection = Line(self.world, self)
        self.agent.uplink._draw = lambda: self.random.uniform(0.6, 1.0)
        self._generation += 1
        self.waits_regularly, self.upload_due = False, 0.0
        self.world.later(self.random.uniform(20, 80), self._step, self._generation)

    def _identity(self):
        """What the agent finds on its disk: with the newest configuration that it was told."""
        return replace(load_identity(self.folder), collector_url=self.identity.collector_url)

    def power_off(self, kind: str) -> None:
        """Ends the machine's run: `orderly`, `cut` between two reports, `torn` in the middle of one, or `killed`."""
        if self.agent is None:
            return
        self.world.note(self.name, f"power goes ({kind})")
        if kind == "orderly":
            self.agent.uplink._one_batch()
            self._let_go()
        elif kind == "torn" and self.world.now >= self.disk_full_until:
            self._cut_in_the_middle()
        elif kind in ("cut", "torn"):
            self._lose_power()
        else:
            self._be_killed()
        self._off_at = self.world.now

    def kill_agent(self) -> None:
        """The agent alone is killed while it writes; the machine runs on."""
        if self.is_awake:
            self.world.note(self.name, "its agent is killed")
            self._be_killed()
            self.start_agent()

    def suspend(self, seconds: float) -> None:
        if self.agent is not None:
            self.world.note(self.name, f"sleeps for {seconds / HOUR:.1f} h")
            self.suspended_until = self.world.now + seconds
            self.agent.uplink.close()

    is_awake = property(lambda self: self.agent is not None and self.world.now >= self.suspended_until)

    def set_wall(self, ahead_seconds: float, who: str) -> None:
        """Sets the clock; somebody who finds the machine off comes back in an hour."""
        if not self.is_awake:
            self.world.later(HOUR, self.set_wall, ahead_seconds, who)
            return
        self.machine.set_wall(self.world.now, self.world.now + ahead_seconds)
        self.starts[-1].wall_changes += 1
        self.world.note(self.name, f"{who} sets the clock, wrong by {ahead_seconds:.0f} s now")

    def _let_go(self) -> None:
        # A full disk has no room to count what is lost either; the agent remembers it as long as it runs.
        self.never_counted += self._uncounted
        self._uncounted = 0
        self.agent.close()
        self.agent = None
        self._generation += 1

    def _lose_power(self) -> None:
        """Leaves on disk what is there now, as if nobody had closed anything."""
        cut = self._copy_as_cut()
        self._let_go()
        self._put_back(cut)

    def _copy_as_cut(self) -> Path:
        cut = self.folder / "cut"
        shutil.rmtree(cut, ignore_errors=True)
        cut.mkdir()
        for name in (SPOOL_FILE, SPOOL_FILE + "-wal"):
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, cut / name)
        # What was being written after the last commit may be there in part.
        with (cut / (SPOOL_FILE + "-wal")).open("ab") as log:
            log.write(self.random.randbytes(self.random.randrange(9000)))
        return cut

    def _put_back(self, cut: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / (SPOOL_FILE + suffix)).unlink()
        for path in cut.iterdir():
            path.replace(self.folder / path.name)

    def _cut_in_the_middle(self) -> None:
        kept = []

        def cut() -> None:
            if self.agent.spool._database.in_transaction:
                kept.append(self._copy_as_cut())
                raise PowerCut

        # After an error it opens its file at the next use only.
        self.agent.spool.counts()
        self.host.on_wall = cut
        try:
            self.agent.run_once(Never())
        except PowerCut:
            self.made.append(Made(self._serial, self.world.now, 0.0, self.starts[-1].number, None, False))
        finally:
            self.host.on_wall = lambda: None
        self._let_go()
        self._put_back(kept[0])

    def _be_killed(self) -> None:
        """Goes on in a process of its own, a report a minute without any pause, and is killed there."""
        self._let_go()
        told = {
            "folder": str(self.folder),
            "machine": vars(self.machine),
            "now": self.world.now,
            "serial": self._serial,
        }
        child = subprocess.Popen(
            [sys.executable, str(HERE / "soaking_process.py"), "write", json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        lines = []
        wanted = self.random.randint(3, 20)
        for line in child.stdout:
            lines.append(json.loads(line))
            if len(lines) >= 2 * wanted:
                break
        time.sleep(self.random.uniform(0.0, 0.002))
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split(b"\n")
        lines += [json.loads(line) for line in rest[:-1] if line.strip()]
        child.stdout.close()
        child.stdin.close()
        assert child.wait() == -signal.SIGKILL, "the writing process ended by itself"
        names = {serial: name for kind, serial, *_, name in lines if kind == "kept"}
        for _kind, serial, true_at, _ in [line for line in lines if line[0] == "about"]:
            name = tuple(names[serial]) if serial in names else None
            wall = self.machine.wall_at_time(true_at)
            is_kept = True if serial in names else None
            self.made.append(Made(serial, true_at, wall, self.starts[-1].number, name, is_kept))
            self._serial, last = serial, true_at
        self.world.advance(max(0.0, last - self.world.now) + 1.0)
        self.world.count("kills in the middle of writing")

    # Work

    def _tell(self):
        self._serial += 1
        return round((self.world.now - START) * 1000), self._serial

    def _step(self, generation: int) -> None:
        if generation != self._generation:
            return
        now = self.world.now
        if now < self.suspended_until:
            self.world.at(self.suspended_until + 2.0, self._step, generation)
            return
        if self.is_measuring:
            self._measure()
        if self.upload_due <= 0.0:
            self._upload_at(self.world.now + self.random.uniform(0, 5))
        elif (
            self.waits_regularly and now >= self.uploaded_at + self.agent.uplink._configuration.upload_interval_seconds
        ):
            # The interval became shorter meanwhile.
            self._upload_at(now)
        self.world.later(STEP_SECONDS, self._step, generation)

    def _upload_at(self, due: float) -> None:
        self.upload_due = due
        self.world.at(due, self._upload, self._generation, due)

    def _measure(self) -> None:
        now = self.world.now
        with self._room():
            kept = self.agent.run_once(Never())
        name = None if kept.entry is None else (kept.entry.boot_id, kept.entry.sequence)
        wall = self.machine.wall_at_time(now)
        self.made.append(Made(self._serial, now, wall, self.starts[-1].number, name, kept.entry is not None))
        self.failed_appends += kept.entry is None
        self._uncounted = 0 if kept.entry is not None else self._uncounted + 1
        if self._serial % 200 == 0:
            self.most_bytes = max(self.most_bytes, sum(path.stat().st_size for path in self.folder.glob("spool*")))

    def _upload(self, generation: int, due: float) -> None:
        if generation != self._generation or due != self.upload_due:
            return
        if self.world.now < self.suspended_until:
            self._upload_at(self.suspended_until + 3.0)
            return
        uplink = self.agent.uplink
        with self._room():
            cycle = uplink._one_batch()
        for exchange in cycle.exchanges:
            for result in exchange.results:
                late = max(0.0, self.starts[-1].best_transit - SLOWEST_SECONDS) + self.starts[-1].slack
                self._late_at_delivery.setdefault((result.boot_id, result.sequence), late)
        self.uploaded_at = self.world.now
        wait = max(uplink.next_wait_seconds(cycle), 1.0)
        self.waits_regularly = cycle.error is None and not cycle.kept and not cycle.is_history_left
        self._upload_at(self.world.now + wait)

    def late_seconds(self, made: Made) -> float:
        """By how much more than a second a report may be late, for slow uploads: docs/soak.md."""
        return self._late_at_delivery.get(made.name, 0.0)

    def drift_seconds(self, made: Made) -> float:
        """What its crystal lost or won, where a report was made before the first upload or after the last."""
        start = self.starts[made.start]
        beyond = max(start.first_told_at - made.true_at, made.true_at - start.last_told_at, 0.0)
        return beyond * abs(self.machine.rate - 1.0)

    @contextlib.contextmanager
    def _room(self):
        """While the disk is full the system refuses every write."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if self.world.now < self.disk_full_until:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def note_tie(self, transit: float) -> None:
        """An upload of the running boot has told the collector its clock."""
        start = self.starts[-1]
        if start.first_transit is None:
            start.first_transit, start.first_told_at = transit, self.world.now
            start.last_told_at = self.world.now
        gap = self.world.now - start.last_told_at
        start.slack = start.slack + min(transit, DRIFT_RATIO * gap) if transit > SLOWEST_SECONDS else 0.0
        start.last_told_at = self.world.now
        start.best_transit = transit if start.best_transit is None else min(transit, start.best_transit)
