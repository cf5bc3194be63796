"""What people decided of ages and identities, kept in the registry with who and when; nothing of it is ever removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Connection, Row, insert, or_, select, update

from agent.wire.message import Message, mark
from collector.clock import local_day
from collector.db.tables import asset, decision_override, device, identity_decision
from collector.errors import CollectorError
from inventory.age.evidence import Decision
from inventory.identity import BY_PERSON
from inventory.overrides import Override, checked_reason

Action = Literal["link", "confirm", "unlink"]
LINK: Action = "link"
CONFIRM: Action = "confirm"
UNLINK: Action = "unlink"
ACTION_LABELS: dict[str, str] = {LINK: mark("linked"), CONFIRM: mark("confirmed"), UNLINK: mark("unlinked")}


class DecisionError(CollectorError):
    """A decision that cannot be made; `message` is the sentence for people."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(message.render())


class UnknownTargetError(DecisionError):
    """There is no such asset or terminal."""


@dataclass(frozen=True)
class Author:
    """Who decides, and when (seconds since 1970-01-01 UTC)."""

    label: str
    at: float


# --- ages ---


def override_decision(
    connection: Connection,
    *,
    asset_id: int | None,
    device_id: str | None,
    decision: Decision | None,
    computed: Decision,
    reason: str,
    author: Author,
) -> int:
    """Keeps a decision on an item instead of the computed one; None withdraws the one in force. Returns its number.

    Raises:
        inventory.overrides.ReasonError: the reason is too short or too long.
        UnknownTargetError: no such asset or terminal.
        DecisionError: there is nothing to withdraw.
    """
    text = checked_reason(reason)
    owner = None if asset_id is None else _asset(connection, asset_id)
    if device_id is not None:
        _check_device(connection, device_id)
    if owner is None and device_id is None:
        raise UnknownTargetError(Message(mark("the decision names neither an asset nor a terminal")))
    same = []
    if device_id is not None:
        same.append(decision_override.c.device_id == device_id)
    if owner is not None:
        # A decision on this asset and a terminal it was linked to once stays with that terminal while it reports.
        gone = select(device.c.id).where(device.c.revoked_at.is_not(None))
        same.append(
            (decision_override.c.asset_id == owner.id)
            & (decision_override.c.register_key == owner.register_key)
            & or_(decision_override.c.device_id.is_(None), decision_override.c.device_id.in_(gone))
        )
    ended = connection.execute(
        update(decision_override)
        .where(decision_override.c.superseded_at.is_(None), or_(*same))
        .values(superseded_at=author.at)
    ).rowcount
    if decision is None and not ended:
        raise DecisionError(Message(mark("there is no decision to withdraw")))
    result = connection.execute(
        insert(decision_override).values(
            asset_id=asset_id,
            register_key=owner.register_key if owner else None,
            unit_code=owner.unit_code if owner else None,
            device_id=device_id,
            decision=decision,
            computed=computed,
            reason=text,
            by_label=author.label,
            at=author.at,
            superseded_at=author.at if decision is None else None,
        )
    )
    return int((result.inserted_primary_key or (0,))[0])


def overrides_in_force(connection: Connection) -> list[Override]:
    """The decisions that count, the oldest first, each with the present number of its asset."""
    rows = connection.execute(
        select(decision_override)
        .where(decision_override.c.superseded_at.is_(None), decision_override.c.decision.is_not(None))
        .order_by(decision_override.c.id)
    ).all()
    numbers = _present_numbers(connection, rows)
    return [
        Override(
            asset_id=numbers[row.id],
            device_id=row.device_id,
            decision=cast("Decision", row.decision),
            computed=cast("Decision", row.computed),
            reason=row.reason,
            decided_by=row.by_label,
            decided_on=local_day(row.at),
        )
        for row in rows
    ]


def override_history(
    connection: Connection, *, asset_ids: Collection[int] = (), device_ids: Collection[str] = ()
) -> list[Row[Any]]:
    """All decisions on these assets or terminals, the newest first, withdrawn and superseded ones included."""
    return list(
        connection.execute(
            select(decision_override)
            .where(
                or_(
                    decision_override.c.asset_id.in_(asset_ids),
                    decision_override.c.device_id.in_(device_ids),
                )
            )
            .order_by(decision_override.c.id.desc())
        ).all()
    )


# --- identities ---


def link(connection: Connection, asset_id: int, device_id: str, *, author: Author, reason: str = "") -> None:
    """Says that an asset is that terminal. A link that a key made to either of them ends.

    Raises:
        UnknownTargetError: no such asset or terminal.
        DecisionError: a person linked another asset to the terminal; that one must be unlinked first.
    """
    owner = _asset(connection, asset_id)
    _check_reporting(connection, device_id)
    others = connection.execute(select(asset).where(asset.c.device_id == device_id, asset.c.id != asset_id)).all()
    by_person = next((row for row in others if row.linked_by == BY_PERSON), None)
    if by_person is not None:
        raise DecisionError(
            Message(
                mark("terminal {device} is linked by a person to asset {asset}; unlink that one first"),
                {"device": device_id, "asset": by_person.id},
            )
        )
    connection.execute(
        update(asset)
        .where(asset.c.device_id == device_id, asset.c.id != asset_id)
        .values(device_id=None, linked_by=None, updated_at=author.at)
    )
    _set_link(connection, owner, device_id, LINK, author, reason)


