"""The spool against what happens to disks and machines: power cuts, full disks, damage, clocks that jump."""

import base64
import contextlib
import json
import os
import random
import sqlite3
import stat
import subprocess
import sys
import threading
import time

import pytest

from agent.errors import SpoolError
from agent.spool import SPOOL_FILE, Spool
from agent.spool_room import REJECTED_LIMIT_BYTES

DAY = 86_400.0


def make_body(size=200):
    def build(boot_id, sequence, waiting, dropped):
        # Not to be compressed much: sizes on disk are what several tests are about.
        noise = random.Random(sequence).getrandbits(8 * size).to_bytes(size, "big")
        pad = base64.b85encode(noise).decode()[:size]
        table = {"boot_id": boot_id, "sequence": sequence, "waiting": waiting, "dropped": dropped, "pad": pad}
        return json.dumps(table).encode()

    return build


@pytest.fixture
def open_spool(tmp_path, stepped_host):
    opened = []

    def make(host=stepped_host, **options):
        spool = Spool(tmp_path / SPOOL_FILE, host, **options)
        opened.append(spool)
        return spool

    yield make
    for spool in opened:
        spool.close()


def fill(spool, count, size=200):
    return [spool.append(make_body(size)) for _ in range(count)]


def sequences(entries):
    return [entry.sequence for entry in entries]


def test_reports_are_numbered_and_come_back_after_a_restart(open_spool):
    spool = open_spool()
    entries = fill(spool, 3)
    assert sequences(entries) == [1, 2, 3]
    spool.close()
    again = open_spool()
    assert again.batch(10, 10**6) == entries
    assert fill(again, 1)[0].sequence == 4
    assert json.loads(again.batch(10, 10**6)[3].body)["waiting"] == 3


def test_a_new_boot_starts_a_new_count(open_spool, stepped_host):
    spool = open_spool()
    first = fill(spool, 2)
    stepped_host.reboot("boot-b")
    second = fill(spool, 2)
    assert sequences(second) == [1, 2]
    assert first[0].boot_id == first[1].boot_id != second[0].boot_id == second[1].boot_id


def test_a_spool_made_anew_in_the_same_boot_repeats_no_name(open_spool, tmp_path):
    spool = open_spool()
    first = fill(spool, 1)[0]
    spool.close()
    for path in tmp_path.iterdir():
        path.unlink()
    second = fill(open_spool(), 1)[0]
    assert (first.boot_id, first.sequence) != (second.boot_id, second.sequence)


def test_batches_are_bounded_and_of_the_newest(open_spool):
    spool = open_spool()
    entries = fill(spool, 10, size=1000)
    size = len(entries[0].body)
    assert sequences(spool.batch(3, 10**6)) == [8, 9, 10]
    assert sequences(spool.batch(10, size * 4 + 50)) == [7, 8, 9, 10]
    # One that is larger than the bound still has to go.
    assert sequences(spool.batch(10, 1)) == [10]
    assert spool.is_any_older(entries[1])
    assert not spool.is_any_older(entries[0])
    spool.accept(entries[:1])
    assert not spool.is_any_older(entries[1])


def test_accepted_wait_no_more_and_rejected_are_kept_aside(open_spool):
    spool = open_spool()
    entries = fill(spool, 4)
    spool.accept(entries[:2])
    spool.reject(entries[2], "too old")
    assert sequences(spool.batch(10, 10**6)) == [4]
    assert spool.rejected() == [(entries[2].boot_id, 3, "too old")]
    counts = spool.counts()
    assert (counts.reports, counts.sent, counts.rejected, counts.rejected_total) == (1, 2, 1, 1)
    assert counts.dropped_total == 0


def test_rejected_are_bounded_and_counted(open_spool):
    spool = open_spool()
    for entry in fill(spool, 30, size=100_000):
        spool.reject(entry, "no")
    counts = spool.counts()
    assert counts.rejected_total == 30
    assert 5 <= counts.rejected <= REJECTED_LIMIT_BYTES // 80_000
    assert spool.rejected()[-1][1] == 30


