"""Serial numbers that hold year and week of manufacture: HP's and Acer's.

The year is one digit; the decade is the one that the processor allows. Without a processor nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.dates import add_months, month_end
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine, rows, text_of

SOURCE = "serial_number"

# HP: country and site (3), year (1), week (2), counter (4). Acer: positions 11 to 13 of 22 are year and week, and so
# are the first three of the 11 digits of its SNID.
_HP = re.compile(r"[A-Z0-9]{2}[A-Z0-9](?P<year>\d)(?P<week>[0-5]\d)[A-Z0-9]{4}")
_ACER = re.compile(r"[A-Z0-9]{10}(?P<year>\d)(?P<week>[0-5]\d)[A-Z0-9]{9}")
_ACER_SNID = re.compile(r"(?P<year>\d)(?P<week>[0-5]\d)\d{8}")
_PATTERNS = {"HP": (_HP,), "Acer": (_ACER, _ACER_SNID)}
_DECADES = (1990, 2000, 2010, 2020, 2030)
_LAST_WEEK = 53


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The week that the serial number names, if the processor leaves exactly one decade for it."""
    processor = machine.processor
    patterns = _PATTERNS.get(machine.brand, ())
    if not patterns or processor is None or processor.first_launch is None:
        return
    serials = [text_of(row, "serial").upper() for row in rows(machine.facts, "system")]
    found = next((match for text in serials for pattern in patterns if (match := pattern.fullmatch(text))), None)
    if found is None or not 1 <= int(found["week"]) <= _LAST_WEEK:
        return
    first = add_months(processor.first_launch, -constant("vendor_date_before_processor_launch"))
    last = min(
        month_end(add_months(processor.first_launch, constant("vendor_date_after_processor_launch"))), machine.as_of
    )
    weeks = (_week(decade + int(found["year"]), int(found["week"])) for decade in _DECADES)
    fitting = [monday for monday in weeks if monday is not None and first <= monday <= last]
    if len(fitting) != 1:
        return
    monday = fitting[0]
    precision = timedelta(days=constant("serial_week_precision_days"))
    why = Message(
        "The serial number names week {week} of a year ending in {digit}; with {processor} that is {year}.",
        {
            "week": int(found["week"]),
            "digit": int(found["year"]),
            "processor": processor.brand,
            "year": monday.isocalendar().year,
        },
    )
    middle = monday + timedelta(days=3)
    latest = min(middle + precision, machine.as_of)
    yield Evidence(SOURCE, min(middle - precision, latest), latest, min(middle, latest), why)


def _week(year: int, week: int) -> date | None:
    try:
        return date.fromisocalendar(year, week, 1)
    except ValueError:
        # Week 53 of a year that has 52 means its last days.
        return date.fromisocalendar(year, _LAST_WEEK - 1, 1) if week == _LAST_WEEK else None
