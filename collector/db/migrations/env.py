"""Alembic's entry: runs migrations on the connection that `collector.db.registry` hands over."""

from __future__ import annotations

from alembic import context

from collector.db import (  # noqa: F401 - put their tables into the metadata
    alertmanager_tables,
    identity_tables,
    network_tables,
    notification_tables,
    steering_tables,
)
from collector.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters tables by copying them.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
