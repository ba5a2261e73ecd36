"""A worker's process that does nothing but pull: ``python pull_worker.py DATABASE_URL LRS_URL``, until it is ended."""

from __future__ import annotations

import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from connectors.external_lrs import LRSSettings
from connectors.polling import Polling
from hub.systems.sync import Sync, external_lrs, list_due
from lrs import store
from lrs.database import Database
from lrs.sequence import Sequence


def main(database_url: str, lrs_url: str) -> None:
    def clock() -> datetime:
        return datetime.now(UTC)

    db = Database(database_url)
    settings = LRSSettings(lrs_url, "kunci", "rahasia", page_size=10)
    sync = Sync(
        db,
        Sequence(db, clock, uuid4),
        store.save,
        lambda id: external_lrs(
            id, "asn", settings, every=timedelta(seconds=1), internal=True, hub_url="https://hub.example"
        ),
        clock,
        uuid4,
    )

    def due() -> list[int]:
        with db.read() as conn:
            return list_due(conn, clock())

    polling = Polling(due, sync.run, interval=0.1)
    polling.start()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    polling.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
