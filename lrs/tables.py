"""The tables of the LRS. Keys follow one rule: the distribution column is in every key (see `table.info`).

A statement lies in three places: its id (unique over everything), its payload beside its actor, and one index
row per thing by which lists find it. Nothing stored is edited; a void is a row of its own.

On SQLite the narrow tables have no rowid: the primary key is the table, which halves them.
"""

from __future__ import annotations

import sqlalchemy as sa

from lrs.database import UTCDateTime, UUIDKey, metadata
from lrs.keys import key64

#: Index rows under this dim are every statement that is not voided: the unfiltered list.
ALL = key64("all")

#: Statement id -> where its payload lies. The digest decides whether a repeated id is the same statement.
#: An id that was referred to before it was stored has a row without the rest: a placeholder.
statement_ids = sa.Table(
    "statement_ids",
    metadata,
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("actor_key", sa.BigInteger),
    sa.Column("seq", sa.BigInteger),
    sa.Column("digest", sa.BigInteger),
    info={"distribution": "id"},
    sqlite_with_rowid=False,
)

#: The bytes as accepted. With rowid on SQLite: payloads are appended, not sorted into a tree by actor.
statements = sa.Table(
    "statements",
    metadata,
    sa.Column("actor_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", UUIDKey, nullable=False),
    sa.Column("codec", sa.SmallInteger, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("owner", sa.Integer),
    sa.Column("origin", sa.String(255), nullable=False),
    info={"distribution": "actor_key", "partition": "seq"},
)

#: What payloads are compressed against; see `lrs.payloads`. Rows name theirs as codec, so none is ever deleted.
dictionaries = sa.Table(
    "dictionaries",
    metadata,
    sa.Column("version", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    info={"distribution": "reference"},
)

#: One row per thing that finds a statement. ``seq`` and ``actor_key`` are those of the statement on the list.
#: ``matched`` is 0 where that statement itself matches; where it is found through a statement that it refers to,
#: it is the number of that one, and ``verb_key`` is its verb: filters must hold for one and the same statement.
#: ``verb_key`` is 0 in rows of every statement and of a verb, which no verb filters.
#: (A number instead of an id, because it is half as long, and nothing at all on SQLite where it is 0.)
statement_index = sa.Table(
    "statement_index",
    metadata,
    sa.Column("dim", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("matched", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("actor_key", sa.BigInteger, nullable=False),
    sa.Column("verb_key", sa.BigInteger, nullable=False),
    info={"distribution": "dim", "partition": "seq"},
    sqlite_with_rowid=False,
)

#: Who voided what, also before the target arrived. Only an effective void takes the target away.
voids = sa.Table(
    "voids",
    metadata,
    sa.Column("target", UUIDKey, primary_key=True),
    sa.Column("voider", UUIDKey, primary_key=True),
    sa.Column("owner", sa.Integer),
    sa.Column("may_void_any", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("effective", sa.Boolean(create_constraint=False), nullable=False),
    info={"distribution": "target"},
    sqlite_with_rowid=False,
)

#: Which statements have this one as their object.
statement_references = sa.Table(
    "statement_references",
    metadata,
    sa.Column("target", UUIDKey, primary_key=True),
    sa.Column("referrer", UUIDKey, primary_key=True),
    sa.Column("actor_key", sa.BigInteger, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    info={"distribution": "target"},
    sqlite_with_rowid=False,
)

#: Every different definition that was ever sent for an activity; merged when read, so that no writer waits
#: for another one over a popular course. ``activity`` is its id and that definition, compressed like a payload.
activity_definitions = sa.Table(
    "activity_definitions",
    metadata,
    sa.Column("activity_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.LargeBinary(16), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("codec", sa.SmallInteger, nullable=False),
    sa.Column("activity", sa.LargeBinary, nullable=False),
    info={"distribution": "activity_key"},
    sqlite_with_rowid=False,
)

#: The names under which an agent was seen, for the Person object. Bytes, because a name may hold U+0000.
agent_names = sa.Table(
    "agent_names",
    metadata,
    sa.Column("agent_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.LargeBinary(16), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("name", sa.LargeBinary, nullable=False),
    info={"distribution": "agent_key"},
    sqlite_with_rowid=False,
)

#: State, activity profiles and agent profiles. ``context`` is the key of kind, activity and agent; ``document``
#: the digest of everything that names the document.
documents = sa.Table(
    "documents",
    metadata,
    sa.Column("context", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("document", sa.LargeBinary(16), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("activity", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("registration", sa.String(36), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("etag", sa.String(40), nullable=False),
    sa.Column("updated", UTCDateTime, nullable=False),
    info={"distribution": "context"},
)

#: Attachment data by SHA-256, once however many statements use it.
attachments = sa.Table(
    "attachments",
    metadata,
    sa.Column("sha2", sa.LargeBinary(64), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    info={"distribution": "sha2"},
)

#: One row per process that writes: its lease, and below which number it will commit nothing any more.
floors = sa.Table(
    "floors",
    metadata,
    sa.Column("node", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("holder", UUIDKey, nullable=False),
    sa.Column("lease_until", UTCDateTime, nullable=False),
    sa.Column("floor", sa.BigInteger),
    info={"distribution": "reference"},
    sqlite_with_rowid=False,
)
