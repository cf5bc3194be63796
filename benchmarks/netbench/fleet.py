"""The product's own processes in the province: the collector, an agent a terminal, the service, and snmpd as CPE."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from agent.wire.catalogue import INTERFACE, LINK_LATENCY, measurement_fields
from benchmarks.netbench.loads import WEB_PORT
from benchmarks.netbench.namespaces import BenchError, Namespaces
from benchmarks.netbench.topology import ACCESS_BITS_PER_SECOND, COLLECTOR, EDGE, SERVER, SERVICE_PORT, TERMINALS
from collector.db.registry import open_registry
from collector.enrolment import DEFAULT_SITE, create_join_code
from collector.metrics.embedded import EmbeddedMetricStore

ROOT = Path(__file__).parents[2]
UNITS = {"a": "16681", "b": "16690"}
COLLECTOR_PORT = 8600
CPE_COMMUNITY = "netbench"
CPE_ADDRESS = "10.3.1.1"
CPE_INTERFACE = "wan"
_START_SECONDS = 120.0
_COMMAND_SECONDS = 120.0
_DRAIN_SECONDS = 120.0

_SETTINGS = """\
[server]
host = "{collector}"
port = {port}

[web]
allowed_hosts = ["{collector}"]

[alerts]
interval_seconds = {judge_seconds}

[agents]
interval_seconds = {interval_seconds}
upload_interval_seconds = {upload_seconds}
measure_collector = false

# Every terminal measures in full: the bench asks what the detector makes of it, not who probes.
[steering]
probers_per_site = 100
probe_budget_bytes_per_day = 1000000000

[[agents.targets]]
name = "edge"
address = "{edge}"
role = "edge"

[[agents.targets]]
name = "server"
address = "{server}"
port = {service_port}
role = "service"
service = "http"
"""

_SNMPD = """\
agentaddress udp:161
rocommunity {community}
sysname cpe-a
dontLogTCPWrappersConnects yes
"""


@dataclass(frozen=True)
class Report:
    """What one terminal reported of one target.

    Args:
        terminal: as `a1`.
        target: `gateway`, `edge` or `server`.
        time_seconds: the terminal's stamp.
        fields: store field -> integer in the catalogue's scaled unit.
    """

    terminal: str
    target: str
    time_seconds: int
    fields: dict[str, int]


@dataclass(frozen=True)
class CpeSample:
    """What the collector stored of the CPE's port: bytes in the `interval_ms` before `time_seconds`."""

    time_seconds: int
    interval_ms: int
    received_bytes: int
    transmitted_bytes: int


