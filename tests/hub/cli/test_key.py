"""``wkmb key``: the keys that sign launches."""

from __future__ import annotations

import re
from typing import Any

from hub import journal
from hub.lti import keys
from hub.runtime import Hub


def test_a_new_hub_has_no_key_until_it_launches(wkmb: Any, served: Hub) -> None:
    assert wkmb.json("key", "list") == []
    assert "No key yet" in wkmb("key", "list").stdout

    kid = keys.ensure(served).kid

    [found] = wkmb.json("key", "list")
    assert found["kid"] == kid
    assert found["published_until"] is None


def test_a_rotation_holds_at_once_and_keeps_the_old_key_published(wkmb: Any, served: Hub) -> None:
    before = keys.ensure(served).kid

    made = wkmb.json("key", "rotate")

    assert keys.ensure(served).kid == made["kid"] != before
    new, old = wkmb.json("key", "list")
    assert (new["kid"], old["kid"]) == (made["kid"], before)
    assert new["published_until"] is None
    assert old["published_until"] > new["active_from"]
    with served.db.read() as conn:
        [entry] = journal.read(conn, f"{served.clock():%Y-%m}", limit=10)
    assert (entry.action, entry.object) == ("key.rotate", made["kid"])
    assert entry.who.startswith("cli")


def test_a_key_may_wait_before_it_signs(wkmb: Any, served: Hub) -> None:
    before = keys.ensure(served).kid

    said = wkmb("key", "rotate", "--after", "24").stdout

    assert re.fullmatch(r"Key \S+ signs from \d{4}-\d\d-\d\d \d\d:\d\d UTC\.\n", said)
    assert keys.ensure(served).kid == before
    assert len(wkmb("key", "list").stdout.splitlines()) == 2


def test_a_wrong_number_of_hours_is_refused(wkmb: Any) -> None:
    assert "169" in wkmb.refused("key", "rotate", "--after", "169", code=2)
    assert wkmb.json("key", "list") == []
