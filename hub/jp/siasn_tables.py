"""What was handed over to SIASN."""

from __future__ import annotations

import sqlalchemy as sa

from lrs.database import UTCDateTime, metadata

#: One row per entry of the ledger that was handed over or refused. ``is_settled``: there with its certificate.
#: ``sending_until``: a process is handing it over, and is given up for dead then.
siasn_entries = sa.Table(
    "siasn_entries",
    metadata,
    sa.Column("connector", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.String(64), primary_key=True),
    sa.Column("siasn_id", sa.String(64)),
    sa.Column("hours", sa.Integer, nullable=False),
    sa.Column("is_settled", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("sending_until", UTCDateTime),
    sa.Column("reason", sa.String(64)),
    sa.Column("detail", sa.Text),
    sa.Column("at", UTCDateTime, nullable=False),
    info={"distribution": "entry"},
)
