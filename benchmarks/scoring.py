"""Score congestion alarms against labels: found, false, late, and in the right place."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.traces import Event

NETWORK = frozenset({"access", "core"})
EVERYWHERE = "*"
MERGE_MINUTES = 5
LONG_MINUTES = 10
MINUTES_PER_DAY = 1440
DAYS_PER_MONTH = 30


@dataclass(frozen=True)
class Alarm:
    """One alarm: minutes `start` to `end` (exclusive) since 1970; `fired` is when people could first know.

    `site` is `*` for the whole province; `place` is empty when the rule says nothing about where.
    """

    site: str
    place: str
    start: float
    end: float
    fired: float


@dataclass(frozen=True)
class Score:
    """How a rule did on events of one kind; rates are per site and month of 30 days; delays are in minutes."""

    events: int
    found: int
    true_alarms: int
    false_alarms: int
    delay_p50: float | None
    delay_p90: float | None
    place_right: float | None
    short_events: int
    short_found: int
    false_alarms_per_month: float
    false_minutes_per_month: float
    outside_ratio: float | None
    notifications_per_month: float

    @property
    def recall(self) -> float | None:
        """Share of the events of 10 minutes and more that an alarm overlaps."""
        return self.found / self.events if self.events else None

    @property
    def short_recall(self) -> float | None:
        """The same of events of 5 to 9 minutes."""
        return self.short_found / self.short_events if self.short_events else None

    @property
    def precision(self) -> float | None:
        """Share of the merged alarms that overlap an event, of those that touch more than grey minutes."""
        judged = self.true_alarms + self.false_alarms
        return self.true_alarms / judged if judged else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of recall and precision."""
        recall, precision = self.recall, self.precision
        if recall is None or precision is None or recall + precision == 0:
            return None
        return 2 * recall * precision / (recall + precision)


@dataclass
class _Tally:
    """What is counted while going through the sites."""

    events: int = 0
    found: int = 0
    short_events: int = 0
    short_found: int = 0
    true_alarms: int = 0
    false_alarms: int = 0
    false_minutes: float = 0.0
    alarm_minutes: float = 0.0
    outside_minutes: float = 0.0
    notifications: int = 0
    placed: int = 0
    placed_right: int = 0


def overlap(one: Alarm | Event, other: Alarm | Event) -> float:
    """Return the minutes two spans share; 0 when they do not touch."""
    return max(0.0, min(one.end, other.end) - max(one.start, other.start))


def merge(alarms: Iterable[Alarm]) -> list[list[Alarm]]:
    """Return the alarms of one site grouped: alarms at most five minutes apart are one."""
    groups: list[list[Alarm]] = []
    end = 0.0
    for alarm in sorted(alarms, key=lambda one: (one.start, one.end)):
        if groups and alarm.start - end <= MERGE_MINUTES:
            groups[-1].append(alarm)
            end = max(end, alarm.end)
        else:
            groups.append([alarm])
            end = alarm.end
    return groups


def score(
    alarms: Sequence[Alarm],
    labels: Sequence[Event],
    sites: Sequence[str],
    *,
    since: float,
    until: float,
    kinds: frozenset[str] = NETWORK,
) -> Score:
    """Score alarms against labels.

    An alarm for the whole province counts for each site with a `core` label then; one that meets no such label
    anywhere is one false alarm. Alarms that touch only grey minutes, or only events shorter than 10 minutes, count
    neither way.

    Args:
        alarms: All alarms of the rule, of the kind that is scored.
        labels: All labels of the trace.
        sites: The sites to score.
        since: Minute from which events and alarms count; what ended before is learning.
        until: End of the trace in minutes since 1970.
        kinds: The kinds of label that an alarm should find.
    """
    tally = _Tally()
    delays: list[float] = []
    current = [alarm for alarm in alarms if alarm.end > since and alarm.start < until]
    truth = [label for label in labels if label.kind in kinds and label.start >= since]
    grey = [label for label in labels if label.kind in {"neither", "outage"}]
    tally.notifications = sum(alarm.fired >= since and alarm.site in {EVERYWHERE, *sites} for alarm in current)
    for alarm in current:
        if alarm.site == EVERYWHERE and not any(overlap(alarm, label) for label in truth + grey):
            tally.false_alarms += 1
            tally.false_minutes += alarm.end - alarm.start
    for site in sites:
        events = [label for label in truth if label.site in {site, EVERYWHERE}]
        own_grey = [label for label in grey if label.site == site]
        own = [alarm for alarm in current if alarm.site == site or _concerns(alarm, events)]
        _judge_events(tally, delays, events, own)
        for group in merge(own):
            _judge_alarm(tally, group, events, own_grey)
    months = len(sites) * (until - since) / MINUTES_PER_DAY / DAYS_PER_MONTH
    return Score(
        events=tally.events,
        found=tally.found,
        true_alarms=tally.true_alarms,
        false_alarms=tally.false_alarms,
        delay_p50=statistics.median(delays) if delays else None,
        delay_p90=quantile(delays, 0.9) if delays else None,
        place_right=tally.placed_right / tally.placed if tally.placed else None,
        short_events=tally.short_events,
        short_found=tally.short_found,
        false_alarms_per_month=tally.false_alarms / months,
        false_minutes_per_month=tally.false_minutes / months,
        outside_ratio=tally.outside_minutes / tally.alarm_minutes if tally.alarm_minutes else None,
        notifications_per_month=tally.notifications / months,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def _concerns(alarm: Alarm, events: Sequence[Event]) -> bool:
    """Whether a province-wide alarm counts for a site: it overlaps a core or province-wide event there."""
    return alarm.site == EVERYWHERE and any(
        overlap(alarm, event) and (event.kind == "core" or event.site == EVERYWHERE) for event in events
    )


def _judge_events(tally: _Tally, delays: list[float], events: Sequence[Event], alarms: Sequence[Alarm]) -> None:
    for event in events:
        hits = [alarm for alarm in alarms if overlap(alarm, event) > 0]
        if event.end - event.start < LONG_MINUTES:
            tally.short_events += 1
            tally.short_found += bool(hits)
            continue
        tally.events += 1
        if not hits:
            continue
        tally.found += 1
        delays.append(max(0.0, min(alarm.fired for alarm in hits) - event.start))
        minutes: dict[str, float] = {}
        for alarm in hits:
            minutes[alarm.place] = minutes.get(alarm.place, 0.0) + overlap(alarm, event)
        place = max(minutes, key=lambda name: minutes[name])
        if place:
            tally.placed += 1
            tally.placed_right += place == event.kind


def _judge_alarm(tally: _Tally, group: Sequence[Alarm], events: Sequence[Event], grey: Sequence[Event]) -> None:
    """Count one merged alarm of a site as true, false or neither."""
    whole = Alarm(group[0].site, "", group[0].start, max(alarm.end for alarm in group), group[0].fired)
    met = [event for event in events if overlap(whole, event) > 0]
    length = whole.end - whole.start
    inside = sum(overlap(whole, event) for event in met)
    tally.alarm_minutes += length
    tally.outside_minutes += max(0.0, length - inside)
    if any(event.end - event.start >= LONG_MINUTES for event in met):
        tally.true_alarms += 1
    elif not met and not any(overlap(whole, label) > 0 for label in grey):
        tally.false_alarms += 1
        tally.false_minutes += length
