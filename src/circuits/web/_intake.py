"""What one client sends: from bytes to requests.

The intake of a connection reads one request after the other out of the codec, receives their
bodies, and refuses what cannot be served. A body is complete, or its handler is not called; and
whatever raises on the way here, the client is told at once.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from circuits._wire.http1 import Data, RemoteProtocolError, RequestDecoder, RequestHead, State

from . import errors, exceptions, wrappers
from ._exchange import Exchange
from ._exchange import State as ExchangeState
from ._exchange_errors import replace
from ._limits import Share, number
from ._paths import parse_target
from ._request_body import DRAIN_BYTES, BodyStream, IncomingBody
from ._results import status_of

if TYPE_CHECKING:
    from ._connection import Connection

__all__ = ["DECODER_CLOSED", "Intake"]

#: A body must make this much progress in each ``body_timeout``, in bytes.
_PROGRESS_BYTES = 65536

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})

#: What the reader of a streamed body is told, by the status that the codec asks for.
_BODY_PROBLEMS: dict[int | None, type[exceptions.HTTPException]] = {
    408: exceptions.RequestTimeout,
    413: exceptions.RequestEntityTooLarge,
}

#: Nothing of what may still come is a request.
DECODER_CLOSED = State.CLOSED


class Intake:
    """The way in of one connection.

    Attributes:
        decoder: The codec, with what was received ahead.
        body: The body that is being received, or ``None``. It may outlast its exchange.
        is_advancing: Whether :meth:`advance` is at work, and sees what is left.
        is_sated: Whether it waits for its turn to go on.
    """

    __slots__ = (
        "_connection", "_scheme", "_unread_bytes", "body", "decoder", "is_advancing", "is_sated",
    )  # fmt: skip

    def __init__(self, connection: Connection) -> None:
        owner = connection.owner
        self._connection = connection
        self._scheme = "https" if getattr(owner.web_server, "secure", False) else "http"
        self._unread_bytes = 0  # of a body that nobody wants, how many are taken
        self.decoder = RequestDecoder(owner.wire_limits)
        self.is_advancing = self.is_sated = False

    def advance(self) -> None:
        """Go on with what has been received, until there is a request to answer.

        None is begun while the client does not take the answers to those before.
        """
        connection, decoder = self._connection, self.decoder
        if connection.is_congested and connection.exchange is None and connection.incoming is None:
            return
        message: Any = None
        self.is_advancing = True
        try:
            while True:
                message = decoder.next_message()
                if message.__class__ is RequestHead:
                    self._begin(message)
                    if not decoder.buffer.data:
                        break  # as most clients wait for an answer
                elif message is None:
                    if decoder.state is DECODER_CLOSED:
                        connection.close()
                    break
                elif message.__class__ is Data:
                    self._take(message.data)
                else:
                    self._end_body()
                if not connection.is_open or (decoder.pending_bytes and self._must_wait()):
                    break
                if connection.incoming is None and (
                    connection.exchange is not None or connection.must_wait()
                ):
                    break
        except RemoteProtocolError as problem:
            self.refuse(problem.status, problem.head)
        except exceptions.HTTPException as problem:  # from parse_target
            self.refuse(problem.code, message)
        except BaseException as problem:
            self._fail(problem)
        finally:
            self.is_advancing = False

    def _must_wait(self) -> bool:
        """Whether others get their turn before what is left: it was much."""
        turns = self._connection.owner._tree_engine.turns
        if turns.spend() and not self.is_sated:
            self.is_sated = True
            self._connection.hold_reading()
            turns.add(self._end_turn)
        return self.is_sated

    def _end_turn(self) -> None:
        """Others had their turn."""
        connection = self._connection
        self.is_sated = False
        if not connection.is_open or (
            connection.exchange is not None and connection.incoming is None
        ):
            return  # the end of that exchange goes on
        self.advance()
        stream = None if connection.incoming is None else connection.incoming.stream
        if connection.is_open and not (stream is not None and stream.is_full):
            self.read_on()

    def read_on(self) -> None:
        """Read from the client again, if it was held, and does not wait for its turn."""
        if self._connection.is_held and not self.is_sated:
            self._connection.resume_reading()

    def _begin(self, head: RequestHead) -> None:
        path, _, qs = head.target.partition("?")
        raw_path, authority, redirect = path, None, None
        if path[:1] != "/" or "%" in path or "/." in path:  # of others, the codec has seen to it
            path, raw_path, qs, authority, redirect = parse_target(head.target, head.method)
        connection = self._connection
        owner = connection.owner
        if owner.budget.spare_bytes < 0:
            owner.budget.tell()
            raise exceptions.ServiceUnavailable
        version = head.version
        request = wrappers.Request(
            connection.sock,
            head.method,
            self._scheme,
            path,
            version if version < (1, 1) else (1, 1),
            qs,
            head.headers,
            owner.server,
            raw_path,
        )
        if authority is not None:
            request.base = f"{self._scheme}://{authority}"
        if owner.proxies is not None:
            owner.proxies.apply(request)
        exchange = self._make_exchange(request)
        if not head.keep_alive:
            exchange.response.close = True
        if not (head.chunked or head.content_length):  # head.has_body, without the call
            if owner.stream_rules_version != owner._tree_live.routes.version or owner.streams_all:
                if owner.wants_stream(request, False):
                    request.body = BodyStream.of(b"")
            exchange.begin(redirect)
            return
        connection.touch()
        must_ask = head.expect_continue and not self.decoder.pending_bytes
        stream, limits, share = None, owner.limits, Share(owner.budget)
        limit = limits.body_bytes
        if redirect is None and owner.wants_stream(request, True):
            limit = limits.stream_body_bytes
            buffer_bytes = number(limits.stream_buffer_bytes)
            stream = request.body = BodyStream(buffer_bytes, self._body_wanted, share)
        if limit is not None:
            if (head.content_length or 0) > limit:
                self.decoder.release()
                raise RemoteProtocolError(413, f"body of more than {limit} bytes", head)
            self.decoder.limit_body(limit)
        incoming = self._connection.incoming = IncomingBody(head, stream, redirect, share)
        if stream is not None:
            incoming.must_ask = must_ask
            exchange.begin()
            return
        exchange.state = ExchangeState.BODY
        if must_ask:
            connection.write(_CONTINUE)

    def _make_exchange(self, request: wrappers.Request) -> Exchange:
        connection = self._connection
        owner = connection.owner
        if connection.peer is not None:
            request._peer = connection.peer
        response = wrappers.Response(request, owner.encoding)
        exchange = connection.exchange = Exchange(connection, request, response)
        if owner.stopping:
            response.close = True
            owner._tree_engine.hold(connection)
        return exchange

    # -- bodies ------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        incoming = self._connection.incoming
        assert incoming is not None
        before = incoming.size
        if before // _PROGRESS_BYTES != (before + len(data)) // _PROGRESS_BYTES:
            self._connection.touch()
        stream = incoming.stream
        if stream is None:
            incoming.gather(data, number(self._connection.owner.limits.memory_body_bytes))
            return
        incoming.size = before + len(data)
        if self._connection.exchange is not None:
            incoming.must_ask = False  # the client has not waited
            stream.feed(data)
            if stream.is_full:
                self._connection.hold_reading()
            return
        # It was answered without having been read.
        self._unread_bytes -= len(data)
        if self._unread_bytes < 0:
            self._connection.is_cut_off = True
            self._connection.close()

    def _end_body(self) -> None:
        incoming = self._connection.incoming
        assert incoming is not None
        exchange = self._connection.exchange
        if incoming.stream is None:
            assert exchange is not None
            exchange.request.body = incoming.gathered()
            exchange.request._release_later(incoming.share)
            self._connection.incoming = None
            exchange.begin(incoming.redirect)
            return
        self._connection.incoming = None
        incoming.stream.end()
        if exchange is None:
            self._connection.finished(False)
        else:
            self.read_on()

    def _body_wanted(self) -> None:
        """A handler wants more of the body that is being received."""
        incoming, exchange = self._connection.incoming, self._connection.exchange
        if incoming is None or exchange is None:
            return
        outgoing = exchange.outgoing
        if incoming.must_ask and (
            exchange.state < ExchangeState.SENDING or (outgoing is not None and outgoing.is_waiting)
        ):
            incoming.must_ask = False
            self._connection.touch()
            self._connection.write(_CONTINUE)
        if self._connection.is_held:
            self._connection.touch()
            self.read_on()

    # -- refusing ----------------------------------------------------------------------------

    def allow_rest(self) -> None:
        """The body that is being received was answered; a little of it may still come."""
        self._unread_bytes = DRAIN_BYTES

    def refuse(self, status: int | None, head: RequestHead | None = None) -> None:
        """Answer a request that cannot be served, if it deserves that, and close."""
        self._connection.is_cut_off = True
        incoming, self._connection.incoming = self._connection.incoming, None
        exchange = self._connection.exchange
        if incoming is not None:
            incoming.fail(_BODY_PROBLEMS.get(status, exceptions.BadRequest)())
            if incoming.stream is not None:
                # What follows of it is of no use; its reader knows, and may answer.
                if exchange is None:
                    self._connection.close()
                else:
                    exchange.response.close = True
                return
        if status is None:
            self._connection.exchange = None
            if exchange is not None:
                exchange.drop()
            self._connection.finished(True)
            return
        if exchange is None:
            method = "GET" if head is None else head.method
            path = "/" if head is None else head.target.partition("?")[0]
            fields = () if head is None else head.headers
            request = wrappers.Request(
                self._connection.sock,
                method,
                self._scheme,
                path,
                (1, 1),
                "",
                fields,
                self._connection.owner.server,
            )
            request._is_unread = head is None
            exchange = self._make_exchange(request)
        # What is wrong is for the log: it may quote the client, and helps attackers only.
        exchange.response.close = True
        exchange.refuse(errors.HTTPError, status)

    def _fail(self, problem: BaseException) -> None:
        """Something of our own went wrong while a request was received."""
        self._connection.owner.report(problem)
        exchange = self._connection.exchange
        if not self._connection.is_open:
            return
        if exchange is None or exchange.state < ExchangeState.HANDLING:
            no_space = isinstance(problem, OSError) and problem.errno in _NO_SPACE
            self.refuse(507 if no_space else status_of(problem))
        else:
            self._connection.is_cut_off = True
            replace(exchange, problem)
