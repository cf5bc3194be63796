"""How long the machine has been running."""

from __future__ import annotations

from agent.errors import ProbeError
from agent.host import LINUX, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.report import Sample


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Sample `uptime_seconds`: the kernel's own count on Linux, which a clock step cannot change; else psutil's."""
    if host.system == LINUX:
        try:
            uptime = float(host.read_text("/proc/uptime").split()[0])
        except (OSError, ValueError, IndexError) as error:
            raise ProbeError("/proc/uptime cannot be read") from error
    else:
        library = host.psutil()
        host.note_source("psutil.boot_time")
        uptime = max(0.0, host.wall_time_seconds() - library.boot_time())
    return Collected([Sample("uptime_seconds", round(uptime, 2))])
