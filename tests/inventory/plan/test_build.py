"""From a list to a plan, what moved between two plans, and the plan as JSON."""

from __future__ import annotations

import json

import pytest

from agent.wire.message import Message
from inventory.plan import Addition, Ceilings, PriceBook, additions_of, build_plan, compare, load_weights, weights_from
from inventory.plan.candidates import candidates_of
from inventory.plan.json import comparison_as_dict, write_json
from inventory.shortage import Shortage

MILLION = 10**6
WIDE = Ceilings({2026: 10**12})


def english(text):
    return text


def where(plan):
    """Reference -> where its pieces are."""
    found = {}
    for year in plan.years:
        for item in year.items:
            found.setdefault(item.candidate.reference, {})[year.year] = item.quantity
    for item in plan.waiting:
        found.setdefault(item.candidate.reference, {})["waiting"] = item.quantity
    for item in plan.unpriced:
        found.setdefault(item.candidate.reference, {})["unpriced"] = item.candidate.quantity
    return found


@pytest.fixture
def whole(listed, asset):
    return listed(
        assets=[
            asset(1, year_put_into_use=2010, condition="hỏng", block="dang"),
            asset(2, "Máy tính", "desktop", year_put_into_use=2012, quantity=5, block="chinh-quyen"),
            asset(3, "Switch", "switch", year_put_into_use=2009),
            asset(4, "Máy scan", "scanner"),
            asset(5, year_put_into_use=2025),
            asset(6, "Máy chủ", "server", "17827", year_put_into_use=2013, block="dang"),
        ]
    )


def shortage(**values):
    known = {
        "unit_code": "16681",
        "block": "dang",
        "kind": "laptop",
        "norm_quantity": 9,
        "usable": 6,
        "to_replace": 1,
        "to_add": 2,
        "surplus": 0,
        "price_cap_vnd": 20 * MILLION,
        "article": "Mục A",
        "confidence": "high",
        "reasons": (Message("Two posts have none."),),
    }
    return Shortage(**(known | values))


def test_every_candidate_is_planned_waits_or_has_no_price(whole):
    plan = build_plan(whole, Ceilings({2026: 70 * MILLION, 2027: 20 * MILLION}))
    # The uncertain scanner and the new printer are no candidates; switch and server have no cap.
    assert where(plan) == {
        "A1": {2026: 1},
        "A2": {2026: 2, 2027: 1, "waiting": 2},
        "A3": {"unpriced": 1},
        "A6": {"unpriced": 1},
    }
    assert [item.reason.render() for item in plan.unpriced] == [
        "The norm sets no price cap for it, and no price is given for this kind or this item."
    ] * 2
    assert (plan.spent_vnd, plan.waiting_vnd) == (73 * MILLION, 40 * MILLION)
    assert [notice.render() for notice in plan.notices] == [
        "Items not in the plan because they must be verified by a person first: 1."
    ]


def test_the_offices_prices_let_everything_be_planned_and_a_price_above_the_cap_is_said(whole):
    book = PriceBook({"desktop": 23 * MILLION, "server": 90 * MILLION}, {}, {"A3": 31 * MILLION, "A99": 5 * MILLION})
    plan = build_plan(whole, WIDE, prices=book)
    assert where(plan) == {"A1": {2026: 1}, "A2": {2026: 5}, "A3": {2026: 1}, "A6": {2026: 1}}
    assert plan.spent_vnd == (13 + 5 * 23 + 31 + 90) * MILLION
    sources = {item.candidate.reference: item.candidate.price_source for item in plan.years[0].items}
    assert sources == {"A1": "price_cap", "A2": "kind_price", "A3": "item_price", "A6": "kind_price"}
    notes = {item.candidate.reference: item.candidate.notes for item in plan.years[0].items}
    (note,) = notes["A2"]
    assert note.render().startswith(
        "The price given is 15 percent (rounded up) above the price cap of 20.000.000 đồng;"
    )
    assert not notes["A1"]
    assert not notes["A3"]
    assert plan.notices[-1].render() == "Prices were given for items that are not on the list: A99."


def test_a_plan_for_one_block_keeps_the_scores_and_says_who_is_missing(whole):
    plan = build_plan(whole, WIDE, prices=PriceBook({"switch": MILLION}), block="dang")
    assert set(where(plan)) == {"A1", "A6"}
    everything = build_plan(whole, WIDE)
    assert plan.years[0].items[0].candidate == everything.years[0].items[0].candidate
    assert plan.notices[-1].render() == "Items not in the plan because their block is not known: 1."


