"""`thongmang inventory survey` as real processes over a real registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from collector.db.registry import open_registry
from collector.db.staffing import SqlStaffing
from collector.db.tables import site_line, staffing, survey_import

ROOT = Path(__file__).parents[3]


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    engine = open_registry(folder / "registry.sqlite")
    for table in (survey_import, staffing, site_line):
        table.create(engine, checkfirst=True)
    engine.dispose()
    return folder


@pytest.fixture
def run(state):
    def call(*words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "collector.cli.inventory", *map(str, words)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            cwd=ROOT,
            check=False,
            env=os.environ | {"THONGMANG_STATE_DIR": str(state), "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"},
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return call


def counts(done):
    told = json.loads(done.stdout)
    assert told["rows"] == told["created"] + told["updated"] + told["unchanged"] + told["rejected"]
    return told


def filled_template(run, path):
    """The blank workbook with a number for every post but one, a line and a printer."""
    run("template", "-o", path, "--unit", "17827")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames[:4] == ["Kê khai", "Khảo sát", "Thiết bị khác", "Đường truyền"]
    page = book["Khảo sát"]
    titles = [cell.value for cell in page[1]]
    number = titles.index("Số biên chế") + 1
    posts = [row[titles.index("Chức danh")].value for row in page.iter_rows(min_row=2) if row[4].value]
    for row in range(2, 1 + len(posts)):
        page.cell(row, number, 2)
    lines = book["Đường truyền"]
    for column, value in ((2, "Xã Nghi Lộc"), (3, "UBND"), (4, "C921"), (7, 200), (8, 200)):
        lines.cell(2, column, value)
    other = book["Thiết bị khác"]
    for column, value in ((2, "Xã Nghi Lộc"), (5, "Máy in Canon"), (11, 2024)):
        other.cell(2, column, value)
    book.save(path)
    return len(posts)


def test_the_template_is_filled_in_and_both_commands_read_their_sheets(run, state, tmp_path):
    path = tmp_path / "mau.xlsx"
    posts = filled_template(run, path)
    told = counts(run("survey", path, "--unit", "17827", "--dry-run", "--format", "json"))
    assert (told["dry_run"], told["import_id"], told["created"], told["rejected"]) == (True, None, posts, 1)
    (refused,) = told["rejected_rows"]
    assert (refused["sheet"], refused["row"]) == ("Khảo sát", posts + 1)
    assert "cột F" in refused["errors"][0]["reason"]
    assert counts(run("survey", path, "--unit", "17827", "--format", "json"))["created"] == posts
    assert counts(run("survey", path, "--unit", "17827", "--format", "json"))["unchanged"] == posts
    engine = open_registry(state / "registry.sqlite")
    with engine.connect() as connection:
        surveyed = SqlStaffing(connection)
        assert {one.block for one in surveyed.staffing()} == {"dang", "mttq", "chinh-quyen"}
        assert [line.up_kbit_per_second for line in surveyed.site_lines()] == [200_000]
    engine.dispose()
    imported = counts(run("import", path, "--format", "json"))
    # The printer; a row that bears nothing but the unit's name is an empty one.
    assert (imported["created"], imported["rejected"]) == (1, 0)


def test_a_dry_run_writes_nothing_and_the_text_names_the_place(run, state, tmp_path):
    path = tmp_path / "mau.xlsx"
    filled_template(run, path)
    out = run("survey", path, "--dry-run", "--rejected", tmp_path / "loi.xlsx").stdout
    assert "trang tính “Khảo sát”" in out
    assert "không có thì ghi 0" in out
    assert (tmp_path / "loi.xlsx").exists()
    engine = open_registry(state / "registry.sqlite")
    with engine.connect() as connection:
        assert SqlStaffing(connection).staffing() == []
    engine.dispose()


def test_what_cannot_be_read_ends_with_2(run, state, tmp_path):
    path = tmp_path / "khac.csv"
    path.write_text("a;b\n1;2\n", encoding="utf-8")
    assert "Chức danh" in run("survey", path, code=2).stderr
    assert "khong-co.xlsx" in run("survey", tmp_path / "khong-co.xlsx", code=2).stderr
    good = tmp_path / "tot.csv"
    good.write_text("Đơn vị;Khối;Chức danh;Số biên chế\n17827;Đảng;VI;1\n", encoding="utf-8")
    assert "99999" in run("survey", good, "--unit", "99999", code=2).stderr
    (state / "post_groups.toml").write_text("kind = 'post_groups'\n", encoding="utf-8")
    assert "post_groups.toml" in run("survey", good, code=2).stderr


def test_the_office_edits_the_table_of_posts(run, state, tmp_path):
    path = tmp_path / "ks.csv"
    path.write_text("Đơn vị;Khối;Chức danh;Số biên chế\n17827;Đảng;Bảo vệ;1\n", encoding="utf-8")
    assert counts(run("survey", path, "--format", "json"))["rejected"] == 1
    packaged = (ROOT / "inventory" / "norms" / "post_groups.toml").read_text(encoding="utf-8")
    own = packaged + '\n[[post]]\nname = "Bảo vệ"\naliases = []\nblock = "dang"\ngroup = "VIII"\n'
    (state / "post_groups.toml").write_text(own + 'rank_2026 = ""\nconfidence = "high"\n', encoding="utf-8")
    assert counts(run("survey", path, "--format", "json"))["created"] == 1
