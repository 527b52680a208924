"""Events that wait for something outside of the loop, without a generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from circuits import Component, Event, Manager
from circuits.core._tasks import OutsideTask
from circuits.testing import Recorder, settle


class Ask(Event):
    success = True
    failure = True
    complete = True


class Later(OutsideTask):
    __slots__ = ("outcome",)

    outcome: tuple[Any, BaseException | None]

    def finish(self) -> None:
        self.engine.tasks.end(self, *self.outcome)

    def given_up(self) -> None:
        self.owner.given_up.append(self)  # type: ignore[attr-defined]

    def end(self, result: Any, problem: BaseException | None = None) -> None:
        self.outcome = (result, problem)
        self.resume()


class Oracle(Component):
    channel = "oracle"

    def init(self) -> None:
        self.asked: list[Later] = []
        self.given_up: list[Later] = []

    def ask(self, event: Event) -> None:
        later = Later(self, event)
        later.suspend()
        self.asked.append(later)


Made = tuple[Manager, Oracle, Recorder, Any]


@pytest.fixture
def made(app_runner: Callable[[Manager], Manager]) -> Made:
    app = app_runner(Manager())
    seen = Recorder("ask_success", "ask_failure", "ask_complete", "error").register(app)
    oracle = Oracle().register(app)
    value = app.fire(Ask(), "oracle")
    settle(app)
    return app, oracle, seen, value


def test_nothing_is_told_while_it_waits(made: Made) -> None:
    _, oracle, seen, value = made
    assert len(oracle.asked) == 1
    assert value.promise
    assert not value.result
    assert not seen.names


def test_the_result_ends_the_event(made: Made) -> None:
    app, oracle, seen, value = made
    oracle.asked[0].end("42")
    settle(app)
    assert value.value == "42"
    assert seen.names == ["ask_success", "ask_complete"]
    assert not app._tasks


def test_an_exception_is_a_failure_before_complete(made: Made) -> None:
    app, oracle, seen, value = made
    oracle.asked[0].end(None, ValueError())
    settle(app)
    assert value.errors
    assert sorted(seen.names[:-1]) == ["ask_failure", "error"]
    assert seen.names[-1] == "ask_complete"


def test_only_the_first_end_counts(made: Made) -> None:
    app, oracle, seen, value = made
    for result in ("first", "second"):
        oracle.asked[0].end(result)
    settle(app)
    assert value.value == "first"
    assert seen.names.count("ask_success") == 1


def test_a_component_that_leaves_gives_it_up(made: Made) -> None:
    app, oracle, seen, value = made
    oracle.unregister()
    settle(app)
    assert oracle.given_up == oracle.asked
    oracle.asked[0].end("too late")
    settle(app)
    assert not value.result
    assert "ask_complete" in seen.names


def test_it_goes_along_when_trees_are_joined() -> None:
    oracle = Oracle()  # a tree of its own, for now
    value = oracle.fire(Ask(), "oracle")
    settle(oracle)
    app = Manager()
    oracle.register(app)
    settle(app)
    assert oracle.asked[0].engine is app._tree_engine
    oracle.asked[0].end("joined")
    settle(app)
    assert value.value == "joined"
