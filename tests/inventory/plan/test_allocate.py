"""Who gets the money: brute force over small cases, and what holds when a ceiling or a candidate changes."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.plan import Ceilings
from inventory.plan.allocate import allocate, ranked

BLOCKS = ("dang", "mttq")


def run(order, ceilings, growth=400):
    return allocate(order, ceilings, price_growth_basis_points=growth, threshold_years=10)


def pieces(order, ceilings):
    """Rank -> pieces in each year."""
    made = run(order, ceilings)
    return tuple(
        tuple(sum(item.quantity for item in year.items if item.rank == rank) for year in made.years)
        for rank in range(1, len(order) + 1)
    )


def room_left(order, bought, ceilings, number, year):
    """What a plan leaves of a year and of each block in it."""
    left = ceilings.years[year] - sum(
        one[number] * each.unit_price_vnd for one, each in zip(bought, order, strict=True)
    )
    blocks = {
        block: most
        - sum(one[number] * each.unit_price_vnd for one, each in zip(bought, order, strict=True) if each.block == block)
        for (of, block), most in ceilings.blocks.items()
        if of == year
    }
    return left, blocks


def feasible(order, bought, ceilings):
    for number, year in enumerate(ceilings.ordered_years):
        left, blocks = room_left(order, bought, ceilings, number, year)
        if min([left, *blocks.values()]) < 0:
            return False
    return True


def every_plan(order, ceilings):
    """All ways to spread each line's pieces over the years or to leave them, within the ceilings."""
    spreads = [
        [
            one
            for one in itertools.product(range(each.quantity + 1), repeat=len(ceilings.years))
            if sum(one) <= each.quantity
        ]
        for each in order
    ]
    return (bought for bought in itertools.product(*spreads) if feasible(order, bought, ceilings))


def no_worse_one_in_its_place(order, bought, ceilings):
    """The exchange property, year by year, as docs/plan.md states it."""
    for number, year in enumerate(ceilings.ordered_years):
        for place, better in enumerate(order):
            waits = better.quantity - sum(bought[place][: number + 1])
            if not waits:
                continue
            price = better.unit_price_vnd
            kept = tuple(one if rank <= place else (0,) * len(one) for rank, one in enumerate(bought))
            left, blocks = room_left(order, kept, ceilings, number, year)
            # Even with all worse-ranked ones of the year taken out, one more piece of the better one has no room.
            assert min(left, blocks.get(better.block, left)) < price
            for worse_place in range(place + 1, len(order)):
                worse = order[worse_place]
                if bought[worse_place][number] and bought[worse_place][number] * worse.unit_price_vnd >= price:
                    assert blocks[better.block] < price
                    assert worse.block != better.block


def test_exhaustive_small_plans_are_the_best_of_all_and_nobody_is_passed_over(candidate):
    """Of all plans there are, ours is the one that serves the best ranked best, then the next, and so on."""
    checked = 0
    for prices in itertools.product((1, 2, 3), repeat=3):
        for blocks in itertools.product(BLOCKS, repeat=3):
            order = [
                candidate(f"A{n}", price, block=block)
                for n, (price, block) in enumerate(zip(prices, blocks, strict=True))
            ]
            for years in itertools.product((0, 2, 3, 5), repeat=2):
                for most in (None, 1, 2):
                    ceilings = Ceilings(
                        {2026: years[0], 2027: years[1]}, {} if most is None else {(2026, "dang"): most}
                    )
                    bought = pieces(order, ceilings)
                    assert bought == max(every_plan(order, ceilings))
                    no_worse_one_in_its_place(order, bought, ceilings)
                    checked += 1
    assert checked == 27 * 8 * 16 * 3


@st.composite
def cases(draw, most_lines=3, most_pieces=3, years=2):
    lines = draw(
        st.lists(
            st.tuples(
                st.integers(1, 6), st.integers(1, most_pieces), st.sampled_from((*BLOCKS, None)), st.integers(0, 3)
            ),
            max_size=most_lines,
        )
    )
    amounts = {2026 + number: draw(st.integers(0, 15)) for number in range(years)}
    blocks = {(year, block): draw(st.integers(0, 15)) for year in amounts for block in BLOCKS if draw(st.booleans())}
    return lines, Ceilings(amounts, blocks)


@pytest.fixture(scope="module")
def order_of(candidate):
    def make(lines):
        return ranked(
            candidate(f"A{n}", price, quantity=quantity, block=block, points=points)
            for n, (price, quantity, block, points) in enumerate(lines)
        )

    return make


