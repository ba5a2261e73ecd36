"""The steps that bring a database to the schema of this version (Alembic), and who may use it before that.

Each step works with the version of the hub that was running before it. ``alembic`` itself needs no file of its own:
everything is set here.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from hub import siasn_tables, sync_tables, tables  # noqa: F401  # they declare the tables that are compared
from hub.lti_tool import tables as lti_tool_tables  # noqa: F401
from lrs import tables as lrs_tables  # noqa: F401
from lrs.database import Database, metadata


class NotMigrated(Exception):
    """The database has another schema than this version of the hub."""


def upgrade(db: Database) -> tuple[str | None, str]:
    """Bring the database to the newest schema; gives the revision before and after. Repeating it changes nothing."""
    with db.write() as conn:
        before = _revision(conn)
        if before != newest():
            config = _config()
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
    return before, newest()


def require_newest(db: Database) -> None:
    """Raise `NotMigrated` unless the database is that of this version."""
    with db.read() as conn:
        found = _revision(conn)
    if found == newest():
        return
    if found is not None and found not in known():
        raise NotMigrated(f"The database is of a newer version ({found}). Start that version of the hub.")
    raise NotMigrated("The database is not migrated. Run `wkmb db upgrade`.")


def newest() -> str:
    """The revision of this version."""
    return _scripts().get_heads()[0]


def known() -> frozenset[str]:
    """Every revision that this version knows."""
    return frozenset(step.revision for step in _scripts().walk_revisions())


def differences(db: Database) -> list[str]:
    """What of the database differs from what the code declares; empty where nothing does."""
    with db.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        return [str(difference) for difference in compare_metadata(context, declared())]


def declared() -> sa.MetaData:
    """Every table that the hub declares."""
    return metadata


def _revision(conn: sa.Connection) -> str | None:
    return MigrationContext.configure(conn).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
