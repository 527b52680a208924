"""Two nodes over a link that delays, loses, holds and cuts: at most once, one outcome, in time.

The model knows when each question was asked, what it must get if the link was good all the time,
and what it may get otherwise. Time is virtual; nothing waits.
"""

from __future__ import annotations

import socket
from collections import Counter, deque
from contextlib import ExitStack
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from circuits import Component, Event, TimeoutError, handler, sleep
from circuits.core.errors import RemoteError
from circuits.node import Remote, Unreachable
from circuits.testing import VirtualClock
from tests.node.node_support import World
from tests.support import examples

#: Longest time after which two nodes have found each other again: silence, and the pause between
#: attempts.
_RECOVERY = 120.0


class Way:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source, self.target = source, target
        self.pieces: deque[tuple[float, bytes]] = deque()


class Link(World):
    """A world whose connections pass something that does with them what networks do."""

    def __init__(self, stack: ExitStack, clock: VirtualClock) -> None:
        super().__init__(stack, clock)
        self.delay = 0.0
        self.fault = ""  # "lose", "hold", or one way of these: "lose there", "hold back"
        self.ways: list[Way] = []

    def wire(self, end: Any) -> Any:
        one, other = socket.socketpair()
        self.sockets += [one, other, end]
        for sock in (one, end):
            sock.setblocking(False)
        self.ways += [Way(end, one), Way(one, end)]
        return other

    def cut(self) -> None:
        for way in self.ways:
            way.source.close()
        self.ways.clear()

    def pump(self) -> bool:
        """Pass on what is due; whether anything was."""
        has_moved = False
        for number, way in enumerate(list(self.ways)):
            if way not in self.ways:
                continue
            which = ("there", "back")[number % 2]
            fault = self.fault if self.fault.partition(" ")[2] in ("", which) else ""
            try:
                data = way.source.recv(1 << 20)
            except BlockingIOError:
                pass
            except OSError:
                data = b""
                self._drop(way)
                continue
            else:
                has_moved = True
                if not data:
                    self._drop(way)
                    continue
                if not fault.startswith("lose"):
                    way.pieces.append((self.clock.now + self.delay, data))
            while way.pieces and way.pieces[0][0] <= self.clock.now and not fault:
                has_moved = True
                try:
                    way.target.sendall(way.pieces.popleft()[1])
                except OSError:
                    self._drop(way)
                    break
        return has_moved

    def _drop(self, way: Way) -> None:
        """One side has closed: so does the other, once the rest has arrived or is lost."""
        pair = [w for w in self.ways if {w.source, w.target} == {way.source, way.target}]
        for w in pair:
            self.ways.remove(w)
        for _, data in way.pieces if not self.fault else ():
            try:
                way.target.sendall(data)
            except OSError:
                break
        way.source.close()
        way.target.close()

    def settle(self) -> None:
        for _ in range(100):
            super().settle()
            if not self.pump():
                return
        raise AssertionError("no end to it")

    def _moments(self) -> list[float | None]:
        due = [way.pieces[0][0] for way in self.ways if way.pieces and not self.fault]
        return [*super()._moments(), *due]


class work(Event): ...


class ask(Event): ...


class Far(Component):
    channel = "far"

    def init(self) -> None:
        self.runs: Counter[int] = Counter()
        self.order: list[int] = []

    @handler("work")
    def _on_work(self, number: int, seconds: float, fails: bool) -> Any:
        self.runs[number] += 1
        self.order.append(number)
        if seconds:
            yield sleep(seconds)
        if fails:
            raise ValueError(f"no {number}")
        return f"done {number}"


class Question:
    def __init__(self, now: float, seconds: float, fails: bool, limit: float) -> None:
        self.asked = now
        self.seconds, self.fails, self.limit = seconds, fails, limit
        self.is_disturbed = False
        self.delay = 0.0
        self.outcome: Any = None
        self.ended: float | None = None


