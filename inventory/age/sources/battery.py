"""Date of manufacture of the battery: mostly a few weeks before that of the notebook it came with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.dates import add_months, parse_firmware_date
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine, rows, text_of

SOURCE = "battery"

# Days found in hundreds of machines: samples of firmware makers, never set by a battery.
PLACEHOLDER_DAYS = frozenset(
    {
        date(2006, 10, 31),
        date(2007, 10, 12),
        date(2010, 7, 7),
        date(2010, 8, 8),
    }
)


def battery_day(machine: Machine) -> date | None:
    """The oldest battery's day of manufacture; None where no battery has a believable one."""
    found = []
    for row in rows(machine.facts, "battery"):
        for column in ("sbds_manufacture_date", "manufacture_date"):
            day = parse_firmware_date(text_of(row, column))
            if day is None or day in PLACEHOLDER_DAYS or (day.month, day.day) == (1, 1) or day > machine.as_of:
                continue
            found.append(day)
            break
    processor = machine.processor
    floor = (
        add_months(processor.first_launch, -_BEFORE_PROCESSOR_MONTHS) if processor and processor.first_launch else None
    )
    # A battery much older than the processor came from another machine or has no clock.
    return min((day for day, _ in Counter(found).items() if floor is None or day >= floor), default=None)


_BEFORE_PROCESSOR_MONTHS = 6


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The oldest battery's date and a margin as the latest day, and a little after it as the best."""
    made = battery_day(machine)
    if made is None:
        return
    why = Message(
        "The battery was made on {made}; four of five are the machine's first, made shortly before it.",
        {"made": made.isoformat()},
    )
    latest = min(add_months(made, constant("battery_to_manufacture_latest")), machine.as_of)
    yield Evidence(SOURCE, None, latest, min(add_months(made, constant("battery_to_manufacture_best")), latest), why)