class Fleet:
    """Collector, agents, service and CPE.

    Args:
        spaces: where they run.
        folder: the run's folder; states and logs lie in it.
        interval_seconds: how often agents measure.
    """

    def __init__(self, spaces: Namespaces, folder: Path, interval_seconds: int) -> None:
        self._spaces = spaces
        self._interval_seconds = interval_seconds
        self._state = folder / "collector"
        self._agents = folder / "agents"
        self._folder = folder
        self._devices: dict[str, str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._environment = {**os.environ, "THONGMANG_LANGUAGE": "en", "PYTHONPATH": str(ROOT)}

    @property
    def state(self) -> Path:
        """The collector's state directory."""
        return self._state

    @property
    def devices(self) -> dict[str, str]:
        """Device id -> terminal."""
        return dict(self._devices)

    def start(self) -> subprocess.Popen[bytes]:
        """Starts everything, enrols every terminal, and returns the service's process.

        Raises:
            BenchError: a process does not start or a terminal cannot enrol.
        """
        self._start_collector()
        service = self._start_servers()
        codes = self._join_codes()
        with ThreadPoolExecutor(len(TERMINALS)) as pool:
            for device, terminal in pool.map(self._enrol, TERMINALS, codes):
                self._devices[device] = terminal
        for terminal in TERMINALS:
            words = [*self._program("agent"), "run", "--state-dir", str(self._agents / terminal)]
            self._processes.append(
                self._spaces.start(terminal, words, log=f"agent-{terminal}.log", environment=self._environment)
            )
        return service

    def check(self) -> None:
        """Raises BenchError where the collector or an agent has ended."""
        for process in self._processes:
            if process.poll() is not None:
                raise BenchError(f"a process ended with {process.returncode}: {process.args!r}; see {self._folder}")

    def wait_for_reports(self, time_seconds: float) -> list[str]:
        """Waits until every terminal's reports up to that wall-clock time have arrived; those whose have not."""
        deadline = time.monotonic() + _DRAIN_SECONDS
        while True:
            newest: dict[str, int] = dict.fromkeys(TERMINALS, 0)
            for report in self.reports(int(time_seconds) - 10 * self._interval_seconds):
                newest[report.terminal] = max(newest[report.terminal], report.time_seconds)
            missing = [terminal for terminal, at in newest.items() if at < time_seconds - self._interval_seconds]
            if not missing or time.monotonic() > deadline:
                return missing
            time.sleep(min(2.0, self._interval_seconds / 2))

    def reports(self, start_seconds: int = 0) -> list[Report]:
        """What the collector has stored of latency since that wall-clock time, read from its store."""
        store = EmbeddedMetricStore(self._state / "metrics.sqlite")
        fields = [spec.field for spec in measurement_fields(LINK_LATENCY)]
        try:
            readings = list(store.read(LINK_LATENCY, fields, start_seconds=start_seconds, end_seconds=2**40))
        finally:
            store.close()
        return [
            Report(
                self._devices[reading.tags["device_id"]],
                reading.tags["target"],
                reading.time_seconds,
                dict(reading.fields),
            )
            for reading in readings
            if reading.tags["device_id"] in self._devices
        ]

    def _program(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "agent", *words]

    def _start_collector(self) -> None:
        self._state.mkdir(mode=0o700)
        settings = _SETTINGS.format(
            collector=COLLECTOR,
            port=COLLECTOR_PORT,
            judge_seconds=max(5.0, self._interval_seconds / 2),
            interval_seconds=self._interval_seconds,
            upload_seconds=self._interval_seconds,
            edge=EDGE,
            server=SERVER,
            service_port=SERVICE_PORT,
        )
        (self._state / "collector.toml").write_text(settings, encoding="utf-8")
        words = self._program("collector", "--state-dir", str(self._state), "serve", "--log-level", "warning")
        process = self._spaces.start("col", words, log="collector.log", environment=self._environment)
        self._processes.append(process)
        ask = f"import urllib.request; urllib.request.urlopen('http://{COLLECTOR}:{COLLECTOR_PORT}/healthz', timeout=2)"
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                # From a terminal: the way to it is part of the question.
                self._spaces.call("b1", [sys.executable, "-c", ask], 10)
            except BenchError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    log = (self._folder / "collector.log").read_text(encoding="utf-8", errors="replace")
                    raise BenchError(f"the collector does not answer: {log[-2000:]}") from error
                time.sleep(0.3)
            else:
                return

    def _start_servers(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "benchmarks.netbench.service", "--port", str(SERVICE_PORT)]
        service = self._spaces.start("srv", words, log="service.log", stdin=True)
        words = [sys.executable, "-m", "benchmarks.netbench.webload", "serve", "--port", str(WEB_PORT)]
        self._processes.append(self._spaces.start("srv", words, log="web-server.log"))
        return service

    def start_cpe(self, program: str) -> None:
        """Starts snmpd on the router of site a and tells the collector of it, which polls it in its own slots.

        Args:
            program: path of snmpd.

        Raises:
            BenchError: the collector does not take it.
        """
        settings = self._folder / "snmpd.conf"
        settings.write_text(_SNMPD.format(community=CPE_COMMUNITY), encoding="utf-8")
        words = [program, "-f", "-Lo", "-C", "-c", str(settings), "-p", str(self._folder / "snmpd.pid"), "-I", "-smux"]
        environment = {**self._environment, "SNMP_PERSISTENT_DIR": str(self._folder / "snmpd")}
        self._processes.append(self._spaces.start("acr", words, log="snmpd.log", environment=environment))
        secrets = self._state / "snmp-credentials.toml"
        secrets.touch(mode=0o600)
        secrets.write_text(f'[cpe]\ncommunity = "{CPE_COMMUNITY}"\n', encoding="utf-8")
        told = f"--name cpe-a --unit {UNITS['a']} --address {CPE_ADDRESS} --version 2c --credentials cpe"
        told += f" --interface {CPE_INTERFACE} --capacity-down-kbit-s {ACCESS_BITS_PER_SECOND // 1000}"
        words = self._program("collector", "--state-dir", str(self._state), "network", "add", *told.split())
        self._spaces.call("col", words, _COMMAND_SECONDS, self._environment)

    def cpe_samples(self) -> list[CpeSample]:
        """What the collector itself has stored of the CPE's port."""
        store = EmbeddedMetricStore(self._state / "metrics.sqlite")
        fields = ("interval_ms", "received_bytes", "transmitted_bytes")
        try:
            readings = list(store.read(INTERFACE, fields, start_seconds=0, end_seconds=2**40))
        finally:
            store.close()
        return [
            CpeSample(reading.time_seconds, *(reading.fields[name] for name in fields))
            for reading in readings
            if all(name in reading.fields for name in fields)
        ]

    def _join_codes(self) -> list[str]:
        # Not by five commands: each loads the whole collector, which takes long on a small machine.
        engine = open_registry(self._state / "registry.sqlite")
        try:
            with engine.begin() as connection:
                return [
                    create_join_code(
                        connection, unit_code=UNITS[site], site=DEFAULT_SITE, now=time.time(), valid_seconds=3600.0
                    )
                    for site in TERMINALS.values()
                ]
        finally:
            engine.dispose()

    def _enrol(self, terminal: str, code: str) -> tuple[str, str]:
        state = self._agents / terminal
        url = f"http://{COLLECTOR}:{COLLECTOR_PORT}"
        words = self._program("agent", "enrol", url, "--code", code, "--allow-plain-http", "--state-dir", str(state))
        self._spaces.call(terminal, words, _COMMAND_SECONDS, self._environment)
        identity = json.loads((state / "identity.json").read_text(encoding="utf-8"))
        return identity["device_id"], terminal
