"""The JSON API: what another system is told of an employee's hours, of the catalogue and the systems, and how it is
refused. On both databases."""

from __future__ import annotations

import json

import pytest
from werkzeug.test import TestResponse

from apitest import COURSE, HOME_PAGE, KEY, NAME, NIP, SECRET, VIEWED, Scene, authorization, course_row
from hub.application import create_app
from hub.runtime import Hub
from hub.systems import registry


@pytest.fixture
def scene(hub: Hub) -> Scene:
    made = Scene(hub, create_app(hub))
    made.prepare()
    return made


def problem(answer: TestResponse, status: int, code: str) -> str:
    """The words of a refusal, whose form is checked."""
    assert answer.status_code == status, answer.data
    assert answer.content_type == "application/problem+json"
    found = answer.get_json()
    assert found["status"] == status
    assert found["code"] == code
    assert found["title"]
    assert found["reference"]
    detail = found["detail"]
    assert isinstance(detail, str)
    return detail


# A learner's year ----------------------------------------------------------------------------------------


def test_a_year_without_anything_names_the_target(scene: Scene) -> None:
    assert scene.year() == {
        "learner": {"nip": NIP, "name": NAME},
        "year": 2026,
        "target_jp": 20.0,
        "planned_jp": 0.0,
        "recognized_jp": 0.0,
        "entries": [],
        "pending": [],
    }


def test_a_completion_is_an_entry_with_its_evidence(scene: Scene) -> None:
    statement = scene.report()
    scene.recognize()

    year = scene.year()

    [entry] = year["entries"]
    assert year["recognized_jp"] == 4.5
    assert entry == {
        "id": entry["id"],
        "course": COURSE,
        "form": "NKL04",
        "jp": 4.5,
        "on": "2026-10-05",
        "policy": "perlan-10-2018",
        "reverses": None,
        "evidence": [str(statement)],
    }


def test_a_void_leaves_the_entry_and_its_reversal(scene: Scene) -> None:
    statement = scene.report()
    scene.recognize()
    scene.void(statement)
    scene.recognize()

    year = scene.year()

    first, second = year["entries"]
    assert year["recognized_jp"] == 0
    assert (first["jp"], first["reverses"]) == (4.5, None)
    assert (second["jp"], second["reverses"]) == (-4.5, first["id"])


def test_a_course_that_misses_something_is_pending(scene: Scene) -> None:
    scene.import_courses(course_row(requires="completed;passed"))
    scene.report()
    scene.recognize()

    assert scene.year()["pending"] == [{"course": COURSE, "missing": ["passed"]}]


def test_hundredths_are_decimals(scene: Scene) -> None:
    scene.import_courses(course_row(programme_jp="0.07"))
    scene.report()
    scene.recognize()

    assert scene.year()["recognized_jp"] == 0.07


def test_without_a_year_it_is_the_current_one(scene: Scene) -> None:
    assert scene.get(f"/learners/{NIP}/jp").get_json()["year"] == 2026
    assert scene.year(2025)["year"] == 2025


@pytest.mark.parametrize(
    "nip", ["198503152010012999", "1985", "siti", "%00", "１９８５０３１５２０１００１２００４", NIP + "1"]
)
def test_an_unknown_employee_is_not_found(scene: Scene, nip: str) -> None:
    problem(scene.get(f"/learners/{nip}/jp"), 404, "unknown_learner")


def test_a_refusal_does_not_repeat_a_nip(scene: Scene) -> None:
    detail = problem(scene.get("/learners/198503152010012999/jp"), 404, "unknown_learner")

    assert "19850315**********" in detail
    assert "198503152010012999" not in detail


@pytest.mark.parametrize("year", ["", "abc", "26", "1999", "2100", "99999", "2026.5", "-1", "9" * 400])
def test_a_year_out_of_range_is_refused(scene: Scene, year: str) -> None:
    detail = problem(scene.get(f"/learners/{NIP}/jp", year=year), 422, "unprocessable_entity")

    assert detail.startswith("year: ")


def test_a_misspelt_parameter_is_refused(scene: Scene) -> None:
    assert "yaer" in problem(scene.get(f"/learners/{NIP}/jp", yaer="2026"), 422, "unprocessable_entity")


