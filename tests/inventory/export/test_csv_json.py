"""The forms for programs: CSV that Excel in Vietnam opens, JSON that leaves nothing out."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json

import pytest

from agent.wire.message import Message
from inventory.export import EXPORTS
from inventory.investment import build_investment_list

EVIL = ('=HYPERLINK("http://127.0.0.1","x")', "+1", "-1+1", "@SUM(A1)", "\tcmd", "\rcmd")


def rows_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"))


def test_csv_has_a_byte_order_mark_semicolons_and_one_row_an_item(made_up, plan, vietnamese, as_of):
    whole = made_up()
    data = EXPORTS["csv"].write(whole, vietnamese, as_of, plan=plan)
    assert data.startswith(b"\xef\xbb\xbf")
    rows = rows_of(data)
    assert len(rows) == 1 + len(whole.items)
    assert {len(row) for row in rows} == {len(rows[0])}
    assert [row[rows[0].index("Mã tham chiếu")] for row in rows[1:]] == [one.item.reference for one in whole.items]
    amounts = [row[rows[0].index("Thành tiền tối đa (đồng)")] for row in rows[1:]]
    assert sum(int(amount) for amount in amounts if amount) == whole.amount_vnd


def test_no_cell_of_the_csv_can_execute(make_asset, vietnamese, as_of):
    assets = [make_asset(n, name=text, note=text, year_put_into_use=2010) for n, text in enumerate(EVIL, 1)]
    rows = rows_of(EXPORTS["csv"].write(build_investment_list([], assets, as_of=as_of), vietnamese, as_of))
    cells = [cell for row in rows for cell in row]
    assert "'" + EVIL[0] in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_json_holds_list_shortages_and_plan(made_up, plan, vietnamese, as_of):
    whole = made_up(staffed=2)
    told = json.loads(EXPORTS["json"].write(whole, vietnamese, as_of, plan=plan))
    assert [item["reference"] for item in told["items"]] == [one.item.reference for one in whole.items]
    assert told["amount_vnd"] == whole.amount_vnd == sum(item["amount_vnd"] or 0 for item in told["items"])
    assert len(told["shortages"]) == len(whole.shortages) > 0
    assert {row["to_add"] for row in told["shortages"]} >= {None}
    assert [year["year"] for year in told["plan"]["years"]] == [2026, 2027]
    assert told["items"][0]["override"] is None
    assert told["items"][0]["legal_basis"]


def test_days_and_findings_are_written_as_vietnamese_papers_write_them(make_terminal, english, as_of):
    finding = Message("Disk is failing since {day}.", {"day": "2026-11-01"})
    whole = build_investment_list([make_terminal(findings=(finding,))], [], as_of=as_of)
    header, row = rows_of(EXPORTS["csv"].write(whole, english, as_of))
    assert row[header.index("Probably made")] == "10/04/2013"
    assert "Disk is failing since 01/11/2026." in row[header.index("Remarks")]
    told = json.loads(EXPORTS["json"].write(whole, english, as_of))["items"][0]
    assert (told["best"], told["over_10_years"], told["over_10_years_by_evidence"]) == ("2013-04-10", "yes", "yes")


@pytest.mark.parametrize("form", sorted(EXPORTS))
def test_a_day_before_every_norm_is_still_a_document(form, make_asset, english):
    if form == "pdf":
        pytest.importorskip("typst", reason="typst is not installed")
    early = build_investment_list([], [make_asset(1, year_put_into_use=2001)], as_of=dt.date(2020, 1, 1))
    assert early.items[0].amount_vnd is None
    assert EXPORTS[form].write(early, english, early.as_of)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_empty_list_is_still_a_document(form, vietnamese, as_of):
    assert EXPORTS[form].write(build_investment_list([], [], as_of=as_of), vietnamese, as_of)


def test_without_a_plan_json_says_so(made_up, vietnamese, as_of):
    assert json.loads(EXPORTS["json"].write(made_up(3, 1), vietnamese, as_of))["plan"] is None
