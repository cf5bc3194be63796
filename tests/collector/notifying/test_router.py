"""From rows of `transition` to rows of the outbox."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, update

from alerts.route.matching import Matcher
from alerts.route.rules import load_routing
from collector.db import routing
from collector.db.decisions import Author
from collector.db.notification_tables import duty_shift, incident
from collector.db.tables import device
from collector.notifying import intake, ledger
from collector.notifying.router import Router
from collector.notifying.wording import Wording

NOON = dt.datetime(2026, 3, 2, 12, 0, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh")).timestamp()
LAN = Author("Lan", NOON)
NAMES = {"vi": {"disk_full": "Ổ đĩa gần đầy"}, "en": {"disk_full": "Disk nearly full"}}


@pytest.fixture
def router(registry):
    return Router(registry, load_routing(), Wording(NAMES.__getitem__, "https://giamsat.example/alerts"))


@pytest.fixture
def run(router):
    def until(start, seconds, step=15):
        return sum(router.route(start + offset) for offset in range(0, seconds + 1, step))

    return until


def test_a_firing_becomes_one_notification_and_its_end_another(alerts, add_receiver, run):
    add_receiver(language="en", time_zone="Asia/Tokyo")
    alerts.fire(NOON)
    assert run(NOON, 600) == 1
    alerts.resolve(NOON + 600)
    assert run(NOON + 600, 600) == 1
    firing, resolved = (row.content for row in alerts.outbox())
    assert firing["title"] == "Critical: Disk nearly full – Phường Thành Vinh"
    assert "Only 12 MB are free since 11:00 02/03/2026." in firing["body"]
    assert "since 14:00 02/03/2026" in firing["body"]
    assert firing["body"].endswith("https://giamsat.example/alerts")
    assert (firing["kind"], resolved["kind"]) == ("firing", "resolved")
    (item,) = resolved["alerts"]
    assert (item["state"], item["since"], item["ended"]) == ("resolved", NOON, NOON + 600)
    assert item["labels"] == firing["alerts"][0]["labels"]
    assert item["labels"]["alertname"] == "disk_full"


def test_pending_is_told_to_nobody(alerts, add_receiver, run):
    add_receiver()
    alerts.change("pending", NOON)
    assert run(NOON, 600) == 0
    assert alerts.incidents() == []


def test_each_transition_is_read_once_however_often_the_router_starts(alerts, registry, add_receiver, run):
    add_receiver()
    alerts.fire(NOON)
    for _ in range(3):
        Router(registry, load_routing(), Wording(NAMES.__getitem__)).route(NOON + 60)
    assert len(alerts.incidents()) == len(alerts.outbox()) == 1


def test_a_tick_that_fails_leaves_nothing_half_done(alerts, add_receiver, router, monkeypatch):
    add_receiver()
    router.route(NOON)
    alerts.fire(NOON)

    def fail(*_args, **_more):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("collector.notifying.outbox.put", fail)
        for offset in (0, 60):
            if offset:
                with pytest.raises(OSError, match="disk full"):
                    router.route(NOON + offset)
            else:
                router.route(NOON)
    assert alerts.outbox() == []
    assert [row.state for row in alerts.notices()] == ["waiting"]
    router.route(NOON + 75)
    assert len(alerts.outbox()) == 1


def test_more_transitions_than_one_transaction_takes(alerts, add_receiver, router, monkeypatch):
    monkeypatch.setattr(intake, "MOST_TRANSITIONS", 7)
    add_receiver()
    router.route(NOON)
    for number in range(40):
        alerts.fire(NOON, f"pc{number}")
    router.route(NOON + 60)
    assert len(alerts.incidents()) == 40
    assert sum(len(row.content["alerts"]) for row in alerts.outbox()) == 40


def test_more_is_due_than_one_transaction_takes(alerts, add_receiver, router, monkeypatch):
    monkeypatch.setattr(ledger, "MOST_DUE", 3)
    for name in ("it", "boss", "phone"):
        add_receiver(name)
    for number in range(10):
        alerts.fire(NOON, f"pc{number}", unit_code=("16681", "17827")[number % 2])
    for offset in (0, 15):
        router.route(NOON + offset)
    told = [(row.content["receiver"], len(row.content["alerts"])) for row in alerts.outbox()]
    assert sorted(told) == sorted([(name, 5) for name in ("it", "boss", "phone")] * 2)


def test_a_long_letter_is_cut(alerts, add_receiver, run):
    add_receiver()
    for number in range(230):
        alerts.fire(NOON, f"pc{number}", severity="warning")
    run(NOON, 120)
    assert [len(row.content["alerts"]) for row in alerts.outbox()] == [100, 100, 30]
    assert len({row.key for row in alerts.outbox()}) == 3


def test_the_first_start_tells_what_fires_now_and_not_what_is_over(alerts, add_receiver, run):
    alerts.fire(NOON - 9000, "old")
    alerts.resolve(NOON - 8000, "old")
    alerts.fire(NOON - 7000, "still")
    alerts.fire(NOON - 6000, "late")
    alerts.resolve(NOON - 5000, "late")
    add_receiver()
    run(NOON, 120)
    told = [item["subject"] for row in alerts.outbox() for item in row.content["alerts"]]
    assert told == ["still"]


def test_an_alert_without_receivers_is_told_when_somebody_is_added(alerts, add_receiver, run):
    alerts.fire(NOON)
    assert run(NOON, 300) == 0
    assert [row.unrouted for row in alerts.incidents()] == [True]
    add_receiver()
    assert run(NOON + 300, 300) == 1
    assert [row.unrouted for row in alerts.incidents()] == [False]


def test_an_old_transition_without_site_takes_that_of_its_terminal(alerts, registry, add_receiver, run):
    with registry.begin() as connection:
        connection.execute(insert(device).values(id="pc1", unit_code="16681", site="dang-uy", enrolled_at=NOON))
    add_receiver(min_severity="info")
    alerts.fire(NOON, rule="terminal_silent", device_id="pc1", site=None, severity="info")
    alerts.fire(NOON, "16681/dang-uy", "outage", site="dang-uy")
    run(NOON, 1200)
    assert [row.site for row in alerts.incidents()] == ["dang-uy", "dang-uy"]
    assert [(row.state, row.cause) for row in alerts.notices()] == [("withheld", "inhibited"), ("told", "")]


def test_fired_twice_without_an_end_is_told_as_two_and_ends_once(alerts, add_receiver, run):
    add_receiver()
    alerts.fire(NOON)
    run(NOON, 120)
    alerts.fire(NOON + 200)
    run(NOON + 200, 300)
    alerts.resolve(NOON + 900)
    run(NOON + 900, 300)
    assert [row.kind for row in alerts.outbox()] in (
        ["firing", "firing", "resolved"],
        ["firing", "resolved", "firing", "resolved"],
    )
    assert all(row.due_at is None for row in alerts.notices())


def test_silence_and_its_early_end(alerts, registry, add_receiver, run):
    add_receiver()
    with registry.begin() as connection:
        matcher = Matcher(units=("16681",)).as_dict()
        number = routing.add_silence(connection, matcher, NOON, NOON + 9000, "thay cáp", LAN)
    alerts.fire(NOON)
    assert run(NOON, 600) == 0
    (held,) = alerts.notices()
    assert (held.cause, held.cause_text["parameters"]["author"]) == ("silenced", "Lan")
    with registry.begin() as connection:
        routing.end_silence(connection, number, Author("Hùng", NOON + 600))
    assert run(NOON + 600, 60) == 1


def test_acknowledgement_stops_reminders(alerts, registry, add_receiver, run):
    add_receiver()
    alerts.fire(NOON)
    alerts.fire(NOON, "other", unit_code="17827")
    run(NOON, 600, step=60)
    first = alerts.incidents()[0]
    with registry.begin() as connection:
        routing.acknowledge(connection, first.id, "đang xử lý", "", LAN)
    run(NOON + 600, 2 * 3600, step=60)
    reminders = [row.content["alerts"][0]["subject"] for row in alerts.outbox() if row.kind == "reminder"]
    assert set(reminders) == {"other"}


def test_the_letter_to_the_fallback_says_that_nobody_is_on_duty(alerts, registry, add_receiver, run):
    lan = add_receiver("lan", duty_only=True)
    add_receiver("office", fallback=True, language="en")
    with registry.begin() as connection:
        connection.execute(
            insert(duty_shift).values(
                receiver_id=lan,
                scope="province",
                place="",
                first_day="2026-02-02",
                last_day="2026-02-03",
                every_weeks=0,
                created_at=NOON,
                created_by="x",
            )
        )
    alerts.fire(NOON)
    run(NOON, 120)
    (row,) = alerts.outbox()
    assert row.content["receiver"] == "office"
    assert "Nobody is on duty" in row.content["body"]
    assert [row.duty_gap for row in alerts.incidents()] == [True]


def test_what_is_long_over_is_forgotten_and_what_is_open_never(alerts, registry, add_receiver):
    add_receiver()
    router = Router(registry, load_routing(), Wording(NAMES.__getitem__), keep_days=30)
    alerts.fire(NOON)
    alerts.fire(NOON, "stays", "clock_wrong")
    for offset in range(0, 120, 15):
        router.route(NOON + offset)
    alerts.resolve(NOON + 200)
    for offset in range(200, 400, 15):
        router.route(NOON + offset)
    with registry.begin() as connection:
        connection.exec_driver_sql("UPDATE notification SET state = 'delivered', finished_at = decided_at")
    router.route(NOON + 31 * 86400)
    assert [row.subject for row in alerts.incidents()] == ["stays"]
    assert all("stays" in str(row.content) for row in alerts.outbox())


def test_an_unknown_unit_and_rule_are_told_by_their_codes(alerts, add_receiver, run):
    add_receiver()
    alerts.fire(NOON, rule="new_rule", unit_code="99999")
    run(NOON, 120)
    (row,) = alerts.outbox()
    assert "new_rule – 99999" in row.content["title"]


def test_numbers_of_removed_transitions_cannot_hide_new_ones(alerts, registry, add_receiver, run):
    """SQLite gives the number of a deleted newest row away again."""
    from collector.jobs import DAY_SECONDS, DOUBT_DAYS, Jobs

    add_receiver()
    run(NOON, 0)
    alerts.change("pending", NOON)
    run(NOON, 0)
    Jobs._forget_passing_doubts(type("Jobs", (), {"_engine": registry})(), NOON + (DOUBT_DAYS + 1) * DAY_SECONDS)
    alerts.fire(NOON + 40 * DAY_SECONDS)
    run(NOON + 40 * int(DAY_SECONDS), 60)
    assert len(alerts.outbox()) == 1


def test_an_incident_of_another_severity_word_is_kept(alerts, registry, add_receiver, run):
    add_receiver()
    alerts.fire(NOON, severity=None)
    run(NOON, 120)
    assert [row.severity for row in alerts.incidents()] == ["warning"]
    with registry.begin() as connection:
        connection.execute(update(incident).values(severity="disaster"))
    alerts.resolve(NOON + 200)
    run(NOON + 200, 120)
    assert [row.kind for row in alerts.outbox()] == ["firing", "resolved"]


def test_many_ends_at_once(alerts, add_receiver, run):
    add_receiver()
    for number in range(5):
        alerts.fire(NOON, f"pc{number}")
    run(NOON, 60)
    for number in range(5):
        alerts.resolve(NOON + 100, f"pc{number}")
    run(NOON + 100, 60)
    assert [(row.kind, len(row.content["alerts"])) for row in alerts.outbox()] == [("firing", 5), ("resolved", 5)]


def test_a_firing_and_its_end_read_together_are_told_to_nobody_with_the_reason(alerts, add_receiver, run):
    add_receiver()
    run(NOON, 0)
    alerts.fire(NOON)
    alerts.resolve(NOON + 5)
    alerts.fire(NOON + 6)
    run(NOON + 7, 60)
    assert [(row.ended_at, row.fired_at) for row in alerts.incidents()] == [(NOON + 5, NOON), (None, NOON + 6)]
    assert [(row.state, row.cause) for row in alerts.notices()] == [("spared", "over_before_told"), ("told", "")]


def test_a_sentence_that_cannot_be_written_stops_nobody(alerts, registry, add_receiver, run):
    add_receiver()
    alerts.fire(NOON, "broken")
    alerts.fire(NOON, "whole", unit_code="17827")
    with registry.begin() as connection:
        connection.exec_driver_sql(
            """UPDATE transition SET reason = '{"pattern": "{nothing}", "parameters": {}}' WHERE subject = 'broken'"""
        )
    run(NOON, 60)
    broken, whole = alerts.outbox()
    assert "{nothing}" in broken.content["body"]
    assert "12 MB" in whole.content["body"]


def test_flapping_over_several_ticks_and_processes(alerts, registry, add_receiver):
    add_receiver()

    def router():
        return Router(registry, load_routing(), Wording(NAMES.__getitem__))

    now = NOON
    for _ in range(6):
        alerts.fire(now)
        for offset in range(0, 120, 15):
            router().route(now + offset)
        alerts.resolve(now + 120)
        for offset in range(120, 240, 15):
            router().route(now + offset)
        now += 240
    assert [row.kind for row in alerts.outbox()] == ["firing", "resolved"] * 3 + ["flapping"]
    for offset in range(0, 3600, 60):
        router().route(now + offset)
    assert [row.kind for row in alerts.outbox()][-1] == "resolved"
    assert all(row.due_at is None for row in alerts.notices())
