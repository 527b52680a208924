"""The queue against a list that is sorted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from circuits import Component, Event, handler

# What one event does when it is dispatched: fire others with these priorities, then flush or not.
_PRIORITIES = st.sampled_from([-2, -1, -0.5, 0, 0, 0, 0.5, 1, 2])
_ACTIONS = st.lists(st.tuples(st.lists(_PRIORITIES, max_size=3), st.booleans()), max_size=30)


class shot(Event):
    pass


class App(Component):
    """Plays the actions: the n-th event to be dispatched does the n-th of them."""

    def __init__(self, actions: list[tuple[list[float], bool]]) -> None:
        super().__init__()
        self.actions = actions
        self.made = 0
        self.log: list[int] = []

    def shot(self, number: int) -> None:
        position = len(self.log)
        self.log.append(number)
        if position < len(self.actions):
            priorities, flushes = self.actions[position]
            for priority in priorities:
                self.shoot(priority)
            if flushes:
                self.flush()

    @handler(False)
    def shoot(self, priority: float) -> None:
        self.fire(shot(self.made), priority=priority)
        self.made += 1


class Model:
    """The same, said simply: a batch is a sorted list, taken when the last one is empty."""

    def __init__(self, actions: list[tuple[list[float], bool]]) -> None:
        self.actions = actions
        self.made = 0
        self.log: list[int] = []
        self.queue: list[tuple[float, int]] = []
        self.batch: list[int] = []

    def shoot(self, priority: float) -> None:
        self.queue.append((priority, self.made))
        self.made += 1

    def flush(self) -> None:
        if not self.batch:
            self.batch = [number for _, number in sorted(self.queue)]
            self.queue = []
        while self.batch:
            self.dispatch(self.batch.pop(0))

    def dispatch(self, number: int) -> None:
        position = len(self.log)
        self.log.append(number)
        if position < len(self.actions):
            priorities, flushes = self.actions[position]
            for priority in priorities:
                self.shoot(priority)
            if flushes:
                self.flush()


@given(st.lists(_PRIORITIES, max_size=8), _ACTIONS)
def test_batches_are_sorted_by_priority_then_by_firing(
    first: list[float], actions: list[tuple[list[float], bool]]
) -> None:
    app, model = App(actions), Model(actions)
    for priority in first:
        app.shoot(priority)
        model.shoot(priority)
    while len(app) or model.queue:
        app.flush()
        model.flush()
        assert app.log == model.log
        assert len(app) == len(model.queue)
    assert sorted(app.log) == list(range(app.made))
