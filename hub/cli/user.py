"""``wkmb user``: who may sign in."""

from __future__ import annotations

from typing import Any

import click
import sqlalchemy as sa

from hub import journal
from hub.access import accounts
from hub.cli.base import Failed, actor, json_option, opened, read_secret, say
from hub.people import learners
from hub.runtime import Hub


@click.group()
def user() -> None:
    """People who sign in to the pages."""


@user.command()
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(accounts.ROLES), help="What the account may do.")
@click.option("--nip", help="The NIP of the employee whose account it is; needed for the role learner.")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@json_option
def add(name: str, role: str, nip: str | None, password_stdin: bool, as_json: bool) -> None:
    """Make the account NAME."""
    del password_stdin  # Required, so that nobody writes a password on a command line.
    password = read_secret()
    with opened() as hub, hub.db.write() as conn:
        learner = None
        if nip is not None:
            found = learners.find_by_nip(conn, nip)
            if found is None:
                raise Failed(f"No employee has the NIP {nip}. Import her first: wkmb learner import FILE.csv.")
            learner = found.id
        account = accounts.add(conn, hub, name, role, password, learner)
        _record(conn, hub, "account.add", account.username, role=role)
    say(_value(account), as_json, f"{account.username} may sign in as {account.role}.")


@user.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every account with its role, by name."""
    found: list[accounts.Account] = []
    with opened() as hub, hub.db.read() as conn:
        while page := accounts.list_accounts(conn, after=found[-1].username if found else ""):
            found += page
    lines = [f"{a.username}\t{a.role}" + ("\tdisabled" if a.is_disabled else "") for a in found]
    say([_value(account) for account in found], as_json, *(lines or ["No accounts. Make one: wkmb user add."]))


@user.command()
@click.argument("name")
@click.option("--again", is_flag=True, help="Open the account again instead.")
@json_option
def disable(name: str, again: bool, as_json: bool) -> None:
    """Lock the account NAME; whoever is signed in with it is signed out."""
    with opened() as hub, hub.db.write() as conn:
        if not accounts.set_disabled(conn, name, not again):
            raise _unknown(name)
        _record(conn, hub, "account.enable" if again else "account.disable", accounts.normalize(name))
    state = "may sign in again" if again else "cannot sign in any more"
    say({"username": accounts.normalize(name), "disabled": not again}, as_json, f"{name} {state}.")


@user.command()
@click.argument("name")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@json_option
def password(name: str, password_stdin: bool, as_json: bool) -> None:
    """Give the account NAME another password."""
    del password_stdin
    secret = read_secret()
    with opened() as hub, hub.db.write() as conn:
        if not accounts.set_password(conn, name, secret):
            raise _unknown(name)
        _record(conn, hub, "account.password", accounts.normalize(name))
    say({"username": accounts.normalize(name)}, as_json, f"{name} has a new password.")


def _record(conn: sa.Connection, hub: Hub, action: str, username: str, **detail: Any) -> None:
    now, new_id = hub.clock(), hub.new_id
    journal.record(conn, who=actor(), action=action, object=f"account:{username}", now=now, new_id=new_id, **detail)


def _unknown(name: str) -> Failed:
    return Failed(f"There is no account {name}. `wkmb user list` shows them all.")


def _value(account: accounts.Account) -> dict[str, Any]:
    return {
        "username": account.username,
        "role": account.role,
        "learner": str(account.learner) if account.learner else None,
        "disabled": account.is_disabled,
    }
