"""Alarms are scored as the labels' description says."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scoring import Alarm, merge, quantile, score
from benchmarks.traces import Event

DAY = 1440


def alarm(site, place, start, end, fired=None):
    return Alarm(site, place, start, end, start if fired is None else fired)


def judge(alarms, labels, sites=("a", "b"), since=0, until=15 * DAY, **more):
    return score(alarms, labels, sites, since=since, until=until, **more)


def test_an_overlapping_alarm_finds_the_event_with_its_delay_and_place():
    result = judge([alarm("a", "access", 104, 160)], [Event("a", "access", 100, 150)])
    assert (result.events, result.found, result.true_alarms, result.false_alarms) == (1, 1, 1, 0)
    assert (result.delay_p50, result.place_right, result.recall, result.precision, result.f1) == (4, 1, 1, 1, 1)
    assert result.outside_ratio == pytest.approx(10 / 56)


def test_the_place_is_that_of_most_of_the_alarmed_time():
    alarms = [alarm("a", "access", 101, 103), alarm("a", "core", 103, 150)]
    assert judge(alarms, [Event("a", "core", 100, 150)]).place_right == 1
    assert judge(alarms, [Event("a", "access", 100, 150)]).place_right == 0


def test_an_alarm_before_the_event_has_no_negative_delay():
    assert judge([alarm("a", "access", 90, 120)], [Event("a", "access", 100, 150)]).delay_p50 == 0


def test_false_alarms_and_minutes_are_counted_per_site_and_month():
    result = judge([alarm("a", "access", 500, 520), alarm("b", "access", 900, 910)], [])
    assert (result.false_alarms, result.false_alarms_per_month, result.false_minutes_per_month) == (2, 2, 30)
    assert result.recall is None
    assert result.precision == 0


def test_alarms_five_minutes_apart_are_one_and_six_are_two():
    assert judge([alarm("a", "", 500, 510), alarm("a", "", 515, 520)], []).false_alarms == 1
    assert judge([alarm("a", "", 500, 510), alarm("a", "", 516, 520)], []).false_alarms == 2


@pytest.mark.parametrize("kind", ["neither", "outage"])
def test_an_alarm_that_touches_only_grey_minutes_counts_neither_way(kind):
    result = judge([alarm("a", "access", 100, 150)], [Event("a", kind, 149, 155)])
    assert (result.true_alarms, result.false_alarms) == (0, 0)


def test_a_grey_minute_at_another_site_excuses_nothing():
    assert judge([alarm("a", "access", 100, 150)], [Event("b", "neither", 90, 160)]).false_alarms == 1


def test_short_events_are_counted_apart():
    labels = [Event("a", "access", 100, 109), Event("a", "access", 300, 310)]
    result = judge([alarm("a", "access", 103, 109)], labels)
    assert (result.short_events, result.short_found, result.events, result.found) == (1, 1, 1, 0)
    assert (result.true_alarms, result.false_alarms) == (0, 0)


def test_a_province_alarm_counts_for_each_site_with_a_core_label():
    labels = [Event("a", "core", 100, 150), Event("b", "access", 100, 150)]
    result = judge([alarm("*", "core", 102, 150)], labels)
    assert (result.events, result.found, result.true_alarms, result.false_alarms) == (2, 1, 1, 0)
    assert result.notifications_per_month == 1


def test_a_province_alarm_that_meets_nothing_is_one_false_alarm():
    assert judge([alarm("*", "core", 102, 150)], [Event("a", "core", 300, 350)]).false_alarms == 1


def test_a_province_alarm_finds_a_province_wide_event():
    labels = [Event("*", "service", 100, 150)]
    result = judge([alarm("*", "service", 105, 150)], labels, sites=["a"], kinds=frozenset({"service"}))
    assert (result.found, result.place_right, result.false_alarms) == (1, 1, 0)


def test_what_ended_in_the_learning_days_is_not_scored():
    labels = [Event("a", "access", 100, 150), Event("a", "access", 2 * DAY, 2 * DAY + 20)]
    result = judge([alarm("a", "access", 700, 720)], labels, since=DAY)
    assert (result.events, result.found, result.false_alarms) == (1, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), max_size=20))
def test_merged_alarms_keep_every_alarm_and_stand_more_than_five_minutes_apart(spans):
    groups = merge(alarm("a", "", start, start + length) for start, length in spans)
    assert sum(len(group) for group in groups) == len(spans)
    edges = [(group[0].start, max(one.end for one in group)) for group in groups]
    assert all(later - earlier > 5 for (_, earlier), (later, _) in pairwise(edges))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_not_exceeded_by_its_share(values, share):
    value = quantile(values, share)
    assert value in values
    assert sum(one <= value for one in values) >= share * len(values) - 1e-6
    assert sum(one < value for one in values) < share * len(values)
