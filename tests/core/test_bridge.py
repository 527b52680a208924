"""Two trees of one process, joined by two bridges over a connection in memory."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from circuits import Bridge, Component, Debugger, Event, Ipc, Manager, Value, handler, ipc, sleep
from circuits.core import bridge
from circuits.core._process import frames, messages
from circuits.core.errors import NotSendableError, PeerLostError, RemoteError
from circuits.io import File
from circuits.net.sockets import Pipe
from circuits.testing import MemoryConnection, Recorder, VirtualClock, settle


class Hello(Event):
    success = True
    failure = True
    complete = True


class Addressed(Hello):
    name = "hello"
    channels = ("far",)


class Bad(Event):
    failure = True


class Nothing(Event): ...


class Several(Event): ...


class Nested(Event): ...


class Inner(Event): ...


class Slow(Event): ...


class Local(Event): ...


class Odd(Event): ...


class Unreadable:
    """Can be pickled, but not unpickled."""

    def __reduce__(self) -> Any:
        return (_refuse, ())


def _refuse() -> None:
    raise ValueError("not here")


class OddError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one}, {two}")


class Far(Component):
    """What is at the other end."""

    channel = "far"
    seen: list[Any]

    def init(self) -> None:
        self.seen = []

    def hello(self, *args: Any, **kwargs: Any) -> str:
        self.seen.append((args, kwargs))
        return "hello from far"

    def bad(self) -> None:
        raise ValueError("bad")

    def nothing(self) -> None: ...

    @handler("several")
    def _one(self) -> list[int]:
        return [1]

    @handler("several")
    def _two(self) -> int:
        return 2

    @handler("several")
    def _three(self) -> None:
        raise KeyError("three")

    def nested(self) -> Value:
        return self.fire(Inner())

    def inner(self) -> str:
        return "inner"

    def slow(self) -> Any:
        yield sleep(5)
        return "slow"

    def odd(self, kind: str) -> Any:
        if kind == "lock":
            import threading

            return threading.Lock()
        if kind == "error":
            raise OddError(1, 2)
        return Unreadable()


class Two:
    """Both trees, turned together."""

    def __init__(self, near: Manager, far: Manager, here: Bridge, there: Bridge) -> None:
        self.near, self.far, self.here, self.there = near, far, here, there

    def settle(self) -> None:
        for _ in range(12):
            settle(self.near)
            settle(self.far)


Make = Callable[..., Two]


@pytest.fixture
def make(connections: Any) -> Iterator[Make]:
    with ExitStack() as stack:

        def make(near: Manager | None = None, far: Manager | None = None, **options: Any) -> Two:
            near = Manager() if near is None else near
            far = Far() if far is None else far
            for app in (near, far):
                stack.enter_context(app.running())
            one, other = connections()
            here = Bridge(one, channel="here", **options).register(near)
            there = Bridge(other, channel="there", **options).register(far)
            two = Two(near, far, here, there)
            two.settle()
            return two

        yield make


def test_both_ends_become_ready_once(make: Make) -> None:
    near, far = Manager(), Far()
    seen = [Recorder("ready").register(app) for app in (near, far)]
    two = make(near, far)
    ready = [[record.event for record in records] for records in seen]
    assert [[e.args[0] for e in events] for events in ready] == [[two.here], [two.there]]
    assert isinstance(ready[0][0], bridge.Ready)


def test_the_result_of_the_other_end_is_the_value(make: Make) -> None:
    two = make()
    value = two.near.fire(Hello(1, key="x"), "far")
    settle(two.near)
    assert value.value is None
    two.settle()
    assert value.value == "hello from far"
    assert isinstance(two.far, Far)
    assert two.far.seen == [((1,), {"key": "x"})]


def test_the_other_way_round(make: Make) -> None:
    near = Far()
    two = make(near, Manager())
    value = two.far.fire(Hello(), "far")
    two.settle()
    assert value.value == "hello from far"
    assert len(near.seen) == 1


def test_feedback_comes_after_the_answer(make: Make) -> None:
    near = Manager()
    seen = Recorder().register(near)
    two = make(near)
    two.near.fire(Hello(), "far")
    settle(near)
    assert "hello_success" not in seen.names
    two.settle()
    assert [n for n in seen.names if n.startswith("hello")] == [
        "hello",
        "hello_success",
        "hello_complete",
    ]


@pytest.mark.parametrize("kind", ["generator", "coroutine"])
@pytest.mark.usefixtures("handler_errors")
def test_callers_wait_for_the_answer(make: Make, kind: str) -> None:
    class Asking(Component):
        channel = "asking"
        got: Any = None

        @handler("generator")
        def _ask(self) -> Any:
            self.got = (yield self.call(Hello(), "far")).value

        @handler("coroutine")
        async def _ask_too(self) -> None:
            with pytest.raises(ValueError, match="bad"):
                await self.call(Bad(), "far")
            self.got = await self.call(Hello(), "far")

    asking = Asking()
    two = make(asking)
    asking.fire(Event.create(kind), "asking")
    for _ in range(5):
        two.settle()
    assert asking.got == "hello from far"


@pytest.mark.usefixtures("handler_errors")
def test_a_failure_there_is_a_failure_here(make: Make) -> None:
    near = Manager()
    seen = Recorder().register(near)
    two = make(near)
    value = two.near.fire(Bad(), "far")
    two.settle()
    kind, problem, lines = value.value
    assert value.errors
    assert kind is ValueError
    assert str(problem) == "bad"
    assert any("test_bridge.py" in line for line in lines)
    assert isinstance(problem.__cause__, RemoteError)
    assert "bad_failure" in seen.names
    errors = [r.event for r in seen if r.event.name == "error"]
    assert len(errors) == 1
    assert errors[0].fevent is value.event  # type: ignore[attr-defined]


@pytest.mark.usefixtures("handler_errors")
def test_all_results_arrive(make: Make) -> None:
    two = make()
    value = two.near.fire(Several(), "far")
    two.settle()
    assert value.value[:2] == [[1], 2]
    assert isinstance(value.value[2][1], KeyError)


def test_results_of_both_ends_are_collected(make: Make) -> None:
    class Here(Component):
        channel = "far"

        def hello(self) -> str:
            return "here"

    two = make(Here())
    value = two.near.fire(Hello(), "far")
    two.settle()
    assert sorted(value.value) == ["hello from far", "here"]


def test_no_result_is_an_answer_too(make: Make) -> None:
    two = make()
    value = two.near.fire(Nothing(), "far")
    two.settle()
    assert not value.result
    assert not value.event.waitingHandlers  # type: ignore[union-attr]


def test_a_nested_value_follows(make: Make) -> None:
    two = make()
    value = two.near.fire(Nested(), "far")
    two.settle()
    assert value.value == "inner"
    assert value.result


def test_a_handler_there_may_take_its_time(make: Make, virtual_clock: VirtualClock) -> None:
    two = make()
    value = two.near.fire(Slow(), "far")
    two.settle()
    assert value.value is None
    settle(two.far, until=virtual_clock() + 6)
    two.settle()
    assert value.value == "slow"


def test_what_nobody_there_handles_is_not_sent(make: Make) -> None:
    two = make()
    value = two.near.fire(Local(lambda: "this could not be sent"), "far")
    two.settle()
    assert not value.errors
    assert not two.here._asked


def test_handlers_that_are_added_later_are_known(make: Make) -> None:
    two = make()

    class Late(Component):
        channel = "late"

        def local(self) -> str:
            return "late"

    Late().register(two.far)
    two.settle()
    value = two.near.fire(Local(), "late")
    two.settle()
    assert value.value == "late"


def test_a_debugger_there_sees_everything(make: Make) -> None:
    two = make()
    shown: list[str] = []

    class Log:
        def debug(self, text: str) -> None:
            shown.append(text)

        error = debug

    Debugger(logger=Log()).register(two.far)
    two.settle()
    two.near.fire(Local("shown"), "anywhere")
    two.settle()
    assert any("'shown'" in text for text in shown)


def test_an_event_does_not_come_back(make: Make) -> None:
    near = Far()
    two = make(near)
    value = near.fire(Hello(), "far")
    two.settle()
    assert len(near.seen) == 1
    assert isinstance(two.far, Far)
    assert len(two.far.seen) == 1
    assert value.value == ["hello from far"] * 2


def test_an_event_at_a_component_stays(make: Make) -> None:
    near = Far()
    two = make(near)
    two.near.fire(Hello(), near)
    two.settle()
    assert isinstance(two.far, Far)
    assert two.far.seen == []
    two.near.fire(Hello(), near, "far")
    two.settle()
    assert len(two.far.seen) == 1


def test_names_that_stay() -> None:
    documented = """
        registered unregistered started stopped error value_changed generate_events read write
        close connected connect disconnect disconnected _read _write ready signal
        prepare_unregister task
    """
    assert set(documented.split()) <= Bridge.ignore


def test_more_names_can_be_kept(make: Make) -> None:
    two = make()
    two.here.ignore = {*Bridge.ignore, "hello"}
    two.near.fire(Hello(), "far")
    two.settle()
    assert isinstance(two.far, Far)
    assert two.far.seen == []


def test_what_cannot_be_sent_fails_by_name(make: Make) -> None:
    two = make()
    value = two.near.fire(Hello(lambda: 1), "far")
    after = two.near.fire(Hello(), "far")
    two.settle()
    assert isinstance(value.value[1], NotSendableError)
    assert "hello" in str(value.value[1])
    assert after.value == "hello from far"


def test_what_comes_before_the_other_end_is_known_waits_for_it(connections: Any) -> None:
    near, far = Manager(), Far()
    with near.running(), far.running():
        one, other = connections()
        here = Bridge(one, channel="here").register(near)
        settle(near)
        unwanted = near.fire(Event.create("local", lambda: 1), "far")
        wanted = near.fire(Hello("early"), "far")
        unsendable = near.fire(Hello(lambda: 1), "far")
        settle(near)
        assert not unwanted.result
        assert not wanted.result
        there = Bridge(other, channel="there").register(far)
        two = Two(near, far, here, there)
        two.settle()
    assert not unwanted.errors
    assert wanted.value == "hello from far"
    assert isinstance(unsendable.value[1], NotSendableError)
    assert far.seen == [(("early",), {})]


def test_a_live_component_is_not_sent(make: Make) -> None:
    two = make()
    value = two.near.fire(Hello([two.near]), "far")
    two.settle()
    assert isinstance(value.value[1], NotSendableError)
    assert "live component" in str(value.value[1])


@pytest.mark.parametrize(
    ("kind", "expected", "text"),
    [
        ("lock", NotSendableError, "what a handler returned"),
        ("error", RemoteError, "OddError: 1, 2"),
        ("unreadable", RemoteError, "not here"),
    ],
)
@pytest.mark.usefixtures("handler_errors")
def test_answers_that_cannot_be_sent_are_failures(
    make: Make, kind: str, expected: type[Exception], text: str
) -> None:
    two = make()
    value = two.near.fire(Odd(kind), "far")
    two.settle()
    assert isinstance(value.value[1], expected)
    assert text in str(value.value[1])


def test_an_event_that_cannot_be_read_there_is_a_failure(make: Make) -> None:
    two = make()
    value = two.near.fire(Hello(Unreadable()), "far")
    two.settle()
    assert isinstance(value.value[1], RemoteError)
    after = two.near.fire(Hello(), "far")
    two.settle()
    assert after.value == "hello from far"


def test_flags_and_names_of_its_own_travel(make: Make) -> None:
    far = Far()
    seen = Recorder().register(far)
    two = make(far=far)
    event = Event.create("Nothing")
    event.success = True
    event.uid = "mine"
    two.near.fire(event, "far")
    two.settle()
    arrived = next(r.event for r in seen if r.event.name == "nothing")
    assert arrived.uid == "mine"
    assert arrived.remote
    assert not event.remote
    assert "nothing_success" in seen.names


def test_a_flag_of_its_own_travels(make: Make) -> None:
    far = Far()
    seen = Recorder().register(far)
    two = make(far=far)
    event = Nothing()
    event.success = True
    two.near.fire(event, "far")
    two.settle()
    assert "nothing_success" in seen.names


# -- Ipc --


def test_ipc_is_for_the_other_end_only(make: Make) -> None:
    near = Far()
    two = make(near, forward=False)
    value = two.near.fire(Ipc(Hello(1), "far"))
    two.settle()
    assert value.value == "hello from far"
    assert near.seen == []
    two.near.fire(Hello(), "far")
    two.settle()
    assert isinstance(two.far, Far)
    assert len(two.far.seen) == 1
    assert ipc is Ipc


def test_ipc_without_a_channel_goes_to_the_channels_of_the_event(make: Make) -> None:
    two = make()
    values = [two.near.fire(Ipc(e)) for e in (Addressed(), Hello())]
    two.settle()
    assert [v.value for v in values] == ["hello from far"] * 2


def test_ipc_chooses_a_bridge_by_its_channel(make: Make, connections: Any) -> None:
    two = make()
    one, other = connections()
    second = Bridge(one, channel="second").register(two.near)
    far = Far()
    with far.running():
        Bridge(other).register(far)
        for _ in range(10):
            settle(far)
            settle(two.near)
        value = two.near.fire(Ipc(Hello(), "far"), "second")
        all_of_them = two.near.fire(Ipc(Hello("all"), "far"))
        by_itself = two.near.fire(Ipc(Hello("instance"), "far"), second)
        for _ in range(10):
            settle(far)
            two.settle()
        assert value.value == "hello from far"
        assert [args for args, _ in far.seen] == [(), ("all",), ("instance",)]
        assert isinstance(two.far, Far)
        assert [args for args, _ in two.far.seen] == [("all",)]
        assert len(all_of_them.value) == 2
        assert by_itself.value == "hello from far"


def test_ipc_wants_an_event() -> None:
    with pytest.raises(TypeError, match="an event is needed"):
        Ipc("hello")  # type: ignore[arg-type]


# -- the end --


def test_a_lost_peer_is_told_and_what_waits_fails(make: Make) -> None:
    near = Manager()
    seen = Recorder().register(near)
    two = make(near)
    values = [near.fire(Slow(), "far"), near.fire(Ipc(Slow(), "far"))]
    two.settle()
    two.there.unregister()
    settle(two.far)
    settle(near)
    assert [type(v.value[1]) for v in values] == [PeerLostError] * 2
    lost = [r.event for r in seen if r.event.name == "bridge_lost"]
    assert [e.args for e in lost] == [[two.here, None]]
    assert two.here.root is two.here
    assert not two.here.is_connected
    assert not near._tasks


def test_a_nested_value_that_does_not_come_fails(make: Make) -> None:
    two = make()
    two.here._late[1] = late = Value(None, two.here)
    two.there.unregister()
    settle(two.far)
    settle(two.near)
    assert isinstance(late.value[1], PeerLostError)


def test_ipc_over_a_lost_bridge_fails(make: Make) -> None:
    two = make()
    two.here.is_connected = False
    value = two.near.fire(Ipc(Hello(), "far"))
    two.settle()
    assert isinstance(value.value[1], PeerLostError)


def test_a_peer_out_of_step_is_lost(make: Make) -> None:
    near = Manager()
    seen = Recorder("bridge_lost").register(near)
    two = make(near, limit_bytes=1000)
    assert two.there._descriptor is not None
    two.there._descriptor.write(b"\xff" * 100)
    settle(near)
    assert isinstance(next(iter(seen)).event.args[1], ValueError)
    assert not two.here.is_connected


def test_a_failing_connection_is_a_lost_peer(make: Make) -> None:
    near = Manager()
    seen = Recorder("bridge_lost").register(near)
    two = make(near)
    assert two.here._descriptor is not None
    connection: MemoryConnection = two.here._descriptor.file
    connection.send_error = OSError("broken")
    value = near.fire(Hello(), "far")
    two.settle()
    assert isinstance(value.value[1], PeerLostError)
    assert str(next(iter(seen)).event.args[1]) == "broken"


def test_a_message_beyond_the_limit_fails(make: Make) -> None:
    two = make(limit_bytes=2000)
    value = two.near.fire(Hello("x" * 3000), "far")
    after = two.near.fire(Hello(), "far")
    two.settle()
    assert isinstance(value.value[1], NotSendableError)
    assert after.value == "hello from far"


def test_an_answer_that_nobody_waits_for_is_ignored(make: Make) -> None:
    two = make()
    two.there._reply(messages.ANSWER, 999, [])
    two.there._reply(messages.LATE, 999, [])
    two.settle()
    assert two.here.is_connected


def test_a_waiting_handler_that_is_cancelled_is_forgotten(make: Make) -> None:
    two = make()
    two.near.fire(Slow(), "far")
    two.settle()
    assert len(two.here._asked) == 1
    two.near._tree_engine.tasks.cancel_all()
    assert not two.here._asked


def test_a_stop_waits_for_answers_and_closes(connections: Any) -> None:
    near, far = Manager(), Far()
    one, other = connections()
    with far.running():
        with near.running():
            here = Bridge(one).register(near)
            Bridge(other).register(far)
            two = Two(near, far, here, here)
            two.settle()
            value = near.fire(Hello(), "far")
            settle(near)
            near.stop()
            settle(near)
            assert near._tree_engine.loop.holds
            two.settle()
            assert not near._tree_engine.loop.holds
        assert value.value == "hello from far"
        assert one.fileno() == -1


def test_a_stop_does_not_wait_for_ever(connections: Any, virtual_clock: VirtualClock) -> None:
    near, far = Manager(), Far()
    one, other = connections()
    with far.running():
        with near.running():
            here = Bridge(one).register(near)
            Bridge(other).register(far)
            two = Two(near, far, here, here)
            two.settle()
            value = near.fire(Slow(), "far")
            two.settle()
            near.stop()
            settle(near, until=virtual_clock() + near.stop_timeout)
        assert isinstance(value.value[1], PeerLostError)


def test_the_halves_of_a_pipe_will_do() -> None:
    near, far = Manager(), Far()
    one, other = Pipe("one", "other")
    with near.running(), far.running():
        here = Bridge(one, channel=one.channel).register(near)
        there = Bridge(other, channel=other.channel).register(far)
        two = Two(near, far, here, there)
        two.settle()
        value = near.fire(Hello(), "far")
        two.settle()
        assert value.value == "hello from far"
        assert one.parent is here
        there.unregister()
        two.settle()
        assert not here.is_connected


def test_errors_are_logged_as_without_a_bridge(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Component):
        channel = "failing"

        def local(self) -> None:
            raise ZeroDivisionError("seen")

    two = make(Failing())
    two.near.fire(Local(), "failing")
    two.settle()
    assert "seen" in caplog.text


def test_an_idle_tree_with_a_bridge_builds_no_events(make: Make) -> None:
    two = make()
    engine = two.near._tree_engine
    (route,) = engine.route("generate_events", ("*",))
    assert route[0].__self__ is two.here._poller  # type: ignore[attr-defined]


def test_the_limit_is_that_of_frames() -> None:
    assert frames.LIMIT_BYTES == 256 * 1024 * 1024


def test_files_beside_a_bridge_open_themselves(tmp_path: Path) -> None:
    """Which is nothing for the other end, though it has not told yet what it handles."""
    near, far = socket.socketpair()
    kinds = []

    class App(Component):
        @handler("error", channel="*")
        def _on_error(self, kind: type, *args: Any) -> None:
            kinds.append(kind)

    app = App()
    Bridge(near).register(app)
    recorder = Recorder("opened").register(app)
    with app.running(), far:
        File(tmp_path / "data", "w").register(app)
        settle(app)
    assert recorder.names == ["opened"]
    assert NotSendableError not in kinds
