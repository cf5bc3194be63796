"""Moments as Windows keeps them: FILETIME, tenths of microseconds since 1601."""

from __future__ import annotations

from typing import Optional

_OF_1970 = 116_444_736_000_000_000
_SECOND = 10_000_000


def filetime_seconds(value: Optional[bytes]) -> Optional[float]:
    """Seconds since 1970 of eight bytes of the registry; None where there are none, or it is before 1970."""
    if value is None or len(value) != 8:  # noqa: PLR2004  # 64 bits
        return None
    return filetime_number_seconds(int.from_bytes(value, "little"))


def filetime_number_seconds(value: object) -> Optional[float]:
    """Seconds since 1970 of a FILETIME as a number; None where it is none, or before 1970."""
    seconds = (value - _OF_1970) / _SECOND if isinstance(value, int) else 0
    return seconds if seconds > 0 else None
