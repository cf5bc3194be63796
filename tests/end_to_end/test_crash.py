"""Kill -9 in the middle of traffic: what was acknowledged is stored, once."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
import zlib
from collections import Counter

import pytest
import urllib3

from collector.metrics.stores import open_store

KILLS = 6
SENDERS = 4


class Sender(threading.Thread):
    """A terminal that uploads without pause and remembers which reports were acknowledged."""

    def __init__(self, url, identity, number):
        super().__init__()
        self.url, self.identity, self.number = url, identity, number
        self.acknowledged, self.sent = set(), 0
        self.stopping = threading.Event()
        self.start_seconds = int(time.time()) - 3 * 86400 + number

    def report(self, sequence):
        return {
            "wire_version": 1,
            "device_id": self.identity["device_id"],
            "boot_id": "boot",
            "sequence": sequence,
            "wall_time_seconds": self.start_seconds + sequence,
            "monotonic_time_seconds": float(sequence),
            "samples": [{"metric": "uptime_seconds", "value": sequence}],
        }

    def run(self):
        http = urllib3.PoolManager(retries=False, timeout=5)
        waiting = []
        while not self.stopping.is_set():
            while len(waiting) < 5:
                self.sent += 1
                waiting.append(self.sent)
            body = json.dumps({"wire_version": 1, "reports": [self.report(sequence) for sequence in waiting]})
            headers = {"Authorization": f"Bearer {self.identity['token']}", "Content-Encoding": "deflate"}
            try:
                answer = http.request(
                    "POST", self.url + "/api/v1/reports", body=zlib.compress(body.encode()), headers=headers
                )
            except urllib3.exceptions.HTTPError:
                time.sleep(0.02)
                continue
            assert answer.status == 200, answer.data
            done = {item["sequence"] for item in answer.json()["results"] if item["status"] == "accepted"}
            self.acknowledged |= done
            # Every third upload is sent again as if its answer had been lost.
            waiting = [sequence for sequence in waiting if sequence not in done or random.random() < 0.3]


def stored(state, measurement="device_health", field="uptime_s"):
    store = open_store("embedded", path=state / "metrics.sqlite")
    try:
        return list(store.read(measurement, [field], start_seconds=0, end_seconds=2**40))
    finally:
        store.close()


def journal_waiting(state):
    with sqlite3.connect(state / "journal.sqlite") as connection:
        return connection.execute("SELECT count(*) FROM entry WHERE body IS NOT NULL").fetchone()[0]


def test_acknowledged_reports_survive_the_killing_of_the_collector(processes):
    collector = processes.start_collector()
    identities = [
        processes.enrol(processes.run("collector", "join-code", "--unit", "16681").strip()) for _ in range(SENDERS)
    ]
    senders = [Sender(processes.url, identity, number) for number, identity in enumerate(identities)]
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        time.sleep(random.uniform(0.2, 0.8))
        collector.kill()
        collector.wait()
        collector = processes.start_collector()
    time.sleep(0.3)
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join()
    processes.wait(lambda: journal_waiting(processes.state) == 0, 60, collector)

    by_device = {}
    for reading in stored(processes.state):
        by_device.setdefault(reading.tags["device_id"], []).append(reading)
    for sender in senders:
        readings = by_device[sender.identity["device_id"]]
        assert len(sender.acknowledged) > 50
        counts = Counter(reading.fields["uptime_s"] for reading in readings)
        assert sender.acknowledged <= set(counts)
        assert set(counts.values()) == {1}
        # Each stands at the second it was made for, so none was stored under another's time.
        assert all(reading.time_seconds - reading.fields["uptime_s"] == sender.start_seconds for reading in readings)


@pytest.mark.timeout(180)
def test_nothing_is_lost_when_agent_and_collector_are_killed_in_turn(processes):
    (processes.state / "collector.toml").write_text("[agents]\ninterval_seconds = 1\nupload_interval_seconds = 1\n")
    collector = processes.start_collector()
    code = processes.run("collector", "join-code", "--unit", "Phường Thành Vinh").strip()
    agent_state = str(processes.state / "agent")
    processes.run("agent", "enrol", processes.url, "--code", code, "--state-dir", agent_state)
    agent = processes.start("agent", "run", "--state-dir", agent_state)
    (device,) = processes.api("/api/v1/devices")["devices"]
    processes.wait(lambda: processes.api("/api/v1/devices")["devices"][0]["samples"], 30, agent)
    for number in range(KILLS):
        time.sleep(random.uniform(0.5, 2.5))
        if number % 2:
            collector.kill()
            collector.wait()
            time.sleep(random.uniform(0.0, 2.0))
            collector = processes.start_collector()
        else:
            agent.kill()
            agent.wait()
            agent = processes.start("agent", "run", "--state-dir", agent_state)
    time.sleep(3)
    agent.terminate()
    assert agent.wait(20) == 0
    # What the last upload did not take with it goes now.
    processes.run("agent", "run", "--once", "--state-dir", agent_state)
    processes.wait(lambda: journal_waiting(processes.state) == 0, 30, collector)

    with sqlite3.connect(processes.state / "journal.sqlite") as connection:
        rows = connection.execute("SELECT boot_id, sequence, time_seconds FROM entry").fetchall()
    by_boot = {}
    for boot_id, sequence, _ in rows:
        by_boot.setdefault(boot_id, []).append(sequence)
    # One boot of this machine and one spool: one row of numbers without a gap and without a repeat.
    assert len(by_boot) == 1, (by_boot, processes.log())
    (sequences,) = by_boot.values()
    assert sorted(sequences) == list(range(1, max(sequences) + 1))
    assert len(sequences) > 10
    times = [reading.time_seconds for reading in stored(processes.state)]
    assert set(times) == {int(time_seconds) for _, _, time_seconds in rows}
    assert len(times) == len(set(times))
    assert device["id"]
