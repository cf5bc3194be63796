"""The network bench: its judging on made-up events, and a small run with real agents on really congested lines."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.netbench.counters import Reading, used_bits_per_second
from benchmarks.netbench.fleet import Report
from benchmarks.netbench.namespaces import PREFIX, missing_requirements, remove_left_behind, run
from benchmarks.netbench.phases import PHASES, SHORT, SMOKE
from benchmarks.netbench.recording import Calendar, minutes, slots, with_pause, write_trace
from benchmarks.netbench.relay import Link
from benchmarks.netbench.topology import QUEUES
from benchmarks.netbench.truth import Sample, queue_truth
from benchmarks.netbench.verdict import (
    FALSE_ALARM,
    GREY,
    LATE,
    MISSED,
    PASS,
    STALE,
    WRONG_PLACE,
    Event,
    Window,
    event_of,
    judge,
    outside,
)
from benchmarks.netbench.webload import MEAN_PAGE_BYTES, STRATA, Pages

ROOT = Path(__file__).parents[2]
WINDOW = Window(100, 109)


def alarm(place, minute, *, site="a", rule="congestion", resolved=None):
    return Event(rule, site, place, minute, resolved)


@pytest.mark.parametrize(
    ("phase", "events", "verdict"),
    [
        ("access_down", [alarm("access", 102)], PASS),
        ("access_down", [alarm("access", 104.9)], PASS),
        ("access_down", [alarm("access", 105)], LATE),
        ("access_down", [], MISSED),
        ("access_down", [alarm("access", 120)], MISSED),
        ("access_down", [alarm("core", 102, site="*")], WRONG_PLACE),
        ("access_down", [alarm("access", 102), alarm("core", 103, site="*")], WRONG_PLACE),
        ("access_down", [alarm("access", 102, site="b")], WRONG_PLACE),
        ("access_down", [alarm("access", 95, resolved=None)], STALE),
        ("access_down", [alarm("access", 95, resolved=99)], MISSED),
        ("core_up", [alarm("core", 102, site="*")], PASS),
        ("core_up", [alarm("access", 102)], WRONG_PLACE),
        ("lan", [alarm("lan", 102)], PASS),
        ("lan", [alarm("access", 102)], FALSE_ALARM),
        ("lan", [alarm("access", 111)], FALSE_ALARM),
        ("idle", [], PASS),
        ("outage", [alarm("", 102, rule="outage")], PASS),
        ("web_55", [alarm("access", 102)], GREY),
    ],
)
def test_a_phase_is_judged_by_time_and_place(phase, events, verdict):
    assert judge(PHASES[phase], WINDOW, events).verdict == verdict


def test_a_phase_that_is_no_congestion_may_be_given_its_right_name():
    assert judge(PHASES["lan"], WINDOW, [alarm("lan", 103)]).named
    assert judge(PHASES["lan"], WINDOW, []).named is False
    assert judge(PHASES["path_change"], WINDOW, [alarm("", 107, rule="path_change")]).named
    assert judge(PHASES["idle"], WINDOW, []).named is None


def test_alarms_of_quiet_minutes_are_false_alarms():
    inside, stray, lan = alarm("access", 103), alarm("core", 113, site="*"), alarm("lan", 50)
    assert outside([WINDOW], [inside, stray, lan]) == [stray]


def test_the_minute_of_an_alarm_is_counted_from_one():
    found = judge(PHASES["access_up"], WINDOW, [alarm("access", 102.5)])
    assert (found.minute, found.place, found.got) == (3, "access", ("access a @3",))


@pytest.mark.parametrize("fired", ["2026-01-05T00:12:00Z", 1767571920, 1767571920.0])
def test_events_of_replay_are_read_in_minutes_of_the_bench(fired):
    row = {"rule": "congestion", "site": "*", "place": "core", "fired_at": fired, "resolved_at": None}
    calendar = Calendar(1767571200, 0, 0)
    assert event_of(row, calendar) == Event("congestion", "*", "core", 12.0, None)
    assert event_of({**row, "fired_at": None}, calendar) is None


def test_there_are_ten_phases_of_congestion_and_the_short_runs_are_phases():
    assert sum(bool(phase.place) for phase in PHASES.values()) == 10
    assert {*SHORT, *SMOKE} <= set(PHASES)
    assert all(phase.queue in QUEUES for phase in PHASES.values() if phase.place)


def test_a_round_that_ended_late_goes_back_to_its_own_empty_minute():
    assert slots([0.5, 1.5, 3.1, 3.6, 4.6], 0, 1) == [0, 1, 2, 3, 4]


def test_of_two_reports_of_one_minute_the_later_stays():
    assert slots([0.5, 1.2, 1.6, 2.5], 0, 1) == [0, None, 1, 2]


def test_the_trace_is_stretched_to_minutes(tmp_path):
    reports = [Report("b1", "server", 1000 + 5 * index, {"sent": 10, "rtt_p50_us": 1000 + index}) for index in range(4)]
    rows = minutes(reports, 1000, 5, last=3)
    assert write_trace(tmp_path / "trace.csv", rows, Calendar(1767571200, 0, 0)) == 3
    lines = (tmp_path / "trace.csv").read_text().splitlines()
    assert lines[0].startswith("time,site,terminal,target,sent,received,rtt_min_us,rtt_p50_us")
    assert lines[1].startswith("2026-01-05T00:00:00Z,b,b1,server,10,,,1000,")
    assert lines[3].startswith("2026-01-05T00:02:00Z,b,b1,server,10,,,1002,")


def test_learning_begins_with_an_hour_and_phases_two_hours_later():
    calendar = with_pause(1767600000.5, learning=64)
    nine = 1767571200 + 2 * 3600
    assert calendar.seconds(0) == nine
    assert calendar.seconds(63) == nine + 63 * 60
    assert calendar.seconds(64) == nine + 2 * 3600
    assert [calendar.minute(calendar.seconds(minute)) for minute in (0, 63, 64, 200)] == [0, 63, 64, 200]
    assert calendar.minute(nine + 5400) == 64
    assert with_pause(1767600000.5, learning=190).pause_seconds == 0


def test_the_truth_of_a_queue_is_its_delay_use_and_drops():
    samples = [
        Sample(at, {"access_down": delay}, {"access_down": count}, {"access_down": drops})
        for at, delay, count, drops in [(0, 0, 0, 5), (1, 10, 250_000, 5), (2, 300, 750_000, 9), (3, 300, 1_125_000, 9)]
    ]
    truth = queue_truth("access_down", samples)
    assert (truth.median_ms, truth.congested_ratio, truth.used_ratio, truth.drops) == (155.0, 0.5, 0.75, 4)


def test_the_relay_draws_delays_and_losses_as_told():
    draw = random.Random(1)
    steady = Link(delay_ms=8)
    assert steady.crossing_seconds(draw) == 0.008
    assert steady.changed({"up": False}).crossing_seconds(draw) is None
    crossings = [steady.changed({"loss_ratio": 0.2, "jitter_ms": 10}).crossing_seconds(draw) for _ in range(4000)]
    passed = [one for one in crossings if one is not None]
    assert 0.77 < len(passed) / len(crossings) < 0.83
    assert 0.017 < sum(passed) / len(passed) < 0.019
    with pytest.raises(TypeError):
        steady.changed({"delay": 3})


def test_pages_have_the_mean_size_that_the_load_is_computed_with():
    pages = Pages(random.Random(3))
    sizes = [pages.next_bytes() for _ in range(60 * STRATA)]
    assert sum(sizes) / len(sizes) == pytest.approx(MEAN_PAGE_BYTES, rel=0.05)
    # Heavy-tailed: a tenth of the pages holds over a third of the bytes.
    sizes.sort()
    assert sum(sizes[-len(sizes) // 10 :]) / sum(sizes) > 0.35


def test_counters_give_rates_between_two_moments():
    readings = [Reading(10, 0, 0), Reading(20, 1_000_000, 500), Reading(30, 5_000_000, 1_000)]
    assert used_bits_per_second(readings, 0, 25) == (800_000, 400)
    assert used_bits_per_second(readings, 15, 25) is None


def _namespaces():
    folder = Path("/run/netns")
    return {path.name for path in folder.iterdir() if path.name.startswith(PREFIX)} if folder.is_dir() else set()


def _needs_network_namespaces():
    missing = missing_requirements()
    if missing:
        pytest.skip("the network bench cannot run here: " + "; ".join(missing))


def _netbench(*words):
    command = [sys.executable, "-m", "benchmarks.netbench", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.timeout(280)
def test_real_congestion_is_found_in_its_place(tmp_path):
    _needs_network_namespaces()
    before = _namespaces()
    process = _netbench("--smoke", "--out", str(tmp_path / "out"))
    table, log = process.communicate(timeout=270)
    assert process.returncode in (0, 1), log + table
    assert _namespaces() <= before
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    for phase in result["outcome"]["played"]:
        assert phase["truth"]["congested_ratio"] > 0.8, table
        found = result["judgements"][phase["name"]]
        assert (found["verdict"], found["place"]) == ("pass", PHASES[phase["name"]].place), table + log
    assert result["between_phases"] == [], table


def _begun(before):
    """A run whose province is half built, and its namespaces."""
    process = _netbench("--smoke")
    deadline = time.monotonic() + 60
    while len(_namespaces() - before) < 10:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process, {name for name in _namespaces() if name.startswith(f"{PREFIX}{process.pid}-")}


@pytest.mark.timeout(120)
def test_an_ended_run_leaves_nothing_behind():
    _needs_network_namespaces()
    before = _namespaces()
    process, made = _begun(before)
    process.terminate()
    process.communicate(timeout=30)
    assert not made & _namespaces()


@pytest.mark.timeout(120)
def test_what_a_killed_run_leaves_behind_dies_and_is_removed_by_the_next():
    _needs_network_namespaces()
    process, made = _begun(_namespaces())
    process.kill()
    process.communicate(timeout=30)
    left = made & _namespaces()
    assert left
    deadline = time.monotonic() + 10
    while any(run("ip", "netns", "pids", name).split() for name in left):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert set(remove_left_behind()) >= left
    assert not left & _namespaces()


def test_it_says_why_it_cannot_run():
    command = [sys.executable, "-m", "benchmarks.netbench"]
    if os.geteuid() == 0:
        nobody = ["setpriv", "--reuid", "65534", "--clear-groups", "--"]
        # sys.executable too: an interpreter under /root is closed to others.
        for path in (ROOT / "benchmarks" / "netbench" / "__main__.py", Path(sys.executable).resolve()):
            if subprocess.run([*nobody, "test", "-r", str(path)], check=False).returncode:
                pytest.skip(f"another user may not read {path}")
        command = [*nobody, *command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stderr == "the network bench cannot run here: network namespaces need root\n"
