"""``wkmb platform``: LMSs that launch the hub (LTI 1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import sqlalchemy as sa

from hub.cli.base import actor, json_option, opened, say
from hub.lti_tool import members, platforms, registering
from hub.lti_tool.platforms import NewPlatform, Platform
from hub.runtime import Hub
from hub.systems import registry


@click.group()
def platform() -> None:
    """LMSs that launch the hub."""


@platform.command()
@click.argument("name")
@click.option("--connector", metavar="NAME", help="The system that it belongs to; without it one of its name is made.")
@click.option("--register", metavar="URL", help="Its registration address: everything else is asked there.")
@click.option("--issuer", metavar="URL", help="What it calls itself (iss), letter by letter.")
@click.option("--client-id", metavar="ID", help="What it calls the hub.")
@click.option("--auth-url", metavar="URL", help="Its authentication endpoint.")
@click.option("--token-url", metavar="URL", help="Its token endpoint.")
@click.option("--jwks-url", metavar="URL", help="Where its public keys are.")
@click.option(
    "--deployment", "deployments", multiple=True, metavar="ID",
    help="What it calls a deployment of the hub; may be repeated.",
)  # fmt: skip
@click.option("--token-audience", metavar="A", help="What its token endpoint wants as aud, where that is not its URL.")
@click.option("--internal", is_flag=True, help="Allow http and private or loopback addresses for this system.")
@json_option
def add(
    name: str,
    connector: str | None,
    register: str | None,
    deployments: tuple[str, ...],
    token_audience: str | None,
    internal: bool,
    as_json: bool,
    **entered: str | None,
) -> None:
    """Register the platform NAME; prints what its administrator enters on the other side.

    With --register by LTI Dynamic Registration, else with everything that it says of itself.
    """
    with opened() as hub:
        if register is not None:
            _refuse_both(entered, deployments, token_audience)
            start = registering.read_start(register)
            made = registering.register(hub, name, start, by=actor(), connector=connector, internal=internal)
            with hub.db.read() as conn:
                value = _registration(conn, hub, made)
            say(value, as_json, f"{name} is registered, on both sides:", *_lines(value))
            return
        told = _require_all(entered)
        if not deployments:
            raise click.UsageError("Missing option '--deployment'.")
        new = NewPlatform(
            name=name,
            issuer=told["issuer"],
            client_id=told["client_id"],
            auth_url=told["auth_url"],
            token_url=told["token_url"],
            jwks_url=told["jwks_url"],
            deployments=tuple(dict.fromkeys(deployments)),
            token_audience=token_audience,
            internal=internal,
        )

        def work(conn: sa.Connection) -> dict[str, Any]:
            made = platforms.add(conn, hub, new, by=actor(), connector=connector)
            return _registration(conn, hub, made)

        value = hub.db.run(work)
    say(value, as_json, f"{name} is registered. Enter on its side:", *_lines(value))


def _refuse_both(entered: Mapping[str, str | None], deployments: tuple[str, ...], audience: str | None) -> None:
    if any(entered.values()) or deployments or audience:
        raise click.UsageError("With --register the platform says everything itself: leave the other options out.")


def _require_all(entered: Mapping[str, str | None]) -> dict[str, str]:
    """The options that a platform is described by; each is needed where it does not register itself."""
    for option, value in entered.items():
        if value is None:
            raise click.UsageError(f"Missing option '--{option.replace('_', '-')}'. Or give --register.")
    return {option: value or "" for option, value in entered.items()}


@platform.command()
@click.argument("name")
@click.option("--internal", is_flag=True, help="Allow http and private or loopback addresses for this system.")
@click.option("--title", default="", metavar="TEXT", help="What people see instead of the name.")
@json_option
def invite(name: str, internal: bool, title: str, as_json: bool) -> None:
    """Print the address with which an LMS registers the hub as its tool, to be called NAME here; good once."""
    with opened() as hub:
        url = registering.invite(hub, registering.Invitation(name, internal, title), by=actor())
    say({"registration_url": url}, as_json, url)


@platform.command()
@click.argument("name")
@json_option
def update(name: str, as_json: bool) -> None:
    """Tell the platform NAME again what the hub is, where it registered the hub dynamically."""
    with opened() as hub:
        with hub.db.read() as conn:
            found = platforms.named(conn, name)
        registering.update(hub, found, by=actor())
    say({"name": name}, as_json, f"{name} knows the hub as it is now.")


@platform.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every platform with its system, by name."""
    with opened() as hub, hub.db.read() as conn:
        found = platforms.list_all(conn)
        names = registry.connector_names(conn)
    values = [_described(each, names[each.connector]) for each in found]
    lines = [
        f"{each.name}\t{names[each.connector]}\t{each.issuer}" + ("\tdisabled" if each.disabled else "")
        for each in found
    ]
    say(values, as_json, *(lines or ["No platforms. Register one: wkmb platform add."]))


