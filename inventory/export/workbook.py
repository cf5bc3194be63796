"""A workbook of the office: one set of formats, sheets ready to be printed, cells that cannot execute."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from agent.wire.message import Translate, mark
from inventory.export.wording import may_execute

Value = str | int | float | dt.date | None
Style = Literal["text", "count", "year", "money", "points", "day", "total", "total_money", "total_count"]

POINTS_PER_LINE = 14
_FONT = "Times New Roman"
_A4 = 9
_LONGEST_CELL = 32_767
# Vietnamese grouping (1.234.567) where the program minds the locale; Excel takes that of the computer.
_GROUPED = "[$-42A]#,##0"
_LONGEST_SHEET_NAME = 31
# How many more characters the small italics of notes have in a line.
_SMALL_PRINT = 1.2
# Excel's own limit of a row's height.
_TALLEST_POINTS = 409


@dataclass(frozen=True, slots=True)
class Formula:
    """A live cell.

    Args:
        text: with its `=`.
        value: its result now, for programs that do not calculate.
    """

    text: str
    value: int | float


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a sheet.

    Args:
        title: English msgid.
        width: in characters.
        style: of its cells.
        total: whether the last row sums it.
    """

    title: str
    width: float
    style: Style = "text"
    total: bool = False


class DocumentWorkbook:
    """A workbook being written; `content` closes it."""

    def __init__(self, translate: Translate, as_of: dt.date) -> None:
        self.translate = translate
        self.as_of = as_of
        self._out = io.BytesIO()
        # Texts stay texts: nothing that a register says becomes a formula, a link or a number.
        options = {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        self.book = xlsxwriter.Workbook(self._out, options)
        # Reproducible bytes: the same list gives the same file.
        created = dt.datetime(as_of.year, as_of.month, as_of.day, tzinfo=dt.UTC).replace(tzinfo=None)
        title = translate(mark("Investment list of equipment"))
        self.book.set_properties({"title": title, "comments": translate("Draft"), "created": created})
        # Values are stored with their formulas; programs that calculate do so anew when the file is opened.
        self.book.set_calc_mode("auto")
        self._formats = self._make_formats()

    def _make_formats(self) -> dict[str, Any]:
        cell = {"font_name": _FONT, "font_size": 11, "valign": "top", "border": 1}
        free = {"font_name": _FONT}
        looks: dict[str, dict[str, Any]] = {
            "text": {**cell, "text_wrap": True},
            "guarded": {**cell, "text_wrap": True, "quote_prefix": True},
            "count": {**cell, "num_format": _GROUPED, "align": "center"},
            "year": {**cell, "num_format": "0", "align": "center"},
            "money": {**cell, "num_format": _GROUPED},
            "points": {**cell, "num_format": "0.0", "align": "center"},
            "day": {**cell, "num_format": "dd/mm/yyyy", "align": "center"},
            "header": {
                **cell,
                "bold": True,
                "text_wrap": True,
                "align": "center",
                "valign": "vcenter",
                "bg_color": "#E7E6E6",
            },
            "total": {**cell, "bold": True},
            "total_money": {**cell, "bold": True, "num_format": _GROUPED},
            "total_count": {**cell, "bold": True, "num_format": _GROUPED, "align": "center"},
            "title": {**free, "font_size": 14, "bold": True, "align": "center"},
            "subtitle": {**free, "font_size": 12, "italic": True, "align": "center"},
            "body_upper": {**free, "font_size": 12, "align": "center"},
            "body_strong": {**free, "font_size": 12, "bold": True, "align": "center"},
            "body_underlined": {**free, "font_size": 12, "bold": True, "align": "center", "underline": 1},
            "dated": {**free, "font_size": 12, "italic": True, "align": "center"},
            "draft": {**free, "font_size": 12, "bold": True, "align": "center"},
            "strong": {**free, "font_size": 12, "bold": True},
            "footnote": {**free, "font_size": 10, "italic": True, "text_wrap": True, "valign": "top"},
        }
        return {name: self.book.add_format(look) for name, look in looks.items()}

    def content(self) -> bytes:
        """The file's bytes."""
        self.book.close()
        return self._out.getvalue()

    def format(self, name: str) -> Any:
        """A cell format by name."""
        return self._formats[name]

    def sheet(self, title: str, *, header_row: int) -> Any:
        """A sheet: A4 landscape, one page wide, titles repeated and frozen, page numbers, the word draft."""
        sheet = self.book.add_worksheet(self.sheet_name(title))
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.set_margins(left=0.4, right=0.4, top=0.75, bottom=0.6)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(header_row)
        sheet.freeze_panes(header_row + 1, 0)
        name, draft = self.translate("Investment list of equipment"), self.translate("Draft")
        sheet.set_header(f'&L&"{_FONT},Bold"{draft}&C&"{_FONT},Bold"{name}&R{self.as_of.strftime("%d/%m/%Y")}')
        sheet.set_footer(f"&L{self.translate(title)}&R&P/&N")
        return sheet

    def sheet_name(self, title: str) -> str:
        """A sheet's name in the reader's language, as long as a spreadsheet allows."""
        return self.translate(title)[:_LONGEST_SHEET_NAME]

    def header(self, sheet: Any, row: int, fields: Sequence[tuple[str, float]]) -> None:
        """The row of titles, tall enough, and the widths of the columns."""
        titles = [(self.translate(title), width) for title, width in fields]
        for column, (title, width) in enumerate(titles):
            sheet.set_column(column, column, width)
            sheet.write_string(row, column, title, self.format("header"))
        sheet.set_row(row, POINTS_PER_LINE * max(wrapped_lines(title, width) for title, width in titles) + 4)

    def row(self, sheet: Any, row: int, cells: Sequence[tuple[str, Value | Formula]]) -> None:
        """One row of cells, each the name of its format and its value."""
        for column, (style, value) in enumerate(cells):
            self.cell(sheet, row, column, value, style)

    def cell(self, sheet: Any, row: int, column: int, value: Value | Formula, style: str) -> None:
        """One cell; text that could execute is marked as text."""
        look = self.format(style)
        if isinstance(value, Formula):
            sheet.write_formula(row, column, value.text, look, value.value)
        elif value is None or value == "":
            sheet.write_blank(row, column, None, look)
        elif isinstance(value, dt.date):
            sheet.write_datetime(row, column, value, look)
        elif isinstance(value, int | float):
            sheet.write_number(row, column, value, look)
        else:
            sheet.write_string(
                row, column, value[:_LONGEST_CELL], self.format("guarded") if may_execute(value) else look
            )

    def listing(
        self, title: str, fields: Sequence[Field], rows: Sequence[Sequence[Value | Formula]], empty: str
    ) -> Any:
        """A sheet of titles and rows with a total below where a column has one, or the sentence `empty`."""
        sheet = self.sheet(title, header_row=0)
        self.header(sheet, 0, [(field.title, field.width) for field in fields])
        for number, values in enumerate(rows, start=1):
            self.row(sheet, number, [(field.style, value) for field, value in zip(fields, values, strict=True)])
            self.fit_height(sheet, number, fields, values)
        if not rows:
            sheet.merge_range(1, 0, 1, len(fields) - 1, empty, self.format("text"))
            return sheet
        sheet.autofilter(0, 0, len(rows), len(fields) - 1)
        if any(field.total for field in fields):
            sums = {
                index: sum(_number(values[index]) for values in rows)
                for index, field in enumerate(fields)
                if field.total
            }
            label = next(index for index, field in enumerate(fields) if field.style == "text")
            styles = [field.style for field in fields]
            self.total(sheet, len(rows) + 1, styles, sums, first_row=1, label_column=label)
        return sheet

    def paragraph(self, sheet: Any, row: int, text: str, style: str, widths: Sequence[float]) -> None:
        """A text across all columns, its row as tall as it needs."""
        sheet.merge_range(row, 0, row, len(widths) - 1, "", self.format(style))
        sheet.write_string(row, 0, text, self.format(style))
        lines = wrapped_lines(text, sum(widths) * _SMALL_PRINT)
        sheet.set_row(row, min(_TALLEST_POINTS, POINTS_PER_LINE * lines + 1))

    def total(
        self,
        sheet: Any,
        row: int,
        styles: Sequence[str],
        sums: dict[int, int | float],
        *,
        first_row: int,
        label_column: int = 1,
    ) -> None:
        """The last row: live sums of the rows above, with their results."""
        for column, style in enumerate(styles):
            if column in sums:
                letter = xl_col_to_name(column)
                live = Formula(f"=SUM({letter}{first_row + 1}:{letter}{row})", sums[column])
                value: Value | Formula = live if row > first_row else 0
                self.cell(sheet, row, column, value, "total_money" if style == "money" else "total_count")
            else:
                text = self.translate("Total") if column == label_column else None
                self.cell(sheet, row, column, text, "total")

    def fit_height(self, sheet: Any, row: int, fields: Sequence[Field], values: Sequence[Value | Formula]) -> None:
        """Makes a row as tall as its texts: spreadsheets do not do so by themselves for a written file."""
        pairs = zip(fields, values, strict=True)
        texts = [(value, field.width) for field, value in pairs if isinstance(value, str)]
        lines = max((wrapped_lines(text, width) for text, width in texts), default=1)
        sheet.set_row(row, min(_TALLEST_POINTS, POINTS_PER_LINE * lines + 2))


def sheet_reference(name: str) -> str:
    """A sheet's name as formulas have it."""
    return "'" + name.replace("'", "''") + "'"


def wrapped_lines(text: str, width: float) -> int:
    """How many lines a text takes in a column so many characters wide."""
    count, room = 1, width
    for word in text.split():
        length = len(word) + 1
        if length > room + 1:
            count += 1 + int(max(0, length - width - 1) // width)
            room = width
        room -= length
    return count


def _number(value: Value | Formula) -> int | float:
    if isinstance(value, Formula):
        return value.value
    return value if isinstance(value, int | float) else 0
