"""What the hub's processes count, for Prometheus under ``/metrics``.

Server processes and workers write into files of one folder (``WKMB_HOME/metrics``), which any server process adds up.
prometheus_client decides that when it is imported, by its own environment variable: `hub.settings.share_metrics` has
to come first. Without it, as in tests, each application counts for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from lrs.statements import Prepared
from lrs.store import Saved

CONTENT_TYPE = CONTENT_TYPE_LATEST

#: Seconds, from a repeated statement on a fast disk to a page that somebody gives up on.
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


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
        self._statements = Counter(
            "wkmb_statements", "Statements received over xAPI, by what became of them", ["outcome"],
            registry=self._registry,
        )  # fmt: skip
        self._recomputed = Counter(
            "wkmb_learners_recomputed", "Learners whose ledgers were brought in line", registry=self._registry
        )

    def request(self, endpoint: str | None, method: str, status: int, seconds: float) -> None:
        """A request was answered. Endpoints are names of routes, so that no address makes a series of its own."""
        self._requests.labels(endpoint or "none", method, str(status)).observe(seconds)

    def saved(self, prepared: Sequence[Prepared], saved: Saved) -> None:
        """A batch was stored."""
        self._statements.labels("stored").inc(len(saved.new))
        self._statements.labels("repeated").inc(len(prepared) - len(saved.new))

    def recomputed(self, learners: int) -> None:
        """So many learners were recomputed."""
        self._recomputed.inc(learners)

    def render(self) -> bytes:
        """The text that Prometheus reads: of every process, where they share a folder."""
        if self._folder is None:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared, path=str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(shared)
