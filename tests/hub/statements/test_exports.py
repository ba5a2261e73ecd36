"""Statements as a file and back: nothing lost, nothing invented, and a file that is not whole is known for it."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
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
from lrs import attachments, query, statements, store
from lrs.database import Database
from lrs.statements import Writer
from lrs.tables import statements as stored_statements
from lrs.tables import voids
from recognizedtest import BASE, NIP, SECURITY, Clock, World, account, by, course, linked_world, statement, voiding

SCORED = {"score": {"raw": 85, "max": 100, "scaled": -0.5}, "success": True}
#: The key "lms" of the first hub, as an origin.
KEY = "credential:1"


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


def put_back(worlds: tuple[World, World], path: Path) -> bytes:
    """Everything that the first hub exports, in the second one, which then exports the same lines."""
    first, second = worlds
    before = exported(first)
    path.write_bytes(before)

    done = bring_in(second, path)

    assert done.stored == len(said(before))
    assert said(exported(second)) == said(before)
    return before


def voids_of(world: World) -> set[tuple[UUID, UUID, bool]]:
    with world.db.read() as conn:
        rows = conn.execute(sa.select(voids.c.target, voids.c.voider, voids.c.effective)).all()
    return {(row.target, row.voider, row.effective) for row in rows}


@pytest.mark.parametrize("batch", [1, 2, 200])
def test_a_void_without_effect_is_put_back_without_effect(
    worlds: tuple[World, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """It came before its target, and its source had no right to void that; another one's has."""
    monkeypatch.setattr(imports, "BATCH", batch)
    first, second = worlds
    kept, gone, note = statement(), statement("passed"), statement("voided", voiding(statement()["id"])["object"])
    first.receive(voiding(kept["id"]), voiding(gone["id"]), voiding(note["id"]), owner=2, origin="launch:1")
    first.clock.forward(seconds=1)
    first.receive(kept, gone, note, origin=KEY)
    first.clock.forward(seconds=1)
    first.receive(voiding(gone["id"]), origin=KEY)
    first.clock.forward(seconds=1)

    put_back(worlds, tmp_path / "all.jsonl")

    with second.db.read() as conn:
        found = {name: query.get(conn, UUID(each["id"])) for name, each in (("kept", kept), ("gone", gone))}
    assert found["kept"] is not None
    assert found["kept"].voided_by is None
    assert found["gone"] is not None
    assert found["gone"].voided_by is not None
    assert voids_of(second) == voids_of(first)
    second.settle()
    assert second.amounts(second.employ()) == [450]


def test_a_void_without_effect_is_put_back_also_after_its_target(worlds: tuple[World, World], tmp_path: Path) -> None:
    """Exports of some days each may come in any order."""
    first, second = worlds
    kept = statement()
    first.receive(voiding(kept["id"]), owner=2, origin="launch:1")
    between = first.clock().isoformat()
    first.clock.forward(seconds=1)
    first.receive(kept, origin=KEY)
    first.clock.forward(seconds=1)
    for side in ("from", "until"):
        (tmp_path / side).write_bytes(exported(first, **{side: between}))

        assert bring_in(second, tmp_path / side).stored == 1

    assert said(exported(second)) == said(exported(first))
    assert voids_of(second) == voids_of(first)


