"""Those who have much to do go on in turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from circuits import BaseComponent, Event, handler
from circuits.core._clock import Schedule
from circuits.core._turns import PARTS, Turns
from circuits.testing import VirtualClock


class Task:
    """Something that takes many parts."""

    def __init__(self, turns: Turns, name: str, parts: int, done: list[str]) -> None:
        self._turns = turns
        self._name = name
        self._left = parts
        self._done = done

    def begin(self) -> None:
        self._turns.add(self._go_on)

    def _go_on(self) -> None:
        self._done.append(self._name)
        self._left -= 1
        if self._left:
            self.begin()


@pytest.fixture
def parts(virtual_clock: VirtualClock) -> tuple[Turns, list[Any], Callable[[], object]]:
    queue: list[Any] = []
    schedule = Schedule()
    return Turns(schedule, queue), queue, lambda: schedule.run_due(virtual_clock.now)


def test_one_goes_on_at_a_time_in_their_order(parts: Any) -> None:
    turns, _, turn = parts
    done: list[str] = []
    for name, count in (("a", 3), ("b", 1), ("c", 2)):
        Task(turns, name, count, done).begin()
    assert done == []
    for count in range(1, 7):
        turn()
        assert len(done) == count
    assert "".join(done) == "abcaca"
    assert not turn()  # nothing keeps the loop awake


def test_what_is_queued_comes_first_but_not_for_ever(parts: Any) -> None:
    turns, queue, turn = parts
    done: list[str] = []
    Task(turns, "a", 2, done).begin()
    queue.append("event")
    for _ in range(8):
        turn()
    assert done == []
    turn()
    assert done == ["a"]
    queue.clear()
    turn()
    assert done == ["a", "a"]


def test_all_share_what_is_done_before_the_descriptors_are_looked_at(parts: Any) -> None:
    turns, _, turn = parts
    assert [turns.spend() for _ in range(PARTS + 2)] == [False] * (PARTS - 1) + [True] * 3
    left: list[int] = []
    turns.add(lambda: left.append(turns.left))
    turn()
    assert left == [PARTS]  # whose turn it is has all of it


def test_parts_that_take_long_are_fewer(parts: Any, virtual_clock: VirtualClock) -> None:
    turns, *_ = parts
    for _ in range(2):
        assert not turns.spend()
        virtual_clock.advance(0.002)
        assert not turns.spend()
        virtual_clock.advance(0.0015)
        assert turns.spend()
        turns.left = PARTS


def test_who_fails_keeps_nobody_from_going_on(parts: Any) -> None:
    turns, _, turn = parts
    done: list[str] = []
    turns.add(lambda: done[0])
    Task(turns, "a", 1, done).begin()
    with pytest.raises(IndexError):
        turn()
    turn()
    assert done == ["a"]


class Flood(Event):
    """What a part of something causes."""


class Busy(BaseComponent):
    """Has much to do, and is one of many that have."""

    def __init__(self, log: list[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.log = log

    def begin(self, left: int) -> None:
        self._tree_engine.turns.add(lambda: self._go_on(left))

    def _go_on(self, left: int) -> None:
        self.log.append((self.channel, left))
        self.fire(Flood())
        if left:
            self.begin(left - 1)

    @handler("flood")
    def _on_flood(self) -> None:
        self.log.append("flood")


def test_those_of_a_tree_that_joins_another_go_on_there() -> None:
    log: list[Any] = []
    root, other = Busy(log, channel="root"), Busy(log, channel="other")
    root.begin(1)
    other.begin(2)
    other.begin(0)
    other.register(root)
    for _ in range(8):
        root.tick(0)
    assert [entry for entry in log if entry != "flood"] == [
        ("root", 1),
        ("other", 2),
        ("other", 0),
        ("root", 0),
        ("other", 1),
        ("other", 0),
    ]
    assert len(root._tree_engine.schedule) == 0


def test_what_one_has_caused_comes_before_the_next() -> None:
    log: list[Any] = []
    root = Busy(log, channel="root")
    for _ in range(3):
        root.begin(1)
    for _ in range(6):
        root.tick(0)
    assert log == [*[("root", 1), "flood"] * 3, *[("root", 0), "flood"] * 3]
