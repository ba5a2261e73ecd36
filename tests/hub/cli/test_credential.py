"""``wkmb credential``."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from hub import journal
from hub.access import auth
from hub.runtime import Hub

Terminal = Any
SECRET = "sixteen characters or more"


def header(key: str, secret: str) -> str:
    return "Basic " + b64encode(f"{key}:{secret}".encode()).decode()


def test_a_credential_holds_in_a_running_hub_at_once(wkmb: Terminal, served: Hub) -> None:
    wkmb("connector", "add", "lan", "--kind", "xapi-push")

    made = wkmb.json(
        "credential", "add", "lan-1", "--key", "lan", "--secret-stdin", "--connector", "lan", "--scope", "state",
        "--scope", "statements/write", stdin=SECRET + "\n",
    )  # fmt: skip

    caller = auth.authenticate(served, header("lan", SECRET))
    assert caller.scopes == {"state", "statements/write"}
    assert caller.writer.owner is not None
    assert made["endpoint"] == "https://hub.example/xapi/"
    assert made["connector"] == "lan"
    assert SECRET not in str(made)


def test_a_credential_without_connector_may_be_given_on_the_line(wkmb: Terminal, served: Hub) -> None:
    wkmb("credential", "add", "k", "--key", "k", "--secret", SECRET, "--expires", "2999-12-31", "--per-minute", "60")

    [listed] = wkmb.json("credential", "list")

    assert listed["expires"] == "2999-12-31T17:00:00+00:00"  # the end of that day in Jakarta
    assert listed["per_minute"] == 60
    assert auth.authenticate(served, header("k", SECRET)).writer.owner is None


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--secret", "too short"), 1, "16 characters"),
        (("--secret", SECRET, "--secret-stdin"), 2, "one of --secret and --secret-stdin"),
        ((), 2, "one of --secret and --secret-stdin"),
        (("--secret", SECRET, "--scope", "everything"), 2, "everything"),
        (("--secret", SECRET, "--connector", "nobody"), 1, "no connector 'nobody'"),
        (("--secret", SECRET, "--expires", "2026-13-01"), 2, "2026-13-01"),
        (("--secret", SECRET, "--expires", "2001-01-01"), 1, "is over already"),
    ],
)
def test_what_is_wrong_with_a_credential(wkmb: Terminal, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in wkmb.refused("credential", "add", "k", "--key", "k", *arguments, code=code)
    assert wkmb.json("credential", "list") == []


def test_a_secret_is_rotated(wkmb: Terminal, served: Hub) -> None:
    wkmb("credential", "add", "k", "--key", "k", "--secret", SECRET)

    wkmb("credential", "rotate", "k", "--secret-stdin", "--overlap-hours", "0", stdin="another long secret\n")

    assert auth.authenticate(served, header("k", "another long secret"))
    with pytest.raises(auth.Unauthorized):
        auth.authenticate(served, header("k", SECRET))
    assert "no credential 'x'" in wkmb.refused("credential", "rotate", "x", "--secret", SECRET)


def test_a_credential_is_taken_away_and_given_back(wkmb: Terminal, served: Hub) -> None:
    wkmb("credential", "add", "k", "--key", "k", "--secret", SECRET)

    wkmb("credential", "disable", "k")
    assert "disabled" in wkmb("credential", "list").stdout
    with pytest.raises(auth.Unauthorized):
        auth.authenticate(served, header("k", SECRET))
    wkmb("credential", "disable", "k", "--again")

    assert auth.authenticate(served, header("k", SECRET))


def test_who_typed_it_is_written_down(wkmb: Terminal, served: Hub) -> None:
    wkmb("credential", "add", "k", "--key", "k", "--secret", SECRET)

    with served.db.read() as conn:
        [act] = journal.read(conn, f"{served.clock():%Y-%m}", limit=10)

    assert act.who.startswith("cli:")
    assert (act.action, act.object) == ("credential.add", "credential:k")
