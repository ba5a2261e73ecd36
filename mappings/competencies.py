"""Link and match: which competencies are needed, offered, reached, and needed but not offered.

Competencies are names of PermenPANRB 38/2017 with level 1 to 5. A course that carries a level serves every need up to
it; one without a level serves the name at any level, which is said so that a planner can look closer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mappings.course import Competency, Course

#: Where a need stands, the best first.
STANDINGS = ("reached", "offered", "offered_below", "not_offered")


@dataclass(frozen=True, slots=True)
class Match:
    """One need: what was reached, and which courses serve it (exactly) or lead towards it (below its level)."""

    need: Competency
    standing: str
    reached_level: int | None
    courses: tuple[str, ...]
    courses_below: tuple[str, ...]


def match(needs: Iterable[Competency], offered: Iterable[Course], done: Iterable[Course]) -> tuple[Match, ...]:
    """Each need of a person or unit, once at its highest level, in the order of names.

    ``offered``: courses that can be taken; ``done``: courses that were recognized.
    """
    wanted: dict[str, Competency] = {}
    for need in needs:
        known = wanted.get(_name(need))
        if known is None or _level(need) > _level(known):
            wanted[_name(need)] = need
    available, finished = list(offered), list(done)
    return tuple(_match(need, available, finished) for _, need in sorted(wanted.items()))


def _match(need: Competency, offered: list[Course], done: list[Course]) -> Match:
    reached = [c.level or 1 for course in done for c in course.competencies if _name(c) == _name(need)]
    exact: set[str] = set()
    below: set[str] = set()
    for course in offered:
        for competency in course.competencies:
            if _name(competency) == _name(need):
                serves = competency.level is None or competency.level >= _level(need)
                (exact if serves else below).add(course.id)
    level = max(reached, default=None)
    if level is not None and level >= _level(need):
        standing = "reached"
    elif exact:
        standing = "offered"
    else:
        standing = "offered_below" if below else "not_offered"
    return Match(need, standing, level, tuple(sorted(exact)), tuple(sorted(below - exact)))


def _name(competency: Competency) -> str:
    return " ".join(competency.name.split()).casefold()


def _level(competency: Competency) -> int:
    return competency.level or 1
