"""Statements as a file and back: nothing lost, nothing invented, and a file that is not whole is known for it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest
import sqlalchemy as sa

from hub.errors import HubError
from hub.statements import columns, exports, imports, ingest, search
from hub.statements.imports import BatchRefused, Imported
from hub.systems import credentials, registry, sync
from hub.tables import inbox
from lrs import query, statements
from lrs.database import Database
from lrs.statements import Writer
from lrs.tables import statements as stored_statements
from recognizedtest import BASE, NIP, SECURITY, Clock, World, account, by, course, linked_world, statement, voiding

SCORED = {"score": {"raw": 85, "max": 100, "scaled": -0.5}, "success": True}


def exported(world: World, **filters: str) -> bytes:
    with world.db.read() as conn:
        wanted = search.read(conn, world.hub, {name.rstrip("_"): value for name, value in filters.items()})
    assert not wanted.problems
    return b"".join(exports.json_lines(world.hub, wanted, world.hub.sequence.horizon()))


def lines_of(file: bytes) -> list[dict]:
    return [orjson.loads(line) for line in file.splitlines()]


def said(file: bytes) -> list[bytes]:
    """The lines that are statements."""
    return [line for line in file.splitlines() if line.startswith(b'{"kind":"statement"')]


def bring_in(world: World, path: Path, connector: str | None = None, **how: object) -> Imported:
    with world.db.read() as conn:
        system = registry.named_connector(conn, connector) if connector else None
    checked = imports.check(world.hub, path, system)
    imports.require(checked, system, partial=False)
    assert not checked.problems
    return imports.store(world.hub, path, system, by="test", **how)


@pytest.fixture
def worlds(new_database: Callable[[], str]) -> Iterator[tuple[World, World]]:
    """A hub in which all kinds of things were stored, and the same hub (by its address and key) with nothing in it."""
    clock = Clock()
    first, second = (World(Database(new_database(), pool_size=4), clock) for _ in range(2))
    for number, world in enumerate((first, second)):
        world.offer(course())
        world.link(world.employ())
        # The same key has another number in the second hub.
        for name in ("another", "lms")[1 - number :]:
            world.db.run(partial(add_credential, world, name))
    yield first, second
    first.db.close()
    second.db.close()


def add_credential(world: World, name: str, conn: sa.Connection) -> None:
    credentials.add(conn, world.hub, name, by="test", key=name, secret="s" * 32, connector="asn-unggul")


def fill(world: World) -> dict[str, str]:
    """Statements with attachments, line breaks, an origin elsewhere, a reference, and voids in either order."""
    plain, other, gone = statement(result=SCORED), statement(actor=by("99")), statement("passed")
    world.receive(plain, other, gone, origin="credential:1")
    world.clock.forward(seconds=1)
    world.receive(voiding(gone["id"]), origin="credential:1")
    late = statement("attended")
    world.receive(voiding(late["id"], actor=by("boss")), origin="launch:1")
    world.clock.forward(seconds=1)
    world.receive(late, origin="score:7")
    data = b"a signed certificate"
    attachment = {
        "usageType": "https://example.org/certificate",
        "display": {"en": "Certificate"},
        "contentType": "text/plain",
        "length": len(data),
        "sha2": sha256(data).hexdigest(),
    }
    with_file = statement("experienced", attachments=[attachment])
    text = orjson.dumps(with_file, option=orjson.OPT_INDENT_2)
    writer = Writer({"objectType": "Agent", "account": {"homePage": BASE, "name": "credential/gone"}}, None, "score:1")
    prepared = statements.prepare(
        statements.parse(text), version="2.0.0", writer=writer, new_id=uuid4, extra_keys=ingest.extra_keys
    )
    ingest.accept(world.hub, prepared, {attachment["sha2"]: data})
    world.clock.forward(seconds=1)
    return {"plain": plain["id"], "gone": gone["id"], "late": late["id"], "file": with_file["id"]}


def test_what_is_put_back_is_byte_for_byte_what_was_there(worlds: tuple[World, World], tmp_path: Path) -> None:
    first, second = worlds
    ids = fill(first)
    before = exported(first)
    (tmp_path / "all.jsonl").write_bytes(before)

    done = bring_in(second, tmp_path / "all.jsonl")

    after = exported(second)
    assert said(after) == said(before)
    assert done.stored == len(said(before)) == 7
    for name in ids.values():
        with first.db.read() as conn, second.db.read() as other:
            here, there = query.get(conn, UUID(name)), query.get(other, UUID(name))
        assert here is not None
        assert there is not None
        assert (here.payload, here.seq, here.owner, here.voided_by) == (
            there.payload, there.seq, there.owner, there.voided_by,
        )  # fmt: skip
    with second.db.read() as conn:
        digest = sha256(b"a signed certificate").hexdigest()
        assert query.find_attachments(conn, [digest]) == {digest: b"a signed certificate"}


def test_what_was_put_back_is_recognized_as_before(worlds: tuple[World, World], tmp_path: Path) -> None:
    first, second = worlds
    fill(first)
    (tmp_path / "all.jsonl").write_bytes(exported(first))
    first.settle()

    bring_in(second, tmp_path / "all.jsonl")
    second.settle()

    def amounts(world: World) -> list[int]:
        return world.amounts(world.employ())

    assert amounts(second) == amounts(first) == [450]
    assert second.count(inbox) == 0


def test_importing_again_changes_nothing_also_into_the_hub_that_it_came_from(
    worlds: tuple[World, World], tmp_path: Path
) -> None:
    first, second = worlds
    fill(first)
    before = exported(first)
    (tmp_path / "all.jsonl").write_bytes(before)
    bring_in(second, tmp_path / "all.jsonl")

    for world in (second, first):
        done = bring_in(world, tmp_path / "all.jsonl")

        assert (done.stored, done.repeated) == (0, 7)
        assert said(exported(world)) == said(before)


def test_another_system_s_statements_are_taken_over_with_what_it_had_set(
    worlds: tuple[World, World], tmp_path: Path
) -> None:
    """Bare statements, one a line: the hub sets stored and authority, and keeps the other ones with the origin."""
    _, world = worlds
    theirs = {"stored": "2025-01-02T03:04:05Z", "authority": by("lrs", "https://elsewhere.example.org")}
    given = [statement(**theirs), statement("passed", actor=by("99"), **theirs)]
    (tmp_path / "bare.jsonl").write_bytes(b"\n".join(orjson.dumps(each) for each in given))

    done = bring_in(world, tmp_path / "bare.jsonl", "asn-unggul")

    assert done.stored == 2
    with world.db.read() as conn:
        stored = query.get(conn, UUID(given[0]["id"]))
        kept = sync.find_origins(conn, [UUID(given[0]["id"])])
    assert stored is not None
    mine = orjson.loads(stored.payload)
    assert {**mine, **theirs} == {**given[0], "version": "1.0.0"}
    assert mine["authority"]["account"] == {"homePage": BASE, "name": "connector/asn-unggul"}
    assert list(kept.values()) == [theirs]
    assert bring_in(world, tmp_path / "bare.jsonl", "asn-unggul").repeated == 2
    world.settle()
    assert world.amounts(world.employ()) == [450]


def test_an_export_of_another_hub_is_taken_over_by_name_alone(worlds: tuple[World, World], tmp_path: Path) -> None:
    first, second = worlds
    fill(first)
    changed = exported(first).replace(b'"raw":85', b'"raw":99')
    (tmp_path / "changed.jsonl").write_bytes(changed)

    with pytest.raises(HubError, match=r"no export of this hub .* or it was changed"):
        bring_in(second, tmp_path / "changed.jsonl")

    assert second.count(stored_statements) == 0
    assert bring_in(second, tmp_path / "changed.jsonl", "asn-unggul").stored == 7


@pytest.mark.parametrize("cut", [-2, -300, -1000])
def test_a_file_that_was_cut_off_is_known_for_it(worlds: tuple[World, World], tmp_path: Path, cut: int) -> None:
    first, second = worlds
    fill(first)
    (tmp_path / "cut.jsonl").write_bytes(exported(first)[:cut])

    with pytest.raises(HubError, match="not whole"):
        bring_in(second, tmp_path / "cut.jsonl", "asn-unggul")


WRONG = {
    "no JSON": b'{"kind":"statement",',
    "is no object": b"[]",
    "has no id": orjson.dumps({"actor": by("4")}),
    "last member": b'{"kind":"statement","statement":{"id":"x"},"more":1}',
    "not base64": b'{"kind":"statement","attachments":{"aa":"%%"},"statement":'
    + orjson.dumps(statement(id=str(UUID(int=7))))
    + b"}",
    "verb": orjson.dumps({**statement(), "verb": {"id": "nonsense"}}),
}


def test_wrong_lines_are_told_by_number_and_reason_and_nothing_is_stored_before(
    worlds: tuple[World, World], tmp_path: Path
) -> None:
    _, world = worlds
    good = orjson.dumps(statement())
    (tmp_path / "wrong.jsonl").write_bytes(b"\n".join([good, *WRONG.values(), good]))
    with world.db.read() as conn:
        system = registry.named_connector(conn, "asn-unggul")

    checked = imports.check(world.hub, tmp_path / "wrong.jsonl", system)

    assert checked.statements == 2
    assert [each.line for each in checked.problems] == [2, 3, 4, 5, 6, 7]
    for reason, problem in zip(WRONG, checked.problems, strict=True):
        assert reason in problem.reason
    assert world.count(stored_statements) == 0


def test_a_batch_is_whole_or_not_at_all_and_the_next_run_goes_on_there(
    worlds: tuple[World, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    _, world = worlds
    taken = statement()
    world.receive(taken)
    given = [statement(), statement(), statement(), {**taken, "result": {"completion": True}}, statement()]
    path = tmp_path / "conflict.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps(each) for each in given))

    with pytest.raises(BatchRefused) as refusal:
        bring_in(world, path, "asn-unggul")

    assert (refusal.value.done.stored, refusal.value.done.line) == (2, 2)
    assert [each.line for each in refusal.value.problems] == [4]
    assert world.count(stored_statements) == 3
    done = bring_in(world, path, "asn-unggul", from_line=3, skip_bad=True)
    assert (done.stored, [each.line for each in done.problems]) == (2, [4])


def test_an_export_ends_at_the_horizon_and_the_next_one_begins_there(worlds: tuple[World, World]) -> None:
    world, _ = worlds
    world.receive(statement())
    world.clock.forward(seconds=5)
    first = exported(world)
    world.clock.forward(seconds=1)
    world.receive(statement("passed"))
    world.clock.forward(seconds=1)

    second = exported(world, from_=lines_of(first)[-1]["through"])

    assert len(said(first)) == len(said(second)) == 1
    assert lines_of(second)[-1]["statements"] == 1


def test_filters_hold_for_files_and_memory_does_not_hold_the_whole(worlds: tuple[World, World]) -> None:
    world, _ = worlds
    world.receive(*(statement("experienced", f"https://lms.example.go.id/page/{n}") for n in range(450)))
    world.receive(statement("passed", actor=by("99")))
    world.clock.forward(seconds=1)

    experienced = said(exported(world, nip=NIP, verb="experienced"))

    ids = [orjson.loads(line)["statement"]["id"] for line in experienced]
    assert len(ids) == len(set(ids)) == 450
    assert len(said(exported(world, actor="99", homepage="https://lms.example.go.id"))) == 1
    with world.db.read() as conn:
        wanted = search.read(conn, world.hub, {})
    lazily = exports.json_lines(world.hub, wanted, world.hub.sequence.horizon())
    next(lazily)
    world.receive(statement("passed"))
    assert len([1 for line in lazily if line.startswith(b'{"kind":"statement"')]) == 451


def test_a_failure_in_the_middle_leaves_a_file_without_its_last_line(
    worlds: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away: what was written does not look whole."""
    world, _ = worlds
    monkeypatch.setattr(exports, "PAGE", 2)
    world.receive(*(statement("experienced", f"https://lms.example.go.id/page/{n}") for n in range(5)))
    world.clock.forward(seconds=1)
    with world.db.read() as conn:
        wanted = search.read(conn, world.hub, {})
    lines = exports.json_lines(world.hub, wanted, world.clock())

    written = [next(lines) for _ in range(3)]
    world.db.run(lambda conn: conn.execute(sa.text("ALTER TABLE statements RENAME TO gone")))
    with pytest.raises(sa.exc.DBAPIError):
        written.extend(lines)

    assert b'"kind":"end"' not in b"".join(written)


