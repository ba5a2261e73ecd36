"""``/api/v1/openapi.json`` is valid OpenAPI 3.1, open to everybody, and true: whatever a client sends by it is answered
as it says. On both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema_rs import meta
from schemathesis import Case, GenerationMode

from apitest import NIP, Scene, authorization, course_row
from hub.application import create_app
from hub.runtime import Hub


@pytest.fixture
def scene(hub: Hub) -> Scene:
    """An employee with an entry, its reversal, and a course that misses something."""
    made = Scene(hub, create_app(hub))
    made.prepare()
    made.import_courses(course_row(1), course_row(2, requires="completed;passed"))
    statement = made.report()
    made.report(about=course_row(2)["id"])
    made.recognize()
    made.void(statement)
    made.recognize()
    return made


@pytest.fixture
def document(scene: Scene) -> Any:
    return scene.app.test_client().get("/api/v1/openapi.json").get_json()


@pytest.fixture
def api(scene: Scene) -> Any:
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", scene.app)


def test_the_document_is_open_and_names_its_security(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["securitySchemes"]) == {"basic", "bearer"}
    for path, item in document["paths"].items():
        assert path.startswith("/api/v1/")
        assert item["get"]["security"] == [{"basic": []}, {"bearer": []}]
        for status in ("401", "403", "422", "429"):
            assert "application/problem+json" in item["get"]["responses"][status]["content"]


def test_each_schema_is_one_and_each_reference_leads_somewhere(document: Any) -> None:
    schemas = document["components"]["schemas"]

    for schema in schemas.values():
        meta.validate(schema)
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def references(value: Any) -> Iterator[str]:
    """Every ``$ref`` inside."""
    if isinstance(value, dict):
        yield from (value["$ref"] for _ in range("$ref" in value))
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inside:
        yield from references(each)


OPERATIONS = (
    "learner_year", "learner_plans", "learner_certifications", "learner_competencies", "duties", "unit_needs", "entry",
    "statement", "courses", "course", "connectors", "policies", "policy",
)  # fmt: skip


LEARNERS = ("learner_year", "learner_plans", "learner_certifications", "learner_competencies")


def test_every_operation_is_tried(document: Any) -> None:
    assert {item["get"]["operationId"] for item in document["paths"].values()} == set(OPERATIONS)


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_api_keeps_to_its_document(api: Any, name: str, mode: GenerationMode) -> None:
    """Whatever fits the document, and what just does not."""

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(api.find_operation_by_id(name).as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        case.call_and_validate(headers=authorization())

    ask()


def test_what_is_there_is_answered_as_the_document_says(scene: Scene, api: Any) -> None:
    """Schemathesis guesses no NIP and no id: these are asked with real ones."""
    year = scene.year()
    entry = year["entries"][0]
    known = {
        **{key: {"nip": NIP} for key in LEARNERS},
        "entry": {"entry_id": entry["id"]},
        "statement": {"statement_id": entry["evidence"][0]},
        "course": {"course_id": 1},
        "policy": {"name": "perlan-10-2018"},
    }

    for found in api.get_all_operations():
        operation = found.ok()
        name = operation.definition.raw["operationId"]
        answer = operation.Case(path_parameters=known.get(name, {})).call_and_validate(headers=authorization())
        assert answer.status_code == 200, name
