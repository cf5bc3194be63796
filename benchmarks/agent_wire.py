"""What a terminal costs its line: IP bytes both ways, counted in network namespaces, scaled to a day.

    python benchmarks/agent_wire.py [--short] [--node-exporter PROGRAM]

The agent's own spool, uplink and connection upload reports of this machine's probes to a real collector over TLS; a
real agent process, elected to probe, measures two targets in real time; node_exporter is scraped over TLS beside it.
Bytes are those of IP packets, headers, TLS and acknowledgements included, without Ethernet's 14. Needs root and
Linux; no packet leaves the machine. The pauses between uploads are shortened: what they do to a connection (the
collector ends it after 75 s) is done at the same share of the shortened time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.agent_wire_terminal import BATCH, record  # noqa: E402  # found by the line above
from benchmarks.netbench.namespaces import BenchError, Namespaces  # noqa: E402  # likewise

INSIDE = (sys.executable, str(ROOT / "benchmarks" / "agent_wire_terminal.py"))

COLLECTOR, TERMINAL, PROBER, BEYOND = "10.99.0.2", "10.99.0.1", "10.99.2.1", "10.99.3.2"
COLLECTOR_OF_PROBER = "10.99.2.2"
PORT, EXPORTER_PORT, SERVICE_PORT = 8600, 9100, 8080
ETHERNET_BYTES = 14
MEGABYTE = 1e6
MINUTES = 1440
SPEED = 60.0
REPORTS = 30
MODES = ("ordinary", "prober", "standby", "version 1")
KEEP_ALIVE_SECONDS = 75
SETTLE_SECONDS = 0.3


@dataclass(frozen=True)
class Traffic:
    """What went through an interface, both ways."""

    packets: int
    ip_bytes: int

    def since(self, earlier: Traffic) -> Traffic:
        """What has come on top."""
        return Traffic(self.packets - earlier.packets, self.ip_bytes - earlier.ip_bytes)


@dataclass(frozen=True)
class Row:
    """One way of sending, scaled to a day."""

    name: str
    a_day: int
    first_bytes: int
    each_bytes: float
    each_packets: float
    note: str

    @property
    def day_bytes(self) -> float:
        """The first of the day, which brings all facts and a whole handshake, and the others."""
        return self.first_bytes + (self.a_day - 1) * self.each_bytes


class Line:
    """Two namespaces with a veth pair between them."""

    def __init__(self, spaces: Namespaces, near: str, far: str, near_address: str, far_address: str) -> None:
        self._spaces, self._near = spaces, near
        self._name = f"{near}-{far}"[:15]
        other = f"{far}-{near}"[:15]
        spaces.ip(near, f"link add {self._name} mtu 1500 type veth peer name {other} netns {spaces.full_name(far)}")
        for space, interface, address in ((near, self._name, near_address), (far, other, far_address)):
            spaces.ip(space, f"addr add {address}/24 dev {interface}")
            spaces.ip(space, f"link set {interface} up")
            spaces.call(space, [*INSIDE, "without-offloads", interface], 20)
        # Neighbours are known: what asks for them is no cost of the agent.
        for space, interface, peer, address in (
            (near, self._name, (far, other), far_address),
            (far, other, (near, self._name), near_address),
        ):
            mac = json.loads(spaces.ip(peer[0], f"-j link show {peer[1]}"))[0]["address"]
            spaces.ip(space, f"neigh replace {address} lladdr {mac} dev {interface} nud permanent")

    def traffic(self) -> Traffic:
        """What has gone through it so far."""
        table = json.loads(self._spaces.ip(self._near, f"-s -j link show {self._name}"))[0]["stats64"]
        packets = table["rx"]["packets"] + table["tx"]["packets"]
        return Traffic(packets, table["rx"]["bytes"] + table["tx"]["bytes"] - ETHERNET_BYTES * packets)


def certificates(folder: Path) -> None:
    """An authority of one's own, P-256 as the documents tell to make it, and a certificate of the collector."""
    authority = trustme.CA()
    made = authority.issue_cert(COLLECTOR, COLLECTOR_OF_PROBER, TERMINAL)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    made.private_key_pem.write_to_path(str(folder / "key.pem"))
    made.cert_chain_pems[0].write_to_path(str(folder / "chain.pem"))


