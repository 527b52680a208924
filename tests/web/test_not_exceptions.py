"""What is raised where the server calls an application outside its handlers need be no ``Exception``.

Each such call is a place; whatever is raised there leaves the client with one answer or a closed
connection, and the loop running, unless it is what ends the program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import BaseComponent, handler
from circuits.testing import Recorder, settle
from tests.web.http_support import App, Errors, MemoryServer, Reply, get, parse, post

_KINDS = [ValueError, asyncio.CancelledError, GeneratorExit, SystemExit, KeyboardInterrupt]
_ENDERS = (SystemExit, KeyboardInterrupt)

Act = Callable[[App, Any, Any], Any]


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
    kind: type[BaseException], *parts: BaseComponent, watch: tuple[str, ...] = ()
) -> list[Reply]:
    """The answers; checks that the connection is closed, and who is still served."""
    server = MemoryServer(*parts, Errors(), *([Recorder(*watch)] if watch else []))
    server.stop_timeout = 0
    with server.running():
        client = server.connect()
        settle(server)
        client.feed(post(b"abc"))
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
    # With every page broken, the last resort is all that is left.
    is_unavailable = kind in _ENDERS and place not in (_page, _page_of_a_failure)
    assert reply.code == (503 if is_unavailable else 500)


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
