"""Samsung's own date: the second OEM string reads YYYY/MM/DD."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.dates import add_months, parse_firmware_date
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine, rows, text_of
from inventory.age.sources.vendor_date import refusal

SOURCE = "samsung_date"

_POSITION = 1
_RESET_CLOCK_MONTH_DAY = (1, 1)


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The date of the second string, within a month: about one in fifty of these clocks was reset."""
    if machine.brand != "Samsung":
        return
    strings = rows(machine.facts, "oem_string")
    if len(strings) <= _POSITION:
        return
    text = text_of(strings[_POSITION], "text")
    made = parse_firmware_date(text) if re.fullmatch(r"\d{4}/\d{2}/\d{2}", text) else None
    if made is None or (made.month, made.day) == _RESET_CLOCK_MONTH_DAY:
        return
    complaint = refusal(machine, made)
    if complaint is not None:
        yield complaint
        return
    precision = constant("samsung_date_precision")
    yield Evidence(
        SOURCE,
        add_months(made, -precision),
        _not_after(add_months(made, precision), machine.as_of),
        made,
        Message(
            "Samsung wrote the day of manufacture, {made}, into this machine's firmware.", {"made": made.isoformat()}
        ),
    )


def _not_after(day: date, limit: date) -> date:
    return min(day, limit)
