"""Sockets of a replay: they give what was recorded, and keep what they are given.

Each is a socket of the system too, so that programs may ask what it is; it is never bound or
connected.
"""

from __future__ import annotations

import errno
import os
import socket
import zlib
from typing import TYPE_CHECKING, Any

from circuits.net._tls import TLSSocket

from ._recorded import SocketInfo
from ._replay_tls import ReplayTLS

if TYPE_CHECKING:
    from ._player import Player
    from ._recorded import Recorded
    from ._timeline import Timeline

__all__ = ["Network", "ReplaySocket"]


class Network:
    """The sockets of one replay.

    Attributes:
        player: Who is told what is sent.
        timeline: What was given when.
        sent: What was sent, by the numbers of sockets.
    """

    def __init__(self, player: Player, timeline: Timeline, recorded: Recorded) -> None:
        self.player = player
        self.timeline = timeline
        self._recorded = recorded
        self._sockets: dict[int, ReplaySocket] = {}
        self.sent: dict[int, bytearray] = {}

    def open(self, *args: Any, **kwargs: Any) -> ReplaySocket:
        """Make a socket that is not known yet."""
        sock = ReplaySocket(*args, **kwargs)
        sock.network = self
        return sock

    def wrap_tls(self, sock: Any, context: Any, *buffers: Any, **options: Any) -> Any:
        """Give what stands for TLS."""
        if not isinstance(sock, ReplaySocket):
            return context.wrap_bio(*buffers, **options)
        sock.is_encrypted = True
        return ReplayTLS(sock, *buffers)

    def find(self, number: int) -> ReplaySocket | None:
        """The socket of a number, while it is open."""
        return self._sockets.get(number)

    def number_of(self, value: Any) -> int | None:
        """The number of a socket, or ``None``."""
        return value.number if isinstance(value, ReplaySocket) else None

    def claim(self, sock: ReplaySocket, wanted: Any) -> None:
        """Find which recorded socket one is that is bound, or connected: the first that fits."""
        for number, info in self._recorded.sockets.items():
            if number not in self._sockets and wanted(info):
                self.know(sock, number)
                return

    def know(self, sock: ReplaySocket, number: int) -> None:
        """A socket is that of a number."""
        sock.number = number
        sock.info = self._recorded.socket(number)
        self._sockets[number] = sock

    def take_sent(self, sock: ReplaySocket, data: Any) -> None:
        """Keep what was sent."""
        self.sent.setdefault(sock.number or 0, bytearray()).extend(data)
        self.player.sent(sock.number, data)

    def close_all(self) -> None:
        """Close what the application has left open."""
        for sock in self._sockets.values():
            sock.close()


class ReplaySocket(TLSSocket):
    """A socket whose peer is a recording."""

    network: Network
    number: int | None = None
    is_encrypted = False  # then what TLS is given is kept
    info = SocketInfo()  # of one that is not known: nothing
    _bound: Any = None

    # -- making --

    def bind(self, address: Any) -> None:
        """It is the recorded socket that had this address, or one that the system has chosen."""
        self._bound = address

        def fits(info: SocketInfo) -> bool:
            name = info.names.get("getsockname")
            if info.kind != int(self.type) or info.target is not None or name is None:
                return False
            if not isinstance(address, tuple) or not isinstance(name, tuple):
                return bool(os.fspath(address) == name)
            return address[1] in (0, name[1]) and (address[0] in ("", name[0]) or not address[1])

        self.network.claim(self, fits)

    def listen(self, *backlog: int) -> None:
        """Nothing: who comes is known."""

    def connect_ex(self, address: Any) -> int:
        """It is the recorded socket that was connected to there, first come first served."""
        if self.number is None:
            self.network.claim(
                self, lambda info: info.target is not None and _is_same(info.target[0], address)
            )
        if self.info.target is None:
            return errno.ECONNREFUSED
        return self.info.target[1]

    def accept(self) -> tuple[Any, Any]:
        """The next one that came."""
        result = self.network.timeline.next_result(self.info.accepted)
        if result is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if result.errno:
            raise OSError(result.errno, os.strerror(result.errno))
        number, address = result.content
        sock = self.network.open(self.family, self.type, self.proto)
        self.network.know(sock, number)
        return sock, address

    # -- what was recorded --

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What the peer has sent by now."""
        content = self._receive()
        data: bytes = content[0] if isinstance(content, tuple) else content
        if len(data) > size:
            self.network.timeline.put_back(self.info.received, data[size:])
        return data[:size]

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Any]:
        """The next datagram."""
        data, address = self._receive()
        return data[:size], address

    def _receive(self) -> Any:
        result = self.network.timeline.next_result(self.info.received)
        if result is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if result.errno:
            raise OSError(result.errno, os.strerror(result.errno))
        return result.content

    def send(self, data: Any, flags: int = 0) -> int:
        """As much as was taken then."""
        view = memoryview(data).cast("B")
        result = self.network.timeline.next_result(self.info.sent, is_output=True)
        count = len(view)
        if result is not None:
            if result.errno:
                raise OSError(result.errno, os.strerror(result.errno))
            count, crc = result.content
            if self.is_encrypted:
                count = min(count, len(view))
            elif count > len(view) or zlib.crc32(view[:count]) != crc:
                # What the system took of something else says nothing about this.
                self.network.player.diverge(self.number)
                self.info.sent.clear()
                count = len(view)
        if not self.is_encrypted:
            self.network.take_sent(self, view[:count])
        return count

    def sendmsg(self, buffers: Any, *args: Any) -> int:
        """As much as was taken then."""
        return self.send(b"".join(buffers))

    def sendto(self, data: Any, *args: Any) -> int:
        """As much as was taken then."""
        return self.send(data)

    def getsockopt(self, level: int, option: int, *size: int) -> Any:
        """What was wrong then."""
        if level == socket.SOL_SOCKET and option == socket.SO_ERROR:
            result = self.network.timeline.next_result(self.info.asked)
            return 0 if result is None else result.content
        return super().getsockopt(level, option, *size)

    def getsockname(self) -> Any:
        """The address it had then."""
        name = self.info.names.get("getsockname")
        return self._bound if name is None else name

    def getpeername(self) -> Any:
        """The address its peer had then."""
        name = self.info.names.get("getpeername")
        if name is None and self.info.target is not None:
            name = self.info.target[0]
        if name is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return name

    def shutdown(self, how: int) -> None:
        """The peer does not see it any more."""

    def setsockopt(self, *option: Any) -> None:
        """Options change nothing."""


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return one[:2] == other[:2]
    return bool(one == other)
