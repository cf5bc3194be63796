"""From the journal into the stores, also when a store is away."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from collector.journal import Entry
from collector.settings import Settings, Store


def wait_until(ready, seconds=15):
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def statuses(answer):
    return [result["status"] for result in answer.json()["results"]]


class TestInfluxAway:
    @pytest.fixture
    def settings(self, own_influxd, tmp_path):
        password = tmp_path / "influx.password"
        password.write_text(own_influxd.password + "\n", encoding="utf-8")
        store = Store(kind="influxdb", url=own_influxd.url, username=own_influxd.username, password_file=str(password))
        return Settings(store=store)

    def test_reports_wait_while_influxdb_is_away_and_arrive_once(self, running, report, own_influxd):
        me = running.enrol()
        base = time.time() - 1000
        assert statuses(running.upload(me["token"], [report(me["device_id"], 1, wall=base + 1)])) == ["accepted"]
        running.wait_written()
        own_influxd.kill()
        later = [report(me["device_id"], sequence, wall=base + sequence) for sequence in range(2, 30)]
        assert statuses(running.upload(me["token"], later)) == ["accepted"] * 28
        wait_until(lambda: running.collector.writer.problem and running.get("/healthz").status == 503)
        assert running.get("/healthz").json()["journal"]["waiting_reports"] == 28
        # The registry needs no metric store: the terminal is seen although its samples wait.
        assert running.api(f"/api/v1/devices/{me['device_id']}")["last_report_at"] == pytest.approx(base + 29)
        own_influxd.start()
        running.wait_written(seconds=60)
        readings = running.stored(device_id=me["device_id"])
        assert [item.fields["uptime_s"] for item in readings] == list(range(1001, 1030))
        wait_until(lambda: running.get("/healthz").status == 200)

    def test_what_influxdb_refuses_is_kept_and_stops_nothing(self, running, report, own_influxd):
        me = running.enrol()
        own_influxd.query('CREATE DATABASE "fleet_raw" WITH DURATION 30d SHARD DURATION 1d NAME "autogen"')
        now = time.time()
        earlier = report(me["device_id"], 1, boot_id="boot-earlier", wall=now - 33 * 86400)
        reports = [earlier, report(me["device_id"], 2, wall=now)]
        # A clock that is 33 days behind may be right: the report may have waited in a spool.
        assert statuses(running.upload(me["token"], reports)) == ["accepted", "accepted"]
        running.wait_written()
        assert [item.fields["uptime_s"] for item in running.stored(device_id=me["device_id"])] == [1002]
        (kept,) = running.api("/api/v1/rejected")["rejected"]
        assert (kept["kind"], kept["device_id"]) == ("point", me["device_id"])


def test_one_entry_that_cannot_be_read_does_not_stop_the_others(running, report):
    me, other = running.enrol(), running.enrol()
    now = time.time()
    broken = Entry(me["device_id"], "boot-a", 1, now, float("-inf"), 0.0, msgspec.json.encode(report(me["device_id"])))
    garbage = Entry(me["device_id"], "boot-a", 2, now, now, 0.0, b"{")
    asyncio.run(running.collector.journal.append([broken, garbage]))
    assert statuses(running.upload(other["token"], [report(other["device_id"])])) == ["accepted"]
    running.wait_written()
    assert len(running.stored(device_id=other["device_id"])) == 1
    kept = running.api("/api/v1/rejected")["rejected"]
    assert [item["device_id"] for item in kept] == [me["device_id"]] * 2
    assert all("could not read it" in item["reason"] for item in kept)


def test_a_device_the_registry_forgot_does_not_stop_the_others(running, report):
    me, gone = running.enrol(), running.enrol()
    with running.collector.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    assert statuses(running.upload(gone["token"], [report(gone["device_id"])])) == ["accepted"]
    running.wait_written()
    # As after a registry restored from an older backup: the journal still holds a report of the unknown.
    with running.collector.engine.begin() as connection:
        for table in ("device_token", "device"):
            column = "device_id" if table == "device_token" else "id"
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE {column} = ?", (gone["device_id"],))
    orphan = report(gone["device_id"], 7)
    entry = Entry(gone["device_id"], "boot-a", 7, time.time(), time.time(), 0.0, msgspec.json.encode(orphan))
    asyncio.run(running.collector.journal.append([entry]))
    assert statuses(running.upload(me["token"], [report(me["device_id"])])) == ["accepted"]
    running.wait_written()
    assert len(running.stored(device_id=me["device_id"])) == 1
    kept = running.api("/api/v1/rejected")["rejected"]
    assert any("does not know this device" in item["reason"] for item in kept)
