"""``wkmb user``."""

from __future__ import annotations

from typing import Any

import pytest

from hub import journal
from hub.access import accounts
from hub.access.accounts import SignedIn, SignInRefused
from hub.runtime import Hub

Terminal = Any
PASSWORD = "kata sandi yang panjang"
NIP = "198503152010012004"
LEARNERS = f"nip,name,email,status,employer,unit\n{NIP},Siti Rahayu,,PNS,Contoh,Biro\n"


def add(wkmb: Terminal, name: str = "rina", role: str = "admin", *more: str) -> Any:
    return wkmb.json("user", "add", name, "--role", role, *more, "--password-stdin", stdin=PASSWORD + "\n")


def test_an_account_holds_in_a_running_hub_at_once(wkmb: Terminal, served: Hub) -> None:
    made = add(wkmb)

    assert made == {"username": "rina", "role": "admin", "learner": None, "disabled": False}
    assert isinstance(accounts.sign_in(served, "rina", PASSWORD, "192.0.2.1"), SignedIn)
    with served.db.read() as conn:
        acts = [
            act for act in journal.read(conn, served.clock().strftime("%Y-%m"), limit=9) if act.object == "account:rina"
        ]
    assert [(act.action, act.detail) for act in acts] == [("account.add", {"role": "admin"})]


def test_an_employees_account_is_made_by_her_nip(wkmb: Terminal) -> None:
    wkmb("learner", "import", wkmb.file("learners.csv", LEARNERS))

    made = add(wkmb, "siti", "learner", "--nip", NIP)

    assert made["learner"]
    assert [listed["username"] for listed in wkmb.json("user", "list")] == ["siti"]
    assert "siti\tlearner" in wkmb("user", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "says"),
    [
        (("siti", "--role", "learner"), PASSWORD, 1, "Give her NIP with --nip."),
        (("siti", "--role", "learner", "--nip", NIP), PASSWORD, 1, f"No employee has the NIP {NIP}."),
        (("two words", "--role", "admin"), PASSWORD, 1, "no name for an account"),
        (("siti", "--role", "king"), PASSWORD, 2, "king"),
        (("siti", "--role", "admin"), "short", 1, "The password is too short."),
        (("siti", "--role", "admin"), "", 1, "Standard input is empty."),
    ],
)
def test_what_is_wrong_with_an_account(
    wkmb: Terminal, arguments: tuple[str, ...], stdin: str, code: int, says: str
) -> None:
    assert says in wkmb.refused("user", "add", *arguments, "--password-stdin", stdin=stdin, code=code)
    assert wkmb.json("user", "list") == []


def test_a_password_is_never_on_the_command_line(wkmb: Terminal) -> None:
    assert "--password-stdin" in wkmb.refused("user", "add", "rina", "--role", "admin", code=2)


def test_a_taken_name_is_refused(wkmb: Terminal) -> None:
    add(wkmb)

    again = ("user", "add", "Rina", "--role", "auditor", "--password-stdin")
    assert "wkmb user password" in wkmb.refused(*again, stdin=PASSWORD + "\n")


def test_an_account_is_locked_and_opened_again(wkmb: Terminal, served: Hub) -> None:
    add(wkmb)

    assert wkmb.json("user", "disable", "rina") == {"username": "rina", "disabled": True}
    assert "rina\tadmin\tdisabled" in wkmb("user", "list").stdout
    assert accounts.sign_in(served, "rina", PASSWORD, "192.0.2.1") == SignInRefused("wrong")

    wkmb("user", "disable", "rina", "--again")
    assert isinstance(accounts.sign_in(served, "rina", PASSWORD, "192.0.2.1"), SignedIn)


def test_a_forgotten_password_is_replaced(wkmb: Terminal, served: Hub) -> None:
    add(wkmb)

    wkmb("user", "password", "rina", "--password-stdin", stdin="an entirely new one\n")

    assert isinstance(accounts.sign_in(served, "rina", "an entirely new one", "192.0.2.1"), SignedIn)


@pytest.mark.parametrize("command", [("disable", "nobody"), ("password", "nobody", "--password-stdin")])
def test_an_account_that_is_not_there_is_named(wkmb: Terminal, command: tuple[str, ...]) -> None:
    assert "There is no account nobody." in wkmb.refused("user", *command, stdin=PASSWORD + "\n")
