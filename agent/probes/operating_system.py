"""Name, version, build and day of installation of the operating system."""

from __future__ import annotations

import time
from typing import Dict, Iterator, Optional

from agent.errors import NoDataError
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.report import FactValue

_RELEASE_FILES = ("/etc/os-release", "/usr/lib/os-release")
_WINDOWS_KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_WINDOWS_SETUP_KEY = r"SYSTEM\Setup"
_EARLIER_INSTALLATION = "Source OS"


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Facts `os_family`, `os_name`, `os_version`, `os_build`, `os_architecture` and `os_installed_at`."""
    found = _windows(host) if host.system == WINDOWS else _linux(host)
    facts: Dict[str, FactValue] = {name: value for name, value in found.items() if value is not None}
    if not facts:
        raise NoDataError("the system does not tell its name")
    facts["os_family"] = host.system
    facts["os_architecture"] = host.architecture()
    return Collected(facts=facts)


def _linux(host: Host) -> Dict[str, Optional[str]]:
    release: Dict[str, str] = {}
    for name in _RELEASE_FILES:
        text = host.text_or_none(name)
        if text:
            release = dict(_assignments(text))
            break
    # A disk image copied to many machines is older than any of them, its machine-id is not: the later of the two is
    # the first day on which this machine was surely in use.
    times = (host.birth_time_seconds("/"), host.modified_time_seconds("/etc/machine-id"))
    return {
        "os_name": release.get("NAME") or release.get("PRETTY_NAME"),
        "os_version": release.get("VERSION_ID"),
        "os_build": host.kernel_release(),
        "os_installed_at": _day(max((moment for moment in times if moment is not None), default=None)),
    }


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            yield name, value.strip("\"'")


def _windows(host: Host) -> Dict[str, Optional[str]]:
    def text(name: str) -> Optional[str]:
        value = host.registry_value(_WINDOWS_KEY, name)
        return str(value) if value not in (None, "") else None

    build, revision = text("CurrentBuild"), text("UBR")
    return {
        "os_name": text("ProductName"),
        "os_version": text("DisplayVersion") or text("ReleaseId") or text("CurrentVersion"),
        "os_build": f"{build}.{revision}" if build and revision else build,
        "os_installed_at": _day(_windows_installed(host)),
    }


def _windows_installed(host: Host) -> Optional[float]:
    # Every feature update resets InstallDate and keeps the one before under a key of its own.
    keys = [_WINDOWS_KEY]
    keys += [
        _WINDOWS_SETUP_KEY + "\\" + name
        for name in host.registry_subkeys(_WINDOWS_SETUP_KEY)
        if name.startswith(_EARLIER_INSTALLATION)
    ]
    values = (host.registry_value(key, "InstallDate") for key in keys)
    return min((float(value) for value in values if isinstance(value, int) and value > 0), default=None)


def _day(moment: Optional[float]) -> Optional[str]:
    if moment is None:
        return None
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(moment))
    except (OverflowError, OSError, ValueError):
        return None
