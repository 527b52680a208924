"""Whatever a handler raises, of whatever kind and wherever it stands: the rest goes on.

Each place where code of an application is called, times everything that Python can raise. Of what
ends programs, ``KeyboardInterrupt`` and ``SystemExit``, see ``test_session``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from typing import Any

import pytest

from circuits import Component, Event, Timer, handler, sleep
from circuits.core.events import Signal
from circuits.testing import VirtualClock, settle


class Unspeakable(Exception):
    """Cannot even be shown."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


class Unequal(Exception):
    """Cannot be compared, and has no truth."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    def __bool__(self) -> bool:
        raise ZeroDivisionError

    __hash__ = Exception.__hash__


class Mine(BaseException):
    """None that anybody catches."""


PROBLEMS = {
    "ValueError": lambda: ValueError("x"),
    "no instance": lambda: ValueError,
    "unspeakable": Unspeakable,
    "unequal": Unequal,
    "StopIteration": lambda: StopIteration(1),
    "StopAsyncIteration": StopAsyncIteration,
    "group": lambda: ExceptionGroup("g", [ValueError("1"), ExceptionGroup("h", [OSError(5)])]),
    "group of all": lambda: BaseExceptionGroup("g", [Mine(), ValueError()]),
    "TimeoutError": TimeoutError,
    "cancelled": asyncio.CancelledError,
    "GeneratorExit": GeneratorExit,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "surrogates": lambda: ValueError("\ud800"),
    "mine": Mine,
}

#: To raise these is to be cancelled, which is nobody's failure.
_NO_FAILURES = {"cancelled", "GeneratorExit"}


class go(Event):
    success = failure = complete = True


class quick(Event):
    success = complete = True


class after(Event): ...


class inner(Event): ...


PLACES = [
    "plain", "filter", "generator", "generator later", "generator within", "asleep", "calling",
    "coroutine", "coroutine later", "coroutine asleep", "coroutine calling", "success", "failure",
    "complete", "value_changed", "error", "timer", "signal", "started", "stopped", "registered",
    "unregistered", "prepare_unregister", "closing",
]  # fmt: skip


class Raiser(Component):
    """Raises at the place that it is told."""

    channel = "app"

    def __init__(self, place: str, make: Any) -> None:
        super().__init__()
        self.place, self.make = place, make
        self.seen: list[str] = []
        self.raised = 0

    def perhaps(self, place: str) -> None:
        if self.place == place:
            self.raised += 1
            raise self.make()

    @handler("go", priority=2)
    def _a_plain_one(self) -> None:
        self.perhaps("plain")

    @handler("go", priority=2, filter=True)
    def _a_filter(self) -> None:
        self.perhaps("filter")

    @handler("go", priority=2)
    def _a_generator(self) -> Generator[Any, Any, Any]:
        self.perhaps("generator")
        yield None
        self.perhaps("generator later")
        yield self._within()
        yield sleep(1)
        self.perhaps("asleep")
        yield self.call(inner())
        self.perhaps("calling")
        try:
            yield sleep(1000)
        finally:
            self.perhaps("closing")

    def _within(self) -> Generator[Any, Any, Any]:
        yield None
        self.perhaps("generator within")

    @handler("go", priority=2)
    async def _a_coroutine(self) -> str:
        self.perhaps("coroutine")
        await asyncio.sleep(0)
        self.perhaps("coroutine later")
        await sleep(1)
        self.perhaps("coroutine asleep")
        await self.call(inner())
        self.perhaps("coroutine calling")
        return "done"

    @handler("inner")
    def _inner(self) -> str:
        return "inner"

    @handler("go")
    def _another(self) -> str:
        self.seen.append("another")
        if self.place == "failure":
            raise ValueError("for the feedback")
        return "another"

    @handler("quick")
    def _quick(self) -> int:
        return 1

    @handler("after")
    def _after(self) -> None:
        self.seen.append("after")

    @handler("quick_success")
    def _success(self, *args: Any) -> None:
        self.perhaps("success")

    @handler("go_failure")
    def _failure(self, *args: Any) -> None:
        self.perhaps("failure")

    @handler("quick_complete")
    def _complete(self, *args: Any) -> None:
        self.perhaps("complete")

    @handler("quick_value_changed", channel="*")
    def _value_changed(self, *args: Any) -> None:
        self.perhaps("value_changed")

    @handler("tick")
    def _tick(self) -> None:
        self.perhaps("timer")

    @handler("signal", channel="*")
    def _signal(self, *args: Any) -> None:
        self.perhaps("signal")

    @handler("started", channel="*")
    def _started(self, *args: Any) -> None:
        self.perhaps("started")

    @handler("stopped", channel="*")
    def _stopped(self, *args: Any) -> None:
        self.perhaps("stopped")

    @handler("registered", channel="*")
    def _registered(self, *args: Any) -> None:
        self.perhaps("registered")

    @handler("unregistered", channel="*")
    def _unregistered(self, *args: Any) -> None:
        self.perhaps("unregistered")

    @handler("prepare_unregister", channel="*")
    def _prepare_unregister(self, *args: Any) -> None:
        self.perhaps("prepare_unregister")


class Errors(Component):
    channel = "*"

    def __init__(self, raiser: Raiser) -> None:
        super().__init__()
        self.raiser = raiser
        self.problems: list[BaseException] = []

    @handler("error", priority=1)
    def _on_error(self, kind: Any, problem: BaseException, *args: Any) -> None:
        self.problems.append(problem)
        if self.raiser.place == "error" and len(self.problems) < 3:
            self.raiser.raised += 1
            raise self.raiser.make()


# What an ``error`` handler raises is logged, and a log with surrogates cannot be told by those who
# run tests in several processes.
@pytest.mark.parametrize(
    ("place", "kind"),
    [(p, k) for p in PLACES for k in PROBLEMS if (p, k) != ("error", "surrogates")],
)
def test_the_rest_goes_on(
    place: str, kind: str, virtual_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    raiser = Raiser(place, PROBLEMS[kind])
    problems = 0
    try:
        problems = play(raiser, virtual_clock)
    except AssertionError:
        raise
    except BaseException as problem:  # which pytest might not be able to show
        name = type(problem).__name__
    else:
        name = ""
    assert not name, f"{name} has come out of the loop"
    if kind not in _NO_FAILURES and place != "error":
        assert problems or any(record.levelno >= 40 for record in caplog.records)


def play(raiser: Raiser, clock: VirtualClock) -> int:
    """Run an application with everything in it; how many failures were told."""
    app = Component(channel="root")
    raiser.register(app)
    errors = Errors(raiser).register(app)
    with app.running():
        settle(app)
        app.fire(go(), "app")
        app.fire(quick(), "app").notify = True
        app.fire(Signal(1, None), "app")
        if raiser.place == "error":
            app.addHandler(handler("fails", channel="*")(_fails))
            app.fire(Event.create("fails"), "app")
        app.fire(go(), "app")
        Timer(0.5, Event.create("tick"), "app").register(app)
        settle(app, until=clock.now + 10)
        extra = Component().register(app)
        settle(app)
        extra.unregister()
        settle(app, until=clock.now + 10)
        assert extra.parent is extra
        app.fire(after(), "app")
        settle(app)
        assert "after" in raiser.seen, "the loop goes on"
        assert raiser.seen.count("another") == (0 if raiser.place == "filter" else 2)
    assert raiser.raised, "that place is reached"
    assert not app._tasks
    assert not app._queue
    return len(errors.problems)


def _fails(self: Any) -> None:
    raise ValueError("of somebody else")


class Broken(logging.Handler):
    """Writes to something that is gone, and does not catch it."""

    def emit(self, record: logging.LogRecord) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_log_that_cannot_be_written_ends_nothing(
    is_closed: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Component()
    app.addHandler(handler("fails", channel="*")(_fails))
    logger, broken = logging.getLogger("circuits"), Broken()
    logger.addHandler(broken)
    if is_closed:
        monkeypatch.setattr("sys.stderr", None)
    try:
        value = app.fire(Event.create("fails"))
        settle(app)
    finally:
        logger.removeHandler(broken)
    assert value.errors
    if not is_closed:
        error = capsys.readouterr().err
        assert "of somebody else" in error
        assert "OSError while that was logged" in error
