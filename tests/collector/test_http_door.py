from __future__ import annotations

import json
import threading
import time

import pytest

from collector.settings import Agents, Limits, Settings, Target


def statuses(answer):
    assert answer.status == 200, answer.data
    return [result["status"] for result in answer.json()["results"]]


def test_a_join_code_opens_once(running):
    code = running.join_code(site="dang-uy")
    answer = running.post_enrolment(code.lower())
    assert answer.status == 200
    enrolled = answer.json()
    assert enrolled["configuration"]["targets"] == [
        {
            "name": "collector",
            "address": "127.0.0.1",
            "port": int(running.url.rsplit(":", 1)[1]),
            "role": "service",
        }
    ]
    assert running.post_enrolment(code).status == 403
    (device,) = running.api("/api/v1/devices")["devices"]
    assert (device["id"], device["unit_code"], device["site"]) == (enrolled["device_id"], "16681", "dang-uy")


def test_a_wrong_or_expired_code_is_refused_alike(running):
    expired = running.join_code(valid_seconds=-1.0)
    answers = [running.post_enrolment(code) for code in (expired, "AAAA-AAAA-AAAA", "")]
    assert [answer.status for answer in answers] == [403] * 3
    assert len({answer.data for answer in answers}) == 1


def test_one_code_used_by_two_at_once_lets_one_in(running):
    code = running.join_code()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(running.post_enrolment(code).status)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 403, 403, 403, 403, 403]


class TestFewEnrolments:
    @pytest.fixture
    def settings(self):
        return Settings(limits=Limits(enrolments_per_minute=2))

    def test_guessing_is_slowed_down(self, running):
        assert [running.post_enrolment("AAAA").status for _ in range(3)] == [403, 403, 429]
        answer = running.post_enrolment(running.join_code())
        assert answer.status == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60


class TestTargets:
    @pytest.fixture
    def settings(self):
        return Settings(
            agents=Agents(
                interval_seconds=30,
                targets=(
                    Target("cong", "10.0.0.1"),
                    Target("server", "dv.example", 443, "service", "https", "/status?a=1", verify=True),
                ),
                measure_collector=False,
            )
        )

    def test_configured_targets_are_handed_out(self, running):
        configuration = running.enrol()["configuration"]
        assert configuration["interval_seconds"] == 30
        assert configuration["targets"] == [
            {"name": "cong", "address": "10.0.0.1", "port": None},
            {
                "name": "server",
                "address": "dv.example",
                "port": 443,
                "role": "service",
                "service": "https",
                "path": "/status?a=1",
                "verify": True,
            },
        ]


def test_reports_are_stored_and_repeats_change_nothing(running, report):
    me = running.enrol()
    reports = [report(me["device_id"], sequence, wall=time.time() - 60 + sequence) for sequence in range(1, 6)]
    assert statuses(running.upload(me["token"], reports)) == ["accepted"] * 5
    assert statuses(running.upload(me["token"], reports, compressed=False)) == ["accepted"] * 5
    running.wait_written()
    readings = running.stored(device_id=me["device_id"])
    assert [item.fields["uptime_s"] for item in readings] == [1001, 1002, 1003, 1004, 1005]
    assert readings[0].tags == {"province": "40", "unit": "16681", "site": "main", "device_id": me["device_id"]}


def test_answers_come_report_by_report(running, report):
    me, other = running.enrol(), running.enrol()
    good, foreign = report(me["device_id"], 1), report(other["device_id"], 2)
    answer = running.upload(me["token"], [good, foreign, report(me["device_id"], 0)])
    assert statuses(answer) == ["accepted", "rejected", "rejected"]
    assert "not the one this token belongs to" in answer.json()["results"][1]["reason"]
    assert "expected 1" in answer.json()["results"][2]["reason"]
    kept = running.api("/api/v1/rejected")["rejected"]
    assert [item["kind"] for item in kept] == ["report", "report"]
    metrics = running.get("/metrics").data.decode()
    assert 'thongmang_collector_reports_total{status="rejected"} 2.0' in metrics
    assert 'thongmang_collector_rejected_total{kind="report"} 2.0' in metrics


def test_what_the_catalogue_does_not_know_is_kept_aside_not_stored(running, report, parts):
    me = running.enrol()
    secret = parts["fact"]("user_name", "nguyen.van.a")
    answer = running.upload(me["token"], [report(me["device_id"], facts=[secret])])
    assert statuses(answer) == ["accepted"]
    assert "1 parts set aside" in answer.json()["results"][0]["reason"]
    running.wait_written()
    assert "user_name" not in running.api(f"/api/v1/devices/{me['device_id']}")["facts"]
    assert running.api("/api/v1/rejected")["rejected"][0]["kind"] == "sample or fact"


@pytest.mark.parametrize("authorization", ["", "Basic abc", "Bearer ", "Bearer tm_0_0", "Bearer tm_x"])
def test_no_token_no_entry(running, report, authorization):
    answer = running.http.request(
        "POST",
        running.url + "/api/v1/reports",
        body=json.dumps({"wire_version": 1, "reports": []}).encode(),
        headers={"Authorization": authorization},
    )
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_access_token_is_no_device_token_nor_the_other_way(running):
    me = running.enrol()
    assert running.upload(running.admin_token, []).status == 401
    assert running.get("/api/v1/devices", me["token"]).status == 401


