"""The table of probes. One more probe is its file here, one row below, and its rows in the catalogue."""

from __future__ import annotations

import importlib
import sys
from typing import Dict

from agent.probes import (
    disk_health,
    disks,
    filesystems,
    hardware,
    latency,
    memory,
    monitors,
    network,
    operating_system,
    processor,
    protection,
    software,
    uptime,
)
from agent.probes.contract import DAY_SECONDS, Collected, Probe, ProbeContext

# What two of them load for the system they run on, loaded here by the first thread: imported in a thread of a probe it
# stays in that thread's part of the memory and takes 1.2 MiB instead of 0.3.
for _name in ("disks", "protection"):
    importlib.import_module(f"agent.{'windows' if sys.platform == 'win32' else 'linux'}.{_name}")

PROBES: Dict[str, Probe] = {
    "software": Probe(software.collect, deadline_seconds=5, period_seconds=DAY_SECONDS),
    "hardware": Probe(hardware.collect, deadline_seconds=15, period_seconds=DAY_SECONDS),
    "operating_system": Probe(operating_system.collect, deadline_seconds=15, period_seconds=DAY_SECONDS),
    "monitors": Probe(monitors.collect, deadline_seconds=10, period_seconds=DAY_SECONDS),
    "disks": Probe(disks.collect, deadline_seconds=5, period_seconds=DAY_SECONDS),
    "disk_health": Probe(
        disk_health.collect, deadline_seconds=disk_health.DEADLINE_SECONDS, period_seconds=disk_health.PERIOD_SECONDS
    ),
    "protection": Probe(
        protection.collect, deadline_seconds=protection.DEADLINE_SECONDS, period_seconds=protection.PERIOD_SECONDS
    ),
    "network": Probe(network.collect, deadline_seconds=10, period_seconds=DAY_SECONDS),
    "uptime": Probe(uptime.collect, deadline_seconds=5),
    "processor": Probe(processor.collect, deadline_seconds=10),
    "memory": Probe(memory.collect, deadline_seconds=5),
    "filesystems": Probe(filesystems.collect, deadline_seconds=10),
    "latency": Probe(latency.collect, deadline_seconds=latency.DEADLINE_SECONDS),
}

__all__ = ["PROBES", "Collected", "Probe", "ProbeContext"]