def test_the_oldest_go_when_the_file_is_full_and_are_counted(open_spool, tmp_path):
    limit = 256 * 1024
    spool = open_spool(limit_bytes=limit)
    entries = fill(spool, 400, size=2000)
    kept = spool.batch(1000, 10**8)
    counts = spool.counts()
    assert kept[-1] == entries[-1]
    assert counts.dropped_total == 400 - len(kept) > 200
    assert sequences(kept) == list(range(kept[0].sequence, 401))
    on_disk = sum(path.stat().st_size for path in tmp_path.iterdir() if not path.name.endswith("-wal"))
    assert on_disk <= limit + 64 * 1024
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= limit + 2 * 1024 * 1024
    # The report itself carries the count.
    assert json.loads(kept[-1].body)["dropped"] > 200


def test_a_report_larger_than_the_spool_is_still_kept(open_spool):
    spool = open_spool(limit_bytes=64 * 1024)
    fill(spool, 2)
    (big,) = fill(spool, 1, size=200_000)
    assert spool.batch(10, 10**7) == [big]
    assert spool.counts().dropped_total == 2


def test_the_old_go_after_their_age(open_spool, stepped_host):
    spool = open_spool(limit_age_seconds=30 * DAY)
    fill(spool, 1)
    stepped_host.pass_time(20 * DAY)
    fill(spool, 1)
    stepped_host.pass_time(11 * DAY)
    fill(spool, 1)
    assert sequences(spool.batch(10, 10**6)) == [2, 3]
    assert spool.counts().dropped_total == 1


def test_a_wall_clock_that_jumps_ages_nothing(open_spool, stepped_host):
    spool = open_spool(limit_age_seconds=30 * DAY)
    fill(spool, 1)
    stepped_host.wall += 16 * 365 * DAY
    fill(spool, 1)
    stepped_host.wall -= 20 * 365 * DAY
    fill(spool, 1)
    assert spool.counts().dropped_total == 0
    # A dead battery: the clock starts in 2010 at every boot and is put right a minute later.
    for number in range(20):
        stepped_host.reboot(f"boot-{number}")
        stepped_host.wall = 1_262_304_000.0
        fill(spool, 1)
        stepped_host.pass_time(60)
        fill(spool, 1)
    assert spool.counts().dropped_total == 0


def test_days_switched_off_count_as_age(open_spool, stepped_host):
    spool = open_spool(limit_age_seconds=10 * DAY)
    fill(spool, 1)
    for number in range(3):
        stepped_host.reboot(f"boot-{number}", off_seconds=4 * DAY)
        fill(spool, 1)
    assert spool.counts().dropped_total == 1


def test_small_texts_are_remembered_with_a_report(open_spool):
    spool = open_spool()
    spool.append(make_body(), {"last_round": "now"})
    spool.remember("last_upload", "then")
    assert (spool.recall("last_round"), spool.recall("last_upload"), spool.recall("other")) == ("now", "then", None)


def test_a_new_name_is_put_on_waiting_reports(open_spool):
    def build(boot_id, sequence, waiting, dropped):
        return json.dumps({"device_id": "old", "boot_id": boot_id, "sequence": sequence, "note": "Vinh Tân"}).encode()

    spool = open_spool()
    spool.adopt("old")
    spool.append(build)
    spool.adopt("new")
    table = json.loads(spool.batch(1, 10**6)[0].body)
    assert (table["device_id"], table["sequence"], table["note"]) == ("new", 1, "Vinh Tân")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights another way")
def test_the_file_is_closed_to_others(open_spool, tmp_path):
    earlier = os.umask(0)
    try:
        spool = open_spool()
        fill(spool, 1)
        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    finally:
        os.umask(earlier)


def test_settings_that_survive_a_power_cut(open_spool):
    database = open_spool()._database
    assert database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert database.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_failing_builder_leaves_no_trace(open_spool):
    spool = open_spool()

    def fail(boot_id, sequence, waiting, dropped):
        raise ValueError("nan")

    with pytest.raises(ValueError, match="nan"):
        spool.append(fail)
    assert fill(spool, 1)[0].sequence == 1


