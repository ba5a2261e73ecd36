"""A provider that is down, slow, answers garbage, changes its keys or has another clock: what the learner is told, what
the administrator finds on the system's page, and that no score is lost."""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors.http import GuardedSession
from ltitest import ToolSide, World

ADMIN = "/admin/systems/bkn"


@pytest.fixture
def published(httpserver: HTTPServer) -> list[Callable[[], Response]]:
    """What the provider's key set address answers: the last one."""
    answers: list[Callable[[], Response]] = []
    httpserver.expect_request("/jwks").respond_with_handler(lambda _request: answers[-1]())
    return answers


@pytest.fixture
def provider(world: World, httpserver: HTTPServer, published: list[Callable[[], Response]]) -> ToolSide:
    """A provider with a key set, whose course the learner has opened."""
    published.append(lambda: key_set(world.keys[1]))
    side = world.add_tool(
        "bkn", world.keys[1], public_key=None, jwks_url=httpserver.url_for("/jwks"), internal=True
    )  # fmt: skip
    side.course = world.add_course("bkn", 7)  # type: ignore[attr-defined]
    return side


def key_set(*keys: RSAKey) -> Response:
    return Response(json.dumps({"keys": [key.as_dict(private=False) for key in keys]}), content_type="application/json")


def seen_by_admin(world: World) -> str:
    return html.unescape(world.new_browser("admin").get(ADMIN).text)


def report(world: World, side: ToolSide, launched: dict[str, Any], score: int = 85) -> None:
    """The provider tries again what it tried before: a token, then the score."""
    endpoint = launched["https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"]
    body = {
        "userId": launched["sub"],
        "timestamp": world.clock.now.isoformat(),
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "scoreGiven": score,
        "scoreMaximum": 100,
    }
    bearer = f"Bearer {side.token()}"
    assert side.call("POST", f"{endpoint['lineitem']}/scores", body, bearer=bearer).status_code == 200
    results = side.call("GET", f"{endpoint['lineitem']}/results", bearer=bearer).json
    assert [each["resultScore"] for each in results] == [score]


def slow(waited_for: threading.Event) -> Response:
    waited_for.wait(30)
    return Response("{}")


FAULTS: dict[str, tuple[Callable[[threading.Event], Response], str]] = {
    "down": (lambda _: Response(status=503), "answered 503"),
    "slow": (slow, "did not answer in time"),
    "garbage": (lambda _: Response("<html>"), "not JSON"),
    "no key set": (lambda _: Response("[]", content_type="application/json"), "no usable RSA key"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_key_set_that_fails_is_told_with_its_reason_and_the_score_comes_later(
    world: World,
    provider: ToolSide,
    published: list[Callable[[], Response]],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer, says = FAULTS[fault]
    launched = world.launch(provider.course, tool=provider)  # type: ignore[attr-defined]
    given_up = threading.Event()
    published.append(lambda: answer(given_up))

    with monkeypatch.context() as patience:
        session = lambda _hub, *, internal: GuardedSession(internal=internal, read_timeout=0.1, attempts=1)  # noqa: E731
        patience.setattr(type(world.hub), "new_session", session)
        refused = provider.ask_token()
    given_up.set()

    assert refused.json["error"] == "invalid_client"
    assert says in refused.json["error_description"]
    page = seen_by_admin(world)
    assert "<code>kid</code>" in page
    assert says in page
    published.pop()
    world.clock.advance(minutes=2)
    report(world, provider, launched)


def test_keys_that_are_changed_between_launch_and_score_lose_nothing(
    world: World, provider: ToolSide, published: list[Callable[[], Response]]
) -> None:
    launched = world.launch(provider.course, tool=provider)  # type: ignore[attr-defined]
    provider.token()
    published.append(lambda: key_set(world.keys[2]))
    provider.key = world.keys[2]

    report(world, provider, launched)


@pytest.mark.parametrize("minutes", [-10, 5])
def test_a_clock_that_is_off_is_told_with_both_times(world: World, provider: ToolSide, minutes: int) -> None:
    launched = world.launch(provider.course, tool=provider)  # type: ignore[attr-defined]
    theirs = world.clock.now.replace(microsecond=0) + timedelta(minutes=minutes)
    said = {"iat": theirs, "exp": theirs + timedelta(minutes=5)}

    refused = provider.ask_token(
        assertion=provider.assertion(**{each: int(at.timestamp()) for each, at in said.items()})
    )  # fmt: skip

    assert refused.json["error"] == "invalid_client"
    page = seen_by_admin(world)
    check = "iat" if minutes > 0 else "exp"
    assert f"<code>{check}</code>" in page
    assert said[check].isoformat() in page, "the claim's value"
    assert world.clock.now.isoformat() in page, "and ours"
    report(world, provider, launched)


def test_a_learner_whose_provider_asks_wrongly_sees_what_to_do_and_the_administrator_what_was_wrong(
    world: World, provider: ToolSide
) -> None:
    request = world.request(world.begin(provider.course), provider)  # type: ignore[attr-defined]

    page = world.browser.get("/lti/platform/auth", query_string=request | {"redirect_uri": "https://old.example/"})

    assert page.status_code == 400
    assert "Buka kembali pelatihan dari katalog" in page.text
    seen = seen_by_admin(world)
    assert "<code>redirect_uri</code>" in seen
    assert "https://old.example/" in seen


def test_a_learner_whose_provider_never_came_back_sees_that_nothing_is_lost(world: World, provider: ToolSide) -> None:
    world.begin(provider.course)  # type: ignore[attr-defined]
    world.clock.advance(minutes=10)

    page = world.browser.get(f"/courses/{provider.course}")  # type: ignore[attr-defined]

    assert "tidak menjawab" in page.text
