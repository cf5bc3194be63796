"""The registry's tables of notifications; see `collector.db.tables` for how times and text are kept."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from collector.db.tables import metadata

# One place that notifications go to. Removed ones stay: what they were told names them.
receiver = Table(
    "receiver",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("min_severity", Text, nullable=False),
    # Patterns of rule names, unit codes, former districts; empty lists: all.
    Column("rules", JSON, nullable=False),
    Column("units", JSON, nullable=False),
    Column("districts", JSON, nullable=False),
    Column("step", Integer, nullable=False),
    Column("duty_only", Boolean, nullable=False),
    Column("fallback", Boolean, nullable=False),
    # Minutes after midnight in its time zone; null: never quiet.
    Column("quiet_start_minute", Integer),
    Column("quiet_end_minute", Integer),
    Column("quiet_below", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("removed_at", Float),
    Column("removed_by", Text),
    # One name, one receiver at a time.
    Index("uq_receiver_name_now", "name", unique=True, sqlite_where=text("removed_at IS NULL")),
)

# One import of a roster, with what could not be used.
duty_import = Table(
    "duty_import",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file_name", Text, nullable=False),
    Column("file_sha256", Text, nullable=False),
    Column("imported_at", Float, nullable=False),
    Column("imported_by", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    # Whole rows with the reason: row, cells, field, reason.
    Column("rejected", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# Who is on duty where; days in ISO form.
duty_shift = Table(
    "duty_shift",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("receiver_id", Integer, ForeignKey("receiver.id"), nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("first_day", Text, nullable=False),
    Column("last_day", Text),
    Column("every_weeks", Integer, nullable=False),
    Column("import_id", Integer, ForeignKey("duty_import.id")),
    Column("created_at", Float, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("removed_at", Float),
    Column("removed_by", Text),
)

silence = Table(
    "silence",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("matcher", JSON, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False, index=True),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    # Who ended it before its time; `ends_at` is then when.
    Column("ended_by", Text),
)

maintenance_window = Table(
    "maintenance_window",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("matcher", JSON, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float, index=True),
    # 0 is Monday; empty for a window that is there once.
    Column("weekdays", JSON, nullable=False),
    Column("start_minute", Integer, nullable=False),
    Column("duration_minutes", Integer, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("ended_by", Text),
)

# One alert from its firing to its end.
incident = Table(
    "incident",
    metadata,
    Column("id", Integer, primary_key=True),
    # The transition that fired it; a repeat of the same reading cannot make a second one.
    Column("transition_id", Integer, nullable=False, unique=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("unit_code", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("fired_at", Float, nullable=False),
    Column("reason", JSON, nullable=False),
    Column("readings", JSON, nullable=False),
    Column("ended_at", Float, index=True),
    Column("ended_reason", JSON),
    Column("first_told_at", Float),
    # Nobody is set up for it; it is looked at again while it is open.
    Column("unrouted", Boolean, nullable=False),
    # Somebody should have been on duty for it and nobody was.
    Column("duty_gap", Boolean, nullable=False),
    Index("ix_incident_alert", "rule", "subject"),
)

# A person has taken an incident on.
acknowledgement = Table(
    "acknowledgement",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("incident_id", Integer, ForeignKey("incident.id"), nullable=False, index=True),
    Column("by_label", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("note", Text, nullable=False),
    # Who is to see to it, where that is somebody else.
    Column("assigned_to", Text, nullable=False),
)

# What is told: the outbox. `content` is the whole notification as it was decided.
notification = Table(
    "notification",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("receiver_id", Integer, ForeignKey("receiver.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("decided_at", Float, nullable=False, index=True),
    Column("content", JSON, nullable=False),
    # waiting, delivered, failed
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    # When the newest attempt began; with state `waiting` it may have arrived without our knowing.
    Column("attempted_at", Float),
    Column("next_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("error", Text, nullable=False),
    Index("ix_notification_state_receiver", "state", "receiver_id"),
)

# What one receiver is to know, or knows, of one incident.
notice = Table(
    "notice",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("incident_id", Integer, ForeignKey("incident.id"), nullable=False),
    Column("receiver_id", Integer, ForeignKey("receiver.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", Float, index=True),
    Column("cause", Text, nullable=False),
    Column("cause_text", JSON),
    Column("told_at", Float),
    Column("told_as", Text, nullable=False),
    Column("told_by", Integer, ForeignKey("notification.id")),
    Column("group_key", Text, nullable=False),
    UniqueConstraint("incident_id", "receiver_id"),
    Index("ix_notice_group", "receiver_id", "group_key", "state"),
)

# When a receiver was last told of a group.
notice_group = Table(
    "notice_group",
    metadata,
    Column("receiver_id", Integer, ForeignKey("receiver.id"), primary_key=True),
    Column("group_key", Text, primary_key=True),
    Column("told_at", Float, nullable=False),
)

alert_flap = Table(
    "alert_flap",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("incident_id", Integer, ForeignKey("incident.id"), nullable=False),
    Column("since", Float, nullable=False),
    Column("stable_at", Float, nullable=False),
)

# How far transitions have been read.
notification_cursor = Table(
    "notification_cursor",
    metadata,
    Column("name", Text, primary_key=True),
    Column("transition_id", Integer, nullable=False),
)
