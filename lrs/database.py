"""The database, and the only file that knows which one it is.

SQLite serves a pilot, PostgreSQL the ministry. Everything else in the project is plain SQLAlchemy Core
that runs on both; whatever differs (how a transaction begins, conflict clauses, what is worth repeating)
is here.

The one transaction rule: a function takes ``conn`` and never begins, commits or rolls back, or it takes
``db`` and opens exactly one transaction with `Database.read`, `Database.write` or `Database.run`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import select
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import sqlalchemy as sa
import stamina
from psycopg.types.array import ListBinaryDumper
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry

from lrs import wire
from lrs.errors import NoPartition
from lrs.precompiled import Precompiled, told

T = TypeVar("T")

#: How long a transaction waits for SQLite's one write lock.
_BUSY_SECONDS = 30

#: A write-ahead log of SQLite of so many bytes is worth emptying.
_LONG_LOG = 4 * 1024 * 1024

#: PostgreSQL ends a transaction that idles for this long, half of a writer's lease (`lrs.sequence.LEASE`):
#: a process that was put to sleep must not wake up and commit below a horizon that has moved on.
_IDLE_MILLISECONDS = 30_000

#: check_violation, which is also what PostgreSQL says of a row for which there is no partition; the tables that have
#: partitions have no checks.
_NO_PARTITION = "23514"

#: How long a change of a table waits for those who use it, while others wait behind it.
_LOCK_MILLISECONDS = 10_000

#: From so many rows on COPY, two ways to the server and back, costs half of one INSERT, on both sides.
_COPY_FROM = 100

#: How long what several have brought together waits for a row that somebody else is writing; then each waits alone.
_PATIENCE_MILLISECONDS = 250

#: One metadata for every package's tables, so that migrations see them all.
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """An aware time, kept in UTC. SQLite drops offsets silently, so a naive time is refused here."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; store aware times only")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class UUIDKey(sa.types.TypeDecorator[UUID]):
    """A UUID in 16 bytes: native on PostgreSQL, BLOB on SQLite (its CHAR(32) would double every index)."""

    impl = sa.LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.UUID(as_uuid=True))
        return dialect.type_descriptor(sa.LargeBinary(16))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> UUID | bytes | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.bytes

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        return value if value is None or isinstance(value, UUID) else UUID(bytes=value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Nothing on PostgreSQL, whose driver gives UUIDs, and one call on SQLite: a page has a hundred of them."""
        return None if dialect.name == "postgresql" else _read_uuid


def _read_uuid(value: bytes | None) -> UUID | None:
    return None if value is None else UUID(bytes=value)


class uuid_bytes(sa.sql.functions.FunctionElement[bytes]):  # noqa: N801 - a function of SQL, named as those are
    """The 16 bytes of a `UUIDKey` that is never empty, for who writes it again without asking anything of it."""

    type = sa.LargeBinary(16)
    inherit_cache = True


@compiles(uuid_bytes)
def _uuid_as_stored(element: uuid_bytes, compiler: Any, **given: Any) -> str:
    return str(compiler.process(element.clauses, **given))


@compiles(uuid_bytes, "postgresql")
def _uuid_sent(element: uuid_bytes, compiler: Any, **given: Any) -> str:
    return f"uuid_send({compiler.process(element.clauses, **given)})"


class Database:
    """Connections to one database, by its SQLAlchemy URL.

    ``sqlite:////path/file`` or ``postgresql://user@host/name`` (psycopg 3). An SQLite file's folder is made.
    """

    def __init__(self, url: str, *, pool_size: int = 16) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._loose: list[Connection] = []
        self._before_close: list[Callable[[], None]] = []
        # Threads of one process take turns here, in which nobody sleeps; SQLite's own way of waiting for its one
        # write lock is to sleep ever longer, which is left to other processes.
        self._turn: AbstractContextManager[object] = threading.Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            if not self.url.database or self.url.database == ":memory:":
                raise ValueError("An SQLite database needs a file: several processes share it")
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            self._writer = _sqlite_engine(self.url, pool_size, query_only=False)
            self._reader = _sqlite_engine(self.url, pool_size, query_only=True)
            self._asker = _sqlite_engine(self.url, pool_size, query_only=False, waits=False)
            self._sender = self._writer
        else:
            self._writer = self._reader = self._asker = _postgresql_engine(self.url, pool_size)
            self._sender = _postgresql_engine(self.url, 4, lock_timeout=_PATIENCE_MILLISECONDS)
        self._singles = _Open(self._reader.execution_options(wkmb_begin="nothing"), most=8)
        self._snapshots = _Open(self._reader.execution_options(wkmb_begin="snapshot"), most=4)
        self._writers = _Open(self._writer, most=4)
        self._senders = _Open(self._sender, most=2)
        self._askers = _Open(self._asker.execution_options(wkmb_begin="nothing"), most=2)

    @property
    def engine(self) -> Engine:
        """The engine that may write, for migrations and tests. Use cases take `read`, `write` or `run`."""
        return self._writer

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Every engine, for who watches what is asked."""
        return tuple(dict.fromkeys((self._writer, self._reader, self._sender, self._asker)))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent snapshot that cannot write."""
        with self._snapshots.one() as conn, conn.begin():
            yield conn

    @contextmanager
    def singly(self) -> Iterator[Connection]:
        """A connection to read by, on which each query sees a moment of its own, later than that of the one before.

        It saves the ways to the database at which a transaction begins and ends.
        """
        with self._singles.one() as conn:
            yield conn

    def first(self, query: Precompiled, **given: Any) -> Any | None:
        """The first row of one query, by one way to the database and back."""
        conn = self._singles.take()
        try:
            return query.first(conn, **given)
        finally:
            self._singles.give_back(conn)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that commits when the block ends and rolls back when it raises."""
        with self._turn, self._writers.one() as conn, _by_driver(conn) if self.is_sqlite else conn.begin():
            yield conn

    @contextmanager
    def write_at_once(self) -> Iterator[Connection]:
        """As `write`, for inserts and `upsert` alone: they are sent together with the commit. Errors come at the end.

        A row that another transaction is just writing is soon an error too.
        """
        if self.is_sqlite:
            with self.write() as conn:
                yield conn
            return
        with self._senders.one() as conn, _gathered(conn) as inserts:
            yield conn
            if inserts:
                _send(conn, inserts, commit=True)

    def connect_loosely(self) -> Connection:
        """A connection of the caller's own on which every statement commits at once, without waiting for the disk.

        For rows that mean nothing after a crash. It is closed with the database, if not before.
        """
        conn = self._writer.connect().execution_options(wkmb_begin="nothing")
        if not self.is_sqlite:
            conn.exec_driver_sql("SET synchronous_commit = off")
        conn.detach()  # Its settings must not come back to the pool.
        self._loose.append(conn)
        return conn

    @property
    def commits_in_order(self) -> bool:
        """One transaction writes at a time, so what is ordered under its lock is ordered for readers."""
        return self.is_sqlite

    def nobody_writes(self) -> bool:
        """Whether, at this moment, no transaction holds the write lock. Only where there is one such lock."""
        with self._askers.one() as conn:
            driver: Any = conn.connection.dbapi_connection
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            driver.execute("ROLLBACK")
            return True

    def shorten_log(self) -> bool:
        """Empty SQLite's write-ahead log where it has grown and nobody writes: it would stay as long as it ever was.

        Tells whether it did. Whoever begins to write meanwhile waits for as long as a commit with a checkpoint takes.
        """
        if not self.is_sqlite or not self._log_is_long():
            return False
        with self._askers.one() as conn:
            driver: Any = conn.connection.dbapi_connection
            [is_busy, *_] = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() or [1]
            return not is_busy

    def _log_is_long(self) -> bool:
        log = Path(f"{self.url.database}-wal")
        return log.exists() and log.stat().st_size > _LONG_LOG

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do ``work(conn)`` in one transaction; repeat it whole after a deadlock or serialization failure.

        ``work`` must therefore have no effect beside the database.
        """
        return _repeated(lambda: self._run_alone(work))

    def _run_alone(self, work: Callable[[Connection], T]) -> T:
        with self.write() as conn:
            return work(conn)

    def run_at_once(self, work: Callable[[Connection], T]) -> T:
        """`run`, for what writes by inserts and `upsert` alone: they are sent with the commit, and tell nothing before;
        what is asked meanwhile does not see them."""
        if self.is_sqlite:
            return self.run(work)
        try:
            with self.write_at_once() as conn:
                return work(conn)
        except sa.exc.DBAPIError as error:
            if not _worth_repeating(error) and not _is_locked(error):
                raise
        return self.run(work)  # Which waits for as long as it takes.

    def run_single(self, work: Callable[[Connection], T]) -> T:
        """`run`, for work that is one statement: it commits by itself, without the ways to the database at which a
        transaction begins and ends. On SQLite there are none."""
        return self.run(work) if self.is_sqlite else _repeated(lambda: self._run_single(work))

    def _run_single(self, work: Callable[[Connection], T]) -> T:
        with self._singles.one() as conn:
            return work(conn)

    def before_close(self, work: Callable[[], None]) -> None:
        """Have this done before connections are closed, by who leaves something open between requests."""
        self._before_close.append(work)

    def close(self) -> None:
        """Give every connection back to the system."""
        for work in self._before_close:
            work()
        while self._loose:
            self._loose.pop().close()
        for kept in (self._singles, self._snapshots, self._writers, self._senders, self._askers):
            kept.close()
        for engine in self.engines:
            engine.dispose()


class _Open:
    """Connections of an engine that stay open between uses: to take one from its pool and to give it back costs more
    than what is asked by it. ``most`` of them are kept."""

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._free: list[Connection] = []

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """A connection of one's own until the block ends."""
        conn = self.take()
        try:
            yield conn
        finally:
            self.give_back(conn)

    def take(self) -> Connection:
        """A connection of one's own, which has to be given back."""
        while True:
            try:
                conn = self._free.pop()  # The last one that was used, of which most is in the processor's caches.
            except IndexError:
                return self._new()
            if not _is_lost(conn.connection.dbapi_connection):
                return conn
            conn.invalidate()
            conn.close()

    def _new(self) -> Connection:
        conn = self._engine.connect()
        with conn.begin():  # Tells the driver how a transaction begins, which those who use it leave to that.
            return conn

    def give_back(self, conn: Connection) -> None:
        """Leave it to the next one; what was not committed is rolled back."""
        if conn.in_transaction():
            conn.rollback()
        if conn.invalidated or len(self._free) >= self._most:
            conn.close()
        else:
            self._free.append(conn)

    def close(self) -> None:
        """Close those that nobody has."""
        while self._free:
            self._free.pop().close()


@contextmanager
def _by_driver(conn: Connection) -> Iterator[None]:
    """A transaction that writes to SQLite, by the driver's own calls: SQLAlchemy's cost as much as a few rows."""
    driver: Any = conn.connection.dbapi_connection
    try:
        driver.execute("BEGIN IMMEDIATE")
        try:
            yield
            driver.commit()
        except BaseException:
            driver.rollback()
            raise
    except sqlite3.Error as error:
        raise _told(conn, error) from error


def _is_lost(connection: Any) -> bool:
    """Whether the server went away: it has said so on the socket, which is seen without asking."""
    if isinstance(connection, sqlite3.Connection):
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy an SQLite database that is sound to a new file, also while others write to it.

    The copy has its name only when it is whole. Raises `ValueError` where the source is no sound database.
    """
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)  # It holds what people did.
    try:
        with (
            contextlib.closing(sqlite3.connect(source.absolute().as_uri() + "?mode=ro", uri=True)) as here,
            contextlib.closing(sqlite3.connect(unfinished)) as copy,
        ):
            here.backup(copy)
            [found] = copy.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.DatabaseError as error:
        unfinished.unlink(missing_ok=True)
        raise ValueError(str(error)) from error
    if found != "ok":
        unfinished.unlink()
        raise ValueError(str(found))
    unfinished.rename(target)


def _sqlite_engine(url: sa.URL, pool_size: int, *, query_only: bool, waits: bool = True) -> Engine:
    # isolation_level None hands BEGIN and COMMIT to us: the driver's own implicit BEGIN is deferred and
    # turns into SQLITE_BUSY when two readers want to become writers.
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=-1,
        connect_args={"isolation_level": None, "timeout": _BUSY_SECONDS, "check_same_thread": False},
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        # A commit writes every page that it has changed whole, a dozen for one statement. Holds for a new file alone.
        cursor.execute("PRAGMA page_size = 2048")
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit that was acknowledged is on disk (in WAL mode NORMAL may lose the last ones).
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -65536")
        # A checkpoint every 64 MB instead of every 4: hot index pages are copied once instead of sixteen times.
        cursor.execute("PRAGMA wal_autocheckpoint = 16384")
        cursor.execute("PRAGMA journal_size_limit = 67108864")
        cursor.execute("PRAGMA temp_store = MEMORY")
        if query_only:
            cursor.execute("PRAGMA query_only = ON")
        if not waits:
            cursor.execute("PRAGMA busy_timeout = 0")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        kind = conn.get_execution_options().get("wkmb_begin")
        driver: Any = conn.connection.driver_connection
        if kind != "nothing" and not driver.in_transaction:
            # The driver's own call: a tenth of the cost of SQLAlchemy's, on the path of every transaction.
            driver.execute("BEGIN" if kind == "snapshot" else "BEGIN IMMEDIATE")

    return engine


#: Without bitmaps: a page is the first rows of a range in the order of its index. For a bitmap all of the range is
#: read, and the planner chooses it where it takes a range between two unknown numbers for a few rows. Planned once:
#: plans for the values at hand look cheaper to it each time, and to make one costs more than to read a page. And
#: without reading a table whole where an index leads to the rows: that is cheapest while there are none, and such a
#: plan would stay while the table grows. What is left to be read whole looks dear then, and is small: nothing is worth
#: compiling.
_SETTINGS = {
    "idle_in_transaction_session_timeout": _IDLE_MILLISECONDS,
    "plan_cache_mode": "force_generic_plan",
    "enable_bitmapscan": "off",
    "enable_seqscan": "off",
    "jit": "off",
}


def _postgresql_engine(url: sa.URL, pool_size: int, **settings: int) -> Engine:
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=-1,
        connect_args={
            # Nor may the network hand over late what was sent with its commit.
            "tcp_user_timeout": _IDLE_MILLISECONDS,
            "options": " ".join(f"-c {name}={value}" for name, value in {**_SETTINGS, **settings}.items()),
        },
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _entry: ConnectionPoolEntry) -> None:
        # Lists go as binary arrays: as text, each quote of a long document is escaped on its own, which was a quarter
        # of the time of a replay.
        connection.adapters.register_dumper(list, ListBinaryDumper)

    @sa.event.listens_for(engine, "checkout")
    def refuse_lost(connection: Any, _entry: ConnectionPoolEntry, _proxy: Any) -> None:
        # Before each use: it would cost more to ask.
        if _is_lost(connection):
            raise sa.exc.InvalidatePoolError

    @sa.event.listens_for(engine, "rollback")
    def roll_back(conn: Connection) -> None:
        if not conn.invalidated:
            wire.roll_back(conn.connection.dbapi_connection)

    @sa.event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        # Nothing is sent here: the driver begins with the first query, as it is told.
        kind = conn.get_execution_options().get("wkmb_begin")
        driver: Any = conn.connection.driver_connection
        is_single, is_snapshot = kind == "nothing", kind == "snapshot"
        # Looked at first: setting one costs the driver as much as a statement.
        if driver.autocommit is not is_single:
            driver.autocommit = is_single
        if driver.read_only is not (True if is_snapshot else None):
            driver.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ if is_snapshot else None
            driver.read_only = True if is_snapshot else None

    return engine


def _repeated(do: Callable[[], T]) -> T:
    try:
        return do()
    except sa.exc.DBAPIError as error:
        if not _worth_repeating(error):
            raise
    for attempt in stamina.retry_context(on=_worth_repeating, attempts=8, timeout=60, wait_initial=0.01, wait_max=1.0):
        with attempt:
            return do()
    raise AssertionError("retry_context always returns or raises")


def _worth_repeating(error: Exception) -> bool:
    """Deadlock (40P01), serialization failure (40001), or SQLite's lock that was not had in time."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate in {"40P01", "40001"} or "database is locked" in str(error.orig)


def _is_locked(error: sa.exc.DBAPIError) -> bool:
    """Whether somebody else was writing a row for longer than `_PATIENCE_MILLISECONDS` (lock_not_available)."""
    return getattr(error.orig, "sqlstate", None) == "55P03"


@contextmanager
def at_once(conn: Connection) -> Iterator[None]:
    """Send what is inserted in this block together, and wait once for all of it. Nothing may be asked in it.

    Errors come at its end, of whichever insert; on PostgreSQL the inserts tell nothing.
    """
    if conn.dialect.name != "postgresql" or "wkmb_gathered" in conn.info:
        yield
        return
    with _gathered(conn) as inserts:
        yield
    _send(conn, inserts)


@contextmanager
def _gathered(conn: Connection) -> Iterator[list[wire.Insert]]:
    """What is inserted in this block, which is not sent."""
    inserts: list[wire.Insert] = []
    info = conn.info  # A connection that is lost meanwhile gives its own no more.
    info["wkmb_gathered"] = inserts
    try:
        yield inserts
    finally:
        del info["wkmb_gathered"]


def _send(conn: Connection, inserts: Sequence[wire.Insert], *, commit: bool = False) -> list[int]:
    try:
        return wire.send(conn.connection, inserts, commit=commit)
    except psycopg.Error as error:
        raise _told(conn, error) from error


def _told(conn: Connection, error: Exception) -> Exception:
    """What a driver's error means."""
    found = told(conn, error)
    if isinstance(error, psycopg.Error) and error.sqlstate == _NO_PARTITION:
        return NoPartition(error.diag.table_name or "")
    return found


def insert_all(conn: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows; one that is there already is an error. Every row names the same columns."""
    if rows:
        _insert_rows(conn, table, rows, skip=False)


def insert_many(conn: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """`insert_all` for what may be thousands of rows. Not within `at_once`."""
    if conn.dialect.name != "postgresql" or len(rows) < _COPY_FROM:
        insert_all(conn, table, rows)
        return
    columns = [table.c[name] for name in rows[0]]
    named = ", ".join(map(conn.dialect.identifier_preparer.format_column, columns))
    try:
        with _cursor(conn) as cursor, cursor.copy(f"COPY {table.name} ({named}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([_type_name(column, conn.dialect) for column in columns])
            for row in rows:
                copy.write_row([row[column.name] for column in columns])
    except psycopg.Error as error:
        raise _told(conn, error) from error


def _type_name(column: sa.Column[Any], dialect: Dialect) -> str:
    """The type of a column as PostgreSQL's catalogue calls it, without its length."""
    return column.type.compile(dialect=dialect).lower().partition("(")[0]


def insert_missing(conn: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose primary key or unique key is new, skip the others; tells how many were new."""
    return _insert_rows(conn, table, rows, skip=True) if rows else 0


def insert_new(
    conn: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *, returning: Iterable[sa.Column[Any]] = ()
) -> list[sa.Row[Any]]:
    """Insert the rows whose primary key or unique key is new; skip the others.

    Gives the ``returning`` columns of the rows that were new, in no particular order: map them by key. For many
    rows `insert_missing` is faster.
    """
    columns = list(returning)
    if not columns:
        insert_missing(conn, table, rows)
        return []
    statement = _insert(conn, table).on_conflict_do_nothing().returning(*columns)
    return [row for each in rows for row in conn.execute(statement, each)]


def _insert_rows(conn: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *, skip: bool) -> int:
    if conn.dialect.name == "postgresql":
        # One statement, whatever the number of rows: half the cost of a statement a row.
        return _send_insert(conn, wire.Insert(table, rows, skip))
    text, binds = _insert_values(table, tuple(rows[0]), skip)
    values = [tuple([bind(row[name]) if bind else row[name] for name, bind in binds]) for row in rows]
    if conn.engine.dispatch.before_cursor_execute:  # Somebody watches what is asked.
        return conn.exec_driver_sql(text, values).rowcount
    driver: Any = conn.connection.driver_connection
    try:
        return int((driver.execute(text, values[0]) if len(values) == 1 else driver.executemany(text, values)).rowcount)
    except sqlite3.Error as error:
        raise _told(conn, error) from error


def _send_insert(conn: Connection, insert: wire.Insert) -> int:
    """How many rows it has written; none yet where it goes with others later."""
    gathered: list[wire.Insert] | None = conn.info.get("wkmb_gathered")
    if gathered is None:
        return _send(conn, [insert])[0]
    gathered.append(insert)
    return 0


@functools.cache
def _insert_values(
    table: sa.Table, names: tuple[str, ...], skip: bool
) -> tuple[str, list[tuple[str, Callable[[Any], Any] | None]]]:
    """The text of the statement, and for each of its positions the column and what its type does to a value.

    Compiled once and handed to the driver: SQLAlchemy's own way to it is half the cost of storing a statement.
    """
    statement = sqlite.insert(table).on_conflict_do_nothing() if skip else sa.insert(table)
    dialect = sqlite.dialect()
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    types = {name: table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names}
    return str(compiled), [(name, types[name]) for name in compiled.positiontup]


def lock_each(conn: Connection, key: sa.Column[Any], values: Sequence[Any]) -> None:
    """Lock the rows with these values of their distribution column, in this order; waits for whoever has one locked.

    One statement for each, since a cluster locks on one shard at a time; the driver sends them together. On SQLite the
    transaction has locked everything already.
    """
    if conn.dialect.name == "postgresql" and values:
        query = sa.select(key).where(key == sa.bindparam("value")).with_for_update()
        text = str(query.compile(dialect=conn.dialect))
        conn.exec_driver_sql(text, [{"value": value} for value in values])


def among(conn: Connection, column: sa.Column[Any], values: Iterable[Any]) -> sa.ColumnElement[bool]:
    """``column IN values``, for hundreds of them: on PostgreSQL one array, so that the statement is the same however
    many they are. A parameter for each is half of what such a question costs its process."""
    wanted = list(values)
    if conn.dialect.name != "postgresql":
        return column.in_(wanted)
    array = sa.bindparam(None, wanted, type_=postgresql.ARRAY(column.type))
    return column == sa.any_(array)


def in_parts(values: Iterable[T], size: int = 1000) -> Iterator[list[T]]:
    """The values, some at a time, for questions that may be about more than one statement takes."""
    rest = iter(values)
    while some := list(itertools.islice(rest, size)):
        yield some


def upsert(
    conn: Connection,
    table: sa.Table,
    row: Mapping[str, Any],
    *,
    update: Iterable[str],
    where: sa.ColumnElement[bool] | None = None,
) -> bool:
    """Insert the row, or update it: set the ``update`` columns where the primary key is there and ``where`` holds.

    Tells whether a row was written.
    """
    if where is None:
        return _upsert_row(conn, table, row, tuple(update))
    made = _insert(conn, table).values(dict(row))
    made = made.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={name: row[name] for name in update}, where=where
    )
    return conn.execute(made.returning(*table.primary_key.columns)).first() is not None


def _upsert_row(conn: Connection, table: sa.Table, row: Mapping[str, Any], update: tuple[str, ...]) -> bool:
    if conn.dialect.name == "postgresql":
        return _send_insert(conn, wire.Insert(table, [row], update=update)) == 1
    return _upsert(table, tuple(row), update).first(conn, **row) is not None


@functools.cache
def _upsert(table: sa.Table, names: tuple[str, ...], update: tuple[str, ...]) -> Precompiled:
    made = sqlite.insert(table).values({name: sa.bindparam(name) for name in names})
    # The row's own values, also where a column has a name that a parameter cannot have twice.
    changed = {name: made.excluded[name] for name in update}
    made = made.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changed)
    return Precompiled(made.returning(*table.primary_key.columns))


def _insert(conn: Connection, table: sa.Table) -> Any:
    if conn.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


# Partitions (PostgreSQL) -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a table: the rows whose partition column is below ``high``, and in no part before it."""

    name: str
    high: int


_PARTITIONS = sa.text(
    "SELECT part.relname, pg_get_expr(part.relpartbound, part.oid) FROM pg_inherits"
    " JOIN pg_class AS part ON part.oid = inhrelid WHERE inhparent = to_regclass(:table)"
)
_IS_PARTITIONED = sa.text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(:table)")
_BOUND = re.compile(r"TO \('?(-?[0-9]+)'?\)")


def partitions(conn: Connection, table: sa.Table) -> list[Partition] | None:
    """The partitions of the table in their order; None where it is a plain one."""
    if conn.dialect.name != "postgresql" or not conn.execute(_IS_PARTITIONED, {"table": table.name}).scalar():
        return None
    found = []
    for name, bound in conn.execute(_PARTITIONS, {"table": table.name}):
        match = _BOUND.search(bound)
        if match:
            found.append(Partition(name, int(match[1])))
    return sorted(found, key=lambda part: part.high)


def divide(conn: Connection, table: sa.Table, first: Partition) -> None:
    """Make the plain table a partitioned one, whose first partition is what it was: every row below ``first.high``.

    No row is copied; the table is read once, to see that all of them lie below, and nobody uses it meanwhile.
    """
    _wait_briefly(conn)
    key = conn.dialect.identifier_preparer.format_constraint(table.primary_key)
    columns = ", ".join(column.name for column in table.primary_key.columns)
    set_aside(conn, table, first.name)
    conn.exec_driver_sql(
        f"CREATE TABLE {table.name} (LIKE {first.name}) PARTITION BY RANGE ({table.info['partition']})"
    )
    _alter(conn, f"ALTER TABLE {table.name} ADD CONSTRAINT {key} PRIMARY KEY ({columns})")
    for index in table.indexes:
        index.create(conn)
    _alter(conn, f"ALTER TABLE {table.name} ATTACH PARTITION {first.name} FOR VALUES FROM (MINVALUE) TO ({first.high})")


def _alter(conn: Connection, command: str) -> None:
    """Do an ALTER or DROP, after which the driver has the server forget what is prepared."""
    conn.exec_driver_sql(command)
    if conn.dialect.name == "postgresql":
        wire.forget(conn.connection)


def set_aside(conn: Connection, table: sa.Table, name: str) -> None:
    """Give the table as it lies this name, and its key and indexes names that leave theirs free."""
    _alter(conn, f"ALTER TABLE {table.name} RENAME TO {name}")
    if conn.dialect.name == "postgresql":
        key = conn.dialect.identifier_preparer.format_constraint(table.primary_key)
        _alter(conn, f"ALTER TABLE {name} RENAME CONSTRAINT {key} TO pk_{name}")
        for index in sa.inspect(conn).get_indexes(name):
            short = str(index["name"]).removeprefix(f"ix_{table.name}_")
            _alter(conn, f"ALTER INDEX {index['name']} RENAME TO ix_{name}_{short}")


def add_partition(conn: Connection, table: sa.Table, part: Partition, low: int) -> None:
    """Add a partition for the rows from ``low`` to below ``part.high``; who reads and writes goes on meanwhile."""
    # Made beside the table and then attached: CREATE TABLE … PARTITION OF would lock out everybody.
    conn.exec_driver_sql(f"CREATE TABLE {part.name} (LIKE {table.name})")
    _alter(conn, f"ALTER TABLE {table.name} ATTACH PARTITION {part.name} FOR VALUES FROM ({low}) TO ({part.high})")


def take_partitioning(conn: Connection, table: sa.Table) -> None:
    """Be the only one who adds partitions to the table until the transaction ends; readers and writers go on."""
    _wait_briefly(conn)
    conn.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE UPDATE EXCLUSIVE MODE")


def _wait_briefly(conn: Connection) -> None:
    conn.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")


# Copies (PostgreSQL) -----------------------------------------------------------------------------------------


def copy_out(conn: Connection, table: sa.TableClause) -> Iterator[bytes]:
    """Every row of the table, in the text form of PostgreSQL's COPY, as the transaction's snapshot has it."""
    # A query, because a partitioned table itself cannot be copied.
    query = sa.select(*table.columns).compile(dialect=conn.dialect)
    with _cursor(conn) as cursor, cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
        for piece in copy:
            yield bytes(piece)


def copy_in(conn: Connection, table: sa.TableClause, pieces: Iterable[bytes]) -> int:
    """Put the rows of `copy_out` into an empty table; tells how many."""
    preparer = conn.dialect.identifier_preparer
    columns = ", ".join(preparer.format_column(column) for column in table.columns)
    with _cursor(conn) as cursor:
        with cursor.copy(f"COPY {preparer.format_table(table)} ({columns}) FROM STDIN") as copy:
            for piece in pieces:
                copy.write(piece)
        return int(cursor.rowcount)


def number_on(conn: Connection, table: sa.Table) -> None:
    """Let the numbers that the database gives to new rows go on after the highest that is there."""
    column = table.autoincrement_column
    if column is not None:
        sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
        following = sa.func.coalesce(sa.func.max(column), 0) + 1
        conn.execute(sa.select(sa.func.setval(sequence, following, False)))


def _cursor(conn: Connection) -> Any:
    return conn.connection.driver_connection.cursor()  # type: ignore[union-attr]