def test_many_threads(open_spool):
    spool = open_spool()
    errors = []

    def work():
        try:
            for _ in range(20):
                spool.append(make_body())
                spool.accept(spool.batch(1, 10**6))
        except SpoolError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert int(spool.recall("sequence")) == 80


# Damage


def damaged_pages(path, first, last, seed):
    raw = bytearray(path.read_bytes())
    drawn = random.Random(seed)
    for offset in range(first, min(last, len(raw))):
        raw[offset] = drawn.randrange(256)
    path.write_bytes(bytes(raw))


def test_rubbish_in_place_of_the_file(open_spool, tmp_path):
    (tmp_path / SPOOL_FILE).write_bytes(b"this is no database" * 1000)
    said = []
    spool = open_spool(announce=said.append)
    assert fill(spool, 1)[0].sequence == 1
    assert spool.counts().moved_aside_total == 1
    aside = [path.name for path in tmp_path.glob("spool-damaged-*.sqlite3")]
    assert aside == ["spool-damaged-20270115T080000Z.sqlite3"]
    assert "SPOOL WAS DAMAGED" in said[0].render()


@pytest.mark.parametrize("seed", range(4))
def test_damage_in_the_middle_saves_what_can_be_read(open_spool, tmp_path, seed):
    spool = open_spool()
    entries = fill(spool, 200, size=2000)
    spool.accept(entries[:10])
    spool.reject(entries[10], "bad")
    spool.close()
    path = tmp_path / SPOOL_FILE
    middle = path.stat().st_size // 2
    damaged_pages(path, middle, middle + 8192, seed)
    said = []
    again = open_spool(announce=said.append)
    saved = again.batch(1000, 10**8)
    assert said
    assert 100 < len(saved) < 190
    known = {(entry.boot_id, entry.sequence): entry.body for entry in entries[11:]}
    for entry in saved:
        assert known[entry.boot_id, entry.sequence] == entry.body
    counts = again.counts()
    assert (counts.moved_aside_total, counts.rejected_total) == (1, 1)
    fresh = fill(again, 1)[0]
    assert fresh.boot_id != entries[0].boot_id


def test_damage_while_running(open_spool, tmp_path):
    said = []
    spool = open_spool(announce=said.append)
    fill(spool, 50, size=2000)
    spool._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged_pages(tmp_path / SPOOL_FILE, 0, 100_000, 1)
    spool._database.execute("PRAGMA shrink_memory")
    # Appending alone may not touch the damaged pages; reading them back for an upload does.
    spool.append(make_body(2000))
    spool.batch(1000, 10**8)
    assert len(said) == 1
    assert spool.counts().moved_aside_total == 1
    assert spool.append(make_body()).sequence >= 1
    assert len(said) == 1


def test_damaged_files_do_not_pile_up(open_spool, tmp_path, stepped_host):
    for _ in range(6):
        (tmp_path / SPOOL_FILE).write_bytes(b"rubbish" * 5000)
        for suffix in ("-wal", "-shm"):
            if (tmp_path / (SPOOL_FILE + suffix)).exists():
                (tmp_path / (SPOOL_FILE + suffix)).unlink()
        stepped_host.pass_time(60)
        open_spool().close()
    assert len(list(tmp_path.glob("spool-damaged-*.sqlite3"))) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps files that are open")
@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 27), reason="this SQLite cannot write itself into a file")
def test_a_file_that_vanishes_is_written_again(open_spool, tmp_path):
    spool = open_spool()
    fill(spool, 3)
    for path in tmp_path.iterdir():
        path.unlink()
    assert fill(spool, 1)[0].sequence == 4
    spool.close()
    assert stat.S_IMODE((tmp_path / SPOOL_FILE).stat().st_mode) == 0o600
    assert sequences(open_spool().batch(10, 10**6)) == [1, 2, 3, 4]


def test_a_locked_file_is_an_error_with_its_name(open_spool, tmp_path, monkeypatch):
    spool = open_spool()
    spool._database.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(str(tmp_path / SPOOL_FILE), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SpoolError, match=SPOOL_FILE):
        spool.append(make_body())
    other.execute("ROLLBACK")
    other.close()
    assert spool.append(make_body()).sequence == 1
    assert spool.counts().dropped_total == 1


