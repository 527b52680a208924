"""circuits.app.otel: spans below the spans of what caused them."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from circuits import Component, Event, sleep
from circuits.app.otel import Spans
from circuits.core.errors import CircuitsError
from circuits.testing import VirtualClock, settle


class Ping(Event):
    """Something happened."""


class App(Component):
    channel = "app"

    def ping(self) -> Any:
        self.fire(Event.create("pong"))
        yield sleep(2)

    def pong(self) -> None:
        raise LookupError("gone")

    def error(self, *args: Any) -> None: ...


def test_spans_follow_causes() -> None:
    pytest.importorskip("opentelemetry")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    provider, kept = sdk.TracerProvider(), memory.InMemorySpanExporter()
    provider.add_span_processor(export.SimpleSpanProcessor(kept))
    with VirtualClock() as clock:
        app = App() + Spans(provider.get_tracer("tests"), limit=None)
        settle(app)
        kept.clear()
        app.fire(Ping())
        settle(app, until=clock.now + 3)
        spans = {span.name: span for span in kept.get_finished_spans()}
    ping, pong, error = spans["ping"], spans["pong"], spans["error"]
    assert ping.parent is None
    assert pong.parent.span_id == ping.context.span_id
    assert error.parent.span_id == pong.context.span_id
    assert ping.context.trace_id == error.context.trace_id
    assert (ping.end_time - ping.start_time) / 1e9 == pytest.approx(2, abs=0.2)
    assert ping.attributes["circuits.channels"] == ("app",)
    assert ping.attributes["circuits.handlers"] == ("App.ping",)
    assert ping.status.is_unset
    assert pong.status.description == "LookupError: gone"
    assert not pong.status.is_ok


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(CircuitsError, match=r"install circuits\[otel\]"):
        Spans()
