"""Pollers: which descriptors are ready (manual: circuits.core.pollers).

A poller is a component that waits in the kernel for all descriptors of a tree. It fires
``_read``, ``_write``, ``_disconnect`` and ``_error`` on the channel of the component that owns
the descriptor; where nobody else could see such an event, the step is a call (``_direct``).

The names with an underscore are the same classes, as the 3.x line has them.
"""

from __future__ import annotations

import errno
import os
import select
from _weakref import ref

from ._direct import Direct
from ._latch import WakeUp
from ._routing import TREE_LOCK
from ._turns import PARTS
from ._watched import Doors, Watch, WatchTable
from .components import BaseComponent
from .events import Event, GenerateEvents
from .handlers import handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._engine import Engine

__all__ = [
    "TIMEOUT",
    "BasePoller",
    "Disconnect",
    "EPoll",
    "Error",
    "KQueue",
    "Poll",
    "Poller",
    "Read",
    "Select",
    "Write",
]

#: Default of the ``timeout`` that pollers accept and store, in seconds; it rules nothing.
TIMEOUT = 0.01

#: How many descriptors one wait reports at most; the rest comes with the next.
_EVENTS_PER_WAIT = 1024

_READABLE, _WRITABLE, _GONE = 1, 2, 4


class Read(Event):
    """A descriptor is readable, or at its end.

    Fired by the poller as ``_read`` on the channel of who has added the descriptor.

    Args:
        fd: What was added: a number, or an object with ``fileno()``.
    """

    name = "_read"

    def __init__(self, fd: Any) -> None:
        super().__init__(fd)


_read = Read


class Write(Event):
    """A descriptor is writable.

    Fired by the poller as ``_write``, where and with what ``_read`` is.
    """

    name = "_write"

    def __init__(self, fd: Any) -> None:
        super().__init__(fd)


_write = Write


class Error(Event):
    """Handling a descriptor failed; ``_disconnect`` follows.

    Fired by the poller as ``_error``, where ``_read`` is.

    Args:
        fd: What was added.
        error: What was raised.
    """

    name = "_error"

    def __init__(self, fd: Any, error: BaseException) -> None:
        super().__init__(fd, error)


_error = Error


class Disconnect(Event):
    """A descriptor is hung up and nothing is left to read.

    Fired by the poller as ``_disconnect``, where and with what ``_read`` is. It has forgotten the
    descriptor already.
    """

    name = "_disconnect"

    def __init__(self, fd: Any) -> None:
        super().__init__(fd)


_disconnect = Disconnect


def _report_nothing(ready: Any) -> None:
    """The loop has waited in a poller that is not part of its tree any more."""


