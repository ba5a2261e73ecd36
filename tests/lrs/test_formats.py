"""The string formats, where they meet texts that somebody made to get through (RFC 5646, RFC 9110)."""

from __future__ import annotations

import pytest

from lrs import formats


@pytest.mark.parametrize("tag", ["id", "en-US", "EN-us", "sl-Latn-IT-nedis", "x-kk-ss", "i-klingon", "SGN-BE-FR"])
def test_a_language_tag_is_taken_in_any_case(tag: str) -> None:
    assert formats.is_language_tag(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "\u017fl",
        "s\u017f",
        "\u212ao",
        "en-U\u017f",
        "x-\u212a",
        "i-\u212alingon",
        "en-u\u017fus-" + "abcdefgh-" * 5 + "x-a",
    ],
)
def test_only_ascii_letters_are_letters_of_a_language_tag(tag: str) -> None:
    """RFC 5646 2.1: the long s and the Kelvin sign are none, whichever letter they fold to."""
    assert not formats.is_language_tag(tag)


@pytest.mark.parametrize(
    "text",
    [
        "application/pdf",
        "text/plain; charset=utf-8",
        'text/plain;a="b c"; d=e ',
        'text/plain; name="nilai \u00e9.txt"',
        r'text/plain; a="\"\\"',
        'text/plain; a="b\tc\\\td"',
        'text/plain; a=""',
    ],
)
def test_a_media_type_may_have_parameters(text: str) -> None:
    assert formats.is_media_type(text)


@pytest.mark.parametrize(
    "text",
    [
        'text/plain; a="x\r\nX-Evil: 1\r\n\r\nearly body\r\n"',
        'text/plain; a="\\\r\\\nX-Evil: 1"',
        *(f'text/plain; a="b{control}c"' for control in "\x00\x08\n\v\f\r\x1f\x7f\x85\x9f"),
        *(f'text/plain; a="b\\{control}c"' for control in "\x00\n\r\x7f\x85"),
        "text/plain\r\nX-Evil: 1",
        "text/plain\n",
        'text/plain; a="b',
        'text/plain; a="b\\"',
    ],
)
def test_a_media_type_stays_in_its_header(text: str) -> None:
    """RFC 9110 5.6.4: no control character but a tab. It is written as the Content-Type of a part."""
    assert not formats.is_media_type(text)
