"""A hub in the test's own process, on a migrated database of its own, once on SQLite and once on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.runtime import Hub, open_hub
from hub.settings import read
from lrs.sequence import Sequence

BASE_URL = "https://hub.example"
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


class Clock:
    """The time that a test says it is."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        """Let that much time pass (`datetime.timedelta`'s arguments)."""
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The hub's clock, which stands still until the test moves it."""
    return Clock()


@pytest.fixture
def new_test_hub(new_database: Callable[..., str], tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Hub]]:
    """Makes hubs, each with a database of its own; keyword arguments are settings (``base_url="https://…"``)."""
    made: list[Hub] = []

    def create(**settings: str) -> Hub:
        given = {
            "home": str(tmp_path / f"home-{len(made)}"),
            "database_url": new_database(),
            "secret_key": f"{len(made)}-tests-only-" + "k" * 32,
            "base_url": BASE_URL,
        } | settings
        hub = open_hub(read({f"WKMB_{name.upper()}": value for name, value in given.items()}), pool_size=4)
        # The sequence keeps its own clock: numbers go up, whatever time the test says it is.
        made.append(replace(hub, clock=clock, sequence=Sequence(hub.db, hub.clock, hub.new_id)))
        return made[-1]

    yield create
    for hub in made:
        hub.close()


@pytest.fixture
def hub(new_test_hub: Callable[..., Hub]) -> Hub:
    """One hub."""
    return new_test_hub()
