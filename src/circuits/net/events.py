"""The events of sockets, and the names that they have in the 3.x line.

In 2.1.0 and here they belong to :mod:`circuits.net.sockets`, which has them all. The names in
lower case are the same classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core._routing import names_channel
from circuits.core.events import Event

if TYPE_CHECKING:
    from circuits.core._routing import Route

__all__ = [
    "Broadcast",
    "Close",
    "Closed",
    "Connect",
    "Connected",
    "Disconnect",
    "Disconnected",
    "Pause",
    "Read",
    "Ready",
    "Resume",
    "SocketError",
    "StartTLS",
    "StartTLSDone",
    "Unreachable",
    "Write",
    "broadcast",
    "close",
    "closed",
    "connect",
    "connected",
    "disconnect",
    "disconnected",
    "error",
    "read",
    "ready",
    "starttls",
    "unreachable",
    "write",
]


class Connect(Event):
    """Connect a client; or: a server has accepted a connection.

    Fired at a client, by anyone, with ``(host, port)`` or the ``(path,)`` of a UNIX socket; and
    by a server on its channel with ``(sock, host, port)``, before the first ``read`` of that
    socket. UNIX sockets have neither host nor port.

    Args:
        *args: As above.
        **kwargs: For clients: ``secure``, whether to speak TLS, and its options.
    """


connect = Connect


class Connected(Event):
    """A client has reached its peer and may write.

    Fired by a client on its channel, once per successful ``connect``.

    Args:
        host: Name or address, as the caller gave it; for a UNIX socket the name of this machine.
        port: Port, as the caller gave it; the path of a UNIX socket.
    """

    def __init__(self, host: Any, port: Any) -> None:
        super().__init__(host, port)


connected = Connected


class Disconnect(Event):
    """A connection of a server is closed; or: close that of a client.

    Fired by a server on its channel with ``(sock,)``, once per ``connect``; the socket is closed
    already. Fired at a client, by anyone, without arguments, it means ``close``.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


disconnect = Disconnect


class Disconnected(Event):
    """The connection of a client is closed. Fired by it once per ``connected``."""

    def __init__(self) -> None:
        super().__init__()


disconnected = Disconnected


class Read(Event):
    """Data has arrived.

    Fired by a client with ``(data,)``, by a server with ``(sock, data)``. What the handlers
    return is written back if it is one piece of bytes.
    """

    notify = True


read = Read
# The constructor is that of Event: there is one of these for each piece of data.


class Write(Event):
    """Send data. Fired by anyone: ``(data,)`` at a client, ``(sock, data)`` at a server."""


write = Write

# The constructor is that of Event, as for Read.


class Close(Event):
    """Close a connection when all is written.

    Fired by anyone: at a client without arguments; at a server with ``(sock,)`` for one connection, and without
    for the listening socket and all connections.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


close = Close


class Closed(Event):
    """A server has closed its listening socket; connections may still be draining.

    Fired by it on its channel, without arguments.
    """

    def __init__(self) -> None:
        super().__init__()


closed = Closed


class SocketError(Event):
    """A connection failed.

    Fired as ``socket_error`` by a client with ``(exception,)``, by a server with ``(sock, exception)``.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


error = SocketError


class NetworkError(Event):
    """``socket_error`` under its name in the 3.x line: ``error``, with the same arguments.

    Fired beside ``socket_error`` by a component that was made with ``error_events=True``. The
    core reports exceptions by an event of that name, with other arguments. So this one goes only
    to handlers on the very channel of the component.
    """

    name = "error"

    def _choose_routes(self, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        return tuple(route for route in routes if names_channel(route[0], self.channels))


class Ready(Event):
    """A socket component has a poller and works. Fired by it, once per registration.

    Args:
        component: The component.
        bind: For servers, the address that it is bound to: a pair of host and port.
    """

    def __init__(self, component: Any, bind: Any = None) -> None:
        if bind is None:
            super().__init__(component)
        else:
            super().__init__(component, bind)


ready = Ready


class Unreachable(Event):
    """A client could not connect. Fired by it, beside ``socket_error``, which tells the same.

    .. versionadded:: 2.1
       From the 3.x line.

    Args:
        host: Where to, as the caller gave it.
        port: The port.
        reason: What went wrong.
    """

    def __init__(self, host: str, port: int | None, reason: Exception | None = None) -> None:
        super().__init__(host, port, reason)


unreachable = Unreachable


class Broadcast(Event):
    """Send a datagram to everybody on the local network; fired at a UDP component.

    .. versionadded:: 2.1
       From the 3.x line. Programs for 2.1.0 make an event of that name themselves.

    Args:
        data: What it carries.
        port: The port that it goes to.
    """

    def __init__(self, data: bytes, port: int) -> None:
        super().__init__(data, port)


broadcast = Broadcast


class StartTLS(Event):
    """Upgrade a connection to TLS.

    Fired by anyone: ``(sock,)`` at a server, which then waits for the client; at a client without positional arguments; keyword arguments are those of its ``starttls``.

    .. versionadded:: 2.1
       From the 3.x line.
    """

    name = "starttls"


starttls = StartTLS


class StartTLSDone(Event):
    """A connection is encrypted from now on, after ``starttls``.

    Fired by a server with the socket before and after, which are the same here; by a client
    without arguments.

    .. versionadded:: 2.1
    """

    name = "starttls_done"


class Pause(Event):
    """A peer does not keep up: produce no more for it until ``resume``.

    Fired when more than ``high_water`` bytes are pending: by a client without arguments, by a
    server with ``(sock,)``. Meanwhile a server reads nothing from that peer.

    .. versionadded:: 2.1
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Resume(Event):
    """Less than ``low_water`` bytes are pending after a ``pause``: go on. Fired as that is.

    .. versionadded:: 2.1
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
