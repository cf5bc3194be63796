"""Calls of Windows that tell of the machine, for `Host` alone. Each reads.

Sources: GetSystemFirmwareTable and GetFirmwareType (kernel32), GetIpForwardTable (iphlpapi), Tbsi_GetDeviceInfo (tbs;
its TPM_DEVICE_INFO is four 32-bit words: 1, version, interface, revision).
"""

from __future__ import annotations

import sys
from typing import Optional, Tuple

_RSMB = 0x52534D42
_ERROR_INSUFFICIENT_BUFFER = 122
_TPM_INFO_BYTES = 16


def firmware_table() -> bytes:
    """The SMBIOS table with Windows' header; empty where the firmware has none."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # a megabyte of memory, wanted once a day

        read = ctypes.windll.kernel32.GetSystemFirmwareTable
        size = read(_RSMB, 0, None, 0)
        buffer = ctypes.create_string_buffer(max(size, 1))
        written = read(_RSMB, 0, buffer, size)
        if 0 < written <= size:
            return bytes(buffer.raw[:written])
    return b""


def forward_table() -> bytes:
    """The table of IPv4 routes (MIB_IPFORWARDTABLE); empty where it cannot be had."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # as above

        read = ctypes.windll.iphlpapi.GetIpForwardTable
        size = ctypes.c_ulong(0)
        # The table may grow between asking for its size and reading it.
        for _ in range(3):
            buffer = ctypes.create_string_buffer(max(size.value, 4))
            status = read(buffer, ctypes.byref(size), 0)
            if status == 0:
                return bytes(buffer.raw[: size.value])
            if status != _ERROR_INSUFFICIENT_BUFFER:
                break
    return b""


def firmware_type() -> Optional[int]:
    """FIRMWARE_TYPE: 1 started the old way, 2 by UEFI; None before Windows 8."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # as above

        kind = ctypes.c_uint(0)
        try:
            told = ctypes.windll.kernel32.GetFirmwareType(ctypes.byref(kind))
        except (OSError, AttributeError):
            return None
        return kind.value if told else None
    return None


def tpm_device_info() -> Optional[Tuple[int, bytes]]:
    """(TBS_RESULT, TPM_DEVICE_INFO); None where Windows has no such call, as before 8."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # as above

        buffer = ctypes.create_string_buffer(_TPM_INFO_BYTES)
        try:
            status = ctypes.windll.tbs.Tbsi_GetDeviceInfo(_TPM_INFO_BYTES, buffer)
        except (OSError, AttributeError):
            return None
        return status & 0xFFFFFFFF, bytes(buffer.raw)
    return None
