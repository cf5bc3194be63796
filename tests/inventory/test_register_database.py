"""The SQL side: a whole import, its undoing, links and findings."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from agent.wire.message import Message
from collector.db.register import SqlRegister, link_sure_pairs
from collector.db.tables import (
    alert_state,
    asset,
    device,
    device_fact,
    register_import,
    register_rejected_row,
    transition,
)
from inventory.ports import ImportedFile
from inventory.register.errors import UndoError


@pytest.fixture
def importing(connection, make_xlsx, prepare, titles):
    register = SqlRegister(connection)

    def run(*rows):
        prepared = prepare(make_xlsx(titles, *rows), existing=register.assets())
        return register.write_import(prepared.plan, ImportedFile("so.xlsx", prepared.sha256, 1000.0)), prepared.plan

    return run


def snapshot(connection):
    columns = [column for column in asset.c if column.name != "updated_at"]
    return connection.execute(select(*columns).order_by(asset.c.id)).all()


def test_an_import_is_written_whole(connection, importing):
    number, plan = importing(
        [1, "16681", "Máy tính", "AAA1111", "TS1", "15/03/2015", "12.500.000", "Tốt"],
        [2, "Xã Không Có", "Máy in", "BBB2222", None, 2106, None, None],
    )
    kept = connection.execute(select(register_import)).one()
    assert (kept.id, kept.rows, kept.created, kept.rejected) == (number, 2, 1, 1)
    assert [stored.values for stored in SqlRegister(connection).assets()] == [plan.created[0].values]
    bad = connection.execute(select(register_rejected_row)).one()
    assert (bad.row_number, bad.field, bad.cells[1], len(bad.reason)) == (3, "unit", "Xã Không Có", 2)
    assert Message(**bad.reason[0]["found"]).render().startswith("“Xã Không Có” is no commune")


def test_undo_brings_back_every_value(connection, importing):
    importing([1, "16681", "Máy tính", "AAA1111", "TS1", 2015, 12_500_000, "Tốt"])
    before = snapshot(connection)
    second, plan = importing(
        [1, "17827", "Máy tính cũ", "AAA1111", "TS9", "01/02/2016", 13_000_000, "Hỏng"],
        [2, "16681", "Máy in", "BBB2222"],
    )
    assert (len(plan.updated), len(plan.created)) == (1, 1)
    assert SqlRegister(connection).undo_import(second, 2000.0) == 2
    assert snapshot(connection) == before


def test_undo_is_refused_out_of_order_twice_and_for_nothing(connection, importing):
    first, _ = importing([1, "16681", "Máy tính", "AAA1111"])
    second, _ = importing([1, "16681", "Máy tính", "AAA1111", None, 2015])
    third, _ = importing([1, "16681", "Máy tính", "AAA1111", None, 2015])
    register = SqlRegister(connection)
    with pytest.raises(UndoError, match=f"undo import {second} first"):
        register.undo_import(first, 1.0)
    register.undo_import(third, 1.0)
    register.undo_import(second, 1.0)
    with pytest.raises(UndoError, match="already"):
        register.undo_import(second, 1.0)
    register.undo_import(first, 1.0)
    assert register.assets() == []
    with pytest.raises(UndoError, match="no import 99"):
        register.undo_import(99, 1.0)


def add_device(connection, name="d1", serial="AAA1111", revoked=None):
    connection.execute(
        insert(device).values(id=name, unit_code="16681", site="UBND", enrolled_at=1.79e9, revoked_at=revoked)
    )
    connection.execute(
        insert(device_fact).values(
            device_id=name, name="system", value=[{"serial": serial}], changed_at=1, reported_at=1
        )
    )


def test_sure_pairs_are_linked_once_and_a_person_is_not_overruled(connection, importing):
    importing([1, "16681", "Máy tính", "AAA1111"], [2, "16681", "Máy tính", "BBB2222"])
    add_device(connection)
    add_device(connection, "d2", "BBB2222")
    add_device(connection, "gone", "AAA1111", revoked=5.0)
    connection.execute(update(asset).where(asset.c.id == 2).values(device_id="d2", linked_by="person"))
    register = SqlRegister(connection)
    assert link_sure_pairs(register) == 1
    assert link_sure_pairs(register) == 0
    assert [(a.device_id, a.linked_by) for a in register.assets()] == [("d1", "serial"), ("d2", "person")]
    assert [d.id for d in register.devices()] == ["d1", "d2"]


def test_firing_alerts_are_findings_save_the_one_on_age(connection):
    add_device(connection)
    for rule, state in (("disk_failing", "firing"), ("device_over_10_years", "firing"), ("silence", "resolved")):
        reason = Message("{rule} it is.", {"rule": rule}).as_dict()
        connection.execute(insert(alert_state).values(rule=rule, subject="d1", state=state, since=1.0, memory={}))
        for step in ("pending", state):
            connection.execute(
                insert(transition).values(
                    rule=rule, subject="d1", device_id="d1", from_state="inactive", to_state=step, at=1.0,
                    reason=reason, readings={},
                )
            )  # fmt: skip
    (record,) = SqlRegister(connection).devices()
    assert [finding.render() for finding in record.findings] == ["disk_failing it is."]
    assert record.facts == {"system": [{"serial": "AAA1111"}]}
