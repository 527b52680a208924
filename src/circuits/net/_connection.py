"""What every stream connection does: reading, writing, draining, closing.

A connection does not know about events. It tells the component that owns it what happened:
that it failed, that it is closed, that its peer does not keep up.

Data is sent at once while nothing waits; only what the kernel did not take is kept, and only
then the poller is asked to tell when more can be sent.
"""

from __future__ import annotations

import enum
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from circuits.core._descriptor import FAILURES, as_os_error
from circuits.core._held import close

from . import _outside, _sendfile
from ._writer import Writer, is_for_later

if TYPE_CHECKING:
    from circuits.core.events import BaseEvent
    from circuits.core.pollers import BasePoller
    from circuits.core.values import Value

    from ._tls import TLSStream

__all__ = ["RECEIVES", "Connection", "Limits", "Owner", "State", "as_bytes"]

#: The largest piece that is read at once, in bytes: 64 KiB, which programs often send at once, with a
#: header of theirs. With much more, allocating takes longer than the calls it saves.
READ_BYTES = 65536 + 1024


class State(enum.Enum):
    """Where a connection is in its life; it only ever moves down this list."""

    HANDSHAKING = "handshaking"  # nobody but us knows of it
    OPEN = "open"
    RECEIVING = "receiving"  # has written all that it will
    DRAINING = "draining"  # a close was asked for; what is pending is still written
    CLOSED = "closed"


@dataclass(frozen=True)
class Limits:
    """How much is kept for peers that do not keep up, in bytes.

    Attributes:
        high_water: Beyond this, the application is asked to pause and, unless ``reads_on``,
            nothing more is read from that peer.
        low_water: Below this, both go on.
        max_pending: With more than this pending, another write fails the connection. One
            write alone may be larger: whoever made it had the memory, and it is not copied.
        bufsize: With how much reading starts; it grows while data fills it.
        reads_on: Read although too much is pending. Clients do: if both ends stopped reading
            because the other one does, neither would ever go on.
    """

    high_water: int = 1024 * 1024
    low_water: int = 256 * 1024
    max_pending: int = 64 * 1024 * 1024
    bufsize: int = 4096
    reads_on: bool = False

    def __post_init__(self) -> None:
        if self.bufsize <= 0 or not 0 <= self.low_water <= self.high_water <= self.max_pending:
            raise ValueError(
                f"0 < bufsize and 0 <= low_water <= high_water <= max_pending must hold: {self}"
            )


_OPEN = State.OPEN  # looking up a member of an enum is slow on Python 3.11

#: In which states something is read.
RECEIVES = (State.OPEN, State.RECEIVING)


class Owner(Protocol):
    """What a connection needs of the component that it belongs to."""

    _poller: BasePoller | None

    def _connection_opened(self, connection: Connection) -> None: ...  # sets ``OPEN``
    def _connection_failed(self, connection: Connection, problem: OSError) -> None: ...
    def _connection_closed(self, connection: Connection) -> None: ...
    def _connection_congested(self, connection: Connection, is_congested: bool) -> None: ...
    def _connection_blocked(self, connection: Connection) -> None: ...
    def _reads_finished(self, connection: Connection, *, is_told: bool = False) -> None: ...


