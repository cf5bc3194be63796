"""The outbox: what is to be delivered, oldest first for each receiver, and how each delivery ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from alerts.route.matching import wants
from alerts.route.model import BY_FAILURE, FINAL_STATES, SPARED
from alerts.route.rules import RoutingRules
from alerts.route.words import cause_of
from collector.db.notification_tables import incident, notice, notification, receiver
from collector.notifiers.contract import Notification
from collector.notifying import ledger
from collector.notifying.intake import add_notices
from collector.notifying.ledger import StoredReceiver

WAITING = "waiting"
DELIVERED = "delivered"
FAILED = "failed"
LONGEST_ERROR = 500
RECEIVER_REMOVED = "the receiver was removed before this was delivered"


@dataclass(frozen=True)
class Backoff:
    """When a failed delivery is tried again, and when it is given up."""

    first_seconds: float
    longest_seconds: float
    give_up_seconds: float

    def pause_seconds(self, attempts: int) -> float:
        """The pause after so many failed attempts: doubled each time."""
        return min(self.longest_seconds, self.first_seconds * 2.0 ** min(attempts - 1, 30))


def put(connection: Connection, made: Notification, receiver_id: int, now: float) -> int:
    """Puts a notification into the outbox; returns its number.

    Raises:
        sqlalchemy.exc.IntegrityError: it lies there already.
    """
    return int(
        connection.execute(
            insert(notification)
            .values(
                key=made.id,
                receiver_id=receiver_id,
                channel=made.channel,
                kind=made.kind,
                severity=made.severity,
                decided_at=now,
                content=msgspec.to_builtins(made),
                state=WAITING,
                attempts=0,
                next_at=now,
                error="",
            )
            .returning(notification.c.id)
        ).scalar_one()
    )


def heads(connection: Connection, channel: str, now: float) -> Sequence[Row[Any]]:
    """For each receiver of a channel its oldest undelivered notification, if that is due; oldest first.

    Nothing younger is ever returned before it: a firing does not arrive after its end.
    """
    oldest = (
        select(func.min(notification.c.id))
        .where(notification.c.state == WAITING, notification.c.channel == channel)
        .group_by(notification.c.receiver_id)
    )
    query = select(notification).where(notification.c.id.in_(oldest), notification.c.next_at <= now)
    return connection.execute(query.order_by(notification.c.id)).all()


def content_of(row: Row[Any]) -> Notification:
    """The notification as it was decided."""
    return msgspec.convert(row.content, Notification)


class ReceiverRemovedError(Exception):
    """The receiver of a waiting notification was removed."""


def begin(connection: Connection, number: int, now: float) -> bool:
    """Notes that an attempt begins; False where the notification needs none any more.

    Raises:
        ReceiverRemovedError: nobody is there to take it: it is to be given up, so that others are told.
    """
    row = connection.execute(
        select(receiver.c.removed_at)
        .join(notification, notification.c.receiver_id == receiver.c.id)
        .where(notification.c.id == number, notification.c.state == WAITING)
    ).one_or_none()
    if row is None:
        return False
    if row.removed_at is not None:
        raise ReceiverRemovedError(RECEIVER_REMOVED)
    connection.execute(
        update(notification)
        .where(notification.c.id == number)
        .values(attempts=notification.c.attempts + 1, attempted_at=now)
    )
    return True


def arrived(connection: Connection, number: int, now: float) -> None:
    """Notes that the other side has taken it."""
    _finish(connection, number, DELIVERED, now, "")


def postpone(connection: Connection, number: int, next_at: float, error: str) -> None:
    """Notes why it did not arrive and when it is tried again."""
    connection.execute(
        update(notification).where(notification.c.id == number).values(next_at=next_at, error=error[:LONGEST_ERROR])
    )


def give_up(
    connection: Connection,
    number: int,
    error: str,
    now: float,
    standing_in: Sequence[StoredReceiver],
    rules: RoutingRules,
) -> None:
    """Notes that it will never arrive, and has those told who stand in.

    What it would have told for the first time was told to nobody: those notices say so, and no end follows them.

    Args:
        connection: to the registry, in a transaction.
        number: of the notification.
        error: why, for people.
        now: seconds since 1970-01-01 UTC.
        standing_in: the fallback receivers.
        rules: the routing rules.
    """
    _finish(connection, number, FAILED, now, error)
    rows = connection.execute(select(notice).where(notice.c.told_by == number)).all()
    cause = cause_of(BY_FAILURE, reason=error[:LONGEST_ERROR])
    connection.execute(
        update(notice)
        .where(notice.c.told_by == number, notice.c.state.not_in(FINAL_STATES))
        .values(state=SPARED, due_at=None, cause=cause.kind, cause_text=cause.text.as_dict())
    )
    for row in rows:
        owner = connection.execute(select(incident).where(incident.c.id == row.incident_id)).one()
        one = ledger.incident_of(owner, acknowledged=False)
        known = set(
            connection.execute(select(notice.c.receiver_id).where(notice.c.incident_id == row.incident_id)).scalars()
        )
        others = [other.route.id for other in standing_in if other.route.id not in known and wants(other.route, one)]
        if others and one.ended_at is None:
            add_notices(connection, rules, one, others, now)


def _finish(connection: Connection, number: int, state: str, now: float, error: str) -> None:
    connection.execute(
        update(notification)
        .where(notification.c.id == number)
        .values(state=state, finished_at=now, error=error[:LONGEST_ERROR])
    )


def waiting_count(connection: Connection) -> int:
    """How many notifications are not delivered yet."""
    query = select(func.count()).select_from(notification).where(notification.c.state == WAITING)
    return int(connection.execute(query).scalar_one())
