"""Whether a Windows machine waits for a restart, and its newest update: from its registry, which everybody may read.

Windows up to 8.1 keeps the moment of the last success; newer ones only the packages, each with the moment of its
installation.
"""

from __future__ import annotations

import calendar
import re
import time
from typing import List, Optional

from agent.host import Host
from agent.windows.filetimes import filetime_number_seconds

COMPONENT_SERVICING, WINDOWS_UPDATE = "component_servicing", "windows_update"
COMPUTER_RENAME, FILE_RENAME = "computer_rename", "file_rename"

_SERVICING = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing"
_UPDATE = r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update"
_SESSION_MANAGER = r"SYSTEM\CurrentControlSet\Control\Session Manager"
_NAMES = r"SYSTEM\CurrentControlSet\Control\ComputerName"
# As Windows Update writes it, in UTC.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
# Cumulative updates, single ones, and those of the update's own machinery.
_PACKAGES = ("Package_for_RollupFix", "Package_for_KB", "Package_for_DotNetRollup", "Package_for_ServicingStack")
_INSTALLED = 0x70
_WORD = 0xFFFFFFFF


def restart_reasons(host: Host) -> Optional[List[str]]:
    """Why a restart waits; None where the keys that tell it may not be read."""
    if not host.registry_has_key(_SERVICING) and not host.registry_has_key(_UPDATE):
        return None
    reasons = []
    if host.registry_has_key(_SERVICING + r"\RebootPending"):
        reasons.append(COMPONENT_SERVICING)
    if host.registry_has_key(_UPDATE + r"\RebootRequired"):
        reasons.append(WINDOWS_UPDATE)
    now, next_time = (
        host.registry_value(f"{_NAMES}\\{key}", "ComputerName") for key in ("ActiveComputerName", "ComputerName")
    )
    if now is not None and next_time is not None and str(now).upper() != str(next_time).upper():
        reasons.append(COMPUTER_RENAME)
    # The files are named there; only that there are any is asked.
    if host.registry_holds(_SESSION_MANAGER, "PendingFileRenameOperations"):
        reasons.append(FILE_RENAME)
    return reasons


def last_update_seconds(host: Host) -> Optional[float]:
    """When the newest update was installed."""
    moments = [_moment(host, "Install")]
    folder = _SERVICING + r"\Packages"
    names = [name for name in host.registry_subkeys(folder) if name.startswith(_PACKAGES)]
    if names:
        host.note_source("HKLM\\" + folder)
    # Hundreds: none of them is a source of its own.
    quiet = host.recording()
    moments += [_package_seconds(quiet, f"{folder}\\{name}") for name in names]
    return max((moment for moment in moments if moment is not None), default=None)


def last_check_seconds(host: Host) -> Optional[float]:
    """When Windows last found out which updates there are."""
    return _moment(host, "Detect")


def _moment(host: Host, kind: str) -> Optional[float]:
    text = host.registry_value(f"{_UPDATE}\\Results\\{kind}", "LastSuccessTime")
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        return None
    try:
        return float(calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S")))
    except (ValueError, OverflowError):
        return None


def _package_seconds(host: Host, key: str) -> Optional[float]:
    if host.registry_value(key, "CurrentState") != _INSTALLED:
        return None
    high, low = host.registry_value(key, "InstallTimeHigh"), host.registry_value(key, "InstallTimeLow")
    if not isinstance(high, int) or not isinstance(low, int):
        return None
    return filetime_number_seconds((high & _WORD) << 32 | low & _WORD)
