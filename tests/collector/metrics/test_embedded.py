"""What only the embedded store promises: its file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from collector.metrics.embedded import EmbeddedMetricStore
from collector.metrics.embedded_tables import read_statement
from collector.metrics.port import StoreMisconfiguredError, StoreUnavailableError
from collector.metrics.schema import MeasurementSchema, catalogue_schema

_WRITER = """
import sys
from collector.metrics.embedded import EmbeddedMetricStore
from collector.metrics.port import Point
store = EmbeddedMetricStore(sys.argv[1])
store.ensure_storage()
for batch in range(1_000_000):
    tags = {"province": "40", "unit": "1", "site": "s"}
    points = [
        Point("device_health", {**tags, "device_id": f"d{n}"}, {"uptime_s": batch}, batch) for n in range(20)
    ]
    assert store.write(points) == []
    print(batch, flush=True)
"""


@pytest.fixture
def store(embedded_path):
    opened = EmbeddedMetricStore(embedded_path, busy_timeout_seconds=0.05)
    opened.ensure_storage()
    yield opened
    opened.close()


def _count(store, points, measurement="link_latency", field="sent"):
    return sum(1 for _ in store.read(measurement, [field], **points.window()))


def test_every_acknowledged_write_outlives_kill_9(embedded_path):
    acknowledged = -1
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(embedded_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            for line in writer.stdout:
                acknowledged = max(acknowledged, int(line))
                if int(line) >= 40:
                    writer.send_signal(signal.SIGKILL)
                    break
            # What it managed to say between our signal and its end was acknowledged too.
            acknowledged = max([acknowledged, *(int(line) for line in writer.stdout.read().split())])
        assert writer.wait() == -signal.SIGKILL
        store = EmbeddedMetricStore(embedded_path)
        store.ensure_storage()
        readings = list(store.read("device_health", ["uptime_s"], start_seconds=0, end_seconds=10**9))
        batches = {}
        for reading in readings:
            batches.setdefault(reading.time_seconds, set()).add(reading.tags["device_id"])
        assert set(range(acknowledged + 1)) <= set(batches)
        # A write is there as a whole or not at all.
        assert {len(devices) for devices in batches.values()} == {20}
        assert len(readings) == 20 * len(batches)
        store.close()
    with sqlite3.connect(embedded_path) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()


def test_commits_are_flushed_to_disk(store, points):
    store.write([points.latency()])
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    full = 2
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (full,)


def test_a_grown_catalogue_adds_columns_and_keeps_what_is_there(embedded_path, points):
    now = catalogue_schema()
    latency = now["link_latency"]
    before = EmbeddedMetricStore(
        embedded_path,
        schema={"link_latency": MeasurementSchema("link_latency", latency.tags[:-1], ("sent",))},
    )
    before.ensure_storage()
    old = points.latency(fields={"sent": 3})
    without_target = {name: value for name, value in old.tags.items() if name != "target"}
    assert before.write([type(old)("link_latency", without_target, {"sent": 3}, old.time_seconds)]) == []
    before.close()
    after = EmbeddedMetricStore(embedded_path)
    after.ensure_storage()
    assert after.write([points.latency(minute=1), points.health()]) == []
    readings = list(after.read("link_latency", ["sent", "rtt_p50_us"], **points.window()))
    assert [(reading.tags.get("target"), dict(reading.fields)) for reading in readings] == [
        (None, {"sent": 3}),
        ("core", {"sent": 10, "rtt_p50_us": 2_001}),
    ]
    after.close()


def test_purge_forgets_what_is_older_and_nothing_else(store, points):
    store.write([points.latency(f"d{device}", minute=minute) for device in range(50) for minute in range(300)])
    store.write([points.health(minute=1)])
    store.purge(points.start_seconds + 60 * 290)
    assert _count(store, points) == 50 * 10
    assert _count(store, points, "device_health", "uptime_s") == 0
    assert store.write([points.latency("d1", minute=295)]) == []
    assert _count(store, points) == 50 * 10


def test_a_full_disk_is_unavailable_and_keeps_what_was_there(store, points):
    store.write([points.latency()])
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count={pages + 3}")
    many = [points.latency(f"d{n}", minute=n % 300) for n in range(5_000)]
    with pytest.raises(StoreUnavailableError, match="full"):
        store.write(many)
    assert _count(store, points) == 1
    # Room again: the very same write goes through, with series that the failed one had begun to make.
    store._writer.execute("PRAGMA max_page_count=1000000")
    assert store.write(many) == []
    assert _count(store, points) == 5_001


def test_a_file_that_may_not_grow_is_unavailable(embedded_path, tmp_path):
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))\n" + _WRITER.replace("range(20)", "range(500)")
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(embedded_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert "StoreUnavailableError" in ended.stderr
    acknowledged = ended.stdout.split()
    store = EmbeddedMetricStore(embedded_path)
    store.ensure_storage()
    stored = sum(1 for _ in store.read("device_health", ["uptime_s"], start_seconds=0, end_seconds=10**9))
    assert stored == 500 * len(acknowledged)
    store.close()


def test_a_locked_file_is_unavailable_until_it_is_free(store, points, embedded_path):
    other = sqlite3.connect(embedded_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.write([points.latency()])
    assert not store.health().ok
    other.execute("ROLLBACK")
    other.close()
    assert store.write([points.latency()]) == []
    assert _count(store, points) == 1


@pytest.mark.parametrize("content", [b"this is not a database " * 500, b"SQLite format 3\0" + b"\xff" * 8192])
def test_a_damaged_file_says_what_to_do(embedded_path, content):
    embedded_path.parent.mkdir()
    embedded_path.write_bytes(content)
    store = EmbeddedMetricStore(embedded_path)
    with pytest.raises(StoreMisconfiguredError, match=r"\.recover"):
        store.ensure_storage()
    assert not store.health().ok
    assert embedded_path.read_bytes() == content
    store.close()


def test_a_page_damaged_later_says_what_to_do(store, points, embedded_path):
    store.write([points.latency(f"d{n}", minute=n % 300) for n in range(20_000)])
    store.close()
    with embedded_path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        middle = file.tell() // 2 // 4096 * 4096
        file.seek(middle)
        file.write(os.urandom(8 * 4096))
    with pytest.raises(StoreMisconfiguredError, match="damaged"):
        _count(store, points)


def test_another_programs_file_is_left_alone(embedded_path):
    embedded_path.parent.mkdir()
    with sqlite3.connect(embedded_path) as other:
        other.execute("CREATE TABLE device (id TEXT)")
    other.close()
    store = EmbeddedMetricStore(embedded_path)
    with pytest.raises(StoreMisconfiguredError, match="path of its own"):
        store.ensure_storage()
    store.close()
    with sqlite3.connect(embedded_path) as other:
        assert [row[0] for row in other.execute("SELECT name FROM sqlite_master")] == ["device"]
    other.close()


def test_a_newer_versions_file_is_left_alone(store, embedded_path):
    store.close()
    with sqlite3.connect(embedded_path) as newer:
        newer.execute("PRAGMA user_version=99")
    newer.close()
    with pytest.raises(StoreMisconfiguredError, match="newer version"):
        store.ensure_storage()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    store = EmbeddedMetricStore(tmp_path / "file" / "metrics.sqlite")
    with pytest.raises(StoreMisconfiguredError, match="folder"):
        store.ensure_storage()


def test_writing_before_the_tables_are_made_says_so(tmp_path, points):
    store = EmbeddedMetricStore(tmp_path / "metrics.sqlite")
    with pytest.raises(StoreMisconfiguredError, match="ensure_storage"):
        store.write([points.latency()])
    store.close()


def test_a_read_sees_one_state_though_writes_go_on(store, points):
    store.write([points.latency(minute=minute) for minute in range(300)] * 5)
    store.write([points.latency(f"d{n}", minute=minute) for n in range(2, 12) for minute in range(300)])
    readings = store.read("link_latency", ["sent"], **points.window())
    next(readings)
    writer = threading.Thread(target=store.write, args=([points.latency("new", minute=m) for m in range(300)],))
    writer.start()
    writer.join()
    assert 1 + sum(1 for _ in readings) == 11 * 300
    assert _count(store, points) == 12 * 300


@pytest.mark.parametrize("tags", [(), ("device_id", "target"), ("unit",)])
def test_reads_go_by_the_key_and_need_no_sorting(store, tags):
    statement = read_statement(catalogue_schema()["link_latency"], ("sent",), tags)
    store.health()
    plan = store._writer.execute(f"EXPLAIN QUERY PLAN {statement}", (*["x"] * len(tags), 0, 1)).fetchall()
    steps = [row[3] for row in plan]
    assert steps[-1] == "SEARCH point USING PRIMARY KEY (series=? AND time>? AND time<?)", steps
    assert len(steps) == 2
    assert ("SEARCH" in steps[0]) == bool(tags)
