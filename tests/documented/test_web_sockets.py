"""WebSockets as the manual describes them, over real sockets, with our own client."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

import circuits.web
from circuits import BaseComponent, Component
from circuits.net.sockets import Close, Read, Write
from circuits.testing import settle
from circuits.web import Server
from circuits.web.client import Connect, NotConnected
from circuits.web.dispatchers.websockets import WebSockets
from circuits.web.websocket import WebSocketClient

pytestmark = pytest.mark.documented


def test_the_places_of_the_names() -> None:
    assert circuits.web.WebSockets is circuits.web.dispatchers.WebSockets is WebSockets
    assert issubclass(WebSockets, BaseComponent)
    assert issubclass(WebSocketClient, BaseComponent)
    assert issubclass(NotConnected, Exception)
    for name in ("WebSocketsDispatcher", "WebSocketClient", "WebSocket"):
        assert hasattr(importlib.import_module("circuits.web.websockets"), name)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (WebSockets, [("path", None), ("wchannel", "ws")]),
        (
            WebSocketClient,
            [("channel", "wsclient"), ("wchannel", "ws"), ("headers", None)],
        ),
    ],
)
def test_what_they_are_called_with(kind: Any, expected: list[tuple[str, Any]]) -> None:
    parameters = inspect.signature(kind).parameters
    assert [(name, parameters[name].default) for name, _ in expected] == expected
    assert WebSocketClient.channel == "wsclient"


class Echo(Component):
    """A server for clients whose messages are on the channel ``server``."""

    channel = "server"

    def init(self) -> None:
        self.seen: list[str] = []

    def connect(self, sock: Any, host: str, port: int) -> None:
        self.seen.append("connect")
        self.fire(Write(sock, "welcome"))

    def read(self, sock: Any, data: str) -> None:
        assert isinstance(sock.getpeername(), tuple)
        self.fire(Write(sock, f"Received: {data}"))

    def disconnect(self, sock: Any) -> None:
        self.seen.append("disconnect")


class Program(Component):
    channel = "ws"

    def init(self) -> None:
        self.read_data: list[Any] = []
        self.is_over = False

    def read(self, data: Any) -> None:
        self.read_data.append(data)

    def disconnected(self) -> None:
        self.is_over = True


def test_it_can_be_used_very_much_like_an_ordinary_socket() -> None:
    server = Server(("127.0.0.1", 0))
    echo = Echo().register(server)
    WebSockets("/websocket", wchannel="server").register(server)
    url = f"ws://127.0.0.1:{server.port}/websocket"
    client = WebSocketClient(url, headers={"X-Test": "1"}).register(server)
    program = Program().register(server)
    failures = []

    class Watch(Component):
        channel = "wsclient"

        def not_connected(self, reason: Any) -> None:
            failures.append(reason)

    Watch().register(server)
    with server.running():
        settle(server)
        assert not client.connected
        client.fire(Connect(), client)
        _turn(server, lambda: client.connected)
        client.fire(Write("Hello!"), "ws")
        _turn(server, lambda: len(program.read_data) == 2)
        assert program.read_data == ["welcome", "Received: Hello!"]
        client.fire(Close(), "ws")
        _turn(server, lambda: program.is_over)
        assert not client.connected
        assert echo.seen == ["connect", "disconnect"]
        assert failures == []
        # A failure in this setup process is signaled by a NotConnected event.
        other = WebSocketClient(f"{url}x").register(server)
        other.fire(Connect(), other)
        _turn(server, lambda: failures)
        assert not other.connected


def _turn(server: Server, until: Any) -> None:
    for _ in range(10_000):
        if until():
            return
        server.tick(0.01)
    raise AssertionError("it does not come")


def test_a_message_is_a_read_event() -> None:
    heard: list[Any] = []

    class Listener(Component):
        channel = "ws"

        def read(self, event: Any, *args: Any) -> None:
            heard.append(event)

    server = Server(("127.0.0.1", 0))
    WebSockets().register(server)
    Listener().register(server)
    client = WebSocketClient(f"ws://127.0.0.1:{server.port}/", "c", "other").register(server)
    with server.running():
        client.fire(Connect(), client)
        client.fire(Write("x"), "other")
        _turn(server, lambda: heard)
        assert heard[0].request.path == "/"
        assert isinstance(heard[0], Read)
