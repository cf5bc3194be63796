"""Installation of the operating system: the machine existed by then."""

from __future__ import annotations

from collections.abc import Iterator

from agent.wire.message import Message
from inventory.age.constants import constant
from inventory.age.dates import add_months, parse_iso_date
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine

SOURCE = "os_install"


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The day of installation and a margin as the latest day.

    The margin is for systems copied from a disk image, which keep the day of the image.
    """
    text = machine.facts.get("os_installed_at")
    day = parse_iso_date(text) if isinstance(text, str) else None
    if day is None or day > machine.as_of:
        return
    months = constant("os_install_to_manufacture_latest")
    why = Message(
        "The operating system was installed on {day}; {months} months are added because disk images are copied.",
        {"day": day.isoformat(), "months": round(months)},
    )
    yield Evidence(SOURCE, None, min(add_months(day, months), machine.as_of), None, why)
