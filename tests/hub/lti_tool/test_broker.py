"""The hub between two LMSs: B launches a course of A through the hub, and A's score stands in B's gradebook, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
import sqlalchemy as sa
from joserfc.jwk import RSAKey
from pytest_httpserver import HTTPServer
from werkzeug.test import TestResponse
from werkzeug.wrappers import Request, Response

from gradebooktest import Gradebook
from hub.jp import recognition
from hub.learning import catalogue
from hub.lti import lineitems, scores
from hub.lti.contexts import Context
from hub.lti.scores import Decision
from hub.lti_tool import gradebooks, platforms
from hub.lti_tool.gradebook_tables import gradebook_queue
from hub.lti_tool.gradebooks import FAILED, SENT, WAITING, WAITS, Cell
from hub.lti_tool.passback import REST, Passback
from hub.people import identity
from hub.systems import credentials, registry
from hub.systems.registry import NewTool
from lrs.agents import Identifier
from mappings.course import Course
from platformtest import BASE, ISSUER, MEMBERSHIP, Lms, Person

SECRET = "rahasia-yang-panjang"
VERBS = "http://adlnet.gov/expapi/verbs/"


@dataclass
class Broker:
    """The hub with a course of A, and B's link to it. ``person`` is B's user 42."""

    lms: Lms
    gradebook: Gradebook
    person: Person
    course: int
    passback: Passback

    def launch(self, *, coupled: bool = True, **changed: Any) -> TestResponse:
        said = {"custom": {"hub_course": str(self.course)}, **self.gradebook.claims(coupled=coupled)}
        return self.lms.launch(**said | changed)

    def score(self, given: float | None = 85, *, progress: str = "FullyGraded") -> Decision:
        """A grades her: a moment after whatever was before."""
        hub = self.lms.hub
        self.lms.clock.advance(milliseconds=5)
        with hub.db.read() as conn:
            tool = registry.named_tool(conn, "lan")
            [deployment] = registry.deployments_of(conn, tool.id)
            course = hub.courses.current(conn).by_id[self.course].course
        context = Context(deployment.id, self.course)
        with hub.db.write() as conn:
            lineitems.ensure_coupled(conn, hub, context, tool.id, course)
            item = lineitems.find(conn, context, lineitems.coupled_id(hub, context))
        assert item is not None
        said = {
            "userId": str(self.person.id),
            "timestamp": self.lms.clock.now.isoformat(),
            "activityProgress": "Completed",
            "gradingProgress": progress,
            "scoreGiven": given,
            "scoreMaximum": 100,
        }
        return scores.accept(hub, tool, course, item, scores.parse_score(said), json.dumps(said).encode())

    def report(self, verb: str, *, key: str = "lan", **members: Any) -> str:
        """The provider sends a statement about her in the course, with its own credential; gives its id."""
        self.lms.clock.advance(milliseconds=5)
        course = {"id": "https://lan.example/course/1"}
        said = {
            "id": str(uuid4()),
            "actor": {"account": {"homePage": BASE, "name": str(self.person.id)}},
            "verb": {"id": VERBS + verb},
            "object": course,
            "timestamp": self.lms.clock.now.isoformat(),
        } | members
        headers = {"X-Experience-API-Version": "1.0.3"}
        answer = self.lms.client.post("/xapi/statements", json=said, headers=headers, auth=(key, SECRET))
        assert answer.status_code == 200, answer.text
        return str(said["id"])

    def work(self) -> int:
        """What the worker does: recompute who was woken, then send what is due."""
        while recognition.drain(self.lms.hub):
            pass
        return self.send()

    def send(self) -> int:
        """What the worker does when something is due."""
        return sum(self.passback.run(bucket) for bucket in self.passback.due())

    def wait(self, attempt: int) -> None:
        self.lms.clock.advance(seconds=WAITS[attempt].total_seconds())

    def fail(self, *replies: Callable[[Request], Response]) -> None:
        """The next answers to a score."""
        self.gradebook.faults["/services/3/lineitems/7/lineitem/scores"] = list(replies)

    @property
    def cell(self) -> Cell:
        with self.lms.hub.db.read() as conn:
            [found] = gradebooks.of_learner(conn, self.person.id, self.course)
        return found

    @property
    def queued(self) -> int:
        with self.lms.hub.db.read() as conn:
            return len(conn.execute(sa.select(gradebook_queue.c.id)).all())


@pytest.fixture
def broker(lms: Lms, people: tuple[Person, Person], keys: list[RSAKey], httpserver: HTTPServer) -> Broker:
    hub = lms.hub
    new = NewTool(
        "lan",
        login_url="https://lan.example/login.php?id=7",
        redirect_uris=("https://lan.example/launch",),
        target_link_uri="https://lan.example/launch",
        public_key=keys[2].as_pem(private=False).decode(),
    )
    course = Course(
        id="https://lan.example/course/1",
        provider="lan",
        title_id="Pelayanan Publik",
        title_en="Public Service",
        form="NKL04",
        scope="national",
        programme_centi_jp=450,
        requires=("completed", "passed"),
        launch_url="https://lan.example/launch",
    )
    with hub.db.write() as conn:
        tool = registry.add_tool(conn, hub, new, by="test")
        registry.add_connector(conn, hub, "else", "xapi-push", by="test")
        for key, owner in (("lan", registry.get_connector(conn, tool.connector).name), ("else", "else")):
            credentials.add(conn, hub, key, by="test", key=key, secret=SECRET, connector=owner)
        catalogue.import_courses(conn, hub, [course], by="test")
        who = Identifier("account", ISSUER, "42")
        identity.link(conn, who, people[0].id, by="import", now=lms.clock(), new_id=hub.new_id)
    with hub.db.read() as conn:
        number = hub.courses.current(conn).by_iri[course.id].id
    gradebook = Gradebook(httpserver, lambda: lms.client.get("/lti/tool/jwks", base_url=BASE).json)  # type: ignore[arg-type, return-value]
    return Broker(lms, gradebook, people[0], number, Passback(hub))


def status(code: int, **headers: str) -> Callable[[Request], Response]:
    return lambda _: Response("", code, headers=headers)


def test_a_launch_goes_on_to_the_provider_and_its_score_comes_back_to_both(broker: Broker):
    answer = broker.launch()

    assert answer.status_code == 303
    address = urlsplit(answer.headers["Location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == "https://lan.example/login.php"
    told = dict(parse_qsl(address.query))
    assert (told["iss"], told["login_hint"]) == (BASE, str(broker.person.id))
    assert broker.send() == 0, "there is no score yet"

    assert broker.score(85) is Decision.STORE
    assert broker.cell.state == WAITING
    assert broker.send() == 1

    assert broker.gradebook.grades == {"42": 85}
    cell = broker.cell
    assert (cell.state, cell.error, cell.sent, cell.sent_at) == (SENT, None, cell.wanted, broker.lms.clock.now)
    assert broker.queued == 0


def test_the_course_opens_in_the_session_that_the_launch_began(broker: Broker, keys: list[RSAKey]):
    told = dict(parse_qsl(urlsplit(broker.launch().headers["Location"]).query))
    request = {
        "client_id": told["client_id"],
        "redirect_uri": "https://lan.example/launch",
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "nonce": "n",
        "state": "s",
        "login_hint": told["login_hint"],
        "lti_message_hint": told["lti_message_hint"],
    }

    page = broker.lms.client.get("/lti/platform/auth", query_string=request, base_url=BASE)

    assert 'name="id_token"' in page.text


def test_what_cannot_be_opened_leads_to_its_page_with_the_reason(broker: Broker):
    hub = broker.lms.hub
    with hub.db.write() as conn:
        tool = registry.named_tool(conn, "lan")
        registry.set_tool_disabled(conn, hub, tool, disabled=True, by="test")

    answer = broker.launch()

    assert answer.headers["Location"] == f"/courses/{broker.course}"
    page = broker.lms.client.get(answer.headers["Location"], base_url=BASE)
    assert "sedang dinonaktifkan" in page.text


def test_a_score_of_before_the_launch_goes_at_once(broker: Broker):
    broker.launch(ags=None)
    broker.score(70)
    assert broker.send() == 0

    broker.launch()

    assert broker.send() == 1
    assert broker.gradebook.grades == {"42": 70}
    broker.launch()
    assert broker.send() == 0, "launching again sends nothing again"


def test_what_is_not_final_is_not_passed_on_and_what_is_taken_back_is(broker: Broker):
    broker.launch()
    broker.score(85)
    broker.send()

    broker.score(90, progress="PendingManual")
    assert broker.send() == 0
    assert broker.gradebook.grades == {"42": 85}, "a Moodle would have erased it"

    broker.score(None)
    assert broker.send() == 1
    assert broker.gradebook.grades == {}


def test_scores_for_one_cell_are_later_each_time(broker: Broker):
    broker.launch()
    for given in (60, 0, 85):
        broker.score(given)
        assert broker.send() == 1

    said = [each["timestamp"] for each in broker.gradebook.scores]
    assert said == sorted(said)
    assert len({each[:19] for each in said}) == 3, "a Moodle compares whole seconds"
    assert broker.gradebook.grades == {"42": 85}


# Providers that report by xAPI alone -------------------------------------------------------------------------------


def scored(scaled: float) -> tuple[str, dict[str, Any]]:
    return "scored", {"result": {"score": {"scaled": scaled}}}


@pytest.mark.parametrize(
    ("reports", "grades"),
    [
        pytest.param([("passed", {"result": {"score": {"raw": 17, "min": 0, "max": 20}}})], {"42": 85}, id="raw"),
        pytest.param([scored(0.7), scored(0.9), scored(0.4)], {"42": 90}, id="the best stands, as proofs do"),
        pytest.param([scored(-0.5)], {"42": 0}, id="below nothing is nothing"),
        pytest.param([("completed", {}), ("passed", {})], {"42": 100}, id="all that is required, without a score"),
        pytest.param([("completed", {})], {}, id="completed, not yet passed"),
        pytest.param([("failed", {})], {}, id="failed, without a score"),
        pytest.param([("passed", {"key": "else", "result": {"score": {"scaled": 1}}})], {}, id="no source of hers"),
    ],
)
def test_what_a_provider_reports_by_xapi_alone_stands_in_the_gradebook(
    broker: Broker, reports: list[tuple[str, dict[str, Any]]], grades: dict[str, float]
):
    broker.launch()
    for verb, members in reports:
        broker.report(verb, **members)

    assert broker.work() == len(grades)

    assert broker.gradebook.grades == grades
    assert broker.work() == 0, "nothing has changed"


def test_a_report_of_before_the_launch_goes_with_the_launch(broker: Broker):
    broker.report("passed", result={"score": {"scaled": 0.8}})
    assert broker.work() == 0

    broker.launch()

    assert broker.work() == 1
    assert broker.gradebook.grades == {"42": 80}


def test_a_report_that_is_voided_is_taken_back_there_too(broker: Broker):
    broker.launch()
    statement = broker.report("passed", result={"score": {"scaled": 0.8}})
    broker.work()

    broker.report("voided", object={"objectType": "StatementRef", "id": statement})

    assert broker.work() == 1
    assert broker.gradebook.grades == {}


def test_a_score_by_ags_stands_whatever_the_statements_say(broker: Broker):
    broker.launch()
    broker.report("passed", result={"score": {"scaled": 0.8}})
    broker.work()

    broker.score(85)
    assert broker.work() == 1
    broker.report("passed", result={"score": {"scaled": 0.95}})
    assert broker.work() == 0
    assert broker.gradebook.grades == {"42": 85}

    broker.score(None)
    assert broker.work() == 1
    assert broker.gradebook.grades == {}


def test_an_lms_that_is_down_gets_it_later(broker: Broker):
    broker.launch()
    broker.score(85)
    broker.fail(status(503), status(500))

    assert broker.send() == 0
    cell = broker.cell
    assert (cell.state, cell.error_code, cell.sent) == (WAITING, "unavailable", None)
    assert "503" in (cell.error or "")
    assert broker.send() == 0, "not before its time"
    broker.wait(0)
    assert broker.send() == 0
    broker.wait(1)
    assert broker.send() == 1

    assert broker.gradebook.grades == {"42": 85}
    assert broker.cell.error is None


def test_patience_ends_and_an_administrator_may_ask_again(broker: Broker):
    broker.launch()
    broker.score(60)
    broker.send()
    broker.score(85)
    tries = len(WAITS) + 1
    broker.fail(*[status(500)] * tries)
    for attempt in range(tries):
        broker.send()
        broker.wait(min(attempt, len(WAITS) - 1))

    cell = broker.cell
    assert (cell.state, broker.queued) == (FAILED, 0)
    assert cell.sent is not None
    assert cell.sent.given == 60, "the last good state is known"

    hub = broker.lms.hub
    hub.db.run(lambda conn: gradebooks.retry(conn, hub, cell))
    assert broker.send() == 1
    assert broker.gradebook.grades == {"42": 85}


@pytest.mark.parametrize("code", [400, 404, 422])
def test_what_an_lms_refuses_for_good_is_not_tried_again(broker: Broker, code: int):
    broker.launch()
    broker.score(85)
    broker.fail(status(code))

    broker.send()

    assert (broker.cell.state, broker.queued) == (FAILED, 0)
    assert str(code) in (broker.cell.error or "")
    broker.score(90)
    assert broker.send() == 1, "another score is another matter"


def test_a_conflict_is_solved_by_a_later_time(broker: Broker):
    broker.launch()
    broker.score(85)
    broker.fail(status(409))
    broker.send()
    broker.wait(0)

    assert broker.send() == 1
    assert broker.gradebook.grades == {"42": 85}


def test_an_lms_is_waited_for_as_it_asks(broker: Broker):
    broker.launch()
    broker.score(85)
    broker.fail(*[status(503, **{"Retry-After": "600"})] * 3)
    broker.send()

    broker.lms.clock.advance(seconds=599)
    assert broker.passback.due() == ()
    broker.lms.clock.advance(seconds=1)
    assert broker.send() in (0, 1)


def test_keys_that_rotate_and_tokens_that_end_lose_nothing(broker: Broker):
    broker.launch()
    broker.score(85)
    broker.gradebook.faults["/token"] = [status(401)]
    broker.send()
    assert (broker.cell.state, broker.cell.error_code) == (WAITING, "credential_refused")

    broker.wait(0)

    assert broker.send() == 1


def test_a_score_that_comes_while_one_is_sent_is_sent_after_it(broker: Broker):
    broker.launch()
    broker.score(60)
    gradebook = broker.gradebook

    def meanwhile(request: Request) -> Response:
        broker.score(85)
        return gradebook._score(request)

    broker.fail(meanwhile)
    assert broker.send() == 1
    assert (gradebook.grades, broker.cell.state, broker.queued) == ({"42": 60}, WAITING, 1)

    assert broker.send() == 1

    assert (gradebook.grades, broker.cell.state) == ({"42": 85}, SENT)


def test_a_worker_that_dies_leaves_it_to_another_one(broker: Broker):
    broker.launch()
    broker.score(85)
    hub = broker.lms.hub
    [bucket] = broker.passback.due()
    [claimed] = hub.db.run(lambda conn: gradebooks.claim(conn, bucket, hub.clock()))
    assert claimed.attempts == 0
    assert broker.send() == 0

    broker.lms.clock.advance(seconds=gradebooks.LEASE.total_seconds())

    assert broker.send() == 1


def test_an_lms_that_does_not_answer_holds_nobody_up_for_long(broker: Broker, people: tuple[Person, Person]):
    """Two of its people are in one part of the queue: the second one is not even tried, which costs her nothing."""
    hub = broker.lms.hub
    place = gradebooks.Place(1, "1", "7", "42", "http://127.0.0.1:1/li", None)
    wanted = gradebooks.Wanted(None, None)
    with hub.db.write() as conn:
        for number in range(40):
            gradebooks.note(conn, hub, people[0].id, 1000 + number, place, None)
            gradebooks.offer(conn, people[0].id, 1000 + number, wanted, now=hub.clock(), new_id=hub.new_id)
    broker.gradebook.faults["/token"] = [status(503)] * 40
    buckets = broker.passback.due()

    assert broker.send() == 0

    assert len(broker.gradebook.calls) == len(buckets) < 40
    broker.lms.clock.advance(seconds=REST.total_seconds())
    assert broker.passback.due() == buckets


def test_a_link_without_a_line_item_gets_one_made(broker: Broker):
    for given in (60, 85):
        broker.launch(coupled=False)
        broker.score(given)
        assert broker.send() == 1

    made = {number: each for number, each in broker.gradebook.columns.items() if number != 7}
    assert list(made.values()) == [
        {"label": "WKMB", "scoreMaximum": 100, "resourceId": f"hub-course-{broker.course}", "resourceLinkId": "7"}
    ]
    assert broker.cell.lineitem == broker.gradebook._url(8)


@pytest.mark.parametrize(
    "changed",
    [{"roles": [MEMBERSHIP + "Instructor"]}, {"ags": None}, {"ags": {"scope": [], "lineitem": "https://lms.example"}}],
)
def test_who_gets_no_grade_there_has_no_cell(broker: Broker, changed: dict[str, Any]):
    broker.launch(**changed)

    with broker.lms.hub.db.read() as conn:
        assert gradebooks.of_learner(conn, broker.person.id, broker.course) == ()


def test_a_platform_that_is_switched_off_is_not_called(broker: Broker):
    broker.launch()
    broker.score(85)
    hub = broker.lms.hub
    with hub.db.write() as conn:
        platforms.set_disabled(conn, hub, platforms.named(conn, "lms"), disabled=True, by="test")

    broker.send()

    assert (broker.cell.state, broker.cell.error_code) == (FAILED, "platform_disabled")
    assert broker.gradebook.calls == []
