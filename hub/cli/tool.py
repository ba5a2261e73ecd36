"""``wkmb tool``: external LMSs that the hub launches (LTI 1.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from hub.cli.base import Failed, actor, json_option, opened, say
from hub.cli.connector import calling, check_lines, check_values
from hub.lti import drafts, registering
from hub.lti.drafts import Draft
from hub.runtime import Hub
from hub.systems import connections, registry
from hub.systems.registry import Connector, Deployment, NewTool, Tool


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


@tool.command()
@click.argument("name")
@click.option("--url", required=True, metavar="URL", help="Its registration address (LTI Dynamic Registration).")
@click.option("--title", default="", metavar="TEXT", help="What people see instead of the name.")
@click.option("--connector", metavar="NAME", help="The system that it belongs to; without it one of its name is made.")
@click.option(
    "--deployment", "deployments", multiple=True, metavar="NAME",
    help='A tenant of it; may be repeated. Without it there is one, named "default".',
)  # fmt: skip
@click.option("--names", is_flag=True, help="Launches carry the learner's name and e-mail address.")
@click.option("--internal", is_flag=True, help="Allow http and private or loopback addresses for this system.")
@json_option
def invite(
    name: str,
    url: str,
    title: str,
    connector: str | None,
    deployments: tuple[str, ...],
    names: bool,
    internal: bool,
    as_json: bool,
) -> None:
    """Print the address at which the tool NAME registers itself, good once; it arrives disabled."""
    invitation = registering.Invitation(
        name, connector, deployments or ("default",), names=names, internal=internal, title=title
    )  # fmt: skip
    with opened() as hub:
        address = registering.invite(hub, invitation, url, by=actor())
        minutes = registering.LIFE.seconds // 60
    told = f"Open it within {minutes} minutes, then look at its addresses and `wkmb tool disable {name} --again`."
    say({"registration_url": address}, as_json, address, told)


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


# Drafts ------------------------------------------------------------------------------------------------------


@tool.command("drafts")
@click.argument("name", required=False)
@click.option("--after", type=int, default=0, metavar="NUMBER", help="Go on after this draft.")
@json_option
def drafts_(name: str | None, after: int, as_json: bool) -> None:
    """Courses that were picked and wait, of the tool NAME or of all; the oldest first, at most 100."""
    with opened() as hub, hub.db.read() as conn:
        of = None if name is None else registry.deployments_of(conn, registry.named_tool(conn, name).id)
        only = None if of is None else {each.id for each in of}
        found = drafts.page(conn, limit=DRAFTS, after=after, deployments=only)
        values = [_draft(conn, each) for each in found]
    lines = [
        f"{each['number']}\t{each['tool']}\t{each['deployment']}\t{each['title'] or '-'}\t"
        + "; ".join(f"{column}={value}" for column, value in each["proposed"].items())
        for each in values
    ]
    more = [f"There may be more: --after {values[-1]['number']}"] if len(values) == DRAFTS else []
    say(values, as_json, *(lines or ["No drafts. Courses are picked on the page of a deployment."]), *more)


@tool.command()
@click.argument("number", type=int)
@click.option(
    "--set", "given", multiple=True, metavar="COLUMN=VALUE",
    help="A column of `course import`, in place of what the provider proposes; may be repeated.",
)  # fmt: skip
@click.option("--replace", is_flag=True, help="The course of this id gets a new version.")
@json_option
def confirm(number: int, given: tuple[str, ...], replace: bool, as_json: bool) -> None:
    """Take the draft NUMBER into the catalogue, worth what the provider proposes and what is set."""
    cells = dict(_cell(each) for each in given)
    with opened() as hub:
        with hub.db.read() as conn:
            draft = _waiting(conn, number)
            owner, deployment = _owner(conn, draft)
            policy = hub.policies.active(conn, hub.today().year)
            found = drafts.check(conn, draft, drafts.proposal(draft) | cells, owner.name, deployment, policy)
            known = not isinstance(found, tuple) and found.id in hub.courses.current(conn).by_iri
        if isinstance(found, tuple):
            problems = "; ".join(f"{each.column} {each.reason} {each.action}" for each in found)
            raise Failed(f"Draft {number} is no course yet: {problems} Use --set COLUMN=VALUE.")
        if known and not replace:
            raise Failed(f"There is a course {found.id} already. Use --replace, or --set id=ANOTHER.")
        if not hub.db.run(lambda conn: drafts.confirm(conn, hub, draft, found, by=actor())):
            raise Failed(_GONE.format(number))
    say({"number": number, "course": found.id}, as_json, f"{found.title_id} is in the catalogue as {found.id}.")


@tool.command()
@click.argument("number", type=int)
@click.option("--again", is_flag=True, help="Take back that it was discarded.")
@json_option
def discard(number: int, again: bool, as_json: bool) -> None:
    """Put the draft NUMBER away."""
    act, state = (drafts.restore, drafts.DRAFT) if again else (drafts.discard, drafts.DISCARDED)
    with opened() as hub:

        def work(conn: sa.Connection) -> bool:
            draft = drafts.find(conn, number)
            return draft is not None and act(conn, hub, draft, by=actor())

        if not hub.db.run(work):
            raise Failed(f"There is no discarded draft {number}." if again else _GONE.format(number))
    say({"number": number, "state": state}, as_json, f"Draft {number} {'waits again' if again else 'is discarded'}.")


#: Drafts that one call lists.
DRAFTS = 100

_GONE = "Draft {} does not wait: it was confirmed, discarded, or never was. See wkmb tool drafts."


def _waiting(conn: sa.Connection, number: int) -> Draft:
    draft = drafts.find(conn, number)
    if draft is None or draft.state != drafts.DRAFT:
        raise Failed(_GONE.format(number))
    return draft


def _owner(conn: sa.Connection, draft: Draft) -> tuple[Connector, str]:
    """The system of a draft, and the name of its tenant."""
    there = registry.get_deployment(conn, draft.deployment)
    return registry.get_connector(conn, registry.get_tool(conn, there.tool).connector), there.name


def _draft(conn: sa.Connection, draft: Draft) -> dict[str, Any]:
    there = registry.get_deployment(conn, draft.deployment)
    return {
        "number": draft.id,
        "tool": registry.get_tool(conn, there.tool).name,
        "deployment": there.name,
        "title": draft.item.title,
        "url": draft.item.url,
        "proposed": draft.item.proposed,
        "picked_by": draft.picked_by,
        "picked_at": draft.picked_at.isoformat(),
    }


def _cell(text: str) -> tuple[str, str]:
    column, is_pair, value = text.partition("=")
    if not is_pair or column not in drafts.CONFIRMABLE:
        raise click.UsageError(f"--set {text!r}: write COLUMN=VALUE, with one of {', '.join(drafts.CONFIRMABLE)}.")
    return column, value


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
