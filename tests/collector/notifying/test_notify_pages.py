"""The pages and the API of alerts and notifications, with a running collector."""

from __future__ import annotations

import re
import time

import pytest
from sqlalchemy import insert, select

from collector.db.notification_tables import acknowledgement, incident, silence
from collector.db.tables import alert_state, transition
from collector.enrolment import create_access_token
from collector.settings import Alerts, Notify, Settings


class Reader:
    """A browser's cookies and forms, without a browser."""

    def __init__(self, running, token):
        self.running, self.cookie = running, ""
        self.cookie = self.post("/login", token=token).headers["Set-Cookie"].split(";")[0]

    def get(self, path):
        answer = self.running.get(path, Cookie=self.cookie)
        return answer.status, answer.data.decode()

    def post(self, path, **fields):
        return self.running.http.request(
            "POST",
            self.running.url + path,
            fields=fields,
            encode_multipart=False,
            redirect=False,
            headers={"Cookie": self.cookie},
        )

    def submit(self, path, page="/notifications/receivers", **fields):
        token = re.search(r'name="token" value="(\w+)"', self.get(page)[1])[1]
        return self.post(path, token=token, **fields)


@pytest.fixture
def settings(hasty_routing):
    notify = Notify(interval_seconds=0.05, routing_file=str(hasty_routing), retry_first_seconds=0.1)
    return Settings(notify=notify, alerts=Alerts(interval_seconds=3600))


@pytest.fixture
def admin(running):
    return Reader(running, running.admin_token)


@pytest.fixture
def viewer_token(running):
    with running.collector.engine.begin() as connection:
        return create_access_token(connection, label="cán bộ xã", role="viewer", now=time.time())


def fire(running, subject="pc1", **more):
    values = {"unit_code": "16681", "site": "main", "severity": "critical"} | more
    now = time.time()
    with running.collector.engine.begin() as connection:
        connection.execute(
            insert(alert_state).values(rule="office_rule", subject=subject, state="firing", since=now, memory={})
        )
        connection.execute(
            insert(transition).values(
                rule="office_rule",
                subject=subject,
                from_state="pending",
                to_state="firing",
                at=now,
                reason={"pattern": "<b>{free}</b> MB", "parameters": {"free": 12}},
                readings={},
                **values,
            )
        )
    deadline = time.monotonic() + 10
    while True:
        with running.collector.engine.connect().execution_options(read_only=True) as connection:
            row = connection.execute(select(incident).where(incident.c.subject == subject)).one_or_none()
        if row is not None:
            return row.id
        assert time.monotonic() < deadline, running.collector.notifying.problem
        time.sleep(0.02)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_every_page_opens_in_both_languages_before_anything_is_there(running, admin):
    for path in (
        "/alerts",
        "/notifications",
        "/notifications/receivers",
        "/notifications/duty",
        "/notifications/silences",
    ):
        for language in ("en", "vi"):
            status, text = admin.get(f"{path}?language={language}")
            assert (status, "<main" in text) == (200, True), path


def test_an_alert_from_firing_to_taken_on_through_the_pages(running, admin, hook):
    answer = admin.submit(
        "/notifications/receivers",
        name="Tổ CNTT",
        channel="webhook",
        address=hook.url,
        quiet="22:00-06:30",
        quiet_below="info",
        units="16681",
        min_severity="warning",
        step="0",
        language="en",
        time_zone="Asia/Ho_Chi_Minh",
    )
    assert (answer.status, answer.headers["Location"]) == (303, "/notifications/receivers")
    assert hook.url in admin.get("/notifications/receivers")[1]
    number = fire(running)
    fire(running, "pc9", unit_code="17827")
    wait_for(lambda: hook.arrivals)
    status, text = admin.get("/alerts?language=en")
    assert status == 200, text
    assert f'id="alert-{number}"' in text
    assert "&lt;b&gt;12&lt;/b&gt; MB" in text
    assert "Tổ CNTT: told" in text
    assert "no receiver is set up for it" in text
    answer = admin.submit(f"/alerts/{number}/acknowledge", "/alerts", note="đang xử lý <i>", assigned_to="Hùng")
    assert answer.status == 303
    _, text = admin.get("/alerts?language=en")
    assert "đang xử lý &lt;i&gt;" in text
    assert "first administrator" in text
    _, text = admin.get("/alerts?open_only=1")
    assert (f'id="alert-{number}"' in text, "alert-" in text) == (False, True)
    assert "alert-" not in admin.get("/alerts?severity=info")[1]
    assert f'id="alert-{number}"' in admin.get("/alerts?q=thanh+vinh")[1]
    assert "alert-" not in admin.get("/alerts?state=pending")[1]
    with running.collector.engine.connect() as connection:
        (row,) = connection.execute(select(acknowledgement)).all()
    assert (row.by_label, row.assigned_to) == ("first administrator", "Hùng")


