"""The hub as tool: which logins and launches it takes, and which it refuses by which check.

Each case is one of the acceptance list (P, N: launches; L: logins), named by its id, through the front door: the
platform's forms, signed by its own keys.
"""

from __future__ import annotations

import base64
import csv
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from hub.access import accounts
from hub.keysets import REFETCHES
from hub.lti_tool import platforms
from hub.lti_tool.tables import tool_logins
from hub.people import identity
from hub.tables import web_sessions
from lrs.agents import Identifier
from platformtest import AGS, BASE, CLAIM, ISSUER, MEMBERSHIP, Lms, Person, failed_check

Launch = Callable[[Lms], TestResponse]


@pytest.fixture
def lms(lms: Lms, people: tuple[Person, Person]) -> Lms:
    """The LMS's user 42 is somebody here: a launch that is taken ends in her session."""
    with lms.hub.db.write() as conn:
        who = Identifier("account", ISSUER, "42")
        identity.link(conn, who, people[0].id, by="import", now=lms.clock(), new_id=lms.hub.new_id)
    return lms


def claims(**changed: Any) -> Launch:
    """A launch with these claims changed; None takes one out."""
    return lambda lms: lms.launch(**changed)


def at(**seconds: int) -> Launch:
    """A launch whose times are so many seconds from now."""
    return lambda lms: lms.launch(
        **{name: int(lms.clock.now.timestamp()) + shift for name, shift in seconds.items()}
    )  # fmt: skip


def header(**changed: Any) -> Launch:
    """A launch whose token has this header."""

    def launch(lms: Lms) -> TestResponse:
        request = lms.begin()
        return lms.post(state=request["state"], id_token=lms.sign(lms.claims(request), **changed))

    return launch


def token(change: Callable[[str], str | None]) -> Launch:
    """A launch whose signed token is changed on its way."""

    def launch(lms: Lms) -> TestResponse:
        request = lms.begin()
        return lms.post(state=request["state"], id_token=change(lms.sign(lms.claims(request))))

    return launch


def deep_linking(**settings: Any) -> Launch:
    """A deep linking request with these settings."""
    return lambda lms: lms.launch(**lms.deep_linking(**settings))


def tamper(text: str) -> str:
    head, body, signature = text.split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(said | {"sub": "1"}).encode()).rstrip(b"=").decode()
    return f"{head}.{changed}.{signature}"


# Launches that are taken -----------------------------------------------------------------------------------------


def rotated(lms: Lms) -> TestResponse:
    """P14: the platform signs with a key that was not there when its key set was read."""
    assert lms.launch().status_code == 303
    lms.published = [lms.keys[0], lms.keys[1]]
    request = lms.begin()
    answer = lms.post(state=request["state"], id_token=lms.sign(lms.claims(request), key=lms.keys[1]))
    assert lms.asked == 2
    return answer


