"""The list as a workbook that the committee prints: summary, list, what to verify, bases and evidence."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from agent.wire.message import Translate, mark
from inventory.assessment import Assessment
from inventory.export.columns import COLUMNS, Column, Line, Value, lines
from inventory.export.wording import may_execute, sentence
from inventory.investment import InvestmentList

_FONT = "Times New Roman"
_TITLE_ROW = 1
_HEADER_ROW = 4
_A4 = 9
_LONGEST_CELL = 32_767
_POINTS_PER_LINE = 13

SUMMARY_SHEET = mark("Summary by unit")
LIST_SHEET = mark("Proposed investment")
VERIFY_SHEET = mark("To be verified")
EVIDENCE_SHEET = mark("Bases and evidence")


def write_xlsx(whole: InvestmentList, translate: Translate, as_of: dt.date) -> bytes:
    """The workbook; the sheet of the list has one title row and then exactly one row for each listed item."""
    out = io.BytesIO()
    # Texts stay texts: nothing that a register says becomes a formula, a link or a number.
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, options)
    book.set_properties({"title": translate("Equipment investment list"), "comments": translate("Draft")})
    # Reproducible bytes: the same list gives the same file.
    book.set_properties(
        {"created": dt.datetime(as_of.year, as_of.month, as_of.day, tzinfo=dt.UTC).replace(tzinfo=None)}
    )
    writer = _Writer(book, whole, translate, as_of)
    writer.summary()
    writer.items(LIST_SHEET, whole.items).activate()
    writer.items(VERIFY_SHEET, whole.to_verify)
    writer.evidence()
    book.close()
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Cell:
    """A format's name, and the value to be written with it."""

    style: str
    value: Value


