"""What tells one machine from another by its hardware, and what two such accounts make of each other. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agent.wire.report import FactValue
from inventory.identity import mac_key
from inventory.serials import serial_key

UUID = "uuid"
SYSTEM_SERIAL = "serial"
BOARD_SERIAL = "board_serial"
CHASSIS_SERIAL = "chassis_serial"
MAC_ADDRESS = "mac_address"

# Serials that people read off the case come first.
KINDS = (SYSTEM_SERIAL, BOARD_SERIAL, CHASSIS_SERIAL, UUID, MAC_ADDRESS)
FACT_NAMES = frozenset({"system", "baseboard", "chassis", "network_adapter"})

SAME = "same"
OTHER = "other"
UNKNOWN = "unknown"

_COLUMNS = {
    SYSTEM_SERIAL: ("system", "serial"),
    BOARD_SERIAL: ("baseboard", "serial"),
    CHASSIS_SERIAL: ("chassis", "serial"),
    UUID: ("system", "uuid"),
    MAC_ADDRESS: ("network_adapter", "mac"),
}
_STRONG = (SYSTEM_SERIAL, BOARD_SERIAL, CHASSIS_SERIAL, UUID)
# What makers of boards leave in there: counted up, or the example of a specification.
_NO_UUIDS = frozenset(
    {
        "03000200040005000006000700080009",
        "00020003000400050006000700080009",
        "123456781234567890ABCDDEEFAABBCC",
        "FEFEFEFEFEFEFEFEFEFEFEFEFEFEFEFE",
        "0123456789ABCDEF0123456789ABCDEF",
    }
)
_LEAST_DIFFERENT_DIGITS = 4


def uuid_key(text: str | None) -> str | None:
    """The 32 digits of an SMBIOS UUID; None where it tells no machine from another: zeros, ones, an example."""
    digits = re.sub(r"[{}\-\s]", "", text or "").upper()
    if not re.fullmatch(r"[0-9A-F]{32}", digits) or digits in _NO_UUIDS or len(set(digits)) < _LEAST_DIFFERENT_DIGITS:
        return None
    return digits


def hardware_keys(facts: Mapping[str, FactValue]) -> dict[str, list[str]]:
    """Kind -> keys by which a machine can be known again; kinds that tell nothing, such as placeholders, are left out.

    Args:
        facts: name -> value, as terminals report them.
    """
    found: dict[str, list[str]] = {}
    for kind, (fact, column) in _COLUMNS.items():
        rows = facts.get(fact)
        texts = [row.get(column) for row in rows] if isinstance(rows, list) else []
        keys = [_key(kind, text) for text in texts if isinstance(text, str)]
        if told := sorted({key for key in keys if key}):
            found[kind] = told
    return found


def compare_hardware(first: Mapping[str, Sequence[str]], second: Mapping[str, Sequence[str]]) -> str:
    """Whether two accounts are of one machine: `SAME`, `OTHER` or `UNKNOWN`.

    Memory, disks and the computer's name do not count; a network card that was changed or added makes no other
    machine. A card alone that both have is of one machine only where nothing else is told: dongles are lent.
    """
    agree = [kind for kind in _STRONG if set(first.get(kind, ())) & set(second.get(kind, ()))]
    differ = [kind for kind in _STRONG if first.get(kind) and second.get(kind) and kind not in agree]
    share_card = bool(set(first.get(MAC_ADDRESS, ())) & set(second.get(MAC_ADDRESS, ())))
    if agree and not differ:
        return SAME
    if differ and not agree:
        return OTHER
    if agree and differ:
        # A board was changed, or makers gave many machines one number.
        return SAME if share_card else UNKNOWN
    return SAME if share_card else UNKNOWN


def shared_keys(first: Mapping[str, Sequence[str]], second: Mapping[str, Sequence[str]]) -> list[str]:
    """The keys that both tell, the most telling kind first."""
    return [key for kind in KINDS for key in first.get(kind, ()) if key in second.get(kind, ())]


def _key(kind: str, text: str) -> str | None:
    if kind == UUID:
        return uuid_key(text)
    return mac_key(text) if kind == MAC_ADDRESS else serial_key(text)
