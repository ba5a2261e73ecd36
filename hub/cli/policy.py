"""``wkmb policy``: what the law gives, and which document of it is official in which year."""

from __future__ import annotations

import csv
import io
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from hub import journal
from hub.cli.base import Failed, actor, json_option, opened, say, seek_cycles_rarely
from hub.cli.files import read_text
from hub.jp import policies, recognition, replays
from hub.operations import logs
from hub.people import learners
from hub.runtime import Hub
from mappings.compare import Difference, changes, summary
from mappings.policy import Policy, PolicyError
from mappings.rules import jp_text

#: How often a replay says how far it is, and how long a process that finds nothing to take waits.
_PROGRESS_SECONDS, _IDLE_SECONDS = 5.0, 0.2


@click.group()
def policy() -> None:
    """What the law gives, and which document of it is official in which year."""


@policy.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every policy, with the year from which it is official and whether its ledger is whole."""
    with opened() as hub, hub.db.read() as conn:
        found = hub.policies.list_all(conn)
        ledgers = replays.list_all(conn, now=hub.clock())
        complete = {each.name for each in hub.policies.complete(conn)}
    state = {each.policy.name: _ledger(each.policy.name, complete, ledgers) for each in found}
    value = [
        {
            "name": each.policy.name,
            "digest": each.policy.digest,
            "since": each.policy.since,
            "until": each.policy.until,
            "active_from": [activation.from_year for activation in each.activations],
            "ledger": state[each.policy.name],
        }
        for each in found
    ]
    lines = [
        f"{each.policy.name}\t{each.policy.since}..{each.policy.until or ''}\t{_official(each)}\t"
        f"ledger {state[each.policy.name]}"
        for each in found
    ]
    say(value, as_json, *lines)


@policy.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def add(file: Path, as_json: bool) -> None:
    """Keep the policy document FILE (YAML); it is official nowhere until it is activated."""
    text = read_text(file)
    with opened() as hub, hub.db.write() as conn:
        try:
            found = policies.add(conn, text, now=hub.clock())
        except (PolicyError, policies.PolicyExists) as error:
            raise Failed(f"{file}: {error}") from error
        _record(conn, hub, "policy.add", found.name, digest=found.digest)
    value = {"name": found.name, "digest": found.digest, "since": found.since, "until": found.until}
    say(value, as_json, f"{found.name} is known. Compare it: wkmb policy diff {policies.DEFAULT} {found.name}")


@policy.command()
@click.argument("name")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 64), help="How many work on it.")
@json_option
def replay(name: str, processes: int, as_json: bool) -> None:
    """Write everybody's ledger under the policy NAME, beside the official one; one that was interrupted goes on."""
    seek_cycles_rarely()
    with opened() as hub:
        done = _replay(hub, name, processes, as_json)
    line = f"{done['learners']} people replayed under {name}: {done['entered']} entries, {done['reversed']} reversals."
    failing = [f"{done['failed']} people could not be recomputed: wkmb learner failing"] if done["failed"] else []
    say({"policy": name} | done, as_json, line, *failing)


@policy.command()
@click.argument("old")
@click.argument("new")
@click.option("--csv", "as_csv", is_flag=True, help="Print who gains and loses as CSV.")
@json_option
def diff(old: str, new: str, as_csv: bool, as_json: bool) -> None:
    """What differs between two policies, and who would gain or lose hours by which step of the reasoning."""
    with opened() as hub:
        before, then = _named(hub, old), _named(hub, new)
        found = _differences(hub, before, then)
    changed = changes(before, then)
    rows = [_difference_row(person, each) for person, each in found]
    if as_csv:
        say(None, False, _as_csv(rows))
        return
    years = {str(year): jp for year, jp in summary(tuple(each for _, each in found)).items()}
    value = {
        "changes": [{"path": each.path, "old": each.old, "new": each.new} for each in changed],
        "learners": rows,
        "years": years,
    }
    lines = [f"{each.path}: {each.old or 'nothing'} -> {each.new or 'nothing'}" for each in changed]
    lines += ["\t".join(row.values()) for row in rows]
    lines += [f"{year}: {jp} JP in all" for year, jp in years.items()]
    say(value, as_json, *(lines or ["The two give the same."]))


@policy.command()
@click.argument("name")
@click.option("--from", "from_year", required=True, type=click.IntRange(1900, 9999), help="The first year.")
@json_option
def activate(name: str, from_year: int, as_json: bool) -> None:
    """Make the policy NAME official from a year on. Without a ledger it is replayed first; while a replay is under way
    this is refused."""
    with opened() as hub:
        found = _named(hub, name)
        with hub.db.read() as conn:
            is_new = found not in hub.policies.kept_up(conn)
        replayed = _replay(hub, name, 1, as_json)["learners"] if is_new else 0
        with hub.db.write() as conn, _told():
            policies.activate(conn, hub.policies, name, from_year, by=actor(), now=hub.clock())
            _record(conn, hub, "policy.activate", name, from_year=from_year, digest=found.digest)
    value = {"policy": found.name, "digest": found.digest, "from_year": from_year, "replayed": replayed}
    say(value, as_json, f"{name} is official from {from_year} on.")


