"""HP's BUILDID string: the year for which the platform's software was built."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine, rows, text_of

SOURCE = "hp_build"

_BUILD = re.compile(r"BUILDID#(\d{2})")
_CENTURY = 2000


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """January of the year before the platform's year as the earliest day."""
    if machine.brand != "HP":
        return
    for row in rows(machine.facts, "oem_string"):
        found = _BUILD.search(text_of(row, "text"))
        if found is None:
            continue
        year = _CENTURY + int(found[1])
        if year > machine.as_of.year:
            # One build reads "80": a template that nobody filled in.
            continue
        why = Message("HP built the software image of this platform for {year}.", {"year": year})
        yield Evidence(SOURCE, date(year + int(constant("hp_build_year_to_launch_year")), 1, 1), None, None, why)
        return
