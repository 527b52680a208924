"""The WebSocket component over real sockets, with the library `websockets` at the other end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.sync.client import connect
from websockets.sync.server import serve

from circuits import Component, Event
from circuits._wire.http1 import (
    RequestDecoder,
    RequestHead,
    ResponseDecoder,
    ResponseHead,
    encode_request_head,
    encode_response_head,
)
from circuits._wire.websocket import (
    Deflate,
    check_request,
    check_response,
    make_key,
    request_headers,
    response_headers,
)
from circuits.net.protocols.websocket import WebSocketCodec
from circuits.net.sockets import Close, Connect, TCPClient, TCPServer, Write
from tests.integration.net_support import Journal, eventually, running

DEFLATE = Deflate()


class Server(Component):
    """As little of a WebSocket server as there can be: it echoes."""

    channel = "raw"

    def init(self, deflate: Deflate | None = None) -> None:
        self.deflate = deflate
        self.server = TCPServer(("127.0.0.1", 0), channel=self.channel).register(self)
        self.decoders: dict[Any, RequestDecoder] = {}

    def connect(self, sock: Any, host: str, port: int) -> None:
        self.decoders[sock] = RequestDecoder()

    def read(self, sock: Any, data: bytes) -> None:
        decoder = self.decoders.pop(sock)
        decoder.receive_data(data)
        head = decoder.next_message()
        assert isinstance(head, RequestHead)
        request = check_request(head.method, head.version, head.headers)
        agreement = response_headers(request, deflate=self.deflate)
        answer = encode_response_head(101, "Switching Protocols", agreement.headers)
        self.fire(Write(sock, answer))
        WebSocketCodec(
            sock, data=decoder.release(), deflate=agreement.deflate, max_size=1_000_000
        ).register(self)


class Echo(Component):
    channel = "ws"

    def read(self, sock: Any, data: str | bytes) -> None:
        if data == "close":
            self.fire(Close(sock, 4000, "as you wish"))
        else:
            self.fire(Write(sock, data))


@pytest.fixture(params=[None, DEFLATE], ids=["plain", "compressed"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param)
    with running(server, Echo()):
        yield server


MESSAGES: list[str | bytes] = [
    "",
    "hello",
    b"",
    b"\0\xff",
    "ü" * 70,
    b"x" * 126,
    "y" * 65536,
    bytes(700_000),
]


def test_a_server(server: Server) -> None:
    with connect(f"ws://127.0.0.1:{server.server.port}/", max_size=None) as wire:
        for message in MESSAGES:
            wire.send(message)
        wire.send(["in ", "", "parts"])
        assert [wire.recv(20) for _ in MESSAGES] == MESSAGES
        assert wire.recv(20) == "in parts"
        assert wire.ping(b"?").wait(20)
    eventually(
        lambda: not any(isinstance(c, WebSocketCodec) for c in list(server.components)),
        "a codec is left although its connection has gone",
    )


def test_a_server_that_closes(server: Server) -> None:
    with connect(f"ws://127.0.0.1:{server.server.port}/") as wire:
        wire.send("close")
        with pytest.raises(ConnectionClosedError) as caught:
            wire.recv(20)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "as you wish")


def test_a_message_that_is_too_big(server: Server) -> None:
    with connect(f"ws://127.0.0.1:{server.server.port}/") as wire:
        with pytest.raises(ConnectionClosedError) as caught:
            wire.send(b"x" * 1_000_001)  # which may hear of it already
            wire.recv(20)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


def test_several_clients_do_not_hear_each_other(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.server.port}/"
    with connect(url) as one, connect(url) as other:
        one.send("one")
        other.send("other")
        assert one.recv(20) == "one"
        assert other.recv(20) == "other"


class Client(Component):
    """As little of a WebSocket client as there can be."""

    channel = "raw"

    def init(self, deflate: Deflate | None) -> None:
        self.deflate = deflate
        self.key = make_key()
        self.decoder = ResponseDecoder()
        self.socket = TCPClient(channel=self.channel).register(self)

    def connected(self, host: str, port: int) -> None:
        headers = [("Host", f"{host}:{port}"), *request_headers(self.key, deflate=self.deflate)]
        self.decoder.expect("GET")
        self.fire(Write(encode_request_head("GET", "/", headers)))

    def read(self, data: bytes) -> None:
        self.decoder.receive_data(data)
        head = self.decoder.next_message()
        assert isinstance(head, ResponseHead)
        agreement = check_response(head.status, head.headers, self.key, deflate=self.deflate)
        surplus = self.decoder.release()
        WebSocketCodec(data=surplus, deflate=agreement.deflate).register(self)
        self.fire(Event.create("upgraded"), "ws")


@pytest.mark.parametrize("deflate", [None, DEFLATE], ids=["plain", "compressed"])
def test_a_client(deflate: Deflate | None) -> None:
    def echo(wire: Any) -> None:
        try:
            wire.send("welcome")
            for message in wire:
                wire.send(message)
        except ConnectionClosedOK:
            pass

    with serve(echo, "127.0.0.1", 0, max_size=None) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        journal, raw = Journal("ws"), Journal("raw")
        try:
            with running(Client(deflate), journal, raw) as program:
                port = other.socket.getsockname()[1]
                program.app.fire(Connect("127.0.0.1", port), "raw")
                assert journal.expect("read") == ("welcome",)
                for count, message in enumerate(MESSAGES):
                    program.app.fire(Write(message), "ws")
                    assert journal.expect("read", count + 2) == (message,)
                program.app.fire(Close(), "ws")
                raw.expect("disconnected")
                assert "socket_error" not in journal.names
        finally:
            other.shutdown()
            thread.join(20)
