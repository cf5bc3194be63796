"""Tables of how terminals join, change identity and leave (SQLAlchemy Core). Times are seconds since 1970-01-01 UTC."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Integer, Table, Text

from collector.db.tables import metadata

# Which terminals a join code let in.
join_code_use = Table(
    "join_code_use",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code_id", Text, nullable=False, index=True),
    Column("device_id", Text, nullable=False, index=True),
    Column("used_at", Float, nullable=False),
)

# What a terminal's hardware says of itself, as it was first told: kind of key -> keys. What agrees with it is the
# machine that enrolled.
device_hardware = Table(
    "device_hardware",
    metadata,
    Column("device_id", Text, ForeignKey("device.id"), primary_key=True),
    Column("keys", JSON, nullable=False),
    Column("taken_at", Float, nullable=False),
)

# A token on its way to a terminal, in the answers to its uploads, until the terminal shows it.
identity_offer = Table(
    "identity_offer",
    metadata,
    Column("token_id", Text, ForeignKey("device_token.id"), primary_key=True),
    # Who is to become whom: the same for a new token of the same terminal.
    Column("from_device_id", Text, ForeignKey("device.id"), nullable=False, index=True),
    Column("device_id", Text, ForeignKey("device.id"), nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    # Of a cloned disk: the boot of the machine that it is for; empty for any.
    Column("boot_id", Text, nullable=False),
    Column("offered_at", Float, nullable=False),
    Column("claimed_at", Float),
)

# What a person wishes of a terminal's identity, or the collector found: it is offered until it is done.
identity_change = Table(
    "identity_change",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("from_device_id", Text, ForeignKey("device.id"), nullable=False, index=True),
    Column("device_id", Text, ForeignKey("device.id"), nullable=False, index=True),
    # rotate: a new token; clone: a new terminal for a copy of its disk; reattach: back under its earlier identity.
    Column("purpose", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("asked_at", Float, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("done_at", Float),
    # Of a clone: when a person said where it stands.
    Column("confirmed_at", Float),
    Column("confirmed_by", Text),
)

# Names under which reports of a terminal may still come: those it had before its identity changed.
device_alias = Table(
    "device_alias",
    metadata,
    Column("device_id", Text, ForeignKey("device.id"), primary_key=True),
    Column("former_device_id", Text, ForeignKey("device.id"), primary_key=True),
    Column("since", Float, nullable=False),
)

# What people decided on a terminal's right to report, and why.
terminal_decision = Table(
    "terminal_decision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("by", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("device_id", Text, index=True),
    Column("other_device_id", Text),
    Column("reason", Text, nullable=False),
)

# How wrong the clock of a terminal was when its newest boot was first heard, and how often it began years back.
device_clock = Table(
    "device_clock",
    metadata,
    Column("device_id", Text, primary_key=True),
    Column("boot_id", Text, nullable=False),
    Column("start_skew_seconds", Float, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("reset_boots", Integer, nullable=False),
)
