"""The workbook, read again by another library: sheets, live formulas with their results, print set-up, no execution."""

from __future__ import annotations

import datetime as dt
import io
import re

import openpyxl
import pytest

from inventory.export import EXPORTS
from inventory.investment import build_investment_list
from inventory.overrides import Override

SHEETS = ["Tổng hợp", "Theo đơn vị", "Chi tiết", "Cần xác minh", "Bổ sung", "Kế hoạch năm", "Căn cứ và bằng chứng"]
EVIL = ('=HYPERLINK("http://127.0.0.1","x")', "+1", "-1+1", "@SUM(A1)", "\tcmd", "=cmd|'/c calc'!A0")


def read(data: bytes, *, values: bool = False):
    return openpyxl.load_workbook(io.BytesIO(data), data_only=values)


@pytest.fixture
def whole(made_up):
    return made_up(120, 12, staffed=2)


@pytest.fixture
def data(whole, plan, vietnamese, as_of):
    return EXPORTS["xlsx"].write(whole, vietnamese, as_of, plan=plan)


def column(sheet, title, *, header=1):
    titles = [cell.value for cell in sheet[header]]
    return [row[titles.index(title)] for row in sheet.iter_rows(min_row=header + 1, values_only=True)]


def formulas(data):
    live, results = read(data), read(data, values=True)
    for sheet in live:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    yield sheet.title, cell, results[sheet.title][cell.coordinate].value


def test_sheets_stand_in_the_order_of_the_issue_and_the_list_is_shown_first(data):
    book = read(data)
    assert [name for name in book.sheetnames if name != "Đề xuất khác"] == SHEETS
    assert book.active.title == "Chi tiết"


def test_the_list_has_one_title_row_and_one_row_an_item(whole, data):
    sheet = read(data)["Chi tiết"]
    assert sheet.max_row == 1 + len(whole.items)
    assert column(sheet, "STT") == list(range(1, len(whole.items) + 1))
    assert column(sheet, "Mã tham chiếu") == [one.item.reference for one in whole.items]
    assert read(data)["Cần xác minh"].max_row == 1 + len(whole.to_verify)


def test_every_sheet_is_ready_to_be_printed(data):
    for sheet in read(data):
        assert sheet.page_setup.orientation == "landscape"
        assert int(sheet.page_setup.paperSize) == 9
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        # One page wide is what an absent width means.
        assert sheet.page_setup.fitToWidth in (None, 1)
        assert int(sheet.page_setup.fitToHeight) == 0
        assert sheet.print_title_rows is not None
        assert "Dự thảo" in sheet.oddHeader.left.text
        assert "&P/&N" in sheet.oddFooter.right.text or sheet.oddFooter.right.text == "&[Page]/&N"
        if sheet.title != "Tổng hợp":
            assert sheet.freeze_panes == "A2"
            assert sheet.print_title_rows == "$1:$1"
    assert read(data)["Chi tiết"].auto_filter.ref.startswith("A1:")


def test_values_have_their_types(whole, data):
    sheet = read(data, values=True)["Chi tiết"]
    one = next(row for row, item in enumerate(whole.items, start=2) if item.item.asset and item.book)
    titles = {cell.value: cell.column for cell in sheet[1]}
    cost = sheet.cell(one, titles["Nguyên giá (đồng)"])
    assert isinstance(cost.value, int)
    assert cost.number_format.endswith("#,##0")
    year = sheet.cell(one, titles["Năm đưa vào sử dụng"])
    assert year.number_format == "0"
    made = [day for day in column(sheet, "Sản xuất khoảng") if day is not None]
    assert made
    assert all(isinstance(day, dt.datetime) for day in made)


def test_formulas_hold_their_results(whole, data):
    results = read(data, values=True)
    total = list(results["Theo đơn vị"].iter_rows(values_only=True))[-1]
    pieces = sum(one.item.quantity for one in whole.items)
    without = sum(1 for one in whole.items if one.amount_vnd is None)
    listed, doubtful, rest = len(whole.items), len(whole.to_verify), len(whole.not_listed)
    assert total[3:] == (listed + doubtful + rest, listed, pieces, doubtful, rest, whole.amount_vnd, without)
    remaining = [one.book.remaining_vnd if one.book else None for one in whole.items]
    assert column(results["Chi tiết"], "Giá trị còn lại (đồng)") == remaining
    assert column(results["Chi tiết"], "Thành tiền tối đa (đồng)") == [one.amount_vnd for one in whole.items]
    assert all(value is not None for _, _, value in formulas(data))


def test_sheets_count_live_from_the_list(data):
    told = {title: " ".join(cell.value for name, cell, _ in formulas(data) if name == title) for title in SHEETS}
    for function in ("COUNTIFS('Chi tiết'!", "SUMIFS('Chi tiết'!", "COUNTIFS('Cần xác minh'!", "SUM("):
        assert function in told["Theo đơn vị"]
    assert "COUNTIFS('Chi tiết'!" in told["Tổng hợp"]
    assert re.search(r"=[A-Z]+2\*[A-Z]+2\b", told["Chi tiết"])
    assert "SUMIFS(" in told["Kế hoạch năm"]


