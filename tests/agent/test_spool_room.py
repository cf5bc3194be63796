"""What the spool has room for, what it lets go first, and how an earlier version's file is taken over."""

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from agent.host import Host
from agent.spool import SPOOL_FILE, Spool
from agent.spool_body import VOCABULARY, pack, unpack
from agent.status import read_status

DAY = 86_400.0
MONTH_REPORTS = 30 * 1440
# Made by this agent on a Debian machine, with ICMP and TCP to three targets on the loopback; identifiers replaced.
SAMPLE = json.loads((Path(__file__).parent / "report_with_three_targets.json").read_text(encoding="utf-8"))


def varied(drawn, sequence):
    """The sample as it might be at another minute: every number that varies does, in its real resolution."""
    report = json.loads(json.dumps(SAMPLE))
    report["sequence"] = sequence
    report["wall_time_seconds"] = round(1_795_000_000 + 60 * sequence + drawn.random(), 3)
    report["monotonic_time_seconds"] = round(60 * sequence + drawn.random(), 3)
    if sequence % 1440 != 1:
        report["facts"] = []
    for outcome in report["outcomes"]:
        outcome["duration_seconds"] = round(outcome["duration_seconds"] * drawn.lognormvariate(0, 0.3), 6)
    for sample in report["samples"]:
        name = sample["metric"]
        if name.startswith("link_") and name.endswith("_seconds"):
            sample["value"] = round(drawn.lognormvariate(-4.4, 0.5), 6)
        elif name.endswith("_available_bytes"):
            sample["value"] = int(sample["value"] * drawn.uniform(0.1, 0.9)) // 4096 * 4096
        elif name == "swap_used_bytes":
            sample["value"] = drawn.randrange(500_000) * 4096
        elif name == "cpu_utilisation_ratio":
            sample["value"] = round(drawn.betavariate(1, 8), 4)
        elif name == "cpu_frequency_hertz":
            sample["value"] = drawn.randrange(800, 3400) * 1_000_000
        elif name == "link_probes_received":
            sample["value"] = 10 - (drawn.random() < 0.1)
        elif name in ("uptime_seconds", "spool_reports"):
            sample["value"] = sequence
    return json.dumps(report, separators=(",", ":")).encode()


def body(boot_id, sequence, waiting, dropped):
    return json.dumps({"device_id": "d", "boot_id": boot_id, "sequence": sequence, "dropped": dropped}).encode()


def noisy(boot_id, sequence, waiting, dropped):
    noise = random.Random(sequence).getrandbits(8 * 1000).to_bytes(1000, "big").hex()
    return json.dumps({"boot_id": boot_id, "sequence": sequence, "noise": noise}).encode()


def sequences(entries):
    return [entry.sequence for entry in entries]


@pytest.fixture
def open_spool(tmp_path, stepped_host):
    with contextlib.ExitStack() as stack:

        def make(**options):
            return stack.enter_context(contextlib.closing(Spool(tmp_path / SPOOL_FILE, stepped_host, **options)))

        yield make


@pytest.fixture(scope="module")
def month_file(tmp_path_factory):
    """A spool with 30 days of reports less one, put in by one transaction: sizes are as if each had come by itself."""
    path = tmp_path_factory.mktemp("month") / SPOOL_FILE
    drawn = random.Random(11)
    first = {number: pack(varied(drawn, number)) for number in range(1, 1441)}
    last = {number: pack(varied(drawn, number)) for number in range(MONTH_REPORTS - 1440, MONTH_REPORTS)}
    # The days between have the first one's bodies: nothing here reads them, only their size counts.
    with contextlib.closing(Spool(path, Host())) as spool:
        spool._database.execute("BEGIN")
        spool._database.executemany(
            "INSERT INTO report (boot_id, sequence, kept_at, body) VALUES (?, ?, ?, ?)",
            (
                (SAMPLE["boot_id"], number, 60.0 * number, last.get(number) or first[(number - 1) % 1440 + 1])
                for number in range(1, MONTH_REPORTS)
            ),
        )
        spool._database.execute("INSERT INTO memory VALUES ('age_clock', ?)", (repr(60.0 * MONTH_REPORTS),))
        spool._database.execute("COMMIT")
    return path


