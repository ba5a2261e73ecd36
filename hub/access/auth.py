"""Who calls the LRS or the API: a credential, or the token that a launch was given.

Both arrive as ``Basic`` or ``Bearer`` with base64 of ``name:secret`` (CONTRACTS, "The launch hands over xAPI"). The
name of a launch is its id; every other name is a credential's key. Secrets are random, so what is stored of them is
a keyed digest, not a slow hash: asking for it costs microseconds.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from werkzeug.exceptions import TooManyRequests, Unauthorized

from connectors import xapi
from hub.access import limits
from hub.errors import Refused
from hub.runtime import Hub
from hub.statements.xapi import Caller, LaunchScope
from hub.tables import credentials, launches, tools
from lrs.precompiled import Precompiled
from lrs.statements import Writer

#: What a launch's token may do, about its own learner, registration and activity alone.
LAUNCH_SCOPES = frozenset({"statements/write", "statements/read/mine", "state"})

_AT = credentials.c
_CREDENTIAL = Precompiled(
    sa.select(_AT.id, _AT.name, _AT.scopes, _AT.connector, _AT.disabled, _AT.expires, _AT.per_minute)
    .add_columns(_AT.secret, _AT.previous_secret, _AT.previous_until)
    .where(_AT.key == sa.bindparam("given"))
)
#: Plain content has no tool, and says itself whose it is.
_OWNER = sa.func.coalesce(tools.c.connector, launches.c.connector).label("connector")
_LAUNCH = Precompiled(
    sa.select(launches.c.token, launches.c.token_until, launches.c.actor, launches.c.registration, launches.c.activity)
    .add_columns(_OWNER, tools.c.disabled)
    .join_from(launches, tools, tools.c.id == launches.c.tool, isouter=True)
    .where(launches.c.id == sa.bindparam("given"))
)

#: Hexadecimal digits of a UUID, however it is written.
_SHORTEST_ID = 32

_HOW = "Send Authorization: Basic with base64 of key:secret, or the token of a launch as it was given."


def authenticate(hub: Hub, authorization: str | None) -> Caller:
    """Whose request this is. Raises `Unauthorized`, or `TooManyRequests` where the credential sets a rate."""
    given, now = authorization or "", hub.clock()
    known: Caller | None = hub.callers.find(given, now)
    if known is not None:
        return known
    name, secret = _parse(given)
    launch = _launch_id(name)
    if launch is not None:
        return _launch(hub, launch, secret)
    row = _credential(hub, name, secret, now)
    caller = _caller(hub.base_url, row.id, row.name, row.scopes, row.connector)
    if row.per_minute is None:  # Else each request has to be counted.
        hub.callers.remember(given, now, caller)
    return caller


def require_scope(hub: Hub, authorization: str | None, scope: str) -> Caller:
    """The caller, who was given this scope of the API; raises `Refused` if not. ``all`` does not hold ``api/*``."""
    caller = authenticate(hub, authorization)
    if scope not in caller.scopes:
        raise Refused(
            "scope_missing",
            f"This credential was not given {scope}.",
            action=f"An administrator adds one that has it: wkmb credential add NAME --scope {scope}.",
        )
    return caller


def _parse(authorization: str) -> tuple[str, str]:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() not in {"basic", "bearer"}:
        raise Unauthorized(f"Authorization is missing or of another scheme. {_HOW}")
    try:
        text = base64.b64decode(token.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthorized(f"Authorization is not base64 of UTF-8 text. {_HOW}") from error
    name, colon, secret = text.partition(":")
    if not colon:
        raise Unauthorized(f"Authorization holds no colon between key and secret. {_HOW}")
    if not name.isprintable():
        raise Unauthorized(f"The key holds a control character. {_HOW}")
    return name, secret


def _launch_id(name: str) -> UUID | None:
    if len(name) >= _SHORTEST_ID:  # Most are names, and to raise an error for each would cost more than all of this.
        with suppress(ValueError):
            return UUID(name)
    return None


def _credential(hub: Hub, key: str, secret: str, now: datetime) -> Any:
    """The row of the credential, which is good."""
    row = hub.db.first(_CREDENTIAL, given=key)
    if row is None or row.disabled or not _is_secret(hub, row, secret):
        raise Unauthorized("Unknown key or wrong secret.")
    if row.expires is not None and row.expires <= now:
        raise Unauthorized(f"This credential expired on {row.expires:%Y-%m-%d}. Ask an administrator for a new one.")
    if row.per_minute is not None and not limits.allow(hub, "credential", str(row.id), most=row.per_minute, seconds=60):
        raise TooManyRequests(f"This credential may make {row.per_minute} requests a minute.", retry_after=60)
    return row


@functools.lru_cache(maxsize=1000)
def _caller(base_url: str, credential: int, name: str, scopes: str, connector: int | None) -> Caller:
    given = frozenset(scopes.split())
    origin = f"credential:{credential}"
    writer = Writer(
        authority=xapi.account(base_url, f"credential/{name}"),
        owner=connector,
        origin=origin,
        may_void_any="all" in given and connector is None,
        may_define=not given.isdisjoint({"all", "define"}),
    )
    return Caller(given, writer, origin)


def _is_secret(hub: Hub, row: Any, secret: str) -> bool:
    given = hub.keyring.digest("credential", secret)
    if hmac.compare_digest(given, row.secret):
        return True
    # After a rotation both hold for a while, so that the other system has time to change over.
    is_overlapping = row.previous_secret is not None and row.previous_until > hub.clock()
    return bool(is_overlapping and hmac.compare_digest(given, row.previous_secret))


def _launch(hub: Hub, launch: UUID, secret: str) -> Caller:
    row = hub.db.first(_LAUNCH, given=launch)
    given = hub.keyring.digest("launch-token", secret)
    if row is None or row.token is None or row.disabled or not hmac.compare_digest(given, row.token):
        raise Unauthorized("Unknown launch or wrong token.")
    if row.token_until <= hub.clock():
        raise Unauthorized("The token of this launch is over. Open the course again from the hub.")
    scope = LaunchScope(orjson.loads(row.actor), str(row.registration), row.activity)
    origin = f"launch:{launch}"
    writer = Writer(xapi.account(hub.base_url, f"launch/{launch}"), row.connector, origin, may_define=False)
    return Caller(LAUNCH_SCOPES, writer, origin, scope)
