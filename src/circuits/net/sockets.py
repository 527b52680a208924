"""Clients and servers for TCP, UDP and UNIX sockets, and their events (manual: circuits.net.sockets).

A component owns one or many connections (:mod:`circuits.net._connection`). It handles ``write``,
``close`` and, for clients, ``connect``; it fires ``read`` and tells when connections come, go
and fail. All data is bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import sys
from socket import gaierror, getaddrinfo, getfqdn, gethostbyname, gethostname
from typing import Any

from circuits.core.handlers import handler

from . import _address, _outside, events
from ._activation import inherited_sockets
from ._clients import Client
from ._datagrams import UDP6Server, UDPServer
from ._endpoint import BUFSIZE, Endpoint
from ._listener import BACKLOG
from ._servers import Server
from .events import *  # noqa: F403 - documented names

__all__ = [
    "BACKLOG",
    "BUFSIZE",
    "Client",
    "Pipe",
    "Server",
    "TCP6Client",
    "TCP6Server",
    "TCPClient",
    "TCPServer",
    "UDP6Client",
    "UDP6Server",
    "UDPClient",
    "UDPServer",
    "UNIXClient",
    "UNIXServer",
    "gaierror",
    "getaddrinfo",
    "getfqdn",
    "gethostbyname",
    "gethostname",
    "inherited_sockets",
    "parse_ipv4_parameter",
    "parse_ipv6_parameter",
    "socket",
]
__all__ += events.__all__


# -- bind parameters ---------------------------------------------------------------------------
# The look-ups go through the names of this module, where programs replace them.

Endpoint._look_ups = sys.modules[__name__]


def parse_ipv4_parameter(bind_parameter: Any) -> Any:
    """Turn a port, ``"host:port"`` or a pair into an IPv4 address.

    A port alone means the address that the name of this machine has: that may be a loopback
    address on one machine and a public one on another, so a pair is better.
    """
    return _address.parse(bind_parameter, _local_ipv4_address, "0.0.0.0", _address.ipv4_host)


def parse_ipv6_parameter(bind_parameter: Any) -> Any:
    """Turn a port, ``"[host]:port"`` or a tuple into an IPv6 address."""
    return _address.parse(bind_parameter, _local_ipv6_address, "::", _address.ipv6_host)


def _local_ipv4_address(port: int) -> str:
    return gethostbyname(gethostname())


def _local_ipv6_address(port: int) -> str:
    return str(getaddrinfo(getfqdn(), port, socket.AF_INET6)[0][4][0])


# -- clients -----------------------------------------------------------------------------------


class TCPClient(Client):
    """A TCP connection over IPv4, as often as wanted.

    Handles ``connect``, ``write``, ``close`` and ``disconnect``. Fires ``ready``, ``connected``,
    ``read``, ``disconnected``, ``socket_error``, ``unreachable``, ``pause`` and ``resume``.

    Args:
        bind: Where to connect from: a port, ``"host:port"``, a pair; ``None`` lets the system
            choose. A connected socket is used as it is.
        bufsize: With how many bytes reading starts; more while they are filled.
        channel: Channel of the component.
        connect_timeout: Seconds for looking up the name and connecting to one of its
            addresses; ``None`` leaves it to the system.
        **kwargs: ``high_water``, ``low_water``, ``max_pending``: see ``pause`` and ``resume``;
            ``write_timeout=60.0``, after how many seconds in which the peer reads nothing of
            what is pending the connection fails, ``None`` for never;
            ``handshake_timeout=8.0``, seconds for TLS to begin; ``socket_family``,
            ``AF_UNSPEC`` connects over IPv6 or IPv4, whatever answers first;
            ``error_events=False``, whether errors are told by an event ``error``, too, to
            handlers on this channel, as in the 3.x line.

    Attributes:
        host, port: Where it is connected to, as the caller gave it.
        connected: Whether it is.
        secure: Whether the connection is encrypted.
    """

    def _create_socket(self) -> Any:
        if self.socket_family == socket.AF_UNSPEC:
            return None  # it depends on the address
        return self._make_socket(self.socket_family)

    def _make_socket(self, family: int) -> Any:
        sock = _outside.open_socket(family, self.socket_type, self.socket_protocol)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _find_addresses(self, host: str, port: int) -> list[tuple[int, Any]]:
        found = getaddrinfo(host, port, self.socket_family, socket.SOCK_STREAM)
        return [(entry[0], entry[4]) for entry in found]

    @handler("connect")
    def connect(self, host: str, port: int, secure: bool = False, **kwargs: Any) -> None:
        """Connect; before the component is ready, as soon as it is.

        Args:
            host: Name or address.
            port: Port.
            secure: Whether to speak TLS; a context of :mod:`ssl` means to, by its rules.
            **kwargs: Options of TLS. ``ca_certs``, a file or folder of certificates to trust
                besides those of the system; ``cert_reqs=ssl.CERT_NONE`` trusts everybody;
                ``check_hostname=False`` accepts any name; ``server_hostname``, whom to
                expect there, if not ``host``; ``certfile`` and ``keyfile``, what to show
                if the server asks; ``ssl_version``, a ``ssl.TLSVersion``, the oldest one;
                ``alpn_protocols``, what to propose; ``require_alpn``, whether the server
                must accept one of them; ``context``, instead of all these.

        Raises:
            TypeError: There is no such option.
            ValueError: The options contradict each other.
        """
        self._start((host, port), secure, kwargs)


class TCP6Client(TCPClient):
    """A TCP connection over IPv6; else as :class:`TCPClient`."""

    socket_family = socket.AF_INET6

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return parse_ipv6_parameter(bind_parameter)


class UNIXClient(Client):
    """A connection to a UNIX socket; else as :class:`TCPClient`.

    ``connected`` carries the name of this machine and the path.
    """

    socket_family = getattr(socket, "AF_UNIX", socket.AF_INET)

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """A path is used as it is."""
        return bind_parameter

    def _create_socket(self) -> Any:
        return _unix_socket()

    @handler("connect")
    def connect(self, path: str, secure: bool = False, **kwargs: Any) -> None:
        """Connect to a path; before the component is ready, as soon as it is.

        Args:
            path: The path, or an abstract name that begins with a zero byte.
            secure: Whether to speak TLS; as for TCP.
            **kwargs: Options of TLS; ``server_hostname`` must be given to be checked.

        Raises:
            TypeError: There is no such option.
            ValueError: The options contradict each other.
        """
        self._start((os.fspath(path),), secure, kwargs)

    def _announced(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        return gethostname(), args[0]

    @handler("ready")
    def ready(self, component: Any, bind: Any = None) -> None:
        """Start reading, if it is connected already: one end of a :func:`Pipe`, say."""
        if component is self and self._connection is not None:
            self._connection.watch()


def Pipe(*channels: Any, **kwargs: Any) -> tuple[UNIXClient, UNIXClient]:
    """Make two clients that are connected with each other.

    They need not be part of one application, nor of one process: after a fork, each
    process drops the one that is the other's.

    Args:
        *channels: Channels of the two; ``"a"`` and ``"b"`` unless given.
        **kwargs: Other options of :class:`UNIXClient`, for both.

    Raises:
        TypeError: More than two channels are given.
    """
    if len(channels) > 2:
        raise TypeError(f"a pipe has two ends, not {len(channels)}")
    names = (*channels, *("a", "b")[len(channels) :])
    ends = socket.socketpair()
    try:
        one, other = (
            UNIXClient(end, channel=name, **kwargs) for end, name in zip(ends, names, strict=True)
        )
    except BaseException:
        for end in ends:
            end.close()
        raise
    for client in (one, other):
        client._adopt_connection()
    return one, other


def _unix_socket() -> Any:
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this platform has no UNIX sockets")
    sock = _outside.open_socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


#: The same: to be a client is a matter of who begins.
UDPClient = UDPServer
UDP6Client = UDP6Server


# -- servers -----------------------------------------------------------------------------------


class TCPServer(Server):
    """Listens for TCP connections over IPv4; it does so when the constructor returns.

    Handles ``write(sock, data)``, ``close()`` and ``close(sock)``. Fires ``ready``,
    ``connect(sock, host, port)``, ``read(sock, data)``, ``disconnect(sock)``,
    ``socket_error(sock, exception)``, ``pause(sock)``, ``resume(sock)`` and ``closed``.

    Args:
        bind: A port, ``"host:port"``, a pair of host and port, or a listening socket. Port 0
            picks a free one. A port alone binds to the address that the name of this machine
            has, so a pair is better.
        secure: Whether to speak TLS; a context of :mod:`ssl` means to, by its rules.
        backlog: How many connections the system keeps until they are accepted.
        bufsize: With how many bytes reading starts; more while they are filled.
        channel: Channel of the component.
        **kwargs: ``reuse_port=False``, whether other processes may listen on the same port;
            ``max_connections``, with so many no more are accepted until one ends;
            ``socket_options``, tuples of level, option and value for the listening socket;
            ``high_water``, ``low_water``, ``max_pending``: see ``pause`` and ``resume``;
            ``write_timeout=60.0``, after how many seconds in which a peer reads nothing of
            what is pending its connection fails, ``None`` for never;
            ``error_events=False``, whether errors are told by an event ``error``, too, to
            handlers on this channel, as in the 3.x line. For TLS: ``certfile``, a certificate
            and perhaps its key; ``keyfile``; ``cert_reqs=ssl.CERT_REQUIRED`` asks clients for
            certificates that ``ca_certs``, a file or folder, vouches for; ``ssl_version``, a
            ``ssl.TLSVersion``, the oldest one; ``alpn_protocols``, what is spoken, the best
            first; ``require_alpn``, whether clients must propose one of them; ``context``,
            instead of all these; ``handshake_timeout=8.0``,
            seconds until a client must have completed its handshake.

    Attributes:
        host, port: Where it listens; ``None`` when closed.

    Raises:
        OSError: The address cannot be bound, or a file of TLS cannot be read.
        RuntimeError: ``secure`` is true, and there is neither certificate nor context.
    """

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return parse_ipv4_parameter(bind_parameter)

    def _create_socket(self) -> Any:
        return self._internet_socket((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1))

    def _set_options(self, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class TCP6Server(TCPServer):
    """Listens for TCP connections over IPv6; else as :class:`TCPServer`."""

    socket_family = socket.AF_INET6

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return parse_ipv6_parameter(bind_parameter)


class UNIXServer(Server):
    """Listens on a path; else as :class:`TCPServer`, but ``connect`` carries the socket alone.

    A socket or an empty file at that path is replaced; when the server is closed, it stays, unless
    ``remove=True`` is given.
    A path that begins with a zero byte is an abstract name: Linux keeps it without any file.
    Who may connect is decided by ``mode=0o660``, say, the permissions of the file.

    Raises:
        OSError: There is something else at that path, or the path cannot be bound.
        TypeError: ``bind`` is no path.
    """

    socket_family = getattr(socket, "AF_UNIX", socket.AF_INET)
    _takes_mode = True
    _made: tuple[int, int] | None = None  # the file to remove, and who has made it

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """A path is used as it is."""
        return os.fspath(bind_parameter)

    @property
    def host(self) -> Any:
        """The path; ``None`` when closed."""
        address = self._address()
        # What has no file has no encoding either, and comes as bytes.
        return os.fsdecode(address) if isinstance(address, bytes) else address

    def _make_room(self, path: str | bytes) -> None:
        """Remove what may be removed from the path."""
        if path[:1] in ("\0", b"\0"):
            return  # an abstract name: there is no file
        try:
            found = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            pass
        else:
            is_empty = stat.S_ISREG(found.st_mode) and found.st_size == 0
            if not (stat.S_ISSOCK(found.st_mode) or is_empty):
                raise FileExistsError(errno.EEXIST, "the path exists and is not a socket", path)
            os.unlink(path)

    def _create_socket(self) -> Any:
        if _outside.has_paths:
            self._make_room(self._bind)
        sock = self._bind_and_listen(_unix_socket())
        if self._removes and _outside.has_paths and self._bind[:1] not in ("\0", b"\0"):
            self._made = (os.stat(self._bind).st_ino, os.getpid())
        return sock

    def _close_listener(self) -> None:
        super()._close_listener()
        made, self._made = self._made, None
        if made is not None:
            # Another server may have the path meanwhile, and a forked process is none.
            with contextlib.suppress(OSError):
                if made == (os.stat(self._bind).st_ino, os.getpid()):
                    os.unlink(self._bind)
