"""Gradebooks of other LMSs that get the scores of courses which they launched through the hub."""

from __future__ import annotations

import sqlalchemy as sa

from lrs.database import UTCDateTime, UUIDKey, metadata

#: A cell of another LMS's gradebook: one person there, one link. ``user`` is her ``sub`` there, ``learner`` who that is
#: here. ``wanted`` is the score that has to stand there, ``sent`` the last one that the LMS took (both JSON);
#: ``stamp`` the newest timestamp that was ever sent. ``state`` is idle, waiting, sent or failed.
gradebook_links = sa.Table(
    "gradebook_links",
    metadata,
    sa.Column("learner", UUIDKey, primary_key=True),
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("platform", sa.Integer, nullable=False),
    sa.Column("course", sa.Integer, nullable=False),
    sa.Column("user", sa.String(255), nullable=False),
    sa.Column("resource_link", sa.String(255), nullable=False),
    sa.Column("lineitem", sa.Text),
    sa.Column("lineitems", sa.Text),
    sa.Column("wanted", sa.Text),
    sa.Column("sent", sa.Text),
    sa.Column("sent_at", UTCDateTime),
    sa.Column("stamp", UTCDateTime),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error", sa.Text),
    sa.Column("changed_at", UTCDateTime, nullable=False),
    # What administrators look at: the cells of one platform in one state, the newest first.
    sa.Index("ix_gradebook_links_platform_state", "platform", "state", "changed_at", "id"),
    info={"distribution": "learner"},
)

#: Cells that have to be sent: written with the score, in its transaction, deleted when the LMS has taken it.
#: ``id`` is the link's, ``bucket`` follows from it. ``revision`` is another one after each change of what is wanted.
gradebook_queue = sa.Table(
    "gradebook_queue",
    metadata,
    sa.Column("bucket", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("learner", UUIDKey, nullable=False),
    sa.Column("revision", UUIDKey, nullable=False),
    sa.Column("due_at", UTCDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Index("ix_gradebook_queue_due_at", "due_at"),
    info={"distribution": "bucket"},
)
