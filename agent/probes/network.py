"""Hardware addresses of physical network adapters, and a digest of the computer's name. Never an IP address.

Both serve one end: to find the terminal in the office's register of assets, which may hold its MAC address or name.
Names of computers and of connections may be the names of people, so neither is sent: the computer's as a digest that
can be compared with the register's column, an adapter's as the kernel's word (eth0) or the identity Windows gave it.
A digest hides a name from a reader, not from somebody who tries all names of a list.
"""

from __future__ import annotations

import hashlib
import re
from typing import Dict, List, Optional, Tuple

from agent.errors import AgentError, NoDataError
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import FactValue, Row

_FOLDER = "/sys/class/net"
_HOST_NAME = "/proc/sys/kernel/hostname"
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_TCPIP_KEY = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"
_NAME_KEY = r"SYSTEM\CurrentControlSet\Control\ComputerName\ActiveComputerName"
# The class of network adapters; the same on every Windows.
_ADAPTERS_KEY = r"SYSTEM\CurrentControlSet\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}"
_BUSES = ("PCI\\", "USB\\", "SD\\", "ACPI\\", "PCMCIA\\")
# What a machine is called that was never given a name.
_NO_NAMES = frozenset({"", "localhost", "(none)"})


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Facts `network_adapter` and `computer_name_sha256`.

    Addresses are lower-case pairs with colons, as they are: whether one can tell machines apart (made up by software,
    all zero, shared) is judged by who compares them.

    Raises:
        NoDataError: the machine has neither a physical adapter nor a name.
    """
    facts: Dict[str, FactValue] = {}
    digest = name_digest(_computer_name(host))
    if digest is not None:
        facts["computer_name_sha256"] = digest
    remark = ""
    rows: List[Row] = []
    try:
        rows = _windows_adapters(host) if host.system == WINDOWS else _linux_adapters(host)
    except (AgentError, OSError):
        remark = mark("the system does not tell its network adapters")
    if rows:
        facts["network_adapter"] = [*rows]
    elif not remark:
        remark = mark("no physical network adapter was found")
    if not facts:
        raise NoDataError(remark)
    return Collected(facts=facts, remark=remark)


def name_digest(name: Optional[str]) -> Optional[str]:
    """SHA-256, in hexadecimal, of a computer's name in lower case without its domain; None where it has no name."""
    short = (name or "").strip().split(".")[0].lower()
    return None if short in _NO_NAMES else hashlib.sha256(short.encode("utf-8", "replace")).hexdigest()


def _computer_name(host: Host) -> Optional[str]:
    if host.system != WINDOWS:
        return host.text_or_none(_HOST_NAME)
    # The short name Windows keeps for old networks is cut at 15 letters, so it is asked last.
    found = host.registry_value(_TCPIP_KEY, "Hostname") or host.registry_value(_NAME_KEY, "ComputerName")
    return str(found) if found is not None else None


def _linux_adapters(host: Host) -> List[Row]:
    rows: List[Row] = []
    for path in sorted(host.path(_FOLDER).glob("*/address")):
        folder = f"{_FOLDER}/{path.parent.name}"
        mac = (host.text_or_none(f"{folder}/address") or "").lower()
        # Bridges, tunnels, bonds and the loopback hang on no device.
        if host.exists(f"{folder}/device") and _MAC.fullmatch(mac):
            # An adapter without a link answers -1, or refuses to answer.
            speed = host.text_or_none(f"{folder}/speed") or ""
            rows.append(_row(path.parent.name, mac, int(speed) if speed.isdigit() else 0, is_physical=True))
    return rows


def _windows_adapters(host: Host) -> List[Row]:
    library = host.psutil()
    host.note_source("psutil.net_if_addrs")
    speeds = {name: state.speed for name, state in library.net_if_stats().items()}
    known = _windows_connections(host)
    rows: List[Row] = []
    for name, addresses in library.net_if_addrs().items():
        identity, is_physical = known.get(name, (None, None))
        if is_physical is False:
            continue
        for address in addresses:
            mac = str(address.address).replace("-", ":").lower()
            if address.family == library.AF_LINK and _MAC.fullmatch(mac):
                rows.append(_row(identity, mac, speeds.get(name, 0), is_physical=is_physical))
    return sorted(rows, key=lambda row: str(row["mac"]))


def _windows_connections(host: Host) -> Dict[str, Tuple[str, bool]]:
    """Name of a connection -> (identity of its adapter, whether that sits on a bus of the machine)."""
    connections = {}
    for identity in host.registry_subkeys(_ADAPTERS_KEY):
        key = f"{_ADAPTERS_KEY}\\{identity}\\Connection"
        name, device = host.registry_value(key, "Name"), host.registry_value(key, "PnPInstanceId")
        if name is not None and device is not None:
            connections[str(name)] = (identity, str(device).upper().startswith(_BUSES))
    return connections


def _row(name: Optional[str], mac: str, speed_mbps: int, *, is_physical: Optional[bool]) -> Row:
    return {"name": name, "mac": mac, "speed_mbps": speed_mbps if speed_mbps > 0 else None, "physical": is_physical}
