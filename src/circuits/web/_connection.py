"""A connection of a web server: reading ahead, pausing, lingering, and time.

It reads one request after the other and has an :class:`~circuits.web._exchange.Exchange` answer
it. It knows no events. In every state it is in reach of its client's end and of a time-out: its
own, or that of the transport while data is pending, or that of who has taken it over; only a
handler may take as long as it likes, while its client is there.
"""

from __future__ import annotations

import enum
import errno
from typing import Any

from circuits._wire import LocalProtocolError
from circuits._wire.http1 import Data, RemoteProtocolError, RequestDecoder, RequestHead
from circuits._wire.http1 import State as Decoding
from circuits.core import _clock
from circuits.net.sockets import Read

from . import errors, exceptions, wrappers
from ._body_stream import DRAIN_BYTES, BodyStream, IncomingBody
from ._exchange import Exchange
from ._exchange import State as ExchangeState
from ._paths import parse_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuits.core._clock import Appointment

    from ._connections import Connections
    from ._transport import Takeover
    from .http import HTTP

__all__ = ["Connection", "State"]

#: What a client may send ahead of the answer before we stop reading from it: in bytes, and in
#: requests (without a body; what looks like one counts).
_AHEAD_BYTES = 65536
_AHEAD_REQUESTS = 16

#: A body must make this much progress in each ``body_timeout``, in bytes.
_PROGRESS_BYTES = 65536

#: How long, and for how much, a client is listened to after an answer that came before it had
#: finished. As much as a body may have by default: who sends one sees the answer.
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 16 * 1024 * 1024

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})

#: What the reader of a streamed body is told, by the status that the codec asks for.
_BODY_PROBLEMS: dict[int | None, type[exceptions.HTTPException]] = {
    408: exceptions.RequestTimeout,
    413: exceptions.RequestEntityTooLarge,
}


class State(enum.IntEnum):
    """Where a connection is."""

    IDLE = 0  # between two requests
    ACTIVE = 1  # a request is awaited, received or answered
    TAKEN = 2  # another protocol has it
    CLOSING = 3  # a close was asked for; what is pending is still sent
    LINGERING = 4  # everything is sent, and what the client still says is thrown away
    CLOSED = 5


_IDLE, _ACTIVE, _TAKEN, _CLOSING, _LINGERING, _CLOSED = State
_DECODER_CLOSED = Decoding.CLOSED