class BasePoller(BaseComponent):
    """What all pollers share: the table of descriptors, and waking up.

    Args:
        timeout: Accepted and stored; how long to wait is up to the loop.
        channel: Channel of the component.
    """

    #: Whether it is open, and the loop of its tree may wait in it.
    _polls = False
    #: Whether it has joined a tree while the loop of another one still waits in it.
    _opens_later = False
    #: The loop that may still wait in it, although its tree does not have it any more.
    _holder: Any = None
    #: The component that has made it, for itself and for whoever else in the tree needs one.
    _maker: Any = None

    #: The bits in which :meth:`block` tells that a descriptor is writable or gone; that it is
    #: readable is always the first. They may be those of the kernel, which saves a translation.
    _is_writable = _WRITABLE
    _is_gone = _GONE

    def __init__(self, timeout: float = TIMEOUT, channel: Any = None) -> None:
        super().__init__(channel=channel)
        self.timeout = timeout
        self._watches = WatchTable()
        self._callbacks: dict[int, Callable[[], object]] = {}
        self._doors: dict[str, ref[Doors]] = {}
        self._wake_up = WakeUp()
        self._open()

    # -- what a subclass provides --

    def _open_kernel(self) -> None:
        """Make the kernel object."""

    def _close_kernel(self) -> None:
        """Close the kernel object."""

    def _set_interest(self, number: int, before: int, after: int) -> None:
        """Tell the kernel that the interest in a descriptor has changed."""

    def _watch_wake_up(self) -> None:
        """Have the kernel watch what ends the wait."""
        self._set_interest(self._wake_up.number, 0, _READABLE)

    def _poll_kernel(self, timeout: float) -> Iterable[tuple[int, int]]:
        """Wait; yield pairs of descriptor and readiness."""
        raise NotImplementedError

    # -- life --

    def _open(self) -> None:
        self._open_kernel()
        self._wake_up.open()
        self._watch_wake_up()
        for watch in self._watches.values():
            self._set_interest(watch.number, 0, watch.interest)
        for number in self._callbacks:
            self._set_interest(number, 0, _READABLE)
        self._polls = True

    def _close(self) -> None:
        self._polls = False
        vars(self).pop("report", None)
        if self._wake_up.number >= 0:
            self._close_kernel()
            self._wake_up.close()

    def _tree_joined(self) -> None:
        if self._polls:
            return
        with TREE_LOCK:
            self._opens_later = self._wake_up.number >= 0
            if not self._opens_later:
                self._open_again()

    def _open_again(self) -> None:
        """Open; the loop, which another thread may turn, has seen us before that."""
        self._open()
        self._tree_engine.routes.renew()

    def _tree_left(self, engine: Engine) -> None:
        self._opens_later = False
        if not self._polls:
            return  # closed, or the loop of an earlier tree has not let go of it yet
        if engine.thread_is_ours() or not engine.loop.uses(self):
            self._close()
        else:  # another thread waits in it, or is about to: it lets go when it looks again
            self._polls = False
            self._holder = engine.loop
            self.report = _report_nothing  # type: ignore[method-assign]  # checking costs more
            self.resume()

    def is_made(self) -> bool:
        """Whether a component has made it for want of another one, and is still above it."""
        return self._maker is not None and self._maker is self.parent

    def leave_if_unused(self) -> None:
        """Leave the tree, unless it watches something for somebody."""
        with TREE_LOCK:  # another thread may move it to where it is the only one
            first = self._tree_engine.loop.find_poller()
            if not (self._watches or self._callbacks or first is None or first is self):
                self.unregister()

    def change_holder(self, loop: Any, other: Any) -> None:
        """Another loop goes on for the one that may still wait in us; the caller holds TREE_LOCK."""
        if self._holder is loop:
            self._holder = other

    def let_go(self, loop: Any) -> None:
        """The loop of a tree that another thread has taken us out of waits in us no more."""
        with TREE_LOCK:
            # It may be that of a tree before, while another one waits in us.
            if self._holder is not loop or self._polls or self._wake_up.number < 0:
                return
            self._holder = None
            self._close()
            if not self._opens_later:
                return
            self._opens_later = False
            self._open_again()
        self._tree_engine.wake()

    def _tree_forked(self) -> None:
        """In a child: make kernel objects of its own, for the same descriptors."""
        try:
            self._close()
        except OSError:  # a kqueue is not inherited
            self._wake_up = WakeUp()
        self._open()

    def __del__(self) -> None:
        if "_wake_up" in vars(self):
            self._close()

    def resume(self) -> None:
        """End the wait. From any thread, and from signal handlers."""
        self._wake_up.call()

    def is_wake_up(self, number: int) -> bool:
        """Whether a descriptor that :meth:`block` returned is nobody's: the wait was ended."""
        return number == self._wake_up.number

    # -- descriptors --

    def addReader(self, source: Any, fd: Any) -> None:  # documented names
        """Watch a descriptor for input.

        Args:
            source: The component that owns it; events go to its channel.
            fd: A number, or an object with ``fileno()``; this very object comes in the events.

        Raises:
            OSError: The kernel cannot watch this descriptor.
        """
        self._change(fd, source, _READABLE, 0)

    def addWriter(self, source: Any, fd: Any) -> None:
        """Watch a descriptor for being writable.

        Args:
            source: As for :meth:`addReader`.
            fd: Likewise.

        Raises:
            OSError: The kernel cannot watch this descriptor.
        """
        self._change(fd, source, _WRITABLE, 0)

    def removeReader(self, fd: Any) -> None:
        """Stop watching a descriptor for input; an unknown one is ignored."""
        self._change(fd, None, 0, _READABLE)

    def removeWriter(self, fd: Any) -> None:
        """Stop watching a descriptor for being writable; an unknown one is ignored."""
        self._change(fd, None, 0, _WRITABLE)

    def isReading(self, fd: Any) -> bool:
        """Whether a descriptor is watched for input."""
        watch = self._watches.find(fd)
        return watch is not None and bool(watch.interest & _READABLE)

    def isWriting(self, fd: Any) -> bool:
        """Whether a descriptor is watched for being writable."""
        watch = self._watches.find(fd)
        return watch is not None and bool(watch.interest & _WRITABLE)

    def discard(self, fd: Any) -> None:
        """Forget a descriptor, be it known or not, open or closed."""
        watch = self._watches.find(fd)
        if watch is not None:
            self._forget(watch)

    def getTarget(self, fd: Any) -> Any:
        """The channel that the events of a descriptor go to; unknown: the poller's parent."""
        watch = self._watches.find(fd)
        return self.parent if watch is None else watch.target

    def _change(self, fd: Any, source: Any, add: int, remove: int) -> None:
        self._watches.change(fd, source, add, remove, self._set_interest)

    def _forget(self, watch: Watch) -> None:
        self._watches.forget(watch, self._set_interest)

    def add_callback(self, number: int, callback: Callable[[], object]) -> None:
        """Call a function when a descriptor is readable; for loops within the loop."""
        self._callbacks[number] = callback
        self._set_interest(number, 0, _READABLE)

    def remove_callback(self, number: int) -> None:
        """Remove the callback of a descriptor."""
        if self._callbacks.pop(number, None) is not None and self._wake_up.number >= 0:
            self._set_interest(number, _READABLE, 0)

    def drop_callback(self, number: int) -> None:
        """Remove it without telling the kernel; in a forked child."""
        self._callbacks.pop(number, None)

    # -- waiting --

    @handler("generate_events", channel="*", priority=-9, filter=True)
    def _on_generate_events(self, event: GenerateEvents) -> bool | None:
        engine = self._tree_engine
        if not (self._polls and engine.thread_is_ours() and engine.loop.may_wait_in(self)):
            return None  # it has joined just now, and is about to be opened; or it has just left
        engine.loop.wait_in(self, event.time_left)
        return True

    def block(self, timeout: float) -> list[tuple[int, int]]:
        """Wait for descriptors; :meth:`report` tells their owners.

        Args:
            timeout: Seconds; negative means without limit.
        """
        return list(self._poll_kernel(timeout))

    def report(self, ready: Iterable[tuple[int, int]]) -> None:
        """Tell the owners of the descriptors that :meth:`block` returned, one after the other."""
        try:
            engine = self._tree_live
        except AttributeError:
            return  # another thread has just taken us out of the tree
        queue, tasks = engine.queue, engine.tasks
        engine.turns.left = PARTS
        watches = self._watches
        for number, mask in ready:
            watch = watches.get(number)
            if watch is None:
                self._report_own(number)
                continue
            if mask & _READABLE and watch.interest & _READABLE:
                door = (watch.doors or self._doors_of(watch)).read
                method = door.sole
                # What door.call does, without the call, where there is nothing to it.
                if method is None or door.epoch != door.queue.epoch or queue or tasks.ready:
                    door.call(watch.fd)
                else:
                    try:
                        result = method(watch.fd)
                    except BaseException as problem:
                        door.failed(door.event(watch.fd), method, problem)
                    else:
                        if result is not None:
                            door.take(door.event(watch.fd), method, result)
            elif mask & self._is_gone:
                # Nothing can be written either, whatever the kernel says about that.
                self._forget(watch)
                self.fire(Disconnect(watch.fd), watch.target)
            if mask != _READABLE and mask & self._is_writable and watch.interest & _WRITABLE:
                (watch.doors or self._doors_of(watch)).write.call(watch.fd)
            if queue or tasks.ready:
                engine.dispatch.follow_up()
                if not self._polls:  # we have left the tree
                    return

    def _report_own(self, number: int) -> None:
        """A descriptor is ready of which no component has been told."""
        if number == self._wake_up.number:
            self._wake_up.drain()
        elif number in self._callbacks:
            self._callbacks[number]()

    def _doors_of(self, watch: Watch) -> Doors:
        """Where ``_read`` and ``_write`` of a descriptor go."""
        doors = watch.doors = self._doors_to(watch.target)
        return doors

    def _doors_to(self, target: Any) -> Doors:
        """Where ``_read`` and ``_write`` of the descriptors of one owner go."""
        is_text = target.__class__ is str  # to remember others might keep a component alive
        known = self._doors.get(target) if is_text else None
        doors = None if known is None else known()
        if doors is None:
            doors = Doors(Direct(self, Read, (target,)), Direct(self, Write, (target,)))
            if is_text:  # for as long as one of its descriptors is watched: they lead to components
                pop = self._doors.pop
                self._doors[target] = ref(doors, lambda gone: pop(target, None))
        return doors