TAKEN: dict[str, Launch] = {
    "P01": claims(),
    "P02": claims(roles=[]),
    "P03": claims(roles=["https://lms.example/role#Penyelia"]),
    "P04": claims(roles=["Learner"]),
    "P05": claims(name=None, email=None),
    "P06": claims(context=None),
    "P07": claims(**{"https://lms.example/claim": {"a": [1, None]}, AGS: "nonsense"}),
    "P08": claims(aud=["client-1"]),
    "P09": at(iat=30),
    "P10": at(exp=-20),
    "P11": claims(aud=["client-1", "client-1"], azp="client-1"),
    "P12": deep_linking(),
    "P13": deep_linking(accept_types=["link"]),
    "P14": rotated,
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_launch_is_taken(lms: Lms, case: str) -> None:
    answer = TAKEN[case](lms)

    assert answer.status_code in (200, 303), answer.text
    assert "<code>" not in answer.text
    if case not in ("P12", "P13"):
        assert answer.headers["Location"] == "/"
        assert lms.client.get("/", base_url=BASE).status_code == 200


# Launches that are refused ---------------------------------------------------------------------------------------


def other_key(lms: Lms) -> TestResponse:
    request = lms.begin()
    forged = lms.sign(lms.claims(request), key=lms.keys[1], kid=lms.keys[0].kid)
    return lms.post(state=request["state"], id_token=forged)


def old_token_with_a_fresh_state(lms: Lms) -> TestResponse:
    first = lms.begin()
    spent = lms.sign(lms.claims(first))
    assert lms.post(state=first["state"], id_token=spent).status_code == 303
    return lms.post(state=lms.begin()["state"], id_token=spent)


def stolen_token(lms: Lms) -> TestResponse:
    stolen = lms.sign(lms.claims(lms.begin()))
    thief = lms.new_browser()
    return lms.post(thief, state=lms.begin(thief)["state"], id_token=stolen)


def nonce_of_another_login(lms: Lms) -> TestResponse:
    first, second = lms.begin(), lms.begin()
    return lms.post(state=second["state"], id_token=lms.sign(lms.claims(first)))


def without_state(lms: Lms) -> TestResponse:
    return lms.post(id_token=lms.sign(lms.claims(lms.begin())))


def with_an_unknown_state(lms: Lms) -> TestResponse:
    return lms.post(state="state-nobody-made", id_token=lms.sign(lms.claims(lms.begin())))


def in_the_victims_browser(lms: Lms) -> TestResponse:
    attack = lms.begin()
    return lms.post(lms.new_browser(), state=attack["state"], id_token=lms.sign(lms.claims(attack)))


def in_the_victims_browser_after_the_attacker(lms: Lms) -> TestResponse:
    attack = lms.begin()
    spent = lms.sign(lms.claims(attack))
    assert lms.post(state=attack["state"], id_token=spent).status_code == 303
    return lms.post(lms.new_browser(), state=attack["state"], id_token=spent)


def for_another_client(lms: Lms) -> TestResponse:
    lms.register("lms-2", client_id="client-2")
    return lms.launch(aud="client-2")


def platform_error(lms: Lms) -> TestResponse:
    return lms.post(state=lms.begin()["state"], error="login_required", error_description="<b>who?</b>")


def body_of_nothing(lms: Lms) -> TestResponse:
    request = lms.begin()
    return lms.post(state=request["state"], id_token=lms.sign({"name": "badltilaunch"}))


FOREIGN = "https://evil.example/lti/tool/launch"

REFUSED: dict[str, tuple[str, Launch]] = {
    "N01": ("kid", header(kid=None)),
    "N02": ("key", header(kid="nobody")),
    "N03": ("alg", header(alg="none")),
    "N04": ("alg", header(alg="HS256")),
    "N05": ("signature", token(tamper)),
    "N06": ("signature", other_key),
    "N07": ("exp", at(iat=-60, exp=-3600)),
    "N08": ("exp", claims(iat=11111, exp=22222)),
    "N09": ("exp", claims(exp=None)),
    "N10": ("iat", claims(iat=None)),
    "N11": ("iat", at(iat=3600, exp=7200)),
    "N12": ("iat", at(iat=-3 * 24 * 3600, exp=3600)),
    "N13": ("nbf", at(nbf=3600)),
    "N14": ("exp", claims(exp="2099-01-01")),
    "N15": ("nonce", claims(nonce=None)),
    "N16": ("nonce", claims(nonce="made-up")),
    "N18": ("nonce", old_token_with_a_fresh_state),
    "N19": ("nonce", stolen_token),
    "N20": ("nonce", nonce_of_another_login),
    "N21": ("state", without_state),
    "N22": ("state", with_an_unknown_state),
    "N23": ("browser", in_the_victims_browser),
    "N24": ("browser", in_the_victims_browser_after_the_attacker),
    "N25": ("iss", claims(iss="https://nobody.example")),
    "N26": ("iss", claims(iss=None)),
    "N27": ("iss", claims(iss=ISSUER + "/")),
    "N28": ("aud", claims(aud="somebody-else")),
    "N29": ("aud", claims(aud=None)),
    "N30": ("aud", claims(aud=["client-1", "https://other.example"])),
    "N31": ("aud", claims(aud=["https://other.example", "client-1"], azp="other")),
    "N32": ("azp", claims(azp="other")),
    "N33": ("aud", for_another_client),
    "N34": ("deployment_id", claims(deployment_id=None)),
    "N35": ("deployment", claims(deployment_id="99")),
    "N36": ("deployment_id", claims(deployment_id=["1"])),
    "N37": ("message_type", claims(message_type=None)),
    "N38": ("message_type", claims(message_type="LtiSubmissionReviewRequest")),
    "N39": ("version", claims(version=None)),
    "N40": ("version", claims(version="11.3")),
    "N41": ("roles", claims(roles=None)),
    "N42": ("roles", claims(roles=MEMBERSHIP + "Learner")),
    "N43": ("sub", claims(sub=None)),
    "N44": ("sub", claims(sub="4" * 256)),
    "N45": ("target_link_uri", claims(target_link_uri=None)),
    "N46": ("target_link_uri", claims(target_link_uri=FOREIGN)),
    "N47": ("resource_link", claims(resource_link=None)),
    "N48": ("resource_link", claims(resource_link={"id": ""})),
    "N49": ("resource_link", claims(resource_link={"id": "7" * 256})),
    "N50": ("resource_link", claims(resource_link="7")),
    "N51": ("context", claims(context={"title": "Peer course 101"})),
    "N52": ("nonce", body_of_nothing),
    "N53": ("id_token", token(lambda _: None)),
    "N54": ("id_token", token(lambda text: text.rpartition(".")[0])),
    "N55": ("id_token", token(lambda _: "bukan.token.sama-sekali")),
    "N56": ("platform_error", platform_error),
    "N58": ("deep_linking_settings", claims(message_type="LtiDeepLinkingRequest", resource_link=None)),
    "N59": ("deep_link_return_url", deep_linking(deep_link_return_url=None)),
    "N60": ("accept_types", deep_linking(accept_types=None)),
    "N61": ("accept_presentation_document_targets", deep_linking(accept_presentation_document_targets=None)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_launch_is_refused(lms: Lms, case: str) -> None:
    check, launch = REFUSED[case]
    before = sessions(lms)

    answer = launch(lms)

    assert failed_check(answer) == check
    assert "<b>who?" not in answer.text
    # An attack may begin with a launch that is good; it ends in no further session.
    assert sessions(lms) - before == (1 if case in ("N18", "N24") else 0)


def test_n17_a_launch_that_is_repeated_gets_the_session_already_made(lms: Lms) -> None:
    request = lms.begin()
    form = {"state": request["state"], "id_token": lms.sign(lms.claims(request))}
    first = lms.post(**form)
    made = sessions(lms)

    again = lms.post(**form)

    assert (again.status_code, again.headers["Location"]) == (303, first.headers["Location"])
    assert "Set-Cookie" not in again.headers
    assert sessions(lms) == made == 1
    # Another token with the same state, or the same one after signing out, is no refreshed page.
    assert failed_check(lms.post(state=form["state"], id_token=lms.sign(lms.claims(request, sub="1")))) == "state"
    lms.client.delete_cookie("wkmb_session", domain="hub.example")
    assert failed_check(lms.post(**form)) == "state"


def test_n57_an_id_token_in_the_address_is_refused(lms: Lms) -> None:
    request = lms.begin()
    given = {"state": request["state"], "id_token": lms.sign(lms.claims(request))}

    answer = lms.client.get("/lti/tool/launch", query_string=given, base_url=BASE)

    assert answer.status_code == 405
    assert sessions(lms) == 0
    assert lms.post(**given).status_code == 303


# Logins ----------------------------------------------------------------------------------------------------------


def test_l00_a_login_is_answered_with_our_request(lms: Lms) -> None:
    for method in ("GET", "POST"):
        answer = lms.login(method=method)

        assert answer.status_code == 302
        address = answer.headers["Location"].partition("?x=1&")[0]
        assert address == f"{ISSUER}/auth.php"
        request = lms.begin()
        assert request | {"state": "", "nonce": ""} == {
            "x": "1",
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "client_id": "client-1",
            "redirect_uri": f"{BASE}/lti/tool/launch",
            "login_hint": "2",
            "lti_message_hint": '{"cmid":7,"launchid":"ltilaunch2_47829530"}',
            "state": "",
            "nonce": "",
        }
        assert len(request["state"]) > 32 < len(request["nonce"]) + 8
        cookie = answer.headers["Set-Cookie"]
        assert all(part in cookie for part in ("HttpOnly", "Secure", "SameSite=None", "Partitioned"))


REFUSED_LOGINS: dict[str, tuple[str, dict[str, Any]]] = {
    "L01": ("iss", {"iss": None}),
    "L02": ("login_hint", {"login_hint": None}),
    "L03": ("target_link_uri", {"target_link_uri": None}),
    "L04": ("iss", {"iss": "https://nobody.example"}),
    "L05": ("client_id", {"client_id": "nobody"}),
    "L06": ("deployment", {"lti_deployment_id": "99"}),
    "L07": ("target_link_uri", {"target_link_uri": FOREIGN}),
}


@pytest.mark.parametrize("case", REFUSED_LOGINS)
def test_a_login_is_refused(lms: Lms, case: str) -> None:
    check, changed = REFUSED_LOGINS[case]

    for method in ("GET", "POST"):
        answer = lms.login(method=method, **changed)

        assert failed_check(answer) == check
        assert "Location" not in answer.headers
    with lms.hub.db.read() as conn:
        assert conn.execute(sa.select(tool_logins.c.id)).first() is None


def test_l08_a_login_without_client_id_is_taken_where_the_issuer_has_one(lms: Lms) -> None:
    assert lms.begin(client_id=None)["client_id"] == "client-1"

    lms.register("lms-2", client_id="client-2")

    assert failed_check(lms.login(client_id=None)) == "client_id"
    assert lms.begin(client_id="client-2")["client_id"] == "client-2"


# The lists ---------------------------------------------------------------------------------------------------------

LISTS = Path(__file__).parents[2] / "cases" / "lti"
#: ``def test_s03_…``: a case that has a test, or several, of its own.
NAMED = re.compile(r"^def test_([nlsw][0-9]{2})_", re.MULTILINE)


def rows_of(name: str) -> list[dict[str, str]]:
    with (LISTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cases_here() -> set[str]:
    """Every case that a test of this folder shows: as a row of the tables above, or by its name."""
    texts = [path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("test_*.py"))]
    assert not any(re.search(r"mark\.(skip|xfail)|pytest\.(skip|xfail)\(", text) for text in texts), "none is skipped"
    single = {name.upper() for text in texts for name in NAMED.findall(text)}
    return {*TAKEN, *REFUSED, *REFUSED_LOGINS, *single}


def test_every_case_of_the_list_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    here, listed = cases_here(), {row["id"] for row in rows_of("tool.csv")}

    with capsys.disabled():
        print(f"\nhub as tool: {len(here & listed)} of {len(listed)} acceptance cases")
    assert listed - here == set()
    assert {each for each in here if not each.startswith("W")} == listed, "and no case that is not in the list"


def test_whatever_pylti1p3_leaves_open_is_shown_closed() -> None:
    here = cases_here()

    for row in rows_of("pylti1p3.csv"):
        assert {each.upper() for each in row["shown by"].split()} <= here, row["about"]


def test_w06_two_configurations_of_one_process_do_not_notice_each_other(lms: Lms) -> None:
    lms.register("single", issuer="https://single.example", client_id="client-3")
    lms.register("lms-2", client_id="client-2")

    assert lms.begin(iss="https://single.example", client_id=None)["client_id"] == "client-3"
    assert failed_check(lms.login(client_id=None)) == "client_id"


def test_w07_a_key_set_is_read_once_for_many_launches_and_within_bounds(lms: Lms) -> None:
    for _ in range(3):
        assert lms.launch().status_code == 303
    assert lms.asked == 1
    for number in range(8):
        assert failed_check(header(kid=f"made-up-{number}")(lms)) == "key"
    assert lms.asked == REFETCHES, "whoever makes keys up costs the platform few calls"

    lms.clock.advance(minutes=61)
    assert lms.launch().status_code == 303
    assert lms.asked == REFETCHES + 1


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Response(status=302, headers={"Location": "/jwks"}), "answered 302"),
        (Response("<html>"), "not JSON"),
        (Response(status=503), "answered 503"),
        (Response(b" " * (1 << 20) + b"{}"), "longer than"),
    ],
)
def test_w07_a_key_set_that_cannot_be_read_is_said_so(lms: Lms, reply: Response, says: str) -> None:
    lms.register("odd", client_id="client-9", jwks_url=lms.server.url_for("/odd"))
    lms.server.expect_request("/odd").respond_with_response(reply)
    request = lms.begin(client_id="client-9")

    answer = lms.post(state=request["state"], id_token=lms.sign(lms.claims(request, aud="client-9")))

    assert failed_check(answer) == "key"
    assert says in answer.text
    with lms.hub.db.read() as conn:
        refusal = platforms.named(conn, "odd").refusal
    assert refusal is not None
    assert says in refusal["why"]


