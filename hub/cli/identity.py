"""``wkmb identity``: whose the actors of statements are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import sqlalchemy as sa

from hub import identity as identities
from hub import journal
from hub.cli.base import actor, json_option, opened, say
from hub.cli.files import as_values, read_text, tell
from hub.runtime import Hub

_PAGE = 500


@click.group()
def identity() -> None:
    """Whose the actors of statements are."""


@identity.command("list")
@click.option("--unresolved", is_flag=True, required=True, help="Those that are nobody's yet.")
@json_option
def list_(unresolved: bool, as_json: bool) -> None:
    """Identities whose statements earn nothing because nobody said whose they are."""
    del unresolved  # Required: a list of everybody's identities is for no screen.
    found: list[identities.Identity] = []
    with opened() as hub, hub.db.read() as conn:
        page = identities.list_unresolved(conn, limit=_PAGE)
        while page:
            found += page
            page = identities.list_unresolved(conn, limit=_PAGE, after=(page[-1].first_seen, page[-1].actor_key))
    lines = [f"{each.who.homepage}\t{each.who.name}\tsince {each.first_seen:%Y-%m-%d}" for each in found]
    say([_value(each) for each in found], as_json, *(lines or ["Every actor that was seen is somebody's."]))


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


def _value(found: identities.Identity) -> dict[str, Any]:
    return {"homepage_or_issuer": found.who.homepage, "name": found.who.name, "first_seen": found.first_seen}
