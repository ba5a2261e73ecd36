"""Thousands of rows at once: what is stored is what one row at a time would store, of every type that tables have."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
import sqlalchemy as sa

from lrs.database import Database, UTCDateTime, UUIDKey, among, insert_all, insert_many

KEPT = sa.Table(
    "kept_for_a_test",
    sa.MetaData(),
    sa.Column("id", UUIDKey, primary_key=True),
    sa.Column("on", sa.Date, nullable=False),
    sa.Column("key", sa.LargeBinary(32), nullable=False),
    sa.Column("number", sa.Integer),
    sa.Column("big", sa.BigInteger, nullable=False),
    sa.Column("small", sa.SmallInteger, nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("is_done", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
)
WIB = timezone(timedelta(hours=7))


def row(number: int) -> dict[str, object]:
    return {
        "id": UUID(int=number),
        "on": date(2026, 12, 31),
        "key": bytes([number % 256, 0, 255]),
        "number": None if number % 3 else number,
        "big": -(2**62) - number,
        "small": number % 100,
        "name": f"baris\t{number}\n\\.",
        "text": None if number % 5 else '{"say": "\\u0000 \'quoted\' — é"}',
        "is_done": bool(number % 2),
        "at": datetime(2026, 12, 31, 23, 30, 0, 123456, WIB),
    }


@pytest.fixture
def table(db: Database) -> sa.Table:
    KEPT.create(db.engine)
    return KEPT


@pytest.mark.parametrize("count", [1, 250])
def test_rows_come_back_as_they_were_given(db: Database, table: sa.Table, count: int) -> None:
    """Also where they name their columns in another order than the first one does."""
    rows = [row(number) if number % 2 else dict(reversed(row(number).items())) for number in range(count)]

    db.run(lambda conn: insert_many(conn, table, rows))

    with db.read() as conn:
        found = [dict(each._mapping) for each in conn.execute(sa.select(table).order_by(table.c.id))]
    assert found == [row(number) for number in range(count)]
    assert {each["at"] for each in found} == {datetime(2026, 12, 31, 16, 30, 0, 123456, UTC)}


@pytest.mark.parametrize("count", [1, 250])
def test_one_that_is_there_already_takes_all_of_them_back(db: Database, table: sa.Table, count: int) -> None:
    db.run(lambda conn: insert_all(conn, table, [row(0)]))

    with pytest.raises(sa.exc.IntegrityError):
        db.run(lambda conn: insert_many(conn, table, [row(number) for number in range(count)]))

    with db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 1


@pytest.mark.parametrize("column", ["id", "name", "big"])
def test_rows_are_found_among_any_number_of_values(db: Database, table: sa.Table, column: str) -> None:
    db.run(lambda conn: insert_all(conn, table, [row(number) for number in range(20)]))

    for asked in ([], [3], [3, 17, 3], list(range(900))):
        with db.read() as conn:
            named = among(conn, table.c[column], (row(number)[column] for number in asked))
            found = conn.execute(sa.select(table.c.id).where(named).order_by(table.c.id)).scalars().all()
        assert found == [UUID(int=number) for number in sorted({*asked}) if number < 20]
