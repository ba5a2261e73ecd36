"""The hub as a tool: platforms with their deployments, and the logins that they initiate.

Revision: 0002, after 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lrs.database import UTCDateTime, UUIDKey

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platforms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("connector", sa.Integer(), nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("auth_url", sa.Text(), nullable=False),
        sa.Column("token_url", sa.Text(), nullable=False),
        sa.Column("jwks_url", sa.Text(), nullable=False),
        sa.Column("token_audience", sa.Text(), nullable=True),
        sa.Column("internal", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("disabled", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platforms")),
        sa.UniqueConstraint("issuer", "client_id", name=op.f("uq_platforms_issuer_client_id")),
        sa.UniqueConstraint("name", name=op.f("uq_platforms_name")),
    )
    op.create_index("ix_platforms_connector", "platforms", ["connector"], unique=False)
    op.create_table(
        "platform_deployments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("deployment_id", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_deployments")),
        sa.UniqueConstraint("platform", "deployment_id", name=op.f("uq_platform_deployments_platform_deployment_id")),
    )
    op.create_table(
        "tool_logins",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("browser", sa.LargeBinary(length=32), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=32), nullable=False),
        sa.Column("target_link_uri", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires", UTCDateTime(), nullable=False),
        sa.Column("consumed_at", UTCDateTime(), nullable=True),
        sa.Column("token", sa.LargeBinary(length=32), nullable=True),
        sa.Column("launch", sa.Text(), nullable=True),
        sa.Column("learner", UUIDKey(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tool_logins")),
    )
    op.create_index("ix_tool_logins_expires", "tool_logins", ["expires"], unique=False)
    op.create_index("ix_accounts_learner", "accounts", ["learner"], unique=False)
