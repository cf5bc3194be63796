"""The table of probes. One more probe is its file here, one row below, and its rows in the catalogue.

Modules are named and not imported: the running agent loads those of every round alone.
"""

from __future__ import annotations

from typing import Dict, Optional

from agent.probes.contract import DAY_SECONDS, Collected, Probe, ProbeContext

_QUARTER_HOUR_SECONDS = 900.0
_HOUR_SECONDS = 3600.0


def _row(
    name: str, deadline_seconds: float, period_seconds: Optional[float] = None, *, needs_root: bool = False
) -> Probe:
    return Probe("agent.probes." + name, deadline_seconds, period_seconds, needs_root)


PROBES: Dict[str, Probe] = {
    "software": _row("software", 5, DAY_SECONDS),
    "hardware": _row("hardware", 15, DAY_SECONDS, needs_root=True),
    "operating_system": _row("operating_system", 15, DAY_SECONDS),
    "monitors": _row("monitors", 10, DAY_SECONDS),
    "disks": _row("disks", 5, DAY_SECONDS),
    # A disk that slept is looked at again this often, which costs nothing; one that was awake is asked once a day. A
    # command to a disk may last a minute: the kernel ends it, and the probe is reported as one that took too long.
    "disk_health": _row("disk_health", 45, _HOUR_SECONDS, needs_root=True),
    # Often: after a start products are off for minutes, and a word of that time must not stand for the day.
    "protection": _row("protection", 50, _QUARTER_HOUR_SECONDS),
    "security": _row("security", 10, DAY_SECONDS),
    "updates": _row("updates", 30, 4 * _HOUR_SECONDS),
    "battery": _row("battery", 15, DAY_SECONDS),
    "network": _row("network", 10, DAY_SECONDS),
    # A question and its answer are 200 bytes: 20 kB a day and server. Three servers that do not answer, twice.
    "name_service": _row("name_service", 20, _QUARTER_HOUR_SECONDS),
    # A path that carries 1500 bytes costs 3 kB each time.
    "path_mtu": _row("path_mtu", 60, 6 * _HOUR_SECONDS),
    "uptime": _row("uptime", 5),
    "processor": _row("processor", 10),
    "memory": _row("memory", 5),
    "temperature": _row("temperature", 5),
    "disk_activity": _row("disk_activity", 5),
    "adapters": _row("adapters", 10),
    "filesystems": _row("filesystems", 10),
    # The longest window, its last probe's time-out, and room for a machine that is slow to begin.
    "latency": _row("latency", 59),
}

__all__ = ["PROBES", "Collected", "Probe", "ProbeContext"]
