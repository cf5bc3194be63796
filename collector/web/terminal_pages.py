"""How terminals join, change identity and leave: join codes, copied disks, machines installed anew, decisions."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
import logging
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form, Request, Response, status
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from agent.wire.message import Message, mark
from collector import join_codes
from collector.api.access import reading
from collector.clock import now_seconds
from collector.db import terminals
from collector.db.decisions import Author, DecisionError, UnknownTargetError
from collector.db.devices import Place
from collector.enrolment import Person, check_site
from collector.identities import REATTACH, ROTATE
from collector.web.forms import RefusedError, check_form, writing
from inventory.units import UnitError, find_unit

if TYPE_CHECKING:
    from collector.web.pages import Site

log = logging.getLogger(__name__)

TERMINALS_PATH = "/terminals"
REVOKE_CODE = "revoke_code"
CODE_STATES = {
    join_codes.VALID: mark("valid"),
    join_codes.USED_UP: mark("used up"),
    join_codes.EXPIRED: mark("expired"),
    join_codes.REVOKED: mark("revoked"),
}
_LONGEST_ID = 64


def terminals_router(site: "Site") -> APIRouter:
    """The routes of the page on terminals' identities."""
    router = APIRouter(include_in_schema=False)
    asking = Annotated[Person, Depends(site.person)]
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]

    @router.get(TERMINALS_PATH)
    def get_terminals(request: Request, connection: reader, person: asking) -> Response:
        values = {
            "codes": join_codes.codes(connection, now_seconds(), limit=200),
            "code_states": CODE_STATES,
            "copies": terminals.open_copies(connection),
            "reinstalled": terminals.suggestions(connection),
            "decisions": terminals.history(connection),
            "action_labels": terminals.ACTION_LABELS,
            "writing": writing(request, person),
            "longest": terminals.LONGEST_REASON,
        }
        return site.page(request, "terminals.html", values)

    @router.post(TERMINALS_PATH)
    def post_terminals(  # noqa: PLR0917 - one a field of the form
        request: Request,
        person: asking,
        action: Annotated[str, Form()] = "",
        device: Annotated[str, Form()] = "",
        other: Annotated[str, Form()] = "",
        unit: Annotated[str, Form()] = "",
        office: Annotated[str, Form()] = "",
        reason: Annotated[str, Form()] = "",
        token: Annotated[str, Form()] = "",
    ) -> Response:
        check_form(request, person, token, TERMINALS_PATH)
        author = Author(person.label, now_seconds())
        subject, second = _identity(device), _identity(other)
        try:
            with site.collector.engine.begin() as connection:
                if action == REVOKE_CODE:
                    join_codes.revoke_code(connection, subject, author.at)
                elif action == terminals.CONFIRM:
                    place = _place(unit, office)
                    terminals.confirm_copy(connection, subject, place, author=author, reason=reason)
                elif action == REATTACH:
                    terminals.reattach(connection, subject, second, author=author, reason=reason)
                else:
                    _end_or_rotate(connection, action, subject, author, reason)
        except UnknownTargetError as error:
            raise RefusedError(status.HTTP_404_NOT_FOUND, error.message, TERMINALS_PATH) from error
        except DecisionError as error:
            raise RefusedError(status.HTTP_400_BAD_REQUEST, error.message, TERMINALS_PATH) from error
        log.info("terminal %s: %s by %s", subject, action, person.label)
        return RedirectResponse(TERMINALS_PATH, status.HTTP_303_SEE_OTHER)

    return router


def _end_or_rotate(connection: Connection, action: str, device_id: str, author: Author, reason: str) -> None:
    actions = {
        terminals.REVOKE: terminals.revoke,
        terminals.DECOMMISSION: terminals.decommission,
        ROTATE: terminals.ask_rotation,
    }
    if action not in actions:
        raise DecisionError(Message(mark("choose what is to be done with the terminal")))
    actions[action](connection, device_id, author=author, reason=reason)


def _place(unit: str, office: str) -> Place:
    """Where a terminal stands, as a form says.

    Raises:
        DecisionError: there is no such unit, or the office is no short name.
    """
    try:
        check_site(office.strip())
        return Place(find_unit(unit).code, office.strip())
    except (UnitError, ValueError) as error:
        text = mark("there is no unit “{unit}” with an office “{office}”")
        raise DecisionError(Message(text, {"unit": unit[:80], "office": office[:40]})) from error


def _identity(text: str) -> str:
    return text.strip().removeprefix("D").lower()[:_LONGEST_ID]
