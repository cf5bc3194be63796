"""A simulated province is repeatable, and its labels tell what its queues did."""

from __future__ import annotations

import csv
import filecmp
import statistics
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.provinces.paths import write_congested_path, write_quiet_path
from benchmarks.provinces.province import write_province
from benchmarks.provinces.queues import Line, run_queue
from benchmarks.provinces.trouble import MINUTES_PER_DAY, Period
from benchmarks.provinces.truth import runs
from benchmarks.provinces.writing import COLUMNS, summarise
from benchmarks.traces import TraceError, read_labels, read_site_groups, read_trace


@pytest.fixture(scope="module")
def province(tmp_path_factory):
    folder = tmp_path_factory.mktemp("province")
    write_province(folder, seed=5, hard=True, sites=2, days=9)
    return folder


def test_a_full_line_is_congested_and_a_quiet_one_is_not():
    line = Line(buffer_milliseconds=150, drop_ratio=0.02, peak_load=0.01, object_seconds=0.2)
    shares = run_queue(np.random.default_rng(1), line, 1, [Period(600, 660, 1.1)]).congested_ratio()
    assert shares[600:660].min() == 1.0
    assert shares[:600].max() < 0.25


def test_a_tiny_buffer_is_congested_by_its_drops():
    line = Line(buffer_milliseconds=14, drop_ratio=0.07, peak_load=0.01, object_seconds=0.2)
    queue = run_queue(np.random.default_rng(1), line, 1, [Period(600, 660, 1.1)])
    assert queue.delay_milliseconds.max() <= 14
    assert queue.congested_ratio()[600:660].min() == 1.0


def test_the_same_seed_gives_the_same_files(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_province(tmp_path / name, seed=7, hard=False, sites=1, days=2)
    files = ["trace.csv.gz", "labels.csv", "sites.csv"]
    assert filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", files, shallow=False)[0] == files


def test_terminals_wait_longer_or_lose_more_in_labelled_events(province):
    trace, labels = read_trace(province / "trace.csv.gz"), read_labels(province / "labels.csv")
    events = [label for label in labels if label.kind in {"access", "core"}]
    assert events
    for event in events:
        span = slice(event.start - trace.first, event.end - trace.first)
        excess, lost, sent = [], 0.0, 0.0
        for terminal in trace.of_site(event.site):
            rows = terminal.targets["server"]
            if not np.isnan(rows["rtt_p50_us"]).all():
                excess += list((rows["rtt_mean_us"] - np.nanpercentile(rows["rtt_min_us"], 5))[span])
                sent += float(np.nansum(rows["sent"][span]))
                lost += float(np.nansum((rows["sent"] - rows["received"])[span]))
        assert np.nanmedian(excess) > 12_000 or lost / sent > 0.02


def test_labels_are_unions_of_kinds_and_events_come_after_the_learning_days(province):
    trace, labels = read_trace(province / "trace.csv.gz"), read_labels(province / "labels.csv")
    assert {label.kind for label in labels} <= {"access", "core", "neither", "outage", "lan", "service"}
    for label in labels:
        assert label.end > label.start
        if label.kind in {"access", "core"}:
            assert label.start - trace.first >= 7 * MINUTES_PER_DAY
            assert label.end - label.start >= 5


def test_a_hard_province_has_what_makes_it_hard(province):
    groups = read_site_groups(province / "sites.csv")
    trace = read_trace(province / "trace.csv.gz")
    assert {"line 4g", "line dsl", "tiny buffer", "all day"} <= set(groups)
    assert 1 in {len(trace.of_site(site)) for site in trace.sites}


@given(st.lists(st.lists(st.one_of(st.none(), st.floats(0.01, 3000)), min_size=10, max_size=10), min_size=1))
def test_rows_summarise_the_answers_of_a_minute(probes):
    table = np.array([[np.nan if one is None else one for one in row] for row in probes], dtype=float)
    for row, summary in zip(probes, summarise(table), strict=True):
        answers = [one * 1e3 for one in row if one is not None]
        assert summary[0] == len(answers)
        if not answers:
            assert np.isnan(summary[1:]).all()
            continue
        assert summary[1] == pytest.approx(min(answers))
        assert summary[2] == pytest.approx(statistics.median(answers))
        assert summary[4] == pytest.approx(max(answers))
        assert summary[5] == pytest.approx(statistics.fmean(answers))
        steps = [abs(later - earlier) for earlier, later in pairwise(answers)]
        assert summary[6] == pytest.approx(statistics.fmean(steps)) if steps else np.isnan(summary[6])


def test_runs_join_over_short_gaps_and_leave_short_ones_out():
    flags = np.zeros(40, dtype=bool)
    flags[[3, 4, 8, 20, 30, 31, 32]] = True
    assert runs(flags, gap=3, shortest=3) == [(3, 9), (30, 33)]


def test_a_congested_path_has_a_period_a_day_and_a_quiet_one_none(tmp_path):
    write_congested_path(tmp_path, seed=1)
    trace, labels = read_trace(tmp_path / "trace.csv.gz"), read_labels(tmp_path / "labels.csv")
    assert len(labels) == 15
    medians = trace.terminals[0].targets["server"]["rtt_p50_us"]
    inside = np.concatenate([medians[label.start - trace.first : label.end - trace.first] for label in labels])
    assert np.nanmedian(inside) - np.nanmedian(medians) == pytest.approx(48_000, rel=0.2)
    write_quiet_path(tmp_path, seed=1)
    assert read_labels(tmp_path / "labels.csv") == []
    assert list(read_trace(tmp_path / "trace.csv.gz").terminals[0].targets) == ["server"]


def test_a_bad_row_is_named(tmp_path):
    path = tmp_path / "trace.csv"
    good = ["2026-03-01T17:00:00Z", "a", "a-1", "server", "10", "10", *["20000"] * 7]
    bad = [*good[:4], "ten", *good[5:]]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS.split(","), good, bad])
    with pytest.raises(TraceError, match=r"trace\.csv, row 3.*ten"):
        read_trace(path)
    path.write_text("time,site\n")
    with pytest.raises(TraceError, match="column received is missing"):
        read_trace(path)
