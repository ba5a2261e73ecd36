"""What the sandbox remembers: one SQLite file of its own, plain sqlite3.

A launch owes reports (a score, statements). A report is written before it is sent and stays ``waiting``
until the hub has answered, so that a sandbox killed in between sends it again when it comes back.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS lti_values (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS launches (
    id TEXT PRIMARY KEY, browser TEXT NOT NULL, token_digest TEXT NOT NULL UNIQUE, created_at REAL NOT NULL,
    claims TEXT NOT NULL, lessons_read TEXT NOT NULL DEFAULT '[]', score REAL, minutes INTEGER,
    finished_at REAL, xapi_token TEXT
);
CREATE TABLE IF NOT EXISTS reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT, launch_id TEXT NOT NULL REFERENCES launches (id), kind TEXT NOT NULL,
    payload TEXT NOT NULL, faults TEXT NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL, created_at REAL NOT NULL, explanation TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS reports_by_launch ON reports (launch_id, id);
CREATE INDEX IF NOT EXISTS reports_due ON reports (status, due_at);
CREATE TABLE IF NOT EXISTS exchanges (
    id INTEGER PRIMARY KEY AUTOINCREMENT, report_id INTEGER NOT NULL REFERENCES reports (id), at REAL NOT NULL,
    method TEXT NOT NULL, url TEXT NOT NULL, request TEXT NOT NULL, status INTEGER, answer TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS exchanges_by_report ON exchanges (report_id, id);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch that was accepted, with the claims as they came."""

    id: str
    browser: str
    created_at: float
    claims: Mapping[str, Any]
    lessons_read: tuple[int, ...]
    score: float | None
    minutes: int | None
    finished_at: float | None
    xapi_token: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """Something that a launch owes to the hub, and how far it came."""

    id: int
    launch_id: str
    kind: str
    payload: Any
    faults: tuple[str, ...]
    status: str
    attempts: int
    due_at: float
    explanation: str


