"""What came of a request beyond its status, for the metrics: which check refused a launch, what became of a score.

Codes only, of which there is a fixed number: each makes a series.
"""

from __future__ import annotations

import flask


def note(what: str, outcome: str) -> None:
    """Have this request counted under ``wkmb_outcomes_total{what, outcome}`` when it ends."""
    flask.g.setdefault("outcomes", []).append((what, outcome))


def noted() -> list[tuple[str, str]]:
    """What was noted in this request."""
    found: list[tuple[str, str]] = flask.g.pop("outcomes", [])
    return found
