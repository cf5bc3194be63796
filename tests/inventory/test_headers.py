from __future__ import annotations

import pytest

from inventory.register.headers import field_of_title, find_header, is_column_numbers
from inventory.register.sheet import Row


def rows(*lines):
    return [Row(number, tuple(cell or None for cell in line)) for number, line in enumerate(lines, 1) if any(line)]


@pytest.mark.parametrize(
    ("title", "field"),
    [
        ("Tên tài sản", "name"),
        ("TÊN THIẾT BỊ", "name"),
        ("Ten tai san", "name"),
        ("Asset name", "name"),
        ("Nguyên giá (đồng)", "original_cost"),
        ("Nguyên giá theo sổ kế toán đến 31/12", "original_cost"),
        ("Giá trị còn lại", "ignored"),
        ("Giá trị còn lại theo sổ kế toán", "ignored"),
        ("Đơn vị tính", "ignored"),
        ("Đơn vị", "unit"),
        ("Xã/phường", "unit"),
        ("S/N", "serial"),
        ("Năm đưa vào sử dụng", "year_put_into_use"),
        ("Màu sắc", None),
    ],
)
def test_titles(title, field):
    assert field_of_title(title) == field


def test_the_header_is_found_under_headings():
    header = find_header(
        rows(["UBND XÃ NGHI LỘC"], ["DANH SÁCH TÀI SẢN"], [], ["STT", "Tên tài sản", "Số serial"], ["1", "Máy in", "A"])
    )
    assert (header.first_row, header.last_row) == (4, 4)
    assert header.columns == {"name": 1, "serial": 2}


def test_titles_over_two_rows():
    header = find_header(
        rows(
            ["STT", "Tên tài sản", "Thông tin máy", "", "Giá trị", ""],
            ["", "", "Model", "Số serial", "Nguyên giá", "Giá trị còn lại"],
            ["1", "Máy in", "2900", "X123", "1.000.000", "0"],
        )
    )
    assert header.last_row == 2
    assert header.columns == {"name": 1, "model": 2, "serial": 3, "original_cost": 4}


def test_amounts_in_thousands_and_millions():
    for title, multiplier in (
        ("Nguyên giá", 1),
        ("Nguyên giá (đồng)", 1),
        ("Nguyên giá (nghìn đồng)", 1000),
        ("Nguyên giá (ĐVT: 1.000 đồng)", 1000),
        ("Nguyên giá (triệu đồng)", 1_000_000),
    ):
        assert find_header(rows(["Tên tài sản", title])).cost_multiplier == multiplier


def test_unknown_columns_are_named_and_the_better_of_two_is_taken():
    header = find_header(rows(["Tên tài sản", "Đơn giá", "Nguyên giá", "Màu sắc", "STT"]))
    assert header.columns["original_cost"] == 2
    assert header.unused == ("Đơn giá", "Màu sắc")


def test_a_header_below_row_30_is_not_looked_for():
    lines = [["x"]] * 30 + [["Tên tài sản", "Số serial"]]
    assert find_header(rows(*lines)) is None
    assert find_header(rows(*lines[1:])) is not None


def test_a_row_of_column_numbers():
    assert is_column_numbers(("1", "2", "3", "4"))
    assert is_column_numbers(("(1)", "(2)", "(3)"))
    assert is_column_numbers(("A", "B", 1.0, 2.0))
    assert not is_column_numbers(("1", "Máy in", "2015"))
    assert not is_column_numbers((1.0, 2015.0, 2016.0))
