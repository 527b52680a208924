"""Coroutine handlers: hosted by a loop of our own, and as a guest in somebody else's."""

from __future__ import annotations

import asyncio
import builtins
import contextvars
import importlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from types import FrameType
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, TimeoutError, handler, sleep
from circuits.core._descriptor import Descriptor, DescriptorOwner
from circuits.core._loop import DRAIN_TURNS
from circuits.core.errors import NotRunningError
from circuits.core.pollers import Poller, Select
from circuits.testing import VirtualClock, settle


class go(Event):
    pass


class ask(Event):
    pass


class fact(Event):
    pass


class Log(Component):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.log: list[Any] = []


class Quiet(Component):
    def error(self, *args: Any) -> None: ...


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """A loop that does not end fails its test."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise AssertionError("the application did not end")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


async def run_as_guest(app: Component) -> None:
    await asyncio.wait_for(app.run_async(), 15)


def by_run(app: Component) -> None:
    app.run()


def by_run_async(app: Component) -> None:
    asyncio.run(run_as_guest(app))


def by_uvloop(app: Component) -> None:
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        pytest.skip("needs uvloop: pip install uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_as_guest(app))


@pytest.fixture(params=[by_run, by_run_async, by_uvloop])
def run(request: pytest.FixtureRequest) -> Callable[[Component], None]:
    """Each way to run a tree with coroutine handlers."""
    way: Callable[[Component], None] = request.param
    return way


@pytest.fixture(params=[False, True], ids=["no poller", "poller"])
def with_poller(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def make(app: Component, with_poller: bool) -> Component:
    if with_poller:
        Poller().register(app)
    return app


# -- awaiting --


def test_async_handlers_await_asyncio(run: Callable[[Component], None], with_poller: bool) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            self.log.append("begin")
            await asyncio.sleep(0.001)
            self.log.append(await asyncio.to_thread(lambda: "worked"))
            await sleep(0.001)
            self.stop()

    app = App()
    run(make(app, with_poller))
    assert app.log == ["begin", "worked"]


def test_await_call_gives_the_result(run: Callable[[Component], None], with_poller: bool) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            self.log.append(await self.call(ask(20)))
            self.log.append(await self.call(fact(5)))
            self.stop()

        def ask(self, number: int) -> int:
            return number + 1

        async def fact(self, number: int) -> int:
            return number * await self.call(fact(number - 1)) if number else 1

    app = App()
    run(make(app, with_poller))
    assert app.log == [21, 120]


def test_await_call_raises_what_the_handler_raised(run: Callable[[Component], None]) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            try:
                await self.call(ask())
            except ZeroDivisionError as problem:
                self.log.append(problem)
            self.stop()

        def ask(self) -> float:
            return 1 / 0

    app = App()
    run(app + Quiet())
    assert len(app.log) == 1


def test_await_call_raises_a_group_when_several_handlers_failed(
    run: Callable[[Component], None],
) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            try:
                await self.call(ask())
            except* ZeroDivisionError as group:
                self.log.append(len(group.exceptions))
            except* KeyError as group:
                self.log.append(len(group.exceptions))
            self.stop()

        @handler("ask", priority=1)
        def first(self) -> float:
            return 1 / 0

        @handler("ask")
        async def second(self) -> None:
            raise KeyError("x")

    app = App()
    run(app + Quiet())
    assert app.log == [1, 1]


def test_a_received_exception_is_logged_for_debugging_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            with pytest.raises(ZeroDivisionError):
                await self.call(ask())
            self.stop()

        def ask(self) -> float:
            return 1 / 0

    caplog.set_level(logging.DEBUG, "circuits")
    App().run()
    assert [record.levelname for record in caplog.records if "ZeroDivision" in record.message] == [
        "DEBUG"
    ]


def test_await_wait_gives_the_event(run: Callable[[Component], None]) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            self.fire(go())
            event = await self.wait("ask", timeout=10)
            self.log.append(event.args)
            self.stop()

        async def go(self) -> None:
            self.fire(ask(7))

    app = App()
    run(app)
    assert app.log == [[7]]


def test_await_call_times_out(virtual_clock: VirtualClock) -> None:
    class App(Log):
        async def go(self) -> None:
            try:
                await self.call(ask(), timeout=5)
            except TimeoutError as problem:
                self.log.append(str(problem))

        async def ask(self) -> None:
            await asyncio.sleep(3600)

    app = App()
    with app.running():
        app.fire(go())
        settle(app, until=virtual_clock.now + 4)
        assert app.log == []
        settle(app, until=virtual_clock.now + 2)
    assert len(app.log) == 1
    assert "ask" in app.log[0]


def test_asyncio_timeout_works(run: Callable[[Component], None]) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            try:
                async with asyncio.timeout(0.01):
                    await self.wait("nothing")
            except TimeoutError:
                self.log.append("framework's")
            except builtins.TimeoutError:
                self.log.append("asyncio's")
            self.stop()

    app = App()
    run(app)
    assert app.log == ["asyncio's"]


def test_a_task_group_may_call_events(run: Callable[[Component], None], with_poller: bool) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            async def work(number: int) -> int:
                await asyncio.sleep(0)
                return int(await self.call(ask(number)))

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work(number)) for number in range(5)]
            self.log += [task.result() for task in tasks]
            self.stop()

        async def ask(self, number: int) -> int:
            return number * number

    app = App()
    run(make(app, with_poller))
    assert app.log == [0, 1, 4, 9, 16]


# Sockets of asyncio: only on this machine, and in the same loop.
@pytest.mark.integration
def test_asyncio_streams_work(run: Callable[[Component], None], with_poller: bool) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    class App(Log):
        async def started(self, *args: Any) -> None:
            server = await asyncio.start_server(shout, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            await asyncio.gather(*(self.visit(port, number) for number in range(10)))
            server.close()
            await server.wait_closed()
            self.stop()

        async def visit(self, port: int, number: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello %d\n" % number)
            self.log.append(await reader.read())
            writer.close()
            await writer.wait_closed()

    app = App()
    run(make(app, with_poller))
    assert sorted(app.log) == [b"HELLO %d\n" % number for number in range(10)]


# -- order --


@pytest.mark.usefixtures("looks_often")
def test_handlers_of_one_event_keep_their_order(run: Callable[[Component], None]) -> None:
    class App(Log):
        @handler("go", priority=4)
        async def first(self) -> None:
            self.log.append("coroutine 1")

        @handler("go", priority=3)
        def second(self) -> Generator[None]:
            self.log.append("generator 1")
            yield

        @handler("go", priority=2)
        def third(self) -> None:
            self.log.append("plain")

        @handler("go", priority=1)
        async def fourth(self) -> None:
            self.log.append("coroutine 2")

        @handler("go")
        def fifth(self) -> Generator[None]:
            self.log.append("generator 2")
            yield

        def started(self, *args: Any) -> None:
            self.fire(Go())

        def go_done(self, *args: Any) -> None:
            self.stop()

    class Go(Event):
        name = "go"
        alert_done = True

    app = App()
    run(app)
    # Plain handlers while the event is dispatched, the others from the next turn on, in order.
    assert app.log == ["plain", "coroutine 1", "generator 1", "coroutine 2", "generator 2"]


def test_a_coroutine_does_not_begin_while_its_event_is_dispatched() -> None:
    class App(Log):
        async def go(self) -> None:
            self.log.append("step")

    app = App()
    with app.running():
        app.tick(0)
        app.fire(go())
        app.flush()
        assert app.log == []
        app.tick(0)
        assert app.log == ["step"]


@pytest.mark.usefixtures("looks_often")
def test_generators_that_yield_nothing_go_on_beside_coroutines(
    run: Callable[[Component], None],
) -> None:
    class App(Log):
        flag = False

        async def started(self, *args: Any) -> None:
            self.fire(go())
            await asyncio.sleep(0.01)
            self.flag = True  # nobody is told: it is seen by looking

        def go(self) -> Generator[None]:
            while not self.flag:
                self.log.append("look")
                yield
            self.stop()

    app = App()
    run(app)
    assert 1 <= len(app.log) < 50  # by looking now and then, not by spinning


def test_success_and_complete_wait_for_coroutines(run: Callable[[Component], None]) -> None:
    class Job(Event):
        name = "job"
        success = True
        complete = True

    class App(Log):
        def started(self, *args: Any) -> None:
            self.fire(Job())

        async def job(self) -> str:
            await asyncio.sleep(0.001)
            self.fire(go())
            return "result"

        async def go(self) -> None:
            await asyncio.sleep(0.001)
            self.log.append("effect")

        def job_success(self, job: Event, value: Any) -> None:
            self.log.append(value)

        def job_complete(self, *args: Any) -> None:
            self.log.append("complete")
            self.stop()

    app = App()
    run(app)
    assert app.log == ["result", "effect", "complete"]


# -- context variables --

place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


def test_context_variables_belong_to_one_handler(run: Callable[[Component], None]) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            place.set("mine")
            self.fire(go())
            await asyncio.sleep(0.001)
            await self.call(ask())
            self.log.append(("started", place.get()))
            self.stop()

        def go(self) -> None:
            self.log.append(("plain", place.get()))

        async def ask(self) -> None:
            self.log.append(("coroutine", place.get()))

    app = App()
    run(app)
    assert app.log == [("plain", "nowhere"), ("coroutine", "nowhere"), ("started", "mine")]


def test_what_a_task_outside_fires_does_not_carry_its_context() -> None:
    class App(Log):
        def go(self) -> None:
            self.log.append(place.get())
            place.set("left behind")

        async def ask(self) -> None:
            self.log.append(place.get())
            self.stop()

    async def main(app: Component) -> None:
        async def outside() -> None:
            place.set("outside")
            app.fire(go())
            await asyncio.sleep(0.001)
            app.fire(ask())

        async with asyncio.TaskGroup() as group:
            group.create_task(run_as_guest(app))
            group.create_task(outside())

    app = App()
    asyncio.run(main(app))
    assert app.log == ["nowhere", "nowhere"]


# -- cancelling --


class Sleeper(Log):
    channel = "sleeper"
    farewell = 0.0

    async def nap(self) -> None:
        self.log.append("asleep")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(self.farewell)
            self.log.append("tidied up")


class nap(Event):
    pass


def test_leaving_the_tree_cancels(run: Callable[[Component], None]) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            sleeper = Sleeper().register(self)
            self.fire(nap(), sleeper)
            while not sleeper.log:
                await asyncio.sleep(0.001)
            sleeper.unregister()
            while "tidied up" not in sleeper.log:
                await asyncio.sleep(0.001)
            self.log = sleeper.log
            self.stop()

    app = App()
    run(app)
    assert app.log == ["asleep", "cancelled", "tidied up"]


@pytest.mark.parametrize("farewell", [0.0, 0.02], ids=["at once", "takes time"])
def test_stopping_cancels_and_waits_for_finally(
    run: Callable[[Component], None], farewell: float
) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            self.fire(nap(), "sleeper")
            await asyncio.sleep(0.001)
            self.stop()

    sleeper = Sleeper()
    sleeper.farewell = farewell
    run(App() + sleeper)
    assert sleeper.log == ["asleep", "cancelled", "tidied up"]


def test_an_exception_while_tidying_up_is_reported(
    run: Callable[[Component], None], caplog: pytest.LogCaptureFixture
) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            self.stop()
            try:
                await asyncio.sleep(3600)
            finally:
                raise LookupError("in the end")

    run(App())
    assert [record.name for record in caplog.records if "in the end" in record.message] == [
        "circuits"
    ]


def test_cancelling_run_async_stops_the_tree() -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            self.log.append("started")

        def stopped(self, *args: Any) -> None:
            self.log.append("stopped")

    async def main(app: App) -> None:
        task = asyncio.create_task(app.run_async())
        while not app.log:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    app = App()
    asyncio.run(main(app))
    assert app.log == ["started", "stopped"]
    assert not app.running


# -- ending --


@pytest.mark.parametrize("code", [None, 0, 3])
def test_system_exit_of_a_coroutine_ends_run(code: int | None) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            await asyncio.sleep(0)
            raise SystemExit(code)

        def stopped(self, *args: Any) -> None:
            self.log.append("stopped")

    app = App()
    if code:
        with pytest.raises(SystemExit) as caught:
            app.run()
        assert caught.value.code == code
    else:
        app.run()
    assert app.log == ["stopped"]


def test_a_stop_waits_for_a_thread_no_longer_than_for_anything() -> None:
    told = threading.Event()

    class App(Log):
        stop_timeout = 0.05

        def work(self) -> None:
            self.fire(go())
            self.log.append(told.wait(60))

        async def started(self, *args: Any) -> None:
            await asyncio.to_thread(self.work)

        def go(self) -> None:
            self.stop()

    app = App()
    app.run()
    assert app.log == []
    told.set()


@pytest.mark.filterwarnings("ignore::circuits.core.errors.HandlerWarning")
def test_a_handler_called_stop_keeps_no_exit_from_ending_it(
    run: Callable[[Component], None],
) -> None:
    class App(Log):
        def stop(self, other: int) -> None:  # type: ignore[override]
            self.log.append("stop")

        async def started(self, *args: Any) -> None:
            raise SystemExit(3)

    app = App()
    with pytest.raises(SystemExit):
        run(app)
    assert app.log == []
    assert not app.running


def test_a_tree_can_run_again(run: Callable[[Component], None], with_poller: bool) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            await asyncio.sleep(0)
            self.log.append("ran")
            self.stop()

    app = App()
    make(app, with_poller)
    for _ in range(3):
        run(app)
    assert app.log == ["ran"] * 3


def test_asynchronous_generators_are_closed_at_the_end() -> None:
    log = []

    async def numbers() -> Any:
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    class App(Component):
        async def started(self, *args: Any) -> None:
            self.numbers = numbers()
            await anext(self.numbers)
            self.stop()

    App().run()
    assert log == ["closed"]


def test_fire_from_another_thread_wakes_the_loop(
    run: Callable[[Component], None], with_poller: bool
) -> None:
    class App(Log):
        async def started(self, *args: Any) -> None:
            await asyncio.to_thread(self.fire, go())

        def go(self) -> None:
            self.log.append("fired")
            self.stop()

    app = App()
    run(make(app, with_poller))
    assert app.log == ["fired"]


def test_ticks_by_hand_run_coroutines() -> None:
    class App(Log):
        async def go(self) -> None:
            for number in range(3):
                self.log.append(number)
                await asyncio.sleep(0)

    app = App()
    with app.running():
        app.fire(go())
        for _ in range(20):
            app.tick(0)
    assert app.log == [0, 1, 2]


def test_run_async_refuses_pollers_without_a_descriptor() -> None:
    app = Log()
    Select().register(app)
    with pytest.raises(NotRunningError, match="Select"):
        asyncio.run(run_as_guest(app))
    assert not app.running


@pytest.mark.process
def test_a_tree_without_coroutine_handlers_never_imports_asyncio() -> None:
    program = """
