"""State and profiles: merge, ETags, and two writers at once (Communication 2.2, 3.1)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha1

import pytest

from lrs import documents
from lrs.agents import Identifier
from lrs.database import Database
from lrs.documents import Condition, Context, Document, Kind
from lrs.errors import LRSError, Malformed, PreconditionFailed, PreconditionMissing

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
ALICE = Identifier("account", "https://asn.example.go.id", "alice")
STATE = Context(Kind.STATE, "https://lms.example.go.id/course/1", ALICE)
PROFILE = Context(Kind.ACTIVITY_PROFILE, "https://lms.example.go.id/course/1")
ANY = Condition()


def put(
    db: Database,
    content: bytes,
    *,
    name: str = "bookmark",
    context: Context = STATE,
    content_type: str = "application/json",
    condition: Condition = ANY,
    now: datetime = NOW,
) -> None:
    db.run(
        lambda conn: documents.put_document(
            conn, context, name, content=content, content_type=content_type, condition=condition, now=now
        )
    )


def post(db: Database, content: bytes, *, content_type: str = "application/json", condition: Condition = ANY) -> None:
    db.run(
        lambda conn: documents.merge_document(
            conn, STATE, "bookmark", content=content, content_type=content_type, condition=condition, now=NOW
        )
    )


def get(db: Database, name: str = "bookmark", context: Context = STATE) -> Document | None:
    with db.read() as conn:
        return documents.find_document(conn, context, name)


def names(db: Database, context: Context = STATE, since: datetime | None = None) -> list[str]:
    with db.read() as conn:
        return documents.find_names(conn, context, since=since)


def test_a_document_comes_back_byte_for_byte_with_its_type_and_sha1(db: Database) -> None:
    content = bytes(range(256))

    put(db, content, content_type="application/octet-stream; x=1")

    assert get(db) == Document("bookmark", content, "application/octet-stream; x=1", sha1(content).hexdigest(), NOW)


def test_post_merges_the_top_level_of_two_objects(db: Database) -> None:
    """XAPI-00183, XAPI-00184: one level deep, the sent member replaces the stored one."""
    put(db, b'{"a":{"x":1},"b":2}')

    post(db, b'{"a":{"y":1},"c":3}')

    stored = get(db)
    assert stored is not None
    assert stored.content == b'{"a":{"y":1},"b":2,"c":3}'


def test_post_keeps_each_value_as_it_was_written(db: Database) -> None:
    """A merged document is the texts of its members: no number loses a digit, however many it has."""
    digits = b"0." + b"9" * 5000
    put(db, b' {"kept" : 12345678901234567890123 , "a\\"b":1.50E+1,"empty":{ } } ')

    post(db, b'{ "long":' + digits + b', "kept":0.10000000000000000000001,"name":"\xc3\xa9\\u00e9" }')

    stored = get(db)
    assert stored is not None
    members = b'"kept":0.10000000000000000000001,"a\\"b":1.50E+1,"empty":{ },"long":' + digits
    assert stored.content == b"{" + members + b',"name":"\xc3\xa9\\u00e9"}'


def test_post_stores_where_there_is_nothing(db: Database) -> None:
    post(db, b"\x00plain", content_type="text/plain")

    stored = get(db)
    assert stored is not None
    assert stored.content == b"\x00plain"


@pytest.mark.parametrize(
    ("stored", "stored_type", "sent", "sent_type"),
    [
        (b"{}", "text/plain", b"{}", "application/json"),
        (b"{}", "application/json", b"{}", "text/plain"),
        (b"[]", "application/json", b"{}", "application/json"),
        (b"{}", "application/json", b"[]", "application/json"),
        (b"{}", "application/json", b"{", "application/json"),
    ],
)
def test_only_two_json_objects_merge(
    db: Database, stored: bytes, stored_type: str, sent: bytes, sent_type: str
) -> None:
    """XAPI-00229, XAPI-00232, XAPI-00235."""
    put(db, stored, content_type=stored_type)

    with pytest.raises(Malformed):
        post(db, sent, content_type=sent_type)

    kept = get(db)
    assert kept is not None
    assert kept.content == stored


def test_if_match_lets_only_the_known_document_be_changed(db: Database) -> None:
    """XAPI-00322, Communication 3.1."""
    put(db, b"1")
    known = Condition(if_match=frozenset([sha1(b"1").hexdigest()]))

    put(db, b"2", condition=known)
    for change in (lambda: put(db, b"3", condition=known), lambda: post(db, b"3", condition=known)):
        with pytest.raises(PreconditionFailed):
            change()
    with pytest.raises(PreconditionFailed):
        db.run(lambda conn: documents.delete_document(conn, STATE, "bookmark", condition=known))

    stored = get(db)
    assert stored is not None
    assert stored.content == b"2"


def test_if_none_match_lets_only_a_new_document_be_made(db: Database) -> None:
    new = Condition(if_none_match=frozenset("*"))

    put(db, b"1", condition=new)
    with pytest.raises(PreconditionFailed):
        put(db, b"2", condition=new)


def test_if_match_where_nothing_is_fails(db: Database) -> None:
    with pytest.raises(PreconditionFailed):
        put(db, b"1", condition=Condition(if_match=frozenset("*")))


def test_a_profile_is_not_overwritten_blindly(db: Database) -> None:
    bare = Condition(required=True)
    put(db, b"1", context=PROFILE, condition=bare)

    with pytest.raises(PreconditionMissing):
        put(db, b"2", context=PROFILE, condition=bare)
    with pytest.raises(Malformed):
        put(db, b"2", name="new", context=PROFILE, condition=Condition(required=True, required_for_new=True))


def test_contexts_do_not_mix(db: Database) -> None:
    registration = Context(Kind.STATE, STATE.activity, ALICE, "b904ad9b-3dd7-5c81-9c3b-1ff960dbd560")
    put(db, b"1")
    put(db, b"2", context=registration, name="progress")

    assert names(db) == ["bookmark", "progress"]
    assert names(db, registration) == ["progress"]
    assert names(db, PROFILE) == []
    assert get(db, "progress") is None

    db.run(lambda conn: documents.delete_documents(conn, registration))
    assert names(db) == ["bookmark"]
    db.run(lambda conn: documents.delete_documents(conn, STATE))
    assert names(db) == []


def test_since_lists_what_changed_after_it(db: Database) -> None:
    """XAPI-00195."""
    put(db, b"1", name="early")
    put(db, b"1", name="late", now=NOW + timedelta(seconds=1))

    assert names(db, since=NOW) == ["late"]


def test_a_name_may_be_very_long(db: Database) -> None:
    put(db, b"1", name="x" * 100_000)

    assert len(names(db)[0]) == 100_000


def test_of_many_writers_with_one_etag_one_wins(db: Database) -> None:
    put(db, b"start")
    known = Condition(if_match=frozenset([sha1(b"start").hexdigest()]))

    def attempt(number: int) -> bool:
        try:
            put(db, str(number).encode(), condition=known)
        except LRSError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(8)))

    assert won.count(True) == 1
    stored = get(db)
    assert stored is not None
    assert stored.content == str(won.index(True)).encode()


def test_of_many_writers_of_a_new_document_one_wins(db: Database) -> None:
    new = Condition(if_none_match=frozenset("*"))

    def attempt(number: int) -> bool:
        try:
            put(db, str(number).encode(), condition=new)
        except LRSError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(8)))

    assert won.count(True) == 1
