"""Ways that terminals traced, as the registry keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from collector.db.tables import device, device_fact, device_fact_history

PATH_TRACE = "path_trace"


@dataclass(frozen=True, slots=True)
class TracedPath:
    """One way as one terminal saw it.

    Args:
        device_id, unit_code, site: the terminal.
        target: whereto.
        request: number of the wish.
        at: when it was reported, seconds since 1970-01-01 UTC.
        hops: routers that answered, nearest first: distance, address, sent, received, rtt_min_seconds.
        problem: why there are none; empty where there are.
    """

    device_id: str
    unit_code: str
    site: str
    target: str
    request: int
    at: float
    hops: tuple[dict[str, Any], ...]
    problem: str


def traced_paths(
    connection: Connection, *, device_id: str = "", unit_code: str = "", limit: int = 100
) -> list[TracedPath]:
    """The newest ways first.

    Args:
        connection: of the registry.
        device_id: of one terminal only; empty for all.
        unit_code: of one unit only; empty for all.
        limit: at most so many.
    """
    found: list[TracedPath] = []
    sources = ((device_fact, device_fact.c.changed_at), (device_fact_history, device_fact_history.c.since))
    for table, moment in sources:
        query = (
            select(table.c.device_id, table.c.value, moment.label("at"), device.c.unit_code, device.c.site)
            .join(device, device.c.id == table.c.device_id)
            .where(table.c.name == PATH_TRACE)
            .order_by(moment.desc())
            .limit(limit)
        )
        if device_id:
            query = query.where(table.c.device_id == device_id)
        if unit_code:
            query = query.where(device.c.unit_code == unit_code)
        for row in connection.execute(query):
            found += _paths(row)
    return sorted(found, key=lambda one: (-one.at, one.device_id))[:limit]


def _paths(row: Any) -> Iterator[TracedPath]:
    rows = [one for one in row.value if isinstance(one, dict)] if isinstance(row.value, list) else []
    if not rows:
        return
    hops = tuple(_hop(one) for one in rows if _number(one.get("distance")) is not None)
    problem = next((_printable(one["problem"]) for one in rows if one.get("problem")), "")
    first = rows[0]
    number = first.get("request")
    yield TracedPath(
        row.device_id,
        row.unit_code,
        row.site,
        _printable(first.get("target") or ""),
        number if isinstance(number, int) else 0,
        row.at,
        hops,
        problem,
    )


def _hop(row: dict[str, Any]) -> dict[str, Any]:
    """A router of one row; what is not of the kind it should be counts as not told."""
    address = row.get("address")
    numbers = {name: _number(row.get(name)) for name in ("distance", "sent", "received", "rtt_min_seconds")}
    return {**numbers, "address": _printable(address) if isinstance(address, str) else None}


def _number(value: object) -> int | float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _printable(value: object) -> str:
    """A terminal's word, without what would steer the screen it is shown on."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))
