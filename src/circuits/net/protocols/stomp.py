"""A client of message brokers that speak STOMP (1.0 to 1.2).

.. versionadded:: 2.1
   From the 3.x line, without what that needs besides.
"""

from __future__ import annotations

import base64
import ssl
from typing import TYPE_CHECKING, Any

from circuits._wire import stomp as wire
from circuits._wire.http1 import RemoteProtocolError as ProxyProblem
from circuits._wire.http1 import ResponseDecoder, ResponseHead, encode_request_head
from circuits._wire.stomp import Frame, Limits
from circuits.core import _clock
from circuits.core._clock import NEVER
from circuits.core.components import BaseComponent
from circuits.core.errors import CircuitsError
from circuits.core.handlers import handler
from circuits.core.timers import Timer
from circuits.net import sockets

from . import _stomp_events as events
from ._stomp_events import *  # noqa: F403 - documented names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from circuits.core._engine import Engine

__all__ = [
    "ACK_AUTO",
    "ACK_CLIENT",
    "ACK_CLIENT_INDIVIDUAL",
    "ACK_MODES",
    "Frame",
    "StompClient",
    "StompError",
]
__all__ += events.__all__

ACK_AUTO = "auto"
ACK_CLIENT = "client"
ACK_CLIENT_INDIVIDUAL = "client-individual"
ACK_MODES = (ACK_CLIENT_INDIVIDUAL, ACK_AUTO, ACK_CLIENT)

#: A server may be late by as much as it likes to be early: half an interval more is granted.
_PATIENCE = 1.5


class StompError(CircuitsError):
    """Something cannot be sent: there is no connection, or no such subscription."""


# -- the client --------------------------------------------------------------------------------


class _Link(BaseComponent):
    """Hears what the socket tells, on a channel of its own, and passes it on."""

    def __init__(self, client: StompClient, channel: Any) -> None:
        super().__init__(channel=channel)
        self._client = client

    @handler("connected")
    def _on_connected(self, *args: Any) -> None:
        self._client._linked()

    @handler("starttls_done")
    def _on_starttls_done(self, *args: Any) -> None:
        self._client._greet()

    @handler("read")
    def _on_read(self, data: bytes) -> None:
        self._client._take(data)

    @handler("disconnected")
    def _on_disconnected(self) -> None:
        self._client._lost(None)

    @handler("socket_error")
    def _on_socket_error(self, problem: Exception) -> None:
        self._client._failed(problem)


