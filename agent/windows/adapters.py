"""Network cards of a Windows machine: speed and counts from psutil, what kind they are from the registry.

Duplex: no call that everybody may make tells it (psutil answers "full" always). Known is only a card that was set to
half duplex by hand (`*SpeedDuplex`). Where the two ends do not agree, frames with errors are what shows it.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from agent.errors import ProbeError
from agent.host import Host

# The class of network adapters; the same on every Windows.
_CONNECTIONS_KEY = r"SYSTEM\CurrentControlSet\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}"
_DRIVERS_KEY = r"SYSTEM\CurrentControlSet\Control\Class\{4D36E972-E325-11CE-BFC1-08002BE10318}"
_BUSES = ("PCI\\", "USB\\", "SD\\", "ACPI\\", "PCMCIA\\")
# *IfType of Ethernet (IANA's ifType); 71 is wireless.
_ETHERNET = 6
# *SpeedDuplex: 10, 100 and 1000 Mbit/s half duplex; 0 negotiates.
_HALF_DUPLEX = frozenset({"1", "3", "5"})
_BITS_A_MEGABIT = 1_000_000

_KNOWN, _KNOWN_FOR = "kinds", "kinds_of"

Row = Tuple[str, Optional[int], Optional[bool], Tuple[int, int, int]]


class Kind(NamedTuple):
    """What the registry says of a connection's card."""

    identity: str
    is_wired: bool
    is_half_duplex: bool


def cards(host: Host, memory: Dict[str, Any]) -> List[Row]:
    """(name, speed in bits a second, half duplex, counts) of each physical card with a link.

    Args:
        host: the machine.
        memory: kept from round to round.

    Raises:
        ProbeError: psutil is missing, or Windows does not tell.
    """
    library = host.psutil()
    host.note_source("psutil.net_if_stats")
    host.note_source("psutil.net_io_counters")
    try:
        states, counters = library.net_if_stats(), library.net_io_counters(pernic=True, nowrap=False)
    except (OSError, RuntimeError) as error:
        raise ProbeError("the system does not tell its network cards") from error
    # The registry is read anew when a connection has come, gone or been renamed.
    if memory.get(_KNOWN_FOR) != sorted(states):
        memory[_KNOWN], memory[_KNOWN_FOR] = physical_kinds(host), sorted(states)
    known: Dict[str, Kind] = memory[_KNOWN]
    rows: List[Row] = []
    for name, state in states.items():
        kind, counts = known.get(name), counters.get(name)
        if kind is None or counts is None or not state.isup:
            continue
        speed = state.speed * _BITS_A_MEGABIT if kind.is_wired and state.speed > 0 else None
        half_duplex = True if kind.is_wired and kind.is_half_duplex else None
        frames = counts.packets_recv + counts.packets_sent
        rows.append(
            (kind.identity, speed, half_duplex, (frames, counts.errin + counts.errout, counts.dropin + counts.dropout))
        )
    return sorted(rows, key=lambda row: row[0])


def physical_kinds(host: Host) -> Dict[str, Kind]:
    """Name of a connection -> kind of its card, where that sits on a bus of the machine."""
    drivers: Dict[str, Tuple[bool, bool]] = {}
    for number in host.registry_subkeys(_DRIVERS_KEY):
        key = f"{_DRIVERS_KEY}\\{number}"
        identity = host.registry_value(key, "NetCfgInstanceId")
        if identity is not None:
            is_wired = host.registry_value(key, "*IfType") == _ETHERNET
            drivers[str(identity)] = is_wired, str(host.registry_value(key, "*SpeedDuplex")) in _HALF_DUPLEX
    found: Dict[str, Kind] = {}
    for identity in host.registry_subkeys(_CONNECTIONS_KEY):
        key = f"{_CONNECTIONS_KEY}\\{identity}\\Connection"
        name, device = host.registry_value(key, "Name"), host.registry_value(key, "PnPInstanceId")
        if name is not None and str(device).upper().startswith(_BUSES):
            found[str(name)] = Kind(identity, *drivers.get(identity, (False, False)))
    return found
