"""The main job, done as an employee and an auditor do it: through pages, forms and the API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from hub.demo import seed
from hub.demo.visitor import Lost, Visitor

#: The promise is two seconds; a machine that is busy with something else gets more before we give up.
SECONDS = 60


@dataclass(frozen=True)
class MainJob:
    """One employee, one course, one auditor, against a hub that runs at ``url``."""

    url: str
    reader_secret: str
    say: Callable[[str], None]

    def run(self) -> str:
        """Do it all; gives the recognized JP as people write it: ``4,5``. Raises `Lost` where something is not so."""
        launch = self._launch()
        began = self._complete(launch)
        year = self._recognized()
        self.say(f"   {time.monotonic() - began:.1f} s after the report: {_number(year['recognized_jp'])} JP")
        # A score may be recognized before the statements of the same completion come: then it was taken back.
        taken_back = {each["reverses"] for each in year["entries"]}
        [entry] = [each for each in year["entries"] if each["jp"] > 0 and each["id"] not in taken_back]
        self._explain(entry)
        return _number(entry["jp"])

    def _launch(self) -> requests.Response:
        employee = Visitor()
        self.say("1. An employee signs in and looks through the catalogue")
        self._sign_in(employee, "peserta")
        catalogue = self._expect(employee.get(f"{self.url}/courses"), "the catalogue")
        self.say(f"2. She opens “{seed.LAUNCHED}”, a course of another institution, and starts it")
        course = self._expect(employee.open(catalogue, seed.LAUNCHED, "/courses/"), "the course")
        learning = employee.follow(employee.submit(course, "/launch"))
        if "/learn/" not in learning.url:
            raise Lost(f"The launch ended at {learning.url} ({learning.status_code}):\n{learning.text[:2000]}")
        self.say(f"   LTI 1.3: login, authentication, signed id_token; she is inside {_place(learning.url)}")
        return learning

    def _complete(self, learning: requests.Response) -> float:
        self.say("3. She completes it; the LMS reports a score over AGS and statements over xAPI")
        parts = urlsplit(learning.url)
        number = parts.path.rpartition("/")[2]
        done = requests.post(
            f"{parts.scheme}://{parts.netloc}/api/launches/{number}/complete",
            json={"score": 85, "minutes": 135},
            timeout=SECONDS,
        )
        reports = self._expect(done, "the sandbox's answer").json()["reports"]
        refused = [report for report in reports if report["status"] != "acknowledged"]
        if refused:
            raise Lost(f"The hub did not take every report: {refused}")
        self.say(f"   {len(reports)} reports, each acknowledged")
        return time.monotonic()

    def _recognized(self) -> dict[str, Any]:
        self.say("4. The hub recognizes her hours")
        year: dict[str, Any]
        for year in self._ask(f"/api/v1/learners/{seed.NIP}/jp"):
            if year["recognized_jp"] > 0:
                return year
        raise Lost(f"No JP was recognized within {SECONDS} s")

    def _explain(self, entry: dict[str, Any]) -> None:
        self.say("5. An auditor asks why, and walks down to what it rests on")
        auditor = Visitor()
        self._sign_in(auditor, "auditor")
        self._expect(auditor.get(f"{self.url}/audit/entries/{entry['id']}"), "the auditor's page of the entry")
        explained = next(self._ask(f"/api/v1/entries/{entry['id']}"))
        for check in explained["checks"]:
            self.say(f"   {check['code']}: {check['outcome']} ({check['value']})")
        self.say(f"   policy {explained['policy']['name']}, digest {explained['policy']['digest'][:12]}…")
        for evidence in explained["evidence"]:
            statement = evidence["statement"]
            self.say(f"   statement {statement['id']}: {_last(statement['verb']['id'])}, {evidence['origin']['kind']}")
            page = auditor.get(f"{self.url}/audit/statements/{statement['id']}")
            self._expect(page, "the auditor's page of the statement")

    def _sign_in(self, visitor: Visitor, username: str) -> None:
        page = visitor.get(f"{self.url}/login")
        page = visitor.submit(page, "/login", username=username, password=seed.PASSWORD)
        if urlsplit(page.url).path == "/login":
            raise Lost(f"{username} cannot sign in:\n{page.text[:2000]}")

    def _ask(self, path: str) -> Iterator[Any]:
        """What the API answers, again and again until the time is over."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            answer = requests.get(f"{self.url}{path}", auth=(seed.READER_KEY, self.reader_secret), timeout=SECONDS)
            yield self._expect(answer, path).json()
            time.sleep(0.05)

    @staticmethod
    def _expect(answer: requests.Response, what: str) -> requests.Response:
        if answer.status_code != 200:
            raise Lost(f"{what}: {answer.status_code} {answer.url}\n{answer.text[:2000]}")
        return answer


def _number(jp: float) -> str:
    """4.5 as Indonesians write it."""
    return f"{jp:g}".replace(".", ",")


def _place(url: str) -> str:
    return urlsplit(url).netloc


def _last(iri: str) -> str:
    return iri.rpartition("/")[2]
