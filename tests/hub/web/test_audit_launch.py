"""An hour that came through a launch: who was sent where and when, and the score exactly as the tool sent it."""

from __future__ import annotations

import re

import pytest

from hub.access import accounts
from hub.application import create_app
from hub.jp import recognition
from hub.people import learners
from ltitest import AGS, NIPS, World, new_key
from pagestest import Person, text


@pytest.fixture
def launched(hub, clock):
    """Siti opened a course of the tool "lan", which sent a score with a member of its own."""
    app = create_app(hub)
    with hub.db.write() as conn:
        people = f"nip,name,email,status,employer,unit\n{NIPS[0]},Siti Rahma,,PNS,KKP,Biro\n"
        learners.import_learners(conn, hub, learners.read_learners(people).rows)
        siti = learners.find_by_nip(conn, NIPS[0])
        accounts.add(conn, hub, "siti", "learner", "correct horse", siti.id)
    world = World(hub, clock, app.test_client(), None, [new_key()])
    world.tool = world.add_tool("lan", world.keys[0], deployments=("kkp",))
    world.courses = [world.add_course("lan", requires=("score",))]
    world.browser = world.new_browser("siti")
    lineitem = world.launch()[AGS]["lineitem"]
    score = {
        "userId": str(siti.id),
        "timestamp": "2026-11-24T02:00:00.000Z",
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "scoreGiven": 85,
        "scoreMaximum": 100,
        "https://lan.example/room": "B<2>",
    }
    assert world.tool.call("POST", f"{lineitem}/scores", score).status_code == 200
    while recognition.drain(hub):
        pass
    return world


def test_an_hour_leads_to_the_launch_and_to_the_score_as_it_was_received(launched):
    auditor = Person(launched.hub, "auditor")
    ledger = auditor.get(f"/audit/learners/{NIPS[0]}")

    page = auditor.get(re.search(r'href="(/audit/entries/[^"]+)"', ledger.text)[1])

    said = text(page)
    assert "Score that the tool sent (LTI AGS) · lan" in said
    assert "Opened from the hub on 24 November 2026" in said
    assert "in lan (deployment kkp)" in said
    # Once to be read, and once as the bytes that came.
    assert said.count('"https://lan.example/room": "B<2>"') == 2
    assert "B&lt;2&gt;" in page.text

    statement = auditor.get(re.search(r'href="(/audit/statements/[^"]+)"', page.text)[1])

    assert "The score as it was received" in text(statement)
    assert "Written by" not in text(statement)


def test_whoever_the_hub_calls_by_an_opaque_number_has_her_name_on_pages(launched):
    auditor = Person(launched.hub, "auditor")

    assert "Siti Rahma received a score for Public Service" in text(auditor.get("/audit/statements"))
