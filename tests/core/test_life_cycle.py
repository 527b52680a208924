"""Opening and closing resources in handlers of ``started`` and ``stopped``: they may take their time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest

from circuits import Component, Event, Manager, Timer, handler, sleep
from circuits.core import _clock, _starting
from circuits.net.sockets import TCPServer, UDPServer
from circuits.testing import Recorder


class Log(Component):
    log: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.log = []


class ByGenerator(Log):
    def stopped(self, component: Manager) -> Iterator[Any]:
        self.log.append("begin")
        yield sleep(0.05)
        yield self.call(Event.create("part"))
        self.log.append("end")

    def part(self) -> Iterator[Any]:
        yield sleep(0.01)
        self.log.append("part")


class ByCoroutine(Log):
    async def stopped(self, component: Manager) -> None:
        self.log.append("begin")
        await sleep(0.05)
        await self.call(Event.create("part"))
        self.log.append("end")

    async def part(self) -> None:
        await sleep(0.01)
        self.log.append("part")


@pytest.mark.usefixtures("looks_often")
@pytest.mark.parametrize("cls", [ByGenerator, ByCoroutine])
def test_handlers_of_stopped_are_waited_for(cls: Any) -> None:
    app = cls()
    Timer(0.01, Event.create("over")).register(app)
    app.addHandler(handler("over")(lambda self: self.stop()))
    app.run()
    assert app.log == ["begin", "part", "end"]


@pytest.mark.parametrize("cls", [ByGenerator, ByCoroutine])
def test_they_have_the_stop_timeout_and_no_more(cls: Any) -> None:
    class Slow(cls):  # type: ignore[misc]
        stop_timeout = 0.1

        def started(self, component: Manager) -> None:
            self.stop()

        @handler("part", override=True)
        def part(self) -> Iterator[Any]:
            try:
                yield sleep(3600)
            finally:
                self.log.append("cut")

    app = Slow()
    app.run()
    assert app.log == ["begin", "cut"]


@pytest.mark.parametrize("name", ["prepare_unregister", "unregistered"])
def test_a_component_that_leaves_has_its_time_too(name: str) -> None:
    class Part(Log):
        @handler(name)
        def _on_leave(self, *args: Any) -> Iterator[Any]:
            yield sleep(0.01)
            self.log.append(name)

    class App(Component):
        part: Part

        def started(self, component: Manager) -> None:
            self.part.unregister()
            self.stop()

    app = App()
    app.part = part = Part().register(app)
    app.run()
    assert part.log == [name]


def test_others_that_are_suspended_are_cut(app_runner: Callable[..., Any]) -> None:
    class App(Log):
        def started(self, component: Manager) -> Iterator[Any]:
            self.fire(Event.create("over"))
            yield sleep(3600)
            self.log.append("never")

        def over(self) -> None:
            self.stop()

    app = App()
    app.run()
    assert app.log == []


# -- the beginning --


class Opens(Log):
    """Opens something before anybody is served."""

    server: Any

    def __init__(self, make: Any, *, is_coroutine: bool = False) -> None:
        super().__init__()
        self.server = make()
        self.server.register(self)

    def ready(self, *args: Any) -> None:
        self.log.append("ready")
        self.stop()


class OpensByGenerator(Opens):
    def started(self, component: Manager) -> Iterator[Any]:
        yield sleep(0.05)
        assert self.server._poller is None or not self.server._poller.isReading(self.server._sock)
        self.log.append("started")


class OpensByCoroutine(Opens):
    async def started(self, component: Manager) -> None:
        await sleep(0.05)
        self.log.append("started")


class OpensAtOnce(Opens):
    def started(self, component: Manager) -> None:
        self.log.append("started")


@pytest.mark.usefixtures("looks_often")
@pytest.mark.parametrize("cls", [OpensByGenerator, OpensByCoroutine, OpensAtOnce])
def test_a_server_accepts_when_all_has_been_opened(cls: Any) -> None:
    app = cls(lambda: TCPServer(("127.0.0.1", 0)))
    app.run()
    assert app.log == ["started", "ready"]
    app.log.clear()
    app.server.close()


def run_with_server(app: Manager) -> None:
    TCPServer(("127.0.0.1", 0)).register(app)
    app.run()


def test_who_waits_for_ready_gets_it() -> None:
    class App(Log):
        def started(self, component: Manager) -> Iterator[Any]:
            yield self.wait("ready", "*")
            self.log.append("ready")
            self.stop()

    app = App()
    run_with_server(app)
    assert app.log == ["ready"]


def test_one_that_never_ends_keeps_nobody_waiting_for_ever() -> None:
    class App(Log):
        start_timeout = 0.03

        def started(self, component: Manager) -> Iterator[Any]:
            while True:
                yield sleep(0.003)

        def ready(self, *args: Any) -> None:
            self.log.append("ready")
            self.stop()

    app = App()
    run_with_server(app)
    assert app.log == ["ready"]


async def sleeps_long(app: Log) -> None:
    await sleep(3600)


async def sleeps_long_by_asyncio(app: Log) -> None:
    await asyncio.sleep(3600)


async def sleeps_again_and_again(app: Log) -> None:
    while True:
        await asyncio.sleep(0.01)


async def takes_from_a_queue(app: Log) -> None:
    await asyncio.Queue[None]().get()


def looks_again_and_again(app: Log) -> Iterator[Any]:
    while True:
        yield


def sleeps_long_in_a_generator(app: Log) -> Iterator[Any]:
    yield sleep(float("inf"))


def calls_one_that_sleeps(app: Log) -> Iterator[Any]:
    yield app.call(Event.create("sleeps"))


async def awaits_one_that_sleeps(app: Log) -> None:
    await app.call(Event.create("sleeps"))


@pytest.mark.parametrize("by_asyncio", [False, True])
def test_one_sleep_is_one_however_often_and_slowly_it_is_looked_at(
    by_asyncio: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_starting, "_TRY_SECONDS", 0.02)
    monkeypatch.setattr(_starting, "_LOOK_SECONDS", 0.005)

    class App(Log):
        start_timeout = 3000.0

        def ready(self, *args: Any) -> None:
            self.log.append("ready")
            self.stop()

        @handler("started")
        async def opens(self, component: Manager) -> None:
            await (asyncio.sleep(0.2) if by_asyncio else sleep(0.2))
            self.log.append("opened")

    real, steps = _clock.now, cycle([0.001, 0.002, 0.004])
    late = 0.0

    def now() -> float:  # each look takes a while, and not the same
        nonlocal late
        late += next(steps)
        return real() + late

    before = _clock.install(now=now)
    try:
        app = App()
        run_with_server(app)
    finally:
        _clock.install(**before)
    assert app.log == ["opened", "ready"]


@pytest.mark.parametrize(
    "work",
    [
        sleeps_long, sleeps_long_by_asyncio, sleeps_again_and_again, takes_from_a_queue,
        looks_again_and_again, sleeps_long_in_a_generator, calls_one_that_sleeps,
        awaits_one_that_sleeps,
    ],
)  # fmt: skip
@pytest.mark.parametrize("beside", [False, True])
def test_one_that_works_as_long_as_the_program_runs_is_not_waited_for(
    work: Any, beside: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for others that open something beside it."""
    monkeypatch.setattr(_starting, "_TRY_SECONDS", 0.03)
    monkeypatch.setattr(_starting, "_LOOK_SECONDS", 0.005)

    class App(Log):
        start_timeout = 3000.0

        def ready(self, *args: Any) -> None:
            self.log.append("ready")
            self.stop()

        def sleeps(self) -> Iterator[Any]:
            yield sleep(3600)

        @handler("started")
        def opens(self, component: Manager) -> Iterator[Any]:
            if beside:
                yield sleep(0.06)  # longer than one that tries is granted
                self.log.append("opened")

    app = App()

    def started(self: App, component: Manager) -> Any:
        return work(self)

    app.addHandler(handler("started")(started))
    run_with_server(app)
    assert app.log == ["opened", "ready"][not beside :]
    assert not caplog.records


