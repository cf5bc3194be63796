"""What the comparison of agents counts and prints."""

import contextlib
import os
import re
import socket
import sqlite3
import struct
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest

from benchmarks import agent_footprint as bench

ROOT = Path(__file__).resolve().parents[2]


def test_the_agent_is_measured_as_its_unit_runs_it():
    unit = (ROOT / "deploy/agent/systemd/thongmang-agent.service").read_text(encoding="utf-8")
    told = dict(re.findall(r"(MALLOC_\w+)=(\S+)", unit))
    assert told == bench.UNIT_ENVIRONMENT


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_program_s_memory_and_time_are_its_own_and_its_children_s(tmp_path):
    text = (
        "import subprocess, sys, time; block = bytearray(b'x') * 30_000_000;"
        "subprocess.run([sys.executable, '-c', 'sum(range(6_000_000))']); print('ready', flush=True); time.sleep(60)"
    )
    log = tmp_path / "one.log"
    one = bench.Program(
        "one", [sys.executable, "-c", text], lambda: log.exists() and b"ready" in log.read_bytes(), tmp_path
    )
    try:
        assert one.first_sample_seconds > 0
        one.sample()
        assert 30_000 < one.samples[0] < 100_000
        assert one.processor_seconds() > 0.05
        assert one.is_running
    finally:
        one.stop()
    assert not one.is_running
    assert list(Path("/sys/fs/cgroup").glob(f"**/thongmang-footprint-{os.getpid()}-one")) == []


def test_a_program_that_ends_is_no_row_of_numbers(tmp_path):
    one = bench.Program("gone", [sys.executable, "-c", "raise SystemExit('no such option')"], lambda: False, tmp_path)
    one.process.wait(20)
    one.sample()
    assert "did not run" in bench.table_of([one], {"gone": "gone"}, 1)
    assert "no such option" in one.log.read_text()
    one.stop()


def test_the_table_compares_with_node_exporter(tmp_path):
    programs = []
    for name, resident, spent in (("node_exporter", [20480, 20480], 0.2), ("other", [10240, 30720], 0.1)):
        one = bench.Program(name, [sys.executable, "-c", "import time; time.sleep(60)"], lambda: True, tmp_path)
        one.samples, one.spent_seconds, one.first_sample_seconds = resident, spent, 0.25
        programs.append(one)
    try:
        lines = bench.table_of(programs, {"node_exporter": "node_exporter", "other": "another"}, 2).splitlines()
    finally:
        bench.stop_all(programs)
    assert lines[2] == "| node_exporter | 20.0 | 20.0 | 0.1000 | 1.00 | 0.25 | 0.00 |"
    assert lines[3] == "| another | 20.0 | 30.0 | 0.0500 | 0.50 | 0.25 | 0.00 |"


def test_what_is_not_installed_is_named_and_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(bench.shutil, "which", lambda _name: None)
    assert bench.rivals(tmp_path) == ([], ["node_exporter", "blackbox_exporter", "zabbix-agent2", "glances"])


@pytest.mark.parametrize("is_packed", [False, True])
def test_zabbix_is_asked_in_its_own_words(is_packed):
    asked = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        for _ in range(2):
            with listener.accept()[0] as channel:
                asked.append(channel.recv(1024))
                body = zlib.compress(b"1") if is_packed else b"1"
                channel.sendall(b"ZBXD" + (b"\x03" if is_packed else b"\x01") + struct.pack("<II", len(body), 1) + body)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert bench.ask_zabbix(listener.getsockname()[1], ["agent.ping", "system.uptime"])
    thread.join(10)
    listener.close()
    assert asked == [b"ZBXD\x01\x0a\0\0\0\0\0\0\0agent.ping", b"ZBXD\x01\x0d\0\0\0\0\0\0\0system.uptime"]
    assert not bench.ask_zabbix(bench.free_port(), ["agent.ping"])


def test_a_first_report_is_seen_once_it_is_kept(tmp_path):
    assert not bench.has_report(tmp_path)
    with contextlib.closing(sqlite3.connect(str(tmp_path / "spool.sqlite3"))) as database:
        assert not bench.has_report(tmp_path)
        database.execute("CREATE TABLE memory (name TEXT, value TEXT)")
        database.commit()
        assert not bench.has_report(tmp_path)
        database.execute("INSERT INTO memory VALUES ('last_round', '{}')")
        database.commit()
    assert bench.has_report(tmp_path)


def test_processes_that_are_gone_take_no_memory():
    begun = time.monotonic()
    assert bench.resident_kib([os.getpid(), 2**22 + 1]) > 1000
    assert bench.resident_kib([2**22 + 1]) == 0
    assert time.monotonic() - begun < 5