class Connection:
    """One stream socket of a component.

    Attributes:
        sock: The socket, non-blocking.
        state: Where it is in its life.
        tls: What encrypts it, or ``None``.
        was_open: Whether it has been open ever.
        is_congested: More than the high-water mark is pending.
        is_held: The application has asked not to read from this peer.
        is_backlogged: So has a protocol, which has not handed out all that was read.
        at_end: The peer has finished writing.
        writer: What the kernel has not taken yet, or ``None`` if nothing.
        unfinished_reads: ``read`` events that are queued, or whose handlers are suspended.
        is_ending: All that the peer has sent is done with, and the owner is about to be told.
    """

    __slots__ = (
        "_io", "_limits", "_owner", "_read_bytes", "at_end", "is_backlogged", "is_congested",
        "is_ending", "is_held", "sock", "state", "tls", "unfinished_reads", "was_open", "writer",
    )  # fmt: skip

    #: So that the engine may tell us about the end of an event: nobody gets its exceptions.
    is_awaited = False

    def __init__(self, owner: Owner, sock: Any, limits: Limits, state: State = State.OPEN) -> None:
        self._owner = owner
        self._limits = limits
        self.writer: Writer | None = None
        self._read_bytes = limits.bufsize
        self._io = sock  # what is read and written: the socket, or what encrypts
        self.sock = sock
        self.tls: TLSStream | None = None
        self.state = state
        self.was_open = state is State.OPEN
        self.is_congested = self.is_held = self.is_backlogged = self.at_end = False
        self.is_ending = False
        self.unfinished_reads = 0

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self.state is State.CLOSED

    @property
    def is_blocked(self) -> bool:
        """Whether anything waits for the kernel to take it."""
        return self.writer is not None

    @property
    def pending_bytes(self) -> int:
        """How much the kernel has not taken yet, not counting what is in a file."""
        return 0 if self.writer is None else self.writer.pending_bytes

    @property
    def is_sending_file(self) -> bool:
        """Whether something of a file is left to be sent."""
        return self.writer is not None and self.writer.is_sending_file

    # -- the poller --

    def watch(self) -> None:
        """Update the interest at the poller; also when the poller is another one."""
        poller = self._owner._poller
        if poller is None or self.state is State.CLOSED:
            return
        tls = self.tls
        try:
            if tls is not None and not tls.is_open:
                reads, writes = True, tls.has_output
            else:
                congested = self.is_congested and not self._limits.reads_on
                clogged = tls is not None and tls.is_clogged
                held = self.at_end or self.is_held or self.is_backlogged or congested or clogged
                reads = self.state in RECEIVES and not held
                writes = self.is_blocked or (tls is not None and tls.has_output)
            if reads:
                poller.addReader(self._owner, self.sock)
            elif poller.isReading(self.sock):
                poller.removeReader(self.sock)
            if writes:
                poller.addWriter(self._owner, self.sock)
        except (*FAILURES, ValueError) as problem:
            self.fail(problem)

    # -- reading --

    def receive(self) -> bytes | None:
        """Read once.

        Returns:
            What there was; ``b""`` at the end; ``None`` if there is nothing, or it failed.
        """
        size = self._read_bytes
        try:
            data: bytes = self._io.recv(size)
        except FAILURES as problem:
            if not is_for_later(problem):
                self.fail(problem)
            elif self.tls is not None and self.tls.is_clogged:
                self.watch()
            return None
        count = len(data)
        if count == size:
            if size < READ_BYTES:
                self._read_bytes = min(size * 4, READ_BYTES)
        elif size > self._limits.bufsize and count < size >> 2:
            self._read_bytes = max(size >> 2, self._limits.bufsize)
        return data

    def hold_reading(self, is_held: bool) -> None:
        """Stop reading from the peer, or go on."""
        if self.is_held is not is_held:
            self.is_held = is_held
            self.watch()

    def hold_for_backlog(self, is_held: bool) -> None:
        """Stop reading for a protocol, or go on; it counts as a ``read`` that is not done with."""
        if self.is_backlogged is not is_held:
            self.is_backlogged = is_held
            if is_held:
                self.unfinished_reads += 1
            else:
                self._read_done()
            self.watch()

    def end_of_input(self) -> None:
        """The peer has finished: read no more."""
        self.at_end = True
        self.watch()

    def expect(self, event: BaseEvent) -> None:
        """Count a ``read`` event, until all its handlers are done."""
        self.unfinished_reads += 1
        event._when_over(self)

    def resolve(self, event: BaseEvent, value: Value) -> None:
        """The engine tells that all handlers of a ``read`` event are done."""
        self._read_done()

    def _read_done(self) -> None:
        self.unfinished_reads -= 1
        if self.at_end and not self.unfinished_reads and self.state in RECEIVES:
            self._owner._reads_finished(self, is_told=True)

    # -- writing --

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or keep what the kernel does not take. Does nothing unless open."""
        if self.state is not _OPEN:
            return
        if self.writer is not None:
            self._keep(data, 0)
            return
        if not data:
            return
        try:
            sent = self._io.send(data)
        except FAILURES as problem:
            if not is_for_later(problem):
                self.fail(problem)
                return
            sent = 0
        if sent < len(data):
            self._keep(data, sent)
            self.watch()
            if self.writer is not None:
                self._owner._connection_blocked(self)

    def _keep(self, data: bytes | bytearray | memoryview, sent: int) -> None:
        writer = self.writer
        if writer is None:
            writer = self.writer = Writer(self._limits.max_pending)
        try:
            writer.keep(data, sent)
        except FAILURES as problem:
            self.fail(problem)
            return
        if writer.pending_bytes > self._limits.high_water and not self.is_congested:
            self._set_congested()

    def send_file(self, file: Any, offset: int, count: int) -> int:
        """Send a part of a file by the kernel, now and while it can take more.

        It has to wait neither for other data nor to be encrypted; or nothing is done. While
        it is being sent, the connection counts as congested. Arguments and result are those of
        :meth:`~circuits.net._servers.Server.send_file`.
        """
        if self.state is not State.OPEN or self.tls is not None or self.is_blocked:
            return 0
        if not _outside.sends_files:
            return 0
        try:
            done, part = _sendfile.begin(self.sock, file, offset, count)
        except FAILURES as problem:
            self.fail(problem)
            return 0
        if part is None:
            return done
        self.writer = Writer(self._limits.max_pending, part)
        self._set_congested()
        self._owner._connection_blocked(self)
        return count

    def _set_congested(self) -> None:
        was_congested, self.is_congested = self.is_congested, True
        self.watch()
        if not was_congested:
            self._owner._connection_congested(self, True)

    def _end_congestion(self) -> None:
        if self.is_congested and self.pending_bytes < max(self._limits.low_water, 1):
            self.is_congested = False
            if self.state is State.OPEN:
                self.watch()
                self._owner._connection_congested(self, False)

    def flush(self) -> None:
        """Send what is pending, as much as the kernel takes."""
        if self.tls is not None and not self._flush_tls(self.tls):
            return
        writer = self.writer
        if writer is None:
            self._flushed()
            return
        try:
            if writer.is_sending_file:
                if not writer.flush_file(self.sock):
                    return
                self._end_congestion()
            is_done = writer.flush(self._io)
        except FAILURES as problem:
            if not is_for_later(problem):
                self.fail(problem)
            return
        if is_done:
            self.writer = None
            self._flushed()
        self._end_congestion()

    def _flush_tls(self, tls: TLSStream) -> bool:
        """Send what TLS has to send first; whether data may follow."""
        was_clogged = tls.is_clogged
        try:
            paid = tls.push()
        except FAILURES as problem:
            self.fail(problem)
            return False
        if was_clogged and not tls.is_clogged:
            self.watch()
        if paid and not tls.is_open:  # now it is the peer's turn
            if self.state is State.DRAINING and self.writer is None:
                self.finish()
            else:
                self._stop_writing()
        return paid and tls.is_open

    def _flushed(self) -> None:
        if self.state is State.DRAINING:
            if self.tls is None or self.tls.sent_close_notify():
                self.finish()
            return
        if self.state is State.RECEIVING:
            self._end_output()
        if self.state is not State.CLOSED and not (self.tls is not None and self.tls.has_output):
            self._stop_writing()

    def _stop_writing(self) -> None:
        if self._owner._poller is not None:
            self._owner._poller.removeWriter(self.sock)

    # -- TLS --

    def encrypt(self, tls: TLSStream) -> None:
        """Speak TLS from now on; what is pending must be part of what it sends first."""
        self.writer = None
        self.tls = self._io = tls
        if self.is_congested:
            self.is_congested = False
            self._owner._connection_congested(self, False)
        self.watch()

    def opened(self) -> bool:
        """The handshake is done.

        Returns:
            Whether data may follow.
        """
        if self.is_closed:
            return False
        self._owner._connection_opened(self)
        if self.is_closed:
            return False
        self.flush()  # what was written meanwhile; if nothing was, the poller need not ask
        self.watch()
        return self.state in RECEIVES

    def announce(self) -> None:
        """The application may know of it from now on."""
        if self.state is State.HANDSHAKING:
            self.state = State.OPEN
        self.was_open = True

    # -- ending --

    def end_output(self) -> None:
        """Tell the peer, when all is written, that this was all; reading goes on."""
        if self.state is State.OPEN:
            self.state = State.RECEIVING
            if not self.is_blocked:
                self._end_output()

    def _end_output(self) -> None:
        try:
            if self.tls is not None:
                self.tls.end_output()
                self.watch()
            else:
                self.sock.shutdown(socket.SHUT_WR)
        except FAILURES as problem:
            self.fail(problem)

    def close(self) -> None:
        """Close when all is written; nothing more is read."""
        tls = self.tls
        if self.state in RECEIVES and (
            self.is_blocked or not (tls is None or tls.sent_close_notify())
        ):
            self.state = State.DRAINING
            self.watch()
        elif self.state is not State.DRAINING:
            self.finish()

    def fail(self, problem: Exception) -> None:
        """Report an error and close at once."""
        if self.state is not State.CLOSED:
            self._owner._connection_failed(self, as_os_error(problem))
            self.finish()

    def reset(self) -> None:
        """Close at once, and so that the peer sees a failure and no end."""
        self.finish(is_cut=True)

    def hung_up(self) -> None:
        """The connection is closed in both directions, and the poller has forgotten it."""
        try:
            code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except FAILURES as problem:
            self.fail(problem)
            return
        if code:
            self.fail(OSError(code, os.strerror(code)))
        elif not ((self.is_held or self.is_backlogged) and self.state in RECEIVES):
            self.finish()  # else there may be something left to be read, when it is wanted

    def finish(self, is_cut: bool = False) -> None:
        """Close at once; what is pending is lost, and then the peer sees no end but a failure."""
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        writer, self.writer = self.writer, None
        if writer is not None:
            is_cut = True
            writer.close()
        if self._owner._poller is not None:
            self._owner._poller.discard(self.sock)
        if self.tls is not None:
            self.tls.close(not is_cut)
        if is_cut:
            with suppress(OSError):  # it is gone already
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            close(self.sock)  # shutting down would send an end before the reset
        else:
            shut(self.sock)
        self._owner._connection_closed(self)


def shut(sock: Any) -> None:
    """Shut a connection down both ways and close it, whatever state it is in."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # never connected, or the peer was faster
    close(sock)


def as_bytes(data: Any) -> bytes | bytearray | memoryview:
    """Check what is to be written.

    Raises:
        TypeError: It is text, or nothing that has bytes.
    """
    if isinstance(data, bytes | bytearray):
        return data
    try:
        return memoryview(data).cast("B")
    except TypeError:
        raise TypeError(
            f"sockets write bytes, not {type(data).__name__}: encode text first"
        ) from None
