"""Trials of figures on stored readings, against a real collector."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import html
import json
import os
import re
import shutil
import threading
import time
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from alerts.rules import SHIPPED_RULES, load_rule
from collector.cli.alerts import alerts
from collector.clock import LOCAL_ZONE, local_day
from collector.metrics.port import Point, StoreUnavailableError
from collector.replaying import DAY_SECONDS, StoredSpan, events_stored, parameters_with
from collector.settings import Settings, Web
from collector.web.replay_run import ReplayRefusedError, ReplayRunner, Trial

# Synthetic minutes of four terminals, of 17 and 18 March; tests/alerts/traces/README.md tells their true events.
TRACE = Path(__file__).parents[1] / "alerts" / "traces" / "one_site.csv.gz"
UNIT, SITE = "16681", "main"
SECOND_DAY = dt.datetime(2026, 3, 18, tzinfo=LOCAL_ZONE).timestamp()
MEASURED = ("sent", "received", "rtt_min_us", "rtt_p50_us", "rtt_p95_us")


def trace_points(shift_seconds):
    """The trace's rows as a collector stores them, moved in time."""
    points = []
    with gzip.open(TRACE, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            at = int(dt.datetime.fromisoformat(row["time"]).replace(tzinfo=dt.UTC).timestamp())
            tags = {"province": "40", "unit": UNIT, "site": SITE, "target": row["target"]}
            tags["device_id"] = row["terminal"]
            fields = {name: int(float(row[name])) for name in MEASURED if row[name]}
            points.append(Point("link_latency", tags, fields, at + shift_seconds))
    return points


def store_all(running, points):
    running.collector.store.ensure_storage()
    for at in range(0, len(points), 5000):
        assert running.collector.store.write(points[at : at + 5000]) == []


def yesterday():
    return local_day(time.time()) - dt.timedelta(days=1)


@pytest.fixture
def stored(running):
    """The trace with its second day as yesterday; gives that day."""
    begin = dt.datetime.combine(yesterday(), dt.time(), LOCAL_ZONE).timestamp()
    store_all(running, trace_points(int(begin - SECOND_DAY)))
    return yesterday()


@pytest.fixture
def settings():
    return Settings(web=Web(require_login=False))


def trial(running, day, **words):
    words = {"unit": UNIT, "since": day, "until": day, "language": "en"} | words
    return running.http.request("GET", f"{running.url}/replay", fields=words, redirect=False, timeout=120)


def told(answer):
    return html.unescape(answer.data.decode())


def tally(text, kind):
    """The numbers in the row of one kind, () where there is no such row."""
    row = re.search(rf"</svg> {kind}</td>(.*?)</tr>", text)
    return tuple(re.findall(r"[-+]?\d+", re.sub(r"<[^>]*>", " ", row.group(1)))) if row else ()


class TestTrial:
    def test_the_events_are_drawn_and_told(self, running, stored):
        answer = trial(running, stored)
        assert answer.status == 200
        text = told(answer)
        assert "Phường Thành Vinh" in text
        assert 'class="median"' in text
        assert {"line of-gateway", "line of-edge"} <= set(re.findall(r'<polyline class="([^"]*)"', text))
        assert re.search(r'<g><title>\d+ access line congested, \w+</title><rect class="tint of-access"', text)
        assert 'fill="url(#band-access)"' in text
        assert text.count('id="band-access"') == 1
        assert "Early warning: the access line of Phường Thành Vinh (main) is congested since 10:2" in text
        assert int(tally(text, "access line congested")[0]) >= 1
        assert int(tally(text, "core congested")[0]) == 1
        assert "Alarms, changed figures" not in text
        assert f"thongmang alerts replay --site {UNIT} --since {stored} --until {stored}" in text

    def test_it_is_a_page_like_the_others(self, running, stored):
        answer = trial(running, stored)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        text = answer.data.decode()
        assert "<script" not in text
        assert " style=" not in text
        assert "http://" not in text

    def test_the_command_line_finds_the_same(self, running, stored):
        words = ["replay", "--site", f"{UNIT}/{SITE}", "--since", str(stored), "--until", str(stored)]
        done = CliRunner().invoke(alerts, [*words, "--state", str(running.collector.state), "--language", "en"])
        lines = [json.loads(line) for line in done.output.splitlines()]
        text = told(trial(running, stored, site=SITE))
        assert len(lines) >= 2
        assert f"Events ({len(lines)})" in text
        for line in lines:
            assert line["reason"] in text

    def test_changed_figures_stand_beside_those_in_force(self, running, stored):
        text = told(
            trial(
                running,
                stored,
                on_min_us="500000",
                on_max_us="1000000",
                loss_alone_min_ratio="0.9",
                loss_with_delay_min_ratio="0.9",
            )
        )
        in_force, minutes, changed, changed_minutes, *difference = map(int, tally(text, "access line congested"))
        assert in_force >= 1
        assert minutes >= 50
        assert (changed, changed_minutes) == (0, 0)
        assert difference == [changed - in_force, changed_minutes - minutes]
        assert "figures in force only" in text
        assert 'class="below"' in text
        assert "on_min_us: 8,000 → 500,000" in text
        assert "loss_alone_min_ratio: 0.05 → 0.9" in text
        assert text.count('class="changed"') == 4
        (address,) = re.findall(r'<a href="([^"]*)">Address of this trial', text)
        again = running.http.request("GET", running.url + address + "&language=en", timeout=120)
        assert tally(told(again), "access line congested") == tally(text, "access line congested")

    def test_figures_may_be_stated_as_on_the_command_line(self, running, stored):
        named = told(trial(running, stored, on_min_us="20000"))
        stated = told(trial(running, stored, set="congestion.on_min_us=20000"))
        assert tally(named, "access line congested") == tally(stated, "access line congested")
        assert 'value="20000"' in stated

    def test_figures_that_belong_together_may_be_changed_together(self, running, stored):
        # Each alone would be refused: hot_steps is at most evidence_steps.
        answer = trial(running, stored, hot_steps="8", evidence_steps="10")
        assert (answer.status, "Alarms, changed figures" in told(answer)) == (200, True)

    def test_the_form_alone_runs_nothing(self, running, stored):
        answer = running.get(f"/replay?unit={UNIT}&language=en")
        text = told(answer)
        assert (answer.status, "Events" in text, 'role="alert"' in text) == (200, False, False)
        rule = load_rule(SHIPPED_RULES / "congestion.toml").condition
        value = re.search(r'name="on_min_us" value="(\d+)" min="(\d+)" max="(\d+)" step="1"', text)
        assert value.groups() == (str(rule.on_min_us), "100", "1000000")
        assert "The threshold is never lower." in text
        assert f'<option value="{UNIT}" selected>' in text


class TestWrongWords:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ({"on_min_us": "x"}, "on_min_us: expected a whole number from 100 to 1000000"),
            ({"on_min_us": "8000.5"}, "on_min_us: expected a whole number from 100 to 1000000"),
            ({"strength_min": "nan"}, "strength_min: expected a number from 0 to 120, with a decimal point"),
            ({"hot_steps": "99"}, "hot_steps: expected a whole number from 1 to 60"),
            (
                {"hot_steps": "8"},
                "These figures do not go together: hot_steps is 8, expected at most evidence_steps (5)",
            ),
            ({"set": "on_mim_us=1"}, "There is no figure “on_mim_us” that can be tried here."),
            ({"set": "gateway_target=x"}, "There is no figure “gateway_target” that can be tried here."),
            ({"unit": "99999"}, "Choose a unit."),
            ({"since": "2026-02-30"}, "Choose the first and the last day."),
            ({"since": "2020-01-01"}, "Choose at most 14 days"),
            ({"until": "2999-01-01"}, "Choose at most 14 days"),
        ],
    )
    def test_they_are_told_and_nothing_is_run(self, running, words, said):
        answer = trial(running, yesterday(), **words)
        text = told(answer)
        assert (answer.status, said in text, 'id="result"' in text) == (422, True, False)

    def test_what_is_typed_is_text_and_nothing_else(self, running):
        words = '"><h1 id=pwn>%(x)s {0}'
        answer = trial(running, yesterday(), site=words, set=words, on_min_us=words)
        assert answer.status == 422
        assert b"<h1 id=pwn>" not in answer.data

    def test_an_office_without_readings_is_told(self, running, stored):
        for words in ({"site": "elsewhere"}, {"since": stored - dt.timedelta(3), "until": stored - dt.timedelta(3)}):
            answer = trial(running, stored, **words)
            assert (answer.status, "Nothing is stored of this office" in told(answer)) == (200, True)

    def test_rules_that_cannot_be_used_are_told(self, tmp_path, running, monkeypatch):
        monkeypatch.setattr("collector.web.replay_pages.SHIPPED_RULES", tmp_path / "none")
        answer = trial(running, yesterday())
        assert (answer.status, "The rules cannot be used" in told(answer)) == (503, True)


