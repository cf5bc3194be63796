"""Opens the registry: a SQLite file brought to the newest schema by Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.pool import NullPool, QueuePool

LOCK_WAIT_SECONDS = 15.0
MIGRATIONS = Path(__file__).parent / "migrations"
REVISION_DIGITS = 4


def open_registry(path: Path) -> Engine:
    """The registry at `path`, made or migrated where needed.

    Raises:
        sqlalchemy.exc.DatabaseError: the file is no database, or another process holds it for longer than 15 s.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
    # No pool: opening SQLite costs some milliseconds, and a pool that runs dry costs thirty seconds.
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": LOCK_WAIT_SECONDS}, poolclass=NullPool)
    _listen(engine)
    migrate(engine)
    return engine


def pooled_registry(engine: Engine, connections: int) -> Engine:
    """The same registry over connections that stay open, for what is asked at every upload.

    To open one costs more than all else of an upload: SQLite reads the whole schema each time.

    Args:
        engine: of `open_registry`.
        connections: how many stay open; as many again are opened in need.
    """
    pooled = create_engine(
        engine.url,
        connect_args={"timeout": LOCK_WAIT_SECONDS},
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=connections,
    )
    _listen(pooled)
    return pooled


def _listen(engine: Engine) -> None:
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin_immediate)


def migrate(engine: Engine) -> None:
    """Runs the migrations that the database still lacks, in one transaction."""
    with engine.begin() as connection:
        if _revision(connection) == newest_revision():
            return
        # Here: it takes a quarter of a second to load, and a registry is seldom behind.
        from alembic import command  # noqa: PLC0415 - see above
        from alembic.config import Config  # noqa: PLC0415 - see above

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def newest_revision() -> str:
    """The revision that all migrations together lead to: files are numbered in their order."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))[:REVISION_DIGITS]


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _set_pragmas(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling would begin late and let DDL commit in between.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_immediate(connection: Any) -> None:
    # Taking the write lock at once waits for its turn; upgrading a read lock later could only fail.
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
