"""Uploads to a real HTTP server on loopback that answers as each test tells it."""

import socket
import ssl
import threading
import time
from dataclasses import replace

import pytest

import agent
from agent.config import Identity
from agent.configuration import Configuration
from agent.errors import UplinkError
from agent.host import Host
from agent.spool import SPOOL_FILE, Spool
from agent.status import read_status
from agent.uplink import Uplink
from agent.wire.codec import report_to_json
from agent.wire.report import Report, Sample


def body(boot_id, sequence, waiting, dropped):
    report = Report(1, "d", boot_id, sequence, 1_800_000_000.0 + sequence, 10.0 + sequence)
    report = replace(report, samples=(Sample("spool_reports", waiting), Sample("uptime_seconds", 10.0 + sequence)))
    return report_to_json(report)


class Room:
    """A spool, an uplink and what they said."""

    def __init__(self, tmp_path, url, count=0, **options):
        self.said = []
        self.state_dir = tmp_path
        self.spool = Spool(tmp_path / SPOOL_FILE, Host())
        self.fill(count)
        self.told = Configuration(60, 300)
        identity = Identity(url, "d", "secret-token", options.pop("ca_file", None), self.told)
        self.uplink = Uplink(identity, self.spool, Host(), announce=self.said.append, draw=lambda: 1.0)

    def fill(self, count):
        for _ in range(count):
            self.spool.append(body)

    def waiting(self):
        return [entry.sequence for entry in self.spool.batch(1000, 10**8)]

    def tell(self, **changes):
        self.told = replace(self.told, **changes)
        self.uplink.follow(self.told)

    def words(self):
        return [message.render() for message in self.said]

    def close(self):
        self.uplink.close()
        self.spool.close()


@pytest.fixture
def room(tmp_path, collector):
    made = []

    def make(count=0, url=None, **options):
        made.append(Room(tmp_path, url or collector.url, count, **options))
        return made[-1]

    yield make
    for item in made:
        item.close()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr("agent.uplink._CATCH_UP_PAUSE_SECONDS", 0.0)


def test_accepted_reports_leave_the_spool(room, collector):
    it = room(3)
    cycle = it.uplink.cycle()
    assert (cycle.accepted, cycle.rejected, cycle.kept, cycle.error) == (3, 0, 0, None)
    assert it.waiting() == []
    request = collector.requests[0]
    assert request["path"] == "/api/v1/reports"
    headers = {name.lower(): value for name, value in request["headers"].items()}
    assert headers["authorization"] == "Bearer secret-token"
    assert headers["content-encoding"] == "thongmang-2"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "thongmang-agent/" + agent.__version__
    assert [report["sequence"] for report in request["reports"]] == [1, 2, 3]
    exchange = cycle.exchanges[0]
    assert exchange.sent_bytes < exchange.plain_bytes
    assert [result.status for result in exchange.results] == ["accepted"] * 3
    assert it.uplink.next_wait_seconds(cycle) == 300


def test_no_clock_is_told_under_the_name_of_the_boot_before(room, monkeypatch):
    it = room(2)
    assert it.uplink._head().sent is not None
    # Started again, and the first report could not be kept: another program held the file.
    monkeypatch.setattr(it.uplink._host, "boot_id", lambda: "started again")
    assert it.uplink._head().sent is None


def test_each_report_gets_its_own_answer(room, collector):
    words = {1: ("accepted", ""), 2: ("rejected", "too old"), 3: ("retry", "busy"), 4: (None, ""), 5: ("whatever", "")}
    collector.judge = lambda report: words[report["sequence"]]
    it = room(5)
    cycle = it.uplink.cycle()
    assert (cycle.accepted, cycle.rejected, cycle.kept) == (1, 1, 3)
    assert it.waiting() == [3, 4, 5]
    assert [(sequence, reason) for _, sequence, reason in it.spool.rejected()] == [(2, "too old")]
    assert len(collector.requests) == 1
    # What was asked to come again waits, and not for the whole interval at first.
    assert it.uplink.next_wait_seconds(cycle) == 5
    assert "refused 1 reports for good" in it.words()[-1]