class Near(Component):
    channel = "near"

    def init(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.questions: list[Question] = []

    @handler("ask")
    def _on_ask(self, number: int, question: Question) -> Any:
        event = Remote(
            work(number, question.seconds, question.fails), "far", "far", timeout=question.limit
        )
        value = yield self.call(event)
        assert question.ended is None, "one outcome"
        question.outcome = value.exceptions[0] if value.errors else value.value
        question.ended = self.clock.now


class Pair(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock = self.stack.enter_context(VirtualClock())
        self.world = Link(self.stack, self.clock)
        self.stack.callback(self.world.close)
        self.may_lack = False  # whether a stream may miss a piece

    @initialize(heartbeat=st.sampled_from([1.0, 5.0]))
    def begin(self, heartbeat: float) -> None:
        self.asker = Near(self.clock)
        self.worker = Far()
        self.near, self.far = self.world.pair(
            self.worker, near=(self.asker,), heartbeat=heartbeat, near_heartbeat=heartbeat
        )
        assert self.is_good

    def teardown(self) -> None:
        try:
            if hasattr(self, "far"):
                self.heal()
        finally:
            self.world.stop()
            self.stack.close()
        if hasattr(self, "far"):
            assert all(question.ended is not None for question in self.asker.questions)

    @property
    def is_good(self) -> bool:
        told = [side.journal.entries[-1][0] for side in (self.near, self.far)]
        return not self.world.fault and told == ["connected_to", "connected_to"]

    def disturb(self) -> None:
        for question in self.asker.questions:
            if question.ended is None:
                question.is_disturbed = True

    @rule(
        seconds=st.sampled_from([0.0, 0.0, 1.0, 4.0]),
        fails=st.booleans(),
        limit=st.sampled_from([2.5, 30.0]),
        count=st.integers(1, 3),
    )
    def ask(self, seconds: float, fails: bool, limit: float, count: int) -> None:
        for _ in range(count):
            question = Question(self.clock.now, seconds, fails, limit)
            question.is_disturbed = not self.is_good
            question.delay = self.world.delay
            self.asker.questions.append(question)
            number = len(self.asker.questions)
            self.near.app.fire(ask(number, question), "near")
        self.world.settle()

    @rule(seconds=st.sampled_from([0.05, 0.3, 3.0, 20.0]))
    def advance(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(delay=st.sampled_from([0.0, 0.1, 0.4]))
    def slow_down(self, delay: float) -> None:
        """For what is sent from now on; nothing overtakes."""
        self.world.delay = max(delay, self.world.delay)
        self.disturb()

    @rule(kind=st.sampled_from(["lose", "hold"]), way=st.sampled_from(["", " there", " back"]))
    def break_link(self, kind: str, way: str) -> None:
        self.world.fault = kind + way
        self.may_lack = self.may_lack or kind == "lose"
        self.disturb()

    @rule()
    def cut(self) -> None:
        """Whoever waits for an answer over the link is told of its end at once."""
        asked = [q for q in self.asker.questions if q.ended is None and not q.is_disturbed]
        self.disturb()
        self.world.cut()
        self.world.settle()
        for question in asked:
            assert question.ended == self.clock.now
            assert isinstance(question.outcome, Unreachable), repr(question.outcome)

    @rule()
    def heal(self) -> None:
        """Nodes find each other again, and then everything works as it did."""
        if self.may_lack:
            self.may_lack = False
            self.world.fault = "lose"  # a stream in which a piece is missing is of no use
            self.world.run(60)
            self.world.cut()
        self.disturb()
        self.world.fault, self.world.delay = "", 0.0
        self.world.run(_RECOVERY)
        assert self.is_good
        self.ask(0.0, False, 2.5, 1)
        self.world.run(0.01)
        assert self.asker.questions[-1].outcome == f"done {len(self.asker.questions)}"

    # -- what is always so --

    @invariant()
    def one_outcome_in_time_and_at_most_one_run(self) -> None:
        if not hasattr(self, "far"):
            return
        runs, now = self.worker.runs, self.clock.now
        assert not self.near.journal.errors or all(
            isinstance(problem, RemoteError | TimeoutError | Unreachable)
            for problem in self.near.journal.errors
        )
        for number, question in enumerate(self.asker.questions, 1):
            assert runs[number] <= 1
            if question.ended is None:
                assert now < question.asked + question.limit + 0.01, "its time is over"
                continue
            outcome = question.outcome
            assert question.ended <= question.asked + question.limit + 0.01
            if isinstance(outcome, str):
                assert outcome == f"done {number}"
                assert runs[number] == 1
                assert not question.fails
            elif type(outcome) is RemoteError:
                assert question.fails
                assert f"no {number}" in str(outcome)
            else:
                assert isinstance(outcome, TimeoutError | Unreachable), repr(outcome)
            if not question.is_disturbed:
                took = 2 * question.delay + question.seconds
                if took < question.limit:
                    assert runs[number] == 1
                    assert isinstance(outcome, RemoteError) == question.fails, repr(outcome)
                    assert abs(question.ended - question.asked - took) < 0.02
                else:
                    assert isinstance(outcome, TimeoutError | Unreachable)
                    assert question.ended >= question.asked + question.limit - 0.01

    @invariant()
    def what_was_sent_first_runs_first(self) -> None:
        if hasattr(self, "far"):
            assert self.worker.order == sorted(self.worker.order)

    @invariant()
    def who_is_told_of_one_end_is_told_of_the_other(self) -> None:
        if hasattr(self, "far"):
            for side in (self.near, self.far):
                names = [entry[0] for entry in side.journal.entries]
                assert names == ["connected_to", "disconnected_from"] * (len(names) // 2) + [
                    "connected_to"
                ] * (len(names) % 2)


TestPair = Pair.TestCase
TestPair.settings = settings(examples(12), stateful_step_count=25)
