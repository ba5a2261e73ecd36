"""The acceptance list of the platform (`tests/cases/lti/platform.csv`): every case has a test that is named by it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

CASES = Path(__file__).parents[2] / "cases" / "lti" / "platform.csv"
#: ``def test_a03_…``, or ``test_i05_i17_…`` for two at once.
NAMED = re.compile(r"^def test_((?:[a-z]{1,2}[0-9]{2}_)+)", re.MULTILINE)


def test_every_case_of_the_list_has_a_test(capsys: pytest.CaptureFixture[str]) -> None:
    with CASES.open(encoding="utf-8", newline="") as file:
        listed = {row["id"]: row["about"] for row in csv.DictReader(file)}
    tests = [path.read_text("utf-8") for path in sorted(Path(__file__).parents[1].glob("lti*/test_*.py"))]

    found = Counter(id.upper() for text in tests for name in NAMED.findall(text) for id in name.strip("_").split("_"))

    missing = sorted(listed.keys() - found.keys())
    assert not missing, f"no test is named by {missing}"
    with capsys.disabled():
        total = sum(found[id] for id in listed)
        print(f"\nLTI platform: {len(listed)} of {len(listed)} cases of the acceptance list, in {total} tests")


def test_no_case_of_the_list_is_skipped() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        if path != Path(__file__):
            assert not re.search(r"mark\.(skip|xfail)|pytest\.(skip|xfail)\(", path.read_text("utf-8")), path.name
