"""Disks as the system lists them. Nothing here wakes a disk: all is read from the memory of the kernel and its drivers.

Hours of operation (`power_on_hours`) are those that the probe `disk_health` has learnt, which asks the disks themselves
where it may. Serial numbers are not read.
"""

from __future__ import annotations

import re
from typing import List, Mapping, Optional

from agent.errors import NoDataError
from agent.firmware.makers_text import makers_text
from agent.firmware.rows import fact_row
from agent.host import WINDOWS, Host
from agent.probes.contract import DISK_HOURS, Collected, ProbeContext
from agent.wire.report import Row

_FOLDER = "/sys/block"
# The kernel counts in these whatever the disk's own sectors are.
_SECTOR_BYTES = 512
# Made of other disks or of memory, or drives for disks that come and go; parts of an eMMC that hold no files.
_NOT_A_DISK = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd|mtdblock)\d|mmcblk\d+(boot|rpmb|gp)")

# A part of the kernel's path or the beginning of the name: what hangs there. libata drives SATA and its forerunner.
_BUSES = (("nvme", "nvme"), ("/virtio", "virtual"), ("vd", "virtual"), ("xvd", "virtual"), ("/ata", "ata"))


def collect(host: Host, context: ProbeContext) -> Collected:
    """Fact `disk`: one row for each disk with room on it; what hangs on USB counts as removable.

    Raises:
        NoDataError: no disk was found.
    """
    hours = context.told.get(DISK_HOURS, {})
    if host.system == WINDOWS:
        from agent.windows import disks as of_windows  # noqa: PLC0415  # the other system's module is not loaded

        rows = of_windows.disk_rows(host, hours)
    else:
        rows = disk_rows(host, hours)
    if not rows:
        raise NoDataError("no disk was found")
    return Collected(facts={"disk": [*rows]})


def disk_rows(host: Host, hours: Mapping[str, int]) -> List[Row]:
    """Rows of the fact `disk`, of a Linux machine.

    Args:
        host: the machine.
        hours: device -> hours of operation, where they are known.
    """
    names = sorted(path.parent.name for path in host.path(_FOLDER).glob("*/size"))
    found = (_disk(host, name) for name in names if not _NOT_A_DISK.match(name))
    rows: List[Row] = [row for row in found if row is not None]
    for row in rows:
        row["power_on_hours"] = hours.get(str(row["device"]))
    return rows


def _disk(host: Host, name: str) -> Optional[Row]:
    folder = f"{_FOLDER}/{name}"
    sectors = host.text_or_none(f"{folder}/size") or ""
    # A path of a multipath disk is hidden: the disk itself is listed too.
    if not _is_count(sectors) or not int(sectors) or host.text_or_none(f"{folder}/hidden") == "1":
        return None
    row = fact_row(
        "disk",
        device=name,
        model=makers_text(host.text_or_none(f"{folder}/device/model") or host.text_or_none(f"{folder}/device/name")),
        size_bytes=int(sectors) * _SECTOR_BYTES,
        rotational=_flag(host, f"{folder}/queue/rotational"),
        removable=_flag(host, f"{folder}/removable"),
    )
    row["bus"] = _bus(host, folder, name)
    if row["bus"] in ("sd", "usb"):
        row["removable"] = True
    return row


def _bus(host: Host, folder: str, name: str) -> Optional[str]:
    path = host.real_path(folder)
    if "/usb" in path:
        return "usb"
    if name.startswith("mmcblk"):
        return {"SD": "sd", "MMC": "mmc"}.get(host.text_or_none(f"{folder}/device/type") or "")
    return next((bus for part, bus in _BUSES if part in path or name.startswith(part)), None)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _flag(host: Host, name: str) -> Optional[bool]:
    return {"0": False, "1": True}.get(host.text_or_none(name) or "")
