"""Real processes: the collector and the agent as users start them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import urllib3

ROOT = Path(__file__).parents[2]


def free_port():
    """A port that is free now and that no outgoing connection takes (those come from 32768 upwards).

    From the system: pytest-randomly gives every test the same numbers, and so two workers the same port.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Processes:
    """Starts `thongmang` commands on one state directory and kills what is left at the end."""

    def __init__(self, state):
        self.state = state
        self.use_free_port()
        self.http = urllib3.PoolManager(retries=False, timeout=5)
        self._all = []

    def use_free_port(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**os.environ, "THONGMANG_PORT": str(self.port), "THONGMANG_STATE_DIR": str(self.state)}

    def start(self, *arguments):
        with (self.state / "processes.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "agent", *arguments], env=self.environment, cwd=ROOT, stdout=log, stderr=log
            )
        self._all.append(process)
        return process

    def run(self, *arguments, expected=0):
        return self._done(arguments, expected).stdout

    def run_failing(self, *arguments, expected):
        return self._done(arguments, expected).stderr

    def _done(self, arguments, expected):
        done = subprocess.run(
            [sys.executable, "-m", "agent", *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done

    def start_collector(self):
        process = self.start("collector", "serve")
        self.wait(lambda: self.answers("/healthz"), 30, process)
        return process

    def answers(self, path):
        try:
            return self.http.request("GET", self.url + path).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def wait(self, ready, seconds, process=None):
        deadline = time.monotonic() + seconds
        while not ready():
            assert process is None or process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def api(self, path):
        token = (self.state / "admin.token").read_text().strip()
        answer = self.http.request("GET", self.url + path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 200, answer.data
        return answer.json()

    def log(self):
        return (self.state / "processes.log").read_text(errors="replace")[-4000:]

    def enrol(self, code):
        answer = self.http.request("POST", self.url + "/api/v1/enrolments", json={"wire_version": 1, "code": code})
        assert answer.status == 200, answer.data
        return json.loads(answer.data)

    def kill_all(self):
        for process in self._all:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture
def processes(tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    started = Processes(state)
    yield started
    started.kill_all()
