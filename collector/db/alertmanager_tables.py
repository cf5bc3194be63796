"""The table of what each Alertmanager was told (SQLAlchemy Core)."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Table, Text

from collector.db.tables import metadata

# What an Alertmanager was told is firing, or may have been told, and not yet that it ended. Written before it is told,
# taken away after it has accepted the end, so that whatever dies in between, it is told again.
alertmanager_alert = Table(
    "alertmanager_alert",
    metadata,
    Column("url", Text, primary_key=True),
    # Of the labels, which are what the other side knows an alert by.
    Column("fingerprint", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("fired_at", Float, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("generator_url", Text, nullable=False),
    Column("accepted_at", Float),
)
