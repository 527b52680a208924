"""Random programs on a server, watched by random observers; what its peers see is compared.

A program is handlers and waiters that write, fire, return, raise, suspend, and add and remove
handlers. An observer does nothing but look. The application really runs: where nobody looks, the
steps between a descriptor and an answer are calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from circuits import BaseComponent, Event, handler, sleep
from circuits.core._tracing import Tracing
from circuits.net.sockets import Close, Write

#: How deep events cause others.
_DEPTH = 2

#: How often the handlers of a program act at the most.
_BUDGET = 60


class Step(Event):
    """Something that a handler of a program fires, on behalf of a peer."""

    def __init__(self, sock: Any, depth: int) -> None:
        super().__init__(sock, depth)


class Begin(Event):
    """Have the waiters of a program wait; fired while nothing goes on."""


_PRIORITIES = st.sampled_from([0, 0, 0, 1, -1])
_ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), _PRIORITIES),
        st.tuples(st.just("step"), _PRIORITIES),
        st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 3)),
    ),
    max_size=3,
)
_ENDS = st.sampled_from(
    ["nothing", "nothing", "return", "return", "return", "raise", "sleep", "call", "look", "close"]
)

#: Ends of handlers that go on later.
SUSPENDING = ("sleep", "call", "look")


def programs(names: list[str]) -> st.SearchStrategy[list[Any]]:
    """The handlers of a program: some are there at first, others are added."""
    return st.lists(
        st.tuples(
            st.sampled_from(names),
            st.sampled_from([0, 0, 0, 1, -1]),  # priority
            st.booleans(),  # wants the event
            st.sampled_from([False, False, False, True]),  # filter
            _ACTIONS,
            _ENDS,
            st.sampled_from([True, True, False]),  # is there at first
        ),
        min_size=1,
        max_size=4,
    )


def waiters(names: list[str]) -> st.SearchStrategy[list[str]]:
    """For which names a program waits, to act when such an event is over."""
    return st.lists(st.sampled_from(names), max_size=2)


def observers(names: list[str]) -> st.SearchStrategy[list[Any]]:
    """Who looks."""
    named = st.sampled_from(names)
    priorities = st.sampled_from([1000, -1000])
    return st.lists(
        st.one_of(
            st.tuples(st.just("all"), priorities),
            st.tuples(st.just("handler"), named, priorities, st.booleans(), st.booleans()),
            st.tuples(st.just("waiting"), named),
            st.tuples(st.just("changing"), named, named),
            st.tuples(st.just("tap")),
            st.tuples(st.just("tracing"), st.sampled_from([None, 1])),
        ),
        min_size=1,
        max_size=3,
    )


class Observer(BaseComponent):
    """Looks, and does nothing else."""

    def __init__(self, kind: str, *details: Any) -> None:
        super().__init__(channel="observer")
        getattr(self, f"_be_{kind}")(*details)

    def _add(self, function: Callable[..., Any], *names: str, **options: Any) -> Any:
        function.__name__ = f"observe{len(vars(self))}"
        return self.addHandler(handler(*names, channel="*", **options)(function))

    def _be_all(self, priority: int) -> None:
        def look(self: Any, event: Event, *args: Any, **kwargs: Any) -> None:
            pass

        self._add(look, priority=priority)

    def _be_handler(self, name: str, priority: int, wants: bool, is_filter: bool) -> None:
        def look(self: Any, *args: Any, **kwargs: Any) -> None:
            pass

        def look_at_event(self: Any, event: Event, *args: Any, **kwargs: Any) -> None:
            pass

        self._add(look_at_event if wants else look, name, priority=priority, filter=is_filter)

    def _be_waiting(self, name: str) -> None:
        def wait(self: Any, *args: Any) -> Iterator[Any]:
            while True:
                yield self.wait(name, "*")

        self._add(wait, "started")

    def _be_changing(self, name: str, other: str) -> None:
        """Look only now and then."""
        added: list[Any] = []

        def look(self: Any, *args: Any, **kwargs: Any) -> None:
            pass

        def change(self: Any, *args: Any, **kwargs: Any) -> None:
            if added:
                self.removeHandler(added.pop())
            else:
                added.append(self._add(look, other))

        self._add(change, name)

    def _be_coroutine(self) -> None:
        async def begin(self: Any, *args: Any) -> None:
            await sleep(0)

        self._add(begin, "started")

    def _be_tap(self) -> None:
        def tap(self: Any, *args: Any) -> None:
            self._tree_engine.set_tap(lambda door: None)

        self._add(tap, "started")

    def _be_tracing(self, limit: int | None) -> None:
        class Everything:
            chooses: Any = None

            def __init__(self) -> None:
                self.limit = limit

            def __getattr__(self, name: str) -> Any:
                return lambda *args: None

        def trace(self: Any, *args: Any) -> None:
            Tracing.of(self._tree_engine).subscribe(Everything())

        self._add(trace, "started")


class Program(BaseComponent):
    """Plays a program.

    Args:
        handlers: As of :func:`programs`.
        waiters: As of :func:`waiters`.
        channel: That of the server.
        sock_of: Finds the socket among the arguments of an event, ``None`` if there is none.
        depth: How deep events cause others.
    """

    def __init__(
        self,
        handlers: list[Any],
        waiters: list[str],
        channel: str,
        sock_of: Callable[[Any], Any],
        depth: int = _DEPTH,
    ) -> None:
        super().__init__(channel=channel)
        self.sock_of = sock_of
        self.depth = depth
        self.budget = _BUDGET
        self.first: Any = None  # the socket of who came first
        self.made = [self.make_handler(number, *one) for number, one in enumerate(handlers)]
        self.added: dict[int, Any] = {}
        self.faults: list[Any] = []
        for number, one in enumerate(handlers):
            if one[-1]:
                self.add(number)
        for number, name in enumerate(waiters):
            self.addHandler(self.make_waiter(number, name))

    # -- its handlers --

    @handler("connect")
    def on_connect(self, sock: Any, *peer: Any) -> None:
        self.first = self.first or sock

    def make_handler(
        self,
        number: int,
        name: str,
        priority: int,
        wants: bool,
        is_filter: bool,
        actions: list[Any],
        end: str,
        is_first: bool,
    ) -> Any:
        act = self.act
        if wants:

            def function(self: Program, event: Event, *args: Any, **kwargs: Any) -> Any:
                return act(name, number, args, actions, end)

        else:

            def function(self: Program, *args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
                return act(name, number, args, actions, end)

        function.__name__ = f"handler{number}"
        # Derived events go to the component itself.
        where = "*" if name.endswith("_value_changed") else self.channel
        return handler(name, priority=priority, filter=is_filter, channel=where)(function)

    def make_waiter(self, number: int, name: str) -> Any:
        def wait(self: Program) -> Iterator[Any]:
            yield self.wait(name, "*")
            self.write(self.first, b"(%s)" % name.encode())

        wait.__name__ = f"waiter{number}"
        return handler("begin", channel="*")(wait)

    def add(self, number: int) -> None:
        number %= len(self.made)
        if number not in self.added:
            self.added[number] = self.addHandler(self.made[number])

    def remove(self, number: int) -> None:
        method = self.added.pop(number % len(self.made), None)
        if method is not None:
            self.removeHandler(method)

    # -- what they do --

    def act(self, name: str, number: int, args: Any, actions: list[Any], end: str) -> Any:
        sock = self.sock_of(args)
        if sock is None or not self.budget:
            return None
        self.budget -= 1
        depth, mark = 0, b"["
        if len(args) == 2 and isinstance(args[1], int):
            depth = args[1]
        elif name == "write":
            if args[1].startswith(b"!"):
                return None
            depth, mark = self.depth, b"!"  # no further
        for position, (action, detail) in enumerate(actions):
            if action == "write":
                self.write(sock, mark + b"%d.%d]" % (number, position), detail)
            elif action == "step":
                self.step_on(sock, depth, detail)
            else:
                getattr(self, action)(detail)
        return getattr(self, f"end_{end}")(number, sock, depth, mark)

    def write(self, sock: Any, data: bytes, priority: int = 0) -> None:
        if sock is not None:
            self.fire(Write(sock, data), priority=priority)

    def step_on(self, sock: Any, depth: int, priority: int) -> None:
        if depth < self.depth:
            self.fire(Step(sock, depth + 1), priority=priority)

    def end_nothing(self, number: int, sock: Any, depth: int, mark: bytes) -> None:
        pass

    def end_return(self, number: int, sock: Any, depth: int, mark: bytes) -> Any:
        return b"<%d>" % number

    def end_raise(self, number: int, sock: Any, depth: int, mark: bytes) -> Any:
        raise ValueError(number)

    def end_close(self, number: int, sock: Any, depth: int, mark: bytes) -> None:
        self.fire(Close(sock))

    def end_sleep(self, number: int, sock: Any, depth: int, mark: bytes) -> Iterator[Any]:
        yield sleep(0)
        self.write(sock, mark + b"%d late]" % number)

    def end_look(self, number: int, sock: Any, depth: int, mark: bytes) -> Iterator[Any]:
        yield None
        self.write(sock, mark + b"%d" % number)
        yield None
        self.write(sock, mark + b"]")

    def end_call(self, number: int, sock: Any, depth: int, mark: bytes) -> Iterator[Any]:
        if depth < self.depth:
            value: Any = yield self.call(Step(sock, depth + 1))
            self.write(sock, mark + b"=%d]" % (value.value is not None))

    @handler("error", channel="*")
    def on_error(self, kind: type, problem: Any, lines: Any, method: Any = None) -> None:
        if kind is not ValueError and getattr(method, "__self__", None) is self:
            self.faults.append(problem)  # a mistake in the program itself
