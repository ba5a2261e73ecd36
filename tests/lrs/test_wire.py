"""What goes to PostgreSQL by libpq's own calls comes back as it was given; on SQLite the same goes its own way."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from lrs import wire
from lrs.database import Database, UTCDateTime, UUIDKey, insert_all, insert_missing, metadata, set_aside, upsert
from lrs.precompiled import Precompiled
from wkmbtest.databases import declared_tables

SOME = sa.Table(
    "some_of_each",
    sa.MetaData(naming_convention=metadata.naming_convention),
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


COUNT = Precompiled(sa.select(sa.func.count().label("number")).select_from(SOME))


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
            _end(some, conn)
            insert_all(conn, SOME, ROWS)

    with pytest.raises(sa.exc.DBAPIError):
        write_while_it_breaks()
    with some.write_at_once() as conn:
        insert_all(conn, SOME, ROWS)


def test_a_connection_to_ask_by_that_the_server_closed_is_not_used_again(some: Database) -> None:
    if some.is_sqlite:
        return
    with some.singly() as conn:
        _end(some, conn)

    assert some.first(COUNT).number == 0


def _end(db: Database, conn: sa.Connection) -> None:
    """As an administrator ends it, or a server that is started again."""
    driver: Any = conn.connection.dbapi_connection
    with psycopg.connect(db.url.render_as_string(hide_password=False), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [driver.info.backend_pid])


@pytest.mark.parametrize("after", ["a rollback", "an alteration"])
def test_what_was_prepared_can_be_asked_again_after(some: Database, after: str) -> None:
    """Also by whoever asks the driver, which prepares its own statements beside ours."""

    def ask(conn: sa.Connection) -> None:
        assert COUNT.first(conn).number == conn.execute(sa.select(sa.func.count()).select_from(SOME)).scalar()
        insert_missing(conn, SOME, ROWS[:1])

    def ask_and_end(conn: sa.Connection) -> None:
        for _ in range(10):  # The driver prepares what it is asked for the sixth time.
            ask(conn)
        if after == "an alteration":
            set_aside(conn, SOME, "aside")
            conn.exec_driver_sql("CREATE TABLE some_of_each AS SELECT * FROM aside WHERE false")
            assert COUNT.first(conn).number == 0
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            some.run(ask_and_end)
    some.run(ask)


def test_who_meets_a_row_that_is_being_written_waits_for_it(some: Database) -> None:
    """What is sent with its commit gives up soon; then it goes the way that waits."""
    if some.is_sqlite:
        return

    def change(conn: sa.Connection) -> None:
        upsert(conn, SOME, {**ROWS[0], "small": 7}, update=["small"])

    with ThreadPoolExecutor(1) as pool:
        with some.write() as conn:
            insert_all(conn, SOME, ROWS[:1])
            waiting = pool.submit(
                some.run_at_once, lambda conn: upsert(conn, SOME, {**ROWS[0], "small": 7}, update=["small"])
            )
            _wait_until_locked(some)
        waiting.result(timeout=60)

    with some.read() as conn:
        assert conn.execute(sa.select(SOME.c.small)).scalars().all() == [7]


def _wait_until_locked(db: Database) -> None:
    """Until somebody has waited for a lock twice: in the hurried way, then in the patient one."""
    query = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT%'")
    deadline = time.monotonic() + 60
    since = None
    while since is None or time.monotonic() < since + 0.5:
        with db.singly() as conn:
            if conn.execute(query).scalar() and since is None:
                since = time.monotonic()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("table", declared_tables().values(), ids=lambda table: table.name)
def test_every_column_of_the_project_can_be_sent(table: sa.Table) -> None:
    for column in table.columns:
        name = str(column.type.compile(postgresql.dialect())).partition("(")[0]  # type: ignore[no-untyped-call]
        assert name in wire._TYPES, f"{table.name}.{column.name}: {name}"