# Entries and statements ----------------------------------------------------------------------------------


def test_an_entry_explains_itself(scene: Scene) -> None:
    statement = scene.report()
    scene.recognize()
    [listed] = scene.year()["entries"]

    entry = scene.get(f"/entries/{listed['id']}").get_json()

    assert entry["learner"] == {"nip": NIP, "name": NAME}
    assert (entry["course"]["id"], entry["course"]["provider"]) == (COURSE, "lms")
    assert (entry["course"]["provider_title"], entry["evidence"][0]["connector_title"]) == ("lms", "lms")
    assert (entry["jp"], entry["year"], entry["reversed_by"]) == (4.5, 2026, None)
    assert entry["policy"]["name"] == "perlan-10-2018"
    assert len(entry["policy"]["digest"]) == 64
    assert all(source["reference"] for source in entry["policy"]["sources"])
    assert entry["policy"]["sources"]
    checks = {check["code"]: check for check in entry["checks"]}
    assert checks["programme_jp"]["value"] == "4.5"
    assert all(set(check) >= {"code", "value", "threshold", "outcome"} for check in entry["checks"])
    [evidence] = entry["evidence"]
    assert evidence["id"] == evidence["statement"]["id"] == str(statement)
    assert evidence["authority"]["account"]["name"] == "credential/lms"
    assert evidence["origin"]["kind"] == "credential"


def test_a_reversal_says_what_it_takes_back_and_why(scene: Scene) -> None:
    scene.void(scene.report())
    statement = scene.report()
    scene.recognize()
    scene.void(statement)
    scene.recognize()
    first, second = scene.year()["entries"]

    entry, reversal = (scene.get(f"/entries/{each['id']}").get_json() for each in (first, second))

    assert entry["reversed_by"] == reversal["id"]
    assert reversal["reverses"] == entry["id"]
    assert reversal["cause"]
    assert entry["evidence"][0]["voided_by"]


@pytest.mark.parametrize("entry", ["x", "0" * 32 + "-1", "0" * 32 + "-" + "9" * 30, "%00-1", "-", "0" * 32])
def test_an_unknown_entry_is_not_found(scene: Scene, entry: str) -> None:
    problem(scene.get(f"/entries/{entry}"), 404, "unknown_entry")


def test_a_statement_that_counts_names_its_entries(scene: Scene) -> None:
    statement = scene.report()
    scene.recognize()
    [listed] = scene.year()["entries"]

    answer = scene.get(f"/statements/{statement}").get_json()

    assert answer["statement"]["id"] == str(statement)
    assert (answer["outcome"], answer["entries"]) == ("counted", [listed["id"]])


def test_a_statement_that_does_not_count_says_why(scene: Scene) -> None:
    statement = scene.report(VIEWED)
    scene.recognize()

    answer = scene.get(f"/statements/{statement}").get_json()

    assert answer["outcome"] == "not_counted"
    assert answer["reason"]["code"]
    assert answer["entries"] == []


def test_a_statement_of_nobody_is_unresolved(scene: Scene) -> None:
    statement = scene.report(name="77")
    scene.recognize()

    answer = scene.get(f"/statements/{statement}").get_json()

    assert answer["outcome"] == "not_counted"
    assert answer["reason"]["code"] == "unresolved"


def test_a_statement_comes_byte_for_byte(scene: Scene) -> None:
    extensions = {"https://contoh.example/x": 1.10, "https://contoh.example/a": "é"}
    statement = scene.report(context={"extensions": extensions})
    kept = scene.app.test_client().get(
        f"/xapi/statements?statementId={statement}",
        headers={"X-Experience-API-Version": "1.0.3"} | _everything(scene),
    )

    answer = scene.get(f"/statements/{statement}")

    assert kept.status_code == 200, kept.data
    assert answer.data.startswith(b'{"statement":' + kept.data + b",")
    assert json.loads(answer.data)["statement"] == kept.get_json()


def _everything(scene: Scene) -> dict[str, str]:
    scene.add_credential("semua", "all")
    return authorization("semua")


def test_an_unknown_statement_is_not_found(scene: Scene) -> None:
    problem(scene.get("/statements/b904ad9b-3dd7-5c81-9c3b-1ff960dbd560"), 404, "unknown_statement")
    problem(scene.get("/statements/b904"), 422, "unprocessable_entity")


