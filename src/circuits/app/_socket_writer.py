"""What sockets and TLS tell, written down."""

from __future__ import annotations

import socket
import weakref
import zlib
from typing import TYPE_CHECKING, Any

from circuits.net._tls import TLSSocket

from ._recorded_sockets import is_listening, is_observed, observe, sockets
from ._recorded_tls import RecordedTLS
from ._recording_file import pack_number
from ._records import Form, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._recorded_sources import RecordedSources
    from ._records import Records

__all__ = ["SocketWriter"]


class SocketWriter:
    """Told by the sockets of a process; writes down what they do for the loop's thread.

    Args:
        records: Where to.
        sources: Knows which thread that is.
    """

    def __init__(self, records: Records, sources: RecordedSources) -> None:
        self._records = records
        self._sources = sources
        self._encrypted: weakref.WeakSet[Any] = weakref.WeakSet()
        self._accepted: dict[int, int] = {}  # numbers by descriptors
        sockets.listener = self

    def stop(self) -> None:
        """Let go of all sockets."""
        sockets.clear()

    def meet(self, fd: Any, source: Any) -> None:
        """A descriptor is watched for the first time."""
        self._know(fd)
        if not is_observed(fd):
            kind = f"of {type(fd).__name__}" if isinstance(fd, socket.socket) else "no socket"
            self._records.name(f"what {type(source).__name__} reads and writes is {kind}")
        elif sockets.find(fd) is None:
            number = sockets.number(fd)
            about = {"listens": is_listening(fd), "kind": int(fd.type), **_names_of(fd)}
            self._records.add_value(Kind.SOCKET, pack_number(number), about)

    def _know(self, sock: Any) -> None:
        """Observe a socket; one for TLS has taken the descriptor of an accepted one over."""
        if isinstance(sock, socket.socket):
            observe(sock)
        if isinstance(sock, TLSSocket) and sockets.find(sock) is None:
            number = self._accepted.pop(sock.fileno(), None)
            if number is not None:
                sockets.take_over(sock, number)

    def received(self, sock: Any, data: bytes | OSError, address: Any = None) -> None:
        """A socket has given something."""
        if self._sources.are_elsewhere():
            return
        head = pack_number(sockets.number(sock))
        if isinstance(data, OSError):
            self._add_failure(Kind.RECEIVED, head, data)
            return
        if sock in self._encrypted:
            form, content = Form.LENGTH, pack_number(len(data))
        elif address is None:
            form, content = Form.PLAIN, data
        else:
            origin = self._records.codec.dump(address)
            form, content = Form.WITH_ADDRESS, pack_number(len(origin)) + origin + data
        self._records.add(Kind.RECEIVED, head + bytes((form,)) + content)

    def sent(self, sock: Any, data: Iterable[Any], count: int | OSError) -> None:
        """A socket has taken something."""
        if self._sources.are_elsewhere():
            return
        head = pack_number(sockets.number(sock))
        if isinstance(count, OSError):
            self._add_failure(Kind.SENT, head, count)
            return
        crc, left = 0, count
        for piece in () if sock in self._encrypted else data:
            view = memoryview(piece).cast("B")[:left]
            crc = zlib.crc32(view, crc)
            left -= len(view)
        content = pack_number(count) + pack_number(crc)
        self._records.add(Kind.SENT, head + bytes((Form.PLAIN,)) + content)

    def accepted(self, listener: Any, sock: Any, address: Any) -> None:
        """A socket has accepted another one."""
        if self._sources.are_elsewhere():
            return
        head = pack_number(sockets.number(listener))
        if isinstance(sock, OSError):
            self._add_failure(Kind.ACCEPTED, head, sock)
            return
        other = sockets.number(sock)
        self._accepted[sock.fileno()] = other
        head += bytes((Form.PLAIN,)) + pack_number(other)
        self._records.add_value(Kind.ACCEPTED, head, (address, _names_of(sock)))

    def connected(self, sock: Any, address: Any, code: int) -> None:
        """A socket was connected, or is about to be."""
        if not self._sources.are_elsewhere():
            head = pack_number(sockets.number(sock)) + pack_number(code)
            self._records.add_value(Kind.CONNECTED, head, (address, _names_of(sock)))

    def asked(self, sock: Any, code: int) -> None:
        """A socket has told what is wrong with it."""
        if not self._sources.are_elsewhere():
            self._records.add(Kind.ASKED, pack_number(sockets.number(sock)) + pack_number(code))

    # -- TLS --

    def wrap_tls(
        self, sock: Any, context: Any, incoming: Any, outgoing: Any, **options: Any
    ) -> Any:
        """TLS begins: from here on what the socket gives says nothing, and TLS is recorded."""
        real = context.wrap_bio(incoming, outgoing, **options)
        self._know(sock)
        if sockets.find(sock) is None or self._sources.are_elsewhere():
            return real
        self._encrypted.add(sock)
        return RecordedTLS(real, sock, incoming, outgoing, self)

    def answered(self, sock: Any, question: str, answer: Any, pending: int, produced: int) -> None:
        """TLS has answered."""
        if self._sources.are_elsewhere():
            return
        name = question.encode()
        head = pack_number(sockets.number(sock)) + pack_number(len(name)) + name
        head += pack_number(pending) + pack_number(produced)
        if question == "read" and isinstance(answer, bytes):
            self._records.add(Kind.ANSWERED, head + bytes((Form.PLAIN,)) + answer)
        else:
            self._records.add_value(Kind.ANSWERED, head + bytes((Form.VALUE,)), answer)

    def _add_failure(self, kind: int, head: bytes, problem: OSError) -> None:
        self._records.add(kind, head + bytes((Form.FAILED,)) + pack_number(problem.errno or 0))


def _names_of(sock: Any) -> dict[str, Any]:
    names = {}
    for name in ("getsockname", "getpeername"):
        try:
            names[name] = getattr(sock, name)()
        except OSError:
            names[name] = None
    return names
