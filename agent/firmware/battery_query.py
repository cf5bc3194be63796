"""Questions to Windows' battery driver and their answers, as bytes. Pure.

Source: poclass.h of the Windows SDK: IOCTL_BATTERY_QUERY_TAG, IOCTL_BATTERY_QUERY_INFORMATION, BATTERY_INFORMATION,
BATTERY_MANUFACTURE_DATE. The serial number and the unique identity are not asked for.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional

QUERY_TAG = 0x00294040
QUERY_INFORMATION = 0x00294044
TAG_BYTES = 4
INFORMATION_BYTES = 36
DATE_BYTES = 4
NAME_BYTES = 512

INFORMATION, DEVICE_NAME, MANUFACTURE_DATE, MANUFACTURE_NAME = 0, 4, 5, 6

_SYSTEM_BATTERY, _RELATIVE_CAPACITY = 0x8000_0000, 0x4000_0000
_UNKNOWN = 0xFFFF_FFFF


class BatteryInformation(NamedTuple):
    """A battery as its driver describes it.

    Args:
        runs_machine: whether it is the machine's own; that of a mouse or a small UPS is not.
        chemistry: its short name, as LION.
        design_capacity: as it was made; in milliwatt hours unless `is_relative`.
        full_capacity: as it is now, in the same unit.
        is_relative: whether the unit is not known.
        cycle_count: how often it was charged; None where it does not count.
    """

    runs_machine: bool
    chemistry: Optional[str]
    design_capacity: Optional[int]
    full_capacity: Optional[int]
    is_relative: bool
    cycle_count: Optional[int]


def tag_question() -> bytes:
    """Which battery sits in the bay; nobody waits for one."""
    return struct.pack("<I", 0)


def question(tag: int, level: int) -> bytes:
    """One kind of information of the battery with that tag."""
    return struct.pack("<Iii", tag, level, 0)


def decode_tag(answer: bytes) -> Optional[int]:
    """The tag; None where the bay is empty."""
    return (struct.unpack_from("<I", answer)[0] or None) if len(answer) >= TAG_BYTES else None


def decode_information(answer: bytes) -> Optional[BatteryInformation]:
    """The battery; None where the answer is cut short."""
    if len(answer) < INFORMATION_BYTES:
        return None
    capabilities, _technology, chemistry, designed, full, _, _, _, cycles = struct.unpack_from("<IB3x4s6I", answer)
    return BatteryInformation(
        bool(capabilities & _SYSTEM_BATTERY),
        chemistry.split(b"\0")[0].decode("ascii", "replace").strip() or None,
        designed if 0 < designed < _UNKNOWN else None,
        full if 0 < full < _UNKNOWN else None,
        bool(capabilities & _RELATIVE_CAPACITY),
        cycles or None,
    )


def decode_date(answer: bytes) -> Optional[str]:
    """The day of manufacture as it is written, whether or not the calendar has it; None where it is not set."""
    if len(answer) < DATE_BYTES:
        return None
    day, month, year = struct.unpack_from("<BBH", answer)
    return f"{year:04d}-{month:02d}-{day:02d}" if year and month and day else None


def decode_name(answer: bytes) -> Optional[str]:
    """A name; None where it is blank."""
    text = answer[: len(answer) & ~1].decode("utf-16-le", "replace")
    return text.split("\0")[0].strip() or None
