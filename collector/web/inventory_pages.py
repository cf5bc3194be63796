"""The investment list as pages: looked through, decided on and downloaded. The other inventory pages join here."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, FastAPI, Form, Request, Response, status
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, Row

from agent.wire.message import Message, mark
from collector.api.access import reading
from collector.clock import now_seconds
from collector.db.decisions import Author, DecisionError, override_decision, override_history
from collector.enrolment import Person
from collector.investing import ListSnapshot, document_of
from collector.language import translator
from collector.web.forms import RefusedError, check_form, writing
from collector.web.identity_pages import identity_router
from collector.web.list_view import SORTS, ListQuery, ListRow, ListView, choices
from collector.web.quality_pages import quality_router
from collector.web.register_pages import register_router
from collector.web.terminal_pages import terminals_router
from inventory.age.evidence import Decision
from inventory.assessment import DECISION_LABELS, RECOMMENDATION_LABELS, Assessment
from inventory.export import EXPORTS
from inventory.overrides import LONGEST_REASON, SHORTEST_REASON, ReasonError

if TYPE_CHECKING:
    from collector.web.pages import Site

log = logging.getLogger(__name__)

LIST_PATH = "/investment-list"
AS_COMPUTED = "computed"
FILTER_NAMES = {
    "unit": mark("Unit"),
    "district": mark("Former district"),
    "block": mark("Block"),
    "kind": mark("Kind"),
    "decision": mark("Over 10 years"),
    "recommendation": mark("Recommendation"),
    "decided": mark("Decided how"),
}
REFUSED_HEADINGS = {403: mark("Not allowed"), 404: mark("Not found")}
_LONGEST_ADDRESS = 2000
_CHANGED = mark("This line is not on the list as it stands now; open the list again.")


class CurrentView:
    """The newest list with its lines ready to be asked; made anew only when the list is."""

    def __init__(self, site: "Site") -> None:
        self._lists = site.collector.lists
        self._lock = threading.Lock()
        self._known: tuple[ListSnapshot, ListView] | None = None

    def get(self, *, newest: bool = False) -> tuple[ListSnapshot, ListView]:
        """The list and its lines."""
        snapshot = self._lists.current(now_seconds(), newest=newest)
        with self._lock:
            if self._known is None or self._known[0] is not snapshot:
                self._known = snapshot, ListView(snapshot.whole)
            return self._known


def add_inventory_pages(app: FastAPI, site: "Site") -> None:
    """Adds the pages of the investment list, of identities, of data quality and of the register."""
    view = CurrentView(site)
    for router in (
        _list_router(site, view),
        identity_router(site, view),
        terminals_router(site),
        quality_router(site),
        register_router(site),
    ):
        app.include_router(router)

    @app.exception_handler(RefusedError)
    def refused(request: Request, error: RefusedError) -> Response:
        heading = REFUSED_HEADINGS.get(error.status, mark("This cannot be done"))
        values = {"heading": translator(site.language(request))(heading), "text": error.message, "back": error.back}
        return site.page(request, "refused.html", values, error.status)


def _list_router(site: "Site", view: CurrentView) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    asking = Annotated[Person, Depends(site.person)]
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]

    @router.get(LIST_PATH)
    def get_list(request: Request, connection: reader, person: asking) -> Response:
        snapshot, rows = view.get()
        query = ListQuery.read(request.query_params)
        page = rows.ask(query)
        translate = translator(site.language(request))
        values = {
            "list": snapshot.whole,
            "made_at": snapshot.terminals.read_at,
            "query": query,
            "page": page,
            "sorts": SORTS,
            "choices": choices(rows, translate),
            "filter_names": FILTER_NAMES,
            "decision_labels": DECISION_LABELS,
            "recommendation_labels": RECOMMENDATION_LABELS,
            "formats": [(name.upper(), f"danh-muc{EXPORTS[name].suffix}") for name in EXPORTS if name != "json"],
            "history": _history(connection, page.rows),
            "writing": writing(request, person),
            "anchor": anchor,
            "as_computed": AS_COMPUTED,
            "shortest": SHORTEST_REASON,
            "longest": LONGEST_REASON,
        }
        return site.page(request, "investment.html", values)

    @router.post(f"{LIST_PATH}/decisions")
    def post_decision(
        request: Request,
        person: asking,
        item: Annotated[str, Form()] = "",
        decision: Annotated[str, Form()] = "",
        reason: Annotated[str, Form()] = "",
        token: Annotated[str, Form()] = "",
        back: Annotated[str, Form()] = "",
    ) -> Response:
        place = _list_address(back)
        check_form(request, person, token, place)
        one = view.get()[1].by_reference.get(item)
        if one is None:
            raise RefusedError(status.HTTP_404_NOT_FOUND, Message(_CHANGED), place)
        _decide(site, one, decision, reason, person, place)
        return RedirectResponse(f"{place}#{anchor(item)}", status.HTTP_303_SEE_OTHER)

    @router.get(f"{LIST_PATH}/{{file_name}}")
    def download(request: Request, _person: asking, file_name: str) -> Response:
        formats = {f"danh-muc{export.suffix}": name for name, export in EXPORTS.items() if name != "json"}
        if file_name not in formats:
            raise RefusedError(status.HTTP_404_NOT_FOUND, Message(mark("There is no such document.")), LIST_PATH)
        snapshot, _ = view.get(newest=True)
        document = document_of(snapshot.whole, formats[file_name], language=site.language(request))
        headers = {
            "Content-Disposition": f'attachment; filename="{document.file_name}"',
            "Cache-Control": "no-store",
        }
        return Response(document.content, media_type=document.media_type, headers=headers)

    return router


def _decide(site: "Site", one: Assessment, decision: str, reason: str, person: Person, place: str) -> None:
    if decision != AS_COMPUTED and decision not in DECISION_LABELS:
        message = Message(mark("choose what you decide: yes, no, uncertain, or as computed"))
        raise RefusedError(status.HTTP_400_BAD_REQUEST, message, place)
    try:
        with site.collector.engine.begin() as connection:
            override_decision(
                connection,
                asset_id=one.item.asset.id if one.item.asset else None,
                device_id=one.item.device.id if one.item.device else None,
                decision=None if decision == AS_COMPUTED else cast("Decision", decision),
                computed=one.estimate.over_10_years,
                reason=reason,
                author=Author(person.label, now_seconds()),
            )
    except (ReasonError, DecisionError) as error:
        raise RefusedError(status.HTTP_400_BAD_REQUEST, error.message, place) from error
    log.info("%s: decided %s by %s", one.item.reference, decision, person.label)


def _list_address(back: str) -> str:
    """The list with the filters a form came with; whatever else the form says is dropped."""
    parameters = dict(parse_qsl(back[:_LONGEST_ADDRESS]))
    address = ListQuery.read(parameters).address()
    return f"{LIST_PATH}?{address}" if address else LIST_PATH


def anchor(reference: str) -> str:
    """A reference as the id of its line on the page."""
    return "line-" + "".join(sign if sign.isalnum() else "-" for sign in reference)


def _history(connection: Connection, rows: Sequence[ListRow]) -> dict[str, list[Row[Any]]]:
    """Reference -> decisions on that line, the newest first."""
    items = [row.one.item for row in rows]
    found = override_history(
        connection,
        asset_ids=[item.asset.id for item in items if item.asset],
        device_ids=[item.device.id for item in items if item.device],
    )
    return {
        item.reference: [
            row
            for row in found
            if (item.device is not None and row.device_id == item.device.id)
            or (
                item.asset is not None and row.asset_id == item.asset.id and row.register_key == item.asset.register_key
            )
        ]
        for item in items
    }
