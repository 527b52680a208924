"""What is raised where the server calls an application outside its handlers need be no ``Exception``.

Each such call is a place; whatever is raised there leaves the client with one answer or a closed
connection, and the loop running, unless it is what ends the program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import BaseComponent, handler, sleep
from circuits.testing import Recorder, settle
from circuits.web import Controller, error_page
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import App, Errors, MemoryServer, Reply, get, parse, post

_KINDS = [ValueError, asyncio.CancelledError, GeneratorExit, SystemExit, KeyboardInterrupt]
_ENDERS = (SystemExit, KeyboardInterrupt)


class Chooser(App):
    """Says whether it wants bodies as they arrive, or fails to."""

    def __init__(self, kind: type[BaseException]) -> None:
        super().__init__("hello")
        self._kind = kind

    def wants_stream(self, request: Any) -> bool:
        raise self._kind


class Odd:
    """Nothing can be asked of it."""

    def __init__(self, kind: type[BaseException]) -> None:
        self._kind = kind

    @property
    def read(self) -> Any:
        raise self._kind

    def __iter__(self) -> Iterator[bytes]:
        raise self._kind


class Unclosable:
    """A file that cannot be closed."""

    def __init__(self, kind: type[BaseException]) -> None:
        self._kind = kind

    def read(self, size: int = -1) -> bytes:
        return b""

    def close(self) -> None:
        raise self._kind


class Pages(BaseComponent):
    channel = "web"

    def __init__(self, page: Any) -> None:
        super().__init__()
        self._page = page

    @handler("httperror", priority=2, filter=True)
    def _on_httperror(self, *args: Any, **kwargs: Any) -> Any:
        return self._page


def _chooser(kind: type[BaseException]) -> list[BaseComponent]:
    return [Chooser(kind)]


def _result(kind: type[BaseException]) -> list[BaseComponent]:
    return [App(lambda app, request, response: Odd(kind))]


def _late_result(kind: type[BaseException]) -> list[BaseComponent]:
    def act(app: App, request: Any, response: Any) -> Iterator[Any]:
        yield None
        yield Odd(kind)

    return [App(act)]


def _body(kind: type[BaseException]) -> list[BaseComponent]:
    def act(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        response._body = Odd(kind)
        return response

    return [App(act)]


def _replaced_body(kind: type[BaseException]) -> list[BaseComponent]:
    def act(app: App, request: Any, response: Any) -> Any:
        response.body = Unclosable(kind)
        return "hello"

    return [App(act)]


def _page(kind: type[BaseException]) -> list[BaseComponent]:
    return [Pages(Odd(kind))]


def _page_of_a_failure(kind: type[BaseException]) -> list[BaseComponent]:
    return [Pages(Odd(kind)), App(lambda app, request, response: 1 / 0)]


_PLACES = [_chooser, _result, _late_result, _body, _replaced_body, _page, _page_of_a_failure]


def _ask(
    kind: type[BaseException],
    *parts: BaseComponent,
    watch: tuple[str, ...] = (),
    target: str = "/",
) -> list[Reply]:
    """The answers; checks that the connection is closed, and who is still served."""
    server = MemoryServer(*parts, Errors(), *([Recorder(*watch)] if watch else []))
    server.stop_timeout = 0
    with server.running():
        client = server.connect()
        settle(server)
        client.feed(post(b"abc", target=target))
        settle(server)
        assert client.is_closed
        assert not server.http._connections
        assert bool(server.running) is (kind not in _ENDERS)
        return parse(client.received)


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("watch", [(), ("request", "response", "httperror"), ("write",)])
def test_whatever_is_raised_the_client_gets_one_answer(
    place: Any, kind: type[BaseException], watch: tuple[str, ...]
) -> None:
    (reply,) = _ask(kind, *place(kind), watch=watch)
    assert reply.code == (503 if kind in _ENDERS else 500)


class Filters(BaseComponent):
    """Raises while the page of an error is made, or a response is sent."""

    channel = "web"

    def __init__(self, kind: type[BaseException], name: str, way: str, **options: Any) -> None:
        super().__init__()
        self._kind = kind
        self.addHandler(handler(name, **options)(getattr(Filters, way)))

    def plain(self, *args: Any, **kwargs: Any) -> Any:
        raise self._kind

    def generator(self, *args: Any, **kwargs: Any) -> Any:
        yield None
        raise self._kind

    async def coroutine(self, *args: Any, **kwargs: Any) -> Any:
        await sleep(0)
        raise self._kind


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("way", ["plain", "generator", "coroutine"])
@pytest.mark.parametrize("options", [{"filter": True, "priority": 2}, {"priority": 2}, {}])
@pytest.mark.parametrize("name", ["httperror", "response"])
def test_who_makes_pages_raises(
    name: str, options: dict[str, Any], way: str, kind: type[BaseException]
) -> None:
    app = App(lambda app, request, response: 1 / 0)
    replies = _ask(kind, Filters(kind, name, way, **options), app)
    assert len(replies) == 1
    if kind in _ENDERS and name == "httperror" and options.get("filter"):
        assert replies[0].code == 503
    else:
        assert replies[0].code in (500, 503)


class Root(Controller):
    def __init__(self, kind: type[BaseException]) -> None:
        super().__init__()
        self._kind = kind

    @error_page(404)
    def _missing(self, error: Any) -> Any:
        raise self._kind

    @error_page(405)
    async def _refused(self, error: Any) -> Any:
        raise self._kind

    def GET(self) -> str:
        return "index"


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("target", ["/nowhere", "/"])
def test_a_page_of_a_controller_raises(target: str, kind: type[BaseException]) -> None:
    (reply,) = _ask(kind, Dispatcher(), Root(kind), target=target)
    assert reply.code == (503 if kind in _ENDERS else 500)


class Pieces:
    """One piece, and then no end."""

    def __init__(self, kind: type[BaseException]) -> None:
        self._pieces = iter([b"some"])
        self._kind = kind

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise self._kind


def _asynchronous(kind: type[BaseException]) -> Any:
    async def pieces() -> Any:
        yield b"some"
        raise kind

    return pieces()


@pytest.mark.parametrize("kind", [*_KINDS])
@pytest.mark.parametrize("make", [Pieces, _asynchronous])
def test_a_body_that_breaks_off_has_no_end(make: Any, kind: type[BaseException]) -> None:
    def act(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        response.body = make(kind)
        return response

    (reply,) = _ask(kind, App(act))
    assert reply.body == b"some"
    assert not reply.is_whole


@pytest.mark.parametrize("kind", _KINDS)
def test_a_body_that_cannot_be_closed_has_no_second_answer(kind: type[BaseException]) -> None:
    server = MemoryServer(App(lambda app, request, response: Unclosable(kind)), Errors())
    server.stop_timeout = 0
    with server.running():
        client = server.connect()
        settle(server)
        client.feed(get("/", "Connection: close"))
        assert client.is_closed
        assert len(parse(client.received)) == 1
