"""The pages people open: overview, unit, terminal, alerts, what was rejected; those of the inventory join here."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, FastAPI, Form, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Connection

import agent
from agent.wire.message import mark
from collector import queries
from collector.ageing import stored_estimate
from collector.api.access import reading
from collector.clock import now_seconds, steady_seconds
from collector.db.decisions import ACTION_LABELS, identity_history, override_history
from collector.db.devices import PLACE_HISTORY, facts_of, rejected_count
from collector.enrolment import AttemptLimit, Person, authenticate_person
from collector.errors import AuthenticationError
from collector.language import render_message, translator
from collector.metrics.port import MetricStoreError
from collector.web import sessions
from collector.web.alert_pages import alert_router
from collector.web.history_view import device_changes
from collector.web.inventory_pages import add_inventory_pages
from collector.web.latency_view import WINDOWS, device_targets, sample_rows, window_names
from collector.web.lines_pages import lines_router
from collector.web.notify_pages import notify_router
from collector.web.rendering import Pages, chosen_language
from collector.web.replay_pages import replay_router
from inventory.age.sources import TITLES
from inventory.collation import search_key, sort_key
from inventory.export.errors import DocumentError
from inventory.norms import NormError
from inventory.units import load_units

if TYPE_CHECKING:
    from collector.app import Collector

HOUR_SECONDS = 3600.0
MOST_DEVICES = 1000
LOGINS_PER_MINUTE = 10
REFRESH_SECONDS = 60
SERVER_ERROR = status.HTTP_500_INTERNAL_SERVER_ERROR
WRONG_WORDS = 422
STORE_AWAY = status.HTTP_503_SERVICE_UNAVAILABLE
TOO_MANY = mark("Too many attempts: wait a minute.")
WRONG_TOKEN = mark("This token is unknown or revoked.")
STORE_PROBLEM = mark("The metric store cannot be used: {detail}")
BACKLOG_PROBLEM = mark("Reports wait to be stored: {count}. {problem}")


class LoginRequiredError(Exception):
    """Nobody who may read the pages; answered with the login page."""


class NotFoundError(Exception):
    """No such unit or terminal; answered with a page that says so."""


class Site:
    """What all page routes share: who asks, in which language, and how a page is made."""

    def __init__(self, collector: "Collector") -> None:
        self.collector = collector
        self.pages = Pages()
        self.login_limit = AttemptLimit(LOGINS_PER_MINUTE)
        self.unit_names = {unit.code: unit.name for unit in load_units()}

    def person(self, request: Request) -> Person:
        """Who asks.

        Raises:
            LoginRequiredError: nobody who may.
        """
        cookie = request.cookies.get(sessions.COOKIE)
        if cookie:
            with self.collector.engine.connect().execution_options(read_only=True) as connection:
                owner = sessions.session_owner(connection, cookie, now=now_seconds())
            if owner is not None:
                return owner
        visitor = None if self.collector.settings.web.require_login else sessions.local_visitor(request)
        if visitor is None:
            raise LoginRequiredError
        return visitor

    def language(self, request: Request) -> str:
        """The reader's language."""
        return chosen_language(request, self.collector.settings.web.language)

    def page(self, request: Request, template: str, values: dict[str, Any], code: int = 200) -> Response:
        """A page with what every page shows."""
        shared = {
            "version": agent.__version__,
            "now": now_seconds(),
            "person": {"has_session": sessions.COOKIE in request.cookies},
            "unit_names": self.unit_names,
            "rule_names": self.collector.jobs.rule_names(self.language(request)),
        }
        return self.pages.render(request, template, shared | values, language=self.language(request), status=code)

    def message(self, request: Request, heading: str, text: str, code: int) -> Response:
        """A page that says one thing."""
        translate = translator(self.language(request))
        return self.page(request, "message.html", {"heading": translate(heading), "text": translate(text)}, code)


def add_pages(app: FastAPI, collector: "Collector") -> None:
    """Adds the pages, their styles and the login to the application."""
    site = Site(collector)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.include_router(_login_router(site))
    app.include_router(_page_router(site))
    app.include_router(alert_router(site))
    app.include_router(notify_router(site))
    app.include_router(lines_router(site))
    app.include_router(replay_router(site))
    add_inventory_pages(app, site)
    _answer_failures(app, site)


