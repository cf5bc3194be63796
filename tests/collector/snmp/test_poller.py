"""The poller against real snmpd, with a real registry, journal, writer and store."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import msgspec
import pytest
from sqlalchemy import select, update

from agent.wire.catalogue import INTERFACE
from alerts.slots import INTERFACE_FIELDS
from collector.db.network import network_devices, poll_states, put_device
from collector.db.network_tables import network_device_state
from collector.db.registry import open_registry
from collector.db.tables import device
from collector.journal import Journal
from collector.metrics.stores import open_store
from collector.selfmetrics import SelfMetrics
from collector.settings import Limits, Network
from collector.snmp.poller import Poller
from collector.snmp.ports import findings
from collector.snmp.session import Engines
from collector.writer import Writer

SLOT = 300


class Bench(SimpleNamespace):
    """Everything between a device and the store, driven slot by slot."""

    def open(self):
        self.engine = open_registry(self.state / "registry.sqlite")
        self.journal = Journal(self.state / "journal.sqlite", free_bytes=1)
        self.metrics = SelfMetrics()
        self.store = open_store("embedded", path=self.state / "metrics.sqlite")
        self.writer = Writer(self.journal, self.engine, self.store, self.metrics, limits=Limits())
        self.poller = self.new_poller()

    def new_poller(self):
        return Poller(
            self.engine,
            self.journal,
            Network(timeout_seconds=0.5, tries=2, concurrent_devices=4),
            self.metrics if not hasattr(self, "poller") else SelfMetrics(),
            credentials_file=self.state / "snmp-credentials.toml",
            slot_seconds=SLOT,
            wake=lambda: None,
        )

    def close(self):
        self.journal.close()
        self.store.close()
        self.engine.dispose()

    def add(self, *specs):
        with self.engine.begin() as connection:
            for spec in specs:
                put_device(connection, spec, time.time())
            return {one.name: one.device_id for one in network_devices(connection)}

    def poll(self, slot):
        async def whole():
            engines = Engines()
            try:
                return await self.poller.poll(engines, slot)
            finally:
                engines.close()

        return asyncio.run(whole())

    def pass_time(self, seconds=SLOT):
        """As if the last poll had been so long ago: in the registry, and for a poller that was started since."""
        with self.engine.begin() as connection:
            for row in connection.execute(select(network_device_state)).all():
                if row.reading is not None:
                    reading = {**row.reading, "taken_at": row.reading["taken_at"] - seconds}
                    here = network_device_state.c.device_id == row.device_id
                    connection.execute(update(network_device_state).where(here).values(reading=reading))
        self.poller = self.new_poller()

    def stored(self):
        while self.writer.write_once():
            pass
        return list(self.store.read(INTERFACE, INTERFACE_FIELDS, start_seconds=0, end_seconds=2**40))

    def states(self):
        with self.engine.connect() as connection:
            return poll_states(connection)


@pytest.fixture
def bench(tmp_path, credentials_text):
    state = tmp_path / "state"
    state.mkdir()
    path = state / "snmp-credentials.toml"
    path.write_text(credentials_text)
    path.chmod(0o600)
    made = Bench(state=state)
    made.open()
    yield made
    made.close()


@pytest.mark.parametrize(("version", "credentials"), [("2c", "xa"), ("3", "v3")])
def test_two_polls_make_a_sample_at_the_slot_before(bench, snmpd, version, credentials):
    ids = bench.add(snmpd.spec(snmp_version=version, credentials=credentials))
    snmpd.put_port(received=10**12, transmitted=5, speed=10**8, duplex=3)
    snmpd.put_uptime(1000)
    bench.poll(6_000_000)
    assert [row.fields.get("received_bytes") for row in bench.stored()] == [None]
    bench.pass_time()
    snmpd.put_port(received=10**12 + 3_000_000, transmitted=1_000_005, receive_errors=12, duplex=3)
    snmpd.put_uptime(1300)
    status = bench.poll(6_000_001)
    assert (status.devices, status.failed) == (1, 0)
    first, second = bench.stored()
    assert (first.time_seconds, second.time_seconds) == (5_999_999 * SLOT, 6_000_000 * SLOT)
    assert dict(second.fields) == {
        "interval_ms": 300_000,
        "received_bytes": 3_000_000,
        "transmitted_bytes": 1_000_000,
        "receive_errors": 12,
        "transmit_errors": 0,
        "speed_kbit_s": 100_000,
        "up": 1,
        "half_duplex": 0,
    }
    tags = {"province": "40", "unit": "16681", "site": "main", "device_id": ids["cpe1"], "interface": "wan"}
    assert dict(second.tags) == tags


def test_a_network_device_is_no_terminal(bench, snmpd):
    bench.add(snmpd.spec())
    snmpd.put_port()
    bench.poll(6_000_000)
    assert len(bench.stored()) == 1
    with bench.engine.connect() as connection:
        assert connection.execute(select(device)).all() == []


def test_a_restarted_device_leaves_a_hole_and_no_giant_sample(bench, snmpd):
    bench.add(snmpd.spec())
    snmpd.put_port(received=10**12, transmitted=10**12)
    snmpd.put_uptime(10_000)
    bench.poll(6_000_000)
    bench.pass_time()
    snmpd.put_port(received=4_000_000, transmitted=2_000_000)
    snmpd.put_uptime(120)
    bench.poll(6_000_001)
    bench.pass_time()
    snmpd.put_port(received=9_000_000, transmitted=3_000_000)
    snmpd.put_uptime(420)
    bench.poll(6_000_002)
    assert [row.fields.get("received_bytes") for row in bench.stored()] == [None, None, 5_000_000]
    (state,) = bench.states().values()
    assert state.no_sample is None


def test_32_bit_counters_start_again(bench, snmpd):
    bench.add(snmpd.spec(interface="eth0"))
    snmpd.put_port(name="eth0", received=2**32 - 1_000_000, transmitted=2**32 - 1, wide=False)
    snmpd.put_uptime(1000)
    bench.poll(6_000_000)
    bench.pass_time()
    snmpd.put_port(name="eth0", received=2**32 + 500_000, transmitted=2**32 + 9, wide=False)
    snmpd.put_uptime(1300)
    bench.poll(6_000_001)
    (_, second) = bench.stored()
    assert (second.fields["received_bytes"], second.fields["transmitted_bytes"]) == (1_500_000, 10)


def test_the_same_slot_is_polled_and_kept_once(bench, snmpd):
    bench.add(snmpd.spec())
    snmpd.put_port(received=100)
    bench.poll(6_000_000)
    # As after a power cut between the journal and the registry: the poll is not known to have been.
    with bench.engine.begin() as connection:
        connection.execute(update(network_device_state).values(slot=5_999_999))
    snmpd.put_port(received=200)
    bench.poll(6_000_000)
    assert len(bench.stored()) == 1
    snmpd.stop()
    assert bench.poll(6_000_000).failed == 0


def test_samples_wait_in_the_journal_while_the_store_is_away_and_survive_a_restart(bench, snmpd):
    bench.add(snmpd.spec())
    snmpd.put_port(received=0)
    snmpd.put_uptime(1000)
    bench.poll(6_000_000)
    for number in (1, 2):
        bench.pass_time()
        snmpd.put_port(received=number * 1_000_000)
        snmpd.put_uptime(1000 + 300 * number)
        bench.poll(6_000_000 + number)
    assert bench.journal.backlog()[0] == 3
    bench.close()
    bench.open()
    assert [row.fields.get("received_bytes") for row in bench.stored()] == [None, 1_000_000, 1_000_000]
    assert bench.journal.backlog()[0] == 0


def test_who_does_not_answer_is_counted_and_shown_and_holds_up_nobody(bench, start_snmpd):
    good, dead = start_snmpd(), start_snmpd()
    good.put_port()
    specs = [dead.spec(f"im{number}") for number in range(8)]
    specs += [good.spec("tot"), good.spec("sai-mk", snmp_version="3", credentials="v3sai")]
    specs += [good.spec("thieu", credentials="khong-co"), good.spec("nham", snmp_version="3")]
    ids = bench.add(*specs)
    dead.stop()
    status = bench.poll(6_000_000)
    assert (status.devices, status.failed) == (12, 11)
    states = bench.states()
    outcomes = {name: states[ids[name]].outcome for name in ("im0", "tot", "sai-mk", "thieu", "nham")}
    assert outcomes == {"im0": "timeout", "tot": "ok", "sai-mk": "refused", "thieu": "error", "nham": "error"}
    assert "no entry khong-co" in states[ids["thieu"]].reason["pattern"].format(name="khong-co")
    # The next time those that answered are asked first.
    bench.pass_time()
    begun = time.time()
    bench.poll(6_000_001)
    states = bench.states()
    assert states[ids["tot"]].polled_at - begun < 1.0 < states[ids["im7"]].polled_at - begun
    assert (states[ids["im0"]].failed_in_row, states[ids["im0"]].failed) == (2, 2)
    text = bench.metrics.exposition().decode()
    assert "thongmang_collector_network_devices_failed 11.0" in text
    assert 'thongmang_collector_snmp_polls_total{outcome="timeout"} 8.0' in text


def test_findings_say_what_keeps_a_line_from_being_judged(bench, snmpd):
    ids = bench.add(
        snmpd.spec("a", capacity_down_kbit_s=1000),
        snmpd.spec("b", capacity_down_kbit_s=1000, capacity_up_kbit_s=1000, interface="khong-co"),
        snmpd.spec("c", kind="printer", interface=""),
    )
    snmpd.put_port()
    for slot in range(3):
        bench.poll(6_000_000 + slot)
    with bench.engine.connect() as connection:
        found = [(one.device.name, one.message.render()) for one in findings(connection)]
    assert ids.keys() == {"a", "b", "c"}
    assert [name for name, _ in found] == ["a", "a", "b"]
    assert "capacity of the line is not configured" in found[0][1]
    assert "gave no sample of traffic" in found[1][1]
    assert found[2][1] == "It did not answer 3 times in a row: The device has no port khong-co; it has: 2 wan."


def test_a_credentials_file_that_others_may_read_is_not_used(bench, snmpd):
    bench.add(snmpd.spec())
    (bench.state / "snmp-credentials.toml").chmod(0o644)
    assert bench.poll(6_000_000).failed == 1
    assert "chmod 600" in bench.poller.problem
    (state,) = bench.states().values()
    assert "bi-mat" not in str(msgspec.json.encode(state.reason))


def test_the_thread_polls_at_once_and_stops_at_once(bench, snmpd, start_snmpd):
    dead = start_snmpd()
    bench.add(snmpd.spec(), dead.spec("im"))
    dead.stop()
    snmpd.put_port()
    bench.poller.start()
    deadline = time.monotonic() + 20
    while bench.poller.status.slot is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert bench.poller.health() == {"devices": 2, "failed": 1, "problem": ""}
    begun = time.monotonic()
    bench.poller.stop()
    assert time.monotonic() - begun < 2.0
    # Once; a second time only where the next slot began meanwhile.
    times = [reading.time_seconds for reading in bench.stored()]
    assert 1 <= len(set(times)) == len(times) <= 2
