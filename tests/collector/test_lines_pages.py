"""The page of lines and its API, against a real collector."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import html
import re
import time
from pathlib import Path

import pytest

from collector.enrolment import create_access_token
from collector.metrics.port import Point
from collector.settings import Settings, Web

# Synthetic minutes of four terminals, of 17 and 18 March; tests/alerts/traces/README.md tells their true events.
TRACE = Path(__file__).parents[1] / "alerts" / "traces" / "one_site.csv.gz"
UNIT, SITE = "16681", "main"
MEASURED = ("sent", "received", "rtt_min_us", "rtt_p50_us", "rtt_p95_us")


def trace_rows(until):
    """The trace's rows with their times, up to a moment of its own time."""
    with gzip.open(TRACE, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            at = int(dt.datetime.fromisoformat(row["time"]).replace(tzinfo=dt.UTC).timestamp())
            if at < until:
                yield at, row


@pytest.fixture
def settings():
    return Settings(web=Web(require_login=False))


def told(answer):
    return html.unescape(answer.data.decode())


@pytest.fixture
def congested(running):
    """The trace up to the middle of the access line's congestion, which is now.

    Gives its terminals, and those of them that are not switched off by then.
    """
    middle = int(dt.datetime(2026, 3, 18, 3, 50, tzinfo=dt.UTC).timestamp())
    rows = list(trace_rows(middle))
    names = {terminal: running.enrol()["device_id"] for terminal in sorted({row["terminal"] for _, row in rows})}
    running.enrol(unit_code="17827", site="dang-uy")
    # The minute before the present one is not complete yet.
    shift = int(time.time()) // 60 * 60 - 60 - middle
    points = [
        Point(
            "link_latency",
            {
                "province": "40",
                "unit": UNIT,
                "site": SITE,
                "device_id": names[row["terminal"]],
                "target": row["target"],
            },
            {name: int(float(row[name])) for name in MEASURED if row[name]},
            at + shift,
        )
        for at, row in rows
    ]
    # Nobody may judge half of it: what is older than an hour then would not be learned any more.
    running.collector.jobs.stop()
    # A tick may have asked before: asked about another day, the lines are learned again from the store at the next one.
    running.collector.jobs.watch.states(time.time() - 86_400)
    running.collector.store.ensure_storage()
    for at in range(0, len(points), 5000):
        assert running.collector.store.write(points[at : at + 5000]) == []
    reporting = {row["terminal"] for at, row in rows if at >= middle - 480}
    assert 2 <= len(reporting) < len(names)
    return names, reporting


class TestLines:
    def test_a_congested_line_and_one_without_readings(self, running, congested):
        answer = running.api("/api/v1/lines")
        lines = {line["unit_code"]: line for line in answer["lines"]}
        line = lines[UNIT]
        assert (line["state"], line["place"], line["site"]) == ("firing", "access", SITE)
        assert line["added_us"] > 8_000
        assert 15 * 60 <= time.time() - line["since"] <= 35 * 60
        names, reporting = congested
        assert (line["terminals_reporting"], line["terminals_enrolled"]) == (len(reporting), len(names))
        assert (line["gateway_answers"], line["edge_answers"]) == (True, True)
        other = lines["17827"]
        assert (other["state"], other["terminals_reporting"], other["gateway_answers"]) == ("unknown", 0, None)
        assert answer["province"]["state"] == "ok"
        assert 0 < time.time() - answer["judged_to"] < 240
        assert len(running.api(f"/api/v1/lines?unit={UNIT}")["lines"]) == 1

    def test_the_page_tells_them_in_words_and_shapes(self, running, congested):
        text = told(running.get("/lines?language=en"))
        assert re.search(r"Phường Thành Vinh.*?▲ congested</span><br><small>access line", text, re.DOTALL)
        assert "○ no readings" in text
        names, reporting = congested
        assert f"{len(reporting)} of {len(names)}" in text
        assert f'href="/replay?unit={UNIT}&site={SITE}"' in text
        only = told(running.get("/lines?language=en&state=unknown&q=nghi+loc"))
        assert "Xã Nghi Lộc" in only
        assert "Phường Thành Vinh" not in only
        assert "No office fits." in told(running.get("/lines?language=en&q=zzz"))

    def test_who_may_read_may_see_them(self, running):
        assert running.get("/api/v1/lines").status == 401
        with running.collector.engine.begin() as connection:
            viewer = create_access_token(connection, label="IT", role="viewer", now=time.time())
        assert running.get("/api/v1/lines", viewer).status == 200

    def test_the_ways_to_a_trial(self, running, congested):
        device = next(iter(congested[0].values()))
        for path in (f"/units/{UNIT}", f"/devices/{device}", "/alerts", "/lines"):
            assert 'href="/replay' in running.get(path).data.decode(), path


class TestLogin:
    @pytest.fixture
    def settings(self):
        return Settings()

    def test_the_page_asks_for_a_login(self, running):
        assert running.get("/lines").status == 303
