"""What each part of the score says, and that what is not known is said and counts as stated."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.message import Message
from inventory.items import Item
from inventory.operating_systems import OperatingSystemSupport
from inventory.plan.candidates import COMPUTER_KINDS, candidates_of
from inventory.plan.score import Signals, UnitNeed, score
from inventory.plan.weights import PART_CODES, load_weights

AS_OF = dt.date(2026, 11, 21)
LAW = load_weights()


def support(state, ends=None, *, newer=False):
    return OperatingSystemSupport(state, "Windows", ends, None, newer, (Message("Windows"),))


def judged(code, **known):
    signals = Signals(**({"is_addition": False, "is_computer": True} | known))
    made = score(signals, LAW, as_of=AS_OF, threshold_years=10)
    return next(part for part in made.parts if part.code == code)


@pytest.mark.parametrize(
    ("code", "known", "state", "value"),
    [
        ("age", {"age_months": 120}, "known", 0.0),
        ("age", {"age_months": 100}, "known", 0.0),
        ("age", {"age_months": 150}, "known", 0.5),
        ("age", {"age_months": 180}, "known", 1.0),
        ("age", {"age_months": 400}, "known", 1.0),
        ("age", {}, "unknown", 0.5),
        ("age_certainty", {"over": "yes", "certainty": "high"}, "known", 1.0),
        ("age_certainty", {"over": "yes", "certainty": "medium"}, "known", 0.8),
        ("age_certainty", {"over": "yes", "certainty": "low"}, "known", 0.5),
        ("age_certainty", {"over": "yes", "certainty": "register"}, "known", 0.8),
        ("age_certainty", {"over": "uncertain", "certainty": "high"}, "unknown", 0.5),
        ("expired", {"expired": "yes"}, "known", 1.0),
        ("expired", {"expired": "no"}, "known", 0.0),
        ("expired", {}, "unknown", 0.5),
        ("condition", {"condition": "broken"}, "known", 1.0),
        ("condition", {"condition": "usable"}, "known", 0.5),
        ("condition", {"condition": "good"}, "known", 0.0),
        ("condition", {}, "unknown", 0.5),
        ("os_support", {"support": support("out_of_support", dt.date(2020, 1, 14))}, "known", 1.0),
        ("os_support", {"support": support("supported", AS_OF)}, "known", 0.5),
        ("os_support", {"support": support("supported", dt.date(2028, 11, 21))}, "known", 0.5),
        ("os_support", {"support": support("supported", dt.date(2028, 11, 22))}, "known", 0.0),
        ("os_support", {"support": support("supported", AS_OF, newer=True)}, "known", 0.0),
        ("os_support", {"support": support("unknown", AS_OF)}, "unknown", 0.5),
        ("os_support", {}, "unknown", 0.5),
        ("os_support", {"is_computer": False}, "not_applicable", 0.5),
        ("health", {"findings": ()}, "known", 0.0),
        ("health", {"findings": (Message("disk"),)}, "known", 0.5),
        ("health", {"findings": (Message("disk"),) * 5}, "known", 1.0),
        ("health", {"findings": (Message("Latency to {target}.", {"target": "gateway"}),)}, "known", 0.0),
        ("health", {}, "unknown", 0.5),
        ("health", {"is_computer": False}, "not_applicable", 0.5),
        ("unit_need", {"need": UnitNeed(10, 4, 0)}, "known", 0.4),
        ("unit_need", {"need": UnitNeed(6, 3, 2)}, "known", 0.625),
        ("unit_need", {"need": UnitNeed(0, 0, 2)}, "known", 1.0),
        ("unit_need", {"need": UnitNeed(0, 0, 0)}, "unknown", 0.5),
        ("unit_need", {}, "unknown", 0.5),
    ],
)
def test_parts(code, known, state, value):
    part = judged(code, **known)
    assert (part.state, part.value_ratio) == (state, value)
    assert part.points == pytest.approx(value * part.weight)
    assert part.reason.render()


def test_an_addition_counts_as_the_weights_say_and_its_units_need_is_computed():
    made = score(
        Signals(is_addition=True, is_computer=True, need=UnitNeed(5, 2, 5)), LAW, as_of=AS_OF, threshold_years=10
    )
    states = {part.code: (part.state, part.value_ratio) for part in made.parts}
    assert states.pop("unit_need") == ("known", 0.7)
    assert states == {
        code: ("not_applicable", LAW.part(code).addition_percent / 100) for code in PART_CODES if code != "unit_need"
    }


_SIGNALS = st.builds(
    Signals,
    is_addition=st.booleans(),
    is_computer=st.booleans(),
    age_months=st.none() | st.integers(0, 600),
    over=st.sampled_from(["yes", "no", "uncertain"]),
    certainty=st.sampled_from(["high", "medium", "low", "register", None]),
    expired=st.sampled_from(["yes", "no", "uncertain"]),
    condition=st.sampled_from(["good", "usable", "broken", None]),
    support=st.none()
    | st.builds(support, st.sampled_from(["supported", "out_of_support", "unknown"]), st.none() | st.dates()),
    findings=st.none() | st.lists(st.just(Message("x")), max_size=5).map(tuple),
    need=st.none() | st.builds(UnitNeed, st.integers(0, 50), st.just(0), st.integers(0, 50)),
)


@given(signals=_SIGNALS)
def test_every_score_is_the_sum_of_its_parts_and_0_to_100(signals):
    made = score(signals, LAW, as_of=AS_OF, threshold_years=10)
    assert [part.code for part in made.parts] == [part.code for part in LAW.parts]
    assert 0 <= made.points <= 100
    assert made.points == pytest.approx(sum(part.points for part in made.parts))
    assert all(0 <= part.value_ratio <= 1 for part in made.parts)


def test_computers_are_those_that_items_call_so(asset):
    from inventory.equipment import equipment_kinds

    for kind in equipment_kinds():
        if kind != "other":
            assert Item(None, asset(1, kind=kind)).is_computer == (kind in COMPUTER_KINDS)


def parts_of(one):
    return {part.code: (part.state, part.value_ratio) for part in one.score.parts}


def test_a_terminal_on_the_list(listed, device, asset):
    finding = Message("Disk is failing.")
    pc = asset(7, "Máy tính", "desktop", serial="ABC1234", year_put_into_use=2013, condition="Hỏng", block="dang")
    whole = listed([device("d", findings=(finding,)), device("new", {})], [pc])
    (one,) = candidates_of(whole, LAW)
    assert (one.reference, one.block, one.action, one.quantity) == ("A7/Dd", "dang", "replace", 1)
    assert (one.unit_name, one.unit_price_vnd, one.price_source) == ("Phường Thành Vinh", 20_000_000, "price_cap")
    # Made in April 2013.
    assert one.age_months == 163
    assert parts_of(one) == {
        "age": ("known", 0.716),
        "age_certainty": ("known", 1.0),
        "expired": ("known", 1.0),
        "condition": ("known", 1.0),
        "os_support": ("known", 1.0),
        "health": ("known", 0.5),
        "unit_need": ("known", 0.5),
    }


def test_equipment_without_an_agent(listed, asset):
    (one,) = candidates_of(listed(assets=[asset(1, year_put_into_use=2012, quantity=3)]), LAW)
    assert (one.quantity, one.unit_price_vnd, one.amount_vnd, one.age_months) == (3, 13_000_000, 39_000_000, 168)
    assert parts_of(one) == {
        "age": ("known", 0.8),
        "age_certainty": ("known", 0.8),
        "expired": ("known", 1.0),
        "condition": ("unknown", 0.5),
        "os_support": ("not_applicable", 0.5),
        "health": ("not_applicable", 0.5),
        "unit_need": ("unknown", 0.5),
    }


def test_months_are_whole_ones(listed, asset):
    """On 21 November 2026, counted from the day where the register states one."""
    days = ("2012-11-20", "2012-11-21", "2012-11-22")
    assets = [asset(n, year_put_into_use=2012, put_into_use_on=day) for n, day in enumerate(days)]
    found = {one.reference: one.age_months for one in candidates_of(listed(assets=assets), LAW)}
    assert found == {"A0": 168, "A1": 168, "A2": 167}


def test_the_block_is_no_part_of_the_score(listed, asset):
    assets = [
        asset(number, year_put_into_use=2012, block=block, kind="desktop", name="Máy tính")
        for number, block in enumerate(("dang", "mttq", "chinh-quyen", None))
    ]
    whole = listed(assets=assets)
    everything = candidates_of(whole, LAW)
    assert all(one.score == everything[0].score for one in everything)
    (alone,) = candidates_of(whole, LAW, block="mttq")
    assert alone in everything
