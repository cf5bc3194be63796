"""The likely time of manufacture, weighed from processor, series, firmware and battery together.

Rules bound each for itself; this weighs them against each other. Months since the machine could first be bought are
laid out on a grid; each cell is weighted by how often machines are made that long after (a log-normal law with a long
tail), how often their firmware is as old as here (either that of the factory, or an update from the years after), and
how often their battery is (the first one, a later one, an older one). The laws' parameters come from
`inventory/data/age_model.json`, made by `python -m inventory.age.learning fit`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from agent.wire.message import Message, mark
from inventory.age.combine import Interval
from inventory.age.dates import MEAN_MONTH_DAYS, as_month, months_between
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine
from inventory.age.processors import DATA
from inventory.age.sources.battery import battery_day
from inventory.age.sources.series import series_launch

SOURCE = "model"

# Name of the law -> name of the number.
Laws = dict[str, dict[str, float]]

STEP_MONTHS = 0.5
FIRST_CELL_MONTHS = -3.0
LAST_CELL_MONTHS = 110.0
# A weight of e^-40 stands for "never seen": no single piece of evidence may forbid a cell alone.
LOWEST_LOG_WEIGHT = -40.0
LONGEST_GAP_MONTHS = 24.0
OLDEST_BATTERY_MONTHS = -8.0

# Which evidence was weighed: (firmware date, battery date).
_WHY = {
    (False, False): mark(
        "Weighed by how long machines are made after their processor and series appear: "
        "99 of 100 such machines were made from {earliest} to {latest}, half of them by {best}."
    ),
    (True, False): mark(
        "Weighed processor, series and firmware date together: "
        "99 of 100 such machines were made from {earliest} to {latest}, half of them by {best}."
    ),
    (False, True): mark(
        "Weighed processor, series and battery date together: "
        "99 of 100 such machines were made from {earliest} to {latest}, half of them by {best}."
    ),
    (True, True): mark(
        "Weighed processor, series, firmware date and battery date together: "
        "99 of 100 such machines were made from {earliest} to {latest}, half of them by {best}."
    ),
}
_WHY_CONSUMER = mark(
    "Weighed all evidence as for business machines: half of such machines were made by {best}. Of other lines "
    "fewer dates are known, so this does not narrow the interval."
)


@dataclass(frozen=True)
class Observation:
    """What is weighed, in months since the machine could first be bought (the later of processor and series).

    Args:
        gap: how much later the processor came than the series, 0 if it did not.
        portable: a notebook, convertible or tablet.
        workstation: a processor of the Xeon or extreme class, which is sold longer.
        firmware: date of the firmware, None if it is not to be used.
        battery: date of the oldest battery, None if there is none to be used.
    """

    gap: float
    portable: bool
    workstation: bool
    firmware: float | None
    battery: float | None


def weigh(machine: Machine, interval: Interval, laws: Laws) -> Evidence | None:
    """The interval that holds 99 of 100 such machines, within `interval`; None where the laws do not apply.

    They were learnt on business machines: of other lines only the best day is taken from them, and a machine that a
    shop put together from parts follows no such law.
    """
    start = origin(machine)
    if start is None or machine.line == "assembled" or interval.earliest is None or interval.latest is None:
        return None
    observation = observe(machine, start)
    cells = grid(months_between(start, interval.earliest), months_between(start, interval.latest))
    weights = log_weights(observation, cells, laws)
    settings = laws["interval"]
    low, middle, high = quantiles(cells, weights, (settings["below"], 0.5, settings["above"]))
    best = interval.clamp(_day(start, middle))
    if machine.line != "business":
        return Evidence(SOURCE, None, None, best, Message(_WHY_CONSUMER, {"best": as_month(best)}))
    margin = settings["margin_months"]
    earliest = max(interval.earliest, _day(start, low - margin))
    latest = min(interval.latest, _day(start, high + margin))
    best = min(max(best, earliest), latest)
    why = Message(
        _WHY[observation.firmware is not None, observation.battery is not None],
        {"earliest": as_month(earliest), "latest": as_month(latest), "best": as_month(best)},
    )
    return Evidence(SOURCE, earliest, latest, best, why)


def origin(machine: Machine) -> date | None:
    """The first month in which the machine could be bought: the later of its processor's and its series'."""
    processor = machine.processor
    if processor is None or processor.first_launch is None or processor.first_launch > machine.as_of:
        return None
    found = series_launch(machine) if machine.line == "business" else None
    return max(processor.first_launch, found[1]) if found else processor.first_launch


def observe(machine: Machine, start: date) -> Observation:
    """What is weighed of the machine, in months since `start`."""
    processor = machine.processor
    found = series_launch(machine) if machine.line == "business" else None
    gap = months_between(found[1], start) if found else 0.0
    past = [] if machine.coreboot else [day for day in machine.bios_dates if day <= machine.as_of]
    battery = battery_day(machine)
    battery_months = None if battery is None else months_between(start, battery)
    return Observation(
        gap=min(gap, LONGEST_GAP_MONTHS),
        portable=machine.portable,
        workstation=processor is not None and " Xeon" in processor.brand,
        firmware=months_between(start, max(past)) if past else None,
        battery=battery_months if battery_months is not None and battery_months >= OLDEST_BATTERY_MONTHS else None,
    )


def grid(first: float, last: float) -> list[float]:
    """Middles of the cells between two months, at least one."""
    count = round((LAST_CELL_MONTHS - FIRST_CELL_MONTHS) / STEP_MONTHS)
    cells = [FIRST_CELL_MONTHS + STEP_MONTHS * (place + 0.5) for place in range(count)]
    inside = [cell for cell in cells if first - STEP_MONTHS / 2 <= cell <= last + STEP_MONTHS / 2]
    return inside or [(first + last) / 2]


def log_weights(observation: Observation, cells: Sequence[float], laws: Laws) -> list[float]:
    """How likely each cell is, as logarithms that are not normalised."""
    weights = [_manufacture(laws["manufacture"], observation, cell) for cell in cells]
    if observation.firmware is not None:
        firmware = observation.firmware
        weights = [
            weight + _firmware(laws["firmware"], firmware, cell) for weight, cell in zip(weights, cells, strict=True)
        ]
    if observation.battery is not None:
        battery = observation.battery
        weights = [
            weight + _battery(laws["battery"], battery, cell) for weight, cell in zip(weights, cells, strict=True)
        ]
    return weights


def quantiles(cells: Sequence[float], weights: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Where the summed weight passes each share, between the cells' edges."""
    top = max(weights)
    masses = [math.exp(weight - top) for weight in weights]
    total = sum(masses)
    found = []
    for share in shares:
        target, below = share * total, 0.0
        edge = cells[-1] + STEP_MONTHS / 2
        for cell, mass in zip(cells, masses, strict=True):
            if below + mass >= target:
                edge = cell - STEP_MONTHS / 2 + STEP_MONTHS * (target - below) / mass
                break
            below += mass
        found.append(edge)
    return found


