"""ASGI as rules, and one HTTP request of a hosted application (ASGI 3.0, HTTP 2.4).

What an application is told is made by :func:`make_scope`. A call of it is one task; :class:`Call`
is what every call has, :class:`HTTPCall` that of a request. The loop takes the body out of
:class:`~circuits.web._pieces.Pieces` as fast as the client reads; an application that is ahead of that waits where it sends.
"""

from __future__ import annotations

import asyncio
import os
from contextvars import copy_context
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from . import exceptions
from ._paths import open_file, unescape_segment
from ._pieces import Pieces
from ._request_body import BodyStream
from ._response_body import FileRange
from ._websocket_link import GRACE_SECONDS
from ._wsgi_hosting import HOP_BY_HOP
from .headers import check_name, check_value, to_wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Protocol

    from circuits.core._clock import Appointment

    from ._request import Request
    from ._response import Response

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

    class Gate(Protocol):
        """Who calls applications: what a call needs of it."""

        def _respond(self, response: Response) -> None:
            """Send a response."""

        def _refuse(self, response: Response, problem: BaseException) -> None:
            """Answer with an error in place of a response."""

        def _report(self, problem: BaseException) -> None:
            """Tell of an exception."""

        def _call_in(self, seconds: float, call: Callable[[], object]) -> Appointment:
            """Have something done later."""


__all__ = [
    "VERSIONS",
    "Call",
    "ClientGone",
    "HTTPCall",
    "as_bytes",
    "is_about",
    "is_asgi",
    "make_scope",
    "response_fields",
]

#: Of ASGI, and of its messages for HTTP and WebSocket.
VERSIONS = {"version": "3.0", "spec_version": "2.4"}

#: How much of a body is given to an application at a time, in bytes.
_PIECE_BYTES = 65536


class ClientGone(ConnectionResetError):
    """What ``send`` raises when there is nobody to send to."""

    def __init__(self) -> None:
        super().__init__("the client has gone")


def as_bytes(value: Any) -> bytes:
    """What is like bytes, as such; ``bytes`` alone would make a number so many zeros.

    Raises:
        TypeError: It is something else.
    """
    return value if value.__class__ is bytes else bytes(memoryview(value))


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


def make_scope(request: Request, root_path: str, path: str, is_websocket: bool) -> dict[str, Any]:
    """Make what an application is told of a request.

    Args:
        request: The request.
        root_path: The part of the path that leads to the application.
        path: The rest of the path.
        is_websocket: Whether it asks for a WebSocket.
    """
    if "%" in path:
        path = "/".join([unescape_segment(segment) for segment in path.split("/")])
    pairs = request._pairs if request._headers is None else request.headers.items()
    address, port = request.client
    local = request.local
    scheme = request.scheme
    scope: dict[str, Any] = {
        "type": "websocket" if is_websocket else "http",
        "asgi": {**VERSIONS},
        "http_version": f"{request.protocol[0]}.{request.protocol[1]}",
        "scheme": scheme.replace("http", "ws", 1) if is_websocket else scheme,
        "path": root_path + path,
        "raw_path": to_wire(request.raw_path),
        "query_string": to_wire(request.qs),
        "root_path": root_path,
        "headers": [(to_wire(name.lower()), to_wire(value)) for name, value in pairs],
        "client": (address, port) if address else None,
        "server": (local.ip, local.port) if local.ip else (request.host or "localhost", None),
    }
    if not is_websocket:
        scope["method"] = request.method
        scope["extensions"] = {"http.response.pathsend": {}}
    return scope


def response_fields(message: Message) -> tuple[tuple[str, str], ...]:
    """The fields of a message, checked.

    Raises:
        TypeError, ValueError: They are none.
    """
    given = tuple([(name, value) for name, value in message.get("headers", ())])
    try:
        fields = _fields.get(given)
    except TypeError:  # not hashable: a bytearray, perhaps
        given = tuple([(as_bytes(name), as_bytes(value)) for name, value in given])
        fields = _fields.get(given)
    return _check_fields(given) if fields is None else fields


#: Fields that were checked: most applications send the same few again and again. Bounded.
_fields: dict[tuple[tuple[bytes, bytes], ...], tuple[tuple[str, str], ...]] = {}
_FIELDS_LIMIT = 256


