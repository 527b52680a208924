"""TLS that tells a recording what it gives.

Its keys are of OpenSSL's own making, so nobody can decrypt in a replay what was received then.
What :class:`ssl.SSLObject` answered is recorded instead: plain bytes, and how much stood in its buffers.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import ssl

__all__ = ["RecordedTLS"]


class Listener(Protocol):
    """Who is told: what was asked of TLS, what it has answered, and what is in its buffers then."""

    def answered(
        self, sock: Any, question: str, answer: Any, pending: int, produced: int
    ) -> None: ...


class RecordedTLS:
    """Stands for an ``SSLObject``.

    Args:
        real: The object.
        sock: The socket below.
        incoming, outgoing: Its buffers.
        listener: Who is told.
    """

    def __init__(
        self,
        real: ssl.SSLObject,
        sock: Any,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        listener: Listener,
    ) -> None:
        self._real = real
        self._sock = sock
        self._incoming = incoming
        self._outgoing = outgoing
        self._listener = listener

    def _ask(self, question: str, *args: Any) -> Any:
        before = self._outgoing.pending
        answer: Any
        try:
            answer = getattr(self._real, question)(*args)
        except Exception as problem:
            self._tell(question, problem, before)
            raise
        told = answer
        if question == "write":
            told = answer, zlib.crc32(memoryview(args[0])[:answer])
        self._tell(question, told, before)
        return answer

    def _tell(self, question: str, answer: Any, before: int) -> None:
        produced = self._outgoing.pending - before
        self._listener.answered(self._sock, question, answer, self._incoming.pending, produced)

    def do_handshake(self) -> None:
        """As of an ``SSLObject``."""
        self._ask("do_handshake")

    def read(self, size: int) -> bytes:
        """As of an ``SSLObject``."""
        return self._ask("read", size)  # type: ignore[no-any-return]

    def write(self, data: Any) -> int:
        """As of an ``SSLObject``."""
        return self._ask("write", data)  # type: ignore[no-any-return]

    def pending(self) -> int:
        """As of an ``SSLObject``."""
        return self._ask("pending")  # type: ignore[no-any-return]

    def unwrap(self) -> None:
        """As of an ``SSLObject``."""
        self._ask("unwrap")

    def version(self) -> str | None:
        """As of an ``SSLObject``."""
        return self._ask("version")  # type: ignore[no-any-return]

    def cipher(self) -> tuple[str, str, int] | None:
        """As of an ``SSLObject``."""
        return self._ask("cipher")  # type: ignore[no-any-return]

    def getpeercert(self, binary_form: bool = False) -> Any:
        """As of an ``SSLObject``."""
        return self._ask("getpeercert", binary_form)

    def selected_alpn_protocol(self) -> str | None:
        """As of an ``SSLObject``."""
        return self._ask("selected_alpn_protocol")  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)  # what nobody of ours asks
