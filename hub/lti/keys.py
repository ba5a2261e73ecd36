"""The keys with which the hub signs id_tokens, and the key set in which every tool finds their public halves.

One key signs at a time. After a rotation the one before stays published until the last token that it signed is over
and tools that keep a key set for a day have read the new one (1EdTech Security Framework 1.0 section 6.3). A key's
``kid`` is the thumbprint of its public half (RFC 7638), so no two keys ever share one.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from hub import journal, revisions
from hub.revisions import Kept
from hub.tables import signing_keys
from lrs.database import insert_all

if TYPE_CHECKING:
    from hub.runtime import Hub

ALGORITHM = "RS256"
BITS = 2048

#: How long a key is published after the next one took over: a day for tools' caches, and more than a token's life.
OVERLAP = timedelta(hours=25)

#: How long a key that is made on schedule is published before it signs.
AHEAD = timedelta(hours=24)

#: The row of `hub.revisions` that goes up with each key that is made, and with that each end that is set.
REVISION = "signing_keys"

#: So many keys are kept in memory: one signs, one may be about to, and others are over.
_MOST = 10

_SEAL = "signing-key"


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key as administrators see it. ``published_until`` is None as long as it signs, or will."""

    kid: str
    active_from: datetime
    published_until: datetime | None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs now, still sealed."""

    kid: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class _Opened:
    """A private key, and the header of what it signs."""

    header: bytes
    key: rsa.RSAPrivateKey


#: Which key signs from when; the first that is active signs (`signing_key`).
_Schedule: TypeAlias = tuple[tuple[datetime, SigningKey], ...]


class SigningKeys:
    """Private keys of one process, opened once: opening and reading one costs more than ten signatures."""

    def __init__(self) -> None:
        self._opened: dict[str, _Opened] = {}
        self._schedule = Kept(REVISION, _read_schedule)
        self._lock = threading.Lock()

    def current(self, conn: sa.Connection, now: datetime, numbers: Mapping[str, int]) -> SigningKey | None:
        """The key that signs now, as `signing_key` finds it; ``numbers`` are the newest `hub.revisions`.

        The keys are read again only after one was made or its end was set.
        """
        schedule = self._schedule.current(conn, numbers)
        return next((key for active_from, key in schedule if active_from <= now), None)

    def sign(self, hub: Hub, key: SigningKey, claims: Mapping[str, Any]) -> str:
        """The claims as a JWT signed with it. Raises `hub.access.crypto.SealBroken` under another WKMB_SECRET_KEY."""
        opened = self._open(hub, key)
        # The compact form (RFC 7515 section 7.1) around cryptography's signature: header and algorithm never vary, and
        # a library that looks at them each time costs a third of a signature.
        said = opened.header + b"." + _encode(orjson.dumps(dict(claims)))
        return (said + b"." + _encode(opened.key.sign(said, PKCS1v15(), SHA256()))).decode()

    def _open(self, hub: Hub, key: SigningKey) -> _Opened:
        known = self._opened.get(key.kid)
        if known is None:
            private = RSAKey.import_key(hub.keyring.open(_SEAL, key.sealed)).private_key
            assert private is not None  # noqa: S101  # as it was made
            header = orjson.dumps({"alg": ALGORITHM, "kid": key.kid, "typ": "JWT"})
            known = _Opened(_encode(header), private)
            with self._lock:
                self._opened[key.kid] = known
        return known


def _encode(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def _read_schedule(conn: sa.Connection) -> _Schedule:
    rows = conn.execute(_newest_first().limit(_MOST))
    return tuple((row.active_from, SigningKey(row.kid, row.private_key)) for row in rows)


def _newest_first() -> sa.Select[Any]:
    """Keys in the order in which they sign, once they are active."""
    at = signing_keys.c
    query = sa.select(at.kid, at.private_key, at.active_from)
    return query.order_by(at.published_until.is_(None).desc(), at.active_from.desc(), at.kid)


def signing_key(conn: sa.Connection, now: datetime) -> SigningKey | None:
    """The newest key that is active and whose end is not set, else the newest active one; None before the first."""
    row = conn.execute(_newest_first().where(signing_keys.c.active_from <= now).limit(1)).first()
    return None if row is None else SigningKey(row.kid, row.private_key)


def ensure(hub: Hub) -> SigningKey:
    """The key that signs now, made if there is none.

    Two processes may make the first one at the same time: both are published, and the newest signs for both.
    """
    with hub.db.read() as conn:
        found = signing_key(conn, hub.clock())
    if found is not None:
        return found
    made = _make(hub, hub.clock())
    with hub.db.write() as conn:
        if signing_key(conn, hub.clock()) is None:
            insert_all(conn, signing_keys, [made])
            revisions.bump(conn, REVISION)
        found = signing_key(conn, hub.clock())
    assert found is not None  # noqa: S101  # it was there, or has just been made
    return found


def rotate(hub: Hub, *, by: str, after: timedelta = timedelta(0)) -> PublishedKey:
    """Make the next key and publish it at once; it signs after that time, by default from now on.

    The keys before stay published for `OVERLAP` after that.
    """
    made = _make(hub, hub.clock() + after)
    with hub.db.write() as conn:
        _end_current(conn, made["active_from"] + OVERLAP)
        _add(conn, hub, made, by)
    return PublishedKey(made["kid"], made["active_from"], None)


def rotate_if_due(hub: Hub, *, every: timedelta) -> PublishedKey | None:
    """Make the next key if the newest one is that old; None where nothing was to do, or another process did it.

    It is published at once and signs `AHEAD` later: tools that keep a key set for a day have read it by then.
    """
    current = sa.select(signing_keys.c.kid, signing_keys.c.active_from).where(signing_keys.c.published_until.is_(None))
    with hub.db.read() as conn:
        newest = conn.execute(current.order_by(signing_keys.c.active_from.desc(), signing_keys.c.kid).limit(1)).first()
    if newest is None or hub.clock() - newest.active_from < every:
        return None
    made = _make(hub, hub.clock() + AHEAD)
    with hub.db.write() as conn:
        # Of workers that find the same key too old, one ends it: the others wait for its row, and find it ended.
        if not _end_current(conn, made["active_from"] + OVERLAP, kid=newest.kid):
            return None
        _end_current(conn, made["active_from"] + OVERLAP)
        _add(conn, hub, made, "worker")
    return PublishedKey(made["kid"], made["active_from"], None)


def _end_current(conn: sa.Connection, until: datetime, kid: str | None = None) -> int:
    """Set the end of the keys that have none yet, or of the one of that name; tells how many."""
    ending = sa.update(signing_keys).where(signing_keys.c.published_until.is_(None))
    if kid is not None:
        ending = ending.where(signing_keys.c.kid == kid)
    return conn.execute(ending.values(published_until=until)).rowcount


def _add(conn: sa.Connection, hub: Hub, made: Mapping[str, Any], by: str) -> None:
    insert_all(conn, signing_keys, [made])
    revisions.bump(conn, REVISION)
    journal.record(conn, who=by, action="key.rotate", object=made["kid"], now=hub.clock(), new_id=hub.new_id)


def list_published(conn: sa.Connection, now: datetime) -> tuple[PublishedKey, ...]:
    """The keys that tools may meet, the newest first."""
    rows = conn.execute(_published(now, signing_keys.c.kid, signing_keys.c.active_from, signing_keys.c.published_until))
    return tuple(PublishedKey(row.kid, row.active_from, row.published_until) for row in rows)


def key_set(conn: sa.Connection, now: datetime) -> dict[str, Any]:
    """The JWKS (RFC 7517) of the published keys: public halves alone."""
    return {"keys": [orjson.loads(row.public_jwk) for row in conn.execute(_published(now, signing_keys.c.public_jwk))]}


def _published(now: datetime, *columns: sa.Column[Any]) -> sa.Select[Any]:
    until = signing_keys.c.published_until
    return sa.select(*columns).where(sa.or_(until.is_(None), until > now)).order_by(signing_keys.c.active_from.desc())


def _make(hub: Hub, active_from: datetime) -> dict[str, Any]:
    """The row of a new key. It takes a tenth of a second: never inside a transaction."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key = RSAKey.import_key(pem)
    kid = key.thumbprint()
    public = key.as_dict(private=False) | {"kid": kid, "alg": ALGORITHM, "use": "sig"}
    return {
        "kid": kid,
        "private_key": hub.seal(_SEAL, pem),
        "public_jwk": orjson.dumps(public, option=orjson.OPT_SORT_KEYS).decode(),
        "active_from": active_from,
        "published_until": None,
    }
