"""``wkmb connector``: the systems of other institutions, how they report, and whether their connections work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from connectors.base import Check
from connectors.external_lrs import VERSIONS
from hub import completions, connections, pulls, registry, sync
from hub.cli.base import Failed, actor, json_option, opened, read_secret, say
from hub.registry import Connector
from hub.runtime import Hub
from hub.sync import Pull, Status
from mappings.shipped import VOCABULARIES

#: A completion file is read whole.
MAX_BYTES = 32 * 1024 * 1024

#: Options that only another LRS has.
_PULL_OPTIONS = ("url", "key", "secret_stdin", "version", "every")


@click.group()
def connector() -> None:
    """Systems of other institutions."""


@connector.command()
@click.argument("name")
@click.option("--kind", required=True, type=click.Choice([*registry.KINDS, *registry.NOT_LANDED]), help="How it works.")
@click.option("--vocabulary", default="default", show_default=True, type=click.Choice(VOCABULARIES),
              help="What its verbs and types mean.")  # fmt: skip
@click.option("--trusted-jp", metavar="JP", help="Its certificates may state JP, up to this much each.")
@click.option("--internal", is_flag=True, help="Allow http and private or loopback addresses for this system.")
@click.option("--url", help="xapi-pull: the endpoint of its LRS, before /statements.")
@click.option("--key", help="xapi-pull: the key that it gave us.")
@click.option("--secret-stdin", is_flag=True, help="xapi-pull: read its secret from the first line of standard input.")
@click.option(
    "--version", type=click.Choice(VERSIONS), help=f"xapi-pull: the version it speaks.  [default: {VERSIONS[0]}]"
)
@click.option("--every", type=click.IntRange(pulls.SHORTEST_EVERY, pulls.LONGEST_EVERY), metavar="SECONDS",
              help=f"xapi-pull: how often it is asked.  [default: {pulls.EVERY}]")  # fmt: skip
@json_option
def add(
    name: str,
    kind: str,
    vocabulary: str,
    trusted_jp: str | None,
    internal: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make the system NAME known; the `provider` of its courses is this name."""
    centi = None if trusted_jp is None else _centi_jp(trusted_jp)
    given = {option: options[option] for option in _PULL_OPTIONS if options[option]}
    if kind != "xapi-pull" and given:
        names = ", ".join(f"--{option.replace('_', '-')}" for option in given)
        raise click.UsageError(f"{names}: only a connector of kind xapi-pull has that.")
    common: dict[str, Any] = {"internal": internal, "vocabulary": vocabulary, "trusted_centi_jp": centi, "by": actor()}
    if kind == "xapi-pull":
        pulled = _pull_options(given)
        with opened() as hub:
            made = hub.db.run(lambda conn: pulls.add(conn, hub, name, **pulled, **common))
    else:
        with opened() as hub:
            made = hub.db.run(lambda conn: registry.add_connector(conn, hub, name, kind, **common))
    say(_value(made), as_json, f"{name} is known as a system of kind {kind}. {_next_step(made)}")


