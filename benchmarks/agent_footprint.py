"""What the agent costs a terminal, beside other agents of its kind in the same run, one cycle a minute.

    python benchmarks/agent_footprint.py [--cycles-measured 5] [--short] [--python PYTHON]
    python benchmarks/agent_footprint.py --cycles 10000

Terminals of one office are enrolled at a real collector over TLS with an authority of its own: one is elected to probe
the line, one stands by, one is ordinary (without its echoes to the gateway, which would leave this machine). Beside
them run Debian's prometheus-node-exporter and prometheus-blackbox-exporter, zabbix-agent2 and glances, as far as they
are installed, each asked once a minute for what it measures. Everything is on the loopback. Linux only.

Memory is the resident memory of all processes of a program, in MiB, at the end of every quarter of a minute: median and
most. Processor time is that of its control group, children included, where groups may be made, else of /proc. What is
spent in the first 75 seconds is apart.

`--cycles` shows whether memory grows: the whole agent, its waits left out and its clock pushed on in their place.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.footprint_collector import HOST, LoopbackCollector  # noqa: E402  # found by the line above

CYCLE_SECONDS = 60.0
SETTLED_SECONDS = 75.0
SAMPLE_SECONDS = 15.0
START_LIMIT_SECONDS = 30.0
MEBIBYTE_KIB = 1024
TERMINALS = 3
# As deploy/agent/systemd/thongmang-agent.service has it.
UNIT_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "32768",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_TOP_PAD_": "16384",
}
SETTINGS = (
    "interval_seconds = 60\nmeasure_gateway = false\nmeasure_collector = true\n"
    '[[agents.targets]]\nname = "edge"\naddress = "127.0.0.2"\nrole = "edge"\n'
    '[[agents.targets]]\nname = "server"\naddress = "127.0.0.3"\nrole = "service"\n'
    "[steering]\nprobers_per_site = 1\nstandbys_per_site = 1\n"
)
ZABBIX_ITEMS = (
    "agent.ping",
    "system.uptime",
    "system.cpu.util",
    "system.cpu.load[all,avg1]",
    "vm.memory.size[available]",
    "vm.memory.size[total]",
    "system.swap.size[,free]",
    "vfs.fs.size[/,free]",
    "vfs.fs.size[/,total]",
    "net.if.in[lo]",
    "net.if.out[lo]",
    "net.tcp.service.perf[http,127.0.0.1,{port}]",
    "net.tcp.service.perf[http,127.0.0.2,{port}]",
    "net.tcp.service.perf[http,127.0.0.3,{port}]",
)


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


class Group:
    """The processes of one program and what they cost.

    Args:
        name: of the control group.
    """

    def __init__(self, name: str) -> None:
        self._folder: Path | None = None
        for parent in (Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup")):
            folder = parent / f"thongmang-footprint-{os.getpid()}-{name}"
            with contextlib.suppress(OSError):
                folder.mkdir()
                if (folder / "cgroup.procs").exists():
                    self._folder = folder
                    return
                folder.rmdir()

    def words(self, words: list[str]) -> list[str]:
        """The words that start a program inside the group."""
        if self._folder is None:
            return words
        return ["/bin/sh", "-c", f'echo $$ > "{self._folder}/cgroup.procs"; exec "$@"', "sh", *words]

    def processes(self, root: int) -> list[int]:
        """The numbers of its processes."""
        if self._folder is None:
            return [root]
        return [int(line) for line in (self._folder / "cgroup.procs").read_text().split()]

    def processor_seconds(self, root: int) -> float:
        """User and system time so far."""
        if self._folder is not None and (self._folder / "cpuacct.usage").exists():
            return int((self._folder / "cpuacct.usage").read_text()) / 1e9
        if self._folder is not None and (self._folder / "cpu.stat").exists():
            return int((self._folder / "cpu.stat").read_text().split()[1]) / 1e6
        fields = Path(f"/proc/{root}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def remove(self) -> None:
        """Takes the group away once its processes have ended."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._folder.rmdir()


def resident_kib(processes: list[int]) -> int:
    """Resident memory of processes together; those that have ended meanwhile count nothing."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
    return total


class Program:
    """A program under measurement.

    Args:
        name: for the table.
        words: that start it.
        ask: makes it measure once, as its server would every minute; None where it does so by itself.
        has_first: whether its first sample is there.
        folder: for its log.
        environment: of its process.
        home: the folder that it starts in.
    """

    def __init__(
        self,
        name: str,
        words: list[str],
        has_first: Callable[[], bool],
        folder: Path,
        *,
        ask: Callable[[], object] | None = None,
        environment: dict[str, str] | None = None,
        home: Path = ROOT,
    ) -> None:
        self.name = name
        self._ask = ask
        self._group = Group(re.sub(r"\W", "-", name))
        self.log = folder / f"{re.sub(r'[^a-z0-9]', '-', name)}.log"
        started = time.perf_counter()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._group.words(words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=home,
            )
        self.first_sample_seconds: float | None = None
        while time.perf_counter() - started < START_LIMIT_SECONDS and self.process.poll() is None:
            if has_first():
                self.first_sample_seconds = time.perf_counter() - started
                break
            time.sleep(0.01)
        self.samples: list[int] = []
        self.start_processor_seconds = 0.0
        self.spent_seconds = 0.0

    @property
    def is_running(self) -> bool:
        """Whether it has not ended by itself."""
        return self.process.poll() is None

    def ask(self) -> None:
        """One minute's question."""
        if self._ask is not None:
            with contextlib.suppress(OSError):
                self._ask()

    def sample(self) -> None:
        """Notes its memory as it is now."""
        self.samples.append(resident_kib(self._group.processes(self.process.pid)))

    def processor_seconds(self) -> float:
        """So far."""
        return self._group.processor_seconds(self.process.pid)

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._group.remove()


