"""Data quality of each unit on four words, and the rows that fall short."""

# No postponed annotations here: FastAPI reads them, and they name things made inside the function.
import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request, Response, status

from agent.wire.message import Message, mark
from collector.clock import now_seconds
from collector.web.forms import RefusedError
from collector.web.list_view import LONGEST_SEARCH, cut, page_number
from inventory.collation import search_key, sort_key
from inventory.quality import (
    ALIVE_REGISTER_DAYS,
    ALIVE_TERMINAL_DAYS,
    WORD_LABELS,
    WORDS,
    Freshness,
    QualityPart,
    Repeats,
    UnitQuality,
    unit_quality,
)
from inventory.units import Unit, load_units

if TYPE_CHECKING:
    from collector.web.pages import Site

ROWS_A_PAGE = 100
QUALITY_PATH = "/quality"
NO_UNIT = "none"


def quality_router(site: "Site") -> APIRouter:
    """The routes of the pages on data quality."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(site.person)])

    @router.get(QUALITY_PATH)
    def get_quality(request: Request, q: str = "", sort: str = "") -> Response:
        made = site.collector.quality.current(now_seconds())
        search = q.strip()[:LONGEST_SEARCH]
        rows = _rows(made.units, made.as_of, search)
        word = sort if sort in WORDS else ""
        if word:
            rows.sort(key=lambda row: _worst_first(row[1].part(word)))
        values = {
            "rows": rows,
            "total": _total(made.units),
            "as_of": made.as_of,
            "search": search,
            "sort": word,
            "words": WORDS,
            "labels": WORD_LABELS,
            "terminal_days": ALIVE_TERMINAL_DAYS,
            "register_days": ALIVE_REGISTER_DAYS,
            "no_unit": NO_UNIT,
            "unplaced": made.units.get(""),
        }
        return site.page(request, "quality.html", values)

    @router.get(QUALITY_PATH + "/{code}")
    def get_unit(request: Request, code: str, word: str = "", page: str = "1") -> Response:
        made = site.collector.quality.current(now_seconds())
        name = site.unit_names.get(code)
        if name is None and code != NO_UNIT:
            raise RefusedError(status.HTTP_404_NOT_FOUND, Message(mark("There is no such unit.")), QUALITY_PATH)
        quality = made.units.get("" if code == NO_UNIT else code) or _without_data(code, made.as_of)
        short = [part.word for part in quality.parts if part.shortfalls]
        chosen = next((known for known in WORDS if known == word), short[0] if short else WORDS[0])
        values = {
            "code": code,
            "name": name,
            "quality": quality,
            "chosen": chosen,
            "page": cut(quality.part(chosen).shortfalls, page_number(page), ROWS_A_PAGE),
            "labels": WORD_LABELS,
            "as_of": made.as_of,
        }
        return site.page(request, "quality_unit.html", values)

    return router


def _rows(known: Mapping[str, UnitQuality], as_of: dt.date, search: str) -> list[tuple[Unit, UnitQuality]]:
    wanted = search_key(search)
    units = [
        unit for unit in load_units() if wanted in search_key(unit.name) or wanted in search_key(unit.former_district)
    ]
    units.sort(key=lambda unit: sort_key(unit.short_name))
    return [(unit, known.get(unit.code) or _without_data(unit.code, as_of)) for unit in units]


def _without_data(code: str, as_of: dt.date) -> UnitQuality:
    return unit_quality(code, (), (), Freshness({}, {}), repeats=Repeats(frozenset(), frozenset(), {}), as_of=as_of)


def _worst_first(part: QualityPart) -> tuple[bool, float, int]:
    """Units without data last; of equal ones that with more rows to put right first."""
    return part.ratio is None, part.ratio or 0.0, -len(part.shortfalls)


def _total(units: Mapping[str, UnitQuality]) -> list[QualityPart]:
    """The four words of the whole province, without their rows."""
    parts = [[unit.part(word) for unit in units.values()] for word in WORDS]
    return [
        QualityPart(word, sum(part.numerator for part in ones), sum(part.denominator for part in ones), ())
        for word, ones in zip(WORDS, parts, strict=True)
    ]
