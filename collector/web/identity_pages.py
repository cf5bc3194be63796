"""Which register row is which terminal: what is in doubt, what is linked, and who said so."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response, status
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from agent.wire.message import Message, mark
from collector.api.access import reading
from collector.clock import now_seconds
from collector.db import decisions
from collector.db.decisions import ACTION_LABELS, Author, DecisionError, UnknownTargetError
from collector.enrolment import Person
from collector.web.forms import RefusedError, check_form, writing
from collector.web.list_view import LONGEST_SEARCH, ListView, cut, page_number, search_words
from inventory.assessment import Assessment
from inventory.identity import (
    BY_ASSET_TAG,
    BY_BOARD_SERIAL,
    BY_CHASSIS_SERIAL,
    BY_COMPUTER_NAME,
    BY_MAC_ADDRESS,
    BY_PERSON,
    BY_SERIAL,
)
from inventory.overrides import LONGEST_REASON, ReasonError

if TYPE_CHECKING:
    from collector.web.inventory_pages import CurrentView
    from collector.web.pages import Site

log = logging.getLogger(__name__)

IDENTITY_PATH = "/identity"
BY_LABELS = {
    BY_PERSON: mark("a person"),
    BY_SERIAL: mark("serial of the system"),
    BY_BOARD_SERIAL: mark("serial of the board"),
    BY_CHASSIS_SERIAL: mark("serial of the case"),
    BY_ASSET_TAG: mark("asset tag"),
    BY_MAC_ADDRESS: mark("MAC address"),
    BY_COMPUTER_NAME: mark("computer name"),
}
# A serial that a maker's firmware repeats can stand on thousands of terminals; nobody looks through those.
MOST_SIDES = 12
DOUBTS_A_PAGE = 20
_LARGEST_NUMBER_DIGITS = 18


@dataclass(frozen=True)
class DoubtView:
    """A doubt with what its page shows of both sides, as far as they are shown."""

    why: Message
    by: str
    assets: Sequence[Assessment]
    devices: Sequence[Assessment]
    assets_total: int
    devices_total: int


def identity_router(site: "Site", view: "CurrentView") -> APIRouter:
    """The routes of the page on identity."""
    router = APIRouter(include_in_schema=False)
    asking = Annotated[Person, Depends(site.person)]
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]

    @router.get(IDENTITY_PATH)
    def get_identity(
        request: Request,
        connection: reader,
        person: asking,
        q: str = "",
        page: str = "1",
        doubts: str = "1",
    ) -> Response:
        snapshot, rows = view.get()
        search = q.strip()[:LONGEST_SEARCH]
        values = {
            "doubts": cut(
                doubt_views(rows, snapshot.whole.doubts[: DOUBTS_A_PAGE * page_number(doubts)]),
                page_number(doubts),
                DOUBTS_A_PAGE,
            ),
            "doubts_total": len(snapshot.whole.doubts),
            "doubt_pages": max(1, -(-len(snapshot.whole.doubts) // DOUBTS_A_PAGE)),
            "links": cut(_links(rows, search), page_number(page)),
            "search": search,
            "by_labels": BY_LABELS,
            "by_person": BY_PERSON,
            "action_labels": ACTION_LABELS,
            "decisions": decisions.identity_history(connection, limit=50),
            "writing": writing(request, person),
            "longest": LONGEST_REASON,
        }
        return site.page(request, "identity.html", values)

    @router.post(IDENTITY_PATH)
    def post_identity(
        request: Request,
        person: asking,
        action: Annotated[str, Form()] = "",
        asset: Annotated[str, Form()] = "",
        device: Annotated[str, Form()] = "",
        reason: Annotated[str, Form()] = "",
        token: Annotated[str, Form()] = "",
    ) -> Response:
        check_form(request, person, token, IDENTITY_PATH)
        number = asset.strip().upper().removeprefix("A")
        if not (number.isascii() and number.isdecimal() and len(number) <= _LARGEST_NUMBER_DIGITS):
            message = Message(mark("“{text}” is no asset's number; expected one as A12"), {"text": asset[:40]})
            raise RefusedError(status.HTTP_400_BAD_REQUEST, message, IDENTITY_PATH)
        author = Author(person.label, now_seconds())
        try:
            with site.collector.engine.begin() as connection:
                _carry_out(connection, action, int(number), _device_id(device), author, reason)
        except UnknownTargetError as error:
            raise RefusedError(status.HTTP_404_NOT_FOUND, error.message, IDENTITY_PATH) from error
        except (DecisionError, ReasonError) as error:
            raise RefusedError(status.HTTP_400_BAD_REQUEST, error.message, IDENTITY_PATH) from error
        log.info("asset %s, terminal %s: %s by %s", number, _device_id(device), action, person.label)
        return RedirectResponse(IDENTITY_PATH, status.HTTP_303_SEE_OTHER)

    return router


def _carry_out(connection: Connection, action: str, asset_id: int, device_id: str, author: Author, reason: str) -> None:
    actions = {
        decisions.LINK: decisions.link,
        decisions.CONFIRM: decisions.confirm,
        decisions.UNLINK: decisions.keep_apart,
    }
    if action not in actions:
        raise DecisionError(Message(mark("choose what you decide: link, confirm or unlink")))
    actions[action](connection, asset_id, device_id, author=author, reason=reason)


def _device_id(text: str) -> str:
    """The identity in a text: as it is, or as references write it with a D before."""
    return text.strip().removeprefix("D").lower()


def doubt_views(rows: ListView, doubts: Sequence[Any]) -> list[DoubtView]:
    """Both sides of each doubt as the list judges them."""
    by_asset = {row.one.item.asset.id: row.one for row in rows.rows if row.one.item.asset}
    by_device = {row.one.item.device.id: row.one for row in rows.rows if row.one.item.device}
    return [
        DoubtView(
            why=doubt.why,
            by=doubt.by,
            assets=[by_asset[number] for number in doubt.asset_ids[:MOST_SIDES] if number in by_asset],
            devices=[by_device[device_id] for device_id in doubt.device_ids[:MOST_SIDES] if device_id in by_device],
            assets_total=len(doubt.asset_ids),
            devices_total=len(doubt.device_ids),
        )
        for doubt in doubts
    ]


def _links(rows: ListView, search: str) -> list[Assessment]:
    words = search_words(search)
    return [
        row.one
        for row in rows.rows
        if row.one.item.asset and row.one.item.device and all(w in row.words for w in words)
    ]
