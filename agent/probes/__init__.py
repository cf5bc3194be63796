"""The table of probes. One more probe is its file here, one row below, and its rows in the catalogue."""

from __future__ import annotations

from typing import Dict

from agent.probes import (
    disks,
    filesystems,
    hardware,
    latency,
    memory,
    monitors,
    network,
    operating_system,
    processor,
    software,
    uptime,
)
from agent.probes.contract import DAY_SECONDS, Collected, Probe, ProbeContext

PROBES: Dict[str, Probe] = {
    "software": Probe(software.collect, deadline_seconds=5, period_seconds=DAY_SECONDS),
    "hardware": Probe(hardware.collect, deadline_seconds=15, period_seconds=DAY_SECONDS),
    "operating_system": Probe(operating_system.collect, deadline_seconds=15, period_seconds=DAY_SECONDS),
    "monitors": Probe(monitors.collect, deadline_seconds=10, period_seconds=DAY_SECONDS),
    "disks": Probe(disks.collect, deadline_seconds=5, period_seconds=DAY_SECONDS),
    "network": Probe(network.collect, deadline_seconds=10, period_seconds=DAY_SECONDS),
    "uptime": Probe(uptime.collect, deadline_seconds=5),
    "processor": Probe(processor.collect, deadline_seconds=10),
    "memory": Probe(memory.collect, deadline_seconds=5),
    "filesystems": Probe(filesystems.collect, deadline_seconds=10),
    "latency": Probe(latency.collect, deadline_seconds=latency.DEADLINE_SECONDS),
}

__all__ = ["PROBES", "Collected", "Probe", "ProbeContext"]
