"""Data quality for people's programs, under /api/v1, with an access token."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, status

from collector.api.access import person_by_token
from collector.clock import now_seconds
from collector.language import render_message
from inventory.quality import QualityPart
from inventory.units import load_units

if TYPE_CHECKING:
    from collector.app import Collector

Language = Literal["vi", "en"]


def inventory_router(collector: "Collector") -> APIRouter:
    """The routes of the API that tell of the inventory, bound to one collector."""
    person = person_by_token(collector.engine)
    router = APIRouter(prefix="/api/v1", tags=["people"], dependencies=[Depends(person)], responses={401: {}})

    @router.get("/quality", responses={404: {}})
    def get_quality(unit: str | None = None, language: Language = "vi") -> dict[str, Any]:
        """Data quality of each unit on four words; of one unit with the rows that fall short.

        A ratio is null where nothing could be judged: that is no data, not 100 %.
        """
        made = collector.quality.current(now_seconds())
        units = [known for known in load_units() if unit in (None, known.code)]
        if unit is not None and not units:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "no such unit")
        answer = []
        for known in units:
            quality = made.units.get(known.code)
            told: dict[str, Any] = {
                "code": known.code,
                "name": known.name,
                "former_district": known.former_district,
                "has_data": quality is not None,
            }
            for part in quality.parts if quality else ():
                told[part.word] = _part(part, language, with_rows=unit is not None)
            answer.append(told)
        return {"as_of": made.as_of.isoformat(), "units": answer}

    return router


def _part(part: QualityPart, language: str, *, with_rows: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"numerator": part.numerator, "denominator": part.denominator, "ratio": part.ratio}
    if with_rows:
        told["rows"] = [
            {
                "reference": row.reference,
                "name": row.name,
                "device_id": row.device_id,
                "import_id": row.import_id,
                "reasons": [render_message(reason, language) for reason in row.reasons],
            }
            for row in part.shortfalls
        ]
    return told
