"""What people set up and decide about notifications, kept with who and when; nothing of it is ever removed unseen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from agent.wire.message import Message, mark
from alerts.route.model import FINAL_STATES, WITHHELD
from collector.db.decisions import Author, DecisionError, UnknownTargetError
from collector.db.notification_tables import (
    acknowledgement,
    duty_import,
    duty_shift,
    incident,
    maintenance_window,
    notice,
    notification,
    receiver,
    silence,
)

NO_RECEIVER = mark("there is no receiver “{name}”")
MOST_ROWS = 1000


def add_receiver(connection: Connection, values: Mapping[str, Any], author: Author) -> int:
    """Adds a receiver (columns as `collector.notifying.entry.receiver_values` makes them); returns its number.

    Raises:
        DecisionError: there is one of that name.
    """
    if _receiver(connection, values["name"]) is not None:
        raise DecisionError(Message(mark("there is a receiver “{name}” already"), {"name": values["name"]}))
    query = insert(receiver).values(**values, created_at=author.at, created_by=author.label).returning(receiver.c.id)
    return int(connection.execute(query).scalar_one())


def remove_receiver(connection: Connection, name: str, author: Author) -> int:
    """Removes a receiver and its duties; what it was told stays on record. Returns its number.

    Raises:
        UnknownTargetError: there is none of that name.
    """
    number = receiver_named(connection, name).id
    gone = {"removed_at": author.at, "removed_by": author.label}
    connection.execute(update(receiver).where(receiver.c.id == number).values(**gone))
    connection.execute(
        update(duty_shift).where(duty_shift.c.receiver_id == number, duty_shift.c.removed_at.is_(None)).values(**gone)
    )
    connection.execute(
        update(notice)
        .where(notice.c.receiver_id == number, notice.c.state.not_in(FINAL_STATES))
        .values(due_at=author.at)
    )
    return int(number)


def receiver_named(connection: Connection, name: str) -> Row[Any]:
    """The row of a receiver.

    Raises:
        UnknownTargetError: there is none of that name.
    """
    row = _receiver(connection, name.strip())
    if row is None:
        raise UnknownTargetError(Message(NO_RECEIVER, {"name": name[:64]}))
    return row


def _receiver(connection: Connection, name: str) -> Row[Any] | None:
    query = select(receiver).where(receiver.c.name == name, receiver.c.removed_at.is_(None))
    return connection.execute(query).one_or_none()


def receivers(connection: Connection) -> Sequence[Row[Any]]:
    """Those that are not removed, in order of name."""
    return connection.execute(select(receiver).where(receiver.c.removed_at.is_(None)).order_by(receiver.c.name)).all()


def add_silence(
    connection: Connection, matcher: Mapping[str, Any], starts_at: float, ends_at: float, reason: str, author: Author
) -> int:
    """Silences what matches for a time; returns the silence's number."""
    query = (
        insert(silence)
        .values(
            matcher=dict(matcher),
            starts_at=starts_at,
            ends_at=ends_at,
            author=author.label,
            reason=reason,
            created_at=author.at,
        )
        .returning(silence.c.id)
    )
    return int(connection.execute(query).scalar_one())


def end_silence(connection: Connection, number: int, author: Author) -> None:
    """Ends a silence now; what it held back is looked at again at once.

    Raises:
        UnknownTargetError: there is none of that number that has not ended.
    """
    ended = connection.execute(
        update(silence)
        .where(silence.c.id == number, silence.c.ends_at > author.at)
        .values(ends_at=author.at, starts_at=func.min(silence.c.starts_at, author.at), ended_by=author.label)
    )
    if ended.rowcount == 0:
        raise UnknownTargetError(Message(mark("there is no silence {number} that has not ended"), {"number": number}))
    _look_again(connection, author.at)


def silences(connection: Connection, *, since: float) -> Sequence[Row[Any]]:
    """Those that hold, will hold, or ended after a moment; the newest first."""
    query = select(silence).where(silence.c.ends_at > since).order_by(silence.c.id.desc()).limit(MOST_ROWS)
    return connection.execute(query).all()


def add_window(connection: Connection, values: Mapping[str, Any], reason: str, author: Author) -> int:
    """Adds a maintenance window (columns as `collector.notifying.entry.window_values` makes them)."""
    query = (
        insert(maintenance_window)
        .values(**values, author=author.label, reason=reason, created_at=author.at)
        .returning(maintenance_window.c.id)
    )
    return int(connection.execute(query).scalar_one())