def test_it_is_told_whom_servers_have_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    class App(Log):
        start_timeout = 0.03

        async def started(self, component: Manager) -> None:
            await asyncio.get_running_loop().create_future()

        def ready(self, *args: Any) -> None:
            self.stop()

    app = App()
    run_with_server(app)
    (record,) = caplog.records
    assert record.name == "circuits"
    assert "App.started" in record.message
    assert "0.03 s (start_timeout)" in record.message


@pytest.mark.parametrize("cls", [TCPServer, UDPServer])
def test_one_that_a_handler_registers_begins_at_once(cls: Any) -> None:
    class App(Log):
        def started(self, component: Manager) -> Iterator[Any]:
            cls(("127.0.0.1", 0)).register(self)
            while not self.log:
                yield sleep(0.01)
            self.stop()

        def ready(self, *args: Any) -> None:
            self.log.append("ready")

    app = App()
    app.run()
    assert app.log == ["ready"]


def test_one_that_exits_is_the_end() -> None:
    class App(Log):
        async def started(self, component: Manager) -> None:
            await sleep(0)
            raise SystemExit(3)

    app = App()
    TCPServer(("127.0.0.1", 0)).register(app)
    seen = Recorder("ready").register(app)
    with pytest.raises(SystemExit) as caught:
        app.run()
    assert caught.value.code == 3
    assert seen.names in ([], ["ready"])


@pytest.mark.parametrize("must_start", [False, True])
@pytest.mark.parametrize("way", ["plain", "generator", "coroutine"])
def test_a_component_says_whether_its_failure_is_the_end(
    way: str, must_start: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Plain(Component):
        def started(self, component: Manager) -> None:
            raise ConnectionError("no database")

    class Generator(Component):
        def started(self, component: Manager) -> Iterator[Any]:
            yield sleep(0)
            raise ConnectionError("no database")

    class Coroutine(Component):
        async def started(self, component: Manager) -> None:
            await sleep(0)
            raise ConnectionError("no database")

    app = Component()
    part: Any = {"plain": Plain, "generator": Generator, "coroutine": Coroutine}[way]()
    part.must_start = must_start
    part.register(app)
    Timer(3600 if must_start else 0.03, Event.create("over")).register(app)
    app.addHandler(handler("over")(lambda self: self.stop()))
    if must_start:
        with pytest.raises(ConnectionError, match="no database"):
            app.run()
    else:
        app.run()
    assert len(caplog.records) == 1