@pytest.mark.parametrize("batch", [1, 200])
def test_a_void_of_another_key_has_no_effect_also_where_neither_key_is_there_any_more(
    worlds: tuple[World, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Keys that are gone have one number; what the file says of the target decides."""
    monkeypatch.setattr(imports, "BATCH", batch)
    first, second = worlds
    kept = statement()
    first.receive(voiding(kept["id"]), owner=None, origin="credential:8")
    first.clock.forward(seconds=1)
    first.receive(kept, owner=None, origin="credential:9")
    first.clock.forward(seconds=1)
    (tmp_path / "all.jsonl").write_bytes(exported(first))

    bring_in(second, tmp_path / "all.jsonl")

    assert voids_of(second) == voids_of(first)
    assert [effective for _, _, effective in voids_of(second)] == [False]


@pytest.mark.parametrize("batch", [1, 2, 3, 200])
def test_of_two_voids_it_is_again_the_same_one_that_took_the_target_away(
    worlds: tuple[World, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Both came before their target, which stands in the file before the one that is named as its voider."""
    monkeypatch.setattr(imports, "BATCH", batch)
    first, second = worlds
    gone = statement()
    for number in (2, 1, 3):
        first.receive(voiding(gone["id"], id=str(UUID(int=number))), origin=KEY)
        first.clock.forward(seconds=1)
    first.receive(gone, origin=KEY)
    first.clock.forward(seconds=1)

    put_back(worlds, tmp_path / "all.jsonl")

    assert voids_of(second) == voids_of(first)
    assert len(voids_of(second)) == 3


def test_statements_that_came_one_by_one_are_put_back_also_where_they_are_too_much_together(
    worlds: tuple[World, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is found by what finds the one that it refers to, which a transaction bounds."""
    first, second = worlds
    monkeypatch.setattr(store, "MOST_INHERITED", 50)
    target = statement()
    first.receive(target, origin=KEY)
    for _ in range(30):
        first.receive(statement("commented", {"objectType": "StatementRef", "id": target["id"]}), origin=KEY)
    first.clock.forward(seconds=1)

    put_back(worlds, tmp_path / "all.jsonl")

    assert second.count(stored_statements) == 31


def test_one_statement_that_is_too_much_is_told_with_its_line(
    worlds: tuple[World, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = worlds
    target = statement()
    first.receive(target, statement("commented", {"objectType": "StatementRef", "id": target["id"]}), origin=KEY)
    first.receive(statement(), origin=KEY)
    first.clock.forward(seconds=1)
    (tmp_path / "all.jsonl").write_bytes(exported(first))
    monkeypatch.setattr(store, "MOST_INHERITED", 1)

    with pytest.raises(BatchRefused, match=r"line 3.*Statements are found by what"):
        bring_in(second, tmp_path / "all.jsonl")

    done = bring_in(second, tmp_path / "all.jsonl", skip_bad=True)
    assert (done.stored + done.repeated, [each.line for each in done.problems]) == (2, [3])


def test_a_void_of_somebody_else_is_refused_in_a_file_that_is_taken_over(
    worlds: tuple[World, World], tmp_path: Path
) -> None:
    _, world = worlds
    taken = statement()
    world.receive(taken, owner=2)
    (tmp_path / "void.jsonl").write_bytes(orjson.dumps(voiding(taken["id"])))

    with pytest.raises(BatchRefused, match="Only the source that stored a statement may void it"):
        bring_in(world, tmp_path / "void.jsonl", "asn-unggul")


def take_in(world: World, given: dict, data: dict[str, bytes] | None = None, version: str = "1.0.3") -> None:
    """A statement arrives in a request of this version, as over HTTP."""
    writer = Writer({"objectType": "Agent", "account": {"homePage": BASE, "name": "lms"}}, 1, KEY)
    prepared = statements.prepare(
        statements.parse(orjson.dumps(given)), version=version, writer=writer, new_id=uuid4,
        extra_keys=ingest.extra_keys,
    )  # fmt: skip
    attachments.check_attachments(prepared, data or {})
    ingest.accept(world.hub, prepared, data)


def test_what_is_put_back_is_read_by_the_version_of_its_request(worlds: tuple[World, World], tmp_path: Path) -> None:
    """A statement may name another version than the request did, and is stored by the rules of the request's."""
    first, _ = worlds
    times = ("2026-01-31T08:00:00+07:00", "2026-01-31T08:00:00", "2026-01-31T08:00:00,5Z", "2026-01-31T08:00:00+07")
    for time in times:
        take_in(first, statement(version="2.0.0", timestamp=time), version="1.0.3")
    for version in ("1.0.3", "2.0.0", None):
        take_in(first, statement(version=version), version="2.0.0")
    agents = [{"objectType": "contextAgent", "agent": by("5")}]
    take_in(first, statement(version="1.0.0", context={"contextAgents": agents}), version="2.0.0")
    first.clock.forward(seconds=1)

    file = put_back(worlds, tmp_path / "all.jsonl")

    assert [each["statement"]["timestamp"] for each in map(orjson.loads, said(file))][:4] == list(times)


def test_the_largest_statement_is_put_back_also_where_its_text_stands_twice_in_the_line(
    worlds: tuple[World, World], tmp_path: Path
) -> None:
    """A text with line breaks stands beside the statement, with a backslash before every quotation mark."""
    first, second = worlds
    for world in worlds:
        world.hub = replace(world.hub, settings=replace(world.hub.settings, max_body_bytes=2 * 1024 * 1024))
    text = orjson.dumps(statement(result={"extensions": {"https://example.org/x": [""] * 520_000}}))
    text = text.replace(b'"",', b'"",\n')
    assert len(text) < first.hub.settings.max_body_bytes
    writer = Writer({"objectType": "Agent", "account": {"homePage": BASE, "name": "lms"}}, 1, KEY)
    prepared = statements.prepare(statements.parse(text), version="1.0.3", writer=writer, new_id=uuid4)
    ingest.accept(first.hub, prepared)
    first.clock.forward(seconds=1)

    put_back(worlds, tmp_path / "all.jsonl")

    assert second.count(stored_statements) == 1


def signed(given: dict, payload: dict) -> tuple[dict, dict[str, bytes]]:
    """The statement with a signature (which names no certificate, so that no key is asked for), and its data."""
    parts = (orjson.dumps({"alg": "RS256"}), orjson.dumps(payload), b"signature")
    token = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    attachment = {
        "usageType": attachments.SIGNATURE,
        "display": {"en": "Signature"},
        "contentType": "application/octet-stream",
        "length": len(token),
        "sha2": sha256(token).hexdigest(),
    }
    return {**given, "attachments": [attachment]}, {attachment["sha2"]: token}


@pytest.mark.parametrize("left_out", ["id", "timestamp"])
def test_a_signed_statement_is_put_back_also_where_the_hub_set_what_it_left_out(
    worlds: tuple[World, World], tmp_path: Path, left_out: str
) -> None:
    first, second = worlds
    whole = statement()
    given, data = signed({name: member for name, member in whole.items() if name != left_out}, whole)
    take_in(first, given, data)
    first.clock.forward(seconds=1)

    put_back(worlds, tmp_path / "all.jsonl")

    with second.db.read() as conn:
        assert query.find_attachments(conn, data) == data


def test_a_pulled_statement_is_put_back_without_the_data_that_was_not_fetched(
    worlds: tuple[World, World], tmp_path: Path
) -> None:
    """Of attachments elsewhere the hub has only what the statement says of them."""
    first, _ = worlds
    given, _data = signed(statement(), statement())
    first.receive(given, origin=KEY)
    first.clock.forward(seconds=1)

    put_back(worlds, tmp_path / "all.jsonl")


def test_a_signature_is_checked_in_a_file_that_is_taken_over(worlds: tuple[World, World], tmp_path: Path) -> None:
    """An export of this hub too, where it was changed or is taken as another system's."""
    first, second = worlds
    whole = statement()
    take_in(first, *signed({name: member for name, member in whole.items() if name != "timestamp"}, whole))
    first.clock.forward(seconds=1)
    file = exported(first)
    (tmp_path / "all.jsonl").write_bytes(file)
    (tmp_path / "changed.jsonl").write_bytes(file.replace(b"completed", b"completes"))
    with second.db.read() as conn:
        system = registry.named_connector(conn, "asn-unggul")

    for name in ("all", "changed"):
        [problem] = imports.check(second.hub, tmp_path / f"{name}.jsonl", system).problems

        assert "the signed payload is not this statement" in problem.reason
    with pytest.raises(HubError, match="no export of this hub"):
        bring_in(second, tmp_path / "changed.jsonl")


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


def test_a_line_without_authority_is_told_where_nobody_said_whose_file_it_is(db: Database, tmp_path: Path) -> None:
    world = World(db)
    line = b'{"kind":"statement","seq":"1","statement":' + orjson.dumps(statement()) + b"}\n"
    (tmp_path / "bare.jsonl").write_bytes(line)

    [problem] = imports.check(world.hub, tmp_path / "bare.jsonl", None).problems

    assert "no authority" in problem.reason


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
