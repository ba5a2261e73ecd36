"""What a real Moodle sends, posted as it posts it: an array without ids, Basic, version 1.0.3 (recorded on the wire).

The completion of a catalogued course earns its JP once; quiz attempts, page views and module completions, which say
"completed" too, earn nothing and say why; a void takes the JP back by an entry that reverses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from wkmbpeers.prepared import PreparedHub
from wkmbtest.processes import HubProcess

RECORDED = Path(__file__).parents[1] / "cases" / "moodle"
MOODLE = "http://127.0.0.1:8081"
WRITER = ("moodle-penulis", "rahasia-moodle-0123456789")
COURSE = "https://katalog.contoh.example/peer-101"
MARKER = "https://katalog.contoh.example/penanda"
COMPLETION = "core.course_completed__completed__course"
#: Also "completed", or about the same course, and worth nothing: why.
WORTHLESS = {
    "mod_quiz.attempt_submitted__completed__attempt": "child_activity",
    "core.course_module_completion_updated__completed__page": "child_activity",
    "core.course_module_completion_updated__completed__assessment": "child_activity",
    "mod_page.course_module_viewed__viewed__page": "child_activity",
    "core.course_viewed__viewed__course": "no_proof",
}


@dataclass(frozen=True)
class MoodleAtHub:
    """A hub that knows a Moodle, a course of it by its idnumber, and a student by a file."""

    hub: PreparedHub
    student: str

    def recorded(self, name: str) -> dict[str, Any]:
        """A statement of the recording, by the student."""
        statement = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
        assert isinstance(statement, dict)
        # The recording has two students; here all is by one, who has another account in each test.
        statement["actor"]["account"]["name"] = self.student
        return statement

    def link(self, account: str) -> None:
        """The account is the student's."""
        self.hub.import_file("identity", {"homepage_or_issuer": MOODLE, "name": account, "nip": self.hub.nip})

    def post(self, *statements: dict[str, Any]) -> list[str]:
        """Post as logstore_xapi does; gives the ids."""
        answer = requests.post(
            f"{self.hub.url}/xapi/statements",
            data=json.dumps(list(statements)),
            headers={"Accept": "*/*", "X-Experience-API-Version": "1.0.3", "Content-Type": "application/json"},
            auth=WRITER,
            timeout=30,
        )
        # Anything but exactly 200 is a failure to Moodle.
        assert answer.status_code == 200, answer.text
        ids = answer.json()
        assert isinstance(ids, list)
        return ids

    def entries(self) -> list[dict[str, Any]]:
        """The student's entries of the recorded course, once everything that was posted before has been looked at.

        A learner is recomputed whole: when the JP of a further course is there, all that came before was seen.
        """
        statement = self.recorded(COMPLETION)
        statement["object"] = {"id": MARKER, "definition": {"type": "http://adlnet.gov/expapi/activities/course"}}
        self.post(statement)
        year = self.hub.jp_when(lambda found: MARKER in {each["course"] for each in found["entries"]}, year=2026)
        return [entry for entry in year["entries"] if entry["course"] == COURSE]

    def why(self, statement: str) -> str:
        """What the auditor's command says of a statement."""
        return self.hub.process.wkmb("audit", "explain", statement).stdout


@pytest.fixture(scope="module")
def hub(running_hub: HubProcess) -> PreparedHub:
    hub = PreparedHub(running_hub)
    hub.add_learner()
    hub.type("connector", "add", "moodle", "--kind", "xapi-push", "--vocabulary", "moodle")
    hub.type("credential", "add", "moodle", "--key", WRITER[0], "--secret", WRITER[1], "--connector", "moodle")
    for course, alias in ((COURSE, "course-PEER101"), (MARKER, "")):
        row = {"id": course, "aliases": alias, "provider": "moodle", "title_id": "Kursus", "title_en": "Course"}
        row |= {"form": "NKL04", "scope": "national", "programme_jp": "4.5", "requires": "completed"}
        hub.import_file("course", row)
    return hub


@pytest.fixture
def moodle(hub: PreparedHub, number: int) -> MoodleAtHub:
    """With a student who has done nothing yet."""
    made = MoodleAtHub(hub.with_another_learner(number), str(number))
    made.link(made.student)
    return made


def test_the_completion_of_a_course_earns_its_jp_once(moodle: MoodleAtHub) -> None:
    [first] = moodle.post(moodle.recorded(COMPLETION))
    year = moodle.hub.jp_when(lambda found: found["recognized_jp"] > 0, year=2026)
    # An answer that got lost is a second statement: Moodle sends no ids.
    [second] = moodle.post(moodle.recorded(COMPLETION))

    [entry] = moodle.entries()

    assert first != second
    assert year["recognized_jp"] == entry["jp"] == 4.5
    assert (entry["form"], entry["evidence"]) == ("NKL04", [first])
    # 18:48 in UTC is the next morning in Jakarta.
    assert entry["on"] == "2026-11-24"
    assert first in moodle.why(entry["id"])


def test_what_else_says_completed_earns_nothing_and_says_why(moodle: MoodleAtHub) -> None:
    ids = dict(zip(WORTHLESS, moodle.post(*map(moodle.recorded, WORTHLESS)), strict=True))

    assert moodle.entries() == []

    for name, reason in WORTHLESS.items():
        told = moodle.hub.ask(f"/statements/{ids[name]}")
        assert (told["outcome"], told["reason"]["code"]) == ("not_counted", reason), name
    explained = moodle.why(ids["mod_quiz.attempt_submitted__completed__attempt"])
    assert "child_activity" in explained
    assert COURSE in explained


def test_a_void_takes_the_jp_back_by_a_reversal(moodle: MoodleAtHub) -> None:
    [completion] = moodle.post(moodle.recorded(COMPLETION))
    moodle.hub.jp_when(lambda found: found["recognized_jp"] > 0, year=2026)

    void = {
        "actor": moodle.recorded(COMPLETION)["actor"],
        "verb": {"id": "http://adlnet.gov/expapi/verbs/voided", "display": {"en": "voided"}},
        "object": {"objectType": "StatementRef", "id": completion},
    }
    moodle.post(void)

    year = moodle.hub.jp_when(lambda found: found["recognized_jp"] == 0, year=2026)
    entry, reversal = year["entries"]
    assert (entry["jp"], reversal["jp"]) == (4.5, -4.5)
    assert reversal["reverses"] == entry["id"]
    told = moodle.hub.ask(f"/statements/{completion}")
    assert (told["outcome"], told["reason"]["code"]) == ("not_counted", "voided")
    assert told["entries"] == [entry["id"], reversal["id"]]


def test_an_account_that_is_linked_later_earns_from_the_first_day(moodle: MoodleAtHub) -> None:
    other = f"{moodle.student}-5"
    statement = moodle.recorded(COMPLETION)
    statement["actor"]["account"]["name"] = other
    [completion] = moodle.post(statement)
    unresolved = moodle.hub.process.wkmb("identity", "list", "--unresolved", "--json").stdout
    moodle.link(other)

    [entry] = moodle.hub.jp_when(lambda found: found["recognized_jp"] > 0, year=2026)["entries"]

    assert f'"{other}"' in unresolved
    assert entry["evidence"] == [completion]
