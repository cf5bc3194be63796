"""Asks the disks of a Linux machine for their health: by the kernel's own calls, else through smartctl.

No sleeping disk is woken: one the kernel has put to sleep is not even opened, and one that spins is first asked by
CHECK POWER MODE, which a disk answers asleep. A disk that does not answer that is not asked anything else.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from agent.firmware import smart, smartctl
from agent.firmware.emmc import decode_emmc
from agent.firmware.smart import AtaRegisters, DiskHealth, JudgedDisk
from agent.host import Host
from agent.probes.disks import disk_rows
from agent.wire.report import Row

_PROGRAMS = ("/usr/sbin/smartctl", "/usr/local/sbin/smartctl", "/sbin/smartctl")
_LIMIT_SECONDS = 20.0
_HEALTH_LOG = 0x02
# Disks of virtual machines answer for a file.
_NOT_ASKED = ("vd", "xvd", "nbd", "pmem")
_EMMC = "mmcblk"
_VIRTUAL_MODELS = ("QEMU", "VBOX", "VMWARE", "VIRTUAL")


def judged_disks(host: Host) -> List[JudgedDisk]:
    """Disks whose word counts: neither virtual ones nor what hangs on USB."""
    return [_judged(row) for row in disk_rows(host, {}) if not _is_left_out(row)]


def read_health(host: Host, disk: JudgedDisk) -> Optional[DiskHealth]:
    """What a disk says; None if it sleeps and was left asleep.

    Raises:
        PermissionError: it may not be asked.
        OSError: it does not answer.
    """
    if host.text_or_none(f"/sys/block/{disk.name}/device/power/runtime_status") in ("suspended", "suspending"):
        return None
    if disk.name.startswith(_EMMC):
        return _emmc(host, disk)
    try:
        if disk.name.startswith("nvme"):
            return _nvme(host, disk)
        if host.text_or_none(f"/sys/block/{disk.name}/device/vendor") == "ATA":
            return _ata(host, disk)
    except OSError as error:
        return _through_smartctl(host, disk, error)
    # Behind a SCSI or RAID driver.
    return _through_smartctl(host, disk, OSError())


def known_disks(host: Host, _judged: List[JudgedDisk], hours: Dict[str, int]) -> List[Row]:
    """Rows of the fact `disk` with their hours."""
    return disk_rows(host, hours)


def _judged(row: Row) -> JudgedDisk:
    model, rotational = row["model"], row["rotational"]
    return JudgedDisk(
        str(row["device"]),
        None if model is None else str(model),
        rotational if isinstance(rotational, bool) else None,
    )


def _is_left_out(row: Row) -> bool:
    is_virtual = str(row["model"] or "").upper().startswith(_VIRTUAL_MODELS)
    name = str(row["device"])
    # Cards know nothing of this kind; what is soldered on does.
    is_card = name.startswith(_EMMC) and row["bus"] != "mmc"
    return row["removable"] is True or is_virtual or is_card or name.startswith(_NOT_ASKED)


def _emmc(host: Host, disk: JudgedDisk) -> DiskHealth:
    # The kernel read these registers when it started and shows them to everybody.
    folder = f"/sys/block/{disk.name}/device"
    health = decode_emmc(host.text_or_none(f"{folder}/life_time"), host.text_or_none(f"{folder}/pre_eol_info"))
    if health is None:
        raise OSError
    return health


def _nvme(host: Host, disk: JudgedDisk) -> DiskHealth:
    log = smart.decode_nvme_log(host.nvme_log_page(disk.name, _HEALTH_LOG, smart.SECTOR_BYTES))
    if log is None:
        raise OSError
    return smart.nvme_health(log.critical_warning, log.percentage_used, log.power_on_hours)


def _ata(host: Host, disk: JudgedDisk) -> Optional[DiskHealth]:
    def ask(command: bytes, receive_bytes: int = 0) -> Tuple[bytes, Optional[AtaRegisters]]:
        data, sense = host.scsi_command(disk.name, command, receive_bytes)
        return data, smart.registers_of_sense(sense)

    # What does not spin need not be left asleep.
    if disk.rotational is not False:
        sleeps = smart.is_asleep(ask(smart.check_power_mode_command())[1])
        if sleeps:
            return None
        if sleeps is None:
            raise OSError
    attributes = smart.decode_attributes(ask(smart.read_data_command(), smart.SECTOR_BYTES)[0])
    verdict = smart.verdict_of_registers(ask(smart.return_status_command())[1])
    if verdict == smart.UNKNOWN and attributes is not None:
        limits = smart.decode_thresholds(ask(smart.read_thresholds_command(), smart.SECTOR_BYTES)[0])
        verdict = smart.verdict_of_attributes(attributes, limits)
    if verdict == smart.UNKNOWN and attributes is None:
        raise OSError
    return smart.ata_health(verdict, attributes, model=disk.model, rotational=disk.rotational)


def _through_smartctl(host: Host, disk: JudgedDisk, problem: OSError) -> Optional[DiskHealth]:
    """By the program where it is installed; else, and where it knows no more, the problem stands."""
    program = host.program(*_PROGRAMS)
    if program is None:
        raise problem
    _, output = host.run(program, [*smartctl.OPTIONS, f"/dev/{disk.name}"], _LIMIT_SECONDS)
    if smartctl.is_asleep(output):
        return None
    health = smartctl.decode(output, rotational=disk.rotational)
    if health is None:
        raise problem
    return health