def confirm(connection: Connection, asset_id: int, device_id: str, *, author: Author, reason: str = "") -> None:
    """Says that the link that a key made is right: it holds from now on whatever the keys say.

    Raises:
        UnknownTargetError: no such asset or terminal.
        DecisionError: the asset is not linked to that terminal.
    """
    owner = _asset(connection, asset_id)
    _check_device(connection, device_id)
    if owner.device_id != device_id:
        raise DecisionError(
            Message(mark("asset {asset} is not linked to terminal {device}"), {"asset": asset_id, "device": device_id})
        )
    _set_link(connection, owner, device_id, CONFIRM, author, reason)


def unlink(connection: Connection, asset_id: int, *, author: Author, reason: str = "") -> str:
    """Says that an asset is not the terminal it is linked to, and returns that one; no key links the two again.

    Raises:
        UnknownTargetError: no such asset.
        DecisionError: it is linked to no terminal.
    """
    owner = _asset(connection, asset_id)
    if owner.device_id is None:
        raise DecisionError(Message(mark("asset {asset} is linked to no terminal"), {"asset": asset_id}))
    connection.execute(
        update(asset).where(asset.c.id == asset_id).values(device_id=None, linked_by=None, updated_at=author.at)
    )
    _keep(connection, owner, owner.device_id, UNLINK, author, reason)
    return str(owner.device_id)


def keep_apart(connection: Connection, asset_id: int, device_id: str, *, author: Author, reason: str = "") -> None:
    """Says that an asset is not that terminal, which no key has linked yet: one way out of a doubt.

    Raises:
        UnknownTargetError: no such asset or terminal.
    """
    owner = _asset(connection, asset_id)
    _check_device(connection, device_id)
    if owner.device_id == device_id:
        unlink(connection, asset_id, author=author, reason=reason)
    else:
        _keep(connection, owner, device_id, UNLINK, author, reason)


def pairs_kept_apart(connection: Connection) -> frozenset[tuple[int, str]]:
    """(asset number, device identity) of every pair whose newest decision is that they are not one."""
    rows = connection.execute(select(identity_decision).order_by(identity_decision.c.id)).all()
    numbers = _present_numbers(connection, rows)
    newest = {(number, row.device_id): row.action for row in rows if (number := numbers[row.id]) is not None}
    return frozenset(pair for pair, action in newest.items() if action == UNLINK)


def identity_history(
    connection: Connection, *, device_id: str | None = None, asset_id: int | None = None, limit: int = 100
) -> list[Row[Any]]:
    """The newest decisions on identity of a terminal or an asset, or of all."""
    query = select(identity_decision).order_by(identity_decision.c.id.desc()).limit(limit)
    if device_id is not None:
        query = query.where(identity_decision.c.device_id == device_id)
    if asset_id is not None:
        query = query.where(identity_decision.c.asset_id == asset_id)
    return list(connection.execute(query).all())


def _asset(connection: Connection, asset_id: int) -> Row[Any]:
    row = connection.execute(select(asset).where(asset.c.id == asset_id)).one_or_none()
    if row is None:
        raise UnknownTargetError(Message(mark("there is no asset {asset}"), {"asset": asset_id}))
    return row


def _check_device(connection: Connection, device_id: str) -> None:
    found = connection.execute(select(device.c.id).where(device.c.id == device_id)).one_or_none()
    if found is None:
        raise UnknownTargetError(Message(mark("there is no terminal {device}"), {"device": device_id[:_LONGEST_SHOWN]}))


def _check_reporting(connection: Connection, device_id: str) -> None:
    _check_device(connection, device_id)
    row = connection.execute(select(device.c.revoked_at).where(device.c.id == device_id)).one()
    if row.revoked_at is not None:
        raise DecisionError(Message(mark("terminal {device} may no longer report"), {"device": device_id}))


def _set_link(
    connection: Connection, owner: Row[Any], device_id: str, action: Action, author: Author, reason: str
) -> None:
    # The time tells the job that links that there may be more to link now.
    connection.execute(
        update(asset)
        .where(asset.c.id == owner.id)
        .values(device_id=device_id, linked_by=BY_PERSON, updated_at=author.at)
    )
    _keep(connection, owner, device_id, action, author, reason)


def _keep(connection: Connection, owner: Row[Any], device_id: str, action: Action, author: Author, reason: str) -> None:
    connection.execute(
        insert(identity_decision).values(
            asset_id=owner.id,
            register_key=owner.register_key,
            unit_code=owner.unit_code,
            device_id=device_id,
            action=action,
            reason=checked_reason(reason) if reason.strip() else "",
            by_label=author.label,
            at=author.at,
        )
    )


def _present_numbers(connection: Connection, rows: Sequence[Row[Any]]) -> dict[int, int | None]:
    """Decision number -> number its asset has today: undoing an import and importing again gives it another one."""
    by_id: dict[int, str] = {}
    by_key: dict[tuple[str, str], int] = {}
    keys = {row.register_key for row in rows if row.register_key is not None}
    for found in _assets_of_keys(connection, keys):
        by_id[found.id] = found.register_key
        by_key[found.unit_code, found.register_key] = found.id
    numbers: dict[int, int | None] = {}
    for row in rows:
        same = by_id.get(row.asset_id) == row.register_key and row.asset_id is not None
        numbers[row.id] = row.asset_id if same else by_key.get((row.unit_code, row.register_key))
    return numbers


_KEYS_A_QUERY = 500
_LONGEST_SHOWN = 64


def _assets_of_keys(connection: Connection, keys: Iterable[str]) -> Iterator[Any]:
    ordered = sorted(keys)
    for start in range(0, len(ordered), _KEYS_A_QUERY):
        part = ordered[start : start + _KEYS_A_QUERY]
        yield from connection.execute(
            select(asset.c.id, asset.c.unit_code, asset.c.register_key).where(asset.c.register_key.in_(part))
        )
