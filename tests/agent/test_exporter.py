"""The metrics page, read by a real request."""

import socket
import urllib.request

import pytest

from agent.errors import ConfigurationError
from agent.exporter import Exporter
from agent.runner import ProbeRun, Round
from agent.wire.report import ProbeOutcome, Sample

prometheus_client = pytest.importorskip("prometheus_client")


@pytest.fixture
def exporter():
    made = Exporter(0)
    yield made
    made.close()


@pytest.fixture
def page(exporter):
    def read():
        with urllib.request.urlopen(f"http://127.0.0.1:{exporter.port}/metrics", timeout=5) as answer:
            return answer.read().decode()

    return read


def test_the_newest_round_and_no_other(exporter, page):
    assert "thongmang_uptime_seconds" not in page()
    run = ProbeRun(
        ProbeOutcome("latency", "ok", 0.1),
        samples=(
            Sample("uptime_seconds", 12.5),
            Sample("spool_dropped_total", 3),
            Sample("link_rtt_p50_seconds", 0.002, {"target": "gateway"}),
            Sample("link_rtt_p50_seconds", 0.05, {"target": "máy chủ"}),
        ),
    )
    exporter.show(Round((run,)))
    lines = page().splitlines()
    assert "thongmang_uptime_seconds 12.5" in lines
    assert "thongmang_spool_dropped_total 3.0" in lines
    assert 'thongmang_link_rtt_p50_seconds{target="gateway"} 0.002' in lines
    assert 'thongmang_link_rtt_p50_seconds{target="máy chủ"} 0.05' in lines
    assert "# TYPE thongmang_spool_dropped_total counter" in lines
    assert 'thongmang_probe_outcome{outcome="ok",probe="latency"} 1.0' in lines
    assert 'thongmang_probe_outcome{outcome="timeout",probe="latency"} 0.0' in lines
    exporter.show(Round())
    assert "thongmang_uptime_seconds" not in page()


def test_loopback_only(exporter):
    assert exporter._server.server_address[0] == "127.0.0.1"


def test_a_taken_port():
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ConfigurationError, match="cannot be used"):
        Exporter(listener.getsockname()[1])
    with pytest.raises(ConfigurationError, match="99999 of this machine cannot be used"):
        Exporter(99_999)


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)
    with pytest.raises(ConfigurationError, match="prometheus-client"):
        Exporter(0)
