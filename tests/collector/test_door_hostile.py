"""What a terminal's token can do to others by a strange upload: nothing that lasts, and nothing that is not told."""

from __future__ import annotations

import json
import time

import pytest

from agent.wire.columns import compress_columns
from collector.doors.reports import PARTS_KEPT
from collector.settings import Settings, Web

TOO_MANY_FACTS = 101


@pytest.fixture
def send(running):
    enrolled = running.enrol()
    now_ms = int(time.time() * 1000)

    def _send(**changed):
        body = {
            "wire_version": 2,
            "device_id": enrolled["device_id"],
            "boots": ["boot-a"],
            "runs": [[0, 1, 1]],
            "monotonic_ms": [1000],
            "offset_ms": [now_ms - 1000],
            "samples": [["uptime_seconds", [], [1]]],
            **changed,
        }
        headers = {"Authorization": f"Bearer {enrolled['token']}", "Content-Encoding": "thongmang-2"}
        plain = compress_columns(json.dumps(body).encode())
        return running.http.request("POST", running.url + "/api/v1/reports", body=plain, headers=headers)

    return _send


def kept(running, kind):
    with running.collector.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT reason FROM rejected WHERE kind = ? ORDER BY id", (kind,))
        return list(rows.scalars())


def test_a_short_body_of_many_wrong_numbers_does_not_hold_the_registry(running, send):
    """A few hundred bytes stand for 99,000 numbers; kept one by one they stopped everybody for minutes."""
    answer = send(runs=[[0, 1, 1000]], samples=[["uptime_seconds", [], [-1] * 1000]] * 99)
    assert answer.json()["accepted"] == 1000
    *reasons, last = kept(running, "sample or fact")
    # The same thing is kept once: 99 times the first report's number, and so on.
    assert reasons == [f"uptime_seconds: {number}.0 is out of range" for number in (-1, -2, -3)]
    assert last.startswith(f"{99_000 - PARTS_KEPT} more of this upload, not kept one by one; the first: uptime_seconds")


def test_of_many_unreadable_columns_the_first_are_kept(running, send):
    answer = send(samples=[[f"later_{number}", [], [1]] for number in range(PARTS_KEPT + 7)])
    assert answer.json()["accepted"] == 1
    *reasons, last = kept(running, "column")
    assert len(reasons) == PARTS_KEPT
    assert last.startswith(f"7 more of this upload, not kept one by one; the first: metric 'later_{PARTS_KEPT}'")


def test_more_facts_than_its_reports_may_have_are_refused_before_they_are_read(running, send):
    answer = send(facts=[[0, "os_name", "x"]] * TOO_MANY_FACTS)
    assert answer.status == 413
    assert f"limits.facts_per_report = {running.collector.settings.limits.facts_per_report}" in answer.json()["detail"]


@pytest.mark.parametrize("number", [2**63, 2**70, 0, -(2**63)])
def test_a_report_that_cannot_be_named_counts_as_not_named(send, number):
    answer = send(acknowledged=["boot-a", number])
    assert answer.status == 200
    assert "has_acknowledged" not in answer.json()


@pytest.mark.parametrize(
    "sent", [["boot-a", -(2**63), -(2**63)], ["boot-a", 2**70, 0], ["boot-a", 0, 2**70], ["boot-a", 0, -1], ["", 1, 1]]
)
def test_a_moment_that_no_clock_shows_counts_as_not_said(running, send, sent):
    answer = send(sent=sent)
    assert answer.status == 200
    assert (answer.json()["accepted"], answer.json().get("exceptions")) == (1, None)
    running.wait_written()
    (reading,) = running.stored()
    assert abs(reading.time_seconds - time.time()) < 30


class TestPages:
    @pytest.fixture
    def settings(self):
        return Settings(web=Web(require_login=False))

    def test_a_fact_of_the_wrong_kind_does_not_shut_the_terminals_page(self, running, send):
        """Its history is kept for good: a page that fails on it would stay shut."""
        for sequence, size in enumerate(["x", True, -1, 1e18, None, 8 * 1024**3], start=1):
            rows = [{"size_bytes": size, "model": "y"}]
            facts = [[0, "memory_device", [{"size_bytes": size}]], [0, "disk", rows], [0, "os_name", size]]
            answer = send(runs=[[0, sequence, 1]], facts=facts)
            assert answer.json()["accepted"] == 1
            running.wait_written()
        (device,) = running.api("/api/v1/devices")["devices"]
        page = running.get(f"/devices/{device['id']}")
        assert page.status == 200
        assert "8 GiB" in page.data.decode()


@pytest.mark.parametrize("number", [10**400, 2**63, -(2**64), 1e300])
def test_a_number_in_a_fact_that_nothing_can_count_with_is_set_aside(running, send, number):
    answer = send(facts=[[0, "disk", [{"power_on_hours": number}]], [0, "os_name", "Windows 10 Pro"]])
    assert answer.json()["exceptions"] == [[0, "accepted", f"1 parts set aside: disk: a number is beyond {2**63 - 1}"]]
