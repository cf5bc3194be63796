"""Tables of the annex as plain data: columns, groups of rows, a total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from agent.wire.message import Message, Translate, mark
from inventory.equipment import equipment_kinds
from inventory.export.columns import BLOCK_LABELS
from inventory.export.wording import first_large, number_text, sentences, unit_name
from inventory.plan.model import ACTION_LABELS, Candidate, InvestmentPlan, PlannedItem, WaitingItem
from inventory.plan.wording import method_messages, money_text, name_text, points_text, wait_message
from inventory.shortage import Shortage

Align = Literal["left", "center", "right"]
Look = Literal["plain", "strong", "reference"]
Cell = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        title: English msgid.
        width: as typst has it: a length or a share (`1fr`) of what is left.
        align: of its values.
        notes: numbers of the notes on it.
    """

    title: str
    width: str
    align: Align = "left"
    notes: str = ""


def cell(text: str, look: Look = "plain") -> Cell:
    """One line of a cell; lines are added together; an empty text is no line."""
    return [{"text": text, "look": look}] if text else []


def group(title: str, rows: Sequence[Sequence[Cell]]) -> dict[str, Any]:
    """Rows under a title of their own, which is repeated on every page they go on to; no title, no such row."""
    return {"title": title, "rows": [list(row) for row in rows]}


def table(
    title: str,
    columns: Sequence[Column],
    groups: Sequence[dict[str, Any]],
    translate: Translate,
    *,
    total: Sequence[str] = (),
    total_span: int = 3,
    empty: str,
) -> dict[str, Any]:
    """A table.

    Args:
        title: above it.
        columns: from left to right.
        groups: what `group` gives.
        translate: for the titles of columns.
        total: the last row: a label, then one text for each of the last columns.
        total_span: over how many columns the label goes.
        empty: what stands instead of the table if it has no rows.
    """
    return {
        "title": title,
        "columns": [
            {"title": translate(one.title), "width": one.width, "align": one.align, "notes": one.notes}
            for one in columns
        ],
        "groups": [one for one in groups if one["rows"]],
        "total": list(total),
        "total_span": total_span,
        "empty": empty,
        "before": [],
        "after": [],
    }


def plan_table(plan: InvestmentPlan, translate: Translate) -> dict[str, Any]:
    """What is bought in which budget year, then what waits and what has no price."""
    columns = [
        Column(mark("Rank"), "12mm", "center"),
        Column(mark("Unit"), "38mm"),
        Column(mark("Equipment, reference"), "55mm"),
        Column(mark("Action"), "20mm", "center"),
        Column(mark("Priority (of 100)"), "18mm", "right"),
        Column(mark("Reasons"), "1fr"),
        Column(mark("Quantity"), "12mm", "right"),
        Column(mark("Unit price (VND)"), "22mm", "right"),
        Column(mark("Amount (VND)"), "25mm", "right"),
    ]
    groups = []
    for year in plan.years:
        title = Message(
            mark("Year {year}: ceiling {ceiling} VND, planned {spent} VND, left {left} VND"),
            {
                "year": str(year.year),
                "ceiling": number_text(year.ceiling_vnd),
                "spent": number_text(year.spent_vnd),
                "left": number_text(year.leftover_vnd),
            },
        )
        groups.append(
            group(title.render(translate), [_planned(one, one.candidate.reasons, translate) for one in year.items])
        )
    waiting = translate(mark("Waits: fits no year of the plan")) + f": {money_text(plan.waiting_vnd)}"
    waits = [_planned(one, [wait_message(one.waits[-1], translate)], translate) for one in plan.waiting]
    groups.append(group(waiting, waits))
    unpriced = [_unpriced(one.candidate, sentences([one.reason], translate), translate) for one in plan.unpriced]
    groups.append(group(translate(mark("Without a price: cannot be planned")), unpriced))
    made = table(
        translate(mark("Plan by budget year")),
        columns,
        groups,
        translate,
        total=[translate(mark("Planned in all years")), number_text(plan.spent_vnd)],
        total_span=8,
        empty=translate(mark("The plan is empty.")),
    )
    made["before"] = [sentences([notice], translate) for notice in plan.notices]
    made["after"] = [sentences([message], translate) for message in method_messages(plan)]
    return made


