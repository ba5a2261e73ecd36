"""The tables of transcripts: what each paper says, the way from its code to it, and the keys that sign credentials."""

from __future__ import annotations

import sqlalchemy as sa

from lrs.database import UTCDateTime, UUIDKey, metadata

#: A paper that was given out: what it says (``document``, JSON) and the state of its learner's ledger at that moment,
#: which is the ``position`` and ``digest`` of her last entry (0 and nothing where she had none).
transcripts = sa.Table(
    "transcripts",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("code", sa.String(20), primary_key=True),
    sa.Column("year", sa.Integer, nullable=False),
    sa.Column("policy", sa.String(64), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("issued_at", UTCDateTime, nullable=False),
    sa.Column("revoked_at", UTCDateTime),
    sa.Column("revoked_by", sa.String(64)),
    info={"distribution": "learner"},
)

#: Whose paper a code names.
transcript_codes = sa.Table(
    "transcript_codes",
    metadata,
    sa.Column("code", sa.String(20), primary_key=True),
    sa.Column("learner", UUIDKey, nullable=False),
    info={"distribution": "code"},
)

#: The keys that sign credentials. One signs at a time; all stay published, because credentials are checked for years.
issuer_keys = sa.Table(
    "issuer_keys",
    metadata,
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("private_key", sa.LargeBinary, nullable=False),
    sa.Column("public_jwk", sa.Text, nullable=False),
    sa.Column("active_from", UTCDateTime, nullable=False),
    info={"distribution": "reference"},
)
