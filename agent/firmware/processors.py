"""Processors as the operating system knows them, and these joined with the firmware's: pure, text in, rows out."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional

from agent.wire.facts import FACTS
from agent.wire.report import Row

_IDENTIFIER = re.compile(r"Family (\d+) Model (\d+) Stepping (\d+)")
_IDENTITY_COLUMNS = ("version", "vendor_id", "family", "model", "stepping")


def processors_from_cpuinfo(text: str) -> List[Row]:
    """One row for every physical package in Linux's /proc/cpuinfo; none where the architecture tells no identity."""
    packages: Dict[str, Row] = {}
    for block in re.split(r"\n\s*\n", text):
        values = dict(_values(block))
        brand = values.get("model name") or values.get("cpu model")
        if not brand and "vendor_id" not in values:
            continue
        row = packages.setdefault(values.get("physical id", "0"), _row())
        row["version"] = brand
        row["vendor_id"] = values.get("vendor_id")
        row["family"] = _number(values.get("cpu family"))
        row["model"] = _number(values.get("model"))
        row["stepping"] = _number(values.get("stepping"))
        row["core_count"] = _number(values.get("cpu cores"))
        row["thread_count"] = int(row["thread_count"] or 0) + 1
    return list(packages.values())


def processors_from_registry(values: Mapping[str, Any], thread_count: int) -> List[Row]:
    """The row of Windows' first CentralProcessor key, names as in the registry; none if it tells no processor.

    Windows lists threads, not packages: machines with several packages show as one.
    """
    brand = values.get("ProcessorNameString")
    identifier = _IDENTIFIER.search(str(values.get("Identifier") or ""))
    if not brand and identifier is None:
        return []
    row = _row()
    row["version"] = str(brand).strip() if brand else None
    row["vendor_id"] = values.get("VendorIdentifier")
    if identifier is not None:
        row["family"], row["model"], row["stepping"] = (int(number) for number in identifier.groups())
    row["thread_count"] = thread_count or None
    speed = values.get("~MHz")
    row["max_speed_mhz"] = speed if isinstance(speed, int) else None
    return [row]


def join_processors(from_firmware: List[Row], from_system: List[Row]) -> List[Row]:
    """The firmware's rows, completed and corrected with what the system read from the processor itself.

    Some firmware writes the identification words in the wrong order, or "CPU Version" as the name; the operating system
    asks the processor. `signature` stays as the firmware wrote it. Where the firmware lists no fitted processor, the
    system's rows are added.
    """
    fitted = [row for row in from_firmware if row["populated"] is not False]
    if not fitted or not from_system:
        return from_firmware + ([] if fitted else from_system)
    alike = all(_identity(row) == _identity(from_system[0]) for row in from_system)
    if not alike:
        # Which package sits in which socket is not told: better the firmware's own view than a guess.
        return from_firmware
    joined: List[Row] = []
    for row in from_firmware:
        if row["populated"] is False:
            joined.append(row)
            continue
        known = {name: value for name, value in _identity(from_system[0]).items() if value is not None}
        joined.append({**row, **known})
    return joined


def _identity(row: Row) -> Row:
    return {name: row[name] for name in _IDENTITY_COLUMNS}


def _row() -> Row:
    row: Row = dict.fromkeys(FACTS["processor"].columns)
    row["populated"] = True
    return row


def _values(block: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in block.splitlines())
    return [(name.strip(), value.strip()) for name, colon, value in pairs if colon and value.strip()]


def _number(text: Optional[str]) -> Optional[int]:
    return int(text) if text is not None and text.isdigit() else None
