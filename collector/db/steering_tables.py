"""Tables of what terminals are told (SQLAlchemy Core). Times are seconds since 1970-01-01 UTC; text is NFC."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, Table, Text

from collector.db.tables import metadata

# What a terminal does for its site, so that a restart elects nobody anew; ordinary terminals have no row, but those
# that lost a role lately by falling silent.
link_role = Table(
    "link_role",
    metadata,
    Column("device_id", Text, ForeignKey("device.id"), primary_key=True),
    Column("role", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("lost_at", Float),
)

# What a person asked terminals for; nothing of it is ever removed.
wish = Table(
    "wish",
    metadata,
    Column("id", Integer, primary_key=True),
    # One terminal, or all of a site.
    Column("device_id", Text, ForeignKey("device.id"), index=True),
    Column("unit_code", Text),
    Column("site", Text),
    Column("deliver", Boolean, nullable=False),
    Column("detail", Boolean, nullable=False),
    # Name of a measured target.
    Column("trace_target", Text),
    Column("asked_at", Float, nullable=False),
    Column("until", Float, nullable=False, index=True),
    Column("by_label", Text, nullable=False),
    Column("ended_at", Float),
    Column("ended_by", Text),
)
