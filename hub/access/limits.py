"""How often somebody may do something: fixed windows, counted in the database, so that every process sees one count.

An attempt costs one small write (7 ms on SQLite): for logins, tokens and registrations, never for a statement.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from hub.runtime import Hub
from hub.tables import rate_limits
from lrs.database import UTCDateTime, insert_missing
from lrs.precompiled import Precompiled


def allow(hub: Hub, what: str, who: str, *, most: int, seconds: int) -> bool:
    """Count one more time that ``who`` does ``what``; False once that was more than ``most`` in a window."""
    key, now = _key(hub, what, who), hub.clock()
    return hub.db.run(lambda conn: _count(conn, key, now, timedelta(seconds=seconds))) <= most


def allow_in(conn: sa.Connection, hub: Hub, what: str, who: str, *, most: int, seconds: int) -> bool:
    """`allow` in the transaction of what is done."""
    return _count(conn, _key(hub, what, who), hub.clock(), timedelta(seconds=seconds)) <= most


def forget(hub: Hub, what: str, who: str) -> None:
    """Begin again at nothing, because what was counted turned out to be right."""
    key = _key(hub, what, who)
    with hub.db.write() as conn:
        conn.execute(rate_limits.delete().where(rate_limits.c.key == key))


def forget_ended(conn: sa.Connection, now: datetime) -> int:
    """Delete the windows that are over; tells how many."""
    return conn.execute(rate_limits.delete().where(rate_limits.c.until <= now)).rowcount


def _key(hub: Hub, what: str, who: str) -> bytes:
    # A keyed digest: the table tells nobody who tried to sign in from where.
    return hub.keyring.digest("rate-limit", f"{what}\n{who}")[:16]


_IS_OVER = rate_limits.c.until <= sa.bindparam("now")
_COUNT = Precompiled(
    sa.update(rate_limits)
    .where(rate_limits.c.key == sa.bindparam("which"))
    .values(
        until=sa.case((_IS_OVER, sa.bindparam("then", type_=UTCDateTime)), else_=rate_limits.c.until),
        count=sa.case((_IS_OVER, 1), else_=rate_limits.c.count + 1),
    )
    .returning(rate_limits.c.count)
)


def _count(conn: sa.Connection, key: bytes, now: datetime, window: timedelta) -> int:
    counted = _COUNT.first(conn, which=key, now=now, then=now + window)
    if counted is None:  # The first time; somebody else's first time may come before it.
        insert_missing(conn, rate_limits, [{"key": key, "until": now + window, "count": 0}])
        counted = _COUNT.first(conn, which=key, now=now, then=now + window)
    assert counted is not None  # noqa: S101  # it was there, or has just been made
    return int(counted[0])
