"""The registry as one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import HubError
from hub.runtime import Hub
from hub.systems import registry, settings_file, sync
from hub.systems.settings_file import Applied, SystemsError

EXAMPLE = (Path(__file__).parents[3] / "config" / "systems.example.yaml").read_text("utf-8")
TOOL = """
systems: test
tools:
  - name: lms
    login_url: https://lms.example/login
    redirect_uris: [https://lms.example/launch]
    target_link_uri: https://lms.example/launch
    jwks_url: https://lms.example/jwks
    client_id: known
    deployments:
      - {name: KKP, deployment_id: "1"}
"""
PUSH = "systems: test\nconnectors:\n  - {name: lan, kind: xapi-push, vocabulary: default}\n"


def apply(hub: Hub, text: str) -> dict[str, str]:
    given = settings_file.read(text)
    done = hub.db.run(lambda conn: settings_file.apply(conn, hub, given, by="test"))
    return {each.system: each.outcome for each in done}


def write(hub: Hub) -> str:
    with hub.db.read() as conn:
        return settings_file.write(conn, hub)


def test_the_example_can_be_applied_and_again_changes_nothing(hub: Hub) -> None:
    first = apply(hub, EXAMPLE)
    text = write(hub)

    assert set(first.values()) == {"added"}
    assert set(apply(hub, EXAMPLE).values()) == {"same"}
    assert set(apply(hub, text).values()) == {"same"}
    assert write(hub) == text


def test_another_hub_has_the_same_after_it(hub: Hub, new_test_hub: object) -> None:
    apply(hub, EXAMPLE)
    text = write(hub)
    another: Hub = new_test_hub()  # type: ignore[operator]

    apply(another, text)

    assert write(another) == text


def test_what_the_other_side_knows_is_kept(hub: Hub) -> None:
    apply(hub, TOOL)

    with hub.db.read() as conn:
        tool = registry.named_tool(conn, "lms")
        [deployment] = registry.deployments_of(conn, tool.id)
    assert (tool.client_id, deployment.deployment_id) == ("known", "1")


def test_what_differs_is_changed(hub: Hub) -> None:
    apply(hub, TOOL)

    changed = TOOL.replace("/login", "/login2").replace("    client_id: known\n", "    disabled: true\n")
    changed += "      - {name: BMKG, disabled: true}\n"
    assert apply(hub, changed) == {"tool lms": "changed"}

    assert apply(hub, changed) == {"tool lms": "same"}
    with hub.db.read() as conn:
        tool = registry.named_tool(conn, "lms")
        closed = [(each.name, each.disabled) for each in registry.deployments_of(conn, tool.id)]
    assert (tool.login_url, tool.disabled) == ("https://lms.example/login2", True)
    assert closed == [("KKP", False), ("BMKG", True)]


def test_another_meaning_is_told(hub: Hub) -> None:
    apply(hub, PUSH)

    given = settings_file.read(PUSH.replace("default", "moodle"))
    [done] = hub.db.run(lambda conn: settings_file.apply(conn, hub, given, by="test"))

    assert done == Applied("connector lan", "changed", "", means_other=True)


def test_a_pull_waits_for_its_secret(hub: Hub) -> None:
    given = settings_file.read(EXAMPLE)
    done = hub.db.run(lambda conn: settings_file.apply(conn, hub, given, by="test"))

    assert {each.system for each in done if each.todo} == {"connector asn-unggul", "connector siasn"}
    with hub.db.read() as conn:
        assert sync.list_due(conn, hub.clock()) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("client_id: known", "client_id: another"), "other_client_id"),
        (('deployment_id: "1"', 'deployment_id: "2"'), "other_deployment_id"),
        (("client_id: known", "connector: lan"), "other_connector"),
        (("https://lms.example/jwks", "http://lms.example/jwks"), "not_https"),
    ],
)
def test_what_cannot_be_changed_is_refused_and_nothing_is_applied(hub: Hub, change: tuple[str, str], code: str) -> None:
    apply(hub, TOOL)
    before = write(hub)
    added = "systems: test\nconnectors:\n  - {name: lan, kind: csv}\ntools:" + TOOL.partition("tools:")[2]

    with pytest.raises(HubError) as refused:
        apply(hub, added.replace(*change))

    assert refused.value.code == code
    assert write(hub) == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the document is empty"),
        ("connectors: []", "systems is missing"),
        ("systems: x\ntypo: []", "typo is not known here"),
        ("systems: x\nconnectors:\n  - {name: a, kind: forward}", "(line 3): forward is not one of"),
        ("systems: x\nconnectors:\n  - {name: a, kind: csv, internal: yes}", "yes is not one of false, true"),
        ("systems: x\nconnectors:\n  - {name: a, kind: csv, settings: {}}", "a connector of kind csv has none"),
        ("systems: x\nconnectors:\n  - {name: a, kind: xapi-pull}", "settings is missing"),
        ("systems: x\ntools:\n  - {name: a}", "login_url is missing"),
        ("systems: *x", "not YAML"),
    ],
)
def test_a_wrong_file_says_where(text: str, says: str) -> None:
    with pytest.raises(SystemsError) as refused:
        settings_file.read(text)

    assert says in str(refused.value)


def test_a_title_is_in_the_file_and_one_that_is_not_is_taken_away(hub: Hub) -> None:
    titled = PUSH.replace("kind:", "title: Lembaga Contoh, kind:")

    assert apply(hub, titled) == {"connector lan": "added"}
    assert "title: Lembaga Contoh" in write(hub)
    assert apply(hub, write(hub)) == {"connector lan": "same"}
    assert apply(hub, PUSH) == {"connector lan": "changed"}
    assert "title:" not in write(hub)
