"""``wkmb identity``: whose the actors of statements are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import sqlalchemy as sa

from hub import journal
from hub.cli.base import actor, json_option, opened, say
from hub.cli.files import as_values, read_text, tell
from hub.jp import unresolved as waiting
from hub.jp.unresolved import Unresolved
from hub.people import identity as identities
from hub.people import identity_rules as rules
from hub.runtime import Hub
from mappings.rules import jp_text

_PAGE = 50


@click.group()
def identity() -> None:
    """Whose the actors of statements are."""


@identity.command("list")
@click.option("--unresolved", is_flag=True, required=True, help="Those that are nobody's yet.")
@click.option("--limit", type=click.IntRange(1), help="Show at most so many, the first seen first.")
@json_option
def list_(unresolved: bool, limit: int | None, as_json: bool) -> None:
    """Identities whose statements earn nothing because nobody said whose they are: whom each may be, and how much JP
    waits behind it."""
    del unresolved  # Required: a list of everybody's identities is for no screen.
    with opened() as hub:
        found = list(islice(_unresolved(hub), limit))
    say([_value(each) for each in found], as_json,
        *([_line(each) for each in found] or ["Every actor that was seen is somebody's."]))  # fmt: skip


def _unresolved(hub: Hub) -> Iterator[Unresolved]:
    """All of them, read a page at a time."""
    after: tuple[datetime, int] | None = None
    while True:
        with hub.db.read() as conn:
            page = identities.list_unresolved(conn, limit=_PAGE, after=after)
            weighed = waiting.weigh(conn, hub, page)
        yield from weighed
        if len(page) < _PAGE:
            return
        after = page[-1].first_seen, page[-1].actor_key


@identity.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--skip-bad", is_flag=True, help="Link the good rows although others are wrong.")
@json_option
def link(file: Path, skip_bad: bool, as_json: bool) -> None:
    """Link the identities in FILE to people (CSV: homepage_or_issuer,name,nip; empty first cell: mailto:, SHA-1 or
    openid)."""
    found = identities.read_links(read_text(file))
    with opened() as hub:
        with hub.db.read() as conn:
            owners, unknown = identities.find_owners(conn, found.rows)
        problems = (*found.problems, *unknown)
        tell(problems, as_json, skip_bad=skip_bad)
        rows = [row for row in found.rows if row.nip in owners]
        done = hub.db.run(lambda conn: _link(conn, hub, rows, owners))
    counts = {"linked": done.linked, "same": done.same}
    line = f"{done.linked} linked, {done.same} as they were, {len(problems)} left out."
    say({**counts, "problems": as_values(problems)}, as_json, line)


@identity.command()
@click.argument("connector")
@click.option("--nip", "homepage", metavar="HOMEPAGE", help="Accounts of this homePage are named by NIP.")
@click.option("--mail", "domain", metavar="DOMAIN", help="Addresses of this domain are people's own.")
@click.option("--remove", is_flag=True, help="Take the rule away; whom it linked stays linked.")
@json_option
def rule(connector: str, homepage: str | None, domain: str | None, remove: bool, as_json: bool) -> None:
    """Know the actors of CONNECTOR by a rule, also those that are unresolved now."""
    if (homepage is None) == (domain is None):
        raise click.UsageError("Give either --nip HOMEPAGE or --mail DOMAIN.")
    kind, value = (rules.NIP, homepage) if homepage is not None else (rules.MAIL, domain or "")
    change = rules.remove if remove else rules.add
    with opened() as hub:
        is_changed = hub.db.run(lambda conn: change(conn, hub, connector, kind, value, by=actor()))
        while rules.step(hub):
            pass
    told = f"{connector}: {kind} {value} is {'no rule any more' if remove else 'a rule'}."
    value_ = {"connector": connector, "kind": kind, "value": value, "changed": is_changed}
    say(value_, as_json, told if is_changed else f"As it was: {told}")


@identity.command("rules")
@json_option
def list_rules(as_json: bool) -> None:
    """By which rules actors are known without anybody linking them."""
    with opened() as hub, hub.db.read() as conn:
        found = rules.list_all(conn)
    value = [{"connector": each.name, "kind": each.kind, "value": each.value, "by": each.by} for each in found]
    lines = [f"{each.name}\t{each.kind}\t{each.value}" for each in found]
    say(value, as_json, *(lines or ["No rule. Add one: wkmb identity rule CONNECTOR --nip HOMEPAGE"]))


def _link(
    conn: sa.Connection, hub: Hub, rows: Sequence[identities.LinkRow], owners: Mapping[str, UUID]
) -> identities.Linked:
    now, new_id = hub.clock(), hub.new_id
    done = identities.import_links(conn, rows, owners, now=now, new_id=new_id)
    object = f"{len(rows)} identities"
    journal.record(
        conn, who=actor(), action="identity.link", object=object, now=now, new_id=new_id, linked=done.linked
    )  # fmt: skip
    return done


def _value(found: Unresolved) -> dict[str, Any]:
    who, may_be = found.identity.who, found.suggested
    return {
        "homepage_or_issuer": who.homepage,
        "name": who.name,
        "first_seen": found.identity.first_seen,
        "suggested": {"nip": may_be.nip, "name": may_be.name} if may_be else None,
        "waiting_jp": found.behind.centi_jp / 100,
        "waiting_more": found.behind.is_more,
    }


def _line(found: Unresolved) -> str:
    who, may_be, behind = found.identity.who, found.suggested, found.behind
    parts = [who.homepage, who.name, f"since {found.identity.first_seen:%Y-%m-%d}"]
    if behind.centi_jp:
        parts.append(f"{'at least ' if behind.is_more else ''}{jp_text(behind.centi_jp)} JP wait")
    if may_be:
        parts.append(f"perhaps {may_be.name} ({may_be.nip})")
    return "\t".join(parts)
