"""One request of a client on its way, and the connection that it takes."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from circuits._wire.http1 import Data, Limits, RemoteProtocolError, ResponseDecoder, ResponseHead
from circuits.core import _clock
from circuits.core._tasks import Suspension
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.net import sockets

from ._client_messages import (
    ClientResponse,
    ClientTimeout,
    ConnectError,
    HTTPException,
    Inflating,
    Outgoing,
    ProtocolError,
)

if TYPE_CHECKING:
    from circuits.core._clock import Appointment
    from circuits.core._tasks import Task

    from .client import Client

#: What may be sent again when a connection that was kept turns out to be dead (RFC 9110, 9.2.2).
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})


class Pending(Suspension):
    """What a request of a client gives: await it, or ``yield`` it, for the response."""

    __slots__ = (
        "_client", "_future", "_problem", "_task", "_timer", "follows", "history", "is_done",
        "is_repeated", "outgoing", "response", "timeout", "wire",
    )  # fmt: skip

    def __init__(
        self, client: Client, outgoing: Outgoing, timeout: float | None, follows: bool
    ) -> None:
        self._client = client
        self.outgoing = outgoing
        self.timeout = timeout
        self.follows = follows
        self.history: list[ClientResponse] = []
        self.response: ClientResponse | None = None
        self.wire: Wire | None = None
        self.is_done = False
        self.is_repeated = False
        self._problem: BaseException | None = None
        self._timer: Appointment | None = None
        self._task: Task | None = None
        self._future: Any = None

    def progress(self) -> None:
        """Something has happened: time begins anew."""
        self._stop_timer()
        if self.timeout is not None:
            schedule = self._client._tree_engine.schedule
            self._timer = schedule.call_at(_clock.now() + self.timeout, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self.finish(ClientTimeout(f"{self.outgoing.url}: nothing for {self.timeout:g} s"))

    def finish(self, problem: BaseException | None = None) -> None:
        """It is over: there is a response, or a problem."""
        if self.is_done:
            return
        self.is_done = True
        self._stop_timer()
        self._problem = problem
        wire, self.wire = self.wire, None
        if problem is not None:
            self._client.abandon(self, wire)
        task, self._task = self._task, None
        if task is not None:
            task.resume(self.response, problem) if problem else task.resume(self.response)
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def _take(self) -> ClientResponse:
        if self._problem is not None:
            raise self._problem
        assert self.response is not None
        return self.response

    def attach(self, task: Task) -> None:
        if not self.is_done:
            self._task = task
        elif self._problem is not None:
            task.resume(None, self._problem)
        else:
            task.resume(self.response)

    def detach(self) -> None:
        self._task = None
        self.finish(HTTPException("nobody waits for the response any more"))

    def __iter__(self) -> Generator[Any, Any, Any]:
        return (yield self)

    def __await__(self) -> Generator[Any, Any, ClientResponse]:
        if not self.is_done:
            import asyncio  # whoever awaits has it loaded

            self._future = asyncio.get_running_loop().create_future()
            try:
                yield from self._future.__await__()
            finally:
                self.finish(HTTPException("nobody waits for the response any more"))
        return self._take()


class Wire(BaseComponent):
    """A connection to one origin, on a channel of its own.

    Attributes:
        origin: Host, port, and whether by TLS.
        pending: The request that it is used for; ``None`` while it is idle.
        is_open: Whether the server is reached.
    """

    def __init__(self, client: Client, origin: tuple[str, int, bool]) -> None:
        super().__init__(channel=f"{client.channel}.{id(self):x}")
        self.origin = origin
        self.pending: Pending | None = None
        self.is_open = False
        self._client = client
        self._was_used = False
        self._decoder = ResponseDecoder(client.limits)
        self._inflating = Inflating("")
        self._size = 0
        self._has_answered = False
        self.transport = sockets.TCPClient(
            channel=self.channel, connect_timeout=client.connect_timeout, error_events=True
        ).register(self)

    def connect(self) -> None:
        """Begin to connect."""
        host, port, secure = self.origin
        context = self._client.tls
        options = {} if context is None else {"context": context}
        self.transport.connect(host, port, secure, **options)

    def take(self, pending: Pending) -> None:
        """Use the connection for a request."""
        self.pending = pending
        pending.wire = self
        if self.is_open:
            self._send(pending)

    def _send(self, pending: Pending) -> None:
        outgoing = pending.outgoing
        self._has_answered = False
        self._decoder.expect(outgoing.method)
        cookie = self._client.cookies.header(outgoing)
        self.transport.write(outgoing.head(cookie=cookie) + outgoing.body)
        pending.progress()

    def cut(self) -> None:
        """Close at once; nobody is told."""
        self.pending = None
        self.transport._abort()

    @handler("connected")
    def _on_connected(self, host: str, port: int) -> None:
        self.is_open = True
        self._client.fire(sockets.Connected(host, port))
        if self.pending is not None:
            self._send(self.pending)

    @handler("unreachable")
    def _on_unreachable(self, host: str, port: int, reason: Exception) -> None:
        pending = self.pending
        self._client.lost(self)
        if pending is not None:
            kind = ClientTimeout if isinstance(reason, TimeoutError) else ConnectError
            pending.finish(kind(f"{host}:{port}: {reason}"))

    @handler("socket_error")
    def _on_socket_error(self, *args: Any) -> None:
        """``unreachable`` or ``disconnected`` says it as well."""

    @handler("read")
    def _on_read(self, data: bytes) -> None:
        if self.pending is None:
            self.cut()  # nobody has asked: whatever this is, it is no answer
            return
        self.pending.progress()
        self._has_answered = True
        try:
            self._decoder.receive_data(data)
            self._decode()
        except (RemoteProtocolError, ProtocolError) as problem:
            self._fail(problem)

    @handler("disconnected")
    def _on_disconnected(self) -> None:
        self.is_open = False
        pending = self.pending
        if pending is not None:
            try:
                self._decoder.receive_eof()
                self._decode()
            except (RemoteProtocolError, ProtocolError) as problem:
                if (
                    self._was_used
                    and not self._has_answered
                    and not pending.is_repeated
                    and pending.outgoing.method in _IDEMPOTENT
                ):
                    pending.is_repeated = True
                    self.pending = pending.wire = None
                    self._client.lost(self)
                    self._client.send_off(pending, fresh=True)
                    return
                self._fail(problem)
        self._client.lost(self)
        self._client.fire(sockets.Disconnected())

    def _fail(self, problem: Exception) -> None:
        if self.pending is not None:
            if not isinstance(problem, ProtocolError):
                problem = ProtocolError(str(problem))
            self.pending.finish(problem)

    def _decode(self) -> None:
        while self.pending is not None and (message := self._decoder.next_message()) is not None:
            if isinstance(message, ResponseHead):
                if not message.interim:
                    self._begin(self.pending, message)
            elif isinstance(message, Data):
                self._keep(self.pending, message.data)
            else:
                self._inflating.end()
                self._complete(self.pending)

    def _begin(self, pending: Pending, head: ResponseHead) -> None:
        response = pending.response = ClientResponse(head, pending.outgoing)
        self._client.cookies.take(response)
        self._inflating = Inflating(response.headers.get("Content-Encoding", ""))
        self._size = 0
        if not head.has_body:
            self._complete(pending)

    def _keep(self, pending: Pending, data: bytes) -> None:
        assert pending.response is not None
        limit = self._client.limits.body_bytes
        for piece in self._inflating.feed(data):
            self._size += len(piece)
            if limit is not None and self._size > limit:
                raise ProtocolError(f"the body is longer than {limit} bytes when decompressed")
            pending.response.body.write(piece)

    def _complete(self, pending: Pending) -> None:
        self.pending = pending.wire = None
        self._was_used = True
        keeps = self.is_open and self._decoder.state.name == "HEAD"
        if not keeps or self._decoder.pending_bytes:
            self.cut()
        self._client.complete(pending, self)


DEFAULT_LIMITS: Final = Limits()
