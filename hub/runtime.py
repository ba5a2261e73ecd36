"""The composition root: what one process of one hub works with. The only reader of the clock, of chance, and of
the settings' environment (through `hub.settings`)."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, cast

import flask

from connectors.http import GuardedSession
from hub.access.crypto import Keyring
from hub.access.known_accounts import KnownAccounts
from hub.access.known_callers import KnownCallers
from hub.jp.policies import Policies
from hub.learning.catalogue import Courses
from hub.operations.tracing import Silent, Tracing, start
from hub.settings import Settings
from hub.systems.directory import Directory
from lrs.database import Database
from lrs.sequence import Sequence


def read_clock() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Hub:
    """Everything that views, commands and the worker take their collaborators from.

    ``random`` gives that many unguessable bytes; ``new_session`` a guarded session for calls to other systems, which
    with ``internal`` may go to private addresses.
    """

    settings: Settings
    db: Database
    sequence: Sequence
    keyring: Keyring
    clock: Callable[[], datetime]
    new_id: Callable[[], uuid.UUID]
    random: Callable[[int], bytes]
    courses: Courses
    policies: Policies
    directory: Directory
    accounts: KnownAccounts
    callers: KnownCallers[Any]
    trace: Tracing = field(default_factory=Silent)

    @property
    def base_url(self) -> str:
        """The address of the hub: its LTI issuer and the homePage of its accounts."""
        return self.settings.base_url

    def today(self) -> date:
        """The day that it is in the hub's time zone."""
        return self.clock().astimezone(self.settings.timezone).date()

    def seal(self, purpose: str, value: str) -> bytes:
        """Encrypt a secret that the hub itself has to send."""
        return self.keyring.seal(purpose, value.encode(), self.random(12))

    def new_session(self, *, internal: bool) -> GuardedSession:
        """A session for calls to another system: timeouts, bounded retries, and the SSRF guard."""
        return GuardedSession(internal=internal)

    def close(self) -> None:
        """Give the database's connections back, and send the traces that wait."""
        self.db.close()
        self.trace.close()


def open_hub(
    settings: Settings, *, clock: Callable[[], datetime] = read_clock, pool_size: int = 16, traced: bool = False
) -> Hub:
    """A hub on these settings; nothing is asked of the database yet. ``traced``: with traces, where they are on."""
    db = Database(settings.database_url, pool_size=pool_size)
    return Hub(
        settings=settings,
        db=db,
        sequence=Sequence(db, clock, uuid.uuid4),
        keyring=Keyring(settings.secret_key),
        clock=clock,
        new_id=uuid.uuid4,
        random=secrets.token_bytes,
        courses=Courses(),
        policies=Policies(),
        directory=Directory(),
        accounts=KnownAccounts(),
        callers=KnownCallers(),
        trace=start(settings, db) if traced else Silent(),
    )


def current() -> Hub:
    """The hub of the application that serves this request."""
    return cast(Hub, flask.current_app.extensions["hub"])