def test_the_parts_of_the_overview_add_up(whole, data):
    rows = list(read(data, values=True)["Tổng hợp"].iter_rows(min_row=11, values_only=True))
    everything = rows[0][2:6]
    assert everything[:3] == (len(whole.items), sum(one.item.quantity for one in whole.items), whole.amount_vnd)
    sums = []
    for row in rows[1:]:
        if row[1] is None and row[0] in ("Theo khối", "Theo loại thiết bị", "Theo đề xuất"):
            sums.append([0, 0, 0, 0])
        elif isinstance(row[0], int) and sums:
            sums[-1] = [a + b for a, b in zip(sums[-1], row[2:6], strict=True)]
    assert [tuple(one) for one in sums] == [everything] * 3


def test_what_units_lack_and_what_nobody_knows(whole, data, made_up, vietnamese, as_of):
    sheet = read(data, values=True)["Bổ sung"]
    added = [count for count in column(sheet, "Cần bổ sung") if isinstance(count, int)]
    assert added[-1] == sum(one.to_add for one in whole.additions) == sum(added[:-1])
    texts = [str(cell) for row in sheet.iter_rows(values_only=True) for cell in row if cell is not None]
    assert any(text.startswith("Chưa có số biên chế của") for text in texts)
    unknown = EXPORTS["xlsx"].write(made_up(10, 2), vietnamese, as_of)
    rows = list(read(unknown)["Bổ sung"].iter_rows(min_row=2, values_only=True))
    assert rows[0][0].startswith("Chưa có số biên chế")
    assert len(rows) == 1


def test_the_plan_stands_by_year_and_its_absence_is_told(data, plan, made_up, vietnamese, as_of):
    sheet = read(data, values=True)["Kế hoạch năm"]
    rows = list(sheet.iter_rows(min_row=2, values_only=True))
    assert [row[0] for row in rows[:4]] == [2026, 2026, "chờ bố trí", "chưa có đơn giá"]
    budget = {row[4]: row[8:11] for row in rows[4:] if row[4] is not None}
    assert budget[2026] == (60_000_000, 53_000_000, 7_000_000)
    assert budget[2027] == (50_000_000, 0, 50_000_000)
    assert budget["chờ bố trí"][1] == plan.waiting_vnd
    without = read(EXPORTS["xlsx"].write(made_up(10, 2), vietnamese, as_of))["Kế hoạch năm"]
    assert without["A2"].value.startswith("Chưa có kế hoạch theo năm")


def test_every_line_can_be_traced(whole, data):
    references = set(column(read(data)["Căn cứ và bằng chứng"], "Mã tham chiếu"))
    assert {one.item.reference for one in (*whole.items, *whole.to_verify)} <= references


def test_a_decision_of_a_person_is_shown_with_its_reason(make_asset, vietnamese, as_of):
    override = Override(
        1, None, "yes", "no", "Biên bản kiểm kê số 12 ghi năm 2009.", "Nguyễn Thị Mẫu", dt.date(2026, 11, 3)
    )
    whole = build_investment_list([], [make_asset(1, year_put_into_use=2024)], as_of=as_of, overrides=[override])
    book = read(EXPORTS["xlsx"].write(whole, vietnamese, as_of))
    (reasons,) = column(book["Chi tiết"], "Lý do")
    told = [row for row in book["Căn cứ và bằng chứng"].iter_rows(values_only=True) if row[0] == "A1"]
    for text in (reasons, " ".join(str(row[6]) for row in told)):
        assert "Biên bản kiểm kê số 12 ghi năm 2009." in text
        assert "03/11/2026" in text


def test_no_text_of_the_register_can_execute(make_asset, vietnamese, as_of):
    assets = [
        make_asset(n, name=text, asset_code=text, condition=text, serial=f"S{n}", year_put_into_use=2010)
        for n, text in enumerate(EVIL, 1)
    ]
    book = read(EXPORTS["xlsx"].write(build_investment_list([], assets, as_of=as_of), vietnamese, as_of))
    found = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value in EVIL]
    assert len(found) >= 3 * len(EVIL)
    for cell in found:
        assert cell.data_type == "s"
        assert cell.quotePrefix
        assert cell.hyperlink is None


def test_an_empty_list_is_still_a_workbook(vietnamese, as_of):
    book = read(EXPORTS["xlsx"].write(build_investment_list([], [], as_of=as_of), vietnamese, as_of))
    assert book.sheetnames == SHEETS
    assert book["Chi tiết"].max_row == 1


def test_the_same_list_gives_the_same_bytes(whole, data, plan, vietnamese, as_of):
    assert EXPORTS["xlsx"].write(whole, vietnamese, as_of, plan=plan) == data


def test_two_thousand_rows(make_asset, vietnamese, as_of):
    assets = [make_asset(number, year_put_into_use=2010, original_cost_vnd=11_000_000) for number in range(1, 2001)]
    data = EXPORTS["xlsx"].write(build_investment_list([], assets, as_of=as_of), vietnamese, as_of)
    book = openpyxl.load_workbook(io.BytesIO(data), data_only=True, read_only=True)
    rows = list(book["Chi tiết"].iter_rows(values_only=True))
    assert len(rows) == 2001
    assert list(book["Theo đơn vị"].iter_rows(values_only=True))[-1][8] == 2000 * 13_000_000
    book.close()
