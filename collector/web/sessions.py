"""Who may open the pages: a login with an access token, or this machine alone where the settings say so."""

from __future__ import annotations

import secrets

from fastapi import Request
from sqlalchemy import Connection, delete, insert, select

from collector import tokens
from collector.db.tables import access_token, web_session
from collector.enrolment import VIEWER, Person
from collector.settings import is_loopback

COOKIE = "thongmang_session"
# Any of these means that somebody else may stand behind a loopback address.
FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def start_session(connection: Connection, token_text: str, *, now: float, valid_seconds: float) -> str:
    """A new session for the owner of a valid access token; returns the cookie's value."""
    secret = secrets.token_urlsafe(32)
    parts = tokens.split_token(token_text)
    connection.execute(delete(web_session).where(web_session.c.expires_at < now))
    connection.execute(
        insert(web_session).values(
            secret_hash=tokens.hash_secret(secret),
            access_token_id=parts[0] if parts else "",
            created_at=now,
            expires_at=now + valid_seconds,
        ),
    )
    return secret


def end_session(connection: Connection, secret: str) -> None:
    """Ends a session; nothing happens where there is none."""
    connection.execute(delete(web_session).where(web_session.c.secret_hash == tokens.hash_secret(secret)))


def session_owner(connection: Connection, secret: str, *, now: float) -> Person | None:
    """Whose session this is; None where it is unknown or over, or its token was revoked."""
    row = connection.execute(
        select(access_token.c.label, access_token.c.role)
        .join(web_session, web_session.c.access_token_id == access_token.c.id)
        .where(
            web_session.c.secret_hash == tokens.hash_secret(secret),
            web_session.c.expires_at > now,
            access_token.c.revoked_at.is_(None),
        ),
    ).one_or_none()
    return Person(row.label, row.role) if row else None


def local_visitor(request: Request) -> Person | None:
    """A reader at this very machine; None where the request came, or may have come, from elsewhere."""
    if request.client is None or not is_loopback(request.client.host):
        return None
    if any(header in request.headers for header in FORWARDING_HEADERS):
        return None
    return Person("this machine", VIEWER)
