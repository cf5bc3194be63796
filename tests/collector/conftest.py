"""A real collector on a free port, in this process; and reports to hand it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
import zlib
from dataclasses import asdict, dataclass, field

import pytest
import urllib3
import uvicorn

from agent.wire.report import Fact, ProbeOutcome, Report, Sample
from collector.app import Collector, create_app
from collector.cli.collector import ensure_admin_token
from collector.enrolment import create_join_code
from collector.serving import server_options
from collector.settings import Settings

UNIT = "16681"


@dataclass
class Running:
    """A collector and the words to speak with it."""

    collector: Collector
    url: str
    admin_token: str
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=10))

    def get(self, path, token=None, **headers):
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.http.request("GET", self.url + path, headers=headers, redirect=False)

    def api(self, path):
        answer = self.get(path, self.admin_token)
        assert answer.status == 200, answer.data
        return answer.json()

    def join_code(self, unit_code=UNIT, site="main", valid_seconds=3600.0):
        with self.collector.engine.begin() as connection:
            return create_join_code(
                connection, unit_code=unit_code, site=site, now=time.time(), valid_seconds=valid_seconds
            )

    def post_enrolment(self, code, wire_version=1):
        return self.http.request(
            "POST", self.url + "/api/v1/enrolments", json={"wire_version": wire_version, "code": code}
        )

    def enrol(self, **place):
        answer = self.post_enrolment(self.join_code(**place))
        assert answer.status == 200, answer.data
        return answer.json()

    def upload(self, token, reports, *, compressed=True, raw=None, **headers):
        body = (
            raw
            if raw is not None
            else json.dumps({"wire_version": 1, "reports": [asdict(r) for r in reports]}).encode()
        )
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        if compressed:
            body = zlib.compress(body)
            headers["Content-Encoding"] = "deflate"
        return self.http.request("POST", self.url + "/api/v1/reports", body=body, headers=headers)

    def wait_written(self, seconds=10.0):
        deadline = time.monotonic() + seconds
        while self.collector.journal.backlog()[0]:
            assert time.monotonic() < deadline, self.collector.writer.problem
            self.collector.writer.wake()
            time.sleep(0.02)

    def stored(self, measurement="device_health", fields=("uptime_s",), **tags):
        return list(
            self.collector.store.read(measurement, fields, start_seconds=0, end_seconds=2**32, tags=tags or None)
        )


@pytest.fixture(scope="session")
def alertmanager_binary():
    """Path of Debian's Alertmanager; without it the test fails, or skips where THONGMANG_ALLOW_MISSING=1 says so."""
    found = shutil.which("prometheus-alertmanager")
    if found is None:
        text = "prometheus-alertmanager is missing: apt-get install prometheus-alertmanager (Debian 12 has 0.25)"
        if os.environ.get("THONGMANG_ALLOW_MISSING") == "1":
            pytest.skip(text)
        pytest.fail(f"{text}; THONGMANG_ALLOW_MISSING=1 skips these tests")
    return found


@pytest.fixture
def settings():
    return Settings()


@pytest.fixture
def running(tmp_path, settings):
    # Bound here and handed over: a port looked up and let go of may be another's a moment later.
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    collector = Collector(tmp_path / "state", settings)
    admin = ensure_admin_token(collector.engine, collector.state).read_text().strip()
    options = server_options(settings)
    server = uvicorn.Server(uvicorn.Config(create_app(collector), host="127.0.0.1", port=port, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield Running(collector, f"http://127.0.0.1:{port}", admin)
    server.should_exit = True
    thread.join()
    listener.close()


def make_report(
    device_id, sequence=1, *, boot_id="boot-a", wall=None, monotonic=None, samples=None, facts=(), outcomes=()
):
    return Report(
        wire_version=1,
        device_id=device_id,
        boot_id=boot_id,
        sequence=sequence,
        wall_time_seconds=time.time() if wall is None else wall,
        monotonic_time_seconds=1000.0 + sequence if monotonic is None else monotonic,
        outcomes=tuple(outcomes),
        samples=tuple(samples if samples is not None else [Sample("uptime_seconds", 1000.0 + sequence)]),
        facts=tuple(facts),
    )


@pytest.fixture
def report():
    return make_report


@pytest.fixture
def parts():
    return {"fact": Fact, "sample": Sample, "outcome": ProbeOutcome}
