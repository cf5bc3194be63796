"""The one door to the machine: files, the Windows registry, the firmware table, clocks.

Everything the agent learns of its machine goes through a `Host`, so a whole machine can be mounted elsewhere (tests do
that), and `agent run --explain` can tell what was read from where.
"""

from __future__ import annotations

import copy
import importlib
import platform
import sys
import time
import uuid
from pathlib import Path
from typing import Any, List, Optional, Tuple, Union

from agent.errors import NoDataError, ProbeError

LINUX = "linux"
WINDOWS = "windows"

_READ_STEP_BYTES = 16 * 1024
_READ_LIMIT_BYTES = 4 * 1024 * 1024
_RSMB = 0x52534D42
_ERROR_INSUFFICIENT_BUFFER = 122
_PREFETCH_KEY = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"
_STATX_BYTES = 256
_STATX_BIRTH_OFFSET = 80
_STATX_BIRTH_MASK = 0x800
_AT_FDCWD = -100

RegistryValue = Union[None, int, str]


class Host:
    """A machine.

    Args:
        root: where its file system is mounted; "/" is this machine itself.
        system: `LINUX` or `WINDOWS`; by default that of the running Python.
    """

    def __init__(self, root: Union[str, Path] = "/", system: Optional[str] = None) -> None:
        self.root = Path(root)
        self.system = system or (WINDOWS if sys.platform == "win32" else LINUX)
        self.sources: List[str] = []
        # Where a system tells no boot apart, every start of the agent counts as one: then no number is used twice.
        self._boot_id_of_last_resort = uuid.uuid4().hex

    def recording(self) -> Host:
        """The same machine with a list of sources of its own, for one run of one probe."""
        other = copy.copy(self)
        other.sources = []
        return other

    def note_source(self, source: str) -> None:
        """Remembers where something was read, for `--explain`."""
        if source not in self.sources:
            self.sources.append(source)

    # Files

    def path(self, name: str) -> Path:
        """Where the machine's absolute path `name` lies."""
        return self.root / name.lstrip("/")

    def read_bytes(self, name: str, limit_bytes: int = _READ_LIMIT_BYTES) -> bytes:
        """At most `limit_bytes` of a file.

        Raises:
            OSError: it is not there or may not be read.
        """
        try:
            with self.path(name).open("rb") as file:
                # In small steps: files of /proc/sys answer a large read with "cannot allocate memory".
                content = b""
                while len(content) < limit_bytes:
                    step = file.read(min(_READ_STEP_BYTES, limit_bytes - len(content)))
                    if not step:
                        break
                    content += step
        except OSError as error:
            self.note_source(f"{name} ({type(error).__name__})")
            raise
        self.note_source(name)
        return content

    def read_text(self, name: str) -> str:
        """A file as text; bytes that are no UTF-8 become U+FFFD.

        Raises:
            OSError: it is not there or may not be read.
        """
        return self.read_bytes(name).decode("utf-8", "replace")

    def text_or_none(self, name: str) -> Optional[str]:
        """A file as text without outer blanks; None if it is missing, may not be read or is empty."""
        try:
            return self.read_text(name).strip() or None
        except OSError:
            return None

    def exists(self, name: str) -> bool:
        """Whether there is such a file or folder."""
        return self.path(name).exists()

    def real_path(self, name: str) -> str:
        """The path with links followed, as the machine itself would name it."""
        real = self.path(name).resolve()
        try:
            return "/" + real.relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return real.as_posix()

    def modified_time_seconds(self, name: str) -> Optional[float]:
        """When a file was last changed, seconds since 1970 UTC; None if it is missing."""
        try:
            modified = self.path(name).stat().st_mtime
        except OSError:
            return None
        self.note_source(name)
        return modified

    def birth_time_seconds(self, name: str) -> Optional[float]:
        """When a file was made, seconds since 1970 UTC; None where the file system or the C library does not tell."""
        if self.system != LINUX:
            return None
        import ctypes  # noqa: PLC0415  # a megabyte of memory, wanted once a day

        buffer = ctypes.create_string_buffer(_STATX_BYTES)
        try:
            statx = ctypes.CDLL(None).statx
        except (OSError, AttributeError):
            return None
        if statx(_AT_FDCWD, str(self.path(name)).encode(), 0, _STATX_BIRTH_MASK, buffer) != 0:
            return None
        mask = int.from_bytes(buffer.raw[:4], sys.byteorder)
        birth = int.from_bytes(buffer.raw[_STATX_BIRTH_OFFSET : _STATX_BIRTH_OFFSET + 8], sys.byteorder, signed=True)
        if not mask & _STATX_BIRTH_MASK or birth <= 0:
            return None
        self.note_source(name)
        return float(birth)

    # Windows

    def registry_value(self, key: str, name: str) -> RegistryValue:
        """A value under HKEY_LOCAL_MACHINE; None if it is missing or may not be read."""
        if sys.platform == "win32":
            import winreg  # noqa: PLC0415  # exists on Windows only

            rights = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, rights) as handle:
                    value = winreg.QueryValueEx(handle, name)[0]
            except OSError:
                return None
            self.note_source("HKLM\\" + key)
            return value if isinstance(value, (int, str)) else None
        return None

    def registry_subkeys(self, key: str) -> List[str]:
        """Names of the keys under a key of HKEY_LOCAL_MACHINE; none if it is missing or may not be read."""
        if sys.platform == "win32":
            import winreg  # noqa: PLC0415  # exists on Windows only

            rights = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, rights) as handle:
                    return [winreg.EnumKey(handle, index) for index in range(winreg.QueryInfoKey(handle)[0])]
            except OSError:
                return []
        return []

    def firmware_table(self) -> bytes:
        """The SMBIOS table as Windows hands it out to everybody.

        Raises:
            NoDataError: this is not Windows, or the firmware has no such table.
        """
        if sys.platform == "win32":
            import ctypes  # noqa: PLC0415  # a megabyte of memory, wanted once a day

            self.note_source("GetSystemFirmwareTable('RSMB')")
            read = ctypes.windll.kernel32.GetSystemFirmwareTable
            size = read(_RSMB, 0, None, 0)
            buffer = ctypes.create_string_buffer(max(size, 1))
            written = read(_RSMB, 0, buffer, size)
            if 0 < written <= size:
                return bytes(buffer.raw[:written])
            raise NoDataError("Windows hands out no SMBIOS table on this machine")
        raise NoDataError("the firmware table is read through Windows, and this is another system")

    def forward_table(self) -> bytes:
        """Windows' table of IPv4 routes (MIB_IPFORWARDTABLE); empty where it cannot be had."""
        if sys.platform == "win32":
            import ctypes  # noqa: PLC0415  # loaded already for the firmware table

            self.note_source("GetIpForwardTable")
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

    # Libraries that read the machine

    def psutil(self) -> Any:
        """The psutil library, reading this machine's /proc.

        Raises:
            ProbeError: it is not installed.
        """
        try:
            library: Any = importlib.import_module("psutil")
        except ImportError as error:
            raise ProbeError("psutil is not installed, and nothing else can tell this here") from error
        if self.system == LINUX:
            library.PROCFS_PATH = str(self.path("/proc"))
        return library

    def file_system_space_bytes(self, mount_point: str) -> Tuple[int, int]:
        """(size, room left for ordinary users) of the file system mounted there.

        Raises:
            OSError: it cannot be asked.
        """
        place = mount_point if self.system == WINDOWS else str(self.path(mount_point))
        usage = self.psutil().disk_usage(place)
        return usage.total, usage.free

    # Clocks and identity

    def wall_time_seconds(self) -> float:
        """The machine's own clock, seconds since 1970 UTC; may be wrong and may jump."""
        return time.time()  # noqa: TID251  # this is the door

    def monotonic_time_seconds(self) -> float:
        """A clock that never jumps while the machine runs, and counts its sleep too."""
        boot_clock = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boot_clock is None else time.clock_gettime(boot_clock)

    def boot_id(self) -> str:
        """New at every start of the machine, the same in between."""
        if self.system == WINDOWS:
            number = self.registry_value(_PREFETCH_KEY, "BootId")
            return self._boot_id_of_last_resort if number is None else f"windows-{number}"
        return self.text_or_none("/proc/sys/kernel/random/boot_id") or self._boot_id_of_last_resort

    def kernel_release(self) -> Optional[str]:
        """Release of the Linux kernel; None where the machine does not tell."""
        told = self.text_or_none("/proc/sys/kernel/osrelease")
        return told or (platform.release() if self.root == Path("/") else None)

    def architecture(self) -> str:
        """Machine word of the operating system, as x86_64."""
        return platform.machine()
