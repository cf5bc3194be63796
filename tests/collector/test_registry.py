"""The registry's schema, and jobs that join register and terminals."""

from __future__ import annotations

import time

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, select

from collector.db.registry import MIGRATIONS, newest_revision, open_registry
from collector.db.tables import asset, device_age, metadata


def test_migrations_lead_to_exactly_the_tables(tmp_path):
    engine = open_registry(tmp_path / "registry.sqlite")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_newest_file_is_the_newest_revision():
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [newest_revision()]


@pytest.mark.parametrize("revision", ["0001", "0004"])
def test_an_older_registry_is_brought_up_to_date(tmp_path, revision):
    path = tmp_path / "registry.sqlite"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    older = create_engine(f"sqlite:///{path}")
    with older.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    older.dispose()
    engine = open_registry(path)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_opening_again_changes_nothing_and_is_for_the_owner_only(tmp_path):
    path = tmp_path / "registry.sqlite"
    for _ in range(2):
        engine = open_registry(path)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar_one() == 1
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        engine.dispose()
    assert path.stat().st_mode & 0o077 == 0


def test_a_register_row_is_linked_and_its_year_becomes_evidence(running, report, parts):
    me = running.enrol()
    facts = [
        parts["fact"]("system", [{"manufacturer": "LENOVO", "product": "10AX", "serial": "PB00X1Y2"}]),
        parts["fact"]("processor", [{"vendor_id": "GenuineIntel", "family": 6, "model": 60, "stepping": 3}]),
    ]
    running.upload(me["token"], [report(me["device_id"], facts=facts)])
    running.wait_written()
    running.collector.jobs.tick(time.time())

    def estimate():
        with running.collector.engine.connect() as connection:
            return connection.execute(select(device_age)).one()

    before = estimate()
    assert before.register_year is None
    with running.collector.engine.begin() as connection:
        connection.execute(
            insert(asset).values(
                unit_code="16681",
                register_key="serial:PB00X1Y2",
                name="Máy tính để bàn",
                kind="desktop",
                serial="PB00X1Y2",
                year_put_into_use=2014,
                quantity=1,
                import_id=1,
                updated_at=time.time(),
            )
        )
    running.collector.jobs.tick(time.time())
    after = estimate()
    assert after.register_year == 2014
    assert after.latest < before.latest
    assert after.over_10_years == "yes"
    with running.collector.engine.connect() as connection:
        assert connection.execute(select(asset.c.device_id)).scalar_one() == me["device_id"]
