"""A week of three terminals and their collector, time compressed: every sample in the store once, at the right time.

docs/soak.md tells what is simulated, what is real and how to run it for longer.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from agent.enrolment import enrol
from agent.spool import LIMIT_BYTES
from collector.journal import waiting_reports
from collector.metrics.stores import open_store

DAYS = float(os.environ.get("THONGMANG_SOAK_DAYS", "7"))
SEED = int(os.environ.get("THONGMANG_SOAK_SEED", "1"))
WRONG_SHOWN = 6
MEBIBYTE = 2**20
# Of the terminals' oscillators: NTP keeps one right, the others are crystals of ordinary main boards.
RATES = {"office": 1.0, "battery": 1 + 30e-6, "drifting": 1 - 40e-6}


def _load(name):
    """A module beside this one; test modules are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


soaking, soaking_world, soaking_terminal = _load("soaking"), _load("soaking_world"), _load("soaking_terminal")
MINUTE, HOUR, DAY, START, YEAR_2009 = soaking.MINUTE, soaking.HOUR, soaking.DAY, soaking.START, soaking.YEAR_2009


class Soak:
    """The schedule of one seed, carried out.

    The office's clock is kept right by NTP. The battery's starts in 2009 whenever the power comes, and is set some
    minutes later, or never. The drifting one is never corrected, and is wrong by seven hours for some days.
    """

    NAMES = ("office", "battery", "drifting")

    def __init__(self, folder, seed, days):
        self.seed, self.days, self.end = seed, days, START + days * DAY
        self.random = random.Random(seed)
        self.world = world = soaking_world.World(folder)
        world.collector = soaking_world.CollectorProcess(
            folder / "collector", world.clock_file, folder / "collector.log", len(self.NAMES)
        )
        world.collector.start(60)
        for name, code in zip(self.NAMES, world.collector.codes, strict=True):
            home = folder / name
            home.mkdir(mode=0o700)
            identity = enrol(world.collector.url, code, home)
            world.terminals[name] = soaking_terminal.Terminal(
                world, name, identity, home, random.Random(f"{seed} {name}"), RATES[name]
            )
        self.terminals = world.terminals
        self.is_over = False
        self.collector_bytes, self.own_bytes = [], []
        self.skews_seen = {name: [] for name in self.NAMES}
        self.skews_wrong = []

    def plan(self):
        for name in self.NAMES:
            self._power_on(name, START + self.random.uniform(0, 10 * MINUTE))
        for day in range(int(self.days) + 1):
            self._plan_day(START + day * DAY)
        self._plan_line()
        self._plan_collector()
        wrong_at = START + self.random.uniform(0.1, 0.5) * self.days * DAY
        # For longer than the line is away.
        right_at = wrong_at + self.random.uniform(0.37, 0.45) * self.days * DAY
        for when, ahead in ((wrong_at, 7 * HOUR), (right_at, 0.0)):
            self.world.at(when, self.terminals["drifting"].set_wall, ahead, "a person")
        self.world.later(HOUR, self._look)
        self.world.later(MINUTE, self._discipline)

    def _plan_day(self, day):
        draw = self.random
        for name in ("battery", "office"):
            self._power_off(name, day + 17.0 * HOUR + draw.uniform(0, HOUR), draw.choice(["orderly", "cut"]))
            self._power_on(name, day + 31.0 * HOUR + draw.uniform(0, HOUR))
        for name in ("battery", draw.choice(self.NAMES), draw.choice(self.NAMES)):
            at = day + draw.uniform(7.5, 16.5) * HOUR
            self._power_off(name, at, draw.choice(["cut", "torn", "killed"]))
            self._power_on(name, at + draw.choice([20.0, 3 * MINUTE, 40 * MINUTE, 5 * HOUR]) + draw.uniform(0, MINUTE))
        self.world.at(day + draw.uniform(8, 16) * HOUR, self.terminals[draw.choice(self.NAMES)].kill_agent)
        for name, begin, lasting in (
            ("office", draw.uniform(9, 16), draw.uniform(0.2, 3)),
            ("drifting", draw.uniform(19, 22), draw.uniform(9, 11)),
        ):
            self.world.at(day + begin * HOUR, self.terminals[name].suspend, lasting * HOUR)
        if draw.random() < 0.5:
            self._plan_full_disk(draw.choice(self.NAMES), day + draw.uniform(8, 16) * HOUR)

    def _plan_full_disk(self, name, at):
        """A disk that is full for a while, over a restart, with reports waiting from before."""
        lasting = self.random.uniform(0.5, 3) * HOUR
        self.world.at(at, self._fill_disk, name, lasting)
        self._power_off(name, at + lasting / 2, "cut")
        self._power_on(name, at + lasting / 2 + 30.0)
        self.world.outages.append((at - HOUR, at + lasting / 2 + 10.0, name))

    def _plan_line(self):
        draw, outages = self.random, self.world.outages
        for _ in range(int(self.days * 3)):
            begin = START + draw.uniform(0, self.days) * DAY
            outages.append((begin, begin + draw.choice([2, 10, 30, 90, 300]) * MINUTE, draw.choice(["", *self.NAMES])))
        begin = START + draw.uniform(0.2, 0.6) * self.days * DAY
        # Two days of a week.
        outages.append((begin, begin + min(2.0, self.days * 2 / 7) * DAY, ""))
        for begin, end, name in sorted(outages):
            self.world.at(begin, self.world.note, name or "everybody", f"line away for {(end - begin) / HOUR:.1f} h")

    def _plan_collector(self):
        draw, world = self.random, self.world
        world.at(START + 0.08 * self.days * DAY, self._kill_collector)
        for number in range(max(2, round(self.days * 3 / 7))):
            at = START + draw.uniform(0.1, 0.95) * self.days * DAY
            if number % 2:
                world.at(at, setattr, world, "kills_in_flight", 1)
            else:
                world.at(at, self._kill_collector)
        for number in range(max(1, round(self.days * 2 / 7))):
            begin = START + draw.uniform(0.05, 0.9) * self.days * DAY
            end = begin + draw.uniform(1, 5) * HOUR
            world.at(begin, self._take_store_away, end)
            if number % 2:
                # What waits in its journal is what the next one begins with.
                world.at((begin + end) / 2, self._kill_collector)

    def _power_on(self, name, at):
        def on():
            terminal = self.terminals[name]
            terminal.power_on(YEAR_2009 if name == "battery" else None)
            if name == "battery" and self.random.random() < 0.6:
                self.world.later(self.random.uniform(3, 40) * MINUTE, self._by_ntp, terminal, len(terminal.starts))

        self.world.at(at, on)

    def _power_off(self, name, at, kind):
        def off():
            if self.terminals[name].is_awake and not self.is_over:
                self.terminals[name].power_off(kind)

        self.world.at(at, off)

    def _by_ntp(self, terminal, start):
        if len(terminal.starts) == start and terminal.is_awake:
            terminal.set_wall(self.random.uniform(-0.05, 0.05), "NTP")

    def _discipline(self):
        """NTP keeps the office's clock right without anybody noticing."""
        now = self.world.now
        self.terminals["office"].machine.set_wall(now, now + self.random.uniform(-0.02, 0.02))
        self.world.later(10 * MINUTE, self._discipline)

    def _fill_disk(self, name, lasting):
        self.world.note(name, f"disk full for {lasting / HOUR:.1f} h")
        self.terminals[name].disk_full_until = self.world.now + lasting

    def _kill_collector(self):
        self.world.note("collector", "killed")
        self.world.collector.kill()

    def _take_store_away(self, until):
        """Somebody else holds the metric store's file; its writer waits, or fails and tries again."""
        self.world.note("collector", f"its store away for {(until - self.world.now) / HOUR:.1f} h")
        held = sqlite3.connect(self.world.collector.state / "metrics.sqlite", timeout=20, isolation_level=None)
        held.execute("BEGIN IMMEDIATE")
        self.world.at(until, held.close)

    def _look(self):
        """What an operator sees once an hour; a collector that was killed is started again."""
        collector = self.world.collector
        if not collector.is_running:
            # The prober uploads every minute at first; then the settings say otherwise, to spare the test's time.
            collector.start(60 if self.world.now < START + 0.08 * self.days * DAY else 600)
            self.world.count("collector starts after a kill")
        self.collector_bytes.append(collector.resident_bytes())
        self.own_bytes.append(soaking_world.resident_bytes())
        query = "SELECT id, clock_skew_seconds, last_boot_id, last_sequence FROM device WHERE last_boot_id IS NOT NULL"
        for device_id, skew, boot_id, sequence in collector.ask("registry.sqlite", query):
            terminal = next(one for one in self.terminals.values() if one.identity.device_id == device_id)
            made = next((one for one in reversed(terminal.made) if one.name == (boot_id, sequence)), None)
            if made is None:
                # A report whose process was killed before it could tell that it had kept it.
                continue
            self.skews_seen[terminal.name].append(skew)
            true_skew = made.wall_at - made.true_at
            is_told = terminal.starts[made.start].best_transit is not None
            if is_told and abs(skew - true_skew) > 1.0 + terminal.late_seconds(made) + terminal.drift_seconds(made):
                self.skews_wrong.append((terminal.name, made.serial, skew, true_skew))
        self.world.later(HOUR, self._look)

    def run(self):
        """The days, then everybody switched on and the line there until nothing waits any more."""
        world = self.world
        self.plan()
        world.run_until(self.end)
        world.outages.clear()
        for terminal in self.terminals.values():
            terminal.disk_full_until = 0.0
        world.run_until(world.now + 2 * HOUR)
        self.is_over = True
        for name, terminal in self.terminals.items():
            terminal.power_on(YEAR_2009 if name == "battery" else None)
        world.run_until(world.now + 20 * MINUTE)
        for terminal in self.terminals.values():
            terminal.is_measuring = False
        deadline = world.now + DAY
        while any(self.waiting()) and world.now < deadline:
            world.run_until(world.now + 5 * MINUTE)
        assert not any(self.waiting()), [(one.name, one.said[-3:]) for one in self.terminals.values()]
        wait_written(world.collector)

    def waiting(self):
        return [one.agent.spool.counts().reports for one in self.terminals.values()]

    def close(self):
        for terminal in self.terminals.values():
            if terminal.agent is not None:
                terminal.agent.close()
        self.world.collector.kill()


