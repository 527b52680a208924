"""A client for the web (manual: circuits.web.client).

A coroutine awaits responses, a generator yields for them::

    client = Client().register(self)
    response = await client.get("https://example.org/", params={"page": 1})
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net.protocols.http import Response
from circuits.net.sockets import Close, Connect, Write

from ._client_messages import (
    MAX_REDIRECTS,
    ClientError,
    ClientResponse,
    ClientTimeout,
    ConnectError,
    Cookies,
    HTTPException,
    NotConnected,
    Outgoing,
    ProtocolError,
    StatusError,
    TooManyRedirects,
    joined,
    parse_absolute,
)
from ._client_wire import DEFAULT_LIMITS, Pending, Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Mapping

    from circuits._wire.http1 import Limits
    from circuits.core.manager import Manager

__all__ = [
    "Client",
    "ClientError",
    "ClientResponse",
    "ClientTimeout",
    "Close",
    "Connect",
    "ConnectError",
    "HTTPException",
    "NotConnected",
    "ProtocolError",
    "Request",
    "StatusError",
    "TooManyRedirects",
    "Write",
    "parse_url",
]


def parse_url(url: str) -> tuple[str, int, str, bool]:
    """Take a URL apart.

    Returns:
        Host, port, what to ask for with the query, and whether to speak TLS.

    Raises:
        ValueError: It is not an absolute one of ``http`` or ``https``.
    """
    return parse_absolute(url, "http", "https")


class Request(Event):
    """Send a request. Handled by :class:`Client` on its channel; its value is the response.

    Args:
        method: Such as ``"GET"``.
        path: A path on the server, or an absolute URL.
        body: Bytes or text.
        headers: More headers.
    """

    def __init__(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(method, path, body, headers)


class Client(BaseComponent):
    """Asks web servers.

    Handles ``request`` on its channel, and ``connect``, ``write`` and ``close``. Fires there
    ``connected(host, port)``, ``disconnected()``, and ``response(response)`` for each ``request`` event.
    What the methods are asked for is no event: it is awaited. Connections are kept for the next
    request to the same server; cookies are kept, too. Credentials do not follow a redirect to
    another server.

    Args:
        url: What paths are added to.
        channel: Channel of the component.
        timeout: Seconds for each wait: for a connection, for the answer, for its next piece.
        follow_redirects: Whether to go on until there is an answer that is none.
        limits: What is accepted of servers at most.
        tls: For TLS, instead of a context that checks certificates against those of the system.
        max_connections: How many there are at once; more requests wait for one.

    Attributes:
        cookies: What servers have set.

    Raises:
        ValueError: The URL is no absolute one of ``http`` or ``https``.

    .. versionchanged:: 2.1
       Everything behind ``channel`` is new.
    """

    channel = "client"

    def __init__(
        self,
        url: str | None = None,
        channel: Any = "client",
        *,
        timeout: float | None = 30.0,
        follow_redirects: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 100,
    ) -> None:
        super().__init__(channel=channel)
        if url is not None:
            parse_url(url)
        self.url = url
        self.connect_timeout = timeout
        self.follow_redirects = follow_redirects
        self.limits = limits
        self.tls = tls
        self.cookies = Cookies()
        self._max_connections = max_connections
        self._response: ClientResponse | None = None
        self._wires: list[Wire] = []
        self._queue: deque[Pending] = deque()

    @property
    def connected(self) -> bool:
        """Whether there is a connection to a server."""
        return any(wire.is_open for wire in self._wires)

    @property
    def response(self) -> ClientResponse | None:
        """The last response; ``None`` before there is one."""
        return self._response

    # -- asking --

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Any = None,
        *,
        timeout: float | None = -1,
        follow_redirects: bool | None = None,
        **options: Any,
    ) -> Pending:
        """Ask. What this returns gives the response when it is awaited, or yielded.

        Args:
            method: Such as ``"GET"``.
            path: A path, or an absolute URL.
            body: The same as ``content``.
            headers: More headers.
            timeout: Instead of that of the client.
            follow_redirects: Instead of that of the client.
            **options: ``params``, ``cookies``, and of ``data``, ``json``, ``files``, ``content`` what is
                to be sent.

        Raises:
            NotConnected: The client has no URL, and ``path`` is none.
            ValueError: Something cannot be sent.
        """
        if body is not None:
            options["content"] = body
        if self.url is None and not urlsplit(path).scheme:
            raise NotConnected(f"{path!r} is no URL, and the client has none")
        outgoing = Outgoing(method, joined(self.url or "", path), headers=headers, **options)
        if not outgoing.is_repeatable:
            raise TypeError("the content is sent at once, so it has to be bytes or text")
        follows = self.follow_redirects if follow_redirects is None else follow_redirects
        pending = Pending(
            self, outgoing, self.connect_timeout if timeout == -1 else timeout, follows
        )
        self.send_off(pending)
        return pending

    def get(self, url: str, **options: Any) -> Pending:
        """As :meth:`request`."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Pending:
        """As :meth:`request`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> Pending:
        """As :meth:`request`."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: str, **options: Any) -> Pending:
        """As :meth:`request`."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> Pending:
        """As :meth:`request`."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> Pending:
        """As :meth:`request`."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> Pending:
        """As :meth:`request`."""
        return self.request("DELETE", url, **options)

    # -- as events --

    @handler("request")
    def _on_request(
        self, method: str, path: str, body: Any = None, headers: Any = None
    ) -> Generator[Any, Any, None]:
        response = yield self.request(method, path, body, headers)
        self.fire(Response(response))
        yield response

    @handler("connect")
    def connect(
        self, host: str | None = None, port: int | None = None, secure: bool | None = None
    ) -> None:
        """Connect before there is a request; without arguments to where the URL says."""
        known = parse_url(self.url) if self.url is not None else (None, None, "", False)
        host, secure = host or known[0], known[3] if secure is None else secure
        if host is None:
            raise NotConnected("the client has no URL")
        default = known[1] if host == known[0] and secure == known[3] else None
        self._dial((host, port or default or (443 if secure else 80), secure))

    @handler("write")
    def write(self, data: bytes) -> None:
        """Write to the server that is connected, past HTTP."""
        for wire in self._wires:
            if wire.is_open:
                wire.transport.write(data)
                return
        raise NotConnected("there is no connection")

    @handler("close")
    def close(self) -> None:
        """Close all connections; who waits for a response gets an error."""
        for pending in list(self._queue):
            pending.finish(ConnectError("the client was closed"))
        for wire in list(self._wires):
            if wire.pending is not None:
                wire.pending.finish(ConnectError("the client was closed"))
            else:
                wire.transport.close()

    @handler("stopped", channel="*", priority=1)
    def _on_stopped(self, component: Manager) -> None:
        if component is self.root:
            self.close()

    @handler("prepare_unregister", channel="*")
    def _on_prepare_unregister(self, event: Any, component: Manager) -> None:
        if event.in_subtree(self):
            self.close()

    # -- connections --

    def send_off(self, pending: Pending, fresh: bool = False) -> None:
        """Find a connection for a request, or have it wait for one."""
        pending.progress()
        origin = pending.outgoing.origin
        idle = [wire for wire in self._wires if wire.pending is None]
        for wire in idle:
            if wire.origin == origin and not fresh:
                wire.take(pending)
                return
        if len(self._wires) >= self._max_connections and idle:
            self.lost(idle[0])  # another origin is wanted now
        if len(self._wires) >= self._max_connections:
            self._queue.append(pending)
        else:
            self._dial(origin).take(pending)

    def _dial(self, origin: tuple[str, int, bool]) -> Wire:
        wire = Wire(self, origin).register(self)
        self._wires.append(wire)
        wire.connect()
        return wire

    def lost(self, wire: Wire) -> None:
        """A connection is over."""
        if wire in self._wires:
            self._wires.remove(wire)
            wire.cut()
            wire.unregister()
            self._next()

    def _next(self) -> None:
        if self._queue:
            self.send_off(self._queue.popleft())

    def abandon(self, pending: Pending, wire: Wire | None) -> None:
        """A request has failed, and with it its connection."""
        if pending in self._queue:
            self._queue.remove(pending)
        if wire is not None:
            self.lost(wire)

    def complete(self, pending: Pending, wire: Wire) -> None:
        """There is a response."""
        if not wire.is_open or wire.transport._connection is None:
            self.lost(wire)
        response = self._response = pending.response
        assert response is not None
        response.body.seek(0)
        response.history = list(pending.history)
        try:
            location = response.headers.get("location", "")
            if pending.follows and pending.outgoing.follow(response.status, location):
                pending.history.append(response)
                if len(pending.history) > MAX_REDIRECTS:
                    raise TooManyRedirects(f"more than {MAX_REDIRECTS}, to {pending.outgoing.url}")
                self.send_off(pending)
            else:
                pending.finish()
        except ClientError as problem:
            pending.finish(problem)
        self._next()
