"""Spans of OpenTelemetry, made of what the engine traces (extra ``otel``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core import _clock
from circuits.core._tracing import Tracing
from circuits.core.components import BaseComponent
from circuits.core.errors import CircuitsError
from circuits.core.handlers import handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core._direct import Direct
    from circuits.core._engine import Engine
    from circuits.core._tracing import Trace
    from circuits.core.events import BaseEvent

__all__ = ["Spans"]

#: Of how many events that have ended it is remembered which span they have, for those that they cause.
_REMEMBERED = 10_000


class Spans(BaseComponent):
    """Makes a span of each event that is traced, below that of the event that caused it.

    A span begins when the event is fired and ends when its last handler has; it is named after the
    event, and has the attributes ``circuits.event_id``, ``circuits.channels``, ``circuits.waited`` (the
    seconds until its turn came) and ``circuits.handlers``. What a handler raises makes it an error.
    Arguments of events are not in it.

    Args:
        tracer: What makes the spans, by default the tracer ``circuits`` of the global provider.
        limit: How many events a second are traced at most; ``None`` is all.
        **kwargs: For the component, such as ``channel``.

    Raises:
        CircuitsError: No tracer is given, and opentelemetry-api is not installed.

    .. versionadded:: 2.1
    """

    channel = "otel"
    chooses: Callable[[str, tuple[Any, ...]], bool] | None = None

    def __init__(self, tracer: Any = None, *, limit: int | None = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        try:
            from opentelemetry import trace
        except ModuleNotFoundError as problem:
            raise CircuitsError("spans need opentelemetry-api: install circuits[otel]") from problem
        self._api: Any = trace
        self._tracer = trace.get_tracer("circuits") if tracer is None else tracer
        self.limit = limit
        self._open: dict[int, Any] = {}  # of events that go on, and are there themselves
        self._spans: dict[int, Any] = {}
        self._offset = 0.0  # of the engine's clock from that of the wall

    def _tree_joined(self) -> None:
        tracing = Tracing.of(self._tree_engine)
        tracing.unsubscribe(self)
        tracing.subscribe(self)
        self._offset = _clock.wall() - _clock.now()

    def _tree_left(self, engine: Engine) -> None:
        Tracing.of(engine).unsubscribe(self)
        spans, self._open = self._open, {}
        self._spans.clear()
        for span in spans.values():
            span.end(end_time=self._nanoseconds(None))  # nobody tells when its event does

    @handler(False)
    def begun(self, trace: Trace, event: BaseEvent) -> None:
        """Begin a span."""
        parent = None
        if trace.parent is not None:
            parent = self._open.get(trace.parent) or self._spans.get(trace.parent)
        began = trace.queued if trace.queued is not None else trace.started
        context = None if parent is None else self._api.set_span_in_context(parent)
        span = self._tracer.start_span(
            trace.name[:200],
            context=context,
            start_time=self._nanoseconds(began),
            attributes={
                "circuits.event_id": trace.id,
                "circuits.channels": [str(channel)[:200] for channel in trace.channels],
            },
        )
        self._open[trace.id] = span

    @handler(False)
    def ended(self, trace: Trace) -> None:
        """End a span; what its event has fired may still begin, and finds it."""
        span = self._open.pop(trace.id, None)
        if span is None:
            return
        self._spans[trace.id] = span
        if len(self._spans) > _REMEMBERED:
            del self._spans[next(iter(self._spans))]
        if trace.queued is not None and trace.started is not None:
            span.set_attribute("circuits.waited", trace.started - trace.queued)
        handlers = [
            getattr(method, "__qualname__", repr(type(method))) for method, _ in trace.calls
        ]
        span.set_attribute("circuits.handlers", handlers)
        for text in trace.errors:
            span.add_event("exception", {"exception.message": text})
        if trace.errors:
            status = self._api.status
            span.set_status(status.Status(status.StatusCode.ERROR, trace.errors[0]))
        span.end(end_time=self._nanoseconds(trace.finished))

    @handler(False)
    def counted(
        self, events: dict[str, dict[Any, int]], calls: dict[Direct, int], deepest: int
    ) -> None:
        """Nothing is counted for this."""

    def _nanoseconds(self, moment: float | None) -> int:
        return int(((_clock.now() if moment is None else moment) + self._offset) * 1e9)
