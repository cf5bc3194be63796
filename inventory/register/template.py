"""The blank workbook that communes fill in: known titles, drop-down lists, one page of help.

Its sheets: the register, the survey of staff by post, equipment on which no agent can run, the line of each site.
`thongmang inventory import` reads the first and the third, `thongmang inventory survey` the second and the fourth.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from agent.wire.message import Translate, mark
from inventory.equipment import equipment_kinds
from inventory.export.columns import BLOCK_LABELS
from inventory.norms import load_norms
from inventory.register.sheet_names import (
    CHOICES_SHEET,
    GUIDE_SHEET,
    LINE_SHEET,
    OTHER_EQUIPMENT_SHEET,
    REGISTER_SHEET,
    STAFF_SHEET,
)
from inventory.units import Unit, load_units

_ROWS = 500
_FIRST_YEAR = 1980
_LAST_YEAR = 2099

# Title, width, drop-down list, what to write. The titles are those that the import knows, whatever the language.
_Columns = tuple[tuple[str, int, str, str], ...]
_COLUMNS: _Columns = (
    ("STT", 5, "", mark("Running number; not read.")),
    ("Đơn vị", 26, "units", mark("The commune or ward of today.")),
    ("Khối", 22, "blocks", mark("Whose equipment it is.")),
    ("Bộ phận", 22, "", mark("Office or room.")),
    ("Tên tài sản", 30, "", mark("What it is called in the books. Required.")),
    ("Loại thiết bị", 22, "kinds", mark("Choose from the list.")),
    ("Mã tài sản", 16, "", mark("The number in the books.")),
    ("Số sê-ri", 20, "", mark("From the sticker on the machine; leave empty if there is none.")),
    ("Hãng sản xuất", 16, "", mark("As Dell, HP, Canon.")),
    ("Model", 18, "", mark("As OptiPlex 3020.")),
    ("Năm đưa vào sử dụng", 14, "year", mark("A year, or a date dd/mm/yyyy.")),
    ("Nguyên giá", 16, "money", mark("In đồng, for the whole row.")),
    ("Số lượng", 10, "count", mark("1 where the row has a serial.")),
    ("Người sử dụng", 22, "", mark("Who works with it.")),
    ("Tình trạng", 20, "conditions", mark("Choose from the list.")),
    ("Ghi chú", 30, "", mark("Anything else.")),
)
_STAFF_COLUMNS: _Columns = (
    ("STT", 5, "", mark("Running number; not read.")),
    ("Đơn vị", 26, "units", mark("The commune or ward of today.")),
    ("Trụ sở", 24, "", mark("The place, where the unit has several; leave empty if it has one.")),
    ("Khối", 24, "blocks", mark("Whose staff it is.")),
    ("Chức danh", 46, "", mark("The post, or its group VI, VII or VIII. Posts that do not exist get 0.")),
    (
        "Số biên chế",
        14,
        "staff",
        mark("Assigned posts and approved contracts without term. Required; 0 where there is none."),
    ),
    ("Ghi chú", 30, "", mark("Not read.")),
)
_LINE_COLUMNS: _Columns = (
    ("STT", 5, "", mark("Running number; not read.")),
    ("Đơn vị", 26, "units", mark("The commune or ward of today.")),
    ("Trụ sở", 26, "", mark("The site at which the line ends.")),
    ("Model CPE", 24, "", mark("Switch or router at the end of the TSLCD line.")),
    ("Số sê-ri CPE", 20, "", mark("From the sticker on it.")),
    ("Nhà mạng", 16, "", mark("Who provides the line.")),
    ("Hướng đi (Mbps)", 14, "rate", mark("Capacity from the site, in Mbps.")),
    ("Hướng về (Mbps)", 14, "rate", mark("Capacity towards the site, in Mbps.")),
    ("Ghi chú", 30, "", mark("Not read.")),
)
# Computers stand in the register's own sheet; on these no agent can run.
_WITH_AGENT = frozenset({"desktop", "laptop", "tablet", "server"})
_CONDITIONS = ("Tốt", "Còn sử dụng được", "Hỏng")


@dataclass(frozen=True, slots=True)
class _Page:
    """One sheet to be filled in: its name, its columns, and the rows that stand in it already."""

    name: str
    columns: _Columns
    filled: Sequence[Sequence[str]] = ()


def write_template(translate: Translate, unit: Unit | None = None) -> bytes:
    """The workbook; with `unit` its name stands in the unit column already. The posts stand in the survey sheet."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    header = book.add_format(
        {"bold": True, "text_wrap": True, "align": "center", "valign": "vcenter", "border": 1, "bg_color": "#E7E6E6"}
    )
    money = book.add_format({"num_format": "#,##0"})
    name = unit.name if unit is not None else ""
    apart = tuple(
        (title, width, "kinds_apart" if rule == "kinds" else rule, text) for title, width, rule, text in _COLUMNS
    )
    pages = (
        _Page(REGISTER_SHEET, _COLUMNS, [["", name]] if name else []),
        _Page(STAFF_SHEET, _STAFF_COLUMNS, _posts(name, translate)),
        _Page(OTHER_EQUIPMENT_SHEET, apart),
        _Page(LINE_SHEET, _LINE_COLUMNS),
    )
    sheets = [book.add_worksheet(page.name) for page in pages]
    guide = book.add_worksheet(GUIDE_SHEET)
    lists = book.add_worksheet(CHOICES_SHEET)
    lists.hide()
    ranges = _lists(lists, translate)
    for page, sheet in zip(pages, sheets, strict=True):
        for column, (title, width, rule, _) in enumerate(page.columns):
            sheet.set_column(column, column, width, money if rule == "money" else None)
            sheet.write_string(0, column, title, header)
            _validate(sheet, column, rule, ranges, translate)
        for row, texts in enumerate(page.filled, start=1):
            for column, text in enumerate(texts):
                if text:
                    sheet.write_string(row, column, text)
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
    _guide(guide, pages, translate, header, book.add_format({"bold": True}))
    book.close()
    return out.getvalue()


