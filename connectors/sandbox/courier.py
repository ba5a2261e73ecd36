"""Brings reports to the hub: AGS scores and xAPI statements, again until the hub has answered.

No answer, or an answer that says "later", leaves a report waiting; an answer that says no settles it as refused,
and a person may send it again.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests
from pylti1p3.assignments_grades import AssignmentsGradesService
from pylti1p3.exception import LtiException, LtiServiceException
from pylti1p3.lineitem import LineItem
from pylti1p3.service_connector import ServiceConnector

from .errors import SandboxError
from .faults import names
from .keys import Key, new_key
from .lti import AGS_CLAIM, CLAIM, platform_of, registration_of
from .platforms import Platforms
from .statements import Handover, handover
from .store import Launch, Report, Store
from .wire import Wire

SCORE_SCOPE: Final = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
SCORE_TYPE: Final = "application/vnd.ims.lis.v1.score+json"
XAPI_VERSION: Final = "1.0.3"
LONGEST_PAUSE: Final = 300.0


@dataclass(frozen=True, slots=True)
class _Result:
    status: str
    explanation: str


class Courier:
    """Delivers what launches owe. One thread at a time works on a launch: its fetch URL answers only once."""

    def __init__(
        self,
        store: Store,
        platforms: Platforms,
        key: Key,
        *,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._platforms = platforms
        self._key = key
        self._clock = clock
        self._new_id = new_id
        self._locks = [threading.Lock() for _ in range(16)]
        self._wake = threading.Event()
        self._stopped = threading.Event()

    # When

    def run(self) -> None:
        """Deliver what is due until `stop` is called."""
        self._store.wake_waiting(self._clock())
        while not self._stopped.is_set():
            try:
                self.deliver_due()
            except sqlite3.Error as error:
                print(f"sandbox: reports wait, the database did not answer: {error}", file=sys.stderr)
            self._wake.wait(1.0)
            self._wake.clear()

    def wake(self) -> None:
        """Look for reports now rather than within a second."""
        self._wake.set()

    def stop(self) -> None:
        """End `run` after the launch that it is working on."""
        self._stopped.set()
        self._wake.set()

    def deliver_due(self) -> None:
        """One round over every launch with something due."""
        for launch_id in self._store.launches_due(self._clock()):
            self.deliver(launch_id)

    def deliver(self, launch_id: str) -> None:
        """Send what this launch owes and is due, in order."""
        with self._locks[hash(launch_id) % len(self._locks)]:
            for report in self._store.reports_of(launch_id):
                if report.status == "waiting" and report.due_at <= self._clock():
                    launch = self._store.find_launch(launch_id)
                    if launch is not None:
                        self._attempt(launch, report)

    # What

    def _attempt(self, launch: Launch, report: Report) -> None:
        result = self._send(launch, report)
        pause = min(LONGEST_PAUSE, 2.0 ** (report.attempts + 1)) if result.status == "waiting" else 0.0
        self._store.settle_report(
            report.id, status=result.status, explanation=result.explanation, due_at=self._clock() + pause
        )

    def _send(self, launch: Launch, report: Report) -> _Result:
        wire = Wire(lambda exchange: self._store.add_exchange(report.id, exchange), self._clock)
        try:
            if report.kind == "score":
                return self._send_score(wire, launch, report)
            return self._send_statements(wire, launch, report)
        except LtiServiceException as error:
            return _judge(error.response)
        except requests.RequestException as error:
            # Also an answer that is no JSON where JSON was promised; requests makes that one of its own.
            return _Result("waiting", f"No usable answer: {error}")
        except (LtiException, SandboxError, KeyError) as error:
            return _Result("refused", f"Not sent: {error}")

    def _send_score(self, wire: Wire, launch: Launch, report: Report) -> _Result:
        faults = names(report.faults)
        platform = platform_of(launch.claims, self._platforms)
        signing_key = new_key() if "wrong_key" in faults else None
        connector = ServiceConnector(registration_of(platform, self._key, signing_key=signing_key), wire)
        url = scores_url(_line_item(connector, launch.claims))
        token = connector.get_access_token([SCORE_SCOPE])
        body = spoil_score(report.payload, faults)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": SCORE_TYPE}
        answers = [wire.post(url, data=body, headers=headers) for _ in range(2 if "duplicate" in faults else 1)]
        return _judge(answers[0])

    def _send_statements(self, wire: Wire, launch: Launch, report: Report) -> _Result:
        faults = names(report.faults)
        to = handover(launch.claims)
        if to is None:
            raise SandboxError("this launch handed over no xAPI endpoint")
        token = self._xapi_token(wire, launch, to, is_replayed="replayed_fetch" in faults)
        bodies = spoil_statements(report.payload, faults, new_id=self._new_id)
        headers = {
            "Authorization": f"Basic {token}",
            "Content-Type": "application/json",
            "X-Experience-API-Version": XAPI_VERSION,
        }
        answers = [wire.post(f"{to.endpoint}/statements", data=body, headers=headers) for body in bodies]
        return _judge(answers[0])

    def _xapi_token(self, wire: Wire, launch: Launch, to: Handover, *, is_replayed: bool) -> str:
        """The launch's xAPI token. The fetch URL gives it once (cmi5, 8.2), so it is kept before it is used."""
        token = launch.xapi_token
        if token is None:
            answer = wire.post(to.fetch)
            if answer.status_code != 200 or "auth-token" not in answer.json():
                raise LtiServiceException(answer)
            token = str(answer.json()["auth-token"])
            self._store.set_xapi_token(launch.id, token)
        if is_replayed:
            wire.post(to.fetch)
        return token


