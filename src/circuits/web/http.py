"""HTTP: from bytes to requests, and from responses to bytes (manual: circuits.web.http).

The component stands between a transport and whoever answers requests, all on one channel. It
fires ``request`` for every complete request, turns what its handlers return into a response,
fires ``response``, and writes that. One request of a connection is dealt with at a time, so
responses leave in the order of the requests; what a client sends ahead stays in the codec.

Where nobody but this component can see one of those events, it is not made: the step is a call
(``circuits.core._direct``). A request to a Controller then takes no event at all.

Here are the handlers of events. They find the connection or the exchange that an event is about
and tell it: ``_connection`` is a client, with its time; ``_exchange`` one request and its response;
``_results`` says what becomes of the results of handlers; ``_transport`` is the way to the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core._direct import Direct
from circuits.core.components import BaseComponent
from circuits.core.errors import EXIT_EXCEPTIONS
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net.sockets import Close, Write

from . import _results as results
from . import errors, events
from ._connection import Connection
from ._connections import Connections
from ._exchange import Exchange, State
from ._exchange_errors import expect_page, replace
from ._later import Later
from ._limits import Budget, Limits
from ._outgoing import has_filter
from ._transport import EventTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core._engine import Engine
    from circuits.core.events import BaseEvent
    from circuits.core.manager import Manager
    from circuits.core.values import Value

    from . import wrappers
    from ._proxies import TrustedProxies
    from ._transport import Transport

__all__ = ["HTTP"]

_HANDLING, _DECIDED, _SENDING = State.HANDLING, State.DECIDED, State.SENDING


class _Linger(Event):
    """Everything is written to a client that may have more to say; fired behind that."""

    name = "_linger"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)


class _Watch:
    """Has a function called when an event is over."""

    __slots__ = ("_arguments", "_call", "_http")

    is_awaited = False  # so that nobody takes it for one who gets the exceptions

    def __init__(self, http: HTTP, call: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self._http = http
        self._call = call
        self._arguments = arguments

    def resolve(self, event: BaseEvent, value: Value) -> None:
        """The engine tells that all handlers are done."""
        try:
            self._call(*self._arguments)
        except BaseException as problem:
            self._http.report(problem)


class HTTP(BaseComponent):
    """Speaks HTTP/1.1 for the transport on its channel.

    Handles ``connect``, ``read``, ``disconnect``, ``socket_error``, ``pause``, ``resume``, ``request_success``, ``request_failure``,
    ``request_value_changed``, ``response``, ``response_failure``, ``stream``, ``stream_failure``, ``httperror``,
    ``started``, ``stopped`` and ``prepare_unregister``.
    Fires ``request``, ``response``, ``stream``, ``httperror``, ``write`` and ``close``.

    Args:
        encoding: How text in bodies is encoded.
        channel: The channel of the transport.
        server: The server component that requests refer to.
        proxies: Whom to believe where requests come from; ``None`` is nobody.
        **limits: ``limits=``, a :class:`~circuits.web.Limits`, or each by its name.
    """

    channel = "web"

    def __init__(
        self,
        encoding: str = "utf-8",
        channel: str = "web",
        server: Any = None,
        proxies: TrustedProxies | None = None,
        **limits: Any,
    ) -> None:
        super().__init__(channel=channel)
        self.encoding = encoding
        self.web_server = server
        # Requests want one even where HTTP stands on a transport that somebody else made.
        self.server: Any = self if server is None else server
        self.limits = Limits.take(limits)
        if limits:
            raise TypeError(f"HTTP() has no option {', '.join(limits)}")
        self.wire_limits = self.limits.of_wire()
        self.form_limits = self.limits.of_forms()
        self.budget = Budget(self.limits.buffered_bytes)
        self.proxies = proxies
        self.stopping = False
        self.transport: Transport | EventTransport = EventTransport()
        self.request_door = Direct(self, events.Request, feedback=("success", "failure"))
        self.response_door = Direct(
            self, events.Response, feedback=("failure",), home=(HTTP._on_response,), several=True
        )
        self.stream_door = Direct(self, events.Stream, feedback=("failure",))
        self.write_door = Direct(self, Write)
        self.close_door = Direct(self, Close)
        self.linger_door = Direct(self, _Linger, (self,))
        self._later_door = Direct(self, Later, (self,))
        self._connections = Connections(self)
        self.stream_rules_version = -1
        #: What says whether a request is to be dispatched before its body, in the order of handlers.
        self._stream_rules: list[Callable[[wrappers.Request], bool | None]] = []
        self.streams_all = False  # what nobody else has an opinion on

    def attach(self, transport: Transport) -> None:
        """Use a transport by its methods, and not only by events.

        .. versionadded:: 2.1
        """
        self.transport = transport
        transport.keep_with(self)

    # -- what the server is known as --

    @property
    def version(self) -> str:
        """Name and version that the server gives."""
        from .constants import SERVER_VERSION

        return SERVER_VERSION

    @property
    def base(self) -> str | None:
        """URL of the server."""
        return getattr(self.web_server, "base", None)

    # -- for exchanges and connections --

    def exchange_of(self, response: wrappers.Response) -> Exchange | None:
        """The exchange that a response is for, while its client waits for it.

        .. versionadded:: 2.1
        """
        request = response.request
        connection = self._connections.get(request.sock)
        if connection is not None:
            exchange = connection.exchange
            if exchange is not None and exchange.request is request:
                return exchange
        return None

    def report(self, problem: BaseException) -> None:
        """Tell of an exception that no handler of the application is to blame for."""
        engine = self._tree_engine
        if isinstance(problem, EXIT_EXCEPTIONS):
            engine.stop(problem.code if isinstance(problem, SystemExit) else None)
        else:
            engine.report(problem, None, None)

    def watch(self, event: BaseEvent, call: Callable[..., object], *arguments: Any) -> None:
        """Have something done when all handlers of an event are done."""
        event._when_over(_Watch(self, call, arguments))

    def later(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have something done behind what has been fired."""
        self.fire(Later(call, *arguments), self)

    def run_aside(self, coroutine: Any) -> None:
        """Have a coroutine run, as if a handler of ours had returned it."""
        door = self._later_door
        door.take(door.event(coroutine.close), self._on_later, coroutine)

    def wants_stream(self, request: wrappers.Request, has_body: bool) -> bool:
        """Whether the first handler that has an opinion wants the body as it arrives."""
        engine = self._tree_engine
        if self.stream_rules_version != engine.routes.version:
            self.stream_rules_version = engine.routes.version
            routes = engine.route("request", self._tree_channels)
            rules = [_stream_rule(method) for method, _, _ in routes]
            self._stream_rules = [rule for rule in rules if rule is not None]
            self.streams_all = _every_body in rules
        if has_body or self.streams_all:
            for rule in self._stream_rules:
                wanted = rule(request)
                if wanted is not None:
                    return wanted
        return False

    # -- the transport tells -----------------------------------------------------------------

    @handler("connect")
    def _on_connect(self, sock: Any, *peer: Any) -> None:
        # Known from now on, so that a client who never says anything is sent away, too.
        if not isinstance(sock, str):  # a client on our channel would be asked to connect
            connection = self._connections.get(sock) or self._connections.open(sock)
            connection.peer = peer[:2] if len(peer) >= 2 else None

    @handler("read")
    def _on_read(self, sock: Any, data: bytes) -> None:
        connection = self._connections.get(sock)
        if connection is None:
            connection = self._connections.open(sock)
        connection.receive_data(data)

    def end_of_input(self, sock: Any) -> bool:
        """Take note that a client has finished writing; for the transport.

        Returns:
            Whether there is something to answer; then the connection is closed afterwards.

        .. versionadded:: 2.1
        """
        connection = self._connections.get(sock)
        return connection is not None and connection.end_of_input()

    @handler("pause", "resume")
    def _on_flow(self, event: Event, sock: Any = None) -> None:
        connection = self._connections.get(sock)
        if connection is not None:
            connection.set_congested(event.name == "pause")

    @handler("socket_error")
    def _on_socket_error(self, sock: Any, problem: Any = None) -> None:
        connection = self._connections.get(sock)
        if connection is not None:
            connection.broken(problem)

    @handler("disconnect")
    def _on_disconnect(self, sock: Any = None) -> None:
        connection = self._connections.pop(sock, None)
        if connection is not None:
            connection.drop()

    @handler("_linger")
    def _on_linger(self, connection: Connection) -> None:
        connection.linger()

    # -- what handlers of requests have come to ------------------------------------------------

    @handler("request_success")
    def _on_request_success(self, e: BaseEvent, value: Any) -> None:
        self._settle(e)

    @handler("request_value_changed")
    def _on_request_value_changed(self, value: Value) -> None:
        event = value.event
        if event is not None and not value.handled and not event.waitingHandlers:
            self._settle(event)

    def _settle(self, event: BaseEvent) -> None:
        response = event._event_args[1]
        exchange = self.exchange_of(response)
        if exchange is not None:
            exchange.settle(event.value)
        else:
            results.discard(response, event.value.value, True)
            response.release()

    @handler("request_failure")
    def _on_request_failure(self, e: BaseEvent, error: Any) -> None:
        exchange = self.exchange_of(e.args[1])
        if exchange is not None and exchange.state is _HANDLING and not exchange.request.handled:
            exchange.fail(error)

    @handler("_later")
    def _on_later(self, call: Callable[..., object], *arguments: Any) -> None:
        call(*arguments)

    # -- errors --------------------------------------------------------------------------------

    @handler("httperror", priority=1_000_000)
    def _on_any_httperror(
        self, event: Any, request: Any, response: Any, *args: Any, **kwargs: Any
    ) -> None:
        exchange = self.exchange_of(response)
        if exchange is not None and exchange.state < _SENDING:
            expect_page(exchange, event)

    @handler("httperror")
    def _on_httperror(
        self, event: Any, request: Any, response: Any, code: int | None = None, **kwargs: Any
    ) -> None:
        exchange = self.exchange_of(response)
        # Where who makes the page has ended the program, there is none.
        if exchange is not None and exchange.state < _SENDING and not results.was_cut(event.value):
            response.body = str(event)
            exchange.respond(response)

    # -- responses -----------------------------------------------------------------------------

    @handler("response")
    def _on_response(self, response: wrappers.Response | errors.HTTPError) -> None:
        if isinstance(response, errors.HTTPError):
            # A tool has refused: ``event[0] = gzip(event[0])``.
            problem, response = response, response.response
            response.body = str(problem)
        request = response.request
        connection = self._connections.get(request.sock)
        exchange = None if connection is None else connection.exchange
        if exchange is not None and exchange.request is request and exchange.state < _SENDING:
            try:
                exchange.send(response)
            except EXIT_EXCEPTIONS as problem:  # which is no failure
                replace(exchange, problem)
                raise
        elif exchange is None or exchange.response is not response:
            response.release()  # the client has gone, or got its answer

    @handler("response_failure")
    def _on_response_failure(self, e: BaseEvent, error: Any) -> None:
        response = e.args[0]
        if isinstance(response, errors.HTTPError):
            response = response.response
        exchange = self.exchange_of(response)
        # When it is being sent, whatever breaks that off has done so.
        if exchange is not None and exchange.state < _SENDING:
            replace(exchange, error[1])

    @handler("stream")
    def _on_stream(self, response: wrappers.Response, data: Any) -> None:
        exchange = self.exchange_of(response)
        if exchange is not None and exchange.response is response:
            exchange.push(data)

    @handler("stream_failure")
    def _on_stream_failure(self, e: BaseEvent, error: Any) -> None:
        # A filter that has failed kept the piece from being written. Of those that are pulled
        # this is known more exactly, and at once.
        exchange = self.exchange_of(e.args[0])
        if exchange is not None and not exchange.is_pulled and has_filter(self, "stream"):
            replace(exchange, error[1])

    # -- the beginning and the end -------------------------------------------------------------

    @handler("started", channel="*")
    def _on_started(self, component: Manager) -> None:
        if component is self.root:
            self.stopping = False

    @handler("stopped", channel="*", priority=1)
    def _on_stopped(self, component: Manager) -> None:
        """Close what is idle; let what is being answered be answered."""
        if component is self.root:
            self.stopping = True
            for connection in list(self._connections.values()):
                connection.stop()

    def abandon(self) -> None:
        """Break off with every client: they cannot be answered any more.

        .. versionadded:: 2.1
        """
        self._connections.abandon()

    @handler("prepare_unregister", channel="*", priority=1)
    def _on_prepare_unregister(self, event: Any, component: Manager) -> None:
        if event.in_subtree(self):
            self.abandon()

    def _tree_joined(self) -> None:
        self.transport.keep_with(self)

    def _tree_left(self, engine: Engine) -> None:
        self.transport.part_from(self)


def _stream_rule(method: Any) -> Callable[[wrappers.Request], bool | None] | None:
    """What says whether a handler of ``request`` wants a body as it arrives, or ``None``.

    A component may decide it by a method ``wants_stream(request)``, whose ``None`` leaves it to
    others; a handler with ``stream=True`` wants all of them.
    """
    rule: Any = getattr(getattr(method, "__self__", None), "wants_stream", None)
    if rule is None and getattr(method, "stream", False):
        return _every_body
    return rule  # type: ignore[no-any-return]


def _every_body(request: wrappers.Request) -> bool:
    return True
