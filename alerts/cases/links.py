"""`[[case.link]]`: minutes of one terminal and target."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agent.wire.catalogue import LINK_LATENCY, measurement_fields
from alerts.cases.strict import MINUTE_SECONDS, finite, only_keys, segments, typed
from alerts.cases.supply import CaseReading
from alerts.congestion.detector import Detector
from alerts.congestion.settings import detector_parameters
from alerts.minutes import WINDOW_FIELDS, link_window
from alerts.parameters import RuleError
from alerts.ports import DETECTED, LINK_WINDOW
from alerts.rules import SHIPPED_RULES, Condition, load_rules

_KEYS = ("device", "unit", "site", "target", "segments")
_MILLISECONDS = {"median_ms": "rtt_p50_us", "min_ms": "rtt_min_us", "p95_ms": "rtt_p95_us", "mean_ms": "rtt_mean_us"}
# Every other number of the catalogue may be stated by its store field.
_STORED = tuple(spec.field for spec in measurement_fields(LINK_LATENCY) if spec.field not in ("sent", "received"))
_SEGMENT_KEYS = ("median_ms", "min_ms", "p95_ms", "mean_ms", "sent", "received", "ahead_minutes", *_STORED)


class _Named(NamedTuple):
    name: str
    condition: Condition


class LinkSupply:
    """Minutes of links: as arrays, and as the site detector judges them."""

    step_seconds = MINUTE_SECONDS

    def __init__(self, tables: Sequence[Any], start_seconds: int, where: str) -> None:
        readings: list[CaseReading] = []
        self.length_seconds = 0
        for number, table in enumerate(tables, 1):
            length = _read(table, start_seconds, readings, f"{where} {number}")
            self.length_seconds = max(self.length_seconds, length)
        self._readings = sorted(readings, key=lambda each: each.time_seconds)
        self._arrivals = sorted(readings, key=lambda each: each.arrived_seconds)
        self._times = [each.time_seconds for each in self._readings]
        self._most_ahead_seconds = max((each.time_seconds - each.arrived_seconds for each in readings), default=0)
        self._detector: Detector | None = None
        self._taken = 0

    def at(self, now: int, condition: Condition) -> Mapping[str, Any]:
        """The parts that rules on links read."""
        parts: dict[str, Any] = {}
        reads = condition.reads
        if LINK_WINDOW in reads:
            readings = self._newest(now, reads[LINK_WINDOW] + MINUTE_SECONDS)
            minutes = max(1, reads[LINK_WINDOW] // MINUTE_SECONDS)
            parts[LINK_WINDOW] = link_window(readings, now, minutes, WINDOW_FIELDS)
        if DETECTED in reads:
            parts[DETECTED] = self._detected(now, condition).judged()
        return parts

    def _detected(self, now: int, condition: Condition) -> Detector:
        """The detector with this rule's figures and the shipped ones of the other three kinds."""
        if self._detector is None:
            parameters = detector_parameters([_Named("the case's rule", condition)], load_rules(SHIPPED_RULES))
            self._detector = Detector(parameters)
        end = bisect_right(self._arrivals, now, key=lambda each: each.arrived_seconds)
        self._detector.put(self._arrivals[self._taken : end], now)
        self._taken = end
        self._detector.advance(now // MINUTE_SECONDS)
        return self._detector

    def _newest(self, now: int, seconds: int) -> list[CaseReading]:
        first = bisect_right(self._times, now - seconds)
        # What says to be of later than now is handed over too: a rule has to pass over it by itself.
        end = bisect_right(self._times, now + self._most_ahead_seconds)
        return [each for each in self._readings[first:end] if each.arrived_seconds <= now]


def _read(table: Any, start_seconds: int, readings: list[CaseReading], where: str) -> int:
    """Adds the readings of one link; returns how many seconds it covers."""
    only_keys(table, _KEYS, where)
    tags = {
        "device_id": typed(table, "device", str, where),
        "target": typed(table, "target", str, where),
        "unit": str(table.get("unit", "unit")),
        "site": str(table.get("site", "main")),
    }
    length = 0
    for segment, begin, end, here in segments(table, _SEGMENT_KEYS, where, ("minutes",)):
        fields = _fields(segment, here)
        ahead = round(finite(segment, "ahead_minutes", 0, here) * MINUTE_SECONDS)
        if fields:
            arrivals = range(start_seconds + begin, start_seconds + end, MINUTE_SECONDS)
            readings += [CaseReading(arrived, tags, arrived + ahead, fields) for arrived in arrivals]
        length = end
    return length


def _fields(segment: Mapping[str, Any], where: str) -> dict[str, int]:
    if segment.get("missing", False):
        return {}
    sent = round(finite(segment, "sent", 10, where))
    received = round(finite(segment, "received", sent, where))
    fields = {"sent": sent, "received": received}
    if received:
        median_ms = finite(segment, "median_ms", None, where)
        for key, field in _MILLISECONDS.items():
            if key in segment or key != "mean_ms":
                fields[field] = round(finite(segment, key, median_ms, where) * 1000)
    for field in _STORED:
        if field in segment:
            if field in fields and any(key in segment for key, name in _MILLISECONDS.items() if name == field):
                raise RuleError(f"{where}: {field} is stated twice, in milliseconds too")
            fields[field] = round(finite(segment, field, None, where))
    return fields
