"""The one door to the machine: files, the Windows registry, the firmware table, clocks.

Everything the agent learns of its machine goes through a `Host`, so a whole machine can be mounted elsewhere (tests do
that), and `agent run --explain` can tell what was read from where.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple, Union

from agent.errors import NoDataError, ProbeError

LINUX = "linux"
WINDOWS = "windows"

_READ_STEP_BYTES = 16 * 1024
_READ_LIMIT_BYTES = 4 * 1024 * 1024
_PREFETCH_KEY = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"

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
        self._boot_id_of_last_resort = os.urandom(16).hex()

    def recording(self) -> Host:
        """The same machine with a list of sources of its own, for one run of one probe."""
        other: Host = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
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

    def is_link(self, name: str) -> bool:
        """Whether there is a link of that name, wherever it leads."""
        return self.path(name).is_symlink()

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
        from agent.linux.birth_times import birth_time_seconds  # noqa: PLC0415  # wanted once a day

        birth = birth_time_seconds(str(self.path(name)))
        if birth is not None:
            self.note_source(name)
        return birth

    # Windows

    def registry_value(self, key: str, name: str) -> RegistryValue:
        """A number or a text under HKEY_LOCAL_MACHINE; None if it is missing, of another kind or may not be read."""
        value = self._registry_read(key, name)
        return value if isinstance(value, (int, str)) else None

    def registry_bytes(self, key: str, name: str) -> Optional[bytes]:
        """A value of bytes under HKEY_LOCAL_MACHINE; None if it is missing, of another kind or may not be read."""
        value = self._registry_read(key, name)
        return value if isinstance(value, bytes) else None

    def registry_holds(self, key: str, name: str) -> bool:
        """Whether there is a value of that name under HKEY_LOCAL_MACHINE that is not empty; which is not told."""
        return bool(self._registry_read(key, name))

    def registry_subkeys(self, key: str) -> List[str]:
        """Names of the keys under a key of HKEY_LOCAL_MACHINE; none if it is missing or may not be read."""
        from agent.windows import registry  # noqa: PLC0415  # wanted on the other system

        return registry.subkeys(key) or []

    def registry_has_key(self, key: str) -> bool:
        """Whether there is such a key under HKEY_LOCAL_MACHINE."""
        from agent.windows import registry  # noqa: PLC0415  # as above

        return registry.subkeys(key) is not None

    def _registry_read(self, key: str, name: str) -> Any:
        from agent.windows import registry  # noqa: PLC0415  # as above

        value = registry.value(key, name)
        if value is not None:
            self.note_source("HKLM\\" + key)
        return value

    def service_is_running(self, name: str) -> Optional[bool]:
        """Whether a Windows service runs; None if there is none of that name, or it does not tell."""
        if self.system != WINDOWS:
            return None
        try:
            library = self.psutil()
            found = str(library.win_service_get(name).status())
        except Exception:  # noqa: BLE001  # psutil's own errors are classes of the library, which is loaded late
            return None
        self.note_source(f"service {name}")
        return found == "running"

    def security_provider_health(self, providers: int) -> Optional[int]:
        """What Windows' Security Center thinks of its providers of one kind; None where it does not run."""
        self.note_source("WscGetSecurityProviderHealth")
        from agent import device_calls  # noqa: PLC0415  # wanted where devices may be asked

        return device_calls.security_provider_health(providers)

    def firmware_table(self) -> bytes:
        """The SMBIOS table as Windows hands it out to everybody.

        Raises:
            NoDataError: this is not Windows, or the firmware has no such table.
        """
        from agent.windows import calls  # noqa: PLC0415  # wanted on the other system

        self.note_source("GetSystemFirmwareTable('RSMB')")
        table = calls.firmware_table()
        if not table:
            raise NoDataError("Windows hands out no SMBIOS table on this machine")
        return table

    def forward_table(self) -> bytes:
        """Windows' table of IPv4 routes (MIB_IPFORWARDTABLE); empty where it cannot be had."""
        from agent.windows import calls  # noqa: PLC0415  # as above

        self.note_source("GetIpForwardTable")
        return calls.forward_table()

    def firmware_type(self) -> Optional[int]:
        """Windows' FIRMWARE_TYPE: 1 started the old way, 2 by UEFI; None where it does not tell."""
        from agent.windows import calls  # noqa: PLC0415  # as above

        self.note_source("GetFirmwareType")
        return calls.firmware_type()

    def tpm_device_info(self) -> Optional[Tuple[int, bytes]]:
        """Windows' (TBS_RESULT, TPM_DEVICE_INFO); None where it has no such call."""
        from agent.windows import calls  # noqa: PLC0415  # as above

        self.note_source("Tbsi_GetDeviceInfo")
        return calls.tpm_device_info()

    def network_parameters(self) -> Tuple[bytes, int]:
        """Windows' FIXED_INFO and the address that it lay at; empty where it cannot be had."""
        from agent.windows import name_servers  # noqa: PLC0415  # wanted on the other system

        self.note_source("GetNetworkParams")
        return name_servers.network_parameters()

    def memory_status(self) -> bytes:
        """Windows' MEMORYSTATUSEX; empty where it cannot be had."""
        from agent.windows import counters  # noqa: PLC0415  # wanted on the other system

        self.note_source("GlobalMemoryStatusEx")
        return counters.read_memory_status()

    # Devices and programs

    def scsi_command(self, device: str, command: bytes, receive_bytes: int) -> Tuple[bytes, bytes]:
        """(data, sense data) of a SCSI command that reads from a Linux disk, as sda; no data where it was refused.

        Raises:
            OSError: the device cannot be opened, or does not take such commands.
        """
        self.note_source(f"SG_IO {device}")
        from agent import device_calls  # noqa: PLC0415  # wanted where devices may be asked

        return device_calls.scsi_command(str(self.path(f"/dev/{device}")), command, receive_bytes)

    def nvme_log_page(self, device: str, page: int, receive_bytes: int) -> bytes:
        """A log page of a Linux NVMe disk, as nvme0n1.

        Raises:
            OSError: the device cannot be opened, or does not give it.
        """
        self.note_source(f"NVME_IOCTL_ADMIN_CMD {device}")
        from agent import device_calls  # noqa: PLC0415  # wanted where devices may be asked

        return device_calls.nvme_log_page(str(self.path(f"/dev/{device}")), page, receive_bytes)

    def device_control(
        self, device: str, code: int, sent: bytes, receive_bytes: int, *, is_privileged: bool = False
    ) -> bytes:
        """What a Windows device, as PhysicalDrive0, answers to a control code that reads.

        Raises:
            OSError: there is no such device, it may not be opened, or it does not know the code.
        """
        self.note_source(f"DeviceIoControl {device}")
        path = "\\\\.\\" + device
        from agent import device_calls  # noqa: PLC0415  # wanted where devices may be asked

        return device_calls.device_control(path, code, sent, receive_bytes, is_privileged=is_privileged)

    def device_is_awake(self, device: str) -> Optional[bool]:
        """Whether a Windows device works now; asking does not wake it. None where it cannot be told."""
        from agent import device_calls  # noqa: PLC0415  # wanted where devices may be asked

        return device_calls.device_is_awake("\\\\.\\" + device)

    def program(self, *names: str) -> Optional[str]:
        """The first of these absolute paths where there is a file; None if there is none."""
        return next((name for name in names if self.path(name).is_file()), None)

    def run(self, program: str, arguments: Sequence[str], limit_seconds: float) -> Tuple[int, bytes]:
        """(exit status, output) of a program of this machine, which is ended after `limit_seconds`.

        Raises:
            OSError: it is not there, cannot be started, or took too long.
        """
        from agent.program_call import run_program  # noqa: PLC0415  # brings in what starts programs; few do

        self.note_source(program)
        return run_program([str(self.path(program)), *arguments], limit_seconds)

    def powershell(self, script: str, limit_seconds: float) -> Tuple[int, bytes]:
        """(exit status, output) of Windows' own PowerShell (2.0 and newer) with a script of the agent's own.

        Raises:
            OSError: it is not there, cannot be started, or took too long.
        """
        from agent.program_call import POWERSHELL_OPTIONS, powershell_path, run_program  # noqa: PLC0415  # as above

        self.note_source("powershell.exe")
        return run_program([powershell_path(), *POWERSHELL_OPTIONS, script], limit_seconds)

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
        if told or self.root != Path("/"):
            return told
        import platform  # noqa: PLC0415  # wanted once a day

        return platform.release()

    def architecture(self) -> str:
        """Machine word of the operating system, as x86_64."""
        import platform  # noqa: PLC0415  # wanted once a day

        return platform.machine()
