"""``wkmb learner``, ``identity``, ``jp``, ``policy`` and ``audit`` as an administrator and an auditor type them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from hub.cli import cli
from hub.jp import recognition
from hub.learning import catalogue
from hub.runtime import Hub
from hub.statements import ingest
from hub.tables import audit_log, entries
from lrs import statements
from lrs.statements import Writer
from mappings import shipped
from recognizedtest import LMS, NIP, OTHER_NIP, course, statement

PEOPLE = f"nip,name,email,status,employer,unit\n{NIP},Budi Santoso,,PNS,KKP,Pusdatin\n{OTHER_NIP},Siti,,PPPK,KKP,\n"
LINKS = f"homepage_or_issuer,name,nip\n{LMS},4,{NIP}\n"


def receive(hub: Hub, *said: dict[str, Any]) -> None:
    """What the connector's credential reports, recomputed."""
    writer = Writer({"account": {"homePage": hub.base_url, "name": "lms"}}, 1, "credential:1")
    prepared = statements.prepare(
        statements.parse(orjson.dumps(said)), version="1.0.3", writer=writer, new_id=hub.new_id
    )  # fmt: skip
    ingest.accept(hub, prepared)
    while recognition.drain(hub):
        pass


@pytest.fixture
def prepared(wkmb: Any, served: Hub) -> Hub:
    """A hub with two employees, one course, and the account of one of them linked."""
    wkmb("learner", "import", wkmb.file("people.csv", PEOPLE))
    wkmb("identity", "link", wkmb.file("links.csv", LINKS))
    wkmb("connector", "add", "asn-unggul", "--kind", "xapi-push")
    served.db.run(lambda conn: catalogue.import_courses(conn, served, [course()], by="test"))
    return served


def test_people_are_imported_once(wkmb: Any) -> None:
    file = wkmb.file("people.csv", PEOPLE)

    assert wkmb.json("learner", "import", file) == {"added": 2, "changed": 0, "same": 0, "problems": []}
    assert wkmb.json("learner", "import", file) == {"added": 0, "changed": 0, "same": 2, "problems": []}
    assert [each["name"] for each in wkmb.json("learner", "list")] == ["Budi Santoso", "Siti"]
    assert [each["nip"] for each in wkmb.json("learner", "list", "siti")] == [OTHER_NIP]
    shown = wkmb.json("learner", "show", NIP)
    assert (shown["name"], shown["nips"], len(shown["identities"])) == ("Budi Santoso", [NIP], 1)


def test_nothing_of_a_file_with_a_wrong_row_is_imported_unless_asked(wkmb: Any) -> None:
    file = wkmb.file("people.csv", PEOPLE + "12,Ani,,PNS,,\n")

    refused = wkmb("learner", "import", file, expect=1).stderr
    assert "line 4, nip: is not a NIP" in refused
    assert "Nothing was imported: 1 problem" in refused
    assert wkmb.json("learner", "list") == []

    assert wkmb.json("learner", "import", file, "--skip-bad")["added"] == 2


def test_files_that_cannot_be_read_say_so(wkmb: Any) -> None:
    path = Path(wkmb.file("people.csv", ""))
    path.write_bytes(PEOPLE.encode() + b"\xff")

    assert "line 4: is not UTF-8" in wkmb.refused("learner", "import", str(path))
    assert wkmb("learner", "import", "no-such.csv", expect=2)


def test_links_are_imported_and_unknown_people_told(wkmb: Any) -> None:
    wkmb("learner", "import", wkmb.file("people.csv", PEOPLE))
    file = wkmb.file("links.csv", LINKS + f"{LMS},5,199912312020121003\n")

    assert "line 3, nip: is no learner's NIP" in wkmb("identity", "link", file, expect=1).stderr
    done = wkmb.json("identity", "link", file, "--skip-bad")
    assert (done["linked"], done["same"], len(done["problems"])) == (1, 0, 1)


