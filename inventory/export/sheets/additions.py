"""The sheet of what units lack against their headcount."""

from __future__ import annotations

from collections.abc import Sequence

from xlsxwriter.utility import xl_rowcol_to_cell

from agent.wire.message import mark
from inventory.equipment import equipment_kinds
from inventory.export.annex_tables import headcount_unknown, nothing_to_add
from inventory.export.columns import BLOCK_LABELS
from inventory.export.sheets.names import ADDITIONS_SHEET
from inventory.export.wording import first_large, sentences, unit_name
from inventory.export.workbook import DocumentWorkbook, Field, Formula, Value
from inventory.shortage import Shortage

FIELDS = (
    Field(mark("No."), 5, "count"),
    Field(mark("Unit"), 22),
    Field(mark("Block"), 16),
    Field(mark("Kind"), 24),
    Field(mark("Norm"), 9, "count"),
    Field(mark("Usable"), 11, "count"),
    Field(mark("To be replaced"), 9, "count"),
    Field(mark("To be added"), 9, "count", total=True),
    Field(mark("Surplus"), 9, "count"),
    Field(mark("Highest unit price (VND)"), 15, "money"),
    Field(mark("Highest amount (VND)"), 18, "money", total=True),
    Field(mark("Legal basis"), 24),
    Field(mark("Reasons"), 56),
)
_TO_ADD, _PRICE = 7, 9


def write_additions(book: DocumentWorkbook, shortages: Sequence[Shortage]) -> None:
    """What is to be added and what is above the norm; of how many units the headcount is not known."""
    shown = [one for one in shortages if one.to_add or one.surplus]
    rows = [_row(book, number, one) for number, one in enumerate(shown, start=1)]
    sheet = book.listing(ADDITIONS_SHEET, FIELDS, rows, nothing_to_add(shortages, book.translate))
    if rows and (unknown := headcount_unknown(shortages, book.translate)):
        book.paragraph(sheet, len(rows) + 3, unknown, "footnote", [field.width for field in FIELDS])


def _row(book: DocumentWorkbook, number: int, one: Shortage) -> list[Value | Formula]:
    translate = book.translate
    amount = None
    if one.amount_vnd is not None:
        factors = f"={xl_rowcol_to_cell(number, _TO_ADD)}*{xl_rowcol_to_cell(number, _PRICE)}"
        amount = Formula(factors, one.amount_vnd)
    return [
        number,
        unit_name(one.unit_code),
        translate(BLOCK_LABELS[one.block]) if one.block in BLOCK_LABELS else one.block,
        first_large(translate(equipment_kinds()[one.kind].label)),
        one.norm_quantity,
        one.usable,
        one.to_replace,
        one.to_add,
        one.surplus,
        one.price_cap_vnd,
        amount,
        one.article,
        sentences(one.reasons, translate),
    ]
