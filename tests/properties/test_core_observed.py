"""An application that is watched does the same as one that is not.

What nobody can see is left out by the engine: feedback that no handler waits for, steps of
leaving, the long way through the dispatch. One global handler sees everything, so that nothing is
left out. Both must do the same, whatever handlers do and when.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from circuits import BaseComponent, Component, Event, Timer, Value, handler
from circuits.testing import VirtualClock

_NAMES = ("one", "two")
_CHANNELS = ("*", "a", "b")
_FLAGS = ("success", "failure", "complete", "notify", "alert_done")
_ODD = ("value_changed", "success", "failure", "complete", "done")

_names = st.sampled_from(_NAMES)
_channels = st.sampled_from(_CHANNELS)
_numbers = st.integers(0, 30)
_ACTIONS = st.one_of(
    st.just(("nothing",)),
    st.tuples(st.just("return"), st.sampled_from([0, 1, "x", False])),
    st.just(("raise",)),
    st.tuples(st.just("flag"), st.sampled_from(_FLAGS), st.booleans()),
    st.tuples(st.just("flag_class"), _names, st.sampled_from(_FLAGS), st.booleans()),
    st.just(("stop",)),
    st.tuples(st.just("cancel"), _numbers),
    st.tuples(st.just("keywords"), st.booleans()),
    st.tuples(st.just("arguments"), st.booleans()),
    st.tuples(st.just("rename"), _names),
    st.tuples(st.just("fire"), _names, _channels, st.sampled_from([0, 0, 0, 1, -1])),
    st.tuples(st.just("fire_at"), _names, _numbers),
    st.tuples(st.just("again"), _numbers),
    st.tuples(st.just("nest"), _names, _channels),
    st.tuples(st.just("suspend"), st.lists(st.sampled_from([None, 1, "y", "raise"]), max_size=3)),
    st.tuples(st.just("call"), _names, _channels),
    st.tuples(st.just("await"), _names, st.sampled_from(_ODD)),
    st.just(("flush",)),
    st.tuples(st.just("leave"), _numbers),
    st.tuples(st.just("join"), _numbers, _numbers),
    st.tuples(st.just("listen"), _names, st.sampled_from(_ODD)),
    st.just(("listen_farewell",)),
    # What is due at once races with what is under way: which turn comes first is not promised.
    st.tuples(st.just("timer"), _names, st.sampled_from([0.1, 0.5])),
)
_HANDLERS = st.lists(
    st.tuples(
        st.sampled_from([*_NAMES, *_NAMES, "*"]),
        st.sampled_from([None, None, *_CHANNELS]),
        st.sampled_from([0, 0, 1]),
        st.booleans(),  # wants the event
        st.sampled_from([False, False, False, True]),  # filter
    ),
    min_size=1,
    max_size=4,
)
_NODES = st.lists(st.tuples(_numbers, _channels, _HANDLERS), min_size=1, max_size=4)
_PROGRAM = st.lists(_ACTIONS, min_size=3, max_size=40)
_FIRST = st.lists(st.tuples(_names, _channels), min_size=2, max_size=8)


class Node(BaseComponent):
    """A component whose handlers are made by the test."""

    number = 0


class Slow(Timer):
    """A timer that leaves like any other component, because it may still be told something."""

    @handler("told")
    def _on_told(self) -> None:
        pass


class Watcher(BaseComponent):
    """Sees everything, and does nothing about it."""

    @handler(channel="*", priority=1000)
    def _on_event(self, event: Event[Any], *args: Any, **kwargs: Any) -> None:
        pass


class World:
    """One application that plays a program: each handler that is called does the next action."""

    def __init__(self, nodes: list[Any], program: list[Any], watched: bool) -> None:
        self.program = program
        self.log: list[Any] = []
        self.events: list[Event[Any]] = []
        self.values: list[Value] = []
        self.classes: dict[str, Any] = {name: type(name, (Event,), {}) for name in _NAMES}
        self.nodes: list[Node] = []
        self.position = 0
        if watched:
            self.root: Any = Component(channel="root")
            Watcher(channel="watcher").register(self.root)
        else:
            self.root = Component(channel="root")
            Component(channel="watcher").register(self.root)
        self.root.addHandler(self.errors())
        for parent, channel, handlers in nodes:
            node = Node(channel=channel)
            node.number = len(self.nodes)
            for declared in handlers:
                node.addHandler(self.handler(node, *declared))
            node.register(self.pick(parent))
            self.nodes.append(node)

    def pick(self, number: int) -> Any:
        known = [self.root, *self.nodes]
        return known[number % len(known)]

    def errors(self) -> Any:
        log = self.log

        @handler("error", channel="*")
        def on_error(self: Any, kind: type, problem: BaseException, *rest: Any) -> None:
            log.append(("error", kind.__name__))  # texts tell the length of the queue

        return on_error

    def handler(
        self, node: Node, name: str, channel: Any, priority: int, wants: bool, is_filter: bool
    ) -> Any:
        mark = handler(name, channel=channel, priority=priority, filter=is_filter)
        act = self.act
        if wants or name == "*":

            def function(self: Node, event: Event[Any], *args: Any, **kwargs: Any) -> Any:
                if event.name in _NAMES:  # not what only a watched application builds
                    return act(node, event, args, kwargs)
                return None

        else:

            def function(self: Node, *args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
                return act(node, args[0] if args else None, args, kwargs)

        function.__name__ = f"handler{len(vars(node))}"
        return mark(function)

    # -- what handlers do --

    def act(self, node: Node, event: Any, args: Any, kwargs: Any) -> Any:
        self.log.append((node.number, self.shown(args), self.shown(kwargs)))
        if self.position >= len(self.program):
            return None
        action, *details = self.program[self.position]
        self.position += 1
        self.log.append(action)
        if not isinstance(event, Event):
            event = self.events[-1]
        return getattr(self, f"do_{action}")(node, event, *details)

    def make(self, name: str) -> Event[Any]:
        event: Event[Any] = self.classes[name]()
        event.args = [event]  # so that every handler knows its event
        self.events.append(event)
        return event

    def fire(self, name: str, *channels: Any, priority: float = 0) -> Value:
        value: Value = self.root.fire(self.make(name), *channels, priority=priority)
        self.values.append(value)
        return value

    def do_nothing(self, node: Node, event: Any) -> None:
        pass

    def do_return(self, node: Node, event: Any, result: Any) -> Any:
        return result

    def do_raise(self, node: Node, event: Any) -> None:
        raise ValueError("raised")

    def do_flag(self, node: Node, event: Any, flag: str, on: bool) -> str:
        setattr(event, flag, on)
        return "flagged"

    def do_flag_class(self, node: Node, event: Any, name: str, flag: str, on: bool) -> None:
        if flag != "notify":  # of a class it counts from the next result on that is looked at
            setattr(self.classes[name], flag, on)

    def do_stop(self, node: Node, event: Any) -> str:
        event.stop()
        return "stopped"

    def do_cancel(self, node: Node, event: Any, which: int) -> None:
        self.events[which % len(self.events)].cancel()

    def do_keywords(self, node: Node, event: Any, anew: bool) -> None:
        if anew:
            event.kwargs = {"new": 1}
        else:
            event.kwargs["more"] = 2

    def do_arguments(self, node: Node, event: Any, anew: bool) -> None:
        if anew:
            event.args = [event, "new"]
        else:
            event.args.append("more")

    def do_rename(self, node: Node, event: Any, name: str) -> None:
        event.name = name

    def do_fire(self, node: Node, event: Any, name: str, channel: Any, priority: float) -> None:
        self.fire(name, channel, priority=priority)

    def do_fire_at(self, node: Node, event: Any, name: str, which: int) -> None:
        self.fire(name, self.pick(which))

    def do_again(self, node: Node, event: Any, which: int) -> None:
        self.values.append(self.root.fire(self.events[which % len(self.events)]))

    def do_nest(self, node: Node, event: Any, name: str, channel: Any) -> Value:
        return self.fire(name, channel)

    def do_suspend(self, node: Node, event: Any, steps: list[Any]) -> Iterator[Any]:
        for step in steps:
            self.log.append(("step", node.number, step))
            if step == "raise":
                raise ValueError("in a step")
            yield step
        self.log.append(("end", node.number))

    def do_call(self, node: Node, event: Any, name: str, channel: Any) -> Iterator[Any]:
        value: Any = yield self.root.call(self.make(name), channel)
        self.log.append(("called", self.shown(value.value)))

    def do_await(self, node: Node, event: Any, name: str, topic: str) -> Iterator[Any]:
        yield self.root.wait(f"{name}_{topic}", "*")
        self.log.append(("waited", name, topic))

    def do_flush(self, node: Node, event: Any) -> None:
        self.root.flush()
        self.log.append("flushed")

    def do_leave(self, node: Node, event: Any, which: int) -> None:
        self.pick(which).unregister()

    def do_join(self, node: Node, event: Any, which: int, parent: int) -> None:
        self.pick(which).register(self.pick(parent))

    def do_listen(self, node: Node, event: Any, name: str, topic: str) -> None:
        self.listener(f"{name}_{topic}")

    def do_listen_farewell(self, node: Node, event: Any) -> None:
        self.listener("prepare_unregister", "prepare_unregister_complete", "unregistered")

    def do_timer(self, node: Node, event: Any, name: str, seconds: float) -> None:
        # A handler that flushes can see how many events are between two others.
        kind = Slow if ("flush",) in self.program else Timer
        kind(seconds, self.make(name), "*", channel="timer").register(self.root)

    def listener(self, *names: str) -> None:
        log, shown = self.log, self.shown

        @handler(*names, channel="*")
        def heard(self: Any, event: Event[Any], *args: Any, **kwargs: Any) -> None:
            about = args[0].args[0] if isinstance(args[0], Event) and args[0].args else args[0]
            if not isinstance(about, Timer):  # a timer need not wait for those who come late
                log.append(("heard", event.name, shown(args)))

        listener = Component(channel="listener")
        listener.addHandler(heard)
        listener.register(self.root)

    # -- what is compared --

    def shown(self, thing: Any) -> Any:
        """Something that is the same in another world."""
        if isinstance(thing, Event):
            number = self.events.index(thing) if thing in self.events else None
            return (type(thing).__name__, number)
        if isinstance(thing, Value):
            return ("value", thing.result, thing.errors, self.shown(thing.getValue(False)))
        if isinstance(thing, BaseComponent):
            return (type(thing).__name__, getattr(thing, "number", None))
        if isinstance(thing, BaseException):
            return type(thing).__name__
        if isinstance(thing, dict):
            return {key: self.shown(value) for key, value in thing.items()}
        if isinstance(thing, tuple) and len(thing) == 3 and isinstance(thing[1], BaseException):
            return ("failed", type(thing[1]).__name__)
        if isinstance(thing, list | tuple):
            return [self.shown(item) for item in thing]
        return thing

    def outcome(self) -> Any:
        return {
            "log": self.log,
            "values": [self.shown(value) for value in self.values],
            "latest": [self.shown(event.value) for event in self.events],
            "parents": [self.shown(node.parent) for node in self.nodes],
            "tasks": len(self.root._tasks),
            "timers": sum(isinstance(node, Timer) for node in self.root.components),
        }

    def play(self, first: list[Any], running: bool, clock: VirtualClock) -> Any:
        for name, channel in first:
            self.fire(name, channel)
        if running:
            with self.root.running():
                self.turn(clock)
                return self.outcome()
        self.turn(clock)
        return self.outcome()

    def turn(self, clock: VirtualClock) -> None:
        engine = self.root._tree_engine
        for _ in range(60):
            engine.loop.turn(0)
            if not engine.queue and not engine.tasks.ready:
                clock.advance(0.25)


def _play(
    nodes: list[Any], program: list[Any], first: list[Any], running: bool, watched: bool
) -> Any:
    with VirtualClock() as clock:
        return World(nodes, program, watched).play(first, running, clock)


@given(_NODES, _PROGRAM, _FIRST, st.booleans())
@example(
    nodes=[(0, "a", [("one", None, 0, False, False)])],
    program=[("flag", "notify", True)],
    first=[("one", "a")],
    running=False,
)
@example(
    nodes=[(0, "*", [("one", None, 0, False, False)])],
    program=[("call", "one", "*"), ("timer", "one", 0.1), ("join", 1, 1)],
    first=[("one", "*"), ("one", "*")],
    running=True,
)
def test_to_be_watched_changes_nothing(
    nodes: list[Any], program: list[Any], first: list[Any], running: bool
) -> None:
    watched = _play(nodes, program, first, running, watched=True)
    unwatched = _play(nodes, program, first, running, watched=False)
    assert unwatched == watched
