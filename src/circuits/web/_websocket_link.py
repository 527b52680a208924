"""What is around a WebSocket: the connection below, and who is told about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core._engine import Engine

    from ._websocket import WebSocket

__all__ = ["GRACE_SECONDS", "Link", "Listener"]

#: Seconds that who answers a client goes on after that has gone, before it is cancelled.
GRACE_SECONDS = 10.0


class _Owner(Protocol):
    """Who has a link."""

    _tree_engine: Engine

    def later(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have something done behind what has been fired."""


class Link(Protocol):
    """The connection below, as :class:`~circuits.web._connection.Connection` has it.

    Attributes:
        owner: The component that it belongs to.
        peer: Address of the peer, or ``None``.
        is_held: Nothing is read.
        is_cut_off: It is closed although the peer may have more to say.
    """

    @property
    def owner(self) -> _Owner:
        """See above."""

    peer: tuple[Any, Any] | None
    is_held: bool
    is_cut_off: bool

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write to the peer."""

    def must_pause(self) -> bool:
        """Whether the peer does not keep up with what is written."""

    def hold_reading(self) -> None:
        """Read nothing more for now."""

    def resume_reading(self) -> None:
        """Read on."""

    def close(self) -> None:
        """Close when all is written."""

    def cut(self, is_reset: bool = False) -> None:
        """Close at once."""


class Listener:
    """Who is told about connections; by default only that they are opened and closed.

    Attributes:
        takes_messages: Whether messages are told, too, and do not wait for ``receive``.
    """

    takes_messages: bool = False

    def opened(self, websocket: WebSocket) -> None:
        """It can be written to."""

    def received(self, websocket: WebSocket, message: str | bytes) -> None:
        """A message has come."""

    def peer_closes(self, websocket: WebSocket, code: int, reason: str) -> None:
        """The peer closes; answer by ``websocket.shut()``, as this does."""
        websocket.shut()

    def failed(self, websocket: WebSocket, problem: Exception) -> None:
        """The peer broke the rules, or is silent."""

    def congested(self, websocket: WebSocket, is_congested: bool) -> None:
        """The peer does not keep up, or does again."""

    def closed(self, websocket: WebSocket) -> None:
        """It is over. Called once, for those that were opened."""
