"""Services of platforms: their access tokens, registrations that can be changed, and scores on their way to them.

Revision: 0004, after 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lrs.database import UTCDateTime, UUIDKey

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("platforms", sa.Column("registration_url", sa.Text(), nullable=True))
    op.add_column("platforms", sa.Column("registration_token", sa.LargeBinary(), nullable=True))
    op.create_index("ix_access_tokens_tool_expires", "access_tokens", ["tool", "expires"], unique=False)
    op.create_table(
        "platform_tokens",
        sa.Column("platform", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scopes", sa.LargeBinary(length=32), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("expires", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "scopes", name=op.f("pk_platform_tokens")),
    )
    op.create_table(
        "gradebook_links",
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("course", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("resource_link", sa.String(length=255), nullable=False),
        sa.Column("lineitem", sa.Text(), nullable=True),
        sa.Column("lineitems", sa.Text(), nullable=True),
        sa.Column("wanted", sa.Text(), nullable=True),
        sa.Column("sent", sa.Text(), nullable=True),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("stamp", UTCDateTime(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("learner", "id", name=op.f("pk_gradebook_links")),
    )
    op.create_index(
        "ix_gradebook_links_platform_state",
        "gradebook_links",
        ["platform", "state", "changed_at", "id"],
        unique=False,
    )
    op.create_table(
        "gradebook_queue",
        sa.Column("bucket", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("revision", UUIDKey(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "id", name=op.f("pk_gradebook_queue")),
    )
    op.create_index("ix_gradebook_queue_due_at", "gradebook_queue", ["due_at"], unique=False)
