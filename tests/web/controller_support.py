"""A tree with a dispatcher and no server, and requests made by hand."""

from __future__ import annotations

from typing import Any

from circuits import BaseComponent, Manager, Value, handler
from circuits.web import wrappers
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.events import Request

#: Turns after which whatever still goes on is taken for endless.
TURNS = 200


class Outcome:
    """What became of one request: result, response, and the errors that were fired for it."""

    def __init__(self, request: wrappers.Request) -> None:
        self.request = request
        self.response = wrappers.Response(request)
        self.errors: list[Any] = []
        self.value = Value()

    @property
    def result(self) -> Any:
        return self.value.value

    @property
    def code(self) -> int:
        """The status code that an HTTP component would send."""
        if self.errors:
            return int(self.errors[0].code)
        if self.value.errors:
            return int(getattr(self.value.exceptions[0], "code", 500))
        if self.result is None:
            return 404
        return self.response.code


class Site(BaseComponent):
    """Root of a tree with a dispatcher: what a test asks."""

    channel = "web"

    def __init__(self, *controllers: Manager) -> None:
        super().__init__()
        self.dispatcher = Dispatcher().register(self)
        self.outcomes: dict[int, Outcome] = {}
        self.raised: list[tuple[Any, Any, Any]] = []  # exception, event name, handler name
        for controller in controllers:
            controller.register(self)  # type: ignore[attr-defined]
        self.settle()

    def settle(self) -> None:
        engine = self._tree_engine
        for _ in range(TURNS):
            if not engine.queue and not engine.tasks.ready and not engine.tasks.polled:
                return
            self.tick(0)
        raise AssertionError(f"still busy after {TURNS} turns")

    def begin(
        self, path: str, qs: str = "", method: str = "GET", body: Any = None, **headers: str
    ) -> Outcome:
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        request = wrappers.Request(None, method, "http", path, (1, 1), qs, pairs)
        if body is not None:
            request.body = body
        outcome = Outcome(request)
        self.outcomes[id(request)] = outcome
        outcome.value = self.fire(Request(request, outcome.response))
        return outcome

    def ask(self, path: str, qs: str = "", method: str = "GET", **kwargs: Any) -> Outcome:
        outcome = self.begin(path, qs, method, **kwargs)
        self.settle()
        return outcome

    @handler("httperror")
    def _on_httperror(self, event: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        self.outcomes[id(request)].errors.append(event)

    @handler("error", channel="*")
    def _on_error(self, event: Any, kind: Any, problem: Any, lines: Any, method: Any) -> None:
        self.raised.append((problem, event.fevent and event.fevent.name, method.__name__))