def test_a_blocks_ceiling_holds_and_items_of_unknown_block_are_said(whole):
    ceilings = Ceilings({2025: 0, 2026: 10**9}, {(2026, "chinh-quyen"): 45 * MILLION})
    plan = build_plan(whole, ceilings, prices=PriceBook({"switch": MILLION}))
    assert where(plan)["A2"] == {2026: 2, "waiting": 3}
    blocks = {block.block: (block.ceiling_vnd, block.spent_vnd, block.leftover_vnd) for block in plan.years[1].blocks}
    assert blocks == {
        "chinh-quyen": (45 * MILLION, 40 * MILLION, 5 * MILLION),
        "dang": (None, 13 * MILLION, None),
        None: (None, MILLION, None),
    }
    said = [notice.render() for notice in plan.notices]
    assert "Budget years that are over: 2025." in said
    assert "Items whose block is not known, which count towards the year's ceiling alone: 1." in said


def test_what_units_are_short_of_is_planned_too(whole):
    added = additions_of(
        [shortage(), shortage(kind="desktop", to_add=0), shortage(kind="printer", to_add=None, block="")]
    )
    assert [one.reference for one in added] == ["S16681/dang/laptop"]
    plan = build_plan(whole, WIDE, additions=added)
    (item,) = [one for one in plan.years[0].items if one.candidate.action == "add"]
    assert (item.quantity, item.amount_vnd, item.candidate.block) == (2, 40 * MILLION, "dang")
    need = item.candidate.score.parts[-1]
    # Five old computers of five, and two missing.
    assert (need.code, need.value_ratio) == ("unit_need", 1.0)
    assert need.reason.parameters["missing"] == 2


def test_an_addition_without_a_price_is_set_apart(whole):
    added = Addition("S1", "16681", None, "ups", "UPS", 3)
    assert where(build_plan(whole, WIDE, additions=[added]))["S1"] == {"unpriced": 3}
    assert where(build_plan(whole, WIDE, additions=[added], prices=PriceBook({"ups": MILLION})))["S1"] == {2026: 3}


def test_two_candidates_with_one_reference_are_refused(whole):
    with pytest.raises(ValueError, match="two candidates have the reference A1"):
        build_plan(whole, WIDE, additions=[Addition("A1", "16681", None, "ups", "UPS", 3)])


def test_an_upgrade_costs_what_the_office_says_and_one_that_needs_nothing_is_no_candidate(listed, device, old_facts):
    facts = old_facts | {
        "system": [{"manufacturer": "Dell Inc.", "product": "OptiPlex 3060", "serial": "NEW5678"}],
        "processor": [{"manufacturer": "Intel", "version": "Intel(R) Core(TM) i5-8500 CPU @ 3.00GHz"}],
        "bios": [{"vendor": "Dell Inc.", "release_date": "03/25/2019"}],
        "dell_revisions": [{"manufacture_date": "20190410", "first_power_on_date": "20190602"}],
        "disk": [{"device": "sda", "size_bytes": 500 * 10**9}],
        "tpm_version": "2.0",
        "secure_boot_capable": True,
    }
    little = facts | {"memory_device": [{"size_bytes": 2 << 30}]}
    enough = facts | {"memory_device": [{"size_bytes": 8 << 30}]}
    whole = listed([device("little", little), device("enough", enough)])
    assert {one.item.reference: one.recommendation for one in whole.not_listed} == {
        "Dlittle": "upgrade",
        "Denough": "upgrade",
    }
    plan = build_plan(whole, WIDE)
    assert where(plan) == {"Dlittle": {"unpriced": 1}}
    assert plan.unpriced[0].reason.render() == "No price of an upgrade is given for this kind or this item."
    plan = build_plan(whole, WIDE, prices=PriceBook(upgrades={"desktop": 2 * MILLION}))
    (item,) = plan.years[0].items
    assert (item.candidate.action, item.amount_vnd) == ("upgrade", 2 * MILLION)


def test_other_weights_make_another_order(whole, pytestconfig):
    text = (pytestconfig.rootpath / "inventory/data/plan_weights.toml").read_text(encoding="utf-8")
    ages_only = text.replace("weight = 20\nunknown", "weight = 0\nunknown")
    for weight in (10, 15):
        ages_only = ages_only.replace(f"weight = {weight}\n", "weight = 0\n")
    ages_only = ages_only.replace("weight = 0\n", "weight = 100\n", 1)
    one = build_plan(whole, WIDE, prices=PriceBook({"switch": MILLION}), weights=weights_from("w", ages_only))
    # Seventeen and sixteen years are both beyond the scale; then the older goes first.
    assert [item.candidate.reference for item in one.years[0].items] == ["A3", "A1", "A2"]
    other = build_plan(whole, WIDE, prices=PriceBook({"switch": MILLION}))
    assert other.years[0].items[0].candidate.reference == "A1"


