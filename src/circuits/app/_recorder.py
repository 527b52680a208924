"""Observes the doors of a process through which something enters a tree, and writes it down.

The loop divides time: what enters does so when it looks at its descriptors. So a recording is a row
of looks, each with what was ready, and with what was read, accepted, and asked of the clock until
the next one. What other threads fire is kept back until the next look, so that its place in the
row of events is known; the loop is woken for it, as it is for an event.
"""

from __future__ import annotations

import selectors
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from circuits.core._boundary import admit, watch_queue
from circuits.core._shown import describe
from circuits.core._tracing import Tracing
from circuits.core.events import Signal, Stopped
from circuits.core.workers import Worker
from circuits.net import _outside
from circuits.net._lookup import Resolved

from ._recorded_sockets import RecordedSocket, sockets
from ._recorded_sources import RecordedSources
from ._recorded_workers import RecordedWorkers
from ._recording_file import RecordingFile, pack_number
from ._recording_values import Codec
from ._records import DOUBLE, Kind, LookFlag, Readiness, Records
from ._socket_writer import SocketWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core._engine import Engine
    from circuits.core.events import BaseEvent

__all__ = ["Recorder"]

#: While the loop has nothing to do, what was collected is written this often, in seconds.
_WRITE_INTERVAL: Final = 1.0