class Select(BasePoller):
    """Waits with ``select``: everywhere, but slow, and blind to large descriptor numbers.

    In one wait, all that is writable comes before all that is readable.
    """

    def __init__(self, timeout: float = TIMEOUT, channel: Any = "select") -> None:
        self._reading: set[int] = set()
        self._writing: set[int] = set()
        super().__init__(timeout, channel)

    def _set_interest(self, number: int, before: int, after: int) -> None:
        if after and number >= 1024 and os.name != "nt":
            raise OSError(errno.EINVAL, f"Select cannot watch descriptor {number}: use EPoll")
        for numbers, bit in ((self._reading, _READABLE), (self._writing, _WRITABLE)):
            if after & bit:
                numbers.add(number)
            else:
                numbers.discard(number)

    def _close_kernel(self) -> None:
        self._reading.clear()
        self._writing.clear()

    def _poll_kernel(self, timeout: float) -> Iterable[tuple[int, int]]:
        wait = None if timeout < 0 else timeout
        try:
            readable, writable, _ = select.select(self._reading, self._writing, (), wait)
        except (OSError, ValueError):
            self._preen()
            return ()
        return [*((n, _WRITABLE) for n in writable), *((n, _READABLE) for n in readable)]

    def _preen(self) -> None:
        """Forget the descriptors that have been closed, and only those."""
        for number in self._reading | self._writing:
            try:
                select.select((number,), (), (), 0)
            except (OSError, ValueError):
                watch = self._watches.get(number)
                self._set_interest(number, 0, 0)
                if watch is not None:
                    self._forget(watch)


