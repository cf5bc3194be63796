"""The page of lines: how every office's line is at this minute."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request, Response, status
from sqlalchemy import Connection

from collector.api.access import reading
from collector.clock import now_seconds
from collector.db.offices import offices
from collector.speech import speech_of_sites
from collector.web.lines_view import PLACE_WORDS, STATE_WORDS, line_rows, state_counts
from collector.web.list_view import LONGEST_SEARCH
from inventory.collation import search_key, sort_key
from inventory.units import load_units

if TYPE_CHECKING:
    from collector.web.pages import Site

LINES_PATH = "/lines"
REFRESH_SECONDS = 60


def lines_router(site: "Site") -> APIRouter:
    """The route of the page of lines."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(site.person)])
    reader = Annotated[Connection, Depends(reading(site.collector.engine))]
    order = {unit.code: sort_key(unit.short_name) for unit in load_units()}

    @router.get(LINES_PATH)
    def get_lines(request: Request, connection: reader, q: str = "", state: str = "") -> Response:
        now, jobs = now_seconds(), site.collector.jobs
        states = jobs.watch.states(now)
        rows = []
        if states is not None:
            speech = speech_of_sites(jobs.watch, jobs.rules, site.collector.settings.agents.targets, now)
            rows = line_rows(states, offices(connection), speech)
        wanted = search_key(q.strip()[:LONGEST_SEARCH])
        chosen = state if state in STATE_WORDS else ""
        shown = [
            row
            for row in rows
            if (not chosen or row.line.status.state == chosen)
            and wanted in search_key(f"{site.unit_names.get(row.site.unit_code, row.site.unit_code)} {row.site.site}")
        ]
        shown.sort(key=lambda row: (order.get(row.site.unit_code, sort_key(row.site.unit_code)), row.site.site))
        values = {
            "states": states,
            "rows": shown,
            "total": len(rows),
            "rates_speech": any(row.speech for row in rows),
            "counts": state_counts(rows),
            "state_words": STATE_WORDS,
            "place_words": PLACE_WORDS,
            "search": q.strip()[:LONGEST_SEARCH],
            "state": chosen,
            "refresh_seconds": REFRESH_SECONDS,
        }
        code = status.HTTP_200_OK if states is not None else status.HTTP_503_SERVICE_UNAVAILABLE
        return site.page(request, "lines.html", values, code)

    return router
