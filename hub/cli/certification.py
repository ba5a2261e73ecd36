"""``wkmb certification``: schemes, where people stand in them, and recording results where a provider has no system."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from hub import journal
from hub.cli.base import Failed, actor, json_option, opened, say
from hub.cli.files import read_text
from hub.cli.learner import find
from hub.jp import policies
from hub.jp.policies import PolicyExists
from hub.learning import certifications, undertakings
from hub.learning.certifications import Recorded, RecordRefused, Result
from hub.operations.logs import mask
from hub.people.learners import Learner
from hub.runtime import Hub
from mappings.certification import DECISIONS, SchemeError
from mappings.course import MILLION

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def certification() -> None:
    """Certification of competence: schemes as data, and where people stand in them."""


@certification.command()
@json_option
def schemes(as_json: bool) -> None:
    """Every scheme with its stages, and which connectors may report it."""
    with opened() as hub, hub.db.read() as conn:
        found = certifications.schemes(conn, hub)
    value = [
        {
            "name": each.name,
            "digest": each.digest,
            "providers": sorted(each.providers),
            "stages": [stage.name for stage in each.stages],
            "units": [{"name": unit.name, "level": unit.level} for unit in each.units],
        }
        for each in found.values()
    ]
    say(value, as_json, *(f"{each.name}\t{', '.join(stage.name for stage in each.stages)}" for each in found.values()))


@certification.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def add(file: Path, as_json: bool) -> None:
    """Add the scheme in FILE (YAML, as mappings/policies/certification-bkn.yaml). One that is there never changes."""
    text = read_text(file)
    with opened() as hub:
        try:
            found = hub.db.run(lambda conn: policies.add_scheme(conn, text, now=hub.clock()))
        except SchemeError as error:
            raise Failed(str(error)) from error
        except PolicyExists as error:
            raise Failed(f"Scheme {error.name} says something else already. Give the new one a new name.") from error
    say({"name": found.name, "digest": found.digest}, as_json, f"{found.name} is added.")


@certification.command()
@click.argument("nip")
@json_option
def show(nip: str, as_json: bool) -> None:
    """Where the employee with this NIP stands in each certification, with the evidence."""
    with opened() as hub, hub.db.read() as conn:
        found = undertakings.certifications(conn, find(conn, nip).id)
    lines = [line for each in found.values() for line in _lines(asdict(each))]
    say([asdict(each) for each in found.values()], as_json, *(lines or ["She has no certification."]))


def _lines(each: dict[str, Any]) -> list[str]:
    until = f" until {each['valid_until']}" if each["valid_until"] else ""
    stages = [f"  {stage['stage']}\t{stage['standing']}\t{'; '.join(stage['evidence'])}" for stage in each["stages"]]
    return [f"{each['scheme']}: {each['standing']}{until}", *stages]


@certification.command()
@click.argument("nip")
@click.argument("scheme")
@click.argument("stage")
@click.option("--score", type=click.FloatRange(0, 1), help="The score, 0 to 1.")
@click.option("--decision", type=click.Choice(DECISIONS), help="What the assessor decided.")
@click.option("--assessor", metavar="NIP", help="Who decided; never the candidate herself.")
@click.option("--unit", default="", help="The unit that it is about; else all of them.")
@click.option("--on", type=_DAY, help="The day on which it happened; else today.")
@json_option
def record(
    nip: str,
    scheme: str,
    stage: str,
    score: float | None,
    decision: str | None,
    assessor: str | None,
    unit: str,
    on: datetime | None,
    as_json: bool,
) -> None:
    """Record what came of a STAGE of the SCHEME for the employee with this NIP."""
    with opened() as hub:
        with hub.db.read() as conn:
            person, named = find(conn, nip), certifications.get_scheme(conn, hub, scheme)
            judge = find(conn, assessor) if assessor else None
        millionths = None if score is None else round(score * MILLION)
        result = Result(stage, unit, judge.id if judge else None, millionths, decision, _date(on))
        done = _recorded(hub, person, scheme, stage, certifications.record(hub, person.id, named, result))
    _say(done, as_json)


@certification.command()
@click.argument("nip")
@click.argument("scheme")
@click.option("--number", required=True, help="The number of the certificate.")
@click.option("--on", type=_DAY, help="The day on which it was given; else today.")
@click.option("--until", type=_DAY, help="Its last day; else as the scheme has it.")
@json_option
def certify(
    nip: str, scheme: str, number: str, on: datetime | None, until: datetime | None, as_json: bool
) -> None:  # fmt: skip
    """Record the certificate that the employee with this NIP was given."""
    with opened() as hub:
        with hub.db.read() as conn:
            person, named = find(conn, nip), certifications.get_scheme(conn, hub, scheme)
        given = certifications.certify(hub, person.id, named, number, on=_date(on), valid_until=_date(until))
        done = _recorded(hub, person, scheme, "", given)
    _say(done, as_json)


def _date(at: datetime | None) -> date | None:
    return None if at is None else at.date()


def _recorded(hub: Hub, person: Learner, scheme: str, stage: str, done: Recorded | RecordRefused) -> Recorded:
    if isinstance(done, RecordRefused):
        raise Failed(f"Not recorded: {done.code}. docs/recognition.md says what each scheme needs.")
    with hub.db.write() as conn:
        journal.record(
            conn, who=actor(), action="certification.record", object=mask(person.nip), now=hub.clock(),
            new_id=hub.new_id, scheme=scheme, stage=stage, statement=str(done.statement),
        )  # fmt: skip
    return done


def _say(done: Recorded, as_json: bool) -> None:
    found = done.certification
    said = asdict(found) | {"statement": str(done.statement)}
    say(said, as_json, f"Recorded as {done.statement}. {found.scheme}: {found.standing}.")