# Tables ------------------------------------------------------------------------------------------------


def table(world: World, chosen: str, **filters: str) -> list[list[str]]:
    with world.db.read() as conn:
        wanted = search.read(conn, world.hub, filters)
    text = b"".join(exports.table(world.hub, wanted, world.hub.sequence.horizon(), columns.parse(chosen))).decode()
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_a_table_has_the_chosen_columns_and_no_formulas(worlds: tuple[World, World]) -> None:
    world, _ = worlds
    evil = statement(
        result={**SCORED, "response": '=HYPERLINK("http://evil.example")'},
        context={"extensions": {"https://example.org/a,b.c": [1, {"x": None}]}},
    )
    world.receive(evil)
    world.settle()
    world.clock.forward(seconds=1)

    header, row, end = table(
        world,
        "id, actor.account.name,result.score.raw,result.score.scaled,result.response,result.success,"
        'context.extensions["https://example.org/a,b.c"],context.extensions["https://example.org/a,b.c"][1].x,'
        "hub.nip,hub.name,hub.connector,result.score.min",
    )

    assert header[1:3] == ["actor.account.name", "result.score.raw"]
    assert row == [
        evil["id"], "4", "85", "-0.5", "'=HYPERLINK(\"http://evil.example\")", "true", '[1,{"x":null}]', "",
        NIP, "Budi Santoso", "asn-unggul", "",
    ]  # fmt: skip
    assert end[:2] == ["#end", "1"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "at character 1"),
        ("id,", "at character 4"),
        ("id verb.id", "at character 4"),
        ("verb..id", "at character 6"),
        ("verb[name]", "at character 6"),
        ('verb["\\x"]', "no JSON string"),
        ("hub.secret", "hub.secret is no column of the hub. Use one of hub.connector"),
        (",".join(["id"] * 61), "more than 60"),
    ],
)
def test_columns_that_cannot_be_read_say_where(text: str, told: str) -> None:
    with pytest.raises(columns.ColumnsWrong, match=re.escape(told)):
        columns.parse(text)


