"""Windows' registry under HKEY_LOCAL_MACHINE, for `Host` alone. Nothing is written; what may not be read is missing."""

from __future__ import annotations

import sys
from typing import Any, List, Optional


def value(key: str, name: str) -> Any:
    """A value of any kind; None if it is missing or may not be read."""
    if sys.platform == "win32":
        import winreg  # noqa: PLC0415  # exists on Windows only

        rights = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, rights) as handle:
                return winreg.QueryValueEx(handle, name)[0]
        except OSError:
            return None
    return None


def subkeys(key: str) -> Optional[List[str]]:
    """Names of the keys under a key; None if that is missing or may not be read."""
    if sys.platform == "win32":
        import winreg  # noqa: PLC0415  # exists on Windows only

        rights = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, rights) as handle:
                return [winreg.EnumKey(handle, index) for index in range(winreg.QueryInfoKey(handle)[0])]
        except OSError:
            return None
    return None
