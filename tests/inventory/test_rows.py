from __future__ import annotations

import pytest

from inventory.register.errors import UnreadableFileError
from inventory.register.rejected import error_sentence


def english(text):
    return text


def reasons(prepared):
    return {
        row.origin.number: [error_sentence(error, english) for error in row.errors] for row in prepared.plan.rejected
    }


def test_a_whole_row(make_xlsx, prepare, titles):
    data = make_xlsx(
        titles, [1, "UBND xã Nghi Lộc", "Máy tính để bàn Dell", "ABC1234", "TS01", "15/03/2015", "12.500.000 đ", "Tốt"]
    )
    (row,) = prepare(data).plan.created
    assert row.values.as_dict() == {
        "unit_code": "17827",
        "name": "Máy tính để bàn Dell",
        "kind": "desktop",
        "asset_code": "TS01",
        "manufacturer": None,
        "model": None,
        "serial": "ABC1234",
        "year_put_into_use": 2015,
        "put_into_use_on": "2015-03-15",
        "original_cost_vnd": 12_500_000,
        "quantity": 1,
        "department": None,
        "block": "chinh-quyen",
        "assigned_to": None,
        "computer_name": None,
        "mac_address": None,
        "condition": "Tốt",
        "note": None,
    }


def test_every_error_of_a_row_names_its_column(make_xlsx, prepare, titles):
    data = make_xlsx(titles, [1, "Xã Không Có", None, "S1234", None, 2106, -5, None])
    assert reasons(prepare(data)) == {
        2: [
            "column C: the name is missing; expected: the asset's name",
            (
                "column B: “Xã Không Có” is no commune or ward of the province; "
                "expected: the code or name of a commune or ward of Nghệ An"
            ),
            (
                "column F: “2106” cannot be when it was put into use; "
                "expected: a year from 1980 to 2026 or a date dd/mm/yyyy"
            ),
            "column G: “-5” is negative; expected: an amount in đồng, as 12.500.000",
        ]
    }


def test_what_is_no_row_of_the_register_is_told_and_not_counted(make_xlsx, prepare, titles):
    data = make_xlsx(
        ["SỔ TÀI SẢN"],
        titles,
        [1, 2, 3, 4, 5, 6, 7, 8],
        ["I", None, "Máy vi tính"],
        [1, "16681", "Máy tính", "AAA1111"],
        [None, "Tổng cộng", None, None, None, None, 5_000_000],
        [],
        [None, None, "Người lập biểu", None, None, "Thủ trưởng đơn vị"],
    )
    prepared = prepare(data)
    assert prepared.plan.rows == 1
    assert [(row.origin.number, row.why.pattern) for row in prepared.rows.skipped] == [
        (4, "a group's heading"),
        (6, "a total"),
        (8, "a signature"),
    ]


def test_a_total_that_has_a_serial_is_a_row(make_xlsx, prepare, titles):
    assert prepare(make_xlsx(titles, [1, "16681", "Tổng đài điện thoại", "AAA1111"])).plan.rows == 1


def test_the_unit_of_the_file_stands_for_rows_without_one(make_xlsx, prepare, titles):
    data = make_xlsx(
        titles,
        [1, None, "Máy tính", "AAA1111"],
        [2, "Văn phòng HĐND - UBND", "Máy in", "AAA2222"],
        [3, "Xã Nghi Lộc", "Máy in", "AAA3333"],
        [4, "Xã Không Có", "Máy in", "AAA4444"],
    )
    prepared = prepare(data, unit="16681")
    assert [(row.values.unit_code, row.values.department, row.values.block) for row in prepared.plan.created] == [
        ("16681", None, None),
        ("16681", "Văn phòng HĐND - UBND", "chinh-quyen"),
    ]
    assert reasons(prepared)[4] == [
        "column B: the row belongs to Xã Nghi Lộc (17827); expected: Phường Thành Vinh (16681), which the import is for"
    ]
    assert "no commune or ward" in reasons(prepared)[5][0]


def test_the_unit_may_stand_above_the_titles(make_xlsx, prepare):
    data = make_xlsx(["Đơn vị: UBND xã Nghi Lộc"], [], ["Tên tài sản", "Số serial"], ["Máy in", "AAA1111"])
    assert prepare(data).plan.created[0].values.unit_code == "17827"


def test_without_any_unit_the_row_is_rejected(make_xlsx, prepare):
    data = make_xlsx(["Tên tài sản", "Số serial"], ["Máy in", "AAA1111"])
    assert reasons(prepare(data)) == {
        2: ["the unit is missing; expected: the code or name of a commune or ward of Nghệ An"]
    }


def test_text_that_was_lost_before_is_rejected(make_xlsx, prepare, titles):
    (found,) = reasons(prepare(make_xlsx(titles, [1, "16681", "M\ufffdy in", "AAA1111"])))[2]
    assert "lost in an earlier conversion" in found


def test_a_file_without_known_titles(make_xlsx, prepare):
    with pytest.raises(UnreadableFileError, match=r"so\.xlsx, sheet “Tài sản”, row 2: no row of column titles"):
        prepare(make_xlsx([], ["abc", "def"], [1, 2]))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Máy in đa chức năng Canon", "multifunction"),
        ("Máy tính xách tay HP", "laptop"),
        ("Máy tính bảng", "tablet"),
        ("Bộ lưu điện máy tính", "ups"),
        ("Màn hình máy tính Dell", "monitor"),
        ("Máy photocopy Ricoh", "copier"),
        ("Thiết bị chuyển mạch Cisco", "switch"),
        ("Bàn làm việc", "other"),
    ],
)
def test_kinds_by_name(make_xlsx, prepare, titles, name, kind):
    assert prepare(make_xlsx(titles, [1, "16681", name])).plan.created[0].values.kind == kind
