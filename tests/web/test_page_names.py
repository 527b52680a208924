"""Pages whose names are those of events that the framework fires or hears everywhere."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

import circuits
from circuits import BaseComponent, Event, handler
from circuits.core import events
from circuits.core.events import Error, Registered, Signal, Started, Stopped, Unregistered
from circuits.testing import Recorder, settle
from circuits.web import BaseController, Controller, JSONController, expose, routes
from circuits.web._exposed import _EVERYWHERE, event_name, page_name
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import Errors, Reply, get, serving

_NAMES = sorted(_EVERYWHERE)


def _subclasses(cls: type[Any]) -> list[type[Any]]:
    below: list[type[Any]] = cls.__subclasses__()
    return [cls, *(found for sub in below for found in _subclasses(sub))]


def test_all_names_that_are_heard_everywhere_are_known() -> None:
    for module in pkgutil.walk_packages(circuits.__path__, "circuits."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    heard = {
        name
        for cls in _subclasses(BaseComponent)
        if cls.__module__.startswith("circuits.")
        for value in vars(cls).values()
        if getattr(value, "handler", False) is True and value.channel == "*"
        for name in value.names
        if name != "*"
    }
    assert heard
    assert heard <= _EVERYWHERE
    catalogue = {
        cls._event_name
        for name in events.__all__
        if isinstance(cls := getattr(events, name), type)
        and issubclass(cls, Event)
        and cls not in (Event, events.LiteralEvent, events.DerivedEvent)
    }
    assert catalogue <= _EVERYWHERE


def test_names_there_and_back() -> None:
    for name in _EVERYWHERE:
        assert event_name(name) not in _EVERYWHERE
        assert event_name(event_name(name)) == event_name(name)
        assert page_name(event_name(name)) == name
        assert page_name(name) is None
    for name in ("index", "GET", "page:index", "test.txt", "page:"):
        assert page_name(event_name(name)) == name == event_name(name)


def _make(name: str, calls: list[Any], base: type[Any]) -> Any:
    def page(self: Any, *args: Any) -> Any:
        calls.append(args)
        return f"{name} {args}"

    page.__name__ = attribute = name
    if base is BaseController or hasattr(BaseController, name):
        attribute, page = "page", expose(name)(page)
    return type("Root", (base,), {attribute: page})()


class Everywhere(BaseComponent):
    """Hears events of one name, as components of the framework do."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.heard: list[Any] = []
        self.addHandler(handler(name, channel="*")(Everywhere.hear))

    def hear(self, *args: Any) -> None:
        self.heard.append(args)


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("base", [Controller, JSONController, BaseController])
@pytest.mark.parametrize("watch", [(), ("*",)])
@pytest.mark.usefixtures("handler_errors")
def test_a_page_of_that_name_is_a_page_only(name: str, base: Any, watch: tuple[str, ...]) -> None:
    calls: list[Any] = []
    root = _make(name, calls, base)
    others = Everywhere(name)
    with serving(Dispatcher(), root, others, *(Recorder(*watch) for _ in watch)) as server:
        assert calls == []
        heard = len(others.heard)
        client = server.connect()
        reply: Reply = client.get(f"/{name}/1")
        assert reply.code == 200
        assert calls == [("1",)]
        assert name == "generate_events" or len(others.heard) == heard
        assert client.get(f"/page:{name}/1").code == 404
        sent = [Started(root), Stopped(root), Signal(0, None), Registered(root, server)]
        for event in [*sent, Unregistered(root, server), Event.create(name)]:
            if name != "stopped" or not isinstance(event, Stopped):
                server.fire(event, "*", "/", root)
        settle(server)
        assert calls == [("1",)]


def test_a_failure_does_not_call_a_page() -> None:
    calls: list[Any] = []
    with serving(Dispatcher(), _make("error", calls, Controller), Errors()) as server:
        server.fire(Error(ValueError, ValueError(), []), "*")
        settle(server)
        assert server.connect().get("/error").code == 200
    assert calls == [()]


class Listens(Controller):
    """Handlers of the framework's events are no pages (contract: not reachable by URL)."""

    @handler("started", channel="*")
    def _on_started(self, *args: Any) -> None: ...

    @handler("registered")
    def _on_registered(self, request: Any, response: Any) -> str:
        return "reached"

    @handler("signal", "stopped", "error", channel="*")
    def _on_others(self, *args: Any) -> None: ...


@pytest.mark.parametrize("name", _NAMES)
def test_handlers_of_events_are_no_pages(name: str) -> None:
    with serving(Dispatcher(), Listens()) as server:
        assert server.connect().get(f"/{name}").code == 404


def test_a_page_that_was_defined_again() -> None:
    class Base(Controller):
        def started(self) -> str:
            return "base"

    class Root(Base):
        @expose("signal")
        @expose("started")
        def started(self) -> str:
            return "derived"

    with serving(Dispatcher(), Root()) as server:
        client = server.connect()
        assert client.get("/started").body == client.get("/signal").body == b"derived"
    assert {route.path for route in routes(Root)} == {"/started", "/signal"}


def test_a_websocket_of_that_name() -> None:
    class Root(Controller):
        @expose.websocket
        async def started(self, websocket: Any) -> None: ...

    with serving(Dispatcher(), Root()) as server:
        client = server.connect()
        client.feed(get("/started"))
        assert client.received.startswith(b"HTTP/1.1 4")
        assert b"websocket" in client.received.lower()