def end_window(connection: Connection, number: int, author: Author) -> None:
    """Ends a maintenance window for good; what it held back is looked at again at once.

    Raises:
        UnknownTargetError: there is none of that number that has not ended.
    """
    table = maintenance_window
    ended = connection.execute(
        update(table)
        .where(table.c.id == number, table.c.ends_at.is_(None) | (table.c.ends_at > author.at))
        .values(ends_at=author.at, ended_by=author.label)
    )
    if ended.rowcount == 0:
        text = mark("there is no maintenance window {number} that has not ended")
        raise UnknownTargetError(Message(text, {"number": number}))
    _look_again(connection, author.at)


def windows(connection: Connection, *, since: float) -> Sequence[Row[Any]]:
    """Those that hold, will hold, or ended after a moment; the newest first."""
    table = maintenance_window
    query = select(table).where(table.c.ends_at.is_(None) | (table.c.ends_at > since))
    return connection.execute(query.order_by(table.c.id.desc()).limit(MOST_ROWS)).all()


def acknowledge(connection: Connection, number: int, note: str, assigned_to: str, author: Author) -> None:
    """Notes that somebody has taken an incident on: no more reminders, no escalation.

    Raises:
        UnknownTargetError: there is no such incident, or it is over.
    """
    open_one = connection.execute(
        select(incident.c.id).where(incident.c.id == number, incident.c.ended_at.is_(None))
    ).one_or_none()
    if open_one is None:
        text = mark("there is no open alert {number}; it may be over by now")
        raise UnknownTargetError(Message(text, {"number": number}))
    connection.execute(
        insert(acknowledgement).values(
            incident_id=number, by_label=author.label, at=author.at, note=note, assigned_to=assigned_to
        )
    )


def acknowledgements(connection: Connection, numbers: Sequence[int]) -> dict[int, Row[Any]]:
    """The newest acknowledgement of each of these incidents that has one."""
    query = select(acknowledgement).where(acknowledgement.c.incident_id.in_(numbers)).order_by(acknowledgement.c.id)
    return {row.incident_id: row for row in connection.execute(query)}


def open_incidents(connection: Connection, limit: int = MOST_ROWS) -> Sequence[Row[Any]]:
    """What fires, the newest first."""
    query = select(incident).where(incident.c.ended_at.is_(None)).order_by(incident.c.fired_at.desc(), incident.c.id)
    return connection.execute(query.limit(limit)).all()


def notices_of(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """For each of these incidents who was told of it, or why not, with the receiver's name."""
    query = (
        select(notice, receiver.c.name.label("receiver_name"), receiver.c.step)
        .join(receiver, receiver.c.id == notice.c.receiver_id)
        .where(notice.c.incident_id.in_(numbers))
        .order_by(receiver.c.step, receiver.c.name)
    )
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.incident_id, []).append(row)
    return found


def outbox(connection: Connection, *, state: str = "", limit: int = 200, offset: int = 0) -> Sequence[Row[Any]]:
    """Notifications with their receivers' names, the newest first."""
    query = (
        select(notification, receiver.c.name.label("receiver_name"))
        .join(receiver, receiver.c.id == notification.c.receiver_id)
        .order_by(notification.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    if state:
        query = query.where(notification.c.state == state)
    return connection.execute(query).all()


def outbox_counts(connection: Connection) -> dict[str, int]:
    """How many notifications there are in each state."""
    query = select(notification.c.state, func.count().label("number")).group_by(notification.c.state)
    return {row.state: row.number for row in connection.execute(query)}


def duties(connection: Connection) -> Sequence[Row[Any]]:
    """Rosters that are not removed, with their receivers' names."""
    query = (
        select(duty_shift, receiver.c.name.label("receiver_name"))
        .join(receiver, receiver.c.id == duty_shift.c.receiver_id)
        .where(duty_shift.c.removed_at.is_(None))
        .order_by(duty_shift.c.scope, duty_shift.c.place, duty_shift.c.first_day, duty_shift.c.id)
    )
    return connection.execute(query).all()


def remove_duty(connection: Connection, number: int, author: Author) -> None:
    """Takes one row out of the rosters.

    Raises:
        UnknownTargetError: there is none of that number.
    """
    removed = connection.execute(
        update(duty_shift)
        .where(duty_shift.c.id == number, duty_shift.c.removed_at.is_(None))
        .values(removed_at=author.at, removed_by=author.label)
    )
    if removed.rowcount == 0:
        raise UnknownTargetError(Message(mark("there is no duty {number}"), {"number": number}))


def duty_imports(connection: Connection, limit: int = 20) -> Sequence[Row[Any]]:
    """The newest imports of rosters."""
    return connection.execute(select(duty_import).order_by(duty_import.c.id.desc()).limit(limit)).all()


def _look_again(connection: Connection, now: float) -> None:
    connection.execute(update(notice).where(notice.c.state == WITHHELD, notice.c.due_at > now).values(due_at=now))
