"""Traces through the rules, and the command that does it."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from alerts.replay.run import replay
from alerts.replay.trace import read_trace
from collector.cli.alerts import alerts

SMALL = Path(__file__).parents[1] / "traces" / "one_site.csv.gz"
SHARED = Path(__file__).parents[4] / "shared" / "data" / "congestion"
KEYS = {"rule", "site", "place", "pending_at", "fired_at", "resolved_at", "peak_added_us", "loss_ratio", "reason"}
DAY = 86_400


def run(*words):
    return CliRunner().invoke(alerts, ["replay", *map(str, words)], standalone_mode=False)


def lines(*words):
    result = run(*words)
    assert result.exception is None, result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


def seconds(text):
    return int(dt.datetime.fromisoformat(text).timestamp())


def test_the_small_trace():
    found = lines(SMALL, "--language", "en")
    assert all(set(one) >= KEYS for one in found)
    network = [one for one in found if one["rule"] == "congestion"]
    assert [(one["site"], one["place"]) for one in network] == [("s05", "access"), ("*", "core")]
    for one, span in zip(network, (("03:27", "04:26"), ("08:20", "08:44")), strict=True):
        start, end = (seconds(f"2026-03-18T{text}:00Z") for text in span)
        assert 0 <= seconds(one["fired_at"]) - start <= 240
        assert -300 <= seconds(one["resolved_at"]) - end <= 900
        assert one["peak_added_us"] > 50_000
        assert 0 <= one["loss_ratio"] < 0.1
    assert "access line of s05 is congested since 10:27 18/03/2026" in network[0]["reason"]
    # The routes that the trace's own site has, no more.
    assert {one["rule"] for one in found} <= {"congestion", "path_change"}


def test_vietnamese_and_text():
    vietnamese = [one for one in lines(SMALL) if one["rule"] == "congestion"]
    assert vietnamese[0]["reason"].startswith("Cảnh báo sớm: đường truyền")
    text = run(SMALL, "--format", "text", "--language", "en").stdout.splitlines()
    assert len(text) == len(lines(SMALL))
    line = next(line for line in text if "congestion/access" in line)
    assert re.match(r"10:29 18/03/2026 – 11:3\d 18/03/2026  congestion/access  Early warning: the access line", line)


def test_other_figures():
    """Figures that belong together may be stated in any order."""
    words = ("on_min_us=900000", "on_max_us=900000", "loss_alone_min_ratio=1", "loss_with_delay_min_ratio=1")
    found = lines(SMALL, *(word for text in words for word in ("--set", text)))
    assert {one["rule"] for one in found} == {"path_change"}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--set", "on_min_us=8 ms"], "on_min_us"),
        (["--set", "on_min=8000"], "expected KEY=VALUE, KEY one of"),
        (["--set", "on_min_us"], "expected KEY=VALUE"),
        (["--set", "clear_steps=3"], "congestion.clear_steps=3 or service_slow.clear_steps=3"),
        (["--set", "on_min_us=60000"], "expected at most on_max_us"),
        (["--set", "on_min_us=1"], "on_min_us"),
        (["--rules", "/nowhere"], "/nowhere"),
        (["--site", "16681"], "expected either a trace or --site"),
    ],
)
def test_wrong_words(words, problem):
    result = run(SMALL, *words)
    assert problem in str(result.exception)
    assert result.stdout == ""


def test_exit_codes(tmp_path):
    runner = CliRunner()
    bad = tmp_path / "trace.csv"
    bad.write_text("time,site\n")
    result = runner.invoke(alerts, ["replay", str(bad)])
    assert result.exit_code != 0
    assert f"{bad}: column 'terminal' is missing" in result.output
    assert runner.invoke(alerts, ["replay"]).exit_code == 2
    assert runner.invoke(alerts, ["replay", str(SMALL)]).exit_code == 0


ACCESS = ("access", 0, 150, 20, 40_000)


def test_rows_in_any_order_and_twice(written, rows_of, parameters):
    rows = rows_of(troubles=[ACCESS, ("core", None, 200, 20, 40_000)])
    ordered = replay(read_trace(written(rows)), parameters)
    dice = np.random.default_rng(3)
    mixed = [rows[n] for n in dice.permutation([*range(len(rows)), *range(0, len(rows), 7)])]
    again = replay(read_trace(written(mixed, "mixed.csv.gz")), parameters)
    assert [one.place for one in ordered] == ["access", "core"]
    assert again == ordered


@pytest.mark.parametrize(
    ("targets", "fired_after"),
    [
        (("gateway", "edge", "server"), 3),
        (("gateway", "server"), 3),
        (("edge", "server"), 3),
        (("server",), 3),
        (("gateway", "edge"), 3),
    ],
)
def test_targets_that_are_missing(written, rows_of, parameters, targets, fired_after):
    (one,) = replay(read_trace(written(rows_of(targets, troubles=[ACCESS]))), parameters)
    start = seconds("2026-03-02T02:30:00Z")
    assert (one.rule, one.place, one.site.site, one.pending_at) == ("congestion", "access", "s0", start)
    assert one.fired_at - start <= 60 * fired_after


@pytest.mark.parametrize("minutes", [5, 20])
def test_coarse_steps(written, rows_of, parameters, minutes):
    rows = rows_of(
        ("server",), sites=1, terminals=1, steps=96, step_minutes=minutes, troubles=[("access", 0, 60, 20, 40_000)]
    )
    (one,) = replay(read_trace(written(rows)), parameters)
    start = seconds("2026-03-02T00:00:00Z") + 60 * minutes * 60
    assert one.pending_at == start
    assert one.fired_at - start == 3 * minutes * 60
    assert one.resolved_at - (start + 20 * minutes * 60) <= 9 * minutes * 60


def _some_sites(source, target, sites, until):
    import gzip

    with gzip.open(source, "rt", encoding="utf-8") as lines_in, target.open("w", encoding="utf-8") as out:
        out.write(next(lines_in))
        for line in lines_in:
            if line >= until:
                break
            if line.split(",", 2)[1] in sites:
                out.write(line)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the labelled traces (../shared/data/congestion) are not here")
def test_two_sites_of_the_labelled_province_for_two_weeks(tmp_path, parameters):
    """An extra to the small trace: the goals, on a part of the easy trace (all of it takes 27 s of processor time)."""
    sites = {"s00", "s03"}
    part = tmp_path / "part.csv"
    _some_sites(SHARED / "trace_easy.csv.gz", part, sites, "2026-03-16")
    trace = read_trace(part)
    begin = trace.first_step() * 60 + 7 * DAY
    end = trace.last_step() * 60
    alarms = [
        one
        for one in replay(trace, parameters)
        if one.rule == "congestion" and one.place in ("access", "core") and (one.resolved_at or end) > begin
    ]
    events, grey = [], []
    with (SHARED / "labels_easy.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            span = seconds(row["start"]), seconds(row["end"])
            if row["site"] not in sites | {"*"} or span[0] < begin or span[1] > end:
                continue
            if row["kind"] in ("access", "core"):
                events.append((row["site"], row["kind"], *span))
            elif row["kind"] in ("neither", "outage"):
                grey.append((row["site"], row["kind"], *span))

    def meets(alarm, event):
        where = alarm.site is None or event[0] in ("*", alarm.site.site)
        return where and alarm.pending_at < event[3] and (alarm.resolved_at or end) > event[2]

    long = [event for event in events if event[3] - event[2] >= 600]
    found = [event for event in long if any(meets(alarm, event) for alarm in alarms)]
    delays = [min(alarm.fired_at for alarm in alarms if meets(alarm, event)) - event[2] for event in found]
    right = [any(meets(alarm, event) and alarm.place == event[1] for alarm in alarms) for event in found]
    false = [alarm for alarm in alarms if not any(meets(alarm, each) for each in events + grey)]
    assert len(long) >= 6
    assert len(found) >= 0.97 * len(long)
    assert sum(right) >= 0.99 * len(found)
    assert float(np.median(delays)) <= 180
    assert float(np.quantile(delays, 0.9)) <= 300
    assert len(false) <= 0.05 * len(alarms)