@given(case=cases())
@settings(max_examples=150, deadline=None)
def test_lines_of_several_pieces_and_blocks_are_the_best_of_all_plans(order_of, case):
    lines, ceilings = case
    order = order_of(lines)
    bought = pieces(order, ceilings)
    assert bought == max(every_plan(order, ceilings))
    no_worse_one_in_its_place(order, bought, ceilings)


@given(case=cases(most_lines=12, most_pieces=9, years=5))
@settings(max_examples=200, deadline=None)
def test_nothing_is_lost_nothing_overspent_and_nobody_is_passed_over(order_of, case):
    lines, ceilings = case
    order = order_of(lines)
    made = run(order, ceilings)
    bought = pieces(order, ceilings)
    assert feasible(order, bought, ceilings)
    no_worse_one_in_its_place(order, bought, ceilings)
    waiting = {item.rank: item for item in made.waiting}
    for rank, (each, one) in enumerate(zip(order, bought, strict=True), start=1):
        left = waiting[rank].quantity if rank in waiting else 0
        assert sum(one) + left == each.quantity
    for year in made.years:
        assert year.spent_vnd + year.leftover_vnd == year.ceiling_vnd
        assert sum(block.spent_vnd for block in year.blocks) == year.spent_vnd
        assert [item.rank for item in year.items] == sorted(item.rank for item in year.items)
        for item in year.items:
            assert [wait.year for wait in item.waits] == [n for n in ceilings.ordered_years if n < year.year]
            assert all(wait.left_vnd < wait.needed_vnd for wait in item.waits)
    for item in made.waiting:
        assert [wait.year for wait in item.waits] == list(ceilings.ordered_years)


@given(case=cases(most_lines=8, most_pieces=4, years=3), data=st.data())
@settings(max_examples=200, deadline=None)
def test_raising_ceilings_serves_the_best_ranked_line_it_touches_earlier_or_more(order_of, case, data):
    lines, ceilings = case
    order = order_of(lines)
    raised = Ceilings(
        {year: most + data.draw(st.integers(0, 6)) for year, most in ceilings.years.items()},
        {key: most + data.draw(st.integers(0, 6)) for key, most in ceilings.blocks.items()},
    )
    for before, after in zip(pieces(order, ceilings), pieces(order, raised), strict=True):
        if before == after:
            continue
        for until in range(1, len(before) + 1):
            assert sum(after[:until]) >= sum(before[:until])
        break


def test_a_raised_ceiling_may_drop_a_worse_ranked_one_for_a_better_one(candidate):
    order = [candidate("A1", 4), candidate("A2", 3)]
    assert pieces(order, Ceilings({2026: 3})) == ((0,), (1,))
    assert pieces(order, Ceilings({2026: 4})) == ((1,), (0,))


@given(case=cases(most_lines=8, most_pieces=4, years=3), cut=st.integers(0, 8))
@settings(max_examples=150, deadline=None)
def test_what_a_line_gets_depends_on_better_ranked_ones_alone(order_of, case, cut):
    lines, ceilings = case
    order = order_of(lines)
    assert pieces(order[:cut], ceilings) == pieces(order, ceilings)[:cut]


@given(case=cases(most_lines=10), seed=st.integers())
@settings(max_examples=100, deadline=None)
def test_the_order_of_input_does_not_matter(order_of, case, seed):
    lines, ceilings = case
    order = order_of(lines)
    shuffled = list(order)
    random.Random(seed).shuffle(shuffled)
    assert ranked(shuffled) == order
    assert run(ranked(shuffled), ceilings) == run(order, ceilings)


def test_rank_is_score_then_age_then_price_then_unit_and_reference(candidate):
    wanted = [
        candidate("Z", 9, points=60_000),
        candidate("Y", 9, age_months=200),
        candidate("X", 5),
        candidate("C", 9, unit_code="16000"),
        candidate("A", 9),
        candidate("B", 9),
        candidate("W", 1, age_months=None),
    ]
    assert [one.reference for one in ranked(reversed(wanted))] == [one.reference for one in wanted]


