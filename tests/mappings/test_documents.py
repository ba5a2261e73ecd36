"""Vocabularies and targets: what comes with the hub can be read, and mistakes are named."""

from __future__ import annotations

from datetime import date

import pytest

from mappings import shipped
from mappings.targets import Target, TargetsError, load_targets, target
from mappings.vocabulary import KINDS, Vocabulary, VocabularyError, load_vocabulary, object_keys

DEFAULT = shipped.vocabulary("default")
TARGETS = shipped.targets()
TARGETS_TEXT = shipped.targets_text()


@pytest.mark.parametrize("name", shipped.VOCABULARIES)
def test_a_shipped_vocabulary_knows_the_words_of_the_default(name: str) -> None:
    vocabulary = shipped.vocabulary(name)

    assert vocabulary.name == name
    assert vocabulary.events.keys() >= DEFAULT.events.keys()
    assert vocabulary.child_types >= DEFAULT.child_types
    assert vocabulary.course_keys == DEFAULT.course_keys


def test_every_kind_of_event_has_words() -> None:
    kinds = {event.kind for events in DEFAULT.events.values() for event in events}

    # "graded" and "result" are made by reading, not by a verb.
    assert kinds == set(KINDS) - {"graded", "result"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vocabulary: x\n", "course_keys is missing"),
        ("vocabulary: x\nextends: y\n", "the vocabulary y was not given"),
        ("vocabulary: x\nextends: default\nwords: []\n", "words is not known here"),
        ("vocabulary: x\nextends: default\nevents: {danced: {verbs: [a], proves: []}}\n", "danced is not a kind"),
        ("vocabulary: x\nextends: default\nevents: {read: {verbs: [a], proves: [joy]}}\n", "joy is not one of"),
        ("vocabulary: x\nextends: default\nevents: {read: {proves: []}}\n", "verbs is missing"),
        ("vocabulary: x\nextends: default\nscore: by_feeling\n", "by_feeling is not one of"),
        ("vocabulary: x\nextends: default\nsilent_verbs: a\n", "expected a list"),
    ],
)
def test_a_wrong_vocabulary_is_refused(text: str, says: str) -> None:
    base = DEFAULT if "extends: default" in text else None

    with pytest.raises(VocabularyError, match=says):
        load_vocabulary(text, base=base)


def test_a_vocabulary_of_ones_own_adds_words() -> None:
    own = load_vocabulary(
        "vocabulary: own\nextends: default\nscore: scaled_first\nsilent_verbs: [https://x/waved]\n"
        "events: {completed: {verbs: [https://x/selesai], proves: [completed, passed]}}\n",
        base=DEFAULT,
    )

    assert own.events["https://x/selesai"][0].proves == ("completed", "passed")
    assert "http://adlnet.gov/expapi/verbs/completed" not in own.events
    assert own.scaled_first
    assert "https://x/waved" in own.silent_verbs


EXTERNAL, SHORT = DEFAULT.course_keys


@pytest.mark.parametrize(
    ("extensions", "keys"),
    [
        ({EXTERNAL: "C-7", SHORT: "S"}, ("C-7", "S")),
        ({EXTERNAL: "same", SHORT: "same"}, ("same",)),
        ({EXTERNAL: "", SHORT: "S"}, ("S",)),
        ({EXTERNAL: 7}, ("7",)),
        ({EXTERNAL: None, SHORT: ["x"]}, ()),
        ({EXTERNAL: True}, ()),
        ({}, ()),
        (None, ()),
    ],
)
def test_keys_of_an_object(extensions: object, keys: tuple[str, ...]) -> None:
    assert object_keys({"object": {"id": "x", "definition": {"extensions": extensions}}}, DEFAULT) == keys


@pytest.mark.parametrize("statement", [{}, {"object": "x"}, {"object": {"id": "x"}}, {"object": {"definition": 3}}])
def test_an_object_without_keys_has_none(statement: dict[str, object]) -> None:
    assert object_keys(statement, DEFAULT) == ()


