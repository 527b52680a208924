from __future__ import annotations

import gzip
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import Component, Event
from circuits.testing import VirtualClock, settle
from circuits.web.client import (
    Client,
    ClientTimeout,
    ConnectError,
    NotConnected,
    ProtocolError,
    Request,
    StatusError,
    TooManyRedirects,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A server on a port of this machine, written by hand; the test is its loop."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.answer: Callable[[bytes], bytes | None] = lambda request: OK

    def turn(self) -> None:
        try:
            sock, _ = self.listener.accept()
        except OSError:
            pass
        else:
            sock.setblocking(False)
            self.connections.append(sock)
        for sock in list(self.connections):
            try:
                data = sock.recv(65536)
            except OSError:
                continue
            if data:
                self.requests.append(data)
                answer = self.answer(data)
                if answer is None:
                    sock.close()
                else:
                    sock.sendall(answer)

    def until(self, done: Callable[[], object]) -> None:
        for _ in range(2000):
            if done():
                return
            self.turn()
            self.app.tick(0.001)
        raise AssertionError("it does not come")

    def wait(self, pending: Any) -> Any:
        self.until(lambda: pending.is_done)
        return pending.take()


@pytest.fixture
def peer() -> Iterator[Peer]:
    app = Component()
    with app.running():
        settle(app)
        peer = Peer(app)
        yield peer
    for sock in (peer.listener, *peer.connections):
        sock.close()


def test_requests_share_a_connection(peer: Peer) -> None:
    client = Client(peer.url).register(peer.app)
    response = peer.wait(client.get("/a", params={"b": 1}, headers={"X-A": "1"}))
    assert (response.status, response.text, response.url) == (200, "ok", f"{peer.url}/a?b=1")
    assert client.response is response
    head = peer.requests[0].decode()
    assert head.startswith("GET /a?b=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert "X-A: 1" in head
    peer.wait(client.post("/", json={"a": 1}))
    assert peer.requests[1].endswith(b'\r\n\r\n{"a": 1}')
    assert len(peer.connections) == 1
    assert client.connected


def test_events(peer: Peer) -> None:
    client = Client(peer.url).register(peer.app)
    value = client.fire(Request("POST", "/x", "é"), client)
    peer.until(lambda: value.value is not None)
    assert value.value.read() == b"ok"
    assert peer.requests[0].endswith("é".encode())
    with pytest.raises(NotConnected):
        Client().request("GET", "/x")
    with pytest.raises(ValueError, match="absolute"):
        Client("example.org")


def test_a_connection_that_has_died_is_made_anew(peer: Peer) -> None:
    client = Client(peer.url).register(peer.app)
    peer.wait(client.get("/"))
    peer.answer = lambda request: None if len(peer.requests) == 2 else OK
    assert peer.wait(client.get("/")).status == 200
    assert len(peer.requests) == 3
    peer.answer = lambda request: None
    with pytest.raises(ProtocolError):
        peer.wait(client.post("/"))
    assert len(peer.requests) == 4


def test_redirects_and_cookies(peer: Peer) -> None:
    def answer(request: bytes) -> bytes:
        if request.startswith(b"POST"):
            lines = b"HTTP/1.1 302 Found\r\nLocation: /b\r\nSet-Cookie: a=1\r\nContent-Length: 0"
            return lines + b"\r\n\r\n"
        return OK

    peer.answer = answer
    client = Client(peer.url, follow_redirects=True).register(peer.app)
    response = peer.wait(client.post("/a", data={"x": 1}))
    assert [each.status for each in response.history] == [302]
    assert b"Cookie: a=1" in peer.requests[1]
    peer.answer = lambda request: (
        b"HTTP/1.1 307 X\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n"
    )
    assert peer.wait(client.get("/", follow_redirects=False)).status == 307
    peer.answer = lambda request: b"HTTP/1.1 307 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(TooManyRedirects):
        peer.wait(client.get("/"))


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
def test_hostile_servers(peer: Peer, answer: bytes) -> None:
    peer.answer = lambda request: answer
    client = Client(peer.url).register(peer.app)
    with pytest.raises(ProtocolError):
        peer.wait(client.get("/"))
    assert not client.connected


def test_a_body_that_swells(peer: Peer) -> None:
    body = gzip.compress(bytes(20_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    peer.answer = lambda request: head.encode() + body
    client = Client(peer.url).register(peer.app)
    with pytest.raises(ProtocolError, match="decompressed"):
        peer.wait(client.get("/"))


def test_a_server_that_says_nothing(peer: Peer) -> None:
    peer.answer = lambda request: b""
    with VirtualClock() as clock:
        client = Client(peer.url, timeout=5).register(peer.app)
        pending = client.get("/")
        peer.until(lambda: peer.requests)
        clock.advance(6)
        with pytest.raises(ClientTimeout):
            peer.wait(pending)


def test_nobody_is_there(peer: Peer) -> None:
    peer.listener.close()
    client = Client(peer.url).register(peer.app)
    with pytest.raises(ConnectError):
        peer.wait(client.get("/"))


def test_more_requests_than_connections(peer: Peer) -> None:
    client = Client(peer.url, max_connections=1).register(peer.app)
    many = [client.get(f"/{number}") for number in range(3)]
    assert [peer.wait(pending).status for pending in many] == [200] * 3
    assert len(peer.connections) == 1


def test_status_errors(peer: Peer) -> None:
    peer.answer = lambda request: b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    client = Client(peer.url).register(peer.app)
    response = peer.wait(client.get("/"))
    with pytest.raises(StatusError, match="404 No"):
        response.raise_for_status()


def test_coroutines_await(peer: Peer) -> None:
    found = []
    client = Client(peer.url).register(peer.app)

    class Asker(Component):
        async def started(self, *args: Any) -> None:
            found.append((await client.get("/")).text)

    Asker().register(peer.app)
    peer.app.fire(Event.create("started", peer.app))
    peer.until(lambda: found)
    assert found == ["ok"]
