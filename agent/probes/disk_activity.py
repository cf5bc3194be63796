"""How long a disk's reads and writes take, and how busy it is: from counts of the system; no disk is touched."""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Tuple

from agent.errors import NoDataError, ProbeError
from agent.host import WINDOWS, Host
from agent.probes.contract import Collected, DiskCounts, ProbeContext
from agent.wire.message import mark
from agent.wire.report import Sample

_TABLE = "/proc/diskstats"
# Whole disks inside a machine; what hangs on USB is told by where it hangs.
_DISK = re.compile(r"(sd[a-z]+|hd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+)$")
# Columns of the table (Documentation/admin-guide/iostats.rst): name, then reads, writes, time of either, time with any.
_NAME, _READS, _READ_MS, _WRITES, _WRITE_MS, _BUSY_MS = 2, 3, 6, 7, 10, 12
# Of fewer the mean is a matter of chance.
_FEWEST_OPERATIONS = 10
_WINDOWS_DISKS = 8

_EARLIER, _INSIDE, _NUMBERS = "earlier", "inside", "numbers"
_NO_DISK = mark("the system counts no disk's reads and writes")


def collect(host: Host, context: ProbeContext) -> Collected:
    """Samples `disk_io_seconds` and `disk_busy_ratio` of each disk, from the second round on.

    Raises:
        NoDataError: there is no disk, or its counts are not kept.
        ProbeError: they cannot be read.
    """
    now = host.monotonic_time_seconds()
    found = _windows_disks(host, context) if host.system == WINDOWS else _linux_disks(host, context)
    if not found:
        raise NoDataError(_NO_DISK)
    earlier: Optional[Tuple[float, Dict[str, DiskCounts]]] = context.memory.get(_EARLIER)
    context.memory[_EARLIER] = now, found
    samples: List[Sample] = []
    if earlier is not None and now > earlier[0]:
        for name, counts in found.items():
            if name in earlier[1]:
                samples.extend(_samples(name, earlier[1][name], counts, now - earlier[0]))
    return Collected(samples)


def _samples(name: str, before: DiskCounts, after: DiskCounts, seconds: float) -> List[Sample]:
    operations = after.operations - before.operations
    spent, busy = after.operation_seconds - before.operation_seconds, after.busy_seconds - before.busy_seconds
    # The disk was changed, or a count began anew, as one of milliseconds does after 49 days.
    if operations < 0 or spent < 0 or busy < 0:
        return []
    labels = {"disk": name}
    samples = [Sample("disk_busy_ratio", round(min(busy / seconds, 1.0), 4), labels)]
    if operations >= _FEWEST_OPERATIONS:
        samples.append(Sample("disk_io_seconds", round(spent / operations, 6), labels))
    return samples


def _linux_disks(host: Host, context: ProbeContext) -> Dict[str, DiskCounts]:
    try:
        text = host.read_text(_TABLE)
    except FileNotFoundError as error:
        raise NoDataError(_NO_DISK) from error
    except OSError as error:
        raise ProbeError("/proc/diskstats cannot be read") from error
    inside: Dict[str, bool] = context.memory.setdefault(_INSIDE, {})
    found: Dict[str, DiskCounts] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) <= _BUSY_MS or not _DISK.match(words[_NAME]):
            continue
        name = words[_NAME]
        if name not in inside:
            inside[name] = _is_inside(host, name)
        if inside[name]:
            reads, read_ms, writes, write_ms, busy_ms = (
                int(words[at]) for at in (_READS, _READ_MS, _WRITES, _WRITE_MS, _BUSY_MS)
            )
            found[name] = DiskCounts(reads + writes, (read_ms + write_ms) / 1000, busy_ms / 1000)
    return found


def _is_inside(host: Host, name: str) -> bool:
    folder = f"/sys/block/{name}"
    return host.text_or_none(f"{folder}/removable") != "1" and "/usb" not in host.real_path(folder)


def _windows_disks(host: Host, context: ProbeContext) -> Dict[str, DiskCounts]:
    from agent.windows import counters  # noqa: PLC0415  # the other system's module is not loaded

    numbers: List[int] = context.memory.setdefault(_NUMBERS, [])
    found: Dict[str, DiskCounts] = {}
    # All are tried until one has answered; a disk plugged in later is not of interest.
    for number in numbers or range(_WINDOWS_DISKS):
        name = f"PhysicalDrive{number}"
        try:
            answer = host.device_control(name, counters.DISK_PERFORMANCE, b"", counters.DISK_PERFORMANCE_BYTES)
        except OSError:
            continue
        counts = counters.decode_disk_performance(answer)
        if counts is not None:
            found[name] = counts
    numbers[:] = [int(name[len("PhysicalDrive") :]) for name in found]
    return found