FULL_DISK = """
import json, os, pathlib, sys
from agent.errors import SpoolError
from agent.host import Host
from agent.spool import Spool

def build(boot_id, sequence, waiting, dropped):
    return json.dumps(dict(boot_id=boot_id, sequence=sequence, dropped=dropped, pad=os.urandom(1500).hex())).encode()

folder = pathlib.Path(sys.argv[1])
spool = Spool(folder / "spool.sqlite3", Host())
kept = failed = 0
while failed < 5:
    try:
        spool.append(build)
        kept += 1
    except SpoolError as error:
        assert "full" in str(error) or "I/O" in str(error), error
        failed += 1
waiting = spool.counts().reports
(folder / "ballast").unlink()
last = json.loads(spool.append(build).body)
print(kept > 20, waiting == kept, last["dropped"], spool.counts().dropped_total, last["sequence"] == kept + 1)
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_survived_and_counted(tmp_path, environment):
    commands = (
        'mount -t tmpfs -o size=2m none "$1" && dd if=/dev/zero of="$1/ballast" bs=1k count=700 2>/dev/null '
        '&& "$2" -c "$3" "$1"'
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", commands, "sh", str(tmp_path), sys.executable, FULL_DISK],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    if done.returncode != 0 and "Traceback" not in done.stderr:
        pytest.skip("no small disk can be mounted here: " + done.stderr.strip())
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True", "5", "5", "True"]


WRITER = """
import json, os, pathlib, sys
from agent.host import Host
from agent.spool import Spool

def build(boot_id, sequence, waiting, dropped):
    return json.dumps(dict(boot_id=boot_id, sequence=sequence, pad=os.urandom(700).hex())).encode()

spool = Spool(pathlib.Path(sys.argv[1]), Host())
while True:
    entry = spool.append(build)
    sys.stdout.write("%s %d\\n" % (entry.boot_id, entry.sequence))
    sys.stdout.flush()
    if entry.sequence % 3 == 0:
        # The newest two of three: the oldest of each three go on waiting.
        spool.accept(spool.batch(2, 10**6))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
def test_kill_9_in_the_middle_of_writing(tmp_path, environment):
    """What was said to be kept is there after a kill, nothing is there twice, and no number is given out again."""
    path = tmp_path / SPOOL_FILE
    said = []
    drawn = random.Random(7)
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            env=environment,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            said.append(child.stdout.readline())
            time.sleep(drawn.uniform(0.02, 0.2))
        finally:
            child.kill()
        said.extend(child.stdout.read().splitlines(keepends=True))
        child.wait()
        child.stdout.close()
    # The last line of each round may be cut by the kill: only whole ones were said.
    names = [tuple(line.split()) for line in said if line.endswith("\n") and len(line.split()) == 2]
    assert len(names) == len(set(names)) > 20
    with OnThisMachine(path) as spool:
        waiting = [(entry.boot_id, str(entry.sequence)) for entry in spool.batch(10**6, 10**9)]
        counts = spool.counts()
        next_sequence = spool.append(make_body()).sequence
    assert len(waiting) == len(set(waiting))
    assert counts.moved_aside_total == 0
    assert counts.dropped_total == 0
    highest = max(int(sequence) for _, sequence in names)
    assert next_sequence > highest
    # Nothing that was said is missing: it waits, or it was sent and is kept as that.
    with contextlib.closing(sqlite3.connect(str(path))) as database:
        every = {
            (boot_id, str(sequence)) for boot_id, sequence in database.execute("SELECT boot_id, sequence FROM report")
        }
    assert set(names) <= every
    assert {sequence for _, sequence in every} == {str(number) for number in range(1, next_sequence + 1)}
    assert set(waiting) < every


class OnThisMachine:
    def __init__(self, path):
        from agent.host import Host

        self._spool = Spool(path, Host())

    def __enter__(self):
        return self._spool

    def __exit__(self, *exception):
        self._spool.close()
