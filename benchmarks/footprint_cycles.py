"""The whole agent without its waits, started by `agent_footprint.py --cycles`: prints its memory every so often.

    python benchmarks/footprint_cycles.py STATE_DIR CYCLES

Probes, spool, connection and the processes for occasional probes are the real ones. The clock of the machine is pushed
on by every wait, so that what is due every quarter of an hour or every day is due in its time.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from agent import measuring
from agent.config import load_identity
from agent.host import Host
from agent.stop import Stop

# Probes of a round follow each other in this time instead of 54 seconds.
WINDOW_SECONDS = 0.02


class PushedHost(Host):
    """This machine with clocks that waits push on."""

    def __init__(self, behind_seconds: float) -> None:
        super().__init__()
        self._pushed = 0.0
        self._behind = behind_seconds

    def push(self, seconds: float) -> None:
        """Lets time pass."""
        self._pushed += seconds

    def monotonic_time_seconds(self) -> float:
        """The machine's, and what waits have added."""
        return super().monotonic_time_seconds() + self._pushed

    def wall_time_seconds(self) -> float:
        """Likewise, begun so early that it ends today."""
        return super().wall_time_seconds() + self._pushed - self._behind


class HurriedStop(Stop):
    """Waits by pushing the clock."""

    def __init__(self, host: PushedHost) -> None:
        super().__init__()
        self._host = host

    def wait(self, seconds: float) -> bool:
        """Does not wait."""
        self._host.push(max(seconds, 0.0))
        return self.requested()


def memory_line(cycle: int, started: float) -> str:
    """Memory of this process as it is now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    table = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return (
        f"{cycle:>7} cycles: resident {int(table['VmRSS']) / 1024:.2f} MiB, at most {int(table['VmHWM']) / 1024:.2f}, "
        f"{threading.active_count()} threads, {time.process_time():.1f} s of processor time, "
        f"{time.perf_counter() - started:.0f} s\n"
    )


def main() -> None:
    """Runs the cycles."""
    state_dir, cycles = Path(sys.argv[1]), int(sys.argv[2])
    identity = load_identity(state_dir)
    if identity is None:
        raise SystemExit("not enrolled")
    host = PushedHost(cycles * identity.configuration.interval_seconds)
    # The one wait that is not the agent's own: a round spreads its probes over most of a minute.
    setattr(measuring, "window_seconds", lambda _interval: WINDOW_SECONDS)  # noqa: B010  # not exported
    stop = HurriedStop(host)
    done, started = 0, time.perf_counter()
    shown = {1, 10, 100, 300, *range(1000, cycles, 1000), cycles}

    def on_round(_kept: object) -> None:
        nonlocal done
        done += 1
        if done in shown:
            sys.stdout.write(memory_line(done, started))
            sys.stdout.flush()
        if done >= cycles:
            stop.request()

    agent = measuring.Agent(identity, state_dir, host, lambda _message: None)
    try:
        agent.run(stop, on_round)
    finally:
        agent.close()
        stop.close()


if __name__ == "__main__":
    main()
