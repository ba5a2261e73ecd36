"""A small platform of the tests' own, and the sandbox beside it: two servers, real HTTP, real JWTs.

The platform checks what a strict one would: the tool's key, the audience, the scope, the learner, the actor and
the registration, and it gives an xAPI token once.
"""

from __future__ import annotations

import base64
import html
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask, Response, jsonify, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

from connectors.sandbox.courier import Courier
from connectors.sandbox.courses import load_courses
from connectors.sandbox.keys import Key, load_key
from connectors.sandbox.lti import Tool
from connectors.sandbox.platforms import Platform, Platforms
from connectors.sandbox.store import Store
from connectors.sandbox.web import Sandbox, create_app
from connectors.sandbox.wire import Wire
from hub.demo.visitor import Visitor

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
AGS = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
SCORE_SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
PROBLEM = {"Content-Type": "application/problem+json"}


@dataclass
class FakePlatform:
    """What launches the sandbox: login, authentication, token, scores, xAPI."""

    url: str = ""
    tool_url: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "platform-1", "use": "sig"}))
    client_id: str = "client-1"
    learner: str = "learner-1"
    actor: dict[str, Any] = field(
        default_factory=lambda: {"account": {"homePage": "https://hub.example", "name": "7f3c"}}
    )
    registration: str = field(default_factory=lambda: str(uuid.uuid4()))
    activity: str = "https://hub.example/courses/digital"
    overrides: dict[str, Any] = field(default_factory=dict)
    is_down: bool = False
    fetched: int = 0
    scores: list[dict[str, Any]] = field(default_factory=list)
    statements: list[dict[str, Any]] = field(default_factory=list)
    posts: list[tuple[str, int]] = field(default_factory=list)

    def app(self) -> Flask:
        app = Flask("platform")
        app.add_url_rule("/auth", view_func=self.authenticate, methods=["GET", "POST"])
        app.add_url_rule("/jwks", view_func=lambda: jsonify(KeySet([self.key]).as_dict(private=False)))
        app.add_url_rule("/token", view_func=self.token, methods=["POST"])
        app.add_url_rule("/lineitems/1/scores", view_func=self.score, methods=["POST"])
        app.add_url_rule("/fetch", view_func=self.fetch, methods=["POST"])
        app.add_url_rule("/xapi/statements", view_func=self.statement, methods=["POST"])
        app.before_request(lambda: Response("down", 503) if self.is_down else None)
        app.after_request(self._note)
        return app

    def _note(self, response: Response) -> Response:
        if request.method == "POST":
            self.posts.append((request.path, response.status_code))
        return response

    def platform(self) -> Platform:
        return Platform(
            self.url, self.client_id, ("d-1",), f"{self.url}/auth?tenant=1", f"{self.url}/token", f"{self.url}/jwks"
        )

    def claims(self, nonce: str) -> dict[str, Any]:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": self.client_id,
            "sub": self.learner,
            "iat": now,
            "exp": now + 120,
            "nonce": nonce,
            "name": "Siti Rahayu",
            CLAIM + "message_type": "LtiResourceLinkRequest",
            CLAIM + "version": "1.3.0",
            CLAIM + "deployment_id": "d-1",
            CLAIM + "target_link_uri": f"{self.tool_url}/lti/launch",
            CLAIM + "roles": ["http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"],
            CLAIM + "resource_link": {"id": "link-1", "title": "Kursus dari portal"},
            CLAIM + "launch_presentation": {"locale": "id", "return_url": f"{self.url}/back"},
            CLAIM + "custom": {
                "course": "pelayanan-publik-digital",
                "xapi_endpoint": f"{self.url}/xapi/",
                "xapi_actor": json.dumps(self.actor),
                "xapi_registration": self.registration,
                "xapi_activity_id": self.activity,
                "xapi_fetch": f"{self.url}/fetch",
            },
            AGS: {
                "scope": [SCORE_SCOPE],
                "lineitems": f"{self.url}/lineitems?type=1",
                "lineitem": f"{self.url}/lineitems/1?type=1",
            },
        }
        claims |= self.overrides
        return {name: value for name, value in claims.items() if value is not None}

    def authenticate(self) -> str:
        assert request.values["response_mode"] == "form_post"
        assert request.values["login_hint"] == "hint"
        assert request.values["lti_message_hint"] == '{"a": "b"}'
        assert request.values["tenant"] == "1"
        assert request.values["redirect_uri"] == f"{self.tool_url}/lti/launch"
        token = jwt.encode({"alg": "RS256", "kid": "platform-1"}, self.claims(request.values["nonce"]), self.key)
        return form_page(request.values["redirect_uri"], {"id_token": token, "state": request.values["state"]})

    def token(self) -> tuple[Response, int]:
        keys = KeySet.import_key_set(requests.get(f"{self.tool_url}/lti/jwks", timeout=30).json())
        rules = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": self.client_id},
            sub={"essential": True, "value": self.client_id},
            aud={"essential": True, "value": f"{self.url}/token"},
            jti={"essential": True},
            exp={"essential": True},
        )
        try:
            rules.validate(jwt.decode(request.form["client_assertion"], keys, algorithms=["RS256"]).claims)
        except JoseError as error:
            return jsonify(error="invalid_client", error_description=str(error)), 401
        return jsonify(access_token="bearer-1", token_type="Bearer", expires_in=3600, scope=request.form["scope"]), 200

    def score(self) -> Response:
        if request.headers.get("Authorization") != "Bearer bearer-1":
            return Response('{"title": "no token"}', 401, PROBLEM)
        score = request.get_json(silent=True, force=True)
        if not isinstance(score, dict) or "scoreMaximum" not in score:
            return Response('{"title": "scoreMaximum is missing"}', 400, PROBLEM)
        if score["userId"] != self.learner:
            return Response('{"title": "no such learner"}', 404, PROBLEM)
        self.scores.append(score)
        return Response("", 200)

    def fetch(self) -> Response:
        self.fetched += 1
        if self.fetched > 1:
            return jsonify({"error-code": "1", "error-text": "already used"})
        return jsonify({"auth-token": base64.b64encode(b"key:secret").decode()})

    def statement(self) -> Response:
        if request.headers.get("Authorization") != "Basic " + base64.b64encode(b"key:secret").decode():
            return Response("no", 401)
        batch = request.get_json(silent=True)
        if batch is None:
            return Response("not JSON", 400)
        if any(one.get("result", {}).get("score", {}).get("scaled", 0) > 1 for one in batch):
            return Response("result.score.scaled is out of range", 400)
        if any(
            one["actor"] != self.actor
            or one["context"]["registration"] != self.registration
            or one["object"]["id"] != self.activity
            for one in batch
        ):
            return Response("not yours", 403)
        known = {one["id"] for one in self.statements}
        self.statements += [one for one in batch if one["id"] not in known]
        return jsonify([one["id"] for one in batch])


