"""Cases of a rule's test file (`*.test.toml`), read strictly. docs/alerts.md gives the format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from agent.wire.message import Message
from alerts.parameters import RuleError
from alerts.rules import Rule
from alerts.state import STATES

_T = TypeVar("_T")

MINUTE_SECONDS = 60
DAY_SECONDS = 86_400
_MAX_STEPS = 60 * 24 * 28

_CASE_KEYS = ("name", "start", "parameters", "link", "age", "expect")
_LINK_KEYS = ("device", "unit", "site", "target", "segments")
_LINK_SEGMENT_KEYS = ("minutes", "missing", "median_ms", "min_ms", "p95_ms", "sent", "received", "ahead_minutes")
_AGE_KEYS = ("device", "unit", "segments")
_AGE_SEGMENT_KEYS = ("days", "missing", "earliest", "latest", "best", "over_10_years", "source", "why")
_EXPECT_KEYS = ("after_minutes", "after_days", "subject", "from", "to", "reason", "readings")


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading, and when the collector has it: later or earlier than it says if the terminal's clock is wrong."""

    arrived_seconds: int
    tags: Mapping[str, str]
    time_seconds: int
    fields: Mapping[str, int]


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
    estimate: _Estimate


@dataclass(frozen=True, slots=True)
class Case:
    """One case, read: what there is to see at each step, and the steps themselves."""

    name: str
    rule: Rule
    start_seconds: int
    step_seconds: int
    steps: int
    readings: tuple[Reading, ...]
    ages: tuple[tuple[_Age | None, ...], ...]
    expected: tuple[Mapping[str, Any], ...]


def read_case(table: Any, rule: Rule, where: str) -> Case:
    """One `[[case]]` of a test file.

    Raises:
        RuleError: a key or value that is not as the format says; the text names the place.
    """
    only_keys(table, _CASE_KEYS, where)
    name = _typed(table, "name", str, where)
    where = f"{where} ({name})"
    start = _typed(table, "start", datetime, where)
    if start.tzinfo is None or start.second or start.microsecond:
        raise RuleError(
            f"{where}: start is {start.isoformat()}, expected a full minute with a time zone, as ...T00:00:00Z"
        )
    start_seconds = int(start.astimezone(UTC).timestamp())
    links, ages = _tables(table, "link", where), _tables(table, "age", where)
    if bool(links) == bool(ages):
        raise RuleError(f"{where}: expected either [[case.link]] or [[case.age]]")
    readings: list[Reading] = []
    of_devices: list[tuple[_Age | None, ...]] = []
    steps = 0
    for number, link in enumerate(links, 1):
        minutes = _read_link(link, start_seconds, readings, f"{where}: link {number}")
        steps = max(steps, minutes)
    for number, age in enumerate(ages, 1):
        of_devices.append(_read_age(age, f"{where}: age {number}"))
        steps = max(steps, len(of_devices[-1]))
    if steps > _MAX_STEPS:
        raise RuleError(f"{where}: {steps} steps, expected at most {_MAX_STEPS}")
    expected = tuple(_tables(table, "expect", where))
    for number, each in enumerate(expected, 1):
        _check_expected(each, f"{where}: expect {number}")
    changed = table.get("parameters", {})
    if not isinstance(changed, dict):
        raise RuleError(f"{where}: parameters: expected a table")
    return Case(
        name,
        rule.with_parameters(changed, f"{where}: parameters") if changed else rule,
        start_seconds,
        MINUTE_SECONDS if links else DAY_SECONDS,
        steps,
        tuple(sorted(readings, key=lambda each: each.time_seconds)),
        tuple(of_devices),
        expected,
    )


