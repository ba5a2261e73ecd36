"""For those who run the hub: does the process live, can it work, and what is it doing."""

from __future__ import annotations

import flask
import sqlalchemy as sa

from hub import migrations
from hub.errors import problem
from hub.metrics import CONTENT_TYPE, Metrics
from hub.runtime import current


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
    """The database answers and is of this version; a balancer sends requests only then."""
    try:
        migrations.require_newest(current().db)
    except (migrations.NotMigrated, sa.exc.DBAPIError) as error:
        return problem(503, "not_ready", "Not ready", str(error))
    return flask.jsonify(status="ready")
