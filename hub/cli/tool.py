"""``wkmb tool``: external LMSs that the hub launches (LTI 1.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from hub.cli.base import Failed, actor, json_option, opened, say
from hub.cli.connector import calling, check_lines, check_values
from hub.runtime import Hub
from hub.systems import connections, registry
from hub.systems.registry import Deployment, NewTool, Tool


@click.group()
def tool() -> None:
    """External LMSs whose courses the hub launches."""


@tool.command()
@click.argument("name")
@click.option("--connector", metavar="NAME", help="The system that it belongs to; without it one of its name is made.")
@click.option("--login-url", required=True, metavar="URL", help="Where a login is initiated (OpenID Connect).")
@click.option(
    "--redirect-uri", "redirect_uris", required=True, multiple=True, metavar="URL",
    help="Where launches may be posted to; may be repeated.",
)  # fmt: skip
@click.option("--target-link-uri", required=True, metavar="URL", help="What is opened where a course says nothing.")
@click.option("--jwks-url", metavar="URL", help="Where its public keys are.")
@click.option(
    "--public-key", "key_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its public key as a PEM file, where it has no key set.",
)  # fmt: skip
@click.option("--deep-linking-url", metavar="URL", help="Where its courses can be chosen.")
@click.option(
    "--deployment", "deployments", multiple=True, metavar="NAME",
    help='A tenant of it; may be repeated. Without it there is one, named "default".',
)  # fmt: skip
@click.option("--names", is_flag=True, help="Launches carry the learner's name and e-mail address.")
@click.option("--internal", is_flag=True, help="Allow http and private or loopback addresses for this system.")
@click.option("--framed", is_flag=True, help="Its courses open inside the hub's page, not in a window of their own.")
@json_option
def add(
    name: str,
    connector: str | None,
    login_url: str,
    redirect_uris: tuple[str, ...],
    target_link_uri: str,
    jwks_url: str | None,
    key_file: Path | None,
    deep_linking_url: str | None,
    deployments: tuple[str, ...],
    names: bool,
    internal: bool,
    framed: bool,
    as_json: bool,
) -> None:
    """Register the tool NAME; prints what its administrator enters on the other side."""
    if (jwks_url is None) == (key_file is None):
        raise click.UsageError("Give one of --jwks-url and --public-key.")
    new = NewTool(
        name=name,
        login_url=login_url,
        redirect_uris=redirect_uris,
        target_link_uri=target_link_uri,
        jwks_url=jwks_url,
        public_key=None if key_file is None else _read_key(key_file),
        deep_linking_url=deep_linking_url,
        deployments=deployments or ("default",),
        names=names,
        internal=internal,
        framed=framed,
    )
    with opened() as hub:

        def work(conn: sa.Connection) -> dict[str, Any]:
            made = registry.add_tool(conn, hub, new, by=actor(), connector=connector)
            return _registration(conn, hub, made)

        value = hub.db.run(work)
    say(value, as_json, f"{name} is registered. Enter on its side:", *_lines(value))


@tool.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every tool with its system, by name."""
    with opened() as hub, hub.db.read() as conn:
        found = registry.list_tools(conn)
        names = registry.connector_names(conn)
    values = [_described(each, names[each.connector]) for each in found]
    lines = [
        f"{each.name}\t{names[each.connector]}\t{each.client_id}" + ("\tdisabled" if each.disabled else "")
        for each in found
    ]
    say(values, as_json, *(lines or ["No tools. Register one: wkmb tool add."]))


