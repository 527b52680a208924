"""The connections of a client, and the requests that wait for one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ._client_connection import ClientConnection, Route
from ._client_errors import ClientError, ConnectError, TooManyRedirects
from ._client_request import MAX_REDIRECTS

if TYPE_CHECKING:
    from ._client_pending import Pending
    from ._client_proxies import Proxies
    from ._client_response import ClientResponse
    from .client import Client

__all__ = ["Pool"]


class Pool:
    """Connections, each kept for the next request to the same server.

    Args:
        client: Whose they are.
        proxies: What is in between.
        limit: How many there are at once; more requests wait.

    Attributes:
        client: See above.
        connections: Those that are there, also if they are not open yet.
        response: The last one that was complete, or ``None``.
    """

    def __init__(self, client: Client, proxies: Proxies, limit: int) -> None:
        self.client = client
        self.connections: list[ClientConnection] = []
        self.response: ClientResponse | None = None
        self._proxies = proxies
        self._limit = limit
        self._queue: deque[Pending] = deque()

    def send_off(self, pending: Pending, fresh: bool = False) -> None:
        """Find a connection for a request, or have it wait for one.

        Raises:
            ValueError: The environment names a proxy that cannot be used.
        """
        route = self._route(pending.outgoing.origin)
        idle = [connection for connection in self.connections if connection.is_usable]
        for connection in [] if fresh else list(idle):
            if connection.route == route:
                if connection.is_quiet():
                    connection.take(pending)
                    return
                idle.remove(connection)
                self._drop(connection)
        if len(self.connections) < self._limit or idle:
            if len(self.connections) >= self._limit:
                self._drop(idle[0])  # another server is wanted now
            self._dial(route, pending.timeout.connect).take(pending)
        else:
            pending.phase("pool")
            self._queue.append(pending)

    def connect(self, origin: tuple[str, int, bool], timeout: float | None) -> None:
        """Connect before there is a request."""
        self._dial(self._route(origin), timeout)

    def close(self) -> None:
        """Close all connections; who waits for a response gets an error."""
        for pending in list(self._queue):
            pending.finish(ConnectError("the client was closed"))
        for connection in list(self.connections):
            if connection.pending is not None:
                connection.pending.finish(ConnectError("the client was closed"))
            elif connection.is_open:
                connection.transport.close()
            else:
                self.lost(connection)

    def lost(self, connection: ClientConnection) -> None:
        """A connection is over."""
        if connection in self.connections:
            self._drop(connection)
            self._next()

    def abandon(self, pending: Pending, connection: ClientConnection | None) -> None:
        """A request has failed, and with it its connection."""
        if pending in self._queue:
            self._queue.remove(pending)
        if connection is not None:
            self.lost(connection)

    def complete(self, pending: Pending, connection: ClientConnection) -> None:
        """A response is complete; the connection is free, or closed."""
        if not connection.is_open or not connection.transport.connected:
            self.lost(connection)
        response = self.response = pending.response
        assert response is not None
        response.body.seek(0)
        if not (pending.is_redirected or pending.is_challenged):
            pending.finish()
        else:
            try:
                self._send_again(pending, response)
            except (ClientError, ValueError) as problem:
                pending.finish(problem)
        self._next()

    def _send_again(self, pending: Pending, response: ClientResponse) -> None:
        if pending.is_redirected:
            pending.outgoing.follow(response)
            pending.history.append(response)
            if len(pending.history) > MAX_REDIRECTS:
                raise TooManyRedirects(f"more than {MAX_REDIRECTS}, to {pending.outgoing.url}")
        pending.is_repeated = False  # that was said of another request
        self.send_off(pending)

    def _route(self, origin: tuple[str, int, bool]) -> Route:
        proxy = self._proxies.find(*origin)
        is_told = proxy is not None and not origin[2]
        return Route(None if is_told else origin, proxy)

    def _dial(self, route: Route, timeout: float | None) -> ClientConnection:
        connection = ClientConnection(self, route, timeout).register(self.client)
        self.connections.append(connection)
        connection.connect()
        return connection

    def _drop(self, connection: ClientConnection) -> None:
        self.connections.remove(connection)
        connection.cut()
        connection.unregister()

    def _next(self) -> None:
        """Whoever waits for a connection is served, first come first."""
        while self._queue and (
            len(self.connections) < self._limit
            or any(connection.is_usable for connection in self.connections)
        ):
            self.send_off(self._queue.popleft())
