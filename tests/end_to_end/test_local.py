"""`make run` as a user starts it: in a terminal, ended with Ctrl-C."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import stat
import subprocess
import time
from pathlib import Path

import openpyxl
import pytest
import urllib3

ROOT = Path(__file__).parents[2]


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, command, environment):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command], cwd=ROOT, env=environment, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        self.text = ""

    def read_until(self, words, seconds):
        deadline = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"ended early: {self.text}") from None

    def press_ctrl_c(self):
        os.write(self.master, b"\x03")

    def wait(self, seconds=30):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text
            # A terminal nobody reads would hold its writers up.
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    time.sleep(0.05)
        return self.process.returncode


@pytest.fixture
def terminal(processes):
    opened = []

    def start(*command):
        opened.append(Terminal(command, processes.environment))
        return opened[-1]

    yield start
    for one in opened:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGKILL)
            one.process.wait()
        os.close(one.master)


def test_make_run_shows_this_machine_and_ends_cleanly_on_ctrl_c(processes, terminal):
    run = terminal("make", "run")
    run.read_until("Ctrl-C", 90)
    assert "Đang ghi danh máy này vào Phường Thành Vinh" in run.text
    token_file = processes.state / "admin.token"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    (device,) = processes.api("/api/v1/devices")["devices"]
    assert device["unit_code"] == "16681"
    assert {sample["metric"] for sample in device["samples"]} >= {"uptime_seconds", "link_rtt_p50_seconds"}
    assert device["age"]["over_10_years"] in {"yes", "no", "uncertain"}
    answer = processes.http.request(
        "GET",
        processes.url + "/api/v1/investment-list?format=xlsx",
        headers={"Authorization": f"Bearer {token_file.read_text().strip()}"},
    )
    assert len(openpyxl.load_workbook(io.BytesIO(answer.data)).sheetnames) >= 3
    run.press_ctrl_c()
    assert run.wait() == 0, run.text
    assert "Đã dừng" in run.text
    with pytest.raises(urllib3.exceptions.HTTPError):
        processes.http.request("GET", processes.url + "/healthz")


def test_a_second_start_goes_on_with_the_same_device_in_english(processes, terminal):
    for _ in range(2):
        run = terminal(".venv/bin/thongmang", "local", "--language", "en", "--unit", "xa Nghi Loc")
        run.read_until("Ctrl-C ends both.", 60)
        devices = processes.api("/api/v1/devices")["devices"]
        run.process.send_signal(signal.SIGTERM)
        assert run.wait() == 0, run.text
        assert len(devices) == 1
    assert run.text.count("Enrolling") == 0


def test_a_taken_port_is_said_at_once(processes, terminal):
    collector = processes.start_collector()
    run = terminal(".venv/bin/thongmang", "local")
    assert run.wait() == 1
    assert "THONGMANG_PORT" in run.text
    assert collector.poll() is None


def test_a_child_that_ends_by_itself_ends_the_trial_with_its_last_words(processes, terminal):
    run = terminal(".venv/bin/thongmang", "local", "--language", "en")
    run.read_until("Ctrl-C ends both.", 60)
    listing = subprocess.run(
        ["pgrep", "-f", f"agent collector --state-dir {processes.state}"], capture_output=True, text=True, check=True
    )
    os.kill(int(listing.stdout.split()[0]), signal.SIGKILL)
    assert run.wait() == 1
    assert re.search(r"collector.*has ended by itself", run.text)


def test_pressing_ctrl_c_twice_leaves_nothing_running(processes, terminal):
    run = terminal(".venv/bin/thongmang", "local", "--language", "en")
    run.read_until("Ctrl-C ends both.", 60)
    run.press_ctrl_c()
    time.sleep(0.1)
    run.press_ctrl_c()
    assert run.wait() == 0, run.text
    listing = subprocess.run(["pgrep", "-f", str(processes.state)], capture_output=True, text=True, check=False)
    assert listing.stdout == ""


def test_another_port_does_not_put_the_machine_into_the_list_twice(processes, terminal):
    for attempt in range(2):
        run = terminal(".venv/bin/thongmang", "local", "--language", "en")
        run.read_until("Ctrl-C ends both.", 60)
        listed = processes.api("/api/v1/investment-list")["counts"]
        assert listed["listed"] + listed["to_verify"] + listed["not_listed"] == 1
        assert len([one for one in processes.api("/api/v1/devices")["devices"] if not one["revoked"]]) == 1
        run.press_ctrl_c()
        assert run.wait() == 0, run.text
        if attempt == 0:
            processes.use_free_port()


def test_a_damaged_identity_is_enrolled_anew(processes, terminal):
    (processes.state / "agent").mkdir(mode=0o700)
    (processes.state / "agent" / "identity.json").write_text("{")
    run = terminal(".venv/bin/thongmang", "local", "--language", "en", "--unit", "16690")
    run.read_until("Ctrl-C ends both.", 60)
    assert "Enrolling this machine in Phường Trường Vinh" in run.text
    run.press_ctrl_c()
    assert run.wait() == 0, run.text