@connector.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every system with its kind and health, by name."""
    with opened() as hub, hub.db.read() as conn:
        found = registry.list_connectors(conn)
        healths = {each.id: sync.status(conn, each.id, hub.clock()) for each in found if each.kind == "xapi-pull"}
        tests = connections.last_of_all(conn)
    values, lines = [], []
    for each in found:
        health, tested = healths.get(each.id), tests.get(each.id)
        outcome = None if tested is None else "failed" if tested.has_failed else "ok"
        values.append(_value(each) | {"health": health.health if health else None, "tested": outcome})
        lines.append(f"{each.name}\t{each.kind}\t{health.health if health else '-'}\t{outcome or 'not tested'}")
    say(values, as_json, *(lines or ["No systems. Make one known: wkmb connector add."]))


@connector.command()
@click.argument("name")
@json_option
def status(name: str, as_json: bool) -> None:
    """How the system NAME is: its pulls, what had to be set aside, and its newest test."""
    with opened() as hub, hub.db.read() as conn:
        found = registry.named_connector(conn, name)
        pulled = sync.status(conn, found.id, hub.clock())
        runs = sync.recent_runs(conn, found.id)
        aside = sync.list_set_aside(conn, found.id)
        tested = connections.last(conn, found.id)
    value = _value(found) | {
        "pull": asdict(pulled) if pulled else None,
        "runs": [_run(row) for row in runs],
        "set_aside": [{"statement": row.statement_id, "reason": row.reason, "at": row.at} for row in aside],
        "tested_at": tested.at if tested else None,
        "checks": check_values(tested.checks) if tested else [],
    }
    lines = [f"{found.name}: {found.kind}", *(_status_lines(pulled) if pulled else [])]
    lines += [f"run of {row.started:%Y-%m-%d %H:%M:%S}: {row.state}, {row.stored} stored, {row.repeated} repeated, "
              f"{row.set_aside} set aside" for row in runs]  # fmt: skip
    lines += [f"set aside: {row.statement_id or 'a statement'}: {row.reason}" for row in aside]
    lines += check_lines(tested.checks) if tested else [f"Not tested yet: wkmb connector test {name}"]
    say(value, as_json, *lines)


@connector.command()
@click.argument("name")
@json_option
@click.pass_context
def test(ctx: click.Context, name: str, as_json: bool) -> None:
    """Try the connections of the system NAME. Exit code 1 where a check failed."""
    with opened() as hub:
        with hub.db.read() as conn:
            found = registry.named_connector(conn, name)
        checks = connections.test(hub, found.id)
    say(check_values(checks), as_json, *check_lines(checks))
    ctx.exit(1 if any(check.outcome == "failed" for check in checks) else 0)


@connector.command()
@click.argument("name")
@click.option("--secret-stdin", is_flag=True, required=True, help="Read the secret from standard input.")
@json_option
def secret(name: str, secret_stdin: bool, as_json: bool) -> None:
    """Change the secret that the hub sends to the system NAME."""
    del secret_stdin  # Required, so that nobody writes a secret on a command line.
    given = read_secret()
    with opened() as hub:

        def work(conn: sa.Connection) -> None:
            registry.set_secret(conn, hub, registry.named_connector(conn, name), given, by=actor())

        hub.db.run(work)
    say({"name": name}, as_json, f"{name} is called with the new secret.")


@connector.command("sync")
@click.argument("name")
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="csv: the completion file.")
@click.option("--skip-bad", is_flag=True, help="csv: store the good rows although others are refused.")
@json_option
@click.pass_context
def sync_(ctx: click.Context, name: str, file: Path | None, skip_bad: bool, as_json: bool) -> None:
    """Fetch from the system NAME now, whatever its schedule says; or import a file that it sent."""
    with opened() as hub:
        with hub.db.read() as conn:
            found = registry.named_connector(conn, name)
        if (found.kind == "csv") != (file is not None):
            advice = "needs --file FILE" if found.kind == "csv" else "takes no file"
            raise click.UsageError(f"{name} is of kind {found.kind}, which {advice}.")
        if file is not None:
            ctx.exit(_import_file(hub, found, file, skip_bad=skip_bad, as_json=as_json))
        if found.kind != "xapi-pull":
            raise Failed(f"{name} is of kind {found.kind}: it calls the hub, and there is nothing to fetch.")
        pull = pulls.create_sync(hub, lambda: False).run(found.id, force=True)
    if pull is None:
        raise Failed(f"{name} is being pulled by another process. See: wkmb connector status {name}")
    say(_pull(pull), as_json, f"{pull.stored} stored, {pull.repeated} were there, {pull.set_aside} set aside.")
    if pull.error is not None:
        raise Failed(str(pull.error))
    ctx.exit(0 if pull.state == "ok" else 1)


def check_values(checks: Iterable[Check]) -> list[dict[str, str]]:
    """What a test found, as JSON."""
    return [asdict(check) for check in checks]


def check_lines(checks: Iterable[Check]) -> list[str]:
    """What a test found, a line each."""
    return [f"{check.outcome}\t{check.code}\t{check.detail}" for check in checks]


# Adding ----------------------------------------------------------------------------------------------------------


def _pull_options(given: dict[str, Any]) -> dict[str, Any]:
    for option in ("url", "key", "secret_stdin"):
        if option not in given:
            raise click.UsageError(f"A connector of kind xapi-pull needs --{option.replace('_', '-')}.")
    return {name: value for name, value in given.items() if name != "secret_stdin"} | {"secret": read_secret()}


def _centi_jp(text: str) -> int:
    try:
        centi = Decimal(text) * 100
    except InvalidOperation as error:
        raise click.BadParameter(f"{text} is no number, such as 20 or 4.5.", param_hint="--trusted-jp") from error
    if not centi.is_finite() or centi != int(centi):
        raise click.BadParameter(f"{text} has more than two decimals.", param_hint="--trusted-jp")
    return int(centi)


def _next_step(made: Connector) -> str:
    """What is still to be done before it works."""
    return {
        "lti": f"Register what is launched: wkmb tool add NAME --connector {made.name}",
        "xapi-push": f"Let it in: wkmb credential add NAME --key K --secret-stdin --connector {made.name}",
        "xapi-pull": f"Try it: wkmb connector test {made.name}",
        "csv": f"Import what it sends: wkmb connector sync {made.name} --file FILE",
    }[made.kind]


# Running ---------------------------------------------------------------------------------------------------------


def _import_file(hub: Hub, found: Connector, file: Path, *, skip_bad: bool, as_json: bool) -> int:
    if file.stat().st_size > MAX_BYTES:
        raise Failed(f"{file} is larger than {MAX_BYTES // 2**20} MiB. Split it.")
    done = completions.import_file(hub, found, file.read_bytes(), skip_bad=skip_bad)
    for problem in done.problems:
        click.echo(f"{file}, {problem}", err=True)
    value = {"run": done.run, "stored": done.stored, "repeated": done.repeated,
             "problems": [asdict(problem) for problem in done.problems]}  # fmt: skip
    said = f"{done.stored} stored, {done.repeated} were there."
    say(value, as_json, said if done.run else "Nothing was stored. Correct the file, or use --skip-bad.")
    return 0 if done.run else 1


def _pull(pull: Pull) -> dict[str, Any]:
    return {
        "run": pull.run,
        "state": pull.state,
        "stored": pull.stored,
        "repeated": pull.repeated,
        "set_aside": pull.set_aside,
        "cursor": pull.cursor,
        "error": None if pull.error is None else {"code": pull.error.code, "detail": str(pull.error)},
    }


# Showing ---------------------------------------------------------------------------------------------------------


def _value(found: Connector) -> dict[str, Any]:
    return {
        "name": found.name,
        "kind": found.kind,
        "internal": found.internal,
        "vocabulary": found.vocabulary,
        "trusted_jp": None if found.trusted_centi_jp is None else found.trusted_centi_jp / 100,
        "settings": dict(found.settings),
        "created_at": found.created_at,
    }


def _run(row: sa.Row[Any]) -> dict[str, Any]:
    names = ("id", "started", "ended", "state", "stored", "repeated", "set_aside", "error_code", "error")
    return {name: getattr(row, name) for name in names}


def _status_lines(pulled: Status) -> list[str]:
    lines = [f"{pulled.health}, due {pulled.due_at:%Y-%m-%d %H:%M:%S} UTC, cursor {pulled.cursor or 'none yet'}"]
    if pulled.error is not None:
        lines.append(f"{pulled.failures} failure(s) in a row: {pulled.error}")
    return lines
