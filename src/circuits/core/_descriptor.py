"""One non-blocking descriptor: outgoing bytes, interest at the poller, close after flush.

For components that drive pipes, terminals, devices and plain socket pairs. A descriptor does not
know about events. It tells the component that owns it what happened: that it failed, that it is
closed. The component, a :class:`DescriptorOwner`, finds the poller and hears from it.

    class Pipe(DescriptorOwner):
        def init(self, number):
            self._adopt(Descriptor(self, number))

        def _descriptor_readable(self, descriptor):
            data = descriptor.read()    # None: nothing yet; b"": the end

Data is sent at once while nothing waits; only what the kernel did not take is kept, and only
then the poller is asked to tell when more can be sent.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from contextlib import suppress

from ._held import close, hold
from ._poller_user import PollerUser
from .handlers import handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["FAILURES", "BaseDescriptor", "Descriptor", "DescriptorOwner", "as_os_error"]

#: The largest piece that is read at once, in bytes; more was slower.
READ_BYTES = 65536

#: How much may be pending before a descriptor fails, in bytes: a peer that never reads must not
#: take all memory.
MAX_PENDING = 64 * 1024 * 1024

#: How much a descriptor takes without blocking that is writable but not in non-blocking mode:
#: what POSIX grants at least where a system does not say more.
_SHARED_PIECE = 512

#: Errors that mean: try again later.
_LATER = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS})


#: What ends a stream when it is read and written. Without memory bytes are lost as well: what
#: follows them must not be taken for what comes next.
FAILURES = (OSError, MemoryError)


def as_os_error(problem: Exception) -> OSError:
    """The same as an error of the system."""
    if isinstance(problem, OSError):
        return problem
    if isinstance(problem, MemoryError):
        return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    return OSError(str(problem))


class BaseDescriptor:
    """What a component has open: how it is read and ended.

    Args:
        owner: The component.
        file: A number, or a socket.
        is_shared: Whether somebody else closes it.

    Attributes:
        file: What was given.
        is_open: Whether it can be written to: nobody has asked to close it.
        is_closed: Whether all is over.
        pending_bytes: How much the kernel has not taken yet.
    """

    __slots__ = ("_owner", "file", "is_closed", "is_open", "is_shared")

    pending_bytes = 0

    def __init__(self, owner: Any, file: Any, is_shared: bool) -> None:
        self._owner = owner
        self.file = file
        self.is_shared = is_shared
        self.is_open = True
        self.is_closed = False
        if not is_shared and not isinstance(file, int):
            hold(file)

    def read(self, size: int = READ_BYTES) -> bytes | None:
        """Read once.

        Returns:
            What there was; ``b""`` at the end; ``None`` if there is nothing, or it failed.
        """
        if self.is_closed:
            return None
        try:
            if isinstance(self.file, int):
                return os.read(self.file, size)
            data: bytes = self.file.recv(size)
            return data
        except (BlockingIOError, InterruptedError):
            return None
        except FAILURES as problem:
            if getattr(problem, "errno", None) not in _LATER:
                self.fail(problem)
            return None

    def fail(self, problem: Exception) -> None:
        """Report an error and close at once."""
        if not self.is_closed:
            self.is_open = False
            self._owner._descriptor_failed(self, as_os_error(problem))
            self.finish()

    def finish(self) -> None:
        """Close at once; what is pending is lost."""
        if self.is_closed:
            return
        self.is_open = False
        self.is_closed = True
        if not self.is_shared:
            try:
                self._close_file()
            except OSError as problem:
                self._close_failed(problem)
        self._owner._descriptor_closed(self)

    def _close_file(self) -> None:
        os.close(self.file) if isinstance(self.file, int) else close(self.file)

    def abandon(self) -> None:
        """Close the file and tell nobody: its component is gone, or that of another process."""
        if not (self.is_closed or self.is_shared):
            self.is_closed = True
            with suppress(OSError):  # somebody has closed it behind our back
                self._close_file()

    __del__ = abandon

    def _close_failed(self, problem: OSError) -> None:
        """The device is gone, and so is the descriptor."""


class Descriptor(BaseDescriptor):
    """One open pipe, terminal, device or socket of a component.

    Args:
        owner: The component. It also has to :meth:`DescriptorOwner._adopt` the descriptor.
        file: A number, or a socket. It belongs to this object from now on, which closes it.
        reads: Whether to watch for input.
        is_shared: Others use it too - a terminal, standard output - so its mode is left alone:
            it is read once each time that it is readable, and written to in small pieces, each
            when it is writable. It is not closed either.
        max_pending: How many bytes the kernel may leave to us; beyond, the descriptor fails.
    """

    __slots__ = ("_max_pending", "_pending", "_piece", "_reads", "pending_bytes")

    def __init__(
        self,
        owner: DescriptorOwner,
        file: Any,
        *,
        reads: bool = True,
        is_shared: bool = False,
        max_pending: int = MAX_PENDING,
    ) -> None:
        super().__init__(owner, file, is_shared)
        self._reads = reads
        self._pending: deque[memoryview] = deque()
        self._max_pending = max_pending
        self._piece = 0
        self.pending_bytes = 0
        if is_shared:
            import select  # has been loaded by the pollers

            is_terminal = isinstance(file, int) and os.isatty(file)
            self._piece = _SHARED_PIECE
            if not is_terminal:
                self._piece = getattr(select, "PIPE_BUF", _SHARED_PIECE)
        elif isinstance(file, int):
            os.set_blocking(file, False)
        else:
            file.setblocking(False)

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open" if self.is_open else "draining"
        return f"<Descriptor {self.file!r} {state}, {self.pending_bytes} bytes pending>"

    # -- the poller --

    def watch(self) -> None:
        """Update the interest at the poller; also when the poller is another one."""
        poller = self._owner._poller
        if poller is None or self.is_closed:
            return
        try:
            if self._reads and self.is_open:
                poller.addReader(self._owner, self.file)
            elif poller.isReading(self.file):
                poller.removeReader(self.file)
            if self._pending:
                poller.addWriter(self._owner, self.file)
            elif poller.isWriting(self.file):
                poller.removeWriter(self.file)
        except (*FAILURES, ValueError) as problem:
            self.fail(problem)

    def hold_reading(self, is_held: bool) -> None:
        """Stop watching for input, or go on."""
        if self._reads is is_held:
            self._reads = not is_held
            self.watch()

    # -- writing --

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or keep what the kernel does not take. Does nothing unless open."""
        if not self.is_open or not data:
            return
        sent = 0
        if not self._pending and not self.is_shared:
            count = self._send(data)
            if count is None:
                return
            sent = count
        if sent < len(data):
            if data.__class__ is not bytes:  # whoever owns it may change it
                try:
                    data, sent = bytes(data[sent:]), 0
                except MemoryError as problem:
                    self.fail(problem)
                    return
            was_idle = not self._pending
            self._pending.append(memoryview(data)[sent:])
            self.pending_bytes += len(data) - sent
            if self.pending_bytes > self._max_pending:
                text = f"the other end does not read: {self.pending_bytes} bytes are pending"
                self.fail(OSError(errno.ENOBUFS, text))
            elif was_idle:
                self.watch()

    def flush(self) -> None:
        """Send what is pending, as much as the kernel takes; to be called when writable."""
        pending = self._pending
        while pending:
            if self._piece and len(pending) > 1 and len(pending[0]) < self._piece:
                self._join_first()
            first = pending[0]
            sent = self._send(first[: self._piece] if self._piece else first)
            if sent is None:
                return
            self.pending_bytes -= sent
            if sent < len(first):
                pending[0] = first[sent:]
                return
            pending.popleft()
            if self._piece and pending:
                return  # whether it takes more is to be asked first
        if self.is_open:
            self.watch()
        else:
            self.finish()

    def _join_first(self) -> None:
        """Make one of the first small pieces, since only one is sent at a time."""
        pending, parts, size = self._pending, [], 0
        while pending and size < self._piece:
            parts.append(pending.popleft())
            size += len(parts[-1])
        pending.appendleft(memoryview(b"".join(parts)))

    def _send(self, data: bytes | bytearray | memoryview) -> int | None:
        """How many bytes the kernel took; ``None`` if it failed."""
        try:
            if isinstance(self.file, int):
                return os.write(self.file, data)
            sent: int = self.file.send(data)
            return sent
        except (BlockingIOError, InterruptedError):
            return 0
        except FAILURES as problem:
            if getattr(problem, "errno", None) in _LATER:
                return 0
            self.fail(problem)
            return None

    # -- ending --

    def close(self) -> None:
        """Close when all is written; nothing more is read."""
        self.is_open = False
        if self._pending:
            self.watch()
        else:
            self.finish()

    def finish(self) -> None:
        """Close at once; what is pending is lost."""
        if not self.is_closed:
            self._pending.clear()
            self.pending_bytes = 0
            self._owner._disown(self)
            super().finish()


