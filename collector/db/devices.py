"""What the registry keeps about terminals: written by the writer and enrolment, read by pages, API and jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from agent.wire.report import FactValue, Report
from collector.db.tables import device, device_fact, device_fact_history, device_probe, device_token, rejected


@dataclass(frozen=True)
class Place:
    """Where a device is."""

    unit_code: str
    site: str


def places(connection: Connection, device_ids: Sequence[str]) -> dict[str, Place]:
    """Unit and site of each of these devices that is known."""
    rows = connection.execute(select(device.c.id, device.c.unit_code, device.c.site).where(device.c.id.in_(device_ids)))
    return {row.id: Place(row.unit_code, row.site) for row in rows}


def record_report(connection: Connection, report: Report, *, time_seconds: float, received_at: float) -> None:
    """Brings the registry up to a report: when the device was seen, its newest samples, probes and facts.

    Doing it again changes nothing. An older report than the newest known one adds no more than its facts' history.
    """
    known = connection.execute(select(device.c.last_report_at).where(device.c.id == report.device_id)).one()
    newest = known.last_report_at is None or time_seconds >= known.last_report_at
    connection.execute(
        update(device)
        .where(device.c.id == report.device_id)
        .values(last_seen_at=func.max(func.coalesce(device.c.last_seen_at, 0.0), received_at)),
    )
    if newest:
        connection.execute(
            update(device)
            .where(device.c.id == report.device_id)
            .values(
                last_report_at=time_seconds,
                last_boot_id=report.boot_id,
                last_sequence=report.sequence,
                clock_skew_seconds=report.wall_time_seconds - time_seconds,
                last_samples=[
                    {"metric": sample.metric, "value": sample.value, "labels": sample.labels}
                    for sample in report.samples
                ],
            ),
        )
        _record_probes(connection, report, time_seconds)
    if report.facts:
        _record_facts(connection, report, time_seconds)


def _record_probes(connection: Connection, report: Report, time_seconds: float) -> None:
    for outcome in report.outcomes:
        values = {
            "outcome": outcome.outcome,
            "duration_seconds": outcome.duration_seconds,
            "message": outcome.message,
            "reported_at": time_seconds,
        }
        connection.execute(
            upsert(device_probe)
            .values(device_id=report.device_id, probe=outcome.probe, **values)
            .on_conflict_do_update(index_elements=["device_id", "probe"], set_=values),
        )


def _record_facts(connection: Connection, report: Report, time_seconds: float) -> None:
    rows = connection.execute(select(device_fact).where(device_fact.c.device_id == report.device_id))
    known = {row.name: row for row in rows}
    changed = False
    for fact in report.facts:
        old = known.get(fact.name)
        if old is not None and time_seconds < old.reported_at:
            continue
        if old is not None and old.value == fact.value:
            new_since = old.changed_at
        else:
            changed, new_since = True, time_seconds
            if old is not None:
                _keep_history(connection, old, time_seconds)
        values = {"value": fact.value, "changed_at": new_since, "reported_at": time_seconds}
        connection.execute(
            upsert(device_fact)
            .values(device_id=report.device_id, name=fact.name, **values)
            .on_conflict_do_update(index_elements=["device_id", "name"], set_=values),
        )
    if changed:
        connection.execute(
            update(device).where(device.c.id == report.device_id).values(facts_changed_at=time_seconds),
        )


def _keep_history(connection: Connection, old: Row[Any], until: float) -> None:
    connection.execute(
        insert(device_fact_history).values(
            device_id=old.device_id,
            name=old.name,
            value=old.value,
            since=old.changed_at,
            until=until,
        ),
    )


def facts_of(connection: Connection, device_id: str) -> dict[str, FactValue]:
    """The facts of one device as they are now."""
    rows = connection.execute(
        select(device_fact.c.name, device_fact.c.value).where(device_fact.c.device_id == device_id),
    )
    return {row.name: row.value for row in rows}


def revoke_device(connection: Connection, device_id: str, now: float) -> bool:
    """Ends a device's right to report; false where there is no such device. Its history stays."""
    found = connection.execute(update(device).where(device.c.id == device_id).values(revoked_at=now)).rowcount
    connection.execute(update(device_token).where(device_token.c.device_id == device_id).values(revoked_at=now))
    return bool(found)


def keep_rejected(
    connection: Connection,
    items: Sequence[Mapping[str, Any]],
    *,
    most: int,
) -> None:
    """Keeps what was refused for good: rows of `kind`, `device_id`, `received_at`, `reason`, `body`.

    The newest `most` are kept, so that a broken sender cannot fill the disk; `rejected_total` counts all.
    """
    if not items:
        return
    connection.execute(insert(rejected), [dict(item) for item in items])
    newest = connection.execute(select(func.max(rejected.c.id))).scalar_one()
    connection.execute(delete(rejected).where(rejected.c.id <= newest - most))


def rejected_count(connection: Connection) -> int:
    """How many refused items are kept."""
    return int(connection.execute(select(func.count()).select_from(rejected)).scalar_one())


def part_body(part: object) -> bytes:
    """A refused part of a report as JSON, to be kept."""
    return json.dumps(part, ensure_ascii=False, default=vars).encode()
