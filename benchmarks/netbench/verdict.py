"""Holds what the rules said against what each phase ought to have them say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.netbench.phases import CONGESTION, NETWORK_PLACES, OUTAGE, Phase
from benchmarks.netbench.recording import Calendar

LATEST_MINUTE = 5
# An alarm that comes so soon after the load has ended is still about the load.
AFTER_MINUTES = 3

PASS = "pass"
LATE = "late"
MISSED = "missed"
WRONG_PLACE = "wrong place"
FALSE_ALARM = "false alarm"
STALE = "still firing from before"
GREY = "either is right"
INVALID = "load failed"
SKIPPED = "skipped"
UNJUDGED = "not judged"


@dataclass(frozen=True)
class Event:
    """One event of the rules, in minutes of the bench.

    Args:
        rule: as `congestion`.
        site: `a`, `b` or `*`.
        place: as `access`; empty where the rule has none.
        fired: minute in which it fired.
        resolved: minute in which it ended; None if it did not.
        reason: the sentence, for the report.
    """

    rule: str
    site: str
    place: str
    fired: float
    resolved: float | None
    reason: str = ""

    @property
    def is_network(self) -> bool:
        """Whether it says that the network between a site and the service is congested."""
        return self.rule == CONGESTION and self.place in NETWORK_PLACES

    def words(self, start: float) -> str:
        """For a column of the table; the minute counts from 1 at `start`."""
        name = self.place or self.rule if self.rule == CONGESTION else self.rule
        return f"{name} {self.site} @{int(self.fired - start) + 1}"


def event_of(row: Mapping[str, Any], calendar: Calendar) -> Event | None:
    """An event of `thongmang alerts replay`; None if it never fired.

    Args:
        row: the decoded JSON object.
        calendar: of the trace.
    """
    fired = _minute(row.get("fired_at"), calendar)
    if fired is None:
        return None
    return Event(
        rule=str(row["rule"]),
        site=str(row.get("site") or ""),
        place=str(row.get("place") or ""),
        fired=fired,
        resolved=_minute(row.get("resolved_at"), calendar),
        reason=str(row.get("reason") or ""),
    )


def _minute(at: Any, calendar: Calendar) -> float | None:
    if at is None or at == "":
        return None
    seconds = float(at) if isinstance(at, (int, float)) else datetime.fromisoformat(str(at)).timestamp()
    return calendar.minute(seconds)


@dataclass(frozen=True)
class Window:
    """When a phase was, in minutes of the bench."""

    start: float
    end: float


@dataclass(frozen=True)
class Judgement:
    """What came of one phase.

    Args:
        verdict: one of this module's words.
        got: every event that fired in the phase.
        minute: when the right event fired, counted from 1; None if it did not.
        place: where the first network event said it was.
        named: whether the phase's right name was given; None where it has none.
    """

    verdict: str
    got: tuple[str, ...]
    minute: int | None = None
    place: str = ""
    named: bool | None = None

    @property
    def bad(self) -> bool:
        """Whether the goal was missed."""
        return self.verdict not in (PASS, GREY, SKIPPED)


def judge(phase: Phase, window: Window, events: Sequence[Event]) -> Judgement:
    """The verdict on one phase.

    Network congestion must be said of site a (or, for the core, of all) in the right place by minute `LATEST_MINUTE`,
    and nothing of another place with it; in other phases it must not be said at all.
    """
    inside = [event for event in events if window.start <= event.fired < window.end + AFTER_MINUTES]
    inside.sort(key=lambda event: event.fired)
    got = tuple(event.words(window.start) for event in inside)
    network = [event for event in inside if event.is_network]
    first = network[0] if network else None
    named = None
    if phase.right_name is not None:
        rule, place = phase.right_name
        named = any(event.rule == rule and (not place or event.place == place) for event in inside)
    if not phase.place:
        verdict = GREY if phase.grey else FALSE_ALARM if network else PASS
        return Judgement(verdict, got, place=first.place if first else "", named=named)
    right = [event for event in network if event.place == phase.place and event.site in _right_sites(phase.place)]
    if not right:
        stale = any(_overlaps(event, window) and event.place == phase.place for event in events if event.is_network)
        verdict = WRONG_PLACE if network else STALE if stale else MISSED
        return Judgement(verdict, got, place=first.place if first else "", named=named)
    minute = int(right[0].fired - window.start) + 1
    verdict = LATE if minute > LATEST_MINUTE else PASS
    if len(right) < len(network):
        verdict = WRONG_PLACE
    return Judgement(verdict, got, minute, right[0].place, named)


def outside(windows: Sequence[Window], events: Sequence[Event]) -> list[Event]:
    """Network events and outages that fired in no phase: false alarms of the quiet stretches."""
    return [
        event
        for event in events
        if (event.is_network or event.rule == OUTAGE)
        and not any(window.start <= event.fired < window.end + AFTER_MINUTES for window in windows)
    ]


def _right_sites(place: str) -> tuple[str, ...]:
    # A core event is one of the province; a collector that sees it at both sites may still speak of each.
    return ("a",) if place == "access" else ("*", "a", "b", "")


def _overlaps(event: Event, window: Window) -> bool:
    return event.fired < window.start and (event.resolved is None or event.resolved > window.start)
