"""One connection, with a peer made by hand: versions, proofs, signs of life, names."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import logging
from typing import Any

import pytest

from circuits import Component, Event, sleep
from circuits.node import Remote, Unreachable
from tests.node.node_support import HOST, NONCE, Peer, Side, World


class greet(Event): ...


class slow(Event): ...


class Here(Component):
    channel = "here"

    def init(self) -> None:
        self.seen: list[Any] = []

    def greet(self, *args: Any, **kwargs: Any) -> str:
        self.seen.append((args, kwargs))
        return f"hello {args[0] if args else 'you'}"

    def bad(self) -> None:
        raise ValueError("bad")

    def slow(self, seconds: float) -> Any:
        yield sleep(seconds)
        return "slept"

    def gives(self) -> Any:
        return [(1, 2), b"x"]

    def pair(self) -> Any:
        return (1, (2,))


def a_request(name: str = "greet", id: Any = 0, *args: Any, **more: Any) -> dict[str, Any]:
    return {"id": id, "name": name, "args": list(args), "channels": ["here"], **more}


def old_request(id: Any, name: str = "greet", *args: Any) -> dict[str, Any]:
    """All that the 2.1.0 release sends."""
    flags = {"success": False, "failure": False, "notify": False}
    return {"kwargs": {}, **flags, **a_request(name, id, *args)}


@pytest.fixture
def server(world: World) -> Side:
    return world.node(Here(), bind=0, name="me")


# -- version 1, connected to ------------------------------------------------------------------


def test_a_peer_of_version_1_is_answered_in_version_1(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.send(old_request(0, "greet", "bob"), version=1)
    data = peer.read()
    assert data.endswith(b"\r\n\r\n")
    assert json.loads(data) == {"id": 0, "value": "hello bob", "errors": False}
    assert server.journal.of("connected_to") == [(None, "192.0.2.9", 4711)]


def test_a_packet_of_version_1_in_any_pieces_and_several_in_one(world: World, server: Side) -> None:
    peer = world.dial(server)
    data = b"".join(json.dumps(old_request(n)).encode() + b"\r\n\r\n" for n in range(3))
    for start in range(0, len(data), 7):
        peer.send_bytes(data[start : start + 7])
    assert [reply["id"] for reply in peer.take(3)] == [0, 1, 2]
    peer.send_bytes(data)
    assert [reply["id"] for reply in peer.take(3)] == [0, 1, 2]


def test_a_failure_is_a_triple(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.send(old_request(0, "bad"), version=1)
    (reply,) = peer.take(1)
    assert reply["errors"] is True
    assert reply["value"][:2] == ["ValueError", "bad"]
    assert all(isinstance(line, str) for line in reply["value"][2])


def test_tuples_become_lists_for_version_1_and_tags_are_refused(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.send(old_request(0, "pair"), old_request(1, "gives"), version=1)
    first, second = peer.take(2)
    assert first["value"] == [1, [2]]
    assert (second["errors"], second["value"][0]) == (True, "TypeError")


@pytest.mark.parametrize("id", ["x", 5, 1.5, True, False, 0, ""])
def test_any_scalar_is_echoed_as_id(world: World, server: Side, id: Any) -> None:
    for version in (1, 2):
        peer = world.dial(server)
        peer.send(a_request("greet", id), version=version)
        (reply,) = peer.take(1)
        assert reply["id"] == id
        assert type(reply["id"]) is type(id)


def test_without_an_id_nothing_is_answered(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.send(a_request("greet", None), {"name": "greet", "channels": ["here"]})
    peer.send(a_request("bad", None), a_request("stopped", None))
    assert peer.take() == []
    (component,) = [c for c in server.app.components if isinstance(c, Here)]
    assert len(component.seen) == 2


# -- version 1, connecting ---------------------------------------------------------------------


def connecting(world: World, **options: Any) -> tuple[Side, Peer, Any]:
    """A node that has connected to a peer made by hand, what it has sent to begin with."""
    waiting = world.listen(99)
    version = options.pop("version", 2)
    near = world.node(Here(), **{"name": "near", **options})
    near.node.add("far", HOST, 99, version=version)
    world.run(0.01)
    peer = world.accept(waiting)
    return near, peer, peer.read()


def ask(near: Side, name: str = "greet", *args: Any, **options: Any) -> Any:
    return near.app.fire(Remote(Event.create(name, *args), "far", "there", **options))


def test_the_offer_goes_alone_and_nothing_follows_for_a_second(world: World) -> None:
    near, peer, data = connecting(world)
    assert data.endswith(b"\r\n\r\n")
    offer = json.loads(data)
    assert offer["circuits"] == 2
    assert offer["name"] == "near"
    assert len(offer["nonce"]) == 32
    assert isinstance(offer["features"], list)
    ask(near)
    world.run(0.9)
    assert peer.read() == b""
    world.run(0.2)
    (packet,) = peer.take(1)
    assert packet == {
        "id": 0, "name": "greet", "args": [], "kwargs": {}, "success": False, "failure": False,
        "notify": False, "channels": ["there"],
    }  # fmt: skip
    assert near.journal.of("connected_to") == [("far", HOST, 99)]


def test_without_a_name_the_offer_says_null(world: World) -> None:
    _, _, data = connecting(world, name=None)
    assert json.loads(data)["name"] is None


def test_no_offer_where_version_1_is_wanted(world: World) -> None:
    near, peer, data = connecting(world, version=1)
    assert data == b""
    value = ask(near)
    (packet,) = peer.take(1)
    peer.send({"id": packet["id"], "errors": False, "value": "hi"}, version=1)
    assert value.value == "hi"


def test_one_event_is_outstanding_at_a_peer_of_version_1(world: World) -> None:
    near, peer, _ = connecting(world, version=1)
    values = [ask(near, "greet", n) for n in range(3)]
    for n in range(3):
        (packet,) = peer.take(1)
        assert packet["args"] == [n]
        assert packet["id"] == n
        peer.send({"id": n, "errors": False, "value": n * 10}, version=1)
    assert [value.value for value in values] == [0, 10, 20]


def test_the_first_answer_counts_and_others_are_passed_over(world: World) -> None:
    near, peer, _ = connecting(world, version=1)
    one, two = ask(near), ask(near)
    replies: list[dict[str, Any]] = [
        {"id": 77, "errors": False, "value": "unknown"},
        {"id": False, "errors": False, "value": "no number"},
        {"id": "0", "errors": False, "value": "a text"},
        {"id": 0, "errors": False, "value": "first"},
        {"id": 0, "errors": False, "value": "second"},
        {"id": 1, "errors": True, "value": ["KeyError", "x", []]},
    ]
    peer.take()
    peer.send(*replies[:5], version=1)
    peer.send(replies[5], version=1)
    assert one.value == "first"
    assert two.value[1].type_name == "KeyError"


def test_a_failed_handler_of_version_1_does_not_answer_and_the_next_goes_on(
    world: World,
) -> None:
    near, peer, _ = connecting(world, version=1)
    one, two = ask(near, timeout=5), ask(near)
    peer.take(1)
    world.run(4.9)
    assert peer.take() == []
    world.run(0.2)
    assert one.value[0] is Unreachable
    (packet,) = peer.take(1)
    peer.send({"id": 0, "errors": False, "value": "late"}, version=1)
    peer.send({"id": packet["id"], "errors": False, "value": "in time"}, version=1)
    assert (one.value[0], two.value) == (Unreachable, "in time")


def test_tags_are_refused_at_the_sender_for_version_1(world: World) -> None:
    near, peer, _ = connecting(world, version=1)
    one, two, three = ask(near, "greet", b"x"), ask(near, "greet", (1,)), ask(near, "greet", {1: 2})
    world.settle()
    assert one.value[1].args
    assert "args[0]" in str(one.value[1])
    (packet,) = peer.take(1)
    assert packet["args"] == [[1]]
    peer.send({"id": packet["id"], "errors": False, "value": {"$bytes": "AAE="}}, version=1)
    assert two.value == {"$bytes": "AAE="}
    assert isinstance(three.value[1], TypeError)


def test_a_late_answer_to_the_offer_still_counts(world: World) -> None:
    near, peer, _ = connecting(world)
    world.run(1.1)
    one = ask(near, "greet", 1)
    (packet,) = peer.take(1)
    offer = {"circuits": 2, "name": "far", "nonce": NONCE, "features": []}
    peer.send(offer, {"id": packet["id"], "errors": False, "value": "one"}, version=1)
    assert one.value == "one"
    two = ask(near, "greet", 2)
    world.settle()
    data = peer.read()
    assert data[0] == 0
    assert json.loads(data[4:])["args"] == [2]
    peer.send({"id": json.loads(data[4:])["id"], "value": "two"})
    assert two.value == "two"
    world.run(16)  # and it beats from now on, and finds us silent
    assert near.journal.of("disconnected_from") == [("far", HOST, 99, "silent")]


def test_what_comes_before_the_answer_to_the_offer_is_answered_after_it(world: World) -> None:
    _near, peer, _ = connecting(world)
    peer.send(old_request(5), version=1)
    assert peer.read() == b""
    world.run(1.1)
    (reply,) = peer.take(1)
    assert reply["id"] == 5


# -- version 2 ---------------------------------------------------------------------------------


def test_an_offer_is_answered_with_an_offer(world: World, server: Side) -> None:
    peer = world.dial(server)
    answer = peer.offer("bob")
    assert answer["circuits"] == 2
    assert answer["name"] == "me"
    assert answer["nonce"] != NONCE
    assert server.journal.of("connected_to") == [("bob", "192.0.2.9", 4711)]
    peer.send(a_request("greet", "f0", "bob", v=2))
    (reply,) = peer.take(1)
    assert reply == {"v": 2, "id": "f0", "value": "hello bob", "errors": False}


def test_a_request_in_each_kind_is_answered_in_its_kind(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.offer()
    peer.send(a_request("greet", 1), version=1)
    assert peer.read().endswith(b"\r\n\r\n")
    peer.send(a_request("greet", 2))
    assert peer.read()[0] == 0


def test_messagepack_is_spoken_where_both_have_it(world: World, server: Side) -> None:
    msgspec = pytest.importorskip("msgspec")
    peer = world.dial(server)
    answer = peer.offer(features=["msgpack"])
    assert "msgpack" in answer["features"]
    body = msgspec.msgpack.encode(a_request("greet", "f0", "bob"))
    peer.send_bytes(len(body).to_bytes(4, "big") + body)
    data = peer.read()
    assert msgspec.msgpack.decode(data[4:])["value"] == "hello bob"
    peer.send(a_request("greet", "f1"))  # JSON is understood as well
    assert msgspec.msgpack.decode(peer.read()[4:])["id"] == "f1"


def test_a_peer_that_does_not_offer_it_gets_json(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.offer()
    body = b"\x81\xa4name\xa5greet"
    peer.send_bytes(len(body).to_bytes(4, "big") + body)
    assert peer.take() == []
    peer.send(a_request("greet", "f1"))
    assert peer.take(1)[0]["id"] == "f1"


def test_a_flood_of_packets_is_taken_in_shares(world: World, server: Side) -> None:
    flooding, other = world.dial(server), world.dial(server)
    flooding.offer(name="flood")
    other.offer(name="other")
    world.settle()
    (link,) = [link for link in server.node._hub.links if link.name == "flood"]
    was_waiting: list[bool] = []

    class Sees(Component):
        channel = "here"

        def greet(self, *args: Any) -> None:
            was_waiting.append(link.is_sated)

    Sees().register(server.app)
    world.settle()
    body = json.dumps(a_request("greet", "f0", "bob")).encode()
    packet = len(body).to_bytes(4, "big") + body
    flooding.sock.send(b"\0\0\0\2{}" * 500 + packet)
    other.sock.send(packet)
    assert [reply["id"] for reply in other.take(1)] == ["f0"]
    assert [reply["id"] for reply in flooding.take(1)] == ["f0"]
    # It was asked while the first one had to wait, and that one at its end.
    assert was_waiting == [True, False]
    flooding.send_bytes(packet)  # it is read again
    assert len(flooding.take(1)) == 1


def test_the_time_that_is_left_travels(world: World) -> None:
    near, peer, _ = connecting(world)
    one = ask(near, timeout=10)
    world.run(0.5)
    peer.send({"circuits": 2, "name": "far", "nonce": NONCE, "features": []}, version=1)
    (packet,) = peer.take(1)
    assert packet["timeout"] == pytest.approx(9.49, abs=0.02)
    two = ask(near)
    (packet,) = peer.take(1)
    assert packet["timeout"] == pytest.approx(30)
    assert not (one.result)
    assert not (two.result)


def test_work_whose_time_has_passed_is_abandoned(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.offer()
    peer.send(a_request("slow", "a", 5, timeout=2), a_request("greet", "b", timeout=0))
    peer.send(a_request("greet", "c", timeout=-1))
    world.run(10)
    assert [p for p in peer.take() if "ping" not in p] == []
    assert not server.node._hub.foreign


def test_a_request_without_a_time_is_cancelled_after_30_seconds(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.send(old_request(0, "slow", 29), old_request(1, "slow", 31), version=1)
    world.run(40)
    (reply,) = peer.take(1)
    assert reply["id"] == 0
    assert not server.node._hub.foreign


def test_flags_and_keys_from_outside_do_nothing_else(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.offer()
    keys = {"__class__": "x", "handler": 1, "value": 2, "stopped": True, "remote": False}
    peer.send(
        {**keys, **a_request("greet", "f0"), "notify": "stopped", "kwargs": {"self": 1, "name": 2}}
    )
    (reply,) = peer.take(1)
    assert reply["errors"] is True  # a handler that takes no ``self`` twice
    assert server.app.running
    peer.send(a_request("greet", "f1", kwargs={"cls": 1, "event": 2, "args": 3}))
    assert peer.take(1)[0]["value"] == "hello you"


@pytest.mark.parametrize(
    "name",
    ["stopped", "Stopped", "STOPPED", "generateEvents", "Generate_Events", "unregister",
     "load", "task", "ready", "request", "log", "_read", "_write", "__class__", "read_complete",
     "valueChanged", "exception", "Error", "remote", "stopped_success"],
)  # fmt: skip
def test_the_names_of_the_framework_are_refused_however_spelt(
    world: World, server: Side, name: str
) -> None:
    peer = world.dial(server)
    peer.send(a_request(name, "f0", channels=["*"]))
    (reply,) = peer.take(1)
    assert reply["errors"] is True
    assert reply["value"][0] == "Refused"
    assert server.app.running
    assert server.journal.errors == []


def test_malformed_packets_are_passed_over_and_answered_where_an_id_is(
    world: World, server: Side
) -> None:
    peer = world.dial(server)
    peer.offer()
    peer.send([1], {"id": 5}, {"id": "f0", "name": "greet", "args": 5})
    peer.send({"id": "f1", "name": "greet", "args": [{"$bytes": 5}]})
    peer.send({"id": "f2", "name": "greet", "args": [{"$data": {"type": "Evil", "fields": {}}}]})
    replies = {p["id"]: p["value"] for p in peer.take()}
    assert replies["f0"][0] == "ValueError"
    assert replies["f1"][0] == "ValueError"
    assert replies["f2"][0] == "TypeError"
    assert "'Evil'" in replies["f2"][1]
    peer.send(a_request("greet", "f3"))
    assert peer.take(1)[0]["id"] == "f3"


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x01\0\0\0", b"\0\xff\xff\xff"])
def test_what_is_no_packet_closes_the_connection_with_one_line(
    world: World, server: Side, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "circuits"):
        peer = world.dial(server)
        peer.send_bytes(data)
    assert peer.at_end
    assert len(caplog.records) == 1
    assert server.node._hub.links == {}


def test_refusals_are_logged_once_a_second(
    world: World, server: Side, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "circuits"):
        peer = world.dial(server)
        peer.offer()
        for _ in range(50):
            peer.send(a_request("stopped", None))
        assert len(caplog.records) == 1
        world.run(1)
        peer.send(a_request("stopped", None))
    assert len(caplog.records) == 2
    assert "49 times more" in caplog.records[1].getMessage()


def test_names_without_a_handler_make_no_class(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.offer()
    before = set(Event._event_created)
    for n in range(50):
        peer.send(a_request(f"strange{n}", n))
    assert len(peer.take()) == 50
    assert set(Event._event_created) == before


def test_what_nobody_handles_is_answered_and_not_remembered(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.offer()
    routes = server.app._tree_engine.routes
    for n in range(20):
        peer.send(a_request(f"strange{n}", n, channels=[f"made up {n}"]))
    assert [reply["value"] for reply in peer.take(20)] == [None] * 20
    assert not [name for name in routes.cache if name.startswith("strange")]
    peer.send(a_request("greet", 0, channels=["x"] * 65))
    assert peer.take(1)[0]["value"][0] == "ValueError"


def test_a_literal_name_reaches_its_handler(world: World, server: Side) -> None:
    class Literal(Component):
        channel = "here"

        def helloWorld(self) -> str:
            return "literally"

        def hello_moon(self) -> str:
            return "spoken"

    Literal().register(server.app)
    world.settle()
    peer = world.dial(server)
    peer.send(a_request("helloWorld", 0), a_request("helloMoon", 1), a_request("HelloMoon", 2))
    assert [p["value"] for p in peer.take(3)] == ["literally", "spoken", "spoken"]


def test_a_traceparent_arrives_and_travels(world: World, server: Side) -> None:
    class Sees(Component):
        channel = "here"

        def init(self) -> None:
            self.trace = ""

        def traced(self, event: Any) -> str:
            return getattr(event, "traceparent", "none")

    Sees().register(server.app)
    world.settle()
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    peer = world.dial(server)
    peer.send(a_request("traced", 0, traceparent=trace), a_request("traced", 1, traceparent="x"))
    assert [p["value"] for p in peer.take(2)] == [trace, "none"]
    near, peer, _ = connecting(world, version=2)
    peer.send({"circuits": 2, "name": None, "nonce": NONCE, "features": []}, version=1)
    remote = Remote(greet(), "far")
    remote.traceparent = trace  # type: ignore[attr-defined]
    near.app.fire(remote)
    assert peer.take(1)[0]["traceparent"] == trace


def test_a_peer_that_has_finished_writing_still_gets_its_answer(world: World, server: Side) -> None:
    import socket

    peer = world.dial(server)
    peer.send(old_request(0, "slow", 2), version=1)
    peer.sock.shutdown(socket.SHUT_WR)
    world.run(1)
    assert not peer.at_end
    world.run(2)
    assert peer.take(1)[0]["value"] == "slept"
    assert peer.at_end


# -- the secret --------------------------------------------------------------------------------


def proof(secret: bytes, role: str, *parts: Any) -> str:
    text = json.dumps([role, *parts], separators=(",", ":"), ensure_ascii=False)
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


@pytest.fixture
def guarded(world: World) -> Side:
    return world.node(Here(), bind=0, name="me", secret="sésame")


def test_both_prove_that_they_know_the_secret(world: World, guarded: Side) -> None:
    peer = world.dial(guarded)
    answer = peer.offer("bøb")
    parts = (NONCE, answer["nonce"], "bøb", "me")
    assert guarded.journal.of("connected_to") == []
    peer.send({"proof": proof("sésame".encode(), "client", *parts)})
    (found,) = peer.take(1)
    assert found == {"proof": proof("sésame".encode(), "server", *parts)}
    assert guarded.journal.of("connected_to") == [("bøb", "192.0.2.9", 4711)]
    peer.send(a_request("greet", "f0"))
    assert peer.take(1)[0]["value"] == "hello you"


@pytest.mark.parametrize("kind", ["wrong", "role", "replay", "no text", "not ascii", "event", "v1"])
def test_without_the_proof_nothing_is_read(world: World, guarded: Side, kind: str) -> None:
    secret = "sésame".encode()
    peer = world.dial(guarded)
    answer = peer.offer("bob")
    parts = (NONCE, answer["nonce"], "bob", "me")
    if kind == "wrong":
        peer.send({"proof": proof(b"other", "client", *parts)})
    elif kind == "role":
        peer.send({"proof": proof(secret, "server", *parts)})
    elif kind == "replay":
        peer.send({"proof": proof(secret, "client", NONCE, "f" * 32, "bob", "me")})
    elif kind == "no text":
        peer.send({"proof": 5})
    elif kind == "not ascii":
        peer.send({"proof": "é" * 64})
    else:
        peer.send(a_request("greet", "f0"), version=1 if kind == "v1" else 2)
    assert peer.at_end
    assert guarded.journal.of("connected_to") == []
    (component,) = [c for c in guarded.app.components if isinstance(c, Here)]
    assert component.seen == []


def test_version_1_is_refused_where_there_is_a_secret(world: World, guarded: Side) -> None:
    peer = world.dial(guarded)
    peer.send(old_request(0), version=1)
    assert peer.take() == []
    assert peer.at_end
    with pytest.raises(ValueError, match="version 1"):
        guarded.node.add("far", HOST, 99, version=1)


def test_the_proof_must_come_within_five_seconds_and_four_kib(world: World, guarded: Side) -> None:
    silent, slow, chatty = (world.dial(guarded) for _ in range(3))
    slow.offer("slow")
    chatty.send_bytes(b'{"circuits": 2, "padding": "' + b"x" * 4096)
    assert chatty.at_end
    world.run(4.9)
    assert not silent.at_end
    assert not slow.at_end
    world.run(0.2)
    assert silent.at_end
    assert slow.at_end


def test_the_connecting_side_proves_first_and_checks_the_other(world: World) -> None:
    near, peer, data = connecting(world, secret=b"s", name="me")
    offer = json.loads(data)
    peer.send({"circuits": 2, "name": None, "nonce": NONCE, "features": []}, version=1)
    parts = (offer["nonce"], NONCE, "me", None)
    (found,) = peer.take(1)
    assert found == {"proof": proof(b"s", "client", *parts)}
    value = ask(near)
    world.settle()
    assert peer.take() == []
    peer.send({"proof": proof(b"s", "server", *parts)})
    (packet,) = peer.take(1)
    assert packet["name"] == "greet"
    assert not value.result


def test_what_follows_the_proof_at_once_is_not_counted(world: World, guarded: Side) -> None:
    peer = world.dial(guarded)
    answer = peer.offer("bob")
    parts = (NONCE, answer["nonce"], "bob", "me")
    proven = json.dumps({"proof": proof("sésame".encode(), "client", *parts)}).encode()
    body = json.dumps(a_request("greet", "f0", "x" * 6000)).encode()
    peer.send_bytes(b"".join(len(b).to_bytes(4, "big") + b for b in (proven, body)))
    assert [next(iter(p)) for p in peer.take(2)] == ["proof", "v"]


def test_a_reflected_proof_is_wrong(world: World) -> None:
    near, peer, data = connecting(world, secret=b"s")
    nonce = json.loads(data)["nonce"]
    peer.send({"circuits": 2, "name": "near", "nonce": nonce, "features": []}, version=1)
    (found,) = peer.take(1)
    peer.send(found)
    assert peer.at_end
    assert near.journal.of("connected_to") == []


def test_a_server_that_proves_nothing_gets_nothing(world: World) -> None:
    near, peer, _ = connecting(world, secret=b"s")
    ask(near)
    world.run(4.9)
    assert peer.take() == []
    world.run(0.2)
    assert peer.at_end


def test_a_wrong_secret_is_tried_again_with_back_off(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    far = world.node(Here(), bind=0, name="far", secret="right")
    near = world.node(name="near", secret="wrong")
    near.node.add("far", HOST, far.node.port or 0)
    with caplog.at_level(logging.WARNING, "circuits"):
        world.run(30)
    assert "closed, it does not know the secret" in caplog.text
    moments = [moment for moment, _ in world.attempts]
    gaps = [later - sooner for sooner, later in itertools.pairwise(moments)]
    assert 5 <= len(gaps) <= 12
    assert gaps[-1] > 4
    value = near.app.fire(Remote(greet(), "far", "here", timeout=1))
    world.run(2)
    assert value.value[0] is Unreachable


def test_who_connects_with_a_wrong_secret_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    _, peer, _ = connecting(world, secret=b"s", name="me")
    peer.send({"circuits": 2, "name": "far", "nonce": NONCE, "features": []}, version=1)
    peer.take(1)
    with caplog.at_level(logging.WARNING, "circuits"):
        peer.close()
        world.settle()
    assert "closed, it does not take our proof of the secret" in caplog.text


def test_two_nodes_with_one_secret_work(world: World) -> None:
    near, _ = world.pair(Here(), secret="s", near_secret=b"s")
    value = near.app.fire(Remote(greet("bob"), "far", "here"))
    world.settle()
    assert value.value == "hello bob"


# -- signs of life -----------------------------------------------------------------------------


def test_pings_are_answered_and_sent(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.offer()
    peer.send({"ping": 7})
    assert peer.take() == [{"pong": 7}]
    world.run(5.1)
    (ping,) = peer.take(1)
    assert list(ping) == ["ping"]
    peer.send({"pong": ping["ping"]})
    world.run(5)
    assert [list(p) for p in peer.take()] == [["ping"]]


def test_a_silent_peer_is_gone_after_three_heartbeats(world: World) -> None:
    near, peer, _ = connecting(world, heartbeat=2)
    peer.send({"circuits": 2, "name": "far", "nonce": NONCE, "features": []}, version=1)
    value = ask(near)
    world.run(3)
    peer.send_bytes(b"\0")  # any byte is a sign of life
    world.run(5.9)
    assert near.journal.of("disconnected_from") == []
    world.run(0.2)
    assert near.journal.of("disconnected_from") == [("far", HOST, 99, "silent")]
    assert value.value[0] is Unreachable
    assert "silent" in str(value.value[1])


@pytest.mark.parametrize("heartbeat", [0.1, 0.3, 0.7, 1.1, 2.3, 4.1])
def test_when_a_peer_is_silent_is_worked_out_in_one_way(world: World, heartbeat: float) -> None:
    """Else its time may be over for the schedule, and not yet over for the link: that turns for ever."""
    for pause in range(1, 8):
        near, peer, _ = connecting(world, heartbeat=heartbeat)
        peer.send({"circuits": 2, "name": "far", "nonce": NONCE, "features": []}, version=1)
        world.run(heartbeat * pause / 7)
        peer.send_bytes(b"\0")
        world.run(heartbeat * 3 + 0.01)
        assert near.journal.of("disconnected_from") == [("far", HOST, 99, "silent")]
        near.app.stop()
        world.settle()


def test_version_1_has_no_heartbeats(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.send(old_request(0), version=1)
    peer.take(1)
    world.run(60)
    assert peer.take() == []
    assert not peer.at_end


def test_two_nodes_stay_connected_for_ever(world: World) -> None:
    near, far = world.pair(Here())
    world.run(3600)
    assert near.journal.of("disconnected_from") == far.journal.of("disconnected_from") == []


# -- connecting again --------------------------------------------------------------------------


def test_a_node_may_be_added_before_it_listens(world: World) -> None:
    near = world.node(name="near")
    near.node.add("far", HOST, 1000)
    value = near.app.fire(Remote(greet("bob"), "far", "here"))
    world.run(3)
    assert not value.result
    world.node(Here(), bind=("127.0.0.1", 1000), name="far")
    world.run(5)
    assert value.value == "hello bob"


def test_the_pauses_between_attempts_double_up_to_ten_seconds(world: World) -> None:
    near = world.node()
    near.node.add("far", HOST, 99)
    world.run(300)
    moments = [moment for moment, _ in world.attempts]
    gaps = [later - sooner for sooner, later in itertools.pairwise(moments)]
    for n, gap in enumerate(gaps):
        due = min(10, 0.1 * 2**n)
        assert due / 2 - 0.01 <= gap <= due + 0.01
    assert len({round(gap, 3) for gap in gaps[8:]}) > 3  # there is chance in them


def test_a_lost_connection_is_made_again(world: World) -> None:
    waiting = world.listen(99)
    near = world.node(name="near")
    near.node.add("far", HOST, 99)
    for n in range(1, 4):
        world.run(0.3)
        peer = world.accept(waiting)
        peer.send({"circuits": 2, "name": "far", "nonce": NONCE, "features": []}, version=1)
        peer.send({"ping": 1})
        peer.close()
        world.settle()
        assert len(near.journal.of("disconnected_from")) == n


def test_what_was_sent_is_unreachable_when_the_connection_is_lost_and_not_sent_again(
    world: World,
) -> None:
    waiting = world.listen(99)
    near = world.node(name="near")
    near.node.add("far", HOST, 99)
    world.run(0.01)
    peer = world.accept(waiting)
    peer.send({"circuits": 2, "name": "far", "nonce": NONCE, "features": []}, version=1)
    value = ask(near)
    world.settle()
    peer.close()
    world.settle()
    assert value.value[0] is Unreachable
    held = ask(near, "greet", "held")
    world.run(0.3)
    peer = world.accept(waiting)
    peer.read()
    peer.send({"circuits": 2, "name": "far", "nonce": NONCE, "features": []}, version=1)
    (packet,) = peer.take(1)
    assert packet["args"] == ["held"]
    assert packet["timeout"] < 30
    assert not held.result


def test_what_is_held_is_what_it_was_when_it_was_fired(world: World) -> None:
    near, peer, _ = connecting(world)
    things = [1]
    ask(near, "greet", things)
    world.settle()
    things.append(2)
    peer.send({"circuits": 2, "name": "far", "nonce": NONCE, "features": []}, version=1)
    assert peer.take(1)[0]["args"] == [[1]]


# -- names -------------------------------------------------------------------------------------


def test_a_name_that_connects_again_replaces_the_older_connection(
    world: World, server: Side
) -> None:
    one, two = world.dial(server), world.dial(server)
    one.offer("bob")
    two.offer("bob")
    assert one.take() == [{"replaced": True}]
    assert one.at_end
    assert not two.at_end
    server.app.fire(Remote(greet(), "bob"))
    assert two.take(1)[0]["name"] == "greet"
    assert ("bob", "192.0.2.9", 4711, "replaced") in server.journal.of("disconnected_from")


def test_who_was_replaced_does_not_come_back_until_it_is_added_again(world: World) -> None:
    far = world.node(Here(), bind=0, name="far")
    one, two = world.node(name="twin"), world.node(name="twin")
    one.node.add("far", HOST, far.node.port or 0)
    world.run(0.1)
    two.node.add("far", HOST, far.node.port or 0)
    world.run(30)
    (problem,) = one.journal.errors
    assert isinstance(problem, ValueError)
    assert "twin" in str(problem)
    assert two.journal.errors == []
    value = one.app.fire(Remote(greet(), "far", "here"))
    world.settle()
    assert value.value[0] is Unreachable
    one.node.add("far", HOST, far.node.port or 0)
    world.run(1)
    value = one.app.fire(Remote(greet("one"), "far", "here"))
    world.settle()
    assert value.value == "hello one"
    assert [type(p) for p in two.journal.errors] == [ValueError]


def test_a_name_without_proof_replaces_nobody(world: World, guarded: Side) -> None:
    one = world.dial(guarded)
    answer = one.offer("bob")
    one.send({"proof": proof("sésame".encode(), "client", NONCE, answer["nonce"], "bob", "me")})
    one.take(1)
    two = world.dial(guarded)
    two.offer("bob")
    world.run(6)
    assert two.at_end
    assert [p for p in one.take() if "ping" not in p] == []
    assert guarded.node._hub.named.keys() == {"bob"}


def test_only_the_connecting_side_can_be_replaced(world: World, server: Side) -> None:
    peer = world.dial(server)
    peer.offer("bob")
    peer.send({"replaced": True}, {"proof": "x"}, {"pong": []}, {"ping": [1]})
    assert not peer.at_end
    assert peer.take() == []
