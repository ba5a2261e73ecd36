"""For those who run the hub: does the process live, can it work, and what is it doing."""

from __future__ import annotations

import flask
import sqlalchemy as sa

from hub import migrations
from hub.errors import problem
from hub.metrics import CONTENT_TYPE, Metrics
from hub.runtime import current
from lrs import partitions


def create_blueprint(metrics: Metrics) -> flask.Blueprint:
    """/healthz, /readyz and /metrics."""
    blueprint = flask.Blueprint("operators", __name__)
    blueprint.get("/healthz")(_healthz)
    blueprint.get("/readyz")(_readyz)
    blueprint.add_url_rule("/metrics", "metrics", lambda: flask.Response(metrics.render(), content_type=CONTENT_TYPE))
    return blueprint


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
