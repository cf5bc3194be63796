"""The JSON interface's route on lines, under /api/v1."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, status
from sqlalchemy import Connection

from collector.api.access import person_by_token, reading
from collector.clock import now_seconds
from collector.db.offices import offices
from collector.speech import speech_of_sites
from collector.web.lines_view import line_rows, line_to_json, status_to_json

if TYPE_CHECKING:
    from collector.app import Collector


def lines_router(collector: "Collector") -> APIRouter:
    """The route, bound to one collector."""
    person = person_by_token(collector.engine)
    reader = Annotated[Connection, Depends(reading(collector.engine))]
    router = APIRouter(prefix="/api/v1", tags=["people"], dependencies=[Depends(person)], responses={401: {}})

    @router.get("/lines", responses={503: {}})
    def get_lines(connection: reader, unit: str | None = None) -> dict[str, Any]:
        """How every office's line is: state, place, added delay, since when, and what answers there.

        `speech` rates the way to each conference: MOS and R after ITU-T G.107, from the newest minutes of probes.

        States: outage, firing, pending, recovering, unknown, path-change, learning, resolved, ok. 503 while the
        collector still reads what it needs of the time before its start.
        """
        now = now_seconds()
        states = collector.jobs.watch.states(now)
        if states is None:
            raise HTTPException(
                status.HTTP_503_SERVICE_UNAVAILABLE, "the lines are being learned from stored readings; repeat later"
            )
        jobs = collector.jobs
        speech = speech_of_sites(jobs.watch, jobs.rules, collector.settings.agents.targets, now)
        rows = line_rows(states, offices(connection), speech)
        return {
            "judged_to": states.at,
            "province": status_to_json(states.province),
            "lines": [line_to_json(row) for row in rows if unit is None or row.site.unit_code == unit],
        }

    return router
