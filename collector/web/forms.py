"""What guards a form that changes something: an administrator's session, and a word that only its own pages know."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from fastapi import Request, status

from agent.wire.message import Message, mark
from collector.enrolment import ADMIN, Person
from collector.web import sessions

# The words of a form are no secret of the session's own: they must not tell its cookie.
_PURPOSE = b"thongmang form"


@dataclass(frozen=True)
class Writing:
    """Whether the reader of a page may decide something on it.

    Args:
        allowed: whether forms are shown.
        token: the word that a form must bring back, empty where it may not.
        why_not: for people, None where it may.
    """

    allowed: bool
    token: str
    why_not: Message | None


class RefusedError(Exception):
    """A form that was refused, or a page that is not there; answered with a page that says why.

    Args:
        status: of the answer.
        message: why, for people.
        back: where to go from there.
    """

    def __init__(self, status: int, message: Message, back: str = "/") -> None:
        self.status = status
        self.message = message
        self.back = back
        super().__init__(message.render())


def form_token(session_secret: str) -> str:
    """The word of one session: nobody can make it without the session's cookie, which it does not give away."""
    return hmac.new(session_secret.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def writing(request: Request, person: Person) -> Writing:
    """What the reader may do: an administrator who logged in may decide, nobody else."""
    cookie = request.cookies.get(sessions.COOKIE)
    # Without a session nobody is an administrator; see `sessions.local_visitor`.
    if cookie and person.role == ADMIN:
        return Writing(allowed=True, token=form_token(cookie), why_not=None)
    text = (
        mark("Only an administrator can decide here.")
        if cookie
        else mark("These pages are open without a login: nothing can be decided until an administrator logs in.")
    )
    return Writing(allowed=False, token="", why_not=Message(text))


def check_form(request: Request, person: Person, token: str, back: str) -> None:
    """Lets an administrator's own form pass.

    Raises:
        RefusedError: no administrator's session, or the form does not come from one of its pages.
    """
    may = writing(request, person)
    if may.why_not is not None:
        raise RefusedError(status.HTTP_403_FORBIDDEN, may.why_not, back)
    if not hmac.compare_digest(may.token.encode(), token.encode()):
        text = mark("This form is not of your session; open the page again and repeat.")
        raise RefusedError(status.HTTP_403_FORBIDDEN, Message(text), back)
