"""Who is told of alerts, under /api/v1: incidents, receivers, rosters, silences, maintenance, the outbox."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, status
from sqlalchemy import Connection, Row

from agent.wire.message import Message
from alerts.route.schedule import duty_day
from collector.api.access import person_by_token, reading
from collector.api.notify_forms import AcknowledgementForm, DutyForm, MatcherForm, ReceiverForm, WindowForm
from collector.clock import now_seconds
from collector.db import routing
from collector.db.decisions import Author, DecisionError, UnknownTargetError
from collector.enrolment import ADMIN, Person
from collector.language import render_message
from collector.notifying import acting, rosters
from collector.notifying.view import duty_today

if TYPE_CHECKING:
    from collector.app import Collector

Language = Literal["vi", "en"]
State = Literal["", "waiting", "delivered", "failed"]
MOST_ROWS = 1000
SHOWN_SECONDS = 7 * 86400.0
FOR_ADMINISTRATORS = "for administrators"
_ANSWERS: dict[int | str, dict[str, Any]] = {400: {}, 401: {}, 403: {}, 404: {}}

Act = Callable[[Connection, Author], Any]


class _Desk:
    """What the routes share: who asks, and how something is changed."""

    def __init__(self, collector: "Collector") -> None:
        self.collector = collector
        self.person = person_by_token(collector.engine)
        self.reading = reading(collector.engine)

    def change(self, who: Person, act: Act) -> Any:
        """Carries out what an administrator asks for; 403, 404 or 400 with the reason otherwise."""
        if who.role != ADMIN:
            raise HTTPException(status.HTTP_403_FORBIDDEN, FOR_ADMINISTRATORS)
        try:
            with self.collector.engine.begin() as connection:
                return act(connection, Author(who.label, now_seconds()))
        except UnknownTargetError as error:
            raise HTTPException(status.HTTP_404_NOT_FOUND, str(error)) from error
        except DecisionError as error:
            raise HTTPException(status.HTTP_400_BAD_REQUEST, str(error)) from error


def notify_router(collector: "Collector") -> APIRouter:
    """The routes of the API that tell and change who is told of alerts, bound to one collector."""
    desk = _Desk(collector)
    router = APIRouter(
        prefix="/api/v1", tags=["notifications"], dependencies=[Depends(desk.person)], responses=_ANSWERS
    )
    for add in (_incidents, _receivers, _duties, _silences, _windows, _outbox):
        add(router, desk)
    return router


HIDDEN_ERROR = "it did not arrive; administrators see why"


def _incidents(router: APIRouter, desk: _Desk) -> None:
    reader = Annotated[Connection, Depends(desk.reading)]
    asking = Annotated[Person, Depends(desk.person)]

    @router.get("/incidents")
    def get_incidents(
        connection: reader, language: Language = "vi", limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 500
    ) -> dict[str, Any]:
        """Alerts that fire, the newest first, with who was told, who was not and why, and who has taken it on."""
        rows = routing.open_incidents(connection, limit=limit)
        numbers = [row.id for row in rows]
        known, told = routing.acknowledgements(connection, numbers), routing.notices_of(connection, numbers)
        return {"incidents": [_incident(row, known.get(row.id), told.get(row.id, []), language) for row in rows]}

    @router.post("/incidents/{number}/acknowledge", status_code=status.HTTP_204_NO_CONTENT)
    def post_acknowledgement(who: asking, number: int, body: AcknowledgementForm) -> None:
        """Takes an alert on: no more reminders, no escalation; for administrators."""
        desk.change(who, lambda c, author: acting.acknowledge(c, number, body.note, body.assigned_to, author))


def _incident(row: Row[Any], known: Row[Any] | None, told: list[Row[Any]], language: str) -> dict[str, Any]:
    names = ("id", "rule", "subject", "severity", "unit_code", "site", "device_id", "place", "fired_at", "unrouted")
    return {
        **{name: row._mapping[name] for name in names},  # noqa: SLF001 - SQLAlchemy's public spelling
        "duty_gap": row.duty_gap,
        "reason": render_message(Message.from_dict(row.reason), language),
        "acknowledged": None
        if known is None
        else {"by": known.by_label, "at": known.at, "note": known.note, "assigned_to": known.assigned_to},
        "told": [
            {
                "receiver": one.receiver_name,
                "state": one.state,
                "told_at": one.told_at,
                "cause": one.cause,
                "why": render_message(Message.from_dict(one.cause_text), language) if one.cause_text else "",
            }
            for one in told
        ],
    }


def _receivers(router: APIRouter, desk: _Desk) -> None:
    reader = Annotated[Connection, Depends(desk.reading)]
    asking = Annotated[Person, Depends(desk.person)]
    notifying = desk.collector.notifying

    @router.get("/receivers")
    def get_receivers(connection: reader, who: asking) -> dict[str, Any]:
        """Receivers; their addresses are for administrators."""
        hidden = set() if who.role == ADMIN else {"address"}
        return {"receivers": [_plain(row, hidden) for row in routing.receivers(connection)]}

    @router.post("/receivers", status_code=status.HTTP_201_CREATED)
    def post_receiver(who: asking, body: ReceiverForm) -> dict[str, int]:
        """Adds a receiver; for administrators."""
        return {
            "id": desk.change(who, lambda c, author: acting.add_receiver(c, body.entry(), notifying.notifiers, author))
        }

    @router.delete("/receivers/{name}", status_code=status.HTTP_204_NO_CONTENT)
    def delete_receiver(who: asking, name: str) -> None:
        """Removes a receiver; for administrators."""
        desk.change(who, lambda c, author: routing.remove_receiver(c, name, author))

    @router.post("/receivers/{name}/test", status_code=status.HTTP_202_ACCEPTED)
    def post_test(who: asking, name: str) -> dict[str, int]:
        """Puts a test message into the outbox; for administrators."""
        number = desk.change(who, lambda c, author: acting.send_test(c, name, notifying.wording, author))
        notifying.wake()
        return {"notification": number}


def _duties(router: APIRouter, desk: _Desk) -> None:
    reader = Annotated[Connection, Depends(desk.reading)]
    asking = Annotated[Person, Depends(desk.person)]
    rules = desk.collector.notifying.router.rules

    @router.get("/duties")
    def get_duties(connection: reader, language: Language = "vi") -> dict[str, Any]:
        """Rosters, and who is on duty now; an empty list of names is a gap."""
        rows = routing.duties(connection)
        today = duty_today(rows, duty_day(now_seconds(), rules.handover_minute), language)
        return {
            "now": [{"place": place, "receivers": names} for place, names in today],
            "duties": [_plain(row) for row in rows],
        }

    @router.post("/duties", status_code=status.HTTP_201_CREATED)
    def post_duty(who: asking, body: DutyForm) -> dict[str, int]:
        """Adds a duty; for administrators."""
        return {"id": desk.change(who, lambda c, author: rosters.add_duty(c, body.entry(), author))}

    @router.delete("/duties/{number}", status_code=status.HTTP_204_NO_CONTENT)
    def delete_duty(who: asking, number: int) -> None:
        """Takes a duty out of the rosters; for administrators."""
        desk.change(who, lambda c, author: routing.remove_duty(c, number, author))


def _silences(router: APIRouter, desk: _Desk) -> None:
    reader = Annotated[Connection, Depends(desk.reading)]
    asking = Annotated[Person, Depends(desk.person)]

    @router.get("/silences")
    def get_silences(connection: reader) -> dict[str, Any]:
        """Silences that have not ended, and those of the last week."""
        rows = routing.silences(connection, since=now_seconds() - SHOWN_SECONDS)
        return {"silences": [_plain(row) for row in rows]}

    @router.post("/silences", status_code=status.HTTP_201_CREATED)
    def post_silence(who: asking, body: MatcherForm) -> dict[str, int]:
        """Silences what matches; times are of the province, as 2026-11-22T09:30; for administrators."""

        def act(connection: Connection, author: Author) -> int:
            return acting.add_silence(connection, body.matcher(), body.starts, body.ends, body.reason, author)

        return {"id": desk.change(who, act)}

    @router.post("/silences/{number}/end", status_code=status.HTTP_204_NO_CONTENT)
    def end_silence(who: asking, number: int) -> None:
        """Ends a silence now; for administrators."""
        desk.change(who, lambda c, author: routing.end_silence(c, number, author))


def _windows(router: APIRouter, desk: _Desk) -> None:
    reader = Annotated[Connection, Depends(desk.reading)]
    asking = Annotated[Person, Depends(desk.person)]

    @router.get("/maintenance")
    def get_windows(connection: reader) -> dict[str, Any]:
        """Maintenance windows that have not ended, and those of the last week."""
        rows = routing.windows(connection, since=now_seconds() - SHOWN_SECONDS)
        return {"windows": [_plain(row) for row in rows]}

    @router.post("/maintenance", status_code=status.HTTP_201_CREATED)
    def post_window(who: asking, body: WindowForm) -> dict[str, int]:
        """Adds a maintenance window; for administrators."""
        return {"id": desk.change(who, lambda c, author: acting.add_window(c, body.entry(), body.reason, author))}

    @router.post("/maintenance/{number}/end", status_code=status.HTTP_204_NO_CONTENT)
    def end_window(who: asking, number: int) -> None:
        """Ends a maintenance window for good; for administrators."""
        desk.change(who, lambda c, author: routing.end_window(c, number, author))


def _outbox(router: APIRouter, desk: _Desk) -> None:
    reader = Annotated[Connection, Depends(desk.reading)]
    asking = Annotated[Person, Depends(desk.person)]

    @router.get("/notifications")
    def get_notifications(
        connection: reader,
        who: asking,
        state: State = "",
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 200,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> dict[str, Any]:
        """The outbox, the newest first, with how each delivery went; addresses are for administrators."""
        rows = routing.outbox(connection, state=state, limit=limit, offset=offset)
        hidden = {"address"} if who.role != ADMIN else set()
        shown = []
        for row in rows:
            plain = _plain(row)
            if who.role != ADMIN and plain["error"]:
                # What the other side said may hold its address.
                plain["error"] = HIDDEN_ERROR
            plain["content"] = {name: value for name, value in row.content.items() if name not in hidden}
            shown.append(plain)
        return {"counts": routing.outbox_counts(connection), "notifications": shown}


def _plain(row: Row[Any], hidden: set[str] | None = None) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name not in (hidden or ())}  # noqa: SLF001 - as above