def test_w13_no_cookie_holds_what_was_launched(lms: Lms) -> None:
    answer = lms.launch()

    cookies = answer.headers.getlist("Set-Cookie")
    assert all(len(each.partition(";")[0]) < 100 for each in cookies)
    assert {each.partition("=")[0] for each in cookies} <= {"wkmb_session", "session", "wkmb_lti"}


def test_s14_somebody_whose_account_is_closed_sees_what_to_do(lms: Lms, people: tuple[Person, Person]) -> None:
    with lms.hub.db.write() as conn:
        accounts.set_disabled(conn, people[0].username, True)

    answer = lms.launch()

    assert answer.status_code == 200
    assert "administrator hub" in answer.text
    assert sessions(lms) == 0


def test_s14_a_deployment_that_is_switched_off_says_so(lms: Lms) -> None:
    with lms.hub.db.write() as conn:
        found = platforms.named(conn, "lms")
        platforms.disable_deployment(conn, lms.hub, found, "1", by="test")

    request = lms.begin(lti_deployment_id=None)
    launched = lms.post(state=request["state"], id_token=lms.sign(lms.claims(request)))

    for page in (lms.login(), launched):
        assert failed_check(page) == "deployment"
        assert "administrator" in page.text


def sessions(lms: Lms) -> int:
    with lms.hub.db.read() as conn:
        return len(conn.execute(sa.select(web_sessions.c.id)).all())


def test_the_clock_of_the_machine_decides_nothing(lms: Lms) -> None:
    """The hub's clock is far from the machine's here: PyJWT would have refused."""
    lms.clock.advance(days=400)

    assert abs(lms.clock.now.timestamp() - time.time()) > 3600
    assert lms.launch().status_code == 303


def test_claims_of_every_wrong_kind_are_refused_and_never_a_crash(lms: Lms) -> None:
    """Whatever stands where a claim of LTI should be: 400 with the check's name, or as if it were not there."""
    names = ["iss", "aud", "azp", "sub", "iat", "exp", "nbf", "nonce", "name", "email"]
    names += [CLAIM + name for name in ("message_type", "version", "deployment_id", "roles", "resource_link", "context",
                                        "target_link_uri", "custom", "launch_presentation")]  # fmt: skip
    for name in names:
        for value in (True, [[]], {"id": 7}, "\x00", 1e300):
            answer = lms.launch(**{name: value})
            assert answer.status_code in (200, 303, 400), (name, value, answer.text)
