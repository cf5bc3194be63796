"""How terminals and people get their tokens, and how these are checked."""

from __future__ import annotations

import re
import secrets
import threading
from collections import deque
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from collector import tokens
from collector.db.tables import access_token, device, device_token, join_code
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


def create_join_code(connection: Connection, *, unit_code: str, site: str, now: float, valid_seconds: float) -> str:
    """A one-time code for one terminal of that unit and site.

    Raises:
        ValueError: the site is no short name of a-z, 0-9 and dashes.
    """
    check_site(site)
    code = tokens.new_join_code()
    connection.execute(
        insert(join_code).values(
            code_hash=tokens.hash_join_code(code),
            unit_code=unit_code,
            site=site,
            created_at=now,
            expires_at=now + valid_seconds,
        ),
    )
    return code


def enrol(connection: Connection, code: str, *, now: float) -> Enrolled:
    """Makes the terminal that shows this code a device of the code's unit, and uses the code up.

    Raises:
        EnrolmentError: the code is unknown, used or expired.
    """
    device_id = secrets.token_hex(16)
    code_hash = tokens.hash_join_code(code)
    # One statement claims the code, so that two terminals with the same code cannot both pass.
    claimed = connection.execute(
        update(join_code)
        .where(join_code.c.code_hash == code_hash, join_code.c.used_at.is_(None), join_code.c.expires_at > now)
        .values(used_at=now, device_id=device_id)
        .returning(join_code.c.unit_code, join_code.c.site),
    ).one_or_none()
    if claimed is None:
        raise EnrolmentError("join code is unknown, used or expired")
    token = tokens.new_token()
    connection.execute(
        insert(device).values(id=device_id, unit_code=claimed.unit_code, site=claimed.site, enrolled_at=now),
    )
    connection.execute(
        insert(device_token).values(id=token.id, device_id=device_id, secret_hash=token.secret_hash, created_at=now),
    )
    return Enrolled(device_id, token.text)


def authenticate_device(connection: Connection, token_text: str) -> str:
    """The device that owns this token.

    Raises:
        AuthenticationError: unknown, wrong or revoked.
    """
    token_id, secret = _split(token_text)
    row = connection.execute(
        select(device_token.c.device_id, device_token.c.secret_hash, device_token.c.revoked_at).where(
            device_token.c.id == token_id,
        ),
    ).one_or_none()
    if row is None or not tokens.secret_matches(secret, row.secret_hash) or row.revoked_at is not None:
        raise AuthenticationError("token is unknown, wrong or revoked")
    return str(row.device_id)


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
