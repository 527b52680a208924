"""circuits.tools.suspended: which handlers are suspended, and why."""

from __future__ import annotations

import io
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from circuits import Component, Event, handler, sleep
from circuits.testing import settle
from circuits.tools import Suspended, TaskDump, tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from circuits.testing import VirtualClock

    Run = Callable[[Component], Component]


class Begin(Event): ...


class Ask(Event): ...


class Waiting(Component):
    channel = "waiting"

    def init(self, what: Callable[[Component], Any]) -> None:
        self.what = what

    @handler(Begin, channel="*")
    def _on_begin(self) -> Generator[Any, Any, None]:
        yield self.what(self)


class Never(Component):
    channel = "never"

    @handler(Ask)
    def _on_ask(self) -> Generator[Any, Any, None]:
        yield self.wait("the end")


def nested() -> Generator[Any, Any, None]:
    yield sleep(5)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (lambda self: sleep(5), "the end of 5 s, 5 s left"),
        (lambda self: self.wait("reply"), "an event 'reply' on 'waiting'"),
        (lambda self: self.wait("reply", "a", timeout=9), "an event 'reply' on 'a', 9 s left"),
        (lambda self: self.call(Ask(), "never"), "the end of <Ask[never.ask] ( )>"),
        (lambda self: nested(), "the end of 5 s, 5 s left"),
    ],
)
def test_what_a_generator_waits_for(
    what: Callable[[Component], Any], reason: str, app_runner: Run, virtual_clock: VirtualClock
) -> None:
    app = Component()
    waiting = Waiting(what).register(app)
    Never().register(app)
    app_runner(app)
    app.fire(Begin())
    settle(app)
    found = tasks(waiting)
    assert len(found) == 1
    assert found[0].waits_for == reason
    assert found[0].handler == "<listener[*.begin] (Waiting._on_begin)>"
    assert found[0].event.name == "begin"
    assert found[0].places[0].endswith(" in Waiting._on_begin")
    assert str(found[0]).startswith(f"{found[0].handler} of <Begin[*.begin] ( )>\n waits for ")


def test_time_that_is_left_runs_out(app_runner: Run, virtual_clock: VirtualClock) -> None:
    app = Component()
    Waiting(lambda self: sleep(5)).register(app)
    app_runner(app)
    app.fire(Begin())
    settle(app, until=virtual_clock.now + 3)
    assert tasks(app)[0].waits_for == "the end of 5 s, 2 s left"
    settle(app, until=virtual_clock.now + 3)
    assert tasks(app) == []


def test_one_that_has_not_begun(app_runner: Run) -> None:
    app = Component()
    Waiting(lambda self: sleep(5)).register(app)
    app.fire(Begin())
    app.flush()
    assert tasks(app)[0].waits_for == "its turn"


def test_a_bare_yield() -> None:
    app = Component()
    Waiting(lambda self: None).register(app)
    app.fire(Begin())
    app.flush()
    app.tick()
    assert tasks(app)[0].waits_for == "nothing that it names: a bare yield"


def test_one_that_asks_for_itself(app_runner: Run) -> None:
    seen = []

    def look(self: Component) -> Any:
        seen.extend(tasks(self))
        return sleep(5)

    app = Component()
    Waiting(look).register(app)
    app_runner(app)
    app.fire(Begin())
    settle(app)
    assert [entry.waits_for for entry in seen] == ["nothing: it is running"]


def test_the_whole_chain_is_shown(app_runner: Run) -> None:
    app = Component()
    Waiting(lambda self: nested()).register(app)
    app_runner(app)
    app.fire(Begin())
    settle(app)
    places = [place.rpartition(" ")[2] for place in tasks(app)[0].places]
    assert places == ["Waiting._on_begin", "nested"]
    line = nested.__code__.co_firstlineno + 1
    assert f"{__file__}:{line} in nested" in str(tasks(app)[0])


