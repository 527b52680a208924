"""One request of a client on its way, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from circuits.core import _clock

from ._client_errors import ClientTimeout, HTTPException
from ._client_outcome import Outcome
from ._client_response import Arriving

if TYPE_CHECKING:
    from collections.abc import Generator

    from circuits.core._clock import Appointment

    from ._client_connection import ClientConnection
    from ._client_pool import Pool
    from ._client_request import ClientRequest
    from ._client_response import ClientResponse

__all__ = ["Pending", "Timeout"]

#: Of a response that is not what was asked for: twenty redirects are kept, with their bodies.
_PASSING_BYTES: Final = 1024 * 1024
_WHAT: Final = {
    "connect": "no connection",
    "read": "nothing was received",
    "write": "nothing could be sent",
    "pool": "no connection was free",
    "total": "it was not over",
}


@dataclass(frozen=True)
class Timeout:
    """How long the parts of a request may take, in seconds; ``None`` waits for ever.

    Attributes:
        connect: Until the server is reached, also through a proxy and with TLS.
        read: For each wait for something of the answer.
        write: For each wait until something of the request can be sent.
        pool: Until there is a connection when ``max_connections`` are in use.
        total: For everything, redirects and the body of a stream included: what a server that
            sends a byte now and then cannot stretch.

    Raises:
        ValueError: One is negative.

    .. versionadded:: 2.1
    """

    connect: float | None = 30.0
    read: float | None = 30.0
    write: float | None = 30.0
    pool: float | None = 30.0
    total: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            seconds = getattr(self, field.name)
            if seconds is not None and not seconds >= 0:
                raise ValueError(f"a timeout is a number of seconds, not {seconds!r}")

    @classmethod
    def of(cls, given: float | tuple[float | None, ...] | Timeout | None) -> Timeout:
        """What one number, or one for each of connect, read, write and pool, means."""
        if isinstance(given, Timeout):
            return given
        return cls(*given) if isinstance(given, tuple) else cls(given, given, given, given)


class Pending(Outcome):
    """What a request of a client gives: await it, or ``yield`` it, for the response.

    That of a stream is a context manager of coroutines, too, which closes the response.

    Attributes:
        outgoing: What is sent.
        follows: Whether redirects are followed.
        history: The responses that redirected.
        response: The last one that has begun.
        arriving: Its body, when whoever asked reads it as it comes.
        wire: The connection in use.
        is_redirected, is_challenged: Whether that is sent again, somewhere else or with
            credentials.
        is_over: Whether nothing else happens.
        is_repeated: Whether this request was sent again, as the connection was dead.
    """

    __slots__ = (
        "_alarm", "_pool", "_streams", "_timer", "arriving", "follows", "history",
        "is_challenged", "is_over", "is_redirected", "is_repeated", "max_bytes", "outgoing",
        "response", "timeout", "wire",
    )  # fmt: skip

    def __init__(
        self,
        pool: Pool,
        outgoing: ClientRequest,
        timeout: Timeout,
        follows: bool,
        streams: bool,
        max_bytes: int | None,
    ) -> None:
        super().__init__(self._give_up)
        self._pool = pool
        self.outgoing = outgoing
        self.timeout = timeout
        self.follows = follows
        self.max_bytes = max_bytes
        self.history: list[ClientResponse] = []
        self.response: ClientResponse | None = None
        self.arriving: Arriving | None = None
        self.wire: ClientConnection | None = None
        self.is_over = self.is_repeated = False
        self.is_redirected = self.is_challenged = False
        self._streams = streams
        self._timer: Appointment | None = None
        self._alarm: Appointment | None = None
        if timeout.total is not None:
            self._alarm = self._call_in(timeout.total, lambda: self._late("total"))

    # -- time --

    def _call_in(self, seconds: float, function: Any) -> Appointment:
        schedule = self._pool.client._tree_engine.schedule
        return schedule.call_at(_clock.now() + seconds, function)

    def phase(self, name: str) -> None:
        """What it waits for, a field of :class:`Timeout`, or ``""``: for whoever asked. Anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = getattr(self.timeout, name) if name else None
        if seconds is not None and not self.is_over:
            self._timer = self._call_in(seconds, lambda: self._late(name))

    def _late(self, phase: str) -> None:
        if phase == "write" and self.wire is not None and self.wire.has_sent_more():
            self.phase(phase)
            return
        seconds = getattr(self.timeout, phase)
        text = f"{self.outgoing.url}: {_WHAT[phase]} for {seconds:g} s ({phase} timeout)"
        self.finish(ClientTimeout(text, phase))

    # -- how it goes on --

    @property
    def is_full(self) -> bool:
        """Whether as much has come as is kept for who reads."""
        return self.arriving is not None and self.arriving.is_full

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for what comes next."""
        return self.arriving is None or self.arriving.is_awaited

    @property
    def limit(self) -> int | None:
        """How many bytes the body of the response may have."""
        if self.arriving is not None:
            return self.max_bytes
        limit = self._pool.client.limits.body_bytes
        if self.is_redirected or self.is_challenged:
            return _PASSING_BYTES if limit is None else min(limit, _PASSING_BYTES)
        return limit

    def begin(self, wire: ClientConnection) -> None:
        """The head of a response is there: what was asked for, or what leads there."""
        response, outgoing = self.response, self.outgoing
        assert response is not None
        self.is_redirected = self.follows and outgoing.is_redirected(response)
        self.is_challenged = not self.is_redirected and outgoing.answer(response)
        if self.is_redirected or self.is_challenged:
            return
        response.history = list(self.history)
        if self._streams:
            self.arriving = response._arriving = Arriving(wire.go_on, self._close)
            self.settle(response)

    def _close(self) -> None:
        self.finish(HTTPException("the response was closed before its end"))

    def _give_up(self) -> None:
        self.finish(HTTPException("nobody waits for the response any more"))

    def finish(self, problem: BaseException | None = None) -> None:
        """It is over: the response is complete, or there is a problem."""
        if self.is_over:
            return
        self.is_over = True
        self.phase("")
        if self._alarm is not None:
            self._alarm.cancel()
        wire, self.wire = self.wire, None
        if problem is not None:
            self._pool.abandon(self, wire)
        if self.arriving is not None:
            self.arriving.end(problem)
        if not self.is_done:
            self.settle(None if problem else self.response, problem)

    def __await__(self) -> Generator[Any, Any, ClientResponse]:
        return super().__await__()

    async def __aenter__(self) -> ClientResponse:
        return await self

    async def __aexit__(self, *problem: object) -> None:
        if self.response is not None:
            self.response.close()
