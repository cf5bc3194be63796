"""The pages of notifications: the outbox, receivers, rosters, silences and maintenance windows."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from sqlalchemy import Connection, Row

from agent.wire.message import mark
from alerts.route.matching import Matcher
from alerts.route.model import SEVERITIES
from alerts.route.schedule import duty_day
from collector.api.access import reading
from collector.api.notify_forms import DutyForm, MatcherForm, ReceiverForm, WindowForm
from collector.clock import now_seconds
from collector.db import routing
from collector.db.decisions import Author
from collector.enrolment import ADMIN, Person
from collector.notifying import acting, rosters
from collector.notifying.entry import WEEKDAYS
from collector.notifying.view import WEEKDAY_NAMES, duty_today, matcher_words, shift_words, window_words
from collector.web.alert_pages import SEVERITY_WORDS, carry_out
from collector.web.forms import writing
from collector.web.list_view import PAGE_ROWS, page_number

if TYPE_CHECKING:
    from collector.web.pages import Site

OUTBOX_PATH = "/notifications"
RECEIVERS_PATH = "/notifications/receivers"
DUTY_PATH = "/notifications/duty"
SILENCES_PATH = "/notifications/silences"
SHOWN_SECONDS = 7 * 86400.0
OUTBOX_WORDS = {
    "waiting": mark("waiting"),
    "delivered": mark("delivered"),
    "failed": mark("failed for good"),
}
KIND_WORDS = {
    "firing": mark("new alert"),
    "resolved": mark("over"),
    "reminder": mark("reminder"),
    "escalation": mark("escalation"),
    "digest": mark("digest after quiet hours"),
    "flapping": mark("comes and goes"),
    "test": mark("test message"),
}


def notify_router(site: "Site") -> APIRouter:
    """The routes of the pages of notifications."""
    router = APIRouter(include_in_schema=False)
    for add in (_outbox, _receivers, _duty, _silences, _windows):
        add(router, site)
    return router


def _outbox(router: APIRouter, site: "Site") -> None:
    asking = Annotated[Person, Depends(site.person)]
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]

    @router.get(OUTBOX_PATH)
    def get_outbox(request: Request, connection: reader, person: asking, state: str = "", page: str = "1") -> Response:
        counts = routing.outbox_counts(connection)
        chosen = state if state in OUTBOX_WORDS else ""
        total = counts.get(chosen, 0) if chosen else sum(counts.values())
        pages = max(1, -(-total // PAGE_ROWS))
        number = min(page_number(page), pages)
        rows = routing.outbox(connection, state=chosen, limit=PAGE_ROWS, offset=(number - 1) * PAGE_ROWS)
        values = {
            "rows": rows,
            "counts": counts,
            "state": chosen,
            "page": {"number": number, "pages": pages},
            "outbox_words": OUTBOX_WORDS,
            "kind_words": KIND_WORDS,
            "problem": site.collector.notifying.problem,
            "writing": writing(request, person),
        }
        return site.page(request, "outbox.html", values)


def _receivers(router: APIRouter, site: "Site") -> None:
    asking = Annotated[Person, Depends(site.person)]
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]
    notifying = site.collector.notifying

    @router.get(RECEIVERS_PATH)
    def get_receivers(request: Request, connection: reader, person: asking) -> Response:
        values = {
            "rows": routing.receivers(connection),
            # Addresses of people are for those who look after them.
            "with_addresses": person.role == ADMIN,
            "channels": list(notifying.notifiers),
            "severities": SEVERITIES,
            "severity_words": SEVERITY_WORDS,
            "writing": writing(request, person),
        }
        return site.page(request, "receivers.html", values)

    @router.post(RECEIVERS_PATH)
    def post_receiver(request: Request, person: asking, form: Annotated[ReceiverForm, Form()]) -> Response:
        def act(connection: Connection, author: Author) -> None:
            acting.add_receiver(connection, form.entry(), notifying.notifiers, author)

        return carry_out(site, request, person, form.token, RECEIVERS_PATH, act)

    @router.post(f"{RECEIVERS_PATH}/remove")
    def post_removal(
        request: Request, person: asking, name: Annotated[str, Form()] = "", token: Annotated[str, Form()] = ""
    ) -> Response:
        def act(connection: Connection, author: Author) -> None:
            routing.remove_receiver(connection, name, author)

        return carry_out(site, request, person, token, RECEIVERS_PATH, act)

    @router.post(f"{RECEIVERS_PATH}/test")
    def post_test(
        request: Request, person: asking, name: Annotated[str, Form()] = "", token: Annotated[str, Form()] = ""
    ) -> Response:
        def act(connection: Connection, author: Author) -> None:
            acting.send_test(connection, name, notifying.wording, author)

        answer = carry_out(site, request, person, token, OUTBOX_PATH, act)
        notifying.wake()
        return answer


def _duty(router: APIRouter, site: "Site") -> None:
    asking = Annotated[Person, Depends(site.person)]
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]

    @router.get(DUTY_PATH)
    def get_duty(request: Request, connection: reader, person: asking) -> Response:
        language = site.language(request)
        rows = routing.duties(connection)
        today = duty_day(now_seconds(), site.collector.notifying.router.rules.handover_minute)
        values = {
            "today": duty_today(rows, today, language),
            "rows": [(row, shift_words(row, language)) for row in rows],
            "receivers": [row.name for row in routing.receivers(connection) if row.duty_only],
            "imports": routing.duty_imports(connection),
            "writing": writing(request, person),
        }
        return site.page(request, "duty.html", values)

    @router.post(DUTY_PATH)
    def post_duty(request: Request, person: asking, form: Annotated[DutyForm, Form()]) -> Response:
        def act(connection: Connection, author: Author) -> None:
            rosters.add_duty(connection, form.entry(), author)

        return carry_out(site, request, person, form.token, DUTY_PATH, act)

    @router.post(f"{DUTY_PATH}/remove")
    def post_removal(
        request: Request, person: asking, number: Annotated[int, Form()], token: Annotated[str, Form()] = ""
    ) -> Response:
        def act(connection: Connection, author: Author) -> None:
            routing.remove_duty(connection, number, author)

        return carry_out(site, request, person, token, DUTY_PATH, act)


def _silences(router: APIRouter, site: "Site") -> None:
    asking = Annotated[Person, Depends(site.person)]
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]

    @router.get(SILENCES_PATH)
    def get_silences(
        request: Request,
        connection: reader,
        person: asking,
        rules: str = "",
        units: str = "",
        devices: str = "",
    ) -> Response:
        language, now = site.language(request), now_seconds()

        def what(row: Row[Any]) -> str:
            return matcher_words(Matcher.from_dict(row.matcher), language)

        since = now - SHOWN_SECONDS
        windows = routing.windows(connection, since=since)
        values = {
            "silences": [(row, what(row)) for row in routing.silences(connection, since=since)],
            "windows": [(row, what(row), window_words(row, language)) for row in windows],
            # What the page of alerts asks for.
            "typed": {"rules": rules, "units": units, "devices": devices},
            "weekdays": list(zip(WEEKDAYS, WEEKDAY_NAMES, strict=True)),
            "now": now,
            "writing": writing(request, person),
        }
        return site.page(request, "silences.html", values)

    @router.post(SILENCES_PATH)
    def post_silence(request: Request, person: asking, form: Annotated[MatcherForm, Form()]) -> Response:
        def act(connection: Connection, author: Author) -> None:
            acting.add_silence(connection, form.matcher(), form.starts, form.ends, form.reason, author)

        return carry_out(site, request, person, form.token, SILENCES_PATH, act)

    @router.post(f"{SILENCES_PATH}/end")
    def post_end(
        request: Request, person: asking, number: Annotated[int, Form()], token: Annotated[str, Form()] = ""
    ) -> Response:
        def act(connection: Connection, author: Author) -> None:
            routing.end_silence(connection, number, author)

        return carry_out(site, request, person, token, SILENCES_PATH, act)


def _windows(router: APIRouter, site: "Site") -> None:
    asking = Annotated[Person, Depends(site.person)]

    @router.post(f"{SILENCES_PATH}/windows")
    def post_window(request: Request, person: asking, form: Annotated[WindowForm, Form()]) -> Response:
        def act(connection: Connection, author: Author) -> None:
            acting.add_window(connection, form.entry(), form.reason, author)

        return carry_out(site, request, person, form.token, SILENCES_PATH, act)

    @router.post(f"{SILENCES_PATH}/windows/end")
    def post_window_end(
        request: Request, person: asking, number: Annotated[int, Form()], token: Annotated[str, Form()] = ""
    ) -> Response:
        def act(connection: Connection, author: Author) -> None:
            routing.end_window(connection, number, author)

        return carry_out(site, request, person, token, SILENCES_PATH, act)
