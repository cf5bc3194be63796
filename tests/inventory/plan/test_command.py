"""`thongmang inventory plan` as real processes over a real registry, and what docs/plan.md promises of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector.cli.plan import plan, spread
from collector.db.registry import open_registry
from inventory.plan import load_weights

ROOT = Path(__file__).parents[3]
REGISTER = """Đơn vị;Tên tài sản;Số serial;Năm đưa vào sử dụng;Tình trạng;Khối;Số lượng
Phường Thành Vinh;Máy tính để bàn;ABC1234;2013;Tốt;Đảng;1
Xã Nghi Lộc;Máy in;XYZ9876;2010;Hỏng;Chính quyền;1
Xã Nghi Lộc;Máy tính để bàn;;2009;Còn sử dụng được;Chính quyền;12
Xã Nghi Lộc;Switch;SW99887;2012;;MTTQ;1
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    (folder / "so.csv").write_text(REGISTER, encoding="utf-8")
    open_registry(folder / "state" / "registry.sqlite").dispose()

    def call(*words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "collector.cli.inventory", *map(str, words)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            cwd=ROOT,
            check=False,
            env=os.environ | {"THONGMANG_STATE_DIR": str(folder / "state"), "PYTHONUTF8": "1"},
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    call("import", folder / "so.csv")
    return call


@pytest.fixture(scope="module")
def told(run):
    def call(*words):
        done = run("plan", *words, "--format", "json", "--as-of", "2026-11-21", "--language", "en")
        return json.loads(done.stdout)

    return call


def bought(answer):
    return {(item["reference"], year["year"]): item["quantity"] for year in answer["years"] for item in year["items"]}


def test_ceilings_in_either_way_of_writing_give_the_same_plan(told):
    one = told("--ceiling", "2026=100000000", "2027=100000000", "2026:dang=20000000", "--price", "switch=30000000")
    other = told(
        *("--ceiling=2026=100000000", "--ceiling", "2027=100.000.000", "--ceiling", "2026:dang=20 triệu"),
        *("--price", "switch=30000000"),
    )
    assert one == other
    assert bought(one) == {("A2", 2026): 1, ("A3", 2026): 4, ("A3", 2027): 5}
    assert one["totals"]["leftover_vnd"] == 7_000_000
    assert [(item["reference"], item["quantity"]) for item in one["waiting"]] == [("A3", 3), ("A4", 1), ("A1", 1)]
    assert one["unpriced"] == []


def test_five_years_of_plenty_buy_everything_in_the_first(told):
    answer = told("--ceiling", *(f"{year}=5000000000" for year in range(2026, 2031)))
    assert set(bought(answer)) == {("A1", 2026), ("A2", 2026), ("A3", 2026)}
    assert [item["reference"] for item in answer["unpriced"]] == ["A4"]
    assert [year["year"] for year in answer["years"]] == [2026, 2027, 2028, 2029, 2030]


def test_a_block_and_prices_of_a_file_which_words_outweigh(told, tmp_path):
    prices = tmp_path / "gia.csv"
    prices.write_text("Loại;Đơn giá\nmáy bộ;18.000.000\nswitch;25000000\n", encoding="utf-8-sig")
    words = ("--ceiling", "2026=5000000000", "--price-file", prices)
    answer = told(*words, "--price", "desktop=17000000", "--block", "dang")
    (item,) = answer["years"][0]["items"]
    assert (item["reference"], item["unit_price_vnd"], item["block"]) == ("A1", 17_000_000, "dang")
    answer = told(*words)
    assert {item["unit_price_vnd"] for item in answer["years"][0]["items"]} == {18_000_000, 25_000_000, 13_000_000}


def test_what_a_surveyed_unit_is_short_of_is_added(run, told, tmp_path):
    survey = tmp_path / "bien-che.csv"
    survey.write_text(
        "Đơn vị;Trụ sở;Khối;Chức danh;Số biên chế\nPhường Thành Vinh;Đảng ủy;Đảng;Bí thư Đảng ủy;1\n", encoding="utf-8"
    )
    elsewhere = tmp_path / "state"
    open_registry(elsewhere / "registry.sqlite").dispose()
    register = tmp_path / "so.csv"
    register.write_text(REGISTER, encoding="utf-8")
    run("import", register, "--state-dir", elsewhere)
    run("survey", survey, "--state-dir", elsewhere)
    answer = told("--ceiling", "2026=5000000000", "--state-dir", elsewhere)
    added = [item for item in answer["years"][0]["items"] if item["action"] == "add"]
    # A secretary has a right to a desktop, a laptop and a printer; the desktop is the one that is to be replaced.
    assert {"laptop", "printer"} <= {item["kind"] for item in added}
    assert {item["unit_name"] for item in added} == {"Phường Thành Vinh"}
    assert all(item["reasons"] and item["quantity"] == 1 for item in added)
    assert "desktop" not in {item["kind"] for item in added}
    # Nghi Lộc was not surveyed.
    assert "headcount is not known: 1." in answer["notices"][0]


def test_the_offices_own_weights(told, tmp_path):
    text = (ROOT / "inventory/data/plan_weights.toml").read_text(encoding="utf-8")
    own = tmp_path / "trong-so.toml"
    own.write_text(text.replace('title = "', 'title = "Của Văn phòng: '), encoding="utf-8")
    answer = told("--ceiling", "2026=5000000000", "--weights-file", own)
    assert answer["weights"]["title"].startswith("Của Văn phòng: ")
    assert "Của Văn phòng: " in answer["method"][0]


def test_text_for_people(run):
    out = run("plan", "--ceiling", "2026=100000000", "--as-of", "2026-11-21", "--language", "en").stdout
    for line in (
        "Year 2026: ceiling 100.000.000 đồng, planned 93.000.000 đồng for 5 pieces, left 7.000.000 đồng",
        "[A3] Xã Nghi Lộc, Máy tính để bàn: 4 × 20.000.000 = 80.000.000 đồng;",
        "Waiting beyond the plan: 9 pieces, 180.000.000 đồng",
        "Without a unit price, not planned: 1 lines",
        "From the best score on",
    ):
        assert line in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no ceiling is given"),
        (["--ceiling"], "no ceiling is given"),
        (["--ceiling", "2106=5000000000"], "2106 is no budget year"),
        (["--ceiling", "2026=-1"], "“-1” is no amount"),
        (["--ceiling", "-1"], "expected YEAR=AMOUNT"),
        (["--ceiling", "2026=5000000000", "2026=1000"], "given twice"),
        (["--ceiling", "2026=5000000000", "2026:party=1000"], "“party” is no block"),
        (["--ceiling", "2026=5000000000", "--price", "desktop=-3"], "“-3” is no price"),
        (["--ceiling", "2026=5000000000", "--price", "spaceship=3000000"], "“spaceship” is no kind"),
        (["--ceiling", "2026=5000000000", "--price-file", "/khong/co.csv"], "/khong/co.csv: cannot be read"),
        (["--ceiling", "2026=5000000000", "--weights-file", "README.md"], "README.md: cannot be used"),
        (["--ceiling", "2026=5000000000", "--block", "xyz"], "xyz"),
        (["--ceiling", "2026=5000000000", "--as-of", "2026-02-30"], "2026-02-30"),
        (["2026=5000000000"], "2026=5000000000"),
    ],
)
def test_bad_words_end_with_2_and_say_what_was_expected(run, words, said):
    assert said in run("plan", *words, "--language", "en", code=2).stderr


