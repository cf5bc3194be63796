"""When what is sent: new before history, history under its limit, last words, and a collector that lost reports."""

import contextlib
import threading
import time
from dataclasses import replace

import pytest

from agent.backoff import REQUEST_BYTES
from agent.config import Identity
from agent.configuration import Configuration
from agent.spool import SPOOL_FILE, Spool
from agent.status import read_status
from agent.uplink import Uplink
from agent.wire.codec import report_to_json
from agent.wire.report import Report, Sample


class Terminal:
    """A spool and an uplink whose thread can be started and ended."""

    def __init__(self, folder, url, host):
        self.folder = folder
        self.host = host
        self.said = []
        self.answers = []
        self.told = Configuration(60, 900)
        self.spool = Spool(folder / SPOOL_FILE, host)
        self.uplink = Uplink(
            Identity(url, "d", "token", None, self.told),
            self.spool,
            host,
            announce=lambda message: self.said.append(message.render()),
            draw=lambda: 0.0,
            on_answer=self.answers.append,
        )
        self.stop, self.first = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.uplink.run, args=(self.stop, self.first))

    def keep(self, count):
        def build(boot_id, sequence, waiting, dropped):
            samples = (Sample("spool_reports", waiting),)
            return report_to_json(Report(1, "d", boot_id, sequence, 1.8e9 + sequence, float(sequence), samples=samples))

        return [self.spool.append(build) for _ in range(count)]

    def tell(self, **changes):
        self.told = replace(self.told, **changes)
        self.uplink.follow(self.told)

    def start(self):
        self.first.set()
        self.thread.start()

    def end(self):
        self.stop.set()
        self.uplink.wake()
        if self.thread.ident is not None:
            self.thread.join(10)
            assert not self.thread.is_alive()

    def close(self):
        self.end()
        self.uplink.close()
        self.spool.close()


@pytest.fixture
def terminal(tmp_path, collector, stepped_host):
    with contextlib.closing(Terminal(tmp_path, collector.url, stepped_host)) as made:
        yield made


def sequences_of(collector):
    return [[report["sequence"] for report in request["reports"]] for request in collector.requests]


def wait_for(condition, seconds=10.0):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.01)


def test_a_shorter_interval_takes_effect_at_once(terminal, collector):
    terminal.keep(1)
    terminal.start()
    wait_for(lambda: len(collector.requests) == 1)
    terminal.keep(1)
    time.sleep(0.2)
    assert len(collector.requests) == 1
    terminal.tell(upload_interval_seconds=0.1)
    wait_for(lambda: len(collector.requests) == 2, 2.0)
    terminal.tell(upload_interval_seconds=900)
    terminal.keep(1)
    time.sleep(0.3)
    assert sequences_of(collector) == [[1], [2]]


def test_a_new_configuration_does_not_cut_a_wait_after_a_failure_short(terminal, collector):
    collector.script = [{"status": 503, "headers": {"Retry-After": "60"}}]
    terminal.keep(1)
    terminal.start()
    wait_for(lambda: len(collector.requests) == 1)
    terminal.tell(upload_interval_seconds=0.05)
    time.sleep(0.3)
    assert len(collector.requests) == 1


def test_history_trickles_behind_what_is_new(terminal, collector):
    terminal.tell(batch_reports=4, history_bytes_per_minute=400_000)
    terminal.keep(10)
    terminal.start()
    wait_for(lambda: len(collector.requests) == 1)
    # Two more are measured before the first batch of history: they go with it, in front.
    began = time.monotonic()
    terminal.keep(2)
    wait_for(lambda: len(collector.requests) == 3)
    least = 2 * REQUEST_BYTES * 60 / 400_000
    assert least < time.monotonic() - began + 0.1
    assert sequences_of(collector) == [[7, 8, 9, 10], [5, 6, 11, 12], [1, 2, 3, 4]]
    # Over one connection: a handshake for each batch would not be in the count of bytes.
    assert len({request["connection"] for request in collector.requests}) == 1
    # Nothing is left: the next is after the interval.
    terminal.keep(1)
    time.sleep(0.5)
    assert len(collector.requests) == 3


def test_the_wait_behind_a_batch_is_that_of_its_bytes(terminal, collector):
    terminal.tell(batch_reports=5, history_bytes_per_minute=60_000)
    terminal.keep(10)
    cycle = terminal.uplink.cycle(most_batches=1)
    assert cycle.is_history_left
    assert terminal.uplink.next_wait_seconds(cycle) == (cycle.exchanges[0].sent_bytes + REQUEST_BYTES) / 1000
    cycle = terminal.uplink.cycle(most_batches=1)
    assert not cycle.is_history_left
    assert terminal.uplink.next_wait_seconds(cycle) == 900
    assert sequences_of(collector) == [[6, 7, 8, 9, 10], [1, 2, 3, 4, 5]]


