"""When events succeed and are complete, against a model that keeps everything.

The model knows of each firing which one caused it, and asks each time that one ends which of
those above it have nothing left below them. The engine counts, hands effects on and forgets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from circuits import BaseComponent, Event, handler
from circuits.testing import settle

#: How many firings one program makes at the most.
_BUDGET = 80

_ERROR = -1


@st.composite
def _programs(draw: st.DrawFn) -> list[Any]:
    """What is fired, and what each handler fires in each of its steps: only what comes later."""
    count = draw(st.integers(2, 6))
    kinds = []
    for number in range(count):
        effects = st.lists(st.integers(number + 1, count), max_size=3)
        kinds.append(
            (
                draw(st.sampled_from([True, True, False])),  # asks for complete
                draw(st.booleans()),  # asks for success
                draw(st.booleans()),  # somebody hears that it is complete
                number > 0 and draw(st.booleans()),  # one object, fired again and again
                draw(st.lists(effects, min_size=1, max_size=3)),  # more than one: a generator
                draw(st.sampled_from([False, False, True])),  # its last step raises
            )
        )
    return kinds


class App(BaseComponent):
    """Plays a program."""

    def __init__(self, kinds: list[Any]) -> None:
        super().__init__()
        self.log: list[Any] = []
        self.budget = _BUDGET
        self.kinds = kinds
        self.classes: list[Any] = []
        self.objects: list[Any] = []
        for number, (complete, success, heard, *_) in enumerate(kinds):
            flags = {"complete": complete, "success": success}
            self.classes.append(type(f"kind{number}", (Event,), flags))
            self.objects.append(self.classes[-1](number))
            self._add(self._plain if len(kinds[number][4]) == 1 else self._slow, f"kind{number}")
            if heard:
                self._add(self._told, f"kind{number}_complete")
            self._add(self._told, f"kind{number}_success")

    def _add(self, method: Any, name: str) -> None:
        def function(self: App, *args: Any) -> Any:
            return method(name, *args)

        function.__name__ = f"on_{name}"
        self.addHandler(handler(name)(function))

    def shoot(self, numbers: Any) -> None:
        for number in numbers:
            if self.budget and number < len(self.kinds):
                self.budget -= 1
                made = (
                    self.objects[number] if self.kinds[number][3] else self.classes[number](number)
                )
                self.fire(made)

    def _play(self, number: int, step: int) -> None:
        steps, raises = self.kinds[number][4:]
        self.log.append((number, step))
        self.shoot(steps[step])
        if raises and step == len(steps) - 1:
            raise ValueError

    def _plain(self, name: str, number: int) -> None:
        self._play(number, 0)

    def _slow(self, name: str, number: int) -> Iterator[None]:
        for step in range(len(self.kinds[number][4])):
            self._play(number, step)
            yield None

    def _told(self, name: str, event: Event, value: Any) -> None:
        self.log.append(name)

    @handler("error")
    def _on_error(self, *args: Any) -> None:
        pass


class Firing:
    """One firing in the model."""

    def __init__(self, number: int, cause: Firing | None) -> None:
        self.number = number
        self.cause = cause
        self.effects: list[Firing] = []
        self.step = 0
        self.is_over = False
        if cause is not None:
            cause.effects.append(self)

    @property
    def has_nothing_left(self) -> bool:
        return self.is_over and all(effect.has_nothing_left for effect in self.effects)


class Model:
    """The rules, said simply."""

    def __init__(self, kinds: list[Any]) -> None:
        self.kinds = kinds
        self.log: list[Any] = []
        self.budget = _BUDGET
        self.queue: list[Any] = []
        self.tasks: list[Firing] = []

    def shoot(self, numbers: Any, cause: Firing | None = None) -> None:
        for number in numbers:
            if self.budget and number < len(self.kinds):
                self.budget -= 1
                self.queue.append(Firing(number, cause))

    def turn(self) -> None:
        tasks, self.tasks = self.tasks, []
        for firing in tasks:
            self.step_on(firing)
        queue, self.queue = self.queue, []
        for entry in queue:
            if isinstance(entry, str):
                self.log.append(entry)
            elif entry.number == _ERROR:
                self.end(entry, True)
            elif len(self.kinds[entry.number][4]) == 1:
                self.step_on(entry)
            else:
                self.tasks.append(entry)

    def step_on(self, firing: Firing) -> None:
        steps, raises = self.kinds[firing.number][4:]
        if firing.step == len(steps):  # it yielded after its last step
            self.end(firing, False)
            return
        self.log.append((firing.number, firing.step))
        self.shoot(steps[firing.step], firing)
        firing.step += 1
        failed = raises and firing.step == len(steps)
        if failed:
            self.queue.append(Firing(_ERROR, firing))
        if failed or len(steps) == 1:
            self.end(firing, failed)
        else:
            self.tasks.append(firing)

    def end(self, firing: Firing, failed: bool) -> None:
        firing.is_over = True
        if not failed and self.kinds[firing.number][1]:
            self.queue.append(f"kind{firing.number}_success")
        above: Firing | None = firing
        while above is not None and above.has_nothing_left:
            if above.number != _ERROR and all(self.kinds[above.number][:3:2]):
                self.queue.append(f"kind{above.number}_complete")
            above = above.cause


@given(_programs(), st.integers(1, 3))
def test_the_end_of_everything_is_told_at_its_time(kinds: list[Any], count: int) -> None:
    app: Any = App(kinds)
    model = Model(kinds)
    app.shoot([0] * count)
    model.shoot([0] * count)
    while model.queue or model.tasks:
        app.tick(0)
        model.turn()
        assert app.log == model.log
    settle(app)
    assert app.log == model.log
    assert not app._tasks