def test_the_newest_first_and_so_back(room, collector):
    it = room(10)
    it.tell(batch_reports=4)
    cycle = it.uplink.cycle()
    assert sequences_of(collector) == [[7, 8, 9, 10], [3, 4, 5, 6], [1, 2]]
    assert it.waiting() == []
    assert not cycle.is_history_left


def sequences_of(collector):
    return [[report["sequence"] for report in request["reports"]] for request in collector.requests]


def test_one_connection_for_many_uploads(room, collector):
    it = room(5)
    it.tell(batch_reports=1)
    it.uplink.cycle()
    assert len({request["connection"] for request in collector.requests}) == 1


def test_a_connection_closed_while_idle_is_opened_anew(room, collector):
    collector.script = [{"close": True}]
    it = room(1)
    it.uplink.cycle()
    it.fill(1)
    cycle = it.uplink.cycle()
    assert cycle.error is None
    assert len({request["connection"] for request in collector.requests}) == 2


def test_an_answer_that_never_comes_keeps_everything(room, collector):
    collector.script = [{"drop": True}]
    it = room(2)
    cycle = it.uplink.cycle()
    assert isinstance(cycle.error, UplinkError)
    assert it.waiting() == [1, 2]
    assert it.uplink.cycle().accepted == 2


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_bad_report_is_found_by_halving(room, collector, status):
    collector.bad_sequences, collector.bad_status = {5}, status
    it = room(8)
    cycle = it.uplink.cycle()
    assert (cycle.accepted, cycle.rejected, cycle.error) == (7, 1, None)
    assert it.waiting() == []
    assert [(sequence, reason) for _, sequence, reason in it.spool.rejected()] == [(5, f"HTTP status {status}")]
    assert len(collector.requests) <= 8


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_collector_that_refuses_everything_costs_no_report(room, collector, status):
    collector.script = [{"status": status}] * 100
    it = room(40)
    cycle = it.uplink.cycle()
    assert "refuses every report" in str(cycle.error)
    assert cycle.error.permanent
    assert len(it.waiting()) == 40
    assert it.spool.rejected() == []
    assert len(collector.requests) < 15


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_keeps_everything_and_waits_long(room, collector, status):
    collector.script = [{"status": status}]
    it = room(2)
    cycle = it.uplink.cycle()
    assert it.waiting() == [1, 2]
    assert cycle.error.permanent
    assert it.uplink.next_wait_seconds(cycle) == 300
    assert "token" in it.words()[0]
    assert "token" in read_status(it.state_dir).last_error.render()
    assert "secret" not in it.words()[0]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept(room, collector, status):
    collector.script = [{"status": status, "headers": {"Retry-After": "120"}}]
    it = room(1)
    cycle = it.uplink.cycle()
    assert it.waiting() == [1]
    assert 120 <= it.uplink.next_wait_seconds(cycle) <= 150


@pytest.mark.parametrize("status", [302, 404, 405, 500, 502])
def test_every_other_answer_keeps_everything(room, collector, status):
    collector.script = [{"status": status, "headers": {"Location": "http://127.0.0.1:9/"}}]
    it = room(1)
    cycle = it.uplink.cycle()
    assert it.waiting() == [1]
    assert cycle.error.status == status
    assert cycle.error.permanent is (status < 500)


def test_a_collector_of_version_1_is_spoken_to_in_version_1(room, collector):
    collector.knows_columns = False
    it = room(3)
    assert it.uplink.cycle().accepted == 3
    it.fill(1)
    assert it.uplink.cycle().accepted == 1
    # It is asked once a day whether it has become another.
    assert [request["status"] for request in collector.requests] == [415, 200, 200]
    assert it.waiting() == []


@pytest.mark.parametrize("answer", [b"", b"<html>", {}, {"results": "x"}, {"results": [{}]}, [1]])
def test_an_answer_of_another_kind_keeps_everything(room, collector, answer):
    collector.script = [{"body": answer}]
    it = room(1)
    cycle = it.uplink.cycle()
    assert "not of this contract" in str(cycle.error)
    assert it.waiting() == [1]


