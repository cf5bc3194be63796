"""What each terminal is told with the answer to its upload: held in memory, written behind by the jobs' tick."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from agent.wire.document import document_hash
from collector.db.steering_tables import link_role
from collector.db.tables import device, device_fact
from collector.settings import Settings
from collector.steering.documents import Wanted, document
from collector.steering.election import (
    FLAPPING_SECONDS,
    ORDINARY,
    PROBER,
    Held,
    Member,
    Terms,
    Traits,
    elect,
    traits_of,
)
from collector.steering.wishes import SiteWish, Wish, alert_wishes, merged, standing_wishes

Place = tuple[str, str]

# Half as long again as its upload interval, and longer than a slow machine's hesitation.
_SILENT_RATIO = 1.5
_SILENT_LEAST_SECONDS = 30.0
# A gap of so many of an ordinary terminal's upload intervals ends its time of work.
_GAP_INTERVALS = 2.0
# The same document is offered so often to a terminal that does not take it up, then once an hour.
_OFFERS = 3
_OFFER_AGAIN_SECONDS = 3600.0
_FACTS = ("link_method", "chassis", "system", "network_adapter", "battery")
_TRACE = "path_trace"
# SQLite takes so many bound values in one statement.
_AT_ONCE = 500


@dataclass(slots=True)
class _Terminal:
    """One terminal as it is remembered between uploads."""

    device_id: str
    place: Place
    uploaded_at: float
    working_since: float
    traits: Traits = field(default_factory=Traits)
    facts_at: float | None = None
    lost_at: float | None = None
    traced: frozenset[int] = frozenset()
    offered: str = ""
    offers: int = 0
    offered_at: float = 0.0
    version: int = 0

    def member(self) -> Member:
        """What the election reads."""
        return Member(self.device_id, self.uploaded_at, self.working_since, self.traits, self.lost_at)


@dataclass(frozen=True, slots=True)
class SiteRoles:
    """Who has which role at one site."""

    unit_code: str
    site: str
    terminals: int
    holders: Mapping[str, Held]
    uploaded_at: Mapping[str, float]


@dataclass(slots=True)
class _State:
    """Everything that is remembered; guarded by the lock of `Steering`."""

    terminals: dict[str, _Terminal] = field(default_factory=dict)
    places: dict[Place, set[str]] = field(default_factory=dict)
    held: dict[Place, dict[str, Held]] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    wishes: list[Wish] = field(default_factory=list)
    alerts: dict[Place, SiteWish] = field(default_factory=dict)


class Steering:
    """Elects probers and says what each terminal is told.

    `configuration_for` reads the registry where a terminal is new to it, so it is called from a thread; else it takes
    a lock and some tens of microseconds.

    Args:
        engine: the registry.
        settings: what terminals are told.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        steering, agents = settings.steering, settings.agents
        seconds = min(agents.upload_interval_seconds, steering.upload_interval_seconds)
        self.terms = Terms(
            steering.probers_per_site,
            steering.standbys_per_site,
            max(_SILENT_LEAST_SECONDS, seconds * _SILENT_RATIO),
        )
        self._lock = threading.Lock()
        self._state = _State()
        self._loaded = False
        self._documents: dict[tuple[str, Wanted], tuple[dict[str, Any], str]] = {}

    def note_upload(self, device_id: str, now: float) -> None:
        """Remembers that a terminal has just uploaded; `configuration_for` does so too."""
        with self._lock:
            self._note(device_id, now)

    def configuration_for(self, device_id: str, configuration_hash: str, now: float) -> dict[str, Any] | None:
        """What a terminal that has just uploaded is to be told; None where it follows that already.

        Args:
            device_id: who speaks.
            configuration_hash: of what it follows, as it says.
            now: seconds since 1970-01-01 UTC.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the registry cannot be read, where the terminal is new here.
        """
        if not self._loaded or device_id not in self._state.terminals:
            self._refresh(now)
        with self._lock:
            terminal = self._note(device_id, now)
            if terminal is None:
                return None
            role = self._elect(terminal, now)
            told, digest = self._document(role, self._wanted(terminal, role, now))
            if digest == configuration_hash:
                terminal.offered, terminal.offers = "", 0
                return None
            if not _offer(terminal, digest, now):
                return None
            terminal.version = max(terminal.version + 1, int(now))
            return {**told, "version": terminal.version}

    def tick(self, now: float) -> None:
        """Reads what has changed in the registry and writes the roles that have; called by the jobs."""
        self._refresh(now)
        with self._engine.connect().execution_options(read_only=True) as connection:
            standing = standing_wishes(connection, now)
            asked = alert_wishes(connection, self._settings.steering.alert_minutes * 60)
            traced = _traced(connection) if any(one.trace_target for one in standing) else {}
        with self._lock:
            state = self._state
            state.wishes = standing
            state.alerts = merged(state.alerts, asked, now)
            for device_id, numbers in traced.items():
                if device_id in state.terminals:
                    state.terminals[device_id].traced = numbers
        self.keep(now)

    def keep(self, now: float) -> None:
        """Writes the roles that have changed since the last time."""
        with self._lock:
            dirty, self._state.dirty = self._state.dirty, set()
            rows = [self._row(device_id, now) for device_id in sorted(dirty)]
        if not rows:
            return
        try:
            with self._engine.begin() as connection:
                _write(connection, rows)
        except BaseException:
            with self._lock:
                self._state.dirty |= dirty
            raise

    def sites(self) -> list[SiteRoles]:
        """Who has which role, by site."""
        with self._lock:
            state = self._state
            return [
                SiteRoles(
                    *place,
                    len(devices),
                    dict(state.held.get(place, {})),
                    {one: state.terminals[one].uploaded_at for one in state.held.get(place, {})},
                )
                for place, devices in sorted(state.places.items())
            ]

    def _note(self, device_id: str, now: float) -> _Terminal | None:
        terminal = self._state.terminals.get(device_id)
        if terminal is None:
            return None
        if now - terminal.uploaded_at > self._settings.agents.upload_interval_seconds * _GAP_INTERVALS:
            terminal.working_since = now
        terminal.uploaded_at = max(now, terminal.uploaded_at)
        return terminal

    def _elect(self, terminal: _Terminal, now: float) -> str:
        state = self._state
        held = state.held.setdefault(terminal.place, {})
        members = (state.terminals[one].member() for one in state.places[terminal.place])
        for change in elect(terminal.member(), members, held, now, self.terms):
            if change.role == ORDINARY:
                held.pop(change.device_id, None)
            else:
                held[change.device_id] = Held(change.role, now)
            if change.by_silence:
                state.terminals[change.device_id].lost_at = now
            state.dirty.add(change.device_id)
        return held[terminal.device_id].role if terminal.device_id in held else ORDINARY

    def _wanted(self, terminal: _Terminal, role: str, now: float) -> Wanted:
        alert = self._state.alerts.get(terminal.place, SiteWish())
        deliver, detail, trace = alert.deliver_until, alert.detail_until, None
        for one in self._state.wishes:
            if one.until <= now or (one.device_id != terminal.device_id and one.place != terminal.place):
                continue
            deliver = max(deliver, int(one.until)) if one.deliver else deliver
            detail = max(detail, int(one.until)) if one.detail else detail
            # Of a site the probers tell the way; of one terminal that one.
            if one.trace_target and one.id not in terminal.traced and (one.device_id or role == PROBER):
                trace = (one.id, one.trace_target)
        return Wanted(deliver if deliver > now else None, detail if detail > now else None, trace)

    def _document(self, role: str, wanted: Wanted) -> tuple[dict[str, Any], str]:
        kept = self._documents.get((role, wanted))
        if kept is None:
            if len(self._documents) > _AT_ONCE:
                self._documents.clear()
            told = document(self._settings, role, wanted)
            kept = self._documents[role, wanted] = told, document_hash(told)
        return kept

    def _row(self, device_id: str, now: float) -> dict[str, Any]:
        terminal = self._state.terminals.get(device_id)
        place = terminal.place if terminal else None
        one = self._state.held.get(place, {}).get(device_id) if place else None
        lost_at = terminal.lost_at if terminal else None
        return {
            "device_id": device_id,
            "role": one.role if one else ORDINARY,
            "since": one.since if one else now,
            "lost_at": lost_at,
        }

    def _refresh(self, now: float) -> None:
        """Reads terminals, places and roles from the registry; what is known of uploads stays."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            rows = connection.execute(
                select(
                    device.c.id, device.c.unit_code, device.c.site, device.c.last_seen_at, device.c.facts_changed_at
                ).where(device.c.revoked_at.is_(None))
            ).all()
            roles = [] if self._loaded else connection.execute(select(link_role)).all()
            known = {one.device_id: one.facts_at for one in list(self._state.terminals.values())}
            changed = {
                row.id: row.facts_changed_at
                for row in rows
                if row.facts_changed_at is not None and row.facts_changed_at != known.get(row.id)
            }
            traits = _traits(connection, changed)
        with self._lock:
            self._take_terminals(rows, now)
            for device_id, one in traits.items():
                terminal = self._state.terminals[device_id]
                terminal.traits, terminal.facts_at = one, changed[device_id]
            if not self._loaded:
                self._take_roles(roles, now)
                self._loaded = True

    def _take_terminals(self, rows: Iterable[Any], now: float) -> None:
        state = self._state
        terminals: dict[str, _Terminal] = {}
        places: dict[Place, set[str]] = {}
        for row in rows:
            place = (row.unit_code, row.site)
            terminal = state.terminals.get(row.id)
            if terminal is None:
                seen = row.last_seen_at or 0.0
                terminal = _Terminal(row.id, place, min(seen, now), min(seen, now))
            elif terminal.place != place:
                state.held.get(terminal.place, {}).pop(row.id, None)
                state.dirty.add(row.id)
                terminal.place = place
            terminals[row.id] = terminal
            places.setdefault(place, set()).add(row.id)
        for gone in state.terminals.keys() - terminals.keys():
            if state.held.get(state.terminals[gone].place, {}).pop(gone, None) is not None:
                state.dirty.add(gone)
        state.terminals, state.places = terminals, places

    def _take_roles(self, rows: Iterable[Any], now: float) -> None:
        for row in rows:
            terminal = self._state.terminals.get(row.device_id)
            if terminal is None:
                continue
            terminal.lost_at = row.lost_at
            if row.role != ORDINARY:
                self._state.held.setdefault(terminal.place, {})[row.device_id] = Held(row.role, row.since)
                # While the collector was away nobody could upload: they get their time to.
                terminal.uploaded_at = now


def _offer(terminal: _Terminal, digest: str, now: float) -> bool:
    """Whether a document is sent: one that a terminal refuses is not sent with every answer."""
    if terminal.offered != digest:
        terminal.offered, terminal.offers = digest, 0
    if terminal.offers >= _OFFERS and now - terminal.offered_at < _OFFER_AGAIN_SECONDS:
        return False
    terminal.offers += 1
    terminal.offered_at = now
    return True


def _traits(connection: Connection, devices: Iterable[str]) -> dict[str, Traits]:
    wanted = list(devices)
    facts: dict[str, dict[str, Any]] = {device_id: {} for device_id in wanted}
    for at in range(0, len(wanted), _AT_ONCE):
        part = wanted[at : at + _AT_ONCE]
        query = select(device_fact.c.device_id, device_fact.c.name, device_fact.c.value)
        for row in connection.execute(
            query.where(device_fact.c.device_id.in_(part), device_fact.c.name.in_(_FACTS)),
        ):
            facts[row.device_id][row.name] = row.value
    return {device_id: traits_of(table) for device_id, table in facts.items()}


def _traced(connection: Connection) -> dict[str, frozenset[int]]:
    """The requests that terminals have answered."""
    query = select(device_fact.c.device_id, device_fact.c.value).where(device_fact.c.name == _TRACE)
    return {
        row.device_id: frozenset(one["request"] for one in row.value if isinstance(one.get("request"), int))
        for row in connection.execute(query)
        if isinstance(row.value, list)
    }


def _write(connection: Connection, rows: list[dict[str, Any]]) -> None:
    # Who has no role and lost none lately needs no row.
    idle = [row["device_id"] for row in rows if row["role"] == ORDINARY and not _lost_lately(row)]
    kept = [row for row in rows if row["device_id"] not in idle]
    for at in range(0, len(idle), _AT_ONCE):
        connection.execute(delete(link_role).where(link_role.c.device_id.in_(idle[at : at + _AT_ONCE])))
    if kept:
        statement = upsert(link_role)
        names = ("role", "since", "lost_at")
        values = {name: statement.excluded[name] for name in names}
        connection.execute(statement.on_conflict_do_update(index_elements=["device_id"], set_=values), kept)


def _lost_lately(row: Mapping[str, Any]) -> bool:
    return row["lost_at"] is not None and row["since"] - row["lost_at"] < FLAPPING_SECONDS
