"""What is derived from the hub's one secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.access.crypto import Keyring, SealBroken

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEYRING, OTHER = Keyring(b"a" * 32), Keyring(b"b" * 32)


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert KEYRING.key("one") != KEYRING.key("two")
    assert KEYRING.digest("one", "secret") != KEYRING.digest("two", "secret")
    assert KEYRING.key("one") != OTHER.key("one")


def test_what_was_sealed_opens_for_its_purpose_alone() -> None:
    sealed = KEYRING.seal("connector", b"rahasia", b"n" * 12)

    assert KEYRING.open("connector", sealed) == b"rahasia"
    assert b"rahasia" not in sealed
    for keyring, purpose, value in [
        (KEYRING, "other", sealed),
        (OTHER, "connector", sealed),
        (KEYRING, "connector", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (KEYRING, "connector", b""),
    ]:
        with pytest.raises(SealBroken):
            keyring.open(purpose, value)


def test_what_was_signed_holds_until_its_time_and_for_its_purpose() -> None:
    text = KEYRING.sign("hint", ["a", 1], NOW + timedelta(minutes=5))

    assert KEYRING.verify("hint", text, NOW) == ["a", 1]
    assert KEYRING.verify("hint", text, NOW + timedelta(minutes=5)) is None
    assert KEYRING.verify("other", text, NOW) is None
    assert OTHER.verify("hint", text, NOW) is None


@pytest.mark.parametrize("text", ["", ".", "a.b", "ä.ö", "W10", "x" * 5000, "YQ.YQ"])
def test_what_was_not_signed_is_nothing(text: str) -> None:
    assert KEYRING.verify("hint", text, NOW) is None


def test_a_keyring_does_not_print_its_secret() -> None:
    assert "aaaa" not in repr(KEYRING)
