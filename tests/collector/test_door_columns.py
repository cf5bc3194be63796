"""Version 2 of an upload at the door: short answers, configuration, what is set aside."""

from __future__ import annotations

import json
import time

import pytest

from agent.wire.codec import answer_from_json, report_to_json
from agent.wire.columns import compress_columns, encode_batch
from agent.wire.exchange import Moment, ReportName, UploadHead
from collector.settings import Limits, Settings


class Terminal:
    """Speaks version 2 with a running collector."""

    def __init__(self, running):
        enrolled = running.enrol()
        self.running = running
        self.device_id = enrolled["device_id"]
        self.token = enrolled["token"]

    def send(self, plain):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Encoding": "thongmang-2"}
        url = self.running.url + "/api/v1/reports"
        return self.running.http.request("POST", url, body=compress_columns(plain), headers=headers)

    def upload(self, reports, head=None):
        """The answer as an agent reads it, and as it came."""
        answer = self.send(encode_batch([report_to_json(report) for report in reports], head or UploadHead()))
        assert answer.status == 200, answer.data
        names = [ReportName(report.boot_id, report.sequence) for report in reports]
        return answer_from_json(answer.data, names), answer


class FixedSteering:
    """Says the same to everybody, and keeps what it was asked."""

    def __init__(self, configuration=None):
        self.configuration = configuration
        self.asked = []
        self.noted = []

    def note_upload(self, device_id, now):
        self.noted.append((device_id, now))

    def configuration_for(self, device_id, configuration_hash, now):
        self.asked.append((device_id, configuration_hash, now))
        return self.configuration


@pytest.fixture
def terminal(running):
    return Terminal(running)


def test_reports_are_stored_once_and_the_answer_is_short(running, terminal, report):
    running.collector.steering = FixedSteering()
    now = time.time()
    reports = [report(terminal.device_id, sequence, wall=now - 16 + sequence) for sequence in range(1, 16)]
    head = UploadHead(sent=Moment("boot-a", now, 1016.0))
    told, answer = terminal.upload(reports, head)
    assert [result.status for result in told.results] == ["accepted"] * 15
    assert abs(told.server_time_seconds - now) < 30
    assert (told.configuration, told.has_acknowledged) == (None, True)
    assert sorted(answer.json()) == ["accepted", "server_time_seconds", "wire_version"]
    assert len(answer.data) < 80
    assert sum(len(name) + len(value) + 4 for name, value in answer.headers.items()) < 60
    terminal.upload(reports, head)
    running.wait_written()
    readings = running.stored(device_id=terminal.device_id)
    assert [item.fields["uptime_s"] for item in readings] == list(range(1001, 1016))
    metrics = running.get("/metrics").data.decode()
    assert 'thongmang_collector_reports_total{status="accepted"} 30.0' in metrics


def test_a_clock_a_day_behind_is_put_right_and_shown(running, terminal, report):
    wall = time.time() - 86400
    head = UploadHead(sent=Moment("boot-a", wall, 1001.0))
    terminal.upload([report(terminal.device_id, wall=wall)], head)
    running.wait_written()
    device = running.api(f"/api/v1/devices/{terminal.device_id}")
    assert device["clock_skew_seconds"] == pytest.approx(-86400, abs=10)
    (reading,) = running.stored(device_id=terminal.device_id)
    assert abs(reading.time_seconds - time.time()) < 10


def test_what_is_not_as_usual_stands_in_the_answer(running, terminal, report, parts):
    strange = parts["fact"]("user_name", "nguyen.van.a")
    reports = [
        report(terminal.device_id, 1),
        report(terminal.device_id, 0),
        report(terminal.device_id, 3, facts=[strange]),
        report("another", 4),
    ]
    told, answer = terminal.upload(reports)
    assert [result.status for result in told.results] == ["accepted", "rejected", "accepted", "rejected"]
    assert answer.json()["accepted"] == 2
    assert [place for place, _, _ in answer.json()["exceptions"]] == [1, 2, 3]
    assert "sequence 0" in told.results[1].reason
    assert "1 parts set aside" in told.results[2].reason
    assert "not the one this token belongs to" in told.results[3].reason
    kept = running.api("/api/v1/rejected")["rejected"]
    assert sorted(item["kind"] for item in kept) == ["report", "report", "sample or fact"]
    with running.collector.engine.connect() as connection:
        bodies = connection.exec_driver_sql("SELECT body FROM rejected WHERE kind = 'report'").scalars().all()
    assert sorted(json.loads(body)["sequence"] for body in bodies) == [0, 4]


def test_all_reports_of_another_device_are_rejected(running, terminal, report):
    told, _ = terminal.upload([report("another", 1), report("another", 2)])
    assert [result.status for result in told.results] == ["rejected", "rejected"]
    running.wait_written()
    assert running.stored() == []


