"""Pages and API against a real collector."""

from __future__ import annotations

import threading
import time

import pytest

from collector.settings import Settings, Web

OLD_MACHINE = {
    "bios": [{"vendor": "Dell Inc.", "version": "A01", "release_date": "05/11/2010"}],
    "system": [{"manufacturer": "Dell Inc.", "product": "OptiPlex <780>", "serial": "7XKQ2M1"}],
    "chassis": [{"manufacturer": "Dell Inc.", "type": "Desktop"}],
    "processor": [
        {
            "vendor_id": "GenuineIntel",
            "family": 6,
            "model": 23,
            "stepping": 10,
            "version": "Intel(R) Core(TM)2 Duo CPU E8400",
        }
    ],
    "dell_revisions": [{"manufacture_date": "20100514", "first_power_on_date": "20100601"}],
}


@pytest.fixture
def old_device(running, report, parts):
    me = running.enrol()
    facts = [parts["fact"](name, value) for name, value in OLD_MACHINE.items()]
    samples = [
        parts["sample"]("uptime_seconds", 5000.0),
        *(
            parts["sample"](f"link_{name}", value, {"target": "collector"})
            for name, value in (
                ("probes_sent", 10),
                ("probes_received", 9),
                ("rtt_min_seconds", 0.010),
                ("rtt_p50_seconds", 0.0125),
                ("rtt_p95_seconds", 0.020),
            )
        ),
    ]
    now = time.time()
    reports = [
        report(
            me["device_id"],
            sequence,
            wall=now - 600 + sequence * 60,
            samples=samples,
            facts=facts if sequence == 1 else (),
        )
        for sequence in range(1, 10)
    ]
    assert running.upload(me["token"], reports).status == 200
    running.wait_written()
    running.collector.jobs.tick(time.time())
    return me["device_id"]


class TestOpenPages:
    @pytest.fixture
    def settings(self):
        return Settings(web=Web(require_login=False))

    def test_every_page_shows_the_old_machine(self, running, old_device):
        overview = running.get("/").data.decode()
        assert "Tổng quan" in overview
        assert "Phường Thành Vinh" in overview
        unit = running.get("/units/16681").data.decode()
        assert "OptiPlex &lt;780&gt;" in unit
        device = running.get(f"/devices/{old_device}?hours=1").data.decode()
        assert "14/05/2010" in device
        assert '<polyline class="median"' in device
        assert "12,5 ms" in device
        assert "<780>" not in device
        listed = running.get("/investment-list").data.decode()
        assert f"/devices/{old_device}" in listed
        alerts = running.get("/alerts").data.decode()
        assert f"/devices/{old_device}" in alerts

    def test_english_is_a_switch_away_and_stays(self, running):
        answer = running.get("/?language=en")
        assert ">Overview<" in answer.data.decode()
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        assert ">Alerts<" in running.get("/alerts", Cookie=cookie).data.decode()

    def test_search_needs_no_accents(self, running):
        text = running.get("/?q=nghi+loc").data.decode()
        assert "Xã Nghi Lộc" in text
        assert "Phường Thành Vinh" not in text
        assert "Không có đơn vị phù hợp" in running.get("/?q=zzz").data.decode()

    @pytest.mark.parametrize("path", ["/units/99999", "/devices/unknown", "/investment-list/secret.txt"])
    def test_what_is_not_there_says_so(self, running, path):
        answer = running.get(path)
        assert (answer.status, "Không tìm thấy" in answer.data.decode()) == (404, True)

    def test_pages_let_nothing_foreign_in(self, running, old_device):
        answer = running.get(f"/devices/{old_device}")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        text = answer.data.decode()
        assert "<script" not in text
        assert "http://" not in text.replace("http://www.w3.org", "")
        assert running.get("/static/thongmang.css").status == 200

    def test_only_this_machine_gets_in_without_login(self, running):
        for header in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"):
            assert running.get("/", **{header: "10.0.0.9"}).status == 303, header
        assert running.get("/", Host="evil.example").status == 400

    def test_what_a_probe_says_is_text_and_nothing_else(self, running, report, parts):
        me = running.enrol()
        words = ["<h1 id=pwn>x</h1>", "disk 100% full", "%(x)s %d", "{0} {x}"]
        outcomes = [parts["outcome"](f"p{number}", "error", 0.1, text) for number, text in enumerate(words)]
        running.upload(me["token"], [report(me["device_id"], outcomes=outcomes)])
        running.wait_written()
        answer = running.get(f"/devices/{me['device_id']}")
        assert answer.status == 200
        text = answer.data.decode()
        assert "<h1 id=pwn>" not in text
        assert "disk 100% full" in text

    def test_addresses_that_make_no_sense_get_a_page(self, running):
        answer = running.get("/?all=perhaps")
        assert (answer.status, "Không hiểu được" in answer.data.decode()) == (422, True)

    def test_downloads(self, running, old_device):
        for name, start in (("danh-muc.xlsx", b"PK"), ("danh-muc.csv", b"\xef\xbb\xbf"), ("danh-muc.pdf", b"%PDF")):
            answer = running.get(f"/investment-list/{name}")
            assert answer.data.startswith(start)
            assert "attachment" in answer.headers["Content-Disposition"]


