"""The sheet of items: titles in the first row, then one item a row, and nothing after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from inventory.assessment import Assessment
from inventory.export.columns import COLUMNS, Line, lines
from inventory.export.workbook import DocumentWorkbook, Field, Formula, Value, sheet_reference
from inventory.investment import InvestmentList

SHEET_COLUMNS = tuple(column for column in COLUMNS if column.on_sheet)
_PLACES = {column.key: index for index, column in enumerate(SHEET_COLUMNS)}


def write_items(book: DocumentWorkbook, title: str, whole: InvestmentList, ones: Sequence[Assessment]) -> Any:
    """Writes the sheet; amounts and remaining values are live."""
    sheet = book.sheet(title, header_row=0)
    book.header(sheet, 0, [(column.title, column.width) for column in SHEET_COLUMNS])
    fields = [Field(column.title, column.width) for column in SHEET_COLUMNS]
    for line in lines(whole, tuple(ones), book.translate):
        values: list[Value | Formula] = [column.value(line) for column in SHEET_COLUMNS]
        for key, formula in _formulas(line).items():
            values[_PLACES[key]] = formula
        book.row(sheet, line.number, [(c.kind, value) for c, value in zip(SHEET_COLUMNS, values, strict=True)])
        book.fit_height(sheet, line.number, fields, values)
    if ones:
        sheet.autofilter(0, 0, len(ones), len(SHEET_COLUMNS) - 1)
    return sheet


def whole_column(book: DocumentWorkbook, sheet: str, key: str) -> str:
    """A column of a sheet of items as formulas of other sheets have it: rows that people add count too."""
    letter = xl_col_to_name(_PLACES[key])
    return f"{sheet_reference(book.sheet_name(sheet))}!${letter}:${letter}"


def _formulas(line: Line) -> dict[str, Formula]:
    one, row = line.one, line.number

    def place(key: str) -> str:
        return str(xl_rowcol_to_cell(row, _PLACES[key]))

    formulas = {}
    if one.amount_vnd is not None:
        formulas["amount"] = Formula(f"={place('price_cap')}*{place('quantity')}", one.amount_vnd)
    if one.book is not None:
        formulas["remaining"] = Formula(f"={place('original_cost')}-{place('accumulated')}", one.book.remaining_vnd)
    return formulas
