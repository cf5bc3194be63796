"""What disks say of themselves, decoded from bytes: ATA SMART and the NVMe health log. Pure: bytes in, values out.

Sources: ATA8-ACS (T13/1699-D), commands CHECK POWER MODE (E5h) and SMART (B0h: READ DATA D0h, READ THRESHOLDS D1h of
ATA-3, RETURN STATUS DAh); SFF-8035i revision 2.0 for the layout of attributes and thresholds, which ATA leaves to the
vendors; SAT-3 (T10/2126-D), ATA PASS-THROUGH (16) and the two forms of its answer; NVM Express 1.4, section 5.14.1.2,
SMART / Health Information (log page 02h).
"""

from __future__ import annotations

import re
import struct
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional, Tuple

OK = "ok"
FAILING = "failing"
UNKNOWN = "unknown"

SECTOR_BYTES = 512

_CHECK_POWER_MODE = 0xE5
_SMART = 0xB0
_READ_DATA, _READ_THRESHOLDS, _RETURN_STATUS = 0xD0, 0xD1, 0xDA
_SMART_LBA_MID, _SMART_LBA_HIGH = 0x4F, 0xC2
_THRESHOLD_EXCEEDED = (0xF4, 0x2C)
# Standby, standby_y, and "spun down, answering from the NV cache" (ATA8-ACS, ACS-3: CHECK POWER MODE, output).
_ASLEEP = frozenset({0x00, 0x01, 0x40})
_AWAKE = frozenset({0x41, 0x80, 0x81, 0x82, 0x83, 0xFF})

_ATTRIBUTES = 30
_ATTRIBUTE_BYTES = 12
_FIRST_ATTRIBUTE = 2
_PRE_FAILURE = 0x0001
# SFF-8035i: 00h always passes, FEh is not valid, FFh always fails and serves tests of programs.
_THRESHOLDS_MEANT = range(0x01, 0xFE)

_REALLOCATED, _POWER_ON, _PENDING, _UNCORRECTABLE = 5, 9, 197, 198
# Attributes whose normalised value counts down from 100 as an SSD wears: life left, wear levelling (Samsung), media
# wear-out (Intel). In this order: controllers that have 231 keep other things in 177 and 233.
_WEAR = (231, 177, 233)
_WEAR_VALUES = range(1, 101)
# Makers whose older disks count minutes, half-minutes or seconds there; what is no count of hours must not become one.
_OTHER_UNITS = re.compile(r"(MAXTOR|FUJITSU|SAMSUNG (HM|HS|MP|SP|SV)|TOSHIBA MK|HITACHI_DK)", re.IGNORECASE)

_NVME_TOO_HOT_OR_COLD = 0x02
_NVME_RESERVED_WARNINGS = 0xC0
# Data units of the log: thousands of 512 bytes.
_NVME_UNIT_BYTES = 512 * 1000


class JudgedDisk(NamedTuple):
    """A disk whose word counts.

    Args:
        name: the operating system's.
        model: as it calls itself.
        rotational: whether it spins; None where that is not known.
        kind: a word of the module that asks it.
    """

    name: str
    model: Optional[str]
    rotational: Optional[bool]
    kind: str = ""


class DiskHealth(NamedTuple):
    """What a disk says; None and `UNKNOWN` where it does not.

    Args:
        verdict: `OK`, `FAILING` or `UNKNOWN`.
        wear_ratio: share of its rated writes that is used up; above 1: more.
        reallocated_sectors: how many it has replaced.
        pending_sectors: how many it could not read.
        power_on_hours: how long it has run.
        temperature_warning: it is too hot or too cold, by its own limits.
    """

    verdict: str = UNKNOWN
    wear_ratio: Optional[float] = None
    reallocated_sectors: Optional[int] = None
    pending_sectors: Optional[int] = None
    power_on_hours: Optional[int] = None
    temperature_warning: bool = False


class AtaRegisters(NamedTuple):
    """A disk's registers after a command, as far as they are asked for."""

    error: int
    status: int
    sector_count: int
    lba_mid: int
    lba_high: int


class Attribute(NamedTuple):
    """One row of a disk's table: `raw` is the vendor's own count, 48 bits."""

    flags: int
    value: int
    worst: int
    raw: int


