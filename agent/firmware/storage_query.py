"""Questions to Windows' disk drivers and their answers, as bytes. Pure.

Sources: winioctl.h and ntddscsi.h of the Windows SDK: STORAGE_PROPERTY_QUERY, STORAGE_DEVICE_DESCRIPTOR,
DEVICE_SEEK_PENALTY_DESCRIPTOR, DISK_GEOMETRY_EX, STORAGE_PROTOCOL_SPECIFIC_DATA (Windows 10), STORAGE_PREDICT_FAILURE,
and, packed without gaps, SENDCMDINPARAMS and SENDCMDOUTPARAMS. Serial numbers stand in some of these answers and are
not decoded.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional

from agent.firmware.smart import FAILING, OK, SECTOR_BYTES, UNKNOWN

QUERY_PROPERTY = 0x002D1400
DRIVE_GEOMETRY = 0x000700A0
GEOMETRY_BYTES = 256
PREDICT_FAILURE = 0x002D1100
PREDICT_FAILURE_BYTES = 4 + 512
SMART_RECEIVE = 0x0007C088
SMART_RECEIVE_BYTES = 16 + SECTOR_BYTES
DESCRIPTOR_BYTES = 1024
NVME_LOG_BYTES = 8 + 40 + SECTOR_BYTES

BUS_ATA, BUS_USB, BUS_RAID, BUS_SATA, BUS_NVME = 0x03, 0x07, 0x08, 0x0B, 0x11

_DEVICE_PROPERTY, _SEEK_PENALTY_PROPERTY, _DEVICE_PROTOCOL_PROPERTY = 0, 7, 50
_PROTOCOL_NVME, _NVME_LOG_PAGE, _HEALTH_LOG = 3, 2, 0x02
_PROTOCOL_DATA_BYTES = 40
_READ_DATA, _READ_THRESHOLDS = 0xD0, 0xD1


class StorageDevice(NamedTuple):
    """A disk as its driver describes it."""

    model: Optional[str]
    bus: int
    removable: bool


def device_question() -> bytes:
    """Which disk this is."""
    return struct.pack("<IIB", _DEVICE_PROPERTY, 0, 0)


def seek_penalty_question() -> bytes:
    """Whether it spins."""
    return struct.pack("<IIB", _SEEK_PENALTY_PROPERTY, 0, 0)


def nvme_log_question() -> bytes:
    """The NVMe health log; the buffer is as long as the answer."""
    protocol = (_PROTOCOL_NVME, _NVME_LOG_PAGE, _HEALTH_LOG, 0, _PROTOCOL_DATA_BYTES, SECTOR_BYTES)
    return struct.pack("<II10I", _DEVICE_PROTOCOL_PROPERTY, 0, *protocol, 0, 0, 0, 0) + bytes(SECTOR_BYTES)


def smart_question(*, thresholds: bool = False) -> bytes:
    """One sector of SMART: attributes, or their limits."""
    registers = (_READ_THRESHOLDS if thresholds else _READ_DATA, 1, 1, 0x4F, 0xC2, 0xA0, 0xB0, 0)
    return struct.pack("<I8BB3x16xB", SECTOR_BYTES, *registers, 0, 0)


def decode_device(answer: bytes) -> Optional[StorageDevice]:
    """The disk; None where the answer is cut short."""
    if len(answer) < 32:  # noqa: PLR2004  # up to the bus
        return None
    removable, vendor, product = answer[10], *struct.unpack_from("<II", answer, 12)
    bus = struct.unpack_from("<I", answer, 28)[0]
    name = " ".join(part for part in (_text(answer, vendor), _text(answer, product)) if part)
    return StorageDevice(name or None, bus, bool(removable))


def decode_seek_penalty(answer: bytes) -> Optional[bool]:
    """Whether it spins; None where the answer is cut short."""
    return bool(answer[8]) if len(answer) > 8 else None  # noqa: PLR2004  # behind version and size


def decode_size_bytes(answer: bytes) -> Optional[int]:
    """How much room it has, from the answer to `DRIVE_GEOMETRY`; None where that is cut short."""
    return struct.unpack_from("<Q", answer, 24)[0] if len(answer) >= 32 else None  # noqa: PLR2004  # up to the size


def decode_predict_failure(answer: bytes) -> str:
    """The disk's verdict."""
    if len(answer) < 4:  # noqa: PLR2004  # the verdict itself
        return UNKNOWN
    return FAILING if struct.unpack_from("<I", answer)[0] else OK


def decode_smart(answer: bytes) -> bytes:
    """The sector; empty where the driver or the disk tells of an error, or it is cut short."""
    if len(answer) < SMART_RECEIVE_BYTES or answer[4] or answer[5]:
        return b""
    return answer[16:SMART_RECEIVE_BYTES]


def decode_nvme_answer(answer: bytes) -> bytes:
    """The log page; empty where the answer is cut short."""
    if len(answer) < 8 + _PROTOCOL_DATA_BYTES:
        return b""
    offset, length = struct.unpack_from("<II", answer, 8 + 16)
    page = answer[8 + offset : 8 + offset + length]
    return page if offset >= _PROTOCOL_DATA_BYTES and len(page) >= SECTOR_BYTES else b""


def _text(answer: bytes, offset: int) -> str:
    if not 0 < offset < len(answer):
        return ""
    return answer[offset:].split(b"\0", 1)[0].decode("ascii", "replace").strip()
