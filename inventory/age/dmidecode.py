"""Facts of the catalogue from the text that `dmidecode` prints.

The text is made for people: structures may be missing, doubled or cut short, and fields hold anything. Whatever is not
understood is left out, nothing raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent.wire.report import FactValue, Row
from inventory.age.cpuid import decode_signature

_HEADER = re.compile(r"Handle 0x[0-9A-Fa-f]+, DMI type (\d+)")
_PRESENT = re.compile(r"(?m)^\s*SMBIOS (\d+\.\d+(?:\.\d+)?) present")
_SIGNATURE_TEXT = re.compile(r"Family (\d+), Model (\d+), Stepping (\d+)")
_SIZE = re.compile(r"(\d+)\s*(kB|KB|MB|GB|TB|bytes)\b")
_UNIT_BYTES = {"bytes": 1, "kB": 1 << 10, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_FIELD_CHARACTERS = 256

_BIOS, _SYSTEM, _BASEBOARD, _CHASSIS, _PROCESSOR, _OEM_STRINGS, _MEMORY, _BATTERY, _DELL = (
    0,
    1,
    2,
    3,
    4,
    11,
    17,
    22,
    208,
)
_DELL_STRING_INDEXES = slice(0x0A, 0x0C)

# Fact, and label in the text -> column.
_PLAIN: dict[int, tuple[str, dict[str, str]]] = {
    _BIOS: ("bios", {"Vendor": "vendor", "Version": "version", "Release Date": "release_date"}),
    _SYSTEM: (
        "system",
        {
            "Manufacturer": "manufacturer",
            "Product Name": "product",
            "Version": "version",
            "Serial Number": "serial",
            "UUID": "uuid",
            "SKU Number": "sku",
            "Family": "family",
        },
    ),
    _BASEBOARD: (
        "baseboard",
        {
            "Manufacturer": "manufacturer",
            "Product Name": "product",
            "Version": "version",
            "Serial Number": "serial",
            "Asset Tag": "asset_tag",
        },
    ),
    _CHASSIS: (
        "chassis",
        {
            "Manufacturer": "manufacturer",
            "Type": "type",
            "Version": "version",
            "Serial Number": "serial",
            "Asset Tag": "asset_tag",
        },
    ),
    _BATTERY: (
        "battery",
        {
            "Manufacturer": "manufacturer",
            "Name": "name",
            "Chemistry": "chemistry",
            "Manufacture Date": "manufacture_date",
            "SBDS Manufacture Date": "sbds_manufacture_date",
        },
    ),
}


@dataclass
class _Structure:
    number: int
    values: dict[str, str] = field(default_factory=dict)
    items: dict[str, list[str]] = field(default_factory=dict)


def facts_from_dmidecode(text: str) -> dict[str, FactValue]:
    """The facts of one machine, named and laid out as in `agent.wire.facts.FACTS`; what is absent is left out."""
    facts: dict[str, FactValue] = {}
    if present := _PRESENT.search(text):
        facts["smbios_version"] = present[1]
    rows: dict[str, list[Row]] = {}
    for structure in _structures(text):
        if structure.number in _PLAIN:
            name, columns = _PLAIN[structure.number]
            row: Row = {column: structure.values.get(label) for label, column in columns.items()}
            rows.setdefault(name, []).append(row)
        elif structure.number == _PROCESSOR:
            rows.setdefault("processor", []).append(_processor(structure))
        elif structure.number == _OEM_STRINGS:
            strings = (value for label, value in structure.values.items() if label.startswith("String "))
            rows.setdefault("oem_string", []).extend({"text": value} for value in strings)
        elif structure.number == _MEMORY:
            rows.setdefault("memory_device", []).append(_memory_device(structure))
        elif structure.number == _DELL:
            rows.setdefault("dell_revisions", []).append(_dell_revisions(structure))
    facts.update(rows)
    return facts


def _structures(text: str) -> list[_Structure]:
    found: list[_Structure] = []
    structure: _Structure | None = None
    label = ""
    for line in text.splitlines():
        if header := _HEADER.match(line):
            structure = _Structure(int(header[1]))
            found.append(structure)
            label = ""
        elif structure is None or not line.startswith("\t"):
            continue
        elif line.startswith("\t\t"):
            structure.items.setdefault(label, []).append(line.strip()[:_FIELD_CHARACTERS])
        else:
            label, colon, value = line.strip().partition(":")
            # A first one wins: a doubled label comes from a string that holds a line end.
            if colon and label not in structure.values:
                structure.values[label] = value.strip()[:_FIELD_CHARACTERS]
    return found


def _processor(structure: _Structure) -> Row:
    values = structure.values
    row: Row = {
        "manufacturer": values.get("Manufacturer"),
        "version": values.get("Version"),
        "signature": values.get("ID"),
        "core_count": _number(values.get("Core Count")),
        "thread_count": _number(values.get("Thread Count")),
        "max_speed_mhz": _number(values.get("Max Speed")),
    }
    if "Status" in values:
        row["populated"] = values["Status"].startswith("Populated")
    decoded = decode_signature(values.get("ID", ""))
    if decoded is not None:
        row["family"], row["model"], row["stepping"] = decoded
    elif found := _SIGNATURE_TEXT.search(values.get("Signature", "")):
        row["family"], row["model"], row["stepping"] = int(found[1]), int(found[2]), int(found[3])
    return row


def _memory_device(structure: _Structure) -> Row:
    values = structure.values
    size = _SIZE.match(values.get("Size", ""))
    return {
        "locator": values.get("Locator"),
        "size_bytes": int(size[1]) * _UNIT_BYTES[size[2]] if size else None,
        "type": values.get("Type"),
        "speed_mts": _number(values.get("Speed")),
        "manufacturer": values.get("Manufacturer"),
        "part_number": values.get("Part Number"),
    }


def _dell_revisions(structure: _Structure) -> Row:
    strings = structure.items.get("Strings", [])
    data = b""
    try:
        data = bytes.fromhex(" ".join(structure.items.get("Header and Data", [])))
    except ValueError:
        data = b""
    # The two bytes say which strings are meant; a dump without its bytes has them in this order.
    indexes = tuple(data[_DELL_STRING_INDEXES]) or (1, 2)
    texts = [strings[index - 1] if 0 < index <= len(strings) else None for index in (*indexes, 0, 0)[:2]]
    return {"manufacture_date": texts[0], "first_power_on_date": texts[1]}


def _number(text: str | None) -> int | None:
    found = re.match(r"\d{1,9}", text or "")
    return int(found[0]) if found else None
