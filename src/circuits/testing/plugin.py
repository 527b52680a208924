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

A test that uses circuits.testing fails at its end if a handler has raised what nobody took: no
handler of ``error``, nobody who awaited it, and not the test, by looking at the value of the event
or at the log (``caplog``), or by the fixture ``handler_errors``, the list of what was raised. The
ini option ``circuits_handler_errors = false`` has it not look.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from circuits.core import _reports
from circuits.core.values import Value

from .clock import VirtualClock
from .connections import memory_pair
from .recorder import Recorder
from .settling import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
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


@pytest.fixture
def handler_errors() -> Iterator[list[BaseException]]:
    """What handlers have raised and nobody handled: a test that asks for it has taken it."""
    raised: list[BaseException] = []

    def note(problem: BaseException, method: object, event: object) -> None:
        raised.append(problem)

    _reports.failure_watchers.append(note)
    yield raised
    _reports.failure_watchers.remove(note)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tell pytest of the option."""
    parser.addini(
        "circuits_handler_errors",
        "whether a test that uses circuits.testing fails if a handler raised what nobody took",
        type="bool",
        default=True,
    )


#: Who asks for one of these has taken what was raised.
_TAKERS = frozenset({"caplog", "handler_errors"})

_FIXTURES = frozenset({"app_runner", "app_thread", "connections", "recorder", "virtual_clock"})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test in which a handler has raised what nobody took."""
    names = frozenset(getattr(item, "fixturenames", ()))
    if names & _TAKERS or not item.config.getini("circuits_handler_errors") or not _is_ours(item):
        return (yield)
    raised: list[tuple[str, Looked | None]] = []

    def note(problem: BaseException, method: Any, event: BaseEvent | None) -> None:
        value = None if event is None else event._event_value
        if value is not None and value.__class__ in (Value, Looked):
            value.__class__ = Looked
        text = _reports.format_error(type(problem), problem, (), method, event).strip()
        raised.append((text, value if isinstance(value, Looked) else None))

    _reports.failure_watchers.append(note)
    try:
        result = yield
    finally:
        _reports.failure_watchers.remove(note)
    lost = [text for text, value in raised if value is None or not value.looked_at]
    if lost:
        pytest.fail("a handler has raised what nobody took:\n" + "\n".join(lost), pytrace=False)
    return result


#: Of modules of tests, how many names they had when looked at, and whether one is of circuits.testing.
_MODULES: pytest.StashKey[dict[ModuleType, tuple[int, bool]]] = pytest.StashKey()


def _is_ours(item: pytest.Item) -> bool:
    if frozenset(getattr(item, "fixturenames", ())) & _FIXTURES:
        return True
    module = getattr(item, "module", None)
    if module is None:
        return False
    # A module may have a thousand tests, and as many names: they are looked at again when there are others.
    names = vars(module)
    known = item.config.stash.setdefault(_MODULES, {})
    count, uses_ours = known.get(module, (0, False))
    if count != len(names) and not uses_ours:
        uses_ours = any(
            str(getattr(thing, "__module__", "")).startswith("circuits.testing")
            for thing in list(names.values())
        )
        known[module] = len(names), uses_ours
    return uses_ours


class Looked(Value):
    """A value with a failure, which remembers whether somebody has looked at it."""

    __slots__ = ()

    @property
    def looked_at(self) -> bool:
        """Whether somebody has looked at it since."""
        return bool(vars(self).get("looked_at"))

    def __getattribute__(self, name: str) -> Any:
        if name in ("errors", "value", "exceptions", "result"):
            vars(self)["looked_at"] = True
        return super().__getattribute__(name)
