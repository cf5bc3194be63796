"""How worn the machine's own batteries are. No serial numbers."""

from __future__ import annotations

from typing import List, Optional

from agent.errors import NoDataError, ProbeError
from agent.firmware.makers_text import makers_text
from agent.firmware.rows import fact_row
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import Row

_UNKNOWN_WORDS = frozenset({"unknown", "n/a", "none", "default string"})


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Fact `battery_wear`: one row for each battery that runs the machine.

    Raises:
        NoDataError: there is none.
        ProbeError: there is one, and none answers.
    """
    rows: List[Row]
    silent = 0
    if host.system == WINDOWS:
        from agent.windows import batteries as of_windows  # noqa: PLC0415  # the other system's module is not loaded

        rows, silent = of_windows.batteries(host)
    else:
        from agent.linux import batteries as of_linux  # noqa: PLC0415  # the other system's module is not loaded

        rows = of_linux.batteries(host)
    if not rows and silent:
        raise ProbeError("no battery answers the question for its state")
    if not rows:
        raise NoDataError("this machine has no battery")
    remark = ""
    if silent:
        remark = mark("some batteries do not answer the question for their state")
    elif any(row["wear_ratio"] is None for row in rows):
        remark = mark("a battery does not tell how worn it is")
    return Collected(facts={"battery_wear": [*rows]}, remark=remark)


def wear_row(
    name: str,
    *,
    design: Optional[int],
    full: Optional[int],
    watt_hours: Optional[float],
    manufacturer: Optional[str],
    model: Optional[str],
    chemistry: Optional[str],
    cycle_count: Optional[int],
    manufacture_date: Optional[str],
) -> Row:
    """A row of the fact.

    Args:
        name: which of the machine's batteries.
        design: capacity it was made with; None where it is not known, as are all others.
        full: capacity it has when it is full now, in the same unit.
        watt_hours: what one of that unit is; None where that is not known.
        manufacturer: as it writes itself, as are the model and the chemistry.
        model: its name.
        chemistry: what it is made of.
        cycle_count: how often it was charged.
        manufacture_date: its day of manufacture.
    """
    return fact_row(
        "battery_wear",
        name=name,
        manufacturer=_told(manufacturer),
        model=_told(model),
        chemistry=_told(chemistry),
        design_capacity_wh=_watt_hours(design, watt_hours),
        full_capacity_wh=_watt_hours(full, watt_hours),
        # A new one often holds more than it was made for.
        wear_ratio=round(max(0.0, 1 - full / design), 3) if design and full else None,
        cycle_count=cycle_count,
        manufacture_date=manufacture_date,
    )


def _watt_hours(capacity: Optional[int], unit: Optional[float]) -> Optional[float]:
    return None if capacity is None or unit is None else round(capacity * unit, 1)


def _told(text: Optional[str]) -> Optional[str]:
    word = makers_text(text)
    return None if word is None or word.lower() in _UNKNOWN_WORDS else word
