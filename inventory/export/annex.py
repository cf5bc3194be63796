"""What stands on the pages of the annex, as plain texts and numbers; how it looks is `typst/annex.typ`'s affair."""

from __future__ import annotations

import datetime as dt
from itertools import groupby
from typing import Any

from agent.wire.message import Message, Translate, mark
from inventory.assessment import DECISION_LABELS, RECOMMENDATION_LABELS, Assessment
from inventory.equipment import equipment_kinds
from inventory.export.amount_in_words import amount_in_words
from inventory.export.annex_tables import Column, cell, group, plan_table, shortage_table, table
from inventory.export.figures import OLDEST_BAR_YEARS, age_bars, units_by_need
from inventory.export.heading import Heading, block_line, day_in_full, heading_of, place_and_date
from inventory.export.notes import Notes, bases, notes_of
from inventory.export.wording import first_large, number_text, sentences
from inventory.investment import InvestmentList, UnitSummary
from inventory.plan.model import InvestmentPlan

# Beyond this the pages would be too many to be read; the workbook holds every row.
LARGEST_ROWS = 1_500
NOT_STATED = "\u2013"


def annex_of(
    whole: InvestmentList,
    translate: Translate,
    as_of: dt.date,
    *,
    plan: InvestmentPlan | None = None,
) -> dict[str, Any]:
    """The annex with what units lack, ready to be set: every text in the reader's language, every number written out.

    Args:
        whole: the list; its first `LARGEST_ROWS` items are shown, and the annex says so where there are more.
        translate: to the reader's language.
        as_of: the day of the list, which also dates the draft.
        plan: what is bought in which year.
    """
    heading = heading_of(whole.block)
    notes = notes_of(whole, translate)
    tables = [_units(whole, translate), _items(whole, translate, notes)]
    tables += [shortage_table(whole.shortages, translate)] if whole.shortages else []
    tables += [plan_table(plan, translate)] if plan else []
    for number, one in zip(("I", "II", "III", "IV"), tables, strict=False):
        one["title"] = f"{number}. {one['title']}"
    return {
        "language": "vi",
        "heading": _heading(heading, as_of, translate),
        "draft": translate(mark("Draft")).upper(),
        "page": translate(mark("Page")),
        "annex": translate(mark("Annex")),
        "title": translate(mark("Investment list of equipment")).upper(),
        "subtitles": _subtitles(whole, as_of, translate),
        "summary": _summary(whole, translate),
        "ages": _ages(whole, translate),
        "needs": _needs(whole, translate),
        "tables": tables,
        "bases": {"title": translate(mark("Bases")), "lines": bases(whole, heading, translate)},
        "notes": {"title": translate(mark("Notes")), "lines": notes.lines},
    }


def _heading(heading: Heading, as_of: dt.date, translate: Translate) -> dict[str, Any]:
    return {
        "form": heading.form,
        "superior": heading.superior,
        "issuing": heading.issuing,
        "right": list(heading.right),
        "dated": place_and_date(heading.place, as_of, translate),
    }


def _subtitles(whole: InvestmentList, as_of: dt.date, translate: Translate) -> list[str]:
    return [block_line(whole.block, translate), f"({day_in_full(as_of, translate)})"]


def _summary(whole: InvestmentList, translate: Translate) -> dict[str, Any]:
    pieces = sum(unit.listed_pieces for unit in whole.units)
    without = sum(unit.without_cap for unit in whole.units)
    facts = [
        (mark("Units"), len(whole.units)),
        (mark("Equipment judged"), sum(unit.items for unit in whole.units)),
        (mark("Proposed items"), len(whole.items)),
        (mark("Proposed pieces"), pieces),
        (mark("To be verified"), len(whole.to_verify)),
        (mark("Items without a price cap"), without),
    ]
    return {
        "facts": [{"label": translate(label), "value": number_text(value)} for label, value in facts],
        "total": translate(mark("Highest total amount: {amount} VND")).format(amount=number_text(whole.amount_vnd)),
        "in_words": translate(mark("In words: {words}.")).format(words=amount_in_words(whole.amount_vnd)),
    }


def _ages(whole: InvestmentList, translate: Translate) -> dict[str, Any]:
    """The histogram: pieces by years in use, each bar split by whether they are over the threshold."""
    bars = []
    for bar in age_bars(whole):
        label = f"{bar.years}" if bar.years is not None else translate(mark("unknown"))
        label += "+" if bar.years == OLDEST_BAR_YEARS else ""
        bars.append({"label": label, "parts": [bar.over, bar.uncertain, bar.within]})
    over = translate(mark("over {years} years")).format(years=whole.threshold_years)
    return {
        "title": translate(mark("Equipment by years in use (pieces)")),
        "bars": bars,
        "legend": [over, translate(mark("uncertain")), translate(mark("not over"))],
        "axis": translate(mark("years in use; estimated where the register does not say")),
    }


def _needs(whole: InvestmentList, translate: Translate) -> dict[str, Any]:
    shown, others = units_by_need(whole.units)
    pattern = translate(mark("and {count} other units: see part I"))
    return {
        "title": translate(mark("Units with most proposed pieces")),
        "bars": [{"label": unit.unit_name, "value": unit.listed_pieces} for unit in shown],
        "empty": translate(mark("No unit has proposed pieces.")),
        "others": pattern.format(count=others) if others else "",
    }


