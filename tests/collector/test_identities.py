"""Identities that change: rotation, copied disks, reinstallation; the agent's code against a real collector."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from sqlalchemy import select

from agent.config import IDENTITY_FILE, load_identity
from agent.enrolment import enrol
from agent.host import Host
from agent.measuring import Agent
from agent.wire.codec import report_to_json
from agent.wire.report import Fact, Report, Sample
from collector.cli.collector import main as collector_command
from collector.cloning import Turn, are_two_machines, is_the_copy, take_turn
from collector.db import terminals
from collector.db.decisions import Author, DecisionError, UnknownTargetError
from collector.db.devices import Place
from collector.db.identity_tables import device_alias, identity_change
from collector.db.tables import device, device_token
from collector.identities import Identities
from inventory.hardware import OTHER, SAME, UNKNOWN, compare_hardware, hardware_keys

ROOT = Path(__file__).resolve().parents[2]
DAY = 86400.0
UNIT = "16681"
ADMIN = Author("Quản trị", 1_800_000_000.0)


def facts_of(serial, mac, uuid="4c4c4544-0042-3510-8058-b4c04f4d3732"):
    return (
        Fact("system", [{"manufacturer": "Dell", "product": "OptiPlex", "serial": serial, "uuid": uuid}]),
        Fact("baseboard", [{"serial": "To be filled by O.E.M."}]),
        Fact("network_adapter", [{"name": "eth0", "mac": mac, "physical": True}]),
    )


def uuid_of(serial):
    return uuid.uuid5(uuid.NAMESPACE_DNS, serial).hex


class Clock:
    """The collector's clock, and that of every machine, as the test turns it."""

    def __init__(self):
        self.now = time.time()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("collector.doors.reports.now_seconds", lambda: clock.now)
    return clock


class MachineHost(Host):
    """A machine that was started at a moment."""

    def __init__(self, clock, boot):
        super().__init__()
        self._clock, self._boot, self._started = clock, boot, clock.now - 30.0

    def boot_id(self):
        return self._boot

    def wall_time_seconds(self):
        return self._clock.now

    def monotonic_time_seconds(self):
        return self._clock.now - self._started


class Machine:
    """A terminal's hardware with its disk; its agent keeps reports and uploads when it is told to."""

    def __init__(self, clock, disk, serial, mac):
        self.disk, self.facts, self._clock = disk, facts_of(serial, mac, uuid_of(serial)), clock
        self.agent, self.said = None, []

    def boot(self, boot):
        if self.agent is not None:
            self.agent.close()
        host = MachineHost(self._clock, boot)
        self.agent = Agent(load_identity(self.disk), self.disk, host, self.said.append)
        self._host, self._is_told = host, False

    def measure(self):
        facts, self._is_told = (() if self._is_told else self.facts), True

        def build(boot_id, sequence, waiting, dropped):
            device_id = self.agent._identity.device_id
            wall, monotonic = self._host.wall_time_seconds(), self._host.monotonic_time_seconds()
            samples = (Sample("uptime_seconds", round(monotonic)),)
            return report_to_json(Report(1, device_id, boot_id, sequence, wall, monotonic, (), samples, facts))

        self.agent._spool.append(build)

    def work(self, seconds=900.0):
        self._clock.now += seconds
        self.measure()
        return self.agent.upload()

    @property
    def identity(self):
        return load_identity(self.disk)


@pytest.fixture
def machine(running, clock, tmp_path):
    made = []

    def make(serial="5BX7", mac="d4:be:d9:aa:00:01", disk=None, name="disk"):
        if disk is None:
            disk = tmp_path / f"{name}-{len(made)}"
            enrol(running.url, running.join_code(), disk)
        made.append(Machine(clock, disk, serial, mac))
        return made[-1]

    yield make
    for one in made:
        if one.agent is not None:
            one.agent.close()


def status_of(running, token):
    return running.http.request(
        "POST",
        running.url + "/api/v1/reports",
        body=b'{"wire_version":1,"reports":[]}',
        headers={"Authorization": f"Bearer {token}"},
    ).status


def stored(running, device_id):
    running.wait_written()
    return len(running.stored(device_id=device_id))