class TestFragment:
    def test_it_goes_into_the_rules_own_file(self, running, tmp_path):
        words = f"unit={UNIT}&since={yesterday()}&until={yesterday()}&set=on_min_us=12000&strength_min=6"
        answer = running.get(f"/replay/congestion-figures.toml?{words}")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="congestion-figures.toml"'
        fragment = answer.data.decode()
        assert "on_min_us = 12000  # was 8000" in fragment
        tables = tomllib.loads(fragment)
        assert tables["parameters"] == {"on_min_us": 12000, "strength_min": 6.0}
        rule, section, lines = SHIPPED_RULES / "congestion.toml", "", []
        for line in rule.read_text().splitlines():
            section = line.strip("[]") if line.startswith("[") else section
            key = line.partition(" = ")[0]
            put = tables.get(section, {}).get(key)
            lines.append(line if put is None else f"{key} = {json.dumps(put)}")
        own = tmp_path / "congestion.toml"
        own.write_text("\n".join(lines))
        loaded = load_rule(own)
        assert (loaded.condition.on_min_us, loaded.condition.strength_min) == (12000, 6.0)
        assert loaded.sources["on_min_us"].startswith("Tried on stored readings of unit 16681")

    @pytest.mark.parametrize("words", ["set=on_min_us=12000", f"unit={UNIT}&since=2026-01-01&until=2026-01-01"])
    def test_without_a_change_or_a_place_there_is_none(self, running, words):
        assert running.get(f"/replay/congestion-figures.toml?{words}").status == 422