def test_a_test_message_goes_through_the_outbox_and_failures_are_shown(running, admin, hook):
    admin.submit("/notifications/receivers", name="hook", channel="webhook", address=hook.url)
    admin.submit("/notifications/receivers/test", name="hook")
    wait_for(lambda: hook.arrivals)
    assert hook.arrivals[0].kind == "test"
    hook.answer = 404
    admin.submit("/notifications/receivers/test", name="hook")
    wait_for(lambda: "404" in admin.get("/notifications?state=failed")[1])
    assert admin.submit("/notifications/receivers/remove", name="hook").status == 303
    assert admin.submit("/notifications/receivers/remove", name="hook").status == 404


def test_silences_windows_and_duties_through_the_pages(running, admin):
    path = "/notifications/silences"
    answer = admin.submit(path, path, units="16681", ends="2020-01-01T10:00", reason="thay cáp")
    assert (answer.status, "2020-01-01T10:00" in answer.data.decode()) == (400, True)
    soon = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 12 * 3600))
    assert admin.submit(path, path, units="Phường Thành Vinh", ends=soon, reason="thay cáp").status == 303
    weekly = {"weekdays": "sat", "start_clock": "22:00", "duration_minutes": "60", "rules": "*", "reason": "sao lưu"}
    assert admin.submit(f"{path}/windows", path, **weekly).status == 303
    _, text = admin.get(f"{path}?language=en")
    assert "unit Phường Thành Vinh" in text
    assert "every Saturday at 22:00 for 60 minutes" in text
    assert admin.submit(f"{path}/end", path, number="1").status == 303
    assert admin.submit(f"{path}/windows/end", path, number="1").status == 303
    assert "ended by first administrator" in admin.get(f"{path}?language=en")[1]
    receiver = {"channel": "smtp", "address": "lan@example.vn", "duty_only": "true"}
    admin.submit("/notifications/receivers", name="Lan", **receiver)
    duty = "/notifications/duty"
    assert (
        admin.submit(duty, duty, receiver="Lan", place="Nghi Lộc", first_day="2020-01-06", last_day="2199-01-01").status
        == 303
    )
    _, text = admin.get(f"{duty}?language=en")
    assert "Huyện Nghi Lộc: <strong>Lan</strong>" in text
    assert admin.submit(f"{duty}/remove", duty, number="1").status == 303
    assert "<strong>Lan</strong>" not in admin.get(duty)[1]


def test_only_an_administrators_own_form_changes_anything(running, admin, viewer_token):
    viewer = Reader(running, viewer_token)
    number = fire(running)
    paths = (
        f"/alerts/{number}/acknowledge",
        "/notifications/receivers",
        "/notifications/receivers/remove",
        "/notifications/receivers/test",
        "/notifications/silences",
        "/notifications/silences/windows",
        "/notifications/duty",
    )
    for path in paths:
        assert viewer.post(path, name="x", token="x").status == 403, path
        assert admin.post(path, name="x", token="x").status == 403, path
    admin.submit("/notifications/receivers", name="it", channel="smtp", address="geheim@example.vn")
    assert "geheim@example.vn" not in viewer.get("/notifications/receivers")[1]
    assert 'name="ends"' not in viewer.get("/notifications/silences")[1]
    with running.collector.engine.connect() as connection:
        assert connection.execute(select(silence)).all() == []


