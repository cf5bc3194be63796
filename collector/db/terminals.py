"""What people decide on a terminal's identity: revoke, decommission, rotate, confirm a copy, re-attach; each kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from agent.wire.message import Message, mark
from collector.db.decisions import Author, DecisionError, UnknownTargetError
from collector.db.devices import Place, move_device, revoke_device
from collector.db.identity_tables import device_hardware, identity_change, terminal_decision
from collector.db.tables import device
from collector.identities import CLONE, REATTACH, ROTATE
from inventory.hardware import SAME, compare_hardware, shared_keys

REVOKE, DECOMMISSION, CONFIRM = "revoke", "decommission", "confirm"
ACTION_LABELS = {
    REVOKE: mark("right to report ended"),
    DECOMMISSION: mark("taken out of service"),
    ROTATE: mark("new token asked for"),
    CONFIRM: mark("copy confirmed as a terminal of its own"),
    REATTACH: mark("taken back under its earlier identity"),
}
LONGEST_REASON = 2000
# Keys on more terminals than this are a maker's, not a machine's.
MOST_SHARING = 3

_UNKNOWN = mark("there is no terminal {device}")
_REVOKED = mark("the right of terminal {device} to report has ended; it must enrol again first")
_NO_COPY = mark("terminal {device} is no copy that waits for a decision")
_SAME_ONE = mark("choose two terminals: {device} is one")
_NOT_SILENT = mark("terminal {device} still reports: two machines that report are not one")
_NOT_ALIKE = mark("the hardware of {device} and {other} differs: their history stays apart")


@dataclass(frozen=True)
class Suggestion:
    """A terminal that enrolled anew and is probably one that has fallen silent.

    Args:
        device_id: the new identity.
        earlier_id: the old one, under which the history lies.
        shared: keys of the hardware that both told, the most telling first.
        enrolled_at: of the new one.
        earlier_seen_at: when the old one was last heard; None for never.
    """

    device_id: str
    earlier_id: str
    shared: tuple[str, ...]
    enrolled_at: float
    earlier_seen_at: float | None


def revoke(connection: Connection, device_id: str, *, author: Author, reason: str = "") -> None:
    """Ends a terminal's right to report; its history stays.

    Raises:
        UnknownTargetError: there is no such terminal.
    """
    _end(connection, device_id, REVOKE, author, reason)


def decommission(connection: Connection, device_id: str, *, author: Author, reason: str = "") -> None:
    """Takes a terminal out of service: no alert, no place in the lists or the age of the fleet; its history stays.

    Raises:
        UnknownTargetError: there is no such terminal.
    """
    _end(connection, device_id, DECOMMISSION, author, reason)


def ask_rotation(connection: Connection, device_id: str, *, author: Author, reason: str = "") -> None:
    """Has the terminal get another token with the answer to its next upload.

    Raises:
        UnknownTargetError: there is no such terminal.
        DecisionError: its right to report has ended.
    """
    row = _terminal(connection, device_id)
    if row.revoked_at is not None:
        raise DecisionError(Message(_REVOKED, {"device": device_id}))
    _cancel(connection, device_id, author.at, purpose=ROTATE)
    _ask(connection, device_id, device_id, ROTATE, author, reason)


def confirm_copy(connection: Connection, device_id: str, place: Place, *, author: Author, reason: str = "") -> None:
    """Says that a copy is a terminal of its own, and where it stands.

    Raises:
        DecisionError: it is no copy that waits for that.
    """
    found = connection.execute(
        update(identity_change)
        .where(
            identity_change.c.device_id == device_id,
            identity_change.c.purpose == CLONE,
            identity_change.c.confirmed_at.is_(None),
        )
        .values(confirmed_at=author.at, confirmed_by=author.label)
    ).rowcount
    if not found:
        raise DecisionError(Message(_NO_COPY, {"device": device_id}))
    row = _terminal(connection, device_id)
    if (row.unit_code, row.site) != (place.unit_code, place.site):
        move_device(connection, device_id, place, author.at)
    _note(connection, CONFIRM, device_id, None, author, reason)


def reattach(connection: Connection, device_id: str, earlier_id: str, *, author: Author, reason: str = "") -> None:
    """Has a machine that was installed anew go on under its earlier identity, with its history.

    Raises:
        UnknownTargetError: there is no such terminal.
        DecisionError: they are one, the earlier one still reports, one of them is revoked, or the hardware differs.
    """
    if device_id == earlier_id:
        raise DecisionError(Message(_SAME_ONE, {"device": device_id}))
    new, earlier = _terminal(connection, device_id), _terminal(connection, earlier_id)
    for row in (new, earlier):
        if row.revoked_at is not None:
            raise DecisionError(Message(_REVOKED, {"device": row.id}))
    if not _has_fallen_silent(earlier, new):
        raise DecisionError(Message(_NOT_SILENT, {"device": earlier_id}))
    keys = _hardware(connection)
    if compare_hardware(keys.get(device_id, {}), keys.get(earlier_id, {})) != SAME:
        raise DecisionError(Message(_NOT_ALIKE, {"device": device_id, "other": earlier_id}))
    _cancel(connection, device_id, author.at)
    _ask(connection, device_id, earlier_id, REATTACH, author, reason)


def suggestions(connection: Connection) -> list[Suggestion]:
    """Terminals that are probably earlier ones installed anew, for a person to confirm; none is joined by itself."""
    rows = {
        row.id: row
        for row in connection.execute(
            select(device.c.id, device.c.enrolled_at, device.c.last_seen_at).where(device.c.revoked_at.is_(None))
        )
    }
    asked = {
        row.from_device_id
        for row in connection.execute(
            select(identity_change.c.from_device_id).where(identity_change.c.purpose == REATTACH)
        )
    }
    keys = {device_id: told for device_id, told in _hardware(connection).items() if device_id in rows}
    holders: dict[str, list[str]] = {}
    for device_id, told in keys.items():
        for key in {key for values in told.values() for key in values}:
            holders.setdefault(key, []).append(device_id)
    pairs = {
        (new, old)
        for sharing in holders.values()
        if len(sharing) <= MOST_SHARING
        for new in sharing
        for old in sharing
        if new != old and new not in asked and _has_fallen_silent(rows[old], rows[new])
    }
    return [
        Suggestion(new, old, tuple(shared_keys(keys[new], keys[old])), rows[new].enrolled_at, rows[old].last_seen_at)
        for new, old in sorted(pairs, key=lambda pair: (-rows[pair[0]].enrolled_at, pair))
        if compare_hardware(keys[new], keys[old]) == SAME
    ]


def open_copies(connection: Connection) -> list[Any]:
    """Copies that wait for a person to say where they stand, with the terminal they are a copy of."""
    rows = connection.execute(
        select(
            identity_change.c.device_id,
            identity_change.c.from_device_id,
            identity_change.c.asked_at,
            identity_change.c.done_at,
            device.c.unit_code,
            device.c.site,
        )
        .join(device, device.c.id == identity_change.c.device_id)
        .where(
            identity_change.c.purpose == CLONE,
            identity_change.c.confirmed_at.is_(None),
            device.c.revoked_at.is_(None),
        )
        .order_by(identity_change.c.id.desc())
    )
    return list(rows)


def history(connection: Connection, *, device_id: str | None = None, limit: int = 50) -> list[Any]:
    """What was decided, the newest first; of one terminal or of all."""
    query = select(terminal_decision).order_by(terminal_decision.c.id.desc()).limit(limit)
    if device_id is not None:
        query = query.where(terminal_decision.c.device_id == device_id)
    return list(connection.execute(query))


def _has_fallen_silent(old: Any, new: Any) -> bool:
    """Whether nothing came of the old one since the new one enrolled."""
    if old.enrolled_at >= new.enrolled_at:
        return False
    return old.last_seen_at is None or bool(old.last_seen_at < new.enrolled_at)


def _end(connection: Connection, device_id: str, action: str, author: Author, reason: str) -> None:
    if not revoke_device(connection, device_id, author.at):
        raise UnknownTargetError(Message(_UNKNOWN, {"device": device_id}))
    _cancel(connection, device_id, author.at)
    _note(connection, action, device_id, None, author, reason)


def _terminal(connection: Connection, device_id: str) -> Any:
    row = connection.execute(select(device).where(device.c.id == device_id)).one_or_none()
    if row is None:
        raise UnknownTargetError(Message(_UNKNOWN, {"device": device_id}))
    return row


def _hardware(connection: Connection) -> dict[str, dict[str, list[str]]]:
    return {
        row[0]: row[1] for row in connection.execute(select(device_hardware.c.device_id, device_hardware.c["keys"]))
    }


def _cancel(connection: Connection, device_id: str, now: float, *, purpose: str | None = None) -> None:
    """An earlier wish that is not carried out yet gives way; copies stay as they were found."""
    wanted = purpose if purpose is not None else CLONE
    same = identity_change.c.purpose == wanted if purpose is not None else identity_change.c.purpose != wanted
    connection.execute(
        update(identity_change)
        .where(identity_change.c.from_device_id == device_id, identity_change.c.done_at.is_(None), same)
        .values(done_at=now)
    )


def _ask(connection: Connection, from_id: str, to_id: str, purpose: str, author: Author, reason: str) -> None:
    connection.execute(
        insert(identity_change).values(
            from_device_id=from_id,
            device_id=to_id,
            purpose=purpose,
            boot_id="",
            asked_at=author.at,
            asked_by=author.label,
            reason=reason[:LONGEST_REASON],
        )
    )
    _note(connection, purpose, from_id, to_id if to_id != from_id else None, author, reason)


def _note(
    connection: Connection, action: str, device_id: str, other_id: str | None, author: Author, reason: str
) -> None:
    connection.execute(
        insert(terminal_decision).values(
            at=author.at,
            by=author.label,
            action=action,
            device_id=device_id,
            other_device_id=other_id,
            reason=reason[:LONGEST_REASON],
        )
    )
