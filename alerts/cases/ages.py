"""`[[case.age]]`: the age estimate of one device, day by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from agent.wire.message import Message
from alerts.cases.strict import DAY_SECONDS, only_keys, segments, typed
from alerts.parameters import RuleError
from alerts.ports import AGES
from alerts.rules import Condition

_KEYS = ("device", "unit", "site", "segments")
_SEGMENT_KEYS = ("earliest", "latest", "best", "over_10_years", "source", "why")


@dataclass(frozen=True, slots=True)
class _Evidence:
    source: str
    latest: date | None
    why: Message


@dataclass(frozen=True, slots=True)
class _Estimate:
    earliest: date | None
    latest: date | None
    best: date | None
    over_10_years: str
    evidence: tuple[_Evidence, ...]


@dataclass(frozen=True, slots=True)
class _Age:
    device_id: str
    unit_code: str
    site: str
    estimate: _Estimate


class AgeSupply:
    """Age estimates, judged once a day."""

    step_seconds = DAY_SECONDS

    def __init__(self, tables: Sequence[Any], start_seconds: int, where: str) -> None:
        self._start_seconds = start_seconds
        self._spans: list[tuple[int, int, _Age]] = []
        self.length_seconds = 0
        for number, table in enumerate(tables, 1):
            self._read(table, f"{where} {number}")

    def _read(self, table: Any, where: str) -> None:
        only_keys(table, _KEYS, where)
        device = typed(table, "device", str, where)
        unit, site = str(table.get("unit", "unit")), str(table.get("site", "main"))
        for segment, begin, end, here in segments(table, _SEGMENT_KEYS, where, ("days",)):
            if not segment.get("missing", False):
                self._spans.append((begin, end, _Age(device, unit, site, _estimate(segment, here))))
            self.length_seconds = max(self.length_seconds, end)

    def at(self, now: int, condition: Condition) -> Mapping[str, Any]:  # noqa: ARG002 (the same for every condition)
        """Every device that has an estimate then."""
        after = now - self._start_seconds
        return {AGES: [age for begin, end, age in self._spans if begin <= after < end]}


def _estimate(segment: Mapping[str, Any], where: str) -> _Estimate:
    decision = segment.get("over_10_years")
    if decision not in ("yes", "no", "uncertain"):
        raise RuleError(f"{where}: over_10_years is {decision!r}, expected one of yes, no, uncertain")
    days: dict[str, date | None] = {}
    for name in ("earliest", "latest", "best"):
        value = segment.get(name)
        if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
            raise RuleError(f"{where}: {name} is {value!r}, expected a day as 2014-05-31")
        days[name] = value
    why = Message(str(segment.get("why", "")))
    evidence = (_Evidence(str(segment.get("source", "test")), days["latest"], why),)
    return _Estimate(days["earliest"], days["latest"], days["best"], decision, evidence if why.pattern else ())
