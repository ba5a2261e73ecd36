"""Lists against the text of the standard, read word by word: whatever is stored in whatever order, and whatever is
asked, the index answers what a search through every statement would (Communication 2.1.3 and 2.1.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrs import agents
from lrs.validate import VOIDED
from lrstest import Store, reference, statement
from wkmbtest.databases import LANES

REGISTRATIONS = ("b904ad9b-3dd7-5c81-9c3b-1ff960dbd560", "0b1ad9b9-3dd7-4c81-9c3b-1ff960dbd561")
some = st.integers(0, 2)


@pytest.fixture(params=LANES)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Partitioned too."""
    return str(request.param)


#: A statement as numbers: actor, verb, object (a reference to the n-th statement, or an activity), and its context.
plans = st.lists(
    st.tuples(
        some,
        st.integers(0, 3),
        st.tuples(st.booleans(), st.integers(0, 9)),
        st.tuples(st.none() | some, st.none() | some, st.none() | st.integers(0, 1)),
    ),
    min_size=2,
    max_size=10,
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "agent": some,
        "verb": st.integers(0, 3),
        "activity": some,
        "registration": st.integers(0, 1),
        "related_agents": st.just(True),
        "related_activities": st.just(True),
        "ascending": st.booleans(),
    },
).filter(lambda asked: asked.keys() & {"agent", "verb", "activity"})


class World:
    """Names that only one example has, because examples share a database."""

    def __init__(self) -> None:
        self.mark = uuid4().hex

    def agent(self, number: int) -> dict[str, Any]:
        return {"objectType": "Agent", "mbox": f"mailto:a{number}@{self.mark}.org"}

    def activity(self, number: int) -> str:
        return f"http://{self.mark}.org/activity/{number}"

    def verb(self, number: int) -> str:
        return VOIDED if number == 3 else f"http://{self.mark}.org/verb/{number}"

    def statement(self, ids: list[str], position: int, plan: Any) -> dict[str, Any]:
        actor, verb, (refers, number), (instructor, parent, registration) = plan
        context: dict[str, Any] = {}
        if instructor is not None:
            context["instructor"] = self.agent(instructor)
        if parent is not None:
            context["contextActivities"] = {"parent": [{"id": self.activity(parent)}]}
        if registration is not None:
            context["registration"] = REGISTRATIONS[registration]
        members = {"id": ids[position], "actor": self.agent(actor), "context": context or None}
        target = number % len(ids)
        if (refers or verb == 3) and target != position:
            return reference(ids[target], self.verb(verb), **members)
        return statement(verb=self.verb(verb % 3), object=self.activity(number % 3), **members)

    def query(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        asked = dict(asked)
        if "agent" in asked:
            asked["agent"] = agents.identifier(self.agent(asked["agent"]))
        for name, read in (("verb", self.verb), ("activity", self.activity)):
            if name in asked:
                asked[name] = read(asked[name])
        if "registration" in asked:
            asked["registration"] = REGISTRATIONS[asked["registration"]]
        return asked


def expected(stored: Mapping[str, dict[str, Any]], asked: Mapping[str, Any]) -> list[str]:
    """The ids that the standard promises, oldest first."""
    voided = {
        each["object"]["id"]
        for each in stored.values()
        if each["verb"]["id"] == VOIDED and stored[each["object"]["id"]]["verb"]["id"] != VOIDED
    }
    return [
        name
        for name in stored
        if name not in voided and any(_matches(each, asked) for each in _with_what_it_refers_to(stored, name))
    ]


def _with_what_it_refers_to(stored: Mapping[str, dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        yield stored[name]
        if stored[name]["object"].get("objectType") == "StatementRef":
            name = stored[name]["object"]["id"]


def _matches(given: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    context = given.get("context", {})
    who, what = [given["actor"]], [given["object"]["id"]]
    if asked.get("related_agents") and "instructor" in context:
        who.append(context["instructor"])
    if asked.get("related_activities"):
        what += [each["id"] for each in context.get("contextActivities", {}).get("parent", ())]
    return (
        ("agent" not in asked or asked["agent"] in map(agents.identifier, who))
        and ("verb" not in asked or given["verb"]["id"] == asked["verb"])
        and ("activity" not in asked or asked["activity"] in what)
        and ("registration" not in asked or context.get("registration") == asked["registration"])
    )


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plans, st.randoms(use_true_random=False), st.lists(filters, min_size=3, max_size=6))
def test_a_list_is_what_a_search_through_everything_would_give(
    lrs: Store, planned: list[Any], random: Any, questions: list[dict[str, Any]]
) -> None:
    """XAPI-00149, XAPI-00166, XAPI-00173 to XAPI-00182."""
    world = World()
    ids = [str(uuid4()) for _ in planned]
    made = [world.statement(ids, position, plan) for position, plan in enumerate(planned)]
    random.shuffle(made)

    rest = list(made)
    while rest:
        size = random.randint(1, len(rest))
        lrs.save(*rest[:size])
        del rest[:size]

    stored = {each["id"]: each for each in made}
    for question in questions:
        asked = world.query(question)
        wanted = expected(stored, asked)
        if asked.get("verb") == VOIDED and not asked.keys() & {"agent", "activity"}:
            asked["agent"] = agents.identifier(world.agent(0))
            wanted = expected(stored, asked)
        found = lrs.find(**asked)
        assert found == (wanted if asked.get("ascending") else wanted[::-1]), (asked, made)
