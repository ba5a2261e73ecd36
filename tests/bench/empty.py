"""F, the yardstick: an empty Flask view on the same server. Whatever the LRS costs is told as a multiple of it."""

from __future__ import annotations

import flask

app = flask.Flask(__name__)


@app.post("/xapi/statements")
def accept() -> tuple[str, int]:
    """Take the body and say nothing."""
    flask.request.get_data()
    return "", 204
