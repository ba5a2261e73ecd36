"""What runs beside the web server: recognition, pulls, and keeping house. Any number of workers may run at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from connectors.polling import Polling
from hub import lti
from hub.access import accounts, limits
from hub.jp import recognition
from hub.jp.replays import Replayer
from hub.lti import keys
from hub.lti_tool import logins
from hub.lti_tool.members import Rosters
from hub.lti_tool.passback import Passback
from hub.people import identity_rules
from hub.systems import pulls
from lrs import partitions, payloads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.operations.metrics import Metrics
    from hub.runtime import Hub

log = structlog.get_logger()

#: How long an idle worker sleeps. A statement waits half of it on average before its learner is recomputed.
IDLE_SECONDS = 0.15
#: How often what is over is taken away.
HOUSE = timedelta(minutes=10)
#: How often a store is looked at that has no dictionary to compress with: it may get its first statements all at once.
LEARNING = timedelta(seconds=10)
#: How long to wait for a database that went away before asking again.
PATIENCE_SECONDS = 2.0


def run(hub: Hub, stopping: threading.Event, metrics: Metrics) -> None:
    """Work until ``stopping`` is set; what is under way then is finished."""
    metrics.watch(hub.db)
    with _polling(hub, stopping, metrics):
        house_at, replayer, learner = hub.clock(), Replayer(hub), Learner(hub)
        while not stopping.is_set():
            worked = _attempt("recognition", lambda: recognition.drain(hub, metrics.recomputed), stopping)
            # A few learners at a time, so that a replay keeps nobody waiting whose statements just came.
            worked += _attempt("replay", replayer.step, stopping)
            worked += _attempt("identity rules", lambda: identity_rules.step(hub), stopping)
            worked += _attempt("compression", learner.step, stopping)
            if hub.clock() >= house_at:
                _attempt("house", lambda: keep_house(hub), stopping)
                house_at = hub.clock() + HOUSE
            if not worked:
                hub.db.shorten_log()
                stopping.wait(IDLE_SECONDS)


def keep_house(hub: Hub) -> int:
    """Take away what is over (sessions, tokens, windows of rates), and make the partitions of the months to come."""
    now = hub.clock()
    made = hub.db.run(lambda conn: partitions.make_ahead(conn, now))
    if made:
        log.info("partitions_made", names=made)

    def work(conn: sa.Connection) -> None:
        for purge in (accounts.forget_expired, limits.forget_ended, lti.purge, logins.purge):
            purge(conn, now)

    hub.db.run(work)
    _rotate_keys(hub)
    return 0


class Learner:
    """Learns to compress once there are enough statements to learn from."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._at: datetime | None = hub.clock()

    def step(self) -> int:
        """Look whether there are enough, if it is time to; nothing any more once there is a dictionary."""
        now = self._hub.clock()
        if self._at is not None and now >= self._at:
            self._at = None if self._hub.db.run(_has_learned) else now + LEARNING
        return 0


def _has_learned(conn: sa.Connection) -> bool:
    return payloads.has_dictionary(conn) or payloads.learn(conn) is not None


def _rotate_keys(hub: Hub) -> None:
    days = hub.settings.key_rotation_days
    made = keys.rotate_if_due(hub, every=timedelta(days=days)) if days else None
    if made is not None:
        log.info("key_rotated", kid=made.kid, signs_from=made.active_from.isoformat())


@contextmanager
def _polling(hub: Hub, stopping: threading.Event, metrics: Metrics) -> Iterator[None]:
    sync = pulls.create_sync(hub, stopping.is_set)
    passback, rosters = Passback(hub), Rosters(hub)

    def pull(connector: int) -> None:
        with hub.trace.span("pull", connector=connector):
            metrics.pulled(sync.run(connector))

    every = (
        Polling(pulls.due(hub), pull, interval=1.0),
        Polling(passback.due, passback.run, interval=1.0, threads=2),
        Polling(rosters.due, rosters.run, interval=5.0, threads=1),
    )
    for polling in every:
        polling.start()
    try:
        yield
    finally:
        for polling in every:
            polling.stop()


def _attempt(what: str, work: Callable[[], int], stopping: threading.Event) -> int:
    """Do it; a database that is away for a while does not end the worker."""
    try:
        return work()
    except sa.exc.DBAPIError as error:
        log.error("worker_failed", what=what, exc_info=error)
        stopping.wait(PATIENCE_SECONDS)
        return 0
