"""The service as it stands in memory: what it loads, how soon it has measured, how large it is."""

import contextlib
import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.errors import SpoolError
from agent.probes import PROBES
from agent.status import read_status

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 40

# Runs `agent run` as a service does, and tells what had been loaded when it ended.
DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
from agent.__main__ import main
code = main(["agent", "run", "--state-dir", sys.argv[2]])
modules = sorted(sys.modules)
import json
with open(sys.argv[3], "w") as file:
    json.dump(modules, file)
sys.exit(code)
"""

# What the agent was relieved of, and what only other commands, other systems or short-lived processes want.
UNWANTED = (
    "argparse",
    "asyncio",
    "dataclasses",
    "email",
    "gettext",
    "http",
    "icmplib",
    "inspect",
    "logging",
    "platform",
    "prometheus_client",
    "random",
    "shutil",
    "stringprep",
    "unicodedata",
    "urllib.request",
    "uuid",
    "agent.authority",
    "agent.cli",
    "agent.device_calls",
    "agent.doctor",
    "agent.enrolment",
    "agent.exporter",
    "agent.firmware",
    "agent.occasional",
    "agent.program_call",
    "agent.service",
    "agent.status",
    "agent.windows",
)


@pytest.fixture
def server_tls(tmp_path):
    """(TLS of a collector, its authority's file)."""
    authority = pytest.importorskip("trustme").CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return context, tmp_path / "authority.pem"


@pytest.fixture
def service(server_tls, make_collector, tmp_path):
    """A running agent that has uploaded: (process, seconds to its first report, file of its modules)."""
    context, ca_file = server_tls
    collector = make_collector(tls_context=context)
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    configuration = {
        "interval_seconds": 2,
        "upload_interval_seconds": 1,
        "measure_gateway": False,
        "targets": [{"name": "edge", "address": "127.0.0.1"}],
    }
    identity = {
        "collector_url": collector.url,
        "device_id": "d",
        "token": "t",
        "ca_file": str(ca_file),
        "configuration": configuration,
    }
    (state / "identity.json").write_text(json.dumps(identity))
    told = tmp_path / "modules.json"
    # On one heap, as the unit of systemd has it.
    environment = dict(os.environ, THONGMANG_LANGUAGE="vi", MALLOC_ARENA_MAX="1")
    environment.pop("COVERAGE_PROCESS_START", None)
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(ROOT), str(state), str(told)], env=environment, stderr=subprocess.PIPE
    )
    try:
        while not has_round(state):
            assert process.poll() is None
            assert time.monotonic() - started < LIMIT_SECONDS
            time.sleep(0.01)
        first_seconds = time.monotonic() - started
        probes = set()
        while not {"hardware", "protection", "latency"} <= probes or len(collector.requests) < 3:
            assert process.poll() is None
            assert time.monotonic() - started < LIMIT_SECONDS
            probes = {item["probe"] for report in list(collector.reports) for item in report["outcomes"]}
            time.sleep(0.05)
        yield process, first_seconds, told
    finally:
        process.terminate()
        assert process.wait(20) == 0, process.stderr.read()
        process.stderr.close()


def has_round(state):
    # Made, but not yet filled, it cannot be read.
    with contextlib.suppress(SpoolError):
        return read_status(state).last_round_at is not None
    return False


def test_the_service_loads_no_more_than_it_needs(service):
    process, _first_seconds, told = service
    process.terminate()
    assert process.wait(20) == 0
    loaded = json.loads(told.read_text())
    assert "ssl" in loaded
    assert "sqlite3" in loaded
    occasional = [probe.source for probe in PROBES.values() if probe.period_seconds is not None]
    unwanted = (*UNWANTED, *occasional) if sys.platform != "win32" else ("http", "email", "asyncio", *occasional)
    if sys.platform != "win32":
        unwanted = (*unwanted, "ctypes")
    found = [name for name in loaded for bad in unwanted if name == bad or name.startswith(bad + ".")]
    # What the service itself knows nothing of: hooks of a test run's own interpreter.
    assert [name for name in found if not name.startswith("_distutils")] == []


def test_the_first_report_is_there_at_once(service):
    _process, first_seconds, _told = service
    # Within a second on a quiet machine, which the benchmark shows; tests share theirs.
    assert first_seconds < 5


@pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info[:2] != (3, 11) or sys.implementation.name != "cpython",
    reason="the figure is that of CPython 3.11 on Linux",
)
def test_the_service_stays_small(service):
    process, _first_seconds, _told = service
    table = Path(f"/proc/{process.pid}/status").read_text()
    resident_kib = int(next(line for line in table.splitlines() if line.startswith("VmRSS")).split()[1])
    # 24 MiB on the machine of docs/benchmarks/agent_footprint.md; other builds of Python differ by one.
    assert resident_kib < 26 * 1024
