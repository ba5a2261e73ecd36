"""A store with its sequence, and statements that are easy to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson

from lrs import query, statements, store
from lrs.database import Database
from lrs.sequence import Sequence
from lrs.statements import Writer

ALICE = {"objectType": "Agent", "account": {"homePage": "https://asn.example.go.id", "name": "alice"}}
BUDI = {"objectType": "Agent", "mbox": "mailto:budi@example.go.id"}
COURSE = "https://lms.example.go.id/course/1"
VERBS = "http://adlnet.gov/expapi/verbs/"
WRITER = Writer(
    {"objectType": "Agent", "account": {"homePage": "https://hub.example", "name": "moodle"}}, 1, "credential:1"
)


def statement(**members: Any) -> dict[str, Any]:
    """Alice completed the course, unless told otherwise. ``verb`` and ``object`` may be an id alone."""
    made: dict[str, Any] = {"id": str(uuid4()), "actor": ALICE, "verb": "completed", "object": COURSE, **members}
    if isinstance(made["verb"], str):
        made["verb"] = {"id": made["verb"] if ":" in made["verb"] else VERBS + made["verb"]}
    if isinstance(made["object"], str):
        made["object"] = {"id": made["object"]}
    return {name: member for name, member in made.items() if member is not None}


def reference(target: str | UUID, verb: str = "commented", **members: Any) -> dict[str, Any]:
    """A statement about a statement; a void with the verb "voided"."""
    return statement(verb=verb, object={"objectType": "StatementRef", "id": str(target)}, **members)


@dataclass
class Store:
    """The LRS as a use case sees it: one write per batch, one read per question."""

    db: Database
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    version: str = "1.0.3"

    def __post_init__(self) -> None:
        self.sequence = Sequence(self.db, lambda: self.clock(), uuid4)

    def prepare(self, *batch: dict[str, Any], writer: Writer = WRITER) -> tuple[statements.Prepared, ...]:
        parsed = statements.parse(orjson.dumps(list(batch)))
        return statements.prepare(parsed, version=self.version, writer=writer, new_id=uuid4)

    def save(self, *batch: dict[str, Any], writer: Writer = WRITER) -> store.Saved:
        prepared = self.prepare(*batch, writer=writer)
        with self.sequence.writing() as ticket:
            return self.db.run(lambda conn: store.save(conn, prepared, ticket))

    def get(self, statement_id: str | UUID) -> query.Stored | None:
        with self.db.read() as conn:
            return query.get(conn, UUID(str(statement_id)))

    def find(self, *, limit: int = 100, **filters: Any) -> list[str]:
        with self.db.read() as conn:
            page = query.find(conn, query.StatementQuery(**filters), limit=limit)
        return [str(each.id) for each in page.statements]
