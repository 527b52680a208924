"""The programs of the manual's chapter on circuits.web, in the same shape, served for real.

Only the port differs: 0 takes a free one.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from circuits import BaseComponent, Component, handler
from circuits.core.manager import Manager
from circuits.net.sockets import TCPServer
from circuits.web import BaseServer, Controller, Server
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.http import HTTP

pytestmark = pytest.mark.integration

SECONDS = 10.0


@pytest.fixture
def serve() -> Iterator[Callable[[Manager], Callable[..., tuple[int, str]]]]:
    """Runs an application in a thread; gives a function that asks it for a path."""
    started: list[Manager] = []
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def start(app: Manager) -> Callable[..., tuple[int, str]]:
        server = next(c for c in _walk(app) if isinstance(c, BaseServer))
        app.start()
        started.append(app)

        def ask(path: str = "/", data: bytes | None = None) -> tuple[int, str]:
            try:
                with opener.open(server.base + path, data, timeout=SECONDS) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as problem:
                with problem:
                    return problem.code, problem.read().decode()

        return ask

    yield start
    for app in started:
        app.stop()
        app.join()


def _walk(node: Manager) -> Iterator[Manager]:
    yield node
    for child in node.components:
        yield from _walk(child)


def test_the_overview_serves_from_a_component(
    serve: Callable[[Manager], Callable[..., tuple[int, str]]],
) -> None:
    class Greeter(Component):
        def request(self, request, response):  # type: ignore[no-untyped-def]
            return "Good morning!"

    ask = serve(BaseServer(0) + Greeter())
    assert ask("/") == (200, "Good morning!")
    assert ask("/whatever?else=1", b"data") == (200, "Good morning!")


def test_getting_started_serves_from_a_controller(
    serve: Callable[[Manager], Callable[..., tuple[int, str]]],
) -> None:
    class Site(Controller):
        def index(self):  # type: ignore[no-untyped-def]
            return "Good evening!"

    ask = serve(Server(0) + Site())
    assert ask("/") == (200, "Good evening!")
    assert ask("/index") == (200, "Good evening!")
    assert ask("/nothing/here")[0] == 404


def test_a_server_has_the_parts_that_are_described() -> None:
    server = Server(0)
    try:
        parts = [type(part) for part in _walk(server)]
        assert parts.count(TCPServer) == parts.count(HTTP) == parts.count(Dispatcher) == 1
        assert {part.channel for part in _walk(server) if isinstance(part, BaseComponent)} == {
            "web"
        }
        bare = BaseServer(0)
        assert Dispatcher not in {type(part) for part in _walk(bare)}
        _end(bare)
    finally:
        _end(server)


def _end(server: BaseServer) -> None:
    """Close its socket, as at the end of a program."""
    app = Manager()
    server.register(app)
    server.unregister()
    for _ in range(6):
        app.tick(0)


def test_the_events_of_a_request_are_those_that_are_described(
    serve: Callable[[Manager], Callable[..., tuple[int, str]]],
) -> None:
    seen: list[str] = []

    class Watcher(Component):
        channel = "web"

        def read(self, sock, data):  # type: ignore[no-untyped-def]
            seen.append("read")

        def request(self, request, response):  # type: ignore[no-untyped-def]
            seen.append("request")

        def request_success(self, evt, value):  # type: ignore[no-untyped-def]
            seen.append("request_success")

        def response(self, response):  # type: ignore[no-untyped-def]
            seen.append("response")

        @handler("write", priority=1)  # before the client can have it
        def write(self, sock, data):  # type: ignore[no-untyped-def]
            seen.append("write")

    class Site(Component):
        channel = "web"

        def request(self, request, response):  # type: ignore[no-untyped-def]
            return "body"

    assert serve(BaseServer(0) + Watcher() + Site())("/") == (200, "body")
    assert list(dict.fromkeys(seen)) == [
        "read",
        "request",
        "request_success",
        "response",
        "write",
    ]


def test_a_handler_may_return_an_error(
    serve: Callable[[Manager], Callable[..., tuple[int, str]]],
) -> None:
    class Site(Controller):
        def index(self):  # type: ignore[no-untyped-def]
            return self.forbidden()

    code, page = serve(Server(0) + Site())("/")
    assert code == 403
    assert "Forbidden" in page
