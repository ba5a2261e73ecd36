"""``wkmb connector``: the systems of other institutions, how they report, and whether their connections work."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
import sqlalchemy as sa
import structlog

from connectors.base import Check, ConnectorError
from connectors.external_lrs import VERSIONS
from connectors.siasn import AlreadyThere, Hours, NotSaved, Saved, WouldSave
from hub.cli.base import Failed, actor, json_option, opened, read_secret, say
from hub.jp import recognition, siasn
from hub.runtime import Hub
from hub.systems import completions, connections, pulls, registry, settings_file, sync
from hub.systems.registry import Connector
from hub.systems.settings_file import SystemsError
from hub.systems.sync import Pull, Status
from mappings.shipped import VOCABULARIES

#: A completion file is read whole.
MAX_BYTES = 32 * 1024 * 1024
#: SIASN's limit is not published.
LARGEST_CERTIFICATE = 5 * 1024 * 1024

#: Which options a kind has beside those that all have, and which of them it needs.
_OPTIONS = {
    "xapi-pull": ("url", "key", "secret_stdin", "version", "every"),
    "siasn": ("url", "key", "secret_stdin", "token_url", "institution_id", "location_id"),
}
_NEEDED = {
    "xapi-pull": ("url", "key", "secret_stdin"),
    "siasn": ("url", "key", "secret_stdin", "token_url"),
}


@click.group()
def connector() -> None:
    """Systems of other institutions."""


@connector.command()
@click.argument("name")
@click.option("--kind", required=True, type=click.Choice([*registry.KINDS, *registry.NOT_LANDED]), help="How it works.")
@click.option("--title", default="", metavar="TEXT", help="What people see instead of the name.")
@click.option("--vocabulary", default="default", show_default=True, type=click.Choice(VOCABULARIES),
              help="What its verbs and types mean.")  # fmt: skip
@click.option("--trusted-jp", metavar="JP", help="Its certificates may state JP, up to this much each.")
@click.option("--internal", is_flag=True, help="Allow http and private or loopback addresses for this system.")
@click.option("--url", help="xapi-pull: the endpoint, before /statements. siasn: the address up to /apisiasn/1.0.")
@click.option("--key", help="xapi-pull, siasn: the key that was given to us.")
@click.option(
    "--secret-stdin", is_flag=True,
    help="xapi-pull, siasn: read the secret from standard input; siasn: and the sign-on token from its second line.",
)  # fmt: skip
@click.option("--version", type=click.Choice(VERSIONS), help=f"xapi-pull: what it speaks.  [default: {VERSIONS[0]}]")
@click.option(
    "--every", type=click.IntRange(pulls.SHORTEST_EVERY, pulls.LONGEST_EVERY), metavar="SECONDS",
    help=f"xapi-pull: how often it is asked.  [default: {pulls.EVERY}]",
)  # fmt: skip
@click.option("--token-url", metavar="URL", help="siasn: where the gateway gives tokens.")
@click.option("--institution-id", metavar="ID", help="siasn: instansiId of the ministry.")
@click.option("--location-id", metavar="ID", help="siasn: lokasiId of the ministry.")
@json_option
def add(
    name: str,
    kind: str,
    title: str,
    vocabulary: str,
    trusted_jp: str | None,
    internal: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make the system NAME known; the `provider` of its courses is this name."""
    common: dict[str, Any] = {"internal": internal, "title": title, "by": actor()}
    centi = None if trusted_jp is None else _centi_jp(trusted_jp)
    reports: dict[str, Any] = {"vocabulary": vocabulary, "trusted_centi_jp": centi}
    given: dict[str, Any] = {option: value for option, value in options.items() if value}

    def work(conn: sa.Connection) -> Connector:
        if kind == "xapi-pull":
            return pulls.add(conn, hub, name, **given, **reports, **common)
        if kind == "siasn":
            return siasn.add(conn, hub, name, **given, **common)
        return registry.add_connector(conn, hub, name, kind, **reports, **common)

    with opened() as hub:
        registry.check_kind(kind)
        given = _given(kind, given)
        made = hub.db.run(work)
    say(_value(made), as_json, f"{name} is known as a system of kind {kind}. {_next_step(made)}")


@connector.command("title")
@click.argument("name")
@click.argument("title")
@json_option
def title_(name: str, title: str, as_json: bool) -> None:
    """Let people see TITLE instead of the NAME of a system; an empty TITLE takes it away."""
    with opened() as hub:

        def work(conn: sa.Connection) -> Connector:
            return registry.set_title(conn, hub, registry.named_connector(conn, name), title, by=actor())

        found = hub.db.run(work)
    say(_value(found), as_json, f"{name} is shown as {found.shown}.")


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
        with calling():
            checks = connections.test(hub, found.id)
    say(check_values(checks), as_json, *check_lines(checks))
    ctx.exit(1 if any(check.outcome == "failed" for check in checks) else 0)


