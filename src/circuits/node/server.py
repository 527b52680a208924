"""The connections of other nodes to this one (manual: circuits.node.server)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from ._asked import Outbox
from ._hub import Hub
from ._link import Link
from ._options import Options
from ._party import Party
from ._sockets import Listener, Listener6, Wire
from .errors import Unreachable
from .events import SendTo

if TYPE_CHECKING:
    from circuits.core.events import BaseEvent
    from circuits.core.values import Value

__all__ = ["Server"]


class _Ear(BaseComponent):
    """Hears what the listening socket tells, on a channel of its own."""

    def __init__(self, server: Server, channel: Any) -> None:
        super().__init__(channel=channel)
        self._server = server

    @handler("connect")
    def _on_connect(self, sock: Any, host: Any = None, port: Any = None) -> None:
        self._server._connected(sock, host, port)

    @handler("read")
    def _on_read(self, sock: Any, data: bytes) -> None:
        link = self._server.links.get(sock)
        if link is not None:
            link.receive(data)

    @handler("disconnect")
    def _on_disconnect(self, sock: Any) -> None:
        link = self._server.links.pop(sock, None)
        if link is not None:
            link.lost(self._server._reasons.pop(sock, "closed"))

    @handler("socket_error")
    def _on_socket_error(self, sock: Any, problem: Exception) -> None:
        if sock in self._server.links:
            self._server._reasons[sock] = str(problem)


def address_of(bind: Any) -> tuple[str, int]:
    """The address for a ``bind``: a port alone means this machine, and no other.

    Raises:
        TypeError: It is no address.
        ValueError: The text or the port is malformed.
    """
    if isinstance(bind, bool) or not isinstance(bind, int | str | tuple | list):
        raise TypeError(f"bind must be a port, 'host:port' or a pair of both, not {bind!r}")
    if isinstance(bind, int):
        host, port = "127.0.0.1", bind
    elif isinstance(bind, str):
        host, colon, text = bind.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not text.isascii() or not text.isdigit() or (colon and not host):
            raise ValueError(f"bind must be a port or host:port, not {bind!r}")
        host, port = host or "127.0.0.1", int(text)
    else:
        if len(bind) < 2 or not isinstance(bind[0], str) or not isinstance(bind[1], int):
            raise TypeError(f"bind must be a pair of host and port, not {bind!r}")
        host, port = bind[0], bind[1]
    if not 0 <= port <= 65535:
        raise ValueError(f"a port is 0 to 65535, not {port}")
    return host, port


class Server(Party):
    """Listens for other nodes: a :class:`~circuits.node.node.Node` that binds has one.

    Args:
        bind: A port, which means this machine alone, ``"host:port"``, or a pair of both.
        channel: Channel of the component.
        hub: What it shares with others; ``None``: nothing.
        tls: Options of TLS, or ``None`` for none.
        socket_channel: The channel that the events of the socket go to.

    Attributes:
        links: The connections, by their sockets.
    """

    def init(
        self,
        bind: Any,
        channel: Any = "node",
        *,
        hub: Hub | None = None,
        tls: dict[str, Any] | None = None,
        socket_channel: Any = None,
    ) -> None:
        """Take the arguments of the constructor."""
        if channel != Party.channel:  # else that of a derived class holds
            self.channel = channel
        self._hub = Hub(self, Options()) if hub is None else hub
        self.links: dict[Any, Link] = {}
        self._reasons: dict[Any, str] = {}
        self._outboxes: dict[Link, Outbox] = {}
        if socket_channel is None:
            socket_channel = f"{self.channel}_server"
        self._socket = self._make_listener(address_of(bind), socket_channel, tls)
        self._socket.belong_to(self._hub, self._drained)
        self._socket.keep_with(self)
        _Ear(self, socket_channel).register(self)
        self._socket.register(self)

    def _make_listener(
        self, address: tuple[str, int], channel: Any, tls: dict[str, Any] | None
    ) -> Listener:
        kind = Listener6 if ":" in address[0] else Listener
        options = {} if tls is None else {"secure": True, **tls}
        return kind(address, channel=channel, **options)

    @property
    def host(self) -> Any:
        """The address that is bound; ``None`` when closed."""
        return self._socket.host

    @property
    def port(self) -> int | None:
        """The port that is bound; ``None`` when closed."""
        return self._socket.port

    def get_connection_names(self) -> list[str]:
        """The names of the nodes that are connected."""
        return list(self._hub.named)

    def outbox(self, name: str) -> Outbox:
        """Where to put what is for a node.

        Raises:
            Unreachable: It has gone.
            KeyError: It was never here.
        """
        link = self._hub.named.get(name)
        if link is not None:
            return self._outboxes[link]
        if self._hub.was_here(name):
            raise Unreachable(f"{name!r} was connected, and is gone")
        raise KeyError(name)

    def send(
        self, event: BaseEvent, name: str, channel: Any = None, *, timeout: float | None = None
    ) -> Value:
        """Fire an event at a node that is connected.

        Returns:
            Its value there, once it has come.
        """
        return self.fire(SendTo(event, name, channel, timeout=timeout), self)

    @handler("_send_to")
    def _on_send_to(self, event: Any, sent: BaseEvent, node: str, channel: Any = None) -> None:
        self._ask(event, sent, self.outbox(node), channel, node, event.timeout)

    # -- connections --

    def adopt(self, sock: Any, address: Any = None) -> None:
        """Serve a connection that stands, as if it had been accepted."""
        self._socket.adopt(sock, address)

    def _connected(self, sock: Any, host: Any, port: Any) -> None:
        wire = Wire(self._socket, sock)
        link = self.links[sock] = Link(self._hub, wire, host, port, is_client=False)
        outbox = Outbox(self._hub.options.limit, f"{host}:{port}")
        outbox.attach(link)
        self._outboxes[link] = outbox
        link.whenever_closed = lambda reason: self._link_over(link, reason)
        link.start()

    def _link_over(self, link: Link, reason: str) -> None:
        self._outboxes.pop(link).close(f"the connection was lost: {reason}")

    def _drained(self, sock: Any) -> None:
        link = self.links.get(sock)
        if link is not None:
            link.drained()

    # -- what the socket asks its keeper --

    def end_of_input(self, sock: Any) -> bool:
        """A peer has finished writing; whether its connection stays open."""
        link = self.links.get(sock)
        return link is not None and link.end_of_input()

    def abandon(self) -> None:
        """All connections end now."""
        for link in list(self.links.values()):
            link.lost("the node has stopped")

    # -- ending --

    def _stop_listening(self) -> None:
        self._socket.stop_listening()

    def _end_sockets(self) -> None:
        for link in list(self.links.values()):
            link.finish("the node has left")
        self._socket.end()
