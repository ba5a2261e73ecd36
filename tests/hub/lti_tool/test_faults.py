"""An LMS that is down, slow, answers garbage, changes its keys or has another clock, while it launches the hub.

What the learner reads, and what the administrator finds on the system's page. How scores wait for it: `test_broker`.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from joserfc.jwk import RSAKey
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors.http import GuardedSession
from hub.access import accounts
from platformtest import BASE, PASSWORD, Lms, failed_check

#: What every refusal says to do.
ADVICE = "Buka kembali dari platform pembelajaran Anda"


@pytest.fixture
def odd(lms: Lms, httpserver: HTTPServer) -> Callable[[Callable[[], Response]], None]:
    """Have the LMS's key set answered so."""
    answers: list[Callable[[], Response]] = []
    httpserver.expect_request("/odd").respond_with_handler(lambda _request: answers[-1]())
    lms.client_id = "client-9"
    lms.register("odd", jwks_url=httpserver.url_for("/odd"))
    return answers.append


def seen_by_admin(lms: Lms, system: str) -> str:
    with lms.hub.db.write() as conn:
        accounts.add(conn, lms.hub, "admin", "admin", PASSWORD, None)
    signed_in = accounts.sign_in(lms.hub, "admin", PASSWORD, "127.0.0.1")
    assert isinstance(signed_in, accounts.SignedIn)
    browser = lms.new_browser()
    browser.set_cookie(accounts.COOKIE, signed_in.token, domain="hub.example")
    return html.unescape(browser.get(f"/admin/systems/{system}", base_url=BASE).text)


def slow(given_up: threading.Event) -> Response:
    given_up.wait(30)
    return Response("{}")


FAULTS: dict[str, tuple[Callable[[threading.Event], Response], str]] = {
    "down": (lambda _: Response(status=503), "answered 503"),
    "slow": (slow, "did not answer in time"),
    "garbage": (lambda _: Response("<html>"), "not JSON"),
    "no key set": (lambda _: Response("[]", content_type="application/json"), "no usable RSA key"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_key_set_that_fails_refuses_the_launch_with_the_reason_on_both_pages(
    lms: Lms, odd: Callable[[Callable[[], Response]], None], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, says = FAULTS[fault]
    given_up = threading.Event()
    odd(lambda: answer(given_up))

    with monkeypatch.context() as patience:
        session = lambda _hub, *, internal: GuardedSession(internal=internal, read_timeout=0.1, attempts=1)  # noqa: E731
        patience.setattr(type(lms.hub), "new_session", session)
        refused = lms.launch()
    given_up.set()

    assert failed_check(refused) == "key"
    assert ADVICE in refused.text
    page = seen_by_admin(lms, "odd")
    assert "key" in page
    assert says in page


def test_keys_that_are_changed_while_somebody_is_on_her_way_refuse_nobody(lms: Lms, keys: list[RSAKey]) -> None:
    assert lms.launch().status_code in (200, 303)
    request = lms.begin()
    lms.published = [keys[1]]

    answer = lms.post(state=request["state"], id_token=lms.sign(lms.claims(request), key=keys[1]))

    assert answer.status_code in (200, 303), answer.text


@pytest.mark.parametrize("minutes", [-15, 5])
def test_a_clock_that_is_off_is_told_with_both_times(lms: Lms, minutes: int) -> None:
    theirs = lms.clock.now + timedelta(minutes=minutes)
    said = {"iat": theirs, "exp": theirs + timedelta(minutes=5)}

    refused = lms.launch(**{name: int(at.timestamp()) for name, at in said.items()})

    check = "iat" if minutes > 0 else "exp"
    assert failed_check(refused) == check
    assert ADVICE in refused.text
    page = seen_by_admin(lms, "lms")
    for shown in (refused.text, page):
        assert f"{said[check]:%H:%M:%S}" in shown, "the claim's value"
        assert f"{lms.clock.now:%H:%M:%S}" in shown, "and ours"
