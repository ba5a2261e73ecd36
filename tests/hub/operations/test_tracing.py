"""Traces: what an operator sees of a statement's way, and that nothing of a person or a secret is in them."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import orjson
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_httpserver import HTTPServer

from hub.application import create_app
from hub.jp import recognition
from hub.operations import otel, tracing
from hub.runtime import Hub
from hub.settings import SettingsError
from hub.systems import credentials
from lrs.database import Database
from recognizedtest import NIP, World, account, linked_world, statement

SECRET = "geheim-geheim-geheim-geheim"


@pytest.fixture
def traced(db: Database) -> Iterator[tuple[World, Hub, InMemorySpanExporter]]:
    """A hub whose spans are kept here, as they would be sent."""
    world, learner = linked_world(db)
    world.link(learner, account(NIP))
    world.settle()
    exporter = InMemorySpanExporter()
    traces = otel.Traces(db, SimpleSpanProcessor(otel.Chosen(exporter)))
    yield world, replace(world.hub, trace=traces), exporter
    traces.close()


def told(spans: tuple[ReadableSpan, ...]) -> str:
    """Everything that would leave the process."""
    return " ".join(f"{span.to_json()}" for span in spans)


def test_a_statement_and_its_recomputation_are_traced_without_names_or_secrets(
    traced: tuple[World, Hub, InMemorySpanExporter], httpserver: HTTPServer
) -> None:
    world, hub, exporter = traced
    world.db.run(
        lambda conn: credentials.add(
            conn, hub, "lms", by="test", key="lms", secret=SECRET, connector="asn-unggul", scopes=["all"]
        )
    )
    basic = base64.b64encode(f"lms:{SECRET}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "X-Experience-API-Version": "1.0.3"}
    actor = {"account": {"homePage": "https://lms.example.go.id", "name": NIP}}
    client = create_app(hub).test_client()
    httpserver.expect_request("/jwks").respond_with_json({})
    exporter.clear()

    posted = client.post("/xapi/statements", json=statement(actor=actor), headers=headers)
    client.get("/xapi/statements", query_string={"agent": orjson.dumps(actor).decode()}, headers=headers)
    client.get(f"/no/such/{NIP}?token={SECRET}")
    client.get(f"/api/v1/learners/{NIP}/jp", headers=headers)
    with hub.new_session(internal=True) as session:
        session.get(httpserver.url_for(f"/jwks?access_token={SECRET}&nip={NIP}"))
    recognition.drain(hub)

    assert posted.status_code == 200
    spans = exporter.get_finished_spans()
    by_name = {span.name: span for span in spans}
    request, recompute = by_name["POST /xapi/statements"], by_name["recompute"]
    assert by_name["store"].parent.span_id == request.context.span_id
    assert by_name["store"].attributes["wkmb.statements"] == 1
    assert request.attributes["http.status_code"] == 200
    assert recompute.attributes["wkmb.wake_ups"] == 1
    for parent in (request, recompute):
        below = [span for span in spans if span.parent and span.parent.span_id == parent.context.span_id]
        assert any("SELECT" in str(span.attributes.get("db.statement")) for span in below)
    outgoing = next(span for span in spans if span.attributes.get("server.address") == "localhost")
    assert outgoing.attributes["http.status_code"] == 200
    assert "GET /api/v1/learners/<nip>/jp" in {name.replace("<string:", "<") for name in by_name}
    assert "GET" in by_name
    for private in (NIP, SECRET, basic, "access_token", "Budi"):
        assert private not in told(spans), private


def test_of_an_error_only_its_kind_is_told(traced: tuple[World, Hub, InMemorySpanExporter]) -> None:
    _, hub, exporter = traced

    with pytest.raises(ValueError, match="secret"), hub.trace.span("work", connector=3):
        raise ValueError(f"secret {SECRET} of {NIP}")

    [span] = [span for span in exporter.get_finished_spans() if span.name == "work"]
    assert [event.attributes for event in span.events] == [{"exception.type": "ValueError"}]
    assert not span.status.is_ok
    assert "secret" not in told((span,))


def test_without_traces_nothing_of_them_is_loaded() -> None:
    """A hub that does not trace pays nothing for it, and needs no package for it."""
    code = "import sys, hub.application, hub.worker; print([n for n in sys.modules if n.startswith('opentelemetry')])"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said.strip() == "[]"


def test_traces_without_their_packages_are_refused_by_name(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_is_installed", lambda: False)

    with pytest.raises(SettingsError, match=r"WKMB_TRACES is on.*wkmb-hub\[otel\]"):
        tracing.start(replace(hub.settings, traces=True), hub.db)
