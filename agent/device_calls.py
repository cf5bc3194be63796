"""Questions to devices through the operating system's own calls, for `Host` alone. Each reads; none writes to a device.

Linux: SG_IO (scsi/sg.h) and NVME_IOCTL_ADMIN_CMD (linux/nvme_ioctl.h). Windows: CreateFile, DeviceIoControl,
GetDevicePowerState (kernel32) and WscGetSecurityProviderHealth (wscapi).
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from typing import Any, Optional, Tuple

_SG_IO = 0x2285
# sg_io_hdr_t in the machine's own sizes and gaps.
_SG_HEADER = "iiBBHIPPPIIiPBBBBHHiII"
_SG_NONE, _SG_FROM_DEVICE = -1, -3
_SG_SENSE_BYTES = 64
_SG_STATUS, _SG_HOST_STATUS, _SG_DRIVER_STATUS = 13, 17, 18
# "There is sense data" is no failure.
_SG_DRIVER_SENSE = 0x08
# struct nvme_passthru_cmd, and _IOWR('N', 0x41, that).
_NVME_COMMAND = "=BBHIIIQQII6III"
_NVME_ADMIN_COMMAND = 0xC0484E41
_NVME_GET_LOG_PAGE = 0x02
_NVME_ALL_NAMESPACES = 0xFFFFFFFF
# Long: a command that runs out of time makes the kernel reset the disk's line.
_COMMAND_MILLISECONDS = 60_000

_SHARE_READ_AND_WRITE = 0x3
_OPEN_EXISTING = 3
_GENERIC_READ_AND_WRITE = 0xC0000000


def scsi_command(path: str, command: bytes, receive_bytes: int) -> Tuple[bytes, bytes]:
    """(data, sense data) of a SCSI command that reads; no data where the device refused the command.

    Raises:
        OSError: the device cannot be opened, or does not take such commands.
    """
    import array  # noqa: PLC0415  # wanted once a day, on machines whose disks may be asked
    import fcntl  # noqa: PLC0415  # exists on Unix only

    data = array.array("B", bytes(max(receive_bytes, 1)))
    block = array.array("B", command)
    sense = array.array("B", bytes(_SG_SENSE_BYTES))
    addresses = (data.buffer_info()[0], block.buffer_info()[0], sense.buffer_info()[0])
    direction = _SG_FROM_DEVICE if receive_bytes else _SG_NONE
    lengths = (len(command), _SG_SENSE_BYTES, 0, receive_bytes)
    rest = (_COMMAND_MILLISECONDS, 0, 0, 0, *[0] * 9)
    header = bytearray(struct.pack(_SG_HEADER, ord("S"), direction, *lengths, *addresses, *rest))
    device = _open(path)
    try:
        fcntl.ioctl(device, _SG_IO, header, True)  # noqa: FBT003  # the answer is written over the question
    finally:
        os.close(device)
    answer = struct.unpack(_SG_HEADER, header)
    if answer[_SG_HOST_STATUS] or answer[_SG_DRIVER_STATUS] & ~_SG_DRIVER_SENSE:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return (data.tobytes()[:receive_bytes] if answer[_SG_STATUS] == 0 else b""), sense.tobytes()


def nvme_log_page(path: str, page: int, receive_bytes: int) -> bytes:
    """A log page of an NVMe disk.

    Raises:
        OSError: the device cannot be opened, or does not give it.
    """
    import array  # noqa: PLC0415  # as above
    import fcntl  # noqa: PLC0415  # as above

    data = array.array("B", bytes(receive_bytes))
    # How many four-byte words, less one, and which page.
    which = (receive_bytes // 4 - 1) << 16 | page
    where = (data.buffer_info()[0], 0, receive_bytes)
    values = (_NVME_GET_LOG_PAGE, 0, 0, _NVME_ALL_NAMESPACES, 0, 0, 0, *where, which, 0, 0, 0, 0, 0)
    command = bytearray(struct.pack(_NVME_COMMAND, *values, _COMMAND_MILLISECONDS, 0))
    device = _open(path)
    try:
        status = fcntl.ioctl(device, _NVME_ADMIN_COMMAND, command, True)  # noqa: FBT003  # as above
    finally:
        os.close(device)
    if status:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return data.tobytes()


def _open(path: str) -> int:
    # Without waiting and for reading only: nothing is sent to the device, and no other program is told of a change.
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def device_control(path: str, code: int, sent: bytes, receive_bytes: int, *, is_privileged: bool) -> bytes:
    """What a Windows device answers to a control code.

    Args:
        path: the device's own, as that of PhysicalDrive0.
        code: one that reads.
        sent: what goes with it.
        receive_bytes: how much it may answer.
        is_privileged: opens it for reading and writing, which codes for SMART take, and administrators may.

    Raises:
        OSError: there is no such device, it may not be opened, or it does not know the code.
    """
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # loaded already for the firmware table

        kernel, handle = _windows_device(path, is_privileged=is_privileged)
        answer, length = ctypes.create_string_buffer(receive_bytes), ctypes.c_ulong(0)
        question = ctypes.create_string_buffer(sent, max(len(sent), 1))
        try:
            if not kernel.DeviceIoControl(
                handle, code, question, len(sent), answer, receive_bytes, ctypes.byref(length), None
            ):
                raise ctypes.WinError(ctypes.get_last_error())
        finally:
            kernel.CloseHandle(handle)
        return bytes(answer.raw[: length.value])
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def device_is_awake(path: str) -> Optional[bool]:
    """Whether a Windows device works now; asking does not wake it. None where it cannot be told."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # as above

        try:
            kernel, handle = _windows_device(path, is_privileged=False)
        except OSError:
            return None
        awake = ctypes.c_int(0)
        try:
            told = kernel.GetDevicePowerState(handle, ctypes.byref(awake))
        finally:
            kernel.CloseHandle(handle)
        return bool(awake.value) if told else None
    return None


def _windows_device(path: str, *, is_privileged: bool) -> Tuple[Any, Any]:
    """(kernel32 with its signatures, an open handle)."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # as above

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        pointer, word = ctypes.c_void_p, ctypes.c_ulong
        kernel.CreateFileW.argtypes = [ctypes.c_wchar_p, word, word, pointer, word, word, pointer]
        kernel.CreateFileW.restype = pointer
        kernel.DeviceIoControl.argtypes = [pointer, word, pointer, word, pointer, word, pointer, pointer]
        kernel.GetDevicePowerState.argtypes = [pointer, pointer]
        kernel.CloseHandle.argtypes = [pointer]
        access = _GENERIC_READ_AND_WRITE if is_privileged else 0
        handle = kernel.CreateFileW(path, access, _SHARE_READ_AND_WRITE, None, _OPEN_EXISTING, 0, None)
        if handle is None or handle == ctypes.c_void_p(-1).value:
            raise ctypes.WinError(ctypes.get_last_error())
        return kernel, handle
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def security_provider_health(providers: int) -> Optional[int]:
    """What Windows' Security Center thinks of its providers of one kind (WSC_SECURITY_PROVIDER_HEALTH).

    None where there is no Security Center, or it does not run (yet): then the call answers S_FALSE.
    """
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # as above

        health = ctypes.c_int(-1)
        try:
            status = ctypes.windll.wscapi.WscGetSecurityProviderHealth(providers, ctypes.byref(health))
        except (OSError, AttributeError):
            return None
        return health.value if status == 0 else None
    return None
