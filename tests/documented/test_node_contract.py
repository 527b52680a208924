"""Nodes as programs of 2.1.0 and of the 3.x line use them, between two trees of one process."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from circuits import Component, Event, Manager, handler
from circuits.node import Node, Remote
from circuits.testing import settle


class App(Component):
    def init(self) -> None:
        self.told: list[str] = []
        self.changed: list[Any] = []

    def foo(self) -> str:
        return "Hello World!"

    @handler("ready", "connected", "connected_to", channel="*")
    def _on_told(self, event: Event, *args: Any) -> None:
        self.told.append(event.name)

    def remote_value_changed(self, value: Any) -> None:
        self.changed.append(value.value)


class Both:
    """Two applications, turned together."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.apps: list[Manager] = []

    def run(self, app: Any) -> Any:
        self.stack.enter_context(app.running())
        self.apps.append(app)
        return app

    def until(self, condition: Any) -> None:
        for _ in range(5000):
            for app in self.apps:
                app.tick(0.001)
            if condition():
                return
        raise AssertionError("it did not happen")


@pytest.fixture
def both() -> Iterator[Both]:
    with ExitStack() as stack:
        yield Both(stack)


def test_the_reference_scenario(both: Both) -> None:
    a1, a2 = App(), App()
    n1, n2 = Node().register(a1), Node(("127.0.0.1", 0)).register(a2)
    both.run(a1)
    both.run(a2)
    n1.add("a2", n2.host, n2.port or 0)
    remote = Remote(Event.create("foo"), "a2")
    remote.notify = True
    value = a1.fire(remote)
    both.until(lambda: a1.changed)
    assert value.value == "Hello World!"
    assert a1.changed == ["Hello World!"]
    assert {"ready", "connected", "connected_to"} <= set(a1.told)
    assert "ready" in a2.told


def test_an_unknown_peer_is_a_key_error(both: Both) -> None:
    app = both.run(App())
    Node().register(app)
    value = app.fire(Remote(Event.create("foo"), "nobody"))
    settle(app)
    assert value.value[0] is KeyError


def test_a_channel_of_the_client_and_its_default(both: Both) -> None:
    app = both.run(App())
    node = Node().register(app)
    assert node.add("one", "127.0.0.1", 9) == "node_client_one"
    assert node.add("two", "127.0.0.1", 9, "mine") == "mine"


def test_a_peer_by_hand_in_the_format_of_the_release(both: Both) -> None:
    app = both.run(App())
    node = Node(0).register(app)
    with socket.create_connection(("127.0.0.1", node.port or 0)) as sock:
        sock.setblocking(False)
        event = {
            "id": 0, "name": "foo", "args": [], "kwargs": {}, "success": False, "failure": False,
            "notify": False, "channels": [],
        }  # fmt: skip
        sock.send(json.dumps(event).encode() + b"\r\n\r\n")
        found: list[bytes] = []

        def answered() -> bool:
            try:
                found.append(sock.recv(65536))
            except BlockingIOError:
                return False
            return True

        both.until(answered)
    assert found[0].endswith(b"\r\n\r\n")
    assert json.loads(found[0]) == {"id": 0, "value": "Hello World!", "errors": False}


def test_methods_of_a_node_answer_nothing(both: Both) -> None:
    a1, a2 = App(), App()
    n1, n2 = Node().register(a1), Node(0, accept=["add", "remove", "fire"]).register(a2)
    both.run(a1)
    both.run(a2)
    n1.add("a2", "127.0.0.1", n2.port or 0)
    values = []
    for name in ("add", "remove", "fire", "add"):
        event = Event("x", "127.0.0.1", 9)
        event.name = name  # type: ignore[misc]  # no class is made, which other tests would see
        values.append(a1.fire(Remote(event, "a2")))
    both.until(lambda: not n1._hub.asked and n1.clients["a2"].connected)
    assert [value.value for value in values] == [None] * 4
    assert n2.clients == {}
