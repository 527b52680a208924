"""Waits for a name: found by channel, resumed in the order of their arrival."""

from __future__ import annotations

from typing import Any

from circuits import Component, Event
from circuits.core._waits import Wait
from circuits.testing import settle


class ping(Event): ...


class go(Event): ...


class Client(Component):
    """Waits for ``ping`` on some channels when it is told to."""

    def init(self, log: list[Any], number: int, *channels: Any) -> None:
        self.channel = f"client{number}"
        self.number = number
        self.log = log
        self.channels = channels

    def go(self) -> Any:
        yield self.wait("ping", *self.channels)
        self.log.append(self.number)


def waiting(log: list[Any], *places: tuple[Any, ...]) -> Component:
    """A tree whose clients wait, which write their numbers."""
    app = Component()
    for number, channels in enumerate(places):
        Client(log, number, *channels).register(app)
    for number in range(len(places)):
        app.fire(go(), f"client{number}")
    settle(app)
    return app


def test_whoever_waits_first_goes_on_first_whatever_the_channels() -> None:
    log: list[Any] = []
    app = waiting(log, ("*",), ("a",), ("*",), ("b", "a"), ("b",))
    app.fire(ping(), "a")
    settle(app)
    assert log == [0, 1, 2, 3]
    app.fire(ping(), "*")
    settle(app)
    assert log == [0, 1, 2, 3, 4]
    assert not app._tree_engine.tasks.awaited


def test_one_that_waits_on_several_channels_goes_on_once() -> None:
    log: list[Any] = []
    app = waiting(log, ("a", "b"))
    app.fire(ping(), "a", "b")
    app.fire(ping(), "b")
    settle(app)
    assert log == [0]


def test_an_event_at_the_component_itself_is_one_it_waits_for() -> None:
    log: list[Any] = []
    app = waiting(log, ("a",), ("a",))
    app.fire(ping(), [*app.components][1])
    settle(app)
    assert log == [1]


def test_a_channel_that_cannot_be_compared_is_itself_alone() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("not comparable")

        def __hash__(self) -> int:
            return 1

    one, log = Odd(), list[Any]()
    app = waiting(log, (one,), (Odd(),))
    app.fire(ping(), one)
    settle(app)
    assert log == [0]


def test_an_event_does_not_look_at_waits_on_other_channels(monkeypatch: Any) -> None:
    log: list[Any] = []
    app = waiting(log, *[(f"c{n}",) for n in range(300)])
    asked: list[Wait] = []
    matches = Wait.matches

    def counted(wait: Wait, event: Any) -> bool:
        asked.append(wait)
        return matches(wait, event)

    monkeypatch.setattr(Wait, "matches", counted)
    app.fire(ping(), "c7")
    settle(app)
    assert log == [7]
    assert len(asked) == 1


def test_who_leaves_waits_no_more_in_the_tree_it_has_left() -> None:
    app = Component()
    client = Client([], 1, "*").register(app)
    client.fire(go())
    settle(app)
    assert app._tree_engine.routes.awaited == {"ping"}
    client.unregister()
    settle(app)
    assert not app._tree_engine.tasks.awaited
    assert not app._tree_engine.routes.awaited