@connector.command()
@click.argument("name")
@click.option("--secret-stdin", is_flag=True, required=True, help="Read the secret from standard input.")
@json_option
def secret(name: str, secret_stdin: bool, as_json: bool) -> None:
    """Change the secret that the hub sends to the system NAME (siasn: a second line with the sign-on token)."""
    del secret_stdin  # Required, so that nobody writes a secret on a command line.
    with opened() as hub:
        with hub.db.read() as conn:
            found = registry.named_connector(conn, name)
        if found.kind not in _OPTIONS:
            raise Failed(f"{name} is of kind {found.kind}: the hub sends it no secret.")
        given = read_secret()
        if found.kind == "siasn":
            given = siasn.join_secrets(given, read_secret())

        def work(conn: sa.Connection) -> None:
            change = pulls.set_secret if found.kind == "xapi-pull" else registry.set_secret
            change(conn, hub, found, given, by=actor())

        hub.db.run(work)
    say({"name": name}, as_json, f"{name} is called with the new secret.")


@connector.command("sync")
@click.argument("name")
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="csv: the completion file.")
@click.option("--skip-bad", is_flag=True, help="csv: store the good rows although others are refused.")
@click.option(
    "--year", type=click.IntRange(2000, 2100), help="siasn: whose hours are handed over.  [default: this one]"
)
@click.option("--dry-run", is_flag=True, help="siasn: show what would be sent, and send nothing.")
@click.option("--again", is_flag=True, help="siasn: try what was refused before, too.")
@click.option(
    "--certificates",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="siasn: the folder of the certificates, each a PDF named by its number.",
)
@json_option
@click.pass_context
def sync_(ctx: click.Context, /, name: str, as_json: bool, **options: Any) -> None:
    """Do now what is done with the system NAME: pull from it, import its file, or hand hours over to it."""
    with opened() as hub:
        with hub.db.read() as conn:
            found = registry.named_connector(conn, name)
        known = {"csv": {"file", "skip_bad"}, "siasn": {"year", "dry_run", "again", "certificates"}}
        allowed = known.get(found.kind, set())
        for option in sorted({option for option, value in options.items() if value} - allowed):
            raise click.UsageError(f"--{option.replace('_', '-')}: {name} is of kind {found.kind}, which has none.")
        if found.kind == "csv" and options["file"] is None:
            raise click.UsageError(f"{name} is of kind csv: say which with --file FILE.")
        if found.kind not in _SYNCS:
            raise Failed(f"{name} is of kind {found.kind}: it calls the hub, and there is nothing to fetch.")
        ctx.exit(_SYNCS[found.kind](hub, found, as_json, **{option: options[option] for option in allowed}))


@connector.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def apply(file: Path, as_json: bool) -> None:
    """Bring connectors and tools to what FILE (YAML, as `connector export` prints it) says.

    What it does not name stays as it is; secrets are never in it.
    """
    with opened() as hub:
        given = _read_systems(file)
        done = hub.db.run(lambda conn: settings_file.apply(conn, hub, given, by=actor()))
        if any(each.means_other for each in done):
            for _ in recognition.wake_everybody(hub):
                pass
    values = [{"system": each.system, "outcome": each.outcome, "todo": each.todo or None} for each in done]
    say(values, as_json, *(f"{each.outcome}\t{each.system}\t{each.todo}".rstrip() for each in done))


@connector.command()
@json_option
def export(as_json: bool) -> None:
    """Print connectors and tools as YAML for `connector apply`, without secrets."""
    with opened() as hub, hub.db.read() as conn:
        text = settings_file.write(conn, hub)
    say({"yaml": text}, as_json, text.rstrip("\n"))


@contextmanager
def calling() -> Iterator[None]:
    """While a command calls other systems: what is tried again is no news to who types, and no part of the result."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def check_values(checks: Iterable[Check]) -> list[dict[str, str]]:
    """What a test found, as JSON."""
    return [asdict(check) for check in checks]


def check_lines(checks: Iterable[Check]) -> list[str]:
    """What a test found, a line each."""
    return [
        f"{check.outcome}\t{check.code}\t{check.subject + ': ' if check.subject else ''}{check.detail}"
        for check in checks
    ]


# Adding ----------------------------------------------------------------------------------------------------------


def _given(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options of this kind, with the secrets that standard input holds."""
    for option in given.keys() - set(_OPTIONS.get(kind, ())):
        raise click.UsageError(f"--{option.replace('_', '-')}: a connector of kind {kind} has no such thing.")
    for option in _NEEDED.get(kind, ()):
        if option not in given:
            raise click.UsageError(f"A connector of kind {kind} needs --{option.replace('_', '-')}.")
    if given.pop("secret_stdin", False):
        given["secret"] = read_secret()
    if kind == "siasn":
        given["sso_token"] = read_secret()
    return given


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
        "siasn": f"Try it: wkmb connector test {made.name}",
        "csv": f"Import what it sends: wkmb connector sync {made.name} --file FILE",
    }[made.kind]


