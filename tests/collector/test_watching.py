"""The site detector of a running collector: fed, restarted, without its store."""

from __future__ import annotations

import json
import shutil
import time

import numpy as np
import pytest
from sqlalchemy import select

from agent.wire.catalogue import LINK_LATENCY
from alerts.congestion.settings import detector_parameters
from alerts.rules import SHIPPED_RULES, load_rules
from collector.db.registry import open_registry
from collector.db.tables import transition
from collector.judging import Judge
from collector.metrics.embedded import EmbeddedMetricStore
from collector.metrics.port import Point, StoreUnavailableError
from collector.selfmetrics import SelfMetrics
from collector.settings import Alerts
from collector.watching import LinkWatch

START = 1_795_399_200
MINUTE = 60
FLOORS_US = {"gateway": 1_000, "server": 16_000}


def minute_points(minute, *, added_us=0, devices=("pc1", "pc2")):
    """What two terminals of a commune measured in one minute, counted from `START`."""
    dice = np.random.default_rng(minute)
    points = []
    # One queue for both of them.
    queue_us, empty = int(added_us * dice.uniform(0.7, 1.3)), dice.uniform(0.3, 0.9)
    for device in devices:
        for target, floor in FLOORS_US.items():
            extra = queue_us if target == "server" else 0
            median = floor + 400 + int(dice.integers(0, 200)) + extra
            shortest = median - 300 - int(extra * empty)
            tags = {"province": "40", "unit": "16681", "site": "main", "device_id": device, "target": target}
            fields = {
                "sent": 10,
                "received": 10,
                "rtt_min_us": shortest,
                "rtt_p50_us": median,
                "rtt_p95_us": median + 1_500,
            }
            points.append(Point(LINK_LATENCY, tags, fields, START + minute * MINUTE + 20))
    return points


def congested(minute):
    return minute_points(minute, added_us=50_000 if 130 <= minute < 160 else 0)


@pytest.fixture
def store(tmp_path):
    store = EmbeddedMetricStore(tmp_path / "metrics.sqlite")
    store.ensure_storage()
    yield store
    store.close()


@pytest.fixture
def engine(tmp_path):
    engine = open_registry(tmp_path / "registry.sqlite")
    yield engine
    engine.dispose()


