"""Reads changes of alerts and decides what is told: each step one transaction, with the outbox rows it leads to."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, select, update

from alerts.route.decide import decide
from alerts.route.model import Decision, Letter, Notice
from alerts.route.rules import RoutingRules
from alerts.route.schedule import Shift, duty_day
from alerts.route.situation import Situation
from collector.db.notification_tables import (
    acknowledgement,
    alert_flap,
    duty_shift,
    incident,
    notice,
    notification,
    receiver,
)
from collector.notifying import intake, ledger, outbox
from collector.notifying.intake import Routes
from collector.notifying.ledger import StoredReceiver
from collector.notifying.view import shift_of
from collector.notifying.wording import Wording

DAY_SECONDS = 86400.0
PURGE_EVERY_SECONDS = 3600.0
# A letter beyond this is cut into several: a phone shows no list of thousands.
ALERTS_A_LETTER = 100
# Of one tick; a mistake that left something due for ever must not hold the router here.
MOST_DECISIONS = 100


class Router:
    """Turns transitions into rows of the outbox.

    Args:
        engine: the registry.
        rules: the routing rules.
        wording: how letters are written.
        keep_days: how long what is finished is kept.
    """

    def __init__(
        self,
        engine: Engine,
        rules: RoutingRules,
        wording: Wording,
        *,
        keep_days: int = 400,
    ) -> None:
        self._engine = engine
        self.rules = rules
        self.wording = wording
        self._keep_days = keep_days
        self._routed_marker: object = None
        self._purged_at = float("-inf")

    def route(self, now: float, stopped: threading.Event | None = None) -> int:
        """Everything that is due at that moment; returns how many notifications were put into the outbox."""
        more = True
        while more and not _is_set(stopped):
            with self._engine.begin() as connection:
                routes = self._routes(connection)
                more = intake.read_transitions(connection, routes, now) == intake.MOST_TRANSITIONS
                marker = self._reroute(connection, routes, now)
            # Only what is committed counts as done.
            self._routed_marker = marker
        written = 0
        for _ in range(MOST_DECISIONS):
            # What belongs together is told together, so all of it must have been read.
            if more or _is_set(stopped):
                break
            with self._engine.begin() as connection:
                told, others = self._decide(connection, now)
            written += told
            if not others:
                break
        if now - self._purged_at > PURGE_EVERY_SECONDS:
            self._purge(now)
            self._purged_at = now
        return written

    def _routes(self, connection: Connection) -> Routes:
        known = ledger.receivers(connection)
        return Routes(self.rules, [one.route for one in known.values()], shifts(connection))

    def _reroute(self, connection: Connection, routes: Routes, now: float) -> object:
        """Who is there and on duty has changed: what was nobody's business may be somebody's now."""
        marker = (
            connection.execute(select(func.max(receiver.c.id))).scalar_one(),
            connection.execute(select(func.max(duty_shift.c.id))).scalar_one(),
            duty_day(now, self.rules.handover_minute),
        )
        if marker != self._routed_marker:
            intake.route_unrouted(connection, routes, now)
        return marker

    def _decide(self, connection: Connection, now: float) -> tuple[int, bool]:
        """Decides on some of what is due; returns how many notifications that made, and whether more may be due."""
        due = ledger.due_notices(connection, now)
        if not due.pairs:
            return 0, False
        known = ledger.receivers(connection)
        situation = Situation(
            now=now,
            rules=self.rules,
            receivers={number: one.route for number, one in known.items()},
            silences=ledger.silences(connection, now),
            windows=ledger.windows(connection, now),
            sources=ledger.sources(connection, self.rules, now),
            groups=ledger.groups(connection, due.group_keys),
            flaps=ledger.flaps(connection, now),
        )
        decision = decide(due.pairs, situation)
        ledger.keep_notices(connection, {one.id: one for one, _ in due.pairs}, decision.notices)
        ledger.keep_groups(connection, decision.groups)
        return self._write(connection, known, due, decision, now), due.more

    def _write(
        self,
        connection: Connection,
        known: dict[int, StoredReceiver],
        due: ledger.DueNotices,
        decision: Decision,
        now: float,
    ) -> int:
        notices = {one.id: one for one, _ in due.pairs} | {one.id: one for one in decision.notices}
        written = 0
        for letter in decision.letters:
            told = known[letter.receiver_id]
            for start in range(0, len(letter.notices), ALERTS_A_LETTER):
                part = [notices[number] for number in letter.notices[start : start + ALERTS_A_LETTER]]
                self._put(connection, letter, told, part, due.rows, now)
                written += 1
        return written

    def _put(
        self,
        connection: Connection,
        letter: Letter,
        told: StoredReceiver,
        part: Sequence[Notice],
        rows: Any,
        now: float,
    ) -> None:
        owners: list[Row[Any]] = [rows[one.incident_id] for one in part]
        salt = ",".join(str(one.id) for one in part)
        made = self.wording.letter(letter.kind, told, owners, now, salt)
        number = outbox.put(connection, made, told.route.id, now)
        first = [one.id for one in part if one.told_at == now]
        if first:
            connection.execute(
                update(notice).where(notice.c.id.in_(first), notice.c.told_by.is_(None)).values(told_by=number)
            )
        connection.execute(
            update(incident)
            .where(incident.c.id.in_([row.id for row in owners]), incident.c.first_told_at.is_(None))
            .values(first_told_at=now)
        )

    def _purge(self, now: float) -> None:
        """Forgets incidents that ended, and were told, long ago."""
        before = now - self._keep_days * DAY_SECONDS
        with self._engine.begin() as connection:
            purge(connection, before)


def _is_set(event: threading.Event | None) -> bool:
    return event is not None and event.is_set()


def purge(connection: Connection, before: float) -> None:
    """Forgets what was finished before a moment; what is open or waits stays however old it is."""
    connection.execute(delete(alert_flap).where(alert_flap.c.stable_at < before))
    over = select(incident.c.id).where(incident.c.ended_at < before).scalar_subquery()
    unfinished = (
        select(notice.c.incident_id)
        .where(notice.c.due_at.is_not(None), notice.c.incident_id.in_(over))
        .scalar_subquery()
    )
    gone = select(incident.c.id).where(incident.c.ended_at < before, incident.c.id.not_in(unfinished)).scalar_subquery()
    connection.execute(delete(acknowledgement).where(acknowledgement.c.incident_id.in_(gone)))
    connection.execute(delete(notice).where(notice.c.incident_id.in_(gone)))
    still_named = select(notice.c.incident_id)
    connection.execute(
        delete(incident).where(
            incident.c.ended_at < before,
            incident.c.id.not_in(still_named),
            incident.c.id.not_in(select(alert_flap.c.incident_id)),
        )
    )
    connection.execute(
        delete(notification).where(
            notification.c.finished_at < before,
            notification.c.id.not_in(select(notice.c.told_by).where(notice.c.told_by.is_not(None))),
        )
    )


def shifts(connection: Connection) -> list[Shift]:
    """The rosters that are not removed."""
    rows = connection.execute(select(duty_shift).where(duty_shift.c.removed_at.is_(None)))
    return [shift_of(row) for row in rows]
