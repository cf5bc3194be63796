"""What the disks say of their own health: SMART of ATA disks, the health log of NVMe ones. No serial numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional

from agent.errors import NoDataError, NoRightsError
from agent.host import WINDOWS, Host
from agent.probes.contract import DAY_SECONDS, DISK_HOURS, Collected, ProbeContext
from agent.wire.facts import FACTS
from agent.wire.message import mark
from agent.wire.report import FactValue, Row

if TYPE_CHECKING:
    from agent.firmware.smart import DiskHealth, JudgedDisk

_ANSWERED, _ASLEEP, _REFUSED, _MUTE = "answered", "asleep", "refused", "mute"


class _Word(NamedTuple):
    """What a disk said when it was last asked, or why it said nothing."""

    row: Row
    outcome: str
    asked_at: float
    temperature_warning: bool = False


def collect(host: Host, context: ProbeContext) -> Collected:
    """Fact `disk_health`, one row for each disk that is judged; and `disk` with the hours that these tell.

    Raises:
        NoDataError: no disk is judged, or none may be asked.
    """
    asking = _asking(host)
    disks = asking.judged_disks(host)
    if not disks:
        raise NoDataError("no disk here can tell of its health: virtual disks and those on USB are not asked")
    now = host.monotonic_time_seconds()
    for disk in disks:
        kept = context.memory.get(disk.name)
        last = None if kept is None else _Word(*kept)
        if last is not None and last.row["model"] != disk.model:
            last = None
        if last is None or last.outcome == _ASLEEP or now - last.asked_at >= DAY_SECONDS:
            context.memory[disk.name] = _ask(asking, host, disk, last, now)
    words = [_Word(*context.memory[disk.name]) for disk in disks]
    if all(word.outcome == _REFUSED for word in words):
        raise NoRightsError("disks tell of their health to administrators only, and the agent is none here")
    facts: Dict[str, FactValue] = {"disk_health": [word.row for word in words]}
    told = ((str(word.row["device"]), word.row["power_on_hours"]) for word in words)
    hours = {name: count for name, count in told if isinstance(count, int)}
    # For the other probe of disks, whose own rounds must not take the hours out of its fact again.
    context.told[DISK_HOURS] = hours
    if hours:
        facts["disk"] = asking.known_disks(host, disks, hours)
    lacks_rights = any(word.outcome == _REFUSED for word in words)
    return Collected(facts=facts, remark=_remark(words), lacks_rights=lacks_rights)


def _asking(host: Host) -> Any:
    # Only here, for each brings in what the other system has no use of.
    if host.system == WINDOWS:
        from agent.windows import disks  # noqa: PLC0415  # the other system's module is not loaded

        return disks
    from agent.linux import disks as of_linux  # noqa: PLC0415  # the other system's module is not loaded

    return of_linux


def _ask(asking: Any, host: Host, disk: JudgedDisk, last: Optional[_Word], now: float) -> _Word:
    health: Optional[DiskHealth] = None
    try:
        health = asking.read_health(host, disk)
        outcome = _ASLEEP if health is None else _ANSWERED
    except PermissionError:
        outcome = _REFUSED
    except OSError:
        outcome = _MUTE
    if health is not None:
        return _Word(_row(disk, health), outcome, now, health.temperature_warning)
    if outcome == _ASLEEP and last is not None:
        return _Word(last.row, outcome, last.asked_at)
    row = _row(disk, None)
    # A disk does not grow younger because it is silent.
    row["power_on_hours"] = None if last is None else last.row["power_on_hours"]
    return _Word(row, outcome, now)


def _row(disk: JudgedDisk, health: Optional[DiskHealth]) -> Row:
    row: Row = dict.fromkeys(FACTS["disk_health"].columns)
    row.update(device=disk.name, model=disk.model, smart_health="unknown")
    if health is not None:
        row.update(
            smart_health=health.verdict,
            wear_ratio=health.wear_ratio,
            reallocated_sectors=health.reallocated_sectors,
            pending_sectors=health.pending_sectors,
            power_on_hours=health.power_on_hours,
        )
    return row


def _remark(words: List[_Word]) -> str:
    """The one thing that is most worth saying."""
    outcomes = {word.outcome for word in words}
    if _ASLEEP in outcomes:
        return mark("a disk sleeps and was not woken; what it said when it was last awake, if it was, is told again")
    if _REFUSED in outcomes:
        return mark("some disks tell of their health to administrators only, and the agent is none here")
    if _MUTE in outcomes:
        return mark("a disk does not answer the question for its health")
    if any(word.temperature_warning for word in words):
        return mark("a disk says that it is too hot or too cold")
    return ""
