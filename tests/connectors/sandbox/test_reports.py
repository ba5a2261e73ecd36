"""What the sandbox reports of a completed course, and what it does when the hub does not take it."""

from __future__ import annotations

from typing import Any

import pytest

SCORE = ("/lineitems/1/scores", 200)


def statuses(launch: dict[str, Any]) -> dict[str, str]:
    return {report["kind"]: report["status"] for report in launch["reports"]}


def test_a_completed_quiz_is_reported_as_a_score_and_as_statements(sandbox, visitor, platform):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))

    page = visitor.post(f"{sandbox.url}/learn/{launch_id}/quiz", data={"q0": "1", "q1": "0", "q2": "2"}, timeout=10)

    assert page.url == f"{sandbox.url}/learn/{launch_id}/report"
    [score] = platform.scores
    assert (score["userId"], score["scoreGiven"], score["scoreMaximum"]) == ("learner-1", 100.0, 100)
    assert (score["activityProgress"], score["gradingProgress"]) == ("Completed", "FullyGraded")
    verbs = [one["verb"]["id"].rsplit("/", 1)[1] for one in platform.statements]
    assert verbs == ["initialized", "completed", "passed", "terminated"]
    assert platform.statements[2]["result"]["score"] == {"scaled": 1.0, "raw": 100.0, "min": 0, "max": 100}
    assert platform.statements[3]["result"]["duration"] == "PT135M"
    assert platform.fetched == 1


def test_a_poor_quiz_is_completed_but_failed(sandbox, visitor, platform):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))

    visitor.post(f"{sandbox.url}/learn/{launch_id}/quiz", data={"q0": "1", "q1": "2"}, timeout=10)

    assert platform.scores[0]["scoreGiven"] == 33.33
    failed = platform.statements[2]
    assert failed["verb"]["id"] == "http://adlnet.gov/expapi/verbs/failed"
    assert failed["result"]["success"] is False


def test_a_course_is_completed_once_however_often_the_form_is_sent(sandbox, visitor, platform):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))

    for _ in range(2):
        visitor.post(f"{sandbox.url}/learn/{launch_id}/complete", data={"score": "80"}, timeout=10)

    assert len(platform.scores) == 1
    assert len(platform.statements) == 4


def test_a_machine_completes_a_launch_and_reads_what_the_hub_answered(sandbox, visitor, platform):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))

    done = sandbox.post(f"/api/launches/{launch_id}/complete", score=85, minutes=90)

    assert statuses(done) == {"initialized": "acknowledged", "score": "acknowledged", "finished": "acknowledged"}
    assert (done["score"], done["minutes"]) == (85, 90)
    assert platform.statements[-1]["result"]["duration"] == "PT90M"
    token, score = done["reports"][1]["exchanges"]
    assert (token["url"], token["status"]) == (f"{platform.url}/token", 200)
    assert "bearer-1" not in token["answer"]
    assert "client_assertion (claims)" in token["request"]
    assert (score["url"], score["status"]) == (f"{platform.url}/lineitems/1/scores?type=1", 200)
    assert "secret" not in str(done)


def test_a_launch_without_services_owes_nothing(sandbox, visitor, platform):
    platform.overrides = {
        "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint": None,
        "https://purl.imsglobal.org/spec/lti/claim/custom": None,
    }
    page = sandbox.launch(visitor)

    done = sandbox.post(f"/api/launches/{sandbox.launch_id(page)}/complete")

    assert "Kursus dari portal" in page.text
    assert done["reports"] == []


def test_the_xapi_claim_is_read_where_there_are_no_custom_parameters(sandbox, visitor, platform):
    platform.overrides = {
        "https://purl.imsglobal.org/spec/lti/claim/custom": None,
        f"{platform.url}/claim/xapi": {
            "xapi_endpoint": f"{platform.url}/xapi",
            "xapi_actor": platform.actor,
            "xapi_registration": platform.registration,
            "xapi_activity_id": platform.activity,
            "xapi_fetch": f"{platform.url}/fetch",
        },
    }
    launch_id = sandbox.launch_id(sandbox.launch(visitor))

    sandbox.post(f"/api/launches/{launch_id}/complete")

    assert len(platform.statements) == 4


