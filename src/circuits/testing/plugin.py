"""Fixtures for pytest; loaded by it wherever circuits is installed.

virtual_clock
    A clock that moves when the test says so.
app_runner
    Function that makes an application a running one in this thread, for ``settle`` to turn.
app_thread
    Function that runs an application in a thread of its own.
recorder
    Function that registers a :class:`~circuits.testing.recorder.Recorder` in a tree.
connections
    Function that makes in-memory connections.

Whatever they made is stopped, joined or closed at the end of the test.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from .clock import VirtualClock
from .connections import memory_pair
from .recorder import Recorder
from .settling import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from circuits.core.events import BaseEvent
    from circuits.core.manager import Manager

    from .connections import MemoryConnection

    M = TypeVar("M", bound=Manager)


@pytest.fixture
def virtual_clock() -> Iterator[VirtualClock]:
    """A virtual clock, installed."""
    with VirtualClock() as clock:
        yield clock


@pytest.fixture
def app_runner() -> Iterator[Callable[[M], M]]:
    """Function that starts an application in this thread, settles it and returns it."""
    with ExitStack() as stack:

        def start(app: M) -> M:
            stack.enter_context(app.running())
            settle(app)
            return app

        yield start


@pytest.fixture
def app_thread() -> Iterator[Callable[[M], M]]:
    """Function that runs an application in another thread and returns it, once it has started."""
    started: list[Manager] = []

    def start(app: M) -> M:
        watch = Recorder("started").register(app)
        app.start()
        started.append(app)
        watch.wait_for("started")
        return app

    yield start
    for app in started:
        app.stop()
        app.join()


@pytest.fixture
def recorder() -> Callable[..., Recorder]:
    """Function that registers a recorder: ``recorder(app, "read", ...)``."""

    def make(app: Manager, *names: str | type[BaseEvent], **options: Any) -> Recorder:
        return Recorder(*names, **options).register(app)

    return make


@pytest.fixture
def connections() -> Iterator[Callable[[], tuple[MemoryConnection, MemoryConnection]]]:
    """Function that makes the two ends of an in-memory connection."""
    with ExitStack() as stack:

        def make() -> tuple[MemoryConnection, MemoryConnection]:
            one, other = memory_pair()
            stack.enter_context(one)
            stack.enter_context(other)
            return one, other

        yield make
