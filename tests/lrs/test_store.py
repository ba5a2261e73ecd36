"""What is stored, skipped, refused, referred to and voided, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from lrs import agents, query
from lrs.errors import Conflict, VoidRefused
from lrs.statements import Writer
from lrstest import ALICE, BUDI, COURSE, VERBS, WRITER, Store, reference, statement
from wkmbtest.databases import LANES

OTHER = Writer({"objectType": "Agent", "mbox": "mailto:other@example.org"}, 2, "credential:2")
HUB = Writer({"objectType": "Agent", "mbox": "mailto:hub@example.org"}, None, "hub:test", may_void_any=True)
NOBODY = Writer({"objectType": "Agent", "mbox": "mailto:nobody@example.org"}, None, "credential:9")


@pytest.fixture(params=LANES)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Partitioned too."""
    return str(request.param)


def test_a_statement_comes_back_with_what_the_lrs_sets(lrs: Store) -> None:
    given = statement(timestamp="2026-01-31T08:00:00+07:00")

    lrs.save(given)

    stored = lrs.get(given["id"])
    assert stored is not None
    value = orjson.loads(stored.payload)
    assert value.pop("authority") == WRITER.authority
    assert value.pop("version") == "1.0.0"
    assert datetime.fromisoformat(value.pop("stored")) == stored.stored
    assert value == given
    assert (stored.owner, stored.origin, stored.voided_by) == (1, "credential:1", None)


def test_an_equal_statement_is_skipped_and_a_different_one_refused(lrs: Store) -> None:
    """XAPI-00142, Communication 2.1.1: the stored statement stays as it is."""
    given = statement(result={"score": {"raw": 1}})
    lrs.save(given)
    before = lrs.get(given["id"])

    again = lrs.save({**given, "result": {"score": {"raw": 1.0}}, "timestamp": "2020-01-01T00:00:00Z"})
    with pytest.raises(Conflict):
        lrs.save(statement(), {**given, "result": {"score": {"raw": 2}}})

    assert again.new == ()
    assert again.repeated == {UUID(given["id"])}
    assert lrs.get(given["id"]) == before
    assert lrs.find() == [given["id"]]


def test_a_different_time_makes_a_different_statement(lrs: Store) -> None:
    given = statement(timestamp="2026-01-31T08:00:00Z")
    lrs.save(given)

    lrs.save({**given, "timestamp": "2026-01-31T15:00:00+07:00"})
    with pytest.raises(Conflict):
        lrs.save({**given, "timestamp": "2026-01-31T08:00:01Z"})


def test_statements_of_one_batch_keep_their_order(lrs: Store) -> None:
    batch = [statement() for _ in range(50)]

    saved = lrs.save(*batch)

    assert [str(each) for each in saved.ids] == [each["id"] for each in batch]
    assert lrs.find(ascending=True) == [each["id"] for each in batch]
    assert lrs.find(limit=10) == [each["id"] for each in reversed(batch)][:10]


@pytest.mark.parametrize("void_first", [False, True])
def test_a_void_takes_the_target_off_every_list_in_either_order_of_arrival(lrs: Store, void_first: bool) -> None:
    """XAPI-00018 to XAPI-00020, Data 2.3.2."""
    target, kept = statement(), statement()
    void = reference(target["id"], "voided", actor=BUDI)
    batches = [[void], [target, kept]] if void_first else [[target, kept], [void]]

    saved = [lrs.save(*batch) for batch in batches]

    assert saved[0].voided == ()
    assert saved[1].voided == ((agents.actor_key(ALICE), UUID(target["id"])),)
    stored = lrs.get(target["id"])
    assert stored is not None
    assert stored.voided_by == UUID(void["id"])
    assert target["id"] not in lrs.find()
    assert set(lrs.find(activity=COURSE)) == {kept["id"], void["id"]}
    assert [each.voided_by for each in _of_actors(lrs, ALICE)] in ([stored.voided_by, None], [None, stored.voided_by])


def _of_actors(lrs: Store, actor: dict[str, Any]) -> list[query.Stored]:
    with lrs.db.read() as conn:
        return list(query.of_actors(conn, [agents.actor_key(actor)]))


