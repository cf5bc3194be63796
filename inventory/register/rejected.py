"""Rejected rows as a workbook of the same layout, with the reason beside each, ready to be corrected and imported."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import xlsxwriter

from agent.wire.message import Message, Translate, mark
from inventory.export.wording import may_execute, sentence
from inventory.register.rows import RejectedRow, RowError
from inventory.register.sheet import Cell, cell_text

# An imported column of this title is known and left out, so that the corrected file can go in as it is.
REASON_TITLE = mark("Reason of rejection")
_REASON_WIDTH = 70
_COLUMN_WIDTH = 16


def write_rejected(rows: Sequence[RejectedRow], translate: Translate) -> bytes:
    """One sheet for each sheet that had rejected rows: its titles, the rows as they were, the reasons."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, options)
    formats = {
        "header": book.add_format({"bold": True, "text_wrap": True, "bg_color": "#E7E6E6", "border": 1}),
        "text": book.add_format({"text_wrap": True}),
        "guarded": book.add_format({"text_wrap": True, "quote_prefix": True}),
        "day": book.add_format({"num_format": "dd/mm/yyyy"}),
        "reason": book.add_format({"text_wrap": True, "font_color": "#9C0006"}),
        "bad": book.add_format({"text_wrap": True, "bg_color": "#FFC7CE"}),
    }
    for name, group in groupby(rows, key=lambda row: row.origin.sheet):
        _sheet(book, name, list(group), translate, formats)
    if not rows:
        book.add_worksheet()
    book.close()
    return out.getvalue()


def error_sentence(error: RowError, translate: Translate) -> str:
    """`Column F: “2106” cannot be ...; expected: a year from 1980 to 2026 ...`."""
    found, expected = sentence(error.found, translate), sentence(error.expected, translate)
    pattern = (
        translate("column {column}: {found}; expected: {expected}")
        if error.column
        else translate("{found}; expected: {expected}")
    )
    return Message(pattern, {"column": error.column, "found": found, "expected": expected}).render()


def _sheet(book: Any, name: str, rows: Sequence[RejectedRow], translate: Translate, formats: dict[str, Any]) -> None:
    sheet = book.add_worksheet(name[:31] or None)
    titles = rows[0].origin.titles
    width = max(len(titles), *(len(row.origin.cells) for row in rows))
    for column in range(width):
        text = titles[column] if column < len(titles) else ""
        sheet.write_string(0, column, text, formats["header"])
    sheet.set_column(0, width - 1, _COLUMN_WIDTH)
    sheet.set_column(width, width, _REASON_WIDTH)
    sheet.write_string(0, width, translate(REASON_TITLE), formats["header"])
    for number, row in enumerate(rows, start=1):
        bad = {error.column for error in row.errors}
        for column, cell in enumerate(row.origin.cells):
            _cell(sheet, number, column, cell, formats)
        reasons = " ".join(f"{error_sentence(error, translate)}." for error in row.errors)
        sheet.write_string(number, width, reasons, formats["reason"])
        _mark_bad(sheet, number, bad, formats)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, len(rows), width)


def _cell(sheet: Any, row: int, column: int, cell: Cell, formats: dict[str, Any]) -> None:
    if cell is None:
        return
    if isinstance(cell, dt.datetime | dt.date):
        sheet.write_datetime(row, column, cell, formats["day"])
    elif isinstance(cell, int | float) and not isinstance(cell, bool):
        sheet.write_number(row, column, cell)
    else:
        text = cell_text(cell)
        sheet.write_string(row, column, text, formats["guarded"] if may_execute(text) else formats["text"])


def _mark_bad(sheet: Any, number: int, bad: set[str], formats: dict[str, Any]) -> None:
    """Colours the cells at fault, without touching what they hold."""
    for letter in bad - {""}:
        place = f"{letter}{number + 1}"
        sheet.conditional_format(f"{place}:{place}", {"type": "formula", "criteria": "=TRUE", "format": formats["bad"]})
