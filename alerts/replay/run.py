"""A trace through the detector, as live readings go through it, and its events as JSON objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from agent.wire.message import Message
from alerts.congestion.detector import Detector
from alerts.congestion.events import Event, reason_of
from alerts.congestion.layout import Site
from alerts.congestion.listing import closed_events
from alerts.congestion.parameters import DetectorParameters
from alerts.replay.trace import Trace


def replay(trace: Trace, parameters: DetectorParameters) -> list[Event]:
    """Every event of a trace that came further than pending, in order of firing.

    Readings are taken in hour by hour: the detector gives the same events however much it is given at once.
    """
    detector = Detector(parameters, step_seconds=trace.step_seconds)
    portion = detector.baselines.block_seconds // trace.step_seconds
    events: list[Event] = []
    at = 0
    while at < len(trace.steps):
        number = int(trace.steps[at]) // portion
        end = int(np.searchsorted(trace.steps, (number + 1) * portion))
        part = slice(at, end)
        # Hours without rows are gone through too, or what came before them would be forgotten before it is learned.
        detector.advance(number * portion - 1)
        detector.ring.put_arrays(
            trace.links,
            trace.of_link[part],
            trace.steps[part],
            {name: column[part] for name, column in trace.values.items()},
        )
        # The last portion goes on for a while: what still fires is closed for want of readings.
        detector.advance((number + 1) * portion - 1)
        events += detector.take_settled()
        at = end
    events += detector.settle()
    return sorted(_told(closed_events(events)), key=lambda event: (event.fired_at or 0, event.rule, event.subject))


def _told(events: list[Event]) -> Iterator[Event]:
    return (event for event in events if event.fired_at is not None)


def event_as_json(
    event: Event,
    parameters: DetectorParameters,
    render: Callable[[Message], str],
    names: Callable[[Site], str] | None = None,
) -> dict[str, Any]:
    """One event as the line of output that tells it; docs/congestion.md names its keys."""
    return {
        "rule": event.rule,
        "unit": event.site.unit_code if event.site is not None and event.site.unit_code else None,
        "site": "*" if event.site is None else event.site.site,
        "place": event.place,
        "terminal": event.device_id or None,
        "pending_at": _moment(event.pending_at),
        "fired_at": _moment(event.fired_at),
        "resolved_at": _moment(event.resolved_at),
        "peak_added_us": round(event.peak_us),
        "loss_ratio": round(event.loss_ratio, 4),
        "no_data": event.no_data,
        "reason": render(reason_of(event, parameters.congestion, names)),
    }


def _moment(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
