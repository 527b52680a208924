"""The documented names of circuits.net: where they are, and how they may be called."""

from __future__ import annotations

import inspect
import socket
from typing import Any

import pytest

import circuits.net.sockets
from circuits.core import pollers
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.net import sockets
from circuits.net.sockets import (
    BACKLOG,
    BUFSIZE,
    Client,
    Close,
    Closed,
    Connect,
    Connected,
    Disconnect,
    Disconnected,
    Pipe,
    Read,
    Ready,
    Server,
    SocketError,
    TCP6Client,
    TCP6Server,
    TCPClient,
    TCPServer,
    UDP6Client,
    UDP6Server,
    UDPClient,
    UDPServer,
    UNIXClient,
    UNIXServer,
    Write,
)

_CLIENT = "(bind=None, bufsize=4096, channel='client')"
_SERVER = "(bind, secure=False, backlog=5000, bufsize=4096, channel='server', **kwargs)"


def signature_of(thing: Any) -> str:
    """Names, order and defaults of what may be given by position, and ``**`` where documented."""
    shown = []
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.name == "self" or parameter.kind is parameter.KEYWORD_ONLY:
            continue
        shown.append(str(parameter.replace(annotation=parameter.empty)))
    return f"({', '.join(shown)})"


def test_constants() -> None:
    assert (BUFSIZE, BACKLOG) == (4096, 5000)


@pytest.mark.parametrize(
    "event",
    [Connect, Connected, Close, Closed, Read, Write, SocketError, Disconnect, Disconnected, Ready],
)
def test_events_are_in_this_module(event: type[Event]) -> None:
    assert event.__bases__ == (Event,)
    assert getattr(circuits.net.sockets, event.__name__) is event


@pytest.mark.parametrize(
    ("event", "name", "args"),
    [
        (Connect("localhost", 80), "connect", ["localhost", 80]),
        (Connected("localhost", 80), "connected", ["localhost", 80]),
        (Close(), "close", []),
        (Close("sock"), "close", ["sock"]),
        (Closed(), "closed", []),
        (Read(b"data"), "read", [b"data"]),
        (Read("sock", b"data"), "read", ["sock", b"data"]),
        (Write(b"data"), "write", [b"data"]),
        (Write("sock", b"data"), "write", ["sock", b"data"]),
        (SocketError("problem"), "socket_error", ["problem"]),
        (Disconnect("sock"), "disconnect", ["sock"]),
        (Disconnected(), "disconnected", []),
        (Ready("component"), "ready", ["component"]),
        (Ready("component", ("host", 1)), "ready", ["component", ("host", 1)]),
    ],
)
def test_events_carry_what_they_are_given(event: Event, name: str, args: list[Any]) -> None:
    assert (event.name, list(event.args), event.kwargs) == (name, args, {})


def test_connect_takes_keywords() -> None:
    assert Connect("localhost", 443, secure=True).kwargs == {"secure": True}


def test_bases() -> None:
    assert issubclass(Client, BaseComponent)
    assert issubclass(Server, BaseComponent)
    for client in (TCPClient, UNIXClient):
        assert client.__bases__ == (Client,)
    for server in (TCPServer, UDPServer, UNIXServer):
        assert server.__bases__ == (Server,)


@pytest.mark.parametrize("component", [Client, TCPClient, TCP6Client, UNIXClient])
def test_constructors_of_clients(component: type) -> None:
    assert signature_of(component).replace(", **kwargs", "") == _CLIENT


@pytest.mark.parametrize(
    "component", [Server, TCPServer, TCP6Server, UDPServer, UDP6Server, UNIXServer]
)
def test_constructors_of_servers(component: type) -> None:
    assert signature_of(component) == _SERVER


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        (Client.parse_bind_parameter, "(bind_parameter)"),
        (Client.close, "()"),
        (Client.write, "(data)"),
        (TCPClient.connect, "(host, port, secure=False, **kwargs)"),
        (UNIXClient.connect, "(path, secure=False, **kwargs)"),
        (UNIXClient.ready, "(component, bind=None)"),
        (UDPServer.close, "(sock=None)"),
        (UDPServer.write, "(address, data)"),
        (UDPServer.broadcast, "(data, port)"),
        (Pipe, "(*channels, **kwargs)"),
        (Server.parse_bind_parameter, "(bind_parameter)"),
        (Server.close, "(sock=None)"),
        (Server.write, "(sock, data)"),
        (TCPServer.parse_bind_parameter, "(bind_parameter)"),
    ],
)
def test_methods(method: Any, signature: str) -> None:
    assert signature_of(method) == signature


def test_channels_and_families() -> None:
    assert (Client.channel, Server.channel) == ("client", "server")
    assert TCPClient.socket_family == TCPServer.socket_family == socket.AF_INET
    assert TCP6Client.socket_family == TCP6Server.socket_family == socket.AF_INET6


def test_udp_clients_are_servers() -> None:
    assert UDPClient is UDPServer
    assert UDP6Client is UDP6Server
    assert (UDPServer.socket_family, UDP6Server.socket_family) == (
        socket.AF_INET,
        socket.AF_INET6,
    )
    assert UDPClient.channel == "server"  # surprising, and documented


def test_a_pipe_is_a_pair_of_connected_clients() -> None:
    one, other = Pipe()
    assert (type(one), one.channel, one.connected) == (UNIXClient, "a", True)
    assert (type(other), other.channel, other.connected) == (UNIXClient, "b", True)
    one._abort()
    other._abort()


def test_the_names_of_the_later_line() -> None:
    from circuits.net import events

    names = (
        "connect", "disconnect", "connected", "disconnected", "read", "unreachable", "broadcast",
        "write", "close", "ready", "closed", "starttls",
    )  # fmt: skip
    for name in names:
        assert getattr(events, name).name == name
        assert getattr(sockets, name) is getattr(events, name)
    assert events.error is sockets.error is SocketError
    for name in ("_read", "_write", "_error", "_disconnect"):
        assert getattr(pollers, name).name == name


def test_a_fresh_client() -> None:
    client = TCPClient()
    assert (client.host, client.port, client.secure, client.connected) == (None, 0, False, False)
    assert client._connected is False
    with pytest.raises(AttributeError):
        client.connected = True  # type: ignore[misc]


def test_a_subclass_may_make_its_own_socket_or_none() -> None:
    class Bare(TCPServer):
        def _create_socket(self) -> Any:
            return None

    server = Bare(("127.0.0.1", 80))
    assert (server._bind, server._sock, server._clients) == (("127.0.0.1", 80), None, [])
    assert (server.host, server.port, server.connected) == (None, None, True)


def test_a_port_alone_is_bound_to_the_address_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Bare(TCPServer):
        def _create_socket(self) -> Any:
            return None

    # Programs and tests replace these names in this very module.
    monkeypatch.setattr("circuits.net.sockets.gethostname", lambda: "me")
    monkeypatch.setattr("circuits.net.sockets.gethostbyname", {"me": "192.0.2.7"}.get)
    assert Bare(8000)._bind == ("192.0.2.7", 8000)

    def gethostbyname(name: str) -> str:
        raise socket.gaierror

    monkeypatch.setattr("circuits.net.sockets.gethostbyname", gethostbyname)
    assert Bare(8000)._bind == ("0.0.0.0", 8000)


def test_the_module_offers_what_programs_replace() -> None:
    assert circuits.net.sockets.socket is socket
    assert circuits.net.sockets.gethostname is socket.gethostname
