"""Statements in one partition a month, on PostgreSQL: made ahead, never a default one, detached without harm."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hub.migrations import steps
from lrs import agents, database, partitions, store
from lrs.database import Database
from lrs.errors import Conflict, NoPartition
from lrs.sequence import lowest_seq
from lrs.tables import statement_index, statements
from lrstest import ALICE, BUDI, COURSE, Store, reference, statement

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
#: The last moment that has a partition after `NOW`.
LAST = datetime(2027, 2, 28, 23, 59, 59, 999000, tzinfo=UTC)


@pytest.fixture
def database_kind() -> str:
    """A plain database of PostgreSQL, which each test divides itself."""
    return "postgresql"


def divide(db: Database, now: datetime = NOW) -> list[str]:
    return db.run(lambda conn: partitions.divide(conn, now))


def make_ahead(db: Database, now: datetime) -> list[str]:
    return db.run(lambda conn: partitions.make_ahead(conn, now))


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def rows_in(db: Database, name: str) -> int:
    with db.read() as conn:
        return int(conn.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one())


@pytest.fixture
def filled(lrs: Store) -> tuple[Store, list[str]]:
    """A store divided when it held statements, with more of each month after that; and their ids, oldest first."""
    lrs.clock = at(NOW - timedelta(days=400))
    batch = [statement(), statement(actor=BUDI)]
    lrs.save(*batch)
    lrs.clock = at(NOW)
    divide(lrs.db)
    for moment in (NOW, NOW + timedelta(days=20), NOW + timedelta(days=50), LAST):
        lrs.clock = at(moment)
        batch += [statement(), statement(actor=BUDI)]
        lrs.save(*batch[-2:])
    return lrs, [each["id"] for each in batch]


def test_what_was_stored_before_becomes_the_first_partition_and_the_rest_goes_by_months(
    filled: tuple[Store, list[str]],
) -> None:
    lrs, ids = filled

    assert {name: rows_in(lrs.db, name) for name in sorted(_names(lrs.db)) if name.startswith("statements")} == {
        "statements_2026_12": 2,
        "statements_2027_01": 2,
        "statements_2027_02": 2,
        "statements_before_2026_12": 4,
    }
    assert lrs.find(ascending=True) == ids
    assert lrs.find(agent=agents.identifier(ALICE), activity=COURSE) == ids[-2::-2]
    assert lrs.find(since=NOW, until=LAST, limit=3) == ids[:-4:-1]


def _names(db: Database) -> set[str]:
    with db.read() as conn:
        return partitions.names(conn)


def test_the_schema_is_still_the_declared_one_and_its_keys_hold(lrs: Store) -> None:
    divide(lrs.db)
    lrs.save(statement())

    assert steps.differences(lrs.db) == []
    with lrs.db.read() as conn:
        inspector = sa.inspect(conn)
        for table in (statements, statement_index):
            declared = [column.name for column in table.primary_key.columns]
            assert inspector.get_pk_constraint(table.name)["name"] == f"pk_{table.name}"
            wanted = len(table.indexes)
            for name in (table.name, *(part.name for part in database.partitions(conn, table) or ())):
                assert inspector.get_pk_constraint(name)["constrained_columns"] == declared
                assert len(inspector.get_indexes(name)) == wanted
        rows = conn.execute(sa.select(statements)).mappings().all()
    with pytest.raises(sa.exc.IntegrityError), lrs.db.write() as conn:
        conn.execute(sa.insert(statements), [dict(row) for row in rows])


def test_it_may_be_repeated_and_makes_only_what_is_missing(db: Database) -> None:
    first = divide(db)
    month = [f"{table}_2027_03" for table in ("statement_index", "statements")]

    assert len(first) == 8
    assert not any("default" in name for name in first)
    assert divide(db) == make_ahead(db, NOW) == []
    assert sorted(make_ahead(db, NOW + timedelta(days=20))) == month
    assert len(make_ahead(db, NOW + timedelta(days=400))) == 2 * 12


def test_two_workers_make_each_partition_once(db: Database) -> None:
    divide(db)
    later = NOW + timedelta(days=100)

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: make_ahead(db, later), range(2)))

    assert len(made[0]) + len(made[1]) == len(set(made[0] + made[1])) == 8


def test_a_plain_database_stays_as_it_is(db: Database) -> None:
    assert make_ahead(db, NOW) == []
    assert _names(db) == set()
    with db.read() as conn:
        assert partitions.lasts_until(conn) is None


def test_without_the_partition_of_the_month_nothing_is_stored_and_the_reason_is_said(lrs: Store) -> None:
    divide(lrs.db)
    given = statement()
    lrs.clock = at(LAST + timedelta(milliseconds=1))

    with pytest.raises(NoPartition, match="wkmb db partition"):
        lrs.save(given)

    assert lrs.get(given["id"]) is None
    with lrs.db.read() as conn:
        assert partitions.lasts_until(conn) == datetime(2027, 3, 1, tzinfo=UTC)
    make_ahead(lrs.db, lrs.clock())
    lrs.save(given)
    assert lrs.find() == [given["id"]]


def test_who_writes_and_reads_goes_on_while_partitions_are_made(lrs: Store) -> None:
    divide(lrs.db)
    lrs.clock = at(NOW)
    prepared = lrs.prepare(statement())

    with lrs.db.read() as reading, lrs.sequence.writing() as ticket, lrs.db.write() as writing:
        reading.execute(sa.select(statements.c.id))
        store.save(writing, prepared, ticket)
        made = make_ahead(lrs.db, NOW + timedelta(days=31))

    assert made
    assert len(lrs.find()) == 1


def test_a_detached_month_leaves_the_lists_and_its_ids_stay_taken(filled: tuple[Store, list[str]]) -> None:
    lrs, ids = filled
    old = reference(ids[4])
    lrs.save(old)
    lost = statement(id=ids[4])

    with lrs.db.write() as conn:
        for table in ("statements", "statement_index"):
            conn.exec_driver_sql(f"ALTER TABLE {table} DETACH PARTITION {table}_2026_12")

    assert lrs.get(ids[4]) is None
    assert lrs.find(ascending=True) == [*ids[:4], *ids[6:], old["id"]]
    assert lrs.save(lost).repeated
    with pytest.raises(Conflict):
        lrs.save({**lost, "result": {"success": True}})
    void = reference(ids[4], "voided")
    lrs.save(void)
    assert lrs.find(limit=1) == [void["id"]]


@pytest.mark.parametrize("condition", ["voided_by IS NULL", "verb_key = 1", "actor_key = 1"])
def test_a_page_reads_the_months_that_it_needs(filled: tuple[Store, list[str]], condition: str) -> None:
    lrs, _ = filled
    query = f"EXPLAIN SELECT payload FROM statements WHERE {condition} AND seq > :low ORDER BY seq DESC LIMIT 5"

    with lrs.db.read() as conn:
        plan = "\n".join(conn.execute(sa.text(query), {"low": lowest_seq(NOW + timedelta(days=50))}).scalars())

    assert "statements_2027_01" in plan
    assert "statements_2027_02" in plan
    assert "2026_12" not in plan


def test_sqlite_has_none(tmp_path: Any) -> None:
    with contextlib.closing(Database(f"sqlite:///{tmp_path}/x.sqlite3")) as db:
        steps.upgrade(db)

        assert make_ahead(db, NOW) == []
        assert _names(db) == set()
