"""Compression: what goes in comes out, old rows stay readable, and a dictionary knows nobody."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from lrs import payloads
from lrs.tables import dictionaries, statements
from lrstest import Store, statement

NIP = "199001012015011001"


def _someone(number: int) -> dict[str, object]:
    return {"name": f"Siti Rahayu {number}", "account": {"homePage": "https://asn.example.go.id", "name": NIP}}


@pytest.fixture
def learned(lrs: Store) -> Store:
    """A store whose dictionary was trained on 300 statements, with one more stored since."""
    lrs.save(*(statement(actor=_someone(number), result={"response": f"rahasia {number}"}) for number in range(300)))
    assert lrs.db.run(lambda conn: payloads.learn(conn, least=300)) == 2
    lrs.db.close()
    lrs.save(statement(actor=_someone(1)))
    return lrs


def test_rows_before_and_after_a_dictionary_are_both_read(learned: Store) -> None:
    assert learned.db.run(lambda conn: payloads.learn(conn, least=300)) == 3
    learned.db.close()
    learned.save(statement(actor=_someone(2)))

    with learned.db.read() as conn:
        codecs = set(conn.execute(sa.select(statements.c.codec)).scalars())
        assert payloads.has_dictionary(conn)
    assert {2, 3} < codecs | {payloads.ZSTD}
    assert len(learned.find(limit=1000)) == 302


def test_a_dictionary_makes_statements_smaller(learned: Store) -> None:
    length = sa.func.length(statements.c.payload)
    with learned.db.read() as conn:
        before = conn.execute(sa.select(sa.func.avg(length)).where(statements.c.codec == payloads.ZSTD)).scalar()
        after = conn.execute(sa.select(sa.func.avg(length)).where(statements.c.codec == 2)).scalar()

    assert before is not None
    assert after is not None
    assert float(after) < float(before) * 0.6


def test_a_dictionary_knows_nobody(learned: Store) -> None:
    with learned.db.read() as conn:
        content = bytes(conn.execute(sa.select(dictionaries.c.content)).scalar_one())

    assert b"asn.example.go.id" in content
    assert NIP.encode() not in content
    assert b"Rahayu" not in content
    assert b"rahasia" not in content


def test_too_few_statements_teach_nothing(lrs: Store) -> None:
    lrs.save(statement())

    assert lrs.db.run(payloads.learn) is None
