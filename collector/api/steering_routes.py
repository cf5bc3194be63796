"""Who probes each site's line and what terminals are asked for, under /api/v1."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, status
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from collector.api.access import person_by_token, reading
from collector.clock import now_seconds
from collector.db.decisions import Author, DecisionError, UnknownTargetError
from collector.enrolment import ADMIN, Person
from collector.steering.documents import target_names
from collector.steering.traces import traced_paths
from collector.steering.wishes import Asked, add_wish, end_wish, wishes

if TYPE_CHECKING:
    from collector.app import Collector

MOST_ROWS = 1000
SHOWN_SECONDS = 7 * 86400.0
FOR_ADMINISTRATORS = "for administrators"


class WishForm(BaseModel):
    """What terminals are asked for, and how long."""

    model_config = ConfigDict(extra="forbid")
    device_id: str = Field("", max_length=64)
    unit_code: str = Field("", max_length=16)
    site: str = Field("", max_length=32)
    minutes: int = 60
    deliver_each_minute: bool = False
    detail: bool = False
    trace: str = Field("", max_length=64)

    def asked(self) -> Asked:
        """The wish as the registry takes it."""
        return Asked(
            minutes=self.minutes,
            device_id=self.device_id,
            unit_code=self.unit_code,
            site=self.site,
            deliver=self.deliver_each_minute,
            detail=self.detail,
            trace_target=self.trace,
        )


def steering_router(collector: "Collector") -> APIRouter:
    """The routes on steering, bound to one collector."""
    person = person_by_token(collector.engine)
    reader = Annotated[Connection, Depends(reading(collector.engine))]
    asking = Annotated[Person, Depends(person)]
    answers: dict[int | str, dict[str, Any]] = {400: {}, 401: {}, 403: {}, 404: {}}
    router = APIRouter(prefix="/api/v1", tags=["steering"], dependencies=[Depends(person)], responses=answers)

    @router.get("/roles")
    def get_roles(unit: str | None = None) -> dict[str, Any]:
        """Who probes each site's line and who stands ready; all other terminals are ordinary."""
        sites = [one for one in collector.steering.sites() if unit in (None, one.unit_code)]
        return {
            "sites": [
                {
                    "unit_code": one.unit_code,
                    "site": one.site,
                    "terminals": one.terminals,
                    "roles": [
                        {
                            "device_id": device_id,
                            "role": held.role,
                            "since": held.since,
                            "last_upload_at": one.uploaded_at[device_id],
                        }
                        for device_id, held in sorted(one.holders.items())
                    ],
                }
                for one in sites
            ]
        }

    @router.get("/wishes")
    def get_wishes(connection: reader) -> dict[str, Any]:
        """What people asked terminals for: wishes that hold, and those of the last week."""
        rows = wishes(connection, since=now_seconds() - SHOWN_SECONDS)
        return {"wishes": [dict(row._mapping) for row in rows]}  # noqa: SLF001 - SQLAlchemy's public spelling

    @router.post("/wishes", status_code=status.HTTP_201_CREATED)
    def post_wish(who: asking, body: WishForm) -> dict[str, int]:
        """Asks a terminal, or all of a site, for more than the usual for some time; for administrators."""
        return {
            "id": _change(
                collector, who, lambda c, author: add_wish(c, body.asked(), target_names(collector.settings), author)
            )
        }

    @router.post("/wishes/{number}/end", status_code=status.HTTP_204_NO_CONTENT)
    def post_end(who: asking, number: int) -> None:
        """Ends a wish before its time; for administrators."""
        _change(collector, who, lambda c, author: end_wish(c, number, author))

    @router.get("/traces")
    def get_traces(
        connection: reader,
        device: str = "",
        unit: str = "",
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
    ) -> dict[str, Any]:
        """The routers on the way to targets, as terminals that were asked told them, the newest first."""
        found = traced_paths(connection, device_id=device, unit_code=unit, limit=limit)
        return {"traces": [asdict(one) for one in found]}

    return router


def _change(collector: "Collector", who: Person, act: Any) -> Any:
    """Carries out what an administrator asks for; 403, 404 or 400 with the reason otherwise."""
    if who.role != ADMIN:
        raise HTTPException(status.HTTP_403_FORBIDDEN, FOR_ADMINISTRATORS)
    now = now_seconds()
    try:
        with collector.engine.begin() as connection:
            done = act(connection, Author(who.label, now))
    except UnknownTargetError as error:
        raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from error
    except DecisionError as error:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, str(error)) from error
    # At once, so that the next upload brings it.
    collector.steering.tick(now)
    return done