def test_who_is_nobody_is_listed(wkmb: Any, prepared: Hub) -> None:
    assert "Every actor" in wkmb("identity", "list", "--unresolved").stdout
    wkmb("learner", "import", wkmb.file("people.csv", PEOPLE))
    receive(prepared, statement(actor={"mbox": "mailto:ani@kkp.go.id", "name": "Budi Santoso"}))

    [ani] = wkmb.json("identity", "list", "--unresolved")
    assert ani["name"] == "mailto:ani@kkp.go.id"
    assert (ani["suggested"], ani["waiting_jp"]) == ({"nip": NIP, "name": "Budi Santoso"}, 4.5)
    assert (
        f"4.5 JP wait\tperhaps Budi Santoso ({NIP})" in wkmb("identity", "list", "--unresolved", "--limit", "1").stdout
    )


def test_jp_are_shown_with_their_entries(wkmb: Any, prepared: Hub) -> None:
    said = statement()
    receive(prepared, said)

    shown = wkmb.json("jp", "show", NIP, "--year", "2026")
    assert (shown["recognized_jp"], shown["target_jp"], shown["policy"]) == (4.5, 20.0, "perlan-10-2018")
    assert shown["entries"][0]["evidence"] == [said["id"]]
    assert "4.5 of 20 JP" in wkmb("jp", "show", NIP, "--year", "2026").stdout
    assert wkmb.json("jp", "show", NIP, "--year", "2025")["entries"] == []
    assert "Nobody has the NIP" in wkmb.refused("jp", "show", "1")


def test_an_entry_and_a_statement_are_explained(wkmb: Any, prepared: Hub) -> None:
    said = statement()
    receive(prepared, said)
    entry = wkmb.json("jp", "show", NIP, "--year", "2026")["entries"][0]["id"]

    explained = wkmb.json("audit", "explain", entry)
    assert (explained["jp"], explained["learner"]["nip"]) == (4.5, NIP)
    assert explained["evidence"][0]["origin"]["kind"] == "credential"
    assert f"statement {said['id']}" in wkmb("audit", "explain", entry).stdout
    assert wkmb.json("audit", "explain", said["id"])["outcome"] == "counted"
    assert f"entry {entry}: 4.5 JP" in wkmb("audit", "explain", said["id"]).stdout
    assert "no entry and no statement" in wkmb.refused("audit", "explain", "nothing")


def test_what_was_altered_is_found_and_the_command_fails(wkmb: Any, prepared: Hub) -> None:
    receive(prepared, statement())
    assert "0 differences" in wkmb("audit", "verify").stdout
    assert wkmb.json("audit", "verify", "--nip", NIP)["findings"] == []
    with prepared.db.write() as conn:
        conn.execute(sa.update(entries).values(centi_jp=900))

    assert "chain_broken" in wkmb("audit", "verify", expect=1).stdout
    assert wkmb.json("audit", "verify", expect=1)["findings"]
    assert "Nobody has the NIP" in wkmb.refused("audit", "verify", "--nip", "1")


def test_a_policy_is_made_official_from_a_year_on(wkmb: Any, prepared: Hub) -> None:
    done = wkmb.json("policy", "activate", "perlan-10-2018", "--from", "2026")

    assert (done["from_year"], done["replayed"]) == (2026, 0)
    assert wkmb.json("policy", "list")[0]["active_from"][-1] == 2026
    assert "no policy nothing" in wkmb.refused("policy", "activate", "nothing", "--from", "2026")


def doubled() -> str:
    text = shipped.policy_text("perlan-10-2018").replace("policy: perlan-10-2018", "policy: double")
    return text.replace(
        "per_session, jp: [{from: 2019-01-01, value: 2}]", "per_session, jp: [{from: 2019-01-01, value: 3}]"
    )