def test_a_revoked_device_is_out(running, report):
    from collector.db.devices import revoke_device

    me = running.enrol()
    with running.collector.engine.begin() as connection:
        assert revoke_device(connection, me["device_id"], time.time())
    assert running.upload(me["token"], [report(me["device_id"])]).status == 401


class TestSmallLimits:
    @pytest.fixture
    def settings(self):
        return Settings(limits=Limits(body_bytes=2000, decompressed_bytes=4000, series_per_device=2))

    def test_large_bodies_are_refused_with_the_limit(self, running):
        me = running.enrol()
        answer = running.upload(me["token"], None, raw=b" " * 3000, compressed=False)
        assert (answer.status, "limits.body_bytes = 2000" in answer.json()["detail"]) == (413, True)

    def test_zip_bombs_are_refused(self, running):
        me = running.enrol()
        answer = running.upload(me["token"], None, raw=b" " * 1_000_000)
        assert (answer.status, "4000 bytes when decompressed" in answer.json()["detail"]) == (413, True)

    def test_a_device_cannot_start_series_without_end(self, running, report, parts):
        me = running.enrol()
        for number in range(4):
            sample = parts["sample"]("link_probes_sent", 10, {"target": f"t{number}"})
            running.upload(me["token"], [report(me["device_id"], number + 1, samples=[sample])])
        running.wait_written()
        assert {item.tags["target"] for item in running.stored("link_latency", ("sent",))} == {"t0", "t1"}
        reasons = [item["reason"] for item in running.api("/api/v1/rejected")["rejected"]]
        assert reasons == ["link_probes_sent: limits.series_per_device = 2"] * 2


class TestNoRoom:
    @pytest.fixture
    def settings(self):
        return Settings(limits=Limits(journal_free_bytes=2**62))

    def test_a_full_disk_is_answered_with_retry(self, running, report):
        me = running.enrol()
        assert statuses(running.upload(me["token"], [report(me["device_id"])])) == ["retry"]
        assert running.stored() == []


def test_a_clock_from_2009_is_put_right_and_shown(running, report):
    me = running.enrol()
    before = time.time()
    running.upload(me["token"], [report(me["device_id"], 1, wall=1_240_000_000.0)])
    running.wait_written()
    (reading,) = running.stored(device_id=me["device_id"])
    assert abs(reading.time_seconds - before) < 10
    device = running.api(f"/api/v1/devices/{me['device_id']}")
    assert device["clock_skew_seconds"] == pytest.approx(1_240_000_000.0 - before, abs=10)


def test_facts_keep_their_history(running, report, parts):
    me = running.enrol()
    for sequence, serial in enumerate(("A1", "A1", "B2"), start=1):
        system = parts["fact"]("system", [{"serial": serial}])
        running.upload(
            me["token"], [report(me["device_id"], sequence, wall=time.time() - 10 + sequence, facts=[system])]
        )
    running.wait_written()
    assert running.api(f"/api/v1/devices/{me['device_id']}")["facts"]["system"] == [{"serial": "B2"}]
    with running.collector.engine.connect() as connection:
        history = connection.exec_driver_sql("SELECT value FROM device_fact_history").scalars().all()
    assert [json.loads(value) for value in history] == [[{"serial": "A1"}]]


def test_older_reports_do_not_undo_newer_ones(running, report, parts):
    me = running.enrol()
    now = time.time()
    for sequence, wall, serial in ((2, now - 5, "new"), (1, now - 500, "old")):
        fact = parts["fact"]("system", [{"serial": serial}])
        running.upload(me["token"], [report(me["device_id"], sequence, wall=wall, facts=[fact])])
    running.wait_written()
    device = running.api(f"/api/v1/devices/{me['device_id']}")
    assert device["facts"]["system"] == [{"serial": "new"}]
    assert device["last_report_at"] == pytest.approx(now - 5)
    assert len(running.stored(device_id=me["device_id"])) == 2


@pytest.mark.parametrize(
    "body",
    ['{"wire_version":1,"code":"\\ud800"}', '{"wire_version":1e400,"code":"A"}', "{", '{"wire_version":1,"code":"Đ"}'],
)
def test_enrolments_that_make_no_sense_are_refused(running, body):
    answer = running.http.request(
        "POST", running.url + "/api/v1/enrolments", body=body.encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status == 422


def test_no_route_takes_a_large_body_from_a_stranger(running):
    for path in ("/api/v1/enrolments", "/login", "/logout"):
        answer = running.http.request("POST", running.url + path, body=b"x" * 70_000)
        assert answer.status == 413, path


def test_what_was_refused_is_kept_once_and_cut(running, report):
    me = running.enrol()
    raw = json.dumps({"wire_version": 1, "reports": [{"x": "A" * 100_000}]}).encode()
    for _ in range(3):
        assert statuses(running.upload(me["token"], None, raw=raw)) == ["rejected"]
    with running.collector.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT length(body), body_bytes FROM rejected").all()
    assert rows == [(16 * 1024, len(raw) - len(b'{"wire_version": 1, "reports": []}'))]


class TestFewRejected:
    @pytest.fixture
    def settings(self):
        return Settings(limits=Limits(rejected_rows=3))

    def test_the_newest_refusals_are_kept(self, running, report):
        me = running.enrol()
        for number in range(6):
            running.upload(me["token"], [report(me["device_id"], 0, boot_id=f"b{number}")])
        assert len(running.api("/api/v1/rejected")["rejected"]) == 3
        assert 'rejected_total{kind="report"} 6.0' in running.get("/metrics").data.decode()
