"""The courses of the fictional institution, from ``courses.json`` beside this file.

A launch names one with the custom parameter ``course``; any other launch gets a course that bears the link's
own title, has no lessons and is completed with a button.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from .lti import CLAIM

#: A text in both languages of the pages: ``id`` and ``en``.
Text = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A page to read; ``minutes`` is the time it is meant to take."""

    title: Text
    minutes: int
    text: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question with exactly one right option."""

    text: Text
    options: Sequence[Text]
    answer: int


@dataclass(frozen=True, slots=True)
class Course:
    """What a learner sees after a launch."""

    key: str
    title: Text
    summary: Text
    pass_mark: float
    lessons: tuple[Lesson, ...]
    questions: tuple[Question, ...]

    @property
    def minutes(self) -> int:
        """The time that the lessons are meant to take; an hour where there are none."""
        return sum(lesson.minutes for lesson in self.lessons) or 60

    def grade(self, answers: Mapping[int, int]) -> float:
        """The score of the quiz, 0 to 100."""
        right = sum(answers.get(number) == question.answer for number, question in enumerate(self.questions))
        return round(100 * right / len(self.questions), 2)


def load_courses() -> dict[str, Course]:
    """Every course by its key."""
    content = json.loads(files(__package__).joinpath("courses.json").read_text("utf-8"))
    return {course["key"]: _course(course) for course in content}


def _course(given: Mapping[str, Any]) -> Course:
    return Course(
        key=given["key"],
        title=given["title"],
        summary=given["summary"],
        pass_mark=given["pass_mark"],
        lessons=tuple(Lesson(**lesson) for lesson in given["lessons"]),
        questions=tuple(Question(**question) for question in given["questions"]),
    )


def course_of(claims: Mapping[str, Any], courses: Mapping[str, Course]) -> Course:
    """The course that a launch is for."""
    custom = claims.get(CLAIM + "custom")
    key = custom.get("course") if isinstance(custom, Mapping) else None
    if isinstance(key, str) and key in courses:
        return courses[key]
    link = claims.get(CLAIM + "resource_link")
    link = link if isinstance(link, Mapping) else {}
    title = str(link.get("title") or "Pelatihan")
    summary = str(link.get("description") or "")
    return Course(
        key=str(link.get("id")),
        title={"id": title, "en": title},
        summary={"id": summary, "en": summary},
        pass_mark=70,
        lessons=(),
        questions=(),
    )
