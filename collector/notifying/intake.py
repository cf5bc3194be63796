"""Reads changes of alerts in their order and opens and ends incidents; each firing gets its receivers or a reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from agent.wire.message import Message, mark
from alerts.route.assign import assign
from alerts.route.flapping import after_change, after_firing
from alerts.route.model import FINAL_STATES, WAITING, Flap, Incident, Receiver
from alerts.route.rules import RoutingRules
from alerts.route.schedule import Shift
from collector.db.notification_tables import alert_flap, incident, notice, notification_cursor
from collector.db.tables import alert_state, device, transition
from collector.notifying import ledger

CURSOR = "transition"
# Of one transaction; what is left over is read by the next, at once.
MOST_TRANSITIONS = 1000
FIRED_AGAIN = mark("it fired again without having been resolved")

Key = tuple[str, str]


@dataclass(frozen=True)
class Routes:
    """What decides who is told."""

    rules: RoutingRules
    receivers: Collection[Receiver]
    shifts: Collection[Shift]


def read_transitions(connection: Connection, routes: Routes, now: float) -> int:
    """Reads what is new and moves the cursor behind it; returns how many transitions that were."""
    cursor = _cursor(connection)
    rows = connection.execute(
        select(transition).where(transition.c.id > cursor).order_by(transition.c.id).limit(MOST_TRANSITIONS)
    ).all()
    if not rows:
        return 0
    batch = _Batch(connection, routes, [row for row in rows if "firing" in {row.to_state, row.from_state}])
    batch.keep(now)
    connection.execute(
        update(notification_cursor).where(notification_cursor.c.name == CURSOR).values(transition_id=rows[-1].id)
    )
    return len(rows)


def route_unrouted(connection: Connection, routes: Routes, now: float) -> int:
    """Looks again for receivers of open incidents that had none; returns how many found somebody."""
    rows = connection.execute(select(incident).where(incident.c.unrouted, incident.c.ended_at.is_(None))).all()
    found = 0
    for row in rows:
        one = ledger.incident_of(row, acknowledged=False)
        to = assign(one, routes.receivers, routes.shifts, now, routes.rules.handover_minute)
        if to.receivers:
            connection.execute(update(incident).where(incident.c.id == one.id).values(unrouted=False, duty_gap=to.gap))
            add_notices(connection, routes.rules, one, to.receivers, now)
            found += 1
    return found


def add_notices(
    connection: Connection, rules: RoutingRules, one: Incident, receiver_ids: Collection[int], now: float
) -> None:
    """Makes the notices of an incident for receivers that have none of it."""
    connection.execute(insert(notice), _notice_rows(rules, one, receiver_ids, now))


class _Batch:
    """Transitions of one transaction, followed in memory and written at once: a storm is thousands of them."""

    def __init__(self, connection: Connection, routes: Routes, rows: Sequence[Row[Any]]) -> None:
        self._connection = connection
        self._routes = routes
        self._rules = routes.rules
        self._sites = _sites(connection, {row.device_id for row in rows if row.device_id and not row.site})
        self._open: dict[Key, list[int]] = {}
        self._fired: dict[Key, list[float]] = {}
        self._flaps: dict[Key, Flap] = {}
        self._changed_flaps: set[Key] = set()
        self._ended: dict[int, tuple[float, Message]] = {}
        self._opened: dict[int, dict[str, Any]] = {}
        self._recall({(row.rule, row.subject) for row in rows}, min((row.at for row in rows), default=0.0))
        # The write lock is held: nobody else gives numbers away.
        self._next = (connection.execute(select(func.max(incident.c.id))).scalar_one() or 0) + 1
        for row in rows:
            if row.to_state == "firing":
                self._end(row, Message(FIRED_AGAIN))
                self._fire(row)
            else:
                self._end(row, Message.from_dict(row.reason))

    def _recall(self, keys: Collection[Key], since: float) -> None:
        """What is known of the alerts."""
        since -= self._rules.flap_window_seconds
        for part in ledger.parts({subject for _, subject in keys}):
            query = select(incident.c.id, incident.c.rule, incident.c.subject, incident.c.fired_at, incident.c.ended_at)
            recent = incident.c.ended_at.is_(None) | (incident.c.fired_at > since)
            rules = {rule for rule, _ in keys}
            query = query.where(incident.c.rule.in_(rules), incident.c.subject.in_(part), recent)
            for row in self._connection.execute(query.order_by(incident.c.id)):
                self._fired.setdefault((row.rule, row.subject), []).append(row.fired_at)
                if row.ended_at is None:
                    self._open.setdefault((row.rule, row.subject), []).append(row.id)
        for row in self._connection.execute(select(alert_flap)):
            self._flaps[row.rule, row.subject] = Flap(row.incident_id, row.since, row.stable_at)

    def _fire(self, row: Row[Any]) -> None:
        key, number = (row.rule, row.subject), self._next
        self._next += 1
        self._opened[number] = {
            "id": number,
            "transition_id": row.id,
            "rule": row.rule,
            "subject": row.subject,
            "severity": row.severity or "warning",
            "unit_code": row.unit_code or "",
            "site": row.site or self._sites.get(row.device_id or "", ""),
            "device_id": row.device_id or "",
            "place": str(row.readings.get("place") or ""),
            "fired_at": row.at,
            "reason": row.reason,
            "readings": row.readings,
            "ended_at": None,
            "ended_reason": None,
        }
        self._open.setdefault(key, []).append(number)
        fired = self._fired.setdefault(key, [])
        fired.append(row.at)
        flap = after_firing(self._rules, self._flaps.get(key), number, fired, row.at)
        if flap is not None:
            self._flaps[key] = flap
            self._changed_flaps.add(key)

    def _end(self, row: Row[Any], reason: Message) -> None:
        key = (row.rule, row.subject)
        for number in self._open.pop(key, ()):
            self._ended[number] = row.at, reason
            if number in self._opened:
                self._opened[number] |= {"ended_at": row.at, "ended_reason": reason.as_dict()}
            flap = self._flaps.get(key)
            if flap is not None and row.at < flap.stable_at:
                self._flaps[key] = after_change(self._rules, flap, row.at)
                self._changed_flaps.add(key)

    def keep(self, now: float) -> None:
        """Writes everything down, with the notices of what fired."""
        notices: list[dict[str, Any]] = []
        for values in self._opened.values():
            one = _incident(values)
            found = assign(one, self._routes.receivers, self._routes.shifts, now, self._rules.handover_minute)
            values |= {"unrouted": not found.receivers, "duty_gap": found.gap}
            notices += _notice_rows(self._rules, one, found.receivers, now)
        if self._opened:
            self._connection.execute(insert(incident), list(self._opened.values()))
        if notices:
            self._connection.execute(insert(notice), notices)
        earlier = [
            {"number": number, "at": at, "why": reason.as_dict()}
            for number, (at, reason) in self._ended.items()
            if number not in self._opened
        ]
        if earlier:
            self._connection.execute(
                update(incident)
                .where(incident.c.id == bindparam("number"))
                .values(ended_at=bindparam("at"), ended_reason=bindparam("why")),
                earlier,
            )
            self._connection.execute(
                update(notice)
                .where(notice.c.incident_id == bindparam("number"), *(notice.c.state != word for word in FINAL_STATES))
                .values(due_at=bindparam("at")),
                [{"number": one["number"], "at": one["at"]} for one in earlier],
            )
        for rule, subject in self._changed_flaps:
            ledger.keep_flap(self._connection, rule, subject, self._flaps[rule, subject])


def _incident(values: dict[str, Any]) -> Incident:
    kept = ("id", "rule", "subject", "severity", "unit_code", "site", "device_id", "place", "fired_at", "ended_at")
    return Incident(**{name: values[name] for name in kept}, district=ledger.district_of(values["unit_code"]))


def _notice_rows(rules: RoutingRules, one: Incident, receiver_ids: Iterable[int], now: float) -> list[dict[str, Any]]:
    group_key = rules.group_of(one)
    return [
        {
            "incident_id": one.id,
            "receiver_id": receiver_id,
            "state": WAITING,
            "due_at": now,
            "cause": "",
            "told_as": "",
            "group_key": group_key,
        }
        for receiver_id in receiver_ids
    ]


def _cursor(connection: Connection) -> int:
    """How far was read; at the very first time, just before the oldest alert that fires now."""
    query = select(notification_cursor.c.transition_id).where(notification_cursor.c.name == CURSOR)
    found = connection.execute(query).scalar_one_or_none()
    if found is not None:
        return int(found)
    newest = (
        select(func.max(transition.c.id))
        .join(
            alert_state,
            (alert_state.c.rule == transition.c.rule) & (alert_state.c.subject == transition.c.subject),
        )
        .where(alert_state.c.state == "firing", transition.c.to_state == "firing")
        .group_by(transition.c.rule, transition.c.subject)
    )
    firing = connection.execute(newest).scalars().all()
    last = connection.execute(select(func.max(transition.c.id))).scalar_one() or 0
    start = min(firing) - 1 if firing else last
    connection.execute(insert(notification_cursor).values(name=CURSOR, transition_id=start))
    return int(start)


def _sites(connection: Connection, device_ids: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in ledger.parts(device_ids):
        rows = connection.execute(select(device.c.id, device.c.site).where(device.c.id.in_(part)))
        found |= {row.id: row.site for row in rows}
    return found
