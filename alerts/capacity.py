"""The legal limit on the load of a line, judged from traffic counters: arrays of samples in, a verdict out.

The figures are the law's (`alerts.laws`). The law can be read in two ways, and both are judged: one percentile over the
whole period, or one for each of its days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alerts.laws import DAY_SECONDS, PROVINCE_OFFSET_SECONDS, CapacityLaw, CapacityLimit, capacity_law_on, local_day
from alerts.slots import RECEIVED_KBIT_S, TRANSMITTED_KBIT_S, Floats, LinePort, PortInputs, PortKey

DOWN, UP = "down", "up"

# What a verdict may be.
WITHIN = "within"
EXCEEDED = "exceeded"
TOO_FEW = "too_few_samples"
NOT_CONFIGURED = "capacity_not_configured"
OUTCOMES = (WITHIN, EXCEEDED, TOO_FEW, NOT_CONFIGURED)

# The two readings of the law.
WHOLE_PERIOD = "whole_period"
EACH_DAY = "each_day"

_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the samples of one direction say. Rates are in kbit/s.

    Args:
        outcome: one of `OUTCOMES`.
        fired: the readings of the law by which the limit is exceeded; empty where it is not.
        capacity: of the line in this direction; None: not configured.
        limit: the share of it that must not be exceeded.
        percentile: over the whole period; None without a sample.
        samples: known ones of the whole period.
        expected: how many there would be if none were missing.
        daily: the percentile of each of the last whole days, oldest first; None where the day has too few samples.
        certain: whether a limit exceeded over the whole period would be so even if every missing sample were 0.
    """

    outcome: str
    fired: tuple[str, ...]
    capacity: int | None
    limit: float | None
    percentile: float | None
    samples: int
    expected: int
    daily: tuple[float | None, ...]
    certain: bool

    @property
    def missing(self) -> int:
        """Samples of the whole period that are not known."""
        return self.expected - self.samples


def nearest_rank(values: Floats, percent: int) -> float | None:
    """The smallest value that at least so many percent of the values do not exceed; None of none.

    It is always one of the values, never a mean of two: a figure that was measured.

    Args:
        values: in any order; NaN counts as not there.
        percent: 1 to 100.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    # In whole numbers: 0.95 * 100 is less than 95 by a hair.
    rank = -(-len(known) * percent // _PERCENT)
    return float(np.partition(known, rank - 1)[rank - 1])


def megabits(kilobits: float | None) -> int | float:
    """Mbit/s of kbit/s as a sentence shows it, 0 of None."""
    whole, rest = divmod(round(kilobits or 0), 1000)
    return round(whole + rest / 1000, 3) if rest else whole


def judge_direction(
    period: Floats, days: Floats, capacity: int | None, limit: CapacityLimit, complete_ratio: float
) -> Verdict:
    """Judges one direction of one line.

    Args:
        period: the samples of the whole period, NaN where one is missing.
        days: array (days, samples of a day) of the last whole days, oldest first.
        capacity: of the line in this direction; None: not configured.
        limit: the law's figures.
        complete_ratio: a day with a smaller share of known samples is not judged, nor a period of which any part as
            long as a day, counted from its beginning, has a smaller share: a line that was heard of for six days
            has not been over the limit for seven.
    """
    percentile = nearest_rank(period, limit.percentile)
    samples = int(np.count_nonzero(~np.isnan(period)))
    daily = tuple(_of_day(day, limit.percentile, complete_ratio) for day in days)
    if capacity is None:
        return Verdict(NOT_CONFIGURED, (), None, None, percentile, samples, len(period), daily, certain=False)
    most = capacity * limit.capacity_percent / _PERCENT
    parts = ~np.isnan(period.reshape(limit.days, limit.day_samples))
    judged = bool((np.count_nonzero(parts, axis=1) >= complete_ratio * limit.day_samples).all())
    fired = []
    if judged and percentile is not None and percentile > most:
        fired.append(WHOLE_PERIOD)
    if daily and all(value is not None and value > most for value in daily):
        fired.append(EACH_DAY)
    idle = nearest_rank(np.nan_to_num(period, nan=0.0), limit.percentile)
    certain = WHOLE_PERIOD in fired and idle is not None and idle > most
    outcome = EXCEEDED if fired else WITHIN if judged else TOO_FEW
    return Verdict(outcome, tuple(fired), capacity, most, percentile, samples, len(period), daily, certain)


def judge_lines(
    ports: PortInputs, now: float, *, complete_ratio: float, settle_seconds: float
) -> Iterator[tuple[LinePort, str, Verdict, CapacityLaw]]:
    """Every line and direction with its verdict; nothing on a day without a law.

    Args:
        ports: lines and their slots.
        now: seconds since 1970-01-01 UTC.
        complete_ratio: as in `judge_direction`.
        settle_seconds: a slot is looked at so long after its end, when its sample has surely been taken.
    """
    law = capacity_law_on(local_day(now))
    book = ports.book
    # A new law may want other slots; the collector takes them at its next start.
    if law is None or law.limit.sample_seconds != book.slot_seconds:
        return
    limit = law.limit
    last = book.slot_of(now - settle_seconds) - 1
    day_end = ((last + 1) * book.slot_seconds + PROVINCE_OFFSET_SECONDS) // DAY_SECONDS * DAY_SECONDS
    days_last = (day_end - PROVINCE_OFFSET_SECONDS) // book.slot_seconds - 1
    for line in ports.lines:
        key = PortKey(line.device_id, line.interface)
        period = book.between(key, last - limit.samples + 1, last, RECEIVED_KBIT_S, TRANSMITTED_KBIT_S)
        days = book.between(key, days_last - limit.samples + 1, days_last, RECEIVED_KBIT_S, TRANSMITTED_KBIT_S)
        down, up = (0, 1) if line.received_is_down else (1, 0)
        for direction, row, capacity in (
            (DOWN, down, line.capacity_down_kbit_s),
            (UP, up, line.capacity_up_kbit_s),
        ):
            by_day = days[row].reshape(limit.days, limit.day_samples)
            yield line, direction, judge_direction(period[row], by_day, capacity, limit, complete_ratio), law


def _of_day(day: Floats, percent: int, complete_ratio: float) -> float | None:
    if np.count_nonzero(~np.isnan(day)) < complete_ratio * len(day):
        return None
    return nearest_rank(day, percent)
