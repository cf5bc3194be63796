"""snmpd, the collector as users start it, its store and the legal rule, through a power cut."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import urllib3

from agent.wire.catalogue import INTERFACE
from collector.metrics.port import Point
from collector.metrics.stores import open_store

ROOT = Path(__file__).parents[3]
SLOT, WEEK_SLOTS = 300, 2016
CAPACITY_KBIT_S = 200_000


class Process:
    """A collector on one state directory."""

    def __init__(self, state):
        self.state = state
        self.port = _free_port()
        self.environment = {**os.environ, "THONGMANG_PORT": str(self.port), "THONGMANG_STATE_DIR": str(state)}
        self._http = urllib3.PoolManager(retries=False, timeout=5)
        self._process = None

    def start(self):
        with (self.state / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agent", "collector", "serve"],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.wait(lambda: self.get("/healthz"))

    def cut_power(self):
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def run(self, *arguments, expected=0):
        done = subprocess.run(
            [sys.executable, "-m", "agent", "collector", "network", *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done.stdout + done.stderr

    def get(self, path):
        token = self.state / "admin.token"
        headers = {"Authorization": f"Bearer {token.read_text().strip()}"} if token.exists() else {}
        try:
            answer = self._http.request("GET", f"http://127.0.0.1:{self.port}{path}", headers=headers)
        except urllib3.exceptions.HTTPError:
            return None
        return json.loads(answer.data) if answer.status == 200 else None

    def wait(self, ready, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            found = ready()
            if found:
                return found
            log = (self.state / "log").read_text(errors="replace")[-4000:]
            assert self._process is None or self._process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.1)

    def device(self):
        (one,) = json.loads(self.run("list", "--format", "json"))
        return one

    def stored(self):
        store = open_store("embedded", path=self.state / "metrics.sqlite")
        try:
            return list(store.read(INTERFACE, ("received_bytes",), start_seconds=0, end_seconds=2**40))
        finally:
            store.close()


@pytest.fixture
def process(tmp_path, credentials_text):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "collector.toml").write_text("[alerts]\ninterval_seconds = 1.0\n")
    credentials = state / "snmp-credentials.toml"
    credentials.write_text(credentials_text)
    credentials.chmod(0o600)
    started = Process(state)
    yield started
    started.cut_power()


@pytest.mark.timeout(240)
def test_a_full_line_is_polled_stored_and_judged_through_a_power_cut(process, snmpd, tmp_path):
    snmpd.put_port(received=10**12, transmitted=10**9, speed=1_000_000_000, duplex=3)
    snmpd.put_uptime(1_000_000)
    process.start()
    listed = tmp_path / "thiết bị.csv"
    listed.write_text(
        "name,unit,address,port,version,credentials,interface,capacity_down_kbit_s,capacity_up_kbit_s\n"
        f"CPE Nghi Lộc,17842,127.0.0.1,{snmpd.port},3,v3,wan,{CAPACITY_KBIT_S},{CAPACITY_KBIT_S}\n"
        "CPE sai,Xã Không Có,router.local,99999,4,,,-5,\n",
        encoding="utf-8",
    )
    told = process.run("import", str(listed), "--language", "en", expected=1)
    assert "1 rows, " not in told
    assert "2 rows, 1 created" in told
    for field in ("unit", "address", "port", "version", "credentials", "interface", "capacity_down_kbit_s"):
        assert f"thiết bị.csv, row 3, {field}: found" in told
    # It was added after the round of this slot: the next start asks it at once.
    process.cut_power()
    process.start()
    process.wait(lambda: process.get("/healthz")["network"] == {"devices": 1, "failed": 0, "problem": ""})
    device = process.device()
    process.cut_power()

    # Five minutes pass, in which 7 GB come in: 187 Mbit/s. The week before was as busy.
    snmpd.put_port(received=10**12 + 7 * 10**9, transmitted=2 * 10**9, speed=1_000_000_000, duplex=3)
    with sqlite3.connect(process.state / "registry.sqlite") as registry:
        (text,) = registry.execute("SELECT reading FROM network_device_state").fetchone()
        reading = json.loads(text)
        reading["taken_at"] -= SLOT
        snmpd.put_uptime(1_000_000 + time.time() - reading["taken_at"])
        registry.execute("UPDATE network_device_state SET slot = slot - 1, reading = ?", (json.dumps(reading),))
    registry.close()
    with sqlite3.connect(process.state / "journal.sqlite") as journal:
        # The first poll's report was of the slot that has passed now.
        journal.execute("UPDATE entry SET sequence = sequence - 1")
    journal.close()
    now_slot = int(time.time()) // SLOT
    write_week(process.state, device["id"], device["unit"], now_slot)
    process.start()
    fired = process.wait(
        lambda: [
            one
            for one in process.get("/api/v1/alerts")["alerts"]
            if (one["rule"], one["state"]) == ("capacity_exceeded", "firing")
        ]
    )
    (alert,) = fired
    assert alert["subject"] == f"{device['id']}/down"
    assert "CPE Nghi Lộc" in json.dumps(alert, ensure_ascii=False)

    def own_sample():
        return [row for row in process.stored() if row.fields["received_bytes"] == 7 * 10**9]

    (sample,) = process.wait(own_sample)
    assert now_slot - 1 <= sample.time_seconds // SLOT + 1 <= now_slot + 1
    assert process.device()["sample"]["interface_received_bytes"] == 7 * 10**9
    verdicts = json.loads(process.run("capacity", "--format", "json"))
    assert [(one["direction"], one["outcome"]) for one in verdicts] == [("down", "exceeded"), ("up", "within")]
    assert "ABOVE" in process.run("capacity", "--language", "en")
    assert "port number 2: 1,000 Mbit/s, port up, full duplex, 64-bit counters" in process.run(
        "poll-once", "--language", "en"
    )
    process.run("remove", "CPE Nghi Lộc")
    assert json.loads(process.run("list", "--format", "json")) == []


def write_week(state, device_id, unit, now_slot):
    """190 Mbit/s to the site and 20 from it, for the seven days before the slot that the collector will write."""
    store = open_store("embedded", path=state / "metrics.sqlite")
    store.ensure_storage()
    tags = {"province": "40", "unit": unit, "site": "main", "device_id": device_id, "interface": "wan"}
    store.write(
        [
            Point(
                INTERFACE,
                tags,
                {"interval_ms": 300_000, "received_bytes": 7_125_000_000, "transmitted_bytes": 750_000_000, "up": 1},
                slot * SLOT,
            )
            for slot in range(now_slot - WEEK_SLOTS - 10, now_slot - 1)
        ]
    )
    store.close()


def _free_port():
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
