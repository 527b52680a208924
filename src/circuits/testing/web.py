"""A client for web applications: in memory, on the virtual clock, without a port."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from circuits._wire.http1 import (
    BodyEncoder,
    Data,
    Limits,
    RemoteProtocolError,
    ResponseDecoder,
    ResponseHead,
    State,
)
from circuits._wire.websocket import (
    ABNORMAL,
    Close,
    Codec,
    Ping,
    Pong,
    check_response,
    make_key,
    request_headers,
)
from circuits.core import _clock
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.core.utils import findtype
from circuits.web._client_cookies import Cookies
from circuits.web._client_errors import ProtocolError, StatusError, TooManyRedirects
from circuits.web._client_request import MAX_REDIRECTS, Outgoing, joined
from circuits.web._client_response import ClientResponse, Inflating
from circuits.web._websocket import ConnectionClosed
from circuits.web.exceptions import HTTPException
from circuits.web.servers import BaseServer, Server

from .clock import VirtualClock, installed_clock
from .connections import memory_pair
from .settling import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from circuits.core.manager import Manager

    from .connections import MemoryConnection

__all__ = ["StreamedResponse", "WebClient", "WebSocketSession", "web_client"]

_TURNS = 100_000
_SENT_AT_ONCE = 64 * 1024


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

    Attributes:
        app: The root of the application.
        base: What paths are added to, such as ``"http://localhost"``.
        cookies: What the application has set; ``client.cookies["name"]``.
    """

    def __init__(self, app: Manager | type, *, base: str | None, raise_errors: bool) -> None:
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
                    stack.enter_context(VirtualClock())
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

    def _outgoing(self, method: str, url: str, options: dict[str, Any]) -> Outgoing:
        return Outgoing(method, joined(f"{self.base}/", url), **options)

    def _exchange(self, outgoing: Outgoing) -> StreamedResponse:
        return StreamedResponse(self, outgoing)

    def _connect(self) -> _Line:
        self.open()
        ours, theirs = memory_pair()
        self._clients += 1
        self._server.adopt(theirs, ("127.0.0.1", 50_000 + self._clients))
        return _Line(self, ours)

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


class _Line:
    """Our end of a connection: what is to be sent, and what has come."""

    def __init__(self, client: WebClient, end: MemoryConnection) -> None:
        self._client = client
        self._end = end
        self._pending = bytearray()
        self.at_end = False

    def send(self, data: bytes) -> None:
        self._pending += data

    def flush(self) -> bool:
        """Send what can be sent; whether that is all."""
        while self._pending:
            try:
                count = self._end.send(self._pending[:_SENT_AT_ONCE])
            except BlockingIOError:
                return False
            except OSError:  # they have closed; their answer may be there nevertheless
                self._pending.clear()
                break
            del self._pending[:count]
        return True

    def receive(self) -> bytes:
        """What has come."""
        try:
            data = self._end.received()
        except OSError:  # reset
            data = b""
            self.at_end = True
        else:
            self.at_end = self._end.at_end
        return data

    def wait(self, done: Callable[[], object], timeout: float | None = None) -> bool:
        """Turn the application until something is true; whether that was in time."""
        if timeout is None:
            self._client._settle(done)
            return True
        limit = _clock.now() + timeout
        # So that the clock stops there on its way.
        alarm = self._client.app._tree_engine.schedule.call_at(limit, lambda: None)
        try:
            self._client._settle(lambda: done() or _clock.now() >= limit)
            if not done():
                self._client._settle()  # what is due just now is in time
        finally:
            alarm.cancel()
        return bool(done())

    def close(self) -> None:
        self._end.close()


