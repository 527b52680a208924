"""What a transport can do, and what HTTP does with one that can do less."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from circuits.net.sockets import TCP6Server, TCPServer, UNIXServer
from circuits.testing import settle
from circuits.web._transport import EventTransport, Successor, Takeover, Transport
from circuits.web.http import HTTP
from circuits.web.servers import _Stdio
from tests.web.http_support import App, Errors, MemoryTransport, get, serving

_METHODS = [name for name in vars(Transport) if not name.startswith("_")]


@pytest.mark.parametrize("kind", [TCPServer, TCP6Server, UNIXServer, _Stdio, MemoryTransport])
def test_servers_are_transports(kind: Any) -> None:
    assert len(_METHODS) == 11
    for name in _METHODS:
        wanted = inspect.signature(getattr(Transport, name))
        offered = inspect.signature(getattr(kind, name))
        assert list(offered.parameters)[1:] == list(wanted.parameters)[1:], name


def test_a_transport_of_which_only_events_are_known_can_do_nothing_else() -> None:
    transport = EventTransport()
    assert not transport.abort("sock")
    assert not transport.finish_writing("sock")
    assert not transport.is_congested("sock")
    assert transport.send_file("sock", None, 0, 10) == 0
    transport.keep_with(HTTP())
    transport.part_from(HTTP())
    transport.pause_reading("sock")
    transport.resume_reading("sock")


def test_http_is_told_by_the_transport_that_it_is_attached_to() -> None:
    with serving(App("x")) as server:
        assert server.server.keeper is server.http
        assert server.http.transport is server.server


def test_http_keeps_connections_as_long_as_it_is_in_the_tree() -> None:
    with serving(App("x")) as server:
        http, transport = server.http, server.server
        http.unregister()
        settle(server)
        assert transport.keeper is None
        http.register(server)
        settle(server)
        assert transport.keeper is http
        other = HTTP(server=server)
        other.attach(transport)
        http.unregister()
        settle(server)
        assert transport.keeper is other


_TOLD = ["begin", "receive_data", "congested", "stopping", "closed"]


@pytest.mark.parametrize("name", _TOLD)
def test_what_a_successor_raises_cuts_its_connection(name: str) -> None:
    class Failing:
        def __getattr__(self, called: str) -> Any:
            def fail(*arguments: Any) -> None:
                raise RuntimeError(called)

            return fail

    errors = Errors()
    with serving(App(True), errors) as server:
        client = server.connect()
        client.feed(get())
        connection = server.http._connections[client.sock]
        takeover = Takeover(connection, Failing())
        arguments: dict[str, tuple[Any, ...]] = {
            "begin": (connection,),
            "receive_data": (b"x",),
            "congested": (True,),
        }
        getattr(takeover, name)(*arguments.get(name, ()))
        client.feed()
        client.server.tick(0)
        client.server.tick(0)
        assert client.is_closed
        assert [str(problem) for problem in errors.seen] == [name]
    assert set(_TOLD) <= set(vars(Successor))
