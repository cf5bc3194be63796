"""The benchmark's command scores what the shipped replay says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import congestion
from benchmarks.provinces.province import write_province
from benchmarks.traces import Trace

ROOT = Path(__file__).parents[2]


def event(**more):
    times = {"fired_at": "1970-01-01T16:44:00Z", "resolved_at": "1970-01-01T17:00:00Z"}
    return {"rule": "congestion", "site": "a", "place": "access"} | times | more


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (event(), "network"),
        (event(place="core", site="*"), "network"),
        (event(place="lan"), "lan"),
        (event(place="terminal"), "terminal"),
        (event(rule="path_change", place="access"), "path_change"),
        (event(rule="outage", place="access"), "outage"),
    ],
)
def test_an_event_is_scored_by_its_rule_and_place(given, kind):
    assert congestion._kind(given) == kind


def test_an_alarm_that_still_fires_lasts_to_the_end_of_the_trace():
    trace = Trace(1000, 60, [])
    assert congestion._alarm(event(), trace) == congestion.Alarm("a", "access", 1004, 1020, 1005)
    assert congestion._alarm(event(resolved_at=None), trace).end == 1060


@pytest.mark.timeout(300)
def test_the_command_scores_ours_beside_the_rivals(tmp_path):
    write_province(tmp_path, seed=3, hard=True, sites=2, days=8)
    files = [tmp_path / "trace.csv.gz", tmp_path / "labels.csv"]
    command = [sys.executable, ROOT / "benchmarks" / "congestion.py", *files, "--format", "json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    assert set(result["rules"]) == {*congestion.RIVALS, congestion.OURS}
    ours = result["rules"][congestion.OURS]
    assert ours["events"] == result["rules"]["avg(5m) > 100 ms"]["events"] > 0
    assert ours["recall"] > 0.8
    assert {"one terminal", "tiny buffer", "all day", "line 4g"} <= set(result["groups"])
    assert result["replay_cpu_seconds"] > 0
    assert "recall" in congestion.table(result)


def test_a_trace_without_labels_is_refused():
    command = [sys.executable, ROOT / "benchmarks" / "congestion.py", "trace.csv"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "LABELS" in done.stderr
