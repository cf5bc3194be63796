"""Weights, prices and ceilings: what is read, and that what cannot be used is named with what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory.plan import (
    PlanDataError,
    PlanInputError,
    PriceBook,
    ceilings_from_words,
    load_weights,
    prices_from_file,
    prices_from_words,
    weights_from,
)
from inventory.plan.weights import PART_CODES, WEIGHTS_FILE

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "inventory/data" / WEIGHTS_FILE).read_text(encoding="utf-8")


def test_shipped_weights_sum_to_100_and_explain_every_part():
    law = load_weights()
    assert sum(part.weight for part in law.parts) == 100
    assert [part.code for part in law.parts] == list(PART_CODES)
    assert all(part.explanation and part.label for part in law.parts)
    assert law.price_growth_basis_points == 400


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("weight = 20", "weight = 21", "the sum is 102; expected 100"),
        ("weight = 20", 'weight = "20"', r"weight|int"),
        ("weight = 20", "weight = 200", "100"),
        ("weight = 20", "wight = 20", "wight|weight"),
        ('code = "age"', 'code = "colour"', "colour"),
        ('code = "expired"', 'code = "age"', "expected each once"),
        ('"4.0"', '"4.005"', "at most two decimals"),
        ('"4.0"', '"NaN"', "at most two decimals"),
        ('"4.0"', '"-1"', "0 to 100"),
        ('"4.0"', '"much"', "0 to 100"),
        ("full_years_beyond = 5", "full_years_beyond = 0", ">= 1"),
        ("title = ", "title ", "line"),
    ],
)
def test_unusable_weights_are_refused_with_file_and_key(old, new, said):
    assert old in TEXT
    with pytest.raises(PlanDataError, match=said) as caught:
        weights_from("w.toml", TEXT.replace(old, new))
    assert "w.toml" in str(caught.value)


def test_prices_of_words():
    book = prices_from_words(
        ["desktop=18.000.000", "máy in=9 triệu", "upgrade:desktop=3500000", "A12=25000000", "item:Dx-1=7000000"]
    )
    assert book == PriceBook(
        {"desktop": 18_000_000, "printer": 9_000_000},
        {"desktop": 3_500_000},
        {"A12": 25_000_000, "Dx-1": 7_000_000},
    )


@pytest.mark.parametrize(
    ("reference", "kind", "action", "cap", "expected"),
    [
        ("A1", "desktop", "replace", 20, (18, "kind_price")),
        ("A1", "desktop", "add", 20, (18, "kind_price")),
        ("A1", "laptop", "replace", 20, (20, "price_cap")),
        ("A1", "laptop", "replace", None, (None, "none")),
        # A cap is that of a new machine: it says nothing of an upgrade.
        ("A1", "laptop", "upgrade", 20, (None, "none")),
        ("A1", "desktop", "upgrade", 20, (3, "kind_price")),
        ("A12/Dx", "desktop", "replace", 20, (25, "item_price")),
        ("A12", "laptop", "upgrade", None, (25, "item_price")),
        ("A9/Dy", "desktop", "replace", 20, (7, "item_price")),
    ],
)
def test_which_price_is_taken(reference, kind, action, cap, expected):
    book = PriceBook({"desktop": 18}, {"desktop": 3}, {"A12": 25, "Dy": 7})
    assert book.price(reference, kind, action, cap) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["desktop"], "--price: “desktop”; expected KIND=PRICE"),
        (["dektop=5000000"], "“dektop” is no kind of equipment.*desktop"),
        (["other=5000000"], "“other” is no kind"),
        (["=5000000"], "“” is no kind"),
        (["desktop=-5"], "“-5” is no price; expected whole đồng"),
        (["desktop=0"], "“0” is no price"),
        (["desktop=999"], "“999” is no price"),
        (["desktop=abc"], "“abc” is no price"),
        (["desktop=99999999999999999"], "is no price"),
        (["desktop=18000000", "máy tính=17000000"], "has a price already"),
        (["A1=18000000", "A1=17000000"], "has a price already"),
    ],
)
def test_unusable_prices_are_refused(words, said):
    with pytest.raises(PlanInputError, match=said):
        prices_from_words(words)


GOOD = PriceBook({"desktop": 18_000_000}, {"laptop": 3_000_000}, {"A12": 5_000_000})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gia.toml", "[new]\ndesktop = 18_000_000\n[upgrade]\nlaptop = 3_000_000\n[item]\nA12 = 5_000_000"),
        ("gia.csv", "kind;price_vnd\ndesktop;18.000.000\n\nupgrade:laptop;3000000\nA12;5000000"),
        ("gia.csv", "\ufeffGhi chú,Loại,Đơn giá\nx,máy bộ,18000000\n,upgrade:laptop,3 triệu\n,item:A12,5000000\n"),
    ],
)
def test_prices_of_a_file(name, text):
    assert prices_from_file(name, text.encode()) == GOOD


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("g.toml", b"[new]\ndesktop = 1.5", r"g.toml, \[new\] desktop: “1.5” is no price"),
        ("g.toml", b"[new]\ndesktop = true", "“True” is no price"),
        (
            "g.toml",
            b"[old]\ndesktop = 18000000",
            r"“old” is not known; expected .*\[new\], \[upgrade\], \[item\]",
        ),
        ("g.toml", b"desktop = 18000000", "“desktop” is not known"),
        ("g.toml", b"[new", "g.toml: "),
        ("g.csv", b"", "g.csv: the file is empty"),
        ("g.csv", b"a;b\n1;2", "g.csv:1: the titles are “a;b”; expected kind;price_vnd"),
        ("g.csv", b"kind;price_vnd\ndesktop", "g.csv:2: the row is too short"),
        ("g.csv", b"kind;price_vnd\ndesktop;18000000\n\nscreen saver;1000000", "g.csv:4: “screen saver” is no kind"),
        ("g.csv", b"kind;price_vnd\ndesktop;\n", "g.csv:2: “” is no price"),
        ("g.csv", b"\xff\xfek\0i\0", "g.csv: not UTF-8 at byte 0"),
    ],
)
def test_unusable_price_files_are_refused_with_file_and_row(name, data, said):
    with pytest.raises(PlanInputError, match=said):
        prices_from_file(name, data)


def test_given_prices_outweigh_the_file():
    assert GOOD.updated(PriceBook({"desktop": 1, "printer": 2})) == PriceBook(
        {"desktop": 1, "printer": 2}, GOOD.upgrades, GOOD.items
    )


def test_ceilings_of_words():
    made = ceilings_from_words(["2027=1.000.000.000", "2026=5 tỷ", "2026:dang=3000000000", "2026:mttq=0"])
    assert made.ordered_years == (2026, 2027)
    assert made.years == {2026: 5 * 10**9, 2027: 10**9}
    assert made.blocks == {(2026, "dang"): 3 * 10**9, (2026, "mttq"): 0}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no ceiling is given"),
        (["2026"], "expected YEAR=AMOUNT"),
        (["=5"], "expected YEAR=AMOUNT"),
        (["2026-5000000000"], "expected YEAR=AMOUNT"),
        (["2106=5000000000"], "2106 is no budget year; expected 2020 to 2050"),
        (["1" * 5000 + "=5000000000"], "no budget year"),
        (["2026=-5"], "“-5” is no amount"),
        (["2026="], "“” is no amount"),
        (["2026=5e9"], "“5e9” is no amount"),
        (["2026=99999999999999999"], "is no amount; expected whole đồng from 0 to 10.000.000.000.000"),
        (["2026=5000000000", "2026=6000000000"], "given twice"),
        (["2026=5000000000", "2026:dang=1000", "2026:dang=2000"], "given twice"),
        (["2026=5000000000", "2026:party=1000"], "“party” is no block; expected one of dang, mttq, chinh-quyen"),
        (["2026=5000000000", "2026:=1000"], "“” is no block"),
        (["2026:dang=1000"], "the year 2026 as a whole has no ceiling"),
        (["2026=5000", "2026:dang=6000"], "more than the year's own ceiling; expected at most 5000"),
    ],
)
def test_unusable_ceilings_are_refused(words, said):
    with pytest.raises(PlanInputError, match=said):
        ceilings_from_words(words)
