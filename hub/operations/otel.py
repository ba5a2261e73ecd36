"""OpenTelemetry behind `hub.operations.tracing`; imported only where traces are wanted.

Exporter, sampler, service name and propagators are set by the standard ``OTEL_`` variables, which the SDK reads itself.

What leaves the process is chosen, not filtered: the instrumentations record whole addresses with their queries, client
addresses and messages of exceptions, in which tokens and NIPs stand. Only the attributes of `KEPT` and our own pass,
each with NIPs masked; of an exception only its type does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import flask
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status

from hub.operations.logs import mask
from lrs.database import Database

#: Attributes that name no person and hold no secret. Statements of SQL stand with their placeholders.
KEPT = frozenset(
    {
        "http.method", "http.request.method", "http.status_code", "http.response.status_code", "http.route",
        "http.scheme", "url.scheme", "error.type", "exception.type", "db.system", "db.system.name", "db.name",
        "db.namespace", "db.statement", "db.query.text", "db.operation", "db.operation.name", "server.address",
    }
)  # fmt: skip
_OWN = "wkmb."

#: Paths that are asked every few seconds, and files.
_NOT_WATCHED = "healthz,readyz,metrics,static"


def start(db: Database) -> Traces:
    """Traces that are sent over OTLP to where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says."""
    return Traces(db, BatchSpanProcessor(Chosen(OTLPSpanExporter())))


class Traces:
    """The spans of one process. The instrumentations of requests and SQLAlchemy are the process's: there is one of
    these at a time."""

    def __init__(self, db: Database, processor: SpanProcessor) -> None:
        named = Resource.create({SERVICE_NAME: "wkmb-hub"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=named)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("hub")
        # It refuses SQLAlchemy 2.1 by its version alone and then traces nothing; with the engines named it works.
        SQLAlchemyInstrumentor().instrument(
            engines=list(db.engines), tracer_provider=self._provider, skip_dep_check=True
        )
        RequestsInstrumentor().instrument(tracer_provider=self._provider, skip_dep_check=True)

    @contextmanager
    def span(self, name: str, **attributes: str | int) -> Iterator[None]:
        """See `hub.operations.tracing.Tracing`."""
        with self._tracer.start_as_current_span(name, attributes={f"{_OWN}{n}": v for n, v in attributes.items()}):
            yield

    def watch_app(self, app: flask.Flask) -> None:
        """See `hub.operations.tracing.Tracing`."""
        instrument: Any = FlaskInstrumentor.instrument_app  # It has no types.
        instrument(app, tracer_provider=self._provider, excluded_urls=_NOT_WATCHED)

    def close(self) -> None:
        """Send what waits, and leave requests and SQLAlchemy as they were."""
        self._provider.shutdown()
        RequestsInstrumentor().uninstrument()
        SQLAlchemyInstrumentor().uninstrument()


class Chosen(SpanExporter):
    """Hands on what is chosen of each span."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Of each span what may leave the process."""
        return self._exporter.export([_chosen(span) for span in spans])

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have it send what it holds."""
        return self._exporter.force_flush(timeout_millis)


def _chosen(span: ReadableSpan) -> ReadableSpan:
    attributes = dict(span.attributes or {})
    if span.kind is SpanKind.CLIENT:
        url = str(attributes.get("http.url", attributes.get("url.full", "")))
        if host := urlsplit(url).hostname:
            attributes["server.address"] = host
    return ReadableSpan(
        name=_name(span, attributes),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_kept(attributes),
        events=[Event(event.name, _kept(event.attributes or {}), event.timestamp) for event in span.events],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _name(span: ReadableSpan, attributes: Mapping[str, Any]) -> str:
    """A request is called by its route: an address that no route has may hold anything."""
    if span.kind is not SpanKind.SERVER:
        return mask(span.name)
    method = attributes.get("http.method", attributes.get("http.request.method", "HTTP"))
    return f"{method} {attributes.get('http.route', '')}".rstrip()


def _kept(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: mask(value) if isinstance(value, str) else value
        for name, value in attributes.items()
        if name in KEPT or name.startswith(_OWN)
    }
