"""For those who run the hub: does the process live, can it work, and what is it doing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial

import flask
import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hub import migrations
from hub.errors import problem
from hub.operations.metrics import CONTENT_TYPE, Metrics
from hub.runtime import Hub, current
from hub.systems import registry
from hub.systems.sync_tables import connector_state
from hub.tables import inbox, recompute_failures
from lrs import partitions

#: So many rows are looked at for a gauge: a longer queue is long enough to be told as this.
MOST = 1_000


def create_blueprint(metrics: Metrics) -> flask.Blueprint:
    """/healthz, /readyz and /metrics."""
    blueprint = flask.Blueprint("operators", __name__)
    blueprint.get("/healthz")(_healthz)
    blueprint.get("/readyz")(_readyz)
    blueprint.add_url_rule("/metrics", "metrics", partial(_metrics, metrics))
    return blueprint


def _metrics(metrics: Metrics) -> flask.Response:
    return flask.Response(metrics.render(Gauges(current())), content_type=CONTENT_TYPE)


def _healthz() -> flask.Response:
    """The process answers; nothing else is asked."""
    return flask.jsonify(status="ok")


def _readyz() -> flask.Response:
    """The database answers, is of this version and has room; a balancer sends requests only then."""
    hub = current()
    try:
        migrations.require_newest(hub.db)
        with hub.db.read() as conn:
            until = partitions.lasts_until(conn)
    except (migrations.NotMigrated, sa.exc.DBAPIError) as error:
        return problem(503, "not_ready", "Not ready", str(error))
    if until is None:
        return flask.jsonify(status="ready")
    if until <= hub.clock():
        detail = f"Partitions for statements ended at {until.isoformat()}. Run `wkmb db partition`, and start a worker."
        return problem(503, "no_partition", "Not ready", detail)
    return flask.jsonify(status="ready", partitions_until=until.isoformat())


# What is so just now -----------------------------------------------------------------------------------


class Gauges(Collector):
    """Read when Prometheus asks, in one short read that grows with nothing that is stored."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Each gauge; of a database that is away, only that it is."""
        now = self._hub.clock()
        try:
            through = self._hub.sequence.horizon()
            with self._hub.db.read() as conn:
                found = [*_inbox(conn, now), *_partitions(conn, now), *_connectors(conn, now)]
        except sa.exc.DBAPIError:
            yield _gauge("wkmb_database_up", "Whether the database answers", 0)
            return
        yield _gauge("wkmb_database_up", "Whether the database answers", 1)
        lag = max(0.0, (now - through).total_seconds())
        yield _gauge("wkmb_horizon_lag_seconds", "How far what readers may rely on is behind the present", lag)
        yield from found


def _gauge(name: str, help: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help, value=value)


def _inbox(conn: sa.Connection, now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = list(conn.execute(sa.select(inbox.c.at).order_by(inbox.c.bucket, inbox.c.id).limit(MOST)).scalars())
    yield _gauge("wkmb_inbox_waiting", f"Wake-ups that wait for a worker, at most {MOST}", len(waiting))
    age = (now - min(waiting)).total_seconds() if waiting else 0.0
    yield _gauge("wkmb_inbox_oldest_seconds", "How long the oldest of them has waited", max(0.0, age))
    at = recompute_failures.c
    aside = conn.execute(sa.select(at.learner).where(at.set_aside).limit(MOST)).all()
    yield _gauge("wkmb_learners_set_aside", f"Learners whose recomputation failed for good, at most {MOST}", len(aside))


def _partitions(conn: sa.Connection, now: datetime) -> Iterator[GaugeMetricFamily]:
    until = partitions.lasts_until(conn)
    if until is not None:
        left = (until - now).total_seconds()
        yield _gauge("wkmb_partitions_left_seconds", "How long there are partitions for new statements", left)


def _connectors(conn: sa.Connection, now: datetime) -> Iterator[GaugeMetricFamily]:
    """Of each system that is pulled."""
    failures = GaugeMetricFamily("wkmb_connector_failures", "Runs in a row that failed", labels=["connector"])
    paused = GaugeMetricFamily("wkmb_connector_paused", "Whether its circuit breaker is open", labels=["connector"])
    ended = GaugeMetricFamily("wkmb_connector_ended_seconds", "Since its last run ended", labels=["connector"])
    names = registry.connector_names(conn)
    at = connector_state.c
    for row in conn.execute(sa.select(at.connector, at.failures, at.open_until, at.last_ended)):
        name = [names.get(row.connector, str(row.connector))]
        failures.add_metric(name, row.failures)
        paused.add_metric(name, float(row.open_until is not None and row.open_until > now))
        if row.last_ended is not None:
            ended.add_metric(name, (now - row.last_ended).total_seconds())
    yield from (failures, paused, ended)
