"""Replays for readers of pages: one at a time, in a thread of its own, within a limit of time and of readings."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent.wire.catalogue import LINK_LATENCY
from agent.wire.message import Message, mark
from alerts.congestion.events import Event
from alerts.congestion.parameters import DetectorParameters
from alerts.minutes import WINDOW_FIELDS
from alerts.ports import StoredReading
from alerts.replay.run import replay
from alerts.replay.trace import trace_of
from collector.clock import steady_seconds
from collector.metrics.port import MetricStore
from collector.replaying import DAY_SECONDS, StoredSpan
from collector.web.replay_lines import SiteLines, site_lines

LIMIT_SECONDS = 90.0
MOST_READINGS = 1_000_000
# So long the result of the figures in force is good for further trials over the same time.
KEPT_SECONDS = 900.0
_READINGS_A_LOOK_AT_THE_CLOCK = 2000

BUSY_TEXT = mark("Another trial is running. Repeat in a minute.")
TOO_LONG_TEXT = mark(
    "It was not done within {seconds} seconds. Choose fewer days or a single office, or use thongmang alerts replay."
)
TOO_MANY_TEXT = mark(
    "More than {most} readings are stored of it. Choose fewer days or a single office, or use thongmang alerts replay."
)
NOTHING_TEXT = mark("Nothing is stored of this office in this time.")


class ReplayRefusedError(Exception):
    """A trial that was not run or not finished.

    Args:
        message: why, for people.
        may_repeat: the same may succeed later.
    """

    def __init__(self, message: Message, *, may_repeat: bool) -> None:
        self.message = message
        self.may_repeat = may_repeat
        super().__init__(message.render())


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried.

    Args:
        span: which readings are shown; the days before it teach the baseline.
        in_force: the figures that judge live readings.
        changed: others; None where there is nothing to compare with.
    """

    span: StoredSpan
    in_force: DetectorParameters
    changed: DetectorParameters | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Args:
        in_force: events with the figures in force, in order of firing.
        changed: those with the changed ones; None where nothing was changed.
        sites: latency over the shown time.
        history_from: oldest reading that could teach, seconds since 1970-01-01 UTC.
        until: up to where readings were taken.
    """

    in_force: tuple[Event, ...]
    changed: tuple[Event, ...] | None
    sites: tuple[SiteLines, ...]
    history_from: int
    until: int


@dataclass(slots=True)
class _Job:
    trial: Trial
    deadline: float
    until: int
    done: threading.Event
    outcome: Outcome | None = None
    failure: BaseException | None = None


class ReplayRunner:
    """Runs trials over stored readings, one at a time.

    Args:
        store: read from.
        limit_seconds: a trial that lasts longer is given up.
        most_readings: a trial that needs more is refused.
    """

    def __init__(
        self, store: MetricStore, *, limit_seconds: float = LIMIT_SECONDS, most_readings: int = MOST_READINGS
    ) -> None:
        self.limit_seconds = limit_seconds
        self.most_readings = most_readings
        self._store = store
        self._running = threading.Lock()
        self._known: tuple[tuple[StoredSpan, DetectorParameters], float, int, tuple[Event, ...]] | None = None

    def run(self, trial: Trial, now: float) -> Outcome:
        """The outcome, waited for at most `limit_seconds`.

        Args:
            trial: what is tried.
            now: seconds since 1970-01-01 UTC.

        Raises:
            ReplayRefusedError: another one is running, it takes too long or too much, or nothing is stored.
            MetricStoreError: the store cannot be read.
        """
        if not self._running.acquire(blocking=False):
            raise ReplayRefusedError(Message(BUSY_TEXT), may_repeat=True)
        until = min(trial.span.until_seconds, int(now) + 1)
        job = _Job(trial, steady_seconds() + self.limit_seconds, until, threading.Event())
        # Not one of the pool that answers pages: what cannot be waited for must not keep a page from being answered.
        threading.Thread(target=self._work, args=(job,), name="replay", daemon=True).start()
        if not job.done.wait(self.limit_seconds):
            raise self._too_long()
        if job.failure is not None:
            raise job.failure
        if job.outcome is None:
            raise self._too_long()
        return job.outcome

    def _work(self, job: _Job) -> None:
        try:
            job.outcome = self._outcome(job)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for it
            job.failure = error
        finally:
            self._running.release()
            job.done.set()

    def _outcome(self, job: _Job) -> Outcome:
        trial = job.trial
        key = trial.span, trial.in_force
        known = self._known
        usable = known is not None and known[0] == key and steady_seconds() - known[1] < KEPT_SECONDS
        # What was judged by the figures in force and by the changed ones must end at the same moment.
        until = known[2] if known is not None and usable else job.until
        span = replace(trial.span, until_seconds=until)
        trace = trace_of(self._readings(span, trial.in_force, job.deadline), f"unit {span.unit_code}")
        if int(trace.steps[-1]) * trace.step_seconds < span.since_seconds:
            raise ReplayRefusedError(Message(NOTHING_TEXT), may_repeat=False)
        sites = site_lines(trace, span.since_seconds, until, trial.in_force.congestion)
        if known is not None and usable:
            in_force = known[3]
        else:
            in_force = _within(replay(trace, trial.in_force), span)
            self._known = key, steady_seconds(), until, in_force
        changed = None
        if trial.changed is not None:
            self._hurry(job.deadline)
            changed = _within(replay(trace, trial.changed), span)
        return Outcome(in_force, changed, sites, int(trace.steps[0]) * trace.step_seconds, until)

    def _readings(self, span: StoredSpan, parameters: DetectorParameters, deadline: float) -> Iterator[StoredReading]:
        tags = {"unit": span.unit_code} | ({"site": span.site} if span.site else {})
        count = 0
        for reading in self._store.read(
            LINK_LATENCY,
            WINDOW_FIELDS,
            start_seconds=span.since_seconds - parameters.congestion.baseline_days * DAY_SECONDS,
            end_seconds=span.until_seconds,
            tags=tags,
        ):
            count += 1
            if count > self.most_readings:
                raise ReplayRefusedError(Message(TOO_MANY_TEXT, {"most": self.most_readings}), may_repeat=False)
            if count % _READINGS_A_LOOK_AT_THE_CLOCK == 0:
                self._hurry(deadline)
            yield reading
        if not count:
            raise ReplayRefusedError(Message(NOTHING_TEXT), may_repeat=False)

    def _hurry(self, deadline: float) -> None:
        if steady_seconds() > deadline:
            raise self._too_long()

    def _too_long(self) -> ReplayRefusedError:
        return ReplayRefusedError(Message(TOO_LONG_TEXT, {"seconds": round(self.limit_seconds)}), may_repeat=True)


def _within(events: list[Event], span: StoredSpan) -> tuple[Event, ...]:
    """Those that fired before the end of the span and lasted beyond its beginning."""
    return tuple(
        event
        for event in events
        if event.fired_at is not None
        and event.fired_at < span.until_seconds
        and (event.resolved_at is None or event.resolved_at > span.since_seconds)
    )
