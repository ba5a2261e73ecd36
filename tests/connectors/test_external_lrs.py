"""Pulling from another LRS: bytes as sent, nothing missed and a cursor that never runs ahead."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.base import ConnectorError, Received
from connectors.external_lrs import ExternalLRS, LRSSettings, Marks, basic, moment, read_page
from connectors.http import GuardedSession

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


def statement(number: int, stored: str) -> str:
    """Text that any re-writing would change: spaces, key order, escapes, number forms."""
    return (
        f'{{ "verb":{{"id":"http://adlnet.gov/expapi/verbs/completed"}},"id":"{number:08}-0000-4000-8000-000000000000",'
        f'"result":{{"score":{{"raw":1.50,"max":1e2}},"duration":"PT1H0M0.500S"}},"stored":"{stored}",'
        f'"actor":{{"mbox":"mailto:s\\u00ed{number}@x.id","name":"Budi 🎓"}},'
        f'"authority":{{"mbox":"mailto:lrs@x.id"}},"object":{{"id":"http://x.id/\\/1"}} }}'
    )


def at(second: float) -> str:
    return (NOW + timedelta(seconds=second)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class FakeLRS:
    """The Statement Resource of another LRS, as far as a pull needs it; counts what it is asked."""

    statements: list[tuple[str, str]]  # (stored, text), ascending
    page: int = 2
    consistent_through: str | None = at(1_000_000)
    absolute_more: bool = False
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        if request.headers.get("Authorization") != basic("kunci", "rahasia é"):
            return Response("", 401)
        since, start = request.args.get("since"), int(request.args.get("from", 0))
        after = [(s, text) for s, text in self.statements if since is None or (moment(s) or 0) > (moment(since) or 0)]  # type: ignore[operator]
        more = f"/xapi/statements?from={start + self.page}" + (f"&since={since}" if since else "")
        if self.absolute_more:
            more = request.host_url.rstrip("/") + more
        more = more if start + self.page < len(after) else ""
        shown = " ,\n".join(text for _, text in after[start : start + self.page])
        body = f'{{"more": {json.dumps(more)}, "statements": [{shown}]}}'
        headers = {"X-Experience-API-Consistent-Through": self.consistent_through} if self.consistent_through else {}
        return Response(body.encode(), content_type="application/json", headers=headers)


def serve(httpserver: HTTPServer, lrs: FakeLRS, **changes: Any) -> ExternalLRS:
    httpserver.expect_request("/xapi/statements").respond_with_handler(lrs)
    known = LRSSettings(httpserver.url_for("/xapi"), "kunci", "rahasia é", page_size=lrs.page)
    return ExternalLRS(replace(known, **changes), GuardedSession(internal=True, wait=0.001))


def made(*seconds: float) -> list[tuple[str, str]]:
    return [(at(second), statement(number, at(second))) for number, second in enumerate(seconds)]


def texts(batches: Any) -> list[str]:
    return [each.raw.decode() for batch in batches for each in batch.statements]


# Bytes ---------------------------------------------------------------------------------------------------------


def test_every_statement_comes_as_the_bytes_that_were_sent(httpserver: HTTPServer) -> None:
    lrs = FakeLRS(made(1, 2, 3, 4, 5))

    batches = list(serve(httpserver, lrs).fetch(None))

    assert texts(batches) == [text for _, text in lrs.statements]
    assert [len(batch.statements) for batch in batches] == [2, 2, 1]


def test_what_the_other_lrs_set_is_available_for_the_origin(httpserver: HTTPServer) -> None:
    [batch] = serve(httpserver, FakeLRS(made(1))).fetch(None)

    assert batch.statements[0].id == "00000000-0000-4000-8000-000000000000"
    assert batch.statements[0].stored == at(1)
    assert batch.statements[0].authority == {"mbox": "mailto:lrs@x.id"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"statements":[],"more":""}',
        b' \n{"more":"" , "statements" :\t[ ] } ',
        b'{"statements":[]}',
        b'{"x":{"statements":[1]},"statements":[],"more":null}',
    ],
)
def test_an_empty_result_in_any_layout_is_read(body: bytes) -> None:
    page = read_page(body, "x")

    assert (page.statements, page.more) == ((), None)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"null", b"<html>", b'{"statements":[1]}', b'{"statements":{}}', b'{"statements":[]',
     b'{"statements":[],}', b'{"statements":[,]}', b'{"statements":[{}] "more":""}', b'{"statements":[{},]}',
     b'{"statements":[],"more":5}', b'{"statements":[],"statements":[]}', b'{"statements":[]} x',
     b'{"statements":[{"a":"\xff"}]}', b'{"statements":[' + b"[" * 100_000 + b"]", b'{1:2,"statements":[]}',
     b"--boundary\r\nContent-Type: application/json\r\n\r\n{}"],
)  # fmt: skip
def test_what_is_no_statement_result_is_refused(body: bytes) -> None:
    with pytest.raises(ConnectorError, match="not a StatementResult") as refused:
        read_page(body, "https://lrs.example/xapi/statements")

    assert (refused.value.code, refused.value.retryable) == ("not_xapi", False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text(), json_values, max_size=4), max_size=4),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_any_json_is_cut_where_its_values_end(values: list[dict[str, Any]], indent: Any, ascii_only: bool) -> None:
    written = [
        json.dumps(each, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") for each in values
    ]
    body = b'{"statements": [' + b" , ".join(written) + b'], "more": ""}'
    try:
        body.decode()
    except UnicodeDecodeError:  # a lone surrogate is no UTF-8: refused whole
        with pytest.raises(ConnectorError):
            read_page(body, "x")
        return

    assert [each.raw for each in read_page(body, "x").statements] == written


# What is asked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
def test_it_asks_in_the_version_that_was_set(httpserver: HTTPServer, version: str) -> None:
    lrs = FakeLRS(made(1))

    [batch] = serve(httpserver, lrs, version=version).fetch(None)

    assert lrs.requests[0].headers["X-Experience-API-Version"] == version
    assert batch.version == version


def test_it_asks_ascending_and_only_after_the_cursor(httpserver: HTTPServer) -> None:
    lrs = FakeLRS(made(1, 2, 3))

    got = texts(serve(httpserver, lrs).fetch(at(2)))

    assert got == [lrs.statements[2][1]]
    assert lrs.requests[0].args.to_dict() == {"ascending": "true", "limit": "2", "since": at(2)}


@pytest.mark.parametrize("absolute", [True, False])
def test_more_is_followed_relative_or_absolute(httpserver: HTTPServer, absolute: bool) -> None:
    lrs = FakeLRS(made(1, 2, 3), absolute_more=absolute)

    assert len(texts(serve(httpserver, lrs).fetch(None))) == 3
    assert "limit" not in lrs.requests[1].args


@pytest.mark.parametrize(
    "more", ["http://127.0.0.9/xapi/statements?x", "https://localhost/x", "//evil.example/x", "http://localhost:1/x"]
)
def test_more_on_another_host_gets_no_credential(httpserver: HTTPServer, more: str) -> None:
    httpserver.expect_request("/xapi/statements").respond_with_json({"statements": [], "more": more})

    with pytest.raises(ConnectorError, match="another host") as refused:
        list(serve_settings(httpserver).fetch(None))

    assert "evil" not in str(refused.value)


def test_more_in_a_circle_ends(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/xapi/statements").respond_with_json({"statements": [], "more": "/xapi/statements?a"})

    with pytest.raises(ConnectorError, match="circle"):
        list(serve_settings(httpserver).fetch(None))


def test_a_run_is_bounded_and_the_next_one_goes_on(httpserver: HTTPServer) -> None:
    lrs = FakeLRS(made(*range(10)))
    connector = serve(httpserver, lrs, page_cap=2)

    first = list(connector.fetch(None))
    second = list(connector.fetch(first[-1].cursor))

    assert len(texts(first)) == 4
    assert first[-1].cursor == at(2)  # the fourth might share its `stored` with a fifth
    assert texts(second)[0] == lrs.statements[3][1]


def test_a_run_that_cannot_get_ahead_says_so(httpserver: HTTPServer) -> None:
    connector = serve(httpserver, FakeLRS(made(*[1] * 10)), page_cap=2)

    with pytest.raises(ConnectorError, match="share one `stored`"):
        list(connector.fetch(None))


def serve_settings(httpserver: HTTPServer) -> ExternalLRS:
    return ExternalLRS(LRSSettings(httpserver.url_for("/xapi/"), "k", "s"), GuardedSession(internal=True, wait=0.001))


def test_a_refused_credential_is_said_without_the_secret(httpserver: HTTPServer) -> None:
    connector = serve(httpserver, FakeLRS([]), secret="salah-sekali")

    with pytest.raises(ConnectorError) as refused:
        list(connector.fetch(None))

    assert refused.value.code == "credential_refused"
    assert "salah" not in str(refused.value)
    assert "rahasia" not in repr(LRSSettings("https://x", "k", "rahasia"))


# The cursor ----------------------------------------------------------------------------------------------------


def test_the_cursor_stays_below_consistent_through(httpserver: HTTPServer) -> None:
    lrs = FakeLRS(made(1, 2, 3), page=10, consistent_through=at(3))

    [batch] = serve(httpserver, lrs).fetch(None)

    assert len(batch.statements) == 3
    assert batch.cursor == at(2)


def test_with_everything_beyond_consistent_through_the_cursor_stays(httpserver: HTTPServer) -> None:
    lrs = FakeLRS(made(5, 6), page=10, consistent_through=at(4))

    [batch] = serve(httpserver, lrs).fetch(at(0))

    assert batch.cursor == at(0)


def test_only_the_first_consistent_through_of_a_run_counts() -> None:
    """Later pages may be a snapshot taken with the first: what was stored in between is not in them."""
    marks = Marks(None)
    marks.consistent_through(at(2))
    marks.consistent_through(at(100))
    for second in (1, 2, 3):
        marks.saw(Received(b"", "i", at(second)))

    assert marks.cursor(ended=True) == at(1)


def test_without_consistent_through_the_last_five_minutes_are_read_again() -> None:
    marks = Marks(None)
    marks.consistent_through(None)
    for second in (0, 99, 100, 400):
        marks.saw(Received(b"", "i", at(second)))

    assert marks.cursor(ended=True) == at(99)


def test_statements_out_of_order_are_refused_before_they_are_missed() -> None:
    marks = Marks(None)
    marks.consistent_through(at(100))
    for second in (1, 5, 6):
        marks.saw(Received(b"", "i", at(second)))
    assert marks.cursor(ended=False) == at(5)

    assert not marks.saw(Received(b"", "i", at(4)))
    assert not marks.saw(Received(b"", "i", "kemarin"))
    assert not marks.saw(Received(b"", "i", None))


seconds = st.lists(st.integers(0, 12), min_size=1, max_size=14).map(sorted)


@settings(max_examples=60, deadline=None)
@given(times=seconds, page=st.integers(1, 5), kills=st.lists(st.integers(0, 4), max_size=4), lag=st.integers(0, 6))
def test_killed_anywhere_and_started_again_nothing_is_missing(
    httpserver_for_law: HTTPServer, times: list[int], page: int, kills: list[int], lag: int
) -> None:
    """Whatever the page size, equal `stored`s and consistency lag: what arrives late below the header is found."""
    httpserver_for_law.clear()
    everything = made(*times)
    # What the other LRS has, but does not show until its header has passed it.
    newest = times[-1]
    visible = [each for each, second in zip(everything, times, strict=True) if second < newest - lag or second % 2]
    lrs = FakeLRS(visible, page=page, consistent_through=at(newest - lag))
    connector = serve(httpserver_for_law, lrs, page_cap=1000)
    kept: set[str] = set()
    cursor: str | None = None

    def run(batches: Iterator[Any]) -> None:
        nonlocal cursor
        for batch in batches:
            kept.update(each.raw.decode() for each in batch.statements)
            cursor = batch.cursor

    for kill in kills:
        run(itertools.islice(connector.fetch(cursor), kill))
    run(connector.fetch(cursor))
    lrs.statements, lrs.consistent_through = everything, at(newest + 1)
    run(connector.fetch(cursor))

    assert kept == {text for _, text in everything}
    assert cursor == at(newest)


@pytest.fixture(scope="module")
def httpserver_for_law() -> Iterator[HTTPServer]:
    server = HTTPServer(host="127.0.0.1", port=0)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.001Z"),
        ("2026-01-01T00:00:00.45Z", "2026-01-01T00:00:00.5Z"),
        ("2026-01-01T00:00:00.123456788Z", "2026-01-01T00:00:00.123456789Z"),
        ("2026-01-01T07:00:00+08:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.999Z", "2026-01-01T00:00:01Z"),
    ],
)
def test_moments_are_compared_to_the_last_digit(earlier: str, later: str) -> None:
    assert moment(earlier) < moment(later)  # type: ignore[operator]


def test_moments_written_differently_are_equal() -> None:
    assert moment("2026-01-01T00:00:00.500Z") == moment("2026-01-01T07:00:00.5+07:00")


@pytest.mark.parametrize(
    "text", ["", "kemarin", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+09:00"]
)
def test_what_is_no_moment_is_none(text: str) -> None:
    assert moment(text) is None


# The test button -----------------------------------------------------------------------------------------------


def about(httpserver: HTTPServer, versions: Any = ("1.0.3", "2.0.0")) -> None:
    httpserver.expect_request("/xapi/about").respond_with_json({"version": versions})


def outcomes(connector: ExternalLRS) -> dict[str, tuple[str, str]]:
    return {check.code: (check.outcome, check.reason) for check in connector.test(lambda: datetime.now(UTC))}


def test_a_working_lrs_gets_its_ticks(httpserver: HTTPServer) -> None:
    about(httpserver)

    assert outcomes(serve(httpserver, FakeLRS(made(1)))) == {
        "reachable": ("ok", "answered"),
        "tls": ("warning", "plain_http"),
        "clock": ("ok", "in_step"),
        "version": ("ok", "spoken"),
        "credential": ("ok", "accepted"),
        "consistency": ("ok", "said"),
    }


def test_an_unreachable_lrs_has_one_failed_check_with_its_reason() -> None:
    connector = ExternalLRS(LRSSettings("http://127.0.0.1:1/", "k", "s"), GuardedSession(internal=True, wait=0.001))

    [check] = connector.test(lambda: NOW)

    assert (check.code, check.outcome, check.reason) == ("reachable", "failed", "refused")
    assert "Check the port" in check.detail


def test_a_refused_credential_fails_its_own_check(httpserver: HTTPServer) -> None:
    about(httpserver)

    found = outcomes(serve(httpserver, FakeLRS([]), secret="wrong"))

    assert found["reachable"] == ("ok", "answered")
    assert found["credential"] == ("failed", "credential_refused")


@pytest.mark.parametrize(
    ("versions", "reason"),
    [(["1.0.3"], "not_spoken"), (["2.0"], "spoken"), (["2.0.0"], "spoken"), ("2.0.0", "not_xapi"), (None, "not_xapi")],
)
def test_the_version_is_compared_with_what_about_lists(httpserver: HTTPServer, versions: Any, reason: str) -> None:
    about(httpserver, versions)

    assert outcomes(serve(httpserver, FakeLRS([]), version="2.0.0"))["version"][1] == reason


def test_an_lrs_without_consistency_header_is_warned_about(httpserver: HTTPServer) -> None:
    about(httpserver)

    assert outcomes(serve(httpserver, FakeLRS([], consistent_through=None)))["consistency"] == ("warning", "not_said")