def _answer_failures(app: FastAPI, site: Site) -> None:  # noqa: C901 - one function a kind of failure
    """Every failure gets a page in the reader's language, or JSON where a program asks."""

    @app.exception_handler(LoginRequiredError)
    def to_login(request: Request, _error: LoginRequiredError) -> Response:
        return RedirectResponse(f"/login?next={quote(request.url.path)}", status.HTTP_303_SEE_OTHER)

    @app.exception_handler(NotFoundError)
    def not_found(request: Request, _error: NotFoundError) -> Response:
        return site.message(
            request,
            mark("Not found"),
            mark("There is no such unit or terminal."),
            status.HTTP_404_NOT_FOUND,
        )

    @app.exception_handler(RequestValidationError)
    def wrong_words(request: Request, error: RequestValidationError) -> Response:
        # Without the input itself: it may be no JSON (infinity), and nobody needs it back.
        problems = [{"loc": list(item["loc"]), "msg": item["msg"]} for item in error.errors()]
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": problems}, WRONG_WORDS)
        return site.message(request, mark("This address cannot be understood"), _own_words(problems), WRONG_WORDS)

    @app.exception_handler(MetricStoreError)
    def store_away(request: Request, error: MetricStoreError) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": f"the metric store cannot be used: {error}"}, STORE_AWAY)
        return site.message(request, mark("The metric store cannot be used now"), str(error), STORE_AWAY)

    @app.exception_handler(NormError)
    def unusable_norm(request: Request, error: NormError) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": str(error)}, STORE_AWAY)
        return site.message(request, mark("A table of norms cannot be used"), str(error), STORE_AWAY)

    @app.exception_handler(DocumentError)
    def no_document(request: Request, error: DocumentError) -> Response:
        text = render_message(error.message, site.language(request))
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": text}, STORE_AWAY)
        return site.message(request, mark("This document cannot be made here"), text, STORE_AWAY)

    @app.exception_handler(Exception)
    def failed(request: Request, _error: Exception) -> Response:
        # The server logs the trace; a reader gets a sentence, a program gets JSON.
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": "internal error; the collector's log has the reason"}, SERVER_ERROR)
        return site.message(request, mark("Something went wrong"), mark("The log has the reason."), SERVER_ERROR)


def _own_words(problems: list[dict[str, Any]]) -> str:
    return "; ".join(f"{problem['loc'][-1]}: {problem['msg']}" for problem in problems)


def _login_router(site: Site) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    def login_page(request: Request, next_path: str, failure: str, code: int) -> Response:
        text = translator(site.language(request))(failure) if failure else ""
        return site.page(request, "login.html", {"next": _own_path(next_path), "failure": text}, code)

    @router.get("/login")
    def get_login(request: Request, next_path: Annotated[str, Query(alias="next")] = "/") -> Response:
        return login_page(request, next_path, "", 200)

    @router.post("/login")
    def post_login(
        request: Request,
        token: Annotated[str, Form()] = "",
        next_path: Annotated[str, Form(alias="next")] = "/",
    ) -> Response:
        now = now_seconds()
        if site.login_limit.wait_seconds(request.client.host if request.client else "", steady_seconds()) > 0:
            return login_page(request, next_path, TOO_MANY, status.HTTP_429_TOO_MANY_REQUESTS)
        hours = site.collector.settings.web.session_hours
        try:
            with site.collector.engine.begin() as connection:
                authenticate_person(connection, token.strip())
                secret = sessions.start_session(connection, token.strip(), now=now, valid_seconds=hours * HOUR_SECONDS)
        except AuthenticationError:
            return login_page(request, next_path, WRONG_TOKEN, status.HTTP_403_FORBIDDEN)
        response = RedirectResponse(_own_path(next_path), status.HTTP_303_SEE_OTHER)
        response.set_cookie(
            sessions.COOKIE,
            secret,
            max_age=int(hours * HOUR_SECONDS),
            httponly=True,
            samesite="strict",
            secure="https" in {request.url.scheme, urlsplit(site.collector.settings.server.public_url).scheme},
        )
        return response

    @router.post("/logout")
    def post_logout(request: Request) -> Response:
        with site.collector.engine.begin() as connection:
            sessions.end_session(connection, request.cookies.get(sessions.COOKIE, ""))
        response = RedirectResponse("/", status.HTTP_303_SEE_OTHER)
        response.delete_cookie(sessions.COOKIE)
        return response

    return router


def _own_path(text: str) -> str:
    """The path if it is one of this site, else the overview: a login must not lead anywhere else."""
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) else "/"


def _page_router(site: Site) -> APIRouter:
    router = APIRouter(include_in_schema=False, dependencies=[Depends(site.person)])
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]
    for path, page in (
        ("/", _overview),
        ("/units/{code}", _unit),
        ("/devices/{device_id}", _device),
        ("/rejected", _rejected),
    ):
        router.get(path)(page(site, reader))
    return router