class StreamedResponse:
    """An answer that is read piece by piece: ``with client.stream("GET", "/") as response``.

    Attributes:
        response: What is known so far, without the body.
    """

    def __init__(self, client: WebClient, outgoing: Outgoing) -> None:
        self._client = client
        self._outgoing = outgoing
        self._decoder = ResponseDecoder(Limits(body_bytes=None))
        self._line: _Line | None = None
        self._pieces: list[bytes] = []
        self._head: ResponseHead | None = None
        self._is_over = False
        self._is_cut = False
        self.response: ClientResponse

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.response.status

    @property
    def headers(self) -> Any:
        """The headers of the answer."""
        return self.response.headers

    def read(self, timeout: float | None = None) -> bytes:
        """The next piece, ``b""`` at the end.

        Args:
            timeout: Virtual seconds to wait for it.

        Raises:
            TimeoutError: Nothing has come in that time.
        """
        for piece in self._read(timeout):
            return piece
        return b""

    def lines(self) -> Iterator[str]:
        """The lines of the body, without their ends, as they come."""
        rest = ""
        for piece in self:
            rest += piece.decode(self.response.encoding, "replace")
            *lines, rest = rest.split("\n")
            yield from (line.removesuffix("\r") for line in lines)
        if rest:
            yield rest

    def __iter__(self) -> Iterator[bytes]:
        return self._read(None)

    def _read(self, timeout: float | None) -> Iterator[bytes]:
        while True:
            if not self._pieces and not self._is_over and not self._wait(self._has_piece, timeout):
                raise TimeoutError(f"nothing has come for {timeout} s")
            if not self._pieces:
                return
            yield self._pieces.pop(0)

    def __enter__(self) -> Self:
        outgoing = self._outgoing
        line = self._line = self._client._connect()
        try:
            line.send(outgoing.head(cookie=self._client.cookies.header(outgoing)))
            self._decoder.expect(outgoing.method)
            self._send_body(line)
            self._wait(lambda: self._head is not None)
            assert self._head is not None
            self.response = ClientResponse(self._head, outgoing)
            self._client.cookies.take(self.response)
            self._inflating = Inflating(self.response.headers.get("Content-Encoding", ""))
            self._pieces = [part for piece in self._pieces for part in self._inflating.feed(piece)]
            if self._is_over:
                self._inflating.end()
        except BaseException:
            line.close()
            raise
        return self

    def _send_body(self, line: _Line) -> None:
        body = self._outgoing.body
        if isinstance(body, bytes):
            line.send(body)
            return
        length = self._outgoing.length
        encoder = BodyEncoder(length, chunked=length is None)
        for piece in body:
            line.send(bytes(encoder.send(piece.encode() if isinstance(piece, str) else piece)))
            # The application gets it before the next one is made.
            self._client._settle()
            line.wait(line.flush)
        line.send(encoder.end())

    def __exit__(self, *problem: object) -> None:
        assert self._line is not None
        self._line.close()
        if problem[0] is None:
            self._client._settle()

    def _wait(self, done: Callable[[], object], timeout: float | None = None) -> bool:
        line = self._line
        assert line is not None

        def go_on() -> object:
            line.flush()
            self._receive(line)
            return done()

        return line.wait(go_on, timeout)

    def _has_piece(self) -> bool:
        return bool(self._pieces) or self._is_over

    def _receive(self, line: _Line) -> None:
        data = line.receive()
        decoder = self._decoder
        try:
            while data or line.at_end:
                # The decoder takes a limited amount of what is not asked for.
                taken, data = data[:_SENT_AT_ONCE], data[_SENT_AT_ONCE:]
                if taken:
                    decoder.receive_data(taken)
                elif not self._is_cut:
                    self._is_cut = True
                    decoder.receive_eof()
                self._decode(decoder)
                if not taken:
                    break
        except RemoteProtocolError as problem:
            raise ProtocolError(str(problem)) from None

    def _decode(self, decoder: ResponseDecoder) -> None:
        while not self._is_over and (message := decoder.next_message()) is not None:
            if isinstance(message, ResponseHead):
                if not message.interim:
                    self._head = message
                    self._is_over = not message.has_body
            elif isinstance(message, Data):
                if hasattr(self, "_inflating"):
                    self._pieces += self._inflating.feed(message.data)
                else:
                    self._pieces.append(message.data)
            else:
                self._is_over = True
                if hasattr(self, "_inflating"):
                    self._inflating.end()
        if decoder.state is State.CLOSED and self._head is not None:
            self._is_over = True


