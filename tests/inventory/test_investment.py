"""The list: what is on it, what is not, and the documents made of it."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json

import openpyxl
import pytest

from agent.wire.message import Message
from inventory.assets import AssetValues, RegisteredAsset
from inventory.export import EXPORTS
from inventory.investment import build_investment_list
from inventory.ports import DeviceRecord

AS_OF = dt.date(2026, 11, 21)
OLD = {
    "system": [{"manufacturer": "Dell Inc.", "product": "OptiPlex 3010", "serial": "ABC1234"}],
    "chassis": [{"type": "Desktop"}],
    "processor": [{"manufacturer": "Intel", "version": "Intel(R) Core(TM) i5-3470 CPU @ 3.20GHz"}],
    "bios": [{"vendor": "Dell Inc.", "release_date": "03/25/2013"}],
    "dell_revisions": [{"manufacture_date": "20130410", "first_power_on_date": "20130602"}],
}
NEW = OLD | {
    "system": [{"manufacturer": "Dell Inc.", "product": "OptiPlex 7010", "serial": "NEW5678"}],
    "processor": [{"manufacturer": "Intel", "version": "13th Gen Intel(R) Core(TM) i5-13500"}],
    "bios": [{"vendor": "Dell Inc.", "release_date": "03/25/2024"}],
    "dell_revisions": [{"manufacture_date": "20240410", "first_power_on_date": "20240602"}],
}


def english(text):
    return text


def device(name, facts, *, unit="16681", findings=()):
    return DeviceRecord(name, unit, "UBND", dt.date(2026, 9, 1), AS_OF, facts, findings)


def asset(number, name="Máy in Canon", kind="printer", unit="16681", **values):
    known = AssetValues(unit_code=unit, name=name, kind=kind, **values)
    return RegisteredAsset(number, f"k{number}", known, 1)


def listed(devices=(), assets=(), **options):
    return build_investment_list(list(devices), list(assets), as_of=AS_OF, **options)


def verdict(whole):
    return {
        one.item.reference: one.over_10_years
        for part in (whole.items, whole.to_verify, whole.not_listed)
        for one in part
    }


def test_terminals_are_judged_by_their_evidence():
    whole = listed([device("old", OLD), device("new", NEW), device("blank", {})])
    assert verdict(whole) == {"Dold": "yes", "Dnew": "no", "Dblank": "uncertain"}
    (one,) = whole.items
    assert (one.item.kind, one.item.name, one.recommendation) == ("desktop", "Dell Inc. OptiPlex 3010", "replace")
    assert one.years_estimated
    assert one.years_in_use == 13
    assert [message.render() for message in one.remarks] == ["It is not in the register."]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"year_put_into_use": 2015}, "yes"),
        ({"year_put_into_use": 2016}, "uncertain"),
        ({"year_put_into_use": 2017}, "no"),
        ({}, "uncertain"),
        ({"year_put_into_use": 2016, "put_into_use_on": "2016-11-20"}, "yes"),
        ({"year_put_into_use": 2016, "put_into_use_on": "2016-11-21"}, "no"),
    ],
)
def test_without_an_agent_the_register_decides(values, expected):
    whole = listed(assets=[asset(1, **values)])
    assert verdict(whole) == {"A1": expected}
    for part in (whole.items, whole.to_verify, whole.not_listed):
        for one in part:
            assert one.evidence
            assert one.estimate.best is None


def test_an_asset_and_its_terminal_are_one_line():
    pc = asset(7, "Máy tính", "desktop", serial="abc 1234", year_put_into_use=2013, original_cost_vnd=12_500_000)
    (one,) = listed([device("d", OLD)], [pc]).items
    assert one.item.reference == "A7/Dd"
    assert (one.years_in_use, one.years_estimated, one.expired) == (13, False, "yes")
    assert one.book.remaining_vnd == 0
    assert one.price_cap.price_vnd == one.amount_vnd == 20_000_000


def test_the_register_bounds_what_the_hardware_leaves_open():
    vague = {"bios": [{"vendor": "x", "release_date": "05/05/2020"}]}
    assert verdict(listed([device("d", vague)])) == {"Dd": "uncertain"}
    tagged = vague | {"system": [{"serial": "QWE5555"}]}
    pc = asset(1, "Máy tính", "desktop", serial="QWE5555", year_put_into_use=2012)
    assert verdict(listed([device("d", tagged)], [pc])) == {"A1/Dd": "yes"}


def test_a_register_year_younger_than_the_machine_does_not_save_it():
    pc = asset(1, "Máy tính", "desktop", serial="ABC1234", year_put_into_use=2025)
    (one,) = listed([device("d", OLD)], [pc]).items
    assert one.expired == "no"
    assert any("useful life is over" in reason.render() for reason in one.reasons)


def test_where_the_register_and_the_terminal_disagree_on_the_unit_it_is_said():
    pc = asset(1, "Máy tính", "desktop", unit="17827", serial="ABC1234")
    (one,) = listed([device("d", OLD)], [pc]).items
    assert one.item.unit_code == "16681"
    assert "The register has it in unit 17827, it reports from unit 16681." in [m.render() for m in one.remarks]


def test_broken_and_expired_but_not_old():
    whole = listed(assets=[asset(1, year_put_into_use=2018, condition="Hỏng"), asset(2, year_put_into_use=2018)])
    assert [one.recommendation for one in whole.not_listed] == ["liquidate", "keep"]


def test_units_stand_in_vietnamese_order_and_their_numbers_add_up():
    assets = [
        asset(n, unit=unit, year_put_into_use=year, quantity=2)
        for n, (unit, year) in enumerate(
            [("16681", 2010), ("17827", 2012), ("16732", 2020), ("17827", None), ("17827", 2011)], 1
        )
    ]
    whole = listed(assets=assets)
    assert [unit.unit_name for unit in whole.units] == ["Phường Cửa Lò", "Xã Nghi Lộc", "Phường Thành Vinh"]
    assert [one.item.reference for one in whole.items] == ["A5", "A2", "A1"]
    for unit in whole.units:
        assert unit.items == unit.listed + unit.to_verify + unit.not_listed
    assert whole.amount_vnd == 3 * 2 * 13_000_000
    assert sum(unit.listed_pieces for unit in whole.units) == 6


def test_a_block_of_its_own():
    assets = [asset(1, year_put_into_use=2010, block="dang"), asset(2, year_put_into_use=2010, block="chinh-quyen")]
    assert verdict(listed(assets=assets, block="dang")) == {"A1": "yes"}


EVIL = '=HYPERLINK("http://127.0.0.1","x")'


@pytest.fixture
def whole():
    assets = [
        asset(1, EVIL, note="+1", asset_code="@SUM(A1)", year_put_into_use=2010, condition="-1+1"),
        asset(2, "\tcmd", "switch", year_put_into_use=2012, original_cost_vnd=15_000_000),
        asset(3, "Máy scan", "scanner"),
        asset(4, "Máy in mới", year_put_into_use=2025),
    ]
    finding = Message("Disk is failing since {day}.", {"day": "2026-11-01"})
    return listed([device("d", OLD, unit="17827", findings=(finding,))], assets)


def test_xlsx_has_one_title_row_and_one_row_an_item(whole):
    book = openpyxl.load_workbook(io.BytesIO(EXPORTS["xlsx"].write(whole, english, AS_OF)))
    assert book.sheetnames == ["Summary by unit", "Proposed investment", "To be verified", "Bases and evidence"]
    page = book["Proposed investment"]
    assert book.active is page
    rows = list(page.iter_rows(values_only=True))
    assert len(rows) == 1 + len(whole.items) == 4
    header = rows[0]
    assert [row[0] for row in rows[1:]] == [1, 2, 3]
    made = rows[1][header.index("Probably made")]
    assert made.isoformat() == "2013-04-10T00:00:00"
    assert rows[1][header.index("Highest amount (VND)")].startswith("=")
    assert len(list(book["To be verified"].iter_rows())) == 2
    assert page.page_setup.orientation == "landscape"
    assert int(page.page_setup.paperSize) == 9
    assert (page.freeze_panes, page.print_title_rows) == ("A2", "$1:$1")
    assert page.auto_filter.ref.startswith("A1:")
    assert "Draft" in page.oddHeader.left.text


def test_xlsx_formulas_hold_their_results(whole):
    data = EXPORTS["xlsx"].write(whole, english, AS_OF)
    values = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    total = next(row for row in values["Summary by unit"].iter_rows(values_only=True) if row[1] == "Total")
    assert total[3:] == (5, 3, 3, 1, 1, whole.amount_vnd, 1)
    live = openpyxl.load_workbook(io.BytesIO(data))["Summary by unit"]
    assert sum(str(cell.value).startswith("=SUM(") for row in live.iter_rows() for cell in row) == 7


def test_no_text_of_the_register_can_execute_in_xlsx(whole):
    book = openpyxl.load_workbook(io.BytesIO(EXPORTS["xlsx"].write(whole, english, AS_OF)))
    found = [cell for page in book for row in page.iter_rows() for cell in row if cell.value == EVIL]
    assert found
    for cell in found:
        assert cell.data_type == "s"
        assert cell.quotePrefix
        assert cell.hyperlink is None


def test_csv_is_for_excel_in_vietnam_and_cannot_execute(whole):
    data = EXPORTS["csv"].write(whole, english, AS_OF)
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert len(rows) == 1 + len(whole.items)
    assert {len(row) for row in rows} == {len(rows[0])}
    cells = [cell for row in rows for cell in row]
    assert "'" + EVIL in cells
    assert "'@SUM(A1)" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert "10/04/2013" in cells
    assert "Disk is failing since 01/11/2026." in " ".join(cells)


def test_json_tells_everything(whole):
    told = json.loads(EXPORTS["json"].write(whole, english, AS_OF))
    assert told["counts"] == {"listed": 3, "to_verify": 1, "not_listed": 1, "units": 2}
    assert told["as_of"] == "2026-11-21"
    first = told["items"][0]
    assert (first["unit_name"], first["best"], first["over_10_years"]) == ("Xã Nghi Lộc", "2013-04-10", "yes")
    assert {"source", "earliest", "latest", "why"} == set(first["evidence"][0])
    assert [norm["title"] for norm in told["norms"]] == ["Thông tư 141/2025/TT-BTC", "Quyết định 10/2026/QĐ-TTg"]


def test_evidence_can_be_traced_by_its_reference(whole):
    page = openpyxl.load_workbook(io.BytesIO(EXPORTS["xlsx"].write(whole, english, AS_OF)))["Bases and evidence"]
    references = {row[0] for row in page.iter_rows(min_row=2, values_only=True)}
    assert {one.item.reference for one in (*whole.items, *whole.to_verify)} <= references


def test_an_empty_list_is_still_a_document():
    empty = listed()
    for export in EXPORTS.values():
        assert export.write(empty, english, AS_OF)
    book = openpyxl.load_workbook(io.BytesIO(EXPORTS["xlsx"].write(empty, english, AS_OF)))
    assert len(list(book["Proposed investment"].iter_rows())) == 1


def test_a_day_before_every_norm_leaves_columns_empty():
    early = build_investment_list([], [asset(1, year_put_into_use=2001)], as_of=dt.date(2020, 1, 1))
    (one,) = early.items
    assert (one.expired, one.price_cap, one.amount_vnd) == ("uncertain", None, None)
    assert EXPORTS["xlsx"].write(early, english, early.as_of)
