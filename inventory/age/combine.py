"""One interval out of many pieces of evidence, and what could not be brought under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from agent.wire.message import Message, mark
from inventory.age.dates import add_years
from inventory.age.evidence import Confidence, Decision, Evidence

# Months are the grain of most evidence: bounds that miss each other by less do not contradict.
_TOLERANCE = timedelta(days=31)
_HIGH_WIDTH = timedelta(days=370)
_MEDIUM_WIDTH = timedelta(days=3 * 366)

TOO_EARLY = mark(
    "{weaker}: not later than {weaker_day}. {stronger}: not earlier than {stronger_day}. "
    "They contradict each other; the second is believed."
)
TOO_LATE = mark(
    "{weaker}: not earlier than {weaker_day}. {stronger}: not later than {stronger_day}. "
    "They contradict each other; the second is believed."
)


@dataclass(frozen=True)
class Interval:
    """First and last possible day, either of them None where nothing bounds it."""

    earliest: date | None
    latest: date | None

    def clamp(self, day: date) -> date:
        """The day of the interval nearest to `day`."""
        if self.latest is not None and day > self.latest:
            day = self.latest
        if self.earliest is not None and day < self.earliest:
            day = self.earliest
        return day


def combine(evidence: Sequence[Evidence], titles: Mapping[str, str]) -> tuple[Interval, tuple[Message, ...]]:
    """The interval that all believable evidence allows, with a message for each piece that was overruled.

    Evidence is taken in from the strongest on; a piece that leaves no day is overruled, so of two that cannot both be
    true the stronger holds. Weaker evidence can only narrow the interval, never widen it.

    Args:
        evidence: pieces in any order.
        titles: every source's name for people, the strongest first.
    """
    rank = {source: place for place, source in enumerate(titles)}
    earliest: Evidence | None = None
    latest: Evidence | None = None
    contradictions: list[Message] = []
    for piece in sorted(evidence, key=lambda item: rank[item.source]):
        if piece.earliest is not None:
            if latest is not None and latest.latest is not None and piece.earliest > latest.latest:
                contradictions += _misfit(TOO_LATE, (latest, latest.latest), (piece, piece.earliest), titles)
            elif earliest is None or earliest.earliest is None or piece.earliest > earliest.earliest:
                earliest = piece
        if piece.latest is not None:
            if earliest is not None and earliest.earliest is not None and piece.latest < earliest.earliest:
                contradictions += _misfit(TOO_EARLY, (earliest, earliest.earliest), (piece, piece.latest), titles)
            elif latest is None or latest.latest is None or piece.latest < latest.latest:
                latest = piece
    interval = Interval(earliest.earliest if earliest else None, latest.latest if latest else None)
    return interval, tuple(contradictions)


def _misfit(
    pattern: str, stronger: tuple[Evidence, date], weaker: tuple[Evidence, date], titles: Mapping[str, str]
) -> list[Message]:
    if abs(stronger[1] - weaker[1]) <= _TOLERANCE:
        return []
    return [
        Message(
            pattern,
            {
                "stronger": titles[stronger[0].source],
                "stronger_day": stronger[1].isoformat(),
                "weaker": titles[weaker[0].source],
                "weaker_day": weaker[1].isoformat(),
            },
        )
    ]


def decide(interval: Interval, as_of: date, threshold_years: int) -> Decision:
    """Whether a machine made in the interval is older than the threshold on `as_of`."""
    threshold = add_years(as_of, -threshold_years)
    if interval.latest is not None and interval.latest < threshold:
        return "yes"
    if interval.earliest is not None and interval.earliest >= threshold:
        return "no"
    return "uncertain"


def confidence(interval: Interval, *, contradicted: bool) -> Confidence:
    """High for an interval of a year, medium of three; low for wider ones and for evidence that contradicts itself."""
    if contradicted or interval.earliest is None or interval.latest is None:
        return "low"
    width = interval.latest - interval.earliest
    return "high" if width <= _HIGH_WIDTH else "medium" if width <= _MEDIUM_WIDTH else "low"
