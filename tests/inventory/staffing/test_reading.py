"""Every row of a survey is accepted, or refused with its place and what was expected."""

from __future__ import annotations

import datetime as dt

import pytest

from inventory.register.errors import UnreadableFileError
from inventory.register.values import Problem
from inventory.staffing.model import SiteLine, Staffing
from inventory.staffing.reading import capacity_kbit, headcount

AS_OF = dt.date(2026, 11, 21)
STAFF = ("STT", "Đơn vị", "Trụ sở", "Khối", "Chức danh", "Số biên chế")
LINES = ("Đơn vị", "Trụ sở", "Model CPE", "Số serial CPE", "Hướng đi (Mbps)", "Hướng về (Mbps)")


def values(prepared):
    return [row.value for row in prepared.plan.created]


def refusals(prepared):
    return [(row.origin.number, error.field, error.column) for row in prepared.plan.rejected for error in row.errors]


def test_staff_by_post_and_by_group(workbook, prepare):
    rows = [
        ("PHIẾU KHẢO SÁT",),
        (),
        STAFF,
        (1, 2, 3, 4, 5, 6),
        (1, "Xã Nghi Lộc", "", "Đảng", "Bí thư Đảng ủy", 1),
        (2, "nghi loc", "Trụ sở 2", "Chính quyền", "VIII", "12 người"),
        (3, "17827", None, None, "Phó Chủ tịch UBND xã", 2.0),
        (4, "17827", "Đảng ủy", None, "nhóm VII", 0),
        ("", "Tổng cộng", "", "", "", 15),
    ]
    prepared = prepare(workbook(Khảo_sát=rows))
    assert values(prepared) == [
        Staffing("17827", "dang", "VI", 1, AS_OF, "", "Bí thư Đảng ủy"),
        Staffing("17827", "chinh-quyen", "VIII", 12, AS_OF, "Trụ sở 2", ""),
        Staffing("17827", "dang", "VII", 0, AS_OF, "Đảng ủy", ""),
    ]
    # Row 7 names no block, and no place that tells one.
    assert refusals(prepared) == [(7, "block", "D")]
    assert [row.origin.number for row in prepared.skipped] == [9]


def test_a_row_tells_all_that_is_wrong_with_it(workbook, prepare):
    rows = [
        STAFF,
        (1, "Xã Không Có", "", "Khối lạ", "Bảo vệ", -1),
        (2, "", "", "", "", ""),
        (3, "Xã Nghi Lộc", "", "Đảng", "VI", None),
        (4, "Xã Nghi Lộc", "", "Đảng", "VII", "ba"),
        (5, "Xã Nghi Lộc", "", "Đảng", "VIII", 99_999),
        (6, "Xã Nghi Lộc", "", "Đảng", "x" * 300, 1),
    ]
    prepared = prepare(workbook(Sheet1=rows))
    assert prepared.plan.created == ()
    found = refusals(prepared)
    assert found[:4] == [(2, "unit", "B"), (2, "block", "D"), (2, "post", "E"), (2, "headcount", "F")]
    assert [(row, field) for row, field, _ in found[4:8]] == [(3, "unit"), (3, "block"), (3, "post"), (3, "headcount")]
    assert found[8:11] == [(4, "headcount", "F"), (5, "headcount", "F"), (6, "headcount", "F")]
    assert (7, "post", "E") in found
    for row in prepared.plan.rejected:
        assert all(error.expected.render() for error in row.errors)
    assert prepared.plan.rows == 6


def test_the_unit_of_the_import_holds_for_all_rows(workbook, prepare):
    rows = [STAFF[1:], ("", "", "Đảng", "VI", 1), ("Phường Thành Vinh", "", "Đảng", "VII", 1)]
    prepared = prepare(workbook(Sheet1=rows), unit="17827")
    assert [one.unit_code for one in values(prepared)] == ["17827"]
    assert refusals(prepared) == [(3, "unit", "A")]


def test_the_same_post_twice_is_refused_with_the_first_row_named(workbook, prepare):
    rows = [
        STAFF,
        (1, "17827", "UBND xã", "Chính quyền", "Chuyên viên", 10),
        (2, "17827", "ubnd  XÃ", "Chính quyền", "chuyên viên", 12),
        (3, "17827", "", "Chính quyền", "Chuyên viên", 3),
    ]
    prepared = prepare(workbook(Khảo_sát=rows))
    assert [one.headcount for one in values(prepared)] == [10, 3]
    (refused,) = prepared.plan.rejected
    assert refused.errors[0].found.parameters["where"] == "Khảo sát!2"


