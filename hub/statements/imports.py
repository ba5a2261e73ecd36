"""Statements from a file: an export of this hub put back as it was, or another system's statements taken over.

- **Put back** (an export that carries this hub's signature, unchanged): id, bytes, `stored`, authority, system, origin,
  voids and attachments are those of before. A statement keeps its number, so whoever followed this hub meets nothing
  twice, and what an entry rests on is the same statement as before.
- **Taken over** (``connector`` is named; any export, or bare statements, one a line): as if they were pulled from that
  system. The hub sets `stored` and authority; what the file says of them is kept with the origin.

Twice over the file: first every line is checked and nothing is stored, then it is stored batch by batch, each batch
whole or not at all. What is there already is skipped, so a stopped import is begun again, or continued at a line.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import orjson
import sqlalchemy as sa

from connectors import xapi
from hub import journal
from hub.errors import HubError
from hub.runtime import Hub
from hub.statements import exports, ingest
from hub.systems import credentials, registry
from hub.systems.registry import Connector
from hub.systems.sync_tables import connector_runs, pulled_statements
from lrs import attachments, formats, query, statements
from lrs.database import insert_all, insert_missing
from lrs.errors import Conflict, Invalid, LRSError, TooMuch, VoidRefused
from lrs.sequence import Ticket, lowest_seq
from lrs.statements import Prepared, Writer
from mappings.course import Problem

#: Statements of a transaction, and bytes of lines after which one ends earlier.
BATCH, BATCH_BYTES = 200, 8 * 1024 * 1024

#: So many wrong lines are told; the others are counted.
MOST_TOLD = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A good line. ``seq``: the number that the statement had; ``first``: what another LRS had set on it;
    ``voided_by``: the statement that had voided it."""

    number: int
    prepared: Prepared
    data: Mapping[str, bytes]
    seq: int | None = None
    first: Mapping[str, Any] | None = None
    voided_by: UUID | None = None

    @property
    def run(self) -> UUID | None:
        """The run that brought it, where it was pulled."""
        kind, _, id = self.prepared.writer.origin.partition(":")
        with suppress(ValueError):
            return UUID(id) if kind == "run" else None
        return None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file is. ``wrong`` counts every bad line, ``problems`` tells the first of them."""

    statements: int
    wrong: int
    problems: tuple[Problem, ...]
    is_export: bool
    is_whole: bool
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """What was done, up to and with line ``line``."""

    stored: int = 0
    repeated: int = 0
    problems: tuple[Problem, ...] = ()
    line: int = 0


class BatchRefused(Exception):
    """A batch was taken back because of these lines; everything before it is stored."""

    def __init__(self, done: Imported, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.done, self.problems = done, tuple(problems)


def check(hub: Hub, path: Path, connector: Connector | None) -> Checked:
    """Read every line, and store nothing. Raises `HubError` where the file as a whole cannot be imported."""
    reader = Reader(hub, connector, run=UUID(int=0))
    mac = hmac.new(exports.key(hub), digestmod="sha256")
    good = wrong = 0
    problems: list[Problem] = []
    head: Mapping[str, Any] = {}
    end: Mapping[str, Any] = {}
    with path.open("rb") as file:
        for number, text in _lines(file, _longest(hub)):
            found = reader.read(number, text)
            if isinstance(found, Line):
                good += 1
            elif isinstance(found, Problem):
                wrong += 1
                problems += [found] if len(problems) < MOST_TOLD else []
            elif found.get("kind") == "end":
                end = found
                break
            else:
                head = head or found
            mac.update(text)
        end = {} if file.readline(1) else end
    is_whole = end.get("statements") == good + wrong
    is_ours = is_whole and hmac.compare_digest(str(end.get("mac")).encode(), mac.hexdigest().encode())
    return Checked(good, wrong, tuple(problems), bool(head), is_whole, is_ours)


def require(checked: Checked, connector: Connector | None, *, partial: bool) -> None:
    """Refuse a file that was cut off, and one of somebody else of whom nobody says whose it is."""
    if checked.is_export and not checked.is_whole and not partial:
        raise HubError(
            "cut_off",
            "The file is not whole: its last line does not say how many statements there are before it.",
            action="Get it again, or take what is there with --partial and --connector NAME.",
        )
    if connector is None and not checked.is_ours:
        raise HubError(
            "not_ours",
            "The file is no export of this hub (with this WKMB_SECRET_KEY), or it was changed.",
            action="Say of which system these statements are: --connector NAME.",
        )


def store(
    hub: Hub,
    path: Path,
    connector: Connector | None,
    *,
    by: str,
    from_line: int = 1,
    skip_bad: bool = False,
    progress: Callable[[Imported], None] = lambda done: None,
) -> Imported:
    """Store what the file holds, batch by batch. Raises `BatchRefused` at a batch that cannot be stored, unless its bad
    lines may be left out."""
    run = hub.new_id()
    reader = Reader(hub, connector, run)
    hub.db.run(lambda conn: _begin(conn, hub, path, connector, run, by))
    done = Imported()
    with path.open("rb") as file:
        for batch in _batches(reader, file, _longest(hub), from_line):
            done = _store(hub, connector, run, batch, done, skip_bad=skip_bad)
            progress(done)
    return done


# Reading -----------------------------------------------------------------------------------------------


def _longest(hub: Hub) -> int:
    """Bytes of a line: the largest body that is taken, once as it is and once as a JSON string, which can be twice as
    long (or in base64), and what stands beside it."""
    return hub.settings.max_body_bytes * 3 + 1024 * 1024


def _lines(file: BinaryIO, longest: int) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers from 1; one that is too long comes as its beginning alone."""
    number = 0
    while line := file.readline(longest):
        number += 1
        yield number, line
        while not line.endswith(b"\n"):
            line = file.readline(longest)
            if not line:
                return


