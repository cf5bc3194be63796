"""What routing knows, as the registry keeps it: rows to `alerts.route`'s own words and back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from agent.wire.message import Message
from alerts.route.inhibition import Source, longest_release_seconds
from alerts.route.matching import Matcher
from alerts.route.model import (
    FINAL_STATES,
    SPARED,
    WAITING,
    Cause,
    Flap,
    Groups,
    Incident,
    Notice,
    QuietHours,
    Receiver,
)
from alerts.route.rules import RoutingRules
from alerts.route.schedule import Silence, Window
from collector.db import notification_tables as tables
from collector.db.notification_tables import acknowledgement, alert_flap, incident, notice, notice_group, receiver
from inventory.units import load_units

# SQLite takes 32,766 parameters; a pair is two.
MOST_PARAMETERS = 5000
# Of one transaction, so that nobody else waits long for the registry; what is left over is decided in the next.
MOST_DUE = 2000


@dataclass(frozen=True)
class StoredReceiver:
    """A receiver as routing sees it, with how it is reached."""

    route: Receiver
    channel: str
    address: str
    language: str


@lru_cache
def _districts() -> dict[str, str]:
    return {unit.code: unit.former_district for unit in load_units()}


def district_of(unit_code: str) -> str:
    """The former district of a unit; empty for the province and for codes that are unknown."""
    return _districts().get(unit_code, "")


def stored_receiver(row: Row[Any]) -> StoredReceiver:
    """A row of `receiver`."""
    quiet = None
    if row.quiet_start_minute is not None and row.quiet_end_minute is not None:
        quiet = QuietHours(row.quiet_start_minute, row.quiet_end_minute, row.quiet_below)
    route = Receiver(
        id=row.id,
        name=row.name,
        min_severity=row.min_severity,
        rules=tuple(row.rules),
        units=tuple(row.units),
        districts=tuple(row.districts),
        step=row.step,
        duty_only=row.duty_only,
        fallback=row.fallback,
        time_zone=row.time_zone,
        quiet=quiet,
    )
    return StoredReceiver(route, row.channel, row.address, row.language)


def receivers(connection: Connection) -> dict[int, StoredReceiver]:
    """Those that are not removed, by number."""
    rows = connection.execute(select(receiver).where(receiver.c.removed_at.is_(None)).order_by(receiver.c.id))
    return {row.id: stored_receiver(row) for row in rows}


def incident_of(row: Row[Any], *, acknowledged: bool) -> Incident:
    """A row of `incident`."""
    return Incident(
        id=row.id,
        rule=row.rule,
        subject=row.subject,
        severity=row.severity,
        unit_code=row.unit_code,
        district=district_of(row.unit_code),
        site=row.site,
        device_id=row.device_id,
        place=row.place,
        fired_at=row.fired_at,
        ended_at=row.ended_at,
        first_told_at=row.first_told_at,
        acknowledged=acknowledged,
    )


def notice_of(row: Row[Any]) -> Notice:
    """A row of `notice`."""
    cause = Cause(row.cause, Message.from_dict(row.cause_text)) if row.cause else None
    return Notice(row.id, row.incident_id, row.receiver_id, row.state, row.due_at, cause, row.told_at, row.told_as)


def silences(connection: Connection, now: float) -> list[Silence]:
    """Those that hold now."""
    rows = connection.execute(
        select(tables.silence).where(tables.silence.c.starts_at <= now, tables.silence.c.ends_at > now)
    )
    return [
        Silence(row.id, Matcher.from_dict(row.matcher), row.starts_at, row.ends_at, row.author, row.reason)
        for row in rows
    ]


def windows(connection: Connection, now: float) -> list[Window]:
    """Maintenance windows that may hold now."""
    table = tables.maintenance_window
    rows = connection.execute(
        select(table).where(table.c.starts_at <= now, table.c.ends_at.is_(None) | (table.c.ends_at > now))
    )
    return [window_of(row) for row in rows]


def window_of(row: Row[Any]) -> Window:
    """A row of `maintenance_window`."""
    return Window(
        row.id,
        Matcher.from_dict(row.matcher),
        row.starts_at,
        row.ends_at,
        tuple(row.weekdays),
        row.start_minute,
        row.duration_minutes,
        row.author,
        row.reason,
    )


def sources(connection: Connection, rules: RoutingRules, now: float) -> list[Source]:
    """Incidents that may explain others, open or lately ended, with those who are to know of them."""
    recent = incident.c.ended_at.is_(None) | (incident.c.ended_at > now - longest_release_seconds(rules.inhibitions))
    names = connection.execute(select(incident.c.rule).where(recent).distinct()).scalars()
    wanted = [name for name in names if rules.may_inhibit(name)]
    if not wanted:
        return []
    rows = connection.execute(select(incident).where(recent, incident.c.rule.in_(wanted)))
    candidates = (incident_of(row, acknowledged=False) for row in rows)
    found = {one.id: one for one in candidates if any(rule.source.matches(one) for rule in rules.inhibitions)}
    knowing: dict[int, set[int]] = {}
    for ids in parts(found):
        for row in connection.execute(
            select(notice.c.incident_id, notice.c.receiver_id).where(
                notice.c.incident_id.in_(ids), notice.c.state != SPARED
            )
        ):
            knowing.setdefault(row.incident_id, set()).add(row.receiver_id)
    return [Source(one, frozenset(knowing.get(one.id, ()))) for one in found.values()]


def flaps(connection: Connection, now: float) -> dict[tuple[str, str], Flap]:
    """Alerts that have not settled."""
    rows = connection.execute(select(alert_flap).where(alert_flap.c.stable_at > now))
    return {(row.rule, row.subject): Flap(row.incident_id, row.since, row.stable_at) for row in rows}


def keep_flap(connection: Connection, rule: str, subject: str, flap: Flap) -> None:
    """Writes one down."""
    values = {"incident_id": flap.incident_id, "since": flap.since, "stable_at": flap.stable_at}
    connection.execute(
        upsert(alert_flap)
        .values(rule=rule, subject=subject, **values)
        .on_conflict_do_update(index_elements=["rule", "subject"], set_=values)
    )


def groups(connection: Connection, keys: Collection[tuple[int, str]]) -> Groups:
    """When these groups were last told; those that never were are missing."""
    told: dict[tuple[int, str], float] = {}
    receiver_ids = {receiver_id for receiver_id, _ in keys}
    for part in parts({group_key for _, group_key in keys}):
        query = select(notice_group).where(
            notice_group.c.receiver_id.in_(receiver_ids), notice_group.c.group_key.in_(part)
        )
        told |= {(row.receiver_id, row.group_key): row.told_at for row in connection.execute(query)}
    return told


def keep_groups(connection: Connection, told: Groups) -> None:
    """Writes down when groups were told."""
    for (receiver_id, group_key), told_at in told.items():
        connection.execute(
            upsert(notice_group)
            .values(receiver_id=receiver_id, group_key=group_key, told_at=told_at)
            .on_conflict_do_update(index_elements=["receiver_id", "group_key"], set_={"told_at": told_at})
        )


def parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    """The values in lists that one query takes."""
    whole = list(values)
    return (whole[start : start + MOST_PARAMETERS] for start in range(0, len(whole), MOST_PARAMETERS))


@dataclass(frozen=True)
class DueNotices:
    """Notices to decide on, the rows they came from, and whether others may be due as well."""

    pairs: Sequence[tuple[Notice, Incident]]
    group_keys: Collection[tuple[int, str]]
    rows: Mapping[int, Row[Any]]
    more: bool


def due_notices(connection: Connection, now: float) -> DueNotices:
    """What is due, with all of the same groups that wait and all of the same alerts that are not final."""
    # Group after group: those of one group are told together.
    order = (notice.c.receiver_id, notice.c.group_key, notice.c.id)
    rows = list(connection.execute(select(notice).where(notice.c.due_at <= now).order_by(*order).limit(MOST_DUE)))
    if not rows:
        return DueNotices((), (), {}, more=False)
    more = len(rows) == MOST_DUE
    mates: set[int] = set()
    for receiver_id in {row.receiver_id for row in rows}:
        for part in parts({row.group_key for row in rows if row.receiver_id == receiver_id}):
            query = select(notice.c.id).where(
                notice.c.receiver_id == receiver_id, notice.c.group_key.in_(part), notice.c.state == WAITING
            )
            mates.update(row[0] for row in connection.execute(query))
    rows += _notices(connection, notice.c.state == WAITING, notice.c.id, mates)
    # A join rather than a list of pairs: SQLite finds that by index, and goes through the table for this.
    one, other = incident.alias("one"), incident.alias("other")
    same_alert = select(other.c.id).join(one, (one.c.rule == other.c.rule) & (one.c.subject == other.c.subject))
    siblings = _through(connection, same_alert, one.c.id, {row.incident_id for row in rows})
    rows += _notices(connection, notice.c.state.not_in(FINAL_STATES), notice.c.incident_id, siblings)
    unique = {row.id: row for row in rows}
    owners = _incidents(connection, {row.incident_id for row in unique.values()})
    known = _acknowledged(connection, owners)
    incidents = {number: incident_of(row, acknowledged=number in known) for number, row in owners.items()}
    pairs = [(notice_of(row), incidents[row.incident_id]) for row in unique.values()]
    return DueNotices(pairs, {(row.receiver_id, row.group_key) for row in unique.values()}, owners, more=more)


def _through(connection: Connection, query: Select[Any], column: Any, ids: Collection[int]) -> set[int]:
    found: set[int] = set()
    for part in parts(ids):
        found.update(row[0] for row in connection.execute(query.where(column.in_(part))))
    return found


def _notices(
    connection: Connection, condition: ColumnElement[bool], column: Any, values: Collection[Any]
) -> Iterator[Row[Any]]:
    for part in parts(values):
        yield from connection.execute(select(notice).where(condition, column.in_(part)))


def _incidents(connection: Connection, ids: Collection[int]) -> dict[int, Row[Any]]:
    found: dict[int, Row[Any]] = {}
    for part in parts(ids):
        found |= {row.id: row for row in connection.execute(select(incident).where(incident.c.id.in_(part)))}
    return found


def _acknowledged(connection: Connection, ids: Iterable[int]) -> set[int]:
    known: set[int] = set()
    for part in parts(ids):
        query = select(acknowledgement.c.incident_id).where(acknowledgement.c.incident_id.in_(part))
        known.update(connection.execute(query).scalars())
    return known


def keep_notices(connection: Connection, before: Mapping[int, Notice], changed: Sequence[Notice]) -> None:
    """Writes notices down as they are now.

    Args:
        connection: to the registry, in a transaction.
        before: what they were, by number.
        changed: what they are.
    """
    postponed: dict[float | None, list[int]] = {}
    others: list[Notice] = []
    for one in changed:
        known = before[one.id]
        if replace(known, due_at=one.due_at) == one:
            if known.due_at != one.due_at:
                postponed.setdefault(one.due_at, []).append(one.id)
        else:
            others.append(one)
    for due_at, ids in postponed.items():
        for part in parts(ids):
            connection.execute(update(notice).where(notice.c.id.in_(part)).values(due_at=due_at))
    if others:
        connection.execute(_KEEP_NOTICE, [_notice_values(one) for one in others])


_KEEP_NOTICE = (
    update(notice)
    .where(notice.c.id == bindparam("number"))
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("new_due_at"),
        cause=bindparam("new_cause"),
        cause_text=bindparam("new_cause_text"),
        told_at=bindparam("new_told_at"),
        told_as=bindparam("new_told_as"),
    )
)


def _notice_values(one: Notice) -> dict[str, Any]:
    return {
        "number": one.id,
        "new_state": one.state,
        "new_due_at": one.due_at,
        "new_cause": one.cause.kind if one.cause else "",
        "new_cause_text": one.cause.text.as_dict() if one.cause else None,
        "new_told_at": one.told_at,
        "new_told_as": one.told_as,
    }
