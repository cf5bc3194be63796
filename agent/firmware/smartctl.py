"""What `smartctl --json` (smartmontools 7.0 and newer) says of a disk. Pure: its output in, values out."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from agent.firmware.smart import FAILING, OK, UNKNOWN, Attribute, DiskHealth, ata_health, nvme_health

# Asks for name, verdict and attributes, and leaves a disk that sleeps asleep.
OPTIONS = ("--json", "-n", "standby", "-i", "-H", "-A")

# Bits of its exit status (smartctl(8)): bad words; could not open, or sleeps; a command failed and nothing was told.
_NO_ANSWER = 0x03
_SLEEP_WORDS = ("STANDBY", "SLEEP")


def is_asleep(output: bytes) -> bool:
    """Whether it left the disk alone because that slept: it tells so in a sentence only."""
    messages = _table(_table(_document(output).get("smartctl")).get("messages"), list)
    texts = [str(_table(message).get("string", "")) for message in messages]
    return any("mode, exit(" in text and any(word in text for word in _SLEEP_WORDS) for text in texts)


def decode(output: bytes, *, rotational: Optional[bool]) -> Optional[DiskHealth]:
    """What it found; None where it could not ask the disk.

    Args:
        output: what it wrote, as JSON.
        rotational: only disks that do not spin wear by writing.
    """
    document = _document(output)
    status = _whole(_table(document.get("smartctl")).get("exit_status"))
    if status is None or status & _NO_ANSWER:
        return None
    hours = _whole(_table(document.get("power_on_time")).get("hours"))
    log = _table(document.get("nvme_smart_health_information_log"))
    warning = _whole(log.get("critical_warning"))
    if warning is not None:
        return nvme_health(warning, _whole(log.get("percentage_used")), hours)
    passed = _table(document.get("smart_status")).get("passed")
    verdict = {True: OK, False: FAILING}[passed] if isinstance(passed, bool) else UNKNOWN
    health = ata_health(verdict, _attributes(document), model=None, rotational=rotational)
    # Its own data base knows which disks count something else than hours.
    return DiskHealth(verdict, health.wear_ratio, health.reallocated_sectors, health.pending_sectors, hours)


def _attributes(document: Dict[str, Any]) -> Dict[int, Attribute]:
    found: Dict[int, Attribute] = {}
    rows: List[Any] = _table(_table(document.get("ata_smart_attributes")).get("table"), list)
    for row in rows:
        table = _table(row)
        number, value = _whole(table.get("id")), _whole(table.get("value"))
        raw = _whole(_table(table.get("raw")).get("value"))
        if number is not None and value is not None and raw is not None:
            found[number] = Attribute(0, value, _whole(table.get("worst")) or 0, raw)
    return found


def _document(output: bytes) -> Dict[str, Any]:
    try:
        return dict(_table(json.loads(output.decode("utf-8", "replace"))))
    except ValueError:
        return {}


def _table(value: Any, kind: Any = dict) -> Any:
    """The value where it is of the kind expected, else an empty one."""
    return value if isinstance(value, kind) else kind()


def _whole(value: Any) -> Optional[int]:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
