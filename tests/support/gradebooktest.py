"""The services of an LMS that launches the hub, over real HTTP, with the habits of a Moodle."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import KeySet
from pytest_httpserver import HTTPServer
from werkzeug.wrappers import Request, Response

Reply = Callable[[Request], Response]


@dataclass
class Gradebook:
    """Gives tokens, keeps line items and scores, and lists members.

    ``hub_keys`` gives the hub's key set, with which assertions are checked. A list in ``faults`` is a queue of replies
    that are given, for one path, in place of what would be answered.
    """

    server: HTTPServer
    hub_keys: Callable[[], dict[str, Any]]
    client_id: str = "client-1"
    audience: str = ""
    expires_in: Any = 3600
    assertions: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, Any]] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    good: set[str] = field(default_factory=set)
    scores: list[dict[str, Any]] = field(default_factory=list)
    #: user -> the grade that stands there now.
    grades: dict[str, float] = field(default_factory=dict)
    columns: dict[int, dict[str, Any]] = field(default_factory=dict)
    members: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[str, list[Reply]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.audience = self.audience or self.token_url
        self.columns = self.columns or {7: {"label": "Hub activity", "scoreMaximum": 100, "resourceLinkId": "7"}}
        for path, reply in (
            ("/token", self._token),
            (re.compile("/services/3/lineitems/[0-9]+/lineitem/scores"), self._score),
            (re.compile("/services/3/lineitems/[0-9]+/lineitem/results"), self._results),
            (re.compile("/services/3/lineitems/[0-9]+/lineitem"), self._lineitem),
            ("/services/3/lineitems", self._lineitems),
            ("/services/3/memberships", self._members),
        ):
            self.server.expect_request(path).respond_with_handler(self._guarded(reply))  # type: ignore[arg-type]

    @property
    def token_url(self) -> str:
        return self.server.url_for("/token")

    @property
    def lineitem(self) -> str:
        return self._url(7)

    @property
    def lineitems(self) -> str:
        return self.server.url_for("/services/3/lineitems") + "?type_id=2"

    @property
    def memberships(self) -> str:
        return self.server.url_for("/services/3/memberships")

    def claims(self, *, coupled: bool = True) -> dict[str, Any]:
        """What launches say of the services."""
        scope = "https://purl.imsglobal.org/spec/lti-ags/scope/"
        ags = {
            "scope": [scope + name for name in ("lineitem", "result.readonly", "score")],
            "lineitems": self.lineitems,
        }
        return {
            "ags": ags | ({"lineitem": self.lineitem} if coupled else {}),
            "nrps": {"context_memberships_url": self.memberships, "service_versions": ["2.0"]},
        }

    def asked(self, path: str) -> int:
        """How many calls of that path there were."""
        return sum(where == path for _, where in self.calls)

    def _url(self, number: int) -> str:
        return self.server.url_for(f"/services/3/lineitems/{number}/lineitem") + "?type_id=2"

    def _guarded(self, reply: Reply) -> Reply:
        def handle(request: Request) -> Response:
            self.calls.append((request.method, request.path))
            if self.faults.get(request.path):
                return self.faults[request.path].pop(0)(request)
            bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if request.path != "/token" and bearer not in self.good:
                return Response("no", 401)
            return reply(request)

        return handle

    def _token(self, request: Request) -> Response:
        keys = KeySet.import_key_set(self.hub_keys())  # type: ignore[arg-type]
        token = jwt.decode(request.form["client_assertion"], keys, algorithms=["RS256"])
        self.assertions.append(dict(token.claims))
        self.headers.append(dict(token.header))
        self.scopes.append(request.form["scope"])
        if token.claims["aud"] != self.audience:
            return Response(json.dumps({"error": "invalid_client"}), 400)
        given = f"token-{len(self.assertions)}"
        self.good.add(given)
        said = {"access_token": given, "token_type": "Bearer", "expires_in": self.expires_in, "scope": ""}
        # Moodle's Content-Type.
        return Response(json.dumps(said), content_type="text/html; charset=utf-8")

    def _score(self, request: Request) -> Response:
        if request.args.get("type_id") != "2":
            return Response("type_id", 400)
        said = json.loads(request.data)
        at = datetime.fromisoformat(said["timestamp"]).replace(microsecond=0)
        before = [each for each in self.scores if each["userId"] == said["userId"]]
        if before and at <= datetime.fromisoformat(before[-1]["timestamp"]).replace(microsecond=0):
            return Response("[]", 409, content_type="application/vnd.ims.lis.v1.score+json")
        self.scores.append(said)
        if said["gradingProgress"] == "FullyGraded" and "scoreGiven" in said:
            self.grades[said["userId"]] = said["scoreGiven"] / said["scoreMaximum"] * 100
        else:
            self.grades.pop(said["userId"], None)
        return Response("", 200)

    def _results(self, request: Request) -> Response:
        found = [
            {"id": f"{self.lineitem}/results/{user}", "userId": user, "resultScore": grade, "resultMaximum": 100}
            for user, grade in self.grades.items()
            if request.args.get("user_id", user) == user
        ]
        return Response(json.dumps(found), content_type="application/vnd.ims.lis.v2.resultcontainer+json")

    def _lineitem(self, request: Request) -> Response:
        number = int(request.path.split("/")[4])
        if number not in self.columns:
            return Response("gone", 404)
        if request.method == "DELETE":
            del self.columns[number]
            return Response("", 204)
        if request.method == "PUT":
            self.columns[number] = json.loads(request.data)
        return Response(json.dumps(self.columns[number] | {"id": self._url(number)}))

    def _lineitems(self, request: Request) -> Response:
        if request.method == "POST":
            number = max(self.columns) + 1
            self.columns[number] = json.loads(request.data)
            return Response(json.dumps(self.columns[number] | {"id": self._url(number)}), 201)
        wanted = {"resource_id": "resourceId", "resource_link_id": "resourceLinkId", "tag": "tag"}
        found = [
            each | {"id": self._url(number)}
            for number, each in self.columns.items()
            if all(each.get(wanted[name]) == text for name, text in request.args.items() if name in wanted)
        ]
        return self._paged(request, found, lambda page: page)

    def _members(self, request: Request) -> Response:
        return self._paged(request, self.members, lambda page: {"id": self.memberships, "members": page})

    @staticmethod
    def _paged(request: Request, found: list[Any], wrap: Callable[[list[Any]], Any]) -> Response:
        """Two on a page, and a bookmark in which upper and lower case differ, as Canvas makes them."""
        begin = int(request.args.get("Page", "From0").removeprefix("From"))
        response = Response(json.dumps(wrap(found[begin : begin + 2])))
        if len(found) > begin + 2:
            query = urlencode(request.args.to_dict() | {"Page": f"From{begin + 2}"})
            response.headers["Link"] = f'<{request.base_url}?{query}>; rel="next"'
        return response