def test_an_answer_without_end_is_cut_off(room, collector, monkeypatch):
    monkeypatch.setattr("agent.connection.ANSWER_LIMIT_BYTES", 100_000)
    collector.script = [{"body": b"x" * 500_000}]
    it = room(1)
    assert "not of this contract" in str(it.uplink.cycle().error)
    # What was left of it is not taken for the next answer.
    assert it.uplink.cycle().accepted == 1


def test_answers_for_other_reports_change_nothing(room, collector):
    results = [{"boot_id": "other", "sequence": 1, "status": "accepted", "reason": ""}]
    collector.script = [{"body": {"wire_version": 1, "server_time_seconds": 1, "results": results}}]
    it = room(1)
    assert it.uplink.cycle().kept == 1
    assert it.waiting() == [1]


def test_nobody_listens(room):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    it = room(1, url=url)
    waits = [it.uplink.next_wait_seconds(it.uplink.cycle()) for _ in range(8)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    assert it.waiting() == [1]
    assert len(it.words()) == 1
    assert "did not answer" in it.words()[0]


def test_recovery_is_said_and_shown(room, collector):
    collector.script = [{"status": 500}]
    it = room(1)
    it.uplink.cycle()
    assert read_status(it.state_dir).last_error is not None
    it.uplink.cycle()
    assert it.words()[-1] == "the collector takes reports again"
    status = read_status(it.state_dir)
    assert (status.last_error, status.waiting) == (None, 0)
    assert abs(status.last_upload_at - time.time()) < 60


def test_the_thread_sends_when_there_is_something_and_ends_when_told(room, collector):
    it = room()
    stop, first = threading.Event(), threading.Event()
    it.tell(upload_interval_seconds=0.1)
    thread = threading.Thread(target=it.uplink.run, args=(stop, first))
    thread.start()
    time.sleep(0.2)
    assert collector.requests == []
    it.fill(2)
    first.set()
    wait_for(lambda: len(collector.reports) == 2)
    it.fill(1)
    wait_for(lambda: len(collector.reports) == 3)
    stop.set()
    it.uplink.wake()
    thread.join(5)
    assert not thread.is_alive()


def test_a_surprise_does_not_end_the_thread(room, collector, monkeypatch):
    it = room(1)
    stop, first = threading.Event(), threading.Event()
    first.set()
    real, calls = it.uplink.cycle, []

    def sometimes(**options):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("C:\\Users\\somebody")
        return real(**options)

    monkeypatch.setattr(it.uplink, "cycle", sometimes)
    it.tell(upload_interval_seconds=0.05)
    monkeypatch.setattr("agent.uplink.backoff_seconds", lambda *arguments, **options: 0.05)
    thread = threading.Thread(target=it.uplink.run, args=(stop, first))
    thread.start()
    wait_for(lambda: len(collector.reports) == 1)
    stop.set()
    it.uplink.wake()
    thread.join(5)
    assert it.words()[0] == "uploading failed unexpectedly (RuntimeError); it will be tried again"


def wait_for(condition, seconds=10.0):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.01)


# TLS


@pytest.fixture
def authority():
    return pytest.importorskip("trustme").CA()


@pytest.fixture
def tls_collector(make_collector, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return make_collector(tls_context=context)


def test_tls_with_the_pinned_authority(room, tls_collector, authority, tmp_path):
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    cycle = room(2, url=tls_collector.url, ca_file=str(ca_file)).uplink.cycle()
    assert cycle.accepted == 2


def test_tls_with_another_authority_sends_nothing(room, tls_collector, tmp_path):
    other = pytest.importorskip("trustme").CA()
    ca_file = tmp_path / "ca.pem"
    other.cert_pem.write_to_path(str(ca_file))
    it = room(2, url=tls_collector.url, ca_file=str(ca_file))
    cycle = it.uplink.cycle()
    assert "not trusted" in str(cycle.error)
    assert tls_collector.requests == []
    assert it.waiting() == [1, 2]


def test_tls_without_an_authority_trusts_the_system_s_only(room, tls_collector):
    cycle = room(1, url=tls_collector.url).uplink.cycle()
    assert "not trusted" in str(cycle.error)
    assert tls_collector.requests == []
