"""A PostgreSQL database as one file: written from one snapshot while the hub runs, and put into an empty database.

The file is a ZIP: a member per table in the text form of COPY, and ``backup.json``, which names the schema's revision
and every table with its columns and rows. So it needs none of the server's programs, any PostgreSQL reads it, and an
older one is restored to the schema that it was made with. SQLite has `lrs.database.copy_sqlite`, a copy of its file.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import orjson
import sqlalchemy as sa

from hub import migrations
from hub.migrations import steps
from lrs import database, partitions
from lrs.database import Database
from lrs.tables import floors

#: The name of this form; another one will have another name.
FORM = "wkmb-backup-1"
_INDEX = "backup.json"
_PIECE = 1 << 20

#: What means nothing once the processes that wrote it are gone.
_TRANSIENT = frozenset((floors.name,))


class BackupRefused(Exception):
    """It is no backup, or the database is not one to restore it into; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backup holds: the schema's revision, when it was made, and the rows of each table."""

    revision: str | None
    made_at: str
    rows: dict[str, int]


def write(db: Database, file: Path, now: datetime) -> Summary:
    """Write the database to ``file``, which has its name only when it is whole.

    Everything is of one moment: a statement is in it with all that was committed with it, or not at all.
    """
    unfinished = file.with_name(f"{file.name}.unfinished")
    unfinished.touch(mode=0o600)  # It holds what people did.
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, db.read() as conn:
            index = {
                "form": FORM,
                "revision": migrations.revision(conn),
                "made_at": now.isoformat(),
                "partitioned": bool(partitions.names(conn)),
                "tables": [
                    {"name": table.name, "columns": table.columns.keys(), "rows": _write_table(archive, conn, table)}
                    for table in _tables(conn)
                ],
            }
            archive.writestr(_INDEX, orjson.dumps(index, option=orjson.OPT_INDENT_2))
        unfinished.rename(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return _summary(index)


def restore(db: Database, file: Path, now: datetime) -> Summary:
    """Put the backup into a database without tables: all of it, or nothing.

    Raises `BackupRefused`, or `hub.migrations.NotMigrated` where it is of a newer version of the hub.
    """
    try:
        with zipfile.ZipFile(file) as archive, db.write() as conn:
            index = _read_index(archive)
            if sa.inspect(conn).get_table_names():
                raise BackupRefused("The database has tables. Restore into an empty one, never over another.")
            steps.migrate(conn, index["revision"])
            if index["partitioned"]:
                partitions.divide(conn, now)
            _restore_tables(archive, conn, index["tables"])
            return _summary(index)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise BackupRefused(f"{file} is no whole backup of a hub on PostgreSQL ({error}). Use another file.") from error


def _tables(conn: sa.Connection) -> list[sa.TableClause]:
    """Those that are there, of whatever version of the hub; a table comes after those that it refers to."""
    inspector = sa.inspect(conn)
    left_out = _TRANSIENT | partitions.names(conn) | {migrations.VERSION.name}
    return [
        sa.table(name, *(sa.column(column["name"]) for column in inspector.get_columns(name)))
        for name, _ in inspector.get_sorted_table_and_fkc_names()
        if name is not None and name not in left_out
    ]


def _write_table(archive: zipfile.ZipFile, conn: sa.Connection, table: sa.TableClause) -> int:
    rows = 0
    with archive.open(f"{table.name}.copy", "w", force_zip64=True) as member:
        for piece in database.copy_out(conn, table):
            # COPY writes a line feed inside a value as two characters, so each one ends a row.
            rows += piece.count(b"\n")
            member.write(piece)
    return rows


def _read_index(archive: zipfile.ZipFile) -> dict[str, Any]:
    index = orjson.loads(archive.read(_INDEX))
    if index["form"] != FORM:
        raise BackupRefused(f"The backup is in the form {index['form']!r}; this version of the hub reads {FORM}.")
    return dict(index)


def _restore_tables(archive: zipfile.ZipFile, conn: sa.Connection, tables: list[dict[str, Any]]) -> None:
    declared = steps.declared().tables
    for each in reversed(tables):
        conn.execute(sa.delete(sa.table(each["name"])))  # What the migrations put there is in the backup too.
    for each in tables:
        table = sa.table(each["name"], *map(sa.column, each["columns"]))
        with archive.open(f"{each['name']}.copy") as member:
            found = database.copy_in(conn, table, _pieces(member))
        if found != each["rows"]:
            raise BackupRefused(f"The backup has {found} rows of {each['name']} and should have {each['rows']}.")
        if each["name"] in declared:
            database.number_on(conn, declared[each["name"]])


def _pieces(member: IO[bytes]) -> Iterator[bytes]:
    while piece := member.read(_PIECE):
        yield piece


def _summary(index: dict[str, Any]) -> Summary:
    return Summary(index["revision"], index["made_at"], {each["name"]: each["rows"] for each in index["tables"]})
