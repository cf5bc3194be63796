"""The blank workbook that communes fill in: known titles, drop-down lists, one page of help."""

from __future__ import annotations

import io
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from agent.wire.message import Translate, mark
from inventory.equipment import equipment_kinds
from inventory.export.columns import BLOCK_LABELS
from inventory.units import Unit, load_units

_ROWS = 500
_FIRST_YEAR = 1980
_LAST_YEAR = 2099

# Title, width, drop-down list, what to write. The titles are those that the import knows, whatever the language.
_COLUMNS = (
    ("STT", 5, "", mark("Running number; not read.")),
    ("Đơn vị", 26, "units", mark("The commune or ward of today.")),
    ("Khối", 22, "blocks", mark("Whose equipment it is.")),
    ("Bộ phận", 22, "", mark("Office or room.")),
    ("Tên tài sản", 30, "", mark("What it is called in the books. Required.")),
    ("Loại thiết bị", 22, "kinds", mark("Choose from the list.")),
    ("Mã tài sản", 16, "", mark("The number in the books.")),
    ("Số serial", 20, "", mark("From the sticker on the machine; leave empty if there is none.")),
    ("Hãng sản xuất", 16, "", mark("As Dell, HP, Canon.")),
    ("Model", 18, "", mark("As OptiPlex 3020.")),
    ("Năm đưa vào sử dụng", 14, "year", mark("A year, or a date dd/mm/yyyy.")),
    ("Nguyên giá", 16, "money", mark("In đồng, for the whole row.")),
    ("Số lượng", 10, "count", mark("1 where the row has a serial.")),
    ("Người sử dụng", 22, "", mark("Who works with it.")),
    ("Tình trạng", 20, "conditions", mark("Choose from the list.")),
    ("Ghi chú", 30, "", mark("Anything else.")),
)
_CONDITIONS = ("Tốt", "Còn sử dụng được", "Hỏng")


def write_template(translate: Translate, unit: Unit | None = None) -> bytes:
    """The workbook; with `unit` its name stands in the unit column already."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    header = book.add_format(
        {"bold": True, "text_wrap": True, "align": "center", "valign": "vcenter", "border": 1, "bg_color": "#E7E6E6"}
    )
    sheet = book.add_worksheet("Kê khai")
    guide = book.add_worksheet("Hướng dẫn")
    lists = book.add_worksheet("Danh mục chọn")
    lists.hide()
    ranges = _lists(lists, translate)
    money = book.add_format({"num_format": "#,##0"})
    for column, (title, width, rule, _) in enumerate(_COLUMNS):
        sheet.set_column(column, column, width, money if rule == "money" else None)
        sheet.write_string(0, column, title, header)
        _validate(sheet, column, rule, ranges, translate)
    if unit is not None:
        sheet.write_string(1, 1, unit.name)
    sheet.freeze_panes(1, 0)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    guide.set_column(0, 0, 24)
    guide.set_column(1, 1, 90)
    for row, (title, _, _, text) in enumerate(_COLUMNS):
        guide.write_string(row, 0, title, header)
        guide.write_string(row, 1, translate(text))
    book.close()
    return out.getvalue()


def _lists(sheet: Any, translate: Translate) -> dict[str, str]:
    """Writes the choices and returns where they stand."""
    choices = {
        "units": [unit.name for unit in load_units()],
        "kinds": [translate(kind.label) for kind in equipment_kinds().values()],
        "blocks": [translate(label) for label in BLOCK_LABELS.values()],
        "conditions": list(_CONDITIONS),
    }
    ranges = {}
    for column, (name, texts) in enumerate(choices.items()):
        sheet.write_column(0, column, texts)
        letter = xl_col_to_name(column)
        ranges[name] = f"='Danh mục chọn'!${letter}$1:${letter}${len(texts)}"
    return ranges


def _validate(sheet: Any, column: int, rule: str, ranges: dict[str, str], translate: Translate) -> None:
    message = {"error_title": translate("Please check"), "error_type": "warning"}
    if rule in ranges:
        sheet.data_validation(1, column, _ROWS, column, {"validate": "list", "source": ranges[rule], **message})
    elif rule == "money":
        options = {"validate": "integer", "criteria": ">=", "value": 0, **message}
        sheet.data_validation(1, column, _ROWS, column, options)
    elif rule == "count":
        options = {"validate": "integer", "criteria": ">=", "value": 1, **message}
        sheet.data_validation(1, column, _ROWS, column, options)
    elif rule == "year":
        # A whole year, or the day number of a date in those years.
        letter = xl_col_to_name(column)
        inside = f"=OR(AND({letter}2>={_FIRST_YEAR},{letter}2<={_LAST_YEAR}),{letter}2>=DATE({_FIRST_YEAR},1,1))"
        sheet.data_validation(1, column, _ROWS, column, {"validate": "custom", "value": inside, **message})
