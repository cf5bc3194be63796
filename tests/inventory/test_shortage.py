"""The balance against the headcount: rounding, multifunction devices, blocks, secret work, and what is not known."""

from __future__ import annotations

import datetime as dt
import itertools
import tomllib
from collections import Counter
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.assets import AssetValues, RegisteredAsset
from inventory.investment import build_investment_list
from inventory.norms import load_norms, norms_from
from inventory.staffing.model import Staffing

AS_OF = dt.date(2026, 11, 21)
UNIT = "17827"


def staff(block="chinh-quyen", unit=UNIT, **groups):
    return [Staffing(unit, block, group, count, AS_OF) for group, count in groups.items()]


def asset(number, kind, block="chinh-quyen", unit=UNIT, year=2024, quantity=1, **values):
    known = {"name": f"Thiết bị {number}", "year_put_into_use": year, "quantity": quantity, "block": block}
    return RegisteredAsset(number, f"k{number}", AssetValues(unit_code=unit, kind=kind, **(known | values)), 1)


def balanced(assets=(), staffing=(), **options):
    return build_investment_list([], list(assets), as_of=AS_OF, staffing=list(staffing), **options)


def row(whole, kind, block="chinh-quyen", unit=UNIT):
    (found,) = [one for one in whole.shortages if (one.unit_code, one.block, one.kind) == (unit, block, kind)]
    return found


def said(one):
    return " ".join(reason.render() for reason in one.reasons)


def test_the_norm_of_a_commune():
    whole = balanced(staffing=[*staff("dang", VI=1, VII=1, VIII=10), *staff(VI=0, VII=4, VIII=40)])
    party = {one.kind: one.norm_quantity for one in whole.shortages if one.block == "dang"}
    # 12 people: 1 laptop and 1 desktop of group VI, 11 of the others; 2 + ceil(10/3) printers; ceil(12/15).
    assert party == {"laptop": 1, "desktop": 12, "printer": 6, "scanner": 1, "shredder": 1, "copier": 1}
    state = {one.kind: one.norm_quantity for one in whole.shortages if one.block == "chinh-quyen"}
    assert state == {"laptop": 0, "desktop": 44, "printer": 4 + 14, "scanner": 3, "shredder": 3, "copier": 3}
    assert row(whole, "laptop", "dang").price_cap_vnd == 25_000_000
    assert row(whole, "desktop").price_cap_vnd == 20_000_000
    assert row(whole, "copier").amount_vnd == 3 * 110_000_000
    assert row(whole, "printer").article == "Quyết định 10/2026/QĐ-TTg, Mục A; Mục B"
    assert row(whole, "printer").confidence == "medium"


@pytest.mark.parametrize(("people", "printers", "scanners"), [(1, 1, 1), (3, 1, 1), (4, 2, 1), (15, 5, 1), (16, 6, 2)])
def test_fractions_round_up(people, printers, scanners):
    whole = balanced(staffing=staff(VIII=people))
    assert (row(whole, "printer").to_add, row(whole, "scanner").to_add) == (printers, scanners)


def test_only_usable_pieces_count_and_a_replacement_is_not_bought_twice():
    assets = [
        asset(1, "desktop", year=2024, quantity=3),
        asset(2, "desktop", year=2010, quantity=4),
        asset(3, "desktop", year=2018, condition="Hỏng"),
        asset(4, "desktop", year=2024, condition="Hỏng"),
    ]
    one = row(balanced(assets, staff(VIII=10)), "desktop")
    # 3 usable, 4 replaced by new ones, 1 broken and expired goes, 1 broken is left to a person: 3 more are lacking.
    assert (one.norm_quantity, one.usable, one.to_replace, one.to_add) == (10, 3, 4, 3)
    assert "1 broken pieces" in said(one)
    full = row(balanced(assets[:2], staff(VIII=5)), "desktop")
    assert (full.usable, full.to_replace, full.to_add) == (3, 4, 0)
    assert "2 of the pieces proposed for replacement are above the norm of 5" in said(full)


def test_one_of_desktop_laptop_tablet_a_person_and_both_for_group_vi():
    mixed = balanced(
        [asset(1, "desktop", quantity=3), asset(2, "laptop", quantity=2), asset(3, "tablet")], staff(VIII=6)
    )
    assert (row(mixed, "desktop").usable, row(mixed, "desktop").to_add, row(mixed, "laptop").to_add) == (6, 0, 0)
    laptops = balanced([asset(1, "laptop", quantity=4)], staff(VI=1, VIII=2))
    # Three meet the laptop and the two people; the desktop of group VI is met by a desktop only.
    assert (row(laptops, "laptop").to_add, row(laptops, "desktop").to_add, row(laptops, "desktop").surplus) == (0, 1, 1)


