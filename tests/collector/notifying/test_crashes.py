"""A collector that is killed at any moment loses no notification and decides none twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

ROUNDS = 36
# Where the receiver itself pulls the plug: while it is asked, when it has taken the notification, after its answer.
TRAPS = ("hook asked", "hook taken", "hook answered", "mail asked", "mail taken")
SETTINGS = """
[server]
port = {port}
[alerts]
interval_seconds = 3600
[notify]
interval_seconds = 0.02
routing_file = "{routing}"
retry_first_seconds = 0.05
retry_longest_seconds = 0.2
[smtp]
host = "127.0.0.1"
port = {mail_port}
encryption = "none"
sender = "thongmang@example.vn"
"""


class Zygote:
    """Starts collectors and kills them."""

    def __init__(self, state):
        script = Path(__file__).with_name("zygote.py")
        self.errors = (state / "zygote.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(state)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"
        self.number = 0

    def start(self):
        self.process.stdin.write("start\n")
        self.process.stdin.flush()
        self.number = int(self.process.stdout.readline())

    def kill(self, _point=None):
        if self.number:
            try:
                os.kill(self.number, signal.SIGKILL)
            except ProcessLookupError:
                return
            while Path(f"/proc/{self.number}").exists():
                time.sleep(0.002)

    def close(self):
        self.kill()
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
        self.errors.close()


@pytest.fixture
def zygote(tmp_path, registry, mail, hasty_routing):
    state = tmp_path / "state"
    text = SETTINGS.format(port=1, routing=hasty_routing, mail_port=mail.port)
    (state / "collector.toml").write_text(text)
    made = Zygote(state)
    yield made
    made.close()


def trap(zygote, inboxes, point):
    """Has the receiver kill the sender the next time a delivery comes to that point; returns what tells that it did."""
    name, where = point.split()
    sprung = []

    def spring(here):
        if here == where and not sprung:
            sprung.append(here)
            zygote.kill()

    inboxes[name].spring = spring
    return sprung


@pytest.mark.timeout(300)
def test_kill_9_between_deciding_and_delivering_loses_nothing_and_decides_nothing_twice(
    zygote, alerts, add_receiver, hook, mail
):
    add_receiver("hook", "webhook", hook.url, min_severity="info")
    add_receiver("mail", "smtp", "it@example.vn", min_severity="info")
    inboxes = {"hook": hook, "mail": mail}
    chance = random.Random(20261121)
    open_ones, kills, sprung_points = [], 0, Counter()
    for turn in range(ROUNDS):
        now = time.time()
        for number in range(chance.randint(1, 3)):
            subject = f"pc{turn}-{number}"
            alerts.fire(now, subject)
            open_ones.append(subject)
        # Those of the newest rounds may not have been told yet; some of them end all the same.
        for subject in [one for one in open_ones[:-6] if chance.random() < 0.3] + open_ones[-1:] * (turn % 9 == 8):
            open_ones.remove(subject)
            alerts.resolve(now, subject)
        point = TRAPS[turn // 2 % len(TRAPS)] if turn % 2 else ""
        sprung = trap(zygote, inboxes, point) if point else []
        zygote.start()
        if point:
            deadline = time.monotonic() + 10
            while not sprung and time.monotonic() < deadline:
                time.sleep(0.002)
            assert sprung, f"round {turn}: nothing came to {point}"
            sprung_points[point] += 1
        else:
            # From before the registry is open to after everything is delivered.
            time.sleep(chance.uniform(0.02, 0.5))
        zygote.kill()
        kills += 1
        for inbox in inboxes.values():
            inbox.spring = lambda _point: None
    assert kills >= 30
    assert set(sprung_points) == set(TRAPS)
    for subject in open_ones:
        alerts.resolve(time.time(), subject)
    zygote.start()
    deadline = time.monotonic() + 60
    while not settled(alerts):
        assert time.monotonic() < deadline, [row.error for row in alerts.outbox() if row.state != "delivered"]
        time.sleep(0.05)
    zygote.kill()
    check(alerts, hook, mail, kills)


def settled(alerts):
    rows = alerts.incidents()
    return (
        all(row.ended_at is not None for row in rows)
        and all(row.due_at is None for row in alerts.notices())
        and all(row.state == "delivered" for row in alerts.outbox())
    )


def check(alerts, hook, mail, kills):
    told = {(row.incident_id, row.receiver_id): row for row in alerts.notices()}
    incidents = {row.id: row for row in alerts.incidents()}
    assert len(told) == 2 * len(incidents)
    outbox = alerts.outbox()
    # Every decision arrived, and nothing that was not decided.
    for inbox, channel in ((hook, "webhook"), (mail, "smtp")):
        decided = [row.key for row in outbox if row.channel == channel]
        assert sorted(one.id for one in inbox.distinct()) == sorted(decided)
        repeats = len(inbox.arrivals) - len(decided)
        # A repeat is a delivery that a kill interrupted: never more than kills, and each under its own identity.
        assert 0 <= repeats <= kills
        texts = defaultdict(set)
        for one in inbox.arrivals:
            texts[one.id].add(one.text)
        assert all(len(text) == 1 for text in texts.values())
    # Each firing was told exactly once, its end exactly once and later, or its notice says why neither was.
    heard = Counter()
    order = defaultdict(list)
    for one in hook.distinct():
        for alert in one.alerts:
            heard[alert["subject"], alert["state"]] += 1
            order[alert["subject"]].append(alert["state"])
    told_hook = {
        incidents[number].subject
        for (number, receiver), row in told.items()
        if receiver == 1 and row.told_at is not None
    }
    for row in incidents.values():
        if row.subject in told_hook:
            assert order[row.subject] == ["firing", "resolved"], row.subject
            assert (heard[row.subject, "firing"], heard[row.subject, "resolved"]) == (1, 1)
        else:
            assert row.subject not in order
    for row in told.values():
        assert row.state == "done" or (row.state == "spared" and row.cause), row
    assert len(told_hook) > len(incidents) / 2


@pytest.mark.timeout(120)
def test_the_command_itself_killed_and_started_again(tmp_path, zygote, alerts, add_receiver, hook, registry):
    """The same with `thongmang collector serve`, killed while a receiver holds its answer back."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    add_receiver("hook", "webhook", hook.url, min_severity="info")
    toml = tmp_path / "state" / "collector.toml"
    toml.write_text(toml.read_text().replace("port = 1\n", f"port = {port}\n"))
    command = [sys.executable, "-m", "agent", "collector", "--state-dir", str(tmp_path / "state"), "serve"]
    alerts.fire(time.time(), "pc1")
    running = None

    def spring(point):
        if point == "taken" and running is not None and running.poll() is None:
            running.kill()

    hook.spring = spring
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert running.wait(60) == -signal.SIGKILL
    hook.spring = lambda _point: None
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while [row.state for row in alerts.outbox()] != ["delivered"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        running.kill()
        running.wait()
    # The receiver took it before the kill, without our knowing: it comes again under the same identity.
    first, second = hook.arrivals
    assert (first.id, first.text) == (second.id, second.text)
    assert [row.attempts for row in alerts.outbox()] == [2]