def has_report(state_dir: Path) -> bool:
    """Whether a report lies in the spool of an agent."""
    path = state_dir / "spool.sqlite3"
    if not path.exists():
        return False
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.1)) as database,
    ):
        return bool(database.execute("SELECT COUNT(*) FROM memory WHERE name = 'last_round'").fetchone()[0])
    return False


def fetch(url: str) -> bool:
    """Reads a page to its end; whether it was there."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as page:
        return bool(page.read())
    return False


def ask_zabbix(port: int, items: list[str]) -> bool:
    """Asks a Zabbix agent for items, one connection each as its server does; whether the last was answered."""
    answer = b""
    for item in items:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 5) as channel:
            channel.sendall(b"ZBXD\x01" + struct.pack("<II", len(item), 0) + item.encode())
            answer = channel.recv(4096)
            if answer[4:5] == b"\x03":
                answer = zlib.decompress(answer[13:])
    return bool(answer)


def rivals(folder: Path) -> tuple[list[Program], list[str]]:
    """(programs that are installed, names of those that are missing)."""
    found: list[Program] = []
    missing: list[str] = []

    def installed(name: str, *programs: str) -> str | None:
        path = next((place for program in programs if (place := shutil.which(program))), None)
        if path is None:
            missing.append(name)
        return path

    if path := installed("node_exporter", "prometheus-node-exporter"):
        url = f"http://{HOST}:{(port := free_port())}/metrics"
        words = [path, f"--web.listen-address={HOST}:{port}"]
        found.append(Program("node_exporter", words, lambda: fetch(url), folder, ask=lambda: fetch(url)))
    if path := installed("blackbox_exporter", "prometheus-blackbox-exporter"):
        probe_port = free_port()
        settings = folder / "blackbox.yml"
        settings.write_text("modules:\n  icmp:\n    prober: icmp\n")
        urls = [f"http://{HOST}:{probe_port}/probe?module=icmp&target=127.0.0.{last}" for last in (1, 2, 3)]
        words = [path, f"--web.listen-address={HOST}:{probe_port}", f"--config.file={settings}"]
        found.append(
            Program("blackbox_exporter", words, lambda: fetch(urls[0]), folder, ask=lambda: [fetch(u) for u in urls])
        )
    if path := installed("zabbix-agent2", "zabbix_agent2"):
        # Its own bounds: not from those that the system gives out.
        zabbix_port = 10_050 + os.getpid() % 20_000
        settings = folder / "zabbix.conf"
        settings.write_text(
            f"Server={HOST}\nListenIP={HOST}\nListenPort={zabbix_port}\nHostname=bench\nLogType=console\n"
            f"ControlSocket={folder}/zabbix.sock\n"
        )
        items = [item.format(port=zabbix_port) for item in ZABBIX_ITEMS]
        found.append(
            Program(
                "zabbix-agent2",
                [path, "-f", "-c", str(settings)],
                lambda: ask_zabbix(zabbix_port, items[:1]),
                folder,
                ask=lambda: ask_zabbix(zabbix_port, items),
            )
        )
    if path := installed("glances", "glances"):
        table = folder / "glances.csv"
        words = [path, "--quiet", "--time", str(int(CYCLE_SECONDS)), "--export", "csv", "--export-csv-file", str(table)]
        words += ["--disable-check-update"]
        home = {**os.environ, "HOME": str(folder)}
        first = Program("glances", words, lambda: table.exists() and table.stat().st_size > 0, folder, environment=home)
        found.append(first)
    return found, missing


def role_of(program: Program) -> str:
    """The role that an agent was told last, out of what it wrote."""
    told = re.findall(r"is followed now: (\w+)", program.log.read_text(errors="replace"))
    return f" ({told[-1]})" if told else ""


def table_of(programs: list[Program], names: dict[str, str], cycles: int) -> str:
    """The table, in Markdown; ratios are to node_exporter where it ran."""
    base = next((one for one in programs if one.name == "node_exporter" and one.samples), None)
    lines = [
        "| program | resident MiB | at most | CPU s a cycle | of node_exporter's | first sample s | CPU s at start |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in programs:
        if not one.samples or not one.is_running:
            lines.append(f"| {names[one.name]} | did not run: see its log | | | | | |")
            continue
        median = statistics.median(one.samples) / MEBIBYTE_KIB
        spent = one.spent_seconds / cycles
        ratio = f"{spent / (base.spent_seconds / cycles):.2f}" if base is not None and base.spent_seconds else "-"
        first = "-" if one.first_sample_seconds is None else f"{one.first_sample_seconds:.2f}"
        lines.append(
            f"| {names[one.name]} | {median:.1f} | {max(one.samples) / MEBIBYTE_KIB:.1f} | {spent:.4f} | {ratio} | "
            f"{first} | {one.start_processor_seconds:.2f} |"
        )
    return "\n".join(lines)


def terminal(collector: LoopbackCollector, name: str, options: argparse.Namespace) -> Program:
    """An enrolled terminal's agent, started as a service would."""
    state = collector.enrol(name)
    words = [options.python, *options.flags.split(), "-m", "agent", "agent", "run", "--state-dir", str(state)]
    home = installed_agent(collector.folder, options.python)
    environment = {**collector.environment, **UNIT_ENVIRONMENT, "PYTHONPATH": str(home)}
    return Program(name, words, lambda: has_report(state), collector.folder, environment=environment, home=home)


