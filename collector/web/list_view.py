"""The investment list as the page shows it: filtered, searched, sorted and cut into pages. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from agent.wire.message import mark
from inventory.assessment import DECISION_LABELS, RECOMMENDATION_LABELS, Assessment
from inventory.collation import search_key, sort_key
from inventory.equipment import equipment_kinds
from inventory.export.columns import BLOCK_LABELS
from inventory.investment import InvestmentList
from inventory.units import Unit, load_units

PAGE_ROWS = 50
LONGEST_SEARCH = 200
_LONG_WORD = 3
NO_BLOCK = "none"
FILTERS = ("unit", "district", "block", "kind", "decision", "recommendation", "decided")

SORTS: dict[str, str] = {
    "unit": mark("Unit"),
    "name": mark("Equipment"),
    "made": mark("Made about"),
    "years": mark("Years in use"),
    "recommendation": mark("Recommendation"),
    "amount": mark("Highest amount (VND)"),
}

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of many rows; `number` counts from 1."""

    rows: Sequence[Row]
    number: int
    pages: int
    total: int


def cut(rows: Sequence[Row], number: int, size: int = PAGE_ROWS) -> Page[Row]:
    """The page of that number, the nearest one where there is none such."""
    pages = max(1, -(-len(rows) // size))
    chosen = min(max(1, number), pages)
    return Page(rows[(chosen - 1) * size : chosen * size], chosen, pages, len(rows))


def page_number(text: str) -> int:
    """The number in an address, 1 where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len("999999") else 1


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a reader asked for; what is unknown in an address asks for nothing.

    Args:
        search: words, all of which must occur, accents or not.
        chosen: filter -> value, as far as chosen.
        sort: a key of `SORTS`.
        descending: the other way round.
        page: counts from 1.
    """

    search: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)
    sort: str = "unit"
    descending: bool = False
    page: int = 1

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> ListQuery:
        """Of an address's parameters."""
        sort = parameters.get("sort", "")
        key = sort.removeprefix("-")
        return cls(
            search=parameters.get("q", "").strip()[:LONGEST_SEARCH],
            chosen={name: parameters[name] for name in FILTERS if parameters.get(name)},
            sort=key if key in SORTS else "unit",
            descending=key in SORTS and sort.startswith("-"),
            page=page_number(parameters.get("page", "")),
        )

    def address(self, **changes: Any) -> str:
        """The same question as an address's parameters, with some of them changed."""
        parameters: dict[str, Any] = dict(self.chosen)
        if self.search:
            parameters["q"] = self.search
        if self.sort != "unit" or self.descending:
            parameters["sort"] = ("-" if self.descending else "") + self.sort
        if self.page > 1:
            parameters["page"] = self.page
        return urlencode({name: value for name, value in (parameters | changes).items() if value not in ("", None)})

    def sorted_by(self, key: str) -> str:
        """The address of the first page sorted by this, the other way round where it is so already."""
        other_way = self.sort == key and not self.descending
        return self.address(sort=f"-{key}" if other_way else key, page="")


@dataclass(frozen=True, slots=True)
class ListRow:
    """One line with what it is found and sorted by."""

    one: Assessment
    words: str
    values: Mapping[str, str]
    ranks: Mapping[str, int]


class ListView:
    """All lines of one list, made once and asked often."""

    def __init__(self, whole: InvestmentList) -> None:
        self.whole = whole
        units = {unit.code: unit for unit in load_units()}
        ones = whole.judged
        ranks = {key: _ranks([rank(one) for one in ones]) for key, rank in _sorters(units).items()}
        self.rows = [
            ListRow(one, _words(one, units), _values(one, units), {key: ranks[key][place] for key in ranks})
            for place, one in enumerate(ones)
        ]
        self.by_reference = {row.one.item.reference: row.one for row in self.rows}

    def ask(self, query: ListQuery) -> Page[ListRow]:
        """The lines that fit, in order, cut into pages."""
        return cut(self.fitting(query), query.page)

    def fitting(self, query: ListQuery) -> list[ListRow]:
        """The lines that fit, in order."""
        words = search_words(query.search)
        rows = [
            row
            for row in self.rows
            if all(row.values[name] == value for name, value in query.chosen.items())
            and all(word in row.words for word in words)
        ]
        rows.sort(key=lambda row: row.ranks[query.sort], reverse=query.descending)
        return rows


def search_words(text: str) -> list[str]:
    """What must occur in a line's words: long words anywhere (the end of a serial), short ones where a word begins."""
    words = search_key(text).split()
    return [word if len(word) >= _LONG_WORD else f" {word}" for word in words]


def choices(view: ListView, translate: Callable[[str], str]) -> dict[str, list[tuple[str, str]]]:
    """Filter -> (value, label) of each choice, in Vietnamese order where the law or the flow gives none."""
    units = load_units()
    present = {row.values["kind"] for row in view.rows}
    kinds = [(code, translate(kind.label)) for code, kind in equipment_kinds().items() if code in present]
    blocks = [(code, translate(label)) for code, label in BLOCK_LABELS.items()]
    return {
        "unit": sorted(((unit.code, unit.name) for unit in units), key=lambda pair: sort_key(pair[1])),
        "district": sorted(
            {(unit.former_district, unit.former_district) for unit in units}, key=lambda pair: sort_key(pair[1])
        ),
        "block": [*blocks, (NO_BLOCK, translate(mark("not stated")))],
        "kind": sorted(kinds, key=lambda pair: sort_key(pair[1])),
        "decision": [(code, translate(label)) for code, label in DECISION_LABELS.items()],
        "recommendation": [(code, translate(label)) for code, label in RECOMMENDATION_LABELS.items()],
        "decided": [
            ("person", translate(mark("decided by a person"))),
            ("evidence", translate(mark("by the evidence"))),
        ],
    }


def _values(one: Assessment, units: Mapping[str, Unit]) -> dict[str, str]:
    unit = units.get(one.item.unit_code)
    return {
        "unit": one.item.unit_code,
        "district": unit.former_district if unit else "",
        "block": one.item.block or NO_BLOCK,
        "kind": one.item.kind,
        "decision": one.over_10_years,
        "recommendation": one.recommendation,
        "decided": "person" if one.override else "evidence",
    }


def _words(one: Assessment, units: Mapping[str, Unit]) -> str:
    item, unit = one.item, units.get(one.item.unit_code)
    texts = [item.name, item.manufacturer, item.model, item.serial, item.site, item.unit_code, item.reference]
    if unit:
        texts += [unit.name, unit.former_district]
    if item.asset:
        known = item.asset.values
        texts += [known.asset_code or "", known.assigned_to or "", known.computer_name or "", known.department or ""]
    return f" {search_key(' '.join(texts))}"


def _sorters(units: Mapping[str, Unit]) -> dict[str, Callable[[Assessment], Any]]:
    unit_keys = {code: (0, sort_key(unit.short_name)) for code, unit in units.items()}
    order = list(RECOMMENDATION_LABELS)

    def by_unit(one: Assessment) -> tuple[Any, ...]:
        code = one.item.unit_code
        return unit_keys.get(code, (1, sort_key(code))), -(one.years_in_use or 0), sort_key(one.item.name)

    return {
        "unit": by_unit,
        "name": lambda one: (sort_key(one.item.name), by_unit(one)),
        # What is not known sorts last.
        "made": lambda one: (one.estimate.best or one.estimate.latest or dt.date.max).toordinal(),
        "years": lambda one: (one.years_in_use is not None, one.years_in_use or 0),
        "recommendation": lambda one: (order.index(one.recommendation), by_unit(one)),
        "amount": lambda one: (one.amount_vnd is not None, one.amount_vnd or 0),
    }


def _ranks(keys: Sequence[Any]) -> list[int]:
    """The place of each key among all, so that sorting compares whole numbers; equal keys keep their order."""
    ranks = [0] * len(keys)
    for rank, place in enumerate(sorted(range(len(keys)), key=keys.__getitem__)):
        ranks[place] = rank
    return ranks
