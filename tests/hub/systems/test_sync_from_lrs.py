"""A pull from an LRS of our own kind over HTTP, in both versions, also while others write to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from werkzeug.serving import make_server

from connectors.external_lrs import LRSSettings
from hub.systems import sync as pulls
from hub.systems.sync import Pull, Sync
from lrs import query, store
from lrs.database import Database
from lrs.sequence import Sequence
from lrstest import reference, statement
from xapitest import Visitor, create_app

VERSIONS = ("1.0.3", "2.0.0")


class Other:
    """The other LRS: served over HTTP to the pull, and written to directly."""

    def __init__(self, db: Database) -> None:
        self._app = create_app(db)
        self.visitor = self.visit()
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def visit(self) -> Visitor:
        return Visitor(self._app.test_client())

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/xapi/"

    def ids(self) -> list[str]:
        return self.visitor.find(ascending="true")


class Ours:
    def __init__(self, db: Database, settings: LRSSettings) -> None:
        self._db = db
        numbers = Sequence(db, _now, uuid4)
        source = {"every": timedelta(seconds=1), "internal": True, "hub_url": "https://hub.example"}
        self._sync = Sync(
            db,
            numbers,
            store.save,
            lambda id: pulls.external_lrs(id, "asn", settings, **source),  # type: ignore[arg-type]
            _now,
            uuid4,
        )
        with db.write() as conn:
            pulls.schedule(conn, 7, _now())

    def pull(self) -> Pull:
        pull = self._sync.run(7, force=True)
        assert pull is not None
        assert pull.state == "ok", pull.error
        return pull

    def stored(self) -> list[query.Stored]:
        found: list[query.Stored] = []
        after = None
        with self._db.read() as conn:
            while True:
                page = query.find(conn, query.StatementQuery(ascending=True), limit=100, after=after)
                found += page.statements
                if (after := page.next_after) is None:
                    return found

    def get(self, id: str) -> query.Stored | None:
        with self._db.read() as conn:
            return query.get(conn, UUID(id))


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def other(new_database: Callable[..., str]) -> Iterator[Other]:
    db = Database(new_database())
    other = Other(db)
    yield other
    other.stop()
    db.close()


@pytest.fixture
def pulling(db: Database, other: Other) -> Callable[..., Ours]:
    def make(version: str = "1.0.3", *, key: str = "reader") -> Ours:
        return Ours(db, LRSSettings(other.url, key, "secret", version, page_size=7))

    return make


@pytest.mark.parametrize("version", VERSIONS)
def test_every_statement_arrives_as_it_was_sent(other: Other, pulling: Callable[..., Ours], version: str) -> None:
    sent = [statement(result={"score": {"raw": number / 2}, "duration": "PT1H0M0.500S"}) for number in range(40)]
    other.visitor.using(version=version).post(*sent)

    ours = pulling(version)
    ours.pull()

    assert [str(each.id) for each in ours.stored()] == other.ids()
    set_by_lrs = ("stored", "authority", "timestamp", "version")
    arrived = [json.loads(each.payload) for each in ours.stored()]
    assert [{k: v for k, v in each.items() if k not in set_by_lrs} for each in arrived] == sent


def test_a_second_pull_brings_only_what_is_new(other: Other, pulling: Callable[..., Ours]) -> None:
    other.visitor.post(*(statement() for _ in range(10)))
    ours = pulling()
    ours.pull()
    other.visitor.post(statement())

    assert ours.pull().stored == 1
    assert [str(each.id) for each in ours.stored()] == other.ids()


def test_a_void_over_there_is_a_void_here(other: Other, pulling: Callable[..., Ours]) -> None:
    kept, gone = statement(), statement()
    other.visitor.post(kept, gone)
    ours = pulling()
    ours.pull()
    other.visitor.post(reference(gone["id"], "voided"))
    ours.pull()

    voided = ours.get(gone["id"])
    assert voided is not None
    assert voided.voided_by is not None
    assert [str(each.id) for each in ours.stored()] == other.ids()


def test_nothing_is_missed_while_others_write(other: Other, pulling: Callable[..., Ours]) -> None:
    ours = pulling()
    refused: list[bytes] = []

    def write(writer: int) -> None:
        visitor = other.visit()
        for _ in range(12):
            answer = visitor.post(*(statement() for _ in range(writer + 1)))
            if answer.status_code != 200:
                refused.append(answer.data)

    writers = [threading.Thread(target=write, args=(each,)) for each in range(4)]
    for thread in writers:
        thread.start()
    while any(thread.is_alive() for thread in writers):
        ours.pull()
    for thread in writers:
        thread.join()
    ours.pull()

    assert refused == []
    assert len(other.ids()) == 12 * (1 + 2 + 3 + 4)
    assert sorted(str(each.id) for each in ours.stored()) == sorted(other.ids())
