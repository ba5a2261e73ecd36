"""``wkmb jp``: what was recognized."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.base import json_option, opened, say
from hub.cli.learner import find
from hub.jp import ledger
from mappings.evaluate import Pending
from mappings.rules import jp_text


@click.group()
def jp() -> None:
    """What was recognized."""


@jp.command()
@click.argument("nip")
@click.option("--year", type=click.IntRange(1900, 9999), help="Another year than the current one.")
@json_option
def show(nip: str, year: int | None, as_json: bool) -> None:
    """The JP of the person with this NIP in a year, from what, and what is still missing."""
    with opened() as hub, hub.db.read() as conn:
        found = ledger.year_of(conn, hub, find(conn, nip), year or hub.today().year)
    say(_value(found), as_json, *_lines(found))


def _lines(found: ledger.Year) -> list[str]:
    target = f" of {jp_text(found.target.centi_jp)}" if found.target else ""
    total = f"{found.learner.name}, {found.year}: {jp_text(found.recognized_centi)}{target} JP ({found.policy.name})"
    entered = [_entry_line(entry) for entry in found.entries]
    return [total, *entered, *(f"pending: {each.course}: {_reasons(each)}" for each in found.pending)]


def _entry_line(entry: ledger.Entry) -> str:
    note = " (taken back)" if entry.is_reversed else ""
    if entry.reverses:
        note = f" (takes back {entry.reverses}: {(entry.cause or {}).get('code', '')})"
    return f"{entry.on}\t{jp_text(entry.centi_jp)} JP\t{entry.form}\t{entry.course}\t{entry.id}{note}"


def _reasons(found: Pending) -> str:
    missing = [f"missing {proof}" for proof in found.missing]
    return ", ".join([*missing, *dict.fromkeys(each.code for each in found.waiting)])


def _value(found: ledger.Year) -> dict[str, Any]:
    return {
        "learner": {"nip": found.learner.nip, "name": found.learner.name},
        "year": found.year,
        "policy": found.policy.name,
        "target_jp": found.target.centi_jp / 100 if found.target else None,
        "planned_jp": found.planned_centi / 100,
        "recognized_jp": found.recognized_centi / 100,
        "entries": [entry_value(entry) for entry in found.entries],
        "pending": [pending_value(each) for each in found.pending],
    }


def entry_value(entry: ledger.Entry) -> dict[str, Any]:
    """An entry as JSON."""
    return {
        "id": entry.id,
        "course": entry.course,
        "form": entry.form,
        "jp": entry.centi_jp / 100,
        "on": entry.on,
        "policy": entry.policy,
        "reverses": entry.reverses,
        "cause": entry.cause,
        "evidence": entry.evidence,
    }


def pending_value(found: Pending) -> dict[str, Any]:
    """A pending course as JSON."""
    waiting = [{"code": w.code, "detail": dict(w.detail), "statements": w.statements} for w in found.waiting]
    return {"course": found.course, "missing": found.missing, "waiting": waiting}
