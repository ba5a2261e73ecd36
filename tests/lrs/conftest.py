"""The store under test, on both databases."""

from __future__ import annotations

import pytest

from lrs.database import Database
from lrstest import Store


@pytest.fixture
def lrs(db: Database) -> Store:
    """The store on a database of the test's own."""
    return Store(db)
