"""The page of alerts: what is open, who was told, who has taken it on; and the forms that do so."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response, status
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, Row

from agent.wire.message import mark
from alerts.route.model import SEVERITIES
from alerts.route.words import UNROUTED
from collector import queries
from collector.api.access import reading
from collector.api.notify_forms import AcknowledgementForm
from collector.clock import now_seconds
from collector.db import routing
from collector.db.decisions import Author, DecisionError, UnknownTargetError
from collector.enrolment import Person
from collector.notifying import acting
from collector.web.forms import RefusedError, check_form, writing
from collector.web.list_view import LONGEST_SEARCH, cut, page_number
from inventory.collation import search_key

if TYPE_CHECKING:
    from collector.web.pages import Site

log = logging.getLogger(__name__)

ALERTS_PATH = "/alerts"
REFRESH_SECONDS = 60
MOST_ALERTS = 5000
STATES = ("firing", "pending")
NOTICE_WORDS = {
    "waiting": mark("is about to be told"),
    "withheld": mark("not told yet"),
    "told": mark("told"),
    "done": mark("told, and of the end"),
    "spared": mark("not told"),
    "merged": mark("told; fired again since"),
}
SEVERITY_WORDS = {"info": mark("for information"), "warning": mark("warning"), "critical": mark("critical")}


@dataclass(frozen=True)
class AlertView:
    """One alert with what became of it.

    Args:
        alert: its state and reason.
        incident: its row of `incident`; None while it is pending, or was not routed yet.
        acknowledged: the newest acknowledgement, None without one.
        notices: who was told, or why not.
    """

    alert: queries.AlertRow
    incident: Row[Any] | None
    acknowledged: Row[Any] | None
    notices: Sequence[Row[Any]]


def alert_router(site: "Site") -> APIRouter:
    """The routes of the page of alerts."""
    router = APIRouter(include_in_schema=False)
    asking = Annotated[Person, Depends(site.person)]
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]

    @router.get(ALERTS_PATH)
    def get_alerts(
        request: Request,
        connection: reader,
        person: asking,
        q: str = "",
        state: str = "",
        severity: str = "",
        open_only: Annotated[str, "only what nobody has taken on"] = "",
        page: str = "1",
    ) -> Response:
        search = q.strip()[:LONGEST_SEARCH]
        names = site.unit_names
        rule_names = site.collector.jobs.rule_names(site.language(request))

        def fits(view: AlertView) -> bool:
            words = search_key(
                " ".join((names.get(view.alert.unit_code, ""), rule_names.get(view.alert.rule, ""), view.alert.subject))
            )
            known = view.incident.severity if view.incident is not None else ""
            return (
                all(word in words for word in search_key(search).split())
                and (state not in STATES or view.alert.state == state)
                and (severity not in SEVERITIES or known == severity)
                and (not open_only or view.acknowledged is None)
            )

        values = {
            "alerts": cut([view for view in alert_views(connection) if fits(view)], page_number(page)),
            "transitions": queries.transitions(connection),
            "search": search,
            "state": state,
            "severity": severity,
            "open_only": bool(open_only),
            "severity_words": SEVERITY_WORDS,
            "notice_words": NOTICE_WORDS,
            "unrouted": UNROUTED,
            "writing": writing(request, person),
            "refresh_seconds": REFRESH_SECONDS,
        }
        return site.page(request, "alerts.html", values)

    @router.post(f"{ALERTS_PATH}/{{number}}/acknowledge")
    def post_acknowledgement(
        request: Request, person: asking, number: int, form: Annotated[AcknowledgementForm, Form()]
    ) -> Response:
        def act(connection: Connection, author: Author) -> None:
            acting.acknowledge(connection, number, form.note, form.assigned_to, author)

        return carry_out(site, request, person, form.token, ALERTS_PATH, act)

    return router


def alert_views(connection: Connection) -> list[AlertView]:
    """Open alerts with their incidents, the newest first."""
    rows = queries.alerts(connection, limit=MOST_ALERTS)
    incidents = {(row.rule, row.subject): row for row in routing.open_incidents(connection, limit=MOST_ALERTS)}
    numbers = [row.id for row in incidents.values()]
    known = routing.acknowledgements(connection, numbers)
    told: Mapping[int, Sequence[Row[Any]]] = routing.notices_of(connection, numbers)
    views = []
    for row in rows:
        # A pending alert may have an incident still open only until the next tick of the router.
        incident = incidents.get((row.rule, row.subject)) if row.state == "firing" else None
        number = incident.id if incident is not None else 0
        views.append(AlertView(row, incident, known.get(number), told.get(number, ())))
    return views


def carry_out(
    site: "Site",
    request: Request,
    person: Person,
    token: str,
    back: str,
    act: Callable[[Connection, Author], object],
) -> Response:
    """Does what an administrator's form asks for and leads back to its page.

    Raises:
        RefusedError: who asks may not, or it cannot be done; says why.
    """
    check_form(request, person, token, back)
    try:
        with site.collector.engine.begin() as connection:
            act(connection, Author(person.label, now_seconds()))
    except UnknownTargetError as error:
        raise RefusedError(status.HTTP_404_NOT_FOUND, error.message, back) from error
    except DecisionError as error:
        raise RefusedError(status.HTTP_400_BAD_REQUEST, error.message, back) from error
    log.info("%s by %s", request.url.path, person.label)
    return RedirectResponse(back, status.HTTP_303_SEE_OTHER)
