"""Latency above a line's own baseline: the same result for any order of arrival, and nothing from what is missing."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.baseline import BaselineBook, BaselineTerms, percentile, refresh
from alerts.evaluate import evaluate
from alerts.ports import Inputs

HOUR = 3600
START = 1_772_409_600  # 2026-03-02T00:00:00Z
NOW = START + 2 * HOUR + 1800
TERMS = BaselineTerms(7, 8, 60, 0.10, 0.25, 0.20, 0.01)

# A function-scoped fixture that only hands over a function is the same for every example.
with_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def learnt(reading):
    """A book that knows two hours at 20 ms of two terminals to the server, and at 1 ms to the gateway."""
    book = BaselineBook()
    for hour in (START, START + HOUR):
        book.put_hour(
            hour,
            [
                reading(hour + 60 * minute, median_us, device=device, target=target)
                for minute in range(60)
                for device in ("pc1", "pc2")
                for target, median_us in (("server", 20_500), ("gateway", 1_500))
            ],
        )
    return book


def run(rule, book, readings, now=NOW, states=None):
    return evaluate(rule, Inputs(readings, book), states or {}, now)


def hot(reading, count, *, median_us=60_000, now=NOW, **what):
    return [reading(now - 60 * minute, median_us, **what) for minute in range(count)]


def test_percentile_is_interpolated():
    assert percentile([10], 0.1) == 10
    assert percentile([10, 20], 0.5) == 15
    assert percentile([0, 1, 2, 3, 4], 0.25) == 1
    assert percentile([1, 5, 9], 1.0) == 9


def test_baseline_is_the_floor_of_quiet_hours_although_most_are_congested(reading):
    book = BaselineBook()
    for number in range(100):
        median_us = 20_500 if number < 15 else 80_500
        hour = START + number * HOUR
        book.put_hour(hour, [reading(hour + 60 * minute, median_us) for minute in range(60)])
    baseline = book.baseline("pc1", "server", START + 100 * HOUR, TERMS)
    assert baseline.floor_us == 20_000
    assert baseline.spread_us == 2000
    assert baseline.minutes == 6000


def test_baseline_forgets_what_is_older_than_its_days(reading):
    book = BaselineBook()
    book.put_hour(START, [reading(START + 60 * minute, 5500) for minute in range(60)])
    later = START + 7 * 24 * HOUR
    book.put_hour(later, [reading(later + 60 * minute, 9500) for minute in range(60)])
    assert book.baseline("pc1", "server", START + HOUR, TERMS).floor_us == 5000
    assert book.baseline("pc1", "server", later, TERMS).floor_us == 5000
    assert book.baseline("pc1", "server", later + HOUR, TERMS).floor_us == 9000
    book.forget_before(later)
    assert book.baseline("pc1", "server", START + HOUR, TERMS) is None


def test_baseline_does_not_use_the_hour_under_way_nor_thin_hours(reading):
    book = BaselineBook()
    book.put_hour(START, [reading(START + 60 * minute, 20_500) for minute in range(59)])
    assert book.baseline("pc1", "server", START + HOUR, TERMS) is None  # 59 of 60 minutes
    book.put_hour(START + HOUR, [reading(START + HOUR + 60 * minute, 20_500) for minute in range(7)])
    assert book.baseline("pc1", "server", START + 2 * HOUR, TERMS) is None  # 7 more in an hour too thin to use
    book.put_hour(START + HOUR, [reading(START + HOUR + 60 * minute, 20_500) for minute in range(8)])
    assert book.baseline("pc1", "server", START + HOUR + 3599, TERMS) is None  # that hour has not ended
    assert book.baseline("pc1", "server", START + 2 * HOUR, TERMS).minutes == 67


def test_late_readings_of_an_hour_replace_what_was_known_of_it(reading):
    book = BaselineBook()
    book.put_hour(START, [reading(START + 60 * minute, 20_500) for minute in range(10)])
    assert book.baseline("pc1", "server", START + HOUR, TERMS) is None
    book.put_hour(START, [reading(START + 60 * minute, 20_500) for minute in range(60)])
    assert book.baseline("pc1", "server", START + HOUR, TERMS).minutes == 60


def test_baseline_ignores_negative_times_and_minutes_without_reply(reading):
    book = BaselineBook()
    bad = [reading(START + 60 * minute, -4_000_000) for minute in range(20)]
    mute = [reading(START + 60 * (20 + minute), None, received=0) for minute in range(20)]
    good = [reading(START + HOUR + 60 * minute, 20_500) for minute in range(60)]
    book.put_hour(START, bad + mute)
    book.put_hour(START + HOUR, good)
    baseline = book.baseline("pc1", "server", START + 2 * HOUR, TERMS)
    assert (baseline.floor_us, baseline.loss_ratio, baseline.minutes) == (20_000, 0.0, 60)


def test_only_full_hours_are_taken():
    with pytest.raises(ValueError, match="is not a full hour"):
        BaselineBook().put_hour(START + 1, [])


def test_refresh_reads_each_hour_once_and_young_ones_again(reading):
    asked = []

    def read(start, end):
        asked.append(start)
        return [reading(at, 20_500) for at in range(start, end, 60)]

    book = BaselineBook()
    for _ in range(7):
        refresh(book, read, NOW, 7)
    assert asked == [START + 2 * HOUR - back * HOUR for back in range(1, 169)]
    assert book.baseline("pc1", "server", NOW, TERMS).minutes == 168 * 60
    asked.clear()
    refresh(book, read, NOW + 60, 7)
    assert asked == []
    refresh(book, read, NOW + HOUR, 7)
    assert asked == [START + 2 * HOUR, START + HOUR, START]
    assert book.baseline("pc1", "server", NOW + HOUR, TERMS).minutes == 168 * 60
    asked.clear()
    refresh(book, read, NOW + 5 * HOUR, 7)
    assert asked == [START + 6 * HOUR, START + 5 * HOUR, START + 4 * HOUR, START + 3 * HOUR]


def test_fires_with_two_terminals_at_the_third_minute(latency_rule, learnt, reading):
    quiet = hot(reading, 5, median_us=20_500, device="pc2")
    assert [each.to_state for each in run(latency_rule, learnt, quiet + hot(reading, 2)).transitions] == ["pending"]
    result = run(latency_rule, learnt, quiet + hot(reading, 3))
    assert [each.to_state for each in result.transitions] == ["pending", "firing"]
    assert {each.subject for each in result.transitions} == {"pc1/server"}
    assert result.transitions[1].readings["added_us"] == 40_000


def test_a_second_site_does_not_confirm(latency_rule, learnt, reading):
    elsewhere = hot(reading, 5, median_us=20_500, device="pc2", site="annex")
    result = run(latency_rule, learnt, elsewhere + hot(reading, 3))
    assert [each.to_state for each in result.transitions] == ["pending"]


def test_a_gateway_without_replies_excuses_nothing(latency_rule, learnt, reading):
    mute = hot(reading, 5, median_us=None, target="gateway", received=0)
    result = run(latency_rule, learnt, hot(reading, 5) + mute)
    assert [each.to_state for each in result.transitions] == ["pending", "firing"]


def test_delay_of_the_gateway_is_taken_off(latency_rule, learnt, reading):
    gateway = hot(reading, 5, median_us=41_000, target="gateway")
    result = run(latency_rule, learnt, hot(reading, 5) + gateway)
    assert {each.subject for each in result.transitions} == {"pc1/gateway"}


def test_loss_that_the_gateway_has_too_is_not_the_lines(latency_rule, learnt, reading):
    lossy = hot(reading, 8, median_us=22_000, received=8)
    assert run(latency_rule, learnt, lossy).transitions[-1].to_state == "firing"
    gateway = hot(reading, 8, median_us=1_500, target="gateway", received=8)
    assert {each.subject for each in run(latency_rule, learnt, lossy + gateway).transitions} == {"pc1/gateway"}


def test_one_lost_probe_now_and_then_is_nothing(latency_rule, learnt, reading):
    readings = [reading(NOW - 60 * minute, 20_500, received=9 if minute % 4 == 0 else 10) for minute in range(15)]
    assert run(latency_rule, learnt, readings).transitions == ()


def test_rounds_close_together_are_one_minute(latency_rule, learnt, reading):
    burst = [reading(NOW - 2 * again, 90_000) for again in range(5)]
    assert [each.to_state for each in run(latency_rule, learnt, burst).transitions] == ["pending"]


def test_an_unknown_link_is_learning(latency_rule, learnt, reading):
    assert run(latency_rule, learnt, hot(reading, 5, device="pc9")).transitions == ()
    assert evaluate(latency_rule, Inputs(hot(reading, 5)), {}, NOW).transitions == ()


def test_a_terminal_that_moved_is_told_with_its_new_unit(latency_rule, learnt, reading):
    states = run(latency_rule, learnt, hot(reading, 5)).states
    moved = [
        type(each)({**each.tags, "unit": "16690"}, each.time_seconds, each.fields)
        for each in hot(reading, 10, median_us=20_500, now=NOW + 600)
    ]
    result = run(latency_rule, learnt, moved, now=NOW + 600, states=states)
    assert [(each.to_state, each.unit_code) for each in result.transitions] == [("resolved", "16690")]


minutes = st.lists(
    st.tuples(
        st.integers(-20, 3),
        st.one_of(st.none(), st.integers(-1000, 200_000)),
        st.integers(0, 10),
        st.sampled_from(["pc1", "pc2"]),
        st.sampled_from(["server", "gateway"]),
    ),
    max_size=60,
)


@given(minutes, st.randoms(use_true_random=False))
@with_fixtures
def test_any_order_and_any_repeats_give_the_same(latency_rule, learnt, reading, rows, shuffler):
    readings = [
        reading(NOW + 60 * at, median_us, device=device, target=target, received=received)
        for at, median_us, received, device, target in rows
    ]
    states = {}
    expected = run(latency_rule, learnt, readings, states=states)
    shuffled = readings + readings[: len(readings) // 2]
    shuffler.shuffle(shuffled)
    assert run(latency_rule, learnt, shuffled, states=states) == expected


@given(minutes)
@with_fixtures
def test_readings_from_the_future_change_nothing(latency_rule, learnt, reading, rows):
    readings = [
        reading(NOW + 60 * at, median_us, device=device, target=target, received=received)
        for at, median_us, received, device, target in rows
    ]
    past = [each for each in readings if each.time_seconds <= NOW]
    assert run(latency_rule, learnt, readings) == run(latency_rule, learnt, past)


@given(minutes)
@with_fixtures
def test_every_reason_can_be_said_and_every_reading_kept(latency_rule, learnt, reading, rows):
    readings = [
        reading(NOW + 60 * at, median_us, device=device, target=target, received=received)
        for at, median_us, received, device, target in rows
    ]
    for transition in run(latency_rule, learnt, readings).transitions:
        assert "{" not in transition.reason.render()
        assert transition.reason.pattern in transition.reason.as_dict()["pattern"]
        if transition.to_state == "firing":
            assert transition.reason.render().startswith("Early warning: ")
            assert transition.readings["measured_minutes"] >= 3


@given(st.permutations(range(60)))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_baseline_is_the_same_for_any_order(reading, order):
    readings = [reading(START + 60 * minute, 20_000 + 37 * minute % 11 * 100) for minute in range(60)]
    book, shuffled = BaselineBook(), BaselineBook()
    book.put_hour(START, readings)
    shuffled.put_hour(START, [readings[place] for place in order])
    assert book.baseline("pc1", "server", START + HOUR, TERMS) == shuffled.baseline(
        "pc1", "server", START + HOUR, TERMS
    )


def test_one_judgement_of_3000_links_takes_less_than_two_seconds(latency_rule, reading):
    """A tenth of the province's 30,000; noise of the machine is left room for."""
    devices = [f"pc{number}" for number in range(1000)]
    targets = (("gateway", 1_500), ("edge", 9_000), ("server", 20_500))
    book = BaselineBook()
    for hour in (START, START + HOUR):
        book.put_hour(
            hour,
            [
                reading(hour + 60 * minute, median_us, device=device, target=target, site=device[:-1])
                for minute in range(0, 60, 2)
                for device in devices
                for target, median_us in targets
            ],
        )
    noise = random.Random(1)
    window = [
        reading(NOW - 60 * minute, median_us + noise.randrange(40_000), device=device, target=target, site=device[:-1])
        for minute in range(15)
        for device in devices
        for target, median_us in targets
    ]
    run(latency_rule, book, window)  # baselines are computed once an hour
    began = time.perf_counter()
    result = run(latency_rule, book, window)
    assert time.perf_counter() - began < 2.0
    assert result.transitions
