"""A request as a value: versions, the alternate syntax, parameters."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from hub.statements.xapi_call import Call, VersionRefused, negotiate, parameters_of, undo_alternate_syntax
from lrs.errors import LRSError, Malformed

FORM = {"content-type": "application/x-www-form-urlencoded"}


def call(**parameters: str) -> Call:
    return Call("GET", {}, parameters, b"")


@pytest.mark.parametrize(
    ("header", "version"),
    [("1.0.3", "1.0.3"), ("1.0", "1.0.0"), ("2.0", "2.0.0"), (" 2.0.0 ", "2.0.0"), ("1.0.9", "1.0.9")],
)
def test_every_version_of_both_lines_is_spoken(header: str, version: str) -> None:
    assert negotiate(header) == version


@pytest.mark.parametrize("header", [None, "", "0.9", "0.95", "1.1.0", "2.1.0", "3.0", "1.0.3.1", "1.0.x", "10.0", "1"])
def test_every_other_version_is_refused(header: str | None) -> None:
    """XAPI-00331, Communication 3.3."""
    with pytest.raises(VersionRefused):
        negotiate(header)


def alternate(method: str, fields: dict[str, str], **more: str) -> Call:
    return undo_alternate_syntax(
        Call("POST", {**FORM, "host": "x"}, {"method": method, **more}, urlencode(fields).encode())
    )


def test_the_alternate_syntax_carries_headers_parameters_and_body() -> None:
    """XAPI-00336, xAPI 1.0.3 Communication 1.3."""
    meant = alternate(
        "PUT",
        {
            "statementId": "x",
            "content": '{"name":"é"}',
            "Authorization": "Basic abc",
            "X-Experience-API-Version": "1.0.3",
            "If-Match": '"1"',
        },
    )

    assert meant.method == "PUT"
    assert meant.parameters == {"statementId": "x"}
    assert meant.body == '{"name":"é"}'.encode()
    assert meant.headers["authorization"] == "Basic abc"
    assert meant.headers["x-experience-api-version"] == "1.0.3"
    assert meant.headers["if-match"] == '"1"'
    assert meant.media_type == "application/json"


def test_the_alternate_syntax_is_refused_where_it_is_ambiguous() -> None:
    with pytest.raises(Malformed):
        alternate("PUT", {"content": "{}"}, statementId="x")
    with pytest.raises(Malformed):
        alternate("PUT", {"statementId": "x"})
    with pytest.raises(Malformed):
        alternate("PATCH", {"content": "{}"})
    with pytest.raises(Malformed):
        undo_alternate_syntax(Call("PUT", FORM, {"method": "PUT"}, b"content=x"))
    with pytest.raises(Malformed):
        undo_alternate_syntax(Call("POST", {}, {"method": "PUT"}, b"content=x"))
    for body in (b'{"content":"x"}', "content=é".encode(), b"content=%ff", b"content"):
        with pytest.raises(Malformed):
            undo_alternate_syntax(Call("POST", FORM, {"method": "PUT"}, body))


def test_a_parameter_stands_once_and_has_no_nul() -> None:
    with pytest.raises(Malformed):
        parameters_of([("verb", "a"), ("verb", "b")])
    with pytest.raises(Malformed):
        parameters_of([("verb", "a\x00")])


@pytest.mark.parametrize("name", ["StatementId", "statementid", "x", ""])
def test_an_unknown_parameter_or_case_is_refused(name: str) -> None:
    """XAPI-00324, XAPI-00325, Communication 3.2."""
    with pytest.raises(Malformed):
        call(**{name: "1"}).allow("statementId")


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("iri", "no iri"),
        ("iri", ""),
        ("uuid", "1"),
        ("uuid", "{fd41c918-b88b-4b20-a0a5-a4c32391aaa0}"),
        ("moment", "yesterday"),
        ("moment", "2026-01-31T08:00:00-00:00"),
        ("flag", "True"),
        ("flag", "1"),
        ("required", ""),
        ("required_iri", "x"),
    ],
)
def test_parameters_are_held_to_the_formats_of_statements(method: str, value: str) -> None:
    """XAPI-00012, Data 2.2."""
    with pytest.raises(LRSError):
        getattr(call(p=value), method)("p")


@pytest.mark.parametrize("agent", ["", "x", "[]", '{"name":"x"}', '{"mbox":"x"}', '{"mbox":null}', '{"a":1,"a":2}'])
def test_an_agent_is_an_agent(agent: str) -> None:
    """XAPI-00196 to XAPI-00199, XAPI-00249."""
    for method in ("required_agent", "actor"):
        with pytest.raises(LRSError):
            getattr(call(agent=agent), method)()


def test_a_filter_takes_a_group_that_has_an_identifier() -> None:
    who = call(agent='{"objectType":"Group","mbox":"mailto:tim@X.ORG"}').actor()

    assert who == ("mbox", "", "mailto:tim@x.org")
    with pytest.raises(Malformed):
        call(agent='{"objectType":"Group","member":[]}').actor()
    assert call().actor() is None