class Reader:
    """Reads lines into statements that are ready to be stored."""

    def __init__(self, hub: Hub, connector: Connector | None, run: UUID) -> None:
        self._hub = hub
        self._connector = connector
        self._run = run
        self._now = lowest_seq(hub.clock(), later=1)
        with hub.db.read() as conn:
            self._systems = {each.name: each.id for each in registry.list_connectors(conn)}
            self._keys = {each.name: each.id for each in credentials.list_all(conn)}

    def read(self, number: int, text: bytes) -> Line | Problem | Mapping[str, Any]:
        """A statement, why the line is none, or the first or last line of an export."""
        if len(text) >= _longest(self._hub):
            return _problem(number, "too_long", "is longer than a statement may be.")
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return _problem(number, "not_json", f"is no JSON: {error}.")
        if not isinstance(value, dict):
            return _problem(number, "not_an_object", "is no object.")
        kind = value.get("kind")
        if kind in ("export", "end"):
            return value
        try:
            return self._statement(number, value, _exact(value, text) if kind == "statement" else text.strip())
        except (LRSError, _LineWrong) as error:
            return _problem(number, "refused", f"{error}".rstrip(".") + ".")

    def _statement(self, number: int, value: Mapping[str, Any], text: bytes) -> Line:
        given = orjson.loads(text)
        if not isinstance(given, dict) or not isinstance(given.get("id"), str):
            raise _LineWrong("its statement has no id, so it would be a new one each time")
        data = _data(value.get("attachments", {}))
        if self._connector is None:
            return self._put_back(number, value, given, text, data)
        return self._taken_over(number, value, given, text, data)

    def _put_back(
        self, number: int, value: Mapping[str, Any], given: Mapping[str, Any], text: bytes, data: Mapping[str, bytes]
    ) -> Line:
        """As it was. What the line says is believed: the file is signed by this hub.

        So are attachments, which were checked when they came. They would not all be found good again: a signature says
        nothing of an id or a timestamp that the hub had to set, and data elsewhere was never fetched.
        """
        system, origin, seq = value.get("connector"), str(value.get("origin", "")), str(value.get("seq", ""))
        if system is not None and system not in self._systems:
            raise _LineWrong(f"there is no system {system!r} here; add it first: wkmb connector apply")
        if not (seq.isascii() and seq.isdigit() and int(seq) < self._now):
            raise _LineWrong("its number is none, or of a time to come")
        if "authority" not in given:
            raise _LineWrong("its statement has no authority, which every stored one has")
        writer = Writer(
            authority=given["authority"],
            owner=self._systems[system] if system is not None else None,
            origin=self._origin(origin),
            may_void_any=value.get("may_void_any") is True,
            may_define=not origin.startswith("launch:"),
        )
        voided_by = str(value.get("voided_by", ""))
        return Line(
            number,
            self._as_before(text, given, writer, int(seq)),
            data,
            int(seq),
            value.get("first"),
            UUID(voided_by) if formats.is_uuid(voided_by) else None,
        )

    def _taken_over(
        self, number: int, value: Mapping[str, Any], given: Mapping[str, Any], text: bytes, data: Mapping[str, bytes]
    ) -> Line:
        assert self._connector is not None  # noqa: S101  # asked by the only caller
        authority = xapi.account(self._hub.base_url, f"connector/{self._connector.name}")
        writer = Writer(authority, self._connector.id, f"run:{self._run}")
        said = {"stored": given.get("stored"), "authority": given.get("authority")}
        first = value.get("first") if isinstance(value.get("first"), dict) else said
        line = Line(number, self._prepare(text, given, writer), data, None, first)
        attachments.check_attachments([line.prepared], data)
        return line

    def _as_before(self, text: bytes, given: Mapping[str, Any], writer: Writer, seq: int) -> Prepared:
        """By the rules of that version which gives the same bytes: it was the request's, whatever the statement names.

        A request of 1.0 may bring statements that say they are of 2.0, with timestamps that only 1.0 takes or keeps.
        """
        refusals: list[LRSError | _LineWrong] = []
        for version in ("2.0.0", "1.0.3") if _names_2(given) else ("1.0.3", "2.0.0"):
            try:
                prepared = self._by_version(version, text, writer)
            except Invalid as error:
                refusals.append(error)
                continue
            if prepared._replace(seq=seq).payload == text:
                return prepared
            refusals.append(_LineWrong("its bytes would not be those of before"))
        raise refusals[0]

    def _prepare(self, text: bytes, given: Mapping[str, Any], writer: Writer) -> Prepared:
        """By the rules of the version that it names; 1.0.x where it names none."""
        if _names_2(given):
            return self._by_version("2.0.0", text, writer)
        try:
            return self._by_version("1.0.3", text, writer)
        except Invalid:
            # A client of 2.0 may send statements that say they are of 1.0.
            with suppress(Invalid):
                return self._by_version("2.0.0", text, writer)
            raise

    def _by_version(self, version: str, text: bytes, writer: Writer) -> Prepared:
        [prepared] = statements.prepare(
            statements.parse(text),
            version=version,
            writer=writer,
            new_id=self._hub.new_id,
            extra_keys=ingest.extra_keys,
        )
        return prepared

    def _origin(self, text: str) -> str:
        """The key of that name as it is numbered here; one that is gone is number 0, which none has."""
        kind, slash, name = text.partition("/")
        if text.startswith("credential"):
            return f"credential:{self._keys.get(name, 0) if slash and kind == 'credential' else 0}"
        return text