@policy.command()
@json_option
def withdraw(as_json: bool) -> None:
    """Take the newest activation back: what was official before is so again."""
    with opened() as hub, hub.db.write() as conn, _told():
        newest = policies.list_activations(conn)[-1]
        policies.withdraw(conn, hub.policies, newest.id, by=actor(), now=hub.clock())
        _record(conn, hub, "policy.withdraw", newest.policy, from_year=newest.from_year)
        official = hub.policies.active(conn, newest.from_year).name
    value = {"policy": newest.policy, "from_year": newest.from_year, "official": official}
    say(value, as_json, f"{newest.policy} is not official from {newest.from_year} on any more; {official} is.")


@policy.command("let-go")
@click.argument("name")
@json_option
def let_go(name: str, as_json: bool) -> None:
    """Keep up the ledger of the policy NAME no more; it stays as it is, and is replayed before it is used again."""
    with opened() as hub:
        _named(hub, name)
        if not hub.db.run(lambda conn: replays.let_go(conn, hub, name, by=actor())):
            raise Failed(f"{name} is official, or is not kept up. `wkmb policy list` shows it.")
    say({"policy": name}, as_json, f"{name} is kept up no more.")


@contextmanager
def _told() -> Iterator[None]:
    """What is refused becomes one line."""
    try:
        yield
    except (policies.PolicyBehind, policies.NotWithdrawable) as error:
        raise Failed(str(error)) from error


def _named(hub: Hub, name: str) -> Policy:
    with hub.db.read() as conn:
        try:
            return hub.policies.named(conn, name)
        except policies.PolicyUnknown as error:
            raise Failed(str(error)) from error


def _record(conn: sa.Connection, hub: Hub, action: str, name: str, **detail: Any) -> None:
    now, new_id = hub.clock(), hub.new_id
    journal.record(conn, who=actor(), action=action, object=f"policy:{name}", now=now, new_id=new_id, **detail)


def _replay(hub: Hub, name: str, processes: int, as_json: bool) -> dict[str, Any]:
    """Work on the replay with so many processes until it has ended, with a line of progress now and then."""
    _named(hub, name)
    hub.db.run(lambda conn: replays.begin(conn, hub, name, by=actor()))
    told = time.monotonic()
    with _others(name, processes - 1):
        for now in _work(hub, name, os.getppid()):
            if time.monotonic() - told > _PROGRESS_SECONDS:
                told = time.monotonic()
                _tell(now(), as_json)
    done = _progress(hub, name)
    return {"learners": done.people, "entered": done.entered, "reversed": done.reversed, "failed": done.failed}


@contextmanager
def _others(name: str, count: int) -> Iterator[None]:
    """So many processes beside this one, which work on the replay too; what failed in one is raised at the end."""
    if count == 0:
        yield
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        working = [pool.submit(work_on_replay, name, os.getpid()) for _ in range(count)]
        yield
        for each in working:
            each.result()


def work_on_replay(name: str, parent: int) -> None:
    """A process that works on a replay beside the one that was asked for it."""
    logs.configure(logging.ERROR)  # As the command itself does.
    seek_cycles_rarely()
    with opened() as hub:
        deque(_work(hub, name, parent), maxlen=0)


def _work(hub: Hub, name: str, parent: int) -> Iterator[Callable[[], replays.Replay]]:
    """Work until nothing is left, or whoever started it is gone; gives after each step how to ask how far it is."""
    replayer = replays.Replayer(hub, only=name)
    while os.getppid() == parent:
        if not replayer.step():
            if _progress(hub, name).finished_at is not None:
                return
            time.sleep(_IDLE_SECONDS)  # Others have what is left; should one of them end, it is taken over.
        yield partial(_progress, hub, name)


def _tell(now: replays.Replay, as_json: bool) -> None:
    if not as_json and now.finished_at is None:
        click.echo(f"{now.percent} %: {now.people} people. If interrupted, the same command goes on.", err=True)


def _progress(hub: Hub, name: str) -> replays.Replay:
    with hub.db.read() as conn:
        found = replays.find(conn, name, now=hub.clock())
    if found is None or not found.kept_up:
        raise Failed(f"The replay of {name} was given up meanwhile (wkmb policy let-go).")
    return found


def _differences(hub: Hub, old: Policy, new: Policy) -> list[tuple[learners.Learner | None, Difference]]:
    found = list(recognition.compare_all(hub, old, new))
    with hub.db.read() as conn:
        people = learners.find_many(conn, {learner for learner, _ in found})
    return [(people.get(learner), difference) for learner, difference in found]


def _difference_row(person: learners.Learner | None, found: Difference) -> dict[str, str]:
    return {
        "nip": person.nip if person else "",
        "name": person.name if person else "",
        "year": str(found.year),
        "course": found.course,
        "period": found.period,
        "old_jp": jp_text(found.old_centi_jp),
        "new_jp": jp_text(found.new_centi_jp),
        "because": ";".join(found.because),
    }


def _as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO(newline="")
    names = ("nip", "name", "year", "course", "period", "old_jp", "new_jp", "because")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def _ledger(name: str, complete: set[str], ledgers: Mapping[str, replays.Replay]) -> str:
    """complete, none, behind, or how far its replay is."""
    if name in complete:
        return "complete"
    if name not in ledgers:
        return "none"
    return f"{ledgers[name].percent} %" if ledgers[name].kept_up else "behind"


def _official(found: policies.Listed) -> str:
    years = [f"official from {each.from_year}" for each in found.activations]
    return ", ".join(years) or "not official"
