"""The tables of the LRS. Keys follow one rule: the distribution column is in every key (see `table.info`).

A statement lies in three places: its id (unique over everything), its payload beside its actor with the keys by which
lists find it, and one index row for each further thing that finds it. No payload is ever edited; a void is a row of its
own, and takes the keys away.

On SQLite the narrow tables have no rowid: the primary key is the table, which halves them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from lrs.database import UTCDateTime, UUIDKey, metadata

#: How many bits of a number say what is less than a quarter of a second (its millisecond begins at bit 21).
SLOT_BITS = 29

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

#: The bytes as accepted, and beside them one key for each thing that there is at most one of, or mostly one: a list by
#: such a thing is a range of its index. What there is more of, or what is found through another statement, has rows of
#: its own in `statement_index` (docs/decisions/0009). A voided statement has no keys, so that no list finds it.
#: With rowid on SQLite: payloads are appended, not sorted into a tree by actor.
#: (The columns stand in this order because PostgreSQL aligns each of eight bytes.)
statements = sa.Table(
    "statements",
    metadata,
    sa.Column("actor_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("verb_key", sa.BigInteger),
    sa.Column("authority_key", sa.BigInteger),
    sa.Column("activity_key", sa.BigInteger),
    sa.Column("registration_key", sa.BigInteger),
    sa.Column("parent_key", sa.BigInteger),
    sa.Column("grouping_key", sa.BigInteger),
    sa.Column("category_key", sa.BigInteger),
    sa.Column("id", UUIDKey, nullable=False),
    sa.Column("voided_by", UUIDKey),
    sa.Column("owner", sa.Integer),
    sa.Column("codec", sa.SmallInteger, nullable=False),
    sa.Column("origin", sa.String(255), nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    # With the verb, because who asks for both should not have to read every statement of the activity.
    sa.Index("ix_statements_activity_key_seq_verb_key", "activity_key", "seq", "verb_key"),
    sa.Index("ix_statements_registration_key_seq", "registration_key", "seq"),
    sa.Index("ix_statements_parent_key_seq", "parent_key", "seq"),
    info={"distribution": "actor_key", "partition": "seq"},
)
#: The keys of which there are few, each in many statements.
FREQUENT = ("verb_key", "authority_key", "grouping_key", "category_key")


def slot(seq: Any) -> Any:
    """The quarter of a second (256 ms) to which a statement's number belongs; of a number, or of the column."""
    return seq >> SLOT_BITS if isinstance(seq, int) else seq.bitwise_rshift(sa.literal_column(str(SLOT_BITS)))


# Where many statements of one quarter of a second have the same key, PostgreSQL keeps the key once for all of them:
# seven bytes each instead of thirty. Within it, a list is sorted when it is read.
for _name in FREQUENT:
    sa.Index(f"ix_statements_{_name}_slot", statements.c[_name], slot(statements.c.seq))
# Everything that is not voided. Its condition stands in no other list's query: PostgreSQL, which believes that few
# values are frequent ones, would walk this index instead of theirs.
sa.Index(
    "ix_statements_seq",
    statements.c.seq,
    postgresql_where=statements.c.voided_by.is_(None),
    sqlite_where=statements.c.voided_by.is_(None),
)

#: What payloads are compressed against; see `lrs.payloads`. Rows name theirs as codec, so none is ever deleted.
dictionaries = sa.Table(
    "dictionaries",
    metadata,
    sa.Column("version", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    info={"distribution": "reference"},
)

#: What finds a statement beside its own keys: a group's members, further activities and agents of its context, keys
#: of an LMS. ``seq`` and ``actor_key`` are those of the statement on the list. ``matched`` is 0 where that statement
#: itself matches; where it is found through a statement that it refers to, it is the number of that one, of which then
#: every key has a row: filters must hold for one and the same statement.
#: (A number instead of an id, because it is half as long, and nothing at all on SQLite where it is 0.)
statement_index = sa.Table(
    "statement_index",
    metadata,
    sa.Column("dim", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("matched", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("actor_key", sa.BigInteger, nullable=False),
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
