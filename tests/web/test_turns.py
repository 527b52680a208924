"""Clients that send very much in little: others get their turn in between."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from circuits import sleep
from circuits.net.sockets import Read
from circuits.testing import settle
from circuits.web import Controller, expose
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import MemoryServer, get, parse, serving

# A share is bounded by time, too: not in these, however slow the machine is.
pytestmark = pytest.mark.usefixtures("virtual_clock")

_BITS = (
    get("/", "Transfer-Encoding: chunked", method="POST") + b"1\r\nx\r\n" * 30_000 + b"0\r\n\r\n"
)
_STREAMED = _BITS.replace(b"POST /", b"POST /streamed", 1)


class Root(Controller):
    def index(self) -> str:
        return f"{len(self.request.body.read())}"

    def late(self) -> Generator[Any, Any, None]:
        yield sleep(0)
        yield "late"

    @expose(stream=True)
    def streamed(self) -> Generator[Any, Any, None]:
        size = 0
        while piece := (yield self.request.body.read(65536)):
            size += len(piece)
        yield f"{size}"


def _send_together(server: MemoryServer, *data: bytes) -> list[Any]:
    clients = [server.connect() for _ in data]
    for client, what in zip(clients, data, strict=True):
        server.fire(Read(client.sock, what))
    settle(server)
    return clients


@pytest.mark.parametrize(
    ("flood", "body", "before"),
    [
        (_BITS, b"30000", 0),
        (_STREAMED, b"30000", 0),
        (get() * 1000, b"0", 64),
        (get("/late") * 1000, b"late", 64),
    ],
)
def test_who_comes_behind_a_flood_waits_for_a_part_of_it(
    flood: bytes, body: bytes, before: int
) -> None:
    with serving(Dispatcher(), Root()) as server:
        first, second, guest = _send_together(server, flood, flood, get())
        order = [sock for sock, _ in server.server.writes]
        assert order.index(guest.sock) <= 2 * before
        assert order.index(guest.sock) < order.index(second.sock) + before
        for client in (first, second):
            assert {reply.body for reply in parse(client.received)} == {body}
            assert len(parse(client.received)) == (1000 if before else 1)
            assert client.sock not in server.server.held
            assert client.get("/").body == b"0"
        assert server.http.budget.spare_bytes == server.http.limits.buffered_bytes


def test_who_waits_for_its_turn_is_not_read() -> None:
    with serving(Dispatcher(), Root()) as server:
        client = server.connect()
        settle(server)
        connection = server.http._connections[client.sock]
        connection.receive_data(get() * 100)
        assert client.sock in server.server.held
        assert len(parse(client.received)) == 32
        connection.receive_data(get())  # what was read before it was held
        settle(server)
        assert len(parse(client.received)) == 101
        assert client.sock not in server.server.held


def test_who_leaves_while_it_waits_is_forgotten() -> None:
    with serving(Dispatcher(), Root()) as server:
        client = server.connect()
        settle(server)
        connection = server.http._connections[client.sock]
        connection.receive_data(get() * 100)
        client.leave()
        assert len(parse(client.received)) == 32


def test_who_ends_while_it_waits_gets_all() -> None:
    with serving(Dispatcher(), Root()) as server:
        client = server.connect()
        settle(server)
        connection = server.http._connections[client.sock]
        connection.receive_data(get() * 100)
        assert client.end()
        assert len(parse(client.received)) == 100
        assert client.is_closed


def test_a_few_requests_and_pieces_wait_for_nobody() -> None:
    with serving(Dispatcher(), Root()) as server:
        client = server.connect()
        settle(server)
        upload = b"400\r\n" + b"x" * 1024 + b"\r\n"
        head = get("/", "Transfer-Encoding: chunked", method="POST")
        server.http._connections[client.sock].receive_data(
            get() * 16 + head + upload * 60 + b"0\r\n\r\n"
        )
        assert len(parse(client.received)) == 17
        assert client.sock not in server.server.held
