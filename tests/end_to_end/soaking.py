"""The clocks and the agent of a soaked terminal: what the soak and the processes that it kills have in common."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from agent.host import Host
from agent.measuring import Agent
from agent.probes.contract import Collected, Probe, ProbeContext
from agent.runner import Runner
from agent.wire.report import Sample

# Monday 2026-11-16, midnight in Viet Nam.
START = 1_794_762_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
YEAR_2009 = 1_230_768_000.0
STEP_SECONDS = 60.0


class SharedClock:
    """The true time, in a file that several processes have mapped; only differences to the real one are simulated."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(struct.pack("d", START))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    def read(self) -> float:
        return struct.unpack("d", self._map[:8])[0]

    def set(self, seconds: float) -> None:
        self._map[:8] = struct.pack("d", seconds)


@dataclass
class Machine:
    """The clocks of one machine: an oscillator that is a little wrong, and a wall clock that anybody may set."""

    boot_name: str = ""
    boot_at: float = 0.0
    rate: float = 1.0
    wall: float = START
    wall_at: float = START

    def set_wall(self, now: float, wall: float) -> None:
        self.wall, self.wall_at = wall, now

    def wall_at_time(self, now: float) -> float:
        return self.wall + (now - self.wall_at) * self.rate


class SoakedHost(Host):
    """This machine with other clocks."""

    def __init__(self, read_clock, machine: Machine) -> None:
        super().__init__()
        self._read_clock, self._machine = read_clock, machine
        # Called in the middle of keeping a report, where the clocks are asked.
        self.on_wall = lambda: None

    def wall_time_seconds(self) -> float:
        self.on_wall()
        return self._machine.wall_at_time(self._read_clock())

    def monotonic_time_seconds(self) -> float:
        # As `agent.host` has it: it counts the machine's sleep too.
        return (self._read_clock() - self._machine.boot_at) * self._machine.rate

    def boot_id(self) -> str:
        return self._machine.boot_name


class Never:
    """Nobody asks the agent to stop."""

    requested = staticmethod(lambda: False)


class SoakedAgent(Agent):
    """The agent with one probe, which tells the true time and a number of its own instead of the machine's state."""

    def __init__(self, identity, state_dir, host, announce, tell) -> None:
        self._tell = tell
        super().__init__(identity, state_dir, host, announce)
        self._soaked = Runner(host, {"uptime": Probe(self._collect)}, ProbeContext(measure_gateway=False))

    def _collect(self, _host, _context):
        true_milliseconds, serial = self._tell()
        return Collected([Sample("uptime_seconds", true_milliseconds), Sample("memory_total_bytes", serial * 1024)])

    def _runner(self, *, is_lasting: bool = False) -> Runner:
        return self._soaked

    @property
    def spool(self):
        return self._spool

    @property
    def uplink(self):
        return self._uplink