def test_a_price_file_that_is_too_large_is_not_read(run, tmp_path):
    huge = tmp_path / "gia.csv"
    huge.write_bytes(b"x" * (1 << 21))
    words = ("--ceiling", "2026=5000000000", "--price-file", huge, "--language", "en")
    assert "larger than 1.048.576 bytes" in run("plan", *words, code=2).stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--ceiling", "a=1", "b=2"], ["--ceiling=a=1", "--ceiling=b=2"]),
        (["--ceiling=a=1", "b=2"], ["--ceiling=a=1", "--ceiling=b=2"]),
        (
            ["--ceiling", "a=1", "--price", "p=1", "q=2", "--format", "json", "x"],
            ["--ceiling=a=1", "--price=p=1", "--price=q=2", "--format", "json", "x"],
        ),
        (["--format", "json", "--ceiling", "a=-1"], ["--format", "json", "--ceiling=a=-1"]),
        (["--price-file", "f", "g"], ["--price-file", "f", "g"]),
        (["--ceiling"], []),
        ([], []),
    ],
)
def test_several_words_after_one_option(words, expected):
    assert spread(words) == expected


def test_the_docs_name_every_option_and_every_part_with_its_weight():
    text = (ROOT / "docs/plan.md").read_text(encoding="utf-8")
    for parameter in plan.params:
        assert f"`{parameter.opts[0]}" in text or f" {parameter.opts[0]} " in text, parameter.opts
    for part in load_weights().parts:
        assert f"| `{part.code}` | {part.weight} |" in text
    assert load_weights().price_growth_percent_per_year.rstrip("0").rstrip(".") + " %" in text
