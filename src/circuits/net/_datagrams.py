"""UDP: one socket for all peers, and datagrams that arrive whole or not at all."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from circuits.core import _clock
from circuits.core._descriptor import FAILURES, as_os_error
from circuits.core.handlers import handler

from . import _address
from ._listener import BACKLOG
from ._lookup import look_up
from ._servers import Server
from .events import Closed, Disconnect, Pause, Resume

if TYPE_CHECKING:
    from ._connection import Connection

__all__ = ["UDPServer"]

#: How many datagrams are received before others get their turn.
_BATCH = 64

#: The largest datagram there can be, in bytes.
_LARGEST = 65535

#: For how many seconds the address of a name is used, and of how many names it is remembered.
_NAME_SECONDS = 60.0
_NAMES = 256

_LATER = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS})
_FATAL = frozenset({errno.EBADF, errno.ENOTSOCK, errno.EINVAL})

#: Hosts with a meaning of their own for ``sendto``.
_SPECIAL_HOSTS = frozenset({"", "<broadcast>", "<any>"})


class _Documented(int):
    """The default that is documented for ``bufsize``; being given is something else."""


class _Sender:
    """Who sent a datagram: what an answer is written to."""

    __slots__ = ("_server", "sock")

    def __init__(self, server: UDPServer, address: Any) -> None:
        self._server = server
        self.sock = address  # what comes first in ``read``

    def write(self, data: bytes) -> None:
        self._server.write(self.sock, data)

    def expect(self, event: Any) -> None:
        """Nothing ends here that would have to wait for an event."""


class UDPServer(Server):
    """Sends and receives datagrams over IPv4; servers and clients are the same.

    Handles ``write(address, data)``, ``broadcast(data, port)`` and ``close``. Fires ``ready``,
    ``read(address, data)``, ``socket_error(sock, exception)``, ``pause(sock)``,
    ``resume(sock)``, ``closed`` and ``disconnect(sock)``. Errors of single datagrams leave it open.

    Args:
        bind: A port, ``"host:port"``, a pair of host and port, or a socket. Port 0 picks a
            free one; ``None`` leaves it to the first ``write``.
        secure: Must be false: there is no TLS for datagrams.
        backlog: Ignored.
        bufsize: Longer datagrams are cut; if not given, none is.
        channel: Channel of the component; that of ``UDPClient`` is ``"server"``, too.
        **kwargs: ``reuse_port``, ``socket_options`` and ``error_events`` as for :class:`TCPServer`;
            ``high_water``, ``low_water`` and ``max_pending``: see ``pause`` and ``resume``, and
            beyond the last, datagrams are dropped; ``multicast_ttl``, how far multicast goes
            (1 is the local network); ``multicast_loop``, whether it comes back to this
            machine; ``multicast_interface``, where it leaves: an address of this
            machine, or a name or number of an interface for IPv6.

    Raises:
        OSError: The address cannot be bound.
    """

    socket_type = socket.SOCK_DGRAM

    def __init__(
        self,
        bind: Any,
        secure: bool = False,
        backlog: int = BACKLOG,
        bufsize: int = _Documented(4096),
        channel: Any = "server",
        **kwargs: Any,
    ) -> None:
        self._refuse_port(secure)
        if secure:
            raise ValueError(f"{type(self).__name__} has no TLS: datagrams cannot be secure")
        self._multicast = {
            name: kwargs.pop("multicast_" + name, None) for name in ("ttl", "loop", "interface")
        }
        self._outgoing: deque[tuple[Any, bytes]] = deque()
        self._pending_bytes = 0
        self._is_congested = False
        self._has_dropped = False
        self._is_closing = False
        self._names: dict[str, tuple[float, Any]] = {}
        self._waiting: dict[str, list[tuple[Any, bytes]]] = {}
        self._largest = _LARGEST if isinstance(bufsize, _Documented) else bufsize
        super().__init__(bind, False, backlog, int(bufsize), channel, **kwargs)

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return self._look_ups.parse_ipv4_parameter(bind_parameter)

    def _create_socket(self) -> Any:
        return self._internet_socket(*self._datagram_options())

    def _datagram_options(self) -> Iterator[tuple[int, int, Any]]:
        yield socket.SOL_SOCKET, socket.SO_BROADCAST, 1
        ttl, loop, interface = self._multicast.values()
        if ttl is not None:
            yield socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl
        if loop is not None:
            yield socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, bool(loop)
        if interface is not None:
            yield socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface)

    # -- requests --

    @handler("write", override=True)
    def write(self, address: Any, data: bytes | bytearray | memoryview) -> None:
        """Send a datagram. A name is looked up first, without blocking, and remembered a while.

        Args:
            address: A pair of host and port, or what ``read`` told.
            data: What it carries; it may be empty.

        Raises:
            TypeError: ``data`` is not bytes, or ``address`` is no address.
        """
        data = bytes(self._checked(data))
        if self._sock is None or self._is_closing or hasattr(address, "fileno"):
            return  # a socket is a connection of another server on this channel
        host = address[0]
        if host in self._waiting:
            if self._has_room(data):
                self._waiting[host].append((address, data))
        elif self._is_address(host):
            self._send(address, data)
        else:
            self._send_to_name(address, data)

    _own_writes = (write,)

    def _is_address(self, host: str) -> bool:
        return (
            _address.is_numeric(self.socket_family, host) or host in _SPECIAL_HOSTS or "%" in host
        )

    @handler("broadcast")
    def broadcast(self, data: bytes | bytearray | memoryview, port: int) -> None:
        """Send a datagram to everybody on the local network."""
        self.write(("<broadcast>", port), data)

    @handler("close", override=True)
    def close(self, sock: Any = None) -> None:
        """Close when all is sent; ``closed`` is fired at once.

        Args:
            sock: Nothing, or the socket of this component; one of another server on this
                channel is left to that.
        """
        if self._sock is None or self._is_closing or sock not in (None, self._sock):
            return
        self._is_closing = True
        self.fire(Closed())
        if self._poller is not None:
            self._poller.removeReader(self._sock)
        if not (self._outgoing or self._waiting):
            self._finish()

    def join_group(self, group: str, interface: Any = None) -> None:
        """Receive what is sent to a multicast group.

        Args:
            group: Address of the group.
            interface: Where to listen: an address of this machine; for IPv6 the name or the
                number of an interface. ``None`` leaves it to the system.

        Raises:
            OSError: There is no such group or interface.
        """
        self._change_membership(socket.IP_ADD_MEMBERSHIP, group, interface)

    def leave_group(self, group: str, interface: Any = None) -> None:
        """Undo :meth:`join_group`."""
        self._change_membership(socket.IP_DROP_MEMBERSHIP, group, interface)

    def _change_membership(self, option: int, group: str, interface: Any) -> None:
        packed = socket.inet_aton(group) + socket.inet_aton(interface or "0.0.0.0")
        self._sock.setsockopt(socket.IPPROTO_IP, option, packed)

    # -- sending --

    def _send(self, address: Any, data: bytes) -> None:
        if self._outgoing:
            self._keep(address, data)
            return
        if not self._sent(address, data):
            self._keep(address, data)
            if self._poller is not None:
                self._poller.addWriter(self, self._sock)

    def _sent(self, address: Any, data: bytes) -> bool:
        """Whether a datagram has left, or never will."""
        try:
            self._sock.sendto(data, address)
        except FAILURES as problem:
            if getattr(problem, "errno", None) in _LATER:
                return False
            self._failed(as_os_error(problem))
        return True

    def _keep(self, address: Any, data: bytes) -> None:
        if self._has_room(data):
            self._outgoing.append((address, data))

    def _has_room(self, data: bytes) -> bool:
        """Count what is kept, unless it would be too much."""
        if self._pending_bytes + len(data) > self._limits.max_pending:
            if not self._has_dropped:  # told once until there is room again
                self._has_dropped = True
                text = f"datagrams are dropped: {self._pending_bytes} bytes are pending"
                self._tell_error(self._sock, OSError(errno.ENOBUFS, text))
            return False
        self._pending_bytes += len(data)
        if self._pending_bytes > self._limits.high_water and not self._is_congested:
            self._is_congested = True
            self.fire(Pause(self._sock))
        return True

    def _release(self, data: bytes) -> None:
        """Count what is kept no longer."""
        self._pending_bytes -= len(data)
        if self._pending_bytes < max(self._limits.low_water, 1):
            self._has_dropped = False
            if self._is_congested:
                self._is_congested = False
                if not self._is_closing:
                    self.fire(Resume(self._sock))

    def _listener_writable(self) -> None:
        outgoing = self._outgoing
        for _ in range(_BATCH):
            if not outgoing or self._sock is None:
                break
            address, data = outgoing[0]
            if not self._sent(address, data):
                return
            if outgoing:  # an error may have closed the socket
                outgoing.popleft()
                self._release(data)
        if not outgoing and self._sock is not None:
            if self._poller is not None:
                self._poller.removeWriter(self._sock)
            if self._is_closing and not self._waiting:
                self._finish()

    # -- names --

    def _send_to_name(self, address: Any, data: bytes) -> None:
        host = address[0]
        if not isinstance(host, str):
            raise TypeError(f"an address is a pair of host and port, not {address!r}")
        known = self._names.get(host)
        if known is not None and known[0] > _clock.now():
            self._send((known[1], *address[1:]), data)
            return
        if not self._has_room(data):
            return
        self._waiting[host] = [(address, data)]
        look_up(self, host, partial(self._find_addresses, host))

    def _find_addresses(self, host: str) -> list[Any]:
        found = self._look_ups.getaddrinfo(host, None, self.socket_family, socket.SOCK_DGRAM)
        return [entry[4][0] for entry in found]

    @handler("_resolved")
    def _on_resolved(self, host: str, addresses: list[Any], problem: Exception | None) -> None:
        waiting = self._waiting.pop(host, [])
        if self._sock is None:
            return
        for _, data in waiting:
            self._release(data)
        if addresses:
            if len(self._names) >= _NAMES:
                self._names.clear()
            self._names[host] = (_clock.now() + _NAME_SECONDS, addresses[0])
            for address, data in waiting:
                if self._sock is not None:
                    self._send((addresses[0], *address[1:]), data)
        else:
            reason = problem or OSError(errno.EHOSTUNREACH, "the name has no address")
            self._tell_error(self._sock, reason)
        if self._is_closing and not (self._outgoing or self._waiting):
            self._finish()

    # -- receiving --

    def _listener_readable(self) -> None:
        for _ in range(_BATCH):
            sock = self._sock
            if sock is None or self._is_closing:
                return
            try:
                data, address = sock.recvfrom(self._largest)
            except FAILURES as problem:
                if getattr(problem, "errno", None) not in _LATER:
                    self._failed(as_os_error(problem))
                return
            self._deliver(_Sender(self, address), data)

    def _listener_hung_up(self) -> None:
        # The poller has forgotten it: an error waits, such as that nobody listens at a peer.
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._failed(OSError(code, os.strerror(code)) if code else OSError(errno.EBADF, "hung up"))
        self._watch_socket()

    def _failed(self, problem: OSError) -> None:
        sock = self._sock
        self._tell_error(sock, problem)
        if problem.errno in _FATAL:
            self._abort()

    # -- what Endpoint asks for --

    def _owned(self) -> Iterable[Connection]:
        return ()

    def _is_busy(self) -> bool:
        return self._sock is not None

    def _join_poller(self, poller: Any) -> None:
        self._watch_socket()

    def _watch_socket(self) -> None:
        if not self._is_closing:
            self._watch_listener()
        if self._outgoing and self._sock is not None and self._poller is not None:
            self._poller.addWriter(self, self._sock)

    def _shut_down(self) -> None:
        self.close()

    def _abort(self) -> None:
        if self._sock is not None and not self._is_closing:
            self._is_closing = True
            self.fire(Closed())
        self._finish()

    def _finish(self) -> None:
        sock = self._sock
        if sock is None:
            return
        self._outgoing.clear()
        self._waiting.clear()
        self._pending_bytes = 0
        self._close_listener()
        self.fire(Disconnect(sock))
        self._drained()


class UDP6Server(UDPServer):
    """Sends and receives datagrams over IPv6; else as :class:`UDPServer`."""

    socket_family = socket.AF_INET6

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return self._look_ups.parse_ipv6_parameter(bind_parameter)

    def _datagram_options(self) -> Iterator[tuple[int, int, Any]]:
        ttl, loop, interface = self._multicast.values()
        if ttl is not None:
            yield socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl
        if loop is not None:
            yield socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, bool(loop)
        if interface is not None:
            yield socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, _interface_number(interface)

    def _change_membership(self, option: int, group: str, interface: Any) -> None:
        joins = option == socket.IP_ADD_MEMBERSHIP
        option = socket.IPV6_JOIN_GROUP if joins else socket.IPV6_LEAVE_GROUP
        number = 0 if interface is None else _interface_number(interface)
        packed = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", number)
        self._sock.setsockopt(socket.IPPROTO_IPV6, option, packed)


def _interface_number(interface: int | str) -> int:
    return interface if isinstance(interface, int) else socket.if_nametoindex(interface)
