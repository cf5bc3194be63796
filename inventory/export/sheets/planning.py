"""The sheet of the plan by budget year."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xlsxwriter.utility import xl_range_abs, xl_rowcol_to_cell

from agent.wire.message import mark
from inventory.export.columns import BLOCK_LABELS
from inventory.export.sheets.names import PLAN_SHEET
from inventory.export.wording import first_large, sentences
from inventory.export.workbook import POINTS_PER_LINE, DocumentWorkbook, Field, Formula, Value
from inventory.plan.model import ACTION_LABELS, Candidate, InvestmentPlan, PlannedItem, WaitingItem
from inventory.plan.wording import method_messages, name_text, wait_message

FIELDS = (
    Field(mark("Budget year"), 12, "year"),
    Field(mark("Rank"), 7, "count"),
    Field(mark("Unit"), 20),
    Field(mark("Block"), 14),
    Field(mark("Equipment"), 30),
    Field(mark("Action"), 11),
    Field(mark("Priority (of 100)"), 9, "points"),
    Field(mark("Quantity"), 9, "count"),
    Field(mark("Unit price (VND)"), 15, "money"),
    Field(mark("Amount (VND)"), 18, "money"),
    Field(mark("Dearer by waiting (VND)"), 15, "money"),
    Field(mark("Reasons"), 45),
    Field(mark("Reference"), 14),
)
_QUANTITY, _PRICE, _AMOUNT = 7, 8, 9
# Where the little table of the years stands below the lines.
_YEAR_COLUMNS = (4, 8, 9, 10)
_WAITS = mark("waits")


def write_plan(book: DocumentWorkbook, plan: InvestmentPlan | None) -> None:
    """Every line of the plan by year, then what waits and what has no price; then ceiling, planned and left by year."""
    translate = book.translate
    rows = [] if plan is None else list(_rows(book, plan))
    empty = mark("There is no plan by year: no ceiling of a budget year was given.")
    sheet = book.listing(PLAN_SHEET, FIELDS, rows, translate(empty if plan is None else mark("The plan is empty.")))
    if plan is None:
        return
    row = _years(book, sheet, plan, max(len(rows), 1))
    for message in (*plan.notices, *method_messages(plan)):
        row += 1
        book.paragraph(sheet, row, sentences([message], translate), "footnote", [field.width for field in FIELDS])


def _years(book: DocumentWorkbook, sheet: Any, plan: InvestmentPlan, last_row: int) -> int:
    """Ceiling, planned and left of every year, then what waits; below the lines. Returns the row after it."""
    translate = book.translate
    row = last_row + 2
    titles = (mark("Budget year"), mark("Ceiling (VND)"), mark("Planned (VND)"), mark("Left (VND)"))
    for place, title in zip(_YEAR_COLUMNS, titles, strict=True):
        book.cell(sheet, row, place, translate(title), "header")
    sheet.set_row(row, 2 * POINTS_PER_LINE + 2)
    labels, amounts = (str(xl_range_abs(1, column, last_row, column)) for column in (0, _AMOUNT))
    label, ceiling, planned, left = _YEAR_COLUMNS
    for year in plan.years:
        row += 1
        spent = Formula(f"=SUMIFS({amounts},{labels},{xl_rowcol_to_cell(row, label)})", year.spent_vnd)
        rest = Formula(f"={xl_rowcol_to_cell(row, ceiling)}-{xl_rowcol_to_cell(row, planned)}", year.leftover_vnd)
        book.cell(sheet, row, label, year.year, "year")
        book.cell(sheet, row, ceiling, year.ceiling_vnd, "money")
        book.cell(sheet, row, planned, spent, "money")
        book.cell(sheet, row, left, rest, "money")
    row += 1
    waiting = Formula(f"=SUMIFS({amounts},{labels},{xl_rowcol_to_cell(row, label)})", plan.waiting_vnd)
    for place, value, style in zip(_YEAR_COLUMNS, (translate(_WAITS), None, waiting, None), ("text",) * 4, strict=True):
        book.cell(sheet, row, place, value, "money" if place == planned else style)
    return row + 1


def _rows(book: DocumentWorkbook, plan: InvestmentPlan) -> Iterable[list[Value | Formula]]:
    translate = book.translate
    lines: list[tuple[int | str, PlannedItem | WaitingItem]] = [
        (year.year, one) for year in plan.years for one in year.items
    ]
    lines += [(translate(_WAITS), one) for one in plan.waiting]
    for number, (label, one) in enumerate(lines, start=1):
        factors = f"={xl_rowcol_to_cell(number, _QUANTITY)}*{xl_rowcol_to_cell(number, _PRICE)}"
        waits = [wait_message(wait, translate) for wait in one.waits]
        why = sentences((*one.candidate.reasons, *one.candidate.notes, *waits), translate)
        growth = one.cost_of_waiting.price_growth_vnd
        yield _row(book, label, one.rank, one.candidate, one.quantity, (Formula(factors, one.amount_vnd), growth, why))
    for unpriced in plan.unpriced:
        why = sentences((unpriced.reason, *unpriced.candidate.reasons), translate)
        label = translate(mark("without a price"))
        yield _row(book, label, None, unpriced.candidate, unpriced.candidate.quantity, (None, None, why))


def _row(
    book: DocumentWorkbook,
    label: int | str,
    rank: int | None,
    candidate: Candidate,
    quantity: int,
    rest: tuple[Formula | None, int | None, str],
) -> list[Value | Formula]:
    translate, block = book.translate, candidate.block
    amount, growth, why = rest
    return [
        label,
        rank,
        candidate.unit_name,
        translate(BLOCK_LABELS[block]) if block in BLOCK_LABELS else block,
        name_text(candidate, translate),
        first_large(translate(ACTION_LABELS[candidate.action])),
        round(candidate.score.points, 1),
        quantity,
        candidate.unit_price_vnd,
        amount,
        growth,
        why,
        candidate.reference,
    ]