def test_a_report_kept_during_an_upload_is_no_history(terminal, collector):
    terminal.tell(batch_reports=5)
    terminal.keep(5)

    def measured_meanwhile(report):
        if report["sequence"] == 5:
            terminal.keep(1)
        return "accepted", ""

    collector.judge = measured_meanwhile
    cycle = terminal.uplink.cycle(most_batches=1)
    assert terminal.spool.counts().reports == 1
    assert not cycle.is_history_left


def test_last_words_are_sent_before_the_end(terminal, collector):
    terminal.keep(1)
    terminal.start()
    wait_for(lambda: len(collector.requests) == 1)
    terminal.keep(3)
    began = time.monotonic()
    terminal.end()
    assert time.monotonic() - began < 5
    assert sequences_of(collector) == [[1], [2, 3, 4]]


def test_no_last_words_where_there_is_nothing_to_say(terminal, collector):
    terminal.keep(1)
    terminal.start()
    wait_for(lambda: terminal.answers)
    terminal.end()
    assert len(collector.requests) == 1


def test_no_last_words_to_a_collector_that_refuses_the_token(terminal, collector):
    collector.script = [{"status": 401}]
    terminal.keep(1)
    terminal.start()
    wait_for(lambda: terminal.said)
    terminal.keep(1)
    terminal.end()
    assert len(collector.requests) == 1
    assert terminal.spool.counts().reports == 2


def restored(accepted):
    return {"body": {"wire_version": 2, "server_time_seconds": 1.0, "accepted": accepted, "has_acknowledged": False}}


def test_a_collector_restored_from_an_older_backup_gets_everything_again(terminal, collector):
    terminal.keep(5)
    terminal.uplink.cycle()
    terminal.keep(2)
    collector.script = [restored(2)]
    cycle = terminal.uplink.cycle()
    assert sequences_of(collector) == [[1, 2, 3, 4, 5], [6, 7], [1, 2, 3, 4, 5]]
    assert cycle.accepted == 7
    assert terminal.said == ["the collector was restored from an older backup; 5 reports are sent to it once more"]
    status = read_status(terminal.folder)
    assert (status.waiting, status.sent, status.sent_again_total) == (0, 7, 5)


def test_a_collector_that_always_says_so_is_sent_the_same_once_an_hour(terminal, collector, stepped_host):
    terminal.keep(5)
    terminal.uplink.cycle()
    # The answer to what is sent again says so too.
    collector.script = [restored(1), restored(5), *[restored(1)] * 10]
    for _ in range(10):
        terminal.keep(1)
        terminal.uplink.cycle()
        stepped_host.pass_time(60)
    assert terminal.spool.counts().sent_again_total == 5
    assert len(terminal.said) == 1
    # What it did not have is not forgotten over the hour.
    stepped_host.pass_time(3600)
    terminal.keep(1)
    collector.script = [restored(1)]
    terminal.uplink.cycle()
    counts = terminal.spool.counts()
    assert counts.sent_again_total > 15
    assert len(terminal.said) == 2


def test_every_answer_is_handed_on(terminal, collector):
    told = {"interval_seconds": 30}
    body = {"wire_version": 2, "server_time_seconds": 7.0, "accepted": 1, "configuration": told}
    collector.script = [{"body": body}]
    terminal.keep(1)
    terminal.uplink.cycle()
    (answer,) = terminal.answers
    assert (answer.configuration, answer.server_time_seconds) == (told, 7.0)


def test_each_opened_connection_gives_its_times_once(terminal):
    # Connections stay open between uploads that follow each other fast.
    terminal.tell(upload_interval_seconds=60)
    terminal.keep(1)
    terminal.uplink.cycle()
    terminal.keep(1)
    terminal.uplink.cycle()
    (times,) = terminal.uplink.take_connect_times()
    assert 0 < times.connect_seconds < 1
    assert terminal.uplink.take_connect_times() == []
    terminal.uplink.close()
    terminal.keep(1)
    terminal.uplink.cycle()
    assert len(terminal.uplink.take_connect_times()) == 1


def test_a_connection_that_was_refused_is_told_too(terminal, collector):
    collector.close()
    terminal.keep(1)
    assert terminal.uplink.cycle().error is not None
    (times,) = terminal.uplink.take_connect_times()
    assert times.connect_seconds is None
