"""One call of a hosted ASGI application (ASGI 3.0, HTTP 2.4).

It is one task; :class:`Call` is what every call has, :class:`HTTPCall` that of a request. The loop
takes the body out of :class:`~circuits.web._pieces.Pieces` as fast as the client reads; an
application that is ahead of that waits where it sends.
"""

from __future__ import annotations

import asyncio
import os
from contextvars import copy_context
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from circuits.core.errors import EXIT_EXCEPTIONS

from . import exceptions
from ._asgi_hosting_fields import as_bytes, start_of
from ._exchange_state import State
from ._paths import open_file
from ._pieces import Pieces
from ._request_body import BodyStream
from ._response_body import FileRange
from ._websocket_link import GRACE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Protocol

    from circuits.core._clock import Appointment

    from ._asgi_hosting_fields import Fields
    from ._exchange import Exchange
    from ._response import Response

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

    class Gate(Protocol):
        """Who calls applications: what a call needs of it."""

        def _respond(self, response: Response, exchange: Exchange | None) -> None:
            """Send a response."""

        def _refuse(self, response: Response, problem: BaseException) -> None:
            """Answer with an error in place of a response."""

        def _report(self, problem: BaseException) -> None:
            """Tell of an exception."""

        def _call_in(self, seconds: float, call: Callable[[], object]) -> Appointment:
            """Have something done later."""


__all__ = [
    "Call",
    "ClientGone",
    "HTTPCall",
    "is_about",
    "is_asgi",
]

#: How much of a body is given to an application at a time, in bytes.
_PIECE_BYTES = 65536

# Looking up a member of an enum is slow on Python 3.11.
_DONE = State.DONE


class ClientGone(ConnectionResetError):
    """What ``send`` raises when there is nobody to send to."""

    def __init__(self) -> None:
        super().__init__("the client has gone")


