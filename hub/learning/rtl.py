"""Follow-up plans (RTL): the steps that people take on the hub's own pages.

A step is a statement in the LRS, written with what it changes in one transaction: the LRS stays the one truth, and
``rtl_approved`` is evidence like any other. The actor is the plan's owner under the account that the hub gave her; who
decided is the statement's instructor. Who may take a step, and what it needs, is for `mappings.rtl` to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import orjson
import sqlalchemy as sa

from connectors import xapi
from hub.errors import HubError
from hub.jp import recognition
from hub.learning import undertakings
from hub.learning.catalogue import Listed
from hub.learning.undertakings import OWNER, SUPERVISOR, FollowUpPlan
from hub.people import learners
from hub.people.learners import Learner
from hub.runtime import Hub
from hub.statements import ingest
from hub.tables import learners as table
from lrs import statements
from lrs.sequence import Ticket
from lrs.statements import Prepared
from mappings.rtl import Item, Plan, Step, item_json, owes_plan, take


@dataclass(frozen=True, slots=True)
class Taken:
    """A step was taken: where the plan stands now."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class StepRefused:
    """A step was not taken: a code of `mappings.rtl.REFUSALS`. Nothing was changed."""

    code: str


def take_step(
    hub: Hub,
    owner: UUID,
    course: Listed,
    state: str,
    *,
    by: UUID,
    note: str = "",
    items: Sequence[Item] = (),
) -> Taken | StepRefused:
    """Take one step of the owner's plan for a course, in one transaction.

    ``by`` is the learner who takes it: the owner, or her present supervisor; anybody else is refused. Two steps at
    the same time are taken one after the other, and the second is judged by what the first made.
    """

    def work(conn: sa.Connection) -> Taken | StepRefused:
        learner = _locked(conn, owner)
        role = role_of(conn, by, learner)
        if role is None:
            return StepRefused("not_the_supervisor" if by != owner else "own_supervisor")
        found = read_plan(conn, hub, learner.id, course)
        step = Step(state, _moment(hub, found), role, note.strip(), tuple(items))
        refused = take(found.plan, step).refused[len(found.plan.refused) :]
        if refused:
            return StepRefused(refused[0].reason)
        return _write(conn, hub, ticket, learner, course, found, step, by)

    with hub.sequence.writing() as ticket:
        return hub.db.run(work)


def _locked(conn: sa.Connection, owner: UUID) -> Learner:
    conn.execute(sa.select(table.c.id).where(table.c.id == owner).with_for_update())
    learner = learners.find(conn, owner)
    if learner is None:
        raise HubError("unknown_learner", "There is no such employee.", action="Look for her among the people.")
    return learner


def role_of(conn: sa.Connection, person: UUID, learner: Learner) -> str | None:
    """What somebody is to a learner's plans: owner, supervisor, or nothing. Nobody is her own supervisor, whatever
    number stands in her row."""
    if person == learner.id:
        return OWNER
    is_supervisor = learner.supervisor_nip is not None and learner.supervisor_nip in learners.nips_of(conn, person)
    return SUPERVISOR if is_supervisor else None


def supervisor_of(conn: sa.Connection, learner: Learner) -> Learner | None:
    """Who decides about a learner's plans, where the hub knows her."""
    found = learners.find_by_nip(conn, learner.supervisor_nip) if learner.supervisor_nip else None
    return None if found is None or found.id == learner.id else found


def read_plan(conn: sa.Connection, hub: Hub, learner: UUID, course: Listed) -> FollowUpPlan:
    """A learner's plan for a course, from her statements as they are now."""
    return undertakings.plan_of(hub, recognition.observations(conn, hub, learner), course.course.id)


def is_owed(conn: sa.Connection, hub: Hub, course: Listed) -> bool:
    """Whether who takes part in this course owes a plan."""
    return owes_plan(course.course, hub.policies.follow_up(conn))


def _moment(hub: Hub, found: FollowUpPlan) -> datetime:
    """Now, and after every step that was taken: another system's clock may be ahead of ours."""
    last = max((step.at for step in found.plan.steps), default=None)
    now = hub.clock()
    return now if last is None or last < now else last + timedelta(milliseconds=1)


def _write(
    conn: sa.Connection,
    hub: Hub,
    ticket: Ticket,
    owner: Learner,
    course: Listed,
    found: FollowUpPlan,
    step: Step,
    by: UUID,
) -> Taken:
    prepared = _statement(hub, owner, course, step, by)
    ingest.store(conn, [prepared], ticket, now=hub.clock(), new_id=hub.new_id)
    told = replace(step, statement=str(prepared.id))
    after = FollowUpPlan(take(found.plan, told), found.finished_on, {**found.people, told.statement: by})
    undertakings.put_plan(conn, hub, owner.id, after)
    return Taken(after.plan)


def plan_address(hub: Hub, learner: UUID, course: Listed) -> str:
    """The plan as an activity, which is also the address of its page."""
    return f"{hub.base_url}/rtl/{learner}/{course.id}"


def _statement(hub: Hub, owner: Learner, course: Listed, step: Step, by: UUID) -> Prepared:
    titles = {"id": course.course.title("id"), "en": course.course.title("en")}
    names = {"id": f"Rencana tindak lanjut: {titles['id']}", "en": f"Follow-up plan: {titles['en']}"}
    identity = (str(owner.id), course.course.id, step.state, str(by), xapi.moment(step.at))
    made = xapi.rtl_step(
        id=xapi.statement_id("rtl", hub.base_url, *identity),
        actor=xapi.account(hub.base_url, str(owner.id)),
        state=step.state,
        plan=xapi.activity(plan_address(hub, owner.id, course), names, xapi.PLAN_TYPE),
        course=xapi.activity(course.course.id, titles),
        at=step.at,
        note=step.note,
        items=[item_json(item) for item in step.items],
        instructor=xapi.account(hub.base_url, str(by)) if step.by == SUPERVISOR else None,
    )
    [prepared] = statements.prepare(
        statements.parse(orjson.dumps(made)),
        version="1.0.3",
        writer=ingest.hub_writer(hub, "hub:rtl"),
        new_id=hub.new_id,
        extra_keys=ingest.extra_keys,
    )
    return prepared