def _posts(unit_name: str, translate: Translate) -> list[list[str]]:
    """The posts of the newest table, block by block, so that a commune only has to write numbers."""
    tables = load_norms().post_groups
    posts = tables[-1].posts if tables else []
    return [["", unit_name, "", translate(BLOCK_LABELS[post.block]), post.name] for post in posts]


def _guide(sheet: Any, pages: Sequence[_Page], translate: Translate, header: Any, bold: Any) -> None:
    """What belongs in each column, a cell a line: a title and its text in two cells would be read as a register's."""
    sheet.set_column(0, 0, 110)
    row = 0
    for page in pages:
        sheet.write_string(row, 0, page.name, header)
        for title, _, _, text in page.columns:
            row += 1
            sheet.write_rich_string(row, 0, bold, title, f": {translate(text)}")
        row += 2


def _lists(sheet: Any, translate: Translate) -> dict[str, str]:
    """Writes the choices and returns where they stand."""
    choices = {
        "units": [unit.name for unit in load_units()],
        "kinds": [translate(kind.label) for kind in equipment_kinds().values()],
        "blocks": [translate(label) for label in BLOCK_LABELS.values()],
        "conditions": list(_CONDITIONS),
        "kinds_apart": [translate(kind.label) for kind in equipment_kinds().values() if kind.code not in _WITH_AGENT],
    }
    ranges = {}
    for column, (name, texts) in enumerate(choices.items()):
        sheet.write_column(0, column, texts)
        letter = xl_col_to_name(column)
        ranges[name] = f"='{CHOICES_SHEET}'!${letter}$1:${letter}${len(texts)}"
    return ranges


def _validate(sheet: Any, column: int, rule: str, ranges: dict[str, str], translate: Translate) -> None:
    message = {"error_title": translate("Please check"), "error_type": "warning"}
    if rule in ranges:
        sheet.data_validation(1, column, _ROWS, column, {"validate": "list", "source": ranges[rule], **message})
    elif rule in ("money", "staff"):
        options = {"validate": "integer", "criteria": ">=", "value": 0, **message}
        sheet.data_validation(1, column, _ROWS, column, options)
    elif rule == "rate":
        options = {"validate": "decimal", "criteria": ">", "value": 0, **message}
        sheet.data_validation(1, column, _ROWS, column, options)
    elif rule == "count":
        options = {"validate": "integer", "criteria": ">=", "value": 1, **message}
        sheet.data_validation(1, column, _ROWS, column, options)
    elif rule == "year":
        # A whole year, or the day number of a date in those years.
        letter = xl_col_to_name(column)
        inside = f"=OR(AND({letter}2>={_FIRST_YEAR},{letter}2<={_LAST_YEAR}),{letter}2>=DATE({_FIRST_YEAR},1,1))"
        sheet.data_validation(1, column, _ROWS, column, {"validate": "custom", "value": inside, **message})
