"""The feed against Debian's Alertmanager, which tells a webhook of the test's own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
import urllib3
from sqlalchemy import select

from agent.wire.message import Message
from alerts.state import LAPSED
from collector.db.alertmanager_tables import alertmanager_alert
from collector.language import render_message
from collector.notifiers.contract import TemporaryDeliveryError

ENDED = Message(LAPSED, {"minutes": 9})

# Ticks for ever, as the collector's job does.
FEED_PROCESS = """
import sys, time
from pathlib import Path
from collector.db.registry import open_registry
from collector.notifiers.alertmanager import AlertmanagerFeed
from collector.notifiers.contract import TemporaryDeliveryError
from collector.settings import Alertmanager, Settings
feed = AlertmanagerFeed(
    open_registry(Path(sys.argv[1])), Settings(alertmanager=Alertmanager(urls=(sys.argv[2],), repeat_seconds=6.0))
)
while True:
    try:
        feed.tick(time.time())
    except TemporaryDeliveryError:
        pass
    time.sleep(0.05)
"""


def test_firing_arrives_stays_while_told_again_and_is_resolved_once(
    registry, alertmanager, alarm, feed_of, told, wait_for, keep_ticking
):
    server = alertmanager()
    server.start()
    feed = feed_of(server.url, repeat_seconds=0.4)
    latency = alarm().fire(time.time() - 30)
    feed.tick(time.time())
    wait_for(lambda: told() == [("firing", "pc1/wan")])
    # Longer than it would hold without being told again.
    keep_ticking(feed, 5.0)
    assert server.alerts()["pc1/wan"]["status"]["state"] == "active"
    assert told() == [("firing", "pc1/wan")]
    latency.resolve(time.time())
    feed.tick(time.time())
    wait_for(lambda: len(told()) == 2)
    keep_ticking(feed, 1.5)
    assert told() == [("firing", "pc1/wan"), ("resolved", "pc1/wan")]
    description = json.loads(alertmanager.receiver.requests[-1][2])["alerts"][0]["annotations"]["description"]
    assert description == render_message(ENDED, "vi")
    with registry.connect() as connection:
        assert connection.execute(select(alertmanager_alert)).all() == []


def test_without_the_feed_alertmanager_ends_it_by_itself(alertmanager, alarm, feed_of, told, wait_for):
    """So that the tests above are about being told again."""
    server = alertmanager()
    server.start()
    alarm().fire(time.time() - 30)
    feed_of(server.url, repeat_seconds=0.3).tick(time.time())
    wait_for(lambda: told() == [("firing", "pc1/wan"), ("resolved", "pc1/wan")])


def test_an_end_while_alertmanager_was_away_is_told_when_it_is_back(
    alertmanager, alarm, feed_of, told, wait_for, keep_ticking
):
    server = alertmanager()
    server.start()
    begun = time.time()
    other = alarm("pc2/wan", device_id="pc2").fire(begun - 30)
    latency = alarm().fire(begun - 30)
    feed = feed_of(server.url)
    feed.tick(begun)
    both = {("firing", "pc1/wan"), ("firing", "pc2/wan")}
    # The first notification of the group may hold but one of them.
    wait_for(lambda: set(told()) == both)
    time.sleep(1)
    before = len(told())
    server.stop()
    latency.resolve(time.time())
    with pytest.raises(TemporaryDeliveryError, match="refused"):
        feed.tick(time.time())
    server.start()
    # The collector was restarted meanwhile, too.
    feed = feed_of(server.url)
    keep_ticking(feed, 2.5)
    # One notification of the group: the end, beside what still fires.
    assert sorted(told()[before:]) == [("firing", "pc2/wan"), ("resolved", "pc1/wan")]
    other.resolve(time.time())
    feed.tick(time.time())
    wait_for(lambda: ("resolved", "pc2/wan") in told())
    keep_ticking(feed, 1.5)
    assert told().count(("resolved", "pc2/wan")) == 1


def test_a_restart_of_alertmanager_doubles_nothing(alertmanager, alarm, feed_of, told, wait_for, keep_ticking):
    server = alertmanager()
    server.start()
    alarm().fire(time.time() - 30)
    feed = feed_of(server.url, repeat_seconds=2.0)
    feed.tick(time.time())
    wait_for(lambda: told() == [("firing", "pc1/wan")])
    server.stop()
    server.start()
    assert server.alerts() == {}
    keep_ticking(feed, 3.5)
    assert server.alerts()["pc1/wan"]["status"]["state"] == "active"
    assert told() == [("firing", "pc1/wan")]


class DeadlyGate:
    """Stands before an Alertmanager and kills the feed as it posts: before handing the post on, or before answering."""

    def __init__(self, http_peer, server):
        self._server = server
        self._peer = http_peer()
        self._peer.answer = self._answer
        self.url = self._peer.url
        self.kill_next = ""
        self.process = None

    def _answer(self, path, body):
        when, self.kill_next = self.kill_next, ""
        if when == "before":
            self.process.kill()
            return 503, {}, b""
        answer = urllib3.request(
            "POST", self._server.url + path, body=body, headers={"Content-Type": "application/json"}, retries=False
        )
        if when == "after":
            self.process.kill()
        return answer.status, {}, answer.data


@pytest.fixture
def doomed_feed(registry, alertmanager, http_peer, tmp_path):
    """An Alertmanager, a gate before it, and a function that starts a feed in a process of its own."""
    server = alertmanager()
    server.start()
    gate = DeadlyGate(http_peer, server)
    started = []

    def start():
        gate.process = subprocess.Popen(
            [sys.executable, "-c", FEED_PROCESS, str(tmp_path / "registry.sqlite"), gate.url]
        )
        started.append(gate.process)

    def wait_killed():
        assert started[-1].wait(20) == -signal.SIGKILL

    yield gate, start, wait_killed
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_feed_loses_and_doubles_nothing(doomed_feed, when, alarm, told, wait_for):
    gate, start, wait_killed = doomed_feed
    latency = alarm().fire(time.time() - 30)
    gate.kill_next = when
    start()
    wait_killed()
    start()
    wait_for(lambda: told() == [("firing", "pc1/wan")])
    gate.kill_next = when
    latency.resolve(time.time())
    wait_killed()
    start()
    wait_for(lambda: len(told()) == 2)
    time.sleep(2)
    assert told() == [("firing", "pc1/wan"), ("resolved", "pc1/wan")]


def test_an_end_while_the_killed_feed_is_down_is_told(alertmanager, doomed_feed, alarm, told, wait_for, moment):
    """It was killed before it could note that the alert was accepted."""
    gate, start, wait_killed = doomed_feed
    latency = alarm().fire(time.time() - 30)
    gate.kill_next = "after"
    start()
    wait_killed()
    wait_for(lambda: told() == [("firing", "pc1/wan")])
    ended_at = time.time()
    latency.resolve(ended_at)
    start()
    wait_for(lambda: len(told()) == 2)
    end = json.loads(alertmanager.receiver.requests[-1][2])["alerts"][0]
    assert end["status"] == "resolved"
    # Not when it would have ended by itself.
    assert moment(end["endsAt"]) == pytest.approx(ended_at, abs=0.01)


def test_two_alertmanagers_are_told_and_people_once(
    registry, alertmanager, loopback_port, alarm, feed_of, told, wait_for, keep_ticking
):
    ports = loopback_port(), loopback_port()
    # The second waits that long for the first, and must hear of its notification meanwhile.
    flags = ("--cluster.peer-timeout=3s", "--cluster.settle-timeout=1s", "--cluster.gossip-interval=50ms")
    first = alertmanager(f"--cluster.listen-address=127.0.0.1:{ports[0]}", *flags)
    second = alertmanager(
        f"--cluster.listen-address=127.0.0.1:{ports[1]}", f"--cluster.peer=127.0.0.1:{ports[0]}", *flags
    )
    first.start()
    second.start()
    feed = feed_of(first.url, second.url)
    latency = alarm().fire(time.time() - 30)
    feed.tick(time.time())
    assert first.alerts().keys() == second.alerts().keys() == {"pc1/wan"}
    keep_ticking(feed, 5.0)
    assert told() == [("firing", "pc1/wan")]
    first.stop(signal.SIGKILL)
    latency.resolve(time.time())
    with pytest.raises(TemporaryDeliveryError, match=str(first.port)):
        feed.tick(time.time())
    wait_for(lambda: told() == [("firing", "pc1/wan"), ("resolved", "pc1/wan")])
    with registry.connect() as connection:
        assert [row.url for row in connection.execute(select(alertmanager_alert))] == [first.url]
