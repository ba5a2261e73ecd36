"""Who may call the LRS and the API, and who may not."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
import sqlalchemy as sa
from werkzeug.exceptions import TooManyRequests, Unauthorized

from hub.access import auth
from hub.access.known_callers import KnownCallers
from hub.application import create_app
from hub.errors import Refused
from hub.runtime import Hub
from hub.systems import credentials, registry
from hub.tables import credentials as stored_credentials
from hub.tables import launches
from lrs.database import insert_all
from wkmbtest.hubs import NOW, Clock

SECRET = "rahasia-sistem-uji-0123456789"


def header(name: str, secret: str = SECRET, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"


def add(hub: Hub, *, connector: str | None = None, **options: object) -> None:
    with hub.db.write() as conn:
        if connector is not None:
            registry.add_connector(conn, hub, connector, "xapi-push", by="test")
        credentials.add(
            conn, hub, "sistem", by="test", key="sistem", secret=SECRET, connector=connector, **options  # type: ignore[arg-type]
        )  # fmt: skip


@pytest.mark.parametrize("scheme", ["Basic", "basic", "Bearer"])
def test_a_credential_writes_in_the_name_of_its_connector(hub: Hub, scheme: str) -> None:
    add(hub, connector="bkn")

    caller = auth.authenticate(hub, header("sistem", scheme=scheme))

    assert caller.scopes == {"statements/write", "statements/read/mine"}
    assert caller.writer.owner is not None
    assert caller.writer.authority["account"] == {"homePage": hub.base_url, "name": "credential/sistem"}
    assert not caller.writer.may_void_any
    assert not caller.writer.may_define


def test_only_all_without_a_connector_may_void_anything(hub: Hub) -> None:
    add(hub, scopes=["all"])

    caller = auth.authenticate(hub, header("sistem"))

    assert caller.writer.may_void_any
    assert caller.writer.may_define


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Digest abc",
        "Basic %%%",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"no colon").decode(),
        header("sistem", "another secret, also long"),
        header("nobody"),
        header("a\x00b"),
        header("11111111-2222-4333-8444-555555555555"),
    ],
)
def test_whoever_is_not_known_is_refused(hub: Hub, authorization: str | None) -> None:
    add(hub)

    with pytest.raises(Unauthorized):
        auth.authenticate(hub, authorization)


def test_a_credential_ends_with_its_day(hub: Hub, clock: Clock) -> None:
    add(hub, expires=NOW + timedelta(days=1))
    auth.authenticate(hub, header("sistem"))

    clock.advance(days=1)

    with pytest.raises(Unauthorized, match="expired"):
        auth.authenticate(hub, header("sistem"))


def test_a_rotation_leaves_time_to_change_over(hub: Hub, clock: Clock) -> None:
    add(hub)
    new = "rahasia-baru-0123456789-abc"
    with hub.db.write() as conn:
        credentials.rotate(conn, hub, "sistem", by="test", secret=new)

    auth.authenticate(hub, header("sistem"))
    auth.authenticate(hub, header("sistem", new))
    clock.advance(days=400)

    auth.authenticate(hub, header("sistem", new))
    with pytest.raises(Unauthorized):
        auth.authenticate(hub, header("sistem"))


def disable(hub: Hub) -> None:
    with hub.db.write() as conn:
        credentials.set_disabled(conn, hub, "sistem", disabled=True, by="test")


def test_a_disabled_credential_opens_nothing(hub: Hub) -> None:
    add(hub)
    auth.authenticate(hub, header("sistem"))
    disable(hub)

    with pytest.raises(Unauthorized):
        auth.authenticate(hub, header("sistem"))


def test_a_credential_that_another_process_disables_opens_nothing_some_milliseconds_later(
    hub: Hub, clock: Clock
) -> None:
    add(hub)
    auth.authenticate(hub, header("sistem"))
    disable(replace(hub, callers=KnownCallers()))

    clock.advance(milliseconds=20)

    with pytest.raises(Unauthorized):
        auth.authenticate(hub, header("sistem"))


def test_whoever_was_let_in_just_now_is_not_asked_for_again(hub: Hub, clock: Clock) -> None:
    add(hub)
    asked: list[str] = []
    sa.event.listen(hub.db._reader, "before_cursor_execute", lambda *said: asked.append(said[2]))

    for _ in range(10):
        auth.authenticate(hub, header("sistem"))
        clock.advance(milliseconds=4)

    assert len(asked) == 2


def test_being_let_in_lets_no_other_secret_in(hub: Hub) -> None:
    add(hub)
    auth.authenticate(hub, header("sistem"))

    with pytest.raises(Unauthorized):
        auth.authenticate(hub, header("sistem", "another secret, also long"))


def test_so_many_are_remembered_and_no_more(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.access.known_callers._MOST", 3)
    add(hub)

    for padding in (*range(8), 2000):
        auth.authenticate(hub, f"Basic {' ' * padding}{header('sistem').partition(' ')[2]}")

    assert 0 < len(hub.callers._known) <= 3
    assert max(map(len, hub.callers._known)) < 200


def test_a_rate_holds_where_the_credential_sets_one(hub: Hub, clock: Clock) -> None:
    add(hub, per_minute=2)
    for _ in range(2):
        auth.authenticate(hub, header("sistem"))

    with pytest.raises(TooManyRequests):
        auth.authenticate(hub, header("sistem"))

    clock.advance(seconds=61)
    auth.authenticate(hub, header("sistem"))


def test_over_a_rate_the_answer_says_when_to_come_back(hub: Hub, clock: Clock) -> None:
    """RFC 6585 4: 429 with Retry-After, for the LRS in its own form; one credential's limit is nobody else's."""
    add(hub, per_minute=1, scopes=["all"])
    client = create_app(hub).test_client()
    headers = {"Authorization": header("sistem"), "X-Experience-API-Version": "1.0.3"}

    first, second = (client.get("/xapi/statements", headers=headers) for _ in range(2))

    assert first.status_code == 200
    assert (second.status_code, second.headers["Retry-After"]) == (429, "60")
    assert second.headers["X-Experience-API-Version"] == "1.0.3"
    assert "1 requests a minute" in second.get_json()["detail"]
    clock.advance(seconds=61)
    assert client.get("/xapi/statements", headers=headers).status_code == 200


def test_all_does_not_open_the_api(hub: Hub) -> None:
    add(hub, scopes=["all"])

    with pytest.raises(Refused, match="api/read"):
        auth.require_scope(hub, header("sistem"), "api/read")


ACTOR = {"objectType": "Agent", "account": {"homePage": "https://hub.example", "name": "x"}}


def launch(hub: Hub) -> str:
    """A launch whose token was fetched; gives its Authorization."""
    launch_id = hub.new_id()
    with hub.db.write() as conn:
        new = registry.NewTool(
            name="lms",
            login_url="https://lms.example/login",
            redirect_uris=("https://lms.example/launch",),
            target_link_uri="https://lms.example/launch",
            jwks_url="https://lms.example/jwks",
        )
        tool = registry.add_tool(conn, hub, new, by="test")
        row = {
            "id": launch_id,
            "learner": hub.new_id(),
            "session": b"s" * 32,
            "tool": tool.id,
            "deployment": 1,
            "course": 1,
            "activity": "https://lms.example/course/1",
            "actor": orjson.dumps(ACTOR).decode(),
            "registration": hub.new_id(),
            "target_link_uri": "https://lms.example/launch",
            "locale": "id",
            "created_at": hub.clock(),
            "token": hub.keyring.digest("launch-token", SECRET),
            "token_until": hub.clock() + timedelta(hours=8),
        }
        insert_all(conn, launches, [row])
    return header(str(launch_id))


def test_the_token_of_a_launch_is_limited_to_it(hub: Hub) -> None:
    caller = auth.authenticate(hub, launch(hub))

    assert caller.launch is not None
    assert caller.launch.actor == ACTOR
    assert caller.launch.activity == "https://lms.example/course/1"
    assert caller.scopes == auth.LAUNCH_SCOPES
    assert caller.writer.owner is not None
    assert caller.writer.origin.startswith("launch:")


def test_the_token_of_a_launch_ends(hub: Hub, clock: Clock) -> None:
    authorization = launch(hub)
    clock.advance(hours=8)

    with pytest.raises(Unauthorized, match="over"):
        auth.authenticate(hub, authorization)


def test_the_token_of_a_disabled_tool_opens_nothing(hub: Hub) -> None:
    authorization = launch(hub)
    with hub.db.write() as conn:
        registry.set_tool_disabled(conn, hub, registry.named_tool(conn, "lms"), disabled=True, by="test")

    with pytest.raises(Unauthorized):
        auth.authenticate(hub, authorization)


def test_no_secret_is_stored(hub: Hub) -> None:
    add(hub)

    with hub.db.read() as conn:
        tables = [conn.execute(sa.select(table)).all() for table in (stored_credentials, launches)]

    assert SECRET not in str(tables)
