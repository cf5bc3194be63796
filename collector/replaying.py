"""Replays of what the collector has stored of a unit: which alarms would other figures have given?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.wire.catalogue import LINK_LATENCY
from alerts.congestion.events import Event
from alerts.congestion.parameters import DetectorParameters
from alerts.congestion.settings import changed_rules, detector_parameters
from alerts.minutes import WINDOW_FIELDS
from alerts.replay.run import replay
from alerts.replay.trace import TraceError, trace_of
from alerts.rules import SHIPPED_RULES, load_rules
from collector.clock import LOCAL_ZONE, now_seconds
from collector.metrics.port import MetricStore
from collector.settings import load_settings
from collector.storing import store_of
from inventory.units import unit_by_code

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """Which readings to take.

    Args:
        unit_code: official code of the unit.
        site: the place within it; empty for all of them.
        since_seconds: events from here on are wanted.
        until_seconds: up to here.
    """

    unit_code: str
    site: str
    since_seconds: int
    until_seconds: int

    @classmethod
    def of(cls, site: str, since: str | None, until: str | None) -> StoredSpan:
        """The span that words name: `17029/main`, and days in the province's time; the last seven where none is given.

        Raises:
            TraceError: no such unit, or not such days.
        """
        unit_code, _, name = site.partition("/")
        try:
            unit_by_code(unit_code)
        except LookupError as error:
            raise TraceError(f"--site {site}: there is no unit {unit_code!r}, expected an official code") from error
        end = _day(until, "--until") + DAY_SECONDS if until else int(now_seconds())
        start = _day(since, "--since") if since else end - 7 * DAY_SECONDS
        if start >= end:
            raise TraceError(f"--since {since} lies not before --until {until}")
        return cls(unit_code, name, start, end)


def parameters_with(directory: Path | None, changes: Iterable[str]) -> DetectorParameters:
    """The detector's parameters of a folder of rules, some figures changed.

    Raises:
        RuleError: a rule cannot be used, or a change names nothing that can be changed.
    """
    shipped = load_rules(SHIPPED_RULES)
    rules = load_rules(directory) if directory else shipped
    return detector_parameters(changed_rules(rules, changes, "--set").values(), shipped)


def replay_stored(span: StoredSpan, state: Path, parameters: DetectorParameters) -> list[Event]:
    """Events of a span of a collector's own store; the days before it teach the baseline.

    Raises:
        TraceError: nothing is stored of it.
        SettingsError, MetricStoreError: the store cannot be read.
    """
    store = store_of(load_settings(state / "collector.toml").store, state)
    try:
        return events_stored(store, span, parameters)
    finally:
        store.close()


def events_stored(store: MetricStore, span: StoredSpan, parameters: DetectorParameters) -> list[Event]:
    """As `replay_stored`, of a store that is open."""
    tags = {"unit": span.unit_code} | ({"site": span.site} if span.site else {})
    learning = parameters.congestion.baseline_days * DAY_SECONDS
    readings = store.read(
        LINK_LATENCY,
        WINDOW_FIELDS,
        start_seconds=span.since_seconds - learning,
        end_seconds=span.until_seconds,
        tags=tags,
    )
    what = f"unit {span.unit_code}" + (f", site {span.site}" if span.site else "")
    told = replay(trace_of(readings, what), parameters)
    return [event for event in told if (event.resolved_at or span.until_seconds) >= span.since_seconds]


def _day(text: str, option: str) -> int:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise TraceError(f"{option} is {text!r}, expected a day as 2026-11-01") from error
    return int(dt.datetime.combine(day, dt.time(), LOCAL_ZONE).timestamp())
