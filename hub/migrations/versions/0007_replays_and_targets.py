"""Replays that can be followed and resumed, activations that can be withdrawn, targets and identity rules as data.

Revision: 0007, after 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lrs.database import UTCDateTime, UUIDKey

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replays",
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("kept_up", sa.Boolean(create_constraint=False), nullable=False),
        sa.PrimaryKeyConstraint("policy", name=op.f("pk_replays")),
    )
    op.create_table(
        "replay_parts",
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("done_to", UUIDKey(), nullable=True),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("entered", sa.Integer(), nullable=False),
        sa.Column("reversed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("is_done", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("owner", UUIDKey(), nullable=True),
        sa.Column("until", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("policy", "number", name=op.f("pk_replay_parts")),
    )
    op.create_table(
        "target_documents",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_target_documents")),
    )
    op.create_table(
        "target_employers",
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("employer", sa.String(length=200), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("rule", "employer", name=op.f("pk_target_employers")),
    )
    op.create_table(
        "identity_rules",
        sa.Column("connector", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("value", sa.String(length=500), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("is_new", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=True),
        sa.Column("seen_key", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("connector", "kind", "value", name=op.f("pk_identity_rules")),
    )
    op.add_column("policy_activations", sa.Column("withdrawn_at", UTCDateTime(), nullable=True))
    op.add_column("policy_activations", sa.Column("withdrawn_by", sa.String(length=64), nullable=True))
    op.add_column("learners", sa.Column("contract_begin", sa.Date(), nullable=True))
    op.create_index("ix_learners_email", "learners", ["email"], unique=False)
