"""Surveys in a real registry: the same file again changes nothing, and what was is kept."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import create_engine, select

from collector.db.staffing import SqlStaffing
from collector.db.tables import metadata, survey_import
from inventory.norms import load_norms, post_groups_from
from inventory.ports import ImportedFile
from inventory.staffing.model import headcounts

STAFF = ("Đơn vị", "Trụ sở", "Khối", "Chức danh", "Số biên chế")
LINES = ("Đơn vị", "Trụ sở", "Model CPE", "Hướng đi (Mbps)", "Hướng về (Mbps)")
FILE = ImportedFile("khao-sat.xlsx", "0" * 64, 1_800_000_000.0)


@pytest.fixture
def registry():
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        yield SqlStaffing(connection)
    engine.dispose()


def write(registry, prepare, data):
    prepared = prepare(data, staffing=registry.staffing(), lines=registry.site_lines())
    registry.write_survey(prepared.plan, FILE)
    plan = prepared.plan
    return (len(plan.created), len(plan.updated), len(plan.unchanged), len(plan.rejected)), plan


def test_the_same_file_again_changes_nothing(registry, prepare, workbook):
    data = workbook(
        Khảo_sát=[
            STAFF,
            ("17827", "", "Đảng", "Bí thư Đảng ủy", 1),
            ("17827", "", "Đảng", "VIII", 9),
            ("17827", "", "", "?", 1),
        ],
        Đường_truyền=[LINES, ("17827", "UBND", "C921", 200, 200)],
    )
    assert write(registry, prepare, data)[0] == (3, 0, 0, 1)
    before = registry.staffing(), registry.site_lines()
    assert write(registry, prepare, data)[0] == (0, 0, 3, 1)
    assert (registry.staffing(), registry.site_lines()) == before
    assert headcounts(registry.staffing()) == {("17827", "dang"): {"VI": 1, "VIII": 9}}


def test_changes_keep_what_was_and_blanks_change_nothing(registry, prepare, workbook):
    write(
        registry,
        prepare,
        workbook(
            Khảo_sát=[STAFF, ("17827", "Trụ sở", "Đảng", "VIII", 9), ("17827", "Trụ sở", "Đảng", "VII", 2)],
            Đường_truyền=[LINES, ("17827", "UBND", "C921", 200, 200)],
        ),
    )
    counts, plan = write(
        registry,
        prepare,
        workbook(
            Khảo_sát=[STAFF, ("17827", "trụ  sở", "Đảng", "VIII", 11)],
            Đường_truyền=[LINES, ("17827", "UBND", "", "", "300")],
        ),
    )
    assert counts == (0, 2, 0, 0)
    assert sorted((one.post_group, one.headcount) for one in registry.staffing()) == [("VII", 2), ("VIII", 11)]
    (line,) = registry.site_lines()
    assert (line.cpe_model, line.up_kbit_per_second, line.down_kbit_per_second) == ("C921", 200_000, 300_000)
    assert [(note.parameters["post"], note.parameters["count"]) for note in plan.notices] == [("VII", 2)]
    newest = registry._connection.execute(select(survey_import).order_by(survey_import.c.id.desc())).first()
    assert [(item["table"], item["row"].get("headcount")) for item in newest.before] == [
        ("staffing", 9),
        ("site_line", None),
    ]


def test_refused_rows_are_kept_whole(registry, prepare, workbook):
    write(registry, prepare, workbook(Sheet1=[STAFF, ("Xã Không Có", "", "Đảng", "VI", dt.date(2026, 1, 1))]))
    (row,) = registry._connection.execute(select(survey_import.c.rejected)).one()[0]
    assert (row["sheet"], row["row"], row["cells"][-1]) == ("Sheet1", 2, "2026-01-01")
    assert [reason["field"] for reason in row["reasons"]] == ["unit", "headcount"]


def test_a_changed_table_of_posts_holds_for_earlier_surveys(registry, prepare, workbook):
    write(
        registry,
        prepare,
        workbook(Sheet1=[STAFF, ("17827", "", "MTTQ", "Bí thư Đoàn xã", 1), ("17827", "", "MTTQ", "VIII", 4)]),
    )
    assert headcounts(registry.staffing()) == {("17827", "mttq"): {"VIII": 5}}
    posts = load_norms().post_groups[-1]
    text = f"""
kind = "post_groups"
title = "Bảng của Văn phòng"
effective_from = {posts.effective_from}
source = "Văn phòng Tỉnh ủy"
article = "-"
confidence = "high"
[[post]]
name = "Bí thư Đoàn"
aliases = []
block = "mttq"
group = "VII"
rank_2026 = ""
confidence = "high"
"""
    own = post_groups_from("post_groups.toml", text)
    assert headcounts(registry.staffing(own)) == {("17827", "mttq"): {"VII": 1, "VIII": 4}}
