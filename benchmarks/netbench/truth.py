"""The truth: what the queues held, what the host had to do, what the access line's counters say."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.netbench.namespaces import BenchError, Namespaces
from benchmarks.netbench.topology import QUEUES

SAMPLE_SECONDS = 0.5
# A queue of 20 ms is where people begin to feel it; the labelled traces use the same figure.
CONGESTED_MS = 20.0


@dataclass(frozen=True)
class Sample:
    """One look at all queues.

    Args:
        at: monotonic seconds.
        delay_ms: queue -> how long a new packet waits.
        bytes: queue -> bytes let through since it was made.
        drops: queue -> packets dropped since it was made.
    """

    at: float
    delay_ms: dict[str, float]
    bytes: dict[str, int]
    drops: dict[str, int]


@dataclass(frozen=True)
class QueueTruth:
    """One queue during a stretch of time.

    Args:
        median_ms: of its delay.
        p95_ms: same.
        congested_ratio: share of looks with `CONGESTED_MS` and more.
        used_ratio: share of its rate that was used.
        drops: packets dropped.
    """

    median_ms: float
    p95_ms: float
    congested_ratio: float
    used_ratio: float
    drops: int

    def sentence(self) -> str:
        """For a column of the table."""
        return f"{self.median_ms:.0f}/{self.p95_ms:.0f} ms, {self.congested_ratio:.0%}, {self.drops} drops"


class Sampler:
    """Looks at every queue twice a second in a thread of its own, by `tc -s qdisc`."""

    def __init__(self, spaces: Namespaces) -> None:
        self._spaces = spaces
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="truth", daemon=True)
        self.samples: list[Sample] = []
        self.faults = 0

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the look under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def between(self, queue: str, start: float, end: float) -> QueueTruth | None:
        """The queue between two moments (monotonic seconds); None where nothing was seen."""
        inside = [sample for sample in self.samples if start <= sample.at < end]
        return queue_truth(queue, inside) if len(inside) > 1 else None

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                self.samples.append(self._look())
            except (BenchError, KeyError):
                # A look that fails, as while everything is taken away, is left out and counted.
                self.faults += 1
            due += SAMPLE_SECONDS
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _look(self) -> Sample:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for namespace in sorted({queue.namespace for queue in QUEUES.values()}):
            for entry in json.loads(self._spaces.tc(namespace, "-s -j qdisc show")):
                if entry["kind"] == "tbf":
                    found[namespace, entry["dev"]] = entry
        seen = {name: found[queue.namespace, queue.device] for name, queue in QUEUES.items()}
        return Sample(
            at=time.monotonic(),
            delay_ms={name: QUEUES[name].delay_ms(entry["backlog"]) for name, entry in seen.items()},
            bytes={name: entry["bytes"] for name, entry in seen.items()},
            drops={name: entry["drops"] for name, entry in seen.items()},
        )


def queue_truth(queue: str, samples: Sequence[Sample]) -> QueueTruth:
    """What two or more looks say of one queue."""
    delays = sorted(sample.delay_ms[queue] for sample in samples)
    first, last = samples[0], samples[-1]
    possible_bytes = QUEUES[queue].bits_per_second / 8 * (last.at - first.at)
    return QueueTruth(
        median_ms=round(statistics.median(delays), 1),
        p95_ms=round(delays[int(0.95 * (len(delays) - 1))], 1),
        congested_ratio=round(sum(delay >= CONGESTED_MS for delay in delays) / len(delays), 3),
        used_ratio=round((last.bytes[queue] - first.bytes[queue]) / possible_bytes, 3),
        drops=last.drops[queue] - first.drops[queue],
    )


@dataclass(frozen=True)
class HostClock:
    """The host's processors at one moment: seconds in use and in all, and how many wait to run."""

    busy: float
    total: float
    load: float


def host_clock() -> HostClock:
    """Read from /proc."""
    fields = [float(word) for word in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    load = float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0])
    return HostClock(busy=sum(fields) - fields[3] - fields[4], total=sum(fields), load=load)


def busy_ratio(start: HostClock, end: HostClock) -> float:
    """Share of processor time in use between two moments."""
    return round((end.busy - start.busy) / max(end.total - start.total, 1e-9), 3)


def worst_lateness_ms(statistics_lines: Iterator[dict[str, float]]) -> float:
    """The median of a relay's p95 lateness, by seconds in which it had packets; tells whether the host was too busy."""
    values = [line["late_p95_ms"] for line in statistics_lines if line["packets"]]
    return round(statistics.median(values), 2) if values else 0.0
