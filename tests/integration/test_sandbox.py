"""The sandbox LMS and the hub, two processes that share nothing: the whole path, and each fault on demand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.demo.visitor import Visitor
from wkmbpeers.atsandbox import SandboxAtHub
from wkmbpeers.prepared import standing


def statuses(launch: dict[str, Any]) -> dict[str, str]:
    return {report["kind"]: report["status"] for report in launch["reports"]}


def answered(launch: dict[str, Any], kind: str) -> list[int]:
    """The status codes of the hub's answers for one report."""
    return [one["status"] for report in launch["reports"] if report["kind"] == kind for one in report["exchanges"]]


def test_a_completed_course_becomes_jp(sandbox: SandboxAtHub, visitor: Visitor):
    launch = sandbox.launch(visitor)

    done = sandbox.complete(launch)

    assert set(statuses(done).values()) == {"acknowledged"}, json.dumps(done["reports"], indent=1)
    jp = sandbox.hub.jp_when(lambda found: found["recognized_jp"] > 0)
    assert jp["recognized_jp"] == 4.5
    assert len(standing(jp)) == 1


def test_duplicates_earn_once(sandbox: SandboxAtHub, visitor: Visitor):
    launch = sandbox.launch(visitor)

    done = sandbox.complete(launch, "duplicate")

    assert set(statuses(done).values()) == {"acknowledged"}, json.dumps(done["reports"], indent=1)
    assert set(answered(done, "score")) | set(answered(done, "finished")) == {200}
    jp = sandbox.hub.jp_when(lambda found: found["recognized_jp"] > 0)
    assert (jp["recognized_jp"], len(standing(jp))) == (4.5, 1)


REFUSED = {
    "refused": {"score": 400, "finished": 400},
    "wrong_key": {"score": 401},
    "wrong_user": {"score": 404},
    "wrong_actor": {"finished": 403},
    "wrong_registration": {"finished": 403},
    "garbage": {"score": 400, "finished": 400},
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_fault_is_refused_and_what_is_right_counts_afterwards(sandbox: SandboxAtHub, visitor: Visitor, fault: str):
    launch = sandbox.launch(visitor)

    done = sandbox.complete(launch, fault)

    refused = {kind for kind, status in statuses(done).items() if status == "refused"}
    assert refused == set(REFUSED[fault]), json.dumps(done["reports"], indent=1)
    for kind, status in REFUSED[fault].items():
        # OAuth 2.0 leaves the choice between 400 and 401 for invalid_client (RFC 6749, 5.2); AGS that of 404 or 400.
        assert answered(done, kind)[-1] in {status, 400}
    assert set(statuses(sandbox.again(launch)).values()) == {"acknowledged"}
    jp = sandbox.hub.jp_when(lambda found: found["recognized_jp"] > 0)
    assert (jp["recognized_jp"], len(standing(jp))) == (4.5, 1)


def test_the_fetch_address_gives_its_token_once(sandbox: SandboxAtHub, visitor: Visitor):
    launch = sandbox.launch(visitor)

    done = sandbox.complete(launch, "replayed_fetch")

    fetched = [
        exchange["answer"]
        for report in done["reports"]
        for exchange in report["exchanges"]
        if exchange["url"] == done["claims"]["https://purl.imsglobal.org/spec/lti/claim/custom"]["xapi_fetch"]
    ]
    assert "auth-token" in fetched[0]
    assert len(fetched) >= 2
    assert all("error-code" in answer for answer in fetched[1:])
    assert set(statuses(done).values()) == {"acknowledged"}


def test_late_reports_count_when_they_come(sandbox: SandboxAtHub, visitor: Visitor):
    launch = sandbox.launch(visitor)
    held = sandbox.complete(launch, "late")
    assert statuses(held)["score"] == "held"
    assert sandbox.hub.jp()["recognized_jp"] == 0

    sandbox.again(launch)

    assert sandbox.hub.jp_when(lambda found: found["recognized_jp"] > 0)["recognized_jp"] == 4.5