def shortage_table(shortages: Sequence[Shortage], translate: Translate) -> dict[str, Any]:
    """What is to be added, by unit; how many balances are not known because nobody stated the headcount."""
    columns = [
        Column(mark("Kind"), "36mm"),
        Column(mark("Block"), "20mm"),
        Column(mark("Norm"), "14mm", "right"),
        Column(mark("Usable"), "15mm", "right"),
        Column(mark("To be replaced"), "15mm", "right"),
        Column(mark("Reasons"), "1fr"),
        Column(mark("Legal basis"), "30mm"),
        Column(mark("To be added"), "15mm", "right"),
        Column(mark("Highest unit price (VND)"), "22mm", "right"),
        Column(mark("Highest amount (VND)"), "25mm", "right"),
    ]
    short = [one for one in shortages if one.to_add]
    groups = [
        group(unit_name(code), [_short(one, translate) for one in ones])
        for code, ones in groupby(short, key=lambda one: one.unit_code)
    ]
    amount = sum(one.amount_vnd or 0 for one in short)
    made = table(
        translate(mark("Equipment to be added")),
        columns,
        groups,
        translate,
        total=[translate(mark("Total")), number_text(sum(one.to_add or 0 for one in short)), "", number_text(amount)],
        total_span=7,
        empty=nothing_to_add(shortages, translate),
    )
    if short and (sentence := headcount_unknown(shortages, translate)):
        made["before"] = [sentence]
    return made


def headcount_unknown(shortages: Sequence[Shortage], translate: Translate) -> str:
    """Of how many units the headcount is not known, empty where it is known of all."""
    unknown = {one.unit_code for one in shortages if one.to_add is None}
    pattern = mark("The headcount of {count} units is not known; what they lack cannot be computed.")
    return Message(pattern, {"count": len(unknown)}).render(translate) if unknown else ""


def nothing_to_add(shortages: Sequence[Shortage], translate: Translate) -> str:
    """Why there is no line: the headcount is not known, or nothing is lacking."""
    if not shortages:
        return translate(mark("The headcount of the units is not known; what they lack cannot be computed."))
    return headcount_unknown(shortages, translate) or translate(mark("By the norms nothing is lacking."))


def _short(one: Shortage, translate: Translate) -> list[Cell]:
    return [
        cell(first_large(translate(equipment_kinds()[one.kind].label))),
        cell(translate(BLOCK_LABELS[one.block]) if one.block in BLOCK_LABELS else one.block),
        cell(_count(one.norm_quantity)),
        cell(number_text(one.usable)),
        cell(number_text(one.to_replace)),
        cell(sentences(one.reasons, translate)),
        cell(one.article),
        cell(_count(one.to_add)),
        cell(_count(one.price_cap_vnd)),
        cell(_count(one.amount_vnd)),
    ]


def _planned(one: PlannedItem | WaitingItem, why: Sequence[Message], translate: Translate) -> list[Cell]:
    return [
        cell(str(one.rank)),
        *_candidate(one.candidate, sentences(why, translate), translate),
        cell(number_text(one.quantity)),
        cell(_count(one.candidate.unit_price_vnd)),
        cell(number_text(one.amount_vnd)),
    ]


def _unpriced(candidate: Candidate, why: str, translate: Translate) -> list[Cell]:
    return [cell(""), *_candidate(candidate, why, translate), cell(number_text(candidate.quantity)), cell(""), cell("")]


def _candidate(candidate: Candidate, why: str, translate: Translate) -> list[Cell]:
    reference = translate(mark("Ref. {reference}")).format(reference=candidate.reference)
    return [
        cell(candidate.unit_name),
        [*cell(name_text(candidate, translate), "strong"), *cell(reference, "reference")],
        cell(first_large(translate(ACTION_LABELS[candidate.action]))),
        cell(points_text(candidate.score.points)),
        cell(why),
    ]


def _count(number: int | None) -> str:
    return "" if number is None else number_text(number)
