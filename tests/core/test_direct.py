"""A call instead of an event, by itself: when it may be, and what becomes of its outcome."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, handler
from circuits.core._direct import Direct
from circuits.testing import Recorder, settle


class ask(Event):
    """A step without any flag."""


class told(Event):
    """A step that tells how it ended, and of each result."""

    success = True
    failure = True
    complete = True
    alert_done = True
    notify = True


class act(Event):
    """Runs a function as a handler."""


FEEDBACK = ("success", "failure", "complete", "done")


class Owner(BaseComponent):
    """Fires steps through doors, and handles them."""

    channel = "owner"

    def __init__(self) -> None:
        super().__init__()
        self.outcome: Any = None
        self.calls: list[Any] = []
        self.door = Direct(self, ask)
        self.told_door = Direct(self, told, feedback=FEEDBACK)

    @handler("ask", "told")
    def on_step(self, *args: Any) -> Any:
        self.calls.append(args)
        return self.outcome() if callable(self.outcome) else self.outcome

    @handler("act", channel="*")
    def on_act(self, function: Callable[[], Any]) -> Any:
        return function()


@pytest.fixture
def app(app_runner: Callable[[Manager], Manager]) -> Manager:
    return app_runner(Manager())


@pytest.fixture
def owner(app: Manager) -> Owner:
    owner = Owner().register(app)
    settle(app)
    return owner


class Handlers(BaseComponent):
    """Handlers that are added by tests."""

    channel = "owner"

    def __init__(self) -> None:
        super().__init__(channel="owner")
        self.seen: list[Any] = []

    def hear(self, *names: str, **options: Any) -> Any:
        def function(self: Handlers, *args: Any) -> None:
            self.seen.append(args)

        return self.add(function, *names, **options)

    def hear_event(self, *names: str, **options: Any) -> Any:
        def function(self: Handlers, event: Event, *args: Any) -> None:
            self.seen.append(event)

        return self.add(function, *names, **options)

    def add(self, function: Any, *names: str, **options: Any) -> Any:
        function.__name__ = f"handler{len(vars(self))}"
        return self.addHandler(handler(*names, **options)(function))


def is_open(door: Direct) -> bool:
    methods = door.methods()
    assert methods is None or len(methods) > 0
    return methods is not None


# -- what makes an event of the call, and a call again ---------------------------------------


def test_alone_it_is_a_call(owner: Owner) -> None:
    assert owner.door.methods() == (owner.on_step,)
    assert owner.told_door.methods() == (owner.on_step,)


def test_a_step_that_nobody_handles_is_a_call_of_nothing(owner: Owner) -> None:
    door = Direct(owner, ask, ("nowhere",))
    assert door.methods() == ()
    assert door.attempt(1)


@contextmanager
def queued(owner: Owner, others: Handlers) -> Iterator[None]:
    owner.fire(Event.create("unheard"))
    yield
    settle(owner)


@contextmanager
def ranked(owner: Owner, others: Handlers) -> Iterator[None]:
    owner.fire(Event.create("unheard"), priority=7)
    yield
    settle(owner)


def _suspend() -> Generator[Any]:
    yield


@contextmanager
def ready(owner: Owner, others: Handlers) -> Iterator[None]:
    owner.fire(act(_suspend), "*")
    owner.flush()
    assert owner._tree_engine.tasks.ready
    yield
    settle(owner)


@contextmanager
def looking(owner: Owner, others: Handlers) -> Iterator[None]:
    """A handler looks at something again and again."""
    goes_on = True

    def look() -> Generator[Any]:
        while goes_on:
            yield

    owner.fire(act(look), "*")
    owner.root.tick(0)
    owner.root.tick(0)
    assert not owner._tree_engine.tasks.ready
    yield
    goes_on = False
    settle(owner)


@contextmanager
def handled_elsewhere(owner: Owner, others: Handlers) -> Iterator[None]:
    method = others.hear("ask")
    yield
    others.removeHandler(method)


@contextmanager
def handled_before(owner: Owner, others: Handlers) -> Iterator[None]:
    """By somebody whose result would be one of two."""
    method = others.hear("ask", priority=1)
    yield
    others.removeHandler(method)


@contextmanager
def wanting_the_event(owner: Owner, others: Handlers) -> Iterator[None]:
    method = others.hear_event("ask", priority=1, filter=True)
    yield
    others.removeHandler(method)


@contextmanager
def handled_everywhere(owner: Owner, others: Handlers) -> Iterator[None]:
    method = others.hear_event(channel="*")
    yield
    others.removeHandler(method)


def _waiting(name: str) -> Any:
    @contextmanager
    def waiting(owner: Owner, others: Handlers) -> Iterator[None]:
        def wait() -> Generator[Any]:
            yield owner.wait(name, "*")

        owner.fire(act(wait), "*")
        settle(owner)
        yield
        owner.fire(Event.create(name))
        settle(owner)

    waiting.__name__ = f"waiting for {name}"
    return waiting


@contextmanager
def flagged(owner: Owner, others: Handlers) -> Iterator[None]:
    others.hear("ask_success")
    ask.success = True
    others.hear("anything")  # a flag of a class counts with the next look
    yield
    ask.success = False
    others.hear("something")


@contextmanager
def tree_of_its_own(owner: Owner, others: Handlers) -> Iterator[None]:
    """No loop runs there."""
    app = owner.root
    owner.unregister()
    settle(app)
    yield
    settle(owner)
    owner.register(app)
    settle(app)


@pytest.mark.parametrize(
    "circumstance",
    [
        queued,
        ranked,
        ready,
        looking,
        handled_elsewhere,
        handled_before,
        wanting_the_event,
        handled_everywhere,
        _waiting("ask"),
        flagged,
        tree_of_its_own,
    ],
    ids=lambda circumstance: circumstance.__name__,
)
def test_what_makes_an_event_of_it(app: Manager, owner: Owner, circumstance: Any) -> None:
    others = Handlers().register(app)
    settle(app)
    for _ in range(2):
        assert is_open(owner.door)
        with circumstance(owner, others):
            assert owner.door.methods() is None
            assert not owner.door.attempt(1)
        assert is_open(owner.door)


@pytest.mark.parametrize("topic", [*FEEDBACK, "value_changed"])
def test_feedback_that_somebody_else_hears(app: Manager, owner: Owner, topic: str) -> None:
    others = Handlers().register(app)
    settle(app)
    method = others.hear(f"told_{topic}", channel="*")
    assert not is_open(owner.told_door)
    others.removeHandler(method)
    assert is_open(owner.told_door)


@pytest.mark.parametrize("topic", [*FEEDBACK, "value_changed"])
def test_feedback_that_somebody_waits_for(owner: Owner, topic: str) -> None:
    with _waiting(f"told_{topic}")(owner, None):
        assert not is_open(owner.told_door)
    assert is_open(owner.told_door)


@pytest.mark.parametrize("topic", FEEDBACK)
def test_its_own_feedback_counts_unless_the_owner_sees_to_it(owner: Owner, topic: str) -> None:
    def hear(self: Owner, *args: Any) -> None:
        pass

    owner.addHandler(handler(f"told_{topic}")(hear))
    assert is_open(owner.told_door)
    assert not is_open(Direct(owner, told, feedback=set(FEEDBACK) - {topic}))


def test_filters_may_come_before(app: Manager, owner: Owner) -> None:
    others = Handlers().register(app)
    settle(app)
    method = others.hear("ask", priority=1, filter=True)
    assert owner.door.methods() == (method, owner.on_step)
    assert owner.door.attempt(1)
    assert others.seen == owner.calls == [(1,)]


@pytest.mark.parametrize("name", ["success_channels", "failure_channels", "complete_channels"])
def test_feedback_that_goes_elsewhere(owner: Owner, name: str) -> None:
    kind = type("ask", (Event,), {name: ("elsewhere",)})
    assert not is_open(Direct(owner, kind))


def test_what_the_handlers_of_an_event_fire_comes_after_its_last_handler(
    app: Manager, owner: Owner
) -> None:
    others = Handlers().register(app)
    settle(app)
    door = Direct(owner, ask, within=("act",))
    assert is_open(door)
    before = others.hear("act", priority=1)
    assert is_open(door)
    after = others.hear("act")
    assert not is_open(door)
    assert is_open(owner.door)
    others.removeHandler(after)
    assert is_open(door)
    others.removeHandler(before)


def in_handler(owner: Owner, look: Callable[[], Any]) -> Any:
    """What a function finds when it runs as the only handler of the only event."""
    found = []
    owner.fire(act(lambda: found.append(look())), "*")
    settle(owner)
    return found[0]


def test_in_the_handler_of_the_last_event_it_is_a_call(owner: Owner) -> None:
    assert in_handler(owner, lambda: is_open(owner.door))


def test_not_in_a_nested_flush(owner: Owner) -> None:
    def flush() -> bool:
        found = []
        owner.fire(act(lambda: found.append(is_open(owner.door))), "*")
        owner.flush()
        return found[0]

    assert not in_handler(owner, flush)
    assert is_open(owner.door)


def test_not_in_a_nested_turn(owner: Owner) -> None:
    def turn() -> bool:
        found = []
        owner.fire(act(lambda: found.append(is_open(owner.door))), "*")
        owner.root.tick(0)
        return found[0]

    assert not in_handler(owner, turn)
    assert is_open(owner.door)


def test_not_on_behalf_of_an_event_whose_effects_are_counted(owner: Owner) -> None:
    found = []
    event = act(lambda: found.append(is_open(owner.door)))
    event.complete = True
    owner.fire(event, "*")
    settle(owner)
    assert found == [False]
    assert is_open(owner.door)


def test_not_while_an_event_is_handled_that_somebody_waits_for(owner: Owner) -> None:
    def wait() -> Generator[Any]:
        yield owner.wait("act", "*")

    owner.fire(act(wait), "*")
    settle(owner)
    assert not in_handler(owner, lambda: is_open(owner.door))
    assert in_handler(owner, lambda: is_open(owner.door))


def test_a_wait_that_is_given_up_counts_no_more(owner: Owner) -> None:
    wait = owner.wait("ask")
    next(wait)
    assert not is_open(owner.door)
    wait.close()
    assert is_open(owner.door)


def test_a_tap_hears_of_each_call_and_of_no_event(owner: Owner) -> None:
    heard: list[Direct] = []
    owner._tree_engine.set_tap(heard.append)
    for _ in range(2):
        assert owner.door.attempt(1)
    assert heard == [owner.door, owner.door]
    owner.fire(Event.create("unheard"))
    assert not owner.door.attempt(2)
    settle(owner)
    owner._tree_engine.set_tap(None)
    assert owner.door.attempt(3)
    assert len(heard) == 2


# -- where it is fired -------------------------------------------------------------------------


def test_it_goes_to_the_channel_that_the_owner_has_now(app: Manager, owner: Owner) -> None:
    others = Handlers().register(app)
    settle(app)
    method = others.hear("ask", channel="elsewhere")
    assert owner.door.methods() == (owner.on_step,)
    owner.channel = "elsewhere"
    assert owner.door.channels == ("elsewhere",)
    assert not is_open(owner.door)  # both hear it there
    owner.channel = "owner"
    assert owner.door.methods() == (owner.on_step,)
    assert Direct(owner, ask, ("elsewhere",)).methods() == (method,)


def test_in_another_tree_it_is_handled_there(
    app: Manager, owner: Owner, app_runner: Callable[[Manager], Manager]
) -> None:
    other = app_runner(Manager())
    hearers = Handlers().register(other)
    hearers.hear("ask", channel="owner")
    settle(other)
    assert is_open(owner.door)
    owner.unregister()
    settle(app)
    owner.register(other)
    settle(other)
    assert not is_open(owner.door)
    hearers.unregister()
    settle(other)
    assert owner.door.methods() == (owner.on_step,)
    app.fire(Event.create("unheard"))  # the tree that it has left does not matter
    assert is_open(owner.door)
    other.fire(Event.create("unheard"))
    assert not is_open(owner.door)


# -- what becomes of the outcome ---------------------------------------------------------------


def test_the_event_is_what_would_have_been_fired(owner: Owner) -> None:
    event = owner.door.event(1, key=2)
    assert type(event) is ask
    assert (event.args, event.kwargs) == ([1], {"key": 2})
    assert event.channels == ("owner",)
    assert event.value.event is event
    assert event.value.manager is owner
    assert not event.value.result


def test_a_result_is_stored(owner: Owner) -> None:
    event = owner.door.event()
    owner.door.take(event, owner.on_step, 42)
    assert event.value.value == 42
    assert event.waitingHandlers == 0


def test_a_result_is_told_to_the_owner(app: Manager, owner: Owner) -> None:
    event = owner.told_door.event()
    seen = Recorder("told_value_changed").register(app)
    owner.told_door.take(event, owner.on_step, 42)
    settle(app)
    assert [found.event.args[0] for found in seen] == [event.value]


def test_a_generator_goes_on_later(app: Manager, owner: Owner) -> None:
    def late() -> Generator[Any, Any, str]:
        yield
        return "late"

    seen = Recorder("told_success", "told_complete", "told_done").register(app)
    event = owner.told_door.event()
    owner.told_door.take(event, owner.on_step, late())
    assert event.value.promise
    assert event.waitingHandlers == 1
    settle(app)
    assert event.value.value == "late"
    assert event.waitingHandlers == 0
    assert "told_success" in seen.names
    assert "told_done" in seen.names


def test_a_coroutine_goes_on_later(app: Manager, owner: Owner) -> None:
    async def late() -> str:
        return "late"

    event = owner.door.event()
    owner.door.take(event, owner.on_step, late())
    assert event.waitingHandlers == 1
    settle(app)
    assert event.value.value == "late"
    assert is_open(owner.door)


def test_a_failure_is_told(app: Manager, owner: Owner) -> None:
    seen = Recorder("told_failure", "error").register(app)
    settle(app)
    event = owner.told_door.event(1)
    problem = ValueError("told")
    try:
        raise problem
    except ValueError:
        owner.told_door.failed(event, owner.on_step, problem)
    settle(app)
    assert event.value.errors
    assert seen.names == ["told_failure", "error"]
    failure, error = seen.records
    kind, raised, lines, method = error.event.args
    assert (kind, raised, method) == (ValueError, problem, owner.on_step)
    assert failure.event.args == [event, (kind, raised, lines)]
    assert error.event.fevent is event  # type: ignore[attr-defined]


# -- steps whose results nobody asks for ---------------------------------------------------------


def test_an_attempt_calls_or_does_nothing(owner: Owner) -> None:
    assert owner.door.attempt(1)
    owner.fire(Event.create("unheard"))
    assert not owner.door.attempt(2)
    settle(owner)
    assert owner.calls == [(1,)]


def test_a_call_calls_or_fires(owner: Owner) -> None:
    assert owner.door.call(1)
    owner.fire(Event.create("unheard"))
    assert not owner.door.call(2)
    assert owner.calls == [(1,)]
    settle(owner)
    assert owner.calls == [(1,), (2,)]


@pytest.mark.parametrize("how", ["attempt", "call"])
@pytest.mark.parametrize("as_filter", [False, True])
def test_what_the_handlers_raise_is_an_error(
    app: Manager, owner: Owner, how: str, as_filter: bool
) -> None:
    def fail() -> None:
        raise ValueError

    if as_filter:
        others = Handlers().register(app)
        settle(app)
        others.add(lambda self, *args: fail(), "ask", priority=1, filter=True)
    else:
        owner.outcome = fail
    seen = Recorder("error").register(app)
    settle(app)
    assert getattr(owner.door, how)(1)
    settle(app)
    assert seen.names == ["error"]
    assert seen.records[0].event.fevent.args == [1]  # type: ignore[attr-defined]
    assert owner.calls == ([] if as_filter else [(1,)])


@pytest.mark.parametrize("result", [0, False, "", b"result"])
def test_a_filter_that_returns_something_ends_it(app: Manager, owner: Owner, result: Any) -> None:
    others = Handlers().register(app)
    settle(app)
    others.add(lambda self, *args: result, "ask", priority=1, filter=True)
    assert owner.door.attempt(1)
    assert owner.calls == []


def test_a_handler_that_suspends_goes_on(app: Manager, owner: Owner) -> None:
    steps: list[str] = []

    def late() -> Generator[Any]:
        yield
        steps.append("late")

    owner.outcome = late
    assert owner.door.call(1)
    assert not is_open(owner.door)  # that comes first
    settle(app)
    assert steps == ["late"]
    assert is_open(owner.door)


@pytest.mark.parametrize("problem", [SystemExit(3), KeyboardInterrupt()])
def test_who_wants_to_end_the_application_does(problem: BaseException) -> None:
    class App(Component):
        def started(self, component: Manager) -> None:
            pass

    def end() -> None:
        raise problem

    app = App()
    owner = Owner().register(app)
    owner.outcome = end
    expected = pytest.raises(SystemExit) if isinstance(problem, SystemExit) else nullcontext()
    with expected, app.running():
        settle(app)
        assert owner.door.call(1)
        assert not app.running
