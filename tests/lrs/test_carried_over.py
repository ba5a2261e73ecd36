"""What was stored with a row of the index for each key is found by columns after the migration, as if stored since."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import sqlalchemy as sa

from hub.migrations import steps
from lrs import database, index, payloads
from lrs.database import Database, Partition
from lrs.keys import key64
from lrs.tables import dictionaries, statement_ids, statement_index, statement_references, statements, voids
from lrstest import BUDI, COURSE, Store, reference, statement
from wkmbtest.databases import LANES

#: The last schema that had a row of the index for each key.
BEFORE = "0011"
CONTEXT = {
    "registration": "b904ad9b-3dd7-5c81-9c3b-1ff960dbd560",
    "instructor": BUDI,
    "contextActivities": {"parent": [{"id": COURSE + "/a"}, {"id": COURSE + "/b"}], "other": [{"id": COURSE + "/c"}]},
}

Rows = list[dict[str, Any]]


@pytest.fixture(params=LANES)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Partitioned too."""
    return str(request.param)


def test_what_is_stored_is_found_as_before(lrs: Store, database_kind: str, empty_database_url: str) -> None:
    """Statements with further keys, those that refer to them, and voided ones."""
    first, second = statement(context=CONTEXT), statement(actor=BUDI)
    group = statement(actor={"objectType": "Group", "member": [BUDI, statement()["actor"]]})
    lrs.save(first, second, group, reference(first["id"]), reference(second["id"], "voided"))
    with lrs.db.read() as conn:
        old = _as_it_was(conn)

    with contextlib.closing(Database(empty_database_url)) as db:
        with db.write() as conn:
            steps.migrate(conn, BEFORE)
            if database_kind == "partitioned":
                _divide(conn)
            for name, rows in old.items():
                columns = [sa.column(each, _TYPES.get(each)) for each in rows[0]]
                conn.execute(sa.insert(sa.table(name, *columns)), rows)
        steps.upgrade(db)

        assert steps.differences(db) == []
        with db.read() as conn, lrs.db.read() as original:
            assert _rows(conn, statement_index) == _rows(original, statement_index)
            assert list(map(_without_payload, _rows(conn, statements))) == list(
                map(_without_payload, _rows(original, statements))
            )
            assert bool(database.partitions(conn, statements)) == (database_kind == "partitioned")
        again = Store(db)
        assert again.get(first["id"]) == lrs.get(first["id"])
        assert again.find() == lrs.find()
        again.save(statement())


_TYPES = {column.name: column.type for table in (statements, statement_references, voids) for column in table.columns}


def _rows(conn: sa.Connection, table: sa.Table) -> Rows:
    return [dict(row) for row in conn.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings()]


def _without_payload(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("payload", "codec")}


def _as_it_was(conn: sa.Connection) -> dict[str, Rows]:
    """The tables as the version before had them: whole texts, and in the index each key of each listed statement."""
    old_statements, old_index = [], []
    names = ("actor_key", "seq", "id", "owner", "origin")
    for row in conn.execute(sa.select(statements)):
        columns = row._mapping
        text = payloads.text(conn, row)
        old_statements.append({**{name: columns[name] for name in names}, "codec": payloads.PLAIN, "payload": text})
        held = [key64("all"), row.actor_key, *(columns[name] for name in index.COLUMNS if columns[name] is not None)]
        own = {"seq": row.seq, "matched": 0, "actor_key": row.actor_key, "verb_key": row.verb_key or 0}
        old_index += [{"dim": dim, **own} for dim in held if row.voided_by is None]
    old_index += [{**row, "verb_key": 1} for row in _rows(conn, statement_index)]
    others = (statement_ids, statement_references, voids, dictionaries)
    rest = {table.name: rows for table in others if (rows := _rows(conn, table))}
    return {"statements": old_statements, "statement_index": old_index, **rest}


def _divide(conn: sa.Connection) -> None:
    for name, key in (("statements", "actor_key, seq"), ("statement_index", "dim, seq, matched")):
        for command in (
            f"ALTER TABLE {name} RENAME CONSTRAINT pk_{name} TO pk_{name}_first",
            f"ALTER TABLE {name} RENAME TO {name}_first",
            f"CREATE TABLE {name} (LIKE {name}_first) PARTITION BY RANGE (seq)",
            f"ALTER TABLE {name} ADD CONSTRAINT pk_{name} PRIMARY KEY ({key})",
            f"ALTER TABLE {name} ATTACH PARTITION {name}_first FOR VALUES FROM (MINVALUE) TO (1000)",
        ):
            conn.exec_driver_sql(command)
        database.add_partition(conn, sa.table(name), Partition(f"{name}_second", 2**62), 1000)  # type: ignore[arg-type]
