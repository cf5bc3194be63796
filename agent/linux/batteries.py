"""Batteries as the Linux kernel lists them; everybody may read it. No serial numbers."""

from __future__ import annotations

from typing import List, Optional

from agent.host import Host
from agent.probes.battery import wear_row
from agent.wire.report import Row

_FOLDER = "/sys/class/power_supply"
_MICRO = 1e6


def batteries(host: Host) -> List[Row]:
    """Rows of the fact `battery_wear`: the machine's own batteries, neither those of a mouse nor a UPS."""
    found: List[Row] = []
    for path in sorted(host.path(_FOLDER).glob("*/type")):
        folder = f"{_FOLDER}/{path.parent.name}"
        if host.text_or_none(f"{folder}/type") != "Battery" or host.text_or_none(f"{folder}/scope") == "Device":
            continue
        if host.text_or_none(f"{folder}/present") == "0":
            continue
        found.append(_battery(host, folder, f"BAT{len(found)}"))
    return found


def _battery(host: Host, folder: str, name: str) -> Row:
    watt_hours: Optional[float] = 1 / _MICRO
    design, full = _number(host, f"{folder}/energy_full_design"), _number(host, f"{folder}/energy_full")
    if design is None and full is None:
        # Told in microampere hours: watt hours take the voltage it was made for.
        design, full = _number(host, f"{folder}/charge_full_design"), _number(host, f"{folder}/charge_full")
        volts = _number(host, f"{folder}/voltage_min_design")
        watt_hours = None if volts is None else volts / _MICRO / _MICRO
    year, month, day = (_number(host, f"{folder}/manufacture_{part}") for part in ("year", "month", "day"))
    return wear_row(
        name,
        design=design,
        full=full,
        watt_hours=watt_hours,
        manufacturer=host.text_or_none(f"{folder}/manufacturer"),
        model=host.text_or_none(f"{folder}/model_name"),
        chemistry=host.text_or_none(f"{folder}/technology"),
        cycle_count=_number(host, f"{folder}/cycle_count"),
        manufacture_date=f"{year:04d}-{month:02d}-{day:02d}" if year and month and day else None,
    )


def _number(host: Host, name: str) -> Optional[int]:
    """A count above nothing; drivers write 0 where they do not know."""
    text = host.text_or_none(name) or ""
    return (int(text) or None) if text.isascii() and text.isdigit() else None
