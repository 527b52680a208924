"""The hook for tracing: what caused what, times, counts, samples; and nothing while nobody asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, Timer, handler, sleep
from circuits.core._direct import Direct
from circuits.core._dispatch import Dispatch
from circuits.core._outcomes import Outcomes
from circuits.core._task_table import TaskTable
from circuits.core._tracing import KINDS_LIMIT, TREE_LIMIT, Trace, Tracing
from circuits.testing import VirtualClock, settle


class Ping(Event):
    """The first event."""


class Pong(Event):
    """What that causes."""


class Seen:
    """A subscriber that keeps everything."""

    def __init__(
        self,
        limit: int | None = None,
        chooses: Callable[[str, tuple[Any, ...]], bool] | None = None,
    ) -> None:
        self.limit = limit
        self.chooses = chooses
        self.starts: list[Trace] = []
        self.traces: list[Trace] = []
        self.failures: list[tuple[Any, ...]] = []
        self.events: dict[tuple[str, Any], int] = {}
        self.calls: dict[str, int] = {}
        self.deepest = 0

    def begun(self, trace: Trace, event: Any) -> None:
        assert trace.name == event.name
        self.starts.append(trace)

    def ended(self, trace: Trace) -> None:
        self.traces.append(trace)

    def failed(self, method: Any, event: Any, problem: BaseException, trace: Any) -> None:
        self.failures.append((method.__name__, event.name, problem, trace))

    def counted(self, events: Any, calls: Any, deepest: int) -> None:
        for name, channels in events.items():
            for where, number in channels.items():
                self.events[name, where] = self.events.get((name, where), 0) + number
        for door, number in calls.items():
            self.calls[door.name] = self.calls.get(door.name, 0) + number
        self.deepest = deepest

    def by_name(self, name: str) -> list[Trace]:
        return [trace for trace in self.traces if trace.name == name]

    def one(self, name: str) -> Trace:
        [trace] = self.by_name(name)
        return trace


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    with VirtualClock() as clock:
        yield clock


class App(Component):
    channel = "app"

    def ping(self) -> None:
        self.fire(Pong())

    def pong(self) -> None:
        pass


def traced(app: Manager, seen: Seen) -> Tracing:
    while len(app):
        app.flush()
    tracing = Tracing.of(app._tree_engine)
    tracing.subscribe(seen)
    tracing.watch(seen.failed)
    return tracing


def test_an_event_knows_what_caused_it(clock: VirtualClock) -> None:
    app, seen = App(), Seen()
    traced(app, seen)
    app.fire(Ping())
    clock.advance(2)
    app.flush()
    clock.advance(1)
    app.flush()
    ping, pong = seen.traces
    assert (ping.name, ping.channels, ping.parent) == ("ping", ("app",), None)
    assert (pong.name, pong.parent) == ("pong", ping.id)
    assert ping.queued is not None
    assert ping.started == ping.finished == ping.queued + 2
    assert pong.started == ping.started + 1
    assert [(method.__name__, seconds) for method, seconds in ping.calls] == [("ping", 0.0)]
    assert seen.starts == [ping, pong]


def test_handlers_are_timed(clock: VirtualClock) -> None:
    class Slow(Component):
        channel = "app"

        def ping(self) -> None:
            clock.advance(0.25)

    app, seen = App() + Slow(), Seen()
    traced(app, seen)
    app.fire(Ping())
    app.flush()
    assert [seconds for _, seconds in seen.one("ping").calls] == [0.0, 0.25]


def test_a_suspended_handler_goes_on_for_its_event(clock: VirtualClock) -> None:
    class Later(Component):
        channel = "app"

        def ping(self) -> Generator[Any, Any, None]:
            yield sleep(5)
            self.fire(Pong())

    app, seen = Later(), Seen()
    traced(app, seen)
    app.fire(Ping())
    settle(app, until=clock.now + 6)
    ping = seen.one("ping")
    assert ping.started is not None
    assert ping.finished == pytest.approx(ping.started + 5)
    assert seen.one("pong").parent == ping.id


def test_a_called_event_is_caused_by_who_calls(clock: VirtualClock) -> None:
    class Caller(Component):
        channel = "caller"

        def go(self) -> Generator[Any, Any, Any]:
            value = yield self.call(Ping(), "app")
            return value.value

    app, seen = App() + Caller(), Seen()
    traced(app, seen)
    app.fire(Event.create("go"), "caller")
    settle(app)
    assert seen.one("ping").parent == seen.one("go").id


def test_coroutines_go_on_for_their_event() -> None:
    seen = Seen()

    class Async(Component):
        channel = "app"

        async def ping(self) -> None:
            await sleep(0)
            self.fire(Pong())
            await self.call(Event.create("other"))
            self.stop()

        def other(self) -> None: ...

        def started(self, *args: Any) -> None:
            Tracing.of(self._tree_engine).subscribe(seen)
            self.fire(Ping())

    Async().run()
    ping = seen.one("ping")
    assert seen.one("pong").parent == seen.one("other").parent == ping.id
    assert ping.finished is not None


def test_each_firing_of_one_event_is_traced() -> None:
    class Again(Component):
        channel = "app"
        left = 2

        def ping(self, event: Event) -> None:
            self.left -= 1
            if self.left >= 0:
                self.fire(event)

    app, seen = Again(), Seen()
    traced(app, seen)
    app.fire(Ping())
    settle(app)
    first, second, third = sorted(seen.by_name("ping"), key=lambda trace: trace.id)
    assert (second.parent, third.parent) == (first.id, second.id)


def test_an_event_with_a_priority_is_traced() -> None:
    class Ranking(Component):
        channel = "app"

        def ping(self) -> None:
            self.fire(Pong(), priority=1)

    app, seen = Ranking(), Seen()
    traced(app, seen)
    app.fire(Ping(), priority=-1)
    settle(app)
    assert seen.one("pong").parent == seen.one("ping").id


def test_feedback_is_caused_by_its_event() -> None:
    class Asking(Component):
        channel = "app"

        def asked(self) -> None: ...

        def asked_success(self, *args: Any) -> None: ...

    app, seen = Asking(), Seen()
    traced(app, seen)
    event = Event.create("asked")
    event.success = True
    app.fire(event)
    settle(app)
    assert seen.one("asked_success").parent == seen.one("asked").id


def test_other_threads_cause_nothing_by_what_the_loop_does() -> None:
    class Threads(Component):
        channel = "app"

        def ping(self) -> None:
            thread = threading.Thread(target=self.fire, args=(Pong(),))
            thread.start()
            thread.join(10)
            self.stop()

        def started(self, *args: Any) -> None:
            Tracing.of(self._tree_engine).subscribe(seen)
            self.fire(Ping())

    seen = Seen()
    Threads().run()
    pong = seen.one("pong")
    assert (pong.parent, pong.origin) == (None, "thread")


def test_what_is_raised_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Component):
        channel = "app"

        def ping(self) -> None:
            raise LookupError("it is gone")

        def error(self, *args: Any) -> None: ...

    app, seen = Broken(), Seen()
    traced(app, seen)
    app.fire(Ping())
    settle(app)
    ping = seen.one("ping")
    assert ping.errors == ["LookupError: it is gone"]
    [(method, name, problem, trace)] = seen.failures
    assert (method, name, str(problem), trace) == ("ping", "ping", "it is gone", ping)
    assert seen.one("error").parent == ping.id


def test_a_filter_that_ends_an_event_ends_it() -> None:
    class Filtering(Component):
        channel = "app"

        @handler("ping", filter=True, priority=1)
        def _on_ping(self) -> bool:
            return True

    app, seen = App() + Filtering(), Seen()
    traced(app, seen)
    value = app.fire(Ping())
    settle(app)
    assert value.value is True
    assert [method.__name__ for method, _ in seen.one("ping").calls] == ["_on_ping"]
    assert seen.by_name("pong") == []


def test_every_event_is_counted() -> None:
    app, seen = App(), Seen(limit=1)
    tracing = traced(app, seen)
    for _ in range(50):
        app.fire(Ping())
        app.fire(Ping(), "nowhere")
    settle(app)
    tracing.flush_counts()
    assert seen.events == {
        ("ping", ("app",)): 50,
        ("ping", ("nowhere",)): 50,
        ("pong", ("app",)): 50,
    }
    assert seen.deepest == 100


def test_kinds_are_counted_up_to_a_limit() -> None:
    app, seen = App(), Seen(limit=1)
    tracing = traced(app, seen)
    for number in range(KINDS_LIMIT + 7):
        app.fire(Ping(), number)
    settle(app)
    tracing.flush_counts()
    assert len(seen.events) == KINDS_LIMIT + 1
    assert seen.events["...", ()] == 7


def test_no_more_is_traced_than_is_asked_for(clock: VirtualClock) -> None:
    app, seen = App(), Seen(limit=50)
    tracing = traced(app, seen)
    for _ in range(100):  # ten seconds of 2000 events each
        for _ in range(100):
            app.fire(Ping())
        settle(app)
        clock.advance(0.1)
    assert 250 <= len(seen.traces) <= 700
    assert {trace.parent in {other.id for other in seen.by_name("ping")} for trace in seen.by_name("pong")} == {True}  # fmt: skip
    tracing.flush_counts()
    clock.advance(1)
    tracing.flush_counts()
    del seen.traces[:]
    for _ in range(5):  # when there are few, each of them is
        app.fire(Ping())
    settle(app)
    assert len(seen.traces) == 10


def test_what_fired_a_traced_event_is_known_though_it_was_passed_over() -> None:
    app, seen = App(), Seen(chooses=lambda name, channels: name == "pong")
    traced(app, seen)
    app.fire(Ping())
    settle(app)
    ping, pong = seen.one("ping"), seen.one("pong")
    assert pong.parent == ping.id
    assert ping.queued is None
    assert ping.started is not None


def test_a_chain_without_end_is_cut() -> None:
    class Chain(Component):
        channel = "app"
        left = 3 * TREE_LIMIT

        def ping(self) -> None:
            self.left -= 1
            if self.left > 0:
                self.fire(Ping())

    app, seen = Chain(), Seen(limit=10_000)
    traced(app, seen)
    app.fire(Ping())
    settle(app)
    sizes = [trace.tree[0] for trace in seen.traces]
    assert max(sizes) == TREE_LIMIT


class Doors(BaseComponent):
    """Takes a step that is a call whenever it may be."""

    channel = "doors"

    def __init__(self) -> None:
        super().__init__()
        self.door = Direct(self, Ping)
        self.steps: list[bool] = []

    @handler("started", channel="*")
    def _on_started(self, *args: Any) -> None:
        self.left = 20
        Timer(0, Event.create("step"), self).register(self)

    @handler("step")
    def _on_step(self) -> None:
        self._tree_engine.schedule.call_in(0, self._take)

    def _take(self) -> None:
        self.steps.append(self.door.attempt("x"))
        if not self.steps[-1]:
            self.fire(Ping("x"))
        self.left -= 1
        if self.left:
            self._tree_engine.schedule.call_in(0, self._take)
        else:
            self.fire(Event.create("end"))

    @handler("ping")
    def _on_ping(self, what: str) -> None:
        pass

    @handler("end")
    def _on_end(self) -> None:
        self.stop()


def test_calls_are_counted_and_a_sample_of_them_is_made_events() -> None:
    app, seen = Doors(), Seen(limit=5)
    tracing = Tracing.of(app._tree_engine)
    tracing.subscribe(seen)
    app.run()
    tracing.flush_counts()
    as_events = app.steps.count(False)
    assert seen.calls["ping"] == app.steps.count(True) > 0
    assert seen.events["ping", ("doors",)] == as_events > 0
    assert len(seen.by_name("ping")) >= 1


def test_calls_that_nobody_chooses_stay_calls() -> None:
    app, seen = Doors(), Seen(chooses=lambda name, channels: name == "end")
    tracing = Tracing.of(app._tree_engine)
    tracing.subscribe(seen)
    app.run()
    tracing.flush_counts()
    assert seen.calls == {"ping": 20}
    assert seen.one("end").origin is None or seen.one("end").origin == "call ping"


def test_with_the_last_subscriber_everything_is_as_it_was() -> None:
    app, seen, other = App(), Seen(), Seen()
    tracing = traced(app, seen)
    engine = app._tree_engine
    tracing.subscribe(other)
    tracing.unsubscribe(seen)
    tracing.unwatch(seen.failed)
    assert type(engine.dispatch) is not Dispatch
    tracing.unsubscribe(other)
    assert type(engine.dispatch) is Dispatch
    assert type(engine.tasks) is TaskTable
    assert type(engine.outcomes) is Outcomes
    assert engine.append == engine.queue.append
    assert engine.rank == engine.queue.rank
    assert engine.tap is None
    event = Ping()
    app.fire(event)
    settle(app)
    assert "_event_trace" not in vars(event)


def test_one_may_begin_and_end_in_a_handler() -> None:
    seen = Seen()

    class Switching(Component):
        channel = "app"

        def on(self) -> None:
            Tracing.of(self._tree_engine).subscribe(seen)
            self.fire(Ping())

        def off(self) -> None:
            Tracing.of(self._tree_engine).unsubscribe(seen)
            self.fire(Ping())

    app = App() + Switching()
    for name in ("on", "off"):
        app.fire(Event.create(name), "app")
        settle(app)
    assert len(seen.by_name("ping")) == 1


def test_the_handlers_after_one_that_ends_it_are_called() -> None:
    class App(Component):
        handled: list[str] = []

        @handler("ping", priority=1)
        def first(self) -> None:
            Tracing.of(self._tree_engine).unsubscribe(seen)
            self.handled.append("first")

        @handler("ping")
        def second(self) -> None:
            self.handled.append("second")

    app, seen = App(), Seen()
    with app.running():
        settle(app)
        Tracing.of(app._tree_engine).subscribe(seen)
        value = app.fire(Ping())
        settle(app)
    assert not value.errors
    assert app.handled == ["first", "second"]


def test_values_are_parted_from_their_events_as_ever() -> None:
    app, seen = App(), Seen(limit=1)
    traced(app, seen)
    events = [Ping() for _ in range(10)]
    for event in events:
        app.fire(event)
    settle(app)
    assert [event._event_value.event for event in events[1:]] == [None] * 9


class Failing(Seen):
    """A subscriber that cannot do it."""

    def begun(self, trace: Trace, event: Any) -> None:
        super().begun(trace, event)
        raise OSError("begun")

    def ended(self, trace: Trace) -> None:
        super().ended(trace)
        raise OSError("ended")

    def failed(self, method: Any, event: Any, problem: BaseException, trace: Any) -> None:
        super().failed(method, event, problem, trace)
        raise OSError("failed")

    def counted(self, events: Any, calls: Any, deepest: int) -> None:
        super().counted(events, calls, deepest)
        raise OSError("counted")


def test_who_looks_on_and_fails_harms_nobody(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    class Worker(Component):
        channel = "app"

        def ping(self) -> Generator[Any, None, None]:
            done.append("ping")
            self.fire(Pong())
            yield sleep(1)
            done.append("slept")

        def pong(self) -> None:
            done.append("pong")
            raise LookupError("ours")

        @handler("error")
        def _on_error(self, kind: Any, problem: Any, *args: Any) -> None:
            done.append(str(problem))

    app, failing, seen = Worker(), Failing(), Seen()
    traced(app, failing)
    tracing = traced(app, seen)
    app.fire(Ping())
    settle(app, until=clock.now + 2)
    tracing.flush_counts()
    assert done == ["ping", "pong", "ours", "slept"]
    for one in (failing, seen):  # the one that comes after it is told all the same
        assert {trace.name for trace in one.traces} >= {"ping", "pong", "error"}
        assert [str(problem) for _, _, problem, _ in one.failures] == ["ours"]
        assert one.events["ping", ("app",)] == 1
    texts = [record.getMessage() for record in caplog.records]
    assert 1 <= len(texts) <= 4  # one a second at most
    assert all("was told what goes on, and failed" in text for text in texts)
    assert caplog.records[0].exc_info is not None


def test_a_limit_may_be_any_number(clock: VirtualClock) -> None:
    app, seen = App(), Seen(limit=10**400)
    traced(app, seen)
    for _ in range(3):
        app.fire(Ping())
        clock.advance(1)
        app.flush()
    assert len(seen.by_name("ping")) == 3
