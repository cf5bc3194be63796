"""Runs the phases one after the other on a grid of minutes, and notes what each really did."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.netbench.loads import Stage, Undo
from benchmarks.netbench.namespaces import BenchError
from benchmarks.netbench.phases import Phase
from benchmarks.netbench.truth import HostClock, QueueTruth, Sampler, busy_ratio, host_clock

_CHECK_SECONDS = 5.0


@dataclass(frozen=True)
class Plan:
    """How long everything lasts, in minutes of the bench.

    Args:
        minute_seconds: real length of a minute.
        learning: at the start, without load.
        phase: each.
        gap: after each but the last, without load.
        tail: after the last.
    """

    minute_seconds: float
    learning: int
    phase: int
    gap: int
    tail: int = 2

    def seconds(self, phases: int) -> float:
        """Real length of the whole time line."""
        return self.minutes(phases) * self.minute_seconds

    def minutes(self, phases: int) -> int:
        """Minutes of the whole time line."""
        return self.learning + phases * self.phase + max(phases - 1, 0) * self.gap + self.tail


@dataclass
class Played:
    """A phase as it was played.

    Args:
        name: key in the table of phases.
        start: minute of the bench.
        end: same.
        truth: of the phase's own queue, while its load lasted.
        busy: share of the host's processor time in use.
        load: processes that waited to run, at the end.
        fault: why it does not count; empty where it does.
    """

    name: str
    start: float
    end: float
    truth: QueueTruth | None = None
    busy: float = 0.0
    load: float = 0.0
    fault: str = ""
    queues: dict[str, QueueTruth] = field(default_factory=dict)


class TimeLine:
    """The clock of one run.

    Args:
        plan: lengths.
        stage: what loads act on.
        sampler: sees the queues.
        check: raises BenchError where a process of the bench has ended.
        say: is told what happens.
    """

    def __init__(
        self, plan: Plan, stage: Stage, sampler: Sampler, check: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._stage = stage
        self._sampler = sampler
        self._check = check
        self._say = say
        self._started = time.monotonic()
        self.started_wall_seconds = time.time()

    def play(self, phases: Mapping[str, Phase]) -> list[Played]:
        """Learns, then plays every phase and the quiet minutes after it.

        Raises:
            BenchError: a process of the bench itself has ended.
        """
        plan = self._plan
        minute = float(plan.learning)
        self._say(f"learning {plan.learning} minutes of {plan.minute_seconds:g} s")
        self._wait_until(minute)
        played: list[Played] = []
        for index, (name, phase) in enumerate(phases.items()):
            played.append(self._play_one(name, phase, minute))
            minute += plan.phase
            last = index == len(phases) - 1
            minute += plan.tail if last else plan.gap
            self._wait_until(minute)
        return played

    def _play_one(self, name: str, phase: Phase, minute: float) -> Played:
        plan = self._plan
        found = Played(name, minute, minute + plan.phase)
        before = host_clock()
        undo: list[Undo] = []
        load_minutes = plan.phase if phase.load_minutes is None else phase.load_minutes
        try:
            for load in phase.loads:
                undo.append(load(self._stage))  # noqa: PERF401 - what has begun is undone if the next one fails
            self._wait_until(minute + load_minutes)
        finally:
            faults = _undo_all(undo)
        found.fault = "; ".join(faults)
        self._note(found, phase, minute + load_minutes, before)
        self._wait_until(found.end)
        return found

    def _note(self, found: Played, phase: Phase, load_end: float, before: HostClock) -> None:
        start, end = self._at(found.start), self._at(load_end)
        for queue in self._sampler.samples[-1].delay_ms if self._sampler.samples else ():
            truth = self._sampler.between(queue, start, end)
            if truth is not None:
                found.queues[queue] = truth
        found.truth = found.queues.get(phase.queue)
        after = host_clock()
        found.busy, found.load = busy_ratio(before, after), after.load
        truth_words = found.truth.sentence() if found.truth else "-"
        self._say(f"{found.name}: {truth_words}; host {found.busy:.0%} busy, load {found.load:.1f} {found.fault}")

    def _at(self, minute: float) -> float:
        return self._started + minute * self._plan.minute_seconds

    def _wait_until(self, minute: float) -> None:
        while True:
            remaining = self._at(minute) - time.monotonic()
            if remaining <= 0:
                return
            self._check()
            time.sleep(min(remaining, _CHECK_SECONDS))


def _undo_all(undo: list[Undo]) -> list[str]:
    faults: list[str] = []
    for one in reversed(undo):
        try:
            one()
        except (BenchError, OSError) as error:
            faults.append(str(error))
    return faults
