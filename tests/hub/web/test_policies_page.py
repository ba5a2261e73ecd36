"""The pages of policies and targets: read, replay, make official, take back."""

from __future__ import annotations

import io
from typing import Any

import flask
import pytest

from holdertest import Browser, person, words_of
from hub.application import create_app
from hub.jp import policies, replays
from lrs.database import Database
from mappings import shipped
from recognizedtest import World, course, linked_world, statement

OLD, NEW = policies.DEFAULT, "other-2026"
OTHER = shipped.policy_text(OLD).replace(f"policy: {OLD}", f"policy: {NEW}")


@pytest.fixture
def app(db: Database) -> flask.Flask:
    world, _budi = linked_world(db, course())
    world.receive(statement())
    world.settle()
    app = create_app(world.hub)
    app.extensions["test"] = world
    return app


def admin(app: flask.Flask, role: str = "admin") -> Browser:
    return person(app.extensions["test"], role, app)


def upload(text: str) -> dict[str, Any]:
    return {"file": (io.BytesIO(text.encode()), "document.yaml")}


def send(browser: Browser, path: str, page: str = "/policies", **fields: Any) -> str:
    """Send a form of the page; what is said where it leads."""
    answer = browser.post(path, page, **fields)
    assert answer.status_code == 303, answer.status_code
    return words_of(browser.get(answer.headers["Location"]))


def finish(world: World) -> None:
    replayer = replays.Replayer(world.hub)
    while replayer.step():
        pass


def test_a_policy_is_added_replayed_made_official_and_taken_back(app: flask.Flask) -> None:
    browser, world = admin(app), app.extensions["test"]
    assert "Begin with one that is known" in words_of(browser.get("/policies"))

    assert "Replay it to compare" in send(browser, "/policies", **upload(OTHER))
    assert "no ledger yet" in words_of(browser.get("/policies"))
    chosen = {"policy": NEW, "year": "2026"}
    assert "is behind" in send(browser, "/policies/activations", **chosen)

    assert "Everybody is being replayed" in send(browser, f"/policies/{NEW}/replay")
    assert "being replayed: 0 %" in words_of(browser.get("/policies"))
    assert "is behind" in send(browser, "/policies/activations", **chosen)
    finish(world)
    shown = words_of(browser.get("/policies"))
    assert "1 people, 1 entries, 0 reversals" in shown
    assert f"{NEW} is official from 2026 on." in send(browser, "/policies/activations", **chosen)

    with world.db.read() as conn:
        newest = policies.list_activations(conn)[-1]
    assert newest.policy == NEW
    taken = send(browser, f"/policies/activations/{newest.id}/withdraw")
    assert "taken back" in taken
    assert "Only the newest" in send(browser, f"/policies/activations/{newest.id}/withdraw")
    assert "is kept up no more" in send(browser, f"/policies/{NEW}/let-go")


def test_a_document_is_read_with_the_source_of_each_number(app: flask.Flask) -> None:
    browser = admin(app, "auditor")
    shown = words_of(browser.get(f"/policies/{OLD}"))
    assert "NKL13" in shown
    assert "partly confirmed" in shown
    assert browser.get(f"/policies/{OLD}.yaml").text == shipped.policy_text(OLD)
    assert browser.get("/policies/nothing").status_code == 404
    assert browser.post(f"/policies/{OLD}/replay", "/reports/policies").status_code == 403


def test_a_wrong_document_is_refused_with_its_line(app: flask.Flask) -> None:
    browser = admin(app)
    assert "line" in send(browser, "/policies", **upload(OTHER.replace("value: 45", "value: x")))
    assert "Refused" not in send(browser, "/policies", **upload(OTHER))
    assert "with four digits" in send(browser, "/policies/activations", policy=NEW, year="26x")


def test_targets_are_shown_and_set(app: flask.Flask) -> None:
    browser = admin(app)
    assert "this rule holds for nobody" in words_of(browser.get("/policies/targets"))
    listed = {"employer": "Kemendikdasmen"}
    shown = send(browser, "/policies/targets/permendikdasmen-pns/employers", **listed)
    assert "Kemendikdasmen Take off the list" in shown
    send(browser, "/policies/targets/permendikdasmen-pns/employers", **listed, remove="yes")
    assert "Kemendikdasmen" not in words_of(browser.get("/policies/targets"))
    assert "Write the employer" in send(browser, "/policies/targets/permendikdasmen-pns/employers", employer=" ")
    assert browser.post("/policies/targets/pns/employers", "/policies", **listed).status_code == 404

    text = browser.get("/policies/targets.yaml").text
    changed = text.replace("value: 24", "value: 25")
    assert "hold from now on" in send(browser, "/policies/targets", **upload(changed))
    assert browser.get("/policies/targets.yaml").text == changed
    assert "line" in send(browser, "/policies/targets", **upload(text.replace("value: 24", "value: y")))
