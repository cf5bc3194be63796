"""The outbox and the threads that empty it, with receivers that refuse, vanish and come back."""

from __future__ import annotations

import json
import socket
import subprocess
import time

import msgspec
import pytest
import urllib3
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.exc import OperationalError

from alerts.route.rules import load_routing
from collector.db import routing
from collector.db.decisions import Author
from collector.notifiers.webhook import WebhookNotifier
from collector.notifying import outbox
from collector.notifying.delivery import Delivery
from collector.notifying.outbox import Backoff
from collector.notifying.router import Router
from collector.notifying.wording import Wording
from collector.selfmetrics import SelfMetrics
from collector.settings import Alertmanager, Notify, Settings

NOON = 1772427600.0


@pytest.fixture
def router(registry):
    return Router(registry, load_routing(), Wording(lambda _language: {}))


@pytest.fixture
def counter():
    return Counter("thongmang_test", "t", ["channel", "outcome"], registry=CollectorRegistry())


@pytest.fixture
def delivery(registry, counter):
    def make(notifier=None, **times):
        backoff = Backoff(**({"first_seconds": 15, "longest_seconds": 60, "give_up_seconds": 3600} | times))
        made = notifier or WebhookNotifier(Settings())
        return Delivery(registry, "webhook", made, load_routing(), backoff, 1.0, counter)

    return make


def fired(alerts, router, *subjects, at=NOON):
    """Alerts of different units, so that each is a notification of its own."""
    for number, subject in enumerate(subjects):
        alerts.fire(at, subject, unit_code=f"1668{number}")
    for offset in range(0, 31, 15):
        router.route(at + offset)


def test_what_is_decided_arrives_in_its_order(alerts, router, delivery, add_receiver, hook):
    add_receiver(address=hook.url)
    fired(alerts, router, "a", "b")
    alerts.resolve(NOON + 100, "a")
    router.route(NOON + 130)
    assert delivery().deliver_due(lambda: NOON + 130) == 3
    assert [(one.kind, one.alerts[0]["subject"]) for one in hook.arrivals] == [
        ("firing", "a"),
        ("firing", "b"),
        ("resolved", "a"),
    ]
    assert [row.state for row in alerts.outbox()] == ["delivered"] * 3
    assert delivery().deliver_due(lambda: NOON + 131) == 0


def test_an_end_waits_behind_a_firing_that_does_not_arrive(alerts, router, delivery, add_receiver, hook):
    add_receiver(address=hook.url)
    hook.answer = 503
    fired(alerts, router, "a")
    channel = delivery()
    assert channel.deliver_due(lambda: NOON + 30) == 0
    alerts.resolve(NOON + 32, "a")
    for offset in range(32, 80):
        router.route(NOON + offset)
    assert channel.deliver_due(lambda: NOON + 40) == 0
    first, second = alerts.outbox()
    assert (first.attempts, second.attempts) == (1, 0)
    assert first.next_at == NOON + 45
    assert "503" in first.error
    hook.answer = 200
    assert channel.deliver_due(lambda: NOON + 44) == 0
    assert channel.deliver_due(lambda: NOON + 90) == 2
    assert [one.kind for one in hook.arrivals] == ["firing", "resolved"]


def test_pauses_grow_up_to_the_longest_and_then_it_is_given_up_and_kept(alerts, router, delivery, add_receiver, hook):
    add_receiver(address=hook.url)
    hook.answer = 500
    fired(alerts, router, "a")
    channel, now, pauses = delivery(give_up_seconds=300), NOON + 30, []
    while alerts.outbox()[0].state == "waiting":
        channel.deliver_due(lambda at=now: at)
        row = alerts.outbox()[0]
        pauses.append(row.next_at - now)
        now = row.next_at
    assert pauses[:4] == [15, 30, 60, 60]
    assert (row.state, row.attempts) == ("failed", len(pauses))
    assert "given up" in row.error
    assert row.finished_at - NOON >= 300
    assert [(one.state, one.cause) for one in alerts.notices()] == [("spared", "undeliverable")]


def test_a_permanent_refusal_stands_nobody_in_the_way_and_the_fallback_is_told(
    alerts, router, delivery, add_receiver, hook
):
    add_receiver("wrong", address=hook.url.replace("/hook", "/gone"))
    add_receiver("office", address=hook.url, fallback=True)
    hook.answer = 404
    fired(alerts, router, "a")
    delivery().deliver_due(lambda: NOON + 30)
    hook.answer = 200
    assert [row.state for row in alerts.outbox()] == ["failed"]
    for offset in range(30, 90, 15):
        router.route(NOON + offset)
    delivery().deliver_due(lambda: NOON + 90)
    assert [(one.kind, one.alerts[0]["subject"]) for one in hook.arrivals] == [("firing", "a")]
    alerts.resolve(NOON + 100, "a")
    for offset in range(100, 160, 15):
        router.route(NOON + offset)
    delivery().deliver_due(lambda: NOON + 160)
    # Who was never told of the firing is not told of its end.
    assert [(row.content["receiver"], row.kind) for row in alerts.outbox()] == [
        ("wrong", "firing"),
        ("office", "firing"),
        ("office", "resolved"),
    ]