# The catalogue, systems, policies ------------------------------------------------------------------------


def test_the_catalogue_comes_in_pages(scene: Scene) -> None:
    scene.import_courses(*(course_row(number) for number in range(2, 6)))
    found: list[str] = []
    path = "/api/v1/courses?limit=2"

    pages = 0
    while path:
        page = scene.get(path.removeprefix("/api/v1")).get_json()
        found += [each["iri"] for each in page["courses"]]
        path, pages = page["next"], pages + 1

    assert found == [f"{HOME_PAGE}/courses/{number}" for number in range(1, 6)]
    assert pages == 3


def test_a_course_says_what_it_is_worth_and_requires(scene: Scene) -> None:
    [listed] = scene.get("/courses", iri=COURSE).get_json()["courses"]

    course = scene.get(f"/courses/{listed['id']}").get_json()

    assert course == listed
    assert (course["iri"], course["provider"], course["form"]) == (COURSE, "lms", "NKL04")
    assert (course["programme_jp"], course["requires"], course["version"]) == (4.5, ["completed"], 1)
    assert scene.get("/courses", iri="https://nowhere.example").get_json()["courses"] == []


@pytest.mark.parametrize("number", ["0", "4711", "9" * 40])
def test_an_unknown_course_is_not_found(scene: Scene, number: str) -> None:
    problem(scene.get(f"/courses/{number}"), 404, "unknown_course")


def test_a_connector_tells_no_secret(scene: Scene) -> None:
    scene.hub.db.run(
        lambda conn: registry.add_connector(
            conn, scene.hub, "lain", "xapi-pull", by="tes", secret="sangat-rahasia-0123",
            settings={"url": "https://lrs.contoh.example/xapi", "key": "kunci-rahasia"},
        )
    )  # fmt: skip

    answer = scene.get("/connectors")

    assert [each["name"] for each in answer.get_json()["connectors"]] == ["lain", "lms"]
    assert b"rahasia" not in answer.data


def test_the_official_policy_is_listed_and_has_its_text(scene: Scene) -> None:
    [official] = [each for each in scene.get("/policies").get_json()["policies"] if each["is_official"]]

    policy = scene.get(f"/policies/{official['name']}").get_json()

    assert official["name"] == "perlan-10-2018"
    assert policy["digest"] == official["digest"]
    assert "policy: perlan-10-2018" in policy["text"]
    problem(scene.get("/policies/%00"), 404, "unknown_policy")


# Who calls, and how it is refused ------------------------------------------------------------------------

PATHS = ["/courses", "/connectors", "/policies", f"/learners/{NIP}/jp", "/entries/x", "/statements/x"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header",
    [{}, {"Authorization": "Basic x"}, authorization(secret="salah-tetapi-panjang"), authorization("\x00")],
    ids=["none", "no base64", "wrong", "NUL"],
)
def test_who_does_not_say_who_she_is_is_refused_first(scene: Scene, path: str, header: dict[str, str]) -> None:
    answer = scene.app.test_client().get(f"/api/v1{path}", headers=header)

    problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("path", PATHS)
def test_a_credential_of_the_lrs_alone_may_not_read_here(scene: Scene, path: str) -> None:
    scene.add_credential("semua", "all")

    assert "api/read" in problem(scene.get(path, key="semua"), 403, "scope_missing")


def test_the_same_credential_as_bearer(scene: Scene) -> None:
    answer = scene.app.test_client().get("/api/v1/courses", headers=authorization(KEY, SECRET, "Bearer"))

    assert answer.status_code == 200


def test_a_credential_with_a_rate_is_slowed_down(scene: Scene) -> None:
    scene.add_credential("lambat", "api/read", per_minute=2)

    answers = [scene.get("/policies", key="lambat") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    problem(answers[2], 429, "too_many_requests")
    assert answers[2].headers["Retry-After"]


def test_what_there_is_not_is_a_problem_too(scene: Scene) -> None:
    problem(scene.get("/nowhere"), 404, "not_found")
    refused = scene.app.test_client().post("/api/v1/courses", headers=authorization(), json={})
    problem(refused, 405, "method_not_allowed")
    assert "GET" in refused.headers["Allow"]