class Poll(BasePoller):
    """Waits with ``poll``: for Unix systems that have nothing better."""

    def __init__(self, timeout: float = TIMEOUT, channel: Any = "poll") -> None:
        super().__init__(timeout, channel)

    def _open_kernel(self) -> None:
        self._kernel = select.poll()

    def _set_interest(self, number: int, before: int, after: int) -> None:
        if after:
            mask = select.POLLIN | select.POLLPRI if after & _READABLE else 0
            self._kernel.register(number, mask | (select.POLLOUT if after & _WRITABLE else 0))
        else:
            try:
                self._kernel.unregister(number)
            except KeyError:
                return

    def _poll_kernel(self, timeout: float) -> Iterable[tuple[int, int]]:
        wait = None if timeout < 0 else -int(-timeout * 1000 // 1)
        for number, mask in self._kernel.poll(wait):
            readiness = 0
            if mask & (select.POLLIN | select.POLLPRI):
                readiness |= _READABLE
            if mask & select.POLLOUT:
                readiness |= _WRITABLE
            if mask & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                readiness |= _GONE
            yield number, readiness


class _WatchedPoller(BasePoller):
    """A poller that others can watch by a descriptor of its own."""

    _kernel: Any = None

    def _close_kernel(self) -> None:
        self._kernel.close()

    def fileno(self) -> int:
        """Descriptor that is readable while the poller has something to report."""
        return int(self._kernel.fileno())


class EPoll(_WatchedPoller):
    """Waits with ``epoll``: the best on Linux."""

    def __init__(self, timeout: float = TIMEOUT, channel: Any = "epoll") -> None:
        super().__init__(timeout, channel)

    def _open_kernel(self) -> None:
        self._kernel = select.epoll()  # AttributeError where the system has none

    def _set_interest(self, number: int, before: int, after: int) -> None:
        if not after:
            self._kernel.unregister(number)
            return
        mask = select.EPOLLIN if after & _READABLE else 0
        mask |= select.EPOLLOUT if after & _WRITABLE else 0
        known, new = self._kernel.modify, self._kernel.register
        try:
            (known if before else new)(number, mask)
        except (FileExistsError, FileNotFoundError):  # opened again under the same number
            (new if before else known)(number, mask)

    def _watch_wake_up(self) -> None:
        if self._wake_up.stay_full():
            self._kernel.register(self._wake_up.number, select.EPOLLIN | select.EPOLLET)
        else:
            super()._watch_wake_up()

    # EPOLLIN, EPOLLOUT, and EPOLLERR with EPOLLHUP; the same on every Linux.
    _is_writable = 0x4
    _is_gone = 0x8 | 0x10

    def block(self, timeout: float) -> list[tuple[int, int]]:
        """Wait for descriptors; as of :class:`BasePoller`."""
        ready: list[tuple[int, int]] = self._kernel.poll(timeout, _EVENTS_PER_WAIT)
        return ready


class KQueue(_WatchedPoller):
    """Waits with ``kqueue``: the best on FreeBSD and macOS."""

    def __init__(self, timeout: float = 0.00001, channel: Any = "kqueue") -> None:
        super().__init__(timeout, channel)

    def _open_kernel(self) -> None:
        self._kernel = select.kqueue()  # type: ignore[attr-defined]  # AttributeError on Linux

    def _set_interest(self, number: int, before: int, after: int) -> None:
        changes = []
        module: Any = select
        filters = ((_READABLE, module.KQ_FILTER_READ), (_WRITABLE, module.KQ_FILTER_WRITE))
        for bit, kind in filters:
            if (before ^ after) & bit:
                flag = module.KQ_EV_ADD if after & bit else module.KQ_EV_DELETE
                changes.append(module.kevent(number, kind, flag))
        self._kernel.control(changes, 0)

    def _poll_kernel(self, timeout: float) -> Iterable[tuple[int, int]]:
        module: Any = select
        wait = None if timeout < 0 else timeout
        for event in self._kernel.control(None, _EVENTS_PER_WAIT, wait):
            if event.filter == module.KQ_FILTER_READ:
                # At the end too: whoever reads gets what is left, then the end.
                yield event.ident, _READABLE
            elif event.flags & module.KQ_EV_EOF:
                yield event.ident, _GONE
            else:
                yield event.ident, _WRITABLE


def _best() -> type[BasePoller]:
    for primitive, poller in (("epoll", EPoll), ("kqueue", KQueue), ("poll", Poll)):
        if hasattr(select, primitive):
            return poller
    return Select  # pragma: no cover - Windows


#: The best that this platform has.
Poller = _best()
