"""Registry rows as the API's JSON."""

from __future__ import annotations

from typing import Any

from agent.wire.catalogue import METRICS
from agent.wire.message import Message
from collector import queries
from collector.ageing import stored_estimate
from collector.language import render_message


def device_to_json(row: queries.DeviceRow) -> dict[str, Any]:
    """A terminal as lists show it; times in seconds since 1970-01-01 UTC, days in ISO form."""
    age = row.age
    return {
        "id": row.id,
        "unit_code": row.unit_code,
        "site": row.site,
        "enrolled_at": row.enrolled_at,
        "last_seen_at": row.last_seen_at,
        "last_report_at": row.last_report_at,
        "clock_skew_seconds": row.clock_skew_seconds,
        "revoked": row.revoked,
        "manufacturer": row.manufacturer,
        "product": row.product,
        "processor": row.processor,
        "operating_system": row.operating_system,
        "firing_alerts": row.firing,
        "samples": [
            {**sample, "unit": METRICS[sample["metric"]].unit} for sample in row.samples if sample["metric"] in METRICS
        ],
        "age": None
        if age is None
        else {
            "earliest": age.earliest,
            "latest": age.latest,
            "best": age.best,
            "confidence": age.confidence,
            "over_10_years": age.over_10_years,
            "as_of": age.as_of,
        },
    }


def alert_to_json(row: queries.AlertRow, language: str) -> dict[str, Any]:
    """An alert with its reason as a sentence."""
    return {
        "rule": row.rule,
        "subject": row.subject,
        "state": row.state,
        "since": row.since,
        "device_id": row.device_id,
        "unit_code": row.unit_code,
        "reason": render_message(Message.from_dict(row.reason), language),
        "readings": row.readings,
    }


def evidence_to_json(age: Any, language: str) -> dict[str, Any]:
    """The reasons of a `device_age` row as sentences."""
    estimate = stored_estimate(age)
    return {
        "evidence": [
            {
                "source": item.source,
                "earliest": item.earliest,
                "latest": item.latest,
                "why": render_message(item.why, language),
            }
            for item in estimate.evidence
        ],
        "contradictions": [render_message(message, language) for message in estimate.contradictions],
    }
