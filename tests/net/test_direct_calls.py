"""Steps of a server that are calls where nobody looks: what must not get lost on the way."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, handler
from circuits.core._queue import EventQueue
from circuits.net.sockets import Close, Write
from circuits.testing import settle

from .net_fakes import FakeServer
from .test_tls import Side, anonymous


class App(Component):
    """A server whose handler of ``read`` is that of the test."""

    def __init__(self, on_read: Callable[[App, Any, bytes], Any], **options: Any) -> None:
        super().__init__(channel="app")
        self.server = FakeServer(**options).register(self)
        self.sock: Any = None
        self.on_read = on_read

    @handler("connect", channel="server")
    def _on_connect(self, sock: Any, *peer: Any) -> None:
        self.sock = sock

    @handler("read", channel="server")
    def _on_read(self, sock: Any, data: bytes) -> Any:
        return self.on_read(self, sock, data)


class Observer(BaseComponent):
    """Looks at one name, or at everything."""

    def __init__(self, *names: str, priority: float = 0) -> None:
        super().__init__()

        def look(self: Any, *args: Any, **kwargs: Any) -> None:
            pass

        self.addHandler(handler(*names, channel="*", priority=priority)(look))


def _answer_late(app: App, sock: Any, data: bytes) -> None:
    app.fire(Write(sock, b"answer"), "server", priority=1)


def _answer_through_another(app: App, sock: Any, data: bytes) -> None:
    @handler("another", channel="*")
    def on_another(self: Any) -> None:
        self.fire(Write(sock, b"answer"), "server", priority=1)

    app.addHandler(on_another)
    app.fire(Event.create("another"), priority=1)


@pytest.mark.parametrize("answer", [_answer_late, _answer_through_another])
@pytest.mark.parametrize("observed", [False, True])
def test_a_late_answer_goes_before_the_end_of_input(
    app_runner: Callable[[App], App], answer: Any, observed: bool
) -> None:
    app = App(answer)
    if observed:
        Observer().register(app)
    app_runner(app)
    (peer,) = app.server.listener.dial()
    settle(app)
    peer.send(b"question")
    peer.shutdown(1)
    settle(app)
    assert peer.received() == b"answer"
    assert peer.at_end
    peer.close()


@pytest.mark.parametrize("answer", [_answer_late, _answer_through_another])
@pytest.mark.parametrize("observed", [False, True])
def test_a_late_answer_goes_before_the_end_of_tls(
    app_runner: Callable[[App], App], answer: Any, observed: bool
) -> None:
    app = App(answer, secure=anonymous(ssl.PROTOCOL_TLS_SERVER))
    if observed:
        Observer().register(app)
    app_runner(app)
    (peer,) = app.server.listener.dial()
    client = Side(peer, is_server=False)
    client.stream.begin()
    while not client.stream.is_open:
        settle(app)
        client.receive()
    settle(app)
    client.stream.send(b"question")  # nobody turns the loop before the end has come, too
    client.stream.end_output()
    settle(app)
    assert client.receive() == b"answer"
    assert client.receive() is None
    peer.close()


# -- waiting for steps ---------------------------------------------------------------------------


def _send(app: App, peer: Any) -> None:
    peer.send(b"hello")


def _leave(app: App, peer: Any) -> None:
    peer.shutdown(1)


def _stuff(app: App, peer: Any) -> None:
    """Have the server become writable late."""
    app.fire(Write(app.sock, bytes(4_000_000)), "server")
    settle(app)
    while peer.received():
        settle(app)


def _close(app: App, peer: Any) -> None:
    app.fire(Close(app.sock), "server")


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("_read", _send),
        ("read", _send),
        ("read_value_changed", _send),
        ("write", _send),
        ("_write", _stuff),
        ("close", _close),
        ("disconnect", _leave),
        ("_end_of_input", _leave),
    ],
)
@pytest.mark.parametrize("channel", ["*", None])
def test_who_waits_for_a_step_sees_it(
    app_runner: Callable[[App], App], name: str, cause: Any, channel: str | None
) -> None:
    """Although nobody handles it but the server."""
    seen: list[str] = []

    def on_begin(self: Any) -> Iterator[Any]:
        # What is fired at the server itself is seen by who waits as the server.
        yield self.wait(name, *([] if channel is None else [channel]))
        seen.append(name)

    app = app_runner(App(lambda app, sock, data: data))
    (peer,) = app.server.listener.dial()
    settle(app)
    app.server.addHandler(handler("begin", channel="*")(on_begin))
    app.fire(Event.create("begin"))
    settle(app)
    cause(app, peer)
    settle(app)
    assert seen == [name]
    assert not app._tasks
    peer.close()


# -- the order of writing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "observers",
    [
        pytest.param([], id="unobserved"),
        pytest.param(["write"], id="write"),
        pytest.param(["read"], id="read"),
        pytest.param(["read_value_changed"], id="value_changed"),
        pytest.param(["read", "write"], id="both"),
        pytest.param([None], id="everything"),
    ],
)
@pytest.mark.parametrize("priority", [-1, 0, 1])
def test_what_is_fired_goes_before_what_is_returned(
    app_runner: Callable[[Manager], Manager], observers: list[str | None], priority: int
) -> None:
    def answer(app: App, sock: Any, data: bytes) -> bytes:
        app.fire(Write(sock, b"a"), "server", priority=priority)
        return b"b"

    app = App(answer)
    for name in observers:
        Observer(*([] if name is None else [name])).register(app)
    app_runner(app)
    (peer,) = app.server.listener.dial()
    settle(app)
    for _ in range(2):
        peer.send(b"x")
        settle(app)
        assert peer.received() == b"ab"
    peer.close()


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize("name", ["_read", "read_value_changed"])
@pytest.mark.parametrize("priority", [-1, 0])
def test_who_handles_a_step_too_writes_where_an_event_would(
    app_runner: Callable[[Manager], Manager], observed: bool, name: str, priority: int
) -> None:
    """The server's handler comes first; what it brings about comes after all handlers."""

    def on_step(self: Any, *args: Any) -> None:
        if app.sock is not None:
            self.fire(Write(app.sock, b"w"), "server", priority=priority)

    app = App(lambda app, sock, data: data)
    app_runner(app)
    (peer,) = app.server.listener.dial()
    settle(app)
    other = BaseComponent().register(app)
    other.addHandler(handler(name, channel="server" if name == "_read" else "*")(on_step))
    if observed:
        Observer().register(app)
    settle(app)
    peer.send(b"x")
    settle(app)
    assert peer.received() == (b"wx" if name == "_read" or priority else b"xw")
    peer.close()


def test_a_way_home_that_was_found_in_another_tree_is_looked_for_anew(
    app_runner: Callable[[Manager], Manager],
) -> None:
    """Whatever epoch this one has: each tree counts its own."""

    def answer(app: App, sock: Any, data: bytes) -> bytes:
        door = app.server._write_door
        door.queue, door.leads_home = EventQueue(), True
        door.epoch = app.server._tree_engine.queue.epoch
        return data

    written: list[bytes] = []
    app = App(answer)
    app_runner(app)
    app.addHandler(
        handler("write", channel="server")(lambda self, sock, data: written.append(data))
    )
    peers = app.server.listener.dial(None, None)
    settle(app)
    for peer in peers:  # for the first one, what may be called is found out
        peer.send(b"x")
    settle(app)
    assert written == [b"x", b"x"]
    for peer in peers:
        peer.close()