def test_another_policy_is_added_compared_replayed_and_activated(wkmb: Any, prepared: Hub) -> None:
    coaching = course(form="NKL01", programme_centi_jp=None)
    prepared.db.run(lambda conn: catalogue.import_courses(conn, prepared, [coaching], by="test"))
    receive(prepared, statement())
    file = wkmb.file("double.yaml", doubled())

    assert wkmb.json("policy", "add", file)["name"] == "double"
    assert [each["name"] for each in wkmb.json("policy", "list")] == ["perlan-10-2018", "double"]
    compared = wkmb.json("policy", "diff", "perlan-10-2018", "double")
    assert compared["years"] == {"2026": "1"}
    assert [(each["nip"], each["old_jp"], each["new_jp"], each["because"]) for each in compared["learners"]] == [
        (NIP, "2", "3", "per_session")
    ]
    assert {"forms.NKL01.national.jp 2019-01-01.."} <= {each["path"] for each in compared["changes"]}
    assert wkmb("policy", "diff", "perlan-10-2018", "double", "--csv").stdout.count(NIP) == 1
    assert "give the same" in wkmb("policy", "diff", "double", "double").stdout

    assert wkmb.json("policy", "replay", "double") == {
        "policy": "double", "learners": 2, "entered": 1, "reversed": 0, "failed": 0
    }  # fmt: skip
    assert wkmb.json("policy", "replay", "double")["entered"] == 0
    assert wkmb.json("jp", "show", NIP, "--year", "2026")["recognized_jp"] == 2.0
    assert wkmb.json("policy", "activate", "double", "--from", "2026")["replayed"] == 0
    assert wkmb.json("jp", "show", NIP, "--year", "2026")["recognized_jp"] == 3.0
    while recognition.drain(prepared):
        pass
    assert wkmb.json("audit", "verify")["findings"] == []

    assert wkmb.json("policy", "withdraw")["official"] == "perlan-10-2018"
    assert wkmb.json("jp", "show", NIP, "--year", "2026")["recognized_jp"] == 2.0
    assert [each["ledger"] for each in wkmb.json("policy", "list")] == ["complete", "complete"]
    assert "is kept up no more" in wkmb("policy", "let-go", "double").stdout
    assert "is not kept up" in wkmb.refused("policy", "let-go", "double")
    assert wkmb.json("policy", "list")[1]["ledger"] == "behind"
    assert "first one" in wkmb.refused("policy", "withdraw")
    assert wkmb.json("policy", "activate", "double", "--from", "2027")["replayed"] == 2


def test_a_policy_that_cannot_be_used_says_where(wkmb: Any) -> None:
    file = wkmb.file("bad.yaml", doubled().replace("value: 3}", "value: x}"))
    other = wkmb.file("other.yaml", shipped.policy_text("perlan-10-2018") + "# changed\n")

    assert "line" in wkmb.refused("policy", "add", file)
    assert "Give the new document a new name" in wkmb.refused("policy", "add", other)
    assert "no policy nothing" in wkmb.refused("policy", "diff", "nothing", "perlan-10-2018")


def test_who_did_it_is_written_down(wkmb: Any, prepared: Hub) -> None:
    wkmb("policy", "activate", "perlan-10-2018", "--from", "2026")

    with prepared.db.read() as conn:
        acts = {row.action: row for row in conn.execute(sa.select(audit_log))}
    assert all(acts[name].who.startswith("cli") for name in ("learner.import", "identity.link", "policy.activate"))
    assert NIP not in "".join(row.object + row.detail for row in acts.values())


def test_every_command_of_these_groups_has_its_help() -> None:
    for name in ("learner", "identity", "jp", "policy", "audit"):
        group = cli.get_command(None, name)  # type: ignore[arg-type]
        assert group is not None
        assert all(command.help for command in group.commands.values())  # type: ignore[attr-defined]


def test_two_people_become_one_and_two_again(wkmb: Any, prepared: Hub) -> None:
    receive(prepared, statement())

    assert wkmb.json("learner", "merge", NIP, OTHER_NIP)["identities"] == 2
    assert wkmb.json("jp", "show", NIP, "--year", "2026")["learner"]["name"] == "Siti"
    assert wkmb.json("jp", "show", OTHER_NIP, "--year", "2026")["recognized_jp"] == 4.5
    assert "one person already" in wkmb.refused("learner", "merge", NIP, OTHER_NIP)
    assert [each["name"] for each in wkmb.json("learner", "list")] == ["Siti"]
    assert wkmb.json("learner", "split", NIP)["identities"] == 2
    assert wkmb.json("jp", "show", NIP, "--year", "2026")["recognized_jp"] == 4.5
    assert "was merged" in wkmb.refused("learner", "split", NIP)