def test_a_year_says_which_ceiling_it_was_and_what_was_left(candidate):
    order = [
        candidate("A1", 6, block="dang"),
        candidate("A2", 5, block="dang"),
        candidate("A3", 4, block="mttq"),
        candidate("A4", 9),
    ]
    made = run(order, Ceilings({2026: 10, 2027: 5}, {(2026, "dang"): 8}))
    assert [[item.candidate.reference for item in year.items] for year in made.years] == [["A1", "A3"], ["A2"]]
    (delayed,) = made.years[1].items
    (wait,) = delayed.waits
    assert (wait.year, wait.ceiling, wait.needed_vnd, wait.left_vnd) == (2026, "year", 5, 4)
    (left_out,) = made.waiting
    assert [(wait.year, wait.ceiling, wait.left_vnd) for wait in left_out.waits] == [
        (2026, "year", 0),
        (2027, "year", 0),
    ]
    order = [candidate("A1", 6, block="dang"), candidate("A2", 3, block="dang")]
    (left_out,) = run(order, Ceilings({2026: 10}, {(2026, "dang"): 8})).waiting
    assert [(w.ceiling, w.block, w.left_vnd) for w in left_out.waits] == [("block", "dang", 2)]


def test_pieces_of_a_line_are_bought_as_the_years_have_room(candidate):
    made = run([candidate("A1", 20, quantity=12)], Ceilings({2026: 100, 2027: 95, 2029: 30}))
    assert [[(item.quantity, item.amount_vnd) for item in year.items] for year in made.years] == [
        [(5, 100)],
        [(4, 80)],
        [(1, 20)],
    ]
    assert [year.leftover_vnd for year in made.years] == [0, 15, 10]
    (rest,) = made.waiting
    assert (rest.quantity, rest.amount_vnd) == (2, 40)


def test_the_cost_of_waiting_counts_calendar_years_growth_and_months(candidate):
    order = [candidate("A1", 10_000_000, quantity=2), candidate("A2", 10_000_000, action="add")]
    made = run(order, Ceilings({2026: 10_000_000, 2028: 10_000_000}), growth=400)
    first, second, rest = made.years[0].items[0], made.years[1].items[0], made.waiting[0]
    assert first.cost_of_waiting.price_growth_vnd == first.cost_of_waiting.old_machine_months == 0
    # 1.04 squared less one: 8.16 %; two calendar years although the plan names two years only.
    assert (second.cost_of_waiting.years, second.cost_of_waiting.price_growth_vnd) == (2, 816_000)
    assert (second.cost_of_waiting.old_machine_months, second.cost_of_waiting.missing_machine_months) == (24, 0)
    assert (rest.cost_of_waiting.years, rest.cost_of_waiting.price_growth_vnd) == (3, 1_248_640)
    assert (rest.cost_of_waiting.old_machine_months, rest.cost_of_waiting.missing_machine_months) == (0, 36)


@pytest.mark.parametrize(
    ("months", "expected"),
    [(None, None), (100, 0), (110, 2), (120, 12), (140, 12)],
)
def test_only_months_beyond_the_threshold_count(candidate, months, expected):
    order = [candidate("A1", 5, age_months=months, over_threshold=False)]
    (rest,) = run(order, Ceilings({2026: 1})).waiting
    assert rest.cost_of_waiting.old_machine_months == expected


@pytest.mark.parametrize("amount", [1, 12, 13, 37, 9_999_999, 10**13])
def test_growth_is_rounded_half_up_and_exact(candidate, amount):
    (rest,) = run([candidate("A1", amount)], Ceilings({2026: 0}), growth=400).waiting
    assert rest.cost_of_waiting.price_growth_vnd == (amount * 104 + 50) // 100 - amount


def test_ceilings_that_make_no_sense_and_candidates_without_a_price_are_refused(candidate):
    for years, blocks in (
        ({}, {}),
        ({2026: -1}, {}),
        ({2026: 5}, {(2027, "dang"): 1}),
        ({2026: 5}, {(2026, "dang"): -1}),
    ):
        with pytest.raises(ValueError):
            Ceilings(years, blocks)
    with pytest.raises(ValueError, match="A1 has no unit price"):
        run([candidate("A1", None)], Ceilings({2026: 1}))


def test_ten_thousand_lines_over_five_years_are_quick(candidate):
    import time

    generator = random.Random(7)
    order = ranked(
        candidate(
            f"A{n}",
            generator.randrange(10, 110) * 10**6,
            points=generator.randrange(100_000),
            quantity=generator.choice((1, 1, 1, 20)),
            block=generator.choice((*BLOCKS, None)),
        )
        for n in range(10_000)
    )
    ceilings = Ceilings(dict.fromkeys(range(2026, 2031), 5 * 10**9), {(2026, "dang"): 10**9})
    started = time.monotonic()
    made = run(order, ceilings)
    # A fraction of a second here; much more would mean that the work grows with the square of the lines.
    assert time.monotonic() - started < 5
    assert all(year.leftover_vnd < 10**7 for year in made.years)