Page = Callable[..., Response]


def _overview(site: Site, reader: Any) -> Page:
    def page(
        request: Request,
        connection: reader,
        q: str = "",
        show_all: Annotated[bool, Query(alias="all")] = False,  # noqa: FBT002 - FastAPI passes it by name
    ) -> Response:
        interval_seconds = site.collector.settings.agents.upload_interval_seconds
        counts = queries.unit_counts(connection, now_seconds(), interval_seconds)
        wanted = search_key(q)
        units = [
            (unit, counts.get(unit.code, queries.UnitCounts()))
            for unit in load_units()
            if (unit.code in counts or show_all or wanted)
            and (not wanted or wanted in search_key(unit.name) or wanted in search_key(unit.former_district))
        ]
        units.sort(key=lambda pair: (-pair[1].firing, -pair[1].devices, sort_key(pair[0].short_name)))
        totals = {
            name: sum(getattr(count, name) for count in counts.values())
            for name in ("devices", "present", "over_10_years", "uncertain", "firing")
        }
        ok, health = site.collector.health()
        values = {
            "totals": totals,
            "rejected": rejected_count(connection),
            "alerts": queries.alerts(connection, states=("firing",), limit=50),
            "units": units,
            "shown": len(units),
            "unit_total": len(site.unit_names),
            "search": q,
            "show_all": show_all,
            "problem": "" if ok else _health_text(health, site.language(request)),
            "refresh_seconds": REFRESH_SECONDS,
        }
        return site.page(request, "overview.html", values)

    return page


def _health_text(health: dict[str, Any], language: str) -> str:
    translate = translator(language)
    if not health["store"]["ok"]:
        return translate(STORE_PROBLEM).format(detail=health["store"]["detail"])
    waiting = health["journal"]["waiting_reports"]
    return translate(BACKLOG_PROBLEM).format(
        count=waiting,
        problem=health["writer"]["problem"],
    )


def _unit(site: Site, reader: Any) -> Page:
    def page(request: Request, connection: reader, code: str) -> Response:
        unit = next((unit for unit in load_units() if unit.code == code), None)
        if unit is None:
            raise NotFoundError
        values = {
            "unit": unit,
            "devices": queries.devices(connection, unit_code=code, limit=MOST_DEVICES),
            "total": queries.device_count(connection, code),
        }
        return site.page(request, "unit.html", values)

    return page


def _device(site: Site, reader: Any) -> Page:
    def page(request: Request, connection: reader, device_id: str, hours: int = WINDOWS[1]) -> Response:
        found = queries.devices(connection, device_id=device_id, limit=1)
        if not found:
            raise NotFoundError
        language = site.language(request)
        chosen = hours if hours in WINDOWS else WINDOWS[1]
        facts = facts_of(connection, device_id)
        values = {
            "device": found[0],
            "estimate": stored_estimate(found[0].age) if found[0].age is not None else None,
            **_latency(site, device_id, facts, chosen, language),
            "source_names": {name: translator(language)(title) for name, title in TITLES.items()},
            "windows": window_names(language),
            "chosen_hours": chosen,
            "alerts": queries.alerts(connection, device_id=device_id),
            "samples": sample_rows(found[0].samples, language),
            "probes": queries.probes(connection, device_id),
            "facts": sorted(facts.items()),
            "changes": device_changes(
                connection,
                device_id,
                {**facts, PLACE_HISTORY: [{"unit_code": found[0].unit_code, "site": found[0].site}]},
            ),
            "identity": identity_history(connection, device_id=device_id),
            "decisions": override_history(connection, device_ids=[device_id]),
            "action_labels": ACTION_LABELS,
        }
        return site.page(request, "device.html", values)

    return page


def _latency(site: Site, device_id: str, facts: dict[str, Any], hours: int, language: str) -> dict[str, Any]:
    """The charts, or why there are none: a terminal's age and facts are worth showing without them."""
    try:
        targets = device_targets(site.collector.store, device_id, facts, now_seconds(), hours, language)
    except MetricStoreError as error:
        return {"targets": [], "store_problem": translator(language)(STORE_PROBLEM).format(detail=error)}
    return {"targets": targets, "store_problem": ""}


def _rejected(site: Site, reader: Any) -> Page:
    def page(request: Request, connection: reader) -> Response:
        values = {"count": rejected_count(connection), "items": queries.rejected_items(connection)}
        return site.page(request, "rejected.html", values)

    return page
