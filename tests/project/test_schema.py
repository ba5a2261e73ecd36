"""The schema can grow from one file to a cluster: what that forbids is refused here, table by table.

Growing tables name the column by which they are spread (``table.info["distribution"]``); small ones that every
node of a cluster copies say ``reference``. The statements are looked at while other tests execute them
(`wkmbtest.clusterrules`).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest
import sqlalchemy as sa

import hub
import lrs
from lrs.precompiled import Precompiled
from wkmbtest.clusterrules import ClusterRule, check, distribution
from wkmbtest.databases import declared_tables

TABLES = sorted(declared_tables().values(), key=lambda table: table.name)
GROWING = [table for table in TABLES if distribution(table) is not None]


def by_name(tables: list[sa.Table]) -> list[object]:
    return [pytest.param(table, id=table.name) for table in tables]


def keys(table: sa.Table) -> Iterator[tuple[str, set[str]]]:
    """The primary key and everything else that has to be unique, with its columns."""
    for constraint in table.constraints:
        if isinstance(constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint):
            yield str(constraint.name), {column.name for column in constraint.columns}
    for index in table.indexes:
        if index.unique:
            yield str(index.name), {column.name for column in index.columns}


def test_the_tables_that_grow_with_every_statement_are_known_to_grow() -> None:
    assert {"statement_ids", "statements", "statement_index"} <= {table.name for table in GROWING}


@pytest.mark.parametrize("table", by_name(TABLES))
def test_each_table_says_how_it_is_spread(table: sa.Table) -> None:
    name = table.info.get("distribution")

    assert name == "reference" or name in table.c, f"{table.name}.info['distribution'] is {name!r}"


@pytest.mark.parametrize("table", by_name(TABLES))
def test_each_table_has_a_primary_key(table: sa.Table) -> None:
    assert table.primary_key.columns


@pytest.mark.parametrize("table", by_name(GROWING))
def test_each_key_of_a_growing_table_holds_its_distribution_and_partition_column(table: sa.Table) -> None:
    needed = {table.info["distribution"], table.info.get("partition", table.info["distribution"])}

    for name, columns in keys(table):
        assert needed <= columns, f"{name} lacks {needed - columns}"


@pytest.mark.parametrize("table", by_name(GROWING))
def test_the_database_makes_no_value_of_a_growing_table(table: sa.Table) -> None:
    assert table.autoincrement_column is None, "an identity or sequence differs from node to node"
    for column in table.columns:
        assert column.identity is None, column
        assert column.server_default is None, column
        assert column.server_onupdate is None, column
        assert column.computed is None, column
        assert not isinstance(column.default, sa.Sequence), column


@pytest.mark.parametrize("table", by_name(TABLES))
def test_no_foreign_key_leads_to_a_growing_table(table: sa.Table) -> None:
    for key in table.foreign_keys:
        assert distribution(key.column.table) is None, f"{key.parent} refers to {key.column}"


@pytest.mark.parametrize("table", by_name(TABLES))
def test_times_keep_their_zone_and_amounts_are_whole(table: sa.Table) -> None:
    for column in table.columns:
        assert not isinstance(column.type, sa.DateTime), f"{column}: use UTCDateTime, SQLite drops offsets"
        assert not isinstance(column.type, sa.Float | sa.Numeric), f"{column}: hundredths or seconds, as integers"
        if column.name.endswith("seq") or column.name.endswith("_key"):
            assert isinstance(column.type, sa.BigInteger | sa.LargeBinary | sa.TypeDecorator | sa.String), column


things = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("bucket", sa.Integer, primary_key=True),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Text),
    info={"distribution": "bucket"},
)

REFUSED = {
    "function in UPDATE": sa.update(things).values(at=sa.func.now()),
    "function inside an expression": sa.update(things).values(at=things.c.at + sa.func.now()),
    "function in DO UPDATE": sa.dialects.postgresql.insert(things)
    .values(bucket=1, id=1)
    .on_conflict_do_update(index_elements=["bucket", "id"], set_={"at": sa.func.now()}),
    "writing CTE": sa.select(sa.delete(things).returning(things.c.id).cte("gone").c.id),
    "lock over all shards": sa.select(things.c.id).with_for_update(skip_locked=True),
    "lock over some shards": sa.select(things.c.id).where(things.c.bucket > 1).with_for_update(),
}

ACCEPTED = {
    "value in UPDATE": sa.update(things).values(at="now"),
    "lock in one shard": sa.select(things.c.id).where(things.c.bucket == 1).with_for_update(skip_locked=True),
    "read with a function": sa.select(sa.func.max(things.c.id)),
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
def test_a_statement_that_a_cluster_refuses_is_refused_in_every_test(statement: sa.Executable) -> None:
    with pytest.raises(ClusterRule):
        check(statement)


@pytest.mark.parametrize("statement", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_statement_that_a_cluster_takes_passes(statement: sa.Executable) -> None:
    check(statement)


def test_what_is_executed_is_looked_at_each_time() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as conn:
        things.metadata.create_all(conn)
        conn.execute(sa.insert(things).values(bucket=1, id=1, at="then"))
        for _ in range(2):
            with pytest.raises(ClusterRule, match="UPDATE things"):
                conn.execute(REFUSED["function in UPDATE"])

        assert conn.execute(sa.select(things.c.at)).scalar() == "then"


def modules() -> Iterator[ModuleType]:
    """Every module of the packages that ask the database."""
    for package in (hub, lrs):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in found.name and not found.name.endswith((".otel", ".__main__")):
                yield importlib.import_module(found.name)


def test_statements_that_are_compiled_once_run_on_a_cluster_too() -> None:
    """All of them, also those that no test executes."""
    found = [each for module in modules() for each in vars(module).values() if isinstance(each, Precompiled)]

    assert found
    for each in found:
        check(each.statement)
