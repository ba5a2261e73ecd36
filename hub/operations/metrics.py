"""What the hub's processes count, for Prometheus under ``/metrics``.

Server processes and workers write into files of one folder (``WKMB_HOME/metrics``), which any server process adds up.
prometheus_client decides that when it is imported, by its own environment variable: `hub.settings.share_metrics` has
to come first. Without it, as in tests, each application counts for itself.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from hub.systems.sync import Pull
from lrs.database import Database
from lrs.statements import Prepared
from lrs.store import Saved

CONTENT_TYPE = CONTENT_TYPE_LATEST

#: Seconds, from a repeated statement on a fast disk to a page that somebody gives up on.
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Metrics:
    """The counters of one application or worker. ``folder`` is where all processes of the hub keep theirs."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "wkmb_request_seconds",
            "How long requests took, by endpoint, method and status",
            ["endpoint", "method", "status"],
            registry=self._registry,
            buckets=_BUCKETS,
        )
        # Of every request: prometheus_client makes text of each label and takes a lock to find a series again.
        self._requests_of = functools.cache(self._requests.labels)
        self._statements = Counter(
            "wkmb_statements", "Statements received over xAPI, by what became of them", ["outcome"],
            registry=self._registry,
        )  # fmt: skip
        self._stored, self._repeated = map(self._statements.labels, ("stored", "repeated"))
        self._outcomes = Counter(
            "wkmb_outcomes", "What came of launches, scores, tokens and refused xAPI requests", ["what", "outcome"],
            registry=self._registry,
        )  # fmt: skip
        self._recomputed = Histogram(
            "wkmb_recompute_seconds",
            "How long recomputing one learner took, by what became of it",
            ["outcome"],
            registry=self._registry,
            buckets=_BUCKETS,
        )
        self._pulls = Counter("wkmb_pulls", "Runs of connectors, by how they ended", ["state"], registry=self._registry)
        self._pulled = Counter(
            "wkmb_pulled_statements", "Statements that runs brought", ["outcome"], registry=self._registry
        )
        self._database_errors = Counter(
            "wkmb_database_errors", "Errors of the database, by SQLAlchemy's name for them", ["kind"],
            registry=self._registry,
        )  # fmt: skip

    def request(self, endpoint: str | None, method: str, status: int, seconds: float) -> None:
        """A request was answered. Endpoints are names of routes, so that no address makes a series of its own."""
        # A client may call its method anything, which must not make a series either.
        known = method if method in _METHODS else "other"
        self._requests_of(endpoint or "none", known, status).observe(seconds)

    def outcome(self, what: str, outcome: str) -> None:
        """Something came of a request (`hub.operations.outcomes`)."""
        self._outcomes.labels(what, outcome).inc()

    def saved(self, prepared: Sequence[Prepared], saved: Saved) -> None:
        """A batch was stored."""
        for series, count in ((self._stored, len(saved.new)), (self._repeated, len(prepared) - len(saved.new))):
            if count:
                series.inc(count)

    def recomputed(self, outcome: str, seconds: float) -> None:
        """A learner was recomputed: "done", "failed", or "left" to another worker that has her."""
        self._recomputed.labels(outcome).observe(seconds)

    def pulled(self, pull: Pull | None) -> None:
        """A run of a connector ended; None where there was none."""
        if pull is None:
            return
        self._pulls.labels(pull.state).inc()
        for outcome in ("stored", "repeated", "set_aside"):
            self._pulled.labels(outcome).inc(getattr(pull, outcome))

    def watch(self, db: Database) -> None:
        """Count what the database refuses or fails at."""
        for engine in db.engines:
            sa.event.listen(engine, "handle_error", self._count_error)

    def _count_error(self, context: sa.engine.ExceptionContext) -> None:
        self._database_errors.labels(type(context.sqlalchemy_exception or context.original_exception).__name__).inc()

    def render(self, gauges: Collector) -> bytes:
        """The text that Prometheus reads: of every process, where they share a folder; and what is so just now."""
        counted, now = self._registry, CollectorRegistry()
        if self._folder is not None:
            counted = CollectorRegistry()
            MultiProcessCollector(counted, path=str(self._folder))  # type: ignore[no-untyped-call]
        now.register(gauges)
        return generate_latest(counted) + generate_latest(now)