def test_both_in_one_batch_void_too(lrs: Store) -> None:
    target = statement()
    void = reference(target["id"], "voided", actor=BUDI)

    saved = lrs.save(void, target)

    assert saved.voided == ((agents.actor_key(ALICE), UUID(target["id"])),)
    assert lrs.find() == [void["id"]]


@pytest.mark.parametrize("stranger", [OTHER, NOBODY])
def test_a_void_of_somebody_elses_statement_is_refused(lrs: Store, stranger: Writer) -> None:
    target = statement()
    lrs.save(target)
    before = lrs.find()

    with pytest.raises(VoidRefused):
        lrs.save(statement(), reference(target["id"], "voided"), writer=stranger)

    assert lrs.find() == before


@pytest.mark.parametrize("stranger", [OTHER, NOBODY])
def test_a_void_that_came_first_from_somebody_else_stays_without_effect(lrs: Store, stranger: Writer) -> None:
    target = statement()
    lrs.save(reference(target["id"], "voided"), writer=stranger)

    saved = lrs.save(target)

    assert saved.voided == ()
    assert target["id"] in lrs.find()


def test_the_hub_may_void_anything(lrs: Store) -> None:
    target = statement()
    lrs.save(target)

    saved = lrs.save(reference(target["id"], "voided"), writer=HUB)

    assert saved.voided == ((agents.actor_key(ALICE), UUID(target["id"])),)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_voiding_statement_cannot_be_voided(lrs: Store, order: tuple[int, ...]) -> None:
    """XAPI-00016, Data 2.3.2."""
    target = statement()
    void = reference(target["id"], "voided")
    void_of_void = reference(void["id"], "voided")

    for position in order:
        lrs.save([target, void, void_of_void][position])

    assert set(lrs.find()) == {void["id"], void_of_void["id"]}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1)])
def test_a_statement_is_found_through_those_it_refers_to_in_every_order(lrs: Store, order: tuple[int, ...]) -> None:
    """Communication 2.1.4: a statement which refers to one that matches is included, through any number of links."""
    target = statement(actor=BUDI, verb="passed")
    first = reference(target["id"])
    second = reference(first["id"], "liked")
    for position in order:
        lrs.save([target, first, second][position])
    everything = {target["id"], first["id"], second["id"]}
    budi = agents.identifier(BUDI)

    assert set(lrs.find(agent=budi)) == everything
    assert set(lrs.find(agent=budi, verb=VERBS + "passed")) == everything
    assert set(lrs.find(verb=VERBS + "passed", activity=COURSE)) == everything
    assert set(lrs.find(agent=agents.identifier(ALICE), verb=VERBS + "passed")) == set()
    assert set(lrs.find(agent=agents.identifier(ALICE))) == {first["id"], second["id"]}


def test_a_circle_of_references_ends(lrs: Store) -> None:
    one, two = str(uuid4()), str(uuid4())

    lrs.save(reference(two, id=one, actor=BUDI))
    lrs.save(reference(one, id=two))
    lrs.save(reference(one, "voided"))

    assert one not in lrs.find()
    assert two in lrs.find(agent=agents.identifier(BUDI))


def test_a_voided_target_still_leads_to_what_refers_to_it(lrs: Store) -> None:
    """XAPI-00162: verb V finds the reference with V and the void of a statement with V, never the voided one."""
    target = statement(verb="passed")
    other = reference(target["id"], "passed")
    void = reference(target["id"], "voided")

    lrs.save(target)
    lrs.save(other)
    lrs.save(void)

    assert lrs.find(verb=VERBS + "passed") == [void["id"], other["id"]]


