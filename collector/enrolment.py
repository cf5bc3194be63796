"""How terminals and people get their tokens, and how these are checked."""

from __future__ import annotations

import re
import secrets
import threading
from collections import deque
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from collector import join_codes, tokens
from collector.db.identity_tables import identity_offer
from collector.db.tables import access_token, device, device_token
from collector.errors import AuthenticationError, EnrolmentError

SITE_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
DEFAULT_SITE = "main"
ADMIN = "admin"
VIEWER = "viewer"
ROLES = (ADMIN, VIEWER)


@dataclass(frozen=True)
class Enrolled:
    """A terminal that has just joined; the token's text exists here and at the terminal only."""

    device_id: str
    token: str


@dataclass(frozen=True)
class Person:
    """Who asks, as far as a token tells."""

    label: str
    role: str


def check_site(site: str) -> None:
    """Passes a short name of an office.

    Raises:
        ValueError: it is none, and what was expected.
    """
    if not SITE_PATTERN.fullmatch(site):
        raise ValueError(f"site {site!r}: expected 1 to 32 characters of a-z, 0-9 and '-', as dang-uy")


def create_join_code(
    connection: Connection,
    *,
    unit_code: str,
    site: str,
    now: float,
    valid_seconds: float,
    max_uses: int = 1,
    label: str = "",
) -> str:
    """A code for one terminal of that unit and site, or for so many; its letters are returned once.

    Raises:
        ValueError: the site is no short name of a-z, 0-9 and dashes, or the uses or the label are out of bounds.
    """
    check_site(site)
    return join_codes.new_code(
        connection,
        unit_code=unit_code,
        site=site,
        now=now,
        valid_seconds=valid_seconds,
        max_uses=max_uses,
        label=label,
    )


def enrol(connection: Connection, code: str, *, now: float) -> Enrolled:
    """Makes the terminal that shows this code a device of the code's unit, and uses the code once.

    Raises:
        EnrolmentError: the code is unknown, used up, expired or revoked.
    """
    device_id = new_device_id()
    claimed = join_codes.claim(connection, code, device_id=device_id, now=now)
    if claimed is None:
        raise EnrolmentError("join code is unknown, used or expired")
    connection.execute(
        insert(device).values(id=device_id, unit_code=claimed.unit_code, site=claimed.site, enrolled_at=now),
    )
    join_codes.note_use(connection, claimed, device_id=device_id, now=now)
    return Enrolled(device_id, add_device_token(connection, device_id, now).text)


def new_device_id() -> str:
    """An id that no terminal has had."""
    return secrets.token_hex(16)


def add_device_token(connection: Connection, device_id: str, now: float) -> tokens.NewToken:
    """Another valid token of a terminal."""
    token = tokens.new_token()
    connection.execute(
        insert(device_token).values(id=token.id, device_id=device_id, secret_hash=token.secret_hash, created_at=now),
    )
    return token


@dataclass(frozen=True)
class Terminal:
    """Who uploads, as far as its token tells.

    Args:
        device_id: whose token it is.
        token_id: which of its tokens.
        enrolled_at: when it joined, seconds since 1970-01-01 UTC.
        is_first_use: the token was offered in an answer, and is shown for the first time now.
    """

    device_id: str
    token_id: str
    enrolled_at: float
    is_first_use: bool


def authenticate_device(connection: Connection, token_text: str) -> str:
    """The device that owns this token.

    Raises:
        AuthenticationError: unknown, wrong or revoked.
    """
    return authenticate_terminal(connection, token_text).device_id


def authenticate_terminal(connection: Connection, token_text: str) -> Terminal:
    """The device that owns this token, and what the token says besides.

    Raises:
        AuthenticationError: unknown, wrong or revoked.
    """
    token_id, secret = _split(token_text)
    row = connection.execute(
        select(
            device_token.c.device_id,
            device_token.c.secret_hash,
            device_token.c.revoked_at,
            device.c.enrolled_at,
            identity_offer.c.token_id.label("offered"),
            identity_offer.c.claimed_at,
        )
        .join(device, device.c.id == device_token.c.device_id)
        .outerjoin(identity_offer, identity_offer.c.token_id == device_token.c.id)
        .where(device_token.c.id == token_id),
    ).one_or_none()
    if row is None or not tokens.secret_matches(secret, row.secret_hash) or row.revoked_at is not None:
        raise AuthenticationError("token is unknown, wrong or revoked")
    is_first_use = row.offered is not None and row.claimed_at is None
    return Terminal(str(row.device_id), token_id, row.enrolled_at, is_first_use)


def create_access_token(connection: Connection, *, label: str, role: str, now: float) -> str:
    """A token for the API and the pages; its text is returned once.

    Raises:
        ValueError: no such role.
    """
    if role not in ROLES:
        raise ValueError(f"role {role!r}: expected one of {', '.join(ROLES)}")
    token = tokens.new_token()
    connection.execute(
        insert(access_token).values(
            id=token.id,
            label=label,
            role=role,
            secret_hash=token.secret_hash,
            created_at=now,
        ),
    )
    return token.text


def revoke_access_token(connection: Connection, token_id: str, now: float) -> bool:
    """Ends an access token; false where there is no valid one of that id."""
    return bool(
        connection.execute(
            update(access_token)
            .where(access_token.c.id == token_id, access_token.c.revoked_at.is_(None))
            .values(revoked_at=now),
        ).rowcount,
    )


def authenticate_person(connection: Connection, token_text: str) -> Person:
    """Whose access token this is.

    Raises:
        AuthenticationError: unknown, wrong or revoked.
    """
    token_id, secret = _split(token_text)
    row = connection.execute(
        select(access_token.c.label, access_token.c.role, access_token.c.secret_hash, access_token.c.revoked_at).where(
            access_token.c.id == token_id,
        ),
    ).one_or_none()
    if row is None or not tokens.secret_matches(secret, row.secret_hash) or row.revoked_at is not None:
        raise AuthenticationError("token is unknown, wrong or revoked")
    return Person(row.label, row.role)


def _split(token_text: str) -> tuple[str, str]:
    parts = tokens.split_token(token_text)
    if parts is None:
        raise AuthenticationError("token is unknown, wrong or revoked")
    return parts


class AttemptLimit:
    """At most so many attempts in any minute, from one address and ten times as many from all.

    Args:
        per_minute: attempts one address has in a minute.
    """

    WINDOW_SECONDS = 60.0
    ALL_FACTOR = 10

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._attempts: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def wait_seconds(self, address: str, now: float) -> float:
        """0 and the attempt counted, or how long to wait before the next one.

        Args:
            address: who tries.
            now: seconds on a clock that never jumps.
        """
        with self._lock:
            while self._attempts and self._attempts[0][0] <= now - self.WINDOW_SECONDS:
                self._attempts.popleft()
            own = [at for at, who in self._attempts if who == address]
            for times, limit in (
                (own, self._per_minute),
                ([at for at, _ in self._attempts], self._per_minute * self.ALL_FACTOR),
            ):
                if len(times) >= limit:
                    return max(0.0, times[-limit] + self.WINDOW_SECONDS - now) or self.WINDOW_SECONDS
            self._attempts.append((now, address))
            return 0.0
