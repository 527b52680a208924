"""A tree that runs, and joins and leaves another one meanwhile: the run goes with it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import Component, Event, Manager, handler
from circuits.core._call_in_loop import CallInLoop
from circuits.core.errors import UnregistrableError
from circuits.core.pollers import Poller


class note(Event):
    """Something to be noted."""


class Notes(Component):
    channel = "notes"

    def init(self) -> None:
        self.plain: list[Any] = []
        self.awaited: list[Any] = []

    def note(self, what: Any) -> None:
        self.plain.append(what)


class HostedNotes(Notes):
    @handler("note")
    async def _later(self, what: Any) -> None:
        await asyncio.sleep(0)
        self.awaited.append(what)


def _until(is_so: Callable[[], bool], app: Manager) -> None:
    """Let turns pass, of whichever loop an application has now."""
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        turned = threading.Event()
        app.fire(CallInLoop(turned.set))
        turned.wait(0.1)  # one that is left behind in a move has no turn


class Running:
    """Runs an application in a thread."""

    def __init__(self, app: Notes, run: Callable[[Notes], None]) -> None:
        self.app = app
        self.thread = threading.Thread(target=run, args=(app,), daemon=True)
        self.thread.start()
        self.hears("first")

    def hears(self, what: str) -> None:
        """Fire something, which is noted by all that note something."""
        self.app.fire(note(what))
        notes = [self.app.plain]
        if isinstance(self.app, HostedNotes):
            notes.append(self.app.awaited)
        for each in notes:
            _until(lambda each=each: what in each, self.app)  # type: ignore[misc]

    def end(self) -> None:
        self.app.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


def _in_asyncio(app: Notes) -> None:
    asyncio.run(app.run_async())


RUNS: dict[str, Any] = {
    "plain": (Notes, Notes.run),
    "hosts asyncio": (HostedNotes, Notes.run),
    "in asyncio": (HostedNotes, _in_asyncio),
}


@pytest.fixture(params=[*RUNS.values()], ids=[*RUNS])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    cls, run = request.param
    running = Running(cls(), run)
    yield running
    running.end()


@pytest.mark.parametrize("polls", [False, True], ids=["no poller", "poller"])
def test_a_run_joins_and_leaves_with_its_manager(running: Running, polls: bool) -> None:
    app, top = running.app, Manager()
    if polls:
        Poller().register(app)
        running.hears("poller")
    app.register(top)
    running.hears("joined")
    engine = top._tree_engine
    assert engine.runner is app
    app.unregister()
    _until(lambda: engine.runner is None, app)
    assert app.parent is app
    running.hears("left")
    app.register(top)
    running.hears("back")
    app.register(Manager())
    running.hears("elsewhere")
    running.end()
    assert top._tree_engine.runner is app._tree_engine.runner is None
    with app.running(), top.running():  # both can run again
        pass


def test_it_may_be_moved_by_its_own_handlers(running: Running) -> None:
    app, top = running.app, Manager()
    app.addHandler(handler("join")(lambda self: self.register(top)))
    app.addHandler(handler("leave")(lambda self: self.unregister()))
    for _ in range(2):
        app.fire(Event.create("join"))
        _until(lambda: app.parent is top, app)
        running.hears("joined")
        app.fire(Event.create("leave"))
        _until(lambda: app.parent is app, app)
        running.hears("left")
        app.plain.clear()
        app.awaited.clear()


def test_sockets_go_on_that_are_below_it(running: Running) -> None:
    from circuits.net.events import Write
    from circuits.net.sockets import Pipe

    app, top = running.app, Manager()
    near, far = Pipe("near", "far")
    near.register(app)
    far.register(app)
    app.addHandler(handler("read", channel="far")(lambda self, data: self.plain.append(data)))
    for number, home in enumerate((top, app, Manager())):
        app.register(home)
        data = b"%d" % number
        app.fire(Write(data), "near")
        _until(lambda data=data: data in app.plain, app)  # type: ignore[misc]


def test_who_runs_below_another_tree_may_not_join_one_that_runs() -> None:
    app, top, other = Notes(), Manager(), Manager()
    with app.running(), other.running():
        app.register(top)
        with pytest.raises(UnregistrableError, match="runs too"):
            app.register(other)
        assert app.parent is top  # before anything changed
        assert top._tree_engine.runner is app
        app.register(app)
        assert app._tree_engine.runner is app


def test_what_is_not_run_there_may_leave_a_tree() -> None:
    top = Manager()
    below = Notes().register(top)
    with top.running():
        below.unregister()
        top.tick(0)
        assert below.parent is below
        assert top._tree_engine.runner is top
        assert below._tree_engine.runner is None


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_who_is_cancelled_while_it_ends_does_not_hold_up_the_loop_of_others(how: str) -> None:
    class Slow(Component):
        stop_timeout = 60.0

        def init(self) -> None:
            self.log: list[str] = []

        async def stopped(self, component: Manager) -> None:
            self.log.append("stopping")
            try:
                await asyncio.sleep(60)
            finally:
                self.log.append("cut")

    async def main() -> None:
        app = Slow()
        task = asyncio.create_task(app.run_async())
        await asyncio.sleep(0.01)
        if how == "cancel":
            task.cancel()
        else:
            app.stop()
        while not app.log:
            await asyncio.sleep(0.001)
        task.cancel()
        begin = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert time.monotonic() - begin < 5
        assert app.log == ["stopping", "cut"]
        assert not app.running

    asyncio.run(main())