def is_about(problem: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an exception is of a kind, or comes of one that is."""
    while problem is not None:
        if isinstance(problem, BaseExceptionGroup):
            return all(is_about(one, kind) for one in problem.exceptions)
        if isinstance(problem, kind):
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def is_asgi(app: Any) -> bool:
    """Whether something is an ASGI 3 application, by the looks of it, and not a WSGI one."""
    while isinstance(app, partial):
        app = app.func
    return iscoroutinefunction(app) or (
        not isinstance(app, type) and iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004 - a method of it
    )


class Call:
    """One call of an application, with a response to a request.

    Attributes:
        response: What it answers with.
        scope: What the application is told.
        is_gone: Whether nobody waits for the rest of it.
    """

    #: What the types of messages that answer begin with.
    _prefix = "http.response"

    __slots__ = (
        "_app", "_context", "_ending", "_exchange", "_fields", "_gate", "_grace", "_has_body",
        "_is_answered", "_is_cancelled", "_is_over", "_length", "_pieces", "_status", "is_gone",
        "response", "scope", "task",
    )  # fmt: skip

    def __init__(
        self,
        gate: Gate,
        app: App,
        scope: dict[str, Any],
        response: Response,
        exchange: Exchange | None,
    ) -> None:
        self.response = response
        self.scope = scope
        self._gate = gate
        self._app = app
        self._exchange = exchange
        self.is_gone = False
        #: What is to be cancelled when time is up; set by who makes it.
        self.task: asyncio.Task[Any] | None = None
        self._status: int | None = None  # when the head is known
        self._fields: Fields = ()
        self._length: bytes | None = None  # of the body, as the application says
        self._pieces: Pieces | None = None
        # There is a body of the request, or an end of it, that the application does not know yet.
        self._has_body = True
        self._is_answered = False  # completely
        self._is_cancelled = False
        self._is_over = False  # there is no client, or it has its answer
        self._ending: asyncio.Event | None = None  # that is so; when it is waited for
        self._grace: Appointment | None = None
        # What is done for others in the task must not see what belongs to that.
        self._context = copy_context()
        response._adopt(self)

    async def run(self) -> None:
        """Call the application; what it raises ends the response, and nothing else."""
        try:
            await self._app(self.scope, self.receive, self.send)
            self._ended(None)
        except asyncio.CancelledError:
            self._is_cancelled = True
            self._ended(RuntimeError("the application was cancelled"))
            raise
        except BaseException as problem:
            self._ended(problem)
            if isinstance(problem, EXIT_EXCEPTIONS):
                raise
        finally:
            self.task = None
            if self._grace is not None:
                self._grace.cancel()

    async def receive(self) -> Message:
        """The next message for the application."""
        raise NotImplementedError

    async def send(self, message: Message) -> None:
        """Take a message of the application."""
        raise NotImplementedError

    def _ended(self, problem: BaseException | None) -> None:
        """The application has returned, or raised something."""
        if self.is_gone or self._is_answered:
            # That a client goes is no fault of the application.
            if problem is not None and not self._is_cancelled and not is_about(problem, ClientGone):
                self._gate._report(problem)
            return
        self._is_answered = True
        if problem is None:
            problem = RuntimeError("the application has returned before its response was complete")
        if self._pieces is not None:
            self._pieces.end(problem)
        else:
            self._gate._report(problem)
            self._context.run(self._gate._refuse, self.response, problem)

    def close(self) -> None:
        """The response is over, or its client has gone."""
        self._is_over = True
        if self._ending is not None:
            self._ending.set()
        if not self.response.done:
            self._go()

    def _go(self) -> None:
        """Nobody waits any more: give the application some time to find out."""
        self.is_gone = True
        if self.task is not None and self._grace is None:
            self._grace = self._gate._call_in(GRACE_SECONDS, self.cancel)

    def cancel(self) -> None:
        """Cancel the application."""
        if self.task is not None:
            self.task.cancel()

    # -- the response ------------------------------------------------------------------------

    async def _answer(self, message: Message) -> bool:
        """Take a message of a response; whether it is one."""
        kind = message["type"]
        if kind == f"{self._prefix}.start":
            self._start(message)
        elif kind == f"{self._prefix}.body":
            if self._take(message):
                await self._drain()
        elif kind == "http.response.pathsend" and self._prefix == "http.response":
            self._check_started(kind)
            if self._pieces is not None:
                raise RuntimeError(f"{kind} in the middle of a body")
            self._send_path(os.fspath(message["path"]))
        else:
            return False
        return True

    def _start(self, message: Message) -> None:
        if self._status is not None:
            raise RuntimeError(f"{message['type']} was sent before")
        status = message["status"]
        if status.__class__ is bool or not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"status must be a number from 200 to 599, not {status!r}")
        self._fields, self._length, closes = start_of(tuple(message.get("headers", ())))
        if closes:
            self.response.close = True
        self._status = int(status)

    def _take(self, message: Message) -> bool:
        """Take a piece of the body; whether to wait until there is room for more."""
        if self._status is None or self._is_answered or self.is_gone:
            self._check_started(message["type"])
        data = message.get("body", b"")
        if data.__class__ is not bytes:
            data = as_bytes(data)
        more, pieces, response = message.get("more_body", False), self._pieces, self.response
        if pieces is not None:
            pieces.add(data)
        elif more:
            self._apply()
            pieces = self._pieces = Pieces(asyncio.get_running_loop())
            pieces.add(data)
            response.stream = True
            self._set_body(pieces)
            response._adopt(self)
            self._respond()
        else:
            self._is_answered = True
            self._respond_whole(data)
            return False
        if not more:
            self._is_answered = True
            pieces.end()
        return bool(more)

    def _check_started(self, kind: str) -> None:
        if self._is_answered:
            raise RuntimeError(f"{kind} behind the end of the response")
        if self._status is None:
            raise RuntimeError(f"{kind} before {self._prefix}.start")
        if self.is_gone:
            raise ClientGone

    async def _drain(self) -> None:
        assert self._pieces is not None
        await self._pieces.drain()
        if self.is_gone:
            raise ClientGone

    def _send_path(self, path: str) -> None:
        file, status = open_file(path)
        self._length = None
        self._apply()
        self._is_answered = True
        self._set_body(FileRange(file, 0, status.st_size))
        self.response._adopt(self)
        self.response.headers["Content-Length"] = str(status.st_size)
        self._respond()

    def _set_body(self, body: Any) -> None:
        response = self.response
        # What was there is closed when a body takes its place; this call is not over.
        resources = response._resources
        if resources is not None and self in resources:
            resources.remove(self)
            if not resources:
                response._resources = None
        response.body = body

    def _respond(self) -> None:
        self._context.run(self._gate._respond, self.response, self._exchange)

    def _respond_whole(self, data: bytes) -> None:
        response, exchange = self.response, self._exchange
        self._apply(data)
        if exchange is None:
            self._set_body(data)
            response._adopt(self)
            self._respond()
            return
        if response._resources == [self]:  # as _set_body and Body have it, without the calls
            response._resources = None
            response._body = [data] if data else []
        else:
            self._set_body(data)
        self._context.run(self._gate._respond, response, exchange)
        # Mostly all is over now, and nothing was kept that would have to be closed for that.
        if response.done or exchange.state is _DONE or exchange.response is not response:
            self.close()
        else:
            response._adopt(self)

    def _apply(self, body: bytes = b"") -> None:
        """Put status and fields into the response, which has that body, or another one."""
        response, fields, length = self.response, self._fields, self._length
        assert self._status is not None
        response.code = self._status
        # A length that is known is told anyway; that of the answer to HEAD is what GET would get.
        if length is not None and not (
            body and response.code != 304 and response.request.method != "HEAD"
        ):
            fields = (*fields, ("content-length", length.decode()))
        if fields:
            response._take_fields(fields)


class HTTPCall(Call):
    """The call for an HTTP request."""

    __slots__ = ()

    async def receive(self) -> Message:
        if self._has_body and not self._is_over:
            try:
                data, more = await self._read()
            except exceptions.HTTPException as problem:
                # What the client sends is wrong; the application cannot know what to say to that.
                if self._pieces is None and not self._is_answered:
                    self._is_answered = True
                    self._context.run(self._gate._refuse, self.response, problem)
            except (ConnectionError, ValueError):  # the client has gone, or has its answer
                pass
            else:
                self._has_body = more
                return {"type": "http.request", "body": data, "more_body": more}
        if not self._is_over:
            if self._ending is None:
                self._ending = asyncio.Event()
            await self._ending.wait()
        return {"type": "http.disconnect"}

    async def _read(self) -> tuple[bytes, bool]:
        """A piece of the body, and whether there is more."""
        body: Any = self.response.request._body
        if body is None:
            return b"", False
        if isinstance(body, BodyStream):
            data = await body.read(_PIECE_BYTES)
            return data, bool(data) and not body.is_at_end
        if isinstance(body, bytes):
            return body, False
        data = body.read(_PIECE_BYTES)
        return data, len(data) == _PIECE_BYTES

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._start(message)
        elif kind == "http.response.body":
            if self._take(message):
                await self._drain()
        elif not await self._answer(message):
            raise RuntimeError(f"an HTTP response has no message {message['type']!r:.80}")