@dataclass(frozen=True, slots=True)
class NewReport:
    """A report that is still to be written down."""

    kind: str
    payload: Any
    faults: tuple[str, ...] = ()
    status: str = "waiting"
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to the hub with its answer; ``status`` is None where no answer came."""

    at: float
    method: str
    url: str
    request: str
    status: int | None
    answer: str


class Store:
    """The sandbox's database file. Each method is one transaction on a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connect() as conn:
            conn.executescript(SCHEMA)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        conn = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            conn.row_factory = sqlite3.Row
            conn.execute("PRAGMA journal_mode = WAL")
            conn.execute("PRAGMA foreign_keys = ON")
            yield conn
        finally:
            conn.close()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._connect() as conn:
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield conn
            except BaseException:
                conn.execute("ROLLBACK")
                raise
            conn.execute("COMMIT")

    # What PyLTI1p3 keeps between login and launch

    def set_value(self, key: str, value: Any, *, now: float, lifetime: float) -> None:
        """Keep a JSON value for ``lifetime`` seconds; what has expired is swept out on the way."""
        with self._write() as conn:
            conn.execute("DELETE FROM lti_values WHERE expires_at < ?", (now,))
            conn.execute("INSERT OR REPLACE INTO lti_values VALUES (?, ?, ?)", (key, json.dumps(value), now + lifetime))

    def get_value(self, key: str, *, now: float) -> Any:
        """The value, or None where it is not there or has expired."""
        with self._connect() as conn:
            row = conn.execute("SELECT value FROM lti_values WHERE key = ? AND expires_at >= ?", (key, now)).fetchone()
        return None if row is None else json.loads(row["value"])

    def take_value(self, key: str, *, now: float) -> bool:
        """Consume the value: true for exactly one caller, so that a nonce works once."""
        with self._write() as conn:
            row = conn.execute(
                "DELETE FROM lti_values WHERE key = ? AND expires_at >= ? RETURNING key", (key, now)
            ).fetchone()
        return row is not None

    # Launches

    def add_launch(
        self,
        launch_id: str,
        *,
        browser: str,
        token_digest: str,
        claims: Mapping[str, Any],
        now: float,
        reports: Sequence[NewReport],
    ) -> None:
        """Write the launch down together with the reports that it owes from the start."""
        with self._write() as conn:
            conn.execute(
                "INSERT INTO launches (id, browser, token_digest, created_at, claims) VALUES (?, ?, ?, ?, ?)",
                (launch_id, browser, token_digest, now, json.dumps(claims)),
            )
            _add_reports(conn, launch_id, reports, now)

    def find_launch(self, launch_id: str) -> Launch | None:
        """The launch of that id, where there is one."""
        with self._connect() as conn:
            row = conn.execute("SELECT * FROM launches WHERE id = ?", (launch_id,)).fetchone()
        return None if row is None else _launch(row)

    def find_launch_of_token(self, token_digest: str) -> Launch | None:
        """The launch that this very id_token made, where it made one."""
        with self._connect() as conn:
            row = conn.execute("SELECT * FROM launches WHERE token_digest = ?", (token_digest,)).fetchone()
        return None if row is None else _launch(row)

    def latest_launches(self, limit: int) -> list[Launch]:
        """The newest launches, newest first."""
        with self._connect() as conn:
            rows = conn.execute("SELECT * FROM launches ORDER BY created_at DESC LIMIT ?", (limit,)).fetchall()
        return [_launch(row) for row in rows]

    def mark_lesson_read(self, launch_id: str, lesson: int) -> None:
        """Remember that the learner opened the lesson."""
        with self._write() as conn:
            row = conn.execute("SELECT lessons_read FROM launches WHERE id = ?", (launch_id,)).fetchone()
            read = sorted({*json.loads(row["lessons_read"]), lesson})
            conn.execute("UPDATE launches SET lessons_read = ? WHERE id = ?", (json.dumps(read), launch_id))

    def finish_launch(
        self, launch_id: str, *, score: float, minutes: int, now: float, reports: Sequence[NewReport]
    ) -> bool:
        """Close the launch with its result and what is to be reported of it; false where it was closed before."""
        with self._write() as conn:
            closed = conn.execute(
                "UPDATE launches SET score = ?, minutes = ?, finished_at = ? WHERE id = ? AND finished_at IS NULL"
                " RETURNING id",
                (score, minutes, now, launch_id),
            ).fetchone()
            if closed is None:
                return False
            _add_reports(conn, launch_id, reports, now)
        return True

    def set_xapi_token(self, launch_id: str, token: str) -> None:
        """Keep the token that the launch's fetch URL gave; it gives it only once."""
        with self._write() as conn:
            conn.execute("UPDATE launches SET xapi_token = ? WHERE id = ?", (token, launch_id))

    # Reports

    def reports_of(self, launch_id: str) -> list[Report]:
        """What the launch owed and owes, in the order in which it is sent."""
        with self._connect() as conn:
            rows = conn.execute("SELECT * FROM reports WHERE launch_id = ? ORDER BY id", (launch_id,)).fetchall()
        return [_report(row) for row in rows]

    def find_report(self, report_id: int) -> Report | None:
        """The report of that id, where there is one."""
        with self._connect() as conn:
            row = conn.execute("SELECT * FROM reports WHERE id = ?", (report_id,)).fetchone()
        return None if row is None else _report(row)

    def launches_due(self, now: float) -> list[str]:
        """Launches with a report that waits and whose time has come, the longest waiting first."""
        with self._connect() as conn:
            rows = conn.execute(
                "SELECT launch_id FROM reports WHERE status = 'waiting' AND due_at <= ?"
                " GROUP BY launch_id ORDER BY min(due_at)",
                (now,),
            ).fetchall()
        return [row["launch_id"] for row in rows]

    def settle_report(self, report_id: int, *, status: str, explanation: str, due_at: float) -> None:
        """Write down how an attempt ended."""
        with self._write() as conn:
            conn.execute(
                "UPDATE reports SET status = ?, explanation = ?, due_at = ?, attempts = attempts + 1 WHERE id = ?",
                (status, explanation, due_at, report_id),
            )

    def requeue(self, report_ids: Sequence[int], *, now: float, clean: bool) -> None:
        """Send the reports again now; ``clean`` takes their faults away."""
        with self._write() as conn:
            for report_id in report_ids:
                conn.execute("UPDATE reports SET status = 'waiting', due_at = ? WHERE id = ?", (now, report_id))
                if clean:
                    conn.execute("UPDATE reports SET faults = '[]' WHERE id = ?", (report_id,))

    def wake_waiting(self, now: float) -> None:
        """At start: what was not answered before is due now, whatever its last attempt had put off.

        What is late on purpose keeps its time: a first attempt has not been made yet.
        """
        with self._write() as conn:
            conn.execute("UPDATE reports SET due_at = ? WHERE status = 'waiting' AND attempts > 0", (now,))

    def add_exchange(self, report_id: int, exchange: Exchange) -> None:
        """Keep one request to the hub with its answer."""
        with self._write() as conn:
            conn.execute(
                "INSERT INTO exchanges (report_id, at, method, url, request, status, answer)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    report_id,
                    exchange.at,
                    exchange.method,
                    exchange.url,
                    exchange.request,
                    exchange.status,
                    exchange.answer,
                ),
            )

    def exchanges_of(self, report_id: int) -> list[Exchange]:
        """The requests made for a report, in order."""
        with self._connect() as conn:
            rows = conn.execute(
                "SELECT at, method, url, request, status, answer FROM exchanges WHERE report_id = ? ORDER BY id",
                (report_id,),
            ).fetchall()
        return [Exchange(*row) for row in rows]

    # Settings

    def set_faults(self, faults: Sequence[str]) -> None:
        """Faults for every launch that is finished from now on."""
        with self._write() as conn:
            conn.execute("INSERT OR REPLACE INTO settings VALUES ('faults', ?)", (json.dumps(list(faults)),))

    def get_faults(self) -> tuple[str, ...]:
        """The faults that are set for everybody."""
        with self._connect() as conn:
            row = conn.execute("SELECT value FROM settings WHERE name = 'faults'").fetchone()
        return () if row is None else tuple(json.loads(row["value"]))


def _add_reports(conn: sqlite3.Connection, launch_id: str, reports: Sequence[NewReport], now: float) -> None:
    conn.executemany(
        "INSERT INTO reports (launch_id, kind, payload, faults, status, due_at, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (launch_id, new.kind, json.dumps(new.payload), json.dumps(new.faults), new.status, now + new.delay, now)
            for new in reports
        ],
    )


def _launch(row: sqlite3.Row) -> Launch:
    return Launch(
        id=row["id"],
        browser=row["browser"],
        created_at=row["created_at"],
        claims=json.loads(row["claims"]),
        lessons_read=tuple(json.loads(row["lessons_read"])),
        score=row["score"],
        minutes=row["minutes"],
        finished_at=row["finished_at"],
        xapi_token=row["xapi_token"],
    )


def _report(row: sqlite3.Row) -> Report:
    return Report(
        id=row["id"],
        launch_id=row["launch_id"],
        kind=row["kind"],
        payload=json.loads(row["payload"]),
        faults=tuple(json.loads(row["faults"])),
        status=row["status"],
        attempts=row["attempts"],
        due_at=row["due_at"],
        explanation=row["explanation"],
    )
