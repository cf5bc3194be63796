"""First report to the collector: the machine existed by then."""

from __future__ import annotations

from collections.abc import Iterator

from agent.wire.message import Message
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine

SOURCE = "first_seen"


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The day of the first report as the latest day."""
    day = machine.first_seen
    if day is None or day > machine.as_of:
        return
    why = Message("The machine has reported to the collector since {day}.", {"day": day.isoformat()})
    yield Evidence(SOURCE, None, day, None, why)
