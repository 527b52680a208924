"""Nodes over TCP: what both sides promise."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from circuits import Component, Event, Value, handler, sleep
from circuits.core.errors import RemoteError, TimeoutError
from circuits.node import Refused, Remote, Unreachable
from tests.node.node_support import HOST, World


class greet(Event): ...


class bad(Event): ...


class many(Event): ...


class slow(Event): ...


class nested(Event): ...


class echo(Event): ...


class unknown(Event): ...


class Far(Component):
    """What runs at the other node."""

    channel = "far"

    def init(self) -> None:
        self.seen: list[Any] = []
        self.ended: list[Any] = []

    def greet(self, who: str = "you", *, mood: str = "") -> str:
        self.seen.append(who)
        return f"hello {mood}{who}"

    def bad(self) -> None:
        raise ValueError("no such account")

    @handler("many")
    def _one(self) -> int:
        return 1

    @handler("many")
    def _two(self) -> list[int]:
        return [2]

    def slow(self, seconds: float) -> Any:
        self.seen.append(seconds)
        try:
            yield sleep(seconds)
            self.ended.append(seconds)
        except GeneratorExit:
            self.ended.append("cancelled")
            raise
        return f"slept {seconds}"

    def nested(self) -> Value:
        return self.fire(slow(1))

    def echo(self, *args: Any) -> Any:
        self.seen.append(args)
        return args[0] if args else None


class Caller(Component):
    """Calls, and keeps what came of it."""

    channel = "caller"

    def init(self) -> None:
        self.outcomes: list[Any] = []

    @handler("ask")
    def _on_ask(self, asked: Event, options: dict[str, Any]) -> Any:
        try:
            value = yield self.call(asked, **options)
            self.outcomes.append(value.value if not value.errors else value.exceptions[0])
        except BaseException as problem:
            self.outcomes.append(problem)


class ask(Event): ...


def far_channel(event: Event, **options: Any) -> Remote:
    return Remote(event, "far", "far", **options)


# -- what is asked and answered ----------------------------------------------------------------


def test_an_event_runs_at_the_other_side_and_its_result_is_the_value(world: World) -> None:
    near, _ = world.pair(Far())
    value = near.app.fire(Remote(greet("bob"), "far", channel="far"))
    world.settle()
    assert value.value == "hello bob"
    assert not value.errors
    assert near.journal.of("connected_to") == [("far", HOST, 1000)]


def test_keywords_travel(world: World) -> None:
    near, _ = world.pair(Far())
    value = near.app.fire(far_channel(greet("bob", mood="dear ")))
    world.settle()
    assert value.value == "hello dear bob"


def test_the_channel_is_that_of_the_remote_else_of_the_event_else_of_the_node(
    world: World,
) -> None:
    class On(Component):
        def init(self, channel: str, **options: Any) -> None:
            self.channel = channel

        def greet(self) -> Any:
            return self.channel

    near, _ = world.pair(On("one"), On("two"), On("node"))
    event = greet()
    event.channels = ("two",)
    values = [
        near.app.fire(Remote(event, "far", channel="one")),
        near.app.fire(Remote(event, "far")),
        near.app.fire(Remote(greet(), "far")),
    ]
    world.settle()
    assert [value.value for value in values] == ["one", "two", "node"]


def test_several_results_are_a_list(world: World) -> None:
    near, _ = world.pair(Far())
    value = near.app.fire(far_channel(many()))
    world.settle()
    assert value.value == [1, [2]]


def test_no_result_is_none(world: World) -> None:
    near, _ = world.pair(Far())
    values = [near.app.fire(far_channel(unknown())), near.app.fire(far_channel(echo()))]
    world.settle()
    assert [(v.value, v.errors) for v in values] == [(None, False), (None, False)]
    assert not near.node._hub.asked


def test_a_handler_that_waits_answers_when_it_is_done(world: World) -> None:
    near, _ = world.pair(Far())
    value = near.app.fire(far_channel(slow(2)))
    world.run(1)
    assert not value.result
    world.run(2)
    assert value.value == "slept 2"


def test_the_value_of_an_event_that_goes_on_is_waited_for(world: World) -> None:
    near, _ = world.pair(Far())
    value = near.app.fire(far_channel(nested()))
    world.run(0.5)
    assert not value.result
    world.run(1)
    assert value.value == "slept 1"


def test_a_failure_has_the_type_the_message_and_the_lines(world: World) -> None:
    near, _ = world.pair(Far())
    value = near.app.fire(far_channel(bad()))
    world.settle()
    assert value.errors
    kind, problem, lines = value.value
    assert kind is RemoteError
    assert (problem.type_name, problem.message) == ("ValueError", "no such account")
    assert "no such account" in "".join(problem.lines)
    assert lines == problem.lines
    assert near.journal.errors == [problem]


def test_success_and_failure_are_asked_for_over_there(world: World) -> None:
    class Hears(Component):
        channel = "far"

        def init(self) -> None:
            self.heard: list[str] = []

        def greet_success(self, event_: Any, value: Any) -> None:
            self.heard.append(value)

        def bad_failure(self, event_: Any, error: Any) -> None:
            self.heard.append(str(error[1]))

    hears = Hears()
    near, _ = world.pair(Far(), hears)
    one, two = greet("bob"), bad()
    one.success = two.failure = True
    near.app.fire(far_channel(one))
    near.app.fire(far_channel(two))
    world.settle()
    assert hears.heard == ["hello bob", "no such account"]


def test_a_change_of_the_value_is_told_here(world: World) -> None:
    class Hears(Component):
        channel = "*"

        def init(self) -> None:
            self.heard: list[Any] = []

        def remote_value_changed(self, value: Value) -> None:
            self.heard.append(value.value)

    hears = Hears()
    _near, _ = world.pair(Far(), near=[hears])
    remote = far_channel(greet("bob"))
    remote.notify = True
    hears.fire(remote)
    world.settle()
    assert hears.heard == ["hello bob"]


def test_the_same_object_may_be_sent_again_and_again(world: World) -> None:
    near, _far = world.pair(Far())
    remote = far_channel(greet("bob"))
    for _ in range(3):
        value = near.app.fire(remote)
        world.settle()
        assert value.value == "hello bob"
    values = [near.app.fire(remote) for _ in range(3)]
    world.settle()
    assert [value.value for value in values] == ["hello bob"] * 3


def test_thousands_at_once_are_all_answered(world: World) -> None:
    near, far = world.pair(Far())
    values = [near.app.fire(far_channel(echo(n))) for n in range(3000)]
    world.settle()
    assert [value.value for value in values] == list(range(3000))
    assert not far.node._hub.is_holding


# -- the values that travel --------------------------------------------------------------------


@dataclass
class Money:
    amount: Decimal
    currency: str = "EUR"


@dataclass
class Account:
    owner: str
    balance: Money


class Debit(Event):
    account: Account
    amount: int
    note: str | None = None


class Till(Component):
    channel = "far"

    def debit(self, account: Any, amount: int, note: Any = None) -> Any:
        return account

    def echo(self, thing: Any) -> Any:
        return thing


ACCOUNT = Account("bob", Money(Decimal("1.50")))


def test_values_beyond_json_travel_both_ways(world: World) -> None:
    near, _ = world.pair(Far())
    thing = [
        b"\0\xff", datetime.datetime(2026, 1, 2), (1, (2,)), {3}, {1: {"$set": 5}}, Decimal("1.1"),
        "ü\u2028", None, True, 1.5, 1 << 80,
    ]  # fmt: skip
    value = near.app.fire(far_channel(echo(thing)))
    world.settle()
    assert value.value == thing
    assert type(value.value[2]) is tuple


def test_dataclasses_in_the_annotations_of_an_event_travel(world: World) -> None:
    near, _ = world.pair(Till())
    value = near.app.fire(far_channel(Debit(ACCOUNT, 5)))
    world.settle()
    assert value.value == ACCOUNT


def test_a_wrong_field_is_a_type_error_that_names_it(world: World) -> None:
    near, _ = world.pair(Till())
    wrong: Any = "five"
    values = [
        near.app.fire(far_channel(Debit(ACCOUNT, wrong))),
        near.app.fire(far_channel(Event.create("debit", ACCOUNT))),
        near.app.fire(far_channel(Event.create("debit", ACCOUNT, 5, more=6))),
        near.app.fire(far_channel(Event.create("debit", ACCOUNT, True))),
    ]
    world.settle()
    problems = [value.value[1] for value in values]
    assert [p.type_name for p in problems] == ["TypeError"] * 4
    assert [
        word in p.message
        for p, word in zip(problems, ("amount", "amount", "more", "amount"), strict=False)
    ] == [True] * 4


class _OnlyHere:
    pass


@dataclass
class Private:
    x: int


def test_what_does_not_travel_fails_at_the_sender_with_its_place(world: World) -> None:
    near, far = world.pair(Far())
    values = [
        near.app.fire(far_channel(echo([1, {"when": _OnlyHere()}]))),
        near.app.fire(far_channel(echo(Private(1)))),
        near.app.fire(far_channel(echo(1, mood=float("nan")))),
    ]
    world.settle()
    problems = [value.value[1] for value in values]
    assert [type(p).__mro__[2] for p in problems] == [TypeError] * 3
    places = ["args[0][1]['when']", "args[0]", "kwargs['mood']"]
    assert [str(p).startswith(place) for p, place in zip(problems, places, strict=True)] == [
        True
    ] * 3
    assert len(far.node._hub.links) == 1


def test_a_dataclass_that_the_other_side_does_not_know(world: World) -> None:
    near, _ = world.pair(Far(), near_types=[Private])
    value = near.app.fire(far_channel(echo(Private(1))))
    world.settle()
    problem = value.value[1]
    assert (type(problem), problem.type_name) == (RemoteError, "TypeError")
    assert "'Private'" in problem.message


def test_a_dataclass_that_this_side_does_not_know_in_an_answer(world: World) -> None:
    class Gives(Component):
        channel = "far"

        def greet(self) -> Private:
            return Private(5)

    near, _ = world.pair(Gives(), types=[Private])
    value = near.app.fire(far_channel(greet()))
    world.settle()
    assert value.value[1].type_name == "TypeError"
    assert "'Private'" in value.value[1].message


def test_an_answer_that_does_not_travel_is_a_failure(world: World) -> None:
    class Gives(Component):
        channel = "far"

        def greet(self) -> Any:
            return object()

        def echo(self) -> Any:
            return "x" * 5000

    near, _ = world.pair(Gives(), packet_limit_bytes=2000)
    values = [near.app.fire(far_channel(greet())), near.app.fire(far_channel(echo()))]
    world.settle()
    assert [v.value[1].type_name for v in values] == ["TypeError", "ValueError"]
    assert "at most 2000" in values[1].value[1].message


def test_a_packet_that_is_too_large_fails_at_the_sender(world: World) -> None:
    near, _far = world.pair(Far(), near_packet_limit_bytes=1000)
    value = near.app.fire(far_channel(greet("x" * 2000)))
    other = near.app.fire(far_channel(greet("y")))
    world.settle()
    assert value.value[0] is ValueError
    assert other.value == "hello y"


# -- names -------------------------------------------------------------------------------------


def test_an_unknown_node_is_a_key_error(world: World) -> None:
    near, _ = world.pair(Far())
    value = near.app.fire(Remote(greet(), "nobody"))
    world.settle()
    assert value.value[0] is KeyError
    assert value.value[1].args == ("nobody",)


def test_a_node_sends_to_those_that_have_connected(world: World) -> None:
    class Here(Component):
        channel = "here"

        def greet(self) -> str:
            return "from near"

    _near, far = world.pair(Far(), near=[Here()])
    assert far.journal.of("connected_to") == [("near", "192.0.2.9", 4711)]
    value = far.app.fire(Remote(greet(), "near", channel="here"))
    world.settle()
    assert value.value == "from near"


def test_who_was_connected_and_is_gone_is_unreachable(world: World) -> None:
    near, far = world.pair(Far())
    near.node.remove("far")
    world.settle()
    value = far.app.fire(Remote(greet(), "near"))
    world.settle()
    assert value.value[0] is Unreachable
    assert far.journal.of("disconnected_from") == [("near", "192.0.2.9", 4711, "closed")]


def test_ones_own_name_runs_here(world: World) -> None:
    near, _ = world.pair(Far(), near=[Far()])
    values = [near.app.fire(Remote(greet("me"), "near", "far"))]
    values.append(near.app.fire(Remote(bad(), "near", "far")))
    values.append(near.app.fire(Remote(slow(1), "near", "far")))
    world.run(2)
    assert values[0].value == "hello me"
    assert values[1].value[0] is ValueError
    assert values[2].value == "slept 1"


def test_ones_own_name_has_a_deadline_too(world: World) -> None:
    near, _ = world.pair(Far(), near=[Far()])
    value = near.app.fire(Remote(slow(60), "near", "far"))
    world.run(31)
    assert value.value[0] is Unreachable


def test_of_two_nodes_in_a_tree_the_one_that_knows_the_name_is_asked(world: World) -> None:
    from tests.node.node_support import MemoryNode

    near, _far = world.pair(Far())
    other = MemoryNode(channel="other").register(near.app)
    world.settle()
    values = [
        near.app.fire(far_channel(greet("bob"))),
        near.app.fire(far_channel(greet()), "other"),
    ]
    world.settle()
    assert values[0].value == "hello bob"
    assert values[1].value[0] is KeyError
    other.unregister()
    world.settle()
    value = near.app.fire(far_channel(greet("bob")), "anywhere")
    world.settle()
    assert value.value == "hello bob"


# -- deadlines ---------------------------------------------------------------------------------


def test_the_default_deadline_is_30_seconds(world: World) -> None:
    far = Far()
    near, _ = world.pair(far)
    value = near.app.fire(far_channel(slow(60)))
    world.run(29)
    assert not value.result
    world.run(2)
    assert value.value[0] is Unreachable
    assert "no answer within 30 s" in str(value.value[1])
    assert far.ended == ["cancelled"]


def test_the_deadline_of_a_remote_travels(world: World) -> None:
    component = Far()
    near, far = world.pair(component)
    value = near.app.fire(far_channel(slow(60), timeout=2))
    world.run(2.1)
    assert "no answer within 2 s" in str(value.value[1])
    assert component.ended == ["cancelled"]
    assert not far.node._hub.foreign
    world.run(60)
    assert component.ended == ["cancelled"]


def test_the_deadline_of_a_call_is_a_timeout_error_and_travels(world: World) -> None:
    component, caller = Far(), Caller()
    near, _far = world.pair(component, near=[caller])
    caller.fire(ask(far_channel(slow(60), timeout=50), {"timeout": 3}))
    world.run(2.9)
    assert caller.outcomes == []
    world.run(0.3)
    assert [type(outcome) for outcome in caller.outcomes] == [TimeoutError]
    assert component.ended == ["cancelled"]
    assert near.journal.errors == []
    assert not near.node._hub.asked


def test_a_wait_with_a_deadline_of_its_own(world: World) -> None:
    class Waits(Component):
        channel = "waits"

        def init(self) -> None:
            self.value: Any = None
            self.problem: Any = None

        @handler("begin")
        def _on_begin(self) -> Any:
            remote = far_channel(slow(60))
            self.value = self.fire(remote)
            try:
                yield self.wait(remote, timeout=2)
            except TimeoutError as problem:
                self.problem = problem

    component, waits = Far(), Waits()
    near, _ = world.pair(component, near=[waits])
    waits.fire(Event.create("begin"))
    world.run(3)
    assert waits.problem is not None
    assert waits.value.value[0] is TimeoutError
    assert component.ended == ["cancelled"]
    assert near.journal.errors == []


def test_the_shorter_deadline_is_that_of_the_remote(world: World) -> None:
    caller = Caller()
    _near, _ = world.pair(Far(), near=[caller])
    caller.fire(ask(far_channel(slow(60), timeout=2), {"timeout": 30}))
    world.run(3)
    assert [type(outcome) for outcome in caller.outcomes] == [Unreachable]


def test_what_is_answered_in_time_leaves_nothing_behind(world: World) -> None:
    near, far = world.pair(Far())
    for _ in range(100):
        near.app.fire(far_channel(greet()))
    world.settle()
    for side in (near, far):
        hub = side.node._hub
        assert not (hub.asked)
        assert not (hub.foreign)
        assert [link.outstanding for link in hub.links] == [{}]
        assert len(side.app._tree_engine.schedule) <= 3  # heartbeats


# -- who may do what ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stopped", "Stopped", "load", "order", "_private", "greetX"])
def test_refused_events_are_answered(world: World, name: str) -> None:
    near, far = world.pair(Far(), accept=["greet"])
    value = near.app.fire(far_channel(Event.create(name)))
    world.settle()
    assert value.value[0] is Refused
    assert value.value[1].type_name == "Refused"
    assert isinstance(value.value[1], RemoteError)
    assert near.app.fire(far_channel(greet("bob"))) is not None
    assert far.app.running


def test_an_application_names_what_it_wants(world: World) -> None:
    class Loads(Component):
        channel = "far"

        def load(self) -> str:
            return "loaded"

        def order_complete(self) -> str:
            return "completed"

    near, _far = world.pair(Loads(), accept=["load", greet])
    values = [near.app.fire(far_channel(Event.create(n))) for n in ("load", "order_complete")]
    world.settle()
    assert values[0].value == "loaded"
    assert values[1].value[0] is Refused


def test_feedback_names_of_the_application_come_in(world: World) -> None:
    class Hears(Component):
        channel = "far"

        def order_complete(self) -> str:
            return "completed"

    near, _ = world.pair(Hears())
    value = near.app.fire(far_channel(Event.create("order_complete")))
    world.settle()
    assert value.value == "completed"


def test_walls_at_both_sides(world: World) -> None:
    seen: list[Any] = []

    def receive(event: Event, name: str | None) -> bool:
        seen.append((event.name, event.args, name))
        return event.args != ["mallory"]

    near, _far = world.pair(
        Far(), receive=receive, near_send=lambda event, name: (event.name, name) != ("bad", "far")
    )
    values = [near.app.fire(far_channel(e)) for e in (greet("bob"), greet("mallory"), bad())]
    world.settle()
    assert values[0].value == "hello bob"
    assert [value.value[0] for value in values[1:]] == [Refused, Refused]
    assert seen == [("greet", ["bob"], "near"), ("greet", ["mallory"], "near")]


def test_a_wall_that_raises_refuses(world: World) -> None:
    def receive(event: Event, name: str | None) -> bool:
        raise KeyError("oops")

    near, far = world.pair(Far(), receive=receive)
    value = near.app.fire(far_channel(greet()))
    world.settle()
    assert value.value[0] is Refused
    assert [type(problem) for problem in far.journal.errors] == [KeyError]


def test_nothing_is_stored_over_tcp(world: World) -> None:
    near, _ = world.pair(Far())
    value = near.app.fire(far_channel(greet(), durable=True))
    world.settle()
    assert value.value[0] is ValueError


@pytest.mark.parametrize("timeout", [-1, float("inf"), float("nan"), "5", True])
def test_a_remote_has_a_deadline(timeout: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Remote(greet(), "far", timeout=timeout)


def test_wrong_options() -> None:
    from circuits.node import Node

    for options, kind in [
        ({"accept": ["stopped"]}, ValueError), ({"accept": ["Started"]}, ValueError),
        ({"accept": [5]}, TypeError), ({"types": [int]}, TypeError), ({"limit": 0}, ValueError),
        ({"concurrency": True}, ValueError), ({"packet_limit_bytes": 1 << 24}, ValueError),
        ({"heartbeat": -1}, ValueError), ({"heartbeat": "5"}, TypeError),
        ({"stop_timeout": -1}, ValueError), ({"secret": ""}, ValueError), ({"secret": 5}, TypeError), ({"name": ""}, ValueError),
        ({"bogus": 1}, TypeError), ({"group": "x"}, ValueError), ({"durable": True}, ValueError),
        ({"bind": "nats://"}, ValueError), ({"bind": 1.5}, TypeError),
        ({"bind": "host:port"}, ValueError), ({"bind": 70000}, ValueError),
        ({"bind": 0, "tls": "yes"}, TypeError), ({"forward": ["charge"]}, TypeError),
        ({"forward": {"far": (5,)}}, TypeError),
    ]:  # fmt: skip
        with pytest.raises(kind):
            Node(**options)  # type: ignore[arg-type]


# -- many at a time ----------------------------------------------------------------------------


def test_a_node_stops_reading_while_too_many_are_suspended(world: World) -> None:
    component = Far()
    near, far = world.pair(component, concurrency=3)
    values = [near.app.fire(far_channel(slow(10))) for _ in range(5)]
    values += [near.app.fire(far_channel(greet("bob")))]
    world.run(5)
    assert component.seen == [10, 10, 10]
    assert far.node._hub.is_holding
    world.run(5.5)
    assert sorted(component.seen, key=str) == [10, 10, 10, 10, 10, "bob"]
    world.run(10)
    assert [v.value for v in values] == ["slept 10"] * 5 + ["hello bob"]
    assert not far.node._hub.is_holding


def test_a_node_that_does_not_read_is_not_silent_and_counts_no_silence(world: World) -> None:
    near, far = world.pair(Far(), concurrency=1, heartbeat=1, near_heartbeat=1)
    values = [near.app.fire(far_channel(slow(20))) for _ in range(2)]
    world.run(15)
    assert far.node._hub.is_holding
    assert near.journal.of("disconnected_from") == far.journal.of("disconnected_from") == []
    world.run(30)
    assert values[0].value == "slept 20"


def test_handlers_that_ask_back_are_answered_however_many_there_are(world: World) -> None:
    class Here(Component):
        channel = "here"

        def back(self, number: int) -> int:
            return number + 1

    class There(Component):
        channel = "far"

        def forth(self, number: int) -> Any:
            value = yield self.call(Remote(Event.create("back", number), "near", "here"))
            yield value.value

    near, far = world.pair(There(), near=[Here()], concurrency=3)
    values = [near.app.fire(far_channel(Event.create("forth", n))) for n in range(50)]
    world.run(1)
    assert [value.value for value in values] == list(range(1, 51))
    assert not far.node._hub.is_holding
    assert [len(link._aside) for link in far.node._hub.links] == [0]


def test_what_is_set_aside_is_limited(world: World) -> None:
    class There(Component):
        channel = "far"

        def forth(self) -> Any:
            yield self.call(Remote(Event.create("slow", 50), "near", "far"))

    near, far = world.pair(There(), near=[Far()], concurrency=3, limit=10)
    for _ in range(100):
        near.app.fire(far_channel(Event.create("forth")))
    world.run(1)
    (link,) = far.node._hub.links
    assert len(link._aside) == 10
    assert far.node._hub.is_holding
    world.run(28)
    assert len(link._aside) == 10
    world.run(400)
    assert not far.node._hub.is_holding
    assert len(link._aside) == 0


def test_events_that_end_at_once_are_not_counted(world: World) -> None:
    near, _far = world.pair(Far(), concurrency=2)
    values = [near.app.fire(far_channel(greet("bob"))) for _ in range(50)]
    world.settle()
    assert [v.value for v in values] == ["hello bob"] * 50


def test_at_most_limit_events_wait_for_a_node_that_is_away(world: World) -> None:
    near = world.node(limit=3)
    near.node.add("far", HOST, 99)
    world.settle()
    values = [near.app.fire(far_channel(greet())) for _ in range(5)]
    world.settle()
    assert [v.errors for v in values] == [False, False, False, True, True]
    assert "queue full" in str(values[3].value[1])
    assert values[3].value[0] is Unreachable
    world.run(31)
    assert all(v.value[0] is Unreachable for v in values)
    assert "no answer within 30 s" in str(values[0].value[1])