class _LineWrong(ValueError):
    """What is wrong with a line, in words."""


def _names_2(statement: Mapping[str, Any]) -> bool:
    return str(statement.get("version", "")).startswith("2")


def _problem(number: int, code: str, reason: str) -> Problem:
    return Problem(number, "statement", code, reason, "Correct it, or leave it out with --skip-bad.")


def _exact(value: Mapping[str, Any], text: bytes) -> bytes:
    """The bytes of the statement in a line, which is its last member unless they stand apart."""
    apart = value.get("exact")
    if isinstance(apart, str):
        return apart.encode()
    inner = text.partition(b',"statement":')[2].rstrip()[:-1]
    try:
        if inner and orjson.loads(inner) == value.get("statement"):
            return inner
    except orjson.JSONDecodeError:
        pass
    raise _LineWrong('"statement" must be the last member of the line')


def _data(given: Any) -> dict[str, bytes]:
    try:
        return {str(sha2).lower(): base64.b64decode(content, validate=True) for sha2, content in given.items()}
    except (AttributeError, TypeError, ValueError, binascii.Error) as error:
        raise _LineWrong("its attachments are not base64 by SHA-2") from error


# Storing -----------------------------------------------------------------------------------------------


def _batches(reader: Reader, file: BinaryIO, longest: int, from_line: int) -> Iterator[list[Line]]:
    """Good lines, as many as one transaction takes. What the check has told is left out here."""
    batch: list[Line] = []
    size = 0
    for number, text in _lines(file, longest):
        found = reader.read(number, text) if number >= from_line else None
        if not isinstance(found, Line):
            continue
        batch.append(found)
        size += len(text)
        if len(batch) == BATCH or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _store(
    hub: Hub, connector: Connector | None, run: UUID, batch: Sequence[Line], done: Imported, *, skip_bad: bool
) -> Imported:
    """One batch in one transaction; with ``skip_bad`` what the database refuses is left out of it."""
    problems: list[Problem] = []
    good, repeated = _once_each(batch, problems)
    while not problems or skip_bad:
        try:
            with hub.sequence.writing() as ticket:
                stored = hub.db.run(partial(_write, hub, connector, run, ticket, tuple(good.values())))
        except (Conflict, VoidRefused) as refusal:
            refused = [each for each in good.values() if _concerns(refusal, each.prepared)]
            problems += [_problem(each.number, "refused", str(refusal)) for each in refused]
            good = {id: each for id, each in good.items() if each not in refused}
        except TooMuch as refusal:
            if len(batch) > 1:
                return _store_halves(hub, connector, run, batch, done, skip_bad=skip_bad)
            problems.append(_problem(batch[0].number, "refused", str(refusal)))
            good = {}
        except sa.exc.IntegrityError as error:
            raise HubError(
                "not_alone", "Somebody else stores the same statements at the same time.", action="Import it again."
            ) from error
        else:
            return Imported(
                done.stored + stored,
                done.repeated + repeated + len(good) - stored,
                (*done.problems, *problems),
                batch[-1].number,
            )
    raise BatchRefused(done, problems)


