"""Credentials: with what a system reports to the LRS and asks the API. Who calls is judged by `hub.access.auth`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from hub.errors import NotFound
from hub.systems import door, registry
from hub.tables import credentials
from lrs.database import insert_new

if TYPE_CHECKING:
    from hub.runtime import Hub

#: What a credential may be given. ``all`` is every scope of xAPI, never of the API.
SCOPES = (
    "all",
    "all/read",
    "statements/write",
    "statements/read",
    "statements/read/mine",
    "state",
    "profile",
    "define",
    "api/read",
    "api/write",
)
DEFAULT_SCOPES = ("statements/write", "statements/read/mine")

#: Shorter secrets could be guessed.
SECRET_LENGTH = 16

#: How long the secret before stays good after a rotation, unless the administrator says otherwise.
OVERLAP = timedelta(days=1)

_KEY = re.compile("[!-9;-~]{1,255}")


@dataclass(frozen=True, slots=True)
class Credential:
    """Who may call the LRS and the API. Its secret is kept as a keyed digest, and never given out."""

    id: int
    name: str
    key: str
    scopes: frozenset[str]
    connector: int | None
    per_minute: int | None
    expires: datetime | None
    disabled: bool
    created_at: datetime


def find(conn: sa.Connection, name: str) -> Credential | None:
    """The credential of that name, whatever text it is."""
    if not door.NAME.fullmatch(name):
        return None
    row = conn.execute(sa.select(credentials).where(credentials.c.name == name)).first()
    return None if row is None else _credential(row)


def _named(conn: sa.Connection, name: str) -> Credential:
    found = find(conn, name)
    if found is None:
        action = "`wkmb credential list` shows all."
        raise NotFound("unknown_credential", f"There is no credential {name!r}.", action=action)
    return found


def list_all(conn: sa.Connection) -> tuple[Credential, ...]:
    """All of them, by name."""
    return tuple(_credential(row) for row in conn.execute(sa.select(credentials).order_by(credentials.c.name)))


def of_connector(conn: sa.Connection, connector_id: int) -> tuple[Credential, ...]:
    """The credentials with which a system reports."""
    return tuple(each for each in list_all(conn) if each.connector == connector_id)


def add(
    conn: sa.Connection,
    hub: Hub,
    name: str,
    *,
    by: str,
    key: str,
    secret: str,
    scopes: Sequence[str] = (),
    connector: str | None = None,
    expires: datetime | None = None,
    per_minute: int | None = None,
) -> Credential:
    """Let somebody call the LRS or the API with ``key`` and ``secret``. Without scopes it writes, and reads its own."""
    door.check_name("credential", name)
    _check_key(key)
    _check_secret(secret)
    _check_scopes(scopes)
    if expires is not None and expires <= hub.clock():
        raise door.wrong("expires", f"{expires:%Y-%m-%d} is over already.", "Give a day to come, or none.")
    if per_minute is not None and per_minute < 1:
        raise door.wrong("per_minute", "A limit below one call a minute lets nobody in.", "Give 1 or more, or none.")
    row = {
        "name": name,
        "key": key,
        "secret": hub.keyring.digest("credential", secret),
        "scopes": " ".join(sorted(set(scopes or DEFAULT_SCOPES))),
        "connector": None if connector is None else registry.named_connector(conn, connector).id,
        "per_minute": per_minute,
        "expires": expires,
        "disabled": False,
        "created_at": hub.clock(),
    }
    found = insert_new(conn, credentials, [row], returning=credentials.c)
    if not found:
        raise door.taken("credential", name) if find(conn, name) else door.taken("credential with the key", key)
    registry.record(conn, hub, by, "credential.add", name, scopes=row["scopes"], connector=connector)
    return _credential(found[0])


def rotate(
    conn: sa.Connection, hub: Hub, name: str, secret: str, *, by: str, overlap: timedelta = OVERLAP
) -> Credential:
    """Give a credential a new secret; the one before stays good for ``overlap``, so that nothing fails meanwhile."""
    _check_secret(secret)
    named = _named(conn, name)
    known = conn.execute(sa.select(credentials).where(credentials.c.id == named.id).with_for_update()).one()
    digest = hub.keyring.digest("credential", secret)
    if digest == known.secret:
        raise door.wrong("same_secret", f"This is the secret that {name} has already.", "Give another one.")
    values = {"secret": digest, "previous_secret": known.secret, "previous_until": hub.clock() + overlap}
    conn.execute(sa.update(credentials).where(credentials.c.id == known.id).values(values))
    hub.callers.forget()
    registry.record(conn, hub, by, "credential.rotate", name, overlap_hours=overlap.total_seconds() / 3600)
    return _credential(known)


def set_disabled(conn: sa.Connection, hub: Hub, name: str, *, disabled: bool, by: str) -> Credential:
    """Refuse whoever comes with this credential, or take that back."""
    named = _named(conn, name)
    update = sa.update(credentials).where(credentials.c.id == named.id).values(disabled=disabled)
    row = conn.execute(update.returning(*credentials.c)).one()
    hub.callers.forget()
    registry.record(conn, hub, by, "credential.disable" if disabled else "credential.enable", name)
    return _credential(row)


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise door.wrong("key", "The key cannot be sent by Basic.", "Use 1 to 255 ASCII characters, no colon or space.")
    with suppress(ValueError):
        UUID(key)
        # `hub.access.auth` takes such a name for a launch's.
        raise door.wrong("key", "The key looks like the id of a launch.", "Use one that is no UUID.")


def _check_secret(secret: str) -> None:
    if len(secret) < SECRET_LENGTH:
        action = "Make one with `openssl rand -hex 32`."
        raise door.wrong("short_secret", f"The secret has fewer than {SECRET_LENGTH} characters.", action)
    if len(secret) > 1024 or not secret.isprintable():
        raise door.wrong("secret", "The secret cannot be sent in a header.", "Use up to 1024 printable characters.")


def _check_scopes(scopes: Iterable[str]) -> None:
    for scope in scopes:
        if scope not in SCOPES:
            raise door.wrong("unknown_scope", f"There is no scope {scope!r}.", door.one_of(SCOPES))


def _credential(row: sa.Row[Any]) -> Credential:
    return Credential(
        id=row.id,
        name=row.name,
        key=row.key,
        scopes=frozenset(row.scopes.split()),
        connector=row.connector,
        per_minute=row.per_minute,
        expires=row.expires,
        disabled=row.disabled,
        created_at=row.created_at,
    )
