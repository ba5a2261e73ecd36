"""The migrated schema is the declared one, on both databases, and migrating twice changes nothing."""

from __future__ import annotations

import contextlib

import pytest
import sqlalchemy as sa

from hub import migrations
from hub.migrations import steps
from lrs.database import Database
from wkmbtest.databases import declared_tables


def test_the_migrated_schema_is_the_declared_one(empty_database_url: str) -> None:
    with contextlib.closing(Database(empty_database_url, pool_size=1)) as database:
        first, second = steps.upgrade(database), steps.upgrade(database)

        assert first == (None, migrations.newest())
        assert second == (migrations.newest(), migrations.newest())
        assert steps.differences(database) == []


def test_what_is_compared_is_everything_that_is_declared() -> None:
    assert set(steps.declared().tables) == set(declared_tables())


def test_indexes_on_expressions_are_there_too(empty_database_url: str) -> None:
    """Alembic does not compare these on SQLite."""
    with contextlib.closing(Database(empty_database_url, pool_size=1)) as database:
        steps.upgrade(database)

        names = "SELECT name FROM sqlite_master" if database.is_sqlite else "SELECT indexname FROM pg_indexes"
        with database.read() as conn:
            present = set(conn.exec_driver_sql(names).scalars())
        assert {index.name for table in declared_tables().values() for index in table.indexes} <= present


def test_a_database_of_a_newer_version_is_left_alone(empty_database_url: str) -> None:
    with contextlib.closing(Database(empty_database_url, pool_size=1)) as database:
        steps.upgrade(database)
        with database.write() as conn:
            conn.execute(sa.update(sa.table("alembic_version", sa.column("version_num"))).values(version_num="9999"))

        for refused in (steps.upgrade, migrations.require_newest):
            with pytest.raises(migrations.NotMigrated, match="newer version"):
                refused(database)
