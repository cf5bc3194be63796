"""Join codes: made for a unit and site, used by terminals as often as they allow, listed and revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from collector import tokens
from collector.db.identity_tables import join_code_use
from collector.db.tables import join_code

MOST_USES = 10_000
LONGEST_LABEL = 200
ID_CHARACTERS = 10

VALID, USED_UP, EXPIRED, REVOKED = "valid", "used up", "expired", "revoked"


@dataclass(frozen=True)
class JoinCode:
    """A join code as it is listed; its letters are known to nobody but whom they were given to.

    Args:
        id: names it in lists and for revoking.
        unit_code: of the terminals that use it.
        site: likewise.
        label: what it was made for, as a person wrote it.
        state: `VALID`, `USED_UP`, `EXPIRED` or `REVOKED`.
        uses: how many terminals have joined with it.
        max_uses: how many may.
        created_at: seconds since 1970-01-01 UTC.
        expires_at: likewise.
        device_ids: of the terminals that joined with it, the first first.
    """

    id: str
    unit_code: str
    site: str
    label: str
    state: str
    uses: int
    max_uses: int
    created_at: float
    expires_at: float
    device_ids: tuple[str, ...]


@dataclass(frozen=True)
class Claimed:
    """What a code that was taken says of the terminal: its place, and which code it was."""

    code_id: str
    unit_code: str
    site: str


def new_code(
    connection: Connection,
    *,
    unit_code: str,
    site: str,
    now: float,
    valid_seconds: float,
    max_uses: int = 1,
    label: str = "",
) -> str:
    """A fresh code's letters, which are kept nowhere.

    Raises:
        ValueError: the number of uses or the label is out of bounds.
    """
    if not 1 <= max_uses <= MOST_USES:
        raise ValueError(f"uses: expected 1 to {MOST_USES}, got {max_uses}")
    if len(label) > LONGEST_LABEL:
        raise ValueError(f"label: expected at most {LONGEST_LABEL} characters, got {len(label)}")
    code = tokens.new_join_code()
    code_hash = tokens.hash_join_code(code)
    connection.execute(
        insert(join_code).values(
            code_hash=code_hash,
            id=code_hash.hex()[:ID_CHARACTERS],
            unit_code=unit_code,
            site=site,
            label=label,
            created_at=now,
            expires_at=now + valid_seconds,
            max_uses=max_uses,
            uses=0,
        ),
    )
    return code


def claim(connection: Connection, code: str, *, device_id: str, now: float) -> Claimed | None:
    """Uses a code once for that device; None where it is unknown, used up, expired or revoked.

    One statement claims it, so that two terminals cannot both have the last use.
    """
    row = connection.execute(
        update(join_code)
        .where(
            join_code.c.code_hash == tokens.hash_join_code(code),
            join_code.c.uses < join_code.c.max_uses,
            join_code.c.expires_at > now,
            join_code.c.revoked_at.is_(None),
        )
        .values(uses=join_code.c.uses + 1, used_at=now, device_id=device_id)
        .returning(join_code.c.id, join_code.c.unit_code, join_code.c.site),
    ).one_or_none()
    return None if row is None else Claimed(row.id, row.unit_code, row.site)


def note_use(connection: Connection, claimed: Claimed, *, device_id: str, now: float) -> None:
    """Keeps which terminal joined with the code."""
    connection.execute(insert(join_code_use).values(code_id=claimed.code_id, device_id=device_id, used_at=now))


def codes(connection: Connection, now: float, *, limit: int = 500) -> Sequence[JoinCode]:
    """The codes that were made, the newest first."""
    rows = connection.execute(select(join_code).order_by(join_code.c.created_at.desc()).limit(limit)).all()
    used: dict[str, list[str]] = {}
    ids = [row.id for row in rows]
    for use in connection.execute(
        select(join_code_use).where(join_code_use.c.code_id.in_(ids)).order_by(join_code_use.c.id)
    ):
        used.setdefault(use.code_id, []).append(use.device_id)
    return [
        JoinCode(
            row.id,
            row.unit_code,
            row.site,
            row.label or "",
            _state(row.revoked_at, row.uses, row.max_uses, row.expires_at, now),
            row.uses,
            row.max_uses,
            row.created_at,
            row.expires_at,
            tuple(used.get(row.id, [row.device_id] if row.device_id else [])),
        )
        for row in rows
    ]


def revoke_code(connection: Connection, code_id: str, now: float) -> bool:
    """Ends a code; the terminals that joined with it stay. False where there is none of that id still in force."""
    return bool(
        connection.execute(
            update(join_code).where(join_code.c.id == code_id, join_code.c.revoked_at.is_(None)).values(revoked_at=now)
        ).rowcount
    )


def _state(revoked_at: float | None, uses: int, max_uses: int, expires_at: float, now: float) -> str:
    if revoked_at is not None:
        return REVOKED
    if uses >= max_uses:
        return USED_UP
    return EXPIRED if expires_at <= now else VALID