def _units(whole: InvestmentList, translate: Translate) -> dict[str, Any]:
    columns = [
        Column(mark("No."), "10mm", "center"),
        Column(mark("Unit"), "1fr"),
        Column(mark("Former district"), "1fr"),
        Column(mark("Items"), "20mm", "right"),
        Column(mark("Proposed items"), "22mm", "right"),
        Column(mark("Proposed pieces"), "22mm", "right"),
        Column(mark("To be verified"), "20mm", "right"),
        Column(mark("Not proposed"), "22mm", "right"),
        Column(mark("Highest amount (VND)"), "32mm", "right"),
        Column(mark("Items without a price cap"), "22mm", "right"),
    ]
    numbers = ("items", "listed", "listed_pieces", "to_verify", "not_listed", "amount_vnd", "without_cap")
    rows = [
        [
            cell(str(number)),
            cell(unit.unit_name),
            cell(unit.former_district),
            *(cell(number_text(getattr(unit, name))) for name in numbers),
        ]
        for number, unit in enumerate(whole.units, start=1)
    ]
    sums = [number_text(sum(getattr(unit, name) for unit in whole.units)) for name in numbers]
    return table(
        translate(mark("Summary by unit")),
        columns,
        [group("", rows)],
        translate,
        total=[translate(mark("Total")), *sums],
        empty=translate(mark("There is no equipment yet.")),
    )


def _items(whole: InvestmentList, translate: Translate, notes: Notes) -> dict[str, Any]:
    columns = [
        Column(mark("No."), "10mm", "center"),
        Column(mark("Equipment, serial number, reference"), "59mm"),
        Column(mark("Year put into use; years in use"), "19mm", "center"),
        Column(mark("Original cost (VND)"), "20mm", "right"),
        Column(mark("Remaining value (VND)"), "20mm", "right", notes.marks["remaining"]),
        Column(mark("Useful life over"), "16mm", "center", notes.marks["expired"]),
        Column(mark("Condition; recommendation"), "20mm", "center"),
        Column(mark("Reasons"), "1fr"),
        Column(mark("Quantity"), "10mm", "right"),
        Column(mark("Highest unit price (VND)"), "20mm", "right", notes.marks["price_cap"]),
        Column(mark("Highest amount (VND)"), "23mm", "right"),
    ]
    shown = whole.items[:LARGEST_ROWS]
    summaries = {unit.unit_code: unit for unit in whole.units}
    groups = []
    number = 0
    for code, ones in groupby(shown, key=lambda one: one.item.unit_code):
        rows = []
        for one in ones:
            number += 1
            rows.append(_item(number, one, translate))
        groups.append(group(_unit_title(summaries[code], translate), rows))
    pieces = sum(unit.listed_pieces for unit in whole.units)
    made = table(
        translate(mark("Proposed equipment over {years} years old")).format(years=whole.threshold_years),
        columns,
        groups,
        translate,
        total=[translate(mark("Total")), number_text(pieces), "", number_text(whole.amount_vnd)],
        total_span=8,
        empty=translate(mark("No equipment is proposed on this day.")),
    )
    made["after"] = [translate(mark("In words: {words}.")).format(words=amount_in_words(whole.amount_vnd))]
    if len(whole.items) > LARGEST_ROWS:
        left_out = Message(
            mark("Shown are the first {shown} of {all} items; all of them are in the workbook (XLSX) of the same day."),
            {"shown": number_text(LARGEST_ROWS), "all": number_text(len(whole.items))},
        )
        made["before"] = [left_out.render(translate)]
        made["after"] += made["before"]
    return made


def _unit_title(unit: UnitSummary, translate: Translate) -> str:
    title = Message(
        mark("{unit}: {items} items, {pieces} pieces, {amount} VND"),
        {
            "unit": unit.unit_name,
            "items": number_text(unit.listed),
            "pieces": number_text(unit.listed_pieces),
            "amount": number_text(unit.amount_vnd),
        },
    ).render(translate)
    if not unit.without_cap:
        return title
    pattern = mark("{title}; {count} items without a price cap are not in the amount")
    return Message(pattern, {"title": title, "count": number_text(unit.without_cap)}).render(translate)


def _item(number: int, one: Assessment, translate: Translate) -> list[list[dict[str, str]]]:
    """The cells of one item; in the second its name, what tells it apart, and by what an auditor finds it."""
    item = one.item
    asset = item.asset.values if item.asset else None
    kind = first_large(translate(equipment_kinds()[item.kind].label))
    apart = [kind if kind.casefold() != item.name.casefold() else ""]
    apart.append(translate(mark("serial {serial}")).format(serial=item.serial) if item.serial else "")
    apart.append(translate(mark("code {code}")).format(code=asset.asset_code) if asset and asset.asset_code else "")
    years = "" if one.years_in_use is None else translate(mark("{years} years")).format(years=one.years_in_use)
    estimated = f"({translate(mark('estimated'))})" if years and one.years_estimated else ""
    cost = asset.original_cost_vnd if asset else None
    return [
        cell(str(number)),
        [
            *cell(item.name, "strong"),
            *cell("; ".join(text for text in apart if text)),
            *cell(translate(mark("Ref. {reference}")).format(reference=item.reference), "reference"),
        ],
        [*cell("" if item.year_put_into_use is None else str(item.year_put_into_use)), *cell(years), *cell(estimated)],
        cell(_money(cost)),
        cell(_money(one.book.remaining_vnd if one.book else None)),
        cell(translate(DECISION_LABELS[one.expired])),
        [
            *cell((asset.condition if asset else None) or ""),
            *cell(first_large(translate(RECOMMENDATION_LABELS[one.recommendation])), "strong"),
        ],
        cell(sentences(one.reasons, translate)),
        cell(number_text(item.quantity)),
        cell(_money(one.price_cap.price_vnd if one.price_cap else None)),
        cell(_money(one.amount_vnd)),
    ]


def _money(amount: int | None) -> str:
    return NOT_STATED if amount is None else number_text(amount)
