"""The JSON interface for people's programs, under /api/v1, with an access token."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Response, status
from sqlalchemy import Connection

from agent.wire.catalogue import METRICS
from collector import queries
from collector.api.access import person_by_token, reading
from collector.api.representation import alert_to_json, device_to_json, evidence_to_json
from collector.clock import local_day, now_seconds
from collector.db.devices import facts_of
from collector.enrolment import ADMIN, Person
from collector.investing import investment_document
from inventory.units import load_units

if TYPE_CHECKING:
    from collector.app import Collector

Language = Literal["vi", "en"]
MOST_ROWS = 10_000
DAY_SECONDS = 86400
# In the year 2106; InfluxQL knows no time much beyond it.
LATEST_SECONDS = 2**32


def api_router(collector: "Collector") -> APIRouter:  # noqa: C901 - one function a route
    """The routes of the API, bound to one collector."""
    person = person_by_token(collector.engine)
    reader = Annotated[Connection, Depends(reading(collector.engine))]
    router = APIRouter(prefix="/api/v1", tags=["people"], dependencies=[Depends(person)], responses={401: {}})

    @router.get("/devices")
    def get_devices(
        connection: reader,
        unit: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 500,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> dict[str, Any]:
        """Terminals with their newest samples and age estimates."""
        rows = queries.devices(connection, unit_code=unit, limit=limit, offset=offset)
        return {
            "total": queries.device_count(connection, unit),
            "devices": [device_to_json(row) for row in rows],
        }

    @router.get("/devices/{device_id}", responses={404: {}})
    def get_device(connection: reader, device_id: str, language: Language = "vi") -> dict[str, Any]:
        """One terminal: facts, age with its evidence, probes, alerts, register rows."""
        found = queries.devices(connection, device_id=device_id, limit=1)
        if not found:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "no such device")
        answer = device_to_json(found[0])
        if found[0].age is not None:
            answer["age"] |= evidence_to_json(found[0].age, language)
        answer["facts"] = facts_of(connection, device_id)
        answer["probes"] = [
            {key: row._mapping[key] for key in ("probe", "outcome", "duration_seconds", "message", "reported_at")}  # noqa: SLF001 - SQLAlchemy's public spelling
            for row in queries.probes(connection, device_id)
        ]
        answer["alerts"] = [alert_to_json(row, language) for row in queries.alerts(connection, device_id=device_id)]
        return answer

    @router.get("/devices/{device_id}/latency", responses={404: {}})
    def get_latency(
        connection: reader,
        device_id: str,
        start_seconds: Annotated[int | None, Query(ge=0, le=LATEST_SECONDS)] = None,
        end_seconds: Annotated[int | None, Query(ge=0, le=LATEST_SECONDS)] = None,
    ) -> dict[str, Any]:
        """Stored latency readings of one terminal, at most a week at a time, the last day by default."""
        if not queries.devices(connection, device_id=device_id, limit=1):
            raise HTTPException(status.HTTP_404_NOT_FOUND, "no such device")
        end = end_seconds if end_seconds is not None else int(now_seconds()) + 1
        start = start_seconds if start_seconds is not None else end - DAY_SECONDS
        if not 0 <= start < end or end - start > 7 * DAY_SECONDS:
            raise HTTPException(422, "expected 0 <= start_seconds < end_seconds, at most 7 days apart")
        fields = [spec.field for spec in METRICS.values() if spec.measurement == "link_latency"]
        readings = collector.store.read(
            "link_latency",
            fields,
            start_seconds=start,
            end_seconds=end,
            tags={"device_id": device_id},
        )
        return {
            "readings": [
                {"target": item.tags["target"], "time_seconds": item.time_seconds, **item.fields} for item in readings
            ],
        }

    @router.get("/alerts")
    def get_alerts(
        connection: reader,
        state: Literal["open", "firing", "pending", "resolved"] = "open",
        unit: str | None = None,
        language: Language = "vi",
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 1000,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> dict[str, Any]:
        """Alerts and their reasons, the newest first; `open` is pending and firing."""
        states = queries.OPEN_STATES if state == "open" else (state,)
        rows = queries.alerts(connection, states=states, unit_code=unit, limit=limit, offset=offset)
        return {"alerts": [alert_to_json(row, language) for row in rows]}

    @router.get("/units")
    def get_units(connection: reader) -> dict[str, Any]:
        """The 130 units with their counts."""
        counts = queries.unit_counts(connection, now_seconds(), collector.settings.agents.upload_interval_seconds)
        return {
            "units": [
                {
                    "code": unit.code,
                    "name": unit.name,
                    "former_district": unit.former_district,
                    **vars(counts.get(unit.code, queries.UnitCounts())),
                }
                for unit in load_units()
            ],
        }

    @router.get("/investment-list")
    def get_investment_list(
        connection: reader,
        format: Literal["json", "csv", "xlsx", "pdf"] = "json",  # noqa: A002 - the name of the parameter in the address
        block: Literal["dang", "mttq", "chinh-quyen", "all"] = "all",
        as_of: dt.date | None = None,
        language: Language = "vi",
    ) -> Response:
        """The equipment investment list, of one block or of all, as of today or another day."""
        document = investment_document(
            connection,
            format,
            as_of=as_of or local_day(now_seconds()),
            language=language,
            block=None if block == "all" else block,
        )
        return Response(
            document.content,
            media_type=document.media_type,
            headers={
                "Content-Disposition": f'attachment; filename="{document.file_name}"',
                "Cache-Control": "no-store",
            },
        )

    @router.get("/rejected", responses={403: {}})
    def get_rejected(connection: reader, who: Annotated[Person, Depends(person)]) -> dict[str, Any]:
        """What was refused for good, the newest first; for administrators."""
        if who.role != ADMIN:
            raise HTTPException(status.HTTP_403_FORBIDDEN, "for administrators")
        return {"rejected": [dict(row._mapping) for row in queries.rejected_items(connection)]}  # noqa: SLF001 - as above

    return router
