"""Statements and their index in one partition a month, on PostgreSQL (SCALE rule 9).

A table that grows with every statement says by which column it may be divided (``table.info["partition"]``). That is
the statement's number, which is a time, so a month's statements lie together: what is old can be detached in an
instant, and indexes and vacuum of a closed month rest. It is switched on per database (`divide`), not by a migration.

Partitions are made ahead of time. There is never a default one: rows that fell into it would have to be moved before
the partition that they belong to could be made. Where the next month is missing, nothing is stored and everybody is
told so (`lrs.database.NoPartition`).
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from lrs import database
from lrs.database import Partition, metadata
from lrs.sequence import lowest_seq, stored_at

#: How many whole months after the present one have their partition.
MONTHS_AHEAD = 3


def divide(conn: sa.Connection, now: datetime) -> list[str]:
    """Give the tables partitions, and make those ahead; gives the names of the new ones.

    What is stored already, however much, becomes the first partition as it lies: it is read once and not copied, and
    nobody uses these tables meanwhile. Repeating it only makes what is missing ahead.
    """
    made = []
    for table in _divisible():
        if database.partitions(conn, table) is None:
            month = _month_after(now)
            first = Partition(f"{table.name}_before_{month:%Y_%m}", lowest_seq(month))
            database.divide(conn, table, first)
            made.append(first.name)
    return made + make_ahead(conn, now)


def make_ahead(conn: sa.Connection, now: datetime) -> list[str]:
    """Make the partitions that are missing up to `MONTHS_AHEAD`; gives their names. Plain tables stay as they are."""
    return [name for table in _divisible() if _missing(conn, table, now) for name in _extend(conn, table, now)]


def lasts_until(conn: sa.Connection) -> datetime | None:
    """Up to when statements can be stored with the partitions that there are; None without partitions."""
    highs = [parts[-1].high for table in _divisible() if (parts := database.partitions(conn, table))]
    return stored_at(min(highs)) if highs else None


def names(conn: sa.Connection) -> set[str]:
    """Every partition that there is: tables of their own to the database, but nobody declares them."""
    return {part.name for table in _divisible() for part in database.partitions(conn, table) or ()}


def _extend(conn: sa.Connection, table: sa.Table, now: datetime) -> list[str]:
    database.take_partitioning(conn, table)
    # Asked again now that nobody else adds any: two workers may have seen the same one missing.
    parts = _missing(conn, table, now)
    for low, part in parts:
        database.add_partition(conn, table, part, low)
    return [part.name for _, part in parts]


def _missing(conn: sa.Connection, table: sa.Table, now: datetime) -> list[tuple[int, Partition]]:
    """The partitions to add, each with its lowest number; they go on where the last one ends."""
    parts = database.partitions(conn, table)
    if not parts:
        return []
    missing = []
    last = _month_after(now, MONTHS_AHEAD)
    month = stored_at(parts[-1].high)
    while month <= last:
        following = _month_after(month)
        missing.append((lowest_seq(month), Partition(f"{table.name}_{month:%Y_%m}", lowest_seq(following))))
        month = following
    return missing


def _divisible() -> list[sa.Table]:
    """The tables that are divided, where anything is."""
    return [table for table in metadata.sorted_tables if "partition" in table.info]


def _month_after(moment: datetime, months: int = 1) -> datetime:
    """The first moment of that month after the present one, in UTC."""
    moment = moment.astimezone(UTC)
    count = moment.year * 12 + moment.month - 1 + months
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)