def test_thirty_days_of_minutes_are_within_64_mib(open_spool, tmp_path, month_file):
    shutil.copy(str(month_file), str(tmp_path / SPOOL_FILE))
    spool = open_spool()
    entry = spool.append(body)
    counts = spool.counts()
    assert (counts.reports, counts.dropped_total) == (MONTH_REPORTS, 0)
    spool.close()
    size = (tmp_path / SPOOL_FILE).stat().st_size
    # Measured: 23 MB. The rest is for terminals that measure more: reports may be more than twice as large.
    assert 10_000_000 < size < 64 * 1024 * 1024 / 2.5
    again = open_spool()
    query = "SELECT sequence, body FROM report ORDER BY id LIMIT 1"
    sequence, kept = again._database.execute(query).fetchone()
    assert sequence == 1
    assert json.loads(unpack(kept))["facts"] == SAMPLE["facts"]
    assert sequences(again.batch(2, 10**6)) == [MONTH_REPORTS - 1, entry.sequence]
    assert read_status(tmp_path).waiting == MONTH_REPORTS


MEMORY = """
import json, os, pathlib, sys
from agent.host import Host
from agent.spool import Spool

def build(boot_id, sequence, waiting, dropped):
    return json.dumps(dict(boot_id=boot_id, sequence=sequence, pad="x" * 3000)).encode()

spool = Spool(pathlib.Path(sys.argv[1]), Host())
for _ in range(60):
    spool.append(build)
    batch = spool.batch(60, 10**6)
spool.accept(batch)
spool.send_again()
with open("/proc/self/status") as status:
    print([int(line.split()[1]) for line in status if line.startswith("VmHWM")][0])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_backlog(tmp_path, month_file, environment):
    def peak_kib(path):
        words = [sys.executable, "-c", MEMORY, str(path)]
        done = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=True)
        return int(done.stdout)

    shutil.copy(str(month_file), str(tmp_path / SPOOL_FILE))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert peak_kib(tmp_path / SPOOL_FILE) - peak_kib(empty / SPOOL_FILE) < 1500


# Bodies


def test_bodies_come_back_and_are_small():
    drawn = random.Random(3)
    bodies = [varied(drawn, sequence) for sequence in range(2, 60)]
    assert [unpack(pack(one)) for one in bodies] == bodies
    assert sum(len(pack(one)) for one in bodies) < sum(len(one) for one in bodies) / 8


def test_what_lies_on_terminals_stays_readable():
    # Whoever changes the vocabulary makes every waiting report of every terminal unreadable.
    assert zlib.adler32(VOCABULARY) == 0x84F8FA51


@pytest.mark.parametrize("cut", [1, 7, 200])
def test_a_body_that_is_cut_or_changed_is_not_taken(cut):
    kept = pack(varied(random.Random(3), 5))
    with pytest.raises(zlib.error):
        unpack(kept[:-cut])
    with pytest.raises(zlib.error):
        unpack(kept[:-cut] + bytes([kept[-cut] ^ 16]) + kept[len(kept) - cut + 1 :])


# Sent reports


def test_sent_reports_stay_for_a_week(open_spool, stepped_host):
    spool = open_spool()
    spool.accept([spool.append(body)])
    stepped_host.pass_time(3 * DAY)
    spool.accept([spool.append(body)])
    stepped_host.pass_time(3.9 * DAY)
    spool.append(body)
    assert spool.counts().sent == 2
    stepped_host.pass_time(0.2 * DAY)
    spool.append(body)
    counts = spool.counts()
    assert (counts.sent, counts.reports, counts.dropped_total) == (1, 2, 0)


def test_a_terminal_that_was_off_for_a_week_keeps_none(open_spool, stepped_host):
    """By then the collector may have forgotten which it had, and would take them for new."""
    spool = open_spool()
    spool.accept([spool.append(body)])
    stepped_host.reboot("boot-b", off_seconds=40 * DAY)
    spool.append(body)
    assert spool.counts().sent == 0


def test_the_report_accepted_last_is_named(open_spool):
    spool = open_spool()
    assert spool.acknowledged() is None
    entries = [spool.append(body) for _ in range(5)]
    spool.accept(entries[3:])
    assert spool.acknowledged().sequence == 5
    # History that came later is what a backup made in between does not have.
    spool.accept(entries[:2])
    assert (spool.acknowledged().boot_id, spool.acknowledged().sequence) == (entries[0].boot_id, 2)
    spool.accept(entries[2:3], is_acknowledged=False)
    assert spool.acknowledged().sequence == 2
    spool.close()
    assert open_spool().acknowledged().sequence == 2


def test_sent_reports_wait_again_once_an_hour_at_most(open_spool, stepped_host):
    spool = open_spool()
    entries = [spool.append(body) for _ in range(4)]
    spool.accept(entries)
    assert spool.send_again() == 4
    assert [entry.body for entry in spool.batch(10, 10**6)] == [entry.body for entry in entries]
    spool.accept(entries)
    stepped_host.pass_time(3500)
    assert spool.send_again() is None
    assert spool.counts().reports == 0
    spool.close()
    again = open_spool()
    assert again.send_again() is None
    stepped_host.pass_time(200)
    assert again.send_again() == 4
    assert again.counts().sent_again_total == 8


def test_sent_reports_go_before_any_that_waits_and_are_not_counted(open_spool):
    spool = open_spool(limit_bytes=512 * 1024)
    spool.accept([spool.append(noisy) for _ in range(100)])
    for number in range(1000):
        spool.append(noisy)
        counts = spool.counts()
        assert (counts.reports, counts.dropped_total) == (number + 1, 0)
        if counts.sent == 0:
            break
    assert counts.reports > 300
    assert spool.counts().dropped_total == 0
    for _ in range(50):
        spool.append(noisy)
    assert spool.counts().dropped_total > 0


def test_another_device_sends_nothing_of_the_earlier_one_again(open_spool):
    spool = open_spool()
    spool.adopt("old")
    spool.accept([spool.append(body)])
    spool.adopt("old")
    assert spool.counts().sent == 1
    spool.adopt("new")
    assert spool.counts().sent == 0
    assert spool.acknowledged() is None


SENT_ON_A_FULL_DISK = """
import json, os, pathlib, sys
from agent.errors import SpoolError
from agent.host import Host
from agent.spool import Spool