def test_a_column_of_a_later_agent_is_kept_aside(running, terminal, report):
    body = json.loads(encode_batch([report_to_json(report(terminal.device_id, 1))], UploadHead()))
    body["samples"] += [[f"later_{number}", [], [1]] for number in range(7)]
    answer = terminal.send(json.dumps(body).encode())
    assert answer.json()["accepted"] == 1
    assert answer.json()["set_aside"] == [f"metric 'later_{number}' is not in the catalogue" for number in range(5)]
    metrics = running.get("/metrics").data.decode()
    assert 'thongmang_collector_rejected_total{kind="column"} 7.0' in metrics
    with running.collector.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT body FROM rejected WHERE kind = 'column'").scalars().all()
    assert json.loads(rows[0]) == ["later_0", [], [1]]


def test_an_older_backup_shows(running, terminal, report):
    terminal.upload([report(terminal.device_id, 1)])
    there = UploadHead(acknowledged=ReportName("boot-a", 1))
    gone = UploadHead(acknowledged=ReportName("boot-a", 99))
    assert terminal.upload([report(terminal.device_id, 2)], there)[0].has_acknowledged
    told, answer = terminal.upload([report(terminal.device_id, 3)], gone)
    assert told.has_acknowledged is False
    assert answer.json()["has_acknowledged"] is False
    # It is asked of this terminal's reports only.
    other = Terminal(running)
    assert other.upload([report(other.device_id, 1)], there)[0].has_acknowledged is False


def test_configuration_comes_with_the_answer(running, terminal, report):
    steering = FixedSteering({"interval_seconds": 60, "targets": []})
    running.collector.steering = steering
    told, _ = terminal.upload([report(terminal.device_id, 1)], UploadHead("abc"))
    assert told.configuration == steering.configuration
    assert [(device_id, known) for device_id, known, _ in steering.asked] == [(terminal.device_id, "abc")]
    # Version 1 has no room for it, but counts as a sign of life.
    running.upload(terminal.token, [report(terminal.device_id, 2)])
    assert len(steering.asked) == 1
    assert [device_id for device_id, _ in steering.noted] == [terminal.device_id] * 2
    assert all(abs(now - time.time()) < 30 for _, now in steering.noted)


def test_a_stranger_is_no_sign_of_life(running, terminal, report):
    running.collector.steering = steering = FixedSteering()
    terminal.token += "x"
    answer = terminal.send(encode_batch([], UploadHead()))
    assert answer.status == 401
    assert steering.noted == []


def test_reports_are_taken_whatever_steering_makes_of_them(running, terminal, report, caplog):
    running.collector.steering = object()
    told, _ = terminal.upload([report(terminal.device_id, 1)])
    assert (told.results[0].status, told.configuration) == ("accepted", None)
    assert "steering failed at note_upload" in caplog.text


def test_a_large_batch_is_decoded_beside_the_event_loop(running, terminal, report, parts):
    facts = [
        parts["fact"]("os_name", "".join(chr(0x4E00 + (i * i * 7919 + j) % 20000) for j in range(500)))
        for i in range(20)
    ]
    reports = [report(terminal.device_id, number, facts=facts[number : number + 1]) for number in range(1, 20)]
    plain = encode_batch([report_to_json(one) for one in reports], UploadHead())
    assert len(compress_columns(plain)) > 8 * 1024
    assert terminal.send(plain).json()["accepted"] == 19


class TestSmallLimits:
    @pytest.fixture
    def settings(self):
        return Settings(limits=Limits(columns_per_batch=3, samples_per_batch=5, reports_per_batch=4))

    @pytest.mark.parametrize(
        ("count", "metrics", "words"),
        [
            (5, ["uptime_seconds"], "limits.reports_per_batch = 4"),
            (1, ["uptime_seconds"] * 4, "limits.columns_per_batch = 3"),
            (3, ["uptime_seconds"] * 2, "limits.samples_per_batch = 5"),
        ],
    )
    def test_each_has_an_answer_and_is_counted(self, running, terminal, report, parts, count, metrics, words):
        samples = [parts["sample"](metric, 1.0) for metric in metrics]
        reports = [report(terminal.device_id, number, samples=samples) for number in range(1, count + 1)]
        answer = terminal.send(encode_batch([report_to_json(one) for one in reports], UploadHead()))
        assert answer.status == 413
        assert words in answer.json()["detail"]
        assert 'reports_total{status="unreadable"} 1.0' in running.get("/metrics").data.decode()


class TestNoRoom:
    @pytest.fixture
    def settings(self):
        return Settings(limits=Limits(journal_free_bytes=2**62))

    def test_a_full_disk_is_answered_with_retry(self, running, terminal, report):
        told, answer = terminal.upload([report(terminal.device_id, 1), report(terminal.device_id, 2)])
        assert [result.status for result in told.results] == ["retry", "retry"]
        assert answer.json()["accepted"] == 0
