"""What can befall an agent and its collector, with real processes: docs/spool.md states the outcomes tested here."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import sys
import time

import pytest

from agent.host import Host
from agent.spool import Spool
from agent.spool_body import pack
from agent.wire.catalogue import METRICS
from agent.wire.codec import report_to_json
from agent.wire.report import Report, Sample

SETTINGS = """
[agents]
interval_seconds = 1
upload_interval_seconds = 1
measure_gateway = false
measure_collector = false
[steering]
upload_interval_seconds = 1
history_bytes_per_minute = 600000
"""
DAY = 86_400.0
LINE_METRICS = [name for name, spec in METRICS.items() if spec.labels == ("target",) and spec.unit == "seconds"]


class Terminal:
    """An enrolled agent in a process of its own, and what its collector has of it."""

    def __init__(self, processes):
        self.processes = processes
        processes.environment["THONGMANG_LANGUAGE"] = "en"
        (processes.state / "collector.toml").write_text(SETTINGS)
        self.collector = processes.start_collector()
        self.folder = processes.state / "agent"
        self.enrol()
        self.agent = None

    def enrol(self, *words):
        code = self.processes.run("collector", "join-code", "--unit", "16681").strip()
        self.run("enrol", self.processes.url, "--code", code, *words)

    def run(self, command, *words, expected=0):
        return self.processes.run("agent", command, *words, "--state-dir", str(self.folder), expected=expected)

    def start(self):
        self.agent = self.processes.start("agent", "run", "--state-dir", str(self.folder))

    def kill(self):
        self.agent.kill()
        self.agent.wait()

    def stop_collector(self, number=signal.SIGKILL):
        self.collector.send_signal(number)
        self.collector.wait()

    def start_collector(self):
        self.collector = self.processes.start_collector()

    def wait(self, condition, seconds=60):
        self.processes.wait(condition, seconds)

    @property
    def spool_file(self):
        return self.folder / "spool.sqlite3"

    def ask_spool(self, query):
        with contextlib.closing(sqlite3.connect(f"file:{self.spool_file}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()

    def waiting(self):
        return self.ask_spool("SELECT count(*) FROM report WHERE sent_at IS NULL")[0][0]

    def kept(self):
        """How many reports there ever were in this boot."""
        return int(self.ask_spool("SELECT value FROM memory WHERE name = 'sequence'")[0][0])

    def arrived(self):
        """(boot id, number) of every report that the collector has, in the order in which they came."""
        path = self.processes.state / "journal.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute("SELECT boot_id, sequence FROM entry ORDER BY id").fetchall()

    def numbers(self):
        return sorted(sequence for _, sequence in self.arrived())

    def log(self):
        return (self.processes.state / "processes.log").read_text(errors="replace")

    def fill(self, count):
        """Reports of the last three days, as an agent without its collector leaves them."""
        identity = json.loads((self.folder / "identity.json").read_text())
        host = Host()
        step = 3 * DAY / count
        now, since_boot = host.wall_time_seconds(), host.monotonic_time_seconds()

        def build(boot_id, sequence, waiting, dropped):
            ago = max(count - sequence, 0) * step
            # What the machine's boot cannot reach back to is at its beginning; the wall clock tells the time.
            monotonic = max(since_boot - ago, 0.0)
            line = [Sample(name, random.random(), {"target": "edge"}) for name in LINE_METRICS]
            samples = (Sample("uptime_seconds", float(sequence)), Sample("spool_dropped_total", dropped), *line)
            report = Report(1, identity["device_id"], boot_id, sequence, now - ago, monotonic, samples=samples)
            return report_to_json(report)

        with contextlib.closing(Spool(self.spool_file, host)) as spool:
            spool.adopt(identity["device_id"])
            first = spool.append(build)
            # The others in one go: as if each had come by itself, without waiting for the disk 1500 times.
            spool._database.execute("BEGIN")
            spool._database.executemany(
                "INSERT INTO report (boot_id, sequence, kept_at, body) VALUES (?, ?, 0.0, ?)",
                (
                    (first.boot_id, number, pack(build(first.boot_id, number, 0, 0)))
                    for number in range(first.sequence + 1, first.sequence + count)
                ),
            )
            last = str(first.sequence + count - 1)
            spool._database.execute("UPDATE memory SET value = ? WHERE name = 'sequence'", (last,))
            spool._database.execute("COMMIT")


@pytest.fixture
def terminal(processes):
    return Terminal(processes)


def is_unbroken(numbers):
    return numbers == list(range(1, numbers[-1] + 1))


def test_power_cuts_while_the_collector_is_away_for_days(terminal):
    """Nothing is lost; the newest come first; history follows behind; a start without collector measures."""
    terminal.stop_collector()
    terminal.fill(400)
    for _ in range(3):
        before = terminal.kept()
        terminal.start()
        terminal.wait(lambda before=before: terminal.kept() > before)
        time.sleep(random.uniform(0.0, 0.8))
        terminal.kill()
    last = terminal.kept()
    terminal.start()
    terminal.start_collector()
    # As soon as the line is back: what is new.
    terminal.wait(terminal.arrived)
    assert max(sequence for _, sequence in terminal.arrived()[:100]) > last
    terminal.wait(lambda: set(range(1, last + 1)) <= set(terminal.numbers()))
    arrived = terminal.arrived()
    assert len({boot for boot, _ in arrived}) == 1
    assert len(arrived) == len(set(arrived))
    # The oldest came last, behind some that were measured meanwhile.
    place = [sequence for _, sequence in arrived].index(1)
    assert any(sequence > last + 1 for _, sequence in arrived[:place])
    terminal.agent.terminate()
    assert terminal.agent.wait(30) == 0
    # Its last words took along what was measured last.
    assert terminal.numbers()[-1] == terminal.kept()
    assert is_unbroken(terminal.numbers())
    assert "dropped 0" in " ".join(terminal.run("status").split())


def test_a_collector_restored_from_an_older_backup(terminal, tmp_path):
    """Everything since the backup is sent once more, and said."""
    terminal.start()
    terminal.wait(lambda: len(terminal.arrived()) >= 3)
    terminal.stop_collector(signal.SIGTERM)
    backup = tmp_path / "backup"
    shutil.copytree(terminal.processes.state, backup, ignore=shutil.ignore_patterns("agent", "*.log"))
    in_backup = terminal.numbers()
    terminal.start_collector()
    terminal.wait(lambda: len(terminal.arrived()) >= len(in_backup) + 4)
    terminal.stop_collector()
    lost = set(terminal.numbers()) - set(in_backup)
    for path in terminal.processes.state.iterdir():
        if path.name != "agent" and path.suffix != ".log":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(backup, terminal.processes.state, dirs_exist_ok=True)
    assert len(lost) >= 4
    assert not lost & set(terminal.numbers())
    terminal.start_collector()
    terminal.wait(lambda: lost <= set(terminal.numbers()))
    assert "restored from an older backup" in terminal.log()
    terminal.wait(lambda: is_unbroken(terminal.numbers()))


def test_a_revoked_token(terminal):
    """The agent measures on, says so, and sends all that waits once it is enrolled again."""
    terminal.start()
    terminal.wait(terminal.arrived)
    (device,) = terminal.processes.api("/api/v1/devices")["devices"]
    terminal.processes.run("collector", "revoke", device["id"])
    terminal.wait(lambda: "refuses this terminal's token" in terminal.log())
    kept = terminal.kept()
    terminal.wait(lambda: terminal.kept() >= kept + 2)
    assert terminal.waiting() >= 2
    assert "refuses this terminal's token" in terminal.run("status")
    terminal.agent.terminate()
    assert terminal.agent.wait(30) == 0
    missing = set(range(1, terminal.kept() + 1)) - set(terminal.numbers())
    assert len(missing) >= 2
    terminal.enrol("--again")
    terminal.run("run", "--once")
    assert missing <= set(terminal.numbers())
    assert terminal.waiting() == 0


def test_a_full_disk(terminal):
    """The agent measures on; what could not be kept is counted and told; it goes on by itself when there is room."""
    terminal.start()
    terminal.wait(terminal.arrived)
    terminal.stop_collector()
    # No file of this process may grow beyond this, as if the disk were full.
    resource.prlimit(terminal.agent.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    terminal.wait(lambda: "the spool cannot be used" in terminal.log())
    time.sleep(2.5)
    assert terminal.agent.poll() is None
    resource.prlimit(terminal.agent.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    terminal.wait(lambda: "the spool keeps reports again" in terminal.log())
    terminal.start_collector()
    terminal.wait(lambda: terminal.waiting() == 0)
    dropped = int(terminal.ask_spool("SELECT value FROM memory WHERE name = 'dropped_total'")[0][0])
    assert dropped >= 2
    # Numbers are drawn with the keeping: what was not kept leaves no gap.
    assert is_unbroken(terminal.numbers())


def overwrite(path, first, last):
    with path.open("r+b") as file:
        file.seek(first)
        file.write(os.urandom(last - first))


def test_a_damaged_file(terminal):
    """What was on damaged pages is lost; it is said, the file is moved aside, and the rest is delivered."""
    settings = SETTINGS.replace("history_bytes_per_minute = 600000", "history_bytes_per_minute = 60000000")
    (terminal.processes.state / "collector.toml").write_text(settings)
    for place in ("while it runs", "between runs"):
        terminal.stop_collector()
        before = len(terminal.arrived())
        terminal.fill(1500)
        if place == "while it runs":
            terminal_kept = terminal.kept()
            terminal.start()
            terminal.wait(lambda kept=terminal_kept: terminal.kept() > kept)
        # Far from what was read last, which SQLite still holds in memory.
        size = terminal.spool_file.stat().st_size
        assert size > 500_000
        overwrite(terminal.spool_file, size // 3, size // 3 + 20_000)
        if place == "between runs":
            terminal.start()
        terminal.start_collector()
        terminal.wait(
            lambda place=place: terminal.log().count("THE SPOOL WAS DAMAGED") == 1 + (place != "while it runs")
        )
        terminal.wait(lambda: terminal.waiting() == 0)
        # The new file's own first report too.
        terminal.wait(lambda before=before: len({boot for boot, _number in terminal.arrived()[before:]}) > 1)
        terminal.agent.terminate()
        assert terminal.agent.wait(30) == 0
        arrived = terminal.arrived()[before:]
        assert len(arrived) == len(set(arrived))
        by_boot = {}
        for boot, sequence in arrived:
            by_boot.setdefault(boot, []).append(sequence)
        # Numbers of the new file are of another boot, so that none of them is taken for a repeat.
        assert len(by_boot) == 2
        assert 1200 < max(len(numbers) for numbers in by_boot.values()) < 1510
    assert len(list(terminal.folder.glob("spool-damaged-*.sqlite3"))) == 2
    assert "spool damaged" in terminal.run("status")


pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are POSIX's"),
]
