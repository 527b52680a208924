"""The end of a node: of the application, and of being in a tree."""

from __future__ import annotations

from typing import Any

from circuits import Component, Event, handler, sleep
from circuits.node import Client, Node, Remote, Server, Unreachable
from tests.node.node_support import HOST, World


class greet(Event): ...


class slow(Event): ...


class Far(Component):
    channel = "far"

    def greet(self, who: str = "you") -> str:
        return f"hello {who}"

    def slow(self, seconds: float) -> Any:
        yield sleep(seconds)
        return "slept"


def remote(event: Event, **options: Any) -> Remote:
    return Remote(event, "far", "far", **options)


def test_a_stop_finishes_what_runs_and_answers_it(world: World) -> None:
    near, far = world.pair(Far())
    value = near.app.fire(remote(slow(3)))
    world.run(1)
    far.app.stop()
    world.settle()
    late = near.app.fire(remote(greet()))
    world.run(1)
    assert not value.result
    assert late.value[0] is Unreachable
    assert "stopping" in str(late.value[1])
    world.run(1.5)
    assert value.value == "slept"
    assert [entry[0] for entry in near.journal.of("disconnected_from")] == ["far"]


def test_a_stop_waits_no_longer_than_its_timeout(world: World) -> None:
    near, far = world.pair(Far(), stop_timeout=2.0)
    value = near.app.fire(remote(slow(20)))
    world.run(0.5)
    far.app.stop()
    world.run(1.9)
    assert not value.result
    world.run(0.3)
    assert value.value[0] is Unreachable
    assert "stopped" in str(value.value[1])


def test_a_stop_accepts_nobody(world: World) -> None:
    near, far = world.pair(Far())
    near.app.fire(remote(slow(3)))
    world.run(1)
    far.app.stop()
    world.settle()
    assert far.node.port is None


def test_a_stop_waits_for_the_answer_to_what_was_sent(world: World) -> None:
    class Last(Component):
        channel = "last"

        def init(self) -> None:
            self.answers: list[Any] = []

        @handler("stopped", channel="*")
        def _on_stopped(self, component: Any) -> Any:
            value = yield self.call(remote(slow(2)))
            self.answers.append(value.value)

    last = Last()
    near, _ = world.pair(Far(), near=[last])
    near.app.stop()
    world.run(3)
    assert last.answers == ["slept"]


def test_a_stop_does_not_wait_for_a_node_that_is_away(world: World) -> None:
    near = world.node()
    near.node.add("far", HOST, 99)
    near.app.fire(remote(greet()))
    world.run(1)
    near.app.stop()
    world.settle()
    assert not near.app._tree_engine.loop.holds


def test_a_node_that_leaves_its_tree_finishes_what_runs(world: World) -> None:
    near, far = world.pair(Far())
    value = near.app.fire(remote(slow(3)))
    world.run(1)
    far.node.unregister()
    world.run(1)
    assert far.node.parent is far.app
    world.run(1.5)
    assert value.value == "slept"
    assert far.node.parent is far.node
    assert far.node.port is None
    assert not far.node._hub.links


def test_a_node_that_leaves_tells_who_waits(world: World) -> None:
    near, _ = world.pair(Far())
    value = near.app.fire(remote(slow(30)))
    world.run(1)
    near.node.unregister()
    world.run(11)
    assert near.node.parent is near.node
    assert value.value[0] is Unreachable


def test_an_idle_node_leaves_at_once(world: World) -> None:
    near, far = world.pair(Far())
    near.node.unregister()
    world.settle()
    assert near.node.parent is near.node
    assert far.journal.of("disconnected_from") == [("near", "192.0.2.9", 4711, "closed")]


def test_removing_a_peer_tells_who_waits_and_forgets_it(world: World) -> None:
    near, _ = world.pair(Far())
    value = near.app.fire(remote(slow(30)))
    world.run(1)
    near.node.remove("far")
    near.node.remove("far")
    world.settle()
    assert value.value[0] is Unreachable
    later = near.app.fire(remote(greet()))
    world.settle()
    assert later.value[0] is KeyError
    assert len(near.node.components) == 0


def test_nodes_that_come_and_go_leave_nothing_in_the_tree(world: World) -> None:
    near, far = world.pair(Far())
    for _ in range(5):
        near.node.add("far", HOST, far.node.port or 0)
        world.run(0.1)
        value = near.app.fire(remote(greet()))
        world.settle()
        assert value.value == "hello you"
    assert len(near.node._hub.links) == len(near.node.components) == 1
    assert len(far.node._hub.links) == 1


def test_a_handler_that_is_cancelled_answers_unreachable(world: World) -> None:
    component = Far()
    near, _ = world.pair(component)
    value = near.app.fire(remote(slow(5)))
    world.run(1)
    component.unregister()
    world.run(1)
    assert value.value[0] is Unreachable


# -- a client and a server of their own --------------------------------------------------------


def test_a_client_and_a_server_without_a_node() -> None:
    """With real sockets, as nobody makes their sockets but they."""
    from circuits.testing import settle

    app = Component() + Far()
    server = Server(0, channel="far").register(app)
    assert server.host == "127.0.0.1"
    client = Client("127.0.0.1", server.port or 0, channel="here").register(app)
    with app.running():
        settle(app, lambda: client.connected)
        value = client.send(greet("bob"))
        settle(app, lambda: value.result)
        assert value.value == "hello bob"
        with_none = server.send(greet(), "nobody")
        settle(app, lambda: with_none.result)
        assert with_none.value[0] is KeyError
        assert server.get_connection_names() == []
        client.close()
        settle(app, lambda: not server.links)
        refused = client.send(greet())
        settle(app, lambda: refused.result)
        assert refused.value[0] is Unreachable


def test_the_addresses_that_can_be_bound() -> None:
    for bind in (0, "0", "127.0.0.1:0", ("127.0.0.1", 0)):
        node = Node(bind)
        assert node.host == "127.0.0.1"
        assert node.server is not None
        node.server._socket.close()
    assert Node().host is None
    assert Node().port is None