def test_who_was_set_aside_is_listed_and_recomputed(wkmb: Any, prepared: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Everybody can be recomputed" in wkmb("learner", "failing").stdout

    def poisonous(*_: Any) -> None:
        raise ValueError("poison")

    monkeypatch.setattr(recognition, "observations_of", poisonous)
    receive(prepared, statement())
    monkeypatch.undo()

    (failing,) = wkmb.json("learner", "failing")
    assert (failing["nip"], failing["failures"], failing["set_aside"]) == (NIP, 3, True)
    assert "ValueError: poison" in wkmb("learner", "failing").stdout
    assert wkmb.json("learner", "recompute", NIP) == {"entered": 1, "reversed": 0}
    assert wkmb.json("learner", "failing") == []


def test_all_that_is_recorded_of_a_person_is_handed_out(wkmb: Any, prepared: Hub) -> None:
    receive(prepared, statement(), statement("launched"))
    file = wkmb.folder / "budi.jsonl"

    done = wkmb.json("audit", "export", NIP, str(file))
    lines = [orjson.loads(line) for line in file.read_bytes().splitlines()]

    assert done["lines"] == len(lines)
    assert [each["kind"] for each in lines] == ["learner", "identity", "identity", "entry", "statement", "statement"]
    assert lines[0]["nip"] == NIP
    assert (lines[3]["centi_jp"], len(lines[3]["digest"])) == (450, 64)
    assert {each["reason"] for each in lines[4:]} == {None, "no_proof"}
    assert file.stat().st_mode & 0o077 == 0
    assert "cannot be written" in wkmb.refused("audit", "export", NIP, str(file))
    assert "Nobody has the NIP" in wkmb.refused("audit", "export", "1", str(file))


def test_what_is_due_of_follow_up_plans_is_listed(wkmb: Any, prepared: Hub) -> None:
    asking = course(requires=("completed", "rtl_approved"))
    prepared.db.run(lambda conn: catalogue.import_courses(conn, prepared, [asking], by="test"))
    empty = wkmb("rtl", "due").stdout
    receive(prepared, statement(timestamp="2026-03-02T09:00:00+07:00"))

    [overdue] = wkmb.json("rtl", "due")
    hers = wkmb.json("rtl", "due", "--nip", NIP)
    [plan] = wkmb.json("rtl", "show", NIP)

    assert empty == "Nothing is due.\n"
    assert (overdue["nip"], overdue["code"], overdue["due_on"]) == (NIP, "submit", "2026-04-01")
    assert (overdue["waits_for"], overdue["is_overdue"]) == (NIP, True)
    assert hers == [overdue]
    assert wkmb.json("rtl", "due", "--until", "2026-03-31") == []
    assert (plan["course"], plan["state"], plan["finished_on"]) == (asking.id, "asked", "2026-03-02")
    assert wkmb("rtl", "show", OTHER_NIP).stdout == "She owes and has no follow-up plan.\n"

    wkmb("rtl", "rule", "--course", asking.id, "--submit-within-days", "60", "--reference", "Pedoman uji 2026")
    recognition.drain(prepared)
    [later] = wkmb.json("rtl", "due")
    told = wkmb.json("rtl", "rules")

    assert later["due_on"] == "2026-05-01"
    assert told["default"]["submit_within_days"]["value"] == 30
    assert [(each["subject"], each["submit_within_days"], each["confirmed"]) for each in told["rules"]] == [
        (asking.id, 60, "own")
    ]
    assert "submit_within_days 60\town\tPedoman uji 2026" in wkmb("rtl", "rules").stdout
    assert "no connector nobody" in wkmb.refused("rtl", "rule", "--provider", "nobody", "--owed", "--reference", "x")
    assert wkmb.json("rtl", "rule", "--course", asking.id, "--remove")["changed"] is True


def test_certification_results_are_recorded_and_shown(wkmb: Any, prepared: Hub) -> None:
    [scheme] = wkmb.json("certification", "schemes")
    name = scheme["name"]

    recorded = wkmb.json("certification", "record", NIP, name, "cognitive-test", "--score", "0.9", "--on", "2026-03-02")
    line = wkmb.refused("certification", "record", NIP, name, "interview", "--decision", "competent")
    own = wkmb.refused(
        "certification", "record", NIP, name, "portfolio-review", "--decision", "competent", "--assessor", NIP
    )
    wkmb("certification", "certify", NIP, name, "--number", "SK-7", "--until", "2030-01-31")
    [shown] = wkmb.json("certification", "show", NIP)

    assert scheme["stages"] == ["cognitive-test", "portfolio-review", "interview"]
    assert (recorded["standing"], recorded["next_stage"]) == ("open", "portfolio-review")
    assert "no_assessor" in line
    assert "self_assessed" in own
    assert (shown["standing"], shown["valid_until"], shown["certificate"]["number"]) == (
        "competent",
        "2030-01-31",
        "SK-7",
    )
    assert wkmb("certification", "show", OTHER_NIP).stdout == "She has no certification.\n"
    wkmb("audit", "export", NIP, str(wkmb.folder / "all.jsonl"))
    handed_out = [orjson.loads(line) for line in (wkmb.folder / "all.jsonl").read_bytes().splitlines()]
    assert [each["subject"] for each in handed_out if each["kind"] == "certification"] == [name]


def test_a_scheme_is_added_once_and_never_changes(wkmb: Any, prepared: Hub) -> None:
    text = shipped.scheme_text("certification-bkn").replace("scheme: certification-bkn", "scheme: instansi")
    added = wkmb.json("certification", "add", wkmb.file("instansi.yaml", text))

    assert added["name"] == "instansi"
    assert "says something else" in wkmb.refused(
        "certification", "add", wkmb.file("other.yaml", text.replace("0.7", "0.8"))
    )
    assert "line" in wkmb.refused("certification", "add", wkmb.file("wrong.yaml", "scheme: x\n"))


def test_needs_are_imported_shown_and_what_nobody_offers_is_listed(wkmb: Any, prepared: Hub) -> None:
    good = f"employer,unit,nip,competencies\nKKP,Pusdatin,,Integritas:3\n,,{NIP},Statistik\n"
    done = wkmb.json("need", "import", wkmb.file("needs.csv", good))
    [gap] = wkmb.json("need", "gaps")
    shown = wkmb.json("need", "show", NIP)
    refused = wkmb("need", "import", wkmb.file("bad.csv", good + ",,123,X\n"), expect=1).output

    assert done == {"imported": 2, "problems": []}
    assert (gap["unit"], gap["needs"][0]["need"]) == ("Pusdatin", {"name": "Integritas", "level": 3})
    assert [each["need"]["name"] for each in shown] == ["Integritas", "Statistik"]
    assert "line 4, nip" in refused
    assert "Nothing was imported: 1 problem." in refused


def test_targets_and_rules_of_identities_are_set_by_commands(wkmb: Any) -> None:
    assert "employers: nobody" in wkmb("target", "show").stdout
    assert wkmb.json("target", "employer", "permendikdasmen-pns", "Kemendikdasmen")["changed"]
    assert wkmb.json("target", "show")["rules"][0]["employers"] == ["Kemendikdasmen"]
    assert "no rule pns that holds for listed" in wkmb.refused("target", "employer", "pns", "KKP")
    text = wkmb("target", "show", "--yaml").stdout
    assert wkmb.json("target", "set", wkmb.file("targets.yaml", text))["targets"] == "default"
    assert "(line 12)" in wkmb.refused("target", "set", wkmb.file("bad.yaml", text.replace("value: 30", "value: x")))

    assert "No rule" in wkmb("identity", "rules").stdout
    assert "no connector nobody" in wkmb.refused("identity", "rule", "nobody", "--mail", "kkp.example.go.id")