def test_what_if_tells_what_moved(whole):
    before = build_plan(whole, Ceilings({2026: 70 * MILLION, 2027: 20 * MILLION}))
    assert compare(before, before).moves == ()
    after = build_plan(
        whole, Ceilings({2026: 100 * MILLION, 2028: 20 * MILLION}), prices=PriceBook({"switch": 5 * MILLION})
    )
    made = compare(before, after)
    moved = {move.candidate.reference: (move.before, move.after) for move in made.moves}
    assert set(moved) == {"A2", "A3"}
    assert moved["A2"][0].years == ((2026, 2), (2027, 1))
    assert (moved["A2"][1].years, moved["A2"][1].waiting) == (((2026, 4), (2028, 1)), 0)
    assert (moved["A3"][0].unpriced, moved["A3"][1].years) == (1, ((2026, 1),))
    assert [(year.year, year.spent_before_vnd, year.spent_after_vnd) for year in made.years] == [
        (2026, 53 * MILLION, 98 * MILLION),
        (2027, 20 * MILLION, None),
        (2028, None, 20 * MILLION),
    ]
    assert (made.waiting_before_vnd, made.waiting_after_vnd) == (40 * MILLION, 0)
    told = comparison_as_dict(made, english)
    assert next(move for move in told["moves"] if move["reference"] == "A2")["before"] == {
        "years": {"2026": 2, "2027": 1},
        "waiting": 2,
        "unpriced": 0,
        "unit_price_vnd": 20 * MILLION,
    }
    assert json.dumps(told)


def test_what_if_tells_what_came_and_went(whole, listed):
    made = compare(build_plan(whole, WIDE), build_plan(listed(), WIDE))
    assert [(move.candidate.reference, move.after) for move in made.moves] == [
        ("A1", None),
        ("A2", None),
        ("A3", None),
        ("A6", None),
    ]


def test_a_changed_price_alone_is_a_move(whole):
    dearer = build_plan(whole, WIDE, prices=PriceBook({"printer": 14 * MILLION}))
    (move,) = compare(build_plan(whole, WIDE), dearer).moves
    assert (move.before.amount_vnd, move.after.amount_vnd) == (13 * MILLION, 14 * MILLION)


def test_json_tells_everything_and_adds_up(whole):
    ceilings = Ceilings({2026: 200 * MILLION, 2027: 20 * MILLION}, {(2026, "chinh-quyen"): 45 * MILLION})
    plan = build_plan(whole, ceilings, additions=additions_of([shortage()]))
    told = json.loads(write_json(plan, english))
    assert told["ceilings"] == {"2026": 200 * MILLION, "2027": 20 * MILLION}
    assert told["block_ceilings"] == [{"year": 2026, "block": "chinh-quyen", "ceiling_vnd": 45 * MILLION}]
    for year in told["years"]:
        assert sum(item["amount_vnd"] for item in year["items"]) == year["spent_vnd"]
        assert year["spent_vnd"] + year["leftover_vnd"] == year["ceiling_vnd"]
        for item in year["items"]:
            assert item["amount_vnd"] == item["quantity"] * item["unit_price_vnd"]
            assert item["score"] == pytest.approx(sum(part["points"] for part in item["parts"]))
            assert {part["code"] for part in item["parts"]} == {part.code for part in load_weights().parts}
            assert item["planned_year"] == year["year"]
    assert sum(year["spent_vnd"] for year in told["years"]) == told["totals"]["planned_vnd"]
    assert sum(item["amount_vnd"] for item in told["waiting"]) == told["totals"]["waiting_vnd"]
    assert {item["reference"] for item in told["unpriced"]} == {"A3", "A6"}
    desktops = [item for item in told["waiting"] if item["reference"] == "A2"]
    assert desktops[0]["waited"][0]["ceiling"] == "block"
    assert desktops[0]["waited"][0]["reason"] == (
        "2026: one piece costs 20.000.000 đồng; "
        "at its turn 5.000.000 đồng was left of the ceiling for the block State bodies."
    )
    assert desktops[0]["reason"].startswith("2027: one piece costs 20.000.000 đồng; at its turn 0 đồng was left")
    assert len(told["method"]) == 3


def test_ten_thousand_lines_are_planned_and_written_in_seconds(listed, asset):
    import time

    kinds = ("desktop", "laptop", "printer", "scanner", "switch")
    whole = listed(
        assets=[
            asset(
                n,
                f"Thiết bị {n}",
                kinds[n % 5],
                ("16681", "17827", "16732")[n % 3],
                year_put_into_use=2005 + n % 11,
                condition=("tốt", "hỏng", None)[n % 3],
                block=("dang", "mttq", "chinh-quyen", None)[n % 4],
            )
            for n in range(10_000)
        ]
    )
    ceilings = Ceilings(dict.fromkeys(range(2026, 2031), 5 * 10**9), {(2026, "dang"): 10**9})
    started = time.monotonic()
    plan = build_plan(whole, ceilings)
    data = write_json(plan, english)
    # Some two seconds here on a busy machine.
    assert time.monotonic() - started < 15
    assert len(candidates_of(whole, load_weights())) == 10_000
    told = json.loads(data)
    assert len(told["unpriced"]) == 2000
    assert all(year["leftover_vnd"] < 13 * MILLION for year in told["years"])
