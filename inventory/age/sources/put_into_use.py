"""Year put into use, from the register of assets: the machine existed by the end of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from agent.wire.message import Message
from inventory.age.dates import FIRST_PLAUSIBLE_YEAR
from inventory.age.evidence import Evidence
from inventory.age.machine import Machine

SOURCE = "put_into_use"


def evidence(machine: Machine) -> Iterator[Evidence | Message]:
    """The last day of the register's year as the latest day."""
    year = machine.year_put_into_use
    if year is None:
        return
    if not FIRST_PLAUSIBLE_YEAR <= year <= machine.as_of.year:
        yield Message(
            "The register says that the machine was put into use in {year}, which cannot be; it was not used.",
            {"year": str(year)},
        )
        return
    why = Message("The register says that the machine was put into use in {year}.", {"year": str(year)})
    yield Evidence(SOURCE, None, min(date(year, 12, 31), machine.as_of), None, why)
