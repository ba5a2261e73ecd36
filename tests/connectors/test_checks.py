"""The checks behind the "test" button: each a tick, or the reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from connectors.checks import check_address, check_clock, check_jwks
from connectors.http import GuardedSession

NOW = datetime(2026, 11, 24, 1, 0, 0, tzinfo=UTC)
RSA = {"kty": "RSA", "kid": "1", "use": "sig", "n": "x", "e": "AQAB"}


def inside() -> GuardedSession:
    return GuardedSession(internal=True, wait=0.001)


@pytest.mark.parametrize(
    ("ahead", "outcome"),
    [
        (0, "ok"),
        (29, "ok"),
        (-29, "ok"),
        (31, "warning"),
        (-31, "warning"),
        (59, "warning"),
        (61, "failed"),
        (-61, "failed"),
        (-9999, "failed"),
    ],
)
def test_clocks_are_compared_by_the_date_header(ahead: int, outcome: str) -> None:
    date = (NOW + timedelta(seconds=ahead)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    assert check_clock(date, NOW).outcome == outcome


@pytest.mark.parametrize("date", [None, "", "kemarin", "2026-11-24"])
def test_without_a_date_the_clock_is_not_judged(date: str | None) -> None:
    assert check_clock(date, NOW).reason == "no_date"


@pytest.mark.parametrize(
    ("document", "outcome", "reason"),
    [
        ({"keys": [RSA]}, "ok", "keys"),
        ({"keys": [{**RSA, "use": "enc"}]}, "failed", "no_keys"),
        ({"keys": []}, "failed", "no_keys"),
        ({"keys": ["x"]}, "failed", "no_keys"),
        ({"keys": [{k: v for k, v in RSA.items() if k != "kid"}]}, "warning", "no_kid"),
        ({"keys": [{**RSA, "d": "secret"}]}, "failed", "private_key"),
        ({"keys": [{"kty": "oct", "k": "secret"}]}, "failed", "private_key"),
        ({}, "failed", "not_jwks"),
        ([], "failed", "not_jwks"),
    ],
)
def test_a_key_set_is_judged(httpserver: HTTPServer, document: Any, outcome: str, reason: str) -> None:
    httpserver.expect_request("/jwks").respond_with_json(document)

    check = check_jwks(inside(), httpserver.url_for("/jwks"), lambda: NOW)

    assert (check.outcome, check.reason) == (outcome, reason)
    assert "secret" not in check.detail


def test_a_slow_key_set_is_noticed_with_its_time(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/jwks").respond_with_json({"keys": [RSA]})
    times = iter([NOW, NOW + timedelta(seconds=4.2)])

    check = check_jwks(inside(), httpserver.url_for("/jwks"), lambda: next(times))

    assert (check.outcome, check.reason) == ("warning", "slow")
    assert "4.2 seconds" in check.detail


def test_a_missing_key_set_says_what_to_do(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/jwks").respond_with_data("", 404)

    check = check_jwks(inside(), httpserver.url_for("/jwks"), lambda: NOW)

    assert (check.outcome, check.reason) == ("failed", "not_found")
    assert "Check the address" in check.detail


def test_any_answer_is_reachable(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/login").respond_with_data("", 405)

    checks = check_address(inside(), httpserver.url_for("/login"), lambda: datetime.now(UTC))

    assert [(check.code, check.outcome) for check in checks] == [
        ("reachable", "ok"),
        ("tls", "warning"),
        ("clock", "ok"),
    ]


def test_a_bad_certificate_fails_as_tls(tls_server: Callable[..., tuple[HTTPServer, Path]]) -> None:
    server, _ = tls_server()

    [check] = check_address(inside(), server.url_for("/"), lambda: NOW)

    assert (check.code, check.outcome, check.reason) == ("tls", "failed", "tls")


def test_a_private_address_is_a_failed_check_with_advice() -> None:
    [check] = check_address(GuardedSession(), "https://10.0.0.8/login", lambda: NOW)

    assert (check.code, check.reason) == ("reachable", "address_refused")
    assert "--internal" in check.detail