def installed_agent(folder: Path, python: str) -> Path:
    """A folder with the agent as a package installs it: with its byte code, which a working tree may lack."""
    home = folder / "installed"
    if not home.exists():
        shutil.copytree(ROOT / "agent", home / "agent", ignore=shutil.ignore_patterns("__pycache__"))
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        subprocess.run([python, "-m", "compileall", "-q", str(home)], check=True, env=environment)
    return home


def watch(programs: list[Program], cycles: int) -> None:
    """Asks all once a cycle, and notes what they take and spend."""
    for one in programs:
        one.start_processor_seconds = one.processor_seconds()
    began = time.monotonic()
    for number in range(1, int(cycles * CYCLE_SECONDS / SAMPLE_SECONDS) + 1):
        if number % int(CYCLE_SECONDS / SAMPLE_SECONDS) == 1:
            for one in programs:
                one.ask()
        time.sleep(max(0.0, began + number * SAMPLE_SECONDS - time.monotonic()))
        for one in programs:
            one.sample()
    for one in programs:
        one.spent_seconds = one.processor_seconds() - one.start_processor_seconds


def stop_all(programs: list[Program]) -> None:
    """Ends them, whatever became of them."""
    for one in programs:
        one.stop()


def compare(options: argparse.Namespace) -> None:
    """Runs all beside each other and prints the table."""
    cycles = 2 if options.short else options.cycles_measured
    settled = 20.0 if options.short else SETTLED_SECONDS
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        collector = stack.enter_context(LoopbackCollector(folder, SETTINGS))
        programs: list[Program] = []
        stack.callback(stop_all, programs)
        for number in range(TERMINALS):
            programs.append(terminal(collector, f"terminal{number}", options))
            # The election prefers who is there already.
            time.sleep(1.0)
        others, missing = rivals(folder)
        programs += others
        began = time.monotonic()
        for one in programs:
            one.ask()
        time.sleep(max(0.0, settled - (time.monotonic() - began)))
        watch(programs, cycles)
        names = {one.name: one.name for one in programs}
        names.update({one.name: "thongmang agent" + role_of(one) for one in programs[:TERMINALS]})
        print(table_of(programs, names, cycles))
        print(f"\n{cycles} cycles; {sys.platform}, {options.python}, flags {options.flags or 'none'}")
        for gone in missing:
            print(f"{gone}: not installed, not measured")
        for one in programs:
            if not one.is_running:
                print(f"{one.name}: {one.log.read_text(errors='replace')[-500:]}")


def simulate(options: argparse.Namespace) -> None:
    """Runs the whole agent through many cycles without their waits and prints its memory on the way."""
    agents = SETTINGS.replace("interval_seconds = 60\n", "interval_seconds = 60\nupload_interval_seconds = 2\n")
    with tempfile.TemporaryDirectory() as name, LoopbackCollector(Path(name), agents) as collector:
        state = collector.enrol("terminal")
        home = installed_agent(Path(name), options.python)
        words = [options.python, *options.flags.split(), str(ROOT / "benchmarks" / "footprint_cycles.py")]
        subprocess.run(
            [*words, str(state), str(options.cycles)],
            check=True,
            cwd=home,
            env={**collector.environment, **UNIT_ENVIRONMENT, "PYTHONPATH": str(home)},
        )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter that runs the agent")
    parser.add_argument("--flags", default="", help="of that interpreter, as -OO")
    parser.add_argument("--cycles-measured", type=int, default=5, metavar="N")
    parser.add_argument("--short", action="store_true", help="two cycles, for trying")
    parser.add_argument("--cycles", type=int, metavar="N", help="so many simulated cycles instead")
    options = parser.parse_args()
    # Whoever ends this ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.cycles:
        simulate(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
