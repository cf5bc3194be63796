"""The states of sites, minute by minute, as a trouble comes and goes."""

from __future__ import annotations

from itertools import groupby

import pytest

from alerts.congestion.fold import EMPTY
from alerts.congestion.layout import Site
from alerts.congestion.ledger import Clock
from alerts.congestion.listing import RESOLVED_SECONDS, STATES, SiteStatus, province_status, site_states

FULL = ("gateway", "edge", "server")
SITES = [Site(f"u{number}", "main") for number in range(3)]
BEGIN = 200
MINUTES = 275


@pytest.fixture(scope="module")
def followed(small, parameters):
    """A function that gives per minute the states of three sites and of the province."""

    def follow(*troubles, minutes=MINUTES, terminals=(2, 2, 2)):
        plan = small.Plan(terminals, minutes, (FULL,) * len(terminals), troubles)
        arrivals = small.in_order(small.readings_of(plan))
        live = small.Live(parameters)
        told = []
        for minute in range(minutes):
            now = small.START + minute * small.MINUTE
            live.detector.put(arrivals.get(minute, ()), now)
            live.detector.advance(small.START // small.MINUTE + minute)
            memory, clock = live.detector.memory(), live.detector.clock
            told.append((site_states(memory, clock, parameters), province_status(memory, clock, parameters)))
        return told

    return follow


def course(told, site, start=BEGIN - 5):
    """The states one after the other, each once, from shortly before the trouble."""
    return [state for state, _ in groupby(states[site].state for states, _ in told[start:])]


def newest(told, site, state, small):
    """The last minute in which a site was in that state, and its status."""
    minute = max(at for at, (states, _) in enumerate(told) if states.get(site, SiteStatus("")).state == state)
    return small.START + minute * small.MINUTE, told[minute][0][site]


def test_a_congested_line_is_suspected_fires_recovers_and_is_resolved(followed, small):
    told = followed(small.Trouble("access", BEGIN, 30, 40_000, site=0))
    assert course(told, SITES[0]) == ["ok", "pending", "firing", "recovering", "resolved", "ok"]
    begun = small.START + BEGIN * small.MINUTE
    _, firing = newest(told, SITES[0], "firing", small)
    assert (firing.since, firing.place) == (begun, "access")
    assert 20_000 < firing.added_us < 60_000
    _, recovering = newest(told, SITES[0], "recovering", small)
    assert recovering.since == begun + 30 * small.MINUTE
    assert abs(recovering.added_us) < 2_000
    at, resolved = newest(told, SITES[0], "resolved", small)
    assert at + small.MINUTE - resolved.since == RESOLVED_SECONDS
    for other in SITES[1:]:
        assert {states[other].state for states, _ in told[BEGIN:]} == {"ok"}
    assert {province.state for _, province in told[BEGIN:]} == {"ok"}


def test_before_its_baseline_is_learned_a_site_is_learning(followed, small):
    told = followed(minutes=150)
    states = [each[SITES[0]] for each, _ in told]
    assert {each.state for each in states[:120]} == {"learning"}
    assert {each.state for each in states[121:]} == {"ok"}
    assert (states[60].since, states[60].added_us) == (None, None)
    assert (told[60][1].state, told[149][1].state) == ("learning", "ok")


def test_core_congestion_is_the_sites_and_the_provinces(followed, small):
    told = followed(small.Trouble("core", BEGIN, 25, 50_000))
    assert [state for state, _ in groupby(province.state for _, province in told[BEGIN - 5 :])] == [
        "ok",
        "firing",
        "recovering",
        "resolved",
        "ok",
    ]
    states, province = told[BEGIN + 15]
    assert (province.place, province.since) == ("core", small.START + BEGIN * small.MINUTE)
    assert province.added_us > 25_000
    assert {(states[site].state, states[site].place) for site in SITES} == {("firing", "core")}


def test_an_office_network_of_its_own(followed, small):
    told = followed(small.Trouble("lan", BEGIN, 25, 60_000, site=1))
    states, _ = told[BEGIN + 15]
    assert (states[SITES[1]].state, states[SITES[1]].place) == ("firing", "lan")
    assert states[SITES[1]].since >= small.START + BEGIN * small.MINUTE
    assert "resolved" in course(told, SITES[1])


def test_an_outage_and_its_end(followed, small):
    told = followed(small.Trouble("outage", BEGIN, 20, site=2))
    assert course(told, SITES[2])[:4] == ["ok", "pending", "outage", "resolved"]
    _, out = newest(told, SITES[2], "outage", small)
    assert (out.since, out.place, out.added_us) == (small.START + BEGIN * small.MINUTE, "access", None)


def test_without_readings_nothing_is_known(followed, small, parameters):
    told = followed(small.Trouble("off", BEGIN, 40, site=0))
    limit = parameters.congestion.unknown_minutes
    states = [each[SITES[0]] for each, _ in told]
    assert {each.state for each in states[BEGIN : BEGIN + limit]} == {"ok"}
    assert {each.state for each in states[BEGIN + limit : BEGIN + 40]} == {"unknown"}
    assert states[BEGIN + 39].since == small.START + BEGIN * small.MINUTE
    assert states[BEGIN + 39].last_seen == small.START + (BEGIN - 1) * small.MINUTE
    assert states[BEGIN + 40].state == "ok"


def test_an_alarm_whose_readings_stop_is_unknown_with_its_place_and_never_resolved(followed, small):
    told = followed(small.Trouble("access", BEGIN, 20, site=0), small.Trouble("off", BEGIN + 12, 50, site=0))
    assert "resolved" not in course(told, SITES[0])
    unknown = [states[SITES[0]] for states, _ in told if states.get(SITES[0], SiteStatus("")).state == "unknown"]
    assert (unknown[0].place, unknown[-1].place) == ("access", "")


def test_another_route_is_told_apart(followed, small):
    told = followed(small.Trouble("path", BEGIN, MINUTES - BEGIN, 15_000, site=1))
    assert "firing" not in course(told, SITES[1])
    changed = told[-1][0][SITES[1]]
    assert changed.state == "path-change"
    assert changed.since == pytest.approx(small.START + BEGIN * small.MINUTE, abs=2 * small.MINUTE)
    assert changed.added_us == pytest.approx(15_000, abs=1_000)
    assert told[-1][0][SITES[0]].state == "ok"


def test_a_shorter_route_becomes_the_lines_own_when_the_baseline_has_learned_it(followed, small):
    told = followed(small.Trouble("path", 150, 10_000, -5_000, site=1), minutes=360)
    states = [each[SITES[1]] for each, _ in told]
    assert [state for state, _ in groupby(each.state for each in states[140:])] == ["ok", "path-change", "ok"]
    assert states[170].added_us == pytest.approx(-5_000, abs=500)
    assert abs(states[-1].added_us) < 1_500


def test_before_anything_nothing_is_told(parameters):
    assert site_states(EMPTY, Clock(60), parameters) == {}
    assert province_status(EMPTY, Clock(60), parameters) == SiteStatus("unknown")
    assert len(set(STATES)) == 9


def test_the_states_are_the_same_whatever_order_readings_came_in(small, parameters):
    plan = small.Plan(
        (2, 1, 1),
        230,
        (FULL,) * 3,
        (small.Trouble("access", BEGIN, 40, site=0), small.Trouble("outage", 215, 40, site=2)),
    )
    readings = small.readings_of(plan)
    late = {}
    for one in readings:
        minute = (one.time_seconds - small.START) // small.MINUTE
        # Half of all terminals' readings come up to 20 minutes late.
        delay = 20 if one.tags["device_id"].endswith("t0") and minute % 3 == 0 else 0
        late.setdefault(min(229, minute + delay), []).append(one)
    results = []
    for arrivals in (small.in_order(readings), late):
        live = small.Live(parameters)
        live.feed(arrivals, 229)
        results.append(site_states(live.detector.memory(), live.detector.clock, parameters))
    assert results[0] == results[1]
    assert [results[0][site].state for site in SITES] == ["firing", "ok", "outage"]
