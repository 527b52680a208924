"""The kernel as a whole against a model of a page: what is fired, suspended, called, timed, cut.

The model knows nothing of queues, turns and tables. It says what has happened when all is quiet,
and at what time; the order within one moment is checked where it is defined.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from circuits import BaseComponent, Event, TimeoutError, Timer, handler, sleep
from circuits.core.errors import NoHandlerError
from circuits.testing import VirtualClock, settle
from tests.support import examples

_CHANNELS = ["a", "b", "*"]

# What a handler does: ``(spelling, verb, *details)``. Limits of time are no whole seconds, and
# different at each depth, so that nothing else ever happens at the same moment.


def _limits(depth: int) -> st.SearchStrategy[float | None]:
    return st.sampled_from([None, *(seconds + 0.5 / 2**depth for seconds in range(3))])


def _programs(depth: int, waits: bool = True) -> st.SearchStrategy[Any]:
    spelling = st.sampled_from(["plain", "generator", "coroutine"])
    kinds: list[Any] = [
        st.tuples(spelling, st.sampled_from(["return", "raise"])),
        st.tuples(spelling, st.just("poll"), st.integers(0, 3)),
        st.tuples(spelling, st.just("sleep"), st.integers(0, 3)),
    ]
    if waits:
        kinds.append(st.tuples(spelling, st.just("wait"), _limits(depth)))
    if depth < 2:
        inner = _programs(depth + 1, waits)
        where = st.sampled_from([*_CHANNELS, "nobody"])
        kinds.append(st.tuples(spelling, st.just("call"), _limits(depth), where, inner))
    return st.one_of(kinds)


_PLAIN = st.tuples(st.just("plain"), st.sampled_from(["return", "return", "raise"]))


class Boom(Exception):
    pass


class Job(Event):
    success = failure = complete = True


class Ping(Event):
    pass


Log = list[tuple[Any, ...]]


class Node(BaseComponent):
    """Does what events say."""

    _numbers = itertools.count(1)

    def __init__(self, log: Log, clock: VirtualClock, channel: str) -> None:
        super().__init__(channel=channel)
        self.log, self.clock = log, clock
        self.number = next(self._numbers)

    def note(self, *entry: Any) -> None:
        self.log.append((self.clock.now, *entry))

    @handler("job")
    def _on_job(self, path: str, program: Any) -> Any:
        self.note("begin", path, self.number)
        spelling, verb, *details = program
        if spelling == "plain" and verb in ("return", "raise"):
            return self._outcome(verb, path)
        make = self._as_coroutine if spelling == "coroutine" else self._as_generator
        return make(path, verb, *details)

    def _outcome(self, verb: str, path: str) -> str:
        self.note("end", path, self.number, verb)
        if verb == "raise":
            raise Boom(path)
        return f"{path}:{self.number}"

    def _call(self, path: str, limit: Any, channel: str, program: Any) -> Any:
        return self.call(Job(f"{path}/{self.number}", program), channel, timeout=limit)

    def _as_generator(self, path: str, verb: str, *details: Any) -> Generator[Any, Any, Any]:
        try:
            if verb == "poll":
                for _ in range(details[0]):
                    yield None
            elif verb == "sleep":
                yield sleep(details[0])
            elif verb == "wait":
                yield self.wait("ping", "*", timeout=details[0])
            elif verb == "call":
                value = yield self._call(path, *details)
                verb = "failed" if value.errors else "got" if value.value else "nothing"
        except TimeoutError:
            verb = "late"
        except GeneratorExit:
            self.note("cut", path, self.number)
            raise
        return self._outcome(verb, path)

    async def _as_coroutine(self, path: str, verb: str, *details: Any) -> Any:
        try:
            if verb == "poll":
                for _ in range(details[0]):
                    await asyncio.sleep(0)
            elif verb == "sleep":
                await sleep(details[0])
            elif verb == "wait":
                await self.wait("ping", "*", timeout=details[0])
            elif verb == "call":
                verb = "got" if await self._call(path, *details) else "nothing"
        except TimeoutError:
            verb = "late"
        except NoHandlerError:
            verb = "nothing"
        except (Boom, ExceptionGroup):
            verb = "failed"
        except asyncio.CancelledError:
            self.note("cut", path, self.number)
            raise
        return self._outcome(verb, path)


class Journal(BaseComponent):
    """Notes what is told of events."""

    channel = "*"

    def __init__(self, log: Log, clock: VirtualClock) -> None:
        super().__init__()
        self.log, self.clock = log, clock

    @handler("job_success", "job_failure", "job_complete")
    def _on_told(self, event: Event, source: Event, *args: Any) -> None:
        self.log.append((self.clock.now, event.name, source[0]))

    @handler("error")
    def _on_error(self, event: Any, kind: Any, problem: Any, *args: Any) -> None:
        self.log.append((self.clock.now, "error", event.fevent[0], str(problem)))


# -- the model --


class Firing:
    def __init__(self, path: str, program: Any, cause: Firing | None) -> None:
        self.path, self.program, self.cause = path, program, cause
        self.effects: list[Firing] = []
        self.left = 1  # handlers, and the dispatch itself
        self.results: list[str] = []
        self.failures = 0
        self.caller: Run | None = None
        if cause is not None:
            cause.effects.append(self)

    @property
    def has_nothing_left(self) -> bool:
        return not self.left and all(effect.has_nothing_left for effect in self.effects)


class Run:
    """One suspended handler."""

    def __init__(self, firing: Firing, node: int) -> None:
        self.firing, self.node = firing, node
        self.due: float | None = None
        self.limit: float | None = None
        self.waits = False


class Appointment:
    """A timer."""

    def __init__(self, node: int, seconds: int, persist: bool, program: Any, number: int) -> None:
        self.node, self.seconds, self.persist = node, seconds, persist
        self.program, self.number = program, number
        self.due = 0.0


class Model:
    def __init__(self, now: float) -> None:
        self.now = now
        self.log: Log = []
        self.children: dict[int, list[int]] = {0: []}
        self.channels: dict[int, str] = {}
        self.runs: list[Run] = []
        self.timers: list[Appointment] = []

    def below(self, node: int) -> list[int]:
        """A node and all below, in the order of the tree."""
        return [node] + [x for child in self.children[node] for x in self.below(child)]

    def note(self, *entry: Any) -> None:
        self.log.append((self.now, *entry))

    # -- events --

    def fire(
        self,
        path: str,
        program: Any,
        channel: str,
        cause: Firing | None = None,
        caller: Run | None = None,
    ) -> Firing:
        firing = Firing(path, program, cause)
        firing.caller = caller
        for node in self.below(0)[1:]:
            if channel == "*" or self.channels[node] in ("*", channel):
                firing.left += 1
                self.note("begin", path, node)
                self.begin(Run(firing, node))
        self.leave(firing)
        return firing

    def begin(self, run: Run) -> None:
        _, verb, *details = run.firing.program
        if verb in ("return", "raise", "poll") or (verb == "sleep" and details == [0]):
            self.end(run, verb)
            return
        self.runs.append(run)
        if verb == "sleep":
            run.due = self.now + details[0]
            return
        limit = details[0]
        run.limit = None if limit is None else self.now + limit
        if verb == "wait":
            run.waits = True
        else:
            self.fire(f"{run.firing.path}/{run.node}", details[2], details[1], run.firing, run)

    def end(self, run: Run, verb: str) -> None:
        if run in self.runs:
            self.runs.remove(run)
        firing = run.firing
        self.note("end", firing.path, run.node, verb)
        if verb == "raise":
            firing.failures += 1
            self.note("job_failure", firing.path)
            self.note("error", firing.path, firing.path)
        else:
            firing.results.append(f"{firing.path}:{run.node}")
        self.leave(firing)

    def leave(self, firing: Firing) -> None:
        firing.left -= 1
        if firing.left:
            return
        if not firing.failures:
            self.note("job_success", firing.path)
        above: Firing | None = firing
        while above is not None and above.has_nothing_left:
            self.note("job_complete", above.path)
            above = above.cause
        if firing.caller in self.runs:
            verb = "failed" if firing.failures else "got" if firing.results else "nothing"
            self.end(firing.caller, verb)

    def ping(self) -> None:
        for run in [run for run in self.runs if run.waits]:
            self.end(run, "wait")

    def cut(self, nodes: list[int]) -> None:
        cut = [run for run in self.runs if run.node in nodes]
        self.runs = [run for run in self.runs if run.node not in nodes]
        for run in cut:
            self.note("cut", run.firing.path, run.node)
            self.leave(run.firing)

    # -- time --

    def run_to(self, limit: float) -> None:
        """All that happens up to a moment."""
        while True:
            here = self.below(0)
            moments = [t.due for t in self.timers if t.node in here]
            moments += [run.due for run in self.runs if run.due is not None]
            moments += [run.limit for run in self.runs if run.limit is not None]
            moment = min(moments, default=limit + 1)
            if moment > limit:
                break
            self.now = max(self.now, moment)
            for run in list(self.runs):
                if run.due is not None and run.due <= self.now:
                    self.end(run, "sleep")
                elif run.limit is not None and run.limit <= self.now:
                    self.end(run, "late")
            for timer in [t for t in self.timers if t.node in here and t.due <= self.now]:
                if timer.persist:
                    timer.due = self.now + timer.seconds
                else:
                    self.timers.remove(timer)
                if timer.program is None:
                    self.ping()
                else:
                    self.fire(f"t{timer.number}", timer.program, "*")
        self.now = max(self.now, limit)


class Kernel(RuleBasedStateMachine):
    """An application that runs, and is stopped and run again."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock = self.stack.enter_context(VirtualClock())
        self.log: Log = []
        self.app = BaseComponent(channel="app")
        Journal(self.log, self.clock).register(self.app)
        self.model = Model(self.clock.now)
        self.nodes: dict[int, Any] = {0: self.app}
        self.outside: list[int] = []
        self.serial = 0
        self.values: list[tuple[Any, Firing]] = []
        self.run = ExitStack()
        self.start()
        for channel in _CHANNELS:
            self.register(0, channel)

    def start(self) -> None:
        self.run.enter_context(self.app.running())
        settle(self.app)

    def teardown(self) -> None:
        self.run.close()
        self.stack.close()

    def check(self) -> None:
        """What happened is what must; and nothing else is left."""
        settle(self.app)
        self.model.run_to(self.clock.now)
        assert sorted(self.log, key=repr) == sorted(self.model.log, key=repr)
        self.log.clear()
        self.model.log.clear()

    def pick(self, index: int) -> int:
        there = self.model.below(0)
        return there[index % len(there)]

    # -- the tree --

    @precondition(lambda self: len(self.nodes) < 7)
    @rule(parent=st.integers(0, 9), channel=st.sampled_from(_CHANNELS))
    def register(self, parent: int, channel: str) -> None:
        target = self.pick(parent)
        node = Node(self.log, self.clock, channel)
        self.nodes[node.number] = node
        node.register(self.nodes[target])
        self.model.children[target].append(node.number)
        self.model.children[node.number] = []
        self.model.channels[node.number] = channel
        self.check()

    @precondition(lambda self: len(self.model.below(0)) > 1)
    @rule(which=st.integers(1, 9))
    def unregister(self, which: int) -> None:
        there = self.model.below(0)[1:]
        node = there[which % len(there)]
        self.nodes[node].unregister()
        self.model.cut(self.model.below(node))
        for children in self.model.children.values():
            if node in children:
                children.remove(node)
        self.outside.append(node)
        self.check()

    @precondition(lambda self: self.outside)
    @rule(which=st.integers(0, 9), parent=st.integers(0, 9))
    def come_back(self, which: int, parent: int) -> None:
        node = self.outside.pop(which % len(self.outside))
        target = self.pick(parent)
        self.nodes[node].register(self.nodes[target])
        self.model.children[target].append(node)
        self.check()

    # -- events --

    @rule(where=st.sampled_from([*_CHANNELS, "nobody"]), program=_programs(0))
    def fire(self, where: str, program: Any) -> None:
        self.serial += 1
        path = f"{self.serial}"
        value = self.app.fire(Job(path, program), where)
        self.values.append((value, self.model.fire(path, program, where)))
        self.check()

    @rule(
        spelling=st.sampled_from(["generator", "coroutine"]),
        where=st.sampled_from(_CHANNELS),
        limit=_limits(0),
        inner=st.sampled_from(["raise", "return", "wait", None]),
    )
    def suspend(self, spelling: str, where: str, limit: Any, inner: str | None) -> None:
        """What is rare among random programs: several that wait for the same, and for those."""
        program: Any = (spelling, "wait", limit)
        if inner is not None:
            callee = (spelling, inner) if inner != "wait" else (spelling, inner, None)
            program = (spelling, "call", limit, where, callee)
        self.fire(where, program)

    @rule(
        batch=st.lists(
            st.tuples(st.sampled_from(_CHANNELS), st.sampled_from([0, 0, 1, -1]), _PLAIN),
            max_size=6,
        )
    )
    def fire_many(self, batch: list[Any]) -> None:
        """The order of what is fired at once is defined."""
        self.queue(batch)
        for path, _, where, program in sorted(self.waiting, key=lambda entry: entry[1]):
            self.model.fire(path, program, where)
        settle(self.app)
        begun = [entry for entry in self.log if entry[1] == "begin"]
        assert begun == [entry for entry in self.model.log if entry[1] == "begin"]
        self.check()

    def queue(self, batch: list[Any]) -> None:
        self.waiting = []
        for where, priority, program in batch:
            self.serial += 1
            self.waiting.append((f"{self.serial}", priority, where, program))
            self.app.fire(Job(f"{self.serial}", program), where, priority=priority)

    @rule(counts=st.lists(st.integers(0, 20), min_size=1, max_size=3))
    def fire_from_threads(self, counts: list[int]) -> None:
        """Nothing is lost, and what one thread fires stays in order."""
        names = [[f"{self.serial}.{n}.{i}" for i in range(count)] for n, count in enumerate(counts)]
        self.serial += 1
        program = ("plain", "return")

        def shoot(paths: list[str]) -> None:
            for path in paths:
                self.app.fire(Job(path, program), "*")

        threads = [threading.Thread(target=shoot, args=(paths,)) for paths in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for paths in names:
            for path in paths:
                self.model.fire(path, program, "*")
        settle(self.app)
        begun = list(dict.fromkeys(entry[2] for entry in self.log if entry[1] == "begin"))
        for paths in names:
            mine = [path for path in begun if path in paths]
            assert mine == (paths if begun else [])
        self.check()

    @rule()
    def ping(self) -> None:
        self.app.fire(Ping(), "*")
        self.model.ping()
        self.check()

    # -- time --

    @rule(
        owner=st.integers(0, 9),
        seconds=st.integers(1, 3),
        persist=st.booleans(),
        program=st.one_of(st.none(), _PLAIN, _programs(0, waits=False)),
    )
    def add_timer(self, owner: int, seconds: int, persist: bool, program: Any) -> None:
        if len(self.model.timers) > 4:
            return
        self.serial += 1
        node = self.pick(owner)
        event = Ping() if program is None else Job(f"t{self.serial}", program)
        Timer(seconds, event, "*", persist=persist).register(self.nodes[node])
        timer = Appointment(node, seconds, persist, program, self.serial)
        timer.due = self.model.now + seconds
        self.model.timers.append(timer)
        self.check()

    @rule(seconds=st.integers(0, 4))
    def advance(self, seconds: int) -> None:
        self.model.run_to(self.model.now + seconds)
        settle(self.app, until=self.clock.now + seconds)
        self.check()

    @rule(pause=st.integers(0, 3), when=st.sampled_from(["event", "context", "late"]))
    def stop_and_run_again(self, pause: int, when: str) -> None:
        """Everything suspended is cut; timers that came due meanwhile fire once, when it runs."""
        if when == "late" and not self.model.runs:
            self.model.now += 2
            self.clock.advance(2)  # timers come due in the turn that ends all
        if when == "event":
            self.app.stop()
        self.run.close()
        assert not self.app._tasks
        self.model.cut(self.model.below(0))
        self.model.now += pause
        self.clock.advance(pause)
        self.start()
        self.check()

    # -- what is always so --

    @invariant()
    def nothing_is_left_behind(self) -> None:
        assert len(self.app._tasks) == len(self.model.runs)
        assert not self.app._queue
        waits = any(run.waits for run in self.model.runs)
        assert ("ping" in self.app._tree_engine.routes.awaited) == waits

    @invariant()
    def values_hold_what_handlers_gave(self) -> None:
        for value, firing in self.values:
            assert value.errors == bool(firing.failures)
            results = value.value if isinstance(value.value, list) else [value.value]
            texts = [result for result in results if isinstance(result, str)]
            assert sorted(texts) == sorted(firing.results)
        self.values = [pair for pair in self.values if pair[1].left]


TestKernel = Kernel.TestCase
TestKernel.settings = examples(40)
