"""Counts what the interpreter does between two marks that a program sets.

A program is a function that is given a :class:`Counter`. It works under ``run()``, as applications
do, and calls ``counter.mark()`` at the same place of each cycle, until that answers False. The
difference of two marks is a cycle, whole: the rest of the handler, the way back to the loop, the
poller, and the way to the handler.
"""

from __future__ import annotations

import gc
import itertools
import statistics
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from types import FrameType

#: Caches are filled in the first half, which does not count.
_CYCLES: Final = 24


class Counts(NamedTuple):
    """What one cycle takes.

    Attributes:
        python: Calls of Python functions; each step of a generator is one, too.
        c: Calls from Python of functions written in C.
        opcodes: Instructions of bytecode.
    """

    python: int
    c: int
    opcodes: int


class Counter:
    """Counts in the thread that a program runs in.

    Attributes:
        before_poll: Called whenever the program is about to ask the system for events. What it
            does is not counted; so a client in the same thread has no part in the cycle, and
            nothing depends on which thread was faster.
    """

    def __init__(self, cycles: int) -> None:
        self._cycles = cycles
        self._python = self._c = self._opcodes = 0
        self._marks: list[Counts] = []
        self.before_poll: Callable[[], object] | None = None

    def mark(self) -> bool:
        """Begin the next cycle; tell whether there is to be one."""
        self._marks.append(Counts(self._python, self._c, self._opcodes))
        is_to_go_on = len(self._marks) <= self._cycles
        if not is_to_go_on:
            self.before_poll = None  # what comes after the last cycle is nobody's business
        return is_to_go_on

    def run(self, program: Program) -> Counts:
        """Run the program; the median of its cycles, so that a rare turn does not count."""
        previous = sys.getprofile(), sys.gettrace()
        gc.disable()  # what a collection finalizes is not part of any cycle
        # Python 3.12 looks at this flag when tracing begins, and at no other time.
        sys._getframe().f_trace_opcodes = True
        sys.setprofile(self._profile)
        sys.settrace(self._trace)
        try:
            program(self)
        finally:
            sys.settrace(previous[1])
            sys.setprofile(previous[0])
            gc.enable()
        if len(self._marks) <= self._cycles:
            raise RuntimeError(f"{program.__name__} ended after {len(self._marks)} marks")
        marks = self._marks[self._cycles // 2 :]
        cycles = [
            [after - before for before, after in zip(*pair, strict=True)]
            for pair in itertools.pairwise(marks)
        ]
        return Counts(*map(statistics.median_low, zip(*cycles, strict=True)))

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            self._python += 1
        elif event == "c_call":
            self._c += 1
            if self.before_poll is not None and argument.__name__ in ("poll", "select"):
                self.before_poll()

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self._opcodes += 1
        elif event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        return self._trace


Program = Callable[[Counter], None]


def count(program: Program) -> Counts:
    """Count what a cycle of a program takes, without what the marks take."""
    counted, alone = _run(program), _run(_nothing)
    return Counts(*(whole - own for whole, own in zip(counted, alone, strict=True)))


def _run(program: Program) -> Counts:
    # Python 3.13 leaves out the frames that are there when code is traced for the first time.
    Counter(cycles=2).run(program)
    return Counter(_CYCLES).run(program)


def _nothing(counter: Counter) -> None:
    while counter.mark():
        pass
