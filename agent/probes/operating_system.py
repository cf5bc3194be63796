"""Name, version, build and days of installation of the operating system.

Words are taken in known forms only: what a person wrote in their place stays on the machine.
"""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Optional, Tuple

from agent.errors import NoDataError
from agent.firmware.makers_text import makers_text, windows_name
from agent.firmware.rows import fact_row
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.probes.days import day_of
from agent.wire.report import FactValue, Row

_RELEASE_FILES = ("/etc/os-release", "/usr/lib/os-release")
_RELEASE_FORM = re.compile(r"\d[\w.+~-]{0,63}")
_INSTALLER_LOGS = ("/var/log/installer", "/var/log/anaconda", "/var/log/YaST2")
_WINDOWS_KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_WINDOWS_SETUP_KEY = r"SYSTEM\Setup"
_EARLIER_INSTALLATION = "Source OS"
_WINDOWS_VERSION_FORM = re.compile(r"\d{1,2}\.\d{1,2}|\d{2}H[12]|\d{4}")
_NUMBER_FORM = re.compile(r"\d{1,6}")
# Earlier ones than any feature update has left.
_MOST_INSTALLATIONS = 32

Found = Dict[str, Optional[str]]


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Facts `os_family`, `os_name`, `os_version`, `os_build`, `os_architecture`, `os_installed_at`, `os_installation`.

    Raises:
        NoDataError: the system tells nothing of itself.
    """
    found, installations = _windows(host) if host.system == WINDOWS else _linux(host)
    facts: Dict[str, FactValue] = {name: value for name, value in found.items() if value is not None}
    if not facts:
        raise NoDataError("the system does not tell its name")
    facts["os_family"] = host.system
    facts["os_architecture"] = host.architecture()
    if installations:
        facts["os_installation"] = [*installations]
    return Collected(facts=facts)


def _linux(host: Host) -> Tuple[Found, List[Row]]:
    release: Dict[str, str] = {}
    for name in _RELEASE_FILES:
        text = host.text_or_none(name)
        if text:
            release = dict(_assignments(text))
            break
    born, identified = host.birth_time_seconds("/"), host.modified_time_seconds("/etc/machine-id")
    logs = [host.modified_time_seconds(name) for name in _INSTALLER_LOGS]
    dated = {
        "root_file_system": born,
        "machine_id": identified,
        "installer_log": min((moment for moment in logs if moment is not None), default=None),
    }
    # A disk image copied to many machines is older than any of them, its machine-id is not: the later of the two is
    # the first day on which this machine was surely in use.
    times = (born, identified)
    found = {
        "os_name": makers_text(release.get("NAME")) or makers_text(release.get("PRETTY_NAME")),
        "os_version": _in_form(_RELEASE_FORM, release.get("VERSION_ID")),
        "os_build": _in_form(_RELEASE_FORM, host.kernel_release()),
        "os_installed_at": day_of(max((moment for moment in times if moment is not None), default=None)),
    }
    days = ((source, day_of(moment)) for source, moment in dated.items())
    return found, [fact_row("os_installation", source=source, installed_at=day) for source, day in days if day]


def _assignments(text: str) -> Iterator[Tuple[str, str]]:
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            yield name, value.strip("\"'")


def _windows(host: Host) -> Tuple[Found, List[Row]]:
    # Every feature update resets the day of installation and keeps what was before under a key of its own.
    keys = [
        _WINDOWS_SETUP_KEY + "\\" + name
        for name in host.registry_subkeys(_WINDOWS_SETUP_KEY)
        if name.startswith(_EARLIER_INSTALLATION)
    ]
    current, moment = _windows_installation(host, _WINDOWS_KEY, "current")
    read = [_windows_installation(host, key, "earlier") for key in keys[:_MOST_INSTALLATIONS]]
    moments = [made for made in (moment, *(made for _, made in read)) if made is not None]
    found = {
        "os_name": current["name"],
        "os_version": current["version"],
        "os_build": current["build"],
        "os_installed_at": day_of(min(moments, default=None)),
    }
    rows = [row for row, made in sorted(read, key=lambda item: item[1] or 0.0) if made is not None]
    return {name: _text(value) for name, value in found.items()}, [*rows, *([current] if moment is not None else [])]


def _windows_installation(host: Host, key: str, source: str) -> Tuple[Row, Optional[float]]:
    """(row, moment) of one installation."""

    def text(name: str, form: re.Pattern[str]) -> Optional[str]:
        return _in_form(form, _text(host.registry_value(key, name)))

    build, revision = text("CurrentBuild", _NUMBER_FORM), text("UBR", _NUMBER_FORM)
    versions = (text(name, _WINDOWS_VERSION_FORM) for name in ("DisplayVersion", "ReleaseId", "CurrentVersion"))
    installed = host.registry_value(key, "InstallDate")
    moment = float(installed) if isinstance(installed, int) and installed > 0 else None
    row = fact_row(
        "os_installation",
        source=source,
        name=windows_name(_text(host.registry_value(key, "ProductName"))),
        version=next((version for version in versions if version), None),
        build=f"{build}.{revision}" if build and revision else build,
        installed_at=day_of(moment),
    )
    return row, moment


def _text(value: object) -> Optional[str]:
    return None if value in (None, "") else str(value)


def _in_form(form: re.Pattern[str], text: Optional[str]) -> Optional[str]:
    return text if text is not None and form.fullmatch(text) else None
