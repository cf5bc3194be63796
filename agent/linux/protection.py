"""Anti-malware and firewall of a Linux machine, as far as files that everybody may read tell of them.

The rules in the kernel itself are told to administrators only, so a firewall is judged by its settings and by whether
its service runs. A service runs where its control group holds a process: no list of processes is read.
"""

from __future__ import annotations

import re
from typing import List, Optional, Sequence

from agent.host import Host
from agent.probes.protection import full_days, protection_row
from agent.wire.report import Row

_CGROUPS = ("/sys/fs/cgroup/system.slice/", "/sys/fs/cgroup/systemd/system.slice/")
_UNIT_FOLDER = "/etc/systemd/system/"

# Debian's units and Fedora's.
_CLAMAV_UNITS = (
    "clamav-daemon.service",
    "clamav-clamonacc.service",
    "clamd.service",
    "system-clamd.slice/clamd@scan.service",
)
_CLAMAV_STARTED = (
    "multi-user.target.wants/clamav-daemon.service",
    "multi-user.target.wants/clamav-clamonacc.service",
    "multi-user.target.wants/clamd@scan.service",
)
_CLAMAV_PROGRAMS = ("/usr/sbin/clamd", "/usr/bin/clamscan")
_CLAMAV_DATABASES = ("/var/lib/clamav/daily.cld", "/var/lib/clamav/daily.cvd")
_CLAMAV_HEADER_BYTES = 512
_CLAMAV_MARK = b"ClamAV-VDB"
# ClamAV-VDB:time:version:signatures:level:md5:signature:builder:seconds since 1970
_CLAMAV_SECONDS_FIELD = 8

_UFW_SETTINGS = "/etc/ufw/ufw.conf"
_UFW_ENABLED = re.compile(r"^\s*ENABLED\s*=\s*[\"']?(yes|no)\b", re.MULTILINE | re.IGNORECASE)
_FIREWALLD_STARTED = ("multi-user.target.wants/firewalld.service",)
_FIREWALLD_UNITS = ("firewalld.service",)
_FIREWALLD_PROGRAM = "/usr/sbin/firewalld"
_NFTABLES_STARTED = ("sysinit.target.wants/nftables.service", "multi-user.target.wants/nftables.service")
_NFTABLES_RULES = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf")
_IPTABLES_STARTED = (
    "multi-user.target.wants/netfilter-persistent.service",
    "multi-user.target.wants/iptables.service",
)
_IPTABLES_RULES = ("/etc/iptables/rules.v4", "/etc/sysconfig/iptables")

_COMMENT = re.compile(r"#[^\n]*")
_NFT_INPUT = re.compile(r"hook\s+input\b")
_NFT_REFUSES = re.compile(r"\b(drop|reject)\b")
_IPTABLES_REFUSES = re.compile(r"^(:INPUT\s+DROP\b|-A\s+INPUT\b.*\s-j\s+(DROP|REJECT)\b)", re.MULTILINE)


def protection(host: Host) -> List[Row]:
    """Rows of the fact `protection`: ClamAV where it is installed, and the firewall that is set up."""
    return [row for row in (_clamav(host), _firewall(host)) if row is not None]


def clamav_age_days(header: bytes, now_seconds: float) -> Optional[int]:
    """Full days since a signature database was made, by the seconds in its own header; None if that is broken."""
    fields = header[:_CLAMAV_HEADER_BYTES].split(b":")
    # The moment before it is written with a hyphen, so that no colon stands inside a field.
    if fields[0] != _CLAMAV_MARK or len(fields) <= _CLAMAV_SECONDS_FIELD:
        return None
    seconds = fields[_CLAMAV_SECONDS_FIELD].strip(b" \0\n")
    if not seconds.isdigit() or not int(seconds):
        return None
    return full_days(float(seconds), now_seconds)


def nftables_refuses(rules: str) -> Optional[bool]:
    """Whether a file of nftables rules refuses anything that comes in; None where it takes in other files."""
    text = _COMMENT.sub("", rules)
    if _NFT_INPUT.search(text) and _NFT_REFUSES.search(text):
        return True
    return None if re.search(r"^\s*include\b", text, re.MULTILINE) else False


def iptables_refuses(rules: str) -> bool:
    """Whether a file of iptables-save refuses anything that comes in."""
    return bool(_IPTABLES_REFUSES.search(_COMMENT.sub("", rules)))


def _clamav(host: Host) -> Optional[Row]:
    now = host.wall_time_seconds()
    ages: List[int] = []
    is_there = host.program(*_CLAMAV_PROGRAMS) is not None
    for name in _CLAMAV_DATABASES:
        try:
            age = clamav_age_days(host.read_bytes(name, _CLAMAV_HEADER_BYTES), now)
        except OSError:
            continue
        is_there = True
        if age is not None:
            ages.append(age)
    if not is_there:
        return None
    # Set up to be called by hand or by a mail server it watches nothing, and nobody expects it to.
    enabled = _runs(host, _CLAMAV_UNITS) or (False if _is_started(host, _CLAMAV_STARTED) else None)
    return protection_row("antimalware", "ClamAV", enabled=enabled, age_days=min(ages, default=None))


def _firewall(host: Host) -> Optional[Row]:
    """The first that is set up: each of these is a way to write the same rules of the kernel."""
    settings = _UFW_ENABLED.search(host.text_or_none(_UFW_SETTINGS) or "")
    firewalld = _firewalld(host)
    if settings is not None and settings.group(1).lower() == "yes":
        return protection_row("firewall", "ufw", enabled=True)
    if firewalld:
        return protection_row("firewall", "firewalld", enabled=True)
    for product, started, files in (
        ("nftables", _NFTABLES_STARTED, _NFTABLES_RULES),
        ("iptables", _IPTABLES_STARTED, _IPTABLES_RULES),
    ):
        if _is_started(host, started):
            rules = next((text for text in map(host.text_or_none, files) if text is not None), None)
            judge = nftables_refuses if product == "nftables" else iptables_refuses
            return protection_row("firewall", product, enabled=None if rules is None else judge(rules))
    if settings is not None:
        return protection_row("firewall", "ufw", enabled=False)
    return None if firewalld is None else protection_row("firewall", "firewalld", enabled=False)


def _firewalld(host: Host) -> Optional[bool]:
    """None where it is not installed."""
    if _runs(host, _FIREWALLD_UNITS):
        return True
    return False if host.exists(_FIREWALLD_PROGRAM) or _is_started(host, _FIREWALLD_STARTED) else None


def _runs(host: Host, units: Sequence[str]) -> bool:
    """Whether one of these services holds a process."""
    version_2, version_1 = _CGROUPS
    for unit in units:
        if "populated 1" in (host.text_or_none(f"{version_2}{unit}/cgroup.events") or ""):
            return True
        if host.text_or_none(f"{version_1}{unit}/cgroup.procs") is not None:
            return True
    return False


def _is_started(host: Host, links: Sequence[str]) -> bool:
    """Whether one of these services is to start with the machine."""
    # The links lead to places of the machine itself, so it is not asked whether something lies there.
    return any(host.is_link(_UNIT_FOLDER + link) or host.exists(_UNIT_FOLDER + link) for link in links)
