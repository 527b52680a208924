"""Plays a recording to an application: acts for its poller, its clock and other threads.

At each look of the loop at its descriptors, what the recording has for the next one comes in. A look
in vain, of a loop that has more to do, is told apart from one that waits; so an application that
does a little more or less than when it was recorded still gets everything, and in order.
"""

from __future__ import annotations

import _thread
from typing import TYPE_CHECKING, Any, Final

from circuits.app._recording_values import Codec, UnrecordableError, component_path
from circuits.app._records import Kind, Readiness
from circuits.core._boundary import watch_queue
from circuits.core._tracing import Tracing
from circuits.core.events import Signal
from circuits.core.workers import Worker
from circuits.net._lookup import Resolved

from ._replay_sockets import Network, ReplaySocket
from ._timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._recorded import Entrance, Recorded
    from ._replay_trace import ReplayTrace

__all__ = ["LostResultError", "Player", "ReplayError"]

#: How often an application may look in vain before it counts as one that never waits.
_PATIENCE: Final = 1_000_000


class ReplayError(RuntimeError):
    """A recording cannot be replayed with this application."""


class LostResultError(RuntimeError):
    """In a replay: a worker's result was not recorded, since recordings do not know its type."""


class Player:
    """Plays one recording, once.

    Args:
        recorded: The recording.
        trace: What is told of all that happens.

    Attributes:
        timeline: What was asked and given when.
        network: The sockets.
        errors: What handlers have raised: event, handler, exception.
        lost: What could not be replayed.
        has_ended: Whether the recording is over.
    """

    def __init__(self, recorded: Recorded, trace: ReplayTrace) -> None:
        self._trace = trace
        self._vain = 0
        self.timeline = Timeline(recorded)
        self.network = Network(self, self.timeline, recorded)
        self._codec = Codec(self.network.number_of, self.network.find)
        self._root: Any = None
        self._engine: Any = None
        self._watched: Any = None
        self._poller: Any = None
        self._workers: dict[str, dict[int, Any]] = {}
        self._look_ups: dict[int, tuple[Any, Any]] = {}
        self.errors: list[tuple[Any, Any, BaseException]] = []
        self.lost = list(recorded.notes)
        self.diverged_at: tuple[float, int] | None = None
        self.has_ended = False
        self._undo: list[Callable[[], object]] = []
        self._is_known = False

    def sent(self, number: int | None, data: Any) -> None:
        """A socket has sent something."""
        self._trace.sent(number, bytes(data))

    def diverge(self, number: int | None) -> None:
        """Something else was sent than then: from here on it is another story."""
        if self.diverged_at is None:
            self.diverged_at = self.timeline.elapsed(), number or 0

    # -- as what a recording has at its side --

    def begin(self, app: Any) -> None:
        """The application is made, and will run."""
        self._root = self._codec.root = app
        self._observe(app._tree_engine)

    def attach(self, component: Any, poller: Any) -> None:
        """The tree has a poller: act for it."""
        self._root = self._codec.root = component.root
        self._observe(component._tree_engine)
        self._watch_errors(component._tree_engine)
        self._poller = poller
        poller.block, poller._change = self.block, self._change
        poller._set_interest = _ignore
        poller._is_writable, poller._is_gone = Readiness.WRITABLE, Readiness.GONE
        if not self._is_known:
            self._is_known = True
            self.timeline.step()
        for watch in poller._watches.values():
            self._meet(watch.fd)

    def leave_poller(self) -> None:
        """The tree has another one, or none."""
        poller, self._poller = self._poller, None
        if poller is not None:
            for name in ("block", "_change", "_set_interest", "_is_writable", "_is_gone"):
                delattr(poller, name)

    def _observe(self, engine: Any) -> None:
        if engine is self._engine:
            return
        self._engine = engine
        watch_queue(engine, self._intake)
        self._trace.observe(engine)

    def _watch_errors(self, engine: Any) -> None:
        if engine is not self._watched:
            self._watched = engine
            Tracing.of(engine).watch(self._failed)  # which asks the clock, as the recorder's did

    def joined(self, component: Any) -> None:
        """A component is in the tree: a worker is given results, and does nothing by itself."""
        if not isinstance(component, Worker) or "_submit" in vars(component):
            return
        jobs = self._workers.setdefault(component_path(component), {})

        def submit(job: Any) -> None:
            jobs[len(jobs)] = job

        worker: Any = component
        worker._submit = submit
        worker._withdraw = _ignore

    def started(self, application: str) -> None:
        """The application runs."""

    def end(self, why: str) -> None:
        """Nothing: the recording ends the replay."""

    def abandon(self) -> None:
        """Nothing: there are no processes."""

    # -- looking at descriptors --

    def block(self, timeout: float) -> list[tuple[int, int]]:
        """What the poller would have given."""
        self.timeline.thread = _thread.get_ident()
        following = self.timeline.following
        if following is None:
            return self._after(timeout)
        if timeout == 0:
            self._vain += 1
            if self._vain > _PATIENCE:
                raise ReplayError("the application never waits, as it did when it was recorded")
            if self.timeline.empties > 0:
                self.timeline.empties -= 1
                return []
            if following.is_idle and not following.entrances:
                return []
        self._vain = 0
        self.timeline.step()
        look = self.timeline.look
        for entrance in look.entrances:
            self._enter(entrance)
        ready = [(self._poller._wake_up.number, Readiness.READABLE)] if look.woken else []
        for number, bits in look.ready:
            sock = self.network.find(number)
            if sock is not None and sock.fileno() >= 0:
                ready.append((sock.fileno(), bits))
        return ready

    def _after(self, timeout: float) -> list[tuple[int, int]]:
        """The recording is over: whatever still happens is the end of the application."""
        if not self.has_ended and self._root._running:
            self._finish()
            self._root.stop()
        if timeout > 0:
            self.timeline.clock.advance(timeout)
        return []

    def _finish(self) -> None:
        self.has_ended = True
        self._trace.end()

    def _change(self, fd: Any, source: Any, add: int, remove: int) -> None:
        if source is not None:
            self._meet(fd)
        poller = self._poller
        type(poller)._change(poller, fd, source, add, remove)

    def _meet(self, fd: Any) -> None:
        if isinstance(fd, ReplaySocket) and fd.number is None:
            self._lose("a socket that was not there when it was recorded")

    # -- other threads --

    def _intake(
        self, entry: Any, event: Any, channels: Any, priority: float, is_ours: bool
    ) -> bool:
        return not is_ours  # what other threads have fired comes from the recording

    def _enter(self, entrance: Entrance) -> None:
        kind, parts = entrance
        if kind == Kind.FIRE:
            self._fire(parts[0])
        elif kind == Kind.SIGNAL:
            self._root.fire(Signal(parts[0], None), *self._root._tree_channels)
        elif kind == Kind.STOP:
            self._root.stop()
        elif kind == Kind.FOUND:
            self._found(*parts)
        elif kind == Kind.JOB:
            self._finish_job(*parts)

    def _load(self, text: bytes) -> Any:
        try:
            return self._codec.load(text)
        except UnrecordableError as problem:
            self._lose(str(problem))
            return str(problem)

    def _lose(self, what: str) -> None:
        if what not in self.lost:
            self.lost.append(what)

    def _fire(self, text: bytes) -> None:
        fired = self._load(text)
        if isinstance(fired, tuple):
            event, channels, priority, manager = fired
            manager.fire(event, *channels, priority=priority)

    def look_up(self, component: Any, request: Any, find: Callable[[], list[Any]]) -> None:
        """A name is looked up: the answer will come."""
        self._look_ups[len(self._look_ups) + 1] = component, request

    def _found(self, number: int, text: bytes) -> None:
        asked = self._look_ups.get(number)
        answer = self._load(text)
        if asked is not None and isinstance(answer, tuple):
            component, request = asked
            component.fire(Resolved(request, *answer), component)

    def _finish_job(self, path: str, number: int, text: bytes) -> None:
        job = self._workers.get(path, {}).get(number)
        if job is None or job.is_over:
            return
        outcome = self._load(text)
        if isinstance(outcome, tuple):
            job.result, job.problem, job.lines = outcome
        else:
            job.problem = LostResultError(f"not recorded: {outcome}")
        if job.owner.process:
            job.conclude()
        else:
            job.owner._executed(job)

    def _failed(self, method: Any, event: Any, problem: BaseException, trace: Any) -> None:
        if not self.has_ended:
            self.errors.append((event, method, problem))


def _ignore(*args: object) -> None:
    """In the place of what would reach the system."""
