"""The blank workbook read back: empty it is empty, filled in it is what was typed."""

from __future__ import annotations

import io

import openpyxl
import pytest

from inventory.register.errors import UnreadableFileError
from inventory.register.reading import read_register_bytes
from inventory.register.sheet_names import (
    CHOICES_SHEET,
    GUIDE_SHEET,
    LINE_SHEET,
    OTHER_EQUIPMENT_SHEET,
    REGISTER_SHEET,
    STAFF_SHEET,
)
from inventory.register.template import write_template
from inventory.units import unit_by_code


def english(text):
    return text


@pytest.fixture
def blank():
    return openpyxl.load_workbook(io.BytesIO(write_template(english, unit_by_code("17827"))))


@pytest.fixture
def imported(prepare):
    def run(book, unit="17827"):
        out = io.BytesIO()
        book.save(out)
        return prepare(out.getvalue(), name="mau.xlsx", unit=unit)

    return run


def type_in(page, number, **cells):
    titles = [cell.value for cell in page[1]]
    for title, value in cells.items():
        page.cell(number, titles.index(title.replace("_", " ")) + 1, value)


def counts(prepared):
    plan = prepared.plan
    return len(plan.created), len(plan.rejected), plan.rows, len(prepared.rows.skipped)


def notes(prepared):
    return [note.render() for note in prepared.rows.notes]


@pytest.mark.parametrize("unit", [None, "17827"])
@pytest.mark.parametrize("language", [english, str.upper, lambda text: f"Tên tài sản {text}"])
def test_the_blank_template_holds_nothing(prepare, unit, language):
    data = write_template(language, unit_by_code(unit) if unit else None)
    prepared = prepare(data, name="mau.xlsx", unit=unit)
    assert counts(prepared) == (0, 0, 0, 0)
    for sheet in (STAFF_SHEET, LINE_SHEET):
        assert f"sheet “{sheet}” is a survey: it is read by “thongmang inventory survey”, not here" in notes(prepared)
    assert f"sheet “{GUIDE_SHEET}” holds instructions or choices of the template and was left out" in notes(prepared)


def test_exactly_the_rows_typed_in_are_read(blank, imported):
    page = blank[REGISTER_SHEET]
    type_in(page, 2, Tên_tài_sản="Máy tính Dell", Loại_thiết_bị="desktop computer", Năm_đưa_vào_sử_dụng=2014)
    type_in(page, 3, Đơn_vị="Xã Nghi Lộc", Tên_tài_sản="Máy in", **{"Số_sê-ri": "ABC1234"})
    type_in(blank[OTHER_EQUIPMENT_SHEET], 2, Tên_tài_sản="Switch Cisco")
    prepared = imported(blank)
    assert counts(prepared) == (3, 0, 3, 0)
    assert [(row.values.name, row.values.serial, row.values.unit_code) for row in prepared.plan.created] == [
        ("Máy tính Dell", None, "17827"),
        ("Máy in", "ABC1234", "17827"),
        ("Switch Cisco", None, "17827"),
    ]


def test_cells_dragged_down_make_no_row_and_are_told(blank, imported):
    page = blank[REGISTER_SHEET]
    for number in range(2, 502):
        type_in(page, number, STT=number - 1, Đơn_vị="Xã Nghi Lộc", Khối="State bodies", Loại_thiết_bị="printer")
    type_in(page, 300, Tên_tài_sản="Máy in")
    prepared = imported(blank)
    assert counts(prepared) == (1, 0, 1, 0)
    assert prepared.plan.created[0].origin.number == 300
    (told,) = [note for note in notes(prepared) if "taken as empty" in note]
    assert told.startswith(f"sheet “{REGISTER_SHEET}”: 499 rows were taken as empty")
    assert told.endswith(": 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...")


def test_a_row_with_anything_more_is_not_taken_as_empty(blank, imported):
    type_in(blank[REGISTER_SHEET], 2, Ghi_chú="hỏng màn hình")
    assert counts(imported(blank)) == (0, 1, 1, 0)


def test_the_kind_alone_names_an_asset_where_there_is_no_column_of_names(make_xlsx, prepare):
    data = make_xlsx(["STT", "Đơn vị", "Loại thiết bị"], [1, "Xã Nghi Lộc", "Máy in"], [2, "Xã Nghi Lộc", None])
    assert counts(prepare(data)) == (1, 0, 1, 0)


def test_instructions_under_another_name_are_no_register(blank, imported):
    blank[GUIDE_SHEET].title = "Trang tính 5"
    type_in(blank[REGISTER_SHEET], 2, Tên_tài_sản="Máy in")
    prepared = imported(blank)
    assert counts(prepared) == (1, 0, 1, 0)
    assert "sheet “Trang tính 5” has no known column titles and was left out" in notes(prepared)


def test_choices_that_are_shown_are_no_register(blank, imported):
    blank[CHOICES_SHEET].sheet_state = "visible"
    assert counts(imported(blank)) == (0, 0, 0, 0)


def test_a_survey_is_told_by_its_titles_whatever_its_sheet_is_called(make_xlsx, prepare):
    staff = make_xlsx(["STT", "Đơn vị", "Khối", "Nhóm", "Số biên chế"], [1, "Xã Nghi Lộc", "Đảng", "VI", 5])
    with pytest.raises(UnreadableFileError, match=r"so\.xlsx: a survey or instructions only"):
        prepare(staff)


def test_a_register_on_a_sheet_called_survey_is_a_register(make_xlsx, prepare, titles):
    data = make_xlsx(titles, [1, "Xã Nghi Lộc", "Máy in", "ABC1234"], sheet=STAFF_SHEET)
    assert counts(prepare(data)) == (1, 0, 1, 0)


@pytest.mark.parametrize("title", ["Số sê-ri", "Số serial", "SỐ SÊ RI", "Serial"])
def test_old_and_new_titles_of_the_serial(make_xlsx, prepare, title):
    data = make_xlsx(["Đơn vị", "Tên tài sản", title], ["Xã Nghi Lộc", "Máy in", "ABC1234"])
    assert prepare(data).plan.created[0].values.serial == "ABC1234"


def test_the_template_writes_the_serial_as_everywhere():
    file = read_register_bytes(write_template(english), "mau.xlsx")
    titles = [cell for sheet in file.sheets for cell in sheet.rows[0].cells]
    assert titles.count("Số sê-ri") == 2
    assert titles.count("Số sê-ri CPE") == 1