def test_lines_of_sites(workbook, prepare):
    rows = [
        LINES,
        ("17827", "UBND", "Cisco C921", "FGL1234", 200, 200),
        ("17827", "Đảng ủy", "", "", "1 Gbps", "512 kbps"),
        ("17827", "MTTQ", "", "", "", ""),
        ("17827", "TT PVHCC", "", "", "0,01", 100),
    ]
    prepared = prepare(workbook(Đường_truyền=rows))
    assert values(prepared) == [
        SiteLine("17827", AS_OF, "UBND", "Cisco C921", "FGL1234", None, 200_000, 200_000),
        SiteLine("17827", AS_OF, "Đảng ủy", None, None, None, 1_000_000, 512),
    ]
    assert refusals(prepared) == [(4, "", ""), (5, "up", "E")]


def test_one_capacity_is_of_both_directions_and_needs_its_unit(workbook, prepare):
    rows = [("Đơn vị", "Trụ sở", "Băng thông"), ("17827", "UBND", "200 Mbps"), ("17827", "Đảng ủy", 200)]
    prepared = prepare(workbook(Sheet1=rows))
    (line,) = values(prepared)
    assert (line.up_kbit_per_second, line.down_kbit_per_second) == (200_000, 200_000)
    assert refusals(prepared) == [(3, "capacity", "C")]


def test_sheets_of_the_register_are_named_and_left_to_its_import(workbook, prepare):
    sheets = {
        "Kê_khai": [("Đơn vị", "Tên tài sản", "Số serial"), ("17827", "Máy in", "A1")],
        "Khảo_sát": [STAFF, (1, "17827", "", "Đảng", "VI", 1)],
        "Khác": [("Xin chào",)],
    }
    prepared = prepare(workbook(**sheets))
    assert len(values(prepared)) == 1
    notes = [note.render() for note in prepared.notes]
    assert any("“Kê khai” lists equipment" in note for note in notes)
    assert any("“Khác” has no column titles" in note for note in notes)


@pytest.mark.parametrize("rows", [[("a", "b"), (1, 2)], [("Đơn vị", "Khối"), ("17827", "Đảng")]])
def test_a_file_without_a_survey_is_refused(workbook, prepare, rows):
    with pytest.raises(UnreadableFileError, match=r"khao-sat\.xlsx, sheet “Trang”, row 1: .*Chức danh"):
        prepare(workbook(Trang=rows))


def test_csv_in_an_old_encoding(prepare):
    text = "Đơn vị;Khối;Chức danh;Số biên chế\nXã Nghi Lộc;Đảng;Bí thư Đảng ủy;1\n"
    prepared = prepare(text.encode("utf-16"), name="khao-sat.csv")
    assert [one.post_group for one in values(prepared)] == ["VI"]


@pytest.mark.parametrize(("cell", "expected"), [(0, 0), ("7", 7), (7.0, 7), ("12 người", 12), ("5000", 5000)])
def test_headcounts(cell, expected):
    assert headcount(cell) == expected


@pytest.mark.parametrize("cell", [-1, 1.5, "mười", "1.250", 5001, "12 máy", dt.date(2026, 1, 1)])
def test_what_is_no_headcount(cell):
    with pytest.raises(Problem):
        headcount(cell)


@pytest.mark.parametrize(
    ("cell", "rate", "kbit"),
    [
        ("200 Mbps", "", 200_000),
        ("200Mb/s", "", 200_000),
        ("1,5 Gbps", "", 1_500_000),
        ("512 kbit/s", "m", 512),
        (200, "m", 200_000),
        (0.5, "m", 500),
        ("100M", "", 100_000),
    ],
)
def test_capacities(cell, rate, kbit):
    assert capacity_kbit(cell, rate) == kbit


@pytest.mark.parametrize(("cell", "rate"), [(200, ""), ("nhanh", "m"), ("-5 Mbps", ""), ("0", "m"), ("900 Gbps", "")])
def test_what_is_no_capacity(cell, rate):
    with pytest.raises(Problem):
        capacity_kbit(cell, rate)


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("VI", "VI"),
        ("nhóm viii", "VIII"),
        ("Bí thư Đảng ủy xã Nghi Lộc", "VI"),
        ("Chủ tịch HĐND kiêm Bí thư Đảng ủy", "VI"),
        ("Phó Bí thư Thường trực Đảng ủy", "VII"),
        ("Chủ tịch UBND", "VII"),
        ("Chuyên viên chính", "VII"),
        ("Chuyên viên", "VIII"),
        ("Trưởng phòng, Phó Trưởng phòng", "VIII"),
        ("IX", None),
        ("VIIII", None),
        ("Bảo vệ", None),
        ("", None),
    ],
)
def test_posts_have_the_group_of_the_table(posts, text, group):
    assert posts.group_of(text) == group


def test_every_post_of_the_table_has_its_own_group(posts):
    for post in posts.posts:
        assert posts.group_of(post.name) == post.group, post.name
