"""The migrated schema is the declared one, on both databases, and migrating twice changes nothing."""

from __future__ import annotations

import contextlib

import sqlalchemy as sa

from hub import migrations
from lrs.database import Database
from wkmbtest.databases import declared_tables


def test_the_migrated_schema_is_the_declared_one(empty_database_url: str) -> None:
    with contextlib.closing(Database(empty_database_url, pool_size=1)) as database:
        first, second = migrations.upgrade(database), migrations.upgrade(database)

        assert first == (None, migrations.newest())
        assert second == (migrations.newest(), migrations.newest())
        assert migrations.differences(database) == []


def test_what_is_compared_is_everything_that_is_declared() -> None:
    assert set(migrations.declared().tables) == set(declared_tables())


def test_indexes_on_expressions_are_there_too(empty_database_url: str) -> None:
    """Alembic does not compare these on SQLite."""
    with contextlib.closing(Database(empty_database_url, pool_size=1)) as database:
        migrations.upgrade(database)

        with database.read() as conn:
            inspector = sa.inspect(conn)
            for table in declared_tables().values():
                present = {index["name"] for index in inspector.get_indexes(table.name)}
                assert {index.name for index in table.indexes} <= present, table.name