def build(boot_id, sequence, waiting, dropped):
    return json.dumps(dict(boot_id=boot_id, sequence=sequence, dropped=dropped, pad=os.urandom(1500).hex())).encode()

folder = pathlib.Path(sys.argv[1])
spool = Spool(folder / "spool.sqlite3", Host())
spool.accept([spool.append(build) for _ in range(200)])
ballast = os.open(str(folder / "ballast"), os.O_CREAT | os.O_WRONLY)
try:
    while True:
        os.write(ballast, b"x" * 4096)
except OSError:
    pass
kept = 0
try:
    while kept < 1000:
        spool.append(build)
        kept += 1
except SpoolError as error:
    assert "full" in str(error) or "I/O" in str(error), error
counts = spool.counts()
assert counts.reports == kept and counts.dropped_total == 1, counts
print(kept, counts.sent)
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can mount a small disk")
def test_on_a_full_disk_new_reports_take_the_place_of_sent_ones(tmp_path, environment):
    commands = 'mount -t tmpfs -o size=12m none "$1" && "$2" -c "$3" "$1"'
    words = ["unshare", "-m", "sh", "-c", commands, "sh", str(tmp_path), sys.executable, SENT_ON_A_FULL_DISK]
    done = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False)
    if done.returncode != 0 and "Traceback" not in done.stderr:
        pytest.skip("no small disk can be mounted here: " + done.stderr.strip())
    assert done.returncode == 0, done.stderr
    kept, sent = map(int, done.stdout.split())
    assert kept >= 150
    assert sent == 0


# Power cuts and damage


TORN = """
import json, os, pathlib, resource, signal, sys
from agent.host import Host
from agent.spool import Spool

def build(boot_id, sequence, waiting, dropped):
    return json.dumps(dict(boot_id=boot_id, sequence=sequence, pad=os.urandom(700).hex())).encode()

spool = Spool(pathlib.Path(sys.argv[1]), Host())
spool.append(build)
# The write that goes beyond is cut in its middle, and the process with it.
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
most = max(os.path.getsize(sys.argv[1] + part) for part in ("", "-wal", "-shm")) + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
while True:
    entry = spool.append(build)
    os.write(1, b"%s %d\\n" % (entry.boot_id.encode(), entry.sequence))
    if entry.sequence % 3 == 0:
        spool.accept(spool.batch(2, 10**6))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on files on Windows")
def test_a_write_that_is_cut_in_its_middle_costs_nothing_that_was_said(tmp_path, environment):
    path = tmp_path / SPOOL_FILE
    names = []
    drawn = random.Random(5)
    for _ in range(12):
        # Now the log of what is written ahead meets it, now the file itself.
        words = [sys.executable, "-c", TORN, str(path), str(drawn.randrange(300_000))]
        done = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False)
        assert done.returncode < 0, done.stderr
        names += [tuple(line.split()) for line in done.stdout.splitlines()]
    assert len(names) == len(set(names)) > 100
    with contextlib.closing(Spool(path, Host())) as spool:
        every = {
            (boot, str(number)) for boot, number in spool._database.execute("SELECT boot_id, sequence FROM report")
        }
        counts = spool.counts()
    assert set(names) <= every
    assert (counts.moved_aside_total, counts.dropped_total) == (0, 0)


def test_one_broken_report_is_found_and_the_others_saved(open_spool, tmp_path):
    """A disk that loses bytes within a report leaves SQLite content; the report's own checksum does not."""
    said = []
    spool = open_spool(announce=said.append)
    entries = [spool.append(noisy) for _ in range(20)]
    spool.accept(entries[:5])
    spool._database.execute(
        "UPDATE report SET body = CAST(substr(body, 1, 300) || x'00' || substr(body, 302) AS BLOB) WHERE id = 12"
    )
    assert sequences(spool.batch(100, 10**6)) == [*range(6, 12), *range(13, 21)]
    assert "14 reports were saved" in said[0].render()
    counts = spool.counts()
    assert (counts.sent, counts.moved_aside_total) == (5, 1)
    assert spool.acknowledged().sequence == 5
    # Those to come are of another boot: no number of the lost file is given out again.
    assert spool.append(body).boot_id != entries[0].boot_id


