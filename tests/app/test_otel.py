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


def test_every_span_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    monkeypatch.setattr("circuits.app.otel._REMEMBERED", 10)
    provider, kept = sdk.TracerProvider(), memory.InMemorySpanExporter()
    provider.add_span_processor(export.SimpleSpanProcessor(kept))

    class Busy(Component):
        def short(self) -> None: ...

        def long(self) -> Any:
            yield sleep(5)
            self.fire(Event.create("late"))

        def longer(self) -> Any:
            yield sleep(500)

    with VirtualClock() as clock:
        spans = Spans(provider.get_tracer("tests"), limit=None)
        app = Busy() + spans
        settle(app)
        app.fire(Event.create("long"))
        app.fire(Event.create("longer"))
        settle(app)
        for _ in range(100):  # each with a tree of its own
            app.fire(Event.create("short"))
            settle(app)
        settle(app, until=clock.now + 6)
        by_name = {span.name: span for span in kept.get_finished_spans()}
        assert (by_name["long"].end_time - by_name["long"].start_time) / 1e9 == pytest.approx(5)
        assert by_name["late"].parent.span_id == by_name["long"].context.span_id
        assert "longer" not in by_name
        assert len(spans._spans) == 10
        spans.unregister()
        settle(app)
        assert "longer" in {span.name for span in kept.get_finished_spans()}
        assert not spans._open


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(CircuitsError, match=r"install circuits\[otel\]"):
        Spans()