def test_the_columns_of_everybody_can_be_read() -> None:
    assert ".".join(columns.parse(columns.DEFAULT)[3].steps) == "hub.nip"


# Searching ---------------------------------------------------------------------------------------------


def found(world: World, **filters: str) -> list[str]:
    with world.db.read() as conn:
        wanted = search.read(conn, world.hub, {name.rstrip("_"): value for name, value in filters.items()})
        assert not wanted.problems, wanted.problems
        return [str(each.id) for each in search.find(conn, wanted.queries, limit=100).statements]


def test_all_that_a_person_said_is_found_page_by_page(db: Database) -> None:
    world, learner = linked_world(db)
    world.link(learner, account("b", "https://elsewhere.example"))
    said = []
    for number in range(7):
        world.clock.forward(seconds=1)
        actor = by("4") if number % 2 else by("b", "https://elsewhere.example")
        said.append(statement(("completed", "passed")[number % 3 == 0], actor=actor))
        world.receive(said[-1], statement(actor=by("99")))
    pages: list[str] = []
    after: int | None = None
    with db.read() as conn:
        wanted = search.read(conn, world.hub, {"nip": NIP})
        while True:
            page = search.find(conn, wanted.queries, limit=3, after=after)
            pages += [str(each.id) for each in page.statements]
            after = page.next_after
            if after is None:
                break

    assert pages == [each["id"] for each in reversed(said)]
    assert len(found(world, nip=NIP, verb="passed")) == 3
    assert len(found(world, activity=SECURITY)) == 14
    assert found(world, actor="99", homepage="https://lms.example.go.id", from_=world.clock.now.isoformat()) == []


