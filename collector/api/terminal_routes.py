"""What a terminal may ask about itself, with its own token: where it belongs and how old it is held to be."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Header, HTTPException, status
from pydantic import BaseModel, ConfigDict

from collector import queries
from collector.age_wording import estimate_to_json, estimate_to_text
from collector.ageing import stored_estimate
from collector.api.access import bearer_token
from collector.enrolment import authenticate_device
from collector.errors import AuthenticationError
from inventory.units import load_units

if TYPE_CHECKING:
    from collector.app import Collector


class TerminalQuestion(BaseModel):
    """How a terminal wants its answer."""

    model_config = ConfigDict(extra="ignore")
    language: Literal["vi", "en"] = "vi"


class TerminalAnswer(BaseModel):
    """What the collector knows of the terminal that asks."""

    unit_code: str
    unit_name: str
    site: str
    enrolled_at: float
    last_report_at: float | None
    clock_skew_seconds: float | None
    age: dict[str, Any] | None
    age_text: str | None


def terminal_router(collector: "Collector") -> APIRouter:
    """The route, bound to one collector."""
    router = APIRouter(prefix="/api/v1", tags=["agents"])
    names = {unit.code: unit.name for unit in load_units()}

    @router.post("/terminal", responses={401: {}})
    def post_terminal(question: TerminalQuestion, authorization: Annotated[str, Header()] = "") -> TerminalAnswer:
        """Answers for the terminal of the token, and for no other."""
        with collector.engine.connect().execution_options(read_only=True) as connection:
            try:
                device_id = authenticate_device(connection, bearer_token(authorization))
            except AuthenticationError as error:
                raise HTTPException(status.HTTP_401_UNAUTHORIZED, str(error), {"WWW-Authenticate": "Bearer"}) from error
            (row,) = queries.devices(connection, device_id=device_id, limit=1)
        estimate = None if row.age is None else stored_estimate(row.age)
        return TerminalAnswer(
            unit_code=row.unit_code,
            unit_name=names.get(row.unit_code, row.unit_code),
            site=row.site,
            enrolled_at=row.enrolled_at,
            last_report_at=row.last_report_at,
            clock_skew_seconds=row.clock_skew_seconds,
            age=None if estimate is None else estimate_to_json(estimate, question.language),
            age_text=None if estimate is None else estimate_to_text(estimate, question.language),
        )

    return router
