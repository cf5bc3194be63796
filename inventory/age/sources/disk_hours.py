"""Hours a disk has run: a machine existed for as long as its disk has been turning, unless the disk was moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.dates import add_months
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine, number_of, rows

SOURCE = "disk_hours"

# 25 years; more is a counter of something else.
_PLAUSIBLE_HOURS = range(1, 25 * 8766)


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """Today less the hours of the longest running disk, and a margin, as the latest day."""
    hours = [
        count
        for row in rows(machine.facts, "disk")
        if row.get("removable") is not True
        if (count := number_of(row, "power_on_hours")) in _PLAUSIBLE_HOURS and count is not None
    ]
    if not hours:
        return
    started = machine.as_of - timedelta(hours=max(hours))
    latest = min(add_months(started, constant("disk_hours_to_manufacture_latest")), machine.as_of)
    why = Message(
        "A disk of this machine has run for {hours} hours, so it has been in use since {started} at the latest.",
        {"hours": max(hours), "started": started.isoformat()},
    )
    yield Evidence(SOURCE, None, latest, None, why)
