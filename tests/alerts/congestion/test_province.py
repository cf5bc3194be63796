"""Whole small provinces through the detector: which alarms there are, where, and what absorbs what."""

from __future__ import annotations

import dataclasses

import pytest

FULL = ("gateway", "edge", "server")
T = 150


@pytest.fixture
def events(small, parameters):
    """(rule, place, site's unit or "*", first minute, minute it fired in, last minute) of a province's events."""

    def seen(terminals, troubles, targets=FULL, minutes=240, terms=parameters, **plan):
        each = targets if isinstance(targets[0], tuple) else (targets,) * len(terminals)
        made = small.Plan(
            terminals, minutes, each, tuple(small.Trouble(*one[:4], **one[4]) for one in troubles), **plan
        )
        return small.replayed(small.readings_of(made), terms)

    return seen


def short(events, small):
    return [
        (
            one.rule,
            one.place,
            one.site.unit_code if one.site else "*",
            (one.pending_at - small.START) // 60,
            (one.fired_at - small.START) // 60,
            None if one.resolved_at is None else (one.resolved_at - small.START) // 60,
        )
        for one in events
    ]


def test_a_quiet_province_says_nothing(events):
    assert events((3, 2, 1), [], missing_ratio=0.1) == []


def test_one_line(events, small):
    found = events((2, 2, 2), [("access", T, 20, 40_000, {"site": 1})])
    # The third raised minute is waited for: the floors of two may agree by chance, as those of a new route do.
    assert short(found, small) == [("congestion", "access", "u1", T, T + 3, T + 27)]
    assert found[0].terminals == 2
    assert found[0].peak_us == pytest.approx(40_000, rel=0.4)


def test_the_core_is_one_alarm_that_absorbs_its_sites(events, small):
    found = events((2, 2, 2, 2), [("core", T, 20, 40_000, {})])
    assert short(found, small) == [("congestion", "core", "*", T, T + 2, T + 27)]
    assert found[0].sites == 4


def test_without_any_edge_the_number_of_sites_tells(events, small):
    found = events((2, 2, 2, 2), [("core", T, 20, 40_000, {})], ("gateway", "server"))
    assert [one[:3] for one in short(found, small)] == [("congestion", "core", "*")]
    found = events((2, 2, 2, 2), [("access", T, 20, 40_000, {"site": 0})], ("gateway", "server"))
    assert [one[:3] for one in short(found, small)] == [("congestion", "access", "u0")]


def test_without_quorum_near_and_far_tell(events, small):
    found = events((2,), [("core", T, 20, 40_000, {})])
    assert [one[:3] for one in short(found, small)] == [("congestion", "core", "*")]


def test_a_site_whose_edge_is_mute_is_told_by_its_neighbours(events, small):
    found = events((2, 2, 2), [("core", T, 20, 40_000, {})], (FULL, FULL, ("gateway", "server")))
    assert [one[:3] for one in short(found, small)] == [("congestion", "core", "*")]
    assert found[0].sites == 3
    found = events((2, 2, 2), [("access", T, 20, 40_000, {"site": 2})], (FULL, FULL, ("gateway", "server")))
    assert [one[:3] for one in short(found, small)] == [("congestion", "access", "u2")]


def test_a_site_that_stays_congested_when_the_core_is_well_again_gets_its_own_alarm(events, small):
    found = events((2, 2, 2), [("core", T, 15, 60_000, {}), ("access", T + 15, 30, 60_000, {"site": 0})])
    core, line = short(found, small)
    assert core[:3] == ("congestion", "core", "*")
    assert line[:3] == ("congestion", "access", "u0")
    # Nine raised minutes of the last twelve say that it is the line now.
    assert line[3] == line[4] == T + 15 + 8
    assert core[5] == line[4]


def test_the_offices_own_network(events, small):
    found = events((2, 2), [("lan", T, 20, 40_000, {"site": 0})])
    assert [one for one in short(found, small) if one[0] == "congestion"] == [
        ("congestion", "lan", "u0", T, T + 3, T + 27)
    ]


def test_one_terminals_own_link(events, small):
    found = events((3, 2), [("own", T, 30, 60_000, {"site": 0, "terminal": 1})])
    assert [one[:3] for one in short(found, small)] == [("congestion", "terminal", "u0")]
    assert found[0].device_id == "u0-t1"
    assert (found[0].fired_at - found[0].pending_at) // 60 == 7


def test_outage_of_a_site_and_of_its_office(events, small):
    found = events((2, 2, 2), [("outage", T, 10, 0, {"site": 0}), ("outage_lan", T, 10, 0, {"site": 1})])
    assert short(found, small) == [
        ("outage", "access", "u0", T, T + 2, T + 11),
        ("outage", "lan", "u1", T, T + 2, T + 11),
    ]


