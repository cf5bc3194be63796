"""When a file was made, by Linux' statx, which Python does not offer. For `Host` alone."""

from __future__ import annotations

import sys
from typing import Optional

_STATX_BYTES = 256
_BIRTH_OFFSET = 80
_BIRTH_MASK = 0x800
_AT_FDCWD = -100


def birth_time_seconds(path: str) -> Optional[float]:
    """Seconds since 1970 UTC; None where the file system or the C library does not tell."""
    import ctypes  # noqa: PLC0415  # a megabyte of memory, wanted once a day

    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    try:
        statx = ctypes.CDLL(None).statx
    except (OSError, AttributeError):
        return None
    if statx(_AT_FDCWD, path.encode(), 0, _BIRTH_MASK, buffer) != 0:
        return None
    mask = int.from_bytes(buffer.raw[:4], sys.byteorder)
    birth = int.from_bytes(buffer.raw[_BIRTH_OFFSET : _BIRTH_OFFSET + 8], sys.byteorder, signed=True)
    return float(birth) if mask & _BIRTH_MASK and birth > 0 else None
