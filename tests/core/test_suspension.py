"""What is to come and then has a result: yielded, awaited, left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from circuits import Component, Event
from circuits.core._suspension import Awaited
from circuits.testing import settle


class Ask(Event):
    """Have somebody wait."""


class Parcel(Awaited):
    """May be waited for by one at a time."""

    def __init__(self, shelf: list[Parcel]) -> None:
        super().__init__()
        self.shelf = shelf
        self.content: Any = None

    def is_ready(self) -> bool:
        return self.content is not None

    def take(self) -> Any:
        if isinstance(self.content, Exception):
            raise self.content
        return self.content

    def enter(self) -> None:
        if self.shelf:
            raise RuntimeError("somebody waits already")
        self.shelf.append(self)

    def leave(self) -> None:
        if self in self.shelf:
            self.shelf.remove(self)

    def come(self, content: Any) -> None:
        self.content = content
        self.wake()


class Waits(Component):
    def __init__(self) -> None:
        super().__init__()
        self.shelf: list[Parcel] = []
        self.got: list[Any] = []


class Yields(Waits):
    def ask(self, parcel: Parcel) -> Any:
        try:
            self.got.append((yield parcel))
        except Exception as problem:
            self.got.append(type(problem))


class Awaits(Waits):
    async def ask(self, parcel: Parcel) -> None:
        try:
            self.got.append(await parcel)
        except Exception as problem:
            self.got.append(type(problem))


@pytest.fixture(params=[Yields, Awaits])
def app(request: pytest.FixtureRequest) -> Iterator[Waits]:
    app: Waits = request.param()
    with app.running():
        yield app


def ask(app: Waits, content: Any = None) -> Parcel:
    parcel = Parcel(app.shelf)
    parcel.content = content
    app.fire(Ask(parcel))
    settle(app)
    return parcel


def test_it_is_waited_for(app: Waits) -> None:
    parcel = ask(app)
    assert (app.got, app.shelf) == ([], [parcel])
    parcel.come("here")
    settle(app)
    assert (app.got, app.shelf) == (["here"], [])


def test_what_is_there_is_taken(app: Waits) -> None:
    ask(app, "here")
    assert (app.got, app.shelf) == (["here"], [])


def test_what_it_raises_is_raised_where_it_is_waited_for(app: Waits) -> None:
    ask(app, KeyError("lost"))
    ask(app).come(ValueError("broken"))
    settle(app)
    assert app.got == [KeyError, ValueError]


def test_there_may_be_room_for_one(app: Waits) -> None:
    first = ask(app)
    ask(app)
    assert app.got == [RuntimeError]
    first.come("here")
    settle(app)
    assert app.got == [RuntimeError, "here"]


def test_who_is_cancelled_leaves(app: Waits) -> None:
    parcel = ask(app)
    for task in list(app._tree_engine.tasks):
        app._tree_engine.tasks.cancel(task)
    settle(app)
    parcel.come("too late")
    settle(app)
    assert (app.got, app.shelf) == ([], [])
