"""Tables of what is recognized by which law: replays under a policy, and the targets of a year.

All of them are small: a cluster has a copy on every node.
"""

from __future__ import annotations

import sqlalchemy as sa

from hub.tables import REFERENCE
from lrs.database import UTCDateTime, UUIDKey, metadata

_Flag = sa.Boolean(create_constraint=False)

#: How a policy's ledger came to be whole: the newest replay under it. While ``kept_up``, recomputations follow it, so
#: that nothing is behind when ``finished_at`` is set.
replays = sa.Table(
    "replays",
    metadata,
    sa.Column("policy", sa.String(64), primary_key=True),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("started_at", UTCDateTime, nullable=False),
    sa.Column("finished_at", UTCDateTime),
    sa.Column("kept_up", _Flag, nullable=False),
    info=REFERENCE,
)

#: A part of everybody, by the first bits of their ids; ``done_to`` is the last learner that it has dealt with, written
#: in the transaction that recomputed her. ``owner`` works on it until ``until``.
replay_parts = sa.Table(
    "replay_parts",
    metadata,
    sa.Column("policy", sa.String(64), primary_key=True),
    sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("done_to", UUIDKey),
    sa.Column("people", sa.Integer, nullable=False),
    sa.Column("entered", sa.Integer, nullable=False),
    sa.Column("reversed", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("is_done", _Flag, nullable=False),
    sa.Column("owner", UUIDKey),
    sa.Column("until", UTCDateTime),
    info=REFERENCE,
)

#: Documents of targets that an administrator gave, each for ever; the newest holds.
target_documents = sa.Table(
    "target_documents",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    info=REFERENCE,
)

#: The employers for which a rule holds that is only for listed ones.
target_employers = sa.Table(
    "target_employers",
    metadata,
    sa.Column("rule", sa.String(64), primary_key=True),
    sa.Column("employer", sa.String(200), primary_key=True),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    info=REFERENCE,
)

#: By what a connector's actors are known without anybody linking them. ``kind`` "nip": accounts of the homePage
#: ``value`` are named by NIP; "mail": addresses of the domain ``value`` are the people's own. ``is_new``: the actors
#: that were on the unresolved list before it are still to be looked at, those after ``seen_at`` and ``seen_key``.
identity_rules = sa.Table(
    "identity_rules",
    metadata,
    sa.Column("connector", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("value", sa.String(500), primary_key=True),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),
    sa.Column("is_new", _Flag, nullable=False),
    sa.Column("seen_at", UTCDateTime),
    sa.Column("seen_key", sa.BigInteger),
    info=REFERENCE,
)
