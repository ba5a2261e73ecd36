"""The tables of pulls. Small and read by admins, but for `pulled_statements`, which has a row per pulled statement."""

from __future__ import annotations

import sqlalchemy as sa

from lrs.database import UTCDateTime, UUIDKey, metadata

#: One row per connector that is pulled: its cursor, when it is due, who runs it, its circuit breaker, and how the
#: last run went.
connector_state = sa.Table(
    "connector_state",
    metadata,
    sa.Column("connector", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("cursor", sa.Text),
    sa.Column("due_at", UTCDateTime, nullable=False),
    sa.Column("lease_owner", UUIDKey),
    sa.Column("lease_until", UTCDateTime),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("open_until", UTCDateTime),
    sa.Column("last_ended", UTCDateTime),
    sa.Column("last_error_code", sa.String(64)),
    sa.Column("last_error", sa.Text),
    sa.Index("ix_connector_state_due_at", "due_at"),
    info={"distribution": "reference"},
)

#: Runs that brought something or failed. A run that found nothing new leaves no row: that is one a minute.
connector_runs = sa.Table(
    "connector_runs",
    metadata,
    sa.Column("connector", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("started", UTCDateTime, nullable=False),
    sa.Column("ended", UTCDateTime),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("stored", sa.Integer, nullable=False),
    sa.Column("repeated", sa.Integer, nullable=False),
    sa.Column("set_aside", sa.Integer, nullable=False),
    sa.Column("cursor_from", sa.Text),
    sa.Column("cursor_to", sa.Text),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error", sa.Text),
    sa.Index("ix_connector_runs_connector_started", "connector", "started"),
    info={"distribution": "connector"},
)

#: Statements that were sent and had to be refused; ``id`` is the digest of the bytes, so each is kept once.
set_aside_statements = sa.Table(
    "set_aside_statements",
    metadata,
    sa.Column("connector", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("run", UUIDKey, nullable=False),
    sa.Column("statement_id", sa.Text),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Index("ix_set_aside_statements_connector_at", "connector", "at"),
    info={"distribution": "connector"},
)

#: What the other LRS had set on a pulled statement: part of its origin.
pulled_statements = sa.Table(
    "pulled_statements",
    metadata,
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("run", UUIDKey, nullable=False),
    sa.Column("stored", sa.Text),
    sa.Column("authority", sa.LargeBinary),
    info={"distribution": "id"},
)
