"""Import a completion file: rows of a training institution's table become statements, all of them or none.

Read and look up first (who has this NIP, which course is this), then one write. The same file imported again changes
nothing, since each row's statement has an id that follows from the row; a row that says something else about the same
event is a problem of its own, never an overwriting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import sqlalchemy as sa

from connectors import xapi
from connectors.completions import Completion, Problem, read_completions, to_statement
from hub.people import learners
from hub.statements import ingest
from hub.systems.sync_tables import connector_runs
from lrs import statements
from lrs.database import Database
from lrs.errors import Conflict, Invalid
from lrs.sequence import Sequence as Numbers
from lrs.sequence import Ticket
from lrs.statements import Prepared, Writer
from lrs.store import Saved
from mappings.course import Course

if TYPE_CHECKING:
    from hub.learning.catalogue import Snapshot
    from hub.runtime import Hub
    from hub.systems.registry import Connector

#: One file is one transaction, which other writers wait for.
MAX_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class FoundCourse:
    """A course of the catalogue, as far as a statement names it."""

    id: str
    titles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did; nothing, if ``run`` is `None`. Problems are in the order of the lines."""

    run: UUID | None
    stored: int
    repeated: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class CompletionImport:
    """Imports files of one hub. ``find_learner`` gives the opaque id of a NIP, ``find_course`` a provider's course."""

    db: Database
    numbers: Numbers
    accept: Callable[[sa.Connection, Sequence[Prepared], Ticket], Saved]
    find_learner: Callable[[sa.Connection, str], str | None]
    find_course: Callable[[sa.Connection, str, str], FoundCourse | None]
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    hub_url: str
    timezone: tzinfo
    extra_keys: Callable[[Mapping[str, Any]], Iterable[str]] | None = None

    def run(self, connector: int, name: str, content: bytes, *, skip_bad: bool = False) -> Imported:
        """Store what the file says in the name of this connector; with a problem nothing, unless ``skip_bad``."""
        found = read_completions(content)
        problems = list(found.problems)
        if len(found.rows) > MAX_ROWS:
            problems.append(Problem(1, "file", "too_long", f"has more than {MAX_ROWS} rows.", "Split the file."))
            return Imported(None, 0, 0, tuple(problems))
        run = self.new_id()
        writer = Writer(xapi.account(self.hub_url, f"connector/{name}"), connector, f"run:{run}")
        good = self._prepare(self._look_up(name, found.rows, problems), writer, problems)
        while good and (skip_bad or not problems):
            try:
                return self._store(connector, run, good, problems)
            except Conflict as conflict:
                problems += [_another(good.pop(id).row) for id in conflict.ids]
        return Imported(None, 0, 0, _in_order(problems))

    def _look_up(
        self, name: str, rows: Sequence[Completion], problems: list[Problem]
    ) -> list[tuple[Completion, xapi.Statement]]:
        made = []
        with self.db.read() as conn:
            for row in rows:
                learner, course = self.find_learner(conn, row.nip), self.find_course(conn, name, row.course)
                if learner is None:
                    advice = "Import the learners first: wkmb learner import FILE."
                    problems.append(Problem(row.line, "nip", "unknown", "is no learner's NIP.", advice))
                if course is None:
                    advice = f"Import the course first, with provider {name}: wkmb course import FILE."
                    problems.append(
                        Problem(row.line, "course", "unknown", f"'{row.course}' is no course of {name}.", advice)
                    )
                if learner is not None and course is not None:
                    made.append((row, self._statement(name, row, learner, course)))
        return made

    def _statement(self, name: str, row: Completion, learner: str, course: FoundCourse) -> xapi.Statement:
        return to_statement(
            row,
            source=name,
            learner=learner,
            actor=xapi.account(self.hub_url, learner),
            course=xapi.activity(course.id, course.titles),
            timezone=self.timezone,
        )

    def _prepare(
        self, made: Sequence[tuple[Completion, xapi.Statement]], writer: Writer, problems: list[Problem]
    ) -> dict[UUID, _Candidate]:
        good: dict[UUID, _Candidate] = {}
        for row, statement in made:
            try:
                [prepared] = statements.prepare(
                    statements.parse(orjson.dumps(statement)),
                    version="1.0.3",
                    writer=writer,
                    new_id=self.new_id,
                    extra_keys=self.extra_keys,
                )
            except Invalid as refusal:
                problems.append(Problem(row.line, "row", "invalid", f"makes no statement: {refusal}.", "Correct it."))
            else:
                # Two numbers of one person (a changed NIP) may say the same: that is one event.
                good.setdefault(prepared.id, _Candidate(prepared, row))
        return good

    def _store(
        self, connector: int, run: UUID, good: Mapping[UUID, _Candidate], problems: Iterable[Problem]
    ) -> Imported:
        prepared = [each.prepared for each in good.values()]
        with self.numbers.writing() as ticket:
            stored = self.db.run(partial(self._write, ticket, connector, run, prepared))
        return Imported(run, stored, len(prepared) - stored, _in_order(problems))

    def _write(
        self, ticket: Ticket, connector: int, run: UUID, prepared: Sequence[Prepared], conn: sa.Connection
    ) -> int:
        now = self.clock()
        saved = self.accept(conn, prepared, ticket)
        stored, repeated = len(saved.new), len(prepared) - len(saved.new)
        conn.execute(
            sa.insert(connector_runs).values(
                connector=connector,
                id=run,
                started=now,
                ended=now,
                state="ok",
                stored=stored,
                repeated=repeated,
                set_aside=0,
            )
        )
        return stored


@dataclass(frozen=True, slots=True)
class _Candidate:
    prepared: Prepared
    row: Completion


def _another(row: Completion) -> Problem:
    message = "says something else than an earlier import about the same person, course, event and day."
    return Problem(row.line, "row", "conflict", message, "Take the earlier one back with a voiding statement first.")


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))


def import_file(hub: Hub, connector: Connector, content: bytes, *, skip_bad: bool = False) -> Imported:
    """Import a file that this system sent, about the courses of the catalogue that it may report."""
    with hub.db.read() as conn:
        snapshot = hub.courses.current(conn)
    return _create_import(hub, snapshot).run(connector.id, connector.name, content, skip_bad=skip_bad)


def _create_import(hub: Hub, snapshot: Snapshot) -> CompletionImport:
    def accept(conn: sa.Connection, prepared: Sequence[Prepared], ticket: Ticket) -> Saved:
        return ingest.store(conn, prepared, ticket, now=hub.clock(), new_id=hub.new_id)

    def find_learner(conn: sa.Connection, nip: str) -> str | None:
        found = learners.find_by_nip(conn, nip)
        return None if found is None else str(found.id)

    def find_course(_conn: sa.Connection, provider: str, id: str) -> FoundCourse | None:
        found = snapshot.catalogue.match(id, (id,), provider)
        if not isinstance(found, Course) or not found.hears(provider):
            return None
        titles = {"id": found.title_id, "en": found.title_en}
        return FoundCourse(found.id, {language: title for language, title in titles.items() if title})

    return CompletionImport(
        db=hub.db,
        numbers=hub.sequence,
        accept=accept,
        find_learner=find_learner,
        find_course=find_course,
        clock=hub.clock,
        new_id=hub.new_id,
        hub_url=hub.base_url,
        timezone=hub.settings.timezone,
        extra_keys=ingest.extra_keys,
    )
