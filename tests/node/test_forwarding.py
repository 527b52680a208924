"""Place without a change at the caller: events run elsewhere where nobody answers them here."""

from __future__ import annotations

from typing import Any

import pytest

from circuits import Component, Debugger, Event, handler, sleep
from circuits.core.errors import RemoteError, TimeoutError
from circuits.node import Unreachable
from tests.node.node_support import HOST, World


class greet(Event): ...


class Charge(Event):
    amount: int


class Billing(Component):
    channel = "billing"

    def greet(self, who: str = "you") -> str:
        return f"hello {who}"

    def charge(self, amount: int) -> Any:
        if amount < 0:
            raise ValueError("less than nothing")
        yield sleep(1)
        return amount * 2


class Shop(Component):
    """The caller, which knows nothing of nodes."""

    channel = "shop"

    def init(self) -> None:
        self.outcomes: list[Any] = []

    @handler("buy")
    def _on_buy(self, amount: int, **options: Any) -> Any:
        try:
            value = yield self.call(Charge(amount), "billing", **options)
            self.outcomes.append(value.exceptions[0] if value.errors else value.value)
        except TimeoutError as problem:
            self.outcomes.append(problem)


class buy(Event): ...


def test_events_of_names_and_classes_run_at_the_node(world: World) -> None:
    shop = Shop()
    near, _ = world.pair(Billing(), near=[shop], forward=("greet", Charge))
    value = near.app.fire(greet("bob"), "billing")
    shop.fire(buy(5))
    world.run(2)
    assert value.value == "hello bob"
    assert shop.outcomes == [10]


@pytest.mark.parametrize("forward", ["greet", greet])
def test_one_event_alone_is_not_taken_for_its_letters(world: World, forward: Any) -> None:
    near, _ = world.pair(Billing(), forward=forward)
    value = near.app.fire(greet("bob"), "billing")
    world.run(2)
    assert value.value == "hello bob"


def test_a_handler_in_the_tree_comes_first(world: World) -> None:
    class Own(Component):
        channel = "billing"

        def greet(self, who: str) -> str:
            return f"here is {who}"

    near, _ = world.pair(Billing(), near=[Own()], forward=("greet",))
    value = near.app.fire(greet("bob"), "billing")
    world.settle()
    assert value.value == "here is bob"


def test_who_only_looks_on_does_not_answer(world: World) -> None:
    near, _ = world.pair(Billing(), near=[Debugger(events=False, errors=False)], forward=("greet",))
    value = near.app.fire(greet("bob"), "billing")
    world.settle()
    assert value.value == "hello bob"


def test_failures_deadlines_and_losses_are_those_of_the_event(world: World) -> None:
    shop = Shop()
    near, _far = world.pair(Billing(), near=[shop], forward=(Charge,))
    shop.fire(buy(-1))
    world.run(2)
    (problem,) = shop.outcomes
    assert isinstance(problem, RemoteError)
    assert problem.type_name == "ValueError"
    shop.fire(buy(5, timeout=0.5))
    world.run(2)
    assert isinstance(shop.outcomes[1], TimeoutError)
    shop.fire(buy(5))
    world.run(0.5)
    near.node.remove("far")
    world.settle()
    assert isinstance(shop.outcomes[2], Unreachable)


def test_the_same_tree_without_a_node_gives_the_same(world: World) -> None:
    shop = Shop()
    world.node(Billing(), shop)
    shop.fire(buy(5))
    world.run(2)
    assert shop.outcomes == [10]


def test_what_comes_from_elsewhere_is_not_passed_on(world: World) -> None:
    near, far = world.pair(forward=("greet",))
    far.node.add("near", HOST, 0)  # which never answers
    far.node._forward("greet", "near")
    value = near.app.fire(greet("bob"), "billing")
    world.settle()
    assert (value.value, value.errors) == (None, False)


def test_feedback_is_fired_here(world: World) -> None:
    heard: list[Any] = []

    class Hears(Component):
        channel = "billing"

        def greet_success(self, asked: Any, value: Any) -> None:
            heard.append(value)

    event = greet("bob")
    event.success = True
    near, _ = world.pair(Billing(), near=[Hears()], forward=("greet",))
    near.app.fire(event, "billing")
    world.settle()
    assert heard == ["hello bob"]


def test_a_name_goes_to_the_node_that_was_named_last_and_ends_with_it(world: World) -> None:
    class Second(Component):
        channel = "billing"

        def greet(self, who: str) -> str:
            return f"second {who}"

    near, _ = world.pair(Billing(), forward=("greet",))
    second = world.node(Second(), bind=0, name="second")
    near.node.add("second", HOST, second.node.port or 0, forward=(greet,))
    world.run(0.1)
    value = near.app.fire(greet("bob"), "billing")
    world.settle()
    assert value.value == "second bob"
    near.node.remove("second")
    world.settle()
    value = near.app.fire(greet("bob"), "billing")
    world.settle()
    assert (value.value, value.errors) == (None, False)


def test_events_for_a_node_that_will_connect(world: World) -> None:
    far = world.node(bind=0, name="far", forward={"near": ("greet",)})
    early = far.app.fire(greet("bob"), "billing")
    world.settle()
    assert early.value[0] is KeyError
    near = world.node(Billing(), name="near")
    near.node.add("far", HOST, far.node.port or 0)
    world.run(0.1)
    value = far.app.fire(greet("bob"), "billing")
    world.settle()
    assert value.value == "hello bob"