class NvmeLog(NamedTuple):
    """The rows of the NVMe health log that are used; `written_bytes` is what the machine has written in all."""

    critical_warning: int
    percentage_used: int
    power_on_hours: int
    written_bytes: int


def check_power_mode_command() -> bytes:
    """Asks whether the disk spins, which does not make it spin."""
    return _pass_through(_CHECK_POWER_MODE)


def return_status_command() -> bytes:
    """Asks for the disk's overall verdict."""
    return _smart(_RETURN_STATUS)


def read_data_command() -> bytes:
    """Asks for the table of attributes: one sector."""
    return _smart(_READ_DATA, is_reading=True)


def read_thresholds_command() -> bytes:
    """Asks for the limits of the attributes: one sector."""
    return _smart(_READ_THRESHOLDS, is_reading=True)


def registers_of_sense(sense: bytes) -> Optional[AtaRegisters]:
    """A disk's registers out of SCSI sense data, in either form (SAT-3, 12.2.2.6 and 12.2.2.7); None if not there."""
    kind = sense[0] & 0x7F if sense else 0
    if kind in (0x72, 0x73):
        return _registers_of_descriptors(sense)
    if kind in (0x70, 0x71) and len(sense) >= 14 and sense[12:14] == b"\x00\x1d":  # noqa: PLR2004  # the form's length
        return AtaRegisters(sense[3], sense[4], sense[6], sense[10], sense[11])
    return None


def is_asleep(registers: Optional[AtaRegisters]) -> Optional[bool]:
    """Whether the disk has stopped spinning, from the answer to `check_power_mode_command`; None: it does not tell."""
    if registers is None or registers.status & 0x01:
        return None
    if registers.sector_count in _ASLEEP:
        return True
    return False if registers.sector_count in _AWAKE else None


def verdict_of_registers(registers: Optional[AtaRegisters]) -> str:
    """The disk's verdict, from the answer to `return_status_command`."""
    if registers is None or registers.status & 0x01:
        return UNKNOWN
    found = (registers.lba_mid, registers.lba_high)
    if found == _THRESHOLD_EXCEEDED:
        return FAILING
    return OK if found == (_SMART_LBA_MID, _SMART_LBA_HIGH) else UNKNOWN


def decode_attributes(data: bytes) -> Optional[Dict[int, Attribute]]:
    """Number -> attribute, out of the sector of READ DATA; None if its check sum is wrong or it is empty."""
    if not _is_whole(data):
        return None
    found: Dict[int, Attribute] = {}
    for number, flags, value, worst, raw in _rows(data, "<BHBB6sx"):
        if number:
            found.setdefault(number, Attribute(flags, value, worst, int.from_bytes(raw, "little")))
    return found or None


def decode_thresholds(data: bytes) -> Dict[int, int]:
    """Number -> limit, out of the sector of READ THRESHOLDS; empty if its check sum is wrong."""
    if not _is_whole(data):
        return {}
    return {number: limit for number, limit in _rows(data, "<BB10x") if number}


def verdict_of_attributes(attributes: Mapping[int, Attribute], thresholds: Mapping[int, int]) -> str:
    """The verdict a disk would give: failing where one of its early warnings has come down to its limit."""
    warnings = {
        number: row
        for number, row in attributes.items()
        if row.flags & _PRE_FAILURE and thresholds.get(number, 0) in _THRESHOLDS_MEANT
    }
    if not warnings:
        return UNKNOWN
    return FAILING if any(row.value <= thresholds[number] for number, row in warnings.items()) else OK


def ata_health(
    verdict: str, attributes: Optional[Mapping[int, Attribute]], *, model: Optional[str], rotational: Optional[bool]
) -> DiskHealth:
    """What an ATA disk says.

    Args:
        verdict: its own, or the one its attributes give.
        attributes: its table; None where it could not be read.
        model: its name, for makers that count something else than hours.
        rotational: only disks that do not spin wear by writing.
    """
    rows = attributes or {}
    unread = _raw(rows, _PENDING, 4)
    return DiskHealth(
        verdict=verdict,
        wear_ratio=_wear_ratio(rows) if rotational is False else None,
        # Makers put other counts into the upper bytes of these.
        reallocated_sectors=_raw(rows, _REALLOCATED, 2),
        pending_sectors=_raw(rows, _UNCORRECTABLE, 4) if unread is None else unread,
        power_on_hours=None if counts_other_than_hours(model) else _raw(rows, _POWER_ON, 3),
    )


