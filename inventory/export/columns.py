"""The columns of the list: one table for the spreadsheet and for CSV."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agent.wire.message import Translate, mark
from inventory.assessment import DECISION_LABELS, RECOMMENDATION_LABELS, Assessment
from inventory.assets import BLOCK_FRONT, BLOCK_PARTY, BLOCK_STATE
from inventory.equipment import equipment_kinds
from inventory.export.wording import sentences
from inventory.investment import InvestmentList

Value = str | int | dt.date | None
ColumnKind = Literal["text", "count", "year", "money", "day"]

BLOCK_LABELS = {
    BLOCK_PARTY: mark("Party"),
    BLOCK_FRONT: mark("Fatherland Front and organisations"),
    BLOCK_STATE: mark("State bodies"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One item with its number in the list and what its cells need."""

    number: int
    one: Assessment
    whole: InvestmentList
    translate: Translate


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        key: its name for programs.
        title: English msgid of its title.
        width: in characters, as on paper.
        kind: how its values are written.
        value: an item's value in it.
        on_sheet: whether it stands on the printed sheets, or in CSV only.
    """

    key: str
    title: str
    width: float
    kind: ColumnKind
    value: Callable[[Line], Value]
    on_sheet: bool = True


def lines(whole: InvestmentList, ones: tuple[Assessment, ...], translate: Translate) -> list[Line]:
    """The items, numbered from 1."""
    return [Line(number, one, whole, translate) for number, one in enumerate(ones, start=1)]


def _asset_text(line: Line, field: str) -> str:
    asset = line.one.item.asset
    return (getattr(asset.values, field) if asset else None) or ""


def _years(line: Line) -> str:
    years = line.one.years_in_use
    if years is None:
        return ""
    return f"{years} ({line.translate('estimated')})" if line.one.years_estimated else str(years)


def _block(line: Line) -> str:
    block = _asset_text(line, "block")
    return line.translate(BLOCK_LABELS[block]) if block in BLOCK_LABELS else block


def _legal_basis(line: Line) -> str:
    if line.whole.price_caps is None or line.one.price_cap is None:
        return ""
    return f"{line.whole.price_caps.title}, {line.one.price_cap.article}"


def recommendation_basis(one: Assessment) -> str:
    """The articles a recommendation rests on, one after the other."""
    return "; ".join(dict.fromkeys(f"{basis.title}, {basis.article}" for basis in one.legal_basis))


def _support(line: Line) -> str:
    return sentences(line.one.support.messages, line.translate) if line.one.support else ""


def _windows_11(line: Line) -> str:
    return sentences(line.one.windows_11.reasons, line.translate) if line.one.windows_11 else ""


def _maker_and_model(line: Line) -> str:
    return " ".join(text for text in (line.one.item.manufacturer, line.one.item.model) if text)


def _cost(line: Line) -> int | None:
    asset = line.one.item.asset
    return asset.values.original_cost_vnd if asset else None


COLUMNS: tuple[Column, ...] = (
    Column("number", mark("No."), 4, "count", lambda line: line.number),
    Column("unit", mark("Unit"), 12, "text", lambda line: line.whole.unit_name(line.one.item.unit_code)),
    Column("unit_code", mark("Unit code"), 8, "text", lambda line: line.one.item.unit_code, on_sheet=False),
    Column("block", mark("Block"), 8, "text", _block),
    Column("site", mark("Place"), 12, "text", lambda line: line.one.item.site, on_sheet=False),
    Column("name", mark("Equipment"), 18, "text", lambda line: line.one.item.name),
    Column(
        "kind",
        mark("Kind"),
        10,
        "text",
        lambda line: line.translate(equipment_kinds()[line.one.item.kind].label),
    ),
    Column("model", mark("Manufacturer and model"), 16, "text", _maker_and_model, on_sheet=False),
    Column("serial", mark("Serial number"), 11, "text", lambda line: line.one.item.serial),
    Column("asset_code", mark("Asset code"), 9, "text", lambda line: _asset_text(line, "asset_code")),
    Column("year", mark("Year put into use"), 7, "year", lambda line: line.one.item.year_put_into_use),
    Column("years", mark("Years in use"), 7, "text", _years),
    Column(
        "earliest", mark("Made at the earliest"), 11, "day", lambda line: line.one.estimate.earliest, on_sheet=False
    ),
    Column("best", mark("Probably made"), 10, "day", lambda line: line.one.estimate.best),
    Column("latest", mark("Made at the latest"), 11, "day", lambda line: line.one.estimate.latest, on_sheet=False),
    Column(
        "over_10_years",
        mark("Over 10 years"),
        8,
        "text",
        lambda line: line.translate(DECISION_LABELS[line.one.over_10_years]),
        on_sheet=False,
    ),
    Column(
        "expired",
        mark("Useful life over"),
        8,
        "text",
        lambda line: line.translate(DECISION_LABELS[line.one.expired]),
    ),
    Column("support", mark("Operating system support"), 30, "text", _support, on_sheet=False),
    Column("windows_11", mark("Windows 11"), 30, "text", _windows_11, on_sheet=False),
    Column("original_cost", mark("Original cost (VND)"), 12, "money", _cost),
    Column(
        "accumulated",
        mark("Accumulated depreciation (VND)"),
        12,
        "money",
        lambda line: line.one.book.accumulated_vnd if line.one.book else None,
    ),
    Column(
        "remaining",
        mark("Remaining value (VND)"),
        12,
        "money",
        lambda line: line.one.book.remaining_vnd if line.one.book else None,
    ),
    Column("condition", mark("Condition"), 9, "text", lambda line: _asset_text(line, "condition")),
    Column(
        "recommendation",
        mark("Recommendation"),
        8,
        "text",
        lambda line: line.translate(RECOMMENDATION_LABELS[line.one.recommendation]),
    ),
    Column("reasons", mark("Reasons"), 26, "text", lambda line: sentences(line.one.reasons, line.translate)),
    Column("quantity", mark("Quantity"), 6, "count", lambda line: line.one.item.quantity),
    Column(
        "price_cap",
        mark("Highest unit price (VND)"),
        12,
        "money",
        lambda line: line.one.price_cap.price_vnd if line.one.price_cap else None,
    ),
    Column("amount", mark("Highest amount (VND)"), 13, "money", lambda line: line.one.amount_vnd),
    Column("legal_basis", mark("Legal basis"), 14, "text", _legal_basis),
    Column(
        "recommendation_basis",
        mark("Basis of the recommendation"),
        40,
        "text",
        lambda line: recommendation_basis(line.one),
        on_sheet=False,
    ),
    Column(
        "evidence",
        mark("Evidence of age"),
        40,
        "text",
        lambda line: sentences(line.one.evidence, line.translate),
        on_sheet=False,
    ),
    Column(
        "remarks",
        mark("Remarks"),
        30,
        "text",
        lambda line: sentences(line.one.remarks, line.translate),
        on_sheet=False,
    ),
    Column("reference", mark("Reference"), 9, "text", lambda line: line.one.item.reference),
)
