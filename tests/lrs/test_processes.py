"""Several processes on one database: what was acknowledged stays, and a reader who follows misses nothing."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from lrs import query
from lrs.tables import statement_ids, statements
from lrstest import Store

WRITER = Path(__file__).parents[1] / "support" / "lrswriter.py"


def _start(lrs: Store, threads: int) -> subprocess.Popen[str]:
    url = lrs.db.url.render_as_string(hide_password=False)
    return subprocess.Popen([sys.executable, str(WRITER), url, str(threads)], stdout=subprocess.PIPE, text=True)


def _kill(process: subprocess.Popen[str]) -> set[UUID]:
    """End it without a chance to tidy up; the ids that it had acknowledged, whole lines alone."""
    process.kill()
    text, _ = process.communicate()
    return {UUID(each) for line in text.split("\n")[:-1] for each in line.split()}


def test_what_was_acknowledged_survives_a_kill_and_nothing_is_half(lrs: Store) -> None:
    """Ids, payloads and what lists them are of one transaction."""
    rng = random.Random(7)
    acknowledged: set[UUID] = set()
    for _ in range(5):
        process = _start(lrs, 4)
        assert process.stdout is not None
        for _line in range(5):
            acknowledged |= {UUID(each) for each in process.stdout.readline().split()}
        time.sleep(rng.uniform(0.05, 0.3))
        acknowledged |= _kill(process)

    with lrs.db.read() as conn:
        ids = set(conn.execute(sa.select(statement_ids.c.id)).scalars())
        payloads = set(conn.execute(sa.select(statements.c.id)).scalars())
        listed = query.find(conn, query.StatementQuery(), limit=len(ids) + 1).statements
    assert len(acknowledged) > 20
    assert acknowledged <= ids
    assert ids == payloads
    assert {each.id for each in listed} == ids


def test_a_reader_who_follows_several_processes_misses_nothing(lrs: Store) -> None:
    """SCALE rule 8, with since and Consistent-Through as a client has them."""
    processes = [_start(lrs, 4) for _ in range(3)]
    followed: list[UUID] = []
    after: int | None = None
    try:
        for process in processes:
            assert process.stdout is not None
            followed_first = process.stdout.readline()
            assert followed_first
        end = time.monotonic() + 60
        while len(followed) <= 300 and time.monotonic() < end:
            after = _follow(lrs, followed, after)
    finally:
        for process in processes:
            _kill(process)
    # A killed process leaves its floor behind: what it had announced and never committed. Read on without it.
    with lrs.db.read() as conn:
        written = set(conn.execute(sa.select(statements.c.id)).scalars())
        rest = query.find(conn, query.StatementQuery(ascending=True), limit=100_000, after=after)

    assert len(followed) > 300
    assert len(followed) == len(set(followed))
    assert set(followed) | {each.id for each in rest.statements} == written


def _follow(lrs: Store, followed: list[UUID], after: int | None) -> int | None:
    horizon = lrs.sequence.horizon()
    with lrs.db.read() as conn:
        page = query.find(conn, query.StatementQuery(ascending=True), limit=1000, after=after, below=horizon)
    followed += [each.id for each in page.statements]
    return page.statements[-1].seq if page.statements else after
