"""Memory and swap."""

from __future__ import annotations

import re
from typing import Dict

from agent.errors import ProbeError
from agent.host import LINUX, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import Sample

_LINE = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Samples `memory_total_bytes`, `memory_available_bytes` and `swap_used_bytes`."""
    try:
        library = host.psutil()
    except ProbeError:
        if host.system != LINUX:
            raise
        return _from_meminfo(host)
    host.note_source("psutil.virtual_memory")
    host.note_source("psutil.swap_memory")
    try:
        main, swap = library.virtual_memory(), library.swap_memory()
    except (OSError, RuntimeError, ValueError) as error:
        raise ProbeError("the system does not tell its memory") from error
    return Collected(_samples(main.total, main.available, swap.used))


def _from_meminfo(host: Host) -> Collected:
    try:
        found: Dict[str, int] = {name: int(kib) * 1024 for name, kib in _LINE.findall(host.read_text("/proc/meminfo"))}
        samples = _samples(found["MemTotal"], found["MemAvailable"], found["SwapTotal"] - found["SwapFree"])
    except (OSError, KeyError) as error:
        raise ProbeError("/proc/meminfo cannot be read") from error
    return Collected(samples, remark=mark("psutil is not installed; read from /proc"))


def _samples(total: int, available: int, swap_used: int) -> list[Sample]:
    return [
        Sample("memory_total_bytes", total),
        Sample("memory_available_bytes", available),
        Sample("swap_used_bytes", swap_used),
    ]
