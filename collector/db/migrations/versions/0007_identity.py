"""join codes counted, identities that change"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema forward."""
    op.create_table(
        "terminal_decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=True),
        sa.Column("other_device_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terminal_decision")),
    )
    with op.batch_alter_table("terminal_decision", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_terminal_decision_device_id"), ["device_id"], unique=False)

    op.create_table(
        "device_alias",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("former_device_id", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_device_alias_device_id")),
        sa.ForeignKeyConstraint(["former_device_id"], ["device.id"], name=op.f("fk_device_alias_former_device_id")),
        sa.PrimaryKeyConstraint("device_id", "former_device_id", name=op.f("pk_device_alias")),
    )
    op.create_table(
        "device_clock",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("start_skew_seconds", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("reset_boots", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_clock")),
    )
    op.create_table(
        "device_hardware",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("keys", sa.JSON(), nullable=False),
        sa.Column("taken_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_device_hardware_device_id")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_hardware")),
    )
    op.create_table(
        "identity_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("from_device_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("done_at", sa.Float(), nullable=True),
        sa.Column("confirmed_at", sa.Float(), nullable=True),
        sa.Column("confirmed_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_identity_change_device_id")),
        sa.ForeignKeyConstraint(["from_device_id"], ["device.id"], name=op.f("fk_identity_change_from_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_change")),
    )
    with op.batch_alter_table("identity_change", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_change_device_id"), ["device_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_change_from_device_id"), ["from_device_id"], unique=False)

    op.create_table(
        "join_code_use",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_join_code_use")),
    )
    with op.batch_alter_table("join_code_use", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_join_code_use_code_id"), ["code_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_join_code_use_device_id"), ["device_id"], unique=False)

    op.create_table(
        "identity_offer",
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("from_device_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.Float(), nullable=False),
        sa.Column("claimed_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_identity_offer_device_id")),
        sa.ForeignKeyConstraint(["from_device_id"], ["device.id"], name=op.f("fk_identity_offer_from_device_id")),
        sa.ForeignKeyConstraint(["token_id"], ["device_token.id"], name=op.f("fk_identity_offer_token_id")),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_identity_offer")),
    )
    with op.batch_alter_table("identity_offer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_offer_device_id"), ["device_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_offer_from_device_id"), ["from_device_id"], unique=False)

    with op.batch_alter_table("join_code", schema=None) as batch_op:
        batch_op.add_column(sa.Column("id", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("label", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("max_uses", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("uses", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("revoked_at", sa.Float(), nullable=True))
        batch_op.create_unique_constraint(batch_op.f("uq_join_code_id"), ["id"])
    op.execute("UPDATE join_code SET id = lower(substr(hex(code_hash), 1, 10)), uses = (used_at IS NOT NULL)")
