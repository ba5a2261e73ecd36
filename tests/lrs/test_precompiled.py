"""`lrs.precompiled` does what SQLAlchemy does, on both databases."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from lrs.database import Database, UTCDateTime, UUIDKey
from lrs.precompiled import Precompiled

things = sa.Table(
    "precompiled_things",
    sa.MetaData(),
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("at", UTCDateTime),
    sa.Column("mark", sa.LargeBinary(4)),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("is_new", sa.Boolean(create_constraint=False)),
)
COLUMNS = ("id", "at", "mark", "count", "is_new")
ID = uuid.UUID(int=7)
AT = datetime(2026, 11, 28, 6, 30, 1, 250_000, tzinfo=timezone(timedelta(hours=7)))

FIND = Precompiled(sa.select(things).where(things.c.id == sa.bindparam("which")).limit(1))
ALL = Precompiled(sa.select(things.c.id, things.c.count).order_by(things.c.id))
ADD = Precompiled(sa.insert(things).values({name: sa.bindparam(f"its_{name}") for name in COLUMNS}))
COUNT = Precompiled(
    sa.update(things)
    .where(things.c.id == sa.bindparam("which"), things.c.at <= sa.bindparam("now"))
    .values(count=sa.case((things.c.at <= sa.bindparam("now"), things.c.count + 1), else_=0))
    .returning(things.c.count)
)


def add(conn: sa.Connection, which: uuid.UUID = ID) -> int:
    return ADD.change(conn, its_id=which, its_at=AT, its_mark=b"\0x", its_count=1, its_is_new=True)


@pytest.fixture
def conn(db: Database) -> Iterator[sa.Connection]:
    things.create(db.engine)
    with db.write() as conn:
        yield conn
    things.drop(db.engine)


def test_values_come_back_as_the_types_of_their_columns_have_them(conn: sa.Connection) -> None:
    assert add(conn) == 1

    row = FIND.first(conn, which=ID)

    assert row is not None
    assert (row.id, row.at, row.mark, row.count, row.is_new) == (ID, AT, b"\0x", 1, True)
    assert row.at.tzinfo is UTC
    assert tuple(row) == tuple(conn.execute(FIND.statement, {"which": ID}).one())


def test_a_row_that_is_not_there_is_none(conn: sa.Connection) -> None:
    assert FIND.first(conn, which=ID) is None
    assert ALL.all(conn) == []


def test_every_row_comes_in_its_order(conn: sa.Connection) -> None:
    for number in (9, 7):
        add(conn, uuid.UUID(int=number))

    assert [row.id.int for row in ALL.all(conn)] == [7, 9]


def test_a_parameter_may_stand_in_more_than_one_place_and_a_change_gives_rows_back(conn: sa.Connection) -> None:
    add(conn)

    assert COUNT.first(conn, which=ID, now=AT) == (2,)
    assert COUNT.first(conn, which=ID, now=AT - timedelta(seconds=1)) is None


def test_a_parameter_that_is_not_given_is_no_null(conn: sa.Connection) -> None:
    with pytest.raises(KeyError, match="which"):
        FIND.first(conn)


def test_an_error_is_the_one_that_sqlalchemy_raises_and_is_told_to_who_counts_errors(db: Database) -> None:
    things.create(db.engine)
    told: list[str] = []
    sa.event.listen(db.engine, "handle_error", lambda context: told.append(type(context.sqlalchemy_exception).__name__))

    with db.write() as conn:
        add(conn)
    with db.write() as conn, pytest.raises(sa.exc.IntegrityError):
        add(conn)

    assert told == ["IntegrityError"]
    things.drop(db.engine)


def test_who_watches_what_is_asked_sees_it(db: Database) -> None:
    things.create(db.engine)
    asked: list[str] = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))

    with db.write() as conn:
        add(conn)
        assert FIND.first(conn, which=ID) is not None

    assert [text.split()[0] for text in asked] == ["INSERT", "SELECT"]
    things.drop(db.engine)


def test_on_a_connection_of_single_queries_each_sees_what_was_committed_before_it(db: Database) -> None:
    things.create(db.engine)

    with db.singly() as conn:
        before = FIND.first(conn, which=ID)
        assert db.run_single(add) == 1
        after = FIND.first(conn, which=ID)

    assert (before, after and after.id) == (None, ID)
    things.drop(db.engine)


def test_a_single_statement_that_fails_changes_nothing(db: Database) -> None:
    things.create(db.engine)
    db.run_single(add)

    with pytest.raises(sa.exc.IntegrityError):
        db.run_single(add)

    with db.read() as conn:
        assert len(ALL.all(conn)) == 1
    things.drop(db.engine)
