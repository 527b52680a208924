"""TLS of a replay: it gives the plain bytes that were recorded, and encrypts nothing."""

from __future__ import annotations

import ssl
import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ._replay_sockets import ReplaySocket

__all__ = ["ReplayTLS"]

#: What a record of TLS takes beside what it carries, of an answer that was not recorded.
_EXTRA: Final = 22


class ReplayTLS:
    """Stands for an ``SSLObject``.

    Args:
        sock: The socket below.
        incoming, outgoing: Its buffers: kept as full as they were.
    """

    def __init__(
        self, sock: ReplaySocket, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        self._sock = sock
        self._incoming = incoming
        self._outgoing = outgoing

    def _answer(self, question: str, default: Any, *, is_output: bool = False) -> Any:
        answers = self._sock.info.answers.get(question)
        result = self._sock.network.timeline.next_result(answers, is_output=is_output)
        if result is None:
            if isinstance(default, BaseException):
                raise default
            return default
        answer, pending, produced = result.content
        surplus = self._incoming.pending - pending
        if surplus > 0:
            self._incoming.read(surplus)
        if produced > 0:
            self._outgoing.write(bytes(produced))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def do_handshake(self) -> None:
        """As of an ``SSLObject``."""
        self._answer("do_handshake", ssl.SSLWantReadError())

    def read(self, size: int) -> bytes:
        """As of an ``SSLObject``."""
        data: bytes = self._answer("read", ssl.SSLWantReadError())
        return data

    def write(self, data: Any) -> int:
        """As of an ``SSLObject``; what is written is kept as it is."""
        count, crc = self._answer("write", (None, 0), is_output=True)
        if count is None or count > len(data) or zlib.crc32(memoryview(data)[:count]) != crc:
            if count is not None:
                self._sock.network.player.diverge(self._sock.number)
            else:
                self._outgoing.write(bytes(len(data) + _EXTRA))
            count = len(data)
        self._sock.network.take_sent(self._sock, memoryview(data)[:count])
        return int(count)

    def pending(self) -> int:
        """As of an ``SSLObject``."""
        return int(self._answer("pending", 0))

    def unwrap(self) -> None:
        """As of an ``SSLObject``."""
        self._answer("unwrap", ssl.SSLWantReadError())

    def version(self) -> Any:
        """As of an ``SSLObject``."""
        return self._answer("version", None)

    def cipher(self) -> Any:
        """As of an ``SSLObject``."""
        return self._answer("cipher", None)

    def getpeercert(self, binary_form: bool = False) -> Any:
        """As of an ``SSLObject``."""
        return self._answer("getpeercert", None)

    def selected_alpn_protocol(self) -> Any:
        """As of an ``SSLObject``."""
        return self._answer("selected_alpn_protocol", None)