@tool.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Everything about the tool NAME, and what its administrator enters on the other side."""
    with opened() as hub, hub.db.read() as conn:
        found = registry.named_tool(conn, name)
        registered = _registration(conn, hub, found)
    value = registered | _described(found, registered["connector"])
    say(value, as_json, *_lines(value))


@tool.command()
@click.argument("name")
@json_option
@click.pass_context
def test(ctx: click.Context, name: str, as_json: bool) -> None:
    """Try the tool NAME: address, TLS, clock, keys. Exit code 1 where a check failed."""
    with opened() as hub:
        with hub.db.read() as conn:
            found = registry.named_tool(conn, name)
            deployed = registry.deployments_of(conn, found.id)
        with calling():
            checks = tuple(connections.test_tool(hub, found, deployed))
    say(check_values(checks), as_json, *check_lines(checks))
    ctx.exit(1 if any(check.outcome == "failed" for check in checks) else 0)


@tool.command()
@click.argument("name")
@click.option("--deployment", "deployments", required=True, multiple=True, metavar="TENANT", help="May be repeated.")
@json_option
def deploy(name: str, deployments: tuple[str, ...], as_json: bool) -> None:
    """Add tenants to the tool NAME; prints their deployment_id with everything else that they enter."""
    with opened() as hub:

        def work(conn: sa.Connection) -> dict[str, Any]:
            found = registry.named_tool(conn, name)
            for deployment in deployments:
                registry.add_deployment(conn, hub, found, deployment, by=actor())
            return _registration(conn, hub, found)

        value = hub.db.run(work)
    say(value, as_json, *_lines(value))


_NAMES = {"yes": True, "no": False, "as-tool": None}


@tool.command()
@click.argument("name")
@click.argument("deployment", metavar="TENANT")
@click.option("--names", type=click.Choice(list(_NAMES)), help="Whether its launches carry names and e-mail.")
@click.option("--disable/--enable", default=None, help="Launch nothing there any more, or take that back.")
@json_option
def tenant(name: str, deployment: str, names: str | None, disable: bool | None, as_json: bool) -> None:
    """Show the tenant TENANT of the tool NAME, or change what it may be told and whether it is launched."""
    with opened() as hub:

        def work(conn: sa.Connection) -> tuple[Tool, Deployment]:
            found = registry.named_tool(conn, name)
            there = registry.named_deployment(conn, found, deployment)
            if names is not None:
                registry.set_deployment_names(conn, hub, there, _NAMES[names], by=actor())
            if disable is not None:
                registry.set_deployment_disabled(conn, hub, there, disabled=disable, by=actor())
            return found, registry.named_deployment(conn, found, deployment)

        found, there = hub.db.run(work)
    value = {
        "tool": found.name,
        "name": there.name,
        "deployment_id": there.deployment_id,
        "names": there.tells_names(found),
        "names_as_tool": there.names is None,
        "disabled": there.disabled,
    }
    say(value, as_json, *_lines(value))


@tool.command()
@click.argument("name")
@click.option("--again", is_flag=True, help="Launch it again instead.")
@json_option
def disable(name: str, again: bool, as_json: bool) -> None:
    """Launch the tool NAME no more, and refuse what it sends."""
    with opened() as hub:

        def work(conn: sa.Connection) -> None:
            found = registry.named_tool(conn, name)
            registry.set_tool_disabled(conn, hub, found, disabled=not again, by=actor())

        hub.db.run(work)
    say({"name": name, "disabled": not again}, as_json, f"{name} is {'launched again' if again else 'disabled now'}.")


def _read_key(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"{path} holds no PEM key: {error}. It begins with -----BEGIN PUBLIC KEY-----.") from error


def _registration(conn: sa.Connection, hub: Hub, found: Tool) -> dict[str, Any]:
    connector = registry.get_connector(conn, found.connector)
    return registry.registration(hub, found, registry.deployments_of(conn, found.id)) | {"connector": connector.name}


def _described(found: Tool, connector: str) -> dict[str, Any]:
    return {
        "name": found.name,
        "connector": connector,
        "client_id": found.client_id,
        "login_url": found.login_url,
        "redirect_uris": list(found.redirect_uris),
        "target_link_uri": found.target_link_uri,
        "deep_linking_url": found.deep_linking_url,
        "jwks_url_of_tool": found.jwks_url,
        "public_key": found.public_key,
        "names": found.names,
        "internal": found.internal,
        "framed": found.framed,
        "disabled": found.disabled,
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
