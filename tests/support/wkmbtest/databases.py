"""A database of its own for each test: migrated once per run, then copied.

On SQLite the copy is a file, on PostgreSQL ``CREATE DATABASE … TEMPLATE``; ``partitioned`` is PostgreSQL with
statements in one partition a month, for tests whose module says so (`LANES`). The PostgreSQL server is a throw-away
cluster (see `postgresql`), or the one that ``WKMB_TEST_DATABASE_URL`` names; that user then needs CREATEDB, and only
databases named ``wkmb_test_…`` are made and dropped there.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from hub.migrations import steps
from lrs import partitions
from lrs.database import Database, metadata
from wkmbtest import postgresql
from wkmbtest.requirements import missing
from wkmbtest.shared import SHARED, SharedFolder

ROOT = Path(__file__).parents[3]
KINDS = ("sqlite", "postgresql")
#: For what a partitioned table could do otherwise: a module redefines the fixture ``database_kind`` with these.
LANES = (*KINDS, "partitioned")


def declared_tables() -> dict[str, sa.Table]:
    """Every table that the project declares, by name."""
    for path in sorted(ROOT.glob("lrs/**/*tables.py")) + sorted(ROOT.glob("hub/**/*tables.py")):
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return dict(metadata.tables)


def migrate(url: str, *, divided: bool = False) -> None:
    """Bring the empty database at ``url`` to the newest schema; ``divided`` gives it partitions too."""
    with contextlib.closing(Database(url, pool_size=1)) as database:
        steps.upgrade(database)
        if divided:
            database.run(lambda conn: partitions.divide(conn, datetime.now(UTC)))


class Databases:
    """Makes and drops databases of either kind. One per process, over what the run's processes share."""

    def __init__(self, shared: SharedFolder) -> None:
        self._shared = shared
        self._numbers = itertools.count(1)

    def create(self, kind: str, folder: Path, *, empty: bool = False) -> str:
        """The URL of a new database; an SQLite file lies in ``folder``."""
        number = next(self._numbers)
        if kind == "sqlite":
            path = folder / f"wkmb-{number}.sqlite3"
            if not empty:
                shutil.copyfile(self._sqlite_template, path)
            return f"sqlite:///{path}"
        name = f"{self._prefix}_{self._shared.worker}_{number}"
        self._create_database(name, template="template0" if empty else self._postgresql_template(kind))
        return f"{self._server}/{name}"

    def drop(self, url: str) -> None:
        """Remove a database of PostgreSQL; the file of SQLite goes with its folder."""
        address = sa.make_url(url)
        if address.get_backend_name() != "sqlite" and address.database:
            with self._administration() as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(address.database)))

    @property
    def _prefix(self) -> str:
        return f"wkmb_test_{self._shared.run}"

    @functools.cached_property
    def _sqlite_template(self) -> Path:
        path = self._shared.path / "template.sqlite3"
        with self._shared.locked("sqlite"):
            if not path.exists():
                unfinished = self._shared.path / "unfinished.sqlite3"
                migrate(f"sqlite:///{unfinished}")
                unfinished.rename(path)
        return path

    @functools.cached_property
    def _server(self) -> str:
        if given := os.environ.get("WKMB_TEST_DATABASE_URL"):
            return sa.make_url(given).set(database=None).render_as_string(hide_password=False).rstrip("/")
        binaries = postgresql.find_binaries()
        if binaries is None:
            missing("postgresql", "PostgreSQL is not installed: tests on it are left out")
        known = self._shared.path / "postgresql.url"
        with self._shared.locked("postgresql"):
            if not known.exists():
                known.write_text(postgresql.Cluster(self._shared.path / "postgresql", binaries).start())
        return known.read_text()

    @functools.cache  # noqa: B019  # one object per process
    def _postgresql_template(self, kind: str) -> str:
        name = f"{self._prefix}_template_{kind}"
        made = self._shared.path / f"{kind}.template"
        server = self._server
        with self._shared.locked("template"):
            if not made.exists():
                self._create_database(name, template="template0")
                migrate(f"{server}/{name}", divided=kind == "partitioned")
                made.touch()
        return name

    def _create_database(self, name: str, *, template: str) -> None:
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with self._administration() as connection:
            # Quicker than by way of the log, which PostgreSQL has had since 15 and takes by itself.
            strategy = sql.SQL(" STRATEGY file_copy" if connection.info.server_version >= 150000 else "")
            connection.execute(command + strategy)

    def _administration(self) -> psycopg.Connection[Any]:
        return psycopg.connect(f"{self._server}/postgres", autocommit=True)


def pytest_configure(config: pytest.Config) -> None:
    folder = config.stash[SHARED]
    if folder.owns:
        folder.closing.append(_close)


def _close(folder: Path) -> None:
    postgresql.stop(folder / "postgresql")
    given = os.environ.get("WKMB_TEST_DATABASE_URL")
    for made in folder.glob("*.template") if given else ():
        name = f"wkmb_test_{folder.name.rpartition('-')[2]}_template_{made.stem}"
        with psycopg.connect(given, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def databases(shared_folder: SharedFolder) -> Databases:
    """Makes and drops databases, for tests that need several or one kind only."""
    return Databases(shared_folder)


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """``sqlite``, then ``postgresql``: the same test on both."""
    return str(request.param)


@pytest.fixture
def new_database(databases: Databases, database_kind: str, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Makes one migrated database per call (``empty=True``: without a table) and gives its URL."""
    urls: list[str] = []

    def create(*, empty: bool = False) -> str:
        urls.append(databases.create(database_kind, tmp_path, empty=empty))
        return urls[-1]

    yield create
    for url in urls:
        databases.drop(url)


@pytest.fixture
def database_url(new_database: Callable[..., str]) -> str:
    """The URL of a migrated database that only this test has."""
    return new_database()


@pytest.fixture
def empty_database_url(new_database: Callable[..., str]) -> str:
    """The URL of a database without any table."""
    return new_database(empty=True)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A migrated database that only this test has."""
    database = Database(database_url, pool_size=4)
    yield database
    database.close()