def test_a_moved_terminal_stays_the_same_and_shows_where_it_stood(running, old_device):
    from collector.db.devices import Place, move_device

    with running.collector.engine.begin() as connection:
        assert move_device(connection, old_device, Place("17827", "dang-uy"), time.time())
        assert not move_device(connection, "nobody", Place("17827", "dang-uy"), time.time())
    token = running.admin_token
    answer = running.http.request(
        "POST", running.url + "/login", fields={"token": token}, encode_multipart=False, redirect=False
    )
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    text = running.get(f"/devices/{old_device}", Cookie=cookie).data.decode()
    assert "Phường Thành Vinh, main" in text
    assert "Xã Nghi Lộc" in text
    assert running.api("/api/v1/devices?unit=17827")["total"] == 1


def test_the_offices_own_table_of_posts_is_read_and_a_broken_one_is_told(running):
    own = running.collector.state / "post_groups.toml"
    assert running.get("/api/v1/investment-list", running.admin_token).status == 200
    own.write_text("kind = 1")
    answer = running.get("/api/v1/investment-list", running.admin_token)
    assert (answer.status, str(own) in answer.json()["detail"]) == (503, True)
    own.unlink()
    assert running.get("/api/v1/investment-list", running.admin_token).status == 200


class TestLogin:
    def login(self, running, token, next_path="/"):
        return running.http.request(
            "POST",
            running.url + "/login",
            fields={"token": token, "next": next_path},
            encode_multipart=False,
            redirect=False,
        )

    def test_pages_ask_for_a_login_by_default(self, running):
        answer = running.get("/alerts")
        assert (answer.status, answer.headers["Location"]) == (303, "/login?next=/alerts")
        assert "Đăng nhập" in running.get("/login").data.decode()

    def test_a_session_begins_with_a_token_and_ends_with_logout(self, running):
        answer = self.login(running, running.admin_token, "/alerts")
        assert (answer.status, answer.headers["Location"]) == (303, "/alerts")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        cookie = cookie.split(";")[0]
        assert running.admin_token not in cookie
        assert running.get("/alerts", Cookie=cookie).status == 200
        running.http.request("POST", running.url + "/logout", headers={"Cookie": cookie}, redirect=False)
        assert running.get("/alerts", Cookie=cookie).status == 303

    def test_a_revoked_token_ends_its_sessions(self, running):
        cookie = self.login(running, running.admin_token).headers["Set-Cookie"].split(";")[0]
        with running.collector.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE access_token SET revoked_at = 1")
        assert running.get("/", Cookie=cookie).status == 303

    @pytest.mark.parametrize("next_path", ["https://evil.example/", "//evil.example", "/\\evil.example", "x", "//[x"])
    def test_a_login_leads_nowhere_else(self, running, next_path):
        assert self.login(running, running.admin_token, next_path).headers["Location"] == "/"

    def test_guessing_is_refused_and_slowed_down(self, running):
        answers = [self.login(running, "tm_0000_guess").status for _ in range(11)]
        assert answers == [403] * 10 + [429]


