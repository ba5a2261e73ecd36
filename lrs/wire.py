"""What each request sends to PostgreSQL, by libpq's own calls: prepared once, values in binary, no way there in vain.

Inserts go together in one way there and back, several rows of a table as arrays; a query that was compiled before
(`lrs.precompiled`) goes with the beginning of its transaction. The driver's own way costs a process four times as much
CPU for a statement that is stored, and more than twice for a query by a key. Part of `lrs.database`: these two files
alone know which database it is.
"""

from __future__ import annotations

import functools
import select
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from hashlib import blake2b
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from sqlalchemy.dialects import postgresql

#: For what is sent from here.
DIALECT = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

# Numbers, as libpq gives them: to look one up in its enumeration costs more than what is asked of it.
_WELL = (int(ExecStatus.COMMAND_OK), int(ExecStatus.TUPLES_OK))
_PIPELINE_SYNC, _BAD, _IDLE = int(ExecStatus.PIPELINE_SYNC), int(ConnStatus.BAD), int(TransactionStatus.IDLE)
_BINARY = int(Format.BINARY)

_HEADER, _LENGTH = struct.Struct("!iiIii").pack, struct.Struct("!i").pack
_NULL = _LENGTH(-1)


def _moment(value: datetime) -> bytes:
    since = value.astimezone(UTC) - _EPOCH
    return struct.pack("!q", (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds)


def _day(value: date) -> bytes:
    return struct.pack("!i", value.toordinal() - _EPOCH.toordinal())


def _uuid(value: UUID) -> bytes:
    return value.bytes


#: How PostgreSQL names a type: its OID, and a value in binary.
_TYPES: Mapping[str, tuple[int, Callable[[Any], bytes]]] = {
    "BIGINT": (20, struct.Struct("!q").pack),
    "INTEGER": (23, struct.Struct("!i").pack),
    "SMALLINT": (21, struct.Struct("!h").pack),
    "BOOLEAN": (16, struct.Struct("!?").pack),
    "BYTEA": (17, bytes),
    "TEXT": (25, str.encode),
    "VARCHAR": (1043, str.encode),
    "UUID": (2950, _uuid),
    "DATE": (1082, _day),
    "TIMESTAMP WITH TIME ZONE": (1184, _moment),
}


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows for a table. ``skip`` leaves out those whose primary key or unique key is there already; where the primary
    key is, the columns to ``update`` are set instead."""

    table: sa.Table
    rows: Sequence[Mapping[str, Any]]
    skip: bool = False
    update: tuple[str, ...] = ()


class Query:
    """A statement with its parameters numbered: the OID of each one's type, where the text does not say it, and what
    makes a value binary. ``name`` is what the server knows it by once it is prepared; the driver's own begin otherwise.
    """

    __slots__ = ("formats", "name", "oids", "packs", "text")

    def __init__(self, text: bytes, oids: Sequence[int] = (), packs: Sequence[Callable[[Any], bytes]] = ()) -> None:
        self.text = text
        self.oids = oids
        self.packs = packs
        self.name = b"wkmb_" + blake2b(text, digest_size=16).hexdigest().encode()
        self.formats = [_BINARY] * len(packs)

    def pack(self, values: Iterable[Any]) -> list[bytes | None]:
        """The values of the parameters in their order, as they are sent."""
        return [None if value is None else pack(value) for value, pack in zip(values, self.packs, strict=True)]


@functools.cache
def _insertion(table: sa.Table, names: tuple[str, ...], skip: bool, update: tuple[str, ...], single: bool) -> Query:
    """Takes the values of one row, which costs the server half as much, or an array for each column."""
    kinds = [table.c[name].type for name in names]
    types = [_TYPES[_type_name(kind)] for kind in kinds]
    source = _values(names, kinds) if single else _arrays(names, kinds)
    insert = postgresql.insert(table).from_select(list(names), source)
    if update:
        changed = {name: insert.excluded[name] for name in update}
        insert = insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changed)
    text = str((insert.on_conflict_do_nothing() if skip else insert).compile(dialect=DIALECT)).encode()
    if single:
        return Query(text, tuple(oid for oid, _ in types), tuple(pack for _, pack in types))
    return Query(text, packs=tuple(partial(_array, oid, pack) for oid, pack in types))


def _values(names: Sequence[str], kinds: Sequence[sa.types.TypeEngine[Any]]) -> sa.Select[Any]:
    return sa.select(*(sa.bindparam(name, type_=kind) for name, kind in zip(names, kinds, strict=True)))


def _arrays(names: Sequence[str], kinds: Sequence[sa.types.TypeEngine[Any]]) -> sa.Select[Any]:
    arrays = [sa.cast(sa.bindparam(name), postgresql.ARRAY(kind)) for name, kind in zip(names, kinds, strict=True)]
    columns = [sa.column(name, kind) for name, kind in zip(names, kinds, strict=True)]
    return sa.select(*sa.func.unnest(*arrays).table_valued(*columns, name="given").render_derived().c)


def _type_name(kind: sa.types.TypeEngine[Any]) -> str:
    return str(kind.compile(DIALECT)).partition("(")[0]


def _array(oid: int, pack: Callable[[Any], bytes], values: Sequence[Any]) -> bytes:
    """A one-dimensional array: dimensions, whether it holds NULL, element type, length, lower bound; then elements."""
    pieces = [_HEADER(1, None in values, oid, len(values), 1)]
    for value in values:
        if value is None:
            pieces.append(_NULL)
        else:
            element = pack(value)
            pieces += (_LENGTH(len(element)), element)
    return b"".join(pieces)


class _Known:
    """What a connection remembers: the statements that are prepared on it, and how what it gives is loaded."""

    __slots__ = ("loading", "prepared")

    def __init__(self, driver: Any) -> None:
        self.prepared: set[bytes] = set()
        self.loading: Any = Transformer(driver)


def _known(connection: Any) -> _Known:
    found: _Known | None = connection.info.get("wkmb_wire")
    if found is None:
        found = connection.info["wkmb_wire"] = _Known(connection.dbapi_connection)
    return found


class Answer:
    """What came back, as a cursor would tell it."""

    __slots__ = ("_loading", "_result")

    def __init__(self, loading: Any, result: Any) -> None:
        self._loading = loading
        self._result = result

    @property
    def rowcount(self) -> int:
        """How many rows were found or changed."""
        return self._result.command_tuples or 0

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Every row, its values loaded as the driver loads them. Before anything else is asked."""
        self._loading.set_pgresult(self._result)
        rows: list[tuple[Any, ...]] = self._loading.load_rows(0, self._result.ntuples, tuple)
        return rows


def query(compiled: Any) -> Query:
    """What SQLAlchemy compiled for `DIALECT`. Raises `KeyError` for a parameter of a type that is not known here."""
    kinds = [compiled.binds[name].type for name in compiled.positiontup or ()]
    types = [_TYPES[_type_name(kind)] for kind in kinds]
    return Query(str(compiled).encode(), tuple(oid for oid, _ in types), tuple(pack for _, pack in types))


def ask(connection: Any, query: Query, values: Iterable[Any]) -> Answer:
    """Send one query, at the beginning of a transaction with that. Raises what the driver would.

    ``connection`` is a pool's.
    """
    driver, known = connection.dbapi_connection, _known(connection)
    packed, beginning = query.pack(values), _beginning(driver)
    if beginning is None and query.text in known.prepared:
        # The way that is gone most often: one call, which waits without holding up other threads.
        result = driver.pgconn.exec_prepared(query.name, packed, query.formats, _BINARY)
        _check(result)
    else:
        result = _exchange(driver, known, [*_alone(beginning), (query, packed)])[-1]
    return Answer(known.loading, result)


def send(connection: Any, inserts: Iterable[Insert], *, commit: bool = False) -> list[int]:
    """Do all of it, with ``commit`` the transaction's end too; how many rows each has inserted.

    ``connection`` is a pool's. Raises the first error, as the driver would; with ``commit`` everything is then taken
    back, else that is left to whoever has begun the transaction.
    """
    driver, known = connection.dbapi_connection, _known(connection)
    # Also where nothing was asked before: what a pipeline does is one transaction without them, but not to a cluster.
    first, last = _alone(_beginning(driver)), _alone(_COMMIT if commit else None)
    try:
        results = _exchange(driver, known, [*first, *map(_insert, inserts), *last])
    except psycopg.Error:
        if commit:
            roll_back(driver)
        raise
    return [result.command_tuples or 0 for result in results[len(first) : len(results) - len(last)]]


_BEGIN, _BEGIN_TO_READ = Query(b"BEGIN"), Query(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
_COMMIT = Query(b"COMMIT")


def _beginning(driver: Any) -> Query | None:
    """What begins the transaction that the driver would begin with its first statement."""
    if driver.autocommit or driver.pgconn.transaction_status != _IDLE:
        return None
    return _BEGIN_TO_READ if driver.read_only else _BEGIN


def _alone(query: Query | None) -> tuple[tuple[Query, list[bytes | None]], ...]:
    """A statement without parameters, where there is one."""
    return () if query is None else ((query, []),)


def _insert(insert: Insert) -> tuple[Query, list[bytes | None]]:
    """What is sent for it; for several rows the statement is the same however many there are."""
    names, rows = tuple(insert.rows[0]), insert.rows
    query = _insertion(insert.table, names, insert.skip, insert.update, len(rows) == 1)
    if len(rows) == 1:
        return query, query.pack([rows[0][name] for name in names])
    return query, query.pack([[row[name] for row in rows] for name in names])


def forget(connection: Any) -> None:
    """Prepare everything anew: after ALTER and DROP the driver has the server forget what it and we have prepared."""
    prepared = _known(connection).prepared
    if prepared:
        connection.dbapi_connection.pgconn.exec_(b"DEALLOCATE ALL")
        prepared.clear()


def roll_back(driver: Any) -> None:
    """Roll back past the driver, which would have everything forgotten that was prepared."""
    if driver.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        driver.pgconn.exec_(b"ROLLBACK")


def _exchange(driver: Any, known: _Known, statements: Sequence[tuple[Query, Sequence[bytes | None]]]) -> list[Any]:
    """Send the statements and wait once: a result for each. What the connection has not seen is prepared on the way.

    Raises the first error.
    """
    pgconn = driver.pgconn
    new: dict[bytes, int] = {}  # Where the result of a preparation comes, among those of the statements.
    try:
        pgconn.enter_pipeline_mode()
        for place, (query, packed) in enumerate(statements):
            if query.text not in known.prepared and query.text not in new:
                pgconn.send_prepare(query.name, query.text, query.oids)
                new[query.text] = place + len(new)
            pgconn.send_query_prepared(query.name, packed, query.formats, _BINARY)
        results = _receive(pgconn)
        pgconn.exit_pipeline_mode()
    except BaseException:
        driver.close()  # What is still on its way would be taken for the next answer.
        raise
    known.prepared.update([text for text, place in new.items() if results[place].status in _WELL])
    for result in results:
        _check(result)
    prepared = set(new.values())
    return [result for place, result in enumerate(results) if place not in prepared] if prepared else results


def _receive(pgconn: Any) -> list[Any]:
    """Every result up to the end of the pipeline. What is sent is read meanwhile, or both sides could wait."""
    results: list[Any] = []
    pgconn.pipeline_sync()
    while pgconn.flush():
        if _wait(pgconn, select.POLLIN | select.POLLOUT) & select.POLLIN:
            pgconn.consume_input()
    while True:
        while pgconn.is_busy():
            _wait(pgconn, select.POLLIN)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            if pgconn.status == _BAD:
                raise psycopg.OperationalError(pgconn.get_error_message())
        elif result.status == _PIPELINE_SYNC:
            return results
        else:
            results.append(result)


def _wait(pgconn: Any, events: int) -> int:
    poll = select.poll()
    poll.register(pgconn.socket, events)
    [(_, ready)] = poll.poll()
    return ready


def _check(result: Any) -> None:
    if result.status not in _WELL:
        raise psycopg.errors.error_from_result(result)
