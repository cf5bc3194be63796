"""Screens that are connected to a Windows machine now: Windows keeps the EDID of every one it has ever seen.

The monitor driver's own list of its devices, which Windows makes anew at every start, tells which are there; where
there is none, a device that is started has a key `Control`, which no other has.
"""

from __future__ import annotations

from typing import Iterator, List, Optional

from agent.errors import NoDataError
from agent.host import Host

_SCREENS = r"SYSTEM\CurrentControlSet\Enum\DISPLAY"
_DEVICES = "SYSTEM\\CurrentControlSet\\Enum\\"
_LISTED = r"SYSTEM\CurrentControlSet\Services\monitor\Enum"
_MOST_SCREENS = 64


def edids(host: Host) -> List[bytes]:
    """The EDID of each screen that is connected and tells one.

    Raises:
        NoDataError: Windows knows of screens and does not tell which of them are connected.
    """
    known = list(_known(host))
    connected = _listed(host)
    if connected is None:
        connected = [name for name in known if "Control" in host.registry_subkeys(_DEVICES + name)]
        if known and not connected:
            raise NoDataError("Windows does not tell which of the screens that it has seen are connected")
    told = (host.registry_bytes(f"{_DEVICES}{name}\\Device Parameters", "EDID") for name in connected)
    return [raw for raw in told if raw]


def _known(host: Host) -> Iterator[str]:
    for model in host.registry_subkeys(_SCREENS):
        for instance in host.registry_subkeys(f"{_SCREENS}\\{model}"):
            yield f"DISPLAY\\{model}\\{instance}"


def _listed(host: Host) -> Optional[List[str]]:
    count = host.registry_value(_LISTED, "Count")
    if not isinstance(count, int):
        return None
    names = (host.registry_value(_LISTED, str(index)) for index in range(min(count, _MOST_SCREENS)))
    return [name for name in names if isinstance(name, str) and name.upper().startswith("DISPLAY\\")]
