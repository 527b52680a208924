"""Requests whose bodies are read as they arrive: names, defaults, and what a user relies on."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import Any

import pytest

from circuits import Component, handler
from circuits.web import Controller, Limits, expose
from circuits.web._request_body import BodyStream
from circuits.web.dispatchers import Dispatcher
from circuits.web.http import HTTP
from tests.web.http_support import get, serving


class Root(Controller):
    @expose(stream=True)
    async def upload(self, name: str) -> str:
        size = 0
        async for piece in self.request.body:
            size += len(piece)
        return f"{name}: {size}"

    @expose(stream=True)
    def first(self) -> Any:
        return (yield self.request.body.read(3))


class Sink(Component):
    channel = "web"

    @handler("request", stream=True)
    def _on_request(self, request: Any, response: Any) -> Any:
        total = 0
        while piece := (yield request.body.read(65536)):
            total += len(piece)
        yield f"{total}"


@pytest.mark.parametrize(
    ("target", "body"), [("/upload?name=a", b"a: 5"), ("/first", b"abc"), ("/other", b"5")]
)
def test_the_program_of_the_page_on_the_web(target: str, body: bytes) -> None:
    with serving(Dispatcher(), Root(), Sink()) as server:
        client = server.connect()
        client.feed(get(target, "Content-Length: 5", method="POST"))
        assert client.ask(b"abc", b"de").body == body


def test_a_body_can_be_read_and_iterated() -> None:
    assert list(inspect.signature(BodyStream.read).parameters) == ["self", "size"]
    assert inspect.signature(BodyStream.read).parameters["size"].default == -1
    body = BodyStream.of(b"x")
    assert isinstance(body.read(1), Awaitable)
    assert body.__aiter__() is body


def test_the_limit_has_a_name_and_a_default() -> None:
    assert Limits.stream_buffer_bytes == 256 * 1024
    assert "stream_buffer_bytes" in (Limits.__doc__ or "")
    assert HTTP(stream_buffer_bytes=1).limits.stream_buffer_bytes == 1


def test_a_dispatcher_knows_which_methods_stream() -> None:
    assert list(inspect.signature(Dispatcher.wants_stream).parameters) == ["self", "request"]