def test_a_hub_that_is_down_gets_the_reports_when_it_is_back(sandbox, visitor, platform):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))
    platform.is_down = True
    done = sandbox.post(f"/api/launches/{launch_id}/complete")
    assert set(statuses(done).values()) == {"waiting"}

    platform.is_down = False
    sandbox.courier.deliver_due()
    assert platform.scores == []  # not yet due: a pause follows each failure

    sandbox.now[0] += 10
    sandbox.courier.deliver_due()
    done = sandbox.get(f"/api/launches/{launch_id}")
    assert set(statuses(done).values()) == {"acknowledged"}
    assert len(platform.statements) == 4


FAULTS = {
    "refused": {"score": "refused", "finished": "refused"},
    "wrong_key": {"score": "refused", "finished": "acknowledged"},
    "wrong_user": {"score": "refused", "finished": "acknowledged"},
    "wrong_actor": {"score": "acknowledged", "finished": "refused"},
    "wrong_registration": {"score": "acknowledged", "finished": "refused"},
    "garbage": {"score": "refused", "finished": "refused"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_and_mended_by_sending_again_without_it(sandbox, visitor, platform, fault):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))
    sandbox.courier.deliver_due()

    done = sandbox.post(f"/api/launches/{launch_id}/complete", faults=[fault])
    assert statuses(done) == {"initialized": "acknowledged"} | FAULTS[fault]

    again = sandbox.post(f"/api/launches/{launch_id}/retry")
    assert statuses(again) == statuses(done)

    mended = sandbox.post(f"/api/launches/{launch_id}/retry", clean=True)
    assert set(statuses(mended).values()) == {"acknowledged"}
    assert (len(platform.scores), len(platform.statements)) == (1, 4)


def test_late_reports_wait_until_they_are_released(sandbox, visitor, platform):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))

    done = sandbox.post(f"/api/launches/{launch_id}/complete", faults=["late"])
    assert statuses(done)["score"] == "held"
    sandbox.now[0] += 10_000
    sandbox.courier.deliver_due()
    assert platform.scores == []

    released = sandbox.post(f"/api/launches/{launch_id}/retry")
    assert set(statuses(released).values()) == {"acknowledged"}


def test_late_reports_may_wait_for_some_seconds(sandbox, visitor, platform):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))

    sandbox.post(f"/api/launches/{launch_id}/complete", faults=["late:30"])
    sandbox.courier.deliver_due()
    assert platform.scores == []

    sandbox.now[0] += 31
    sandbox.courier.deliver_due()
    assert len(platform.scores) == 1


def test_duplicates_are_sent_with_the_same_ids_and_with_others(sandbox, visitor, platform):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))

    sandbox.post(f"/api/launches/{launch_id}/complete", faults=["duplicate"])

    assert platform.scores[0] == platform.scores[1]
    assert platform.posts.count(("/xapi/statements", 200)) == 4
    assert len(platform.statements) == 7


def test_a_replayed_fetch_shows_the_hubs_refusal_and_harms_nothing(sandbox, visitor, platform):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))

    done = sandbox.post(f"/api/launches/{launch_id}/complete", faults=["replayed_fetch"])

    assert set(statuses(done).values()) == {"acknowledged"}
    assert platform.fetched == 2
    assert "already used" in str(done)


def test_faults_for_everybody_are_set_by_json(sandbox, visitor, platform):
    assert sandbox.post("/faults", faults=["wrong_key"])["faults"] == ["wrong_key"]

    launch_id = sandbox.launch_id(sandbox.launch(visitor))
    done = sandbox.post(f"/api/launches/{launch_id}/complete")
    assert statuses(done)["score"] == "refused"

    sandbox.post("/faults", faults=[])
    assert set(statuses(sandbox.post(f"/api/launches/{launch_id}/retry", clean=True)).values()) == {"acknowledged"}


@pytest.mark.parametrize("where", ["query", "cookie"])
def test_faults_of_one_browser_come_from_its_query_or_cookie(sandbox, visitor, platform, where):
    launch_id = sandbox.launch_id(sandbox.launch(visitor))
    query = {"fault": "garbage"} if where == "query" else {}
    if where == "cookie":
        visitor.cookies.set("sandbox_faults", "garbage", domain="127.0.0.1")

    visitor.post(f"{sandbox.url}/learn/{launch_id}/complete", params=query, timeout=10)

    assert statuses(sandbox.get(f"/api/launches/{launch_id}"))["score"] == "refused"
