"""Ratings of the ways to conferences on the page of lines and in its API, against a real collector."""

from __future__ import annotations

import re
import time

import pytest

from collector.metrics.port import Point
from collector.settings import Agents, Settings, Target, Web

UNIT, SITE = "16681", "main"


@pytest.fixture
def settings():
    conference = Target(name="meeting", address="127.0.0.1", role="conference")
    return Settings(web=Web(require_login=False), agents=Agents(targets=(conference,)))


@pytest.fixture
def measured(running):
    """Two terminals of one office measure two conferences and the gateway; one conference is far away."""
    devices = [running.enrol()["device_id"] for _ in range(2)]
    now = int(time.time()) // 60 * 60
    points = []
    for device in devices:
        for target, median_us in (("conference", 20_000), ("meeting", 700_000), ("gateway", 500)):
            tags = {"province": "40", "unit": UNIT, "site": SITE, "device_id": device, "target": target}
            fields = {"sent": 10, "received": 10, "rtt_min_us": median_us - 400, "rtt_p50_us": median_us}
            fields["rtt_p95_us"] = median_us + 5000
            points += [Point("link_latency", tags, fields, now - 60 * minute) for minute in range(1, 8)]
    running.collector.jobs.stop()
    running.collector.jobs.watch.states(time.time() - 86_400)
    running.collector.store.ensure_storage()
    assert running.collector.store.write(points) == []


def test_every_conference_is_rated(running, measured):
    (line,) = running.api("/api/v1/lines")["lines"]
    told = {way["target"]: way for way in line["speech"]}
    assert list(told) == ["conference", "meeting"]
    assert (told["conference"]["mos"], told["conference"]["terminals"]) == (4.41, 2)
    assert told["meeting"]["one_way_delay_us"] == 350_000
    assert told["meeting"]["mos"] < 3.5
    assert set(told["meeting"]) == {
        "target", "terminals", "rating", "mos", "one_way_delay_us", "variation_us", "loss_ratio",
    }  # fmt: skip


def test_the_page_tells_them(running, measured):
    text = running.get("/lines?language=en").data.decode()
    assert "Speech to the conference (MOS)" in text
    assert re.search(r"4\.4 <small>conference</small><br>\d\.\d <small>meeting</small>", text)


def test_without_a_conference_there_is_no_column(running):
    running.enrol()
    running.collector.jobs.stop()
    running.collector.store.ensure_storage()
    assert "(MOS)" not in running.get("/lines?language=en").data.decode()
    assert running.api("/api/v1/lines")["lines"][0]["speech"] == []