class TestApi:
    def call(self, running, method, path, token=None, **body):
        headers = {"Authorization": f"Bearer {token or running.admin_token}"}
        more = {"json": body} if body else {}
        return running.http.request(method, running.url + "/api/v1" + path, headers=headers, **more)

    def test_the_same_as_the_pages(self, running, hook, viewer_token):
        assert self.call(running, "POST", "/receivers", name="it", channel="webhook", address=hook.url).status == 201
        answer = self.call(running, "POST", "/receivers", name="it", channel="webhook", address="ftp://x")
        assert (answer.status, "address" in answer.json()["detail"]) == (400, True)
        number = fire(running)
        wait_for(lambda: hook.arrivals)
        (one,) = self.call(running, "GET", "/incidents?language=en").json()["incidents"]
        assert (one["id"], one["rule"], one["reason"], one["acknowledged"]) == (
            number,
            "office_rule",
            "<b>12</b> MB",
            None,
        )
        assert [(told["receiver"], told["state"]) for told in one["told"]] == [("it", "told")]
        path = f"/incidents/{number}/acknowledge"
        assert self.call(running, "POST", path, viewer_token, note="x").status == 403
        assert self.call(running, "POST", path, note="x").status == 204
        assert self.call(running, "POST", "/incidents/999/acknowledge", note="x").status == 404
        (one,) = self.call(running, "GET", "/incidents").json()["incidents"]
        assert one["acknowledged"]["by"] == "first administrator"
        told = self.call(running, "GET", "/notifications").json()
        assert told["counts"] == {"delivered": 1}
        assert told["notifications"][0]["content"]["address"] == hook.url
        told = self.call(running, "GET", "/notifications", viewer_token).json()
        assert "address" not in told["notifications"][0]["content"]
        assert "address" not in self.call(running, "GET", "/receivers", viewer_token).json()["receivers"][0]
        assert self.call(running, "POST", "/receivers/it/test").status == 202
        wait_for(lambda: len(hook.arrivals) == 2)
        assert self.call(running, "DELETE", "/receivers/it").status == 204
        assert self.call(running, "DELETE", "/receivers/it").status == 404

    def test_silences_windows_duties(self, running):
        soon = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 12 * 3600))
        made = self.call(running, "POST", "/silences", rules="office_*", ends=soon, reason="thử").json()
        assert self.call(running, "GET", "/silences").json()["silences"][0]["matcher"] == {"rules": ["office_*"]}
        assert self.call(running, "POST", f"/silences/{made['id']}/end").status == 204
        assert self.call(running, "POST", "/silences", ends=soon, reason="thử").status == 400
        window = {"units": "16681", "ends": soon, "reason": "thử"}
        made = self.call(running, "POST", "/maintenance", **window).json()
        assert len(self.call(running, "GET", "/maintenance").json()["windows"]) == 1
        assert self.call(running, "POST", f"/maintenance/{made['id']}/end").status == 204
        self.call(running, "POST", "/receivers", name="lan", channel="smtp", address="l@example.vn", duty_only=True)
        made = self.call(running, "POST", "/duties", receiver="lan", first_day="2020-01-06", every_weeks="1").json()
        duties = self.call(running, "GET", "/duties?language=en").json()
        assert duties["now"] == [{"place": "the whole province", "receivers": ["lan"]}]
        assert self.call(running, "DELETE", f"/duties/{made['id']}").status == 204
        assert self.call(running, "DELETE", f"/duties/{made['id']}").status == 404

    def test_everything_needs_a_token(self, running):
        for path in ("incidents", "receivers", "duties", "silences", "maintenance", "notifications"):
            assert running.get(f"/api/v1/{path}").status == 401, path