def _check_fields(given: tuple[tuple[Any, Any], ...]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for name, value in given:
        pair = as_bytes(name).decode("latin-1"), as_bytes(value).decode("latin-1").strip(" \t")
        check_name(pair[0])
        check_value(pair[1])
        pairs.append(pair)
    if len(_fields) >= _FIELDS_LIMIT:
        _fields.clear()
    fields = _fields[given] = tuple(pairs)
    return fields


class Call:
    """One call of an application, with a response to a request.

    Attributes:
        response: What it answers with.
        is_gone: Whether nobody waits for the rest of it.
    """

    #: What the types of messages that answer begin with.
    _prefix = "http.response"

    def __init__(self, gate: Gate, app: App, scope: dict[str, Any], response: Response) -> None:
        self.response = response
        self.scope = scope
        self.is_gone = False
        self._gate = gate
        self._app = app
        self._head: tuple[int, tuple[tuple[str, str], ...]] | None = None
        self._pieces: Pieces | None = None
        self._is_answered = False  # completely
        self._is_cancelled = False
        self._closing = asyncio.Event()  # there is no client, or it has its answer
        self._task: asyncio.Task[Any] | None = None
        self._grace: Appointment | None = None
        self._context = copy_context()
        response._adopt(self)

    async def run(self) -> None:
        """Call the application; what it raises ends the response, and nothing else."""
        self._task = asyncio.current_task()
        try:
            await self._app(self.scope, self.receive, self.send)
            self._ended(None)
        except asyncio.CancelledError:
            self._is_cancelled = True
            self._ended(RuntimeError("the application was cancelled"))
            raise
        except BaseException as problem:
            self._ended(problem)
            if isinstance(problem, KeyboardInterrupt | SystemExit):
                raise
        finally:
            self._task = None
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
        self._closing.set()
        if not self.response.done:
            self._go()

    def _go(self) -> None:
        """Nobody waits any more: give the application some time to find out."""
        self.is_gone = True
        if self._task is not None and self._grace is None:
            self._grace = self._gate._call_in(GRACE_SECONDS, self.cancel)

    def cancel(self) -> None:
        """Cancel the application."""
        if self._task is not None:
            self._task.cancel()

    # -- the response ------------------------------------------------------------------------

    async def _answer(self, message: Message) -> bool:
        """Take a message of a response; whether it is one."""
        kind = message["type"]
        if kind == f"{self._prefix}.start":
            if self._head is not None:
                raise RuntimeError(f"{kind} was sent before")
            status = message["status"]
            if type(status) is bool or not isinstance(status, int) or not 200 <= status <= 599:
                raise ValueError(f"status must be a number from 200 to 599, not {status!r}")
            self._head = int(status), response_fields(message)
        elif kind == f"{self._prefix}.body":
            self._check_started(kind)
            body = as_bytes(message.get("body", b""))
            await self._send_body(body, message.get("more_body", False))
        elif kind == "http.response.pathsend" and self._prefix == "http.response":
            self._check_started(kind)
            if self._pieces is not None:
                raise RuntimeError(f"{kind} in the middle of a body")
            self._send_path(os.fspath(message["path"]))
        else:
            return False
        return True

    def _check_started(self, kind: str) -> None:
        if self._is_answered:
            raise RuntimeError(f"{kind} behind the end of the response")
        if self._head is None:
            raise RuntimeError(f"{kind} before {self._prefix}.start")
        if self.is_gone:
            raise ClientGone

    async def _send_body(self, data: bytes, more: bool) -> None:
        pieces, response = self._pieces, self.response
        if pieces is None:
            self._apply()
            if not more:
                self._is_answered = True
                self._set_body(data)
                self._respond()
                return
            pieces = self._pieces = Pieces(asyncio.get_running_loop())
            pieces.add(data)
            response.stream = True
            self._set_body(pieces)
            self._respond()
        else:
            pieces.add(data)
        if not more:
            self._is_answered = True
            pieces.end()
            return
        await pieces.drain()
        if self.is_gone:
            raise ClientGone

    def _send_path(self, path: str) -> None:
        file, status = open_file(path)
        self._apply()
        self._is_answered = True
        self._set_body(FileRange(file, 0, status.st_size))
        self.response.headers["Content-Length"] = str(status.st_size)
        self._respond()

    def _set_body(self, body: Any) -> None:
        response = self.response
        # What was there is closed when a body takes its place; this call is not over.
        if response._resources is not None and self in response._resources:
            response._resources.remove(self)
        response.body = body
        response._adopt(self)

    def _respond(self) -> None:
        self._context.run(self._gate._respond, self.response)

    def _apply(self) -> None:
        """Put status and fields into the response."""
        assert self._head is not None
        self.response.code, fields = self._head
        if not HOP_BY_HOP.isdisjoint([name.lower() for name, _ in fields]):
            for name, value in fields:
                if name.lower() == "connection" and value.lower() == "close":
                    self.response.close = True
            fields = tuple([field for field in fields if field[0].lower() not in HOP_BY_HOP])
        if fields:
            self.response._take_fields(fields)


class HTTPCall(Call):
    """The call for an HTTP request."""

    _has_body = True  # or the end of it, which the application does not know yet

    async def receive(self) -> Message:
        if self._has_body and not self._closing.is_set():
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
        await self._closing.wait()
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
        if not await self._answer(message):
            raise RuntimeError(f"an HTTP response has no message {message['type']!r:.80}")