import sys
from circuits import Component, Timer, Event, sleep
from circuits.core.pollers import Poller
class App(Component):
    def started(self, *args):
        yield sleep(0.001)
        yield self.call(Event.create("Ask"))
        self.stop()
    def ask(self):
        return 1
(App() + Poller()).run()
sys.exit("asyncio" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


class _News(Event): ...


class _Reader(DescriptorOwner):
    channel = "reader"

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        descriptor.read()
        self.fire(_News())


class _Listener(BaseComponent):
    heard = False

    @handler("started", channel="*")
    async def _on_started(self, *args: Any) -> None:
        try:
            await self.wait("_news", "*", timeout=5.0)
            self.heard = True
        finally:
            self.root.stop()


def test_a_coroutine_begins_before_descriptors_are_heard_of() -> None:
    """It is called first, but its first step waits for an asyncio loop to be made."""
    number, end = os.pipe()
    os.write(end, b"news")
    app = Manager()
    reader = _Reader().register(app)
    reader._adopt(Descriptor(reader, number))
    listener = _Listener().register(app)
    app.run()
    os.close(end)
    assert listener.heard


@pytest.mark.parametrize(("events", "interruptions"), [(DRAIN_TURNS - 1, 0), (100, 11)])
def test_what_is_queued_goes_first_but_not_for_ever(events: int, interruptions: int) -> None:
    """A descriptor that finds the queue empty is told of by a call, and what comes of it, too."""

    class Asked(Select):
        def block(self, timeout: float) -> Any:
            if self._tree_engine.queue:
                app.log.append("asked")
            return super().block(timeout)

    class App(Log):
        async def begin(self) -> None:
            self.fire(go(events))

        def started(self, component: Component) -> None:
            self.fire(Event.create("begin"))

        def go(self, left: int) -> None:
            if left:
                self.fire(go(left - 1))
            else:
                self.stop()

    app = App()
    Asked().register(app)
    app.run()
    assert len(app.log) == interruptions
