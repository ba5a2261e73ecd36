"""Logs: one JSON line per event, whoever wrote it, and no NIP in any."""

from __future__ import annotations

import subprocess
import sys

import orjson

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