class WebSocketSession:
    """A WebSocket, from the client's side.

    Attributes:
        response: The answer to the handshake.
        subprotocol: What was agreed on, or ``None``.
        close_code: The code with which the connection has ended, or ``None``.
        close_reason: What was said besides.
    """

    def __init__(
        self, client: WebClient, outgoing: Outgoing, subprotocols: tuple[str, ...]
    ) -> None:
        self._client = client
        self.close_code: int | None = None
        self.close_reason = ""
        self._codec = Codec(is_client=True)
        self._messages: list[str | bytes] = []
        self._is_closing = False
        key = make_key(_clock.random_bytes)
        outgoing.headers += request_headers(key, subprotocols)
        exchange = StreamedResponse(client, outgoing)
        exchange.__enter__()
        self.response = exchange.response
        line = exchange._line
        assert line is not None
        self._line = line
        if self.response.status != 101:
            try:
                for piece in exchange:
                    self.response.body.write(piece)
                self.response.body.seek(0)
            finally:
                exchange.__exit__(None)
            raise StatusError(self.response)
        head = exchange._head
        assert head is not None
        agreement = check_response(head.status, head.headers, key, subprotocols)
        self.subprotocol = agreement.subprotocol
        self._take(exchange._decoder.release())

    def send(self, message: str | bytes) -> None:
        """Send a message: text for ``str``, else binary.

        Raises:
            ConnectionClosed: The connection is over.
        """
        self._receive()
        if self.close_code is not None:
            raise ConnectionClosed(self.close_code, self.close_reason)
        self._line.send(self._codec.send(message))
        self._line.wait(self._line.flush)

    def receive(self, timeout: float | None = None) -> str | bytes:
        """The next message.

        Args:
            timeout: Virtual seconds to wait for it; ``None``: until nothing is left to happen.

        Raises:
            ConnectionClosed: The connection is over.
            TimeoutError: Nothing has come in that time.
        """
        if not self._wait(lambda: self._messages or self.close_code is not None, timeout):
            raise TimeoutError(f"no message has come for {timeout} s")
        if self._messages:
            return self._messages.pop(0)
        assert self.close_code is not None
        raise ConnectionClosed(self.close_code, self.close_reason)

    def __iter__(self) -> Iterator[str | bytes]:
        """The messages, until the connection is over."""
        while True:
            try:
                yield self.receive()
            except ConnectionClosed:
                return

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait for the application to agree."""
        if not self._is_closing and self.close_code is None:
            self._is_closing = True
            self._line.send(self._codec.send_close(code, reason))
            self._wait(lambda: self.close_code is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        try:
            if problem[0] is None:
                self.close()
                self._client._settle()
        finally:
            self._line.close()
        if problem[0] is None:
            self._client._settle()

    def _wait(self, done: Callable[[], object], timeout: float | None = None) -> bool:
        def go_on() -> object:
            self._line.flush()
            self._receive()
            return done()

        return self._line.wait(go_on, timeout)

    def _receive(self) -> None:
        self._take(self._line.receive())
        if self._line.at_end and self.close_code is None:
            self.close_code = ABNORMAL

    def _take(self, data: bytes) -> None:
        codec = self._codec
        codec.receive_data(data)
        while (message := codec.next_message()) is not None:
            if isinstance(message, Ping):
                self._line.send(codec.send_pong(message.payload))
            elif isinstance(message, Close):
                self.close_code, self.close_reason = message.code, message.reason
                if not self._is_closing:
                    self._is_closing = True
                    self._line.send(
                        codec.send_close(None if message.code == 1005 else message.code)
                    )
                self._line.flush()
            elif not isinstance(message, Pong):
                self._messages.append(message)


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