def test_outage_of_the_core(events, small):
    # The edges answer, nothing behind them does.
    found = events((2, 2, 2), [("outage_target", T, 10, 0, {})], ("gateway", "edge", "mail"))
    assert short(found, small) == [("outage", "core", "*", T, T + 2, T + 11)]
    assert found[0].sites == 3


def test_outage_of_one_target(events, small):
    found = events((2, 2, 2), [("outage_target", T, 10, 0, {})], (*FULL, "mail"))
    assert short(found, small) == [("outage", "service", "*", T, T + 2, T + 11)]
    assert (found[0].target, found[0].sites) == ("mail", 3)
    assert events((2, 2, 2), [("outage_target", T, 10, 0, {"site": 0})], (*FULL, "mail")) == []


def test_a_slow_service_is_not_the_network(events, small):
    found = events((2, 2, 2), [("service", T, 10, 40_000, {})])
    assert short(found, small) == [("service_slow", "service", "*", T, T + 3, T + 13)]
    assert events((2, 2, 2), [("service", T, 10, 40_000, {"site": 0})]) == []


def test_a_longer_route_of_one_site_and_of_all(events, small):
    one = events((2, 2, 2), [("path", T, 40, 15_000, {"site": 1})])
    assert short(one, small) == [("path_change", "access", "u1", T, T + 5, T + 40)]
    everyone = events((2, 2, 2), [("path", T, 40, 15_000, {})])
    assert [each[:3] for each in short(everyone, small)] == [("path_change", "core", "*")]
    assert everyone[0].sites == 3


def test_a_route_that_the_baseline_has_learned_is_no_longer_told(events, small, parameters):
    """With a baseline of one day the new length is the line's own the day after."""
    terms = dataclasses.replace(
        parameters, congestion=dataclasses.replace(parameters.congestion, baseline_days=1, learning_minutes=60)
    )
    minutes = 36 * 60
    found = events((1,), [("path", T, minutes, 15_000, {})], ("server",), minutes, terms)
    ((rule, place, _, since, _, end),) = short(found, small)
    assert (rule, place, since) == ("path_change", "access", T)
    assert 24 * 60 <= end <= 28 * 60


@pytest.mark.parametrize("kind", ["access", "lan", "outage", "outage_lan"])
def test_everyone_goes_home_meanwhile(events, small, kind):
    found = events((2, 2), [(kind, T, 40, 40_000, {"site": 0}), ("off", T + 10, 75, 0, {"site": 0})])
    (one,) = found
    assert one.no_data
    assert short(found, small)[0][5] == T + 10


def test_the_last_minute_of_an_evening_and_the_first_of_a_morning_are_not_one_outage(events):
    troubles = [
        ("outage", T, 1, 0, {"site": 0}),
        ("off", T + 1, 60, 0, {"site": 0}),
        ("outage", T + 61, 2, 0, {"site": 0}),
    ]
    assert events((1,), troubles) == []


def test_the_province_falls_silent_while_a_target_is_out_or_a_service_slow(events, small):
    troubles = [("outage_target", T, 20, 0, {}), ("service", T, 20, 40_000, {}), ("off", T + 10, 80, 0, {})]
    # One terminal that measures nothing but its gateway goes on reporting.
    found = events(
        (2, 2, 1),
        [(*one[:4], {"site": n}) for one in troubles for n in (0, 1)],
        ((*FULL, "mail"),) * 2 + (("gateway",),),
    )
    assert {(one.rule, one.place, one.no_data) for one in found} == {
        ("outage", "service", True),
        ("service_slow", "service", True),
    }
    assert {end for *_, end in short(found, small)} == {T + 10}


def test_long_waiting_for_readings_loses_no_event(small, parameters):
    terms = dataclasses.replace(
        parameters, congestion=dataclasses.replace(parameters.congestion, no_data_minutes=200, unknown_minutes=10)
    )
    plan = small.Plan(
        (2, 1),
        600,
        (FULL, FULL),
        (small.Trouble("access", T, 20, 40_000, 0), small.Trouble("off", T + 10, 590, 0, 0)),
    )
    found = small.replayed(small.readings_of(plan), terms)
    assert [(one.place, one.no_data) for one in found] == [("access", True)]


def test_a_reading_of_long_ago_costs_days_not_years(small, parameters):
    """A trace whose first row bears the year 2009 is judged as without it."""
    plan = small.Plan((2,), 240, (FULL,), (small.Trouble("access", T, 20, 40_000, 0),))
    readings = small.readings_of(plan)
    old = small.Stored(readings[0].tags, 1_240_000_000, readings[0].fields)
    assert small.replayed([old, *readings], parameters) == small.replayed(readings, parameters)
