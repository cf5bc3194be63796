"""Tables of polled network equipment (SQLAlchemy Core). Times are seconds since 1970-01-01 UTC; text is NFC."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, Table, Text

from collector.db.tables import metadata

# One piece of equipment that the collector polls: the router at the end of a site's line, a switch, a printer. It is no
# terminal and never counts as one; its id stands as device_id in the points of its ports.
network_device = Table(
    "network_device",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("unit_code", Text, nullable=False, index=True),
    Column("site", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("snmp_version", Text, nullable=False),
    # The name of an entry in the file of credentials; what is secret is there and nowhere else.
    Column("credentials", Text, nullable=False),
    # Name or number of the port at the end of the site's line; empty where only the device itself is asked.
    Column("interface", Text, nullable=False),
    Column("received_is_down", Boolean, nullable=False),
    # Where they are not stated, those of the survey of lines hold.
    Column("capacity_down_kbit_s", Integer),
    Column("capacity_up_kbit_s", Integer),
    Column("expected_speed_kbit_s", Integer),
    Column("added_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    # Kept after that, because reports of it may still wait to be written.
    Column("removed_at", Float),
)

# What the last polls of each device gave.
network_device_state = Table(
    "network_device_state",
    metadata,
    Column("device_id", Text, ForeignKey("network_device.id"), primary_key=True),
    # The slot of the last poll, answered or not.
    Column("slot", Integer, nullable=False),
    Column("polled_at", Float, nullable=False),
    Column("outcome", Text, nullable=False),
    # A sentence for people, as `Message.as_dict` gives it.
    Column("reason", JSON, nullable=False),
    # Polls in a row without an answer, and all of them ever.
    Column("failed_in_row", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("answered_at", Float),
    # The counters of the last answer, from which the next sample is taken.
    Column("reading", JSON),
    # Why the last answer gave no sample of traffic, null where it gave one.
    Column("no_sample", JSON),
    Column("sample", JSON),
    Column("description", Text),
    Column("uptime_seconds", Float),
    Column("page_count", Integer),
)

# One import of a list of network devices, with what it could not use, so that nothing is lost.
network_import = Table(
    "network_import",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file_name", Text, nullable=False),
    Column("file_sha256", Text, nullable=False),
    Column("imported_at", Float, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    # Whole rows with every reason: row, cells, errors.
    Column("rejected", JSON, nullable=False),
)
