"""docs/recognition.md names every code and option that a person may meet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mappings import shipped
from mappings.codes import CODES
from mappings.evaluate import OUTCOMES_OF_A_FACT
from mappings.facts import REASONS
from mappings.policy import OPTIONS, PROOFS

PAGE = (Path(__file__).parents[2] / "docs" / "recognition.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", sorted({*REASONS, *OUTCOMES_OF_A_FACT, *OPTIONS, *PROOFS} - {"counted"}))
def test_a_code_is_explained(code: str) -> None:
    assert f"`{code}`" in PAGE


@pytest.mark.parametrize("name", [*shipped.POLICIES, *shipped.VOCABULARIES, *shipped.SCHEMES])
def test_a_shipped_document_is_named(name: str) -> None:
    assert name in PAGE


def test_codes_of_a_family_are_different_words() -> None:
    for family, codes in CODES.items():
        assert len(set(codes)) == len(codes), family
        assert all(re.fullmatch(r"[a-z_.]+", code) for code in codes), family


def test_every_choice_of_an_option_is_named() -> None:
    for option, choices in OPTIONS.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{option}`"))
        assert all(f"`{choice}`" in row for choice in choices)
