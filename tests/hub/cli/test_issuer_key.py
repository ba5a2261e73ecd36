"""The keys of transcripts' credentials, changed from the command line."""

from __future__ import annotations

from typing import Any

from hub.papers import openbadges
from hub.runtime import Hub


def test_the_key_of_credentials_is_changed_and_the_older_one_stays(wkmb: Any, served: Hub) -> None:
    older = openbadges.ensure(served).kid

    made = wkmb.json("key", "rotate", "--credentials")

    assert made["kid"] != older
    with served.db.read() as conn:
        kids = [each["kid"] for each in openbadges.key_set(conn)["keys"]]
    assert set(kids) == {openbadges.key_address(served.base_url, kid) for kid in (older, made["kid"])}
    assert wkmb.json("key", "list") == []


def test_a_key_of_credentials_is_not_announced(wkmb: Any) -> None:
    assert "--after" in wkmb.refused("key", "rotate", "--credentials", "--after", "1", code=2)
