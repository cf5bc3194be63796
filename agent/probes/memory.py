"""Memory and swap, and how much programs wait for memory."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional

from agent.errors import ProbeError
from agent.host import LINUX, WINDOWS, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import Sample

_LINE = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)
_PRESSURE = re.compile(r"^some .*total=(\d+)$", re.MULTILINE)
_SWAPPED_IN = re.compile(r"^pswpin (\d+)$", re.MULTILINE)
_USUAL_PAGE_BYTES = 4096

# What was read in the round before.
_EARLIER = "earlier"


def collect(host: Host, context: ProbeContext) -> Collected:
    """Samples `memory_total_bytes`, `memory_available_bytes` and `swap_used_bytes`; what is known of pressure beside.

    On Linux, from the second round on, `memory_stalled_ratio` (kernel 4.20 and newer) and `swap_in_bytes_per_second`;
    on Windows `memory_committed_bytes` and `memory_commit_limit_bytes`.
    """
    collected = _sizes(host)
    if host.system == LINUX:
        collected.samples.extend(_linux_pressure(host, context.memory))
    elif host.system == WINDOWS:
        from agent.windows import counters  # noqa: PLC0415  # the other system's module is not loaded

        collected.samples.extend(counters.commit_samples(host.memory_status()))
    return collected


def _sizes(host: Host) -> Collected:
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


def _samples(total: int, available: int, swap_used: int) -> List[Sample]:
    return [
        Sample("memory_total_bytes", total),
        Sample("memory_available_bytes", available),
        Sample("swap_used_bytes", swap_used),
    ]


def _linux_pressure(host: Host, memory: Dict[str, Any]) -> List[Sample]:
    """What the kernel's counts have grown by since the round before; one that shrank or is missing tells nothing."""
    now = host.monotonic_time_seconds()
    stalled = _count(_PRESSURE, host.text_or_none("/proc/pressure/memory"))
    swapped = _count(_SWAPPED_IN, host.text_or_none("/proc/vmstat"))
    earlier, memory[_EARLIER] = memory.get(_EARLIER), (now, stalled, swapped)
    samples: List[Sample] = []
    if earlier is None or now <= earlier[0]:
        return samples
    seconds = now - earlier[0]
    if stalled is not None and earlier[1] is not None and stalled >= earlier[1]:
        # The kernel counts microseconds.
        ratio = min((stalled - earlier[1]) / 1e6 / seconds, 1.0)
        samples.append(Sample("memory_stalled_ratio", round(ratio, 4)))
    if swapped is not None and earlier[2] is not None and swapped >= earlier[2]:
        rate = (swapped - earlier[2]) * _page_bytes() / seconds
        samples.append(Sample("swap_in_bytes_per_second", round(rate)))
    return samples


def _count(line: Any, text: Optional[str]) -> Optional[int]:
    found = line.search(text or "")
    return int(found.group(1)) if found else None


def _page_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return _USUAL_PAGE_BYTES
