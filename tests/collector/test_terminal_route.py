"""What a terminal may ask about itself."""

from __future__ import annotations

import json

from agent.wire.report import Fact
from collector.ageing import estimate_due_ages
from collector.clock import now_seconds


def ask(running, token, **question):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return running.http.request("POST", running.url + "/api/v1/terminal", json=question, headers=headers)


def test_a_terminal_is_told_its_place_and_its_age(running, report):
    joined = running.enrol(unit_code="17827", site="dang-uy")
    other = running.enrol()
    first = ask(running, joined["token"]).json()
    assert (first["unit_code"], first["unit_name"], first["site"]) == ("17827", "Xã Nghi Lộc", "dang-uy")
    assert (first["age"], first["age_text"], first["last_report_at"]) == (None, None, None)
    facts = [Fact("bios", [{"vendor": "Dell Inc.", "version": "A02", "release_date": "11/05/2012"}])]
    assert running.upload(joined["token"], [report(joined["device_id"], facts=facts)]).status == 200
    running.wait_written()
    estimate_due_ages(running.collector.engine, now_seconds())
    told = ask(running, joined["token"]).json()
    assert told["age"]["latest"] is not None
    assert told["last_report_at"] is not None
    assert "Trên 10 năm" in told["age_text"]
    assert "Over 10 years" in ask(running, joined["token"], language="en").json()["age_text"]
    assert ask(running, other["token"]).json()["age"] is None


def test_nobody_else_is_told(running):
    assert ask(running, "").status == 401
    assert ask(running, running.admin_token).status == 401
    joined = running.enrol()
    assert ask(running, joined["token"], language="xx").status == 422
    raw = running.http.request(
        "POST", running.url + "/api/v1/terminal", body=b"[", headers={"Authorization": f"Bearer {joined['token']}"}
    )
    assert raw.status == 422
    assert json.loads(raw.data)
