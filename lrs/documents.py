"""State, activity profiles and agent profiles: bytes under a name, guarded by ETags (Communication 2.2, 3.1).

A document's ETag is the SHA-1 of its bytes. Whoever changes one locks its row first, so that of two writers with
the same ETag the second is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b, sha1
from typing import Any

import orjson
import sqlalchemy as sa

from lrs.agents import Identifier
from lrs.database import insert_new
from lrs.errors import Malformed, PreconditionFailed, PreconditionMissing
from lrs.jsontext import merge_objects, parse_json
from lrs.keys import key64
from lrs.tables import documents


class Kind(StrEnum):
    """The three document resources."""

    STATE = "state"
    ACTIVITY_PROFILE = "activity_profile"
    AGENT_PROFILE = "agent_profile"


@dataclass(frozen=True, slots=True)
class Context:
    """What documents belong to. ``registration`` is a part of the key of a state document, empty where none."""

    kind: Kind
    activity: str = ""
    agent: Identifier | None = None
    registration: str = ""

    @property
    def agent_text(self) -> str:
        return orjson.dumps(list(self.agent)).decode() if self.agent else ""

    @property
    def key(self) -> int:
        return key64("document", self.kind, self.activity, self.agent_text)


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document."""

    name: str
    content: bytes
    content_type: str
    etag: str
    updated: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """If-Match and If-None-Match: the ETags named, or "*"; None where the header is absent.

    ``required`` refuses to overwrite an existing document when neither is given, and ``required_for_new`` also
    to create one.
    """

    if_match: frozenset[str] | None = None
    if_none_match: frozenset[str] | None = None
    required: bool = False
    required_for_new: bool = False

    def check(self, stored: Document | None) -> None:
        """`PreconditionFailed` or `PreconditionMissing` if the document is not in the state asked for."""
        etag = stored.etag if stored else None
        if self.if_match is not None and (etag is None or not self.if_match & {etag, "*"}):
            raise PreconditionFailed("The document is not the one that If-Match names: read it again, then write")
        if self.if_none_match is not None and etag is not None and self.if_none_match & {etag, "*"}:
            raise PreconditionFailed("The document that If-None-Match excludes is there")
        if self.if_match is None and self.if_none_match is None:
            if stored is not None and self.required:
                raise PreconditionMissing(
                    "The document exists: read it, then send its ETag in If-Match, or If-None-Match: * to create one"
                )
            if stored is None and self.required_for_new:
                raise Malformed("Send If-None-Match: * to create a document, or If-Match to change one")


def check_json(content: bytes) -> None:
    """`Malformed` where a document that is called JSON is none."""
    parse_json(content, "The document")


def find_document(conn: sa.Connection, context: Context, name: str) -> Document | None:
    """The document of this name."""
    return _read(conn, context, name)


def find_names(conn: sa.Connection, context: Context, *, since: datetime | None = None) -> list[str]:
    """The names in this context, those changed after ``since``; of every registration where none is given."""
    query = sa.select(documents.c.name).where(_in(context)).order_by(documents.c.updated, documents.c.name)
    if since is not None:
        query = query.where(documents.c.updated > since)
    return list(dict.fromkeys(conn.execute(query).scalars()))


def put_document(
    conn: sa.Connection,
    context: Context,
    name: str,
    *,
    content: bytes,
    content_type: str,
    condition: Condition,
    now: datetime,
) -> None:
    """Store the document, or replace the one that is there."""
    _change(conn, context, name, condition, now, lambda _: (content, content_type))


def merge_document(
    conn: sa.Connection,
    context: Context,
    name: str,
    *,
    content: bytes,
    content_type: str,
    condition: Condition,
    now: datetime,
) -> None:
    """Store the document, or replace the members of the stored JSON object by those sent (Communication 2.2)."""
    is_json = _is_json(content_type)
    sent = parse_json(content, "The document") if is_json else None

    def merged(stored: Document | None) -> tuple[bytes, str]:
        if stored is None:
            return content, content_type
        if not is_json or not _is_json(stored.content_type):
            raise Malformed("Only documents of type application/json are merged: replace this one by PUT")
        before = parse_json(stored.content, "The stored document")
        if type(before) is not dict or type(sent) is not dict:
            raise Malformed("Only JSON objects are merged: replace this document by PUT")
        return merge_objects(stored.content, content), stored.content_type

    _change(conn, context, name, condition, now, merged)


def delete_document(conn: sa.Connection, context: Context, name: str, *, condition: Condition) -> None:
    """Remove the document; nothing happens where there is none."""
    condition.check(_read(conn, context, name, lock=True))
    conn.execute(sa.delete(documents).where(_is(context, name)))


def delete_documents(conn: sa.Connection, context: Context) -> None:
    """Remove every document in this context; of every registration where none is given."""
    conn.execute(sa.delete(documents).where(_in(context)))


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _digest(context: Context, name: str) -> bytes:
    # A digest, because a name may be longer than PostgreSQL takes in an index.
    named = "\x1f".join((context.kind, context.activity, context.agent_text, context.registration, name))
    return blake2b(named.encode(), digest_size=16).digest()


def _is(context: Context, name: str) -> sa.ColumnElement[bool]:
    return sa.and_(documents.c.context == context.key, documents.c.document == _digest(context, name))


def _in(context: Context) -> sa.ColumnElement[bool]:
    at = documents.c
    here = sa.and_(
        at.context == context.key,
        at.kind == context.kind,
        at.activity == context.activity,
        at.agent == context.agent_text,
    )
    return sa.and_(here, at.registration == context.registration) if context.registration else here


def _read(conn: sa.Connection, context: Context, name: str, *, lock: bool = False) -> Document | None:
    at = documents.c
    query = sa.select(at.name, at.content, at.content_type, at.etag, at.updated).where(_is(context, name))
    row = conn.execute(query.with_for_update() if lock else query).first()
    return None if row is None else Document(row.name, bytes(row.content), row.content_type, row.etag, row.updated)


def _change(
    conn: sa.Connection,
    context: Context,
    name: str,
    condition: Condition,
    now: datetime,
    decide: Callable[[Document | None], tuple[bytes, str]],
) -> None:
    stored = _read(conn, context, name, lock=True)
    if stored is None:
        condition.check(None)
        row = _row(context, name, now, *decide(None))
        if insert_new(conn, documents, [row], returning=[documents.c.document]):
            return
        stored = _read(conn, context, name, lock=True)  # Somebody was faster by a moment.
    condition.check(stored)
    row = _row(context, name, now, *decide(stored))
    changed = {column: row[column] for column in ("content", "content_type", "etag", "updated")}
    conn.execute(sa.update(documents).where(_is(context, name)).values(changed))


def _row(context: Context, name: str, now: datetime, content: bytes, content_type: str) -> dict[str, Any]:
    return {
        "context": context.key,
        "document": _digest(context, name),
        "kind": str(context.kind),
        "activity": context.activity,
        "agent": context.agent_text,
        "registration": context.registration,
        "name": name,
        "content_type": content_type,
        "content": content,
        "etag": sha1(content, usedforsecurity=False).hexdigest(),
        "updated": now,
    }
