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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from hashlib import blake2b
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from sqlalchemy.dialects import postgresql

#: For what is sent from here.
DIALECT = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

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


@dataclass(frozen=True, slots=True)
class Query:
    """A statement with its parameters numbered: the OID of each one's type, where the text does not say it, and what
    makes a value binary."""

    text: bytes
    oids: tuple[int, ...] = ()
    packs: tuple[Callable[[Any], bytes], ...] = ()

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


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, as a cursor would tell it."""

    driver: Any
    result: Any

    @property
    def rowcount(self) -> int:
        """How many rows were found or changed."""
        return self.result.command_tuples or 0

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Every row, its values loaded as the driver loads them."""
        loading = Transformer(self.driver)
        loading.set_pgresult(self.result)
        return loading.load_rows(0, self.result.ntuples, tuple)


@dataclass(frozen=True, slots=True)
class _Command:
    """A call that puts something on the way. ``prepares`` is the text of a statement that it makes known."""

    send: Callable[[], None]
    is_asked: bool = False
    prepares: bytes | None = None


def query(compiled: Any) -> Query:
    """What SQLAlchemy compiled for `DIALECT`. Raises `KeyError` for a parameter of a type that is not known here."""
    kinds = [compiled.binds[name].type for name in compiled.positiontup or ()]
    types = [_TYPES[_type_name(kind)] for kind in kinds]
    return Query(str(compiled).encode(), tuple(oid for oid, _ in types), tuple(pack for _, pack in types))


def ask(connection: Any, query: Query, values: Iterable[Any]) -> Answer:
    """Send one query, at the beginning of a transaction with that. Raises what the driver would.

    ``connection`` is a pool's.
    """
    driver = connection.dbapi_connection
    packed = query.pack(values)
    commands = _beginning(driver)
    if not commands and query.text in _prepared(connection):
        # The way that is gone most often: one call, which waits without holding up other threads.
        binary = [1] * len(packed)
        result = driver.pgconn.exec_prepared(_name(query.text), packed, binary, 1)
        _check(result)
        return Answer(driver, result)
    commands += _commands(connection, [(query, packed)])
    [result] = _results(connection, commands)
    return Answer(driver, result)


def send(connection: Any, inserts: Iterable[Insert], *, commit: bool = False) -> list[int]:
    """Do all of it, with ``commit`` the transaction's end too; how many rows each has inserted.

    ``connection`` is a pool's. Raises the first error, as the driver would; with ``commit`` everything is then taken
    back, else that is left to whoever has begun the transaction.
    """
    driver = connection.dbapi_connection
    commands = _beginning(driver)
    commands += _commands(connection, map(_insert, inserts))
    if commit:
        commands.append(_Command(partial(driver.pgconn.send_query_params, b"COMMIT", None)))
    try:
        return [result.command_tuples or 0 for result in _results(connection, commands)]
    except psycopg.Error:
        if commit:
            roll_back(driver)
        raise


def _beginning(driver: Any) -> list[_Command]:
    """What begins the transaction that the driver would begin with its first statement."""
    if driver.autocommit or driver.pgconn.transaction_status != TransactionStatus.IDLE:
        return []
    begin = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if driver.read_only else b"BEGIN"
    return [_Command(partial(driver.pgconn.send_query_params, begin, None))]


def _insert(insert: Insert) -> tuple[Query, list[bytes | None]]:
    """What is sent for it; for several rows the statement is the same however many there are."""
    names, rows = tuple(insert.rows[0]), insert.rows
    query = _insertion(insert.table, names, insert.skip, insert.update, len(rows) == 1)
    if len(rows) == 1:
        return query, query.pack([rows[0][name] for name in names])
    return query, query.pack([[row[name] for row in rows] for name in names])


def _commands(connection: Any, statements: Iterable[tuple[Query, Sequence[bytes | None]]]) -> Iterator[_Command]:
    """The statements, and before each that the connection has not seen its preparation."""
    pgconn = connection.dbapi_connection.pgconn
    coming: set[bytes] = set()
    for query, packed in statements:
        name = _name(query.text)
        if query.text not in _prepared(connection) and query.text not in coming:
            coming.add(query.text)
            yield _Command(partial(pgconn.send_prepare, name, query.text, query.oids), prepares=query.text)
        yield _Command(partial(pgconn.send_query_prepared, name, packed, [1] * len(packed), 1), is_asked=True)


@functools.cache
def _name(text: bytes) -> bytes:
    """By which the server knows a prepared statement; the driver's own begin otherwise."""
    return b"wkmb_" + blake2b(text, digest_size=16).hexdigest().encode()


def _prepared(connection: Any) -> set[bytes]:
    """The statements that are prepared on this connection."""
    found: set[bytes] = connection.info.setdefault("wkmb_prepared", set())
    return found


def forget(connection: Any) -> None:
    """Prepare everything anew: after ALTER and DROP the driver has the server forget what it and we have prepared."""
    if _prepared(connection):
        connection.dbapi_connection.pgconn.exec_(b"DEALLOCATE ALL")
        _prepared(connection).clear()


def roll_back(driver: Any) -> None:
    """Roll back past the driver, which would have everything forgotten that was prepared."""
    if driver.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        driver.pgconn.exec_(b"ROLLBACK")


def _results(connection: Any, commands: Sequence[_Command]) -> list[Any]:
    """The results of the statements; raises the first error."""
    results = _exchange(connection.dbapi_connection, [each.send for each in commands])
    for command, result in zip(commands, results, strict=True):
        _check(result)
        if command.prepares is not None:
            _prepared(connection).add(command.prepares)
    return [result for command, result in zip(commands, results, strict=True) if command.is_asked]


def _check(result: Any) -> None:
    if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        raise psycopg.errors.error_from_result(result)


def _exchange(driver: Any, sends: Iterable[Callable[[], None]]) -> list[Any]:
    """Send everything and wait once; a result for each. What is sent is read meanwhile, or both sides could wait."""
    pgconn = driver.pgconn
    results = []
    try:
        pgconn.enter_pipeline_mode()
        for send in sends:
            send()
        pgconn.pipeline_sync()
        while pgconn.flush():
            if _wait(pgconn, select.POLLIN | select.POLLOUT) & select.POLLIN:
                pgconn.consume_input()
        while True:
            while pgconn.is_busy():
                _wait(pgconn, select.POLLIN)
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
                break
            if result is not None:
                results.append(result)
            elif pgconn.status == ConnStatus.BAD:
                raise psycopg.OperationalError(pgconn.get_error_message())
        pgconn.exit_pipeline_mode()
    except BaseException:
        driver.close()  # What is still on its way would be taken for the next answer.
        raise
    return results


def _wait(pgconn: Any, events: int) -> int:
    poll = select.poll()
    poll.register(pgconn.socket, events)
    [(_, ready)] = poll.poll()
    return ready
