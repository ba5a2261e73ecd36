"""``wkmb learner``: the people whose hours are recognized."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from hub import journal
from hub.cli.base import Failed, actor, json_option, opened, say
from hub.cli.files import as_values, read_text, tell
from hub.jp import recognition
from hub.operations.logs import mask
from hub.people import identity, learners, persons
from hub.runtime import Hub

#: People that are read at once for a list.
_PAGE = 500


@click.group()
def learner() -> None:
    """The people whose hours are recognized."""


@learner.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--skip-bad", is_flag=True, help="Import the good rows although others are wrong.")
@json_option
def import_(file: Path, skip_bad: bool, as_json: bool) -> None:
    """Add or update the people in FILE (CSV: nip,name,email,status,employer,unit[,supervisor_nip,contract_begin])."""
    found = learners.read_learners(read_text(file))
    tell(found.problems, as_json, skip_bad=skip_bad)
    with opened() as hub:
        done = hub.db.run(lambda conn: _import(conn, hub, found.rows))
    counts = {"added": done.added, "changed": done.changed, "same": done.same}
    line = f"{done.added} added, {done.changed} changed, {done.same} as they were, {len(found.problems)} left out."
    say({**counts, "problems": as_values(found.problems)}, as_json, line)


@learner.command("list")
@click.argument("text", default="")
@json_option
def list_(text: str, as_json: bool) -> None:
    """The people whose name or NIP begins with TEXT, by name; without it everybody."""
    found: list[learners.Learner] = []
    with opened() as hub, hub.db.read() as conn:
        page = learners.search(conn, text, limit=_PAGE)
        while page:
            found += page
            page = learners.search(conn, text, limit=_PAGE, after=(page[-1].name, page[-1].id))
    lines = [f"{each.nip}\t{each.status}\t{each.name}\t{each.employer}" for each in found]
    say([_value(each) for each in found], as_json, *(lines or ["Nobody. Import people: wkmb learner import FILE.csv."]))


@learner.command()
@click.argument("nip")
@json_option
def show(nip: str, as_json: bool) -> None:
    """Who has this NIP, or once had it, and by which identities she is known."""
    with opened() as hub, hub.db.read() as conn:
        found = find(conn, nip)
        nips = learners.nips_of(conn, found.id)
        identities = identity.identities_of(conn, found.id)
    known = [f"{each.who.homepage or each.who.kind}\t{each.who.name}\t{each.linked_by}" for each in identities]
    value = _value(found) | {
        "nips": nips,
        "identities": [{"homepage": i.who.homepage, "name": i.who.name, "linked_by": i.linked_by} for i in identities],
    }
    facts = [f"{name}: {text}" for name, text in _value(found).items() if text]
    say(value, as_json, *facts, f"every NIP: {', '.join(nips)}", "identities:", *known)


@learner.command()
@click.argument("gone")
@click.argument("kept")
@json_option
def merge(gone: str, kept: str, as_json: bool) -> None:
    """Make the person with the NIP GONE one with the person with the NIP KEPT, who has everything from then on."""
    with opened() as hub:
        done = hub.db.run(lambda conn: _merge(conn, hub, gone, kept))
    say(_moved(done), as_json, f"{done.identities} identities of {gone} are those of {kept} now.")


@learner.command()
@click.argument("nip")
@json_option
def split(nip: str, as_json: bool) -> None:
    """Undo the merging of the person whose number NIP was."""
    with opened() as hub:
        done = hub.db.run(lambda conn: _split(conn, hub, nip))
    say(_moved(done), as_json, f"{nip} is a person of her own again, with {done.identities} identities.")


@learner.command()
@json_option
def failing(as_json: bool) -> None:
    """People whose recomputation fails; after three failures one is set aside until something new comes."""
    found: list[recognition.Failure] = []
    with opened() as hub, hub.db.read() as conn:
        page = recognition.list_failures(conn, limit=_PAGE)
        while page:
            found += page
            page = recognition.list_failures(conn, limit=_PAGE, after=page[-1].learner)
        people = learners.find_many(conn, (each.learner for each in found))
    value = [
        {
            "nip": people[each.learner].nip if each.learner in people else None,
            "failures": each.failures,
            "set_aside": each.is_set_aside,
            "error": each.error,
            "at": each.at,
        }
        for each in found
    ]
    lines = [f"{each['nip']}\t{each['failures']} failures\t{each['error']}" for each in value]
    say(value, as_json, *(lines or ["Everybody can be recomputed."]))


@learner.command()
@click.argument("nip")
@json_option
def recompute(nip: str, as_json: bool) -> None:
    """Recompute the person with this NIP now, also where she was set aside."""
    with opened() as hub:
        with hub.db.read() as conn:
            found = find(conn, nip)
        done = hub.db.run(lambda conn: recognition.recompute_now(conn, hub, found.id))
    counts = {"entered": done.entered, "reversed": done.reversed}
    say(counts, as_json, f"{done.entered} entries, {done.reversed} reversals.")


def _merge(conn: sa.Connection, hub: Hub, gone: str, kept: str) -> persons.Moved:
    done = persons.merge(conn, hub, find(conn, gone), find(conn, kept))
    _record(conn, hub, "learner.merge", f"{mask(gone)} into {mask(kept)}", identities=done.identities)
    return done


def _split(conn: sa.Connection, hub: Hub, nip: str) -> persons.Moved:
    done = persons.split(conn, hub, "".join(nip.split()))
    _record(conn, hub, "learner.split", mask(nip), identities=done.identities)
    return done


def _moved(done: persons.Moved) -> dict[str, Any]:
    return {
        "identities": done.identities,
        "before": {"entered": done.before.entered, "reversed": done.before.reversed},
        "after": {"entered": done.after.entered, "reversed": done.after.reversed},
    }


def _import(conn: sa.Connection, hub: Hub, rows: Sequence[learners.LearnerRow]) -> learners.Imported:
    done = learners.import_learners(conn, hub, rows)
    _record(conn, hub, "learner.import", f"{len(rows)} learners", added=done.added, changed=done.changed)
    return done


def _record(conn: sa.Connection, hub: Hub, action: str, object: str, **detail: Any) -> None:
    now, new_id = hub.clock(), hub.new_id
    journal.record(conn, who=actor(), action=action, object=object, now=now, new_id=new_id, **detail)


def find(conn: sa.Connection, nip: str) -> learners.Learner:
    """The learner of a NIP that somebody typed."""
    found = learners.find_by_nip(conn, "".join(nip.split()))
    if found is None:
        raise Failed(f"Nobody has the NIP {nip}. Import her first: wkmb learner import FILE.csv.")
    return found


def _value(found: learners.Learner) -> dict[str, Any]:
    return {
        "id": str(found.id),
        "nip": found.nip,
        "name": found.name,
        "email": found.email,
        "status": found.status,
        "employer": found.employer,
        "unit": found.unit,
        "supervisor_nip": found.supervisor_nip,
        "contract_begin": found.contract_begin,
    }
