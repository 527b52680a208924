"""A connection of a web server: reading ahead, pausing, lingering, and time.

It reads one request after the other and has an :class:`~circuits.web._exchange.Exchange` answer
it. It handles no events. In every state it is in reach of its client's end and of a time-out: its
own, or that of the transport while data is pending, or that of who has taken it over; only a
handler may take as long as it likes, while its client is there.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from circuits._wire import LocalProtocolError
from circuits.core._clock import NEVER
from circuits.net.sockets import Read

from ._exchange import State as ExchangeState
from ._intake import DECODER_CLOSED, Intake
from ._request_body import ClientGone

if TYPE_CHECKING:
    from ._connections import Connections
    from ._exchange import Exchange
    from ._request_body import IncomingBody
    from ._transport import Takeover
    from .http import HTTP

__all__ = ["Connection", "State"]

#: What a client may send ahead of the answer before we stop reading from it, in bytes. Requests
#: are limited, too (without a body; what looks like one counts).
_AHEAD_BYTES = 65536

#: How long, and for how much, a client is listened to after an answer that came before it had
#: finished. As much as a body may have by default: who sends one sees the answer.
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 16 * 1024 * 1024


class State(enum.IntEnum):
    """Where a connection is."""

    IDLE = 0  # between two requests
    ACTIVE = 1  # a request is awaited, received or answered
    TAKEN = 2  # another protocol has it
    CLOSING = 3  # a close was asked for; what is pending is still sent
    LINGERING = 4  # everything is sent, and what the client still says is thrown away
    CLOSED = 5


_IDLE, _ACTIVE, _TAKEN, _CLOSING, _LINGERING, _CLOSED = State


class Connection:
    """One client.

    Attributes:
        owner: The component that it belongs to.
        sock: What the transport knows it by.
        peer: Address of the client, or ``None``.
        state: Where it is.
        exchange: The request that is being gathered or answered, or ``None``.
        intake: What makes requests of what it sends.
        incoming: The body that is being received, or ``None``.
        successor: Who takes over, or has.
        at_end: The client has finished writing.
        is_congested: The client does not read: stop producing.
        is_held: We do not read.
        is_cut_off: We close although the client may have more to say.
    """

    __slots__ = (
        "_age", "_connections", "_linger", "_unheard_bytes", "at_end", "exchange", "intake",
        "incoming", "is_congested", "is_cut_off", "is_held", "owner", "peer", "sock", "state", "successor",
    )  # fmt: skip

    def __init__(self, owner: HTTP, connections: Connections, sock: Any) -> None:
        self.owner = owner
        self.sock = sock
        self.peer: tuple[Any, Any] | None = None
        self.state = _ACTIVE
        self.exchange: Exchange | None = None
        self.intake = Intake(self)
        self.incoming: IncomingBody | None = None
        self.successor: Takeover | None = None
        self.at_end = False
        self.is_congested = False
        self.is_held = False
        self.is_cut_off = False
        self._connections = connections
        self._unheard_bytes = 0  # of what will not be looked at, how many are taken
        self._linger = NEVER  # when we close though the client still speaks
        self._age = connections.sweeps  # number of the sweep when this phase began

    @property
    def is_open(self) -> bool:
        """Whether requests are read from it."""
        return self.state <= _ACTIVE

    def touch(self) -> None:
        """Something has happened that a time-out waits for."""
        self._age = self._connections.sweeps

    # -- receiving ---------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Take what the client has sent."""
        if self.state is _IDLE:
            self.state = _ACTIVE
            self._age = self._connections.sweeps
        elif self.state is not _ACTIVE:
            if self.state is _TAKEN and self.successor is not None:
                self.successor.receive_data(data)
            else:
                self._receive_other(data)
            return
        intake = self.intake
        decoder = intake.decoder
        try:
            decoder.receive_data(data)
        except LocalProtocolError:
            self.close()
            return
        if self.exchange is None or self.incoming is not None:
            intake.advance()
        if self.exchange is not None or self.is_congested:
            most = self.owner.limits.ahead_requests
            if decoder.pending_bytes > _AHEAD_BYTES or (
                most is not None and decoder.pending_heads > most
            ):
                self.hold_reading()

    def _receive_other(self, data: bytes) -> None:
        if self.state is _TAKEN:
            if self.successor is not None:
                self.successor.receive_data(data)
        elif self.state is _LINGERING:
            self._unheard_bytes -= len(data)
            if self._unheard_bytes < 0:
                self.hang_up()

    def end_of_input(self) -> bool:
        """The client has finished writing.

        Returns:
            Whether there is something to answer; then it is closed afterwards.
        """
        intake = self.intake
        if self.state <= _ACTIVE:
            self._age = self._connections.sweeps
            self.at_end = True
            intake.decoder.receive_eof()
            if self.exchange is None or self.incoming is not None:
                intake.advance()
        if self.state is _CLOSING:
            # The last answer may be on its way, as an event, with the close behind it.
            self.at_end = True
            return True
        return self.state <= _ACTIVE and (
            self.exchange is not None or bool(intake.decoder.pending_bytes)
        )

    # -- answered ----------------------------------------------------------------------------

    def finished(self, must_close: bool, is_switched: bool = False) -> None:
        """Close after an exchange, or go on with what the client has sent meanwhile.

        Args:
            must_close: Whether the connection ends with it.
            is_switched: Whether another protocol follows.
        """
        if self.state > _ACTIVE:
            return
        intake, owner = self.intake, self.owner
        incoming = self.incoming
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
            intake.allow_rest()
        if self.is_held:
            intake.read_on()
        decoder = intake.decoder
        if decoder.buffer.data:
            self.state = _ACTIVE
            if not intake.is_advancing:
                # Not from here: a client that sends a thousand requests at once must not nest them.
                owner.later(self._go_on)
        elif decoder.state is DECODER_CLOSED or self.at_end:
            self.close()

    def must_wait(self) -> bool:
        """Whether no request may be begun before the client takes the answers to those before."""
        if self.owner._tree_engine.queue:  # what was written may be among that
            self.owner.later(self._go_on)
            return True
        return self.owner.transport.is_congested(self.sock)

    def _go_on(self) -> None:
        if self.state is _ACTIVE and self.exchange is None and not self.intake.is_sated:
            if not self.owner.transport.is_congested(self.sock):
                self.intake.advance()

    def set_congested(self, is_congested: bool) -> None:
        """The client does not keep up, or does again."""
        self.is_congested = is_congested
        if self.state is _TAKEN and self.successor is not None:
            self.successor.congested(is_congested)
        if is_congested:
            return
        self._age = self._connections.sweeps
        if self.exchange is not None:
            if self.exchange.outgoing is not None:
                self.exchange.outgoing.pull()
        elif self.intake.decoder.pending_bytes:
            self._go_on()

    def broken(self, problem: Exception) -> None:
        """The transport has failed, and tells the end next."""
        if self.state is _TAKEN and self.successor is not None:
            self.successor.broken(problem)

    # -- another protocol --------------------------------------------------------------------

    def _switch(self) -> None:
        """Hand over to the successor; without one, what comes is for other handlers of ``read``."""
        self.state = _TAKEN
        if self.is_held:
            self.resume_reading()
        rest = self.intake.decoder.release()
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
        self.owner.write_door.call(self.sock, data)

    def must_pause(self) -> bool:
        """Whether the client does not keep up with what is written."""
        return self.owner.transport.is_congested(self.sock)

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
        may_say_more = self.is_cut_off or self.intake.decoder.pending_bytes
        self.state = _CLOSING
        if may_say_more and not self.at_end:
            self.owner.linger_door.call(self)
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
        if self.at_end or owner.stopping or not owner.transport.finish_writing(self.sock):
            self.hang_up()
            return
        self.state = _LINGERING
        self._unheard_bytes = _LINGER_BYTES
        self._linger = owner._tree_engine.schedule.call_in(_LINGER_SECONDS, self.hang_up)
        if self.is_held:
            self.resume_reading()

    def hang_up(self) -> None:
        """Close when all is written."""
        self._linger.cancel()
        self.state = _CLOSING
        self.owner.close_door.call(self.sock)

    def cut(self, is_reset: bool = False) -> None:
        """Close in the middle of whatever there is.

        Args:
            is_reset: Whether the client has to see that this is not an end.
        """
        if self.state < _CLOSING:
            self._leave(is_reset)

    def abandon(self) -> None:
        """Nobody is left who would answer the client, or close after the answer: close now."""
        self._leave(self.exchange is not None and self.exchange.is_open_ended)

    def _leave(self, is_reset: bool) -> None:
        self.drop()
        if not (is_reset and self.owner.transport.abort(self.sock)):
            self.hang_up()

    def drop(self) -> None:
        """Give up what was kept for it: it has ended."""
        self.state = _CLOSED
        self._linger.cancel()
        self.owner._tree_engine.release(self)
        incoming, self.incoming = self.incoming, None
        exchange, self.exchange = self.exchange, None
        if incoming is not None:
            incoming.fail(ClientGone())
        if exchange is not None:
            exchange.drop()
        self._end_successor()

    def stop(self) -> None:
        """The application stops: close what is idle, let what is being answered be answered."""
        exchange = self.exchange
        if self.state is _TAKEN and self.successor is not None:
            self.successor.stopping()
        elif exchange is not None:
            self.owner._tree_engine.hold(self)
            if exchange.state < ExchangeState.SENDING:
                exchange.response.close = True
            elif exchange.outgoing is not None:
                exchange.outgoing.stop()
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
        # The transport fails it if the client never takes what is written.
        if self.is_congested or self.intake.is_sated:
            self._age = sweeps
            return
        owner, incoming = self.owner, self.incoming
        seconds = (sweeps - self._age) * interval
        if incoming is not None and not (self.is_held or incoming.must_ask):
            if seconds > _seconds(owner.limits.body_timeout):
                self.intake.refuse(408, incoming.head)
        elif self.exchange is not None:
            # A handler is waited for. Who has finished writing may have gone as well.
            if self.at_end and seconds > _seconds(owner.limits.idle_timeout):
                self.cut()
        elif self.state is _IDLE:
            if seconds > _seconds(owner.limits.idle_timeout):
                self.close()
        elif seconds > _seconds(owner.limits.header_timeout):
            if self.intake.decoder.pending_bytes:
                self.intake.refuse(408)
            else:
                self.close()


def _seconds(timeout: float | None) -> float:
    return float("inf") if timeout is None else timeout