class _Writer:
    """One workbook being written."""

    def __init__(self, book: Any, whole: InvestmentList, translate: Translate, as_of: dt.date) -> None:
        self._book = book
        self._whole = whole
        self._translate = translate
        self._as_of = as_of
        cell = {"font_name": _FONT, "font_size": 10, "valign": "top", "border": 1}
        self._formats = {
            "text": book.add_format({**cell, "text_wrap": True}),
            "guarded": book.add_format({**cell, "text_wrap": True, "quote_prefix": True}),
            "count": book.add_format({**cell, "num_format": "0", "align": "center"}),
            "money": book.add_format({**cell, "num_format": "#,##0"}),
            "day": book.add_format({**cell, "num_format": "dd/mm/yyyy", "align": "center"}),
            "header": book.add_format(
                {**cell, "bold": True, "text_wrap": True, "align": "center", "valign": "vcenter", "bg_color": "#E7E6E6"}
            ),
            "total": book.add_format({**cell, "bold": True}),
            "total_money": book.add_format({**cell, "bold": True, "num_format": "#,##0"}),
            "total_count": book.add_format({**cell, "bold": True, "num_format": "0", "align": "center"}),
            "title": book.add_format({"font_name": _FONT, "font_size": 14, "bold": True, "align": "center"}),
            "subtitle": book.add_format({"font_name": _FONT, "font_size": 12, "italic": True, "align": "center"}),
            "draft": book.add_format({"font_name": _FONT, "font_size": 12, "bold": True}),
            "footnote": book.add_format({"font_name": _FONT, "font_size": 10, "italic": True}),
        }

    def summary(self) -> None:
        """One row a unit, a total with live formulas, footnotes on what is not confirmed."""
        translate, whole = self._translate, self._whole
        sheet = self._sheet(SUMMARY_SHEET, header_row=_HEADER_ROW)
        titles = [
            (mark("No."), 5),
            (mark("Unit"), 26),
            (mark("Former district"), 22),
            (mark("Items"), 10),
            (mark("Proposed items"), 12),
            (mark("Proposed pieces"), 12),
            (mark("To be verified"), 12),
            (mark("Not proposed"), 12),
            (mark("Highest amount (VND)"), 20),
            (mark("Items without a price cap"), 14),
        ]
        last = len(titles) - 1
        sheet.write_string(0, 0, translate("Draft").upper(), self._formats["draft"])
        sheet.merge_range(
            _TITLE_ROW, 0, _TITLE_ROW, last, translate("Equipment investment list").upper(), self._formats["title"]
        )
        as_of = sentence_of_day(translate, self._as_of)
        sheet.merge_range(_TITLE_ROW + 1, 0, _TITLE_ROW + 1, last, as_of, self._formats["subtitle"])
        self._header(sheet, _HEADER_ROW, [(translate(title), width) for title, width in titles])
        row = _HEADER_ROW
        for number, unit in enumerate(whole.units, start=1):
            row += 1
            cells: list[tuple[str, Value]] = [
                ("count", number),
                ("text", unit.unit_name),
                ("text", unit.former_district),
                ("count", unit.items),
                ("count", unit.listed),
                ("count", unit.listed_pieces),
                ("count", unit.to_verify),
                ("count", unit.not_listed),
                ("money", unit.amount_vnd),
                ("count", unit.without_cap),
            ]
            self._row(sheet, row, [_Cell(style, value) for style, value in cells])
        if whole.units:
            sheet.autofilter(_HEADER_ROW, 0, row, last)
        self._totals(sheet, row + 1, last)
        for offset, text in enumerate(self._footnotes()):
            sheet.write_string(row + 3 + offset, 0, text, self._formats["footnote"])

    def _totals(self, sheet: Any, row: int, last: int) -> None:
        units = self._whole.units
        sums = {
            3: sum(unit.items for unit in units),
            4: sum(unit.listed for unit in units),
            5: sum(unit.listed_pieces for unit in units),
            6: sum(unit.to_verify for unit in units),
            7: sum(unit.not_listed for unit in units),
            8: sum(unit.amount_vnd for unit in units),
            9: sum(unit.without_cap for unit in units),
        }
        sheet.write_blank(row, 0, None, self._formats["total"])
        sheet.write_string(row, 1, self._translate("Total"), self._formats["total"])
        sheet.write_blank(row, 2, None, self._formats["total"])
        for column in range(3, last + 1):
            style = self._formats["total_money" if column == 8 else "total_count"]  # noqa: PLR2004 - the amount
            if units:
                letter = xl_col_to_name(column)
                formula = f"=SUM({letter}{_HEADER_ROW + 2}:{letter}{row})"
                sheet.write_formula(row, column, formula, style, sums[column])
            else:
                sheet.write_number(row, column, 0, style)

    def items(self, title: str, ones: Sequence[Assessment]) -> Any:
        """A sheet of items: titles in the first row, one item a row, nothing after them."""
        sheet = self._sheet(title, header_row=0)
        columns = [column for column in COLUMNS if column.on_sheet]
        self._header(sheet, 0, [(self._translate(column.title), column.width) for column in columns])
        price, quantity = (_index(columns, "price_cap"), _index(columns, "quantity"))
        for line in lines(self._whole, tuple(ones), self._translate):
            self._row(sheet, line.number, [_Cell(column.kind, column.value(line)) for column in columns])
            self._height(sheet, line, columns)
            amount = line.one.amount_vnd
            if amount is not None:
                factors = f"={xl_rowcol_to_cell(line.number, price)}*{xl_rowcol_to_cell(line.number, quantity)}"
                column = _index(columns, "amount")
                sheet.write_formula(line.number, column, factors, self._formats["money"], amount)
        if ones:
            sheet.autofilter(0, 0, len(ones), len(columns) - 1)
        return sheet

    def evidence(self) -> None:
        """Every norm that was applied, every piece of evidence, every doubt, each with its reference."""
        translate = self._translate
        sheet = self._sheet(EVIDENCE_SHEET, header_row=0)
        titles = (
            (mark("Reference"), 20),
            (mark("Unit"), 20),
            (mark("Equipment"), 28),
            (mark("Kind of basis"), 16),
            (mark("Made at the earliest"), 13),
            (mark("Made at the latest"), 13),
            (mark("What it says"), 80),
        )
        self._header(sheet, 0, [(translate(title), width) for title, width in titles])
        row = 0
        for row, cells in enumerate(self._evidence_rows(), start=1):
            styles = ("text", "text", "text", "text", "day", "day", "text")
            self._row(sheet, row, [_Cell(style, value) for style, value in zip(styles, cells, strict=True)])
        if row:
            sheet.autofilter(0, 0, row, len(titles) - 1)

    def _evidence_rows(self) -> Iterable[tuple[Value, ...]]:
        translate, whole = self._translate, self._whole
        for norm in (whole.useful_life, whole.price_caps):
            if norm is not None:
                said = f"{norm.article}. {translate(norm.note)}" if norm.note else norm.article
                yield norm.title, "", "", translate("norm"), norm.effective_from, None, said
        for one in (*whole.items, *whole.to_verify):
            place = (one.item.reference, whole.unit_name(one.item.unit_code), one.item.name)
            for piece in one.estimate.evidence:
                said = sentence(piece.why, translate)
                yield *place, translate("evidence of age"), piece.earliest, piece.latest, said
            if not one.estimate.evidence:
                for why in one.evidence:
                    yield *place, translate("word of the register"), None, None, sentence(why, translate)
            for remark in one.remarks:
                yield *place, translate("remark"), None, None, sentence(remark, translate)
        for doubt in whole.doubts:
            references = ", ".join(
                [*(f"A{number}" for number in doubt.asset_ids), *(f"D{d}" for d in doubt.device_ids)]
            )
            yield references, "", "", translate("doubtful match"), None, None, sentence(doubt.why, translate)

    def _footnotes(self) -> list[str]:
        translate, whole = self._translate, self._whole
        notes = [translate("Amounts are the highest allowed prices of new equipment, not quotations.")]
        if whole.doubts:
            pattern = translate("{count} pairs of register rows and terminals are doubtful; see the last sheet.")
            notes.append(pattern.format(count=len(whole.doubts)))
        unconfirmed = [
            norm.title
            for norm in (whole.useful_life, whole.price_caps)
            if norm is not None and norm.confidence != "high"
        ]
        if unconfirmed:
            pattern = translate("Values still to be checked against the official text: {titles}.")
            notes.append(pattern.format(titles=", ".join(unconfirmed)))
        if whole.price_caps is None or whole.useful_life is None:
            notes.append(translate("For this day no norm is known for some columns; they are left empty."))
        return notes

    def _sheet(self, title: str, *, header_row: int) -> Any:
        """A sheet ready to be printed: A4 landscape, one page wide, titles repeated, page numbers, the word draft."""
        sheet = self._book.add_worksheet(self._translate(title)[:31])
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.set_margins(left=0.4, right=0.4, top=0.75, bottom=0.6)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(header_row)
        sheet.freeze_panes(header_row + 1, 0)
        name, draft = self._translate("Equipment investment list"), self._translate("Draft")
        sheet.set_header(f'&L&"{_FONT},Bold"{draft}&C&"{_FONT},Bold"{name}&R{self._as_of.strftime("%d/%m/%Y")}')
        sheet.set_footer(f"&L{self._translate(title)}&R&P/&N")
        return sheet

    def _header(self, sheet: Any, row: int, titles: Sequence[tuple[str, float]]) -> None:
        for column, (title, width) in enumerate(titles):
            sheet.set_column(column, column, width)
            sheet.write_string(row, column, title, self._formats["header"])
        lines_needed = max(_wrapped_lines(title, width) for title, width in titles)
        sheet.set_row(row, _POINTS_PER_LINE * lines_needed + 4)

    def _row(self, sheet: Any, row: int, cells: Sequence[_Cell]) -> None:
        for column, cell in enumerate(cells):
            value, style = cell.value, self._formats[cell.style]
            if value is None or value == "":
                sheet.write_blank(row, column, None, style)
            elif isinstance(value, dt.date):
                sheet.write_datetime(row, column, value, style)
            elif isinstance(value, int):
                sheet.write_number(row, column, value, style)
            else:
                guarded = self._formats["guarded"] if may_execute(value) else style
                sheet.write_string(row, column, value[:_LONGEST_CELL], guarded)

    def _height(self, sheet: Any, line: Line, columns: Sequence[Column]) -> None:
        """Spreadsheets do not make rows of a written file taller by themselves on paper."""
        texts = [(str(column.value(line) or ""), column.width) for column in columns if column.kind == "text"]
        sheet.set_row(line.number, _POINTS_PER_LINE * max(_wrapped_lines(text, width) for text, width in texts) + 2)


def sentence_of_day(translate: Translate, day: dt.date) -> str:
    """`As of 21/11/2026` in the reader's language."""
    return translate("As of {day}").format(day=day.strftime("%d/%m/%Y"))


def _wrapped_lines(text: str, width: float) -> int:
    """How many lines a text takes in a column so many characters wide."""
    count, room = 1, width
    for word in text.split():
        length = len(word) + 1
        if length > room + 1:
            count += 1 + int(max(0, length - width - 1) // width)
            room = width
        room -= length
    return count


def _index(columns: Sequence[Column], key: str) -> int:
    return next(index for index, column in enumerate(columns) if column.key == key)
