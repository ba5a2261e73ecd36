"""SQLite's write-ahead log is emptied when nobody writes, and nobody waits for that."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import sqlalchemy as sa

from lrs.database import Database
from lrs.tables import dictionaries


@pytest.fixture
def log(db: Database) -> Path:
    """The log of a database in which much was just written; of PostgreSQL there is none."""
    for version in (2, 3):
        with db.write() as conn:
            conn.execute(sa.insert(dictionaries).values(version=version, content=b"x" * 4_000_000))
    return Path(f"{db.url.database}-wal")


def test_a_long_log_is_emptied_once(db: Database, log: Path) -> None:
    assert db.shorten_log() == db.is_sqlite
    assert not db.shorten_log()
    assert not log.exists() or log.stat().st_size == 0
    with db.read() as conn:
        assert len(conn.execute(sa.select(dictionaries.c.version)).all()) == 2


def test_who_writes_or_reads_goes_on(db: Database, log: Path) -> None:
    with contextlib.closing(Database(str(db.engine.url.render_as_string(hide_password=False)))) as other:
        with db.write() as conn:
            conn.execute(sa.delete(dictionaries).where(dictionaries.c.version == 3))
            assert not other.shorten_log()
        with db.read() as conn:
            conn.execute(sa.select(dictionaries.c.version)).all()
            other.shorten_log()
            assert len(conn.execute(sa.select(dictionaries.c.version)).all()) == 1
