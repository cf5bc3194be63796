"""A simulated fleet against a real collector: what it says was stored is stored."""

from __future__ import annotations

import time

import pytest

from agent.wire.codec import answer_from_json
from collector.fleet.driving import Drive, drive_fleet
from collector.fleet.enrolling import SITE_PREFIX, RealTerminalsError, enrol_fleet
from collector.fleet.tally import Tally


@pytest.fixture
def make_fleet(running):
    def make(terminals, sites=3):
        return list(
            enrol_fleet(
                running.collector.engine,
                terminals=terminals,
                sites=sites,
                seed=1,
                now=time.time(),
                upload_interval_seconds=900.0,
            )
        )

    return make


def test_every_report_of_a_backlog_is_stored_once(running, make_fleet):
    made = make_fleet(10)
    # More than one batch waits at each.
    drive = Drive(running.url, None, minutes=0, waiting_minutes=70, spread_seconds=0.0, last_seconds=1.0, threads=4)
    tally = Tally()
    drive_fleet(made, drive, tally)
    running.wait_written()
    assert (tally.measured, tally.accepted, tally.refused) == (700, 700, 0)
    assert sum(tally.uploads.values()) == tally.uploads[200] >= 20
    stored = running.stored()
    assert len(stored) == 700
    assert {reading.tags["site"] for reading in stored} == {f"{SITE_PREFIX}{number:04d}" for number in range(3)}
    # They do what they are told: somebody of each site probes the line.
    assert {terminal.site for terminal in made if terminal.role == "prober"} == {terminal.site for terminal in made}
    assert 0 < tally.percentile_seconds(0.5) <= tally.percentile_seconds(0.99)


def test_a_fleet_after_a_failure_sends_again(running, make_fleet):
    (terminal,) = make_fleet(1, sites=1)
    terminal.measure(time.time() - 60)
    batch = terminal.batch()
    answer = answer_from_json(
        b'{"wire_version":2,"server_time_seconds":1,"accepted":0,"exceptions":[[0,"retry","full"]]}',
        terminal.names(batch),
    )
    assert terminal.settle(batch, answer) == (0, 0, 1)
    assert len(terminal.waiting) == 1
    tally = Tally()
    drive_fleet([terminal], Drive(running.url, None, 0, 0, 0.0, 0.0, 1), tally)
    assert (tally.accepted, len(terminal.waiting)) == (1, 0)


def test_never_beside_real_terminals(running, make_fleet):
    running.enrol()
    with pytest.raises(RealTerminalsError, match="real terminals"):
        make_fleet(2)


def test_the_spread_over_sites_is_even(make_fleet):
    made = make_fleet(11, sites=4)
    counts = sorted(sum(one.site == site for one in made) for site in {one.site for one in made})
    assert counts == [2, 3, 3, 3]
