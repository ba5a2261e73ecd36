"""``wkmb connector``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import flask
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from apitest import COURSE, HOME_PAGE, NIP, Scene
from hub.jp import recognition
from hub.runtime import Hub
from siasntest import standin
from siasntest.standin import StandIn

Terminal = Any
STATEMENT = {
    "id": "6b1a2f0e-5b0c-4d6c-9f5e-2f7f0f1b7a10",
    "actor": {"account": {"homePage": HOME_PAGE, "name": "4"}},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
    "object": {"id": COURSE},
    "timestamp": "2026-10-05T03:00:00Z",
    "stored": "2026-10-05T03:00:01.000Z",
    "version": "1.0.3",
}


def test_a_system_has_a_title_for_people(wkmb: Terminal) -> None:
    added = wkmb.json("connector", "add", "lan", "--kind", "csv", "--title", "Lembaga Contoh")
    changed = wkmb.json("connector", "title", "lan", "Balai Contoh")

    assert (added["name"], added["title"], changed["title"]) == ("lan", "Lembaga Contoh", "Balai Contoh")
    assert wkmb.json("connector", "title", "lan", "")["title"] is None
    assert "There is no connector 'none'" in wkmb.refused("connector", "title", "none", "x", code=1)
    assert "has 201 characters" in wkmb.refused("connector", "title", "lan", "x" * 201, code=1)


@pytest.mark.parametrize("kind", ["lti", "xapi-push", "csv"])
def test_a_system_needs_a_name_and_a_kind(wkmb: Terminal, kind: str) -> None:
    made = wkmb.json("connector", "add", "lan", "--kind", kind, "--vocabulary", "moodle", "--trusted-jp", "4.5")

    assert (made["name"], made["kind"], made["vocabulary"], made["trusted_jp"]) == ("lan", kind, "moodle", 4.5)
    [listed] = wkmb.json("connector", "list")
    assert (listed["name"], listed["health"], listed["tested"]) == ("lan", None, None)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("lan", "--kind", "forward"), 1, "forward have not landed yet"),
        (("lan", "--kind", "soap"), 2, "soap"),
        (("lan", "--kind", "csv", "--vocabulary", "klingon"), 2, "klingon"),
        (("a b", "--kind", "csv"), 1, "'a b' is no name of a connector"),
        (("lan", "--kind", "csv", "--trusted-jp", "many"), 2, "many is no number"),
        (("lan", "--kind", "csv", "--trusted-jp", "1.234"), 2, "more than two decimals"),
        (("lan", "--kind", "csv", "--trusted-jp", "NaN"), 2, "more than two decimals"),
        (("lan", "--kind", "csv", "--url", "https://lrs.example"), 2, "--url: a connector of kind csv has no such"),
        (("lan", "--kind", "xapi-pull", "--url", "https://lrs.example"), 2, "needs --key"),
        (("lan", "--kind", "xapi-pull", "--url", "http://127.0.0.1/", "--key", "k", "--secret-stdin"), 1, "not https"),
        (("lan", "--kind", "siasn", "--url", "https://x.example", "--key", "k", "--secret-stdin"), 2, "--token-url"),
    ],
)
def test_what_is_wrong_with_a_system(wkmb: Terminal, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in wkmb.refused("connector", "add", *arguments, stdin="secret\n", code=code)
    assert wkmb.json("connector", "list") == []


def test_a_name_is_given_once(wkmb: Terminal) -> None:
    wkmb("connector", "add", "lan", "--kind", "csv")

    assert "There is a connector lan already." in wkmb.refused("connector", "add", "lan", "--kind", "lti")
    for command in ("status", "test", "sync"):
        assert "no connector 'x'" in wkmb.refused("connector", command, "x")


def test_a_test_says_what_is_missing(wkmb: Terminal) -> None:
    wkmb("connector", "add", "lan", "--kind", "xapi-push")

    checks = wkmb.json("connector", "test", "lan", expect=1)

    assert [(each["code"], each["outcome"]) for each in checks] == [("credential", "failed"), ("reports", "warning")]
    assert wkmb.json("connector", "status", "lan")["checks"] == checks
    assert "has no credential" in wkmb("connector", "status", "lan").stdout


# Pulling


@pytest.fixture
def lrs(httpserver: HTTPServer) -> str:
    """Another LRS with one statement and one that must be refused; gives its endpoint."""

    def answer(request: Request) -> Response:
        found = [STATEMENT, {"id": "no uuid", "stored": "2026-10-05T03:00:02.000Z"}]
        if request.headers["Authorization"] != "Basic azpyYWhhc2lh":
            return Response("no", 401)
        kept = [each for each in found if str(each["stored"]) > request.args.get("since", "")]
        return Response(json.dumps({"statements": kept, "more": ""}), content_type="application/json")

    httpserver.expect_request("/xapi/statements").respond_with_handler(answer)
    return httpserver.url_for("/xapi")


def add_pull(terminal: Terminal, lrs: str, secret: str = "rahasia") -> None:
    terminal(
        "connector", "add", "lms", "--kind", "xapi-pull", "--url", lrs, "--key", "k", "--secret-stdin", "--internal",
        stdin=secret + "\n",
    )  # fmt: skip


def test_a_pull_now_brings_what_is_new_and_sets_aside_what_is_wrong(wkmb: Terminal, lrs: str) -> None:
    add_pull(wkmb, lrs)

    first = wkmb.json("connector", "sync", "lms")
    again = wkmb.json("connector", "sync", "lms")

    assert (first["state"], first["stored"], first["set_aside"]) == ("ok", 1, 1)
    assert (again["stored"], again["set_aside"]) == (0, 0)
    status = wkmb.json("connector", "status", "lms")
    assert status["pull"]["health"] == "ok"
    assert status["runs"][0]["stored"] == 1
    assert status["set_aside"][0]["statement"] == "no uuid"
    assert "set aside: no uuid" in wkmb("connector", "status", "lms").stdout
    assert "rahasia" not in json.dumps(status)


def test_a_refused_credential_is_entered_again(wkmb: Terminal, lrs: str) -> None:
    add_pull(wkmb, lrs, secret="wrong")
    assert "Check key and secret" in wkmb.refused("connector", "sync", "lms")
    assert wkmb.json("connector", "list")[0]["health"] == "paused"

    wkmb("connector", "secret", "lms", "--secret-stdin", stdin="rahasia\n")

    assert wkmb.json("connector", "sync", "lms")["stored"] == 1
    assert wkmb.json("connector", "list")[0]["health"] == "ok"


# Files


@pytest.fixture
def scene(served: Hub) -> Scene:
    """An employee and a course of the system "lms"."""
    scene = Scene(served, flask.Flask("none"))
    scene.prepare()
    return scene


def completions(terminal: Terminal, *rows: str) -> str:
    return str(terminal.file("selesai.csv", "\n".join(["nip,course,event,on", *rows]) + "\n"))


def test_a_file_becomes_hours(wkmb: Terminal, scene: Scene) -> None:
    wkmb("connector", "add", "lan", "--kind", "csv")
    course = "id,aliases,provider,title_id,title_en,form,scope,programme_jp\nhttps://lan.example/1,L1,lan,Kelas,,KL03,national,6"
    wkmb("course", "import", wkmb.file("course.csv", course))
    good = f"{NIP},L1,completed,2026-03-01"

    done = wkmb.json("connector", "sync", "lan", "--file", completions(wkmb, good))
    again = wkmb.json("connector", "sync", "lan", "--file", completions(wkmb, good))
    scene.recognize()

    assert (done["stored"], again["stored"], again["repeated"]) == (1, 0, 1)
    assert wkmb.json("jp", "show", NIP, "--year", "2026")["recognized_jp"] == 6.0
    assert wkmb.json("connector", "test", "lan")[0]["reason"] == "reported"


def test_a_wrong_file_changes_nothing(wkmb: Terminal, scene: Scene) -> None:
    wkmb("connector", "add", "lan", "--kind", "csv")

    said = wkmb("connector", "sync", "lan", "--file", completions(wkmb, f"{NIP},L9,completed,2026-03-01"), expect=1)

    assert "'L9' is no course of lan" in said.stderr
    assert wkmb.json("connector", "status", "lan")["runs"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("lan",), 2, "say which with --file"),
        (("lan", "--file", "missing.csv"), 2, "missing.csv"),
        (("lan", "--year", "2026"), 2, "--year: lan is of kind csv"),
        (("push",), 1, "there is nothing to fetch"),
        (("push", "--file", "conftest.csv"), 2, "conftest.csv"),
    ],
)
def test_what_cannot_be_synchronized(wkmb: Terminal, arguments: tuple[str, ...], code: int, says: str) -> None:
    wkmb("connector", "add", "lan", "--kind", "csv")
    wkmb("connector", "add", "push", "--kind", "xapi-push")

    assert says in wkmb.refused("connector", "sync", *arguments, code=code)


# SIASN


@pytest.fixture
def bkn(wkmb: Terminal, httpserver: HTTPServer) -> StandIn:
    """A stand-in of SIASN that knows the employee, and is known as the system "siasn"."""
    system = StandIn(people={NIP: "A" * 32})
    httpserver.expect_request("/token").respond_with_handler(system.token)
    httpserver.expect_request(re.compile("/apisiasn/1.0/.*")).respond_with_handler(system.api)
    url, token_url = httpserver.url_for("/apisiasn/1.0"), httpserver.url_for("/token")
    wkmb(
        "connector", "add", "siasn", "--kind", "siasn", "--internal", "--url", url, "--token-url", token_url,
        "--key", "kunci", "--secret-stdin", "--institution-id", "I1", stdin="rahasia\nsso-token\n",
    )  # fmt: skip
    return system


def saved(system: StandIn) -> list[dict[str, Any]]:
    return system.courses


def test_hours_are_shown_then_handed_over_once(wkmb: Terminal, scene: Scene, bkn: StandIn) -> None:
    scene.report()
    scene.recognize()

    shown = wkmb.json("connector", "sync", "siasn", "--year", "2026", "--dry-run")
    nothing_yet = list(saved(bkn))
    done = wkmb.json("connector", "sync", "siasn", "--year", "2026")
    again = wkmb.json("connector", "sync", "siasn", "--year", "2026")

    [would] = shown["handed"]
    assert would["outcome"] == "would_save"
    assert would["detail"]["body"]["jumlahJam"] == 4
    assert would["detail"]["body"]["nomorSertipikat"].startswith("WKMB/2026/")
    assert nothing_yet == []
    assert [each["outcome"] for each in done["handed"]] == ["saved"]
    assert again["handed"] == []
    assert len(saved(bkn)) == 1


def test_an_institution_goes_by_its_title_and_its_certificate_goes_along(
    wkmb: Terminal, scene: Scene, bkn: StandIn, tmp_path: Path
) -> None:
    wkmb("connector", "title", "lms", "Pusdiklat Contoh")
    scene.report()
    scene.recognize()
    [would] = wkmb.json("connector", "sync", "siasn", "--year", "2026", "--dry-run")["handed"]
    number = would["detail"]["body"]["nomorSertipikat"]
    file = tmp_path / f"{number.replace('/', '_')}.pdf"
    sync = ("connector", "sync", "siasn", "--year", "2026", "--certificates", str(tmp_path))

    file.write_bytes(b"not one")
    refused = wkmb(*sync, expect=1).stderr
    file.write_bytes(b"%PDF-1.7 sertifikat")
    wkmb(*sync)

    assert would["detail"]["body"]["institusiPenyelenggara"] == "Pusdiklat Contoh"
    assert "is no PDF" in refused
    [course] = saved(bkn)
    assert course["institusiPenyelenggara"] == "Pusdiklat Contoh"
    assert [(kind, content) for _id, kind, content in bkn.documents] == [("881", b"%PDF-1.7 sertifikat")]


def test_what_was_taken_back_is_to_be_corrected_there(wkmb: Terminal, scene: Scene, bkn: StandIn) -> None:
    statement = scene.report()
    scene.recognize()
    wkmb("connector", "sync", "siasn", "--year", "2026")
    scene.void(statement)
    scene.recognize()

    done = wkmb.json("connector", "sync", "siasn", "--year", "2026")

    assert done["handed"] == []
    [correction] = done["corrections"]
    assert correction["siasn_id"]
    assert "correct it in SIASN" in wkmb("connector", "sync", "siasn", "--year", "2026").stdout


def test_hours_that_came_back_are_known_there(wkmb: Terminal, scene: Scene, bkn: StandIn) -> None:
    statement = scene.report()
    scene.recognize()
    wkmb("connector", "sync", "siasn", "--year", "2026")
    scene.void(statement)
    scene.recognize()
    scene.report()
    scene.recognize()

    done = wkmb.json("connector", "sync", "siasn", "--year", "2026")

    assert [each["outcome"] for each in done["handed"]] == ["already_there"]
    assert done["corrections"] == []
    assert len(saved(bkn)) == 1


def test_when_siasn_is_down_it_says_so(wkmb: Terminal, scene: Scene, bkn: StandIn) -> None:
    scene.report()
    scene.recognize()
    bkn.gateway_error = 503

    said = wkmb("connector", "sync", "siasn", "--year", "2026", expect=1)

    assert "503" in said.stderr
    assert standin.NIP not in said.output


# As one file


def test_systems_are_written_and_applied(wkmb: Terminal) -> None:
    wkmb("connector", "add", "lan", "--kind", "csv", "--trusted-jp", "4.5")
    exported = wkmb("connector", "export").stdout
    path = wkmb.file("systems.yaml", exported.replace("trusted_jp: 4.5", "trusted_jp: 6.0"))

    assert wkmb("connector", "apply", path).stdout == "changed\tconnector lan\n"
    assert wkmb.json("connector", "apply", path) == [{"system": "connector lan", "outcome": "same", "todo": None}]
    assert wkmb.json("connector", "list")[0]["trusted_jp"] == 6.0


def test_another_vocabulary_has_everybody_recomputed(wkmb: Terminal, scene: Scene) -> None:
    scene.recognize()
    exported = wkmb("connector", "export").stdout

    wkmb("connector", "apply", wkmb.file("x.yaml", exported))
    assert recognition.drain(scene.hub) == 0
    wkmb("connector", "apply", wkmb.file("x.yaml", exported.replace("vocabulary: default", "vocabulary: moodle")))

    assert recognition.drain(scene.hub) == 1


def test_a_wrong_file_of_systems_is_one_line(wkmb: Terminal) -> None:
    said = wkmb.refused("connector", "apply", wkmb.file("x.yaml", "systems: x\nconnectors:\n  - {kind: csv}\n"))

    assert "connectors[0] (line 3): name is missing" in said


def test_a_pull_without_a_secret_says_how_to_enter_it(wkmb: Terminal, lrs: str) -> None:
    add_pull(wkmb, lrs)
    exported = wkmb("connector", "export").stdout.replace("name: lms", "name: again")
    said = wkmb("connector", "apply", wkmb.file("x.yaml", exported)).stdout
    assert "Enter its secret: wkmb connector secret again" in said
    assert "has no secret yet" in wkmb.refused("connector", "sync", "again")

    wkmb("connector", "secret", "again", "--secret-stdin", stdin="rahasia\n")

    assert wkmb.json("connector", "sync", "again")["state"] == "ok"
