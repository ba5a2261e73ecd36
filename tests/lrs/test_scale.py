"""The rules of growth (docs: from one file to a nation), read off the tables and off the SQL that runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg

from lrs import agents, index, query, tables
from lrs.database import Database, metadata
from lrs.documents import Condition, Context, Kind, find_document, put_document
from lrstest import ALICE, COURSE, VERBS, Store, reference, statement
from wkmbtest.databases import LANES

OURS = [each for each in vars(tables).values() if isinstance(each, sa.Table)]


@pytest.fixture(params=LANES)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Partitioned too."""
    return str(request.param)


@pytest.mark.parametrize("table", OURS, ids=lambda table: table.name)
def test_the_distribution_column_is_in_every_key(table: sa.Table) -> None:
    column = table.info["distribution"]

    if column != "reference":
        keys = [key for key in table.constraints if isinstance(key, sa.PrimaryKeyConstraint | sa.UniqueConstraint)]
        assert keys
        for key in keys:
            assert column in key.columns
        assert all(column in index.columns for index in table.indexes if index.unique)


@pytest.mark.parametrize("table", OURS, ids=lambda table: table.name)
def test_the_application_makes_every_number_and_no_table_leans_on_another(table: sa.Table) -> None:
    assert table in metadata.sorted_tables
    assert not table.foreign_keys
    for column in table.columns:
        assert column.server_default is None
        assert column.identity is None
        assert column.autoincrement is not True
        assert column.default is None


@pytest.fixture
def sql(db: Database) -> Iterator[list[str]]:
    """Every statement that reaches the database."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(" ".join(statement.split()))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


FORBIDDEN = re.compile(
    r"\b(MERGE|CREATE TRIGGER|CREATE RULE|pg_advisory|nextval|currval|lastval|NOW\(\)|CURRENT_TIMESTAMP|"
    r"ON CONFLICT ON CONSTRAINT)\b|WITH .*(INSERT|UPDATE|DELETE)",
    re.IGNORECASE,
)


def test_what_runs_keeps_the_rules(lrs: Store, sql: list[str]) -> None:
    given = statement(context={"registration": "b904ad9b-3dd7-5c81-9c3b-1ff960dbd560"})
    lrs.save(given, reference(given["id"]))
    lrs.save(reference(given["id"], "voided"))
    who = agents.identifier(ALICE)
    for filters in (
        {},
        {"agent": who, "related_agents": True},
        {"verb": VERBS + "completed", "activity": COURSE, "related_activities": True},
        {"registration": "b904ad9b-3dd7-5c81-9c3b-1ff960dbd560", "agent": who},
    ):
        lrs.find(**filters)
    context = Context(Kind.ACTIVITY_PROFILE, COURSE)
    with lrs.db.write() as conn:
        put_document(conn, context, "p", content=b"1", content_type="x/y", condition=Condition(), now=lrs.clock())
        find_document(conn, context, "p")
        list(query.of_actors(conn, [agents.actor_key(ALICE)]))

    assert len(sql) > 20
    for text in sql:
        assert not FORBIDDEN.search(text), text
        _reads_by_distribution(text)


def _reads_by_distribution(text: str) -> None:
    """A hot read has equality on the distribution column of each table that it reads, or a join on it.

    A list of statements by something else than their actor is a page of one index on each shard (decision 0009).
    """
    if not text.startswith(("SELECT", "UPDATE", "DELETE")):
        return
    for table in OURS:
        column = table.info["distribution"]
        if re.search(rf"\b(FROM|UPDATE|JOIN) {table.name}\b", text) and column != "reference":
            page = table is tables.statements and "ORDER BY statements.seq DESC LIMIT" in text
            assert page or re.search(rf"\b{column} (=|IN)", text), f"{table.name} is read without its {column}: {text}"


def test_a_list_walks_the_range_of_what_it_asks_for(lrs: Store) -> None:
    """Whatever the database believes of its values, it does not walk through everything to find something rare."""
    lrs.save(*(statement(context={"registration": str(uuid4())}) for _ in range(200)))
    with lrs.db.write() as conn:
        conn.exec_driver_sql("ANALYZE")
    iri, who = "https://nowhere.example.org/", agents.Identifier("mbox", "", "mailto:nobody@example.org")
    for asked, walked in (
        (query.StatementQuery(), {"seq"}),
        (query.StatementQuery(verb=iri), {"verb_key"}),
        (query.StatementQuery(activity=iri, verb=iri), {"activity_key"}),
        (query.StatementQuery(activity=iri, related_activities=True), {"activity_key", *index.RELATED_ACTIVITIES}),
        (query.StatementQuery(registration=str(uuid4()), activity=iri, verb=iri), {"registration_key"}),
        (query.StatementQuery(authority=who, verb=iri), {"authority_key"}),
        (query.StatementQuery(agent=who, verb=iri, related_agents=True), {"actor_key", "authority_key"}),
    ):
        plan = _plan(lrs.db, asked)
        assert set(_RANGES.findall(plan)) == walked, plan


# Not those that look one statement up by its number.
_RANGES = re.compile(r"(?: on statements.*\n *Index Cond: \(\(|SEARCH statements .* \()(\w+) ?[=<>](?!.*seq ?= ?)")


def _plan(db: Database, asked: query.StatementQuery) -> str:
    """How the database answers the list, whatever the values are and however little is stored yet."""
    shape, keys = query._asked(asked, whole=True)
    statement = query._page_query(shape).statement
    parameters = {**keys, **query._bounds(-1, 2**63 - 1), "limit": 101}
    with db.read() as conn:
        numbered: Any = statement.compile(dialect=conn.dialect if db.is_sqlite else asyncpg.dialect())
        values = tuple(parameters.get(name, numbered.params[name]) for name in numbered.positiontup)
        if db.is_sqlite:
            return "\n".join(row.detail for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {numbered}", values))
        conn.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        for way in ("seqscan", "sort"):
            conn.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        conn.exec_driver_sql(f"PREPARE asked AS {numbered}")
        plan = conn.exec_driver_sql(f"EXPLAIN EXECUTE asked ({', '.join(map(str, values))})").scalars().all()
        conn.exec_driver_sql("DEALLOCATE asked")
        return "\n".join(plan)
