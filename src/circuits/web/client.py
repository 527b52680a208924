"""A client for the web (manual: circuits.web.client).

A coroutine awaits responses, a generator yields for them::

    client = Client().register(self)
    response = await client.get("https://example.org/", params={"page": 1})

    async with client.stream("GET", "https://example.org/film") as response:
        async for piece in response.iter_bytes():
            ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net.protocols.http import Response
from circuits.net.sockets import Close, Connect, Write, close, connect, write  # noqa: F401 - for programs of the 3.x line

from ._client_auth import DigestAuth
from ._client_connection import DEFAULT_LIMITS
from ._client_cookies import Cookies
from ._client_errors import (
    ClientError,
    ClientTimeout,
    ConnectError,
    HTTPException,
    NotConnected,
    ProtocolError,
    StatusError,
    TooManyRedirects,
)
from ._client_pending import Pending, Timeout
from ._client_pool import Pool
from ._client_proxies import Proxies
from ._client_request import ClientRequest, joined, parse_absolute
from ._client_response import ClientResponse

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Mapping

    from circuits._wire.http1 import Limits
    from circuits.core.manager import Manager

    Timeouts = float | tuple[float | None, ...] | Timeout | None
    Auth = tuple[str, str] | DigestAuth

__all__ = [
    "Client",
    "ClientError",
    "ClientResponse",
    "ClientTimeout",
    "Close",
    "Connect",
    "ConnectError",
    "DigestAuth",
    "HTTPException",
    "NotConnected",
    "ProtocolError",
    "Request",
    "StatusError",
    "Timeout",
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
    """Send a request.

    Fired by anyone, on the channel of a :class:`Client`, which handles it; its value is the response.

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


request = Request


_AS_EVER: Final = object()


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
        timeout: Seconds for each wait: for a connection, to send, for the answer, for its next
            piece, for a free connection. Or one each, ``(connect, read, write, pool)``, or a
            :class:`Timeout`.
        follow_redirects: Whether to go on until there is an answer that is none.
        limits: What is accepted of servers at most.
        tls: For TLS, instead of a context that checks certificates against those of the system.
        max_connections: How many there are at once; more requests wait for one.
        auth: ``(user, password)`` or a :class:`DigestAuth`, for the server of ``url`` alone.
        proxy: The URL of a proxy for everything, of ``http``, with name and password or without.
        trust_env: Whether, without that, ``http_proxy``, ``https_proxy``, ``all_proxy`` and
            ``no_proxy`` of the environment say through which one to go.

    Attributes:
        cookies: What servers have set.

    Raises:
        ValueError: A URL is no absolute one of ``http`` or ``https``, or there are credentials
            without one; a time is negative.

    .. versionchanged:: 2.1
       Everything behind ``channel`` is new.
    """

    channel = "client"

    def __init__(
        self,
        url: str | None = None,
        channel: Any = "client",
        *,
        timeout: Timeouts = 30.0,
        follow_redirects: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 100,
        auth: Auth | None = None,
        proxy: str | None = None,
        trust_env: bool = True,
    ) -> None:
        super().__init__(channel=channel)
        known = None if url is None else parse_url(url)
        if auth is not None and known is None:
            raise ValueError("without a URL, nobody knows which server the credentials are for")
        self.url = url
        self.timeout = Timeout.of(timeout)
        self.follow_redirects = follow_redirects
        self.limits = limits
        self.tls = tls
        self.cookies = Cookies()
        self._auth = auth
        self._origin = None if known is None else (known[0], known[1], known[3])
        self._pool = Pool(self, Proxies(proxy, trust_env), max_connections)

    @property
    def connected(self) -> bool:
        """Whether there is a connection to a server."""
        return any(connection.is_open for connection in self._pool.connections)

    @property
    def response(self) -> ClientResponse | None:
        """The last response; ``None`` before there is one."""
        return self._pool.response

    # -- asking --

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Any = None,
        **options: Any,
    ) -> Pending:
        """Ask. What this returns gives the response when it is awaited, or yielded.

        Args:
            method: Such as ``"GET"``.
            path: A path, or an absolute URL.
            body: The same as ``content``.
            headers: More headers.
            **options: ``params``, ``cookies``; ``data``, a form; ``json``; ``files``, uploads by
                name, each bytes, an open binary file or ``(filename, content[, type])``;
                ``content``, which is bytes, text, such a file, or an iterable of bytes, also an
                asynchronous one, that is read no faster than the server takes it. ``auth``, and
                ``timeout`` and ``follow_redirects`` instead of those of the client.

        Raises:
            NotConnected: The client has no URL, and ``path`` is none.
            ValueError: Something cannot be sent.
            TypeError: The same, as of its type; or there are two bodies.
        """
        return self._ask(method, path, body, headers, **options)

    def stream(
        self, method: str, url: str, *, max_bytes: int | None = None, **options: Any
    ) -> Pending:
        """Ask, and get the response before its body, to read that piece by piece.

        A coroutine writes ``async with client.stream("GET", url) as response``, a generator
        ``with (yield client.stream("GET", url)) as response``; see
        :class:`~circuits.web.client.ClientResponse`. What nobody reads is not received. Whoever
        does not read to the end has to close the response, which the ``with`` does; then the
        connection is closed.

        Args:
            method: Such as ``"GET"``.
            url: A path, or an absolute URL.
            max_bytes: How long the body may be, decompressed; it is not kept.
            **options: As for :meth:`request`.
        """
        return self._ask(method, url, streams=True, max_bytes=max_bytes, **options)

    def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Any = None,
        *,
        timeout: Any = _AS_EVER,
        follow_redirects: bool | None = None,
        streams: bool = False,
        max_bytes: int | None = None,
        **options: Any,
    ) -> Pending:
        if body is not None:
            options["content"] = body
        if self.url is None and not urlsplit(path).scheme:
            raise NotConnected(f"{path!r} is no URL, and the client has none")
        url = joined(self.url or "", path)
        if self._auth is not None and "auth" not in options:
            host, port, _, secure = parse_url(url)
            if (host, port, secure) == self._origin:
                options["auth"] = self._auth
        outgoing = ClientRequest(method, url, headers=headers, **options)
        times = self.timeout if timeout is _AS_EVER else Timeout.of(timeout)
        follows = self.follow_redirects if follow_redirects is None else follow_redirects
        pending = Pending(self._pool, outgoing, times, follows, streams, max_bytes)
        self._pool.send_off(pending)
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
        origin = host, port or default or (443 if secure else 80), secure
        self._pool.connect(origin, self.timeout.connect)

    @handler("write")
    def write(self, data: bytes) -> None:
        """Write to the server that is connected, past HTTP."""
        for connection in self._pool.connections:
            if connection.is_open:
                connection.transport.write(data)
                return
        raise NotConnected("there is no connection")

    @handler("close")
    def close(self) -> None:
        """Close all connections; who waits for a response gets an error."""
        self._pool.close()

    @handler("stopped", channel="*", priority=1)
    def _on_stopped(self, component: Manager) -> None:
        if component is self.root:
            self.close()

    @handler("prepare_unregister", channel="*")
    def _on_prepare_unregister(self, event: Any, component: Manager) -> None:
        if event.in_subtree(self):
            self.close()
