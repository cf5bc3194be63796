"""When the machine's series came to market, by the generation in its model name.

Names are used again (Latitude 3440 of 2013 and of 2023), so a row may ask for a processor of its own time; a row that
fits wrongly can then only be too early, which costs nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.dates import add_months, as_month, month_start
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine
from inventory.age.processors import DATA

SOURCE = "series"


@dataclass(frozen=True)
class _Series:
    brand: str
    pattern: re.Pattern[str]
    on_market: date
    processor_from: date


def series_launch(machine: Machine) -> tuple[str, date] | None:
    """The name that was recognised and the first month of its series; None without a processor to check it by."""
    processor = machine.processor
    if processor is None or processor.first_launch is None:
        return None
    fitting = [
        (found[0], row.on_market)
        for row in _table()
        if row.brand == machine.brand
        and row.processor_from <= processor.first_launch
        and (found := row.pattern.search(machine.names))
    ]
    return max(fitting, key=lambda item: item[1], default=None)


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The series' first month less a margin as the earliest day."""
    found = series_launch(machine)
    if found is None:
        return
    name, on_market = found
    months = constant("series_launch_to_manufacture_earliest")
    why = Message("The series of the {name} came to market in {launch}.", {"name": name, "launch": as_month(on_market)})
    yield Evidence(SOURCE, add_months(on_market, months), None, None, why)


@cache
def _table() -> tuple[_Series, ...]:
    with (DATA / "series_launch.csv").open(encoding="utf-8", newline="") as table:
        return tuple(
            _Series(
                brand=row["brand"],
                pattern=re.compile(row["pattern"]),
                on_market=month_start(row["on_market"]),
                processor_from=month_start(row["processor_from"]) if row["processor_from"] else date.min,
            )
            for row in csv.DictReader(table)
        )