def _judge(answer: requests.Response) -> _Result:
    """What an answer means for the report."""
    told = f"HTTP {answer.status_code}"
    if answer.status_code in (200, 201, 204) and "error-code" not in answer.text[:200]:
        return _Result("acknowledged", told)
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        return _Result("waiting", told)
    return _Result("refused", f"{told}: {answer.text[:300]}")


def _line_item(connector: ServiceConnector, claims: Mapping[str, Any]) -> str:
    """The launch's line item; where the platform names only the collection, ours in there is found or made."""
    endpoint = claims.get(AGS_CLAIM)
    if not isinstance(endpoint, Mapping):
        raise SandboxError("this launch came without Assignment and Grade Services")
    if endpoint.get("lineitem"):
        return str(endpoint["lineitem"])
    link = claims[CLAIM + "resource_link"]
    wanted = LineItem()
    wanted.set_label(str(link.get("title") or "Nilai akhir")).set_score_maximum(100)
    wanted.set_resource_link_id(str(link["id"]))
    service = AssignmentsGradesService(connector, endpoint)  # type: ignore[arg-type]
    found = service.find_or_create_lineitem(wanted, find_by="resource_link_id").get_id()
    if not found:
        raise SandboxError("the platform made a line item without an id")
    return found


def scores_url(line_item: str) -> str:
    """AGS 2.0, 3.4.2: ``/scores`` goes to the end of the path, before a query."""
    path, mark, query = line_item.partition("?")
    return f"{path.rstrip('/')}/scores{mark}{query}"


def spoil_score(score: Mapping[str, Any], faults: frozenset[str]) -> bytes:
    """The score as it is sent under these faults."""
    sent = dict(score)
    if "refused" in faults:
        # AGS 2.0, 3.4.4: scoreMaximum MUST be there where scoreGiven is.
        del sent["scoreMaximum"]
    if "wrong_user" in faults:
        sent["userId"] = f"{sent['userId']}-orang-lain"
    return _spoil_bytes(json.dumps(sent).encode(), faults)


def spoil_statements(
    statements: list[dict[str, Any]], faults: frozenset[str], *, new_id: Callable[[], str]
) -> list[bytes]:
    """The bodies that are posted under these faults, one after the other."""
    sent = [dict(statement) for statement in statements]
    for statement in sent:
        if "wrong_actor" in faults:
            statement["actor"] = {"account": {"homePage": "https://orang-lain.example", "name": "bukan-saya"}}
        if "wrong_registration" in faults:
            statement["context"] = {**statement["context"], "registration": new_id()}
        if "refused" in faults:
            statement["result"] = {**statement.get("result", {}), "score": {"scaled": 7}}
    bodies = [sent]
    if "duplicate" in faults:
        bodies += [sent, [statement | {"id": new_id()} for statement in sent]]
    return [_spoil_bytes(json.dumps(body).encode(), faults) for body in bodies]


def _spoil_bytes(body: bytes, faults: frozenset[str]) -> bytes:
    return body[: len(body) // 2] if "garbage" in faults else body
