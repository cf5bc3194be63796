"""The annex as pages that were really set, and as the data they are set from."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from inventory.export import EXPORTS
from inventory.export import pdf as pdf_module
from inventory.export.annex import LARGEST_ROWS, annex_of
from inventory.export.errors import DocumentError, TypesettingFailedError, TypesettingMissingError
from inventory.export.figures import OLDEST_BAR_YEARS, age_bars, units_by_need
from inventory.investment import build_investment_list

GOLDEN = Path(__file__).parent / "golden" / "annex.json"
needs_typst = pytest.mark.skipif(importlib.util.find_spec("typst") is None, reason="typst is not installed")
needs_reader = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")


def text_of(data: bytes, tmp_path: Path, *options: str) -> str:
    file = tmp_path / "annex.pdf"
    file.write_bytes(data)
    done = subprocess.run(["pdftotext", "-layout", *options, file, "-"], capture_output=True, check=True)
    return done.stdout.decode()


def pages_of(data: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", data))


def words_of(text: str) -> str:
    return " ".join(text.split())


def strings(value):
    if isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    else:
        yield str(value)


def test_the_data_of_the_pages_is_as_it_was(made_up, english, as_of, pytestconfig):
    annex = annex_of(made_up(24, 6, block="dang"), english, as_of)
    text = json.dumps(annex, ensure_ascii=False, indent=1) + "\n"
    if pytestconfig.getoption("--rewrite-golden"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_what_is_lacking_and_the_plan_follow_the_list(made_up, plan, english, as_of):
    whole = made_up(staffed=3)
    tables = annex_of(whole, english, as_of, plan=plan)["tables"]
    assert [table["title"].split(".")[0] for table in tables] == ["I", "II", "III", "IV"]
    added, planned = tables[2:]
    assert sum(len(part["rows"]) for part in added["groups"]) == len(whole.additions)
    assert added["total"][1] == str(sum(one.to_add for one in whole.additions))
    assert added["before"]
    assert [len(part["rows"]) for part in planned["groups"]] == [2, 1, 1]
    assert planned["total"][-1] == "53.000.000"
    for table in tables:
        assert {len(row) for part in table["groups"] for row in part["rows"]} == {len(table["columns"])}


def test_every_line_bears_its_reference_once(made_up, english, as_of):
    whole = made_up()
    table = annex_of(whole, english, as_of)["tables"][1]
    looks = [line for part in table["groups"] for row in part["rows"] for one in row for line in one]
    found = [line["text"].removeprefix("Ref. ") for line in looks if line["look"] == "reference"]
    assert found == [one.item.reference for one in whole.items]


def test_totals_of_the_pages_are_those_of_the_list(made_up, english, as_of):
    whole = made_up()
    annex = annex_of(whole, english, as_of)
    amount = f"{whole.amount_vnd:,}".replace(",", ".")
    assert annex["summary"]["total"] == f"Highest total amount: {amount} VND"
    assert annex["tables"][0]["total"][-2] == annex["tables"][1]["total"][-1] == amount
    numbers = [row[0][0]["text"] for part in annex["tables"][1]["groups"] for row in part["rows"]]
    assert numbers == [str(number) for number in range(1, len(whole.items) + 1)]


def test_the_charts_count_every_piece(made_up):
    whole = made_up()
    bars = age_bars(whole)
    assert [bar.years for bar in bars[: OLDEST_BAR_YEARS + 1]] == list(range(OLDEST_BAR_YEARS + 1))
    assert sum(bar.pieces for bar in bars) == sum(one.item.quantity for one in whole.judged)
    assert sum(bar.over for bar in bars) == sum(unit.listed_pieces for unit in whole.units)
    shown, others = units_by_need(made_up(400, 130).units)
    needs = [unit.listed_pieces for unit in shown]
    assert needs == sorted(needs, reverse=True)
    assert len(shown) == 15
    assert others > 0


def test_what_is_not_confirmed_is_marked_on_its_columns_and_told(made_up, english, as_of):
    annex = annex_of(made_up(), english, as_of)
    marks = {column["title"]: column["notes"] for column in annex["tables"][1]["columns"]}
    assert marks["Useful life over"].startswith("1")
    assert marks["Remaining value (VND)"].startswith("1")
    assert "141/2025" in annex["notes"]["lines"][0]
    assert "still to be checked" in annex["notes"]["lines"][0]
    assert marks["Condition; recommendation"] == ""


def test_beyond_the_limit_the_annex_says_where_the_rest_is(make_asset, english, as_of):
    count = LARGEST_ROWS + 7
    assets = [make_asset(number, year_put_into_use=2010) for number in range(1, count + 1)]
    whole = build_investment_list([], assets, as_of=as_of)
    table = annex_of(whole, english, as_of)["tables"][1]
    assert sum(len(part["rows"]) for part in table["groups"]) == LARGEST_ROWS
    (notice,) = table["before"]
    assert "first 1.500 of 1.507" in notice
    assert notice in table["after"]
    assert table["total"][1] == "1.507"


@needs_typst
@needs_reader
@pytest.mark.parametrize(
    ("block", "heading", "absent"),
    [
        ("dang", "ĐẢNG CỘNG SẢN VIỆT NAM", "CỘNG HÒA"),
        ("chinh-quyen", "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "ĐẢNG CỘNG SẢN"),
        ("mttq", "Độc lập - Tự do - Hạnh phúc", "ĐẢNG CỘNG SẢN"),
        (None, "Tổng hợp các khối", "ĐẢNG CỘNG SẢN"),
    ],
)
def test_pages_bear_the_heading_of_their_block(made_up, plan, vietnamese, as_of, tmp_path, block, heading, absent):
    whole = made_up(block=block, staffed=3)
    data = EXPORTS["pdf"].write(whole, vietnamese, as_of, plan=plan)
    text = words_of(text_of(data, tmp_path))
    assert heading in text
    assert absent not in text
    for said in ("DỰ THẢO", "DANH MỤC ĐẦU TƯ TRANG THIẾT BỊ", "ngày 21 tháng 11 năm 2026", "Bằng chữ:", "Căn cứ"):
        assert said in text
    raw = words_of(text_of(data, tmp_path, "-raw"))
    for one in whole.items:
        assert f"Mã tham chiếu: {one.item.reference}" in raw
    pages = pages_of(data)
    assert [f"Trang {number}/{pages}" in text for number in range(1, pages + 1)] == [True] * pages


@needs_typst
def test_pages_are_landscape_and_the_same_bytes_every_time(made_up, plan, vietnamese, as_of):
    one = EXPORTS["pdf"].write(made_up(), vietnamese, as_of, plan=plan)
    two = EXPORTS["pdf"].write(made_up(), vietnamese, as_of, plan=plan)
    assert one == two
    assert one.startswith(b"%PDF-")
    width, height = re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", one).groups()
    assert (round(float(width)), round(float(height))) == (842, 595)


@needs_typst
@needs_reader
def test_text_of_the_register_is_text_on_the_page(make_asset, vietnamese, as_of, tmp_path):
    evil = '#panic("x") $x^2$ *đậm* `mã` <nhãn> @ai \\ #let a = [b] // hết'
    assets = [make_asset(1, name=evil, year_put_into_use=2010, condition="=1+1 _x_", serial="A#1*B_C$9")]
    data = EXPORTS["pdf"].write(build_investment_list([], assets, as_of=as_of), vietnamese, as_of)
    text = words_of(text_of(data, tmp_path, "-raw"))
    for part in ('#panic("x")', "*đậm*", "`mã`", "<nhãn>", "@ai", "#let a = [b]", "// hết", "A#1*B_C$9"):
        assert part in text


@needs_typst
def test_an_empty_list_is_still_an_annex(vietnamese, as_of):
    empty = build_investment_list([], [], as_of=as_of)
    data = EXPORTS["pdf"].write(empty, vietnamese, as_of)
    assert pages_of(data) <= 2
    assert "Tại ngày này không có thiết bị nào được đề nghị." in set(strings(annex_of(empty, vietnamese, as_of)))


@needs_typst
def test_a_unit_that_goes_on_is_named_again_on_the_next_page(make_asset, vietnamese, as_of, tmp_path):
    assets = [make_asset(number, year_put_into_use=2010) for number in range(1, 61)]
    data = EXPORTS["pdf"].write(build_investment_list([], assets, as_of=as_of), vietnamese, as_of)
    assert pages_of(data) > 3
    if shutil.which("pdftotext") is None:
        pytest.skip("poppler-utils is not installed")
    for page in ("2", "3", "4"):
        text = words_of(text_of(data, tmp_path, "-f", page, "-l", page))
        assert "STT Tên thiết bị" in text
        assert "60 dòng, số lượng 60" in text


@needs_typst
def test_a_province_of_rows_is_set(made_up, vietnamese, as_of):
    whole = made_up(2900, 130)
    assert len(whole.items) > 1400
    data = EXPORTS["pdf"].write(whole, vietnamese, as_of)
    assert pages_of(data) > 100
    assert len(data) < 2_000_000


def test_without_the_typesetter_the_error_says_what_to_install(made_up, english, as_of, monkeypatch):
    monkeypatch.setattr(pdf_module, "find_spec", lambda _name: None)
    with pytest.raises(TypesettingMissingError, match=r"thongmang\[reports\]") as caught:
        EXPORTS["pdf"].write(made_up(5, 2), english, as_of)
    assert isinstance(caught.value, DocumentError)


@needs_typst
def test_a_failing_typesetter_is_told_and_not_waited_for():
    with pytest.raises(TypesettingFailedError, match="could not be set"):
        pdf_module.set_pages({"title": "no annex"})
    with pytest.raises(TypesettingFailedError, match=r"> 0.001 s"):
        pdf_module.set_pages({}, timeout_seconds=0.001)
