"""Where a sheet's column titles are, and which field each column holds."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

from inventory.collation import search_key
from inventory.register.sheet import Cell, Row, cell_text

ROWS_SEARCHED = 30
_FEWEST_FIELDS = 2
_LONGEST_TITLE = 80
_REQUIRED = frozenset({"name", "kind"})
_IGNORED = "ignored"

_SENTENCE_ENDS = (".", ";", "!", "?")
_BRACKETS = re.compile(r"\(([^)]*)\)|\[([^\]]*)\]")
_THOUSANDS = ("nghin dong", "ngan dong", "1 000 dong", "1000 dong", "1000d", "1 000d", "1 000 d")
_MILLIONS = ("trieu dong", "tr dong", "trd", "1 000 000 dong")


@dataclass(frozen=True, slots=True)
class Header:
    """The titles of one sheet.

    Args:
        first_row: number of the first title row.
        last_row: number of the last title row; data begin after it.
        titles: the text over each column.
        columns: field -> index of its column.
        cost_multiplier: what an amount must be multiplied with to be đồng.
        unused: titles of columns that no field takes, save those known to be of no use.
    """

    first_row: int
    last_row: int
    titles: tuple[str, ...]
    columns: dict[str, int]
    cost_multiplier: int
    unused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Match:
    field: str
    exact: bool
    length: int
    rank: int


def find_header(rows: Sequence[Row]) -> Header | None:
    """The row (or two rows, where titles stand over each other) with the most known titles, None if there is none."""
    best: Header | None = None
    candidates = [row for row in rows if row.number <= ROWS_SEARCHED]
    for position, row in enumerate(candidates):
        single = _header(row, row, _titles(row.cells))
        best = _better(best, single)
        if position + 1 < len(candidates) and single is not None:
            below = candidates[position + 1]
            if below.number == row.number + 1:
                best = _better(best, _header(row, below, _stacked(row.cells, below.cells)))
    return best


def is_column_numbers(cells: Sequence[Cell]) -> bool:
    """Whether a row under the titles only numbers the columns: 1, 2, 3 ... or (1), (2) ... or A, B, 1, 2."""
    texts = [cell_text(cell).strip(" ()[]") for cell in cells if cell is not None]
    numbers = [int(text) for text in texts if text.isdecimal()]
    others = [text for text in texts if not text.isdecimal()]
    letters_only = all(len(text) == 1 and text.isalpha() for text in others)
    rising = all(b == a + 1 for a, b in pairwise(numbers))
    return len(texts) > _FEWEST_FIELDS and letters_only and rising and (not numbers or numbers[0] == 1)


def field_of_title(title: str) -> str | None:
    """The field that a title names, `ignored` for a known one without use, None for an unknown one."""
    match = _match(title)
    return match.field if match else None


def is_running_number(title: str) -> bool:
    """Whether a title stands over a column that only numbers the rows."""
    return search_key(title) in _table()[3]


def is_survey(rows: Sequence[Row]) -> bool:
    """Whether a sheet has titles of a survey of staff or lines and none that names an asset."""
    for row in rows:
        if row.number > ROWS_SEARCHED:
            break
        titles = [search_key(_BRACKETS.sub(" ", title)) for title in _titles(row.cells)]
        table = _table()
        if any(title in table[4] for title in titles):
            return not any(table[0].get(title, ("", 0))[0] == "name" for title in titles)
    return False


def skipped_row_words() -> tuple[frozenset[str], frozenset[str]]:
    """First words of total rows and of signature rows, as `search_key` gives them."""
    return _table()[1], _table()[2]


def _better(first: Header | None, second: Header | None) -> Header | None:
    if first is None or second is None:
        return first or second
    return second if len(second.columns) > len(first.columns) else first


def _header(first: Row, last: Row, titles: tuple[str, ...]) -> Header | None:
    chosen: dict[str, tuple[_Match, int]] = {}
    unused: list[str] = []
    for index, title in enumerate(titles):
        match = _match(title) if len(title) <= _LONGEST_TITLE else None
        if match is None or match.field == _IGNORED:
            if title and match is None:
                unused.append(title)
            continue
        rival = chosen.get(match.field)
        if rival is None or _quality(match) > _quality(rival[0]):
            chosen[match.field] = (match, index)
            if rival is not None:
                unused.append(titles[rival[1]])
        else:
            unused.append(title)
    columns = {field: index for field, (_, index) in chosen.items()}
    if len(columns) < _FEWEST_FIELDS or not _REQUIRED & columns.keys():
        return None
    cost = titles[columns["original_cost"]] if "original_cost" in columns else ""
    return Header(first.number, last.number, titles, columns, _multiplier(cost), tuple(unused))


def _quality(match: _Match) -> tuple[bool, int]:
    return match.exact, -match.rank


def _titles(cells: Sequence[Cell]) -> tuple[str, ...]:
    return tuple(cell_text(cell).strip() if isinstance(cell, str) else "" for cell in cells)


def _stacked(upper: Sequence[Cell], lower: Sequence[Cell]) -> tuple[str, ...]:
    """Two title rows as one: the lower title where it is known by itself, else the upper one, else both together."""
    width = max(len(upper), len(lower))
    pairs = zip(
        (*_titles(upper), *[""] * (width - len(upper))), (*_titles(lower), *[""] * (width - len(lower))), strict=True
    )
    titles = []
    for over, under in pairs:
        both = f"{over} {under}".strip()
        titles.append(next((title for title in (under, both, over) if title and _match(title)), both))
    return tuple(titles)


@lru_cache(maxsize=4096)
def _match(title: str) -> _Match | None:
    key = search_key(_BRACKETS.sub(" ", title)) or search_key(title)
    table = _table()[0]
    if key in table:
        field, rank = table[key]
        return _Match(field, exact=True, length=len(key), rank=rank)
    # A sentence of instructions often begins with a title; a title is no sentence.
    if title.rstrip().endswith(_SENTENCE_ENDS):
        return None
    # A longer title may only begin with a known one of two words or more: "Nguyên giá theo sổ kế toán 2025".
    starts = [known for known in table if " " in known and key.startswith(known + " ")]
    if not starts:
        return None
    longest = max(starts, key=len)
    field, rank = table[longest]
    return _Match(field, exact=False, length=len(longest), rank=rank)


def _multiplier(title: str) -> int:
    key = search_key(title)
    if any(word in key for word in _MILLIONS):
        return 1_000_000
    return 1000 if any(word in key for word in _THOUSANDS) else 1


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, tuple[str, int]], frozenset[str], frozenset[str], frozenset[str], frozenset[str]]:
    """Titles with their fields; first words of totals and of signatures; titles of row numbers and of surveys."""
    data = tomllib.loads(files("inventory").joinpath("data/register_headers.toml").read_text(encoding="utf-8"))
    titles: dict[str, tuple[str, int]] = {}
    for field, names in {
        **data["fields"],
        _IGNORED: [*data["ignored"]["running_numbers"], *data["ignored"]["titles"]],
    }.items():
        for rank, name in enumerate(names):
            key = search_key(name)
            known = titles.setdefault(key, (field, rank))
            if known[0] != field:
                raise ValueError(f"register_headers.toml: {name!r} stands for both {known[0]} and {field}")
    skipped = data["skipped_rows"]
    return (
        titles,
        frozenset(search_key(word) for word in skipped["totals"]),
        frozenset(search_key(word) for word in skipped["signatures"]),
        frozenset(search_key(title) for title in data["ignored"]["running_numbers"]),
        frozenset(search_key(title) for title in data["survey"]["titles"]),
    )
