"""Date of the firmware: updates only ever make it later, so it bounds from above."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.dates import add_months
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine

SOURCE = "bios_date"


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The firmware's date and a margin as the latest day; nothing for coreboot, whose date is that of its port."""
    if machine.coreboot:
        return
    for day in machine.bios_dates:
        if day > machine.as_of:
            yield Message("The firmware's date {day} lies in the future; it was not used.", {"day": day.isoformat()})
    past = [day for day in machine.bios_dates if day <= machine.as_of]
    if not past:
        return
    released = max(past)
    # A firmware of 1 January is one whose maker knew the year only.
    counted = date(released.year, 12, 31) if (released.month, released.day) == (1, 1) else released
    months = constant("bios_to_manufacture_latest", machine.line)
    why = Message(
        "The firmware is of {released}; machines leave the factory at most {months} months after "
        "the firmware they carry.",
        {"released": released.isoformat(), "months": round(months)},
    )
    yield Evidence(SOURCE, None, add_months(counted, months), None, why)
