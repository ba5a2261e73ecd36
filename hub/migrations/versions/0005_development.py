"""Follow-up plans, certifications, and what has to be done about them.

Revision: 0005, after 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lrs.database import UUIDKey

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "undertakings",
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("learner", "kind", "subject", name=op.f("pk_undertakings")),
    )
    op.create_table(
        "duties",
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("who", sa.String(length=36), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("learner", "kind", "subject", "who", name=op.f("pk_duties")),
    )
    op.create_index("ix_duties_who", "duties", ["who", "due_on", "learner", "kind", "subject"])
    op.create_index("ix_duties_due", "duties", ["due_on", "learner", "kind", "subject", "who"])