class Recorder:
    """Writes down what enters a tree.

    Args:
        file: Where to.
        over: Called when the recording has ended, with why, and whether the application goes on.
        runs_in: Gives the thread that runs the tree, or ``None``: before it is known otherwise.
    """

    def __init__(
        self,
        file: RecordingFile,
        over: Callable[[str, bool], object],
        runs_in: Callable[[], int | None],
    ) -> None:
        self.file = file
        self._over = over
        self._is_attached = self._ends = False
        self._codec = Codec(sockets.find)
        self._records = Records(file, self._codec)
        self._sources = RecordedSources(self._records, runs_in)
        self._sockets = SocketWriter(self._records, self._sources)
        self._workers = RecordedWorkers(self._records, self._bring)
        self._engine: Engine | None = None
        self._poller: Any = None
        self._block: Any = None  # of the poller
        self._inbox: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._passed: deque[tuple[int, bytes]] = deque()  # what other threads did at once
        self._is_signalled = False
        self._empties = 0
        self._written_at = 0.0
        self._look_ups = 0
        self._undo: list[Callable[[], object]] = []
        self._outside = _outside.install(
            open_socket=RecordedSocket,
            look_up=self._look_up,
            sends_files=False,
            wrap_tls=self._sockets.wrap_tls,
        )

    # -- the tree --

    def attach(self, component: Any, poller: Any) -> None:
        """Observe a poller, and the engine of its tree. In the loop's thread."""
        if self._ends:
            return
        self._sources.enter()
        self._codec.root = component.root
        self._observe(component._tree_engine)
        self._poller, self._block = poller, poller.block
        poller.block, poller._change = self.block, self._change
        if not self._is_attached:
            self._is_attached = True
            self._add_look(LookFlag.IDLE, [])
        for watch in list(poller._watches.values()):
            self._sockets.meet(watch.fd, watch.owner)

    def leave_poller(self) -> None:
        """Observe it no more."""
        poller, self._poller = self._poller, None
        if poller is not None:
            del poller.block, poller._change

    def _observe(self, engine: Engine) -> None:
        if engine is self._engine:
            return
        self._unobserve()
        self._engine = engine
        watch_queue(engine, partial(self._intake, engine))
        tracing, loop = Tracing.of(engine), engine.loop
        tracing.watch(self._failed)
        leave = loop.leave

        def left() -> None:
            leave()
            self.end("the application has ended")

        loop.leave = left  # type: ignore[method-assign]

        def undo() -> None:
            watch_queue(engine, None)
            tracing.unwatch(self._failed)
            del loop.leave

        self._undo.append(undo)

    def _unobserve(self) -> None:
        while self._undo:
            self._undo.pop()()
        self._admit_all()
        self._engine = None

    def joined(self, component: Any) -> None:
        """A component is in the tree."""
        if isinstance(component, Worker) and not self._ends:
            self._workers.meet(component)

    def started(self, application: str) -> None:
        """The application runs: what makes its root is known."""
        self.file.add(Kind.APPLICATION, application.encode())

    # -- the end --

    def end(self, why: str, is_early: bool = False) -> None:
        """Write the end, and let go of everything. Once; from any thread."""
        if self._ends:
            return
        self._ends = True
        if self.file.is_full:
            problem = self.file.problem
            why = "the limit is reached" if problem is None else f"it cannot be written: {problem}"
        self._sources.put_back()
        _outside.install(**self._outside)
        self._sockets.stop()
        self.leave_poller()
        self._workers.stop()
        self._unobserve()
        self.file.close(why)
        self._over(why, is_early)

    def abandon(self) -> None:
        """In a forked child: the file is the parent's."""
        self.file.abandon()
        self.end("this is a forked process")

    # -- looking at descriptors --

    def block(self, timeout: float) -> list[tuple[int, int]]:
        """What the poller does, observed."""
        self._sources.enter()
        if self.file.is_full:
            self.end("", is_early=True)
            return self._block(timeout)  # type: ignore[no-any-return]  # the poller's own
        is_idle = timeout != 0
        if self._inbox or self._passed:
            timeout = 0.0
        ready = self._wait(timeout) if timeout and self.file.has_unwritten else self._block(timeout)
        if not (ready or is_idle or self._inbox or self._passed):
            self._empties += 1
            return ready
        watches = self._poller._watches
        of_none = [entry for entry in ready if watches.get(entry[0]) is None]
        watched = [entry for entry in ready if watches.get(entry[0]) is not None]
        self._add_look(
            (LookFlag.IDLE if is_idle else 0) | (LookFlag.WOKEN if of_none else 0), watched
        )
        for number, _ in of_none:
            if number in self._poller._callbacks:
                self._name_callback(number)
        while self._passed:
            self.file.add(*self._passed.popleft())
        self._is_signalled = False
        self._admit_all()
        return of_none + watched

    def _add_look(self, flags: int, watched: list[tuple[int, int]]) -> None:
        """Write down one look, with the sockets that were ready."""
        poller = self._poller
        entries = bytearray()
        count = 0
        for number, mask in watched:
            known = sockets.find(poller._watches.get(number).fd)
            if known is not None:
                bits = Readiness.READABLE if mask & 1 else 0
                bits |= Readiness.WRITABLE if mask & poller._is_writable else 0
                bits |= Readiness.GONE if mask & poller._is_gone else 0
                entries += pack_number(known) + bytes((bits,))
                count += 1
        look = bytes((flags,)) + DOUBLE.pack(self._sources.real_now()) + pack_number(self._empties)
        self.file.add(Kind.LOOK, look + pack_number(count) + entries)
        self._empties = 0

    def _wait(self, timeout: float) -> list[tuple[int, int]]:
        """Wait, and meanwhile write what was collected, unless that was done just now."""
        left = _WRITE_INTERVAL - (self._sources.real_now() - self._written_at)
        if left > 0:
            if 0 <= timeout <= left:
                return self._block(timeout)  # type: ignore[no-any-return]  # the poller's own
            ready: list[tuple[int, int]] = self._block(left)
            if ready:
                return ready
            timeout = timeout if timeout < 0 else timeout - left
        self._written_at = self._sources.real_now()
        self.file.flush()
        return self._block(timeout)  # type: ignore[no-any-return]  # the poller's own

    def _change(self, fd: Any, source: Any, add: int, remove: int) -> None:
        poller = self._poller
        if source is not None and poller._watches.find(fd) is None:
            self._sockets.meet(fd, source)
        type(poller)._change(poller, fd, source, add, remove)

    # -- other threads --

    def _intake(
        self,
        engine: Engine,
        entry: Any,
        event: BaseEvent,
        channels: tuple[Any, ...],
        priority: float,
        is_ours: bool,
    ) -> bool:
        kind = type(event)
        if is_ours:
            if kind is Signal and event.args[1] is not None:
                self._is_signalled = True
                self._passed.append((Kind.SIGNAL, pack_number(event.args[0])))
            elif kind is Stopped and self._is_signalled:
                self._passed.append((Kind.STOP, b""))
            return False
        if kind is Stopped:  # the manager has ended already, and must find it
            self._passed.append((Kind.STOP, b""))
            return False
        self._bring(self._take_event, engine, entry, event, channels, priority)
        return True

    def _bring(self, take: Callable[..., object], *args: Any) -> None:
        """Have the loop's thread call a function at its next look. From any thread."""
        self._inbox.append((take, args))
        engine = self._engine
        if engine is None or self._ends:
            self._admit_all()
        elif engine.queue.alert:
            engine.alerted(None)

    def _admit_all(self) -> None:
        while self._inbox:
            try:
                take, args = self._inbox.popleft()
            except IndexError:  # another thread has seen the end, too
                return
            take(*args)

    def _take_event(
        self, engine: Engine, entry: Any, event: BaseEvent, channels: Any, priority: float
    ) -> None:
        if not self._ends:
            what = f"{event.name}, fired by another thread"
            self._records.add_value(
                Kind.FIRE, b"", (event, channels, priority, event.value.manager), what
            )
        admit(engine, entry)
        if self._ends and engine.queue.alert:  # by the other thread itself
            engine.alerted(None)

    # -- look-ups of names --

    def _look_up(self, component: Any, request: Any, find: Callable[[], list[Any]]) -> None:
        self._look_ups += 1
        number = self._look_ups

        def work() -> None:
            found: list[Any] = []
            problem: Exception | None = None
            try:
                found = find()
            except Exception as raised:
                problem = raised
            self._bring(self._found, number, component, request, found, problem)

        threading.Thread(target=work, name=f"{component.name} look-up", daemon=True).start()

    def _found(self, number: int, component: Any, request: Any, found: Any, problem: Any) -> None:
        self._records.add_value(Kind.FOUND, pack_number(number), (found, problem))
        component.fire(Resolved(request, found, problem), component)

    # -- what is noted beside that --

    def _name_callback(self, number: int) -> None:
        """A descriptor of asyncio is ready, or signals have come."""
        engine = self._engine
        host = None if engine is None else engine.loop.host
        selector = getattr(getattr(host, "loop", None), "_selector", None)
        if selector is None or selector.fileno() != number:
            return
        session = None if engine is None else engine.loop.session
        pipe = None if session is None or session.pipe is None else session.pipe.number
        for key, _ in selectors.DefaultSelector.select(selector, 0):
            if key.fd != pipe:
                self._records.name(f"asyncio: {_owner_of(key)}")

    def _failed(self, method: Any, event: Any, problem: BaseException, trace: Any) -> None:
        about = (event.name, describe(method), type(problem).__name__, str(problem)[:500])
        self._records.add_value(Kind.ERROR, b"", about)


def _owner_of(key: Any) -> str:
    reader = key.data[0] if isinstance(key.data, tuple) else None
    callback = getattr(reader, "_callback", None)
    owner = getattr(callback, "__self__", None)
    name = (
        type(owner).__name__ if owner is not None else getattr(callback, "__name__", "a descriptor")
    )
    if "read_from_self" in getattr(callback, "__name__", ""):
        return "results of threads (to_thread, run_in_executor, call_soon_threadsafe)"
    return f"{name}, by descriptors of its own"