def _store_halves(
    hub: Hub, connector: Connector | None, run: UUID, batch: Sequence[Line], done: Imported, *, skip_bad: bool
) -> Imported:
    """What is too much for one transaction in two; it came in more."""
    middle = len(batch) // 2
    for half in (batch[:middle], batch[middle:]):
        done = _store(hub, connector, run, half, done, skip_bad=skip_bad)
    return done


def _once_each(batch: Sequence[Line], problems: list[Problem]) -> tuple[dict[UUID, Line], int]:
    """The lines by their ids, and how many of them only repeat one of this batch."""
    good: dict[UUID, Line] = {}
    for each in batch:
        first = good.setdefault(each.prepared.id, each)
        if first.prepared.digest != each.prepared.digest:
            problems.append(_problem(each.number, "refused", f"says something else than line {first.number}."))
    return good, len(batch) - len(good) - len(problems)


def _concerns(refusal: Conflict | VoidRefused, prepared: Prepared) -> bool:
    if isinstance(refusal, Conflict):
        return prepared.id in refusal.ids
    return prepared.is_voiding and prepared.target in refusal.targets


def _write(
    hub: Hub, connector: Connector | None, run: UUID, ticket: Ticket, lines: Sequence[Line], conn: sa.Connection
) -> int:
    data = {sha2: content for each in lines for sha2, content in each.data.items()}
    prepared = [each.prepared for each in lines]
    numbers = _numbers(conn, lines)
    given, put_back = ticket, None
    if connector is None:
        given = replace(ticket, take=partial(_take, ticket, numbers))
        put_back = {each.prepared.id: each.voided_by for each in lines}
    saved = ingest.store(conn, prepared, given, data, now=hub.clock(), new_id=hub.new_id, put_back=put_back)
    new = {each.id for each in saved.new}
    rows = [
        {
            "id": each.prepared.id,
            "run": each.run or run,
            "stored": each.first.get("stored"),
            "authority": orjson.dumps(each.first.get("authority")),
        }
        for each in lines
        if each.first is not None and each.prepared.id in new
    ]
    insert_missing(conn, pulled_statements, rows)
    if connector is not None:
        at = connector_runs.c
        counts = {"stored": at.stored + len(new), "repeated": at.repeated + len(lines) - len(new)}
        mine = sa.update(connector_runs).where(at.connector == connector.id, at.id == run)
        conn.execute(mine.values(ended=hub.clock(), **counts))
    return len(new)


def _numbers(conn: sa.Connection, lines: Sequence[Line]) -> list[int | None]:
    """The number of each statement; None where it is stored: it takes one that is thrown away, as repeated ones do."""
    stored = query.stored_among(conn, [each.prepared.id for each in lines])
    return [None if each.prepared.id in stored else each.seq for each in lines]


def _take(ticket: Ticket, numbers: Sequence[int | None], conn: sa.Connection, _count: int) -> list[int]:
    fresh = iter(ticket.take(conn, numbers.count(None)))
    return [next(fresh) if number is None else number for number in numbers]


def _begin(conn: sa.Connection, hub: Hub, path: Path, connector: Connector | None, run: UUID, by: str) -> None:
    """Write down who imports what, before anything of it is stored."""
    now = hub.clock()
    journal.record(
        conn, who=by, action="statements.import", object=f"file:{path.name}", now=now, new_id=hub.new_id,
        connector=connector.name if connector else None,
    )  # fmt: skip
    if connector is not None:
        row = {"connector": connector.id, "id": run, "started": now, "ended": now, "state": "ok"}
        insert_all(conn, connector_runs, [row | {"stored": 0, "repeated": 0, "set_aside": 0}])