class Bench:
    """The namespaces, a collector and what it takes to enrol terminals."""

    def __init__(self, folder: Path, spaces: Namespaces, options: argparse.Namespace) -> None:
        self.folder, self.spaces, self.options = folder, spaces, options
        certificates(folder)
        for name in ("terminal", "collector", "prober", "beyond"):
            spaces.add(name)
        self.line = Line(spaces, "terminal", "collector", TERMINAL, COLLECTOR)
        self.prober_line = Line(spaces, "prober", "collector", PROBER, COLLECTOR_OF_PROBER)
        self.beyond_line = Line(spaces, "prober", "beyond", "10.99.3.1", BEYOND)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "THONGMANG_LANGUAGE": "en"}
        self.environment.pop("THONGMANG_PORT", None)

    def start_collector(self, address: str, keep_alive_seconds: float) -> None:
        """A collector at that address whose idle connections live so long."""
        state = self.folder / address
        state.mkdir()
        target = f'name = "edge"\naddress = "{BEYOND}"\n'
        service = f'name = "server"\naddress = "{BEYOND}"\nport = {SERVICE_PORT}\nrole = "service"\nservice = "http"\n'
        (state / "collector.toml").write_text(
            f'[server]\nhost = "{address}"\ncertificate_file = "{self.folder}/chain.pem"\n'
            f'key_file = "{self.folder}/key.pem"\n[agents]\nmeasure_collector = false\nmeasure_gateway = false\n'
            f"[[agents.targets]]\n{target}[[agents.targets]]\n{service}"
        )
        program = (
            f"import sys, collector.serving as s; s.KEEP_ALIVE_SECONDS = {keep_alive_seconds}; "
            "from agent.__main__ import main; sys.exit(main())"
        )
        words = [sys.executable, "-c", program, "collector", "--state-dir", str(state), "serve"]
        self.spaces.start("collector", words, log=f"{address}.log", environment=self.environment)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(BenchError):
                self.spaces.call("collector", [*INSIDE, "knock", address, str(PORT)], 5)
                return
            if time.monotonic() > deadline:
                raise BenchError((self.folder / f"{address}.log").read_text(errors="replace")[-2000:])
            time.sleep(0.3)

    def enrol(self, space: str, name: str, address: str) -> Path:
        """A terminal's folder with its identity."""
        main = [sys.executable, "-m", "agent"]
        state = str(self.folder / address)
        code = self.spaces.call(
            "collector",
            [*main, "collector", "--state-dir", state, "join-code", "--unit", "16681"],
            60,
            self.environment,
        ).split()[-1]
        folder = self.folder / name.replace(" ", "-")
        self.spaces.call(
            space,
            [
                *[*main, "agent", "enrol", f"https://{address}:{PORT}", "--code", code],
                *["--ca", f"{self.folder}/ca.pem", "--state-dir", str(folder)],
            ],
            60,
            self.environment,
        )
        return folder

    def uploads(self, mode: str, count: int) -> Row:
        """One mode's uploads, the first apart."""
        state = self.enrol("terminal", mode, COLLECTOR)
        reports = self.folder / ("prober.jsonl" if mode == "prober" else "ordinary.jsonl")
        words = [*INSIDE, "upload", mode, str(state), str(reports)]
        process = self.spaces.start(
            "terminal", words, log=f"{state.name}.log", stdin=True, environment=self.environment
        )
        log = self.folder / f"{state.name}.log"
        minutes = BATCH if mode == "ordinary" else 1
        before, costs = self.line.traffic(), []
        for number in range(count):
            due = time.monotonic() + minutes * 60 / SPEED
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
            while len(log.read_bytes().splitlines()) <= number:
                if process.poll() is not None:
                    raise BenchError(f"{mode}: {log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.02)
            time.sleep(max(SETTLE_SECONDS, due - time.monotonic()))
            now = self.line.traffic()
            costs.append(now.since(before))
            before = now
        bodies = [int(line) for line in log.read_bytes().splitlines()]
        self.spaces.stop(process)
        later = costs[1:]
        each = statistics.fmean(cost.ip_bytes for cost in later)
        body = statistics.fmean(bodies[1:])
        return Row(
            mode,
            MINUTES // minutes,
            costs[0].ip_bytes,
            each,
            statistics.fmean(cost.packets for cost in later),
            f"body {body:.0f} B of {minutes} report{'s' * (minutes > 1)}",
        )

    def scrapes(self, program: str, count: int) -> Row:
        """node_exporter with its default collectors, scraped once a minute over one TLS connection, gzip."""
        config = self.folder / "web.yml"
        config.write_text(
            f"tls_server_config:\n  cert_file: {self.folder}/chain.pem\n  key_file: {self.folder}/key.pem\n"
        )
        words = [program, f"--web.config.file={config}", f"--web.listen-address={TERMINAL}:{EXPORTER_PORT}"]
        process = self.spaces.start("terminal", words, log="exporter.log", environment=self.environment)
        before = self.line.traffic()
        log = self.folder / "scraper.log"
        words = [*INSIDE, "scrape", TERMINAL, str(EXPORTER_PORT), str(count), str(self.folder / "ca.pem")]
        scraper = self.spaces.start("collector", words, log=log.name, environment=self.environment)
        while scraper.poll() is None:
            time.sleep(0.1)
        if scraper.returncode:
            raise BenchError(f"scraper: {log.read_text(errors='replace')[-2000:]}")
        cost = self.line.traffic().since(before)
        self.spaces.stop(process)
        each = cost.ip_bytes / count
        return Row("node_exporter", MINUTES, int(each), each, cost.packets / count, log.read_text().strip())


def probes(bench: Bench, minutes: int) -> Iterator[str]:
    """The agent as a process of its own, elected to probe: its probes and its uploads, in real minutes.

    It is started by the first step and counted from the second on, while other things go on; the others are its rows.
    """
    state = bench.enrol("prober", "elected", COLLECTOR_OF_PROBER)
    words = [sys.executable, "-m", "agent", "agent", "run", "--state-dir", str(state)]
    bench.spaces.start("prober", words, log="elected.log", environment=bench.environment)
    # Its first round is quick and its first upload full: a day has one of each.
    started = time.monotonic()
    yield ""
    time.sleep(max(0.0, started + 75 - time.monotonic()))
    probed, sent = bench.beyond_line.traffic(), bench.prober_line.traffic()
    started = time.monotonic()
    yield ""
    while time.monotonic() - started < minutes * 60:
        time.sleep(1)
    seconds = time.monotonic() - started
    for name, line, before in (
        ("probes across the line, two targets", bench.beyond_line, probed),
        ("uploads of that process, each minute", bench.prober_line, sent),
    ):
        cost = line.traffic().since(before)
        a_day = cost.ip_bytes / seconds * 86_400 / MEGABYTE
        yield f"| {name} | {a_day:.3f} | {cost.ip_bytes / seconds * 60:.0f} | {cost.packets / seconds * 60:.1f} |"


def measure(options: argparse.Namespace) -> None:
    """Runs everything and prints the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spaces = Namespaces(folder)
        try:
            bench = Bench(folder, spaces, options)
            # One for the shortened time, one for the terminal that is measured in real time.
            bench.start_collector(COLLECTOR, KEEP_ALIVE_SECONDS / SPEED)
            bench.start_collector(COLLECTOR_OF_PROBER, KEEP_ALIVE_SECONDS)
            service = [sys.executable, "-m", "benchmarks.netbench.service", "--port", str(SERVICE_PORT)]
            spaces.start("beyond", service, log="service.log", stdin=True, environment=bench.environment)
            real = probes(bench, 2 if options.short else 10)
            next(real)
            for kind in ("ordinary", "prober"):
                (folder / f"{kind}.jsonl").write_bytes(b"\n".join(record(kind, REPORTS)))
            next(real)
            counts = {"ordinary": 3 if options.short else 9}
            rows = [bench.uploads(mode, counts.get(mode, 8 if options.short else 40)) for mode in MODES]
            exporter = options.node_exporter or shutil.which("prometheus-node-exporter")
            if exporter:
                rows.append(bench.scrapes(exporter, 5 if options.short else 20))
            show(rows, list(real))
        finally:
            if options.logs:
                shutil.copytree(folder, options.logs, dirs_exist_ok=True)
            spaces.remove_all()


def show(rows: list[Row], real: list[str]) -> None:
    """The tables, as Markdown."""
    print("| way | a day | first, B | each later, B | packets | MB a day | of node_exporter | |")
    print("|---|---|---|---|---|---|---|---|")
    peer = next((row.day_bytes for row in rows if row.name == "node_exporter"), None)
    for row in rows:
        ratio = f"1/{peer / row.day_bytes:.0f}" if peer else "-"
        print(
            f"| {row.name} | {row.a_day} | {row.first_bytes} | {row.each_bytes:.0f} | {row.each_packets:.1f} "
            f"| {row.day_bytes / MEGABYTE:.3f} | {ratio} | {row.note} |"
        )
    if peer is None:
        print("\nprometheus-node-exporter is not installed: no peer (--node-exporter names the program)")
    print("\n| the elected terminal, in real time | MB a day | B a minute | packets a minute |\n|---|---|---|---|")
    print("\n".join(real))
    print(f"\nkernel {os.uname().release}, Python {sys.version.split()[0]}, {ssl.OPENSSL_VERSION}")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="some minutes instead of a quarter of an hour")
    parser.add_argument("--node-exporter", help="path of the program; by default Debian's")
    parser.add_argument("--logs", help="keep what the processes wrote in this folder")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
