"""The registry's tables (SQLAlchemy Core). Times are seconds since 1970-01-01 UTC; text is NFC.

A change here needs a migration beside it in `migrations/versions`; a test holds the two to each other.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    },
)

# One terminal. `sequence` columns tell the newest report seen, for people; repeats are told by the journal.
device = Table(
    "device",
    metadata,
    Column("id", Text, primary_key=True),
    Column("unit_code", Text, nullable=False, index=True),
    Column("site", Text, nullable=False),
    Column("enrolled_at", Float, nullable=False),
    Column("last_seen_at", Float, index=True),
    Column("last_report_at", Float),
    Column("last_boot_id", Text),
    Column("last_sequence", Integer),
    Column("clock_skew_seconds", Float),
    # Samples of the newest report, so that lists of thousands of terminals need no look into the metric store.
    Column("last_samples", JSON),
    Column("facts_changed_at", Float),
    Column("revoked_at", Float),
)

# The age estimate of each terminal, made anew when its facts change and every day.
device_age = Table(
    "device_age",
    metadata,
    Column("device_id", Text, ForeignKey("device.id"), primary_key=True),
    Column("estimated_at", Float, nullable=False),
    Column("as_of", Text, nullable=False),
    # What it was made from, so that a change of either makes it anew.
    Column("facts_changed_at", Float),
    Column("register_year", Integer),
    Column("earliest", Text),
    Column("latest", Text),
    Column("best", Text),
    Column("confidence", Text, nullable=False),
    Column("over_10_years", Text, nullable=False, index=True),
    Column("evidence", JSON, nullable=False),
    Column("contradictions", JSON, nullable=False),
)

device_token = Table(
    "device_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("device_id", Text, ForeignKey("device.id"), nullable=False, index=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

join_code = Table(
    "join_code",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("unit_code", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    # The newest use; `join_code_use` has all.
    Column("used_at", Float),
    Column("device_id", Text),
    # By this it is listed and revoked: the code itself is not kept.
    Column("id", Text, unique=True),
    Column("label", Text),
    Column("max_uses", Integer, nullable=False, server_default="1"),
    Column("uses", Integer, nullable=False, server_default="0"),
    Column("revoked_at", Float),
)

# Tokens of people and programs that read the API or the pages.
access_token = Table(
    "access_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

# Logins to the pages; a session ends with its token.
web_session = Table(
    "web_session",
    metadata,
    Column("secret_hash", LargeBinary, primary_key=True),
    Column("access_token_id", Text, ForeignKey("access_token.id"), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)

# The facts as they are now ...
device_fact = Table(
    "device_fact",
    metadata,
    Column("device_id", Text, ForeignKey("device.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", JSON, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("reported_at", Float, nullable=False),
)

# ... and as they were, because a changed serial or board is itself evidence.
device_fact_history = Table(
    "device_fact_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device_id", Text, ForeignKey("device.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("value", JSON, nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float, nullable=False),
)

# How the last run of each probe ended.
device_probe = Table(
    "device_probe",
    metadata,
    Column("device_id", Text, ForeignKey("device.id"), primary_key=True),
    Column("probe", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("duration_seconds", Float, nullable=False),
    Column("message", Text, nullable=False),
    Column("reported_at", Float, nullable=False),
)

# What was refused for good, whole, so that a person can look and nothing is lost without a trace.
rejected = Table(
    "rejected",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False, index=True),
    Column("device_id", Text, index=True),
    Column("received_at", Float, nullable=False),
    Column("reason", Text, nullable=False),
    # At most `limits.rejected_item_bytes` of it.
    Column("body", LargeBinary, nullable=False),
    Column("body_bytes", Integer, nullable=False),
    # Of device, kind and body: the same thing sent again is kept once.
    Column("digest", LargeBinary, nullable=False, unique=True),
)

# The state machine's memory of each (rule, subject), and every change of state with its reason.
alert_state = Table(
    "alert_state",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("state", Text, nullable=False, index=True),
    Column("since", Float, nullable=False),
    Column("memory", JSON, nullable=False),
)

transition = Table(
    "transition",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("device_id", Text, index=True),
    Column("unit_code", Text, index=True),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("at", Float, nullable=False, index=True),
    Column("reason", JSON, nullable=False),
    Column("readings", JSON, nullable=False),
    Column("site", Text),
    Column("severity", Text),
    Index("ix_transition_rule_subject", "rule", "subject"),
)

# The office's own register of equipment.
asset = Table(
    "asset",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("unit_code", Text, nullable=False, index=True),
    Column("register_key", Text, nullable=False),
    Column("asset_code", Text),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("manufacturer", Text),
    Column("model", Text),
    Column("serial", Text, index=True),
    Column("year_put_into_use", Integer),
    # The day, in ISO form, where the register states more than the year.
    Column("put_into_use_on", Text),
    Column("original_cost_vnd", Integer),
    Column("quantity", Integer),
    Column("department", Text),
    Column("block", Text),
    Column("assigned_to", Text),
    Column("computer_name", Text),
    Column("mac_address", Text),
    Column("condition", Text),
    Column("note", Text),
    # The terminal it is, and how that is known: a serial, an asset tag, or a person.
    Column("device_id", Text, ForeignKey("device.id"), index=True),
    Column("linked_by", Text),
    Column("import_id", Integer, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("unit_code", "register_key"),
)

register_import = Table(
    "register_import",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file_name", Text, nullable=False),
    Column("file_sha256", Text, nullable=False),
    Column("imported_at", Float, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    # What it takes to undo the import: for each asset it wrote, the whole row as it was before (null if it was not).
    Column("before", JSON, nullable=False),
    Column("undone_at", Float),
)

# Rows of a register file that could not be used, whole, with the reason.
register_rejected_row = Table(
    "register_rejected_row",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("import_id", Integer, ForeignKey("register_import.id"), nullable=False, index=True),
    Column("sheet", Text, nullable=False),
    Column("row_number", Integer, nullable=False),
    Column("field", Text, nullable=False),
    Column("reason", JSON, nullable=False),
    Column("cells", JSON, nullable=False),
)

# One import of a survey of staff and lines, with what it changed and what it could not use, so that nothing is lost.
survey_import = Table(
    "survey_import",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file_name", Text, nullable=False),
    Column("file_sha256", Text, nullable=False),
    Column("imported_at", Float, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    # Whole rows with every reason: sheet, row, cells, reasons.
    Column("rejected", JSON, nullable=False),
    # For each row it wrote: the table, the number, and the whole row as it was before (null if it was not).
    Column("before", JSON, nullable=False),
)

# How many people of one post an office has; a unit without rows was not surveyed, which is not the same as 0.
staffing = Table(
    "staffing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("unit_code", Text, nullable=False, index=True),
    Column("site", Text, nullable=False),
    Column("block", Text, nullable=False),
    # As the survey names it, empty where it states the group only.
    Column("post", Text, nullable=False),
    Column("post_group", Text, nullable=False),
    Column("headcount", Integer, nullable=False),
    # The day the survey speaks of, in ISO form.
    Column("as_of", Text, nullable=False),
    Column("import_id", Integer, ForeignKey("survey_import.id"), nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("unit_code", "site", "block", "post", "post_group"),
)

# The line of each site and the equipment at its end.
site_line = Table(
    "site_line",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("unit_code", Text, nullable=False, index=True),
    Column("site", Text, nullable=False),
    Column("cpe_model", Text),
    Column("cpe_serial", Text),
    Column("carrier", Text),
    Column("up_kbit_per_second", Integer),
    Column("down_kbit_per_second", Integer),
    Column("as_of", Text, nullable=False),
    Column("import_id", Integer, ForeignKey("survey_import.id"), nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("unit_code", "site"),
)

# What a person decided instead of the computed answer on age. `asset_id` with `register_key` and `unit_code`, because
# an import undone and done again gives the same asset another number.
decision_override = Table(
    "decision_override",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asset_id", Integer, index=True),
    Column("register_key", Text),
    Column("unit_code", Text),
    Column("device_id", Text, index=True),
    Column("decision", Text),
    Column("computed", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by_label", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("superseded_at", Float),
)

# What a person said of a register row and a terminal being one: link, confirm or unlink.
identity_decision = Table(
    "identity_decision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asset_id", Integer, nullable=False, index=True),
    Column("register_key", Text, nullable=False),
    Column("unit_code", Text, nullable=False),
    Column("device_id", Text, nullable=False, index=True),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by_label", Text, nullable=False),
    Column("at", Float, nullable=False),
)

# The column titles over rejected rows, once a sheet, so that the rows can be handed out again in their own layout.
register_rejected_sheet = Table(
    "register_rejected_sheet",
    metadata,
    Column("import_id", Integer, ForeignKey("register_import.id"), primary_key=True),
    Column("sheet", Text, primary_key=True),
    Column("titles", JSON, nullable=False),
)
