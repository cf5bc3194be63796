"""Anti-malware and firewall of a Windows machine.

Windows' Security Center knows the products of all makers. It is asked in two ways: a call that costs nothing tells the
state of each kind (WscGetSecurityProviderHealth, Windows Vista and newer), and only where that has changed, or a day
has passed, the products are listed, which takes a short-lived PowerShell: WMI's namespace SecurityCenter2, classes
AntiVirusProduct and FirewallProduct. Windows Server has no Security Center; there Defender's own keys are read.

The bits of `productState` are not documented by Microsoft. Those used here are the ones on which published descriptions
agree (neophob.com/2010/03/wmi-query-windows-securitycenter2; community.idera.com, "Identifying Antivirus Engine
State"):

    0x0000F000   0x0000 off, 0x1000 on, 0x2000 snoozed, 0x3000 expired
    0x00000F00   0x0100 Microsoft's own product
    0x000000F0   0x0000 signatures up to date, else out of date
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from agent.errors import NoDataError
from agent.firmware.makers_text import makers_text
from agent.host import Host
from agent.probes.protection import full_days, protection_row
from agent.windows.filetimes import filetime_seconds
from agent.wire.message import mark
from agent.wire.report import Row

ANTIMALWARE, FIREWALL = "antimalware", "firewall"

_DAY_SECONDS = 86_400.0
_LIMIT_SECONDS = 40.0
# After it failed: Windows may have been starting.
_AGAIN_SECONDS = 3600.0
# WSC_SECURITY_PROVIDER of wscapi.h.
_PROVIDER_FIREWALL, _PROVIDER_ANTIVIRUS = 1, 4
# WSC_SECURITY_PROVIDER_HEALTH: all that of a kind is well. Anything else may be off, old, or not watched.
_HEALTH_GOOD = 0

# The names go as Base64 of UTF-8: the code page of a console holds few of the world's letters. Runs on PowerShell 2.0.
_CLASSES = {"AntiVirusProduct": ANTIMALWARE, "FirewallProduct": FIREWALL}
_LIST_PRODUCTS = (
    "$ErrorActionPreference='Stop';"
    "foreach($c in 'AntiVirusProduct','FirewallProduct'){"
    "Get-WmiObject -Namespace root\\SecurityCenter2 -Class $c|ForEach-Object{"
    "$c+' '+$_.productState+' '+[Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes([string]$_.displayName))}};"
    "'end'"
)

_STATE_ON, _STATE_OFF = 0x1000, frozenset({0x0000, 0x2000, 0x3000})
_STATE_MASK, _OWNER_MASK, _SIGNATURE_MASK = 0xF000, 0x0F00, 0x00F0
_OWNER_MICROSOFT = 0x0100

_SERVICES = "SYSTEM\\CurrentControlSet\\Services\\"
_SERVICE_DISABLED = 4
# Windows Defender, and Microsoft Security Essentials of Windows 7.
_DEFENDERS = ("SOFTWARE\\Microsoft\\Windows Defender", "SOFTWARE\\Microsoft\\Microsoft Antimalware")
_DEFENDER_POLICY = "SOFTWARE\\Policies\\Microsoft\\Windows Defender"
_DEFENDER_SERVICE = "WinDefend"
_DEFENDER_NAME = "Windows Defender"
_FIREWALL_NAME = "Windows Firewall"
_FIREWALL_SERVICE = "MpsSvc"
_FIREWALL_KEY = _SERVICES + "SharedAccess\\Parameters\\FirewallPolicy\\"
_FIREWALL_POLICY = "SOFTWARE\\Policies\\Microsoft\\WindowsFirewall\\"
# Name of each profile there, and among the policies.
_PROFILES = (
    ("DomainProfile", "DomainProfile"),
    ("StandardProfile", "PrivateProfile"),
    ("PublicProfile", "PublicProfile"),
)


class Product(NamedTuple):
    """A product as Security Center keeps it.

    Args:
        kind: `ANTIMALWARE` or `FIREWALL`.
        name: as its maker calls it.
        enabled: whether it watches now; None for a state that is not known.
        is_microsofts: whether it came with Windows.
        is_out_of_date: whether Windows thinks that its signatures are old.
    """

    kind: str
    name: str
    enabled: Optional[bool]
    is_microsofts: bool
    is_out_of_date: bool


class _Listed(NamedTuple):
    """What PowerShell listed, None if it failed; the states at that time; when it is asked again at the latest."""

    products: Optional[List[Product]]
    health: Tuple[Optional[int], Optional[int]]
    again_at: float


def decode_product(kind: str, name: str, state: int) -> Product:
    """A product out of its `productState`."""
    word = state & _STATE_MASK
    enabled = True if word == _STATE_ON else False if word in _STATE_OFF else None
    is_microsofts = state & _OWNER_MASK == _OWNER_MICROSOFT or name.startswith(("Microsoft ", "Windows "))
    return Product(kind, name, enabled, is_microsofts, bool(state & _SIGNATURE_MASK))


def decode_products(output: bytes) -> Optional[List[Product]]:
    """The products out of what PowerShell wrote; None where that does not come to its end."""
    found: List[Product] = []
    for line in output.decode("ascii", "replace").split("\n"):
        words = line.split()
        if words == ["end"]:
            return found
        if len(words) == 3 and words[0] in _CLASSES and words[1].isdigit():  # noqa: PLR2004  # class, state, name
            try:
                name = base64.b64decode(words[2], validate=True).decode("utf-8", "replace")
            except binascii.Error:
                return None
            found.append(decode_product(_CLASSES[words[0]], name, int(words[1])))
    return None


def protection(host: Host, memory: Dict[str, Any]) -> Tuple[List[Row], str]:
    """(rows of the fact `protection`, remark).

    Args:
        host: the machine.
        memory: what an earlier call left there.

    Raises:
        NoDataError: Security Center does not run yet; what protects the machine is not known before.
    """
    remark = ""
    if _has_security_center(host):
        listed = _listed(host, memory)
        if listed.products is None:
            remark = mark("Windows did not list its anti-malware products; only their state as a whole is known")
            rows = [protection_row(ANTIMALWARE, None, enabled=True if listed.health[0] == _HEALTH_GOOD else None)]
        else:
            rows = [_row_of(host, product) for product in listed.products]
            # A firewall has the bit too, and no signatures.
            watching = [product for product in listed.products if product.kind == ANTIMALWARE and product.enabled]
            if any(product.is_out_of_date for product in watching):
                remark = mark("Windows says that the signatures of an anti-malware product are out of date")
    else:
        rows = _defender_alone(host)
    firewall = _firewall(host)
    if firewall is not None:
        rows.append(firewall)
        if firewall["enabled"] is None:
            remark = remark or mark("Windows Firewall is on for some kinds of network and off for others")
    return rows, remark


def _has_security_center(host: Host) -> bool:
    return host.registry_value(_SERVICES + "wscsvc", "Start") not in (None, _SERVICE_DISABLED)


def _listed(host: Host, memory: Dict[str, Any]) -> _Listed:
    """The products listed before, as long as nothing has changed."""
    now = host.monotonic_time_seconds()
    health = (host.security_provider_health(_PROVIDER_ANTIVIRUS), host.security_provider_health(_PROVIDER_FIREWALL))
    if health[0] is None:
        raise NoDataError("Windows' Security Center does not run (yet), so what protects this machine is not known")
    listed = _from_memory(memory.get("listed"))
    if listed is None or listed.health != health or now >= listed.again_at:
        try:
            products = decode_products(host.powershell(_LIST_PRODUCTS, _LIMIT_SECONDS)[1])
        except OSError:
            products = None
        again = _AGAIN_SECONDS if products is None else _DAY_SECONDS
        listed = memory["listed"] = _Listed(products, health, now + again)
    return listed


def _from_memory(kept: Any) -> Optional[_Listed]:
    """What was listed before, also where it came as JSON keeps it."""
    if kept is None:
        return None
    products, health, again_at = kept
    return _Listed(None if products is None else [Product(*one) for one in products], (health[0], health[1]), again_at)


def _row_of(host: Host, product: Product) -> Row:
    age = _defender_age_days(host) if product.kind == ANTIMALWARE and product.is_microsofts else None
    return protection_row(product.kind, makers_text(product.name), enabled=product.enabled, age_days=age)


def _defender_age_days(host: Host) -> Optional[int]:
    for key in _DEFENDERS:
        made = filetime_seconds(host.registry_bytes(key + "\\Signature Updates", "AVSignatureApplied"))
        if made is not None:
            return full_days(made, host.wall_time_seconds())
    return None


def _defender_alone(host: Host) -> List[Row]:
    """Defender by its service and its settings, where there is no Security Center."""
    runs = host.service_is_running(_DEFENDER_SERVICE)
    if runs is None:
        return []
    folders = (_DEFENDERS[0], _DEFENDER_POLICY)
    is_off = any(
        host.registry_value(folder + place, name) == 1
        for folder in folders
        for place, name in (
            ("", "DisableAntiSpyware"),
            ("", "DisableAntiVirus"),
            ("\\Real-Time Protection", "DisableRealtimeMonitoring"),
        )
    )
    return [protection_row(ANTIMALWARE, _DEFENDER_NAME, enabled=runs and not is_off, age_days=_defender_age_days(host))]


def _firewall(host: Host) -> Optional[Row]:
    """Windows' own firewall; which of its profiles counts now depends on the network, so all are asked."""
    switches = [value for profile, policy in _PROFILES if (value := _switch(host, profile, policy)) is not None]
    if not switches:
        return None
    if host.registry_value(_SERVICES + _FIREWALL_SERVICE, "Start") == _SERVICE_DISABLED:
        return protection_row(FIREWALL, _FIREWALL_NAME, enabled=False)
    return protection_row(FIREWALL, _FIREWALL_NAME, enabled=switches[0] if len(set(switches)) == 1 else None)


def _switch(host: Host, profile: str, policy: str) -> Optional[bool]:
    # What the domain's administrators order goes before what was set here.
    value = host.registry_value(_FIREWALL_POLICY + policy, "EnableFirewall")
    if value is None:
        value = host.registry_value(_FIREWALL_KEY + profile, "EnableFirewall")
    return bool(value) if isinstance(value, int) else None
