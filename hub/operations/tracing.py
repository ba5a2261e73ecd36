"""Traces of what the hub does, where an operator wants them (``WKMB_TRACES=on``) and the extra ``otel`` is installed.

Without it nothing of OpenTelemetry is imported, and a span costs nothing but a call.
"""

from __future__ import annotations

import importlib
import importlib.util
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from hub.settings import Settings, SettingsError

if TYPE_CHECKING:
    import flask

    from lrs.database import Database


class Tracing(Protocol):
    """Where spans go. ``attributes`` name no person and hold no secret: numbers, codes, opaque ids."""

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[object]:
        """The time that a block takes, below the span that is under way."""
        ...

    def watch_app(self, app: flask.Flask) -> None:
        """A span for each request."""
        ...

    def close(self) -> None:
        """Send what waits to be sent."""
        ...


class Silent:
    """No traces."""

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[object]:
        """A block that nobody watches."""
        return nullcontext()

    def watch_app(self, app: flask.Flask) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def require(settings: Settings) -> None:
    """Refuse to begin where traces are wanted and the packages for them are not there."""
    if settings.traces and not _is_installed():
        raise SettingsError(
            "WKMB_TRACES is on, and OpenTelemetry is not installed. Install wkmb-hub[otel], or leave it off."
        )


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.instrumentation.sqlalchemy") is not None
    except ModuleNotFoundError:
        return False


def start(settings: Settings, db: Database) -> Tracing:
    """The traces of this process: requests, questions to the database, calls to other systems, recomputations."""
    if not settings.traces:
        return Silent()
    require(settings)
    tracing: Tracing = importlib.import_module("hub.operations.otel").start(db)
    return tracing