def test_related_filters_find_what_plain_ones_do_not(lrs: Store) -> None:
    """Communication 2.1.3, related_agents and related_activities."""
    given = statement(
        context={
            "instructor": BUDI,
            "registration": "b904ad9b-3dd7-5c81-9c3b-1ff960dbd560",
            "contextActivities": {"parent": {"id": "https://lms.example.go.id/program"}},
        }
    )
    lrs.save(given, statement())
    budi = agents.identifier(BUDI)
    program = "https://lms.example.go.id/program"

    assert lrs.find(agent=budi) == []
    assert lrs.find(agent=budi, related_agents=True) == [given["id"]]
    assert lrs.find(activity=program) == []
    assert lrs.find(activity=program, related_activities=True) == [given["id"]]
    assert lrs.find(registration="B904AD9B-3dd7-5c81-9c3b-1ff960dbd560") == [given["id"]]
    assert len(lrs.find(agent=agents.identifier(WRITER.authority), related_agents=True)) == 2


ELSEWHERE = {
    "actor's member": {"actor": {"objectType": "Group", "member": [BUDI]}},
    "object": {"object": {**BUDI, "objectType": "Agent"}},
    "instructor": {"context": {"instructor": BUDI}},
    "team": {"context": {"team": {"objectType": "Group", "member": [BUDI]}}},
    "contextAgents": {"context": {"contextAgents": [{"objectType": "contextAgent", "agent": BUDI}]}},
    "contextGroups": {
        "context": {"contextGroups": [{"objectType": "contextGroup", "group": {**BUDI, "objectType": "Group"}}]}
    },
    "SubStatement's actor": {"object": {**statement(id=None, actor=BUDI), "objectType": "SubStatement"}},
    "SubStatement's context": {
        "object": {
            **statement(id=None, context={"contextAgents": [{"objectType": "contextAgent", "agent": BUDI}]}),
            "objectType": "SubStatement",
        }
    },
}


def test_related_agents_finds_an_agent_wherever_it_stands(lrs: Store) -> None:
    """Communication 2.1.3, related_agents; xAPI 2.0 4.1.6.1 for contextAgents and contextGroups. `agent` alone finds
    actor and object, and the members of a group there."""
    lrs.version = "2.0.0"
    made = {name: statement(**members) for name, members in ELSEWHERE.items()}
    lrs.save(*made.values(), statement())
    budi = agents.identifier(BUDI)

    assert set(lrs.find(agent=budi, related_agents=True)) == {each["id"] for each in made.values()}
    assert set(lrs.find(agent=budi)) == {made["actor's member"]["id"], made["object"]["id"]}


def test_related_activities_finds_an_activity_wherever_it_stands(lrs: Store) -> None:
    """Communication 2.1.3, related_activities."""
    wanted = "https://lms.example.go.id/program"
    kinds = ("parent", "grouping", "category", "other")
    contexts = [{"contextActivities": {kind: [{"id": wanted}]}} for kind in kinds]
    inner = [statement(id=None, object=wanted), *(statement(id=None, context=each) for each in contexts)]
    made = [statement(object=wanted), *(statement(context=each) for each in contexts)]
    made += [statement(object={**each, "objectType": "SubStatement"}) for each in inner]
    lrs.save(*made, statement())

    assert lrs.find(activity=wanted, related_activities=True) == [each["id"] for each in reversed(made)]
    assert lrs.find(activity=wanted) == [made[0]["id"]]


def test_since_until_and_limit_are_those_of_the_statement_that_refers(lrs: Store) -> None:
    """Communication 2.1.4: the time filters apply to the statement found, not to the one that it refers to."""
    early = datetime(2026, 1, 31, 8, tzinfo=UTC)
    target = statement(actor=BUDI)
    lrs.clock = _clock(early)
    lrs.save(target)
    lrs.clock = _clock(early + timedelta(hours=1))
    referring = reference(target["id"])
    lrs.save(referring)
    budi = agents.identifier(BUDI)

    assert lrs.find(agent=budi, since=early) == [referring["id"]]
    assert lrs.find(agent=budi, until=early) == [target["id"]]
    assert lrs.find(agent=budi, limit=1) == [referring["id"]]


