"""Runs the probes that are due, each in its own thread with a deadline, and makes reports of what they found."""

from __future__ import annotations

import hashlib
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from agent.admission import admit
from agent.configuration import Target
from agent.errors import NoDataError, NoRightsError, ProbeError
from agent.host import Host
from agent.probes.contract import DAY_SECONDS, Collected, Probe, ProbeContext
from agent.wire.message import mark
from agent.wire.record import dataclass, field, replace
from agent.wire.report import (
    ERROR,
    NO_DATA,
    OK,
    TIMEOUT,
    WIRE_VERSION,
    Fact,
    FactValue,
    ProbeOutcome,
    Report,
    Sample,
)

if TYPE_CHECKING:
    from agent.apart import Apart
    from agent.privileged import Privileged

AGAIN_AFTER_FAILURE_SECONDS = 3600.0
# Each look costs 0.1 ms of processor time, and a round lasts most of a minute: seldom where `Runner.wake` is called.
_LOOK_FOR_STOP_SECONDS = 1.0
_LOOK_FOR_STOP_SELDOM_SECONDS = 30.0

TOOK_TOO_LONG = mark("the probe did not end within its deadline")
STILL_HANGING = mark("the probe still hangs since an earlier round and was not started again")


def round_offset_seconds(device_id: str, interval_seconds: float) -> float:
    """Where in the interval this device's rounds fall: spread over all devices, the same at every start."""
    digest = hashlib.sha256(device_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * interval_seconds


def next_round_at(started: float, offset_seconds: float, interval_seconds: float, now: float) -> float:
    """The next time after `now` on the grid `started + offset + k * interval`; rounds that were missed are left out."""
    first = started + offset_seconds
    if now < first:
        return first
    return first + (int((now - first) // interval_seconds) + 1) * interval_seconds


def stamp_of(planned: float, lasting_seconds: float, interval_seconds: float, now: float) -> float:
    """The time that a round's report bears, on the clock of the other arguments.

    A planned moment, not the one at which the last answer came: that moves to and fro with the line itself, and a
    report that falls now into one minute, now into the next leaves minutes without any. A round that was held up, as by
    a machine that slept, bears the time of its end.

    Args:
        planned: when the round was to begin.
        lasting_seconds: what a round takes at least where there is anything to measure over time.
        interval_seconds: from one round to the next.
        now: its end.
    """
    if now >= planned + interval_seconds:
        return now
    return planned + lasting_seconds if now >= planned + lasting_seconds else planned


@dataclass(frozen=True)
class ProbeRun:
    """How one probe's run ended.

    Args:
        outcome: as the report carries it.
        sources: where it had read, for `--explain`.
        samples: what may be sent of its numbers.
        facts: what may be sent of its facts.
        lacks_rights: whether an administrator would have been told more.
    """

    outcome: ProbeOutcome
    sources: Tuple[str, ...] = ()
    samples: Tuple[Sample, ...] = ()
    facts: Mapping[str, FactValue] = field(default_factory=dict)
    lacks_rights: bool = False


@dataclass(frozen=True)
class Round:
    """What one round found: a run for every probe that was due, in the order of the table of probes."""

    runs: Tuple[ProbeRun, ...] = ()

    @property
    def outcomes(self) -> Tuple[ProbeOutcome, ...]:
        """How the runs ended."""
        return tuple(run.outcome for run in self.runs)

    @property
    def samples(self) -> Tuple[Sample, ...]:
        """All numbers."""
        return tuple(sample for run in self.runs for sample in run.samples)

    @property
    def facts(self) -> Dict[str, FactValue]:
        """All facts, sent lately or not."""
        return {name: value for run in self.runs for name, value in run.facts.items()}


class FactLedger:
    """Remembers which facts were put into a report, so that only new, changed or day-old ones go into the next."""

    def __init__(self) -> None:
        self._sent: Dict[str, Tuple[float, FactValue]] = {}

    def due(self, facts: Mapping[str, FactValue], now: float) -> Tuple[Fact, ...]:
        """Those of `facts` that belong into a report made at `now` (monotonic seconds)."""
        return tuple(Fact(name, value) for name, value in facts.items() if self._is_due(name, value, now))

    def note_sent(self, facts: Tuple[Fact, ...], now: float) -> None:
        """Remembers facts of a report that the spool has kept."""
        for fact in facts:
            self._sent[fact.name] = (now, fact.value)

    def _is_due(self, name: str, value: FactValue, now: float) -> bool:
        if name not in self._sent:
            return True
        sent_at, sent_value = self._sent[name]
        return sent_value != value or now - sent_at >= DAY_SECONDS


def build_report(
    found: Round,
    facts: Tuple[Fact, ...],
    *,
    host: Host,
    device_id: str,
    boot_id: str,
    sequence: int,
    spool_reports: int,
    spool_dropped_total: int,
    made_at: Optional[float] = None,
) -> Report:
    """The report of a round, stamped with the machine's clocks as they are now, or were at `made_at` (monotonic)."""
    monotonic = host.monotonic_time_seconds()
    made_at = monotonic if made_at is None else made_at
    return Report(
        wire_version=WIRE_VERSION,
        device_id=device_id,
        boot_id=boot_id,
        sequence=sequence,
        wall_time_seconds=round(host.wall_time_seconds() - (monotonic - made_at), 3),
        monotonic_time_seconds=round(made_at, 3),
        outcomes=found.outcomes,
        samples=(
            *found.samples,
            Sample("spool_reports", spool_reports),
            Sample("spool_dropped_total", spool_dropped_total),
        ),
        facts=facts,
    )


@dataclass
class _Running:
    """A probe's thread, from its start until its result is taken or given up."""

    name: str
    host: Host
    started: float
    deadline_seconds: float
    thread: Optional[threading.Thread] = None


class Runner:
    """Knows which probes are due and runs them.

    Args:
        host: the machine.
        probes: name -> probe.
        context: targets and window; each probe gets a memory of its own.
        apart: runs probes that have a period, without being waited for; None: they run beside the others, in threads.
        privileged: what the daily run as an administrator has left, for probes that lack the rights.
        is_woken: whether `wake` is called when a round shall end early, so that nothing needs to look for that.

    Attributes:
        latency_window_seconds: the window of the rounds to come.
        targets: of the rounds to come.
    """

    def __init__(
        self,
        host: Host,
        probes: Mapping[str, Probe],
        context: ProbeContext,
        *,
        apart: Optional[Apart] = None,
        privileged: Optional[Privileged] = None,
        is_woken: bool = False,
    ) -> None:
        self._host = host
        self._probes = probes
        self.latency_window_seconds = context.latency_window_seconds
        self.targets: Tuple[Target, ...] = context.targets
        self._contexts = {name: replace(context, memory={}) for name in probes}
        self._due_at: Dict[str, float] = {}
        self._hanging: Dict[str, _Running] = {}
        self._apart = apart
        self._privileged = privileged
        # A wait for a lock on Windows is ended by no signal.
        seldom = is_woken and sys.platform != "win32"
        self._look_seconds = _LOOK_FOR_STOP_SELDOM_SECONDS if seldom else _LOOK_FOR_STOP_SECONDS
        # A kind of queue that a signal handler may put into.
        self._results: queue.SimpleQueue[Optional[Tuple[_Running, Any, float]]] = queue.SimpleQueue()
        if apart is not None:
            # Imported in a thread of their own modules would take four times the memory.
            for name, probe in probes.items():
                if not self._is_apart(name):
                    probe.load()

    def wake(self) -> None:
        """Makes a round look at once whether it shall end; from any thread, or a signal handler."""
        self._results.put(None)

    def close(self) -> None:
        """Ends what runs apart."""
        if self._apart is not None:
            self._apart.close()

    def round(self, stop_requested: Callable[[], bool] = lambda: False) -> Optional[Round]:
        """Runs every probe that is due and waits for all, each until its deadline; None if told to stop meanwhile.

        What runs apart is not waited for: what has ended since the last round is in this one.
        """
        now = self._host.monotonic_time_seconds()
        due = [name for name in self._probes if now >= self._due_at.get(name, now)]
        here = [name for name in due if not self._is_apart(name)]
        self._start_apart([name for name in due if name not in here])
        runs: Dict[str, ProbeRun] = {}
        waiting: Dict[str, _Running] = {}
        for name in here:
            hanging = self._hanging.get(name)
            if hanging is not None and hanging.thread is not None and hanging.thread.is_alive():
                outcome = ProbeOutcome(name, TIMEOUT, _since(hanging.started), STILL_HANGING)
                runs[name] = ProbeRun(outcome, tuple(hanging.host.sources))
                continue
            self._hanging.pop(name, None)
            waiting[name] = self._start(name)
        while waiting:
            for running in [item for item in waiting.values() if _since(item.started) >= item.deadline_seconds]:
                outcome = ProbeOutcome(running.name, TIMEOUT, _since(running.started), TOOK_TOO_LONG)
                runs[running.name] = ProbeRun(outcome, tuple(running.host.sources))
                self._hanging[running.name] = waiting.pop(running.name)
            if stop_requested():
                return None
            try:
                found = self._results.get(timeout=self._patience_seconds(waiting))
            except queue.Empty:
                continue
            if found is None or waiting.get(found[0].name) is not found[0]:
                continue
            del waiting[found[0].name]
            runs[found[0].name] = ended(found[0].name, found[1], found[2], found[0].host.sources)
        return self._together(runs, now)

    def late(self, stop_requested: Callable[[], bool], patience_seconds: float) -> Optional[Round]:
        """What has ended apart since the last round, waited for; None if there is nothing, or told to stop."""
        started = time.perf_counter()
        while self._apart is not None and self._apart.is_busy:
            left = patience_seconds - _since(started)
            if stop_requested() or left <= 0:
                break
            self._apart.wait(min(left, _LOOK_FOR_STOP_SECONDS))
        if stop_requested():
            return None
        found = self._together({}, self._host.monotonic_time_seconds())
        return found if found.runs else None

    def _together(self, runs: Dict[str, ProbeRun], now: float) -> Round:
        """Everything that has ended, as a round."""
        for run in self._apart.take() if self._apart is not None else []:
            runs[run.outcome.probe] = run
        for name, run in runs.items():
            self._due_at[name] = self._next_due(name, run.outcome.outcome, now)
            if run.lacks_rights and self._privileged is not None:
                told = self._privileged.told(self._host.wall_time_seconds())
                if self._apart is not None:
                    self._apart.told.update(told)
                runs[name] = self._privileged.improved(run, self._host.wall_time_seconds())
        return Round(tuple(runs[name] for name in self._probes if name in runs))

    def _is_apart(self, name: str) -> bool:
        probe = self._probes[name]
        return self._apart is not None and probe.period_seconds is not None and isinstance(probe.source, str)

    def _start_apart(self, names: List[str]) -> None:
        # Those that are under way stay due, and are begun once they have ended.
        if self._apart is not None and names and not self._apart.is_busy:
            context = replace(self._contexts[names[0]], targets=self.targets)
            self._apart.start({name: self._probes[name] for name in names}, context)

    def _start(self, name: str) -> _Running:
        probe = self._probes[name]
        context = replace(
            self._contexts[name], latency_window_seconds=self.latency_window_seconds, targets=self.targets
        )
        running = _Running(name, self._host.recording(), time.perf_counter(), probe.deadline_seconds)

        def work() -> None:
            result: Union[Collected, BaseException]
            try:
                result = probe.collect(running.host, context)
            except Exception as error:  # noqa: BLE001  # the edge: a faulty probe must not end the others
                result = error
            self._results.put((running, result, _since(running.started)))

        running.thread = threading.Thread(target=work, name=f"probe-{name}", daemon=True)
        running.thread.start()
        return running

    def _patience_seconds(self, waiting: Mapping[str, _Running]) -> float:
        left = [item.deadline_seconds - _since(item.started) for item in waiting.values()]
        return min(self._look_seconds, max(0.001, min(left, default=0.001)))

    def _next_due(self, name: str, outcome: str, now: float) -> float:
        period = self._probes[name].period_seconds
        if period is None:
            return now
        return now + (period if outcome in (OK, NO_DATA) else min(period, AGAIN_AFTER_FAILURE_SECONDS))


def ended(name: str, result: Any, duration_seconds: float, sources: Sequence[str]) -> ProbeRun:
    """The run of a probe that came to its end.

    Args:
        name: of the probe.
        result: what it returned, or the exception that it raised.
        duration_seconds: how long it took.
        sources: where it had read.
    """
    if isinstance(result, Collected):
        samples, facts, problem = admit(result)
        outcome = ProbeOutcome(name, ERROR if problem else OK, duration_seconds, problem or result.remark)
        return ProbeRun(outcome, tuple(sources), tuple(samples), facts, result.lacks_rights)
    if isinstance(result, NoDataError):
        outcome = ProbeOutcome(name, NO_DATA, duration_seconds, str(result))
        return ProbeRun(outcome, tuple(sources), lacks_rights=isinstance(result, NoRightsError))
    # Of a surprise the class alone: an exception's text may hold what was read from the machine.
    message = str(result) if isinstance(result, ProbeError) else type(result).__name__
    is_refused = isinstance(result, PermissionError)
    return ProbeRun(ProbeOutcome(name, ERROR, duration_seconds, message), tuple(sources), lacks_rights=is_refused)


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 6)