def _manufacture(law: dict[str, float], observation: Observation, month: float) -> float:
    centre = (
        law["log_median"]
        + law["log_median_portable"] * observation.portable
        + law["log_median_workstation"] * observation.workstation
        + law["log_median_per_gap_month"] * observation.gap
    )
    elapsed = month + law["shift_months"]
    return _either(
        1 - law["tail_share"],
        _log_normal(elapsed, centre, law["log_spread"]),
        _log_normal(elapsed, centre + law["tail_log_shift"], law["log_spread"] * law["tail_stretch"]),
    )


def _firmware(law: dict[str, float], firmware: float, month: float) -> float:
    lag = month - firmware
    factory = _log_normal(lag + 1, law["factory_log_median"], law["factory_log_spread"])
    spread, middle = law["update_spread_months"], law["update_middle_months"]
    still_to_come = max(1 - _normal_below((month - middle) / spread), 1e-4)
    update = _log_density((firmware - middle) / spread) - math.log(spread) - math.log(still_to_come)
    if lag > 0:
        update -= (lag / law["update_before_manufacture_months"]) ** 2
    return _either(law["factory_share"], factory, max(update, LOWEST_LOG_WEIGHT))


def _battery(law: dict[str, float], battery: float, month: float) -> float:
    lag = month - battery
    first = _log_normal(lag + 1, law["first_log_median"], law["first_log_spread"])
    later_mean, older_mean = law["later_mean_months"], law["older_mean_months"]
    later = -math.log(later_mean) + (lag / later_mean if lag < 0 else -(lag**2))
    older = -math.log(older_mean) + (-lag / older_mean if lag > 0 else -(lag**2))
    others = _either(law["later_share_of_rest"], max(later, LOWEST_LOG_WEIGHT), max(older, LOWEST_LOG_WEIGHT))
    return _either(law["first_share"], first, others)


def _either(share: float, one: float, other: float) -> float:
    one, other = one + math.log(share), other + math.log(1 - share)
    top = max(one, other)
    return top + math.log(math.exp(one - top) + math.exp(other - top))


def _log_normal(value: float, log_median: float, log_spread: float) -> float:
    if value <= 0:
        return LOWEST_LOG_WEIGHT
    distance = (math.log(value) - log_median) / log_spread
    return max(_log_density(distance) - math.log(value * log_spread), LOWEST_LOG_WEIGHT)


def _log_density(distance: float) -> float:
    return -0.5 * distance * distance - 0.5 * math.log(2 * math.pi)


def _normal_below(distance: float) -> float:
    return 0.5 * math.erfc(-distance / math.sqrt(2))


def _day(start: date, months: float) -> date:
    return start + timedelta(days=round(months * MEAN_MONTH_DAYS))


@cache
def shipped_laws() -> Laws:
    """The laws of the data file."""
    raw: Laws = json.loads((DATA / "age_model.json").read_text(encoding="utf-8"))["laws"]
    return raw