def test_since_is_exclusive_and_until_inclusive(lrs: Store) -> None:
    """Communication 2.1.3: stored since, stored until; to the millisecond."""
    moment = datetime(2026, 1, 31, 8, tzinfo=UTC)
    ids = []
    for second in range(3):
        lrs.clock = _clock(moment + timedelta(seconds=second))
        ids.append(str(lrs.save(statement()).ids[0]))
    middle = moment + timedelta(seconds=1)

    assert lrs.find(since=middle) == [ids[2]]
    assert lrs.find(until=middle) == [ids[1], ids[0]]
    assert lrs.find(since=moment, until=middle, ascending=True) == [ids[1]]


def _clock(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def test_more_neither_repeats_nor_skips_while_others_write(lrs: Store) -> None:
    before = [statement() for _ in range(25)]
    lrs.save(*before)
    found, after = [], None

    for _ in range(10):
        with lrs.db.read() as conn:
            page = query.find(conn, query.StatementQuery(activity=COURSE), limit=4, after=after)
        found += [str(each.id) for each in page.statements]
        lrs.save(statement())
        after = page.next_after
        if after is None:
            break

    assert found == [each["id"] for each in reversed(before)]


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize(
    "filters",
    [
        {"verb": VERBS + "completed"},
        {"authority": agents.identifier(WRITER.authority)},
        {"activity": COURSE, "verb": VERBS + "completed"},
        *({"activity": f"{COURSE}/{role}", "related_activities": True} for role in ("parent", "grouping", "category")),
        {"agent": agents.identifier(WRITER.authority), "related_agents": True},
    ],
    ids=lambda filters: "+".join(filters),
)
def test_more_walks_through_what_was_stored_at_once_and_after_pauses(
    lrs: Store, filters: dict[str, Any], ascending: bool
) -> None:
    """Some keys are indexed by quarters of a second, within which a page may end."""
    moment = datetime(2026, 1, 31, 8, tzinfo=UTC)
    context = {"contextActivities": {role: [{"id": f"{COURSE}/{role}"}] for role in ("parent", "grouping", "category")}}
    batches = [[statement(context=context) for _ in range(count)] for count in (3, 1, 4, 2)]
    for milliseconds, batch in zip((0, 100, 300, 1000), batches, strict=True):
        lrs.clock = _clock(moment + timedelta(milliseconds=milliseconds))
        lrs.save(*batch)
    found, after = [], None

    with lrs.db.read() as conn:
        while page := query.find(conn, query.StatementQuery(**filters, ascending=ascending), limit=2, after=after):
            found += [str(each.id) for each in page.statements]
            after = page.next_after
            if after is None:
                break

    stored = [each["id"] for batch in batches for each in batch]
    assert found == (stored if ascending else stored[::-1])


def test_a_text_that_names_its_own_id_elsewhere_comes_back_as_it_was(lrs: Store) -> None:
    """The row says the id, and the stored text does not repeat it."""
    small, capitals = str(uuid4()), str(uuid4()).upper()
    for name in (small, capitals):
        given = statement(id=name, result={"response": f"\u0001 of {name} or {name.upper()}"})
        [prepared] = lrs.prepare(given)
        saved = lrs.save(given)

        found = lrs.get(name)

        assert found is not None
        assert found.payload == prepared._replace(seq=saved.new[0].seq).payload
        assert orjson.loads(found.payload)["result"] == given["result"]


def test_a_clock_that_goes_back_does_not_turn_the_order(lrs: Store) -> None:
    moment = datetime(2026, 1, 31, 8, tzinfo=UTC)
    ids = []
    for minutes in (0, -5, -10, 1):
        lrs.clock = _clock(moment + timedelta(minutes=minutes))
        ids.append(str(lrs.save(statement()).ids[0]))

    assert lrs.find(ascending=True) == ids


def test_only_what_is_mine(lrs: Store) -> None:
    mine = statement()
    lrs.save(mine)
    lrs.save(statement(), writer=OTHER)
    authority = agents.identifier(WRITER.authority)
    assert authority is not None

    assert lrs.find(mine=query.Mine(authority, "credential:1")) == [mine["id"]]
    assert lrs.find(mine=query.Mine(authority, "credential:1"), activity=COURSE) == [mine["id"]]
    assert lrs.find(mine=query.Mine(authority, "credential:7")) == []
