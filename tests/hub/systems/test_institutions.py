"""What people see of an institution: the title of its connector, or the name where it has none."""

from __future__ import annotations

import pytest

from apitest import COURSE, Scene
from hub.application import create_app
from hub.errors import HubError
from hub.runtime import Hub
from hub.systems import institutions, registry


@pytest.fixture
def scene(hub: Hub) -> Scene:
    made = Scene(hub, create_app(hub))
    made.prepare()
    return made


def add(hub: Hub, name: str, title: str = "") -> registry.Connector:
    return hub.db.run(lambda conn: registry.add_connector(conn, hub, name, "csv", by="test", title=title))


def retitle(hub: Hub, connector: registry.Connector, title: str) -> registry.Connector:
    return hub.db.run(lambda conn: registry.set_title(conn, hub, connector, title, by="test"))


def test_a_title_is_shown_and_without_one_the_name(hub: Hub) -> None:
    titled, plain = add(hub, "balai-a", "  Balai Pelatihan A "), add(hub, "balai-b")

    assert (titled.shown, plain.shown) == ("Balai Pelatihan A", "balai-b")
    with hub.db.read() as conn:
        assert institutions.by_name(conn) == {"balai-a": "Balai Pelatihan A", "balai-b": "balai-b"}
        assert institutions.by_number(conn) == {titled.id: "Balai Pelatihan A", plain.id: "balai-b"}


def test_a_title_can_be_changed_and_taken_away(hub: Hub) -> None:
    found = retitle(hub, add(hub, "balai-a", "Balai A"), "Balai Baru")

    with hub.db.read() as conn:
        assert registry.named_connector(conn, "balai-a") == found
    assert retitle(hub, found, "").shown == "balai-a"


@pytest.mark.parametrize("title", ["x" * 201, "dua\nbaris", "nul\0", "terbalik\u202e"])
def test_a_title_that_is_no_line_of_text_is_refused_and_nothing_is_changed(hub: Hub, title: str) -> None:
    found = add(hub, "balai-a", "Balai A")

    for refused in (lambda: add(hub, "balai-b", title), lambda: retitle(hub, found, title)):
        with pytest.raises(HubError) as refusal:
            refused()
        assert refusal.value.code == "title"
    with hub.db.read() as conn:
        assert institutions.by_name(conn) == {"balai-a": "Balai A"}


def test_the_catalogue_and_the_api_tell_a_new_title_at_once(scene: Scene) -> None:
    before = scene.get("/courses", iri=COURSE).get_json()["courses"][0]
    with scene.hub.db.read() as conn:
        connector = registry.named_connector(conn, "lms")
        assert scene.hub.courses.current(conn).by_iri[COURSE].institution == "lms"

    retitle(scene.hub, connector, "LMS Kementerian Contoh")

    after = scene.get("/courses", iri=COURSE).get_json()["courses"][0]
    assert (before["provider"], before["provider_title"]) == ("lms", "lms")
    assert (after["provider"], after["provider_title"]) == ("lms", "LMS Kementerian Contoh")
    told = {each["name"]: each["title"] for each in scene.get("/connectors").get_json()["connectors"]}
    assert told["lms"] == "LMS Kementerian Contoh"
    with scene.hub.db.read() as conn:
        assert scene.hub.courses.current(conn).by_iri[COURSE].institution == "LMS Kementerian Contoh"
