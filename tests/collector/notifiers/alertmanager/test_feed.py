"""What the feed posts, to an HTTP server of the test's own."""

from __future__ import annotations

import json
import time

import pytest
from sqlalchemy import delete, select

from agent.wire.message import Message
from alerts.state import SILENT_PENDING, STAYED_QUIET
from collector.db.alertmanager_tables import alertmanager_alert
from collector.db.tables import alert_state, transition
from collector.language import render_message
from collector.notifiers.alertmanager import ActiveAlert, payload
from collector.notifiers.contract import TemporaryDeliveryError

RULE = "device_over_10_years"
REASON = Message(STAYED_QUIET, {"minutes": 5})
EVIDENCE = Message(SILENT_PENDING)


def test_an_alert_is_told_whole(http_peer, alarm, feed_of, moment):
    peer = http_peer()
    now = time.time()
    alarm().fire(1_795_140_000.25, "critical")
    alarm("*", unit_code="", site="", device_id="").fire(now)
    feed_of(peer.url + "/").tick(now)
    ((path, headers, body),) = peer.requests
    assert (path, headers["Content-Type"]) == ("/api/v2/alerts", "application/json")
    one, province = json.loads(body)
    assert one["labels"] == {
        "alertname": RULE,
        "severity": "critical",
        "scope": "terminal",
        "unit": "16681",
        "site": "main",
        "device_id": "pc1",
        "place": "access",
        "subject": "pc1/wan",
    }
    assert one["startsAt"] == "2026-11-20T02:00:00.250Z"
    assert moment(one["endsAt"]) == pytest.approx(now + 10, abs=0.01)
    assert one["generatorURL"] == "https://giamsat.example/devices/pc1"
    assert one["annotations"] == {
        "summary": "Thiết bị trên 10 năm tuổi – Phường Thành Vinh, main",
        "description": render_message(REASON, "vi") + " " + render_message(EVIDENCE, "vi"),
        "unit_name": "Phường Thành Vinh",
        "since": "09:00 20/11/2026",
    }
    assert render_message(REASON, "vi") != render_message(REASON, "en")
    assert set(province["labels"]) == {"alertname", "severity", "scope", "place", "subject"}
    assert province["labels"]["scope"] == "province"
    assert province["generatorURL"] == "https://giamsat.example/alerts"


def test_an_end_is_never_before_its_beginning_and_every_text_is_utf_8():
    told = payload(ActiveAlert({"alertname": "a\ud800"}, {}, "http://x/", 1000.0, "r", "s"), 10.0)
    assert (told["startsAt"], told["endsAt"]) == ("1970-01-01T00:16:40.000Z", "1970-01-01T00:16:40.000Z")
    assert json.dumps(told, ensure_ascii=False).encode()


def test_after_the_end_nothing_is_posted_any_more(http_peer, alarm, feed_of, moment, posted):
    peer = http_peer()
    feed = feed_of(peer.url)
    now = time.time()
    latency = alarm().fire(now - 60)
    feed.tick(now)
    feed.tick(now + 0.5)
    feed.tick(now + 1.1)
    assert len(peer.requests) == 2
    latency.resolve(now - 1)
    for seconds in (1.2, 1.3, 60, 3600):
        feed.tick(now + seconds)
    assert posted(peer) == [[("pc1/wan", True)], [("pc1/wan", True)], [("pc1/wan", False)]]
    end = json.loads(peer.requests[-1][2])[0]
    assert moment(end["endsAt"]) == pytest.approx(now - 1, abs=0.01)


def test_an_end_goes_with_everything_that_still_fires_and_after_it(http_peer, alarm, feed_of, posted):
    peer = http_peer()
    feed = feed_of(peer.url)
    now = time.time()
    alarm("b").fire(now - 60)
    latency = alarm("a").fire(now - 30)
    feed.tick(now)
    latency.resolve(now)
    feed.tick(now + 0.1)
    assert posted(peer) == [[("b", True), ("a", True)], [("b", True)], [("a", False)]]


