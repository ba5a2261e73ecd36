"""Logs: one JSON line per event, whoever wrote it, and no NIP in any."""

from __future__ import annotations

import subprocess
import sys

import orjson

from hub.application import create_app
from hub.operations import logs
from hub.runtime import Hub
from recognizedtest import NIP

WRITES = f"""
import logging, structlog
from hub.operations import logs
logs.configure()
structlog.get_logger().info("learner_seen", nip="{NIP}")
try:
    raise ValueError("of {NIP}")
except ValueError:
    logging.getLogger("some.library").exception("It failed for %s", "{NIP}")
"""


def test_what_libraries_log_is_a_line_of_json_too_and_masked() -> None:
    said = subprocess.run([sys.executable, "-c", WRITES], capture_output=True, text=True, check=True).stderr

    ours, theirs = [orjson.loads(line) for line in said.splitlines()]
    assert ours["event"] == "learner_seen"
    assert (theirs["logger"], theirs["level"]) == ("some.library", "error")
    assert "ValueError" in theirs["exception"]
    assert NIP not in said
    assert said.count(f"{NIP[:8]}**********") == 3


def test_everything_that_is_logged_during_a_request_has_the_same_name_of_it_and_nothing_else_has(hub: Hub) -> None:
    app = create_app(hub)
    with app.test_request_context("/courses", method="POST"):
        lines = [logs.name_request(None, "info", {"event": event}) for event in ("begun", "ended")]
    with app.test_request_context("/courses"):
        other = logs.name_request(None, "info", {"event": "other"})

    assert lines[0]["request"] == lines[1]["request"] != other["request"]
    assert (lines[0]["method"], other["method"]) == ("POST", "GET")
    assert logs.name_request(None, "info", {"event": "none"}) == {"event": "none"}
