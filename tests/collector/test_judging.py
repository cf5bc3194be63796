"""The judge on a real registry and store: what it reads, what it remembers, what it does while the store is away."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest
from sqlalchemy import event, insert, select, update

from agent.wire.catalogue import DEVICE_FILESYSTEM, DEVICE_HEALTH, MEASUREMENTS
from alerts.ports import PARTS
from alerts.presence import SLOT_SECONDS, HabitTerms
from alerts.rules import SHIPPED_RULES
from collector.db.registry import open_registry
from collector.db.tables import alert_state, asset, device, device_fact, rejected, transition
from collector.judging import Judge
from collector.judging_inputs import Parts
from collector.metrics.embedded import EmbeddedMetricStore
from collector.metrics.port import Point, StoreHealth, StoreUnavailableError
from collector.own_health import OwnHealth, OwnNumbers
from collector.presence import BATCH_SECONDS, FILE_NAME, LATE_SLOTS, Presence
from collector.selfmetrics import SelfMetrics
from collector.settings import Alerts

# A Monday in 2026, ten o'clock in the province.
NOW = 1_795_402_800.0
DAY = 86_400


@pytest.fixture
def engine(tmp_path):
    engine = open_registry(tmp_path / "registry.sqlite")
    yield engine
    engine.dispose()


@pytest.fixture
def store(tmp_path):
    store = EmbeddedMetricStore(tmp_path / "metrics.sqlite")
    store.ensure_storage()
    yield store
    store.close()


@pytest.fixture
def rules(tmp_path):
    """Only these rules, so that a test tells of what it is about."""

    def chosen(*names):
        folder = tmp_path / "rules"
        folder.mkdir()
        for name in names:
            shutil.copy(SHIPPED_RULES / f"{name}.toml", folder)
        return Alerts(rules_directory=str(folder))

    return chosen


def enrol(engine, device_id="pc1", *, facts=None, at=NOW, **columns):
    values = {
        "id": device_id,
        "unit_code": "17029",
        "site": "main",
        "enrolled_at": at - DAY,
        "last_seen_at": at,
        "facts_changed_at": at,
        **columns,
    }
    with engine.begin() as connection:
        connection.execute(insert(device).values(**values))
        for name, value in (facts or {}).items():
            connection.execute(
                insert(device_fact).values(device_id=device_id, name=name, value=value, changed_at=at, reported_at=at)
            )


def fired(engine):
    with engine.connect() as connection:
        rows = connection.execute(select(transition).where(transition.c.to_state == "firing")).all()
    return {(row.rule, row.subject): row for row in rows}


def point(device_id, at, measurement=DEVICE_HEALTH, *, fields=None, **labels):
    tags = {"province": "40", "unit": "17029", "site": "main", "device_id": device_id, **labels}
    return Point(measurement, tags, fields or {"uptime_s": 60}, int(at))


def test_facts_and_what_the_inventory_computes_of_them(engine, store, rules):
    windows_7 = {"os_family": "windows", "os_name": "Windows 7 Professional", "os_build": "7601"}
    enrol(engine, "old", facts={**windows_7, "disk_health": [{"device": "sda", "smart_health": "failing"}]})
    enrol(engine, "silent")
    judge = Judge(engine, store, SelfMetrics(), rules("os_out_of_support", "disk_failing"))
    assert judge.judge(NOW) == 4
    alarms = fired(engine)
    assert set(alarms) == {("os_out_of_support", "old"), ("disk_failing", "old/sda")}
    system = alarms["os_out_of_support", "old"]
    assert "has had no free security updates since" in system.reason["pattern"]
    assert system.readings["value"] == "out_of_support"
    assert (system.unit_code, system.site, system.severity) == ("17029", "main", "info")


@pytest.mark.parametrize("removed", [False, True])
def test_what_fires_of_a_rule_that_is_switched_off_or_removed_ends(engine, store, rules, removed):
    enrol(engine, facts={"disk_health": [{"device": "sda", "smart_health": "failing"}]})
    settings = rules("disk_failing", "clock_wrong")
    Judge(engine, store, SelfMetrics(), settings).judge(NOW)
    assert set(fired(engine)) == {("disk_failing", "pc1/sda")}
    file = Path(settings.rules_directory) / "disk_failing.toml"
    if removed:
        file.unlink()
    else:
        file.write_text(file.read_text(encoding="utf-8").replace("enabled = true", "enabled = false"), encoding="utf-8")
    judge = Judge(engine, store, SelfMetrics(), settings)
    judge.judge(NOW + 60)
    judge.judge(NOW + 120)
    with engine.connect() as connection:
        assert connection.execute(select(alert_state)).all() == []
        ends = connection.execute(select(transition).where(transition.c.from_state == "firing")).all()
    assert [(one.rule, one.subject, one.to_state, one.at) for one in ends] == [
        ("disk_failing", "pc1/sda", "resolved", NOW + 60)
    ]
    assert (ends[0].device_id, ends[0].unit_code, ends[0].site) == ("pc1", "17029", "main")
    assert "switched off" in ends[0].reason["pattern"]


def test_a_changed_fact_is_read_again_and_an_unchanged_one_is_not(engine, store, rules):
    enrol(engine, facts={"disk_health": [{"device": "sda", "smart_health": "failing"}]})
    judge = Judge(engine, store, SelfMetrics(), rules("disk_failing"))
    asked = []
    event.listen(engine, "before_cursor_execute", lambda *words: asked.append(words[2]))
    judge.judge(NOW)
    assert any("FROM device_fact" in text for text in asked)
    asked.clear()
    judge.judge(NOW + 600)
    assert not any("FROM device_fact" in text for text in asked)
    healthy = [{"device": "sda", "smart_health": "ok"}]
    with engine.begin() as connection:
        connection.execute(update(device_fact).values(value=healthy, changed_at=NOW + 700))
        connection.execute(update(device).values(facts_changed_at=NOW + 700, last_seen_at=NOW + 900))
    judge.judge(NOW + 1200)
    with engine.connect() as connection:
        states = connection.execute(select(alert_state.c.state)).scalars().all()
    assert states == ["resolved"]


@pytest.mark.parametrize(
    ("year", "enrolled_days", "expected"),
    [
        (2026 - 7, 1, "It was put into use in 2019, and its useful life by law is 7 years: it is over."),
        (2026 - 6, 1, None),
        (None, 1, None),
        (
            None,
            8 * 366,
            "It has been in use since 2018 at the latest, and its useful life by law is 7 years: it is over.",
        ),
    ],
)
def test_useful_life_is_the_inventorys_own_answer_for_linked_assets(
    engine, store, rules, year, enrolled_days, expected
):
    enrol(engine, enrolled_at=NOW - enrolled_days * DAY)
    enrol(engine, "unlinked")
    with engine.begin() as connection:
        connection.execute(
            insert(asset).values(
                unit_code="17029",
                register_key="a1",
                name="Máy tính để bàn",
                kind="desktop",
                year_put_into_use=year,
                original_cost_vnd=14_000_000,
                quantity=1,
                device_id="pc1",
                linked_by="serial",
                import_id=1,
                updated_at=NOW,
            )
        )
    judge = Judge(engine, store, SelfMetrics(), rules("device_expired"))
    judge.judge(NOW)
    alarms = fired(engine)
    assert len(alarms) == bool(expected)
    if expected:
        reason = alarms["device_expired", "pc1"].reason
        assert reason["pattern"].format(**reason["parameters"]) == expected


def test_useful_life_follows_the_register_and_the_year(engine, store, rules):
    enrol(engine)
    judge = Judge(engine, store, SelfMetrics(), rules("device_expired"))
    assert judge.judge(NOW) == 0
    row = {"unit_code": "17029", "register_key": "a1", "name": "Máy tính", "kind": "desktop", "import_id": 1}
    with engine.begin() as connection:
        connection.execute(
            insert(asset).values(**row, year_put_into_use=2020, device_id="pc1", linked_by="serial", updated_at=NOW)
        )
    assert judge.judge(NOW + 1000) == 0
    # 2027-01-01 00:00:01 in the province is still 2026 in UTC.
    new_year = dt.datetime(2026, 12, 31, 17, 0, 1, tzinfo=dt.UTC).timestamp()
    assert judge.judge(new_year - 1000) == 0
    assert judge.judge(new_year) == 2
    assert set(fired(engine)) == {("device_expired", "pc1")}


def test_readings_of_the_store_fill_the_disk_rule(engine, store, rules):
    enrol(engine)
    judge = Judge(engine, store, SelfMetrics(), rules("disk_full"))
    room = {"size_kib": 104_857_600, "available_kib": 3_000_000}
    for minute in range(0, 61, 15):
        at = NOW + minute * 60
        store.write([point("pc1", at - 30, DEVICE_FILESYSTEM, fields=room, filesystem="C:")])
        judge.judge(at)
    assert set(fired(engine)) == {("disk_full", "pc1/C:")}


class AwayStore(EmbeddedMetricStore):
    """A store that can be switched off."""

    away = False

    def read(self, *words, **named):
        if self.away:
            raise StoreUnavailableError("no answer")
        return super().read(*words, **named)


def test_while_the_store_is_away_what_needs_it_not_is_judged_and_the_rest_later(engine, tmp_path, rules):
    store = AwayStore(tmp_path / "away.sqlite")
    store.ensure_storage()
    enrol(engine, facts={"disk_health": [{"device": "sda", "smart_health": "failing"}]})
    numbers = OwnNumbers({"store_failing": 1.0}, {"store_failing": "no answer"})
    chosen = rules("disk_failing", "disk_full", "collector_store")
    judge = Judge(engine, store, SelfMetrics(), chosen, lambda _now: numbers)
    store.away = True
    for seconds in (0, 60, 120):
        with pytest.raises(StoreUnavailableError):
            judge.judge(NOW + seconds)
    assert set(fired(engine)) == {("disk_failing", "pc1/sda"), ("collector_store", "collector")}
    alarm = fired(engine)["collector_store", "collector"]
    assert (alarm.device_id, alarm.unit_code, alarm.site) == (None, None, None)
    store.away = False
    room = {"size_kib": 104_857_600, "available_kib": 3_000_000}
    store.write([point("pc1", NOW + 140, DEVICE_FILESYSTEM, fields=room, filesystem="C:")])
    assert judge.judge(NOW + 150) == 1
    store.close()


def test_before_the_store_has_tables_the_rest_is_judged(engine, tmp_path, rules):
    store = EmbeddedMetricStore(tmp_path / "none.sqlite")
    enrol(engine, facts={"disk_health": [{"device": "sda", "smart_health": "failing"}]})
    judge = Judge(engine, store, SelfMetrics(), rules("disk_failing", "disk_full", "site_silent"))
    assert judge.judge(NOW, store_ready=False) == 2


def test_a_judge_made_again_goes_on_from_the_registry(engine, store, rules):
    enrol(engine, facts={"disk_health": [{"device": "sda", "smart_health": "failing"}]})
    chosen = rules("disk_failing")
    assert Judge(engine, store, SelfMetrics(), chosen).judge(NOW) == 2
    assert Judge(engine, store, SelfMetrics(), chosen).judge(NOW + 30) == 0


def test_states_that_could_not_be_written_are_not_remembered(engine, store, rules):
    enrol(engine, facts={"disk_health": [{"device": "sda", "smart_health": "failing"}]})
    judge = Judge(engine, store, SelfMetrics(), rules("disk_failing"))

    def broken(_connection, _cursor, statement, *_):
        if "INSERT INTO transition" in statement:
            raise RuntimeError("disk full")

    event.listen(engine, "before_cursor_execute", broken)
    with pytest.raises(RuntimeError):
        judge.judge(NOW)
    event.remove(engine, "before_cursor_execute", broken)
    assert fired(engine) == {}
    assert judge.judge(NOW + 30) == 2


def test_presence_is_read_in_slices_kept_and_read_again_a_day_later(store, tmp_path):
    newest = int(NOW - BATCH_SECONDS) // SLOT_SECONDS - 1
    middle = newest * SLOT_SECONDS + SLOT_SECONDS // 2
    store.write([point("pc1", middle), point("pc2", middle + 600)])
    presence = Presence(store, tmp_path)
    terms = HabitTerms(2, 0.75, 0.0)
    habits = presence.current(NOW, NOW - DAY).habits(terms)
    assert list(habits.rows) == ["pc1"]
    assert (tmp_path / FILE_NAME).exists()
    # A report of that half-hour that comes late counts a day later, in a book that was read from its file.
    store.write([point("late", middle + 10)])
    again = Presence(store, tmp_path)
    assert list(again.current(NOW + 60, NOW - DAY).habits(terms).rows) == ["pc1"]
    habits = again.current(NOW + LATE_SLOTS * SLOT_SECONDS, NOW - DAY).habits(terms)
    assert list(habits.rows) == ["pc1", "late"]


def test_a_file_of_presence_that_is_broken_is_made_again(store, tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"nonsense")
    newest = int(NOW - BATCH_SECONDS) // SLOT_SECONDS - 1
    store.write([point("pc1", newest * SLOT_SECONDS + SLOT_SECONDS // 2)])
    presence = Presence(store, tmp_path)
    assert presence.current(NOW, NOW - DAY).device_ids == ["pc1"]
    assert Presence(store, tmp_path).current(NOW, NOW - DAY).device_ids == ["pc1"]


def test_the_collectors_own_numbers(engine, tmp_path):
    class Said:
        problem = "disk I/O error"
        health = StoreHealth(ok=False, kind="embedded", detail="no room")

        def backlog(self):
            return 3, NOW - 90.0

    with engine.begin() as connection:
        for number, at in enumerate((NOW - 10, NOW - 3599, NOW - 3601)):
            row = {"kind": "report", "received_at": at, "reason": "", "body": b"", "body_bytes": 0}
            connection.execute(insert(rejected).values(**row, digest=bytes([number])))
    said = Said()
    told = OwnHealth(engine, tmp_path, said, said, said, lambda: "")(NOW)
    assert told.numbers["journal_oldest_seconds"] == 90.0
    assert told.numbers["rejected_last_hour"] == 2
    assert told.numbers["disk_free_bytes"] > 0
    assert [told.numbers[name] for name in ("store_failing", "writer_failing", "jobs_failing")] == [1.0, 1.0, 0.0]
    assert told.details == {"store_failing": "no room", "writer_failing": "disk I/O error"}


def test_every_part_that_rules_may_read_is_provided(engine, store):
    assert set(Parts.PROVIDERS) == set(PARTS)
    judge = Judge(engine, store, SelfMetrics(), Alerts())
    enrol(engine)
    assert judge.judge(NOW) >= 0
    assert {name for rule in judge.rules.values() for name in rule.condition.reads} - set(PARTS) <= set(MEASUREMENTS)
