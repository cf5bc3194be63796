"""Real servers that several rooms' tests need."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import urllib3

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  index-version = "tsi1"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{http_port}"
  auth-enabled = true
  log-enabled = false
[monitor]
  store-enabled = false
"""


if os.environ.get("CI"):
    # A gate must answer the same to the same change; random search goes on wherever people run the tests.
    hypothesis = pytest.importorskip("hypothesis")
    hypothesis.settings.register_profile("gate", derandomize=True, deadline=None)
    hypothesis.settings.load_profile("gate")


def pytest_addoption(parser):
    parser.addoption("--rewrite-golden", action="store_true", help="write the golden files anew; read the diff")


class InfluxServer:
    """Debian's influxd on ports and in a folder of its own, with authentication and one administrator."""

    username = "quan_tri"
    password = "mật khẩu: 1 = 2"

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._http = urllib3.PoolManager(retries=False)
        self._databases = 0
        self.url = ""

    def start(self) -> None:
        """Starts it, on the ports of last time if there was one, and waits until it answers."""
        if not self.url:
            folder = self._folder
            http_port, rpc_port = _free_ports(2)
            (folder / "influx.conf").write_text(
                _CONFIG.format(folder=folder, http_port=http_port, rpc_port=rpc_port), encoding="utf-8"
            )
            self.url = f"http://127.0.0.1:{http_port}"
        with (self._folder / "influxd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "-config", str(self._folder / "influx.conf")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"influxd does not start: {(self._folder / 'influxd.log').read_text(errors='replace')}")
            time.sleep(0.02)
        # The first user of a new server may be made by anybody; afterwards this says "already exists".
        self.query(f"CREATE USER {self.username} WITH PASSWORD '{self.password}' WITH ALL PRIVILEGES")

    def kill(self) -> None:
        """Kills it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def query(self, statement: str, *, database: str | None = None, epoch: str = "s") -> list[dict]:
        """Series of the first result, asked past the store under test, with the administrator's rights."""
        fields = {"q": statement, "epoch": epoch}
        if database is not None:
            fields["db"] = database
        response = self._http.request(
            "POST",
            f"{self.url}/query",
            fields=fields,
            encode_multipart=False,
            headers=urllib3.make_headers(basic_auth=f"{self.username}:{self.password}".encode().decode("latin-1")),
        )
        answer = response.json()
        result = answer.get("results", [{}])[0]
        problem = answer.get("error") or result.get("error")
        if problem:
            raise AssertionError(f"{statement}: {problem}")
        return result.get("series", [])

    def new_database_name(self) -> str:
        """A name that no other test uses."""
        self._databases += 1
        return f"test_{self._databases}"

    def _answers(self) -> bool:
        try:
            return self._http.request("GET", f"{self.url}/ping", timeout=1.0).status == 204
        except urllib3.exceptions.HTTPError:
            return False


def _free_ports(count: int) -> list[int]:
    """Ports that are free now and that no outgoing connection takes (those come from 32768 upwards)."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.append(port)
    return ports


@pytest.fixture(autouse=True)
def usual_umask():
    """Commands of the collector, called within this process, narrow it for whoever comes after them."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def influxd_binary() -> str:
    """Path of Debian's influxd; without it the test fails, or skips where THONGMANG_ALLOW_MISSING=1 says so."""
    found = shutil.which("influxd") or shutil.which("influxd", path="/usr/sbin:/usr/bin")
    if found is None:
        text = "influxd is missing: apt-get install influxdb (Debian 12 has 1.6.7)"
        if os.environ.get("THONGMANG_ALLOW_MISSING") == "1":
            pytest.skip(text)
        pytest.fail(f"{text}; THONGMANG_ALLOW_MISSING=1 skips these tests")
    return found


@pytest.fixture(scope="session")
def influxd(influxd_binary, tmp_path_factory):
    """One influxd for the whole run; every test takes a database of its own by `new_database_name()`."""
    server = InfluxServer(influxd_binary, tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def own_influxd(influxd_binary, tmp_path):
    """An influxd that one test may kill and start again."""
    folder = tmp_path / "influxd"
    folder.mkdir()
    server = InfluxServer(influxd_binary, folder)
    server.start()
    yield server
    server.kill()