# -- targets


def jp(found: Target | None) -> float | None:
    return None if found is None else found.centi_jp / 100


@pytest.mark.parametrize(
    ("status", "employer", "year", "expected"),
    [
        ("PNS", "Kementerian X", 2026, 20),
        ("PPPK", "Kementerian X", 2026, 24),
        ("PNS", "Kemendikdasmen", 2026, 30),
        ("PPPK", "Kemendikdasmen", 2026, 24),
        # The obligation of 30 began in 2025.
        ("PNS", "Kemendikdasmen", 2024, 20),
        ("PNS", "Kemendikdasmen", 2025, 30),
        # The law that begins within a year obliges for it.
        ("PNS", "Kementerian X", 2017, 20),
        ("PNS", "Kementerian X", 2016, None),
        ("PPPK", "Kementerian X", 2017, None),
        ("Honorer", "Kementerian X", 2026, None),
    ],
)
def test_targets(status: str, employer: str, year: int, expected: float | None) -> None:
    listed = {"permendikdasmen-pns": ["Kemendikdasmen"]}

    assert jp(target(TARGETS, status, employer, year, listed=listed)) == expected


def test_30_jp_hold_only_for_employers_that_an_admin_lists() -> None:
    assert jp(target(TARGETS, "PNS", "Kemendikdasmen", 2026)) == 20


def test_a_target_says_where_it_is_from() -> None:
    found = target(TARGETS, "PPPK", "Kementerian X", 2026)

    assert found is not None
    assert (found.bound, found.period, found.source.confirmed) == ("floor", "calendar_year", "own")
    assert "PP 49/2018" in found.source.reference


PPPK = TARGETS_TEXT[TARGETS_TEXT.index("  pppk:") :]


@pytest.mark.parametrize(
    ("contract", "first", "last"),
    [
        (None, "2027-01-01", "2027-12-31"),
        (date(2024, 3, 1), "2027-03-01", "2028-02-29"),
        (date(2024, 2, 29), "2027-03-01", "2028-02-28"),
        (date(2024, 1, 1), "2027-01-01", "2027-12-31"),
    ],
)
def test_a_year_may_be_that_of_the_contract(contract: date | None, first: str, last: str) -> None:
    by_contract = load_targets(TARGETS_TEXT.replace(PPPK, PPPK.replace("calendar_year", "contract_year")))

    found = target(by_contract, "PPPK", "Kementerian X", 2027)

    assert found is not None
    assert [day.isoformat() for day in found.days(2027, contract)] == [first, last]


def test_24_jp_may_be_a_floor_or_a_ceiling() -> None:
    as_ceiling = load_targets(TARGETS_TEXT.replace(PPPK, PPPK.replace("floor", "ceiling", 1)))

    floor, ceiling = (target(rules, "PPPK", "Kementerian X", 2026) for rules in (TARGETS, as_ceiling))

    assert floor is not None
    assert ceiling is not None
    assert [floor.credited(3000), ceiling.credited(3000), ceiling.credited(2000)] == [3000, 2400, 2000]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("status: PNS", "status: Honorer", "Honorer is not one of"),
        ("bound: floor", "bound: wall", "wall is not one of"),
        ("value: 30", "value: many", "many is not a number"),
        ("[{from: 2025-01-01, value: 30}]", "[]", "no value"),
        (
            "[{from: 2025-01-01, value: 30}]",
            "[{from: 2025-01-01, until: 2025-12-31, value: 30}, {from: 2027-01-01, value: 40}]",
            "gap",
        ),
    ],
)
def test_wrong_targets_are_refused(old: str, new: str, says: str) -> None:
    assert old in TARGETS_TEXT

    with pytest.raises(TargetsError, match=says):
        load_targets(TARGETS_TEXT.replace(old, new, 1))


def test_a_vocabulary_is_a_value() -> None:
    assert isinstance(DEFAULT, Vocabulary)
    assert shipped.vocabulary("default") == DEFAULT
