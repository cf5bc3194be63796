"""`[[case.reading]]`: stored points of any measurement of the catalogue."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from agent.wire.catalogue import MEASUREMENTS, measurement_fields, measurement_labels
from alerts.cases.strict import MINUTE_SECONDS, count, finite, mapping, only_keys, segments, typed
from alerts.cases.supply import CaseReading
from alerts.parameters import RuleError
from alerts.rules import Condition

_KEYS = ("measurement", "device", "unit", "site", "tags", "every_minutes", "segments")


class ReadingSupply:
    """Readings by measurement; each arrives in the minute it is of, unless its segment says otherwise."""

    step_seconds = MINUTE_SECONDS

    def __init__(self, tables: Sequence[Any], start_seconds: int, where: str) -> None:
        self._start_seconds = start_seconds
        self._by_measurement: dict[str, list[CaseReading]] = {}
        self.length_seconds = 0
        for number, table in enumerate(tables, 1):
            self._read(table, f"{where} {number}")
        for readings in self._by_measurement.values():
            readings.sort(key=lambda each: each.time_seconds)
        self._times = {
            name: [each.time_seconds for each in readings] for name, readings in self._by_measurement.items()
        }

    def _read(self, table: Any, where: str) -> None:
        only_keys(table, _KEYS, where)
        measurement = typed(table, "measurement", str, where)
        if measurement not in MEASUREMENTS:
            raise RuleError(f"{where}: measurement is {measurement!r}, expected one of {', '.join(MEASUREMENTS)}")
        labels = measurement_labels(measurement)
        tags = mapping(table, "tags", where)
        if sorted(tags) != sorted(labels):
            raise RuleError(f"{where}: tags has {sorted(tags)}, expected {sorted(labels)}")
        tags = {
            "device_id": typed(table, "device", str, where),
            "unit": str(table.get("unit", "unit")),
            "site": str(table.get("site", "main")),
            **{name: typed(tags, name, str, where) for name in labels},
        }
        every_seconds = count(table, "every_minutes", where) * MINUTE_SECONDS if "every_minutes" in table else 60
        known = tuple(spec.field for spec in measurement_fields(measurement))
        readings = self._by_measurement.setdefault(measurement, [])
        for segment, begin, end, here in segments(table, ("ahead_minutes", *known), where):
            ahead = round(finite(segment, "ahead_minutes", 0, here) * MINUTE_SECONDS)
            fields = {name: round(finite(segment, name, None, here)) for name in known if name in segment}
            if bool(fields) == bool(segment.get("missing", False)):
                raise RuleError(f"{here}: expected either missing = true or at least one of {', '.join(known)}")
            for second in range(begin, end, every_seconds) if fields else ():
                arrived = self._start_seconds + second
                readings.append(CaseReading(arrived, tags, arrived + ahead, fields))
            self.length_seconds = max(self.length_seconds, end)

    def at(self, now: int, condition: Condition) -> Mapping[str, Any]:
        """The newest readings of every measurement that the condition reads."""
        readings: dict[str, list[CaseReading]] = {}
        for name, seconds in condition.reads.items():
            if name in self._by_measurement:
                first = bisect_right(self._times[name], now - seconds)
                readings[name] = [each for each in self._by_measurement[name][first:] if each.arrived_seconds <= now]
        return {"readings": readings}
