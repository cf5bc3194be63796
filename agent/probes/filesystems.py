"""Size and free room of fixed file systems. Labels are `/`, a drive letter or a block device: never a path's words."""

from __future__ import annotations

from typing import Any, Dict, List

from agent.errors import NoDataError, ProbeError
from agent.host import LINUX, Host
from agent.probes.contract import Collected, ProbeContext
from agent.wire.message import mark
from agent.wire.report import Row, Sample

_NEVER_FIXED = frozenset({"squashfs", "iso9660", "udf", "cramfs", "erofs"})
_NEVER_FIXED_DEVICES = ("loop", "sr", "fd", "zram", "nbd")


def collect(host: Host, _context: ProbeContext) -> Collected:
    """Samples `filesystem_size_bytes` and `filesystem_available_bytes`, fact `filesystem`."""
    library = host.psutil()
    host.note_source("psutil.disk_partitions")
    try:
        partitions = library.disk_partitions(all=False)
    except (OSError, RuntimeError) as error:
        raise ProbeError("the system does not tell its file systems") from error
    samples: List[Sample] = []
    rows: List[Row] = []
    unread = 0
    found = _fixed(host, partitions)
    for label in sorted(found):
        try:
            size, available = host.file_system_space_bytes(found[label].mountpoint)
        except OSError:
            unread += 1
            continue
        labels = {"filesystem": label}
        samples.append(Sample("filesystem_size_bytes", size, labels))
        samples.append(Sample("filesystem_available_bytes", available, labels))
        rows.append({"filesystem": label, "type": found[label].fstype, "size_bytes": size})
    if not found:
        raise NoDataError("no fixed file system was found")
    if not rows:
        raise ProbeError("no file system can be asked for its room")
    remark = mark("some file systems cannot be asked for their room") if unread else ""
    return Collected(samples, {"filesystem": rows}, remark)


def _fixed(host: Host, partitions: List[Any]) -> Dict[str, Any]:
    """Label -> partition, each device once even if it is mounted at several places."""
    chosen: Dict[str, Any] = {}
    for partition in partitions:
        if host.system != LINUX:
            if "fixed" in partition.opts.split(",") and partition.fstype:
                chosen[partition.device.rstrip("\\/")] = partition
            continue
        device = _block_device(host, partition.device)
        if partition.fstype in _NEVER_FIXED or device.startswith(_NEVER_FIXED_DEVICES) or _is_removable(host, device):
            continue
        earlier = chosen.get(device)
        if earlier is None or partition.mountpoint == "/":
            chosen[device] = partition
    return {"/" if partition.mountpoint == "/" else name: partition for name, partition in chosen.items()}


def _block_device(host: Host, device: str) -> str:
    """The kernel's name, as sda1 or dm-0: mapper names are the administrator's own words."""
    return (host.real_path(device) if host.exists(device) else device).rsplit("/", 1)[-1]


def _is_removable(host: Host, device: str) -> bool:
    """Whether the disk under a partition is a stick, a card or anything on USB."""
    folder = host.real_path(f"/sys/class/block/{device}")
    disk = folder if host.exists(f"{folder}/removable") else folder.rsplit("/", 1)[0]
    return "/usb" in folder or host.text_or_none(f"{disk}/removable") == "1"
