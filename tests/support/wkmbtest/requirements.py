"""What a machine may lack: PostgreSQL, Chromium, node, the peers that `make peers` installs.

A developer without one of them still gets the rest of the suite, with one line that says what was left out.
``WKMB_TEST_REQUIRE=postgresql,chromium,node,peers`` (set by ``make check``) makes each of them a failure instead:
a continuous build that skips its second database is not green.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

KNOWN = frozenset({"postgresql", "chromium", "node", "peers"})


def required() -> frozenset[str]:
    """The names in ``WKMB_TEST_REQUIRE``; an unknown one ends the run, so that a typing error cannot relax it."""
    names = frozenset(name.strip() for name in os.environ.get("WKMB_TEST_REQUIRE", "").split(",") if name.strip())
    if unknown := names - KNOWN:
        raise pytest.UsageError(f"WKMB_TEST_REQUIRE names {sorted(unknown)}; known are {sorted(KNOWN)}")
    return names


def missing(name: str, reason: str) -> NoReturn:
    """Skip this test because the machine lacks ``name``, or fail it where ``name`` is required."""
    if name in required():
        pytest.fail(f"{reason} (WKMB_TEST_REQUIRE demands {name})", pytrace=False)
    pytest.skip(reason)


def pytest_configure(config: pytest.Config) -> None:
    required()