def wait_written(collector):
    deadline = time.monotonic() + 60
    while waiting_reports(collector.state / "journal.sqlite"):
        assert time.monotonic() < deadline, collector.said()
        time.sleep(0.05)


class Checks:
    """What became of it all, against what truly was."""

    def __init__(self, soak):
        self.soak = soak
        self.problems, self.summary = [], [f"seed {soak.seed}, {soak.days:g} days", str(soak.world.counted)]

    def all(self):
        store = open_store("embedded", path=self.soak.world.collector.state / "metrics.sqlite")
        for terminal in self.soak.terminals.values():
            rows = store.read(
                "device_health",
                ("uptime_s", "memory_total_kib"),
                start_seconds=0,
                end_seconds=2**40,
                tags={"device_id": terminal.identity.device_id},
            )
            stored = [(row.fields["memory_total_kib"], row.fields["uptime_s"], row.time_seconds) for row in rows]
            self._once(terminal, stored)
            self._in_time(terminal, {serial: second for serial, _, second in stored})
            self._spool(terminal)
        store.close()
        self._clocks()
        self._collector()
        self._schedule()

    def _tell(self, who, what, wrong):
        if wrong:
            self.problems.append(f"{who}: {len(wrong)} {what}: " + "; ".join(str(one) for one in wrong[:WRONG_SHOWN]))

    def _once(self, terminal, stored):
        counts = Counter(serial for serial, _, _ in stored)
        made = {one.serial: one for one in terminal.made}
        told = [(made[serial], milliseconds) for serial, milliseconds, _ in stored if serial in made]
        self._tell(terminal.name, "stored more than once", [serial for serial, count in counts.items() if count > 1])
        self._tell(terminal.name, "lost", [one for one in made.values() if one.is_kept and one.serial not in counts])
        self._tell(terminal.name, "invented", [serial for serial in counts if serial not in made])
        self._tell(terminal.name, "stored though not kept", [one for one, _ in told if one.is_kept is False])
        self._tell(
            terminal.name, "changed", [pair for pair in told if round((pair[0].true_at - START) * 1000) != pair[1]]
        )

    def _in_time(self, terminal, seconds):
        wrong_told, wrong_untold, wrong_order, errors = [], [], [], [0.0]
        placed = [one for one in terminal.made if one.serial in seconds]
        for before, one in itertools.pairwise(placed):
            if before.start == one.start and seconds[one.serial] <= seconds[before.serial]:
                wrong_order.append((before, one, seconds[one.serial] - seconds[before.serial]))
        for one in placed:
            start = terminal.starts[one.start]
            late = seconds[one.serial] - one.true_at
            if start.best_transit is not None:
                drift = terminal.drift_seconds(one)
                errors.append(abs(late + 0.5) - 0.5 - terminal.late_seconds(one) - drift)
                # The store takes whole seconds, the beginning of each.
                if not -2.0 - drift < late <= 1.0 + terminal.late_seconds(one) + drift:
                    wrong_told.append((round(late, 2), one))
                continue
            follower = next(other for other in terminal.starts[one.start + 1 :] if other.best_transit is not None)
            if abs(start.skew_at_start) < 1.0 and not start.wall_changes:
                # Dated by its own clock, corrected by what the next start's clock seems wrong by.
                if not -2.0 - follower.first_transit < late <= 1.0 + follower.first_transit:
                    wrong_untold.append((round(late, 2), one))
            elif not -2.0 < late <= follower.at - one.true_at:
                wrong_untold.append((round(late, 2), one))
        self._tell(terminal.name, "wrong by more than a second although an upload told the clock", wrong_told)
        self._tell(terminal.name, "outside of what bounds a start that no upload told of", wrong_untold)
        self._tell(terminal.name, "out of order", wrong_order)
        untold = sum(start.best_transit is None for start in terminal.starts)
        self.summary.append(
            f"{terminal.name}: {len(terminal.made)} reports made, {len(seconds)} stored, {terminal.failed_appends} "
            f"found the disk full; {len(terminal.starts)} starts, {untold} never heard while they ran; "
            f"worst error beyond the store's second {max(errors):.2f} s; spool {terminal.most_bytes / MEBIBYTE:.1f} MiB"
        )

    def _spool(self, terminal):
        counts = terminal.agent.spool.counts()
        counted = terminal.failed_appends - terminal.never_counted
        if (counts.rejected_total, counts.moved_aside_total, counts.dropped_total) != (0, 0, counted):
            self.problems.append(f"{terminal.name}: {counted} could not be kept, {counts}")
        if terminal.most_bytes > LIMIT_BYTES / 4:
            self.problems.append(f"{terminal.name}: its spool took {terminal.most_bytes} bytes")

    def _clocks(self):
        """The wrong clocks were told while they were wrong, and what the rule of the battery reads is there."""
        self._tell("registry", "clocks told wrong", self.soak.skews_wrong)
        seen = self.soak.skews_seen
        self.summary.append(f"clocks told: { ({name: (round(min(of)), round(max(of))) for name, of in seen.items()}) }")
        if min(seen["battery"]) > -5 * 365 * DAY or not 25_190 < max(seen["drifting"]) < 25_210:
            self.problems.append("the clock of 2009, or that of seven hours, was never told")
        if min(seen["office"]) < -30.0 or max(seen["office"]) > 30.0:
            self.problems.append("the right clock was told to be wrong")
        starts = dict(
            self.soak.world.collector.ask("registry.sqlite", "SELECT device_id, start_skew_seconds FROM device_clock")
        )
        skews = {name: starts[one.identity.device_id] for name, one in self.soak.terminals.items()}
        if skews["battery"] > -5 * 365 * DAY or abs(skews["office"]) > 30.0:
            self.problems.append(f"clocks at the newest start: {skews}")

    def _collector(self):
        ask, soak = self.soak.world.collector.ask, self.soak
        for table in ("rejected", "identity_change"):
            rows = ask("registry.sqlite", f"SELECT * FROM {table}")
            self._tell("collector", f"rows of {table}", rows)
        own, collector = soak.own_bytes, soak.collector_bytes
        quarter = len(own) // 4
        # What the test itself remembers of each day included.
        if own[-1] - own[quarter] > (16 + 4 * soak.days) * MEBIBYTE or max(collector) > collector[0] + 48 * MEBIBYTE:
            self.problems.append(f"memory grows: {own[quarter :: len(own) // 8]}, {collector[:: len(own) // 8]}")
        self.summary.append(
            f"resident: test with agents {own[quarter] / MEBIBYTE:.0f} to {own[-1] / MEBIBYTE:.0f} MiB, "
            f"collector {min(collector) / MEBIBYTE:.0f} to {max(collector) / MEBIBYTE:.0f} MiB"
        )

    def _schedule(self):
        """That what was to be lived through has happened."""
        counted = self.soak.world.counted
        wanted = ["lost answers", "doubled uploads", "slow uploads", "collector starts after a kill"]
        missing = [name for name in [*wanted, "kills in the middle of writing"] if not counted.get(name)]
        if missing:
            self.problems.append(f"the schedule held no {missing}")


@pytest.fixture
def folder(tmp_path):
    """In memory where there is room: spools and journals sync at every commit, and 20,000 syncs of a disk are slow."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 1024 * MEBIBYTE:
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(prefix="thongmang-soak-", dir=memory))
    yield made
    shutil.rmtree(made)


@pytest.mark.timeout(300 + 60 * DAYS)
def test_every_sample_is_in_the_store_once_and_in_its_time(folder, record_property):
    soak = Soak(folder, SEED, DAYS)
    try:
        try:
            soak.run()
            checks = Checks(soak)
            checks.all()
        finally:
            soak.close()
    except Exception:
        sys.stderr.write("\n".join([f"seed {SEED}, {DAYS:g} days", *soak.world.story, ""]))
        raise
    sys.stdout.write("\n".join([*checks.summary, ""]))
    record_property("soak", checks.summary)
    if checks.problems:
        pytest.fail("\n".join([*checks.summary, *soak.world.story, *checks.problems]), pytrace=False)
