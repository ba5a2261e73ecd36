"""Statements that every request sends: compiled once, and handed to the driver from then on.

SQLAlchemy's own way from a statement to a row costs several times what the database takes to answer by a primary key.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import Dialect

from lrs import wire

_Convert: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Bind:
    """A place in the statement: the given value of that name stands there, or the ``fixed`` one written into it."""

    name: str
    is_fixed: bool
    fixed: Any
    convert: _Convert | None

    def value(self, given: Mapping[str, Any]) -> Any:
        value = self.fixed if self.is_fixed else given[self.name]
        return value if self.convert is None else self.convert(value)


@dataclass(frozen=True, slots=True)
class _Form:
    """The statement as one kind of database has it; ``query`` is what goes to PostgreSQL past the driver."""

    text: str
    binds: tuple[_Bind, ...]
    is_positional: bool
    row: Callable[[Sequence[Any]], Any]
    query: wire.Query | None

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """What stands in the places of the statement, in their order."""
        return [bind.value(given) for bind in self.binds]

    def parameters(self, given: Mapping[str, Any]) -> Any:
        """The same as the driver takes it."""
        values = self.values(given)
        return (
            tuple(values) if self.is_positional else dict(zip((bind.name for bind in self.binds), values, strict=True))
        )


class Precompiled:
    """A statement with named parameters (`sqlalchemy.bindparam`); its rows are named tuples of its columns.

    For a few rows, and for values that need no more than one place each: no lists.
    """

    def __init__(self, statement: sa.Select[Any] | sa.CompoundSelect[Any] | sa.Insert | sa.Update | sa.Delete) -> None:
        self.statement = statement
        self._forms: dict[str, _Form] = {}

    def all(self, conn: Connection, **given: Any) -> list[Any]:
        """Every row."""
        form = self._form(conn.dialect)
        return [form.row(each) for each in _send(conn, form, given).fetchall()]

    def plain(self, conn: Connection, **given: Any) -> list[tuple[Any, ...]]:
        """Every row as the driver gives it: for hundreds at a time, of numbers, texts and bytes alone."""
        rows: list[tuple[Any, ...]] = _send(conn, self._form(conn.dialect), given).fetchall()
        return rows

    def first(self, conn: Connection, **given: Any) -> Any | None:
        """The first row; None where there is none."""
        rows = self.all(conn, **given)
        return rows[0] if rows else None

    def change(self, conn: Connection, **given: Any) -> int:
        """How many rows the statement changed."""
        return int(_send(conn, self._form(conn.dialect), given).rowcount)

    def _form(self, dialect: Dialect) -> _Form:
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = _compile(self.statement, dialect)
        return form


def _compile(statement: Any, dialect: Dialect) -> _Form:
    compiled = statement.compile(dialect=dialect)
    sent = statement.compile(dialect=wire.DIALECT) if dialect.name == "postgresql" else None
    taking, names = (dialect, compiled.positiontup) if sent is None else (wire.DIALECT, sent.positiontup)
    return _Form(
        text=str(compiled),
        binds=tuple(_bind(name, compiled.binds[name], taking) for name in names),
        is_positional=compiled.positional,
        row=_row(statement, dialect),
        query=None if sent is None else wire.query(sent),
    )


def _bind(name: str, bind: sa.BindParameter[Any], dialect: Dialect) -> _Bind:
    convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return _Bind(name, not bind.required, bind.value, convert)


def _row(statement: Any, dialect: Dialect) -> Callable[[Sequence[Any]], Any]:
    """What makes a named tuple of what the driver gives."""
    columns = list(statement.exported_columns)
    made = namedtuple("Row", [column.key for column in columns])  # type: ignore[misc]
    found = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    converts = [(position, convert) for position, convert in enumerate(found) if convert is not None]
    if not converts:
        return made._make

    def row(given: Sequence[Any]) -> Any:
        values = list(given)
        for position, convert in converts:
            values[position] = convert(values[position])
        return made._make(values)

    return row


def _send(conn: Connection, form: _Form, given: Mapping[str, Any]) -> Any:
    """A cursor, or what tells the same."""
    # Somebody watches what is asked, traces or a test: then it goes where they look.
    if conn.engine.dispatch.before_cursor_execute:
        return conn.exec_driver_sql(form.text, form.parameters(given))
    values = form.values(given)
    try:
        if form.query is not None:
            return wire.ask(conn.connection, form.query, values)
        driver: Any = conn.connection.dbapi_connection  # Also where it was taken out of the pool.
        return driver.execute(form.text, values)
    except conn.dialect.loaded_dbapi.Error as error:
        raise told(conn, error, form.text, values) from error


def told(conn: Connection, error: Exception, text: str | None = None, parameters: Any = None) -> Exception:
    """What SQLAlchemy raises for a driver's error: as for its own, it gives up a connection that is lost, and tells who
    counts errors."""
    try:
        conn._handle_dbapi_exception(error, text, parameters, None, None)
    except sa.exc.DBAPIError as found:
        return found