class TestJoinCodes:
    def test_a_counted_code_lets_in_so_many(self, running, capsys):
        state = str(running.collector.state)
        words = ["--state-dir", state, "join-code", "--unit", UNIT, "--uses", "2", "--label", "lô máy mới"]
        assert collector_command(words) == 0
        told = capsys.readouterr()
        code = told.out.strip()
        assert f"--code {code}" in told.err
        assert [running.post_enrolment(code).status for _ in range(3)] == [200, 200, 403]
        assert collector_command(["--state-dir", state, "join-codes"]) == 0
        listed = capsys.readouterr().out
        assert "used up\t2/2" in listed
        assert "lô máy mới" in listed
        for group in code.split("-"):
            assert group not in listed

    def test_a_code_is_kept_nowhere(self, running):
        code = running.join_code()
        running.collector.engine.dispose()
        paths = list(running.collector.state.glob("registry.sqlite*"))
        assert paths
        for path in paths:
            content = path.read_bytes()
            assert code.encode() not in content
            assert code.replace("-", "").encode() not in content

    def test_a_revoked_code_lets_nobody_in(self, running, capsys):
        code, state = running.join_code(), str(running.collector.state)
        collector_command(["--state-dir", state, "join-codes"])
        code_id = capsys.readouterr().out.split("\t")[0]
        assert collector_command(["--state-dir", state, "revoke-code", code_id]) == 0
        assert running.post_enrolment(code).status == 403
        assert collector_command(["--state-dir", state, "revoke-code", code_id]) == 2
        assert collector_command(["--state-dir", state, "revoke-code", "nonsense"]) == 2


class TestRotation:
    def test_by_the_agents_own_process(self, running, tmp_path, capsys):
        disk, state = tmp_path / "disk", str(running.collector.state)
        old = enrol(running.url, running.join_code(), disk)
        environment = dict(os.environ, PYTHONPATH=str(ROOT))
        words = [sys.executable, "-m", "agent", "agent", "run", "--once", "--state-dir", str(disk)]
        assert collector_command(["--state-dir", state, "rotate", old.device_id, "--reason", "định kỳ"]) == 0
        subprocess.run(words, check=True, env=environment, cwd=tmp_path, capture_output=True, timeout=120)
        new = load_identity(disk)
        assert new.device_id == old.device_id
        assert new.token != old.token
        # Until the new one was shown, the old one is good: an answer may be lost.
        assert status_of(running, old.token) == 200
        subprocess.run(words, check=True, env=environment, cwd=tmp_path, capture_output=True, timeout=120)
        assert (status_of(running, old.token), status_of(running, new.token)) == (401, 200)
        assert load_identity(disk) == new
        capsys.readouterr()

    def test_an_answer_that_was_lost_is_repeated(self, running, machine, clock):
        one = machine()
        one.boot("a")
        one.work()
        with running.collector.engine.begin() as connection:
            terminals.ask_rotation(connection, one.identity.device_id, author=ADMIN)
        before = (one.disk / IDENTITY_FILE).read_bytes()
        one.work()
        lost = one.identity
        # The power fails before the new identity is on disk.
        (one.disk / IDENTITY_FILE).write_bytes(before)
        one.boot("b")
        one.work()
        taken = one.identity
        assert taken.token not in {lost.token, json.loads(before)["token"]}
        one.work()
        old = json.loads(before)["token"]
        assert [status_of(running, token) for token in (old, lost.token, taken.token)] == [401, 401, 200]
        assert stored(running, taken.device_id) == 4

    def test_only_of_a_terminal_that_may_report(self, running, machine):
        one = machine()
        with running.collector.engine.begin() as connection:
            terminals.revoke(connection, one.identity.device_id, author=ADMIN, reason="mất cắp")
            with pytest.raises(DecisionError, match="right of terminal"):
                terminals.ask_rotation(connection, one.identity.device_id, author=ADMIN)
            with pytest.raises(UnknownTargetError):
                terminals.ask_rotation(connection, "nobody", author=ADMIN)
            (row,) = terminals.history(connection)
        assert (row.action, row.by, row.reason) == ("revoke", "Quản trị", "mất cắp")


