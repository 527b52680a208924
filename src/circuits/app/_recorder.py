"""Observes the doors of a process through which something enters a tree, and writes it down.

The loop divides time: what enters does so when it looks at its descriptors. So a recording is a row
of looks, each with what was ready, and with what was read, accepted, and asked of the clock until
the next one. What other threads fire is kept back until the next look, so that its place in the
row of events is known; the loop is woken for it, as it is for an event.
"""

from __future__ import annotations

import _thread
import selectors
import socket
import struct
import threading
import weakref
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from circuits.core import _clock
from circuits.core._boundary import admit, watch_queue
from circuits.core._reports import describe
from circuits.core._tracing import Tracing
from circuits.core.errors import (
    TaskCancelledError,
    TaskTimeoutError,
    WorkerStoppedError,
)
from circuits.core.events import Signal, Stopped
from circuits.core.workers import Worker
from circuits.net import _outside
from circuits.net._lookup import Resolved

from ._recorded_sockets import RecordedSocket, is_listening, is_observed, observe, sockets
from ._recorded_tls import RecordedTLS
from ._recording_file import RecordingFile, pack_number
from ._recording_values import Codec, UnrecordableError, component_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from circuits.core._engine import Engine
    from circuits.core.events import BaseEvent

__all__ = ["Kind", "Recorder"]

_DOUBLE: Final = struct.Struct("<d")

#: While the loop has nothing to do, what was collected is written this often, in seconds.
_WRITE_INTERVAL: Final = 1.0

#: How many things that cannot be replayed are named, so that a million of them fill no disk.
_NOTES: Final = 100

#: What a worker says by itself, in a replay as well.
_OWN_FAILURES: Final = (TaskCancelledError, TaskTimeoutError, WorkerStoppedError)


