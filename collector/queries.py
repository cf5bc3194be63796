"""What pages and API read from the registry; each function is one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Subquery, func, select

from collector.db.tables import (
    alert_state,
    device,
    device_age,
    device_fact,
    device_probe,
    rejected,
    transition,
)

# A terminal is taken as present until so many upload intervals have passed without a report.
PRESENT_INTERVALS = 2
OPEN_STATES = ("pending", "firing")


@dataclass(frozen=True)
class DeviceRow:
    """One terminal in a list."""

    id: str
    unit_code: str
    site: str
    enrolled_at: float
    last_seen_at: float | None
    last_report_at: float | None
    clock_skew_seconds: float | None
    revoked: bool
    manufacturer: str
    product: str
    processor: str
    operating_system: str
    samples: Sequence[Mapping[str, Any]]
    age: Row[Any] | None
    firing: int


def devices(
    connection: Connection,
    *,
    unit_code: str | None = None,
    device_id: str | None = None,
    limit: int = 500,
    offset: int = 0,
) -> list[DeviceRow]:
    """Terminals in the order of unit and id, with what a list shows of each."""
    query = select(device).order_by(device.c.unit_code, device.c.id).limit(limit).offset(offset)
    if unit_code is not None:
        query = query.where(device.c.unit_code == unit_code)
    if device_id is not None:
        query = query.where(device.c.id == device_id)
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    facts: dict[str, dict[str, Any]] = {}
    wanted = ("system", "processor", "os_name", "os_version")
    for fact in connection.execute(
        select(device_fact.c.device_id, device_fact.c.name, device_fact.c.value).where(
            device_fact.c.device_id.in_(ids),
            device_fact.c.name.in_(wanted),
        ),
    ):
        facts.setdefault(fact.device_id, {})[fact.name] = fact.value
    ages = {row.device_id: row for row in connection.execute(select(device_age).where(device_age.c.device_id.in_(ids)))}
    firing = {
        row.device_id: row.firing
        for row in connection.execute(
            select(
                transition.c.device_id,
                func.count(func.distinct(transition.c.rule + transition.c.subject)).label("firing"),
            )
            .join(
                alert_state,
                (alert_state.c.rule == transition.c.rule) & (alert_state.c.subject == transition.c.subject),
            )
            .where(alert_state.c.state == "firing", transition.c.device_id.in_(ids))
            .group_by(transition.c.device_id),
        )
    }
    return [_device_row(row, facts.get(row.id, {}), ages.get(row.id), firing.get(row.id, 0)) for row in rows]


def _device_row(row: Row[Any], facts: Mapping[str, Any], age: Row[Any] | None, firing: int) -> DeviceRow:
    system = _first_row(facts.get("system"))
    return DeviceRow(
        id=row.id,
        unit_code=row.unit_code,
        site=row.site,
        enrolled_at=row.enrolled_at,
        last_seen_at=row.last_seen_at,
        last_report_at=row.last_report_at,
        clock_skew_seconds=row.clock_skew_seconds,
        revoked=row.revoked_at is not None,
        manufacturer=str(system.get("manufacturer") or ""),
        product=str(system.get("product") or ""),
        processor=str(_first_row(facts.get("processor")).get("version") or ""),
        operating_system=" ".join(str(facts[name]) for name in ("os_name", "os_version") if facts.get(name)),
        samples=row.last_samples or (),
        age=age,
        firing=firing,
    )


def _first_row(value: Any) -> Mapping[str, Any]:
    return value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}


def device_count(connection: Connection, unit_code: str | None = None) -> int:
    """How many terminals are enrolled, in one unit or in all."""
    query = select(func.count()).select_from(device)
    if unit_code is not None:
        query = query.where(device.c.unit_code == unit_code)
    return int(connection.execute(query).scalar_one())


@dataclass(frozen=True)
class UnitCounts:
    """What the overview says of one unit."""

    devices: int = 0
    present: int = 0
    over_10_years: int = 0
    uncertain: int = 0
    firing: int = 0


def unit_counts(connection: Connection, now: float, upload_interval_seconds: float) -> dict[str, UnitCounts]:
    """Counts of every unit that has a terminal; `upload_interval_seconds` is what agents are told."""
    present_since = now - PRESENT_INTERVALS * upload_interval_seconds
    rows = connection.execute(
        select(
            device.c.unit_code,
            func.count().label("devices"),
            func.count().filter(device.c.last_seen_at > present_since).label("present"),
            func.count().filter(device_age.c.over_10_years == "yes").label("over_10_years"),
            func.count().filter(device_age.c.over_10_years == "uncertain").label("uncertain"),
        )
        .select_from(device.outerjoin(device_age))
        .where(device.c.revoked_at.is_(None))
        .group_by(device.c.unit_code),
    ).all()
    firing = _firing_by_unit(connection)
    return {
        row.unit_code: UnitCounts(
            row.devices, row.present, row.over_10_years, row.uncertain, firing.get(row.unit_code, 0)
        )
        for row in rows
    }


def _firing_by_unit(connection: Connection) -> dict[str, int]:
    newest = _newest_transitions()
    rows = connection.execute(
        select(transition.c.unit_code, func.count().label("firing"))
        .join(newest, newest.c.id == transition.c.id)
        .join(alert_state, (transition.c.rule == alert_state.c.rule) & (transition.c.subject == alert_state.c.subject))
        .join(device, device.c.id == transition.c.device_id, isouter=True)
        .where(alert_state.c.state == "firing", device.c.revoked_at.is_(None))
        .group_by(transition.c.unit_code),
    )
    return {row.unit_code or "": row.firing for row in rows}


def _newest_transitions() -> Subquery:
    return select(func.max(transition.c.id).label("id")).group_by(transition.c.rule, transition.c.subject).subquery()


@dataclass(frozen=True)
class AlertRow:
    """The state of one rule for one subject, with the transition that led to it."""

    rule: str
    subject: str
    state: str
    since: float
    device_id: str | None
    unit_code: str
    reason: Mapping[str, Any]
    readings: Mapping[str, Any]


def alerts(
    connection: Connection,
    *,
    states: Sequence[str] = OPEN_STATES,
    device_id: str | None = None,
    unit_code: str | None = None,
    limit: int = 1000,
    offset: int = 0,
) -> list[AlertRow]:
    """Alerts in these states, the newest first."""
    newest = _newest_transitions()
    query = (
        select(alert_state, transition.c.device_id, transition.c.unit_code, transition.c.reason, transition.c.readings)
        .join(transition, (transition.c.rule == alert_state.c.rule) & (transition.c.subject == alert_state.c.subject))
        .join(newest, newest.c.id == transition.c.id)
        .join(device, device.c.id == transition.c.device_id, isouter=True)
        # A terminal that was revoked is nobody's worry any more.
        .where(alert_state.c.state.in_(states), device.c.revoked_at.is_(None))
        .order_by(alert_state.c.since.desc())
        .limit(limit)
        .offset(offset)
    )
    if device_id is not None:
        query = query.where(transition.c.device_id == device_id)
    if unit_code is not None:
        query = query.where(transition.c.unit_code == unit_code)
    return [
        AlertRow(
            row.rule, row.subject, row.state, row.since, row.device_id, row.unit_code or "", row.reason, row.readings
        )
        for row in connection.execute(query)
    ]


def transitions(connection: Connection, *, device_id: str | None = None, limit: int = 200) -> list[Row[Any]]:
    """The newest changes of alert states."""
    query = select(transition).order_by(transition.c.id.desc()).limit(limit)
    if device_id is not None:
        query = query.where(transition.c.device_id == device_id)
    return list(connection.execute(query).all())


def probes(connection: Connection, device_id: str) -> list[Row[Any]]:
    """How the last run of each of a terminal's probes ended."""
    return list(
        connection.execute(
            select(device_probe).where(device_probe.c.device_id == device_id).order_by(device_probe.c.probe),
        ).all(),
    )


def rejected_items(connection: Connection, *, limit: int = 200) -> list[Row[Any]]:
    """The newest things that were refused for good, without their bodies."""
    columns = (rejected.c.id, rejected.c.kind, rejected.c.device_id, rejected.c.received_at, rejected.c.reason)
    return [*connection.execute(select(*columns).order_by(rejected.c.id.desc()).limit(limit))]