@pytest.fixture
def alert_settings(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    for name in ("congestion", "path_change", "outage", "service_slow"):
        shutil.copy(SHIPPED_RULES / f"{name}.toml", folder)
    return Alerts(rules_directory=str(folder))


class Minutes:
    """A judge fed minute by minute, as a collector's writer and jobs do."""

    def __init__(self, engine, store, alert_settings) -> None:
        self.engine, self.store, self.settings = engine, store, alert_settings
        self.judge = None
        self.restart()

    def restart(self):
        self.judge = Judge(self.engine, self.store, SelfMetrics(), self.settings)

    def write(self, points):
        self.store.write(points)
        self.judge.watch.put(points)

    def run(self, first, last, points=congested, *, every=1):
        for minute in range(first, last + 1):
            self.write(points(minute))
            if minute % every == 0 or minute == last:
                self.tick(minute)

    def tick(self, minute):
        # The minute is judged half a minute after its end.
        return self.judge.judge(START + (minute + 1) * MINUTE + 31)

    def transitions(self):
        with self.engine.connect() as connection:
            rows = connection.execute(select(transition).order_by(transition.c.id)).all()
        return [(row.rule, row.subject, row.to_state, (int(row.at) - START) // MINUTE - 1) for row in rows], rows


@pytest.fixture
def minutes(engine, store, alert_settings):
    return Minutes(engine, store, alert_settings)


LINE = "access/16681/main"
WHOLE = [("congestion", LINE, "firing"), ("congestion", LINE, "resolved")]


def without_doubts(found):
    return [one[:3] for one in found if one[2] in ("firing", "resolved")]


def test_an_alarm_and_its_end(minutes):
    minutes.run(0, 128, every=16)
    minutes.run(129, 170)
    found, rows = minutes.transitions()
    assert [(state, at) for _, _, state, at in found] == [("pending", 130), ("firing", found[1][3]), ("resolved", 167)]
    assert found[1][3] in (132, 133)
    fired = rows[1]
    assert (fired.device_id, fired.unit_code, fired.site) == (None, "16681", "main")
    assert fired.readings["place"] == "access"
    assert fired.readings["terminals"] == 2
    assert fired.severity == "warning"
    assert fired.reason["parameters"]["where"].endswith("(main)")
    assert "16681" not in fired.reason["parameters"]["where"]


def test_a_restart_in_the_middle_neither_loses_nor_repeats_it(minutes, tmp_path):
    minutes.run(0, 128, every=16)
    minutes.run(129, 140, every=3)
    files = sorted((tmp_path / "lines").glob("*"))
    assert [path.suffix for path in files] == [".npz"]
    minutes.restart()
    minutes.run(141, 150, every=3)
    assert without_doubts(minutes.transitions()[0]) == WHOLE[:1]
    minutes.restart()
    minutes.run(151, 180, every=3)
    assert without_doubts(minutes.transitions()[0]) == WHOLE


def test_what_was_learned_outlives_the_store(minutes, tmp_path, engine, alert_settings):
    """The readings are gone, the file of the hour is there: the line is known at once."""
    minutes.run(0, 128, every=16)
    other = EmbeddedMetricStore(tmp_path / "other.sqlite")
    other.ensure_storage()
    again = Minutes(engine, other, alert_settings)
    again.run(129, 140, every=2)
    assert without_doubts(again.transitions()[0]) == WHOLE[:1]
    other.close()


@pytest.mark.parametrize("damage", [b"", b"no archive", b"PK\x03\x04 half of one"])
def test_a_damaged_file_is_passed_over_and_learned_again(minutes, tmp_path, damage, caplog):
    minutes.run(0, 128, every=32)
    (path,) = (tmp_path / "lines").glob("*.npz")
    good = np.load(path)["statistics"]
    path.write_bytes(damage)
    (tmp_path / "lines" / "notes.npz").write_bytes(b"somebody's")
    minutes.restart()
    minutes.run(129, 140, every=3)
    assert without_doubts(minutes.transitions()[0]) == WHOLE[:1]
    assert f"{path} cannot be read and is not used" in caplog.text
    np.testing.assert_array_equal(np.load(path)["statistics"], good)


class AwayStore:
    """A store that does not answer while it is told to be away."""

    def __init__(self, store) -> None:
        self._store = store
        self.away = True

    def read(self, *words, **named):
        if self.away:
            raise StoreUnavailableError("the store does not answer")
        return self._store.read(*words, **named)

    def write(self, points):
        return self._store.write(points)


def test_while_the_store_is_away_nothing_changes_and_later_it_catches_up(engine, store, alert_settings):
    for minute in range(141):
        store.write(congested(minute))
    away = AwayStore(store)
    minutes = Minutes(engine, away, alert_settings)
    for minute in (135, 136):
        with pytest.raises(StoreUnavailableError):
            minutes.tick(minute)
    assert minutes.transitions()[0] == []
    minutes.write(congested(141))
    away.away = False
    minutes.tick(141)
    assert without_doubts(minutes.transitions()[0]) == WHOLE[:1]


def test_what_nobody_told_it_of_is_read_from_the_store(engine, store, alert_settings):
    judge = Judge(engine, store, SelfMetrics(), alert_settings)
    for minute in range(129):
        store.write(congested(minute))
    judge.judge(START + 129 * MINUTE + 31)
    for minute in range(129, 141):
        store.write(congested(minute))
    judge.judge(START + 141 * MINUTE + 31)
    with engine.connect() as connection:
        assert "firing" in connection.execute(select(transition.c.to_state)).scalars().all()


@pytest.fixture
def watch(store, tmp_path):
    parameters = detector_parameters(load_rules(SHIPPED_RULES).values())
    return LinkWatch(parameters, store, tmp_path / "lines")


def test_a_clock_that_jumps_ahead_and_back_leaves_it_seeing(watch, store):
    for minute in range(141):
        store.write(congested(minute))
    watch.put([])
    now = START + 141 * MINUTE + 31
    expected = [(one.rule, one.place, one.pending_at) for one in watch.judged(now).events]
    assert expected == [("congestion", "access", START + 130 * MINUTE)]
    begun = time.process_time()
    assert watch.judged(now + 20 * 365 * 86_400).events == ()
    assert [(one.rule, one.place, one.pending_at) for one in watch.judged(now + 60).events] == expected
    assert time.process_time() - begun < 20


def test_a_file_that_cannot_be_kept_stops_nothing(store, tmp_path, caplog):
    parameters = detector_parameters(load_rules(SHIPPED_RULES).values())
    (tmp_path / "lines").write_text("not a folder")
    watch = LinkWatch(parameters, store, tmp_path / "lines")
    for minute in range(141):
        store.write(congested(minute))
    assert [one.rule for one in watch.judged(START + 141 * MINUTE + 31).events] == ["congestion"]
    assert "what was learned of the lines cannot be kept" in caplog.text


def test_the_newest_minutes_for_other_rules(watch):
    watch.put([*minute_points(5), *minute_points(6)])
    window = watch.window(START + 6 * MINUTE + 40, 2)
    assert (window.minutes - START).tolist() == [300, 360]
    assert window.values["sent"].tolist() == [[10.0] * 4] * 2
    assert {link.target for link in window.links} == {"gateway", "server"}


def test_reports_of_agents_become_an_alarm(running, report, parts):
    """From the door to the transition: reports of three hours, as a spool hands them over."""
    # What came before a judgement is not taken any more when it is older than an hour: nobody may judge meanwhile.
    running.collector.jobs.stop()
    now = time.time()
    # The newest whole minutes are judged; learning needs two whole hours before.
    first = int(now // 3600) * 3600 - 3 * 3600
    count = int((now - first) // MINUTE) - 1
    for _ in range(2):
        enrolled = running.enrol()
        reports = []
        for minute in range(count):
            added = 0.05 if minute >= count - 8 else 0.0
            dice = np.random.default_rng(minute)
            samples = []
            for target, floor in (("gateway", 0.001), ("server", 0.016)):
                extra = added * dice.uniform(0.7, 1.3) if target == "server" else 0.0
                values = {
                    "link_probes_sent": 10,
                    "link_probes_received": 10,
                    "link_rtt_min_seconds": floor + extra * dice.uniform(0.1, 0.6),
                    "link_rtt_p50_seconds": floor + 0.0004 + extra,
                    "link_rtt_p95_seconds": floor + 0.002 + extra,
                }
                samples += [parts["sample"](name, value, {"target": target}) for name, value in values.items()]
            moment = minute * MINUTE + 5
            one = report(
                enrolled["device_id"], minute + 1, wall=first + moment, monotonic=1000.0 + moment, samples=samples
            )
            reports.append(one)
        for at in range(0, len(reports), 50):
            answer = running.upload(enrolled["token"], reports[at : at + 50])
            assert answer.status == 200, answer.data
            assert {one["status"] for one in json.loads(answer.data)["results"]} == {"accepted"}, answer.data
    running.wait_written()
    running.collector.jobs.tick(time.time())
    with running.collector.engine.connect() as connection:
        rows = connection.execute(select(transition).where(transition.c.rule == "congestion")).all()
    firing = [row for row in rows if row.to_state == "firing"]
    assert [row.subject for row in firing] == ["access/16681/main"], (running.collector.jobs.problem, rows)
    assert firing[0].readings["place"] == "access"
    assert firing[0].site == "main"