# The file of version 1


VERSION_1 = """
CREATE TABLE report (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot_id TEXT NOT NULL, sequence INTEGER NOT NULL, kept_at REAL NOT NULL, body BLOB NOT NULL
);
CREATE INDEX report_kept_at ON report (kept_at);
CREATE TABLE rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot_id TEXT NOT NULL, sequence INTEGER NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE memory (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = 1;
"""


@pytest.fixture
def first_version(tmp_path):
    """A file as agent 0.1 left it, with 1000 reports; gives their bodies."""
    drawn = random.Random(2)
    bodies = [varied(drawn, sequence) for sequence in range(1, 1001)]
    boot = SAMPLE["boot_id"]
    with contextlib.closing(sqlite3.connect(str(tmp_path / SPOOL_FILE), isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript("BEGIN;" + VERSION_1 + "COMMIT;")
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO report (boot_id, sequence, kept_at, body) VALUES (?, ?, ?, ?)",
            [(boot, number + 1, 60.0 * number, one) for number, one in enumerate(bodies)],
        )
        database.execute("INSERT INTO rejected VALUES (1, ?, 77, 'too old', ?)", (boot, bodies[76]))
        memory = {
            "boot_id": boot,
            "system_boot_id": "boot-a",
            "sequence": "1000",
            "dropped_total": "3",
            "rejected_total": "1",
            "age_clock": "60000.0",
            "age_monotonic": "1000.0",
            "device_id": SAMPLE["device_id"],
        }
        database.executemany("INSERT INTO memory VALUES (?, ?)", list(memory.items()))
        database.execute("COMMIT")
    return bodies


def test_a_file_of_version_1_is_taken_over_in_place(open_spool, tmp_path, first_version):
    status = read_status(tmp_path)
    assert (status.waiting, status.sent, status.dropped_total) == (1000, 0, 3)
    plain_bytes = status.waiting_bytes
    spool = open_spool()
    spool.adopt(SAMPLE["device_id"])
    assert [entry.body for entry in spool.batch(2000, 10**8)] == first_version
    assert spool.rejected() == [(SAMPLE["boot_id"], 77, "too old")]
    counts = spool.counts()
    assert (counts.reports, counts.dropped_total, counts.rejected_total, counts.moved_aside_total) == (1000, 3, 1, 0)
    entry = spool.append(body)
    assert (entry.boot_id, entry.sequence) == (SAMPLE["boot_id"], 1001)
    assert read_status(tmp_path).waiting_bytes < plain_bytes / 8
    assert not list(tmp_path.glob("spool-damaged*"))


def test_a_takeover_that_is_cut_short_goes_on_with_what_is_there(open_spool, first_version, monkeypatch):
    calls = []

    def failing(one):
        calls.append(1)
        if len(calls) > 500:
            raise sqlite3.OperationalError("database or disk is full")
        return pack(one)

    monkeypatch.setattr("agent.spool_file.pack", failing)
    spool = open_spool()
    assert [entry.body for entry in spool.batch(2000, 10**8)] == first_version
    query = "SELECT count(*) FROM report WHERE substr(body, 1, 1) = x'7b'"
    assert spool._database.execute(query).fetchone()[0] == 600
    spool.append(body)


def test_a_damaged_file_of_version_1_gives_what_can_be_read(open_spool, tmp_path, first_version):
    path = tmp_path / SPOOL_FILE
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 8192] = os.urandom(8192)
    path.write_bytes(bytes(raw))
    saved = [entry.body for entry in open_spool().batch(2000, 10**8)]
    assert 900 < len(saved) < 1000
    assert set(saved) < set(first_version)
