"""Headings by block and the dates of Vietnamese papers."""

from __future__ import annotations

import datetime as dt

import pytest

from inventory.assets import BLOCK_FRONT, BLOCK_PARTY, BLOCK_STATE
from inventory.export.heading import block_line, day_in_full, heading_of, load_headings, place_and_date


def test_every_block_has_a_heading_and_nothing_else():
    assert set(load_headings()) == {BLOCK_PARTY, BLOCK_FRONT, BLOCK_STATE, "all"}


@pytest.mark.parametrize(
    ("block", "right"),
    [
        (BLOCK_PARTY, ("ĐẢNG CỘNG SẢN VIỆT NAM",)),
        (BLOCK_STATE, ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc")),
        (BLOCK_FRONT, ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc")),
        (None, ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc")),
    ],
)
def test_the_block_chooses_party_or_state(block, right):
    assert heading_of(block).right == right


def test_each_block_has_its_own_authority_and_all_blocks_have_none():
    assert heading_of(BLOCK_PARTY).authority == "Ban Thường vụ Tỉnh ủy"
    assert heading_of(BLOCK_STATE).authority == "Ủy ban nhân dân tỉnh"
    assert "Mặt trận Tổ quốc" in heading_of(BLOCK_FRONT).authority
    assert heading_of(None).authority == ""


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (dt.date(2026, 3, 9), "Nghệ An, ngày 09 tháng 3 năm 2026"),
        (dt.date(2026, 2, 28), "Nghệ An, ngày 28 tháng 02 năm 2026"),
        (dt.date(2026, 1, 1), "Nghệ An, ngày 01 tháng 01 năm 2026"),
        (dt.date(2026, 10, 10), "Nghệ An, ngày 10 tháng 10 năm 2026"),
        (dt.date(2026, 9, 30), "Nghệ An, ngày 30 tháng 9 năm 2026"),
    ],
)
def test_days_below_ten_and_the_first_two_months_alone_have_a_zero(vietnamese, day, text):
    assert place_and_date("Nghệ An", day, vietnamese) == text


def test_lines_of_the_title(vietnamese):
    assert block_line(BLOCK_PARTY, vietnamese) == "Khối: Đảng"
    assert block_line(None, vietnamese).startswith("Tổng hợp các khối")
    assert day_in_full(dt.date(2026, 3, 9), vietnamese) == "Tính đến ngày 09 tháng 3 năm 2026"
