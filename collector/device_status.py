"""Devices as the alert rules read them: when they were heard, their facts, and what the inventory computes of them.

Facts are read again only where they have changed, and computed anew only then and when the day ends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from agent.wire.message import Message, Parameter, mark
from agent.wire.report import FactValue
from collector.clock import local_day
from collector.db.identity_tables import device_clock
from collector.db.register import SqlRegister
from collector.db.tables import device, device_fact
from collector.investing import people_marker
from inventory.assets import RegisteredAsset
from inventory.depreciation import book_value, expiry
from inventory.equipment import equipment_kinds
from inventory.items import Item
from inventory.norms import Norms, load_norms
from inventory.operating_systems import OperatingSystemSupport, support_state
from inventory.ports import DeviceRecord

OPERATING_SYSTEM, USEFUL_LIFE, CLOCK_START = "operating_system", "useful_life", "clock_start"
STATES = (OPERATING_SYSTEM, USEFUL_LIFE, CLOCK_START)
EXPIRED, RUNNING = "expired", "running"
RESET, KEPT = "reset", "kept"
# Once it may be the day the battery was changed.
RESET_STARTS = 2

# SQLite takes so many bound values in one statement.
_DEVICES_AT_ONCE = 500
_SYSTEM_FACTS = ("os_family", "os_name", "os_version", "os_build")
_CASE_FACT = "chassis"

EXPIRED_TEXT = mark("It was put into use in {year}, and its useful life by law is {years} years: it is over.")
EXPIRED_SEEN_TEXT = mark(
    "It has been in use since {year} at the latest, and its useful life by law is {years} years: it is over."
)
RESET_TEXT = mark(
    "At its last {starts} starts the clock of this terminal began {days} days in the past: the battery of its main "
    "board (CMOS) is empty. It costs little and is changed in minutes."
)
KEPT_TEXT = mark("The clock of this terminal goes on while the power is off.")
RUNNING_TEXT = mark("Its useful life by law, {years} years, is not over.")


@dataclass(frozen=True)
class ComputedState:
    """One state of one device; see `alerts.ports.ComputedState`."""

    value: str
    why: Message
    readings: Mapping[str, object] = field(default_factory=dict)


class StoredDevice(NamedTuple):
    """One device; see `alerts.ports.DeviceStatus`."""

    device_id: str
    unit_code: str
    site: str
    last_seen_seconds: float | None
    clock_skew_seconds: float | None
    facts: Mapping[str, FactValue]
    states: Mapping[str, ComputedState]


@dataclass
class _Known:
    """What is remembered of one device."""

    facts_changed_at: float | None
    facts: dict[str, FactValue]
    states: Mapping[str, ComputedState] = field(default_factory=dict)
    # Of what day the states are, and of which reading of the register.
    computed_for: tuple[object, ...] = ()


class DeviceStatuses:
    """Reads devices, remembering what has not changed.

    Args:
        fact_names: the facts that rules read.
        state_names: the computed states that rules read, of `STATES`.
    """

    def __init__(self, fact_names: Collection[str], state_names: Collection[str]) -> None:
        system = _SYSTEM_FACTS if OPERATING_SYSTEM in state_names else ()
        self._fact_names = tuple(dict.fromkeys((*fact_names, *system)))
        self._state_names = frozenset(state_names)
        self._known: dict[str, _Known] = {}
        self._systems: dict[tuple[object, ...], ComputedState] = {}
        self._lives: dict[str, ComputedState] = {}
        self._lives_marker: tuple[object, ...] | None = None

    def read(self, connection: Connection, now: float) -> Sequence[StoredDevice]:
        """Every device whose right to report was not ended."""
        columns = device.c
        rows = connection.execute(
            select(
                columns.id,
                columns.unit_code,
                columns.site,
                columns.last_seen_at,
                columns.clock_skew_seconds,
                columns.facts_changed_at,
            ).where(columns.revoked_at.is_(None))
        ).all()
        self._read_changed_facts(connection, rows)
        day = local_day(now)
        clocks = _clock_states(connection) if CLOCK_START in self._state_names else {}
        if USEFUL_LIFE in self._state_names:
            self._read_lives(connection, day)
        computed_for = (day, self._lives_marker)
        devices = []
        for row in rows:
            known = self._known[row.id]
            if known.computed_for != computed_for:
                known.states, known.computed_for = self._states(row.id, known, day), computed_for
            id_, unit_code, site, last_seen, skew, _ = row
            states = {**known.states, CLOCK_START: clocks[id_]} if id_ in clocks else known.states
            devices.append(StoredDevice(id_, unit_code, site, last_seen, skew, known.facts, states))
        return devices

    def _states(self, device_id: str, known: _Known, day: dt.date) -> dict[str, ComputedState]:
        states: dict[str, ComputedState] = {}
        if OPERATING_SYSTEM in self._state_names:
            states[OPERATING_SYSTEM] = self._system(known, day)
        if (life := self._lives.get(device_id)) is not None:
            states[USEFUL_LIFE] = life
        return states

    def _read_changed_facts(self, connection: Connection, rows: Sequence[Any]) -> None:
        changed: dict[str, float | None] = {}
        for device_id, *_, changed_at in rows:
            known = self._known.get(device_id)
            if known is None or known.facts_changed_at != changed_at:
                changed[device_id] = changed_at
        facts = _facts(connection, list(changed), self._fact_names)
        for device_id, changed_at in changed.items():
            self._known[device_id] = _Known(changed_at, facts.get(device_id, {}))
        if len(self._known) > len(rows):
            present = {row.id for row in rows}
            self._known = {key: value for key, value in self._known.items() if key in present}

    def _system(self, known: _Known, day: dt.date) -> ComputedState:
        # Most of a province's terminals share a few dozen systems.
        key = (day, *(str(known.facts.get(name, "")) for name in _SYSTEM_FACTS))
        if key not in self._systems:
            self._systems = {old: state for old, state in self._systems.items() if old[0] == day}
            self._systems[key] = _system_state(support_state(known.facts, day))
        return self._systems[key]

    def _read_lives(self, connection: Connection, day: dt.date) -> None:
        marker = (day, *people_marker(connection))
        if marker == self._lives_marker:
            return
        linked: dict[str, RegisteredAsset] = {}
        for one in SqlRegister(connection).assets():
            if one.device_id is not None:
                linked.setdefault(one.device_id, one)
        facts = _facts(connection, list(linked), (_CASE_FACT,))
        rows = connection.execute(select(device.c.id, device.c.unit_code, device.c.site, device.c.enrolled_at))
        norms = load_norms()
        self._lives = {}
        for row in rows:
            asset = linked.get(row.id)
            if asset is None:
                continue
            record = DeviceRecord(
                row.id, row.unit_code, row.site, local_day(row.enrolled_at), None, facts.get(row.id, {})
            )
            state = _life_state(Item(record, asset), norms, day)
            if state is not None:
                self._lives[row.id] = state
        self._lives_marker = marker


def _clock_states(connection: Connection) -> dict[str, ComputedState]:
    """How the clock of each terminal came through the power cuts before its last starts."""
    kept = ComputedState(KEPT, Message(KEPT_TEXT))
    states = {}
    for row in connection.execute(
        select(device_clock.c.device_id, device_clock.c.start_skew_seconds, device_clock.c.reset_boots)
    ):
        states[row.device_id] = kept
        if row.reset_boots >= RESET_STARTS:
            days = round(-row.start_skew_seconds / 86400)
            why = Message(RESET_TEXT, {"starts": row.reset_boots, "days": days})
            states[row.device_id] = ComputedState(RESET, why, {"starts": row.reset_boots, "days": days})
    return states


def _facts(
    connection: Connection, device_ids: Sequence[str], names: Collection[str]
) -> dict[str, dict[str, FactValue]]:
    """Device -> fact -> value, of those that there are."""
    found: dict[str, dict[str, FactValue]] = {}
    for part in _parts(device_ids):
        rows = connection.execute(
            select(device_fact.c.device_id, device_fact.c.name, device_fact.c.value).where(
                device_fact.c.device_id.in_(part), device_fact.c.name.in_(names)
            )
        )
        for row in rows:
            found.setdefault(row.device_id, {})[row.name] = row.value
    return found


def _parts(device_ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (device_ids[at : at + _DEVICES_AT_ONCE] for at in range(0, len(device_ids), _DEVICES_AT_ONCE))


def _system_state(support: OperatingSystemSupport) -> ComputedState:
    readings = {"system": support.system, "ends": support.ends.isoformat() if support.ends else None}
    return ComputedState(support.state, support.messages[0], readings)


def _life_state(item: Item, norms: Norms, day: dt.date) -> ComputedState | None:
    """What the investment list says of the same item; None where it is uncertain."""
    life_class = equipment_kinds()[item.kind].useful_life_class
    first_seen = item.device.first_seen if item.device else None
    year = item.year_put_into_use
    decision, life = expiry(year=year, in_use_by=first_seen, life_class=life_class, norms=norms, as_of=day)
    if life is None or decision == "uncertain":
        return None
    readings: dict[str, object] = {"year_put_into_use": year, "life_years": life.life_years}
    cost = item.asset.values.original_cost_vnd if item.asset else None
    if cost is not None and year is not None:
        book = book_value(cost, item.quantity, year, life_class, norms, day)
        readings["remaining_vnd"] = book.remaining_vnd if book else None
    shown: dict[str, Parameter] = {"years": life.life_years}
    if decision == "no":
        return ComputedState(RUNNING, Message(RUNNING_TEXT, shown), readings)
    # As text, so that no thousands separator is written into a year.
    shown["year"] = str(year if year is not None else first_seen.year if first_seen else "?")
    return ComputedState(EXPIRED, Message(EXPIRED_TEXT if year is not None else EXPIRED_SEEN_TEXT, shown), readings)