def test_a_decommissioned_terminal_keeps_its_history_and_nothing_else(running, machine):
    one = machine()
    one.boot("a")
    one.work()
    device_id = one.identity.device_id
    assert stored(running, device_id) == 1
    words = ["--state-dir", str(running.collector.state), "decommission", device_id, "--reason", "thanh lý"]
    assert collector_command(words) == 0
    cycle = one.work()
    assert cycle.error.permanent
    assert one.agent._spool.counts().reports == 1
    assert stored(running, device_id) == 1
    assert all(row["devices"] == 0 for row in running.api("/api/v1/units")["units"])
    assert collector_command(["--state-dir", str(running.collector.state), "decommission", "nobody"]) == 2


class TestCopiedDisks:
    def copied(self, machine, clock, **hardware):
        """An original and a machine with a copy of its disk, both started anew."""
        original = machine()
        original.boot("image")
        original.work()
        original.agent.close()
        original.agent = None
        shutil.copytree(original.disk, original.disk.with_name("copy"))
        hardware = {"serial": "9ZZ1", "mac": "d4:be:d9:aa:00:02", **hardware}
        copy = machine(disk=original.disk.with_name("copy"), **hardware)
        original.boot("original-2")
        copy.boot("copy-2")
        return original, copy

    @pytest.mark.parametrize("first", ["original", "copy"])
    def test_both_are_told_apart_and_nothing_is_lost(self, running, machine, clock, first):
        original, copy = self.copied(machine, clock)
        device_id = original.identity.device_id
        order = (original, copy) if first == "original" else (copy, original)
        made = {id(original): 1, id(copy): 0}
        for _ in range(6):
            for one in order:
                one.work(450.0)
                made[id(one)] += 1
        assert original.identity.device_id == device_id
        assert copy.identity.device_id != device_id
        assert stored(running, device_id) + stored(running, copy.identity.device_id) == sum(made.values())
        assert original.agent._spool.counts().reports == copy.agent._spool.counts().reports == 0
        # From then on each has its own, and stays what it is over restarts.
        before = stored(running, copy.identity.device_id)
        original.boot("original-3")
        copy.boot("copy-3")
        for one in (original, copy, original, copy, original):
            one.work()
        assert stored(running, copy.identity.device_id) == before + 2
        assert original.identity.device_id == device_id
        with running.collector.engine.begin() as connection:
            (row,) = terminals.open_copies(connection)
            assert (row.device_id, row.from_device_id) == (copy.identity.device_id, device_id)
            terminals.confirm_copy(connection, row.device_id, Place("16690", "main"), author=ADMIN)
            assert terminals.open_copies(connection) == []
            with pytest.raises(DecisionError, match="no copy"):
                terminals.confirm_copy(connection, row.device_id, Place("16690", "main"), author=ADMIN)
            place = connection.execute(select(device.c.unit_code).where(device.c.id == row.device_id)).scalar_one()
        assert place == "16690"

    def test_hardware_that_says_nothing(self, running, machine, clock):
        """No serial, one address for all: who was heard first keeps the identity; both go on apart."""
        original, copy = self.copied(machine, clock)
        junk = facts_of("To be filled by O.E.M.", "00:11:22:33:44:55", "03000200-0400-0500-0006-000700080009")
        original.facts = copy.facts = junk
        with running.collector.engine.begin() as connection:
            from collector.db.identity_tables import device_hardware

            connection.execute(device_hardware.delete())
        for _ in range(6):
            for one in (original, copy):
                one.work(450.0)
        assert original.identity.device_id != copy.identity.device_id
        assert original.agent._spool.counts().reports == copy.agent._spool.counts().reports == 0

    def test_a_machine_of_its_own_is_never_split(self, running, machine, clock):
        """Restarts every hour, another card, another name, more memory: one device."""
        one = machine()
        for number in range(12):
            one.boot(f"boot-{number}")
            if number == 6:
                one.facts = facts_of("5BX7", "d4:be:d9:bb:00:09", uuid_of("5BX7"))
            for _ in range(4):
                one.work()
        assert stored(running, one.identity.device_id) == 48
        with running.collector.engine.connect() as connection:
            assert connection.execute(select(identity_change)).all() == []
            assert len(connection.execute(select(device)).all()) == 1


