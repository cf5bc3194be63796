"""Standards the machine follows: it is not older than the SMBIOS version or the memory generation it uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from agent.wire.message import Message
from inventory.age.dates import as_month
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine, rows, text_of

SOURCE = "specification"

# First publication (DMTF DSP0134), and first machines with the memory.
_SMBIOS = {
    (2, 4): date(2004, 7, 1),
    (2, 6): date(2008, 6, 1),
    (2, 7): date(2010, 7, 1),
    (3, 0): date(2015, 2, 1),
    (3, 1): date(2016, 11, 1),
    (3, 2): date(2018, 4, 1),
    (3, 3): date(2019, 9, 1),
}
_MEMORY = {"DDR3": date(2007, 6, 1), "DDR4": date(2014, 8, 1), "DDR5": date(2021, 11, 1)}


def smbios_version(machine: Machine) -> tuple[int, int] | None:
    """(major, minor) of the SMBIOS specification, None where it is not told."""
    found = re.match(r"\s*(\d{1,2})\.(\d{1,2})", str(machine.facts.get("smbios_version")))
    return (int(found[1]), int(found[2])) if found else None


def memory_generation(machine: Machine) -> int | None:
    """The DDR generation of the memory fitted, None where none is named."""
    found = (
        re.fullmatch(r"LPDDR(\d).*|DDR(\d).*", text_of(row, "type")) for row in rows(machine.facts, "memory_device")
    )
    return max((int(match[1] or match[2]) for match in found if match), default=None)


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The publication of the SMBIOS version and the first sale of the memory generation as earliest days."""
    version = smbios_version(machine)
    published = [day for known, day in _SMBIOS.items() if version is not None and known <= version]
    # A hypervisor's or a third party's firmware follows newer standards than the board it runs on.
    if version is not None and published and not machine.coreboot:
        why = Message(
            "The firmware follows SMBIOS {version}, published in {published}.",
            {"version": f"{version[0]}.{version[1]}", "published": as_month(max(published))},
        )
        yield Evidence(SOURCE, max(published), None, None, why)
    generation = memory_generation(machine)
    first = _MEMORY.get(f"DDR{generation}")
    if first is not None:
        why = Message(
            "The machine uses DDR{generation} memory, sold since {first}.",
            {"generation": str(generation), "first": as_month(first)},
        )
        yield Evidence(SOURCE, first, None, None, why)
