"""Every sentence that the hub says to people is there in Indonesian and in English."""

from __future__ import annotations

import functools
import re
import runpy
import shutil
from pathlib import Path

import pytest
from babel.messages import extract, pofile
from babel.messages.catalog import Catalog, Message
from babel.messages.frontend import parse_mapping_cfg

ROOT = Path(__file__).parents[2]
TRANSLATIONS = ROOT / "hub" / "translations"
LANGUAGES = ("id", "en")
#: What is filled in: %(name)s of Flask-Babel, %s, {name}.
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")


def catalogue(language: str) -> Catalog:
    with (TRANSLATIONS / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return pofile.read_po(file, locale=language, abort_invalid=True)


@functools.cache
def used() -> frozenset[str]:
    """Every message that the code and the templates ask for."""
    with (ROOT / "config" / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = extract.DEFAULT_KEYWORDS | {"lazy_gettext": None, "_l": None}
    found = extract.extract_from_dir(str(ROOT / "hub"), methods, options, keywords=keywords, strip_comment_tags=True)
    return frozenset(each[2] if isinstance(each[2], str) else each[2][0] for each in found)


def texts(value: str | tuple[str, ...] | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogues_are_as_make_translations_writes_them(language: str, tmp_path: Path) -> None:
    collecting = runpy.run_path(str(ROOT / "scripts" / "collect_translations.py"))
    kept = TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"
    copy = tmp_path / language / "LC_MESSAGES" / "messages.po"
    copy.parent.mkdir(parents=True)
    shutil.copy(kept, copy)

    collecting["update"](copy, collecting["collect"]())

    assert copy.read_text("utf-8") == kept.read_text("utf-8"), "run make translations"


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_message_is_translated(language: str) -> None:
    known = catalogue(language)

    for identifier in sorted(used()):
        message: Message | None = known.get(identifier)
        assert message is not None, f"{identifier!r} is not in the catalogue: make translations"
        assert all(texts(message.string)), f"{identifier!r} has no translation"
        assert not message.fuzzy, f"{identifier!r} is fuzzy: look at it and remove the mark"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_message_is_left_over(language: str) -> None:
    assert {texts(message.id)[0] for message in catalogue(language) if message.id} - used() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_fills_in_the_same_values(language: str) -> None:
    for message in catalogue(language):
        if message.id:
            asked = {part for text in texts(message.id) for part in PLACEHOLDER.findall(text)}
            for text in texts(message.string):
                assert set(PLACEHOLDER.findall(text)) <= asked, f"{message.id!r}: {text!r}"