class StompClient(BaseComponent):
    """A client of a broker.

    Handles ``connect``, ``disconnect``, ``send``, ``subscribe``, ``unsubscribe``, ``ack`` and
    ``nack``; fires ``connected``, ``connection_failed``, ``disconnected``, ``message``,
    ``on_stomp_error`` and ``heartbeat_timeout``, all on its own channel. What cannot be sent fails
    with a :class:`StompError`. Subscriptions end with the connection.

    Args:
        host: Name or address of the broker.
        port: Its port.
        username: Who we are, if it asks.
        password: And the proof.
        connect_timeout: Seconds to reach it.
        connected_timeout: Seconds for it to accept us after that.
        version: The newest version to speak.
        accept_versions: Those that we speak.
        heartbeats: How often we send a sign of life and how often we want one, in milliseconds;
            0 is never.
        ssl_context: Used instead of the following options of TLS.
        use_ssl: Whether to speak TLS.
        key_file: Our key.
        cert_file: Our certificate.
        ca_certs: Which certificates to trust, instead of those of the system.
        ssl_version: Accepted; the best version that both sides have is used.
        key_file_password: Of the key.
        proxy_host: An HTTP proxy to go through.
        proxy_port: Its port.
        proxy_user: Who we are to the proxy.
        proxy_password: And the proof.
        channel: Where to listen and to fire.
        limits: How large frames may be.
    """

    channel = "stomp"

    def __init__(
        self,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
        connect_timeout: float | None = 3,
        connected_timeout: float | None = 3,
        version: str = "1.2",
        accept_versions: Iterable[str] = ("1.0", "1.1", "1.2"),
        heartbeats: tuple[int, int] = (0, 0),
        ssl_context: ssl.SSLContext | None = None,
        use_ssl: bool = True,
        key_file: str | None = None,
        cert_file: str | None = None,
        ca_certs: str | None = None,
        ssl_version: Any = None,
        key_file_password: str | None = None,
        proxy_host: str | None = None,
        proxy_port: int | None = None,
        proxy_user: str | None = None,
        proxy_password: str | None = None,
        channel: Any = "stomp",
        *,
        limits: Limits = wire.DEFAULT_LIMITS,
    ) -> None:
        self._target = (host, port)
        self._login = (username, password)
        self._connected_timeout = connected_timeout
        self._versions = [known for known in accept_versions if known <= version]
        self._heartbeats = heartbeats
        self._context = ssl_context
        if use_ssl and ssl_context is None:
            self._context = ssl.create_default_context(cafile=ca_certs)
            if cert_file is not None:
                self._context.load_cert_chain(cert_file, key_file, key_file_password)
        elif not use_ssl:
            self._context = None
        self._proxy = None if proxy_host is None else (proxy_host, proxy_port or 8080)
        self._proxy_login = (proxy_user, proxy_password)
        self._limits = limits
        self._virtual_host: str | None = None
        self._decoder = wire.FrameDecoder(limits)
        self._tunnel: ResponseDecoder | None = None
        self._is_accepted = False
        self._is_connecting = False
        self._reason: Exception | None = None  # why there is no connection
        self._wanted_end = False
        self._receipt: str | None = None
        self._confirmed: str | None = None
        self._last_heard = 0.0
        self._hear_interval = 0.0
        self._timers: list[Timer] = []
        self._deadline = NEVER
        self._subscriptions: dict[str, str] = {}  # destination: id
        self._next_id = 0
        # Nobody else listens there, so that other clients in the tree are not disturbed.
        private = object()
        self._link = _Link(self, private)
        self._socket = sockets.TCPClient(channel=private, connect_timeout=connect_timeout)
        super().__init__(channel=channel)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us."""
        return self._is_accepted

    @property
    def subscribed(self) -> Any:
        """The destinations that messages come from."""
        return self._subscriptions.keys()

    def get_subscription(self, frame: Frame) -> str | None:
        """The destination whose subscription brought a message, or ``None``."""
        wanted = frame.headers.get("subscription")
        return next((name for name, key in self._subscriptions.items() if key == wanted), None)

    # -- what applications ask for --

    @handler("connect")
    def _on_connect(self, host: str | None = None) -> None:
        if self._is_accepted or self._is_connecting:
            raise StompError("the client is already connected or connecting")
        self._virtual_host = host
        self._is_connecting = True
        self._wanted_end = False
        self._reason = self._receipt = self._confirmed = None
        self._decoder = wire.FrameDecoder(self._limits)
        if self._proxy is not None:
            self._socket.connect(*self._proxy)
        elif self._context is not None:
            self._socket.connect(*self._target, secure=True, context=self._context)
        else:
            self._socket.connect(*self._target)

    @handler("disconnect")
    def _on_disconnect(self, receipt: str | None = None) -> None:
        if not self._is_accepted:
            was_linked = self._socket.connected
            self._socket.close()
            if not was_linked:
                self._lost(StompError("the client was told to disconnect"))
            return
        self._wanted_end = True
        headers = {}
        if receipt is not None:
            self._receipt = headers["receipt"] = receipt
        self._send("DISCONNECT", headers)
        if receipt is None:
            self._socket.close()

    @handler("send")
    def _on_send(
        self,
        destination: str,
        body: str | bytes,
        headers: dict[str, Any] | None = None,
        receipt: str | None = None,
    ) -> None:
        chosen = {"destination": destination}
        chosen.update((name, str(value)) for name, value in (headers or {}).items())
        if receipt is not None:
            chosen["receipt"] = receipt
        self._send("SEND", chosen, body.encode() if isinstance(body, str) else bytes(body))

    @handler("subscribe")
    def _on_subscribe(self, destination: str, ack: str = ACK_CLIENT_INDIVIDUAL) -> None:
        if ack not in ACK_MODES:
            raise StompError(f"ack must be one of {', '.join(ACK_MODES)}, not {ack!r}")
        if destination in self._subscriptions:
            raise StompError(f"{destination} is already subscribed")
        key = str(self._next_id)
        self._send("SUBSCRIBE", {"id": key, "destination": destination, "ack": ack})
        self._next_id += 1
        self._subscriptions[destination] = key

    @handler("unsubscribe")
    def _on_unsubscribe(self, destination: str) -> None:
        if destination not in self._subscriptions:
            raise StompError(f"{destination} is not subscribed")
        headers = {"id": self._subscriptions.pop(destination), "destination": destination}
        self._send("UNSUBSCRIBE", headers)

    @handler("ack")
    def _on_ack(self, frame: Frame) -> None:
        self._send("ACK", self._identity(frame))

    @handler("nack")
    def _on_nack(self, frame: Frame) -> None:
        self._send("NACK", self._identity(frame))

    def _identity(self, frame: Frame) -> dict[str, str]:
        """By what the broker knows a message."""
        headers = frame.headers
        try:
            if self._decoder.version == "1.2":
                return {"id": headers["ack"]}
            found = {"message-id": headers["message-id"]}
        except KeyError as missing:
            raise StompError(f"the message cannot be acknowledged: it has no {missing}") from None
        if "subscription" in headers:
            found["subscription"] = headers["subscription"]
        return found

    def _send(self, command: str, headers: dict[str, str], body: bytes = b"") -> None:
        if not self._is_accepted:
            raise StompError(f"{command} cannot be sent: the client is not connected")
        self._socket.write(wire.encode(Frame(command, headers, body), self._decoder.version))

    # -- what the socket tells --

    def _linked(self) -> None:
        """The transport stands."""
        self._give_time()
        if self._proxy is None:
            self._greet()
            return
        self._tunnel = ResponseDecoder()
        self._tunnel.expect("CONNECT")
        self._socket.write(_tunnel_request(*self._target, *self._proxy_login))

    def _greet(self) -> None:
        host, _ = self._target
        headers = {
            "accept-version": ",".join(self._versions),
            "host": self._virtual_host or host,
        }
        if any(self._heartbeats):
            headers["heart-beat"] = ",".join(map(str, self._heartbeats))
        user, password = self._login
        if user is not None:
            headers["login"] = user
        if password is not None:
            headers["passcode"] = password
        self._socket.write(wire.encode(Frame("CONNECT", headers)))

    def _take(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._take_from_proxy(data)
            return
        self._last_heard = _clock.now()
        self._decoder.receive_data(data)
        try:
            while (found := self._decoder.next_message()) is not None:
                if isinstance(found, Frame):
                    self._take_frame(found)
        except wire.RemoteProtocolError as problem:
            self._failed(problem)
            self._socket.close()

    def _take_from_proxy(self, data: bytes) -> None:
        assert self._tunnel is not None
        self._tunnel.receive_data(data)
        try:
            head = self._tunnel.next_message()
        except ProxyProblem as problem:
            self._failed(problem)
            self._socket.close()
            return
        if not isinstance(head, ResponseHead):
            return
        if not head.switched:
            self._failed(StompError(f"the proxy answers {head.status} {head.reason}"))
            self._socket.close()
            return
        self._tunnel = None
        if self._context is None:
            self._greet()
        else:
            self._socket.starttls(context=self._context, server_hostname=self._target[0])

    def _take_frame(self, frame: Frame) -> None:
        if frame.command == "MESSAGE" and self._is_accepted:
            self.fire(events.message(frame))
        elif frame.command == "CONNECTED" and not self._is_accepted:
            self._accepted(frame)
        elif frame.command == "RECEIPT" and self._receipt is not None:
            if frame.headers.get("receipt-id") == self._receipt:
                self._confirmed = self._receipt
                self._socket.close()
        elif frame.command == "ERROR":
            text = frame.headers.get("message", "the broker reports an error")
            problem = StompError(text)
            self._reason = problem
            self.fire(events.on_stomp_error(frame, problem))
            self._socket.close()

    def _accepted(self, frame: Frame) -> None:
        version = frame.headers.get("version", "1.0")
        if version not in self._versions:
            raise wire.RemoteProtocolError(f"the broker speaks {version}, which was not offered")
        send, hear = wire.heartbeat_intervals(
            self._heartbeats, frame.headers.get("heart-beat", "0,0")
        )
        self._decoder.version = version
        self._is_accepted = True
        self._is_connecting = False
        self._deadline.cancel()
        self._hear_interval = hear
        for seconds, beat in ((send, events.client_heartbeat()), (hear, events.server_heartbeat())):
            if seconds:
                self._timers.append(Timer(seconds, beat, self, persist=True).register(self))
        self.fire(events.connected())

    @handler("client_heartbeat")
    def _on_client_heartbeat(self) -> None:
        if self._is_accepted:
            self._socket.write(b"\n")

    @handler("server_heartbeat")
    def _on_server_heartbeat(self) -> None:
        silent = _clock.now() - self._last_heard
        if self._is_accepted and silent > self._hear_interval * _PATIENCE:
            self.fire(events.heartbeat_timeout())
            self._socket.close()

    def _failed(self, problem: Exception) -> None:
        """Something is wrong; the end of the connection follows, if there is one."""
        self._reason = problem
        if not self._socket.connected:
            self._lost(problem)

    def _lost(self, problem: Exception | None) -> None:
        self._deadline.cancel()
        for timer in self._timers:
            timer.unregister()
        self._timers.clear()
        self._tunnel = None
        self._subscriptions.clear()
        was_accepted, self._is_accepted = self._is_accepted, False
        was_connecting, self._is_connecting = self._is_connecting, False
        if was_accepted:
            self.fire(events.disconnected(not self._wanted_end, self._confirmed))
        elif was_connecting:
            self.fire(events.connection_failed(problem or self._reason))

    def _give_time(self) -> None:
        if self._connected_timeout is not None:
            schedule = self._tree_engine.schedule
            self._deadline = schedule.call_in(self._connected_timeout, self._too_late)

    def _too_late(self) -> None:
        self._reason = StompError(f"the broker has not answered in {self._connected_timeout} s")
        self._socket.close()

    def _tree_left(self, engine: Engine) -> None:
        self._deadline.cancel()


def _tunnel_request(host: str, port: int, user: str | None, password: str | None) -> bytes:
    """What asks an HTTP proxy for a connection to the broker."""
    authority = f"{host}:{port}"
    headers = [("Host", authority)]
    if user is not None:
        login = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
        headers.append(("Proxy-Authorization", f"Basic {login}"))
    return encode_request_head("CONNECT", authority, headers)
