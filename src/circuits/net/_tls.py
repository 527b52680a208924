"""TLS over a non-blocking socket, without ever waiting.

The bytes pass through memory: OpenSSL reads and writes two buffers, and only this module moves
them to and from the socket. So a socket stays the same object when its connection becomes
encrypted, one system call carries many records, and nothing that is decrypted already can
hide from the poller.

To a connection, a :class:`TLSStream` looks like a socket: ``recv`` gives plain bytes or raises
``BlockingIOError``, ``send`` says how many plain bytes need not be offered again.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, Any

from circuits.core._clock import NEVER
from circuits.core._descriptor import FAILURES

from . import _outside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["TLSSocket", "TLSStream"]

#: How much is encrypted before it is sent, in bytes: four records of the largest size.
_CHUNK = 65536

#: With more than this encrypted and not taken by the kernel, nothing is read, in bytes.
_CLOG = 4 * _CHUNK

#: The largest record, in bytes of what it carries.
_RECORD = 16384

#: How much is received at once, in bytes: begins with the first, grows to four full records.
_SIZES = (4096, _CHUNK + 1024)


class TLSSocket(socket.socket):
    """A socket of a server that can speak TLS, and what programs want to know about that.

    It stands for the connection in events. Its own methods for reading and writing would
    bypass the encryption.
    """

    # Filled in when the handshake begins: a connection may become encrypted later.
    _tls: ssl.SSLObject | None = None

    @classmethod
    def take_over(cls, sock: Any) -> Any:
        """Turn a socket into one of these; anything that is no socket stays what it is."""
        if not isinstance(sock, socket.socket) or isinstance(sock, cls):
            return sock
        family, kind, protocol = sock.family, sock.type, sock.proto
        return cls(family, kind, protocol, fileno=sock.detach())

    def version(self) -> str | None:
        """Version of TLS, such as ``"TLSv1.3"``; ``None`` while there is no encryption."""
        return None if self._tls is None else self._tls.version()

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, protocol and secret bits of the cipher."""
        return None if self._tls is None else self._tls.cipher()

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The certificate that the client has shown; see ``ssl.SSLSocket.getpeercert``."""
        return None if self._tls is None else self._tls.getpeercert(binary_form)

    def selected_alpn_protocol(self) -> str | None:
        """The protocol that both sides have agreed upon."""
        return None if self._tls is None else self._tls.selected_alpn_protocol()


class TLSStream:
    """Encrypts and decrypts what goes through one socket.

    Args:
        sock: The socket, non-blocking.
        context: What to do and to demand.
        server_side: Whether the peer begins.
        server_hostname: For clients, whom they expect to reach.
        before: What must be sent before, as it is.
        opened: Called once, when the handshake is done; returns whether to go on.

    Attributes:
        object: The connection as :mod:`ssl` sees it.
        is_open: Whether the handshake is done.
        was_cut: The end has come without a word of the peer that it is one.
        at_eof: Nothing more will be received: ``recv`` tells at once whether that is the end
            or an error, without the socket being readable.
        timer: When the handshake will have taken too long.
    """

    __slots__ = (
        "_claimed",
        "_incoming",
        "_opened",
        "_outgoing",
        "_problem",
        "_rest",
        "_size",
        "_sock",
        "at_eof",
        "is_open",
        "object",
        "timer",
        "was_cut",
    )

    def __init__(
        self,
        sock: Any,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        opened: Callable[[], bool],
        server_hostname: str | None = None,
        before: bytes = b"",
    ) -> None:
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.object = _outside.wrap_tls(
            sock,
            context,
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=server_hostname,
        )
        self._opened: Callable[[], bool] | None = opened
        self._size = _SIZES[0]
        #: What the kernel has not taken of what must leave before anything else.
        self._rest = memoryview(before)
        #: How many of the bytes that were offered to ``send`` last are part of that.
        self._claimed = 0
        self._problem: OSError | None = None
        self.is_open = False
        self.at_eof = self.was_cut = False
        self.timer = NEVER

    # -- the handshake --

    def begin(self) -> None:
        """Send the first message of the handshake, as clients do."""
        self._shake()

    def _shake(self) -> None:
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            self._collect()
            self.push()
            return
        except ssl.SSLError:
            self.send_alert()  # the alert that says why
            raise
        self.is_open = True
        self._collect()
        self.push()  # what a client sends last in a handshake, and the tickets of a server

    # -- receiving --

    def recv(self, size: int) -> bytes:
        """Receive and decrypt, or go on with the handshake.

        Args:
            size: Ignored: whole records are decrypted, and buffers follow the traffic here.

        Raises:
            BlockingIOError: There is nothing yet.
            OSError: The connection, or the handshake, has failed.
        """
        if self._problem is not None:
            raise self._problem
        if self.at_eof:
            return b""
        if self.is_clogged and not self.push():
            raise BlockingIOError
        try:
            data = self._sock.recv(self._size)
        except (BlockingIOError, InterruptedError):
            # Data that came together with the end of the handshake may wait in memory.
            if not (self._incoming.pending or self.object.pending()):
                raise
            count = 0
        else:
            count = len(data)
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()
            smallest, largest = _SIZES
            if count == self._size:
                self._size = min(count * 4, largest)
            elif count < self._size >> 2:
                self._size = max(self._size >> 2, smallest)
        if not self.is_open:
            self._shake()
            if not self.is_open:
                raise BlockingIOError
            opened, self._opened = self._opened, None
            if opened is None or not opened():
                raise BlockingIOError
        return self._decrypt()

    def _decrypt(self) -> bytes:
        read, incoming, pending = self.object.read, self._incoming, self.object.pending
        pieces = []
        try:
            while piece := read(_RECORD):
                pieces.append(piece)
                # An exception costs more than to look whether it would come.
                if not incoming.pending and not incoming.eof and not pending():
                    break
            else:
                self.at_eof = True  # the peer has said that it was all
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.at_eof = True
        except ssl.SSLEOFError:
            # Without a word, as many peers do. Most protocols know themselves what is whole.
            self.at_eof = self.was_cut = True
        except ssl.SSLError as problem:
            self.at_eof = True
            self._problem = problem
            self.send_alert()
        if self._outgoing.pending:  # an answer to a change of keys, or an alert
            self.send_alert()
        if pieces:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._problem is not None:
            raise self._problem
        if self.at_eof:
            return b""
        raise BlockingIOError

    # -- sending --

    def send(self, data: Any) -> int:
        """Encrypt and send as much as the kernel takes.

        What was encrypted and not sent is not counted, and must be offered again; it is not
        encrypted twice. So whoever waits until all is counted waits until all has left.
        """
        if not self.is_open or not self.push():
            return 0
        sent, self._claimed = self._claimed, 0
        total = len(data)
        if total - sent <= _RECORD:  # the usual case
            if sent < total:
                rest = memoryview(data)[sent:] if sent else data
                count = self.object.write(rest)
                self._rest = memoryview(self._outgoing.read())
                if self.push():
                    sent += count
                else:
                    self._claimed = count
            return sent
        view = memoryview(data)
        while sent < total:
            count = 0
            while count < _CHUNK and sent + count < total:
                count += self.object.write(view[sent + count : sent + count + _RECORD])
            self._rest = memoryview(self._outgoing.read())
            if not self.push():
                self._claimed = count
                break
            sent += count
        return sent

    def sendmsg(self, pieces: Iterable[Any]) -> int:
        """As ``send``, for the first of several pieces: joining more than is sent is in vain."""
        chosen: list[Any] = []
        room = _CHUNK
        for piece in pieces:
            chosen.append(piece[:room])
            room -= len(chosen[-1])
            if not room:
                break
        return self.send(b"".join(chosen))

    @property
    def has_output(self) -> bool:
        """Whether something is encrypted that the kernel has not taken."""
        return bool(self._rest)

    @property
    def is_clogged(self) -> bool:
        """Whether so much is encrypted and not taken that nothing more must be read.

        What the peer sends may demand answers of TLS itself, such as a change of keys: one that
        sends them and reads nothing must not have us keep them all.
        """
        return len(self._rest) > _CLOG

    def push(self) -> bool:
        """Send what is encrypted already.

        Returns:
            Whether nothing of it is left.

        Raises:
            OSError: The connection has failed.
        """
        while self._rest:
            try:
                count = self._sock.send(self._rest)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as problem:
                if problem.errno == errno.ENOBUFS:
                    return False
                raise
            self._rest = self._rest[count:]
        return True

    def _collect(self) -> None:
        if self._outgoing.pending:
            made = self._outgoing.read()
            self._rest = memoryview(b"".join((self._rest, made)) if self._rest else made)

    # -- ending --

    def end_output(self) -> None:
        """Send close_notify; the peer may go on sending."""
        if self.is_open:
            try:
                self.object.unwrap()
            except ssl.SSLError:
                pass  # it would wait for the peer to say so, too
            self._collect()
            self.push()

    def sent_close_notify(self) -> bool:
        """End the output; whether nothing of that is left to be sent."""
        try:
            self.end_output()
        except FAILURES:
            return True  # it is gone already
        return not self.has_output

    def send_alert(self) -> None:
        """Send an alert, or what else TLS answers by itself; failures are found out later."""
        try:
            self._collect()
            self.push()
        except FAILURES:
            self._rest = memoryview(b"")

    def close(self, is_whole: bool = True) -> None:
        """Send close_notify, without waiting; the socket is closed by its owner.

        Args:
            is_whole: Whether the peer has got everything. If not, it must not be told so.
        """
        self._opened = None
        self.timer.cancel()
        if is_whole and self._problem is None and not self._rest:
            try:
                self.end_output()
            except FAILURES:
                return  # gone already