def _read_link(table: Any, start_seconds: int, readings: list[Reading], where: str) -> int:
    """Adds the readings of one link; returns how many minutes it covers."""
    only_keys(table, _LINK_KEYS, where)
    tags = {
        "device_id": _typed(table, "device", str, where),
        "target": _typed(table, "target", str, where),
        "unit": str(table.get("unit", "unit")),
        "site": str(table.get("site", "main")),
    }
    minute = 0
    for number, segment in enumerate(_tables(table, "segments", where), 1):
        here = f"{where}: segment {number}"
        only_keys(segment, _LINK_SEGMENT_KEYS, here)
        length = _count(segment, "minutes", here)
        fields = _link_fields(segment, here)
        ahead = round(_number(segment, "ahead_minutes", 0, here) * MINUTE_SECONDS)
        if fields:
            arrivals = [start_seconds + at * MINUTE_SECONDS for at in range(minute, minute + length)]
            readings += [Reading(arrived, tags, arrived + ahead, fields) for arrived in arrivals]
        minute += length
    return minute


def _link_fields(segment: Mapping[str, Any], where: str) -> dict[str, int]:
    if segment.get("missing", False):
        return {}
    sent = round(_number(segment, "sent", 10, where))
    received = round(_number(segment, "received", sent, where))
    fields = {"sent": sent, "received": received}
    if received:
        median_ms = _number(segment, "median_ms", None, where)
        fields["rtt_p50_us"] = round(median_ms * 1000)
        fields["rtt_min_us"] = round(_number(segment, "min_ms", median_ms, where) * 1000)
        fields["rtt_p95_us"] = round(_number(segment, "p95_ms", median_ms, where) * 1000)
    return fields


def _read_age(table: Any, where: str) -> tuple[_Age | None, ...]:
    only_keys(table, _AGE_KEYS, where)
    device, unit = _typed(table, "device", str, where), str(table.get("unit", "unit"))
    days: list[_Age | None] = []
    for number, segment in enumerate(_tables(table, "segments", where), 1):
        here = f"{where}: segment {number}"
        only_keys(segment, _AGE_SEGMENT_KEYS, here)
        age = None if segment.get("missing", False) else _Age(device, unit, _estimate(segment, here))
        days += [age] * _count(segment, "days", here)
    return tuple(days)


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


def _check_expected(table: Any, where: str) -> None:
    only_keys(table, _EXPECT_KEYS, where)
    for key in ("from", "to"):
        if (key in table or key == "to") and table.get(key) not in STATES:
            raise RuleError(f"{where}: {key} is {table.get(key)!r}, expected one of {', '.join(STATES)}")
    if ("after_minutes" in table) == ("after_days" in table):
        raise RuleError(f"{where}: expected one of after_minutes, after_days")
    _number(table, "after_minutes" if "after_minutes" in table else "after_days", None, where)
    for key in ("subject", "reason"):
        if key in table:
            _typed(table, key, str, where)
    if not isinstance(table.get("readings", {}), dict):
        raise RuleError(f"{where}: readings is {table['readings']!r}, expected a table")


def only_keys(table: Any, known: tuple[str, ...], where: str) -> None:
    """Refuses what is not a table, and keys that are not known.

    Raises:
        RuleError: as said; the text names the keys that are.
    """
    if not isinstance(table, dict):
        raise RuleError(f"{where}: expected a table with the keys {', '.join(known)}")
    for key in table:
        if key not in known:
            raise RuleError(f"{where}: unknown key {key!r}, expected one of {', '.join(known)}")


def _tables(table: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = table.get(key, [])
    if not isinstance(value, list):
        raise RuleError(f"{where}: {key} is {value!r}, expected a list of tables")
    return value


def _typed(table: Mapping[str, Any], key: str, kind: type[_T], where: str) -> _T:
    value = table.get(key)
    if not isinstance(value, kind):
        raise RuleError(f"{where}: {key} is {value!r}, expected {'a time' if kind is datetime else 'text'}")
    return value


def _number(table: Mapping[str, Any], key: str, default: float | None, where: str) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RuleError(f"{where}: {key} is {value!r}, expected a number")
    return value


def _count(segment: Mapping[str, Any], key: str, where: str) -> int:
    value = segment.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MAX_STEPS:
        raise RuleError(f"{where}: {key} is {value!r}, expected a whole number from 1 to {_MAX_STEPS}")
    return value
