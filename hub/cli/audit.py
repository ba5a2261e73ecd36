"""``wkmb audit``: why an hour or a statement counts, and proof that nothing was altered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import orjson

from hub import journal
from hub.cli.base import Failed, actor, json_option, opened, say
from hub.cli.jp import entry_value
from hub.cli.learner import find
from hub.jp import audit as auditing
from hub.jp.audit import Assessment, EntryExplained, Evidence, Finding, Origin, StatementExplained
from hub.jp.ledger import Entry
from hub.operations.logs import mask
from mappings.rules import jp_text


@click.group()
def audit() -> None:
    """Why an hour or a statement counts, and proof that nothing was altered."""


@audit.command()
@click.argument("what", metavar="ENTRY|STATEMENT")
@json_option
def explain(what: str, as_json: bool) -> None:
    """Everything that an entry rests on, or what a statement came to and why."""
    with opened() as hub, hub.db.read() as conn:
        entry = auditing.explain_entry(conn, hub, what)
        if entry is not None:
            say(_entry_value(entry), as_json, *_entry_lines(entry))
            return
        statement_id = _parse_id(what)
        statement = auditing.explain_statement(conn, hub, statement_id) if statement_id else None
        if statement is None:
            raise Failed(f"There is no entry and no statement {what}. `wkmb jp show NIP` lists entries.")
        say(_statement_value(statement), as_json, *_statement_lines(statement))


@audit.command()
@click.option("--nip", help="Only the person with this NIP.")
@json_option
@click.pass_context
def verify(ctx: click.Context, nip: str | None, as_json: bool) -> None:
    """Recompute every entry from the stored bytes; exit code 1 where anything differs."""
    people = entries = statements = 0
    findings: list[Finding] = []
    with opened() as hub:
        for each in auditing.verify(hub, nip):
            people, entries, statements = people + 1, entries + each.entries, statements + each.statements
            findings += each.findings
            for finding in each.findings if not as_json else ():
                click.echo(_finding_line(finding))
    if nip is not None and not people:
        raise Failed(f"Nobody has the NIP {nip}.")
    wrong = [finding for finding in findings if finding.is_wrong]
    total = f"{people} people, {entries} entries, {statements} statements: {len(wrong)} differences."
    value = {
        "people": people,
        "entries": entries,
        "statements": statements,
        "findings": [_finding_value(finding) for finding in findings],
    }
    say(value, as_json, total)
    ctx.exit(1 if wrong else 0)


@audit.command()
@click.argument("nip")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def export(nip: str, file: Path, as_json: bool) -> None:
    """Write all that is recorded of the person with this NIP to FILE, as lines of JSON."""
    with opened() as hub, hub.db.write() as conn:
        learner = find(conn, nip)
        lines = [orjson.dumps(each, default=str) for each in auditing.export(conn, hub, learner)]
        journal.record(
            conn, who=actor(), action="audit.export", object=f"learner:{mask(learner.nip)}", now=hub.clock(),
            new_id=hub.new_id, lines=len(lines),
        )  # fmt: skip
        try:
            # Personal data: for nobody else's eyes, and never over something that is there.
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(b"\n".join([*lines, b""]))
        except OSError as error:
            raise Failed(f"{file} cannot be written: {error.strerror}. Name a file that is not there yet.") from error
    say({"file": str(file), "lines": len(lines)}, as_json, f"{len(lines)} lines in {file}.")


def _parse_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# As lines ----------------------------------------------------------------------------------------------


def _entry_lines(found: EntryExplained) -> list[str]:
    entry = found.entry
    who = f"{found.learner.name} ({found.learner.nip})" if found.learner else str(entry.learner)
    title = found.course.title("en") if found.course else ""
    lines = [
        f"{entry.id}: {jp_text(entry.centi_jp)} JP on {entry.on} for {who}",
        f"course: {title} <{entry.course}>, version {entry.course_digest[:12]}",
        f"form: {entry.form} {found.form.name_en if found.form else ''} ({entry.scope})",
        f"policy: {found.policy.name}, sha256 {entry.policy_digest}",
        f"recorded: {entry.recorded_at.isoformat()}",
    ]
    if found.reverses:
        lines.append(f"takes back {found.reverses.id}: {(entry.cause or {}).get('code', 'unknown')}")
    if found.reversed_by:
        cause = (found.reversed_by.cause or {}).get("code", "unknown")
        lines.append(f"taken back by {found.reversed_by.id}: {cause}")
    for check in entry.checks:
        against = f" against {check.threshold}" if check.threshold else ""
        about = f" [{check.subject}]" if check.subject else ""
        source = f" ({check.reference}; confirmed: {check.confirmed})" if check.reference else ""
        lines.append(f"check {check.code}: {check.outcome}: {check.value}{against}{about}{source}")
    return [*lines, *(line for each in found.evidence for line in _evidence_lines(each))]


def _statement_lines(found: StatementExplained) -> list[str]:
    detail = "".join(f", {name}: {value}" for name, value in found.detail.items())
    who = f"{found.learner.name} ({found.learner.nip})" if found.learner else "nobody's"
    lines = [*_evidence_lines(found.evidence), f"whose: {who}", f"outcome: {found.code}{detail}"]
    if found.refused_step is not None:
        lines.append(f"as a step of the follow-up plan not taken: {found.refused_step}")
    if found.assessment is not None:
        lines.append(_assessment_line(found.assessment))
    return [*lines, *(f"entry {entry.id}: {jp_text(entry.centi_jp)} JP{_state(entry)}" for entry in found.entries)]


def _assessment_line(found: Assessment) -> str:
    candidate = f"{found.candidate.name} ({found.candidate.nip})" if found.candidate else "nobody known"
    stage = f", stage {found.stage.name}" if found.stage else ""
    standing = f", stands {found.found.standing}" if found.found else ""
    return f"certification {found.scheme.name}{stage} of {candidate}: {found.fate}{standing}"


def _state(entry: Entry) -> str:
    if entry.reverses:
        return f", takes back {entry.reverses}"
    return ", taken back" if entry.is_reversed else ""


def _evidence_lines(found: Evidence) -> list[str]:
    verb, thing = found.statement.get("verb", {}).get("id"), found.statement.get("object", {}).get("id")
    voided = f", voided by {found.stored.voided_by}" if found.stored.voided_by else ""
    return [
        f"statement {found.stored.id}: {verb} {thing} at {found.statement.get('timestamp')}{voided}",
        f"  stored {found.stored.stored.isoformat()}, authority {_authority(found)}",
        f"  came by {_origin_line(found.origin)}" + (f" of {found.connector}" if found.connector else ""),
    ]


def _authority(found: Evidence) -> str:
    account = found.authority.get("account", {})
    return f"{account.get('homePage')} {account.get('name')}" if account else str(found.authority.get("mbox", ""))


def _origin_line(origin: Origin) -> str:
    line = f"{origin.kind} {origin.id} {origin.label}".rstrip()
    if origin.score:
        line += f", received {origin.score.received_at.isoformat()}: {origin.score.body.decode(errors='replace')}"
    if origin.launch:
        line += f", launch {origin.launch.id} of {origin.launch.created_at.isoformat()}"
    if origin.run:
        line += f", begun {origin.run.started.isoformat()}"
    return line


def _finding_line(found: Finding) -> str:
    detail = "".join(f", {name}: {value}" for name, value in found.detail.items())
    return f"{found.code}: {found.subject}{detail}"


# As JSON -----------------------------------------------------------------------------------------------


def _entry_value(found: EntryExplained) -> dict[str, Any]:
    return entry_value(found.entry) | {
        "learner": {"nip": found.learner.nip, "name": found.learner.name} if found.learner else None,
        "period": found.entry.period,
        "scope": found.entry.scope,
        "course_digest": found.entry.course_digest,
        "policy_digest": found.entry.policy_digest,
        "recorded_at": found.entry.recorded_at,
        "reversed_by": found.reversed_by.id if found.reversed_by else None,
        "checks": [
            {
                "code": check.code,
                "outcome": check.outcome,
                "value": check.value,
                "threshold": check.threshold,
                "subject": check.subject,
                "reference": check.reference,
                "confirmed": check.confirmed,
            }
            for check in found.entry.checks
        ],
        "sources": [{"reference": each.reference, "confirmed": each.confirmed} for each in found.sources],
        "evidence": [_evidence_value(each) for each in found.evidence],
    }


def _statement_value(found: StatementExplained) -> dict[str, Any]:
    return _evidence_value(found.evidence) | {
        "learner": {"nip": found.learner.nip, "name": found.learner.name} if found.learner else None,
        "outcome": found.code,
        "detail": dict(found.detail),
        "refused_step": found.refused_step,
        "certification": _assessment_value(found.assessment) if found.assessment else None,
        "entries": [entry_value(entry) for entry in found.entries],
    }


def _assessment_value(found: Assessment) -> dict[str, Any]:
    candidate = found.candidate
    return {
        "scheme": found.scheme.name,
        "stage": found.stage.name if found.stage else None,
        "candidate": {"nip": candidate.nip, "name": candidate.name} if candidate else None,
        "fate": found.fate,
        "standing": found.found.standing if found.found else None,
    }


def _evidence_value(found: Evidence) -> dict[str, Any]:
    origin = found.origin
    return {
        "statement": found.statement,
        "stored": found.stored.stored,
        "authority": found.authority,
        "voided_by": found.stored.voided_by,
        "connector": found.connector,
        "connector_title": found.institution,
        "origin": {
            "kind": origin.kind,
            "id": origin.id,
            "label": origin.label,
            "launch": origin.launch.id if origin.launch else None,
            "score": origin.score.body.decode(errors="replace") if origin.score else None,
            "run": origin.run.id if origin.run else None,
        },
    }


def _finding_value(found: Finding) -> dict[str, Any]:
    return {
        "code": found.code,
        "learner": found.learner,
        "subject": found.subject,
        "detail": dict(found.detail),
        "is_wrong": found.is_wrong,
    }
