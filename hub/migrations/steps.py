"""Bringing a database to the schema of this version, with Alembic.

Each step works with the version of the hub that was running before it. Alembic needs no file of its own: everything is
set here. ``env.py`` is what it calls back.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from hub.jp import policy_tables, siasn_tables  # noqa: F401
from hub.learning import development_tables  # noqa: F401
from hub.lti_tool import gradebook_tables  # noqa: F401
from hub.lti_tool import tables as lti_tool_tables  # noqa: F401
from hub.migrations import NotMigrated, known, newest
from hub.papers import transcript_tables  # noqa: F401
from hub.systems import sync_tables  # noqa: F401
from lrs import partitions
from lrs import tables as lrs_tables  # noqa: F401
from lrs.database import Database, metadata


def upgrade(db: Database) -> tuple[str | None, str | None]:
    """Bring the database to the newest schema; gives the revision before and after. Repeating it changes nothing.

    Raises `NotMigrated` where the database is of a newer version.
    """
    with db.write() as conn:
        return migrate(conn, newest())


def migrate(conn: sa.Connection, revision: str) -> tuple[str | None, str | None]:
    """Bring the database to the schema of this revision; gives the one before and after."""
    before = MigrationContext.configure(conn).get_current_revision()
    for each in (before, revision):
        if each is not None and each not in known():
            raise NotMigrated(f"The database is of a newer version ({each}). Use that version of the hub.")
    if before != revision:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = conn
        command.upgrade(config, revision)
    return before, MigrationContext.configure(conn).get_current_revision()


def differences(db: Database) -> list[str]:
    """What of the database differs from what the code declares; empty where nothing does."""
    with db.read() as conn, warnings.catch_warnings():
        parts = partitions.names(conn)

        def is_declared(name: str | None, kind: str, _: object) -> bool:
            return kind != "table" or name not in parts

        opts = {"compare_type": True, "compare_server_default": True, "include_name": is_declared}
        context = MigrationContext.configure(conn, opts=opts)
        # SQLite does not tell on what expression an index is; whether it is there, the tests see.
        warnings.filterwarnings("ignore", ".*expression-based index")
        return [str(difference) for difference in compare_metadata(context, declared())]


def declared() -> sa.MetaData:
    """Every table that the hub declares."""
    return metadata
