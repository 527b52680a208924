"""The connection of a WebSocket client: TCP, and the handshake over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire.http1 import RemoteProtocolError, ResponseDecoder, ResponseHead
from circuits._wire.websocket import HandshakeError
from circuits.core import _clock
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.net import sockets

from ._later import Later
from ._websocket import WebSocket

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from circuits.core._clock import Appointment
    from circuits.core.manager import Manager

    from ._websocket_client_handshake import ClientHandshake
    from ._websocket_client_messages import ClientMessages
    from ._websocket_options import Options
    from .websocket import WebSocketClient

__all__ = ["ClientLink"]


class ClientLink(BaseComponent):
    """The connection below: TCP and the handshake, on a channel of its own."""

    def __init__(
        self,
        client: WebSocketClient,
        messages: ClientMessages,
        handshake: ClientHandshake,
        options: Options,
        connect_timeout: float,
        context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(channel=f"{client.channel}.{id(self):x}")
        self.handshake = handshake
        self.peer: tuple[Any, Any] | None = None
        self.is_held = False
        self.is_cut_off = False
        self._client = client
        self._messages = messages
        self._options = options
        self._timeout = connect_timeout
        self._context = context
        self._websocket: WebSocket | None = None
        self._decoder: ResponseDecoder | None = None  # until it is open
        self._timer: Appointment | None = None
        self._is_reached = False
        self._transport = sockets.TCPClient(channel=self.channel, connect_timeout=connect_timeout)
        self._transport.register(self)

    # -- connecting --

    def connect(self) -> WebSocket:
        """Begin, unless that has been done."""
        websocket = self._websocket
        if websocket is None:
            websocket = WebSocket(None, None, None, None, self._options, self._messages)
            self._websocket = websocket
            self._decoder = ResponseDecoder()
            self._decoder.expect("GET")
            if self._messages.early is None:
                self._messages.early = []
            handshake = self.handshake
            options: dict[str, Any] = {}
            if self._context is not None:
                options["context"] = self._context
            self._timer = self._tree_engine.schedule.call_at(
                _clock.now() + self._timeout,
                lambda: self.give_up(TimeoutError(f"not open after {self._timeout:g} s")),
            )
            self._transport.connect(handshake.host, handshake.port, handshake.secure, **options)
        return websocket

    def give_up(self, reason: Exception) -> None:
        """No WebSocket comes of it."""
        websocket = self._websocket
        if websocket is None or self._decoder is None:
            return
        self._forget()
        if self._messages.early:
            self._messages.early = []
        websocket._refused(str(reason))
        self._client._not_connected(reason)
        self._transport.close()

    def _forget(self) -> None:
        self._websocket = self._decoder = None
        self.is_held = self.is_cut_off = False
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @handler("ready")
    def _on_ready(self, *args: Any) -> None:
        if self._client.connects_itself:
            self.connect()

    @handler("connected")
    def _on_connected(self, host: str, port: int) -> None:
        self._is_reached = True
        self._client.fire(sockets.Connected(host, port))
        if self._decoder is None:
            self._transport.close()  # given up meanwhile
        else:
            self.write(self.handshake.begin())

    @handler("unreachable")
    def _on_unreachable(self, host: str, port: int, reason: Exception) -> None:
        self.give_up(reason)

    @handler("socket_error")
    def _on_socket_error(self, problem: Exception) -> None:
        if self._websocket is not None and self._decoder is None:
            self._websocket._broken(problem)
        self.give_up(problem)

    @handler("read")
    def _on_read(self, data: bytes) -> None:
        websocket, decoder = self._websocket, self._decoder
        if decoder is None:
            if websocket is not None:
                websocket._receive_data(data)
            return
        decoder.receive_data(data)
        try:
            head: Any = decoder.next_message()
            while isinstance(head, ResponseHead) and head.interim:
                head = decoder.next_message()
            if head is None:
                return
            subprotocol, deflate = self.handshake.end(head)
        except (RemoteProtocolError, HandshakeError) as problem:
            self.give_up(problem)
            return
        assert websocket is not None
        self._cancel_timer()
        self._decoder = None
        websocket._agreed(subprotocol, deflate)
        websocket._begin(self)
        if rest := decoder.release():
            websocket._receive_data(rest)

    @handler("disconnected")
    def _on_disconnected(self) -> None:
        websocket = self._websocket
        self.give_up(ConnectionResetError("the server has closed the connection"))
        self._forget()
        if websocket is not None:
            websocket._closed()
        if self._is_reached:
            self._is_reached = False
            self._client.fire(sockets.Disconnected())

    # -- what a WebSocket asks for --

    @property
    def owner(self) -> ClientLink:
        """We do that, too."""
        return self

    def later(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have something done behind what has been fired."""
        self.fire(Later(call, *arguments), self)

    @handler("_later")
    def _on_later(self, call: Callable[..., object], *arguments: Any) -> None:
        call(*arguments)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write to the server."""
        self._transport.write(data)

    def must_pause(self) -> bool:
        """Whether the server does not keep up."""
        connection = self._transport._connection
        return connection is not None and connection.is_congested

    def hold_reading(self) -> None:
        """Read nothing more for now."""
        if not self.is_held:
            self.is_held = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self.is_held = False
        self._transport.resume_reading()

    def cut(self, is_reset: bool = False) -> None:
        """Close at once, and lose what is pending."""
        self._transport._abort()

    def close(self) -> None:
        """Close when all is written."""
        self._transport.close()

    @handler("pause")
    def _on_pause(self) -> None:
        if self._websocket is not None:
            self._websocket._congested(True)

    @handler("resume")
    def _on_resume(self) -> None:
        if self._websocket is not None:
            self._websocket._congested(False)

    @handler("stopped", channel="*", priority=1)
    def _on_stopped(self, component: Manager) -> None:
        if component is self.root and self._websocket is not None:
            self._websocket._stopping()
            self.give_up(ConnectionAbortedError("the application stops"))
