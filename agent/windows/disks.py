"""Asks the disks of a Windows machine for their health, through the disk drivers alone: no program is started.

Which disks there are may anybody ask; what they say of themselves takes an administrator, as a service is. A disk that
Windows has put to sleep is left asleep.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from agent.firmware import smart
from agent.firmware import storage_query as query
from agent.firmware.makers_text import makers_text
from agent.firmware.rows import fact_row
from agent.firmware.smart import DiskHealth, JudgedDisk
from agent.host import Host
from agent.wire.report import Row

_DISKS = 16
_ASKED_BUSES = frozenset({query.BUS_ATA, query.BUS_SATA, query.BUS_NVME, query.BUS_RAID})
_VIRTUAL_WORDS = ("QEMU", "VBOX", "VMWARE", "VIRTUAL", "MSFT", "XEN")
_NVME = "nvme"
# STORAGE_BUS_TYPE of ntddstor.h.
_BUSES = {
    0x01: "scsi",
    0x03: "ata",
    0x07: "usb",
    0x08: "raid",
    0x0A: "sas",
    0x0B: "sata",
    0x0C: "sd",
    0x0D: "mmc",
    0x0E: "virtual",
    0x0F: "virtual",
    0x10: "raid",
    0x11: "nvme",
}


def judged_disks(host: Host) -> List[JudgedDisk]:
    """Disks whose word counts: neither virtual ones nor what hangs on USB."""
    found: List[JudgedDisk] = []
    for name, device in _devices(host):
        if device.removable or device.bus not in _ASKED_BUSES:
            continue
        if any(word in (device.model or "").upper() for word in _VIRTUAL_WORDS):
            continue
        kind = _NVME if device.bus == query.BUS_NVME else ""
        found.append(JudgedDisk(name, makers_text(device.model), _spins(host, name), kind))
    return found


def read_health(host: Host, disk: JudgedDisk) -> Optional[DiskHealth]:
    """What a disk says; None if it sleeps and was left asleep.

    Raises:
        PermissionError: it may not be asked.
        OSError: it does not answer.
    """
    if host.device_is_awake(disk.name) is False:
        return None
    return _nvme(host, disk) if disk.kind == _NVME else _ata(host, disk)


def known_disks(host: Host, _judged: List[JudgedDisk], hours: Dict[str, int]) -> List[Row]:
    """Rows of the fact `disk` with their hours."""
    return disk_rows(host, hours)


def disk_rows(host: Host, hours: Mapping[str, int]) -> List[Row]:
    """Rows of the fact `disk`: all with room on them; what hangs on USB, and cards, count as removable.

    Args:
        host: the machine.
        hours: device -> hours of operation, where they are known.
    """
    rows: List[Row] = []
    for name, device in _devices(host):
        size = _size_bytes(host, name)
        # An empty reader of cards; the size of a disk that is there tells everybody.
        if not size:
            continue
        bus = _BUSES.get(device.bus)
        rows.append(
            fact_row(
                "disk",
                device=name,
                model=makers_text(device.model),
                size_bytes=size,
                rotational=_spins(host, name),
                removable=device.removable or bus in ("usb", "sd"),
                power_on_hours=hours.get(name),
                bus=bus,
            )
        )
    return rows


def _devices(host: Host) -> Iterator[Tuple[str, query.StorageDevice]]:
    for number in range(_DISKS):
        name = f"PhysicalDrive{number}"
        try:
            answer = host.device_control(name, query.QUERY_PROPERTY, query.device_question(), query.DESCRIPTOR_BYTES)
        except OSError:
            # Numbers of disks that were taken out stay free.
            continue
        device = query.decode_device(answer)
        if device is not None:
            yield name, device


def _spins(host: Host, name: str) -> Optional[bool]:
    try:
        answer = host.device_control(name, query.QUERY_PROPERTY, query.seek_penalty_question(), query.DESCRIPTOR_BYTES)
    except OSError:
        return None
    return query.decode_seek_penalty(answer)


def _size_bytes(host: Host, name: str) -> Optional[int]:
    try:
        return query.decode_size_bytes(host.device_control(name, query.DRIVE_GEOMETRY, b"", query.GEOMETRY_BYTES))
    except OSError:
        return None


def _nvme(host: Host, disk: JudgedDisk) -> DiskHealth:
    question = query.nvme_log_question()
    answer = host.device_control(disk.name, query.QUERY_PROPERTY, question, query.NVME_LOG_BYTES, is_privileged=True)
    log = smart.decode_nvme_log(query.decode_nvme_answer(answer))
    if log is None:
        raise OSError
    return smart.nvme_health(log.critical_warning, log.percentage_used, log.power_on_hours)


def _ata(host: Host, disk: JudgedDisk) -> DiskHealth:
    # Of the two this one takes an administrator, so it decides whether the disk may be asked.
    attributes = smart.decode_attributes(_sector(host, disk, thresholds=False))
    verdict = _verdict(host, disk)
    if verdict == smart.UNKNOWN and attributes is not None:
        limits = smart.decode_thresholds(_sector(host, disk, thresholds=True))
        verdict = smart.verdict_of_attributes(attributes, limits)
    if verdict == smart.UNKNOWN and attributes is None:
        raise OSError
    return smart.ata_health(verdict, attributes, model=disk.model, rotational=disk.rotational)


def _sector(host: Host, disk: JudgedDisk, *, thresholds: bool) -> bytes:
    question = query.smart_question(thresholds=thresholds)
    try:
        answer = host.device_control(
            disk.name, query.SMART_RECEIVE, question, query.SMART_RECEIVE_BYTES, is_privileged=True
        )
    except PermissionError:
        raise
    except OSError:
        return b""
    return query.decode_smart(answer)


def _verdict(host: Host, disk: JudgedDisk) -> str:
    try:
        answer = host.device_control(
            disk.name, query.PREDICT_FAILURE, b"", query.PREDICT_FAILURE_BYTES, is_privileged=True
        )
    except OSError:
        return smart.UNKNOWN
    return query.decode_predict_failure(answer)