def test_a_multifunction_device_is_counted_once_for_its_dearest_open_function():
    one = balanced([asset(1, "multifunction")], staff(VIII=15))
    assert [row(one, kind).to_add for kind in ("copier", "scanner", "printer")] == [0, 1, 5]
    assert [row(one, kind).usable for kind in ("copier", "scanner", "printer")] == [1, 0, 0]
    four = balanced([asset(1, "multifunction", quantity=4), asset(2, "copier")], staff(VIII=15))
    assert [row(four, kind).to_add for kind in ("copier", "scanner", "printer")] == [0, 0, 2]
    assert "3 multifunction devices" in said(row(four, "printer"))
    many = balanced([asset(1, "multifunction", quantity=30)], staff(VIII=15))
    assert sum(one.usable for one in many.shortages) == 30
    assert not any(one.surplus for one in many.shortages)


def test_functions_are_in_the_order_of_their_caps():
    caps = load_norms().price_caps_on(AS_OF)
    for several in load_norms().quantities_on(AS_OF).multifunction:
        prices = [caps.of(function).price_vnd for function in several.functions]
        assert prices == sorted(prices, reverse=True)


def test_without_headcount_nothing_is_known_and_nothing_is_zero():
    whole = balanced([asset(1, "printer"), asset(2, "switch")])
    one = row(whole, "printer")
    assert (one.norm_quantity, one.to_add, one.amount_vnd, one.usable, one.surplus) == (None, None, None, 1, 0)
    assert "survey it first" in said(one)
    assert {one.kind for one in whole.shortages} == set(load_norms().quantities_on(AS_OF).items)
    partly = balanced([asset(1, "printer"), asset(2, "printer", block="dang")], staff(VIII=3))
    assert row(partly, "printer").to_add == 0
    assert row(partly, "printer", "dang").to_add is None


def test_a_group_that_the_survey_does_not_name_is_told():
    one = row(balanced(staffing=staff(VIII=3)), "printer")
    assert "No staff of group VI, VII is stated" in said(one)
    assert "No staff" not in said(row(balanced(staffing=staff(VI=0, VII=0, VIII=3)), "printer"))


def test_pieces_of_no_stated_block_are_counted_before_anything_is_bought():
    assets = [asset(1, "desktop", block=None, quantity=5)]
    whole = balanced(assets, [*staff("dang", VIII=2), *staff(VIII=2)])
    assert [
        (row(whole, "desktop", block).usable, row(whole, "desktop", block).to_add) for block in ("dang", "chinh-quyen")
    ] == [
        (2, 0),
        (2, 0),
    ]
    assert "2 pieces of no stated block" in said(row(whole, "desktop", "dang"))
    rest = row(whole, "desktop", "")
    assert (rest.usable, rest.norm_quantity, rest.to_add) == (1, None, None)


def test_secret_work_is_neither_at_hand_nor_above_the_norm():
    assets = [asset(1, "desktop", quantity=2), asset(2, "desktop", name="Máy soạn thảo mật", quantity=3)]
    whole = balanced(assets, staff(VIII=2))
    one = row(whole, "desktop")
    assert (one.usable, one.to_add, one.surplus) == (2, 0, 0)
    assert "3 pieces for state-secret work" in said(one)
    assert {each.recommendation for each in whole.judged} == {"keep"}


def test_what_is_above_the_norm_is_transferred_the_longest_in_use_first():
    assets = [asset(n, "desktop", year=2019 + n) for n in range(1, 5)]
    poor = staff("chinh-quyen", "16681", VIII=1)
    whole = balanced(assets, [*staff(VIII=2), *poor])
    moved = {one.item.reference: one for one in whole.judged if one.recommendation == "transfer"}
    assert set(moved) == {"A1", "A2"}
    reasons = said(moved["A1"])
    assert "4 usable pieces of this kind; the norm by headcount is 2" in reasons
    assert "1 other offices lack this kind" in reasons
    assert [basis.article for basis in moved["A1"].legal_basis] == ["Điều 42.1.b"]
    assert "2 usable pieces of this kind are above the norm elsewhere" in said(row(whole, "desktop", unit="16681"))


def test_nothing_without_a_norm_is_ever_above_it():
    kinds = [
        "switch",
        "router",
        "firewall",
        "ups",
        "video_conference",
        "server",
        "access_point",
        "monitor",
        "projector",
    ]
    assets = [asset(n, kind, quantity=50) for n, kind in enumerate(kinds, 1)]
    whole = balanced(assets, staff(VIII=1))
    assert {one.recommendation for one in whole.judged} == {"keep"}
    assert not {one.kind for one in whole.shortages} & set(kinds)


