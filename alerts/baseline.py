"""What a link's own history says is usual: the floor of its latency, its spread and its loss.

Per hour the 10th percentile of the per-minute minima, the median of (95th percentile - minimum) and the loss; over the
days before, the percentiles of those hours that a rule names. Low percentiles keep the floor where it is although a
line is congested for most of every office day.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from alerts.ports import ReadLinks, StoredReading

HOUR_SECONDS = 3600
_DAY_HOURS = 24
_PPM = 1_000_000
_INT32_MAX = 2**31 - 1

# Of the minutes of one hour; docs/alerts.md gives the source.
_HOUR_FLOOR_RATIO = 0.10
_MEDIAN_RATIO = 0.50

# Terminals that were cut off send what they kept; hours this young are read again whenever an hour ends.
LATE_HOURS = 3
HOURS_AT_ONCE = 24


@dataclass(frozen=True, slots=True)
class BaselineTerms:
    """How hours become a baseline.

    Args:
        days: how far back the hours may lie.
        hour_minutes: an hour with fewer minutes is not used.
        learning_minutes: with fewer minutes in all usable hours there is no baseline yet.
        floor_quantile_ratio: of the hourly floors.
        spread_quantile_ratio: of the hourly spreads.
        loss_quantile_ratio: of the hourly loss ratios.
        usual_loss_max_ratio: more than this is never taken as usual.
    """

    days: int
    hour_minutes: int
    learning_minutes: int
    floor_quantile_ratio: float
    spread_quantile_ratio: float
    loss_quantile_ratio: float
    usual_loss_max_ratio: float


class Baseline(NamedTuple):
    """What is usual for one device and target."""

    floor_us: float
    spread_us: float
    loss_ratio: float
    minutes: int


def percentile(ordered: Sequence[float], ratio: float) -> float:
    """The percentile of values in ascending order, interpolated between its neighbours.

    Raises:
        IndexError: no values.
    """
    place = (len(ordered) - 1) * ratio
    below = int(place)
    if below == place:
        return ordered[below]
    return ordered[below] + (ordered[below + 1] - ordered[below]) * (place - below)


class _Hours:
    """Rows (hour number, minutes, floor_us, spread_us, loss_ppm) in order of time, 20 bytes each."""

    __slots__ = ("floors_us", "losses_ppm", "minutes", "numbers", "spreads_us")

    def __init__(self) -> None:
        self.numbers = array("i")
        self.minutes = array("i")
        self.floors_us = array("i")
        self.spreads_us = array("i")
        self.losses_ppm = array("i")

    def _columns(self) -> tuple[array[int], ...]:
        return (self.numbers, self.minutes, self.floors_us, self.spreads_us, self.losses_ppm)

    def put(self, row: tuple[int, ...]) -> None:
        at = bisect_left(self.numbers, row[0])
        known = at < len(self.numbers) and self.numbers[at] == row[0]
        for column, value in zip(self._columns(), row, strict=True):
            if known:
                column[at] = min(value, _INT32_MAX)
            else:
                column.insert(at, min(value, _INT32_MAX))

    def forget_before(self, number: int) -> None:
        end = bisect_left(self.numbers, number)
        if end:
            for column in self._columns():
                del column[:end]


class BaselineBook:
    """The hours of every device and target; can be made again from stored readings at any time.

    30,000 series of 168 hours take about 100 MB.
    """

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], _Hours] = {}
        self._read: set[int] = set()
        self._answers: dict[tuple[str, str, int, BaselineTerms], Baseline | None] = {}

    def put_hour(self, hour_start_seconds: int, readings: Iterable[StoredReading]) -> None:
        """Takes all readings of one hour, in any order; what was known of the hour for these series is replaced.

        Args:
            hour_start_seconds: a full hour.
            readings: others than those of this hour are passed over.

        Raises:
            ValueError: not a full hour.
        """
        number, rest = divmod(hour_start_seconds, HOUR_SECONDS)
        if rest:
            raise ValueError(f"{hour_start_seconds} is not a full hour")
        minutes: dict[tuple[str, str], dict[int, StoredReading]] = {}
        for reading in readings:
            if reading.time_seconds // HOUR_SECONDS == number:
                tags = reading.tags
                of_series = minutes.setdefault((tags["device_id"], tags["target"]), {})
                of_series[reading.time_seconds] = reading
        for key, by_time in minutes.items():
            row = _hour_row(number, by_time.values())
            if row is not None:
                self._series.setdefault(key, _Hours()).put(row)
        self._read.add(number)
        self._answers.clear()

    def hours_to_read(self, now: float, days: int) -> list[int]:
        """Starts of ended hours of the last `days` days that are to be read, newest first.

        Those are the ones never read, and after the end of an hour once more the youngest, which may have grown since.
        """
        current = int(now // HOUR_SECONDS)
        grown_from = current if current - 1 in self._read else current - LATE_HOURS
        return [
            number * HOUR_SECONDS
            for number in range(current - 1, current - days * _DAY_HOURS - 1, -1)
            if number >= grown_from or number not in self._read
        ]

    def forget_before(self, seconds: float) -> None:
        """Drops hours that began before this time."""
        number = math.ceil(seconds / HOUR_SECONDS)
        for key in list(self._series):
            hours = self._series[key]
            hours.forget_before(number)
            if not hours.numbers:
                del self._series[key]
        self._read = {known for known in self._read if known >= number}
        self._answers.clear()

    def baseline(self, device_id: str, target: str, now: float, terms: BaselineTerms) -> Baseline | None:
        """What is usual at `now`, from hours that had ended by then; None while it is still being learnt."""
        current = int(now // HOUR_SECONDS)
        key = (device_id, target, current, terms)
        if key not in self._answers:
            self._answers[key] = self._compute(device_id, target, current, terms)
        return self._answers[key]

    def _compute(self, device_id: str, target: str, current: int, terms: BaselineTerms) -> Baseline | None:
        hours = self._series.get((device_id, target))
        if hours is None:
            return None
        first = bisect_left(hours.numbers, current - terms.days * _DAY_HOURS)
        end = bisect_left(hours.numbers, current)
        usable = [row for row in range(first, end) if hours.minutes[row] >= terms.hour_minutes]
        total = sum(hours.minutes[row] for row in usable)
        if not usable or total < terms.learning_minutes:
            return None
        loss_ratio = percentile(sorted(hours.losses_ppm[row] for row in usable), terms.loss_quantile_ratio) / _PPM
        return Baseline(
            percentile(sorted(hours.floors_us[row] for row in usable), terms.floor_quantile_ratio),
            percentile(sorted(hours.spreads_us[row] for row in usable), terms.spread_quantile_ratio),
            min(loss_ratio, terms.usual_loss_max_ratio),
            total,
        )


def refresh(book: BaselineBook, read: ReadLinks, now: float, days: int, most_hours: int = HOURS_AT_ONCE) -> None:
    """Brings the book up to the hour before `now`; call it before every judgement, it mostly has nothing to read.

    Args:
        book: is changed.
        read: the metric store.
        now: seconds since 1970-01-01 UTC.
        days: how far back the rules look.
        most_hours: no more are read in one call, so that a large province is judged while its history comes in.
    """
    todo = book.hours_to_read(now, days)[:most_hours]
    for start in todo:
        book.put_hour(start, read(start, start + HOUR_SECONDS))
    if todo:
        book.forget_before((now // HOUR_SECONDS - days * _DAY_HOURS) * HOUR_SECONDS)


def _hour_row(number: int, readings: Iterable[StoredReading]) -> tuple[int, ...] | None:
    """The row of `_Hours` for one series; None if no minute had a reply."""
    floors: list[int] = []
    spreads: list[int] = []
    sent = received = 0
    for reading in readings:
        fields = reading.fields
        floor_us, p95_us = fields.get("rtt_min_us"), fields.get("rtt_p95_us")
        # A terminal's clock that was stepped between sending and reply has given negative times before now.
        if floor_us is None or floor_us < 0:
            continue
        floors.append(floor_us)
        if p95_us is not None and p95_us >= floor_us:
            spreads.append(p95_us - floor_us)
        sent += fields.get("sent", 0)
        received += fields.get("received", 0)
    if not floors:
        return None
    floors.sort()
    spreads.sort()
    return (
        number,
        len(floors),
        round(percentile(floors, _HOUR_FLOOR_RATIO)),
        round(percentile(spreads, _MEDIAN_RATIO)) if spreads else 0,
        max(0, _PPM * (sent - received) // sent) if sent else 0,
    )
