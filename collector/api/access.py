"""Who may use the API, and what its routes read from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Header, HTTPException, status
from sqlalchemy import Connection, Engine

from collector.enrolment import Person, authenticate_person
from collector.errors import AuthenticationError


def bearer_token(authorization: str) -> str:
    """The token of an Authorization header.

    Raises:
        AuthenticationError: the header is missing or of another scheme.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise AuthenticationError("expected the header Authorization: Bearer <token>")
    return token.strip()


def person_by_token(engine: Engine) -> Callable[..., Person]:
    """A dependency that lets nobody through without a valid access token."""

    def person(authorization: Annotated[str, Header()] = "") -> Person:
        try:
            with engine.connect().execution_options(read_only=True) as connection:
                return authenticate_person(connection, bearer_token(authorization))
        except AuthenticationError as error:
            raise HTTPException(status.HTTP_401_UNAUTHORIZED, str(error), {"WWW-Authenticate": "Bearer"}) from error

    return person


def reading(engine: Engine) -> Callable[..., Iterator[Connection]]:
    """A dependency that gives a route one view of the registry."""

    def connection() -> Iterator[Connection]:
        with engine.connect().execution_options(read_only=True) as opened:
            yield opened

    return connection
