"""Dell's own dates: SMBIOS type 208 holds the day of manufacture and the day of first power-on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.dates import parse_iso_date
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine, rows
from inventory.age.sources.vendor_date import refusal

SOURCE = "dell_dates"

# Days that stand in hundreds of machines of different years: written by service tools, not by the factory.
PLACEHOLDER_DAYS = frozenset(
    {
        date(2004, 1, 1),
        date(2007, 3, 3),
        date(2007, 3, 19),
        date(2008, 1, 1),
        date(2009, 1, 1),
        date(2010, 2, 1),
        date(2010, 3, 21),
        date(2010, 7, 30),
        date(2015, 3, 5),
        date(2015, 8, 6),
    }
)


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The day of manufacture as the vendor wrote it; from the first power-on alone, a span before it."""
    if machine.brand != "Dell":
        return
    for row in rows(machine.facts, "dell_revisions"):
        made, powered_on = _day(row.get("manufacture_date")), _day(row.get("first_power_on_date"))
        if made is not None:
            complaint = refusal(machine, made)
            if complaint is not None:
                yield complaint
                continue
            why = Message(
                "Dell wrote the day of manufacture, {made}, into this machine's firmware.", {"made": made.isoformat()}
            )
            yield Evidence(SOURCE, made, made, made, why)
            return
        if powered_on is not None:
            complaint = refusal(machine, powered_on)
            if complaint is not None:
                yield complaint
                continue
            yield Evidence(
                SOURCE,
                powered_on - timedelta(days=constant("power_on_to_manufacture_earliest_days")),
                powered_on,
                powered_on - timedelta(days=constant("power_on_to_manufacture_best_days")),
                Message(
                    "Dell's firmware notes the first power-on, {powered_on}.", {"powered_on": powered_on.isoformat()}
                ),
            )
            return


def _day(text: object) -> date | None:
    if not isinstance(text, str) or not re.fullmatch(r"\s*\d{8}\s*", text):
        return None
    text = text.strip()
    day = parse_iso_date(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    return None if day is None or day in PLACEHOLDER_DAYS else day
