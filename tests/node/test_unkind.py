"""What others send, and what handlers give, that is made to hurt: each is answered, nothing hangs."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import pytest

from circuits import Component, Event, TimeoutError, sleep
from circuits.core.errors import RemoteError
from circuits.node import Node, Remote, Unreachable
from circuits.node.errors import made_from, text_of
from tests.node.node_support import HOST, NONCE, Peer, Side, World
from tests.node.test_ending import greet, remote


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class HiddenError(Exception):
    """Has what the failure of a third node has, and is none."""

    type_name = 5

    @property
    def message(self) -> str:
        raise RuntimeError("no message")


class NumberedError(Exception):
    type_name = "Of another kind"
    message = 7


class NoZone(datetime.tzinfo):
    def utcoffset(self, when: datetime.datetime | None) -> datetime.timedelta:
        raise KeyError("zone")

    def tzname(self, when: datetime.datetime | None) -> str:
        return "none"

    def dst(self, when: datetime.datetime | None) -> None:
        return None


@dataclass
class Point:
    x: int

    def __repr__(self) -> str:
        raise OSError("no repr")


@dataclass(unsafe_hash=False)
class Unhashed:
    x: int

    def __hash__(self) -> int:
        raise LookupError("no hash")


@dataclass
class Picky:
    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise UnreadableError


class drawn(Event):
    point: Point


class kept(Event):
    point: Unhashed


class Odd(Component):
    channel = "node"

    def text(self) -> None:
        raise UnreadableError

    def hidden(self) -> None:
        raise HiddenError("secret")

    def numbered(self) -> None:
        raise NumberedError("seven")

    def third(self) -> None:
        raise RemoteError(UnreadableError(), "Odd")  # type: ignore[arg-type]

    def zone(self) -> Any:
        return datetime.datetime(2020, 1, 1, tzinfo=NoZone())

    def broken(self) -> Any:
        point = Point(1)
        del point.x
        return point

    def drawn(self, point: Point) -> Any:
        return point.x

    def plain(self, *args: Any, **kwargs: Any) -> str:
        return "plain"


def ask(world: World, *bodies: Any, **options: Any) -> dict[Any, Any]:
    """What a node answers to requests, by their ids."""
    peer = world.dial(world.node(Odd(), bind=0, **options))
    peer.offer()
    peer.send(*[{"v": 2, "id": number, **body} for number, body in enumerate(bodies)])
    world.run(1)
    return {answer["id"]: answer for answer in peer.take()}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("text", ("UnreadableError", "an exception whose text cannot be made (RuntimeError)")),
        ("hidden", ("HiddenError", "secret")),
        ("numbered", ("NumberedError", "seven")),
        ("third", ("Odd", "an exception whose text cannot be made (RuntimeError)")),
        ("zone", ("TypeError", "value cannot be sent: datetime.datetime raised KeyError")),
        ("broken", ("TypeError", f"value cannot be sent: {__name__}.Point raised AttributeError")),
    ],
)
def test_what_cannot_be_told_is_answered_with_a_failure(
    world: World, name: str, told: tuple[str, str]
) -> None:
    answers = ask(world, {"name": name}, {"name": "plain"})
    assert answers[0]["errors"]
    assert tuple(answers[0]["value"][:2]) == told
    assert answers[1]["value"] == "plain"


def test_a_class_that_refuses_what_came_is_answered_for(world: World) -> None:
    point = {"$data": {"type": "Picky", "fields": {"x": -1}}}
    strange = {"$set": [{"$data": {"type": "Unhashed", "fields": {"x": 1}}}]}
    answers = ask(
        world,
        {"name": "plain", "args": [point]},
        {"name": "plain", "args": [strange]},
        {"name": "plain"},
        types=[Picky, Unhashed],
    )
    assert answers[0]["value"][0] == "TypeError"
    assert answers[0]["value"][1].startswith("Picky: an exception whose text cannot be made")
    assert answers[1]["value"][:2] == ["ValueError", "a malformed value: no hash"]
    assert answers[2]["value"] == "plain"


def answering_peer(world: World, **options: Any) -> tuple[Side, Peer]:
    """A node, and the peer made by hand that it calls far."""
    waiting = world.listen(5555)
    near = world.node(**options)
    near.node.add("far", HOST, 5555)
    world.run(0.01)
    peer = world.accept(waiting)
    peer.take(1)
    peer.send({"circuits": 2, "name": None, "nonce": NONCE, "features": []}, version=1)
    return near, peer


def test_an_answer_whose_text_cannot_be_made_is_a_failure_all_the_same(world: World) -> None:
    near, peer = answering_peer(world, types=[Point])
    value, other = near.app.fire(remote(greet())), near.app.fire(remote(greet()))
    world.run(0.01)
    first, second = peer.take(2)
    point = {"$data": {"type": "Point", "fields": {"x": 1}}}
    peer.send({"v": 2, "id": first["id"], "errors": True, "value": point})
    peer.send({"v": 2, "id": second["id"], "value": "well"})
    assert value.value[0] is RemoteError
    assert other.value == "well"


def test_texts_are_made_of_anything() -> None:
    assert text_of("x" * 20_000) == "x" * 10_000
    assert text_of(Point(1)) == "a Point whose text cannot be made (OSError)"
    assert str(made_from(["E", Point(1), []])).startswith("E: a Point whose text")


@pytest.mark.parametrize("tag", ["$set", "$frozenset", "$map"])
def test_values_chosen_to_have_one_hash_do_not_stop_the_node(world: World, tag: str) -> None:
    many = [number * ((1 << 61) - 1) for number in range(1, 3001)]
    content = [[key, 0] for key in many] if tag == "$map" else many
    answers = ask(world, {"name": "plain", "args": [{tag: content}]}, {"name": "plain"})
    assert answers[0]["value"][:2] == ["ValueError", "more than 32 values of the same hash"]
    assert answers[1]["value"] == "plain"


def test_large_sets_of_other_values_travel(world: World) -> None:
    # -1 and -2 have one hash, and so have the tuples of them.
    grid = [{"$tuple": [x, y, z]} for x in range(500) for y in (-1, -2) for z in (-1, -2)]
    many = {"$set": [*range(5000), *grid]}
    pairs = {"$map": [[number, str(number)] for number in range(5000)]}
    answers = ask(world, {"name": "plain", "args": [many, pairs, {"$set": [1] * 900}]})
    assert answers[0]["value"] == "plain"


def test_a_peer_that_reads_and_never_answers_is_sent_no_more_than_the_limit(world: World) -> None:
    near, peer = answering_peer(world, outstanding=20, limit=5, heartbeat=0)
    values = [near.app.fire(remote(greet(number))) for number in range(30)]
    world.run(0.01)
    sent = peer.take(20)
    for value in values[25:]:
        assert value.value[0] is Unreachable
        text = str(value.value[1])
        assert text == "queue full: 5 events wait for 'far', and 20 are not answered"
    peer.send(*[{"v": 2, "id": request["id"], "value": 1} for request in sent[:2]])
    world.run(0.01)
    assert [request["args"] for request in peer.take(2)] == [[20], [21]]
    world.run(30)  # until the deadline of all of them
    assert all(value.value[0] is Unreachable for value in values[2:])
    again = near.app.fire(remote(greet("again")))
    world.run(0.01)
    request = peer.take(1)[0]
    assert request["args"] == ["again"]
    peer.send({"v": 2, "id": request["id"], "value": "here"})
    assert again.value == "here"


def test_a_deadline_makes_room_for_what_waits(world: World) -> None:
    near, peer = answering_peer(world, outstanding=1)
    near.app.fire(remote(greet("first"), timeout=1.0))
    value = near.app.fire(remote(greet("second"), timeout=9.0))
    world.run(0.5)
    assert [request["args"] for request in peer.take()] == [["first"]]
    world.run(0.6)
    request = peer.take(1)[0]
    assert request["args"] == ["second"]
    assert request["timeout"] < 8.1
    peer.send({"v": 2, "id": request["id"], "value": 2})
    assert value.value == 2


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "many"])
def test_the_limit_is_a_number(number: Any) -> None:
    with pytest.raises(ValueError, match="outstanding must be 1 or more"):
        Node(outstanding=number)


@pytest.mark.parametrize("place", ["here", "there"])
@pytest.mark.parametrize("limit", ["of the event", "of the call"])
def test_what_nobody_waits_for_is_abandoned_wherever_it_runs(
    world: World, place: str, limit: str
) -> None:
    class Slow(Component):
        channel = "far"

        def init(self) -> None:
            self.ends: list[str] = []

        def slow(self) -> Any:
            try:
                yield sleep(3)
                self.ends.append("slept")
            finally:
                self.ends.append("closed")

    class Caller(Component):
        channel = "caller"

        def go(self) -> Any:
            is_of_event = limit == "of the event"
            event = Remote(Event.create("slow"), "far", "far", timeout=2 if is_of_event else None)
            try:
                value = yield self.call(event, timeout=None if is_of_event else 2)
                failures.append(value.value[0])
            except TimeoutError:
                failures.append(TimeoutError)

    failures: list[Any] = []
    slow = Slow()
    if place == "there":
        near, _far = world.pair(slow, near=[Caller()])
    else:
        near = world.node(slow, Caller(), name="far")
    near.app.fire(Event.create("go"), "caller")
    world.run(1.9)
    assert (failures, slow.ends) == ([], [])
    world.run(0.2)
    assert failures == [Unreachable if limit == "of the event" else TimeoutError]
    world.run(5)
    assert slow.ends == ["closed"]
    assert [type(problem) for problem in near.journal.errors] == (
        [Unreachable] if limit == "of the event" else []
    )