class Kind:
    """The kinds of records."""

    NOW, WALL, RANDOM, ID = b"TWRI"
    LOOK, FIRE, SIGNAL, STOP, JOB, FOUND = b"PFSXJL"
    RECEIVED, SENT, ACCEPTED, CONNECTED, ASKED, SOCKET, ANSWERED = b"rsacoiy"
    NOTE, ERROR, APPLICATION = b"neA"


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
        self._runs_in = runs_in
        self._is_attached = self._ends = False
        self._thread = _thread.get_ident()
        self._codec = Codec(sockets.find)
        self._engine: Engine | None = None
        self._poller: Any = None
        self._block: Any = None  # of the poller
        self._inbox: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._passed: deque[tuple[int, bytes]] = deque()  # what other threads did at once
        self._is_signalled = False
        self._empties = 0
        self._written_at = 0.0
        self._encrypted: weakref.WeakSet[Any] = weakref.WeakSet()
        self._look_ups = 0
        self._accepted: dict[int, int] = {}  # by their descriptors
        self._named: set[Any] = set()
        self._notes = 0
        self._workers: dict[Any, None] = {}
        self._undo: list[Callable[[], object]] = []
        before = _clock.install(
            now=self.now, wall=self.wall, random_bytes=self.random_bytes, new_id=self.new_id
        )
        self._before = before
        self._now, self._wall = before["now"], before["wall"]
        self._random_bytes, self._new_id = before["random_bytes"], before["new_id"]
        self._outside = _outside.install(
            open_socket=RecordedSocket,
            look_up=self._look_up,
            sends_files=False,
            wrap_tls=self._wrap_tls,
        )
        sockets.listener = self

    def _is_elsewhere(self) -> bool:
        ident = _thread.get_ident()
        if ident == self._thread:
            return False
        if self._is_attached or ident != self._runs_in():
            return True
        self._thread = ident
        return False

    # -- what nobody can foretell --

    def now(self) -> float:
        """The clock of timers."""
        reading = self._now()
        if not self._is_elsewhere():
            self.file.add(Kind.NOW, _DOUBLE.pack(reading))
        return reading

    def wall(self) -> float:
        """The date."""
        reading = self._wall()
        if not self._is_elsewhere():
            self.file.add(Kind.WALL, _DOUBLE.pack(reading))
        return reading

    def random_bytes(self, count: int) -> bytes:
        """Random bytes: the secrets of the application."""
        data = self._random_bytes(count)
        if not self._is_elsewhere():
            self.file.add(Kind.RANDOM, data)
        return data

    def new_id(self) -> int:
        """A new number."""
        number = self._new_id()
        if not self._is_elsewhere():
            self.file.add(Kind.ID, pack_number(number))
        return number

    # -- the tree --

    def attach(self, component: Any, poller: Any) -> None:
        """Observe a poller, and the engine of its tree. In the loop's thread."""
        if self._ends:
            return
        self._thread = _thread.get_ident()
        self._codec.root = component.root
        self._observe(component._tree_engine)
        self._poller, self._block = poller, poller.block
        poller.block, poller._change = self.block, self._change
        if not self._is_attached:
            self._is_attached = True
            self.file.add(Kind.LOOK, b"\1" + _DOUBLE.pack(self._now()) + b"\0\0")
        for watch in list(poller._watches.values()):
            self._meet(watch.fd, watch.owner)

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
        watch_queue(engine, self._intake)
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
        if isinstance(component, Worker) and component not in self._workers and not self._ends:
            self._workers[component] = None
            self._watch_worker(component)

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
        _clock.install(**self._before)
        _outside.install(**self._outside)
        sockets.clear()
        self.leave_poller()
        for worker in self._workers:
            for name in ("_submit", "_executed", "_settle"):
                vars(worker).pop(name, None)
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
        self._thread = _thread.get_ident()
        if self.file.is_full:
            self.end("", is_early=True)
            return self._block(timeout)  # type: ignore[no-any-return]  # the poller's own
        is_idle = timeout != 0
        if self._inbox or self._passed:
            timeout = 0.0
        elif is_idle:
            self._write_sometimes()
        ready: list[tuple[int, int]] = self._block(timeout)
        if not (ready or is_idle or self._inbox or self._passed):
            self._empties += 1
            return ready
        entries = bytearray()
        count = 0
        flags = int(is_idle)
        first, later = [], []
        poller = self._poller
        for number, mask in ready:
            watch = poller._watches.get(number)
            if watch is None:
                first.append((number, mask))
                flags |= 2
                if number in poller._callbacks:
                    self._name_callback(number)
                continue
            later.append((number, mask))
            known = sockets.find(watch.fd)
            if known is not None:
                bits = mask & 1
                bits |= 2 if mask & poller._is_writable else 0
                bits |= 4 if mask & poller._is_gone else 0
                entries += pack_number(known) + bytes((bits,))
                count += 1
        look = bytes((flags,)) + _DOUBLE.pack(self._now()) + pack_number(self._empties)
        self.file.add(Kind.LOOK, look + pack_number(count) + entries)
        self._empties = 0
        while self._passed:
            self.file.add(*self._passed.popleft())
        self._is_signalled = False
        self._admit_all()
        return first + later

    def _write_sometimes(self) -> None:
        now = self._now()
        if now - self._written_at >= _WRITE_INTERVAL:
            self._written_at = now
            self.file.flush()

    def _change(self, fd: Any, source: Any, add: int, remove: int) -> None:
        poller = self._poller
        if source is not None and poller._watches.find(fd) is None:
            self._meet(fd, source)
        type(poller)._change(poller, fd, source, add, remove)

    def _meet(self, fd: Any, source: Any) -> None:
        """A descriptor is watched for the first time."""
        self._know(fd)
        if not is_observed(fd):
            kind = f"of {type(fd).__name__}" if isinstance(fd, socket.socket) else "no socket"
            self._name(f"what {type(source).__name__} reads and writes is {kind}")
        elif sockets.find(fd) is None:
            number = sockets.number(fd)
            about = {"listens": is_listening(fd), "kind": int(fd.type), **_names_of(fd)}
            self._add(Kind.SOCKET, pack_number(number), about)

    def _know(self, sock: Any) -> None:
        """Observe a socket; one that has taken the descriptor of an accepted one over is that."""
        if isinstance(sock, socket.socket):
            observe(sock)
            number = self._accepted.get(sock.fileno())
            if number is not None and sockets.find(sock) is None:
                sockets.take_over(sock, number)

    # -- other threads --

    def _intake(
        self,
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
        self._bring(self._take_event, entry, event, channels, priority)
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

    def _take_event(self, entry: Any, event: BaseEvent, channels: Any, priority: float) -> None:
        engine = self._engine
        assert engine is not None
        if not self._ends:
            what = f"{event.name}, fired by another thread"
            self._add(Kind.FIRE, b"", (event, channels, priority, event.value.manager), what)
        admit(engine, entry)

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
        self._add(Kind.FOUND, pack_number(number), (found, problem))
        component.fire(Resolved(request, found, problem), component)

    # -- workers --

    def _watch_worker(self, worker: Any) -> None:
        path = component_path(worker).encode()
        numbers: dict[Any, int] = {}
        submit, executed, settle = worker._submit, worker._executed, worker._settle

        def numbered(job: Any) -> None:
            numbers[job] = len(numbers)
            submit(job)

        def record(job: Any) -> None:
            head = pack_number(len(path)) + path + pack_number(numbers[job])
            about = (job.result, job.problem, job.lines)
            self._add(Kind.JOB, head, about, f"the result of {describe(job.function)}")

        def arrived(job: Any) -> None:
            job.is_done = True
            self._bring(take, job)

        def take(job: Any) -> None:
            if job in numbers:
                record(job)
            executed(job)

        def settled(job: Any) -> None:
            settle(job)
            if job in numbers and not isinstance(job.problem, _OWN_FAILURES):
                record(job)

        worker._submit = numbered
        if worker.process:
            worker._settle = settled
        else:
            worker._executed = arrived

    # -- sockets --

    def received(self, sock: Any, data: bytes | OSError, address: Any = None) -> None:
        """A socket has given something."""
        if self._is_elsewhere():
            return
        head = pack_number(sockets.number(sock))
        if isinstance(data, OSError):
            self.file.add(Kind.RECEIVED, head + b"\1" + pack_number(data.errno or 0))
        elif sock in self._encrypted:
            self.file.add(Kind.RECEIVED, head + b"\3" + pack_number(len(data)))
        elif address is None:
            self.file.add(Kind.RECEIVED, head + b"\0" + data)
        else:
            origin = self._codec.dump(address)
            self.file.add(Kind.RECEIVED, head + b"\2" + pack_number(len(origin)) + origin + data)

    def sent(self, sock: Any, data: Iterable[Any], count: int | OSError) -> None:
        """A socket has taken something."""
        if self._is_elsewhere():
            return
        head = pack_number(sockets.number(sock))
        if isinstance(count, OSError):
            self.file.add(Kind.SENT, head + b"\1" + pack_number(count.errno or 0))
            return
        crc, left = 0, count
        for piece in () if sock in self._encrypted else data:
            view = memoryview(piece).cast("B")[:left]
            crc = zlib.crc32(view, crc)
            left -= len(view)
        self.file.add(Kind.SENT, head + b"\0" + pack_number(count) + pack_number(crc))

    def accepted(self, listener: Any, sock: Any, address: Any) -> None:
        """A socket has accepted another one."""
        if self._is_elsewhere():
            return
        head = pack_number(sockets.number(listener))
        if isinstance(sock, OSError):
            self.file.add(Kind.ACCEPTED, head + b"\1" + pack_number(sock.errno or 0))
            return
        other = sockets.number(sock)
        self._accepted[sock.fileno()] = other
        self._add(Kind.ACCEPTED, head + b"\0" + pack_number(other), (address, _names_of(sock)))

    def connected(self, sock: Any, address: Any, code: int) -> None:
        """A socket was connected, or is about to be."""
        if not self._is_elsewhere():
            head = pack_number(sockets.number(sock)) + pack_number(code)
            self._add(Kind.CONNECTED, head, (address, _names_of(sock)))

    def asked(self, sock: Any, code: int) -> None:
        """A socket has told what is wrong with it."""
        if not self._is_elsewhere():
            self.file.add(Kind.ASKED, pack_number(sockets.number(sock)) + pack_number(code))

    # -- TLS --

    def _wrap_tls(
        self, sock: Any, context: Any, incoming: Any, outgoing: Any, **options: Any
    ) -> Any:
        """TLS begins: from here on what the socket gives says nothing, and TLS is recorded."""
        real = context.wrap_bio(incoming, outgoing, **options)
        self._know(sock)
        if sockets.find(sock) is None or self._is_elsewhere():
            return real
        self._encrypted.add(sock)
        return RecordedTLS(real, sock, incoming, outgoing, self)

    def answered(self, sock: Any, question: str, answer: Any, pending: int, produced: int) -> None:
        """TLS has answered."""
        if self._is_elsewhere() or self._ends:
            return
        name = question.encode()
        head = pack_number(sockets.number(sock)) + pack_number(len(name)) + name
        head += pack_number(pending) + pack_number(produced)
        if question == "read" and isinstance(answer, bytes):
            self.file.add(Kind.ANSWERED, head + b"\0" + answer)
        else:
            self._add(Kind.ANSWERED, head + b"\1", answer)

    # -- what is said beside --

    def _add(self, kind: int, head: bytes, value: Any, what: str = "") -> None:
        """Add a record that ends in a value; one that cannot be kept is said to be missing."""
        try:
            text = self._codec.dump(value)
        except UnrecordableError as problem:
            self._name(f"{what or 'a value'}: {problem}")
            text = self._codec.dump(f"{what}: {problem}")
        self.file.add(kind, head + text)

    def _name(self, text: str) -> None:
        """Name something that cannot be replayed, once."""
        if text not in self._named and self._notes < _NOTES:
            self._named.add(text)
            self._notes += 1
            self.file.add(Kind.NOTE, text.encode("utf-8", "backslashreplace"))

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
                self._name(f"asyncio: {_owner_of(key)}")

    def _failed(self, method: Any, event: Any, problem: BaseException, trace: Any) -> None:
        about = (event.name, describe(method), type(problem).__name__, str(problem)[:500])
        self._add(Kind.ERROR, b"", about)


def _names_of(sock: Any) -> dict[str, Any]:
    names = {}
    for name in ("getsockname", "getpeername"):
        try:
            names[name] = getattr(sock, name)()
        except OSError:
            names[name] = None
    return names


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
