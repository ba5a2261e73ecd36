"""What must hold for all facts there could be, not only for those somebody thought of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings import shipped
from mappings.course import Catalogue, Competency, Course, parse_course
from mappings.evaluate import WAITING, Evaluation, Recognition, evaluate
from mappings.facts import REASONS, Certificate, Fact, NotAFact, Observation, read
from mappings.policy import OPTIONS, PROOFS, Policy
from mappings.rules import CHECKS
from mappings.vocabulary import KINDS

WIB = ZoneInfo("Asia/Jakarta")
POLICY = shipped.policy("perlan-10-2018")
VOCABULARY = shipped.vocabulary("default")
BEGIN = datetime(2026, 12, 28, 15, tzinfo=UTC)


def course(number: int, form: str, **more: Any) -> Course:
    provider = more.pop("provider", "lms")
    scope = more.pop("scope", "national")
    return Course(f"https://lms.example/{number}", provider, "Judul", "", form, scope, **more)


#: One course of each kind of rule, repeat rule and requirement, some of them double offers of one another.
COURSES = (
    course(0, "NKL03", minutes=90),
    course(1, "NKL03", requires=("completed", "passed"), min_score=600_000),
    course(2, "NKL03", repeat="each"),
    course(3, "NKL09", repeat="each", scope="international", minutes=20),
    course(4, "NKL10", repeat="yearly"),
    course(5, "NKL01", repeat="each"),
    course(6, "NKL01", repeat="each", scope="international", days=2),
    course(7, "KL06", days=3, repeat="yearly", requires=("completed", "score"), min_score=500_000),
    course(8, "KL03", programme_centi_jp=850),
    course(9, "KL03", programme_centi_jp=2400, scope="international", aliases=("https://lms.example/8",)),
    course(10, "NKL05", valid_from=date(2026, 12, 30), valid_until=date(2027, 1, 1)),
    course(11, "KL12", requires=("completed", "certificate")),
    course(12, "NKL02", repeat="each", requires=("completed", "rtl_approved")),
)
CATALOGUE = Catalogue(COURSES)


@st.composite
def facts(draw: st.DrawFn, number: int) -> Fact:
    """A fact among few courses and moments, so that caps, doubles and equal times are met often."""
    kind = draw(st.sampled_from(["completed", "completed", "completed", "passed", "terminated", "graded", "scored"]))
    proves: tuple[str, ...] = {"completed": ("completed",), "passed": ("passed",)}.get(kind, ())
    if kind != "terminated" and draw(st.integers(0, 5)) == 0:
        proves = (*proves, *draw(st.sampled_from([("certificate",), ("rtl_approved",)])))
    if kind == "graded":
        proves = draw(st.sampled_from([("completed",), ()]))
    at = BEGIN + timedelta(hours=draw(st.integers(0, 100)), minutes=draw(st.sampled_from([0, 30])))
    seconds = draw(st.sampled_from([None, 0, 1200, 2700, 5400])) if kind in ("completed", "terminated") else None
    return Fact(
        statement=str(UUID(int=number)),
        course=draw(st.sampled_from(COURSES)).id,
        kind=kind,
        at=at,
        stored=at + timedelta(seconds=draw(st.integers(1, 100_000))),
        connector="lms",
        proves=proves,
        seconds=seconds,
        score=draw(st.sampled_from([None, 300_000, 600_000, 1_000_000])) if kind != "terminated" else None,
        fully_graded=kind == "graded",
        lineitem="1" if kind == "graded" else None,
        certificate=Certificate(draw(st.sampled_from(["1", "2"])), draw(st.sampled_from([None, "lan"])))
        if "certificate" in proves
        else None,
        asserted_centi_jp=draw(st.sampled_from([None, 450, 9900])) if "certificate" in proves else None,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    return [draw(facts(number)) for number in range(draw(st.integers(0, 14)))]


def recognise(chosen: Iterable[Fact], policy: Policy = POLICY, *, trust: int | None = 2000) -> Evaluation:
    trusted = {} if trust is None else {"lms": trust}
    return evaluate(policy, CATALOGUE, chosen, timezone=WIB, trusted=trusted)


@given(histories(), st.randoms(use_true_random=False))
def test_any_order_gives_the_same(history: list[Fact], random: Any) -> None:
    shuffled = history.copy()
    random.shuffle(shuffled)

    assert recognise(shuffled) == recognise(history)


@given(histories())
def test_twice_equals_once(history: list[Fact]) -> None:
    assert recognise(history + history) == recognise(history)


@given(histories(), st.data())
def test_the_time_of_arrival_changes_no_hour(history: list[Fact], data: st.DataObject) -> None:
    """Statements are late, come in another order or are stored again after a restore: the hours stay the same."""
    moments = data.draw(st.permutations([fact.stored for fact in history]))
    # An AGS score of the same second is replaced by the one that came later; the hub refuses to store such a pair.
    times = {(fact.course, fact.at) for fact in history if fact.kind == "graded"}
    arrived = [fact._replace(stored=moment) for fact, moment in zip(history, moments, strict=True)]
    if len(times) < sum(fact.kind == "graded" for fact in history):
        return

    assert hours(recognise(arrived)) == hours(recognise(history))


@given(histories(), st.data())
def test_a_resend_with_another_id_changes_nothing(history: list[Fact], data: st.DataObject) -> None:
    """A Moodle sends without ids: after a lost answer the LRS holds the event twice, recognition counts it once."""
    again = data.draw(st.lists(st.sampled_from(history), max_size=4)) if history else []
    copies = [
        fact._replace(statement=str(UUID(int=1000 + n)), stored=fact.stored + timedelta(days=9))
        for n, fact in enumerate(again)
        if fact.lineitem is None
    ]

    assert recognise(history + copies).recognitions == recognise(history).recognitions


@given(histories(), st.lists(st.integers(0, 14), max_size=4))
def test_step_by_step_equals_replay(history: list[Fact], cuts: list[int]) -> None:
    """Whatever the batches, the live entries of an append-only ledger are those of one evaluation of everything."""
    ledger = Ledger()
    for cut in sorted({min(cut, len(history)) for cut in cuts} | {len(history)}):
        ledger.bring_in_line(recognise(history[:cut]))

    assert ledger.live() == {r.key: r for r in recognise(history).recognitions}
    assert ledger.balance() == sum(r.centi_jp for r in recognise(history).recognitions)


@given(histories(), histories())
def test_taking_back_what_came_after_restores_the_ledger(history: list[Fact], later: list[Fact]) -> None:
    later = [fact._replace(statement=f"later {fact.statement}") for fact in later]
    ledger = Ledger()
    ledger.bring_in_line(recognise(history))
    before = ledger.live()

    ledger.bring_in_line(recognise(history + later))
    ledger.bring_in_line(recognise(history))

    assert ledger.live() == before


class Ledger:
    """An append-only ledger in miniature: entries are added or reversed, never changed."""

    def __init__(self) -> None:
        self.rows: list[tuple[Recognition, int]] = []

    def live(self) -> dict[tuple[str, str, str], Recognition]:
        count: dict[tuple[str, str, str], int] = defaultdict(int)
        for recognition, sign in self.rows:
            count[recognition.key] += sign
        assert set(count.values()) <= {0, 1}
        return {r.key: r for r, _ in self.rows if count[r.key]}

    def bring_in_line(self, evaluation: Evaluation) -> None:
        wanted = {r.key: r for r in evaluation.recognitions}
        assert len(wanted) == len(evaluation.recognitions), "keys are unique"
        current = self.live()
        self.rows += [(current[key], -1) for key in sorted(current.keys() - wanted.keys())]
        self.rows += [(wanted[key], 1) for key in sorted(wanted.keys() - current.keys())]

    def balance(self) -> int:
        return sum(recognition.centi_jp * sign for recognition, sign in self.rows)


@given(histories())
def test_another_policy_changes_nothing_here(history: list[Fact]) -> None:
    before = recognise(history)
    other = replace(POLICY, name="other", caps=())

    recognise(history, other)

    assert recognise(history) == before


@given(histories())
def test_every_hour_is_explained_and_no_cap_is_passed(history: list[Fact]) -> None:
    # JP that a trusted certificate states are not capped, so nobody is trusted here.
    evaluation = recognise(history, trust=None)

    known = {fact.statement for fact in history}
    e_learning: dict[str, int] = defaultdict(int)
    coaching: dict[str, int] = defaultdict(int)
    for r in evaluation.recognitions:
        assert r.centi_jp > 0
        assert set(r.evidence) <= known
        assert {step.code for step in r.checks} <= set(CHECKS)
        assert r.year == r.on.year
        if r.form == "NKL03":
            e_learning[r.course] += r.centi_jp
        if r.form == "NKL01":
            coaching[f"{r.on:%Y-%m}"] += 1
    # Six local days are touched at most.
    assert sum(e_learning.values()) <= 6 * 300
    assert all(sessions <= 2 for sessions in coaching.values())
    for pending in evaluation.pending:
        assert set(pending.missing) <= set(PROOFS)
        assert {waiting.code for waiting in pending.waiting} <= set(WAITING)


def hours(evaluation: Evaluation) -> list[tuple[str, str, date, int]]:
    return [(r.course, r.period, r.on, r.centi_jp) for r in evaluation.recognitions]


# -- reading


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
words = st.sampled_from(
    [
        *("id", "actor", "verb", "object", "objectType", "definition", "type", "extensions", "result", "score"),
        *("raw", "min", "max", "scaled", "duration", "success", "completion", "context", "contextActivities"),
        *("parent", "grouping", "timestamp"),
    ]
)
statement_like = st.recursive(
    json_values | st.sampled_from(["https://lms.example/0", "http://adlnet.gov/expapi/verbs/completed", "Group"]),
    lambda inner: st.dictionaries(words, inner, max_size=8) | st.lists(inner, max_size=3),
    max_leaves=30,
)


def sane() -> dict[str, Any]:
    return {
        "actor": {"mbox": "mailto:a@example.org"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
        "object": {"id": "https://lms.example/0"},
        "timestamp": "2026-12-30T10:00:00Z",
    }


@settings(max_examples=300)
@given(st.dictionaries(words, statement_like, max_size=6), st.booleans())
def test_reading_never_raises(wild: dict[str, Any], is_like_a_statement: bool) -> None:
    statement = {**sane(), **wild} if is_like_a_statement else wild
    observation = Observation(statement, "1", datetime(2027, 1, 1, tzinfo=UTC), "lms", False, "credential:1")

    found = read(observation, VOCABULARY, CATALOGUE)

    if isinstance(found, NotAFact):
        assert found.reason in REASONS
        assert all(isinstance(value, str) for value in found.detail.values())
    else:
        assert found.kind in KINDS
        assert found.at.tzinfo is UTC


@given(st.data())
def test_voiding_equals_never(data: st.DataObject) -> None:
    verbs = ["completed", "passed", "terminated"]
    observations = [
        Observation(
            {
                "actor": {"mbox": "mailto:a@example.org"},
                "verb": {"id": f"http://adlnet.gov/expapi/verbs/{data.draw(st.sampled_from(verbs))}"},
                "object": {"id": data.draw(st.sampled_from(COURSES)).id},
                "timestamp": (BEGIN + timedelta(hours=data.draw(st.integers(0, 60)))).isoformat(),
                "result": {"duration": "PT45M"},
            },
            id=str(UUID(int=n)),
            stored=BEGIN + timedelta(days=30, seconds=n),
            connector="lms",
            is_hub=False,
            origin="credential:1",
            voided_by=data.draw(st.sampled_from([None, "a-void"])),
        )
        for n in range(data.draw(st.integers(0, 10)))
    ]

    def evaluated(chosen: Iterable[Observation]) -> Evaluation:
        read_all = [read(observation, VOCABULARY, CATALOGUE) for observation in chosen]
        return recognise(fact for fact in read_all if isinstance(fact, Fact))

    assert evaluated(observations) == evaluated(o for o in observations if o.voided_by is None)


# -- courses


@st.composite
def courses(draw: st.DrawFn) -> Course:
    text = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
    form = draw(st.sampled_from(sorted(POLICY.forms)))
    scope = draw(st.sampled_from([s for s, r in POLICY.forms[form].rules.items() if r.kind != "none"]))
    is_programme = POLICY.forms[form].rules[scope].kind == "programme"
    days = st.none() | st.dates(date(2019, 1, 1), date(2030, 1, 1))
    since, until = draw(days), draw(days)
    return Course(
        id=f"https://lms.example/{draw(text)}",
        provider=draw(text),
        title_id=draw(text),
        title_en=draw(st.just("") | text),
        form=form,
        scope=scope,
        aliases=tuple(draw(st.lists(text, unique=True, max_size=3))),
        programme_centi_jp=draw(st.integers(1, 100_000) if is_programme else st.none() | st.integers(1, 100_000)),
        minutes=draw(st.none() | st.integers(1, 10_000)),
        days=draw(st.integers(1, 366)),
        requires=tuple(sorted(draw(st.sets(st.sampled_from(PROOFS))), key=PROOFS.index)),
        min_score=draw(st.none() | st.integers(0, 1_000_000)),
        repeat=draw(st.sampled_from(["once", "yearly", "each"])),
        valid_from=since,
        valid_until=until if since is None or until is None or until >= since else None,
        custom=tuple(draw(st.dictionaries(text, text, max_size=2)).items()),
        competencies=tuple(
            Competency(name, draw(st.none() | st.integers(1, 5)))
            for name in draw(st.lists(text, unique=True, max_size=2))
        ),
    )


@given(courses())
def test_a_stored_course_is_read_back_with_the_same_digest(course: Course) -> None:
    again = Course.from_json(course.to_json())

    assert again == course
    assert again.digest == course.digest


@given(courses())
def test_an_exported_course_is_imported_as_the_same_version(course: Course) -> None:
    again = parse_course(course.to_row(), 2, POLICY)

    assert again == course


@pytest.mark.parametrize("option", OPTIONS)
def test_the_policy_decides_every_option(option: str) -> None:
    assert POLICY.choice(option) in OPTIONS[option]
