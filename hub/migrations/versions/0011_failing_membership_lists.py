"""How often a membership list could not be read, one time after the other, and the drafts of one deployment, by page.

Revision: 0011, after 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("platform_contexts", sa.Column("failures", sa.SmallInteger(), nullable=True))
    op.create_index("ix_drafts_deployment_state", "drafts", ["deployment", "state", "id"])
