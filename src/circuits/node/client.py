"""A connection to another node, made again whenever it is lost (manual: circuits.node.client)."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from circuits.core import _clock
from circuits.core._clock import NEVER
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from ._asked import Outbox
from ._hub import Hub
from ._link import Link, State
from ._options import Options
from ._party import Party
from ._sockets import Dialler
from .events import SendTo

if TYPE_CHECKING:
    from circuits.core.events import BaseEvent
    from circuits.core.values import Value

__all__ = ["Client"]

#: Seconds until a lost connection is made again: doubled each time, up to the last.
FIRST_DELAY = 0.1
LAST_DELAY = 10.0


def delay_after(failures: int) -> float:
    """Seconds to wait before the next attempt: between a half and all of what is due."""
    due: float = min(LAST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 20))
    chance = int.from_bytes(_clock.random_bytes(2), "big") / 65535
    return due * (0.5 + chance / 2)


class _Ear(BaseComponent):
    """Hears what the socket tells, on a channel of its own."""

    def __init__(self, client: Client, channel: Any) -> None:
        super().__init__(channel=channel)
        self._client = client

    @handler("connected")
    def _on_connected(self, *args: Any) -> None:
        self._client._connected()

    @handler("read")
    def _on_read(self, data: bytes) -> None:
        self._client._received(data)

    @handler("disconnected")
    def _on_disconnected(self) -> None:
        self._client._disconnected()

    @handler("socket_error")
    def _on_socket_error(self, problem: Exception) -> None:
        self._client._reason = str(problem)

    @handler("unreachable")
    def _on_unreachable(self, *args: Any) -> None:
        self._client._dial_later()


class Client(Party):
    """Connects to a node, and keeps at it: a :class:`~circuits.node.node.Node` has one for each.

    Registered by itself, it fires what the other node sends on its own channel, and sends by
    :meth:`send`.

    Args:
        host: Name or address.
        port: Port.
        channel: Channel of the component.
        node: How the other node is called here.
        hub: What it shares with others; ``None``: nothing.
        tls: Options of TLS, or ``None`` for none.
        version: 1: do not even offer version 2.
        socket_channel: The channel that the events of the socket go to.

    Attributes:
        outbox: What is to be sent.
        link: The connection, or ``None``.
    """

    def init(
        self,
        host: str,
        port: int,
        channel: Any = "node",
        *,
        node: str | None = None,
        hub: Hub | None = None,
        tls: dict[str, Any] | None = None,
        version: int = 2,
        socket_channel: Any = None,
    ) -> None:
        """Take the arguments of the constructor."""
        if channel != Party.channel:  # else that of a derived class holds
            self.channel = channel
        if version not in (1, 2):
            raise ValueError(f"version must be 1 or 2, not {version!r}")
        self.host, self.port = host, port
        self.node = node
        self._hub = Hub(self, Options()) if hub is None else hub
        if version == 1 and self._hub.options.secret is not None:
            raise ValueError("version 1 knows no secret")
        self._tls = tls
        self._version = version
        self._failures = 0
        self._reason = "closed"
        self._is_closed = False  # it was told so
        self._timer = NEVER
        self.outbox = Outbox(self._hub.options.limit, node or f"{host}:{port}")
        self.link: Link | None = None
        if socket_channel is None:
            socket_channel = f"{self.channel}_client_{node or f'{host}:{port}'}"
        self._socket = self._make_dialler(socket_channel)
        self._socket.belong_to(self._hub, self._drained)
        _Ear(self, socket_channel).register(self)
        self._socket.register(self)
        self._dial()

    def _make_dialler(self, channel: Any) -> Dialler:
        return Dialler(channel=channel, socket_family=socket.AF_UNSPEC)

    @property
    def connected(self) -> bool:
        """Whether events can be sent."""
        return self.link is not None and self.link.state is State.OPEN

    def send(self, event: BaseEvent, channel: Any = None, *, timeout: float | None = None) -> Value:
        """Fire an event at the other node.

        Returns:
            Its value there, once it has come.
        """
        node = self.node or f"{self.host}:{self.port}"
        return self.fire(SendTo(event, node, channel, timeout=timeout), self)

    @handler("_send_to")
    def _on_send_to(self, event: Any, sent: BaseEvent, node: str, channel: Any = None) -> None:
        self._ask(event, sent, self.outbox, channel, node, event.timeout)

    def close(self, reason: str = "closed") -> None:
        """Close the connection, and do not make it again."""
        self._is_closed = True
        self._timer.cancel()
        self.outbox.close(reason)
        if self.link is not None:
            self.link.finish(reason)
        else:
            self._socket.close()

    # -- connecting --

    def _dial(self) -> None:
        if not (self._is_closed or self._hub.is_ending or self.link is not None):
            if self._tls is None:
                self._socket.connect(self.host, self.port)
            else:
                self._socket.connect(self.host, self.port, **{"secure": True, **self._tls})

    def _dial_later(self) -> None:
        if self._is_closed or self._hub.is_ending or self._timer.is_pending:
            return
        seconds = delay_after(self._failures)
        self._failures += 1
        self._timer = self._tree_engine.schedule.call_in(seconds, self._dial)

    def _connected(self) -> None:
        self._reason = "closed"
        link = self.link = Link(
            self._hub,
            self._socket,
            self.host,
            self.port,
            is_client=True,
            expected=self.node,
            version=self._version,
        )
        link.whenever_closed = self._link_over
        self.outbox.attach(link)
        link.start()

    def _received(self, data: bytes) -> None:
        link = self.link
        if link is not None:
            if self._failures and link.state is State.OPEN:
                self._failures = 0  # it not only accepts us, it has something to say
            link.receive(data)

    def _drained(self) -> None:
        if self.link is not None:
            self.link.drained()

    def _disconnected(self) -> None:
        if self.link is not None:
            if self.link.state is State.PROVING:
                self._hub.log("%s: closed, it does not take our proof of the secret", self.link)
            self.link.lost(self._reason)
        self._dial_later()

    def _link_over(self, reason: str) -> None:
        self.link = None
        self.outbox.detach()
        if reason == "replaced":
            self._is_closed = True
            self.outbox.close("another node has connected under our name")

    # -- ending --

    def _application_started(self) -> None:
        super()._application_started()
        if not (self.link is not None or self._timer.is_pending or self._socket.is_busy):
            self._dial()  # it runs again

    def _stop_listening(self) -> None:
        self._timer.cancel()
        if self.link is None:
            self._socket.close()

    def _end_sockets(self) -> None:
        self.outbox.close("the node has left")
        if self.link is not None:
            self.link.finish("the node has left")
        self._socket.end()