class Connection:
    """One client.

    Attributes:
        owner: The component that it belongs to.
        sock: What the transport knows it by.
        peer: Address of the client, or ``None``.
        state: Where it is.
        exchange: The request that is being gathered or answered, or ``None``.
        incoming: The body that is being received, or ``None``. It may outlast its exchange.
        successor: Who takes over, or has.
        at_end: The client has finished writing.
        is_congested: The client does not read: stop producing.
        is_held: We do not read.
        is_cut_off: We close although the client may have more to say.
    """

    __slots__ = (
        "_age", "_connections", "_decoder", "_is_advancing", "_linger", "_scheme", "_unheard_bytes",
        "at_end", "exchange", "incoming", "is_congested", "is_cut_off", "is_held", "owner", "peer",
        "sock", "state", "successor",
    )  # fmt: skip

    def __init__(self, owner: HTTP, connections: Connections, sock: Any) -> None:
        self.owner = owner
        self.sock = sock
        self.peer: tuple[Any, Any] | None = None
        self.state = _ACTIVE
        self.exchange: Exchange | None = None
        self.incoming: IncomingBody | None = None
        self.successor: Takeover | None = None
        self.at_end = False
        self.is_congested = False
        self.is_held = False
        self.is_cut_off = False
        self._connections = connections
        self._scheme = owner.scheme
        self._decoder = RequestDecoder(owner.limits)
        self._is_advancing = False
        self._unheard_bytes = 0  # of what will not be looked at, how many are taken
        self._linger: Appointment | None = None  # when we close though the client still speaks
        self._age = connections.sweeps  # number of the sweep when this phase began

    # -- receiving ---------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what the client has sent."""
        if self.state is _IDLE:
            self.state = _ACTIVE
            self._age = self._connections.sweeps
        elif self.state is not _ACTIVE:
            self._receive_other(data)
            return
        try:
            self._decoder.receive_data(data)
        except LocalProtocolError:
            self.close()
            return
        if self.exchange is None or self.incoming is not None:
            self.advance()
        if self.exchange is not None or self.is_congested:
            decoder = self._decoder
            if decoder.pending_bytes > _AHEAD_BYTES or decoder.pending_heads > _AHEAD_REQUESTS:
                self.hold_reading()

    def _receive_other(self, data: bytes) -> None:
        if self.state is _TAKEN:
            if self.successor is not None:
                self.successor.receive(data)
        elif self.state is _LINGERING:
            self._unheard_bytes -= len(data)
            if self._unheard_bytes < 0:
                self.hang_up()

    def end_of_input(self) -> bool:
        """The client has finished writing.

        Returns:
            Whether there is something to answer; then it is closed afterwards.
        """
        if self.state > _ACTIVE:
            return False
        self.at_end = True
        self._age = self._connections.sweeps
        self._decoder.receive_eof()
        if self.exchange is None or self.incoming is not None:
            self.advance()
        return self.exchange is not None or (
            self.state <= _ACTIVE and bool(self._decoder.pending_bytes)
        )

    def advance(self) -> None:
        """Go on with what has been received, until there is a request to answer.

        None is begun while the client does not take the answers to those before.
        """
        if self.is_congested and self.exchange is None and self.incoming is None:
            return
        decoder = self._decoder
        message: Any = None
        self._is_advancing = True
        try:
            while True:
                message = decoder.next_message()
                if message.__class__ is RequestHead:
                    self._begin(message)
                    if not decoder.pending_bytes:
                        break  # as most clients wait for an answer
                elif message is None:
                    if decoder.state is _DECODER_CLOSED:
                        self.close()
                    break
                elif message.__class__ is Data:
                    self._take(message.data)
                else:
                    self._end_body()
                if self.state > _ACTIVE:
                    break
                if self.incoming is None and (self.exchange is not None or self._must_wait()):
                    break
        except RemoteProtocolError as problem:
            self.refuse(problem.status, problem.head)
        except exceptions.HTTPException as problem:  # from parse_target
            self.refuse(problem.code, message)
        except Exception as problem:
            self._fail(problem)
        finally:
            self._is_advancing = False

    def _begin(self, head: RequestHead) -> None:
        target = parse_target(head.target, head.method)
        owner = self.owner
        version = head.version
        request = wrappers.Request(
            self.sock,
            head.method,
            self._scheme,
            target.path,
            version if version < (1, 1) else (1, 1),
            target.qs,
            head.headers,
            owner.server,
            target.raw_path,
        )
        if target.authority is not None:
            request.base = f"{self._scheme}://{target.authority}"
        exchange = self._make_exchange(request)
        if not head.keep_alive:
            exchange.response.close = True
        redirect = target.redirect
        if not head.has_body:
            if owner.choosers_version != owner._tree_live.routes.version or owner.streams_all:
                if owner.wants_stream(request, False):
                    request.body = BodyStream.of(b"")
            exchange.begin(redirect)
            return
        self._age = self._connections.sweeps
        must_ask = head.expect_continue and not self._decoder.pending_bytes
        stream = None
        if redirect is None and owner.wants_stream(request, True):
            stream = request.body = BodyStream(owner.stream_buffer_bytes, self._body_wanted)
        incoming = self.incoming = IncomingBody(head, stream, redirect)
        if stream is not None:
            incoming.must_ask = must_ask
            exchange.begin()
            return
        exchange.state = ExchangeState.BODY
        if must_ask:
            self.write(_CONTINUE)

    def _make_exchange(self, request: wrappers.Request) -> Exchange:
        owner = self.owner
        if self.peer is not None:
            request._peer = self.peer
        response = wrappers.Response(request, owner.encoding)
        exchange = self.exchange = Exchange(self, request, response)
        if owner.stopping:
            response.close = True
            owner._tree_engine.hold(self)
        return exchange

    # -- bodies ------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        incoming = self.incoming
        assert incoming is not None
        before = incoming.size
        if before // _PROGRESS_BYTES != (before + len(data)) // _PROGRESS_BYTES:
            self._age = self._connections.sweeps
        stream = incoming.stream
        if stream is None:
            incoming.gather(data, self.owner.memory_body_bytes)
            return
        incoming.size = before + len(data)
        if self.exchange is not None:
            incoming.must_ask = False  # the client has not waited
            stream.feed(data)
            if stream.is_full:
                self.hold_reading()
            return
        # It was answered without having been read.
        self._unheard_bytes -= len(data)
        if self._unheard_bytes < 0:
            self.is_cut_off = True
            self.close()

    def _end_body(self) -> None:
        incoming = self.incoming
        assert incoming is not None
        exchange = self.exchange
        if incoming.stream is None:
            assert exchange is not None
            exchange.request.body = incoming.gathered()
            self.incoming = None
            exchange.begin(incoming.redirect)
            return
        self.incoming = None
        incoming.stream.end()
        if exchange is None:
            self.finished(False)
        elif self.is_held:
            self.resume_reading()

    def _body_wanted(self) -> None:
        """A handler wants more of the body that is being received."""
        incoming, exchange = self.incoming, self.exchange
        if incoming is None or exchange is None:
            return
        if incoming.must_ask and exchange.state < ExchangeState.SENDING:
            incoming.must_ask = False
            self._age = self._connections.sweeps
            self.write(_CONTINUE)
        if self.is_held:
            self._age = self._connections.sweeps
            self.resume_reading()

    # -- refusing ----------------------------------------------------------------------------

    def refuse(self, status: int | None, head: RequestHead | None = None) -> None:
        """Answer a request that cannot be served, if it deserves that, and close."""
        self.is_cut_off = True
        incoming, self.incoming = self.incoming, None
        exchange = self.exchange
        if incoming is not None:
            incoming.fail(_BODY_PROBLEMS.get(status, exceptions.BadRequest)())
            if incoming.stream is not None:
                # What follows of it is of no use; its reader knows, and may answer.
                if exchange is None:
                    self.close()
                else:
                    exchange.response.close = True
                return
        if status is None:
            self.exchange = None
            if exchange is not None:
                exchange.drop()
            self.finished(True)
            return
        if exchange is None:
            method = "GET" if head is None else head.method
            path = "/" if head is None else head.target.partition("?")[0]
            fields = () if head is None else head.headers
            request = wrappers.Request(
                self.sock, method, self._scheme, path, (1, 1), "", fields, self.owner.server
            )
            exchange = self._make_exchange(request)
        # What is wrong is for the log: it may quote the client, and helps attackers only.
        exchange.response.close = True
        exchange.refuse(errors.HTTPError, status)

    def _fail(self, problem: Exception) -> None:
        """Something of our own went wrong while a request was received."""
        self.owner.report(problem)
        exchange = self.exchange
        if self.state > _ACTIVE:
            return
        if exchange is None or exchange.state < ExchangeState.HANDLING:
            no_space = isinstance(problem, OSError) and problem.errno in _NO_SPACE
            self.refuse(507 if no_space else 500)
        else:
            self.is_cut_off = True
            exchange.replace(problem)

    # -- answered ----------------------------------------------------------------------------

    def finished(self, must_close: bool, is_switched: bool = False) -> None:
        """Close after an exchange, or go on with what the client has sent meanwhile.

        Args:
            must_close: Whether the connection ends with it.
            is_switched: Whether another protocol follows.
        """
        if self.state > _ACTIVE:
            return
        incoming, owner = self.incoming, self.owner
        if incoming is not None and incoming.stream is not None:
            incoming.stream.close()
            self.is_cut_off = must_close = must_close or not incoming.may_drain
        if owner.stopping:
            owner._tree_engine.release(self)
            must_close = True
        if is_switched:
            self._switch()
            return
        if self.successor is not None:
            self._end_successor()
        if must_close:
            self.close()
            return
        self._age = self._connections.sweeps
        if incoming is None:
            self.state = _IDLE
        else:
            self._unheard_bytes = DRAIN_BYTES
        if self.is_held:
            self.resume_reading()
        decoder = self._decoder
        if decoder.pending_bytes:
            self.state = _ACTIVE
            if not self._is_advancing:
                # Not from here: a client that sends a thousand requests at once must not nest them.
                owner.later(self._go_on)
        elif decoder.state is _DECODER_CLOSED or self.at_end:
            self.close()

    def _must_wait(self) -> bool:
        """Whether no request may be begun before the client takes the answers to those before."""
        if self.owner._tree_engine.queue:  # what was written may be among that
            self.owner.later(self._go_on)
            return True
        return self.owner.transport.is_congested(self.sock)

    def _go_on(self) -> None:
        if self.state is _ACTIVE and self.exchange is None:
            if not self.owner.transport.is_congested(self.sock):
                self.advance()

    def set_congested(self, is_congested: bool) -> None:
        """The client does not keep up, or does again."""
        self.is_congested = is_congested
        if is_congested:
            return
        self._age = self._connections.sweeps
        if self.exchange is not None:
            self.exchange.pull()
        elif self._decoder.pending_bytes:
            self._go_on()

    # -- another protocol --------------------------------------------------------------------

    def _switch(self) -> None:
        """Hand over to the successor; without one, what comes is for other handlers of ``read``."""
        self.state = _TAKEN
        if self.is_held:
            self.resume_reading()
        rest = self._decoder.release()
        if self.successor is not None:
            self.successor.begin(self)
            if rest and self.state is _TAKEN:
                self._receive_other(rest)
        elif rest:
            self.owner.fire(Read(self.sock, rest))
        if self.owner.stopping:
            self.stop()

    def _end_successor(self) -> None:
        successor, self.successor = self.successor, None
        if successor is not None:
            successor.closed()

    # -- the transport -----------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write to the client."""
        if self.incoming is None:
            self._age = self._connections.sweeps
        self.owner.write_door(self.sock, data)

    def hold_reading(self) -> None:
        """Read nothing more for now."""
        if not self.is_held:
            self.is_held = True
            self.owner.transport.pause_reading(self.sock)

    def resume_reading(self) -> None:
        """Read on."""
        self.is_held = False
        self.owner.transport.resume_reading(self.sock)

    # -- ending ------------------------------------------------------------------------------

    def close(self) -> None:
        """Close when all is written; a client that may have more to say is heard before."""
        if self.state >= _CLOSING:
            return
        may_say_more = self.is_cut_off or (self.state <= _ACTIVE and self._decoder.pending_bytes)
        self.state = _CLOSING
        if may_say_more and not self.at_end:
            self.owner.linger_door(self)
        else:
            self.hang_up()

    def linger(self) -> None:
        """Close for writing, and hear the client out.

        Closing while unread bytes are there would reset the connection, and the client lose the
        answer that it has not read yet (RFC 9112, 9.6).
        """
        if self.state is not _CLOSING:
            return
        owner = self.owner
        if owner.stopping or not owner.transport.finish_writing(self.sock):
            self.hang_up()
            return
        self.state = _LINGERING
        self._unheard_bytes = _LINGER_BYTES
        self._linger = owner._tree_engine.schedule.call_at(
            _clock.now() + _LINGER_SECONDS, self.hang_up
        )
        if self.is_held:
            self.resume_reading()

    def hang_up(self) -> None:
        """Close when all is written."""
        self._forget_linger()
        self.state = _CLOSING
        self.owner.close_door(self.sock)

    def cut(self, is_reset: bool = False) -> None:
        """Close in the middle of whatever there is.

        Args:
            is_reset: Whether the client has to see that this is not an end.
        """
        if self.state >= _CLOSING:
            return
        self.drop()
        if not (is_reset and self.owner.transport.abort(self.sock)):
            self.hang_up()

    def drop(self) -> None:
        """Give up what was kept for it: it has ended."""
        self.state = _CLOSED
        self._forget_linger()
        self.owner._tree_engine.release(self)
        incoming, self.incoming = self.incoming, None
        exchange, self.exchange = self.exchange, None
        if incoming is not None:
            incoming.fail(ConnectionResetError("the client has gone in the middle of its request"))
        if exchange is not None:
            exchange.drop()
        self._end_successor()

    def _forget_linger(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def stop(self) -> None:
        """The application stops: close what is idle, let what is being answered be answered."""
        exchange = self.exchange
        if self.state is _TAKEN and self.successor is not None:
            self.successor.stopping()
        elif exchange is not None:
            self.owner._tree_engine.hold(self)
            if exchange.state < ExchangeState.SENDING:
                exchange.response.close = True
        elif self.state is _LINGERING:
            self.hang_up()
        else:
            self.close()

    def check(self, sweeps: int, interval: float) -> None:
        """Look after a client that takes too long.

        Args:
            sweeps: Number of this sweep.
            interval: Seconds from one sweep to the next.
        """
        if self.state > _ACTIVE:
            return  # the transport and the successor see to that
        if self.is_congested:  # the transport fails it if the client never goes on
            self._age = sweeps
            return
        owner, incoming = self.owner, self.incoming
        seconds = (sweeps - self._age) * interval
        if incoming is not None and not (self.is_held or incoming.must_ask):
            if seconds > owner.body_timeout:
                self.refuse(408, incoming.head)
        elif self.exchange is not None:
            # A handler is waited for. Who has finished writing may have gone as well.
            if self.at_end and seconds > owner.idle_timeout:
                self.cut()
        elif self.state is _IDLE:
            if seconds > owner.idle_timeout:
                self.close()
        elif seconds > owner.header_timeout:
            if self._decoder.pending_bytes:
                self.refuse(408)
            else:
                self.close()
