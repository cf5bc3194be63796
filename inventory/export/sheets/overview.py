"""The first sheet: heading, title, totals counted live from the list, amount in words, bases and notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from xlsxwriter.utility import xl_rowcol_to_cell

from agent.wire.message import Translate, mark
from inventory.assessment import RECOMMENDATION_LABELS, Assessment
from inventory.equipment import equipment_kinds
from inventory.export.amount_in_words import amount_in_words
from inventory.export.columns import BLOCK_LABELS
from inventory.export.heading import block_line, day_in_full, heading_of, place_and_date
from inventory.export.notes import bases, notes_of
from inventory.export.sheets.items import whole_column
from inventory.export.sheets.names import LIST_SHEET, OVERVIEW_SHEET
from inventory.export.wording import first_large
from inventory.export.workbook import DocumentWorkbook, Formula
from inventory.investment import InvestmentList

_TITLES = (
    (mark("No."), 6),
    (mark("Proposed equipment"), 44),
    (mark("Items"), 16),
    (mark("Pieces"), 16),
    (mark("Highest amount (VND)"), 26),
    (mark("Items without a price cap"), 20),
)
_LAST = len(_TITLES) - 1
_FIRST_NUMBER = 2


def write_overview(book: DocumentWorkbook, whole: InvestmentList) -> None:
    """Writes the sheet. The amount in words is that of the day: words cannot be computed by a spreadsheet."""
    header_row = 9
    sheet = book.sheet(OVERVIEW_SHEET, header_row=header_row)
    sheet.freeze_panes(0, 0)
    _heading(book, sheet, whole)
    book.header(sheet, header_row, [*_TITLES])
    row = header_row + 1
    total_row = row
    _counts(book, sheet, row, None, ("", book.translate(mark("All")), whole.items), "total")
    for title, key, parts in _partitions(whole, book.translate):
        row += 1
        sheet.merge_range(row, 0, row, _LAST, book.translate(title), book.format("total"))
        first = row + 1
        for number, (label, ones) in enumerate(parts, start=1):
            row += 1
            _counts(book, sheet, row, key, (number, label, ones), "text")
            if label == "":
                _rest(book, sheet, row, ones, total_row=total_row, first_row=first)
    _below(book, sheet, row + 2, whole)


def _heading(book: DocumentWorkbook, sheet: Any, whole: InvestmentList) -> None:
    heading = heading_of(whole.block)
    left = [(heading.superior, "body_upper"), (heading.issuing, "body_strong")]
    left += [("*", "body_upper")] if heading.form == "party" else []
    for row, (text, style) in enumerate((text, style) for text, style in left if text):
        sheet.merge_range(row, 0, row, 1, text, book.format(style))
    for row, text in enumerate(heading.right):
        last = text == heading.right[-1]
        sheet.merge_range(row, 2, row, _LAST, text, book.format("body_underlined" if last else "body_strong"))
    dated = place_and_date(heading.place, book.as_of, book.translate)
    sheet.merge_range(2, 2, 2, _LAST, dated, book.format("dated"))
    sheet.write_string(3, 1, book.translate("Draft").upper(), book.format("draft"))
    lines = [
        (book.translate("Investment list of equipment").upper(), "title"),
        (block_line(whole.block, book.translate), "subtitle"),
        (f"({day_in_full(book.as_of, book.translate)})", "subtitle"),
    ]
    for row, (text, style) in enumerate(lines, start=5):
        sheet.merge_range(row, 0, row, _LAST, text, book.format(style))


_Part = tuple[str, Sequence[Assessment]]


def _partitions(whole: InvestmentList, translate: Translate) -> Iterable[tuple[str, str, list[_Part]]]:
    kinds = equipment_kinds()

    def block(one: Assessment) -> str:
        code = one.item.asset.values.block if one.item.asset else None
        return translate(BLOCK_LABELS[code]) if code in BLOCK_LABELS else code or ""

    yield mark("By block"), "block", _parts(whole, block)
    yield mark("By kind"), "kind", _parts(whole, lambda one: translate(kinds[one.item.kind].label))
    label = RECOMMENDATION_LABELS
    yield mark("By recommendation"), "recommendation", _parts(whole, lambda one: translate(label[one.recommendation]))


def _parts(whole: InvestmentList, label_of: Callable[[Assessment], str]) -> list[_Part]:
    """The items by label, the largest part first; what has no label comes last."""
    parts: dict[str, list[Assessment]] = {}
    for one in whole.items:
        parts.setdefault(label_of(one), []).append(one)
    return sorted(parts.items(), key=lambda part: (part[0] == "", -len(part[1]), part[0]))


def _counts(
    book: DocumentWorkbook,
    sheet: Any,
    row: int,
    key: str | None,
    part: tuple[int | str, str, Sequence[Assessment]],
    style: str,
) -> None:
    """One row: how many items and pieces, what they may cost, how many have no cap."""
    number, label, ones = part
    numbers = _numbers(ones)
    quantities, amounts = (whole_column(book, LIST_SHEET, name) for name in ("quantity", "amount"))
    if key is None:
        counted = f"COUNT({quantities})"
        formulas = [counted, f"SUM({quantities})", f"SUM({amounts})", f"{counted}-COUNT({amounts})"]
    else:
        column, cell = whole_column(book, LIST_SHEET, key), xl_rowcol_to_cell(row, 1)
        counted = f"COUNTIFS({column},{cell})"
        formulas = [
            counted,
            f"SUMIFS({quantities},{column},{cell})",
            f"SUMIFS({amounts},{column},{cell})",
            f'{counted}-COUNTIFS({column},{cell},{amounts},">=0")',
        ]
    prefix = "total_" if style == "total" else ""
    styles = [f"{prefix}count", f"{prefix}count", f"{prefix}money", f"{prefix}count"]
    book.cell(sheet, row, 0, number, f"{prefix}count")
    book.cell(sheet, row, 1, first_large(label), style)
    for index, (formula, value) in enumerate(zip(formulas, numbers, strict=True)):
        book.cell(sheet, row, _FIRST_NUMBER + index, Formula(f"={formula}", value), styles[index])


def _rest(
    book: DocumentWorkbook, sheet: Any, row: int, ones: Sequence[Assessment], *, total_row: int, first_row: int
) -> None:
    """The row of what has no label: an empty cell cannot be counted in a whole column, so it is what is left over."""
    book.cell(sheet, row, 1, first_large(book.translate(mark("not stated"))), "text")
    for index, value in enumerate(_numbers(ones)):
        column = _FIRST_NUMBER + index
        total = xl_rowcol_to_cell(total_row, column)
        formula = f"={total}"
        if row > first_row:
            formula += f"-SUM({xl_rowcol_to_cell(first_row, column)}:{xl_rowcol_to_cell(row - 1, column)})"
        book.cell(sheet, row, column, Formula(formula, value), "money" if index == _FIRST_NUMBER else "count")


def _numbers(ones: Sequence[Assessment]) -> tuple[int, int, int, int]:
    return (
        len(ones),
        sum(one.item.quantity for one in ones),
        sum(one.amount_vnd or 0 for one in ones),
        sum(1 for one in ones if one.amount_vnd is None),
    )


def _below(book: DocumentWorkbook, sheet: Any, row: int, whole: InvestmentList) -> None:
    translate = book.translate
    words = translate(mark("In words: {words}.")).format(words=amount_in_words(whole.amount_vnd))
    notes = notes_of(whole, translate).lines
    numbered = [f"{number}. {text}" for number, text in enumerate(notes, start=1)]
    texts = [(words, "strong"), ("", "footnote"), (translate(mark("Bases")), "strong")]
    texts += [(f"- {text}", "footnote") for text in bases(whole, heading_of(whole.block), translate)]
    texts += [("", "footnote"), (translate(mark("Notes")), "strong"), *((text, "footnote") for text in numbered)]
    for offset, (text, style) in enumerate(texts):
        book.paragraph(sheet, row + offset, text, style, [width for _, width in _TITLES])
