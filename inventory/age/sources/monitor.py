"""Year of manufacture of panels and monitors (EDID): never an earliest day, as monitors are replaced."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from agent.wire.message import Message, mark
from inventory.age.constants import constant
from inventory.age.dates import FIRST_PLAUSIBLE_YEAR, add_months
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine, number_of, rows

SOURCE = "monitor"

_WEEKS = range(1, 54)


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The oldest screen's date and a margin as the latest day; a wide one for monitors, which outlive machines."""
    for internal, constant_name, pattern in (
        (True, "panel_to_manufacture_latest", mark("The built-in screen was made in {year}.")),
        (
            False,
            "monitor_to_manufacture_latest",
            mark("A monitor made in {year} is connected; monitors outlive machines, so this says little."),
        ),
    ):
        days = [
            day
            for row in rows(machine.facts, "monitor")
            if (row.get("internal") is True) is internal
            if (day := _last_day(number_of(row, "manufacture_year"), number_of(row, "manufacture_week"), machine.as_of))
        ]
        if days:
            oldest = min(days)
            latest = min(add_months(oldest, constant(constant_name)), machine.as_of)
            yield Evidence(SOURCE, None, latest, None, Message(pattern, {"year": str(oldest.year)}))


def _last_day(year: int | None, week: int | None, as_of: date) -> date | None:
    if year is None or not FIRST_PLAUSIBLE_YEAR <= year <= as_of.year:
        return None
    if week is not None and week in _WEEKS:
        return min(date(year, 1, 1) + timedelta(days=7 * week), date(year, 12, 31))
    return date(year, 12, 31)
