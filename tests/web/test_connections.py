"""How connections end: after an answer that came before the client had finished."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from circuits import BaseComponent, handler
from circuits._wire.http1 import Limits
from circuits.testing import Recorder, VirtualClock, settle
from tests.web.http_support import Client, MemoryServer, get, parse, serving

_TOO_LONG = get("/", "Content-Length: 100", method="POST")


class Hello(BaseComponent):
    channel = "web"

    @handler("request")
    def _on_request(self, request: Any, response: Any) -> str:
        response.close = request.path == "/close"
        return "hello"


@pytest.fixture
def server(virtual_clock: VirtualClock) -> Iterator[MemoryServer]:
    with serving(Hello(), limits=Limits(body_bytes=10)) as server:
        server.server.can_finish = True
        yield server


def _is_half_closed(client: Client) -> bool:
    return client.sock in client.server.server.half_closed


@pytest.mark.parametrize("request_", [_TOO_LONG, b"oops\r\n\r\n", get("/", "A: " + "x" * 70_000)])
def test_a_client_that_is_refused_is_heard_out(
    server: MemoryServer, virtual_clock: VirtualClock, request_: bytes
) -> None:
    client = server.connect()
    client.feed(request_)
    assert len(parse(client.received)) == 1
    assert _is_half_closed(client)
    client.feed(get("/"))
    assert not client.is_closed
    settle(server, until=virtual_clock.now + 4.9)
    assert not client.is_closed
    settle(server, until=virtual_clock.now + 0.2)
    assert client.is_closed
    assert len(parse(client.received)) == 1  # nobody answers what is not listened to
    assert server.http._connections == {}


def test_it_is_heard_up_to_a_limit(server: MemoryServer) -> None:
    client = server.connect()
    client.feed(_TOO_LONG)
    for _ in range(16):
        client.feed(b"x" * 1024 * 1024)
    assert not client.is_closed
    client.feed(b"x")
    assert client.is_closed


def test_a_client_that_leaves_meanwhile_is_forgotten(
    server: MemoryServer, virtual_clock: VirtualClock
) -> None:
    client = server.connect()
    client.feed(_TOO_LONG)
    assert not server.http.end_of_input(client.sock)
    client.leave()
    settle(server, until=virtual_clock.now + 10)
    assert not client.is_closed  # there was nothing left to close


def test_who_has_sent_another_request_is_heard_too(server: MemoryServer) -> None:
    client = server.connect()
    client.feed(get("/close") + get("/"))
    assert _is_half_closed(client)
    assert not client.is_closed


@pytest.mark.parametrize("tail", [b"", b"x"])
def test_who_has_finished_is_not_waited_for(server: MemoryServer, tail: bytes) -> None:
    client = server.connect()
    if tail:
        client.feed(b"oops")
        server.http.end_of_input(client.sock)
        settle(server)
    else:
        client.feed(get("/close"))
    assert client.is_closed
    assert not _is_half_closed(client)


def test_a_transport_that_cannot_is_closed_at_once(server: MemoryServer) -> None:
    server.server.can_finish = False
    client = server.connect()
    client.feed(_TOO_LONG)
    assert client.is_closed


def test_the_answer_goes_before_the_half_close(server: MemoryServer) -> None:
    # With somebody listening, writes go through the queue.
    Recorder("write").register(server)
    client = server.connect()
    client.feed(_TOO_LONG)  # the transport refuses what is written after it
    assert _is_half_closed(client)
    assert len(client.writes) == 1


def test_a_stop_does_not_listen(server: MemoryServer) -> None:
    client = server.connect()
    client.feed(_TOO_LONG)
    server.stop()
    settle(server)
    assert client.is_closed


def test_a_connection_whose_reading_was_paused_is_read(server: MemoryServer) -> None:
    client = server.connect()
    settle(server)
    server.http._connections[client.sock].hold_reading()
    assert client.sock in server.server.held
    client.feed(_TOO_LONG)
    assert client.sock not in server.server.held


# -- ahead -----------------------------------------------------------------------------------------


class Later(BaseComponent):
    """Keeps requests waiting."""

    channel = "web"

    @handler("request")
    def _on_request(self, request: Any, response: Any) -> bool:
        return True


@pytest.mark.parametrize(("ahead", "is_held"), [(16, False), (17, True)])
def test_sixteen_requests_may_wait(ahead: int, is_held: bool) -> None:
    with serving(Later()) as server:
        server.stop_timeout = 0
        client = server.connect()
        client.feed(get() * 10, get() * (ahead - 9))
        assert (client.sock in server.server.held) is is_held


def test_many_that_come_at_once_are_enough_for_a_pause() -> None:
    with serving(Later()) as server:
        server.stop_timeout = 0
        client = server.connect()
        client.feed(get() * 18)
        assert client.sock in server.server.held
