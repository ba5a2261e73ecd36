"""Picking courses at a provider, what was refused to it, and what a deployment may be told.

Revision: 0006, after 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lrs.database import UTCDateTime, UUIDKey

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deployments", sa.Column("names", sa.Boolean(create_constraint=False), nullable=True))
    op.add_column("tools", sa.Column("framed", sa.Boolean(create_constraint=False), nullable=True))
    op.add_column("launches", sa.Column("document_target", sa.String(length=8), nullable=True))
    op.add_column("launches", sa.Column("connector", sa.Integer(), nullable=True))
    op.create_table(
        "refusals",
        sa.Column("tool", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("door", sa.String(length=16), nullable=False),
        sa.Column("failed", sa.String(length=32), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("error", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tool", "door", "failed", name=op.f("pk_refusals")),
    )
    op.create_table(
        "pickings",
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("session", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tool", sa.Integer(), nullable=False),
        sa.Column("deployment", sa.Integer(), nullable=False),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("hint_used_at", UTCDateTime(), nullable=True),
        sa.Column("response", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pickings")),
    )
    op.create_index("ix_pickings_created_at", "pickings", ["created_at"])
    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("deployment", sa.Integer(), nullable=False),
        sa.Column("item", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("picked_by", sa.String(length=64), nullable=False),
        sa.Column("picked_at", UTCDateTime(), nullable=False),
        sa.Column("course", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
        sa.UniqueConstraint("deployment", "item", name=op.f("uq_drafts_deployment_item")),
    )
    op.create_index("ix_drafts_state", "drafts", ["state", "id"])
