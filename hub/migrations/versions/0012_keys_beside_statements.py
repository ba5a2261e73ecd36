"""Keys of a statement beside its payload, each with an index, instead of a row of `statement_index` for each of them.

A statement of one kilobyte had nine rows of 132 bytes on PostgreSQL; it has entries of 7 to 40 in nine indexes instead
(docs/decisions/0009). Every stored statement is read and written anew, some thousand a second: nobody writes meanwhile.

Revision: 0012, after 0011
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

from lrs import database, index, payloads
from lrs.database import UUIDKey
from lrs.keys import key64
from lrs.tables import statement_index, statements, voids

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TOGETHER = 1000
_OLD_STATEMENTS, _OLD_INDEX = "statements_before", "statement_index_before"


def upgrade() -> None:
    conn = op.get_bind()
    months = {table.name: database.partitions(conn, table) for table in (statements, statement_index)}
    _set_aside(conn, statements, _OLD_STATEMENTS, months)
    _set_aside(conn, statement_index, _OLD_INDEX, months)
    _create()
    for table in (statements, statement_index):
        _divide(conn, table, months[table.name] or [])
    for rows in _statements(conn):
        database.insert_all(conn, statements, rows)
    conn.execute(_index_rows())
    op.drop_table(_OLD_INDEX)
    op.drop_table(_OLD_STATEMENTS)


def _set_aside(conn: sa.Connection, table: sa.Table, name: str, months: dict[str, Any]) -> None:
    database.set_aside(conn, table, name)
    for month in months[table.name] or ():
        conn.exec_driver_sql(f"ALTER TABLE {month.name} RENAME TO {month.name}_old")
        for each in sa.inspect(conn).get_indexes(f"{month.name}_old"):
            conn.exec_driver_sql(f"ALTER INDEX {each['name']} RENAME TO {each['name']}_old")
        key = sa.inspect(conn).get_pk_constraint(f"{month.name}_old")["name"]
        conn.exec_driver_sql(f"ALTER TABLE {month.name}_old RENAME CONSTRAINT {key} TO {key}_old")


def _create() -> None:
    op.create_table(
        "statements",
        sa.Column("actor_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("verb_key", sa.BigInteger(), nullable=True),
        sa.Column("authority_key", sa.BigInteger(), nullable=True),
        sa.Column("activity_key", sa.BigInteger(), nullable=True),
        sa.Column("registration_key", sa.BigInteger(), nullable=True),
        sa.Column("parent_key", sa.BigInteger(), nullable=True),
        sa.Column("grouping_key", sa.BigInteger(), nullable=True),
        sa.Column("category_key", sa.BigInteger(), nullable=True),
        sa.Column("id", UUIDKey(), nullable=False),
        sa.Column("voided_by", UUIDKey(), nullable=True),
        sa.Column("owner", sa.Integer(), nullable=True),
        sa.Column("codec", sa.SmallInteger(), nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("actor_key", "seq", name=op.f("pk_statements")),
    )
    op.create_table(
        "statement_index",
        sa.Column("dim", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("matched", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor_key", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dim", "seq", "matched", name=op.f("pk_statement_index")),
        sqlite_with_rowid=False,
    )
    for columns in (["activity_key", "seq", "verb_key"], ["registration_key", "seq"], ["parent_key", "seq"]):
        op.create_index(f"ix_statements_{'_'.join(columns)}", "statements", columns, unique=False)
    for column in ("verb_key", "authority_key", "grouping_key", "category_key"):
        op.create_index(f"ix_statements_{column}_slot", "statements", [column, sa.text("(seq >> 29)")], unique=False)
    listed = sa.text("voided_by IS NULL")
    op.create_index("ix_statements_seq", "statements", ["seq"], postgresql_where=listed, sqlite_where=listed)


def _divide(conn: sa.Connection, table: sa.Table, months: list[database.Partition]) -> None:
    low = None
    for month in months:
        if low is None:
            database.divide(conn, table, month)
        else:
            database.add_partition(conn, table, month, low)
        low = month.high


def _statements(conn: sa.Connection) -> Iterator[list[dict[str, Any]]]:
    """Every stored statement as it is stored from now on."""
    names = ("actor_key", "seq", "id", "codec", "payload", "owner", "origin")
    old = sa.table(_OLD_STATEMENTS, *(statements.c[name]._copy() for name in names)).c
    after = sa.tuple_(old.actor_key, old.seq) > sa.tuple_(sa.bindparam("actor_key"), sa.bindparam("seq"))
    query = sa.select(*old).where(after).order_by(old.actor_key, old.seq).limit(_TOGETHER)
    last = {"actor_key": -(2**63), "seq": -1}
    while rows := conn.execute(query, last).mappings().all():
        last = {"actor_key": rows[-1]["actor_key"], "seq": rows[-1]["seq"]}
        found = _voiders(conn, [row["id"] for row in rows])
        yield [_row(conn, row, found.get(row["id"])) for row in rows]


def _voiders(conn: sa.Connection, ids: list[Any]) -> dict[Any, Any]:
    query = sa.select(voids.c.target, voids.c.voider).where(voids.c.target.in_(ids), voids.c.effective)
    return {row.target: row.voider for row in conn.execute(query.order_by(voids.c.voider.desc()))}


def _row(conn: sa.Connection, old: Any, voider: Any) -> dict[str, Any]:
    statement = orjson.loads(payloads.decode(conn, old["codec"], old["payload"]))
    keys = index.keys_of(statement, statement["authority"]).columns
    return {**old, "voided_by": voider, **(keys if voider is None else dict.fromkeys(keys))}


def _index_rows() -> sa.Insert:
    """The rows of what has no column: of a statement itself where no column holds the key, and all of references."""
    old = sa.table(_OLD_INDEX, *(statement_index.c[name]._copy() for name in statement_index.c.keys())).c
    here = sa.and_(statements.c.actor_key == old.actor_key, statements.c.seq == old.seq)
    held = old.dim.in_([statements.c[name] for name in index.COLUMNS])
    in_a_column = sa.exists(sa.select(sa.literal(1)).select_from(statements).where(here, held))
    own = sa.and_(old.dim != key64("all"), old.dim != old.actor_key, sa.not_(in_a_column))
    rows = sa.select(*old).where(sa.or_(old.matched != 0, own))
    return sa.insert(statement_index).from_select([column.name for column in old], rows)
