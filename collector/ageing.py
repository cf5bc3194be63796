"""Keeps every terminal's age estimate up to date in the registry."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Connection, Engine, or_, select
from sqlalchemy.dialects.sqlite import insert as upsert

from agent.wire.message import Message
from collector.clock import local_day
from collector.db.devices import facts_of
from collector.db.tables import asset, device, device_age
from inventory.age.estimate import estimate_age
from inventory.age.evidence import AgeEstimate, Evidence

# So that a province's worth of terminals is worked through in steps that leave the registry to others in between.
STEP = 200


def estimate_due_ages(engine: Engine, now: float) -> int:
    """Estimates the age of each terminal whose facts or register year changed, or whose estimate is of another day.

    Returns how many were estimated.
    """
    day = local_day(now)
    register_year = (
        select(asset.c.year_put_into_use)
        .where(asset.c.device_id == device.c.id)
        .order_by(asset.c.id)
        .limit(1)
        .scalar_subquery()
    )
    total = 0
    while True:
        with engine.begin() as connection:
            due = connection.execute(
                select(
                    device.c.id, device.c.enrolled_at, device.c.facts_changed_at, register_year.label("register_year")
                )
                .select_from(device.outerjoin(device_age))
                .where(
                    device.c.facts_changed_at.is_not(None),
                    or_(
                        device_age.c.device_id.is_(None),
                        device_age.c.as_of != day.isoformat(),
                        device_age.c.facts_changed_at != device.c.facts_changed_at,
                        device_age.c.register_year.is_distinct_from(register_year),
                    ),
                )
                .limit(STEP),
            ).all()
            for row in due:
                _estimate(connection, row, day, now)
        total += len(due)
        if len(due) < STEP:
            return total


def _estimate(connection: Connection, row: Any, day: dt.date, now: float) -> None:
    estimate = estimate_age(
        facts_of(connection, row.id),
        as_of=day,
        first_seen=local_day(row.enrolled_at),
        year_put_into_use=row.register_year,
    )
    values = {
        "estimated_at": now,
        "as_of": day.isoformat(),
        "facts_changed_at": row.facts_changed_at,
        "register_year": row.register_year,
        "earliest": _iso(estimate.earliest),
        "latest": _iso(estimate.latest),
        "best": _iso(estimate.best),
        "confidence": estimate.confidence,
        "over_10_years": estimate.over_10_years,
        "evidence": [_evidence_to_json(item) for item in estimate.evidence],
        "contradictions": [message.as_dict() for message in estimate.contradictions],
    }
    connection.execute(
        upsert(device_age)
        .values(device_id=row.id, **values)
        .on_conflict_do_update(index_elements=["device_id"], set_=values),
    )


def _iso(day: dt.date | None) -> str | None:
    return day.isoformat() if day else None


def _evidence_to_json(item: Evidence) -> dict[str, Any]:
    return {
        "source": item.source,
        "earliest": _iso(item.earliest),
        "latest": _iso(item.latest),
        "best": _iso(item.best),
        "why": item.why.as_dict(),
    }


def stored_estimate(row: Any) -> AgeEstimate:
    """The estimate of a `device_age` row."""
    return AgeEstimate(
        earliest=_day(row.earliest),
        latest=_day(row.latest),
        best=_day(row.best),
        confidence=row.confidence,
        over_10_years=row.over_10_years,
        evidence=tuple(
            Evidence(
                **{
                    **item,
                    "earliest": _day(item["earliest"]),
                    "latest": _day(item["latest"]),
                    "best": _day(item["best"]),
                    "why": Message.from_dict(item["why"]),
                },
            )
            for item in row.evidence
        ),
        contradictions=tuple(Message.from_dict(item) for item in row.contradictions),
    )


def _day(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None
