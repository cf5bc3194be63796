"""What a board holds and takes, from single SMBIOS structures: memory arrays, slots, devices, TPM. Pure.

Source: DMTF DSP0134 (SMBIOS reference specification) 3.7, sections 7.10, 7.17, 7.33, 7.42 and 7.44.
"""

from __future__ import annotations

from typing import List, Optional, Tuple

from agent.firmware import names
from agent.firmware.rows import fact_row
from agent.firmware.structures import Structure, decode_text
from agent.wire.report import Row

Version = Optional[Tuple[int, int]]

_CAPACITY_IN_QUADWORD = 0x8000_0000
_ENABLED_BIT = 0x80


def memory_array(structure: Structure, _version: Version) -> List[Row]:
    """Type 16: how much memory fits, and in how many slots."""
    kibibytes = structure.number(0x07, 4)
    maximum = structure.number(0x0F, 8) if kibibytes == _CAPACITY_IN_QUADWORD else (kibibytes or 0) * 1024
    return [
        fact_row(
            "memory_array",
            use=names.memory_array_use(structure.number(0x05, 1)),
            error_correction=names.error_correction(structure.number(0x06, 1)),
            maximum_bytes=maximum or None,
            slot_count=structure.number(0x0D, 2),
        ),
    ]


def system_slot(structure: Structure, _version: Version) -> List[Row]:
    """Type 9: a slot for a card."""
    return [
        fact_row(
            "system_slot",
            designation=structure.text(0x04),
            type=names.slot_type(structure.number(0x05, 1)),
            usage=names.slot_usage(structure.number(0x07, 1)),
        ),
    ]


def boot_status(structure: Structure, _version: Version) -> List[Row]:
    """Type 32: how the last start went."""
    status = names.boot_status(structure.number(0x0A, 1))
    return [] if status is None else [fact_row("boot_status", status=status)]


def onboard_device(structure: Structure, _version: Version) -> List[Row]:
    """Type 41: a device on the board, and whether it is switched on."""
    kind = structure.number(0x05, 1)
    return [
        fact_row(
            "onboard_device",
            designation=structure.text(0x04),
            type=None if kind is None else names.onboard_device_type(kind & ~_ENABLED_BIT),
            enabled=None if kind is None else bool(kind & _ENABLED_BIT),
        ),
    ]


def tpm_device(structure: Structure, _version: Version) -> List[Row]:
    """Type 43: the TPM; firmware lists one that is switched off, too."""
    major, minor = structure.number(0x08, 1), structure.number(0x09, 1)
    return [
        fact_row(
            "tpm_device",
            vendor_id=decode_text(structure.data[0x04:0x08].rstrip(b"\0")),
            version=f"{major}.{minor}" if major and minor is not None else None,
            description=structure.text(0x12),
        ),
    ]