class TestReinstallation:
    def reinstalled(self, machine, clock, running, **hardware):
        earlier = machine()
        earlier.boot("a")
        earlier.work()
        earlier.agent.close()
        earlier.agent = None
        clock.now += 2 * DAY
        running.wait_written()
        fresh = machine(name="fresh", **hardware)
        with running.collector.engine.begin() as connection:
            connection.execute(
                device.update().where(device.c.id == fresh.identity.device_id).values(enrolled_at=clock.now)
            )
        fresh.boot("b")
        fresh.work()
        running.wait_written()
        return earlier, fresh

    def test_history_goes_on_when_a_person_says_so(self, running, machine, clock):
        earlier, fresh = self.reinstalled(machine, clock, running)
        old_id, new_id = earlier.identity.device_id, fresh.identity.device_id
        with running.collector.engine.begin() as connection:
            (found,) = terminals.suggestions(connection)
            assert (found.device_id, found.earlier_id, found.shared[0]) == (new_id, old_id, "5BX7")
        fresh.work()
        # Never by itself.
        assert fresh.identity.device_id == new_id
        with running.collector.engine.begin() as connection:
            terminals.reattach(connection, new_id, old_id, author=ADMIN, reason="cài lại máy")
            assert terminals.suggestions(connection) == []
        clock.now += 60
        fresh.work()
        assert fresh.identity.device_id == old_id
        former = fresh.identity.token
        fresh.work()
        assert stored(running, old_id) == 2
        assert stored(running, new_id) == 3
        # What still speaks under the short-lived name, or with the token of the lost installation, is out.
        assert status_of(running, earlier.identity.token) == 401
        assert status_of(running, former) == 200
        with running.collector.engine.connect() as connection:
            row = connection.execute(select(device).where(device.c.id == new_id)).one()
            alias = connection.execute(select(device_alias)).one()
        assert row.revoked_at is not None
        assert (alias.device_id, alias.former_device_id) == (old_id, new_id)

    def test_other_hardware_is_not_suggested_and_refused(self, running, machine, clock):
        earlier, fresh = self.reinstalled(machine, clock, running, serial="OTHER1")
        fresh_id, old_id = fresh.identity.device_id, earlier.identity.device_id
        with running.collector.engine.begin() as connection:
            # They share a network card: dongles are lent.
            assert terminals.suggestions(connection) == []
            with pytest.raises(DecisionError, match="differs"):
                terminals.reattach(connection, fresh_id, old_id, author=ADMIN)
            with pytest.raises(DecisionError, match="is one"):
                terminals.reattach(connection, fresh_id, fresh_id, author=ADMIN)

    def test_two_that_both_report_are_not_one(self, running, machine, clock):
        first, second = machine(), machine()
        first.boot("a")
        second.boot("b")
        for one in (first, second, first):
            one.work()
        running.wait_written()
        with running.collector.engine.begin() as connection:
            assert terminals.suggestions(connection) == []
            with pytest.raises(DecisionError, match="still reports"):
                terminals.reattach(connection, second.identity.device_id, first.identity.device_id, author=ADMIN)


def test_a_report_of_another_device_is_still_refused(running, report):
    one, other = running.enrol(), running.enrol()
    answer = running.upload(one["token"], [report(other["device_id"])])
    assert answer.json()["results"][0]["status"] == "rejected"


