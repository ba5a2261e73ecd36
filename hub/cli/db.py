"""``wkmb db``: the database's schema, and copies of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click
import sqlalchemy as sa

from hub import migrations
from hub.cli.base import Failed, json_option, opened, say, settings
from hub.migrations import steps
from hub.operations import backups
from hub.runtime import Hub, open_hub
from lrs import partitions
from lrs.database import copy_sqlite


@click.group()
def db() -> None:
    """Bring the database to this version's schema, check it, copy it."""


@db.command()
@json_option
def upgrade(as_json: bool) -> None:
    """Bring the database to the schema of this version; repeating it changes nothing."""
    with contextlib.closing(_open()) as hub:
        try:
            before, after = steps.upgrade(hub.db)
        except migrations.NotMigrated as error:
            raise Failed(str(error)) from error
    line = f"The database is at {after} already." if before == after else f"The database is at {after} now."
    say({"before": before, "after": after}, as_json, line)


@db.command()
@json_option
def check(as_json: bool) -> None:
    """Is the database's schema exactly what this version declares?"""
    with contextlib.closing(_open()) as hub:
        try:
            migrations.require_newest(hub.db)
        except migrations.NotMigrated as error:
            raise Failed(str(error)) from error
        differences = steps.differences(hub.db)
    if differences:
        raise Failed(f"The database differs from what was migrated: {'; '.join(differences)}. Restore a backup.")
    say({"revision": migrations.newest(), "differences": []}, as_json, "The database is as it must be.")


@db.command()
@json_option
def partition(as_json: bool) -> None:
    """Keep statements in one partition a month (PostgreSQL), those that are stored already too; make what is missing.

    Statements wait while it reads what is stored, once. Afterwards workers make the months to come.
    """
    with opened() as hub:
        if hub.db.is_sqlite:
            raise Failed("SQLite has no partitions: they are for a hub on PostgreSQL. Nothing needs to be done.")
        try:
            made = hub.db.run(lambda conn: partitions.divide(conn, hub.clock()))
        except sa.exc.OperationalError as error:
            raise Failed(f"The tables are in use: {error.orig}. Try again when there is less to do.") from error
        with hub.db.read() as conn:
            until = partitions.lasts_until(conn)
    lines = [f"Made {name}." for name in made] or ["Nothing is missing."]
    say({"made": made, "until": until}, as_json, *lines, f"Statements have their partitions until {until:%Y-%m-%d}.")


@db.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Copy the database to FILE, as it is at one moment, while the hub runs."""
    if file.exists():
        raise Failed(f"{file} exists already. Name a new file.")
    with contextlib.closing(_open()) as hub, _writing(file):
        if hub.db.is_sqlite:
            _backup_sqlite(hub, file)
        else:
            backups.write(hub.db, file, hub.clock())
    told = {"file": str(file), "bytes": file.stat().st_size}
    say(told, as_json, f"Copied to {file}. Keep the secret key apart.")


def _backup_sqlite(hub: Hub, file: Path) -> None:
    source = _sqlite_file(hub)
    if not source.exists():
        raise Failed(f"{source} does not exist. Run `wkmb db upgrade` first.")
    _copy(source, file)


@db.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def restore(file: Path, as_json: bool) -> None:
    """Put a backup in the place of a database that is not there, or empty (never over one that is)."""
    with contextlib.closing(_open()) as hub:
        target = _restore_sqlite(hub, file) if hub.db.is_sqlite else _restore_postgresql(hub, file)
    say({"database": target}, as_json, f"Restored to {target}. Run `wkmb db upgrade`, then start the hub.")


def _restore_sqlite(hub: Hub, file: Path) -> str:
    target = _sqlite_file(hub)
    if target.exists():
        raise Failed(f"{target} exists. Move it away first, then restore.")
    _copy(file, target)
    return str(target)


def _restore_postgresql(hub: Hub, file: Path) -> str:
    try:
        backups.restore(hub.db, file, hub.clock())
    except (backups.BackupRefused, migrations.NotMigrated) as error:
        raise Failed(str(error)) from error
    return hub.db.url.render_as_string(hide_password=True)


@contextlib.contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failed(f"{file} cannot be written: {error.strerror}. Name another place.") from error


def _copy(source: Path, target: Path) -> None:
    try:
        copy_sqlite(source, target)
    except ValueError as error:
        raise Failed(f"{source} is no sound database of the hub: {error}. Use another file.") from error


def _open() -> Hub:
    return open_hub(settings(), pool_size=2)


def _sqlite_file(hub: Hub) -> Path:
    return Path(str(hub.db.url.database))
