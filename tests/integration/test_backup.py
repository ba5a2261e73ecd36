"""A backup is made while the hub runs and others write, and restored where there is nothing."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
import sqlalchemy as sa

from lrs import tables
from lrs.database import Database
from lrstest import BUDI, reference, statement
from wkmbtest.processes import HubProcess

SECRET = "a secret of tests alone"


@contextmanager
def writing(hub: HubProcess) -> Iterator[list[str]]:
    """Batches with references and voids come in all the time; gives the ids that were acknowledged."""
    acknowledged: list[str] = []
    stopping, begun = threading.Event(), threading.Event()

    def write() -> None:
        with requests.Session() as session:
            session.auth = ("k", SECRET)
            while not stopping.is_set():
                first = statement()
                batch = [first, statement(actor=BUDI), reference(first["id"]), reference(first["id"], "voided")]
                sent = session.post(
                    f"{hub.url}/xapi/statements", json=batch, headers={"X-Experience-API-Version": "1.0.3"}, timeout=30
                )
                assert sent.status_code == 200, sent.text
                acknowledged.extend(each["id"] for each in batch)
                begun.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert begun.wait(30)
        yield acknowledged
    finally:
        stopping.set()
        thread.join()


def contents(url: str, table: sa.Table) -> set[tuple[Any, ...]]:
    with closing(Database(url, pool_size=1)) as db, db.read() as conn:
        return {tuple(row) for row in conn.execute(sa.select(table))}


def test_what_was_acknowledged_is_in_the_restored_hub_and_nothing_is_half(
    new_hub: Callable[..., HubProcess], new_database: Callable[..., str], tmp_path: Path
) -> None:
    hub = new_hub()
    divided = hub.wkmb("db", "partition", check=False).returncode == 0
    assert divided == hub.database_url.startswith("postgresql")
    hub.prepare("credential", "add", "lms", "--key", "k", "--secret-stdin", "--scope", "all", stdin=SECRET + "\n")
    hub.start()
    copy = tmp_path / "copy"

    with writing(hub) as acknowledged:
        before = list(acknowledged)
        hub.wkmb("db", "backup", str(copy))
        after = len(acknowledged)
        while len(acknowledged) == after:
            threading.Event().wait(0.01)
    hub.stop()
    refused = hub.wkmb("db", "restore", str(copy), check=False)
    other = HubProcess(hub.home, new_database(empty=True))
    other.wkmb("db", "restore", str(copy))

    assert refused.returncode == 1
    assert "never over another" in refused.stderr or "Move it away first" in refused.stderr
    assert copy.stat().st_mode & 0o077 == 0
    restored = contents(other.database_url, tables.statements)
    ids = {str(row[list(tables.statements.c).index(tables.statements.c.id)]) for row in restored}
    assert set(before) <= ids < set(acknowledged)
    assert len(ids) % 4 == 0
    # Every row is a row of the original, and those of one batch are all there.
    for table in (tables.statements, tables.statement_ids, tables.statement_references, tables.voids):
        assert contents(other.database_url, table) <= contents(hub.database_url, table)
    present = {row[1] for row in restored}
    for table, column in ((tables.statement_index, 1), (tables.statement_ids, 2)):
        assert {row for row in contents(hub.database_url, table) if row[column] in present} == contents(
            other.database_url, table
        )
    assert other.wkmb("db", "check").returncode == 0
    # The restored hub goes on where the other one was, numbers of new rows included.
    other.wkmb("credential", "add", "second", "--key", "k2", "--secret-stdin", stdin=SECRET + "\n")
    listed = json.loads(other.wkmb("credential", "list", "--json").stdout)
    assert {each["name"] for each in listed} == {"lms", "second"}


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_broken_backup_changes_nothing(
    new_hub: Callable[..., HubProcess], new_database: Callable[..., str], tmp_path: Path
) -> None:
    hub = new_hub()
    hub.prepare("credential", "add", "lms", "--key", "k", "--secret-stdin", stdin=SECRET + "\n")
    copy, text = tmp_path / "copy", tmp_path / "text"
    hub.wkmb("db", "backup", str(copy))
    text.write_text("this is no backup")
    cut = tmp_path / "cut"
    cut.write_bytes(copy.read_bytes()[:-100])
    other = HubProcess(hub.home, new_database(empty=True))

    for file, why in (
        (text, "no whole backup"),
        (cut, "no whole backup"),
        (_changed(copy, tmp_path / "newer", revision="9999"), "newer version"),
        (_changed(copy, tmp_path / "form", form="x"), "in the form 'x'"),
        (_without_a_row(copy, tmp_path / "less"), "should have"),
    ):
        done = other.wkmb("db", "restore", str(file), check=False)
        assert (done.returncode, why in done.stderr) == (1, True), (file, done.stderr)
    with closing(Database(other.database_url, pool_size=1)) as db, db.read() as conn:
        assert sa.inspect(conn).get_table_names() == []


def _rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(source) as here, zipfile.ZipFile(target, "w") as there:
        for name in here.namelist():
            there.writestr(name, change(name, here.read(name)))
    return target


def _changed(source: Path, target: Path, **members: str) -> Path:
    def change(name: str, content: bytes) -> bytes:
        return orjson.dumps({**orjson.loads(content), **members}) if name == "backup.json" else content

    return _rewritten(source, target, change)


def _without_a_row(source: Path, target: Path) -> Path:
    def change(name: str, content: bytes) -> bytes:
        return content.partition(b"\n")[2] if name == "credentials.copy" else content

    return _rewritten(source, target, change)


def test_a_file_that_is_no_copy_of_sqlite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database")
    hub = HubProcess(tmp_path, f"sqlite:///{tmp_path}/hub.sqlite3")

    done = hub.wkmb("db", "restore", str(tmp_path / "text"), check=False)

    assert done.returncode == 1
    assert "is no sound database" in done.stderr
    assert not (tmp_path / "hub.sqlite3").exists()
