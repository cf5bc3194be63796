"""When trouble happens in a simulated province: periods drawn over working hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MINUTES_PER_DAY = 1440
WORKDAYS_PER_WEEK = 5

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Period:
    """Minutes `start` to `end` (exclusive) since the start of the trace, and how strong the trouble is.

    `size` is milliseconds added, or for load the share of the line's capacity.
    """

    start: int
    end: int
    size: float


def is_workday(day: int) -> bool:
    """Whether a day of the trace is worked; day 0 is a Monday."""
    return day % 7 < WORKDAYS_PER_WEEK


def draw_periods(
    rng: np.random.Generator,
    days: int,
    *,
    per_workday: float,
    minutes: Callable[[np.random.Generator], float],
    size: Callable[[np.random.Generator], float],
    hours: tuple[float, float] = (7.6, 17.0),
) -> list[Period]:
    """Return random periods that begin in working hours.

    Args:
        rng: The source of randomness.
        days: Length of the trace.
        per_workday: Mean number of periods a workday.
        minutes: Draws the length of one period.
        size: Draws the strength of one period.
        hours: Local hours between which periods begin.
    """
    periods = []
    for day in range(days):
        if not is_workday(day):
            continue
        for _ in range(int(rng.poisson(per_workday))):
            start = day * MINUTES_PER_DAY + int(rng.uniform(*hours) * 60)
            length = max(1, round(minutes(rng)))
            periods.append(Period(start, min(start + length, days * MINUTES_PER_DAY), size(rng)))
    return sorted(periods, key=lambda period: period.start)


def level(periods: list[Period], total_minutes: int) -> Floats:
    """Return the sum of the periods' sizes in every minute."""
    sums = np.zeros(total_minutes)
    for period in periods:
        sums[period.start : period.end] += period.size
    return sums


def covered(periods: list[Period], total_minutes: int) -> Flags:
    """Return which minutes lie in a period."""
    flags = np.zeros(total_minutes, dtype=bool)
    for period in periods:
        flags[period.start : period.end] = True
    return flags


def wandering(rng: np.random.Generator, total_minutes: int, *, deviation: float, memory_minutes: float) -> Floats:
    """Return a random walk that returns to zero: one normal value a minute with the given deviation and memory."""
    keep = float(np.exp(-1.0 / memory_minutes))
    shocks = rng.normal(0.0, deviation * np.sqrt(1 - keep * keep), total_minutes)
    values = np.empty(total_minutes)
    value = float(rng.normal(0.0, deviation))
    for minute, shock in enumerate(shocks.tolist()):
        value = value * keep + shock
        values[minute] = value
    return values
