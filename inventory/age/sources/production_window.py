"""How long machines with the processor were built: a machine is not much younger than its processor."""

from __future__ import annotations

from collections.abc import Iterator

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.dates import add_months, as_month, month_end
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine
from inventory.age.processors import production_window

SOURCE = "production_window"


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The end of production as the latest day; nothing for machines assembled from parts, which use old stock."""
    processor = machine.processor
    if processor is None or processor.first_launch is None or machine.line == "assembled":
        return
    window = production_window(processor)
    if window is not None:
        margin = constant("production_window_last_to_manufacture_latest", machine.line)
        latest = month_end(add_months(window.last, margin))
        why = Message(
            "Of {machines} machines with this processor family ({family}) whose date is known, 99 of 100 were made by "
            "{last}; with a margin of {margin} months this one was not made later.",
            {
                "machines": window.machines,
                "family": window.name,
                "last": as_month(window.last),
                "margin": round(margin),
            },
        )
    else:
        months = constant("processor_launch_to_manufacture_latest", machine.line)
        latest = month_end(add_months(processor.first_launch, months))
        why = Message(
            "Machines with a processor are made until {months} months after its first sale in {launch} at the latest.",
            {"months": round(months), "launch": as_month(processor.first_launch)},
        )
    yield Evidence(SOURCE, None, latest, None, why)
