"""Follow-up plans, certifications, what has to be done about them, and which competencies are needed.

Revision: 0005, after 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lrs.database import UTCDateTime, UUIDKey

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
    op.create_table(
        "assessments",
        sa.Column("actor_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("statement", UUIDKey(), nullable=False),
        sa.PrimaryKeyConstraint("actor_key", "statement", name=op.f("pk_assessments")),
    )
    op.create_index("ix_assessments_statement", "assessments", ["statement"])
    op.create_table(
        "schemes",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("added_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schemes")),
    )
    op.create_table(
        "unit_needs",
        sa.Column("employer", sa.String(length=200), nullable=False),
        sa.Column("unit", sa.String(length=200), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("employer", "unit", name=op.f("pk_unit_needs")),
    )
    op.create_table(
        "learner_needs",
        sa.Column("learner", UUIDKey(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("learner", name=op.f("pk_learner_needs")),
    )
