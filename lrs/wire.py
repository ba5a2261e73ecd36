"""Inserts on PostgreSQL by libpq's own calls: arrays of binary values, all of them in one way there and back.

The driver's own way costs a process four times as much CPU for a statement that is stored. Part of `lrs.database`:
these two files alone know which database it is.
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
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from sqlalchemy.dialects import postgresql

_DIALECT = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
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
    """Rows for a table; ``skip`` leaves out those whose primary key or unique key is there already."""

    table: sa.Table
    rows: Sequence[Mapping[str, Any]]
    skip: bool


@functools.cache
def _statement(
    table: sa.Table, names: tuple[str, ...], skip: bool
) -> tuple[bytes, tuple[tuple[str, int, Callable[[Any], bytes]], ...]]:
    kinds = [table.c[name].type for name in names]
    arrays = [sa.cast(sa.bindparam(name), postgresql.ARRAY(kind)) for name, kind in zip(names, kinds, strict=True)]
    columns = [sa.column(name, kind) for name, kind in zip(names, kinds, strict=True)]
    given = sa.func.unnest(*arrays).table_valued(*columns, name="given").render_derived()
    insert = postgresql.insert(table).from_select(list(names), sa.select(*given.c))
    compiled = (insert.on_conflict_do_nothing() if skip else insert).compile(dialect=_DIALECT)
    types = (str(kind.compile(_DIALECT)).partition("(")[0] for kind in kinds)
    return str(compiled).encode(), tuple((name, *_TYPES[kind]) for name, kind in zip(names, types, strict=True))


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
class _Asked:
    """A statement and its values in binary."""

    text: bytes
    values: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class _Command:
    """A call that puts something on the way. ``prepares`` is a statement and the name it then has."""

    send: Callable[[], None]
    is_asked: bool = False
    prepares: tuple[bytes, bytes] | None = None


def send(connection: Any, inserts: Iterable[Insert], *, commit: bool = False) -> list[int]:
    """Do all of it, with ``commit`` the transaction's end too; how many rows each has inserted.

    ``connection`` is a pool's. Raises the first error, as the driver would; its transaction is then to be rolled back.
    """
    driver = connection.dbapi_connection
    commands: list[_Command] = []
    if not driver.autocommit and driver.pgconn.transaction_status == TransactionStatus.IDLE:
        commands.append(_Command(partial(driver.pgconn.send_query_params, b"BEGIN", None)))
    commands += _commands(connection, map(_insert, inserts))
    if commit:
        commands.append(_Command(partial(driver.pgconn.send_query_params, b"COMMIT", None)))
    return [result.command_tuples or 0 for result in _results(connection, commands)]


def _insert(insert: Insert) -> _Asked:
    """The statement is the same however many rows there are: an array for each column."""
    text, columns = _statement(insert.table, tuple(insert.rows[0]), insert.skip)
    arrays = [_array(oid, pack, [row[name] for row in insert.rows]) for name, oid, pack in columns]
    return _Asked(text, arrays)


def _commands(connection: Any, statements: Iterable[_Asked]) -> Iterator[_Command]:
    """The statements, and before each that the connection has not seen its preparation."""
    pgconn = connection.dbapi_connection.pgconn
    # Elsewhere the driver has everything forgotten that was prepared, when it has prepared something and rolls back.
    can_prepare = connection.dbapi_connection.prepare_threshold is None
    coming: dict[bytes, bytes] = {}
    for each in statements:
        binary = [1] * len(each.values)
        if not can_prepare:
            yield _Command(partial(pgconn.send_query_params, each.text, each.values, None, binary), is_asked=True)
            continue
        name = _prepared(connection).get(each.text) or coming.get(each.text)
        if name is None:
            name = coming[each.text] = b"wkmb_" + blake2b(each.text, digest_size=16).hexdigest().encode()
            yield _Command(partial(pgconn.send_prepare, name, each.text), prepares=(each.text, name))
        yield _Command(partial(pgconn.send_query_prepared, name, each.values, binary), is_asked=True)


def _prepared(connection: Any) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = connection.info.setdefault("wkmb_prepared", {})
    return found


def _results(connection: Any, commands: Sequence[_Command]) -> list[Any]:
    """The results of the statements; raises the first error."""
    results = _exchange(connection.dbapi_connection, [each.send for each in commands])
    for command, result in zip(commands, results, strict=True):
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
        if command.prepares is not None:
            text, name = command.prepares
            _prepared(connection)[text] = name
    return [result for command, result in zip(commands, results, strict=True) if command.is_asked]


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