def form_page(action: str, fields: dict[str, str]) -> str:
    inputs = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    return f'<form method="post" action="{html.escape(action)}">{inputs}<button>Go on</button></form>'


@dataclass
class RunningSandbox:
    """A sandbox whose courier works only when it is told to, so that tests need not wait."""

    url: str
    home: Path
    platform: FakePlatform
    store: Store
    platforms: Platforms
    courier: Courier
    now: list[float]

    def login(self, visitor: Visitor, **parameters: str) -> requests.Response:
        initiation = {
            "iss": self.platform.url,
            "client_id": self.platform.client_id,
            "login_hint": "hint",
            "lti_message_hint": '{"a": "b"}',
            "target_link_uri": f"{self.url}/lti/launch",
            "lti_deployment_id": "d-1",
        }
        return visitor.post(f"{self.url}/lti/login", data=initiation | parameters, timeout=30)

    def launch(self, visitor: Visitor) -> requests.Response:
        """The whole launch as the browser sees it, to the page it ends on."""
        return visitor.submit(self.login(visitor))

    def launch_id(self, page: requests.Response) -> str:
        assert page.status_code == 200, page.text
        return page.url.split("/learn/")[1].split("/")[0]

    def get(self, path: str) -> Any:
        answer = requests.get(self.url + path, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        answer = requests.post(self.url + path, json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[RSAKey, Key]:
    """The platform's key and the tool's; making one takes a while."""
    return RSAKey.generate_key(2048, {"kid": "platform-1", "use": "sig", "alg": "RS256"}), load_key(
        tmp_path_factory.mktemp("key") / "key.pem"
    )


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[..., Any]], str]]:
    """Serves a WSGI application on a free port of 127.0.0.1 and gives its address."""
    servers = []

    def start(app: Callable[..., Any]) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def platform(keys: tuple[RSAKey, Key], serve: Callable[..., str]) -> FakePlatform:
    fake = FakePlatform(key=keys[0])
    fake.url = serve(fake.app())
    return fake


@pytest.fixture
def sandbox(
    tmp_path: Path, keys: tuple[RSAKey, Key], serve: Callable[..., str], platform: FakePlatform
) -> RunningSandbox:
    now = [time.time()]
    store = Store(tmp_path / "sandbox.sqlite3")
    platforms = Platforms(tmp_path / "registration.json")
    platforms.save(platform.platform())

    def clock() -> float:
        return now[0]

    def new_id() -> str:
        return str(uuid.uuid4())

    apps: list[Flask] = []
    url = serve(lambda environ, start: apps[0](environ, start))
    courier = Courier(store, platforms, keys[1], clock=clock, new_id=new_id)
    tool = Tool(platforms, keys[1], store, Wire(lambda exchange: None, clock), clock, url)
    apps.append(create_app(Sandbox(tool, store, courier, load_courses(), clock, new_id, admin_anywhere=False)))
    platform.tool_url = url
    return RunningSandbox(url, tmp_path, platform, store, platforms, courier, now)


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    with Visitor() as session:
        yield session


@pytest.fixture
def new_visitor() -> Iterator[Callable[[], Visitor]]:
    opened: list[Visitor] = []

    def create() -> Visitor:
        opened.append(Visitor())
        return opened[-1]

    yield create
    for one in opened:
        one.close()
