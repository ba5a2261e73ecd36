"""The hub between two LMSs, each a server of its own: a course of A is linked into B through the hub, and launched."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from pytest_httpserver import HTTPServer
from werkzeug.wrappers import Request, Response

from gradebooktest import Gradebook
from hub.demo.visitor import Page, Visitor
from platformtest import CLAIM, MEMBERSHIP, SETTINGS
from wkmbpeers.atsandbox import TITLE, SandboxAtHub

DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"


@dataclass
class Campus:
    """LMS B: its people sign in there, its course holds what the hub gave to its teacher."""

    server: HTTPServer
    hub: str
    key: RSAKey
    gradebook: Gradebook
    content_items: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for path, reply in (("/auth", self._auth), ("/jwks", self._jwks), ("/return", self._return)):
            self.server.expect_request(path).respond_with_handler(reply)

    @property
    def url(self) -> str:
        return self.server.url_for("").rstrip("/")

    def begin(self, visitor: Visitor, user: str) -> requests.Response:
        """Somebody clicks there; the hub's answer is followed to a page for people."""
        told = {
            "iss": self.url,
            "login_hint": user,
            "target_link_uri": f"{self.hub}/lti/tool/launch",
            "client_id": "client-1",
        }
        return visitor.follow(visitor.get(f"{self.hub}/lti/tool/login?{urlencode(told)}"))

    def _auth(self, request: Request) -> Response:
        asked = request.args
        user = asked["login_hint"]
        now = int(time.time())
        said: dict[str, Any] = {
            "iss": self.url,
            "aud": "client-1",
            "sub": user,
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
            CLAIM + "version": "1.3.0",
            CLAIM + "deployment_id": "1",
            CLAIM + "target_link_uri": f"{self.hub}/lti/tool/launch",
        } | (self._selection() if user == "dosen" else self._launch())
        token = jwt.encode({"alg": "RS256", "kid": self.key.kid}, said, self.key, algorithms=["RS256"])
        form = f'<form method="post" action="{asked["redirect_uri"]}">'
        fields = f'<input type="hidden" name="state" value="{asked["state"]}">'
        return Response(
            f'{form}{fields}<input type="hidden" name="id_token" value="{token}"></form>', mimetype="text/html"
        )

    def _selection(self) -> dict[str, Any]:
        settings = {
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["window"],
            "deep_link_return_url": f"{self.url}/return",
            "data": "course=3",
        }
        return {
            CLAIM + "message_type": "LtiDeepLinkingRequest",
            CLAIM + "roles": [MEMBERSHIP + "Instructor"],
            SETTINGS: settings,
        }

    def _launch(self) -> dict[str, Any]:
        return {
            CLAIM + "message_type": "LtiResourceLinkRequest",
            CLAIM + "roles": [MEMBERSHIP + "Learner"],
            CLAIM + "resource_link": {"id": "7"},
            CLAIM + "custom": self.content_items[0]["custom"],
            "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint": self.gradebook.claims()["ags"],
        }

    def _return(self, request: Request) -> Response:
        keys = KeySet.import_key_set(requests.get(f"{self.hub}/lti/tool/jwks", timeout=10).json())
        said = jwt.decode(request.form["JWT"], keys, algorithms=["RS256"]).claims
        assert said[DL + "data"] == "course=3"
        self.content_items = said[DL + "content_items"]
        return Response("saved")

    def _jwks(self, _: Request) -> Response:
        public = self.key.as_dict(private=False) | {"kid": self.key.kid, "alg": "RS256", "use": "sig"}
        return Response(json.dumps({"keys": [public]}))


@pytest.fixture
def campus(sandbox: SandboxAtHub, httpserver: HTTPServer) -> Campus:
    """B, which knows the hub, and is known there; its user siti-di-kampus is the hub's employee."""
    hub = sandbox.hub.url
    gradebook = Gradebook(httpserver, lambda: requests.get(f"{hub}/lti/tool/jwks", timeout=10).json())
    made = Campus(httpserver, hub, RSAKey.generate_key(2048, private=True, auto_kid=True), gradebook)
    addresses = ["--issuer", made.url, "--auth-url", f"{made.url}/auth", "--jwks-url", f"{made.url}/jwks"]
    addresses += ["--token-url", gradebook.token_url, "--client-id", "client-1", "--deployment", "1"]
    sandbox.hub.type("platform", "add", "kampus", "--internal", *addresses)
    sandbox.hub.import_file(
        "identity", {"homepage_or_issuer": made.url, "name": "siti-di-kampus", "nip": sandbox.hub.nip}
    )
    return made


def wait(holds: Callable[[], bool], what: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def test_a_course_of_one_lms_is_linked_into_another_and_its_score_stands_in_both(
    sandbox: SandboxAtHub, campus: Campus, visitor: Visitor
):
    with Visitor() as teacher:
        picker = campus.begin(teacher, "dosen")
        assert TITLE in picker.text, picker.text[:2000]
        [number] = re.findall(r'value="([0-9]+)"[^>]*>\s*<label[^>]*><b>' + TITLE, picker.text)
        choose = next(form for form in Page(picker).forms if form.method == "post" and form.has_fields_to_fill)
        back = teacher.send_form(choose, item=number)
        assert teacher.submit(back, "/return").text == "saved"
    [item] = campus.content_items
    assert item["title"] == TITLE

    # The first call of the gradebook fails: the score is not lost.
    campus.gradebook.faults["/services/3/lineitems/7/lineitem/scores"] = [lambda _: Response(status=503)]
    page = campus.begin(visitor, "siti-di-kampus")
    assert page.url.startswith(f"{sandbox.url}/learn/"), f"{page.status_code} {page.url}: {page.text[:2000]}"
    sandbox.complete(page.url.rsplit("/", 1)[1], score=85)

    assert sandbox.hub.jp_when(lambda found: found["recognized_jp"] > 0)["recognized_jp"] == 4.5
    gradebook = campus.gradebook
    wait(lambda: gradebook.grades == {"siti-di-kampus": 85}, lambda: (gradebook.calls, gradebook.scores))
