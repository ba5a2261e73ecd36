"""The LRS behind its HTTP face, with credentials of every kind, without the rest of the hub."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import flask
from flask.testing import FlaskClient
from werkzeug.exceptions import Unauthorized
from werkzeug.test import TestResponse

from hub.statements import xapi
from lrs import store
from lrs.database import Database
from lrs.sequence import Sequence
from lrs.statements import Prepared, Writer
from lrstest import ALICE, COURSE

REGISTRATION = "b904ad9b-3dd7-5c81-9c3b-1ff960dbd560"


def _caller(name: str, *scopes: str, owner: int | None = None, launch: xapi.LaunchScope | None = None) -> xapi.Caller:
    authority = {"objectType": "Agent", "account": {"homePage": "https://hub.example", "name": name}}
    writer = Writer(authority, owner, f"credential:{name}", "all" in scopes, may_define="all" in scopes)
    return xapi.Caller(frozenset(scopes), writer, f"credential:{name}", launch)


CALLERS = {
    each.reader.partition(":")[2]: each
    for each in (
        _caller("all", "all"),
        _caller("reader", "all/read"),
        _caller("statements", "statements/read"),
        _caller("writer", "statements/write", "statements/read/mine", owner=1),
        _caller("other", "statements/write", "statements/read/mine", owner=2),
        _caller("write-only", "statements/write"),
        _caller("mine-only", "statements/read/mine"),
        _caller("define", "define"),
        _caller("state", "state"),
        _caller("profile", "profile"),
        _caller("nothing", "api/read"),
        _caller(
            "launch",
            "statements/write",
            "statements/read/mine",
            "state",
            owner=1,
            launch=xapi.LaunchScope(ALICE, REGISTRATION, COURSE),
        ),
    )
}


def create_app(db: Database, *, default_version: str = "2.0.0") -> flask.Flask:
    """An application that is the LRS and nothing else."""
    sequence = Sequence(db, _now, uuid4)

    def accept(prepared: tuple[Prepared, ...], data: Mapping[str, bytes] | None) -> store.Saved:
        with sequence.writing() as ticket:
            return db.run(lambda conn: store.save(conn, prepared, ticket, data))

    services = xapi.Services(
        db, sequence, _now, uuid4, _authenticate, accept, b"k" * 32, default_version=default_version
    )
    app = flask.Flask("xapitest")
    app.register_blueprint(xapi.create_blueprint(lambda: services))
    app.testing = True
    return app


def _now() -> datetime:
    return datetime.now(UTC)


def _authenticate(header: str | None) -> xapi.Caller:
    try:
        kind, _, token = (header or "").partition(" ")
        name, _, secret = base64.b64decode(token, validate=True).decode().partition(":")
    except ValueError:
        raise Unauthorized("This is no credential") from None
    if kind != "Basic" or name not in CALLERS or secret != "secret":
        raise Unauthorized("The key or the secret is wrong")
    return CALLERS[name]


class Visitor:
    """A client with a credential and a version."""

    def __init__(self, client: FlaskClient, name: str = "all", version: str | None = "1.0.3") -> None:
        self._client = client
        self._name = name
        self._version = version

    def using(self, *, name: str | None = None, version: str | None = "") -> Visitor:
        """The same client with another credential or version."""
        return Visitor(self._client, name or self._name, self._version if version == "" else version)

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        token = base64.b64encode(f"{self._name}:secret".encode()).decode()
        own = {"Authorization": f"Basic {token}"}
        if self._version is not None:
            own["X-Experience-API-Version"] = self._version
        return {**own, **(more or {})}

    def send(
        self, method: str, resource: str, parameters: Mapping[str, str] | None = None, *,
        headers: Mapping[str, str] | None = None, **body: Any,
    ) -> TestResponse:  # fmt: skip
        return self._client.open(
            f"/xapi/{resource}", method=method, query_string=parameters, headers=self.headers(headers), **body
        )

    def post(self, *statements: Any) -> TestResponse:
        return self.send("POST", "statements", json=statements[0] if len(statements) == 1 else list(statements))

    def find(self, **parameters: str) -> list[str]:
        """The ids that a list has, all its pages followed."""
        answer = self.send("GET", "statements", parameters)
        assert answer.status_code == 200, answer.data
        value = answer.get_json()
        found = [each["id"] for each in value["statements"]]
        while value["more"]:
            answer = self._client.get(value["more"], headers=self.headers())
            assert answer.status_code == 200, answer.data
            value = answer.get_json()
            found += [each["id"] for each in value["statements"]]
        return found
