"""What a statement of SQL may not do if it is to run on one machine and on a cluster alike.

Every statement that any test executes is looked at, whichever way it takes to the driver: a rule that only the
schema's test knew would be broken by the first query written after it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.sql import dml, elements, functions, operators, selectable, visitors
from sqlalchemy.sql.compiler import SQLCompiler

#: Kinds of table that are not spread over a cluster: small ones that every node has a copy of.
REFERENCE = "reference"


class ClusterRule(AssertionError):
    """This statement runs on one machine only."""


def distribution(table: sa.Table) -> str | None:
    """The name of the column by which a growing table is spread; ``None`` for a small one."""
    name = table.info.get("distribution")
    return None if name == REFERENCE else name


def check(statement: Any) -> None:
    """Refuse a statement that a cluster would refuse or do wrong."""
    if isinstance(statement, dml.Insert | dml.Update):
        for column, value in _assigned(statement):
            if _calls_function(value):
                raise ClusterRule(f"{column} is set by a database function; send the value from Python: {statement}")
    if isinstance(statement, selectable.HasCTE):
        for cte in _ctes(statement):
            if isinstance(cte.element, dml.UpdateBase):
                raise ClusterRule(f"a CTE writes; make it a statement of its own: {statement}")
    if isinstance(statement, selectable.Select) and statement._for_update_arg is not None:
        _check_locking(statement)


def _assigned(statement: dml.Insert | dml.Update) -> Iterator[tuple[str, Any]]:
    """What an UPDATE or a DO UPDATE sets."""
    if isinstance(statement, dml.Update):
        values = statement._values or {}
        yield from ((str(column), value) for column, value in values.items())
        return
    conflict = getattr(statement, "_post_values_clause", None)
    for column, value in dict(getattr(conflict, "update_values_to_set", {})).items():
        yield str(column), value


def _calls_function(value: Any) -> bool:
    return isinstance(value, elements.ClauseElement) and any(
        isinstance(part, functions.FunctionElement) for part in visitors.iterate(value)
    )


def _ctes(statement: selectable.HasCTE) -> Iterator[selectable.CTE]:
    for part in visitors.iterate(statement):
        if isinstance(part, selectable.CTE):
            yield part


def _check_locking(statement: selectable.Select[Any]) -> None:
    """FOR UPDATE over a growing table goes to one shard: it names the distribution column's value."""
    fixed = set()
    for condition in statement._where_criteria:
        for part in visitors.iterate(condition):
            if isinstance(part, elements.BinaryExpression) and part.operator is operators.eq:
                fixed |= {side for side in (part.left, part.right) if isinstance(side, sa.Column)}
    for table in statement.get_final_froms():
        if not isinstance(table, sa.Table):
            continue
        name = distribution(table)
        if name is not None and table.c[name] not in fixed:
            raise ClusterRule(f"FOR UPDATE on {table.name} without {name} = …: {statement}")


def pytest_configure(config: pytest.Config) -> None:
    """Have each form of a statement looked at where it is compiled: once, as the engines keep what they have compiled.

    What is wrong is not kept, so it is refused each time.
    """
    compile_statement = SQLCompiler.__init__
    refusing = threading.local()

    @functools.wraps(compile_statement)
    def checked(compiler: SQLCompiler, dialect: Any, statement: Any, *given: Any, **options: Any) -> None:
        # The message of a refusal tells the statement, which is compiled for it.
        if not getattr(refusing, "now", False):
            refusing.now = True
            try:
                check(statement)
            finally:
                refusing.now = False
        compile_statement(compiler, dialect, statement, *given, **options)

    SQLCompiler.__init__ = checked  # type: ignore[method-assign]