def test_one_receiver_that_is_away_does_not_hold_the_others_up(alerts, router, delivery, add_receiver, hook):
    add_receiver("away", address="http://127.0.0.1:9/")
    add_receiver("there", address=hook.url)
    fired(alerts, router, "a", "b")
    assert delivery().deliver_due(lambda: NOON + 30) == 2
    assert sorted(row.state for row in alerts.outbox()) == ["delivered", "delivered", "waiting", "waiting"]


def test_what_cannot_be_noted_as_delivered_is_not_sent_again(alerts, router, delivery, add_receiver, hook, monkeypatch):
    add_receiver(address=hook.url)
    fired(alerts, router, "a")
    channel = delivery()

    def locked(*_args):
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "arrived", locked)
        for _ in range(3):
            with pytest.raises(OperationalError):
                channel.deliver_due(lambda: NOON + 30)
    assert channel.deliver_due(lambda: NOON + 31) == 1
    assert len(hook.arrivals) == 1
    assert [row.state for row in alerts.outbox()] == ["delivered"]


def test_a_fault_in_a_channel_is_a_failed_attempt(alerts, router, delivery, add_receiver):
    class Broken:
        def check_address(self, address):
            pass

        def deliver(self, notification):
            raise ZeroDivisionError

    add_receiver()
    fired(alerts, router, "a")
    assert delivery(Broken()).deliver_due(lambda: NOON + 30) == 0
    (row,) = alerts.outbox()
    assert (row.state, row.attempts, row.error) == ("waiting", 1, "ZeroDivisionError in the channel")


def test_a_removed_receiver_gets_nothing_more(alerts, registry, router, delivery, add_receiver, hook):
    add_receiver(address=hook.url)
    fired(alerts, router, "a")
    with registry.begin() as connection:
        routing.remove_receiver(connection, "it", Author("Lan", NOON))
    assert delivery().deliver_due(lambda: NOON + 30) == 0
    assert hook.arrivals == []
    assert [(row.state, row.error) for row in alerts.outbox()] == [("failed", outbox.RECEIVER_REMOVED)]


def test_who_stands_in_is_told_what_a_removed_receiver_was_not(alerts, registry, router, delivery, add_receiver, hook):
    add_receiver(address=hook.url)
    fired(alerts, router, "a")
    add_receiver("stand-in", address=hook.url, fallback=True)
    with registry.begin() as connection:
        routing.remove_receiver(connection, "it", Author("Lan", NOON))
    channel = delivery()
    channel.deliver_due(lambda: NOON + 30)
    for offset in (45, 60, 75, 90):
        router.route(NOON + offset)
    channel.deliver_due(lambda: NOON + 330)
    assert len(hook.arrivals) == 1
    assert sorted(row.state for row in alerts.outbox()) == ["delivered", "failed"]


def test_content_survives_the_registry_as_it_was(alerts, router, add_receiver):
    add_receiver()
    fired(alerts, router, "a")
    (row,) = alerts.outbox()
    made = outbox.content_of(row)
    assert json.loads(msgspec.json.encode(made)) == row.content
    assert (made.id, made.alerts[0].subject, len(made.id) <= 64) == (row.key, "a", True)


def test_threads_start_deliver_and_stop(registry, alerts, add_receiver, hook, hasty_routing):
    from collector.notifying.service import Notifying

    settings = Settings(notify=Notify(interval_seconds=0.05, routing_file=str(hasty_routing)))
    metrics = SelfMetrics()
    notifying = Notifying(registry, settings, metrics, lambda _language: {})
    add_receiver(address=hook.url)
    alerts.fire(time.time())
    notifying.start()
    deadline = time.monotonic() + 10
    while not hook.arrivals:
        assert time.monotonic() < deadline, notifying.problem
        time.sleep(0.01)
    notifying.stop()
    assert notifying.problem == ""
    text = metrics.exposition().decode()
    assert 'thongmang_collector_notifications_total{channel="webhook",outcome="delivered"} 1.0' in text
    assert "thongmang_collector_notifications_waiting 0.0" in text


def test_alertmanager_is_fed_beside_the_receivers(registry, alerts, tmp_path, alertmanager_binary):
    from collector.notifying.service import Notifying

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    url = f"http://127.0.0.1:{port}"
    command = [alertmanager_binary, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
    command += ["--cluster.listen-address=", f"--storage.path={tmp_path}"]
    engine = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    settings = Settings(notify=Notify(interval_seconds=0.1), alertmanager=Alertmanager(urls=(url,)))
    notifying = Notifying(registry, settings, SelfMetrics(), lambda _language: {})
    alerts.fire(time.time(), "a")
    notifying.start()
    try:
        deadline = time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline, notifying.problem
            try:
                told = urllib3.request("GET", f"{url}/api/v2/alerts", retries=False).json()
            except urllib3.exceptions.HTTPError:
                told = []
            if told:
                break
            time.sleep(0.1)
    finally:
        notifying.stop()
        engine.terminate()
        engine.wait()
    assert [one["labels"]["alertname"] for one in told] == ["disk_full"]