def test_only_what_is_below(app_runner: Run) -> None:
    app = Component()
    one = Waiting(lambda self: sleep(5)).register(app)
    other = Component().register(app)
    low = Waiting(lambda self: sleep(5)).register(other)
    app_runner(app)
    app.fire(Begin())
    settle(app)
    assert [len(tasks(x)) for x in (app, one, other, low)] == [2, 1, 1, 1]


def test_what_a_coroutine_waits_for(app_runner: Run) -> None:
    import asyncio

    class App(Component):
        channel = "app"

        @handler("begin", channel="*")
        async def _on_call(self) -> None:
            await self.call(Ask(), "never", timeout=100)

        @handler("begin", channel="*")
        async def _on_helper(self) -> None:
            await self.helper()

        @handler("begin", channel="*")
        async def _on_future(self) -> None:
            await asyncio.get_running_loop().create_future()

        @handler(False)
        async def helper(self) -> None:
            await asyncio.sleep(100)

        @handler("begin", channel="*")
        async def _on_look(self) -> None:
            seen.extend(tasks(self))

    seen: list[Suspended] = []
    app = App()
    Never().register(app)
    app_runner(app)
    app.fire(Begin())
    settle(app)
    assert [s.waits_for for s in seen if "_on_look" in s.handler] == ["nothing: it is running"]
    found = {entry.handler.rpartition(".")[2]: entry for entry in tasks(app)}
    assert found["_on_call)>"].waits_for.startswith("the end of <Ask[never.ask] ( )>, ")
    assert [p.rpartition(".")[2] for p in found["_on_helper)>"].places][:2] == [
        "_on_helper",
        "helper",
    ]
    assert "Future" in found["_on_future)>"].waits_for


class TestTaskDump:
    @pytest.fixture(autouse=True)
    def _signal(self) -> None:
        if not hasattr(signal, "SIGUSR1"):
            pytest.skip("this system has no SIGUSR1")

    def test_it_prints_while_the_application_runs(self, app_runner: Run) -> None:
        before = signal.getsignal(signal.SIGUSR1)
        file = io.StringIO()
        app = Component()
        Waiting(lambda self: sleep(5)).register(app)
        TaskDump(file=file).register(app)
        assert signal.getsignal(signal.SIGUSR1) is before
        with app.running():
            app.fire(Begin())
            settle(app)
            os.kill(os.getpid(), signal.SIGUSR1)
            text = file.getvalue()
        assert text.startswith(f"{app!r}".replace("[S]", "[R]") + ": 1 suspended\nthe loop is at ")
        assert f"{__file__}:" in text
        assert "waits for the end of 5 s" in text
        assert signal.getsignal(signal.SIGUSR1) is before

    def test_it_may_come_and_go(self, app_runner: Run) -> None:
        before = signal.getsignal(signal.SIGUSR2)
        app = app_runner(Component())
        dump = TaskDump(signal.SIGUSR2, io.StringIO()).register(app)
        settle(app)
        assert signal.getsignal(signal.SIGUSR2) is not before
        dump.unregister()
        settle(app)
        assert signal.getsignal(signal.SIGUSR2) is before

    def test_a_stream_that_is_busy_is_written_to_later(self, app_runner: Run) -> None:
        class Busy(io.StringIO):
            is_busy = True

            def write(self, text: str) -> int:
                if self.is_busy:
                    raise RuntimeError("reentrant call")
                return super().write(text)

        file = Busy()
        app = Component()
        TaskDump(file=file).register(app)
        app_runner(app)
        os.kill(os.getpid(), signal.SIGUSR1)
        file.is_busy = False
        assert file.getvalue() == ""
        settle(app)
        assert "0 suspended" in file.getvalue()

    def test_standard_error_is_the_default(
        self, app_runner: Run, capsys: pytest.CaptureFixture[str]
    ) -> None:
        app = Component()
        dump = TaskDump().register(app)
        app_runner(app)
        dump.dump()
        assert capsys.readouterr().err.endswith(": 0 suspended\n")

    def test_a_system_without_the_signal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(signal, "SIGUSR1")
        with pytest.raises(OSError, match="no SIGUSR1"):
            TaskDump()
