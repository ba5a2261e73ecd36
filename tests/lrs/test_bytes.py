"""What comes back is the text that came in, with only what xAPI obliges an LRS to set written into it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from lrs import statements
from lrs.errors import Invalid, Malformed
from lrs.jsontext import MAX_DEPTH, parse_json
from lrs.sequence import lowest_seq
from lrs.statements import Prepared, Writer

WRITER = Writer({"mbox": "mailto:lrs@example.org"}, None, "test")
NEW = UUID("11111111-1111-4111-8111-111111111111")
STORED = "2026-01-31T08:00:00.000Z"
ACTOR, VERB = '"actor":{"mbox":"mailto:a@b.org"}', '"verb":{"id":"http://x.org/v"}'
CORE = f'{ACTOR},{VERB},"object":{{"id":"http://x.org/a"}}'


def accepted(body: str, version: str = "1.0.3") -> list[str]:
    """The stored texts of a body."""
    return [each.payload.decode() for each in _prepared(body, version)]


def _prepared(body: str, version: str) -> list[Prepared]:
    made = statements.prepare(statements.parse(body.encode()), version=version, writer=WRITER, new_id=lambda: NEW)
    return [each._replace(seq=lowest_seq(datetime(2026, 1, 31, 8, tzinfo=UTC))) for each in made]


def test_what_the_lrs_sets_stands_at_the_end_and_the_rest_is_untouched() -> None:
    body = '{ "object":{"id":"http:\\/\\/x.org/a"} ,\n' + f"{ACTOR},{VERB}" + ',"result":{"score":{"raw":1.50E+1}}}'

    [text] = accepted(body)

    added = f',"stored":"{STORED}","authority":{{"mbox":"mailto:lrs@example.org"}},"id":"{NEW}","timestamp":"{STORED}"'
    assert text == body[:-1] + added + ',"version":"1.0.0"}'


def test_what_was_sent_is_replaced_in_its_place() -> None:
    body = (
        f'{{"stored": "2001-01-01T00:00:00Z","id":"{NEW}",{CORE},"authority":{{"mbox":"mailto:x@y.org","name":"}}"}},'
        '"timestamp":"2026-01-01T07:00:00+07:00","version":"1.0"}'
    )

    [text] = accepted(body)

    assert text == body.replace("2001-01-01T00:00:00Z", STORED).replace(
        '{"mbox":"mailto:x@y.org","name":"}"}', '{"mbox":"mailto:lrs@example.org"}'
    )


def test_version_2_gives_the_time_in_utc_with_every_digit() -> None:
    """XAPI-00122; xAPI 2.0 4.2.7: the same moment, in UTC."""
    [text] = accepted(f'{{{CORE},"timestamp":"2026-01-01T06:30:00.123456789+07:00"}}', "2.0.0")

    assert orjson.loads(text)["timestamp"] == "2025-12-31T23:30:00.123456789Z"
    assert orjson.loads(text)["version"] == "2.0.0"


@pytest.mark.parametrize("timestamp", ["2026-01-01T06:30:00Z", "2026-01-01T06:30:00.10+00:00"])
def test_a_time_in_utc_stays_as_it_was_spelled(timestamp: str) -> None:
    [text] = accepted(f'{{{CORE},"timestamp":"{timestamp}"}}', "2.0.0")

    assert orjson.loads(text)["timestamp"] == timestamp


def test_a_single_context_activity_becomes_an_array_wherever_it_stands() -> None:
    """XAPI-00096, Data 2.4.6.2."""
    context = '"context":{"contextActivities":{"parent":{"id":"http://x.org/p"},"other":[{"id":"http://x.org/o"}]}}'
    sub = f'"object":{{"objectType":"SubStatement",{CORE},{context}}}'

    [text] = accepted(f"{{{ACTOR},{VERB},{sub},{context}}}")

    single, wrapped = '"parent":{"id":"http://x.org/p"}', '"parent":[{"id":"http://x.org/p"}]'
    assert text.count(wrapped) == 2
    assert single not in text


def test_keys_that_only_look_like_those_of_a_statement_are_left_alone() -> None:
    extensions = '"context":{"extensions":{"http://x.org/e":{"id":1,"stored":"x","parent":{"a":1},"authority":{}}}}'

    [text] = accepted(f"{{{CORE},{extensions}}}")

    assert extensions in text


def test_a_key_written_with_escapes_is_the_same_key() -> None:
    body = f'{{{CORE},"\\u0069d":"{NEW}","st\\u006fred":"2001-01-01T00:00:00Z"}}'

    [text] = accepted(body)

    assert text.count(str(NEW)) == 1
    assert "2001" not in text


def test_each_statement_of_a_batch_keeps_its_own_text() -> None:
    other = "22222222-2222-4222-8222-222222222222"

    texts = accepted(f'[ {{"id":"{NEW}",{CORE}}} ,{{"id":"{other}",{CORE}}}]')

    assert texts[0].startswith(f'{{"id":"{NEW}",{CORE},')
    assert texts[1].startswith(f'{{"id":"{other}",{CORE},')


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[1,]",
        '{"a":NaN}',
        '{"a":1e999}',
        '{"a":"\\ud800"}',
        '{"a":1}x',
        "{'a':1}",
        '{"a":1,"a":2}',
        '{"a":{"b":[{"c":1,"c":1}]}}',
        '{"a":1,"\\u0061":2}',
        '{"a":"\\\\","b":"\\"","a":"x"}',
        '[{"a":"\\\\\\"","a":":"}]',
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "[" * 5000 + "]" * 5000,
    ],
)
def test_json_that_is_not_strict_is_refused(body: str) -> None:
    with pytest.raises(Malformed):
        statements.parse(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        '{"a":"\\\\","b\\"":"\\":\\"","\\\\":"\\\\\\"","\\u0022":"\\u005c\\\\\\n"}',
        '[{"a":1},{"a":1,"b":{"a":"\\u0000"}}]',
        "[" * MAX_DEPTH + "]" * MAX_DEPTH,
        "[" + ",".join(["[]"] * MAX_DEPTH) + "]",
        '"' + "[" * (MAX_DEPTH + 1) + '"',
    ],
)
def test_json_that_is_strict_is_parsed(body: str) -> None:
    assert parse_json(body.encode()) == orjson.loads(body)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    """XAPI-00015, Communication 1.4."""
    with pytest.raises(Malformed):
        statements.parse(b'{"a":"\xff"}')


def test_a_repeated_id_in_a_batch_is_refused_however_it_is_spelled() -> None:
    one = "aaaaaaaa-1111-4111-8111-111111111111"

    with pytest.raises(Invalid) as refused:
        accepted(f'[{{"id":"{one}",{CORE}}},{{"id":"{one.upper()}",{CORE}}}]')

    assert [problem.path for problem in refused.value.problems] == ["statements[0].id", "statements[1].id"]


def test_every_wrong_statement_of_a_batch_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        accepted(f'[{{{CORE}}},{{}},{{{CORE}}},{{{CORE},"result":{{"success":1}}}},7]')

    assert {problem.path.partition("]")[0] for problem in refused.value.problems} == {
        "statements[1",
        "statements[3",
        "statements[4",
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"result":{"duration":"PT1.234S"}', '"result":{"duration":"PT1.23S"}'),
        ('"result":{"score":{"raw":1.0}}', '"result":{"score":{"raw":1}}'),
        (
            '"context":{"contextActivities":{"parent":{"id":"http://x.org/p"}}}',
            '"context":{"contextActivities":{"parent":[{"id":"http://x.org/p"}]}}',
        ),
        (
            '"context":{"team":{"objectType":"Group","member":[{"mbox":"mailto:a@b.org"},{"mbox":"mailto:c@d.org"}]}}',
            '"context":{"team":{"objectType":"Group","member":[{"mbox":"mailto:c@d.org"},{"mbox":"mailto:a@B.ORG"}]}}',
        ),
        ('"stored":"2001-01-01T00:00:00Z"', '"version":"1.0.0"'),
    ],
)
def test_statements_that_xapi_calls_equal_have_one_digest(one: str, other: str) -> None:
    """Data 2.3.1, "Statement Comparision Requirements"; xAPI 2.0 4.2.7 for durations."""
    digests = {statements.digest(orjson.loads(f"{{{CORE},{text}}}")) for text in (one, other)}

    assert len(digests) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"result":{"score":{"raw":1}}', '"result":{"score":{"raw":2}}'),
        ('"result":{"response":"1"}', '"result":{"response":"2"}'),
        ('"result":{"duration":"PT60S"}', '"result":{"duration":"PT1M"}'),
        (
            '"result":{"extensions":{"http://x.org/definition":{"definition":1}}}',
            '"result":{"extensions":{"http://x.org/definition":{"definition":2}}}',
        ),
    ],
)
def test_statements_that_differ_have_two(one: str, other: str) -> None:
    digests = {statements.digest(orjson.loads(f"{{{CORE},{text}}}")) for text in (one, other)}

    assert len(digests) == 2
