"""A course provider that we did not write is launched by the hub, and its score becomes JP.

The provider is ltijs (`tests/peers/ltijs`; install it with `make peers`), a process of its own with a PostgreSQL
database of its own. Everything between it, the hub and the employee is HTTP.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub.demo.visitor import Page, Visitor
from wkmbpeers.prepared import NAME, Course, PreparedHub, stop
from wkmbtest.databases import Databases
from wkmbtest.postgresql import free_port
from wkmbtest.processes import HubProcess, answers, wait_until
from wkmbtest.requirements import missing

PEER = Path(__file__).parents[1] / "peers" / "ltijs"
TITLE = "Pengelolaan Arsip Dinamis"


@dataclass(frozen=True)
class Ltijs:
    """A running ltijs, and the hub that it is to meet."""

    hub: PreparedHub
    url: str

    def ltik(self, page: Any) -> str:
        """What ltijs calls its session, from the page that a launch ended on."""
        assert page.status_code == 200, page.text
        assert page.url.startswith(self.url), f"{page.url}: {page.text[:3000]}"
        return next(form.fields["ltik"] for form in Page(page).forms if "ltik" in form.fields)


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    with Visitor() as one:
        yield one


@pytest.fixture
def start_ltijs(node_path: str, databases: Databases, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Start one; without ``platform`` it knows nobody yet."""
    if not (PEER / "node_modules" / "ltijs").is_dir():
        missing("peers", "ltijs is not installed: run `make peers`")
    running: list[subprocess.Popen[bytes]] = []
    made: list[str] = []

    def start(port: int, platform: dict[str, Any] | None = None) -> None:
        made.append(databases.create("postgresql", tmp_path, empty=True))
        log = tmp_path / "ltijs.log"
        environment = {"PORT": str(port), "DATABASE_URL": made[-1], "SECRET": "rahasia-ltijs-" + "x" * 20}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [node_path, "server.js"],
                cwd=PEER,
                env=os.environ | environment | ({} if platform is None else {"PLATFORM": json.dumps(platform)}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running.append(process)
        wait_until(lambda: answers(port, "/keys"), what="ltijs", process=process, log=log)

    yield start
    for process in running:
        stop(process)
    for url in made:
        databases.drop(url)


def test_ltijs_registers_itself_its_course_is_picked_and_it_gets_names_and_gives_scores(
    hub_process: HubProcess, start_ltijs: Callable[..., None], visitor: Visitor
):
    """Dynamic registration, deep linking, launch, Names and Roles, Assignment and Grade Services: one after the other,
    as people would do them, and each of ltijs' own making."""
    port = free_port()
    ltijs = Ltijs(PreparedHub(hub_process), f"http://127.0.0.1:{port}")
    hub = ltijs.hub
    start_ltijs(port)
    hub.add_learner()

    hub.sign_in_admin(visitor)
    hub.invite(visitor, "ltijs", f"{ltijs.url}/register")
    hub.pick(visitor, "ltijs")
    hub.confirm_draft(
        visitor, "Kursus ltijs", form="NKL04", programme_jp="4.5", requires="completed;score", min_score="0.7"
    )
    visitor.cookies.clear()

    hub.sign_in(visitor)
    course = hub.launch(visitor, "Kursus ltijs")
    ltik = ltijs.ltik(course)
    assert NAME in course.text

    members = visitor.get(f"{ltijs.url}/members", params={"ltik": ltik})
    assert [one["name"] for one in members.json()["members"]] == [NAME]

    made = visitor.post(f"{ltijs.url}/line-items", data={"ltik": ltik})
    assert made.json()["label"] == "Tugas"

    finished = visitor.post(f"{ltijs.url}/finish", data={"ltik": ltik, "score": "85"})
    assert finished.status_code == 200, finished.text
    assert [one["id"] for one in finished.json()["lineItems"]] == [finished.json()["lineItem"]]
    results = visitor.get(f"{ltijs.url}/results", params={"ltik": ltik})
    assert [one["resultScore"] for one in results.json()["scores"]] == [85]
    assert hub.jp_when(lambda found: found["recognized_jp"] > 0)["recognized_jp"] == 4.5


def test_ltijs_is_registered_by_hand_and_a_score_below_the_mark_earns_nothing_and_says_so(
    hub_process: HubProcess, start_ltijs: Callable[..., None], visitor: Visitor
):
    """Its key set is empty until it knows the hub's client id: the hub reads it again for the key that comes then."""
    hub, port = PreparedHub(hub_process), free_port()
    url = f"http://127.0.0.1:{port}"
    hub.add_learner()
    addresses = ["--login-url", f"{url}/login", "--redirect-uri", f"{url}/", "--target-link-uri", f"{url}/"]
    platform = hub.add_tool("ltijs", *addresses, "--jwks-url", f"{url}/keys")
    hub.add_course("ltijs", Course("https://ltijs.contoh.example/courses/arsip", TITLE, f"{url}/"))
    start_ltijs(port, platform)
    hub.sign_in(visitor)
    ltik = Ltijs(hub, url).ltik(hub.launch(visitor, TITLE))

    finished = visitor.post(f"{url}/finish", data={"ltik": ltik, "score": "40"})

    assert finished.status_code == 200, finished.text
    jp = hub.jp_when(lambda found: bool(found["pending"]))
    assert jp["recognized_jp"] == 0
    assert "score" in jp["pending"][0]["missing"]