class DescriptorOwner(PollerUser):
    """A component that drives descriptors: hears from its poller, and closes them when it leaves."""

    _descriptors: dict[Any, Descriptor] | None = None

    # -- what a subclass provides --

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        """There is input, or its end: read."""
        raise NotImplementedError

    def _descriptor_failed(self, descriptor: Descriptor, problem: OSError) -> None:
        """It failed, and is about to be closed."""

    def _descriptor_closed(self, descriptor: Descriptor) -> None:
        """It is closed, for whatever reason."""

    def _descriptor_flushed(self, descriptor: Descriptor) -> None:
        """It was writable, and some of what was pending may have been sent."""

    def _descriptor_hung_up(self, descriptor: Descriptor) -> None:
        """The other end is gone, and nothing is left to read; the poller has forgotten it."""
        descriptor.finish()

    # -- descriptors --

    def _adopt(self, descriptor: Descriptor) -> Descriptor:
        """Watch a descriptor from now on, or from the moment that there is a poller."""
        if self._descriptors is None:
            self._descriptors = {}
        self._descriptors[descriptor.file] = descriptor
        descriptor.watch()
        return descriptor

    def _disown(self, descriptor: Descriptor) -> None:
        if self._descriptors is not None:
            self._descriptors.pop(descriptor.file, None)
        if self._poller is not None:
            self._poller.discard(descriptor.file)

    def _finish_all(self) -> None:
        """Close every descriptor at once."""
        for descriptor in list((self._descriptors or {}).values()):
            descriptor.finish()

    @handler("_read")
    def _on_readable(self, file: Any) -> None:
        descriptor = self._descriptors and self._descriptors.get(file)
        if descriptor:
            self._descriptor_readable(descriptor)

    @handler("_write")
    def _on_writable(self, file: Any) -> None:
        descriptor = self._descriptors and self._descriptors.get(file)
        if descriptor:
            descriptor.flush()
            self._descriptor_flushed(descriptor)

    @handler("_disconnect")
    def _on_hang_up(self, file: Any) -> None:
        descriptor = self._descriptors and self._descriptors.get(file)
        if descriptor:
            self._descriptor_hung_up(descriptor)

    # -- the poller and the tree --

    def _join_poller(self, poller: Any) -> None:
        for descriptor in list((self._descriptors or {}).values()):
            descriptor.watch()

    def _leave_poller(self, poller: Any) -> None:
        for descriptor in list((self._descriptors or {}).values()):
            poller.discard(descriptor.file)

    def _leave(self) -> Any:
        """The component leaves: close everything. A subclass may extend this."""
        self._finish_all()
        self._poller = None
