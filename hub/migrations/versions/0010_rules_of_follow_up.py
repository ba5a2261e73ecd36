"""What of follow-up plans differs for one provider or one course.

Revision: 0010, after 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lrs.database import UTCDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "follow_up_rules",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("is_owed", sa.Boolean(create_constraint=False), nullable=True),
        sa.Column("submit_within_days", sa.SmallInteger(), nullable=True),
        sa.Column("decide_within_days", sa.SmallInteger(), nullable=True),
        sa.Column("evaluate_after_months", sa.SmallInteger(), nullable=True),
        sa.Column("evaluate_before_months", sa.SmallInteger(), nullable=True),
        sa.Column("reference", sa.String(length=300), nullable=False),
        sa.Column("confirmed", sa.String(length=8), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_follow_up_rules")),
    )