def _read_systems(file: Path) -> settings_file.Systems:
    if file.stat().st_size > settings_file.MAX_BYTES:
        raise Failed(f"{file} is larger than {settings_file.MAX_BYTES // 2**20} MiB. Split it.")
    try:
        return settings_file.read(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise Failed(f"{file} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    except SystemsError as error:
        raise Failed(f"{file}: {error}") from error


# Running ---------------------------------------------------------------------------------------------------------


def _fetch(hub: Hub, found: Connector, as_json: bool) -> int:
    if not found.has_secret:
        raise Failed(f"{found.name} has no secret yet. Enter it: wkmb connector secret {found.name} --secret-stdin")
    with calling():
        pull = pulls.create_sync(hub, lambda: False).run(found.id, force=True)
    if pull is None:
        raise Failed(f"{found.name} is being pulled by another process. See: wkmb connector status {found.name}")
    said = f"{pull.stored} stored, {pull.repeated} were there, {pull.set_aside} set aside."
    say(_pull(pull), as_json, said)
    if pull.error is not None:
        raise Failed(str(pull.error))
    return 0 if pull.state == "ok" else 1


def _import_file(hub: Hub, found: Connector, as_json: bool, *, file: Path, skip_bad: bool) -> int:
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


def _hand_over(
    hub: Hub,
    found: Connector,
    as_json: bool,
    *,
    year: int | None,
    dry_run: bool,
    again: bool,
    certificates: Path | None,
) -> int:
    handed: list[dict[str, Any]] = []
    corrections: list[dict[str, str]] = []
    error: ConnectorError | None = None
    try:
        with calling():
            for part in siasn.hand_over(
                hub,
                found,
                year or hub.today().year,
                dry_run=dry_run,
                again=again,
                find_certificate=partial(_find_certificate, certificates),
            ):
                handed += [_handed(each) for each in part.export.handed]
                corrections += [asdict(each) for each in part.corrections]
                error = part.export.error
    except ConnectorError as failure:
        error = failure
    value = {"handed": handed, "corrections": corrections, "error": str(error) if error else None}
    lines = [f"{each['entry']}\t{each['outcome']}\t{each['detail']}" for each in handed]
    lines += [f"{each['entry']}\ttaken back here: correct it in SIASN, {each['siasn_id']}" for each in corrections]
    say(value, as_json, *(lines or ["Nothing to hand over."]))
    if error is not None:
        raise Failed(str(error))
    return 0


def _find_certificate(folder: Path | None, hours: Hours) -> bytes | None:
    """The certificate of an entry: the PDF that is named by its number; None where there is none."""
    if folder is None:
        return None
    # A number has strokes and spaces, which a file's name cannot have everywhere; and it never leads out of the folder.
    path = folder / f"{re.sub(r'[^0-9A-Za-z-]+', '_', hours.number)}.pdf"
    if not path.is_file():
        return None
    if path.stat().st_size > LARGEST_CERTIFICATE:
        at_most = f"{LARGEST_CERTIFICATE // 2**20} MiB"
        raise Failed(f"{path} is larger than {at_most}. Make it smaller; what was saved is kept.")
    content = path.read_bytes()
    if not content.startswith(b"%PDF-"):
        raise Failed(f"{path} is no PDF. Replace it; what was saved is kept, and the next run goes on.")
    return content


_SYNCS: Mapping[str, Callable[..., int]] = MappingProxyType(
    {"xapi-pull": _fetch, "csv": _import_file, "siasn": _hand_over}
)


def _handed(each: siasn.Handed) -> dict[str, Any]:
    outcome = each.outcome
    detail: Any = outcome.id if isinstance(outcome, Saved | AlreadyThere) else ""
    if isinstance(outcome, WouldSave):
        detail = {"path": outcome.path, "body": dict(outcome.body)}
    elif isinstance(outcome, NotSaved):
        detail = outcome.detail
    return {"entry": each.entry, "outcome": _OUTCOMES[type(outcome)], "detail": detail}


_OUTCOMES = MappingProxyType(
    {Saved: "saved", AlreadyThere: "already_there", NotSaved: "not_saved", WouldSave: "would_save"}
)


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
        "title": found.title or None,
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
