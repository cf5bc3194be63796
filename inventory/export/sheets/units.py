"""The sheet by unit: counted live from the sheets of items."""

from __future__ import annotations

from collections.abc import Callable

from xlsxwriter.utility import xl_rowcol_to_cell

from agent.wire.message import mark
from inventory.export.sheets.items import whole_column
from inventory.export.sheets.names import LIST_SHEET, UNITS_SHEET, VERIFY_SHEET
from inventory.export.workbook import DocumentWorkbook, Field, Formula
from inventory.investment import InvestmentList, UnitSummary

FIELDS = (
    Field(mark("No."), 5, "count"),
    Field(mark("Unit"), 26),
    Field(mark("Former district"), 22),
    Field(mark("Items"), 11, "count", total=True),
    Field(mark("Proposed items"), 12, "count", total=True),
    Field(mark("Proposed pieces"), 12, "count", total=True),
    Field(mark("To be verified"), 12, "count", total=True),
    Field(mark("Not proposed"), 12, "count", total=True),
    Field(mark("Highest amount (VND)"), 20, "money", total=True),
    Field(mark("Items without a price cap"), 14, "count", total=True),
)
_UNIT, _LISTED, _TO_VERIFY, _NOT_LISTED = 1, 4, 6, 7


def write_units(book: DocumentWorkbook, whole: InvestmentList) -> None:
    """One row a unit and the total. What is not proposed has no rows of its own and stands as a number."""
    sheet = _counting(book)
    rows = [
        [
            number,
            unit.unit_name,
            unit.former_district,
            Formula(
                f"=SUM({cell(number, _LISTED)},{cell(number, _TO_VERIFY)},{cell(number, _NOT_LISTED)})", unit.items
            ),
            *sheet(number, unit),
        ]
        for number, unit in enumerate(whole.units, start=1)
    ]
    book.listing(UNITS_SHEET, FIELDS, rows, book.translate(mark("There is no equipment yet.")))


def cell(row: int, column: int) -> str:
    """A cell of this sheet, counted from zero."""
    return str(xl_rowcol_to_cell(row, column))


def _counting(book: DocumentWorkbook) -> Callable[[int, UnitSummary], list[Formula | int]]:
    units = whole_column(book, LIST_SHEET, "unit")
    quantities = whole_column(book, LIST_SHEET, "quantity")
    amounts = whole_column(book, LIST_SHEET, "amount")
    doubtful = whole_column(book, VERIFY_SHEET, "unit")

    def row(number: int, unit: UnitSummary) -> list[Formula | int]:
        name = cell(number, _UNIT)
        return [
            Formula(f"=COUNTIFS({units},{name})", unit.listed),
            Formula(f"=SUMIFS({quantities},{units},{name})", unit.listed_pieces),
            Formula(f"=COUNTIFS({doubtful},{name})", unit.to_verify),
            unit.not_listed,
            Formula(f"=SUMIFS({amounts},{units},{name})", unit.amount_vnd),
            Formula(f'={cell(number, _LISTED)}-COUNTIFS({units},{name},{amounts},">=0")', unit.without_cap),
        ]

    return row