def test_pieces_of_no_known_block_or_headcount_are_not_transferred():
    assert {one.recommendation for one in balanced([asset(1, "printer", quantity=9)]).judged} == {"keep"}
    loose = balanced([asset(n, "printer", block=None) for n in range(1, 9)], staff(VIII=1))
    assert {one.recommendation for one in loose.judged} == {"keep"}


def test_one_block_alone():
    whole = balanced([asset(1, "printer", block="dang")], [*staff("dang", VIII=3), *staff(VIII=3)], block="dang")
    assert {one.block for one in whole.shortages} == {"dang"}
    assert [one.kind for one in whole.additions] == ["desktop", "scanner", "shredder", "copier"]


def test_the_law_is_that_of_the_day():
    people = staff(VIII=3)
    assert balanced(staffing=people).quantities.title == "Quyết định 10/2026/QĐ-TTg"
    earlier = build_investment_list([], [], as_of=dt.date(2026, 3, 8), staffing=people)
    assert row(earlier, "printer").article.startswith("Quyết định 15/2025/QĐ-TTg")
    assert build_investment_list([], [], as_of=dt.date(2025, 6, 30), staffing=people).shortages == ()


def test_what_is_given_under_annex_c_has_no_cap():
    folder = files("inventory.norms")
    texts = {item.name: item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".toml")}
    texts["quantities_2026.toml"] += """
[[rule]]
item = "video_conference"
met_by = ["video_conference"]
post_groups = ["VI", "VII", "VIII"]
staff_per_piece = 5000
annex = "C"
article = "Mục C"
confidence = "low"
"""
    one = row(balanced(staffing=staff(VIII=9), norms=norms_from(texts)), "video_conference")
    assert (one.to_add, one.price_cap_vnd, one.amount_vnd, one.confidence) == (1, None, None, "low")


def test_unconfirmed_figures_are_footnotes():
    notes = " ".join(note.render() for note in balanced(staffing=staff(VIII=3)).footnotes)
    assert "not confirmed" in notes
    assert balanced([asset(1, "printer")]).footnotes == ()
    old = " ".join(note.render() for note in balanced([asset(1, "printer", year=2010)]).footnotes)
    assert "Điều 45.1.a" in old


KINDS = ("desktop", "laptop", "tablet", "printer", "multifunction", "scanner", "shredder", "copier", "switch")


@given(
    pieces=st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.sampled_from(["dang", "chinh-quyen", None]),
            st.integers(1, 4),
            st.sampled_from([2010, 2018, 2024]),
        ),
        max_size=12,
    ),
    people=st.tuples(*[st.integers(0, 20)] * 3),
)
def test_every_piece_is_counted_once_and_no_more_is_bought_than_is_lacking(pieces, people):
    assets = [
        asset(n, kind, block, year=year, quantity=count) for n, (kind, block, count, year) in enumerate(pieces, 1)
    ]
    staffing = [*staff("dang", VI=people[0], VIII=people[1]), *staff(VII=people[2])]
    whole = balanced(assets, staffing)
    counted = sum(one.usable + one.to_replace for one in whole.shortages)
    assert counted == sum(count for kind, _, count, _ in pieces if kind != "switch")
    for one in whole.shortages:
        if one.norm_quantity is None:
            continue
        assert one.to_add >= max(0, one.norm_quantity - one.usable - one.to_replace)
        assert one.to_add <= one.norm_quantity
    lacking = {(one.block, one.kind): one.to_add for one in whole.shortages if one.block}
    # With nothing at hand everything is to be added; what is at hand never makes it more.
    bare = {(one.block, one.kind): one.to_add for one in balanced(staffing=staffing).shortages}
    assert all(lacking[key] <= bare[key] for key in lacking)
    moved = Counter()
    for one in whole.judged:
        if one.recommendation == "transfer":
            moved[one.item.block] += one.item.quantity
    for block in moved:
        assert moved[block] <= sum(one.surplus for one in whole.shortages if one.block == block)


def test_rules_of_fewer_kinds_come_before_those_of_more():
    """Pieces are taken rule by rule, which is only best where a stricter rule takes first."""
    for name in ("quantities_2025.toml", "quantities_2026.toml"):
        rules = tomllib.loads(files("inventory.norms").joinpath(name).read_text(encoding="utf-8"))["rule"]
        for first, second in itertools.combinations(rules, 2):
            assert not set(second["met_by"]) < set(first["met_by"]), (name, first["item"], second["item"])