def test_registration_source_and_what_stands_beside_are_filters_too(db: Database) -> None:
    world, _ = linked_world(db)
    registration = str(uuid4())
    parent = {"contextActivities": {"parent": [{"id": "https://lms.example.go.id/programme/1"}]}}
    about, beside = statement(context={"registration": registration}), statement("passed", context=parent)
    world.receive(about, beside)
    fetched = statement("attended")
    authority = {"objectType": "Agent", "account": {"homePage": BASE, "name": "connector/other-lms"}}
    world.accept(world.hub, [fetched], Writer(authority, 2, f"run:{uuid4()}"))

    assert found(world, registration=registration.upper()) == [about["id"]]
    assert found(world, activity="https://lms.example.go.id/programme/1") == []
    assert found(world, activity="https://lms.example.go.id/programme/1", related="yes") == [beside["id"]]
    assert found(world, source="connector/other-lms") == [fetched["id"]]
    assert found(world, source="connector/other-lms", verb="passed") == []
    assert set(found(world, verb="passed", related="yes")) == {beside["id"]}


@pytest.mark.parametrize(
    ("filters", "problems"),
    [
        ({"nip": "12", "registration": "x"}, {"nip": "not_a_nip", "registration": "not_a_uuid"}),
        ({"from": "2026-02-30", "until": "0000-01-01"}, {"from": "not_a_day", "until": "not_a_day"}),
        ({"from": "0001-01-01", "until": "9999-12-31"}, {"from": "not_a_day", "until": "not_a_day"}),
        ({"from": "2026-03-02", "until": "2026-03-01"}, {"until": "backwards"}),
        ({"from": "2026-03-01", "until": "2026-03-01"}, {}),
        ({"from": "2026-03-01T10:00:00+07:00"}, {}),
        ({"source": "connector/nobody"}, {"source": "unknown_source"}),
        ({"activity": "a b", "actor": "me"}, {"activity": "not_an_iri", "actor": "not_an_actor"}),
    ],
)
def test_every_wrong_filter_is_told_at_once(db: Database, filters: dict[str, str], problems: dict[str, str]) -> None:
    world = World(db)

    with db.read() as conn:
        wanted = search.read(conn, world.hub, filters)

    assert wanted.problems == problems
    assert bool(wanted.queries) == (not problems)