def test_one_that_is_away_is_not_asked_at_every_tick_and_gets_everything_later(http_peer, alarm, feed_of, posted):
    here, away = http_peer(), http_peer()
    away.answer = (503, {}, b"")
    feed = feed_of(here.url, away.url, repeat_seconds=1000.0)
    now = time.time()
    latency = alarm().fire(now - 60)
    for seconds in range(30):
        with pytest.raises(TemporaryDeliveryError, match="HTTP 503"):
            feed.tick(now + seconds)
    assert (len(here.requests), len(away.requests)) == (1, 3)
    latency.resolve(now - 30)
    away.answer = (200, {}, b"")
    feed.tick(now + 100)
    assert posted(here) == [[("pc1/wan", True)], [("pc1/wan", False)]]
    assert posted(away)[3:] == [[("pc1/wan", False)]]
    feed.tick(now + 5000)
    assert (len(here.requests), len(away.requests)) == (2, 4)


def test_an_address_that_cannot_be_used_does_not_keep_another_from_being_told(http_peer, alarm, feed_of):
    peer = http_peer()
    alarm().fire(time.time())
    with pytest.raises(TemporaryDeliveryError, match="expected https://host/path"):
        feed_of("http://u:p@127.0.0.1", peer.url).tick(time.time())
    assert len(peer.requests) == 1


def test_fired_again_while_away_is_not_ended(http_peer, alarm, feed_of, posted):
    peer = http_peer()
    feed = feed_of(peer.url)
    now = time.time()
    latency = alarm().fire(now - 600)
    feed.tick(now)
    peer.answer = (500, {}, b"")
    latency.resolve(now - 300)
    latency.fire(now - 60)
    with pytest.raises(TemporaryDeliveryError):
        feed.tick(now + 2)
    peer.answer = (200, {}, b"")
    feed.tick(now + 60)
    assert posted(peer)[1:] == [[("pc1/wan", True)], [("pc1/wan", True)]]
    assert json.loads(peer.requests[-1][2])[0]["startsAt"] == _in_payload(now - 60)
    # Under another severity it is another alert to Alertmanager, and the first one must end.
    latency.resolve(now - 30)
    latency.fire(now - 10, "critical")
    feed.tick(now + 61)
    assert [[alert["labels"]["severity"] for alert in json.loads(body)] for _, _, body in peer.requests[3:]] == [
        ["critical"],
        ["warning"],
    ]
    assert posted(peer)[3:] == [[("pc1/wan", True)], [("pc1/wan", False)]]


def test_a_clock_that_was_set_back_makes_no_silence(http_peer, alarm, feed_of):
    peer = http_peer()
    feed = feed_of(peer.url)
    now = time.time()
    alarm().fire(now)
    feed.tick(now)
    feed.tick(now - 86_400)
    assert len(peer.requests) == 2
    (told,) = json.loads(peer.requests[1][2])
    assert told["endsAt"] == told["startsAt"]


def test_a_state_that_vanished_ends(registry, http_peer, alarm, feed_of, moment):
    peer = http_peer()
    feed = feed_of(peer.url)
    now = time.time()
    alarm().fire(now - 60)
    feed.tick(now)
    with registry.begin() as connection:
        connection.execute(delete(alert_state))
        connection.execute(delete(transition))
    feed.tick(now + 0.1)
    (told,) = json.loads(peer.requests[-1][2])
    assert moment(told["endsAt"]) == pytest.approx(now + 0.1, abs=0.01)


def test_many_alerts_go_in_several_posts(registry, http_peer, alarm, feed_of):
    peer = http_peer()
    now = time.time()
    with registry.begin() as connection:
        for number in range(501):
            alarm(f"pc{number:03}").fire(now, connection=connection)
    feed_of(peer.url).tick(now)
    assert [len(json.loads(body)) for _, _, body in peer.requests] == [500, 1]


def test_basic_authentication(http_peer, secret_file, alarm, feed_of):
    peer = http_peer()
    alarm().fire(time.time())
    password = secret_file("mat_khau", "mật khẩu\n")
    feed_of(peer.url, username="thongmang", password_file=password).tick(time.time())
    assert peer.requests[0][1]["Authorization"] == "Basic dGhvbmdtYW5nOm3huq10IGto4bqpdQ=="


def test_without_alertmanagers_nothing_is_kept(registry, alarm, feed_of):
    alarm().fire(time.time())
    feed_of().tick(time.time())
    with registry.connect() as connection:
        assert connection.execute(select(alertmanager_alert)).all() == []


def _in_payload(seconds):
    return payload(ActiveAlert({}, {}, "", seconds, "", ""), seconds)["startsAt"]
