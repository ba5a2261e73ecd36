"""Membership lists of platforms, and what they call people whom nobody has linked.

Revision: 0009, after 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lrs.database import UTCDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_contexts",
        sa.Column("platform", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("context", sa.String(length=255), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=False),
        sa.Column("read_at", UTCDateTime(), nullable=True),
        sa.Column("linked", sa.Integer(), nullable=True),
        sa.Column("same", sa.Integer(), nullable=True),
        sa.Column("unresolved", sa.Integer(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("platform", "context", name=op.f("pk_platform_contexts")),
    )
    op.create_index("ix_platform_contexts_next_at", "platform_contexts", ["next_at", "platform"], unique=False)
    op.create_index(
        "ix_platform_contexts_platform_next_at", "platform_contexts", ["platform", "next_at"], unique=False
    )
    op.create_table(
        "identity_hints",
        sa.Column("actor_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("actor_key", name=op.f("pk_identity_hints")),
    )
