"""First sale of the processor: a machine is not older than its processor."""

from __future__ import annotations

from collections.abc import Iterator

from agent.wire.message import Message
from inventory.age.dates import as_month
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine

SOURCE = "processor"


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The processor's first month of sale as the earliest day."""
    processor = machine.processor
    if processor is None or processor.first_launch is None:
        return
    parameters = {"processor": processor.brand, "launch": as_month(processor.first_launch)}
    if processor.first_launch > machine.as_of:
        yield Message(
            "The processor {processor} was first sold in {launch}, which is later than today: check the clock.",
            parameters,
        )
        return
    why = Message("{processor} was first sold in {launch}, so this machine is not older.", parameters)
    yield Evidence(SOURCE, processor.first_launch, None, None, why)