class TestHardware:
    OWN = hardware_keys({fact.name: fact.value for fact in facts_of("5BX7", "d4:be:d9:aa:00:01")})

    def keys(self, *told):
        return hardware_keys({fact.name: fact.value for fact in facts_of(*told)})

    def test_what_tells_nothing_is_no_key(self):
        assert self.keys("Default string", "00:00:00:00:00:00", "0" * 32) == {}
        assert self.keys("System Serial Number", "02:42:ac:11:00:02", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF") == {}
        assert set(self.OWN) == {"serial", "uuid", "mac_address"}

    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            (("5BX7", "d4:be:d9:aa:00:01"), SAME),
            (("5bx7 ", "d4:be:d9:ff:ff:01"), SAME),
            (("9ZZ1", "d4:be:d9:aa:00:01", "11112222-3333-4444-5555-666677778888"), OTHER),
            # A dongle that was lent says nothing against two serials that differ; alone it says something.
            (("9ZZ1", "d4:be:d9:ff:ff:01"), UNKNOWN),
            (("Default string", "d4:be:d9:aa:00:01", "0" * 32), SAME),
            (("Default string", "d4:be:d9:ff:ff:01", "0" * 32), UNKNOWN),
        ],
    )
    def test_two_accounts_of_hardware(self, told, expected):
        assert compare_hardware(self.OWN, self.keys(*told)) == expected
        assert compare_hardware(self.keys(*told), self.OWN) == expected

    def test_nothing_is_like_nothing(self):
        assert compare_hardware({}, {}) == UNKNOWN


class TestTurns:
    @staticmethod
    def turns(*steps):
        """Turns of (boot, epoch) 900 s apart."""
        return tuple(Turn(boot, epoch, 1e6 + 900 * number) for number, (boot, epoch) in enumerate(steps))

    def test_one_machine_after_another_boot(self):
        assert not are_two_machines(self.turns(("a", 0), ("b", 5e5), ("c", 9e5)))

    def test_back_and_forth(self):
        assert not are_two_machines(self.turns(("a", 0), ("b", 5), ("a", 0)))
        assert are_two_machines(self.turns(("a", 0), ("b", 5), ("a", 0), ("b", 5)))

    def test_an_upload_that_was_held_up_on_its_way_proves_nothing(self):
        steps = [Turn("a", 0, 1e6), Turn("b", 5, 1e6 + 900), Turn("a", 60, 1e6 + 960), Turn("b", 5, 1e6 + 990)]
        assert not are_two_machines(steps)

    def test_the_collectors_clock_set_and_set_back(self):
        steps = self.turns(("a", 0), ("a", 3600), ("a", 0), ("a", 3600))
        assert not are_two_machines(steps)
        assert are_two_machines(self.turns(*[("a", 0), ("a", 3600)] * 5))

    def test_a_turn_is_taken_once(self):
        from agent.wire.exchange import Moment

        first = take_turn((), Moment("a", 0.0, 100.0), 1e6)
        assert take_turn(first, Moment("a", 0.0, 1000.0), 1e6 + 905) == first
        assert len(take_turn(first, Moment("b", 0.0, 10.0), 1e6 + 905)) == 2

    def test_the_one_whose_hardware_agrees_stays(self):
        turns = self.turns(("copy", 0), ("own", 5), ("copy", 0), ("own", 5))
        own, other = TestHardware.OWN, {"serial": ["9ZZ1"], "uuid": ["1" * 16 + "ABCD" * 4]}
        assert not is_the_copy(turns, own, {"own": own, "copy": other})
        assert is_the_copy(turns[:3], own, {"own": own, "copy": other})
        # Nothing told: the one heard first stays.
        assert is_the_copy(turns, {}, {})


def test_offers_end_with_the_token_that_is_shown(running, clock):
    """Every offer that was made is good until one is shown; then that one alone is."""
    me = running.enrol()
    with running.collector.engine.begin() as connection:
        terminals.ask_rotation(connection, me["device_id"], author=ADMIN)
    from agent.wire.exchange import Moment

    identities = Identities(running.collector.engine, running.collector.boots)
    sent = Moment("a", 0.0, 10.0)
    offers = [
        identities.judge(me["device_id"], [], dataclasses.replace(sent, monotonic_time_seconds=10.0 + at), 1e9 + at)
        for at in (0.0, 30.0, 90.0)
    ]
    assert [offer.identity is not None for offer in offers] == [True, False, True]
    tokens = [me["token"], offers[0].identity["token"], offers[2].identity["token"]]
    assert status_of(running, tokens[2]) == 200
    assert [status_of(running, token) for token in tokens] == [401, 401, 200]
    with running.collector.engine.connect() as connection:
        assert len(connection.execute(select(device_token).where(device_token.c.revoked_at.is_(None))).all()) == 1