class SlowStore:
    """A real store that answers only when it is let."""

    def __init__(self, store):
        self.store, self.asked, self.may_go = store, threading.Event(), threading.Event()

    def read(self, *words, **named):
        self.asked.set()
        assert self.may_go.wait(30)
        yield from self.store.read(*words, **named)


class TestRunner:
    def trial(self, day, *changes):
        begin = int(dt.datetime.combine(day, dt.time(), LOCAL_ZONE).timestamp())
        changed = parameters_with(None, changes) if changes else None
        return Trial(StoredSpan(UNIT, "", begin, begin + DAY_SECONDS), parameters_with(None, ()), changed)

    def test_one_at_a_time(self, running, stored):
        slow = SlowStore(running.collector.store)
        runner = ReplayRunner(slow)
        outcomes = []
        first = threading.Thread(target=lambda: outcomes.append(runner.run(self.trial(stored), time.time())))
        first.start()
        assert slow.asked.wait(10)
        with pytest.raises(ReplayRefusedError, match="Another trial is running") as refused:
            runner.run(self.trial(stored), time.time())
        assert refused.value.may_repeat
        slow.may_go.set()
        first.join()
        # The same figures give the same events, read back as they were or judged again.
        again = runner.run(self.trial(stored, "on_min_us=8001"), time.time())
        assert again.in_force == outcomes[0].in_force
        assert again.until == outcomes[0].until
        expected = events_stored(running.collector.store, self.trial(stored).span, parameters_with(None, ()))
        assert list(again.in_force) == expected

    def test_a_trial_that_takes_too_long_is_given_up_and_leaves_room(self, running, stored):
        slow = SlowStore(running.collector.store)
        runner = ReplayRunner(slow, limit_seconds=0.3)
        begun = time.monotonic()
        with pytest.raises(ReplayRefusedError, match="not done within") as refused:
            runner.run(self.trial(stored), time.time())
        assert (refused.value.may_repeat, time.monotonic() - begun < 5) == (True, True)
        slow.may_go.set()
        runner.limit_seconds = 60.0
        # The one given up has read by now what it asked for, and ends by itself.
        for _ in range(100):
            try:
                outcome = runner.run(self.trial(stored), time.time())
            except ReplayRefusedError:
                time.sleep(0.2)
            else:
                break
        assert outcome.in_force

    def test_more_readings_than_it_may_hold_are_refused(self, running, stored):
        runner = ReplayRunner(running.collector.store, most_readings=1000)
        for _ in range(2):
            with pytest.raises(ReplayRefusedError, match="More than 1000") as refused:
                runner.run(self.trial(stored), time.time())
            assert not refused.value.may_repeat

    def test_a_store_that_is_away_is_said(self, running, stored):
        class Away:
            def read(self, *_words, **_named):
                raise StoreUnavailableError("away")

        runner = ReplayRunner(Away())
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                runner.run(self.trial(stored), time.time())


class TestLogin:
    @pytest.fixture
    def settings(self):
        return Settings()

    @pytest.mark.parametrize("path", ["/replay", "/replay/congestion-figures.toml"])
    def test_they_ask_for_a_login(self, running, path):
        assert running.get(path).status == 303


@pytest.fixture
def page():
    path = shutil.which("chromium")
    if path is None and os.environ.get("THONGMANG_ALLOW_MISSING") == "1":
        pytest.skip("Debian's chromium is not installed and THONGMANG_ALLOW_MISSING=1")
    assert path is not None, "Debian's chromium is not installed: apt-get install chromium"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        words = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=path, args=words)
        opened = browser.new_page(viewport={"width": 1366, "height": 768})
        opened.set_default_timeout(120_000)
        opened.complaints = []
        opened.on("console", lambda said: opened.complaints.append(said.text) if said.type == "error" else None)
        yield opened
        browser.close()


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_a_trial_by_keyboard_and_on_paper(running, stored, page):
    page.goto(f"{running.url}/replay?unit={UNIT}&language=en")
    for name in ("since", "until"):
        page.locator(f"#{name}").fill(str(stored))
    page.get_by_label("The threshold is never lower.").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("15000")
    page.keyboard.press("Enter")
    page.wait_for_selector("#result")
    assert "on_min_us: 8,000 → 15,000" in page.locator("main").inner_text()
    band = page.locator("svg.chart rect.over.of-access").first.bounding_box()
    chart = page.locator("figure.replayed > svg.chart").bounding_box()
    assert chart["x"] < band["x"] < chart["x"] + chart["width"]
    assert band["width"] > 5
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the changed figures").click()
    assert waiting.value.suggested_filename == "congestion-figures.toml"
    for width in (1366, 390):
        page.set_viewport_size({"width": width, "height": 768})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.emulate_media(media="print")
    assert not page.locator(".figures-form").is_visible()
    assert page.locator("figure.replayed > svg.chart").is_visible()
    assert page.complaints == []
