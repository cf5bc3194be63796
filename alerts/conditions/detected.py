"""Conditions of the site detector: what it found becomes what the alerts' state machine observes.

The detector judges all links together, so these four kinds share its answer and differ in which events they take.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.wire.message import Message, mark
from alerts.congestion.events import (
    CONGESTION,
    CORE,
    CRITICAL,
    MAJOR,
    OUTAGE,
    PATH_CHANGE,
    SERVICE,
    SERVICE_SLOW,
    TERMINAL,
    Event,
    grade_of,
    reason_of,
)
from alerts.congestion.layout import Site
from alerts.congestion.parameters import (
    CongestionParameters,
    OutageParameters,
    PathChangeParameters,
    ServiceParameters,
)
from alerts.ports import DETECTED, Inputs
from alerts.state import CLEAR, RAISED, SUSPECT, Observation, Subject

OVER_TEXT = mark("It is over: readings are back near their baseline.")
ANSWERS_TEXT = mark("It is over: it answers again.")
SILENT_TEXT = mark("Closed as “no data”: readings stopped while it lasted, how it ended is not known.")
GONE_TEXT = mark("There is no evidence of it any more.")


def judge_detected(rule: str, inputs: Inputs, open_subjects: Container[str]) -> Iterator[tuple[Subject, Observation]]:
    """What the detector says of one rule's subjects: at least all that are raised or suspect, and all open ones."""
    detected = inputs.detected
    if detected is None:
        return
    seen: set[str] = set()
    ended: dict[str, Event] = {}
    for event in detected.events:
        if event.rule != rule:
            continue
        if event.resolved_at is not None:
            known = ended.get(event.subject)
            if known is None or event.resolved_at >= (known.resolved_at or 0):
                ended[event.subject] = event
            continue
        seen.add(event.subject)
        yield _subject(event), _observation(event, detected.terms, detected.names)
    for key, event in ended.items():
        if key in open_subjects and key not in seen:
            seen.add(key)
            text = SILENT_TEXT if event.no_data else ANSWERS_TEXT if event.rule == OUTAGE else OVER_TEXT
            yield _subject(event), Observation(CLEAR, Message(text), _readings(event, detected.terms), quiet=True)
    for key in open_subjects if isinstance(open_subjects, Iterable) else ():
        if key not in seen:
            yield _subject_of_key(key), Observation(CLEAR, Message(GONE_TEXT), {}, quiet=True)


def _observation(event: Event, terms: CongestionParameters, names: Callable[[Site], str] | None) -> Observation:
    return Observation(
        SUSPECT if event.fired_at is None else RAISED,
        reason_of(event, terms, names),
        _readings(event, terms),
        magnitude=event.peak_us,
        severity=_severity(event, terms),
    )


def _severity(event: Event, terms: CongestionParameters) -> str:
    """How urgent an alarm is when it fires; the grade in the sentence tells how bad it has become since.

    A line's alarm is a warning from its beginning: most begin as minor and grow, and what is told once must be told.
    Only the core's breaks into the night: the whole province is on it.
    """
    if event.rule != CONGESTION:
        return ""
    if event.place == TERMINAL:
        return "info"
    if event.place == CORE and grade_of(event.peak_us, event.loss_ratio, terms) in (MAJOR, CRITICAL):
        return "critical"
    return "warning"


def _readings(event: Event, terms: CongestionParameters) -> dict[str, Any]:
    return {
        "place": event.place,
        "since": event.pending_at,
        "added_us": round(event.added_us),
        "peak_added_us": round(event.peak_us),
        "loss_ratio": round(event.loss_ratio, 4),
        "large_loss_ratio": round(event.large_ratio, 4),
        "grade": grade_of(event.peak_us, event.loss_ratio, terms),
        "sites": event.sites,
        "terminals": event.terminals,
        "hot_minutes": event.hot_steps,
    }


def _subject(event: Event) -> Subject:
    unit_code, site = event.site if event.site is not None else ("", "")
    return Subject(event.subject, event.device_id, unit_code, site)


def _subject_of_key(key: str) -> Subject:
    place, unit_code, site, device_id = (*key.split("/", maxsplit=3), "", "", "")[:4]
    # Services and the core are the whole province's; what may follow is the name of a target.
    return Subject(key, "", "") if place in (SERVICE, CORE) else Subject(key, device_id, unit_code, site)


class _Detected:
    """What the four kinds share: they read the detector's answer and take the events of their own rule."""

    __slots__ = ()

    reads: ClassVar[Mapping[str, int]] = {DETECTED: 0}
    every_seconds: ClassVar[int] = 0
    detector_rule: ClassVar[str]

    def judge(self, inputs: Inputs, open_subjects: Container[str], now: float) -> Iterator[tuple[Subject, Observation]]:  # noqa: ARG002 - the detector has judged for its own newest minute
        """As the detector found it."""
        return judge_detected(self.detector_rule, inputs, open_subjects)


@dataclass(frozen=True, slots=True)
class Congestion(CongestionParameters, _Detected):
    """Congestion of a line, an office's network, the core, or one terminal's own link."""

    detector_rule: ClassVar[str] = CONGESTION


@dataclass(frozen=True, slots=True)
class PathChanged(PathChangeParameters, _Detected):
    """A change of route."""

    detector_rule: ClassVar[str] = PATH_CHANGE


@dataclass(frozen=True, slots=True)
class Outage(OutageParameters, _Detected):
    """Nothing answers any more."""

    detector_rule: ClassVar[str] = OUTAGE


@dataclass(frozen=True, slots=True)
class ServiceSlow(ServiceParameters, _Detected):
    """A service that answers slowly over a network that is well."""

    detector_rule: ClassVar[str] = SERVICE_SLOW
