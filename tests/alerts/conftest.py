"""Readings as a metric store hands them out, and rules to judge them by."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from alerts.baseline import HOUR_SECONDS, BaselineBook
from alerts.evaluate import evaluate
from alerts.ports import Inputs
from alerts.rules import SHIPPED_RULES, load_rules

MEASURED = ("sent", "received", "rtt_min_us", "rtt_p50_us", "rtt_p95_us")


@dataclass(frozen=True)
class Stored:
    tags: Mapping[str, str]
    time_seconds: int
    fields: Mapping[str, int]


def reading(
    time_seconds: int, median_us: int | None, *, device="pc1", target="server", site="main", sent=10, received=None
) -> Stored:
    """One minute of one terminal; its minimum is a little under its median."""
    tags = {"province": "40", "unit": "17029", "site": site, "device_id": device, "target": target}
    fields: dict[str, Any] = {"sent": sent, "received": sent if received is None else received}
    if median_us is not None:
        fields |= {"rtt_min_us": median_us - 500, "rtt_p50_us": median_us, "rtt_p95_us": median_us + 1500}
    return Stored(tags, time_seconds, fields)


def read_trace(path: Path, sites: set[str], until: str = "9999") -> dict[int, list[Stored]]:
    """The readings of some sites by time."""
    minutes: dict[int, list[Stored]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if row["time"] >= until:
                break
            if row["site"] in sites:
                time_seconds = seconds(row["time"])
                tags = {
                    "province": "40",
                    "unit": row["site"],
                    "site": "main",
                    "device_id": row["terminal"],
                    "target": row["target"],
                }
                fields = {name: int(row[name]) for name in MEASURED if row[name]}
                minutes[time_seconds].append(Stored(tags, time_seconds, fields))
    return minutes


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def replay(rule, minutes, judge_from=None):
    """Judges a trace minute by minute, as the collector would; returns the transitions and the states left."""
    book, states, transitions = BaselineBook(), {}, []
    first, last = min(minutes), max(minutes)
    window_seconds = rule.condition.window_seconds
    for now in range(first, last + 60, 60):
        if now % HOUR_SECONDS == 0:
            book.put_hour(
                now - HOUR_SECONDS, [each for at in range(now - HOUR_SECONDS, now, 60) for each in minutes.get(at, ())]
            )
        if judge_from is None or now >= judge_from:
            window = [each for at in range(now - window_seconds, now + 60, 60) for each in minutes.get(at, ())]
            result = evaluate(rule, Inputs(window, book), states, now)
            states.update(result.states)
            transitions += result.transitions
    return transitions, states


@pytest.fixture(name="reading")
def _reading():
    return reading


@pytest.fixture(name="read_trace")
def _read_trace():
    return read_trace


@pytest.fixture(name="seconds")
def _seconds():
    return seconds


@pytest.fixture(name="replay")
def _replay():
    return replay


@pytest.fixture(scope="session")
def rules():
    return load_rules(SHIPPED_RULES)


@pytest.fixture(scope="session")
def latency_rule(rules):
    return rules["link_latency_raised"]