@platform.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Everything about the platform NAME: what is entered on its side, its deployments, and what was refused last."""
    with opened() as hub, hub.db.read() as conn:
        found = platforms.named(conn, name)
        registered = _registration(conn, hub, found)
    value = registered | _described(found, registered["connector"])
    say(value, as_json, *_lines(value))


@platform.command()
@click.argument("name")
@click.option("--deployment", "deployments", required=True, multiple=True, metavar="ID", help="May be repeated.")
@json_option
def deploy(name: str, deployments: tuple[str, ...], as_json: bool) -> None:
    """Let further deployments of the platform NAME launch the hub, or those that are pending."""
    with opened() as hub:

        def work(conn: sa.Connection) -> dict[str, Any]:
            found = platforms.named(conn, name)
            for deployment in deployments:
                platforms.add_deployment(conn, hub, found, deployment, by=actor())
            return _registration(conn, hub, found)

        value = hub.db.run(work)
    say(value, as_json, *_lines(value))


@platform.command()
@click.argument("name")
@click.option("--deployment", "deployments", multiple=True, metavar="ID", help="Only this one; may be repeated.")
@click.option("--again", is_flag=True, help="Take launches of the platform again instead.")
@json_option
def disable(name: str, deployments: tuple[str, ...], again: bool, as_json: bool) -> None:
    """Refuse what the platform NAME launches."""
    if again and deployments:
        raise click.UsageError("A deployment is enabled again with `wkmb platform deploy`.")
    with opened() as hub:

        def work(conn: sa.Connection) -> dict[str, Any]:
            found = platforms.named(conn, name)
            for deployment in deployments:
                platforms.disable_deployment(conn, hub, found, deployment, by=actor())
            if not deployments:
                platforms.set_disabled(conn, hub, found, disabled=not again, by=actor())
            return _registration(conn, hub, found)

        value = hub.db.run(work)
    what = ", ".join(deployments) or name
    say(value, as_json, f"{what} is {'taken again' if again else 'refused now'}.")


@platform.command()
@click.argument("name")
@json_option
def roster(name: str, as_json: bool) -> None:
    """Read the membership lists that launches of the platform NAME named, and link who is known in them."""
    with opened() as hub:
        found = members.read_now(hub, name, by=actor())
    values = [
        {"context": each.context, "title": each.title, "linked": each.linked, "same": each.same,
         "unresolved": each.unresolved, "failure": each.failure}
        for each in found
    ]  # fmt: skip
    lines = [
        f"{each.title or each.context}\t{each.linked} linked, {each.same} already linked, {each.unresolved} unresolved"
        + (f"\t{each.failure}" if each.failure else "")
        for each in found
    ]
    say(values, as_json, *(lines or [f"No launch of {name} has named a membership list yet."]))


def _registration(conn: sa.Connection, hub: Hub, found: Platform) -> dict[str, Any]:
    deployed = platforms.deployments_of(conn, found.id)
    connector = registry.get_connector(conn, found.connector).name
    status = {each.deployment_id: each.status for each in deployed}
    return platforms.registration(hub, found, deployed) | {"deployments": status, "connector": connector}


def _described(found: Platform, connector: str) -> dict[str, Any]:
    return {
        "name": found.name,
        "connector": connector,
        "issuer": found.issuer,
        "client_id": found.client_id,
        "auth_url": found.auth_url,
        "token_url": found.token_url,
        "jwks_url_of_platform": found.jwks_url,
        "token_audience": found.token_audience,
        "internal": found.internal,
        "disabled": found.disabled,
        "last_refusal": None if found.refusal is None else dict(found.refusal),
    }


def _lines(value: dict[str, Any]) -> list[str]:
    lines = []
    for name, each in value.items():
        if isinstance(each, dict):
            lines += [f"{name}: {key} = {inner}" for key, inner in each.items()]
        elif isinstance(each, list):
            lines += [f"{name}: {inner}" for inner in each]
        elif each is not None:
            lines.append(f"{name}: {each}")
    return lines
