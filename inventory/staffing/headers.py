"""Which sheet of a survey is of what, and which column holds what."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from inventory.collation import search_key
from inventory.register.headers import ROWS_SEARCHED
from inventory.register.sheet import Row, cell_text

SheetKind = Literal["staff", "line"]

_IGNORED = "ignored"
_FEWEST_FIELDS = 2
_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_REQUIRED: dict[SheetKind, tuple[frozenset[str], ...]] = {
    "staff": (frozenset({"headcount", "post"}),),
    "line": (frozenset({"capacity"}), frozenset({"up"}), frozenset({"down"}), frozenset({"cpe_model"})),
}


@dataclass(frozen=True, slots=True)
class SurveyHeader:
    """The titles of one sheet.

    Args:
        kind: `staff` or `line`.
        row: number of the title row; data begin after it.
        titles: the text over each column.
        columns: field -> index of its column.
        unused: titles of columns that no field takes.
    """

    kind: SheetKind
    row: int
    titles: tuple[str, ...]
    columns: dict[str, int]
    unused: tuple[str, ...]


def find_survey_header(rows: Sequence[Row]) -> SurveyHeader | None:
    """The title row with the most known titles among the first rows, None where there is none."""
    best: SurveyHeader | None = None
    for row in rows:
        if row.number > ROWS_SEARCHED:
            break
        for kind in _REQUIRED:
            header = _header(row, kind)
            if header is not None and (best is None or len(header.columns) > len(best.columns)):
                best = header
    return best


def _header(row: Row, kind: SheetKind) -> SurveyHeader | None:
    titles = tuple(cell_text(cell).strip() if isinstance(cell, str) else "" for cell in row.cells)
    columns: dict[str, int] = {}
    unused = []
    for index, title in enumerate(titles):
        field = _field(title, kind)
        if field is None or field in columns:
            if title:
                unused.append(title)
        elif field != _IGNORED:
            columns[field] = index
    if len(columns) < _FEWEST_FIELDS or not any(needed <= columns.keys() for needed in _REQUIRED[kind]):
        return None
    return SurveyHeader(kind, row.number, titles, columns, tuple(unused))


def _field(title: str, kind: SheetKind) -> str | None:
    key = search_key(_BRACKETS.sub(" ", title)) or search_key(title)
    known = _table()[kind]
    if key in known:
        return known[key]
    starts = [name for name in known if " " in name and key.startswith(f"{name} ")]
    return known[max(starts, key=len)] if starts else None


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, str]]:
    data = tomllib.loads(files("inventory.staffing").joinpath("titles.toml").read_text(encoding="utf-8"))
    table: dict[str, dict[str, str]] = {}
    for kind, fields in data.items():
        known = table.setdefault(kind, {})
        for field, names in fields.items():
            for name in names:
                other = known.setdefault(search_key(name), field)
                if other != field:
                    raise ValueError(f"titles.toml, {kind}: {name!r} stands for both {other} and {field}")
    return table
