"""Replays of what a collector has stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from agent.wire.catalogue import LINK_LATENCY
from alerts.parameters import RuleError
from alerts.replay.trace import TraceError
from collector.cli.alerts import alerts
from collector.metrics.embedded import EmbeddedMetricStore
from collector.metrics.port import Point
from collector.replaying import StoredSpan, events_stored, parameters_with, replay_stored
from collector.settings import load_settings
from collector.storing import store_of

UNIT = "16681"
# Midnight of 22 November 2026 in the province.
START = 1_795_280_400
MINUTE = 60
DAY = 86_400


def history(days=2):
    """Two terminals at two places of a unit; the first place's line is congested at six every evening but the first."""
    dice = np.random.default_rng(5)
    points = []
    for minute in range(days * 1440):
        if not 15 * 60 <= minute % 1440 < 19 * 60:
            continue
        queue = 50_000 * dice.uniform(0.7, 1.3) if minute >= 1440 and 1080 <= minute % 1440 < 1100 else 0.0
        empty = dice.uniform(0.3, 0.9)
        for site in ("main", "market"):
            for number in range(2):
                added = queue if site == "main" else 0.0
                median = 16_400 + int(dice.integers(0, 200)) + int(added)
                tags = {
                    "province": "40",
                    "unit": UNIT,
                    "site": site,
                    "device_id": f"{site}{number}",
                    "target": "server",
                }
                fields = {
                    "sent": 10,
                    "received": 10,
                    "rtt_min_us": median - 300 - int(added * empty),
                    "rtt_p50_us": median,
                    "rtt_p95_us": median + 1_500,
                }
                points.append(Point(LINK_LATENCY, tags, fields, START + minute * MINUTE))
    return points


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A state directory whose store holds the history."""
    state = tmp_path_factory.mktemp("state")
    store = store_of(load_settings(state / "collector.toml").store, state)
    assert isinstance(store, EmbeddedMetricStore)
    store.ensure_storage()
    assert store.write(history()) == []
    store.close()
    return state


def span(site=UNIT, since="2026-11-22", until="2026-11-23"):
    return StoredSpan.of(site, since, until)


def test_the_days_before_teach_the_baseline(state):
    (event,) = replay_stored(span(since="2026-11-23"), state, parameters_with(None, ()))
    assert (event.rule, event.place, event.site) == ("congestion", "access", (UNIT, "main"))
    assert event.pending_at == START + DAY + 1080 * MINUTE
    assert replay_stored(span(until="2026-11-22"), state, parameters_with(None, ())) == []


def test_one_place_of_the_unit(state):
    parameters = parameters_with(None, ())
    assert len(replay_stored(span(f"{UNIT}/main"), state, parameters)) == 1
    assert replay_stored(span(f"{UNIT}/market"), state, parameters) == []
    with pytest.raises(TraceError, match=f"unit {UNIT}, site attic: there are no readings"):
        replay_stored(span(f"{UNIT}/attic"), state, parameters)


def test_other_figures(state):
    store = store_of(load_settings(state / "collector.toml").store, state)
    deaf = parameters_with(None, ["on_min_us=400000", "on_max_us=400000"])
    assert events_stored(store, span(), deaf) == []
    store.close()
    with pytest.raises(RuleError, match="--set"):
        parameters_with(None, ["on_min_us"])


def test_days_are_the_provinces(monkeypatch):
    assert StoredSpan.of(UNIT, "2026-11-22", "2026-11-22") == StoredSpan(UNIT, "", START, START + DAY)
    assert StoredSpan.of(f"{UNIT}/main", None, "2026-11-28").since_seconds == START
    assert StoredSpan.of(f"{UNIT}/main", None, None).site == "main"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("00000", None, None), "--site 00000: there is no unit '00000', expected an official code"),
        ((UNIT, "22/11/2026", None), "--since is '22/11/2026', expected a day as 2026-11-01"),
        ((UNIT, None, "soon"), "--until is 'soon', expected a day"),
        ((UNIT, "2026-11-23", "2026-11-21"), "--since 2026-11-23 lies not before --until 2026-11-21"),
    ],
)
def test_wrong_words(words, problem):
    with pytest.raises(TraceError) as caught:
        StoredSpan.of(*words)
    assert problem in str(caught.value)


def test_the_command(state: Path):
    words = ["replay", "--site", UNIT, "--since", "2026-11-22", "--until", "2026-11-23", "--state", str(state)]
    result = CliRunner().invoke(alerts, words)
    assert result.exit_code == 0, result.output
    (line,) = (json.loads(text) for text in result.stdout.splitlines())
    assert (line["unit"], line["site"], line["place"]) == (UNIT, "main", "access")
    # Units are called by their names.
    assert UNIT not in line["reason"]
    assert "(main)" in line["reason"]