def counts_other_than_hours(model: Optional[str]) -> bool:
    """Whether disks of this name may count their time in another unit than hours."""
    return bool(_OTHER_UNITS.match((model or "").strip()))


def decode_nvme_log(data: bytes) -> Optional[NvmeLog]:
    """Log page 02h; None if it is cut short or empty."""
    if len(data) < SECTOR_BYTES or not any(data[:SECTOR_BYTES]):
        return None
    return NvmeLog(
        critical_warning=data[0],
        percentage_used=data[5],
        power_on_hours=int.from_bytes(data[128:144], "little"),
        written_bytes=int.from_bytes(data[48:64], "little") * _NVME_UNIT_BYTES,
    )


def nvme_health(critical_warning: int, percentage_used: Optional[int], power_on_hours: Optional[int]) -> DiskHealth:
    """What an NVMe disk says. Its temperature alone is no failure: a cooler room cures it."""
    serious = critical_warning & ~_NVME_TOO_HOT_OR_COLD & ~_NVME_RESERVED_WARNINGS
    return DiskHealth(
        verdict=FAILING if serious else OK,
        wear_ratio=None if percentage_used is None else percentage_used / 100,
        power_on_hours=power_on_hours,
        temperature_warning=bool(critical_warning & _NVME_TOO_HOT_OR_COLD),
    )


def _smart(feature: int, *, is_reading: bool = False) -> bytes:
    return _pass_through(
        _SMART, feature=feature, lba_mid=_SMART_LBA_MID, lba_high=_SMART_LBA_HIGH, is_reading=is_reading
    )


def _pass_through(
    command: int, *, feature: int = 0, lba_mid: int = 0, lba_high: int = 0, is_reading: bool = False
) -> bytes:
    """ATA PASS-THROUGH (16), SAT-3 table 144: protocol PIO data-in, or non-data with the registers wanted (CK_COND)."""
    protocol, transfer = (4 << 1, 0x0E) if is_reading else (3 << 1, 0x20)
    count = 1 if is_reading else 0
    return bytes((0x85, protocol, transfer, 0, feature, 0, count, 0, 0, 0, lba_mid, 0, lba_high, 0, command, 0))


def _registers_of_descriptors(sense: bytes) -> Optional[AtaRegisters]:
    place, end = 8, min(len(sense), 8 + sense[7]) if len(sense) >= 8 else 0  # noqa: PLR2004  # the header's length
    while place + 2 <= end:
        kind, length = sense[place], sense[place + 1]
        if kind == 0x09 and length >= 12 and place + 14 <= end:  # noqa: PLR2004  # ATA Status Return and its size
            row = sense[place : place + 14]
            return AtaRegisters(row[3], row[13], row[5], row[9], row[11])
        place += 2 + length
    return None


def _is_whole(data: bytes) -> bool:
    return len(data) >= SECTOR_BYTES and any(data[:SECTOR_BYTES]) and not sum(data[:SECTOR_BYTES]) & 0xFF


def _rows(data: bytes, form: str) -> Iterator[Tuple[Any, ...]]:
    table = data[_FIRST_ATTRIBUTE : _FIRST_ATTRIBUTE + _ATTRIBUTES * _ATTRIBUTE_BYTES]
    return struct.iter_unpack(form, table)


def _raw(rows: Mapping[int, Attribute], number: int, length: int) -> Optional[int]:
    """The lowest `length` bytes of an attribute's own count."""
    row = rows.get(number)
    return None if row is None else row.raw & ((1 << 8 * length) - 1)


def _wear_ratio(rows: Mapping[int, Attribute]) -> Optional[float]:
    for number in _WEAR:
        row = rows.get(number)
        if row is not None and row.value in _WEAR_VALUES:
            return (100 - row.value) / 100
    return None
