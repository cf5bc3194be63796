"""`[[case.device]]`: devices as the registry knows them, and when each was on in the weeks before the case."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.wire.facts import FACTS
from agent.wire.message import Message
from agent.wire.report import FactValue
from alerts.cases.strict import DAY_SECONDS, MINUTE_SECONDS, count, finite, mapping, only_keys, segments, tables, typed
from alerts.parameters import RuleError
from alerts.ports import DEVICES, PRESENCE
from alerts.presence import SLOT_SECONDS, WEEK_SECONDS, PresenceBook, province_weekday
from alerts.rules import Condition

_KEYS = ("device", "unit", "site", "history", "segments")
_SEGMENT_KEYS = ("seen", "clock_skew_seconds", "facts", "states")
_HISTORY_KEYS = ("weeks", "on", "absent_days")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class _State:
    value: str
    why: Message
    readings: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Status:
    device_id: str
    unit_code: str
    site: str
    last_seen_seconds: float | None
    clock_skew_seconds: float | None
    facts: Mapping[str, FactValue]
    states: Mapping[str, _State]


@dataclass(frozen=True, slots=True)
class _Segment:
    begin: int
    end: int
    missing: bool
    seen: bool
    clock_skew_seconds: float | None
    facts: Mapping[str, FactValue]
    states: Mapping[str, _State]


class _Device:
    """One device of a case: what is known of it at each moment."""

    def __init__(self, table: Any, start_seconds: int, where: str) -> None:
        only_keys(table, _KEYS, where)
        self.device_id = typed(table, "device", str, where)
        self._unit, self._site = str(table.get("unit", "unit")), str(table.get("site", "main"))
        self._start_seconds = start_seconds
        self.history = tuple(_history(mapping(table, "history", where), start_seconds, f"{where}: history"))
        self._segments = [
            _segment(segment, begin, end, here) for segment, begin, end, here in segments(table, _SEGMENT_KEYS, where)
        ]
        self.length_seconds = self._segments[-1].end if self._segments else 0

    def was_on(self, slot: int) -> bool:
        """Whether it reported in the middle of that half-hour of the case."""
        return self._seen_at(slot * SLOT_SECONDS + SLOT_SECONDS // 2)

    def _seen_at(self, second: int) -> bool:
        segment = self._segment(second - self._start_seconds)
        return segment is not None and segment.seen and not segment.missing

    def _segment(self, after: int) -> _Segment | None:
        return next((each for each in self._segments if each.begin <= after < each.end), None)

    def status(self, now: int) -> _Status | None:
        """What the registry says, None where it is not there."""
        segment = self._segment(now - self._start_seconds)
        if segment is None or segment.missing:
            return None
        return _Status(
            self.device_id,
            self._unit,
            self._site,
            self._last_seen(now),
            segment.clock_skew_seconds,
            segment.facts,
            segment.states,
        )

    def _last_seen(self, now: int) -> float | None:
        after = now - self._start_seconds
        ends = [min(each.end - MINUTE_SECONDS, after) for each in self._segments if each.seen and each.begin <= after]
        if ends:
            return float(self._start_seconds + ends[-1])
        return float((max(self.history) + 1) * SLOT_SECONDS - MINUTE_SECONDS) if self.history else None


class DeviceSupply:
    """Devices, judged every minute, and the book of when they are usually on."""

    step_seconds = MINUTE_SECONDS

    def __init__(self, tables: Sequence[Any], start_seconds: int, where: str) -> None:
        self._devices = [_Device(table, start_seconds, f"{where} {number}") for number, table in enumerate(tables, 1)]
        self.length_seconds = max(device.length_seconds for device in self._devices)
        self._book = PresenceBook()
        self._next_slot = -(-start_seconds // SLOT_SECONDS)
        slots: dict[int, list[str]] = {}
        for device in self._devices:
            for slot in device.history:
                slots.setdefault(slot, []).append(device.device_id)
        for slot in range(min(slots, default=self._next_slot), self._next_slot):
            self._book.put_slot(slot, slots.get(slot, ()))

    def at(self, now: int, condition: Condition) -> Mapping[str, Any]:
        """Every device of the registry, and the book with all half-hours that have ended."""
        parts: dict[str, Any] = {DEVICES: [status for each in self._devices if (status := each.status(now))]}
        if PRESENCE in condition.reads:
            while (self._next_slot + 1) * SLOT_SECONDS <= now:
                slot = self._next_slot
                self._book.put_slot(slot, [each.device_id for each in self._devices if each.was_on(slot)])
                self._next_slot += 1
            parts[PRESENCE] = self._book
        return parts


def _segment(table: Mapping[str, Any], begin: int, end: int, where: str) -> _Segment:
    skew = finite(table, "clock_skew_seconds", None, where) if "clock_skew_seconds" in table else None
    facts = mapping(table, "facts", where)
    for name in facts:
        if name not in FACTS:
            raise RuleError(f"{where}: facts: {name!r} is not in the catalogue")
    states = {
        name: _state(state, f"{where}: states: {name}") for name, state in mapping(table, "states", where).items()
    }
    return _Segment(begin, end, bool(table.get("missing")), bool(table.get("seen", True)), skew, facts, states)


def _state(table: Any, where: str) -> _State:
    only_keys(table, ("value", "why", "readings"), where)
    why = Message(str(table.get("why", "")))
    return _State(typed(table, "value", str, where), why, mapping(table, "readings", where))


def _history(table: Mapping[str, Any], start_seconds: int, where: str) -> Iterator[int]:
    """The half-hours before the case in which it was on, oldest first."""
    if not table:
        return
    only_keys(table, _HISTORY_KEYS, where)
    weeks = count(table, "weeks", where)
    on = {slot for text in tables(table, "on", where) for slot in _span(text, where)}
    absent = set(tables(table, "absent_days", where))
    first = -(-(start_seconds - weeks * WEEK_SECONDS) // SLOT_SECONDS)
    for slot in range(first, -(-start_seconds // SLOT_SECONDS)):
        weekday, second = province_weekday(slot * SLOT_SECONDS)
        days_before = (start_seconds - slot * SLOT_SECONDS) // DAY_SECONDS
        if (weekday, second) in on and days_before not in absent:
            yield slot


def _span(text: Any, where: str) -> Iterator[tuple[int, int]]:
    """Weekday and second of the day of every half-hour in `mon-fri 07:30-11:30`, in the province's time."""
    match = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[1] not in _DAYS or (match[2] or match[1]) not in _DAYS:
        raise RuleError(f"{where}: on has {text!r}, expected days and hours as 'mon-fri 07:30-11:30'")
    begin, end = (int(match[at]) * 3600 + int(match[at + 1]) * MINUTE_SECONDS for at in (3, 5))
    for weekday in range(_DAYS.index(match[1]), _DAYS.index(match[2] or match[1]) + 1):
        for second in range(begin, end, SLOT_SECONDS):
            yield weekday, second