def alerts_of(running, rule, query=""):
    return [alert for alert in running.api(f"/api/v1/alerts{query}")["alerts"] if alert["rule"] == rule]


class TestApi:
    def test_everything_needs_a_token(self, running):
        for path in ("devices", "devices/x", "devices/x/latency", "alerts", "units", "investment-list", "rejected"):
            assert running.get(f"/api/v1/{path}").status == 401, path
            assert running.get(f"/api/v1/{path}", "tm_0_0").status == 401, path

    def test_a_device_with_its_evidence(self, running, old_device):
        device = running.api(f"/api/v1/devices/{old_device}?language=en")
        assert device["age"]["over_10_years"] == "yes"
        assert device["age"]["best"].startswith("2010-05")
        assert {"source", "earliest", "latest", "why"} <= set(device["age"]["evidence"][0])
        assert device["facts"]["system"][0]["product"] == "OptiPlex <780>"
        readings = running.api(f"/api/v1/devices/{old_device}/latency")["readings"]
        assert len(readings) == 9
        assert readings[0]["rtt_p50_us"] == 12500

    def test_alerts_carry_their_reason_in_the_readers_language(self, running, old_device):
        (alert,) = alerts_of(running, "device_over_10_years", "?language=en")
        assert (alert["rule"], alert["state"], alert["device_id"]) == ("device_over_10_years", "firing", old_device)
        assert "10" in alert["reason"]
        (vietnamese,) = alerts_of(running, "device_over_10_years")
        assert vietnamese["reason"] != alert["reason"]

    def test_a_revoked_terminal_raises_no_alert_any_more(self, running, old_device):
        from collector.db.devices import revoke_device

        with running.collector.engine.begin() as connection:
            revoke_device(connection, old_device, time.time())
        alerts = running.api("/api/v1/alerts")["alerts"]
        assert [alert for alert in alerts if alert["device_id"]] == []
        assert all(unit["firing"] == 0 for unit in running.api("/api/v1/units")["units"])

    def test_many_readers_at_once_wait_for_no_connection(self, running, old_device):
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(running.get("/api/v1/units", running.admin_token).status))
            for _ in range(60)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 60

    def test_units_and_the_list(self, running, old_device):
        units = running.api("/api/v1/units")["units"]
        assert len(units) == 130
        assert next(unit for unit in units if unit["code"] == "16681")["over_10_years"] == 1
        assert running.api("/api/v1/investment-list")["counts"]["listed"] == 1
        pdf = running.get("/api/v1/investment-list?format=pdf&block=dang&as_of=2026-11-21", running.admin_token)
        assert pdf.data.startswith(b"%PDF")
        assert "danh-muc-dau-tu-dang-2026-11-21.pdf" in pdf.headers["Content-Disposition"]
        assert running.get("/api/v1/investment-list?format=doc", running.admin_token).status == 422

    @pytest.mark.parametrize("query", ["start_seconds=5&end_seconds=5", "start_seconds=0&end_seconds=999999999"])
    def test_long_or_empty_times_are_refused(self, running, old_device, query):
        assert running.get(f"/api/v1/devices/{old_device}/latency?{query}", running.admin_token).status == 422

    def test_openapi_names_every_route(self, running):
        paths = running.get("/api/v1/openapi.json").json()["paths"]
        assert {"/api/v1/reports", "/api/v1/devices", "/api/v1/investment-list", "/healthz", "/metrics"} <= set(paths)

    def test_viewers_do_not_see_what_was_rejected(self, running):
        from collector.enrolment import create_access_token

        with running.collector.engine.begin() as connection:
            viewer = create_access_token(connection, label="IT", role="viewer", now=time.time())
        assert running.get("/api/v1/units", viewer).status == 200
        assert running.get("/api/v1/rejected", viewer).status == 403

    def test_health_and_metrics(self, running):
        deadline = time.monotonic() + 10
        while (health := running.get("/healthz")).status != 200:
            assert time.monotonic() < deadline
        assert (health.status, health.json()["status"], health.json()["store"]["kind"]) == (200, "ok", "embedded")
        assert "thongmang_collector_journal_entries 0.0" in running.get("/metrics").data.decode()
