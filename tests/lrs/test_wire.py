"""What goes to PostgreSQL by libpq's own calls comes back as it was given; on SQLite the same goes its own way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from lrs import wire
from lrs.database import Database, UTCDateTime, UUIDKey, insert_all, insert_missing
from wkmbtest.databases import declared_tables

SOME = sa.Table(
    "some_of_each",
    sa.MetaData(),
    sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("small", sa.SmallInteger),
    sa.Column("middle", sa.Integer),
    sa.Column("flag", sa.Boolean(create_constraint=False)),
    sa.Column("content", sa.LargeBinary(16)),
    sa.Column("text", sa.Text),
    sa.Column("short", sa.String(20)),
    sa.Column("id", UUIDKey),
    sa.Column("day", sa.Date),
    sa.Column("at", UTCDateTime),
)


def row(key: int, **values: Any) -> dict[str, Any]:
    return dict.fromkeys(SOME.c.keys()) | {"key": key} | values


ROWS = [
    row(-(2**63), small=-1, middle=2**31 - 1, flag=True, content=b"\x00\xff", text='"{,}\\ é', short="NULL"),
    row(2**63 - 1, id=UUID(int=2**128 - 1), day=date(1900, 2, 28), at=datetime(1990, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
    row(0, flag=False, content=b"", text="", at=datetime(2026, 11, 28, 7, tzinfo=timezone(timedelta(hours=7)))),
]


@pytest.fixture
def some(db: Database) -> Database:
    SOME.create(db.engine)
    return db


def test_every_type_and_nothing_at_all_come_back_as_they_went(some: Database) -> None:
    with some.write() as conn:
        insert_all(conn, SOME, ROWS)

    with some.read() as conn:
        found = [dict(each) for each in conn.execute(sa.select(SOME).order_by(SOME.c.key)).mappings()]
    assert found == sorted(ROWS, key=lambda each: each["key"])


def test_only_what_is_new_is_counted(some: Database) -> None:
    with some.write() as conn:
        assert insert_missing(conn, SOME, ROWS[:1]) == 1
        assert insert_missing(conn, SOME, ROWS) == 2
        assert insert_missing(conn, SOME, ROWS) == 0


def test_what_is_written_at_once_is_there_afterwards_or_not_at_all(some: Database) -> None:
    with some.write_at_once() as conn:
        insert_all(conn, SOME, ROWS[:1])
        insert_all(conn, SOME, ROWS[1:2])

    def write(*rows: dict[str, Any], then: float = 1.0) -> None:
        with some.write_at_once() as conn:
            for each in rows:
                insert_all(conn, SOME, [each])
            _ = 1 / then

    with pytest.raises(sa.exc.IntegrityError):
        write(ROWS[2], ROWS[0])
    with pytest.raises(ZeroDivisionError):
        write(ROWS[2], then=0)

    with some.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(SOME)).scalar() == 2
    with some.write_at_once() as conn:
        insert_all(conn, SOME, ROWS[2:])


def test_a_connection_that_breaks_is_not_used_again(some: Database) -> None:
    if some.is_sqlite:
        return

    def write_while_it_breaks() -> None:
        with some.write_at_once() as conn:
            driver: Any = conn.connection.dbapi_connection
            with psycopg.connect(some.url.render_as_string(hide_password=False), autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [driver.info.backend_pid])
            insert_all(conn, SOME, ROWS)

    with pytest.raises(sa.exc.DBAPIError):
        write_while_it_breaks()
    with some.write_at_once() as conn:
        insert_all(conn, SOME, ROWS)


@pytest.mark.parametrize("table", declared_tables().values(), ids=lambda table: table.name)
def test_every_column_of_the_project_can_be_sent(table: sa.Table) -> None:
    for column in table.columns:
        name = str(column.type.compile(postgresql.dialect())).partition("(")[0]  # type: ignore[no-untyped-call]
        assert name in wire._TYPES, f"{table.name}.{column.name}: {name}"
