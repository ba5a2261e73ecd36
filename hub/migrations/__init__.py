"""Which schema the database must have for this version of the hub, and who may use it before that.

The steps themselves are in ``versions``, each named by its number; `hub.migrations.steps` carries them out. This
module asks only which is the newest, because every process does so when it starts: Alembic is loaded by those that
migrate.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa

from lrs.database import Database

#: Alembic's own table: one row, the revision.
VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))


class NotMigrated(Exception):
    """The database has another schema than this version of the hub."""


def require_newest(db: Database) -> None:
    """Raise `NotMigrated` unless the database is that of this version."""
    with db.read() as conn:
        found = revision(conn)
    if found == newest():
        return
    if found is not None and found not in known():
        raise NotMigrated(f"The database is of a newer version ({found}). Start that version of the hub.")
    raise NotMigrated("The database is not migrated. Run `wkmb db upgrade`.")


def newest() -> str:
    """The revision of this version."""
    return max(known())


@cache
def known() -> frozenset[str]:
    """Every revision that this version knows, read off the names of the steps: ``0001_first_schema.py``."""
    return frozenset(path.name.partition("_")[0] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))


def revision(conn: sa.Connection) -> str | None:
    """The revision of the database; None where nobody has migrated it."""
    if not sa.inspect(conn).has_table(VERSION.name):
        return None
    return conn.execute(sa.select(VERSION.c.version_num)).scalar()
