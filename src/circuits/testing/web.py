"""A client for web applications: in memory, on the virtual clock, without a port."""

from __future__ import annotations

import socket
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.core.utils import findtype
from circuits.web._client_cookies import Cookies
from circuits.web._client_errors import TooManyRedirects
from circuits.web._client_request import MAX_REDIRECTS, ClientRequest, joined
from circuits.web._client_response import ClientResponse
from circuits.web.exceptions import HTTPException
from circuits.web.servers import BaseServer, Server

from ._web_sockets import WebSocketSession
from ._web_streams import Line, StreamedResponse
from .clock import VirtualClock, installed_clock
from .connections import memory_pair
from .settling import settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from circuits.core.manager import Manager


__all__ = ["StreamedResponse", "WebClient", "WebSocketSession", "web_client"]

_TURNS = 100_000


class _Problems(BaseComponent):
    """Keeps what handlers raise, for whoever asks next."""

    def __init__(self) -> None:
        super().__init__()
        self.raised: list[BaseException] = []

    @handler("error", channel="*")
    def _on_error(self, kind: Any, problem: BaseException, *rest: Any) -> None:
        if not (isinstance(problem, HTTPException) and problem.code < 500):  # which are answers
            self.raised.append(problem)


class WebClient:
    """Asks an application as a browser would, and turns it meanwhile; see :func:`web_client`.

    Every request has a connection of its own. Cookies are kept. Compressed answers are
    decompressed.

    Args:
        app: The application, or its class. It gets a server if there is none in its tree.
        base: What paths are added to; ``None`` is the server by the name ``localhost``.
        raise_errors: Whether what a handler raises is raised where it was asked for, too.

    Attributes:
        app: The root of the application.
        base: What paths are added to, such as ``"http://localhost"``.
        cookies: What the application has set; ``client.cookies["name"]``.
    """

    def __init__(self, app: Manager | type, *, base: str | None, raise_errors: bool) -> None:
        self._clock = VirtualClock()
        # Timers that the application makes at its birth must live by the same time as the rest.
        with nullcontext() if installed_clock() else self._clock:
            component: Any = app() if isinstance(app, type) else app
        root = component.root
        server: BaseServer | None = findtype(root, BaseServer)
        self._listener: tuple[socket.socket, ...] = ()
        if server is None:
            # Nobody can reach this one from outside: there is no name for it.
            self._listener = socket.socketpair()
            server = Server(self._listener[0], display_banner=False)
            root.register(server)
            root = server.root
        self.app: Manager = root
        self.base = base or f"{server.scheme}://localhost"
        self.cookies = Cookies()
        self._server: Any = server.server
        self._problems = _Problems() if raise_errors else None
        self._stack: ExitStack | None = None
        self._clients = 0

    # -- asking --

    def request(
        self, method: str, url: str, *, follow_redirects: bool = False, **options: Any
    ) -> ClientResponse:
        """Ask, and wait for the whole answer.

        Args:
            method: Such as ``"GET"``.
            url: A path, or an absolute URL.
            follow_redirects: Whether to go on until there is an answer that is none.
            **options: ``params``, ``headers``, ``cookies``, and of ``data``, ``json``, ``files``
                and ``content`` what is to be sent, as for :class:`circuits.web.client.Client`.

        Raises:
            BaseException: A handler has raised it.
            NotSettledError: The application has nothing left to do, and did not answer.
            ProtocolError: The answer is malformed, or was cut off.
        """
        outgoing = self._outgoing(method, url, options)
        history: list[ClientResponse] = []
        while True:
            with self._exchange(outgoing) as exchange:
                response = exchange.response
                for piece in exchange:
                    response.body.write(piece)
            self._settle()
            response.body.seek(0)
            response.history = list(history)
            if not follow_redirects:
                return response
            if not outgoing.is_redirected(response):
                return response
            outgoing.follow(response)
            history.append(response)
            if len(history) > MAX_REDIRECTS:
                raise TooManyRedirects(f"more than {MAX_REDIRECTS} redirects, to {outgoing.url}")

    def get(self, url: str, **options: Any) -> ClientResponse:
        """As :meth:`request`."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> ClientResponse:
        """As :meth:`request`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> ClientResponse:
        """As :meth:`request`."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: str, **options: Any) -> ClientResponse:
        """As :meth:`request`."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> ClientResponse:
        """As :meth:`request`."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> ClientResponse:
        """As :meth:`request`."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> ClientResponse:
        """As :meth:`request`."""
        return self.request("DELETE", url, **options)

    def stream(self, method: str, url: str, **options: Any) -> StreamedResponse:
        """Ask, and read the answer piece by piece, in a ``with`` block.

        The application goes on when a piece is asked for and none is there. Leaving the block
        hangs up.
        """
        return self._exchange(self._outgoing(method, url, options))

    def websocket(
        self, url: str, *, subprotocols: tuple[str, ...] = (), **options: Any
    ) -> WebSocketSession:
        """Open a WebSocket, for a ``with`` block.

        Args:
            url: A path.
            subprotocols: What is offered, the favourite first.
            **options: ``params``, ``headers`` and ``cookies``.

        Raises:
            StatusError: The application answers with something else, which is its ``response``.
        """
        outgoing = self._outgoing("GET", url, options)
        return WebSocketSession(self, outgoing, subprotocols)

    # -- the application --

    def open(self) -> Self:
        """Start the application, unless it runs already; the first request does this, too."""
        if self._stack is None:
            with ExitStack() as stack:
                for end in self._listener:
                    stack.callback(end.close)
                if installed_clock() is None:
                    stack.enter_context(self._clock)
                if self._problems is not None:
                    self._problems.register(self.app)
                if self.app._tree_engine.runner is None:
                    # Who waits for what never comes would wait for a clock that stands.
                    stack.callback(setattr, self.app, "stop_timeout", self.app.stop_timeout)
                    stack.enter_context(self.app.running())
                    self.app.stop_timeout = 0
                self._stack = stack.pop_all()
            self._settle()
        return self

    def close(self) -> None:
        """Stop the application, if it was started here."""
        stack, self._stack = self._stack, None
        if stack is not None:
            if self._problems is not None:
                self._problems.unregister()
                settle(self.app)
            stack.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- machinery --

    def _outgoing(self, method: str, url: str, options: dict[str, Any]) -> ClientRequest:
        return ClientRequest(method, joined(f"{self.base}/", url), **options)

    def _exchange(self, outgoing: ClientRequest) -> StreamedResponse:
        return StreamedResponse(self, outgoing)

    def _connect(self) -> Line:
        self.open()
        ours, theirs = memory_pair()
        self._clients += 1
        self._server.adopt(theirs, ("127.0.0.1", 50_000 + self._clients))
        return Line(self, ours)

    def _settle(self, until: Callable[[], object] | None = None) -> None:
        try:
            settle(self.app, until, turns=_TURNS)
        finally:
            # What a handler has raised says more than that nobody answered.
            problems = self._problems
            if problems is not None and problems.raised:
                problem = problems.raised[0]
                problems.raised.clear()
                raise problem


def web_client(
    app: Manager | type, *, base: str | None = None, raise_errors: bool = True
) -> WebClient:
    """Make a client that asks a web application in memory.

    ::

        with web_client(Root) as client:
            assert client.get("/items", params={"page": 2}).json() == []

    Time is virtual, whether or not the test has installed a clock: what the application sleeps
    for costs nothing.

    Args:
        app: A component, a class of one such as a controller, or a tree with a server in it,
            which may be running in this thread already.
        base: What paths are added to; ``http://localhost``, or ``https`` for a server with TLS.
        raise_errors: Whether an exception of a handler is raised by the request that was made
            meanwhile. Otherwise it is only what the application makes of it.

    .. versionadded:: 2.1
    """
    return WebClient(app, base=base, raise_errors=raise_errors)
