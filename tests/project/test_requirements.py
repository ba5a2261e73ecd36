"""Every requirement that ADL's conformance suite judges is quoted by a test of ours, which runs without the suite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]

#: The numbers (XAPI-00001 …) that the suite for 1.0.3 names; that for 2.0.0 judges the same ones.
JUDGED = (
    "1-20 23-24 26 46-65 96-101 108-111 113-117 119 122 125-135 139 142-151 153-159 161-176 178-181 "
    "183-184 187-204 206-213 215-221 227 229-245 248 250-319 321-336"
)


def _numbers(text: str) -> Iterator[int]:
    for part in text.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _quoted(text: str) -> Iterator[int]:
    """``XAPI-00007``, ``XAPI-00007 to XAPI-00011``, and in the tables of refused statements ``00007:``."""
    for first, last in re.findall(r"XAPI-(\d{5})(?:\s+to\s+XAPI-(\d{5}))?", text):
        yield from range(int(first), int(last or first) + 1)
    yield from map(int, re.findall(r'"(\d{5}):', text))


def test_every_requirement_that_the_suite_judges_is_quoted_by_a_test() -> None:
    sources = [*TESTS.glob("lrs/*.py"), *TESTS.glob("hub/statements/test_xapi*.py"), *TESTS.glob("cases/xapi/*.yaml")]
    quoted = {number for path in sources for number in _quoted(path.read_text())}

    missing = [f"XAPI-{number:05d}" for number in _numbers(JUDGED) if number not in quoted]

    assert missing == []
