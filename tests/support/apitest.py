"""A hub with an employee, an LMS that reports about her, and what a system that asks the API would see."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import flask
import orjson
from werkzeug.test import TestResponse

from hub.jp import recognition
from hub.learning import catalogue
from hub.people import identity, learners
from hub.runtime import Hub
from hub.statements import ingest
from hub.systems import credentials, registry
from lrs import statements
from lrs.statements import Writer

NIP, NAME = "198503152010012004", "Siti Rahayu"
HOME_PAGE = "https://lms.contoh.example"
COURSE = f"{HOME_PAGE}/courses/1"
KEY, SECRET = "pembaca", "rahasia-pembaca-0123456789"
COMPLETED, VIEWED = "http://adlnet.gov/expapi/verbs/completed", "http://id.tincanapi.com/verb/viewed"


def authorization(key: str = KEY, secret: str = SECRET, scheme: str = "Basic") -> dict[str, str]:
    """The header with which a credential calls."""
    return {"Authorization": f"{scheme} {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"}


def course_row(number: int = 1, **more: str) -> dict[str, str]:
    """A row of `course import`."""
    return {
        "id": f"{HOME_PAGE}/courses/{number}",
        "aliases": f"KURSUS-{number}",
        "provider": "lms",
        "title_id": f"Kursus {number}",
        "title_en": f"Course {number}",
        "form": "NKL04",
        "scope": "national",
        "programme_jp": "4.5",
        "requires": "completed",
    } | more


def as_csv(*rows: Mapping[str, str]) -> str:
    """A file as people import it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@dataclass(frozen=True)
class Scene:
    """The hub, and the application that serves it."""

    hub: Hub
    app: flask.Flask

    def prepare(self) -> None:
        """An employee whose account at the LMS is known, a course of the LMS, and a credential that may read."""
        learner = {"nip": NIP, "name": NAME, "email": "", "status": "PNS", "employer": "Contoh", "unit": "Biro"}
        found = learners.read_learners(as_csv(learner))
        assert not found.problems
        self.hub.db.run(lambda conn: learners.import_learners(conn, self.hub, found.rows))
        self.hub.db.run(lambda conn: registry.add_connector(conn, self.hub, "lms", "xapi-push", by="tes"))
        self.add_credential(KEY, "api/read")
        self.import_courses(course_row())
        self.link("4")

    def add_credential(self, key: str, *scopes: str, per_minute: int | None = None) -> None:
        self.hub.db.run(
            lambda conn: credentials.add(
                conn, self.hub, key, by="tes", key=key, secret=SECRET, scopes=scopes, per_minute=per_minute
            )
        )

    def import_courses(self, *rows: Mapping[str, str]) -> None:
        with self.hub.db.read() as conn:
            found = catalogue.read_courses(conn, as_csv(*rows), self.hub.policies.active(conn, 2026))
        assert not found.problems
        self.hub.db.run(lambda conn: catalogue.import_courses(conn, self.hub, found.courses, by="tes"))

    def link(self, name: str) -> None:
        """The account of this name at the LMS is the employee's."""
        who = identity.parse_identifier(HOME_PAGE, name)
        assert who is not None
        with self.hub.db.read() as conn:
            learner = learners.find_by_nip(conn, NIP)
        assert learner is not None
        values = {"by": "tes", "now": self.hub.clock(), "new_id": self.hub.new_id}
        self.hub.db.run(lambda conn: identity.link(conn, who, learner.id, **values))

    def report(self, verb: str = COMPLETED, about: str = COURSE, *, name: str = "4", **more: Any) -> UUID:
        """The LMS stores a statement; gives its id."""
        statement = {
            "id": str(uuid4()),
            "actor": {"account": {"homePage": HOME_PAGE, "name": name}},
            "verb": {"id": verb},
            "object": {"id": about, "definition": {"type": "http://adlnet.gov/expapi/activities/course"}},
            "timestamp": "2026-10-05T03:00:00Z",
        } | more
        with self.hub.db.read() as conn:
            lms = registry.named_connector(conn, "lms")
        authority = {"objectType": "Agent", "account": {"homePage": self.hub.base_url, "name": "credential/lms"}}
        writer = Writer(authority, lms.id, "credential:7")
        prepared = statements.prepare(
            statements.parse(orjson.dumps(statement)),
            version="1.0.3",
            writer=writer,
            new_id=self.hub.new_id,
            extra_keys=ingest.extra_keys,
        )
        saved = ingest.accept(self.hub, prepared)
        return saved.ids[0]

    def void(self, statement: UUID) -> UUID:
        """The LMS takes a statement back."""
        target = {"objectType": "StatementRef", "id": str(statement)}
        return self.report("http://adlnet.gov/expapi/verbs/voided", object=target)

    def recognize(self) -> None:
        """What the worker does until nothing waits."""
        while recognition.drain(self.hub):
            pass

    def get(self, path: str, key: str = KEY, **more: str) -> TestResponse:
        """Ask the API."""
        return self.app.test_client().get(f"/api/v1{path}", headers=authorization(key), query_string=more or None)

    def year(self, year: int = 2026) -> Any:
        """The employee's year."""
        answer = self.get(f"/learners/{NIP}/jp", year=str(year))
        assert answer.status_code == 200, answer.data
        return answer.get_json()
