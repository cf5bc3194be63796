"""What has changed about a terminal since it was enrolled: a replaced disk or board, another system, another name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from agent.wire.message import mark
from agent.wire.report import FactValue
from collector.db.devices import PLACE_HISTORY
from collector.db.tables import device_fact_history
from inventory.units import load_units

GIBIBYTE = 1024**3
MOST_ROWS = 20_000


@dataclass(frozen=True)
class Change:
    """One change.

    Args:
        at: when it was noticed, seconds since 1970-01-01 UTC.
        label: English msgid of what changed.
        before: what it was.
        after: what it became.
    """

    at: float
    label: str
    before: str
    after: str


def _columns(*names: str) -> Callable[[FactValue], str]:
    def text(value: FactValue) -> str:
        rows = value if isinstance(value, list) else ()
        return "; ".join(dict.fromkeys(" ".join(str(row[name]) for name in names if row.get(name)) for row in rows))

    return text


def _disks(value: FactValue) -> str:
    """Disks without what counts up, as the hours they ran; sticks that come and go are none."""
    rows = value if isinstance(value, list) else ()
    return "; ".join(
        f"{row.get('model') or row.get('device')} ({_bytes(row.get('size_bytes')) // GIBIBYTE} GiB)"
        for row in rows
        if not row.get("removable")
    )


def _memory(value: FactValue) -> str:
    rows = value if isinstance(value, list) else ()
    return f"{sum(_bytes(row.get('size_bytes')) for row in rows) // GIBIBYTE} GiB"


def _bytes(value: object) -> int:
    """A size as the terminal told it; 0 where it told none, or something else."""
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0


def _place(value: FactValue) -> str:
    rows = value if isinstance(value, list) else ()
    names = {unit.code: unit.name for unit in load_units()}
    return "; ".join(f"{names.get(str(row['unit_code']), row['unit_code'])}, {row['site']}" for row in rows)


# What is told of, and as which text it is compared: facts that change by themselves would hide what a person did.
TOLD: dict[str, tuple[str, Callable[[FactValue], str]]] = {
    "system": (mark("Machine"), _columns("manufacturer", "product", "serial")),
    "baseboard": (mark("Board"), _columns("manufacturer", "product", "serial")),
    "chassis": (mark("Case"), _columns("serial", "asset_tag")),
    "processor": (mark("Processor"), _columns("version")),
    "memory_device": (mark("Memory"), _memory),
    "disk": (mark("Disks"), _disks),
    "os_name": (mark("Operating system"), str),
    # Only its digest is known here; eight signs tell one from another.
    "computer_name_sha256": (mark("Computer name"), lambda value: str(value)[:8]),
    PLACE_HISTORY: (mark("Unit"), _place),
}


def device_changes(connection: Connection, device_id: str, facts: Mapping[str, FactValue]) -> list[Change]:
    """Changes of a terminal's lasting facts, the newest first; `facts` are those of now."""
    rows = connection.execute(
        select(device_fact_history)
        .where(device_fact_history.c.device_id == device_id, device_fact_history.c.name.in_(TOLD))
        .order_by(device_fact_history.c.id.desc())
        .limit(MOST_ROWS)
    ).all()
    return changes_of(reversed(rows), facts)


def changes_of(rows: Iterable[Any], facts: Mapping[str, FactValue]) -> list[Change]:
    """The changes that history rows, the oldest first, and the facts of now make together; the newest first."""
    chains: dict[str, list[tuple[float, str]]] = {}
    for row in rows:
        chains.setdefault(row.name, []).append((row.until, TOLD[row.name][1](row.value)))
    changes = []
    for name, chain in chains.items():
        label, text = TOLD[name]
        now = text(facts[name]) if name in facts else ""
        for (until, before), (_, after) in zip(chain, [*chain[1:], (0.0, now)], strict=True):
            if before != after:
                changes.append(Change(until, label, before, after))
    return sorted(changes, key=lambda change: change.at, reverse=True)
