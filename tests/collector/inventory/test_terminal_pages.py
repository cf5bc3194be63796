"""The page on how terminals join, change identity and leave, against a real collector."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import insert, select

from collector import join_codes
from collector.db.identity_tables import device_hardware, identity_change
from collector.db.tables import device, join_code

UNIT = "16681"


@pytest.fixture
def post(admin):
    return lambda **fields: admin.post("/terminals", token=admin.token("/identity"), **fields)


def test_codes_are_listed_without_their_letters_and_revoked(running, admin, post):
    code = running.join_code()
    with running.collector.engine.connect() as connection:
        (listed,) = join_codes.codes(connection, time.time())
    _, text = admin.get("/terminals?language=en")
    assert listed.id in text
    assert "0 / 1" in text
    assert not any(group in text for group in code.split("-"))
    assert post(action="revoke_code", device=listed.id).status == 303
    assert running.post_enrolment(code).status == 403
    assert "revoked" in admin.get("/terminals?language=en")[1]


def test_a_machine_installed_anew_is_confirmed(running, admin, post):
    old, new = running.enrol()["device_id"], running.enrol()["device_id"]
    with running.collector.engine.begin() as connection:
        connection.execute(device.update().where(device.c.id == old).values(enrolled_at=1.0, last_seen_at=2.0))
        for device_id in (old, new):
            connection.execute(
                insert(device_hardware).values(device_id=device_id, keys={"serial": ["5BX7"]}, taken_at=1.0)
            )
    assert "5BX7" in admin.get("/terminals")[1]
    assert post(action="reattach", device=new, other=old, reason="cài lại").status == 303
    with running.collector.engine.connect() as connection:
        change = connection.execute(select(identity_change)).one()
    assert (change.from_device_id, change.device_id, change.purpose) == (new, old, "reattach")
    text = admin.get("/terminals?language=en")[1]
    assert "cài lại" in text
    assert "taken back under its earlier identity" in text


def test_a_copy_is_given_its_place(running, admin, post):
    own, copy = running.enrol()["device_id"], running.enrol()["device_id"]
    with running.collector.engine.begin() as connection:
        connection.execute(
            insert(identity_change).values(
                from_device_id=own, device_id=copy, purpose="clone", boot_id="b", asked_at=1.0, asked_by="x", reason=""
            )
        )
    assert copy[:8] in admin.get("/terminals")[1]
    assert post(action="confirm", device=copy, unit="nowhere", office="main").status == 400
    assert post(action="confirm", device=copy, unit=UNIT, office="dang-uy").status == 303
    with running.collector.engine.connect() as connection:
        assert connection.execute(select(device.c.site).where(device.c.id == copy)).scalar_one() == "dang-uy"
    assert post(action="confirm", device=copy, unit=UNIT, office="dang-uy").status == 400


@pytest.mark.parametrize("action", ["revoke", "decommission"])
def test_a_right_to_report_ends(running, post, report, action):
    me = running.enrol()
    assert post(action=action, device=me["device_id"]).status == 303
    assert running.upload(me["token"], [report(me["device_id"])]).status == 401
    assert post(action="rotate", device=me["device_id"]).status == 400


def test_only_an_administrators_own_form_decides(running, admin, post):
    me = running.enrol()
    assert admin.post("/terminals", token="x", action="revoke", device=me["device_id"]).status == 403
    assert post(action="nonsense", device=me["device_id"]).status == 400
    assert post(action="revoke", device="nobody").status == 404
    with running.collector.engine.connect() as connection:
        assert connection.execute(select(device.c.revoked_at)).scalar_one() is None
        assert len(connection.execute(select(join_code)).all()) == 1
