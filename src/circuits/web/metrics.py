"""Figures of an application in the text format of Prometheus."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

from circuits.core._tracing import Tracing
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.core.utils import flatten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from circuits.core._direct import Direct
    from circuits.core._engine import Engine
    from circuits.core._tracing import Trace
    from circuits.core.events import BaseEvent

    from .wrappers import Request, Response

__all__ = ["Metrics"]

#: How many names of events are told apart; the rest are one, named "other".
_NAMES: Final = 500


class Metrics(BaseComponent):
    """Answers requests for figures, as Prometheus asks for them.

    They are: how long the queue is, how many handlers are suspended, how many components and connections
    there are, what handlers have raised, the processor time; and with ``events=True`` how many events
    and direct calls there were by name, for which the engine counts them, at about half a microsecond
    each. Figures of the application are added by ``gauges``.

    Handles ``request`` (priority 30). Whoever reaches the server may ask: put it where strangers do not, or
    before it a proxy that refuses the path.

    Args:
        path: Where it answers.
        events: Whether events are counted.
        gauges: By name, functions that give a number. They are called on the loop for each
            request, and must not wait; one that raises is left out.
        **kwargs: For the component, such as ``channel``.

    Raises:
        ValueError: A name is none that Prometheus takes.

    .. versionadded:: 2.1
    """

    channel = "web"
    limit: int | None = 0  # a subscriber that wants nothing traced
    chooses: Callable[[str, tuple[Any, ...]], bool] | None

    def __init__(
        self,
        path: str = "/metrics",
        *,
        events: bool = False,
        gauges: Mapping[str, Callable[[], float]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.gauges = dict(gauges or {})
        for name in self.gauges:
            if not (name.isascii() and name.isidentifier()):
                raise ValueError(f"a name of a gauge is like my_queue_length, not {name!r}")
        self.chooses = _nothing
        self._counts_events = events
        self._events: dict[str, list[int]] = {}
        self._errors: dict[str, int] = {}

    # -- what the engine tells --

    def _tree_joined(self) -> None:
        tracing = Tracing.of(self._tree_engine)
        tracing.unwatch(self._failed)
        tracing.watch(self._failed)
        if self._counts_events:
            tracing.unsubscribe(self)
            tracing.subscribe(self)

    def _tree_left(self, engine: Engine) -> None:
        tracing = Tracing.of(engine)
        tracing.unwatch(self._failed)
        tracing.unsubscribe(self)

    def _failed(
        self, method: Any, event: BaseEvent, problem: BaseException, trace: Trace | None
    ) -> None:
        name = type(problem).__name__
        name = name if name in self._errors or len(self._errors) < _NAMES else "other"
        self._errors[name] = self._errors.get(name, 0) + 1

    @handler(False)
    def begun(self, trace: Trace, event: BaseEvent) -> None:
        """Nothing is traced for this."""

    @handler(False)
    def ended(self, trace: Trace) -> None:
        """Nothing is traced for this."""

    @handler(False)
    def counted(
        self, events: dict[str, dict[Any, int]], calls: dict[Direct, int], deepest: int
    ) -> None:
        """So many events and calls, since the last time."""
        for name, by_channels in events.items():
            self._add(name, 0, sum(by_channels.values()))
        for door, number in calls.items():
            self._add(door.name, 1, number)

    def _add(self, name: str, which: int, number: int) -> None:
        if name not in self._events and len(self._events) >= _NAMES:
            name = "other"
        self._events.setdefault(name, [0, 0])[which] += number

    # -- who asks --

    @handler("request", priority=30, filter=True)
    def _on_request(self, request: Request, response: Response, *peer_cert: Any) -> Any:
        if request.path != self.path:
            return None
        if request.method not in ("GET", "HEAD"):
            response.headers["Allow"] = "GET, HEAD"
            response.code = 405
            return response
        response.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
        response.headers["Cache-Control"] = "no-store"
        response.body = self.text()
        return response

    def text(self) -> str:
        """All figures, as they are now."""
        engine = self._tree_engine
        if self._counts_events:
            Tracing.of(engine).flush_counts()
        nodes = list(flatten(self.root))
        connections = 0
        for node in nodes:
            if (tell := getattr(node, "_connection_rows", None)) is not None:
                connections += tell(0)[0]
        lines: list[str] = []
        for name, what, value in (
            ("queue_length", "Events that wait for their turn.", len(engine.queue)),
            ("suspended_handlers", "Handlers that wait for something.", len(engine.tasks)),
            ("components", "Components of the tree.", len(nodes)),
            ("connections", "Connections of servers and clients.", connections),
        ):
            lines += _family(f"circuits_{name}", what, "gauge", [("", value)])
        lines += _family(
            "circuits_errors_total",
            "What handlers have raised.",
            "counter",
            [(_label(exception=name), count) for name, count in sorted(self._errors.items())],
        )
        if self._counts_events:
            for position, name, what in (
                (0, "events", "dispatched"),
                (1, "calls", "called directly"),
            ):
                lines += _family(
                    f"circuits_{name}_total",
                    f"Events that were {what}.",
                    "counter",
                    [
                        (_label(event=event), counts[position])
                        for event, counts in sorted(self._events.items())
                    ],
                )
        lines += _family(
            "process_cpu_seconds_total",
            "Processor time of the process.",
            "counter",
            [("", time.process_time())],
        )
        lines += self._of_application()
        lines += _family(
            "python_info",
            "The Python that runs this.",
            "gauge",
            [(_label(version=sys.version.split()[0]), 1)],
        )
        return "\n".join(lines) + "\n"

    def _of_application(self) -> Iterator[str]:
        for name, gauge in self.gauges.items():
            try:
                value = float(gauge())
            except Exception:  # of an application: the other figures count all the same
                continue
            yield from _family(name, "Of the application.", "gauge", [("", value)])


def _nothing(name: str, channels: tuple[Any, ...]) -> bool:
    return False


def _family(name: str, what: str, kind: str, samples: list[tuple[str, float]]) -> list[str]:
    head = [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
    return [*head, *(f"{name}{label} {value!r}" for label, value in samples)]


def _label(**labels: str) -> str:
    parts = []
    for name, value in labels.items():
        text = value[:200].replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        parts.append(f'{name}="{text}"')
    return "{" + ",".join(parts) + "}"
