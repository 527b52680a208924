"""Between a server and HTTP: the transport below, and who takes a connection over from HTTP.

A transport tells what happens by events on its channel: ``connect``, ``read``, ``pause``,
``resume`` and ``disconnect``. What HTTP wants of it goes the other way, by the methods here. Two
of them, ``write`` and ``close``, are handlers of the documented events of those names, and HTTP
fires these or calls the handlers, as ``circuits.core._direct`` decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.net._endpoint import Keeper

    from ._connection import Connection
    from ._exchange import Exchange
    from ._request_body import IncomingBody
    from .http import HTTP

__all__ = ["EventTransport", "Peer", "Successor", "Takeover", "Transport"]


class Transport(Protocol):
    """Connections as HTTP needs them; each is known by its socket.

    What returns a ``bool`` returns whether it could be done: a transport need not be able to.
    """

    def keep_with(self, keeper: Keeper) -> None:
        """From now on, leave it to HTTP when connections end."""

    def part_from(self, keeper: Keeper) -> None:
        """HTTP has left: no more, unless another one has come meanwhile."""

    def write(self, sock: Any, data: bytes) -> None:
        """Send data behind what is pending."""

    def close(self, sock: Any) -> None:
        """Close when all is written."""

    def abort(self, sock: Any) -> bool:
        """Reset: the client must not take what it has received for everything."""

    def finish_writing(self, sock: Any) -> bool:
        """Tell the client, when all is written, that this was all; reading goes on."""

    def pause_reading(self, sock: Any) -> None:
        """Read nothing more."""

    def resume_reading(self, sock: Any) -> None:
        """Read on."""

    def is_congested(self, sock: Any) -> bool:
        """Whether so much is pending that nothing new should be begun.

        It is the truth of this moment; ``pause`` and ``resume``, which tell of it, are events.
        """

    def pending_bytes(self, sock: Any) -> int:
        """How much is held that the client has not taken."""

    def send_file(self, sock: Any, file: Any, offset: int, count: int) -> int:
        """Have the kernel send a part of a file.

        Returns:
            How many bytes from the beginning are seen to; the rest must be read and written.
        """


class EventTransport:
    """A transport of which nothing is known but that it handles ``write`` and ``close``."""

    def keep_with(self, keeper: Keeper) -> None:
        pass

    def part_from(self, keeper: Keeper) -> None:
        pass

    def abort(self, sock: Any) -> bool:
        return False

    def finish_writing(self, sock: Any) -> bool:
        return False

    def pause_reading(self, sock: Any) -> None:
        pass

    def resume_reading(self, sock: Any) -> None:
        pass

    def is_congested(self, sock: Any) -> bool:
        return False

    def pending_bytes(self, sock: Any) -> int:
        return 0

    def send_file(self, sock: Any, file: Any, offset: int, count: int) -> int:
        return 0


class Peer(Protocol):
    """What an exchange needs of its connection, or of what stands for one.

    Attributes:
        owner: The component that it belongs to.
        sock: What events know it by.
        exchange: The request that is being answered, or ``None``.
        incoming: The body that is still being received, or ``None``.
        successor: Who takes over, or ``None``.
        is_congested: The client does not read: stop producing.
    """

    @property
    def owner(self) -> HTTP:
        """See above."""

    @property
    def incoming(self) -> IncomingBody | None:
        """See above."""

    sock: Any
    exchange: Exchange | None
    successor: Takeover | None
    is_congested: bool

    def write(self, data: bytes) -> None:
        """Write to the client."""

    def finished(self, must_close: bool, is_switched: bool = False) -> None:
        """An answer is complete."""

    def cut(self, is_reset: bool = False) -> None:
        """Break off."""


class Successor(Protocol):
    """Who speaks another protocol on a connection, after HTTP; see ``Exchange.take_over``.

    What it raises is reported, and ends the connection.
    """

    def begin(self, connection: Connection) -> None:
        """The head with 101 has been written. Write and close through ``connection``."""

    def receive_data(self, data: bytes) -> None:
        """The client has sent this; also what came right behind its request."""

    def congested(self, is_congested: bool) -> None:
        """The client does not keep up with what is written, or does again."""

    def stopping(self) -> None:
        """The application stops: say good-bye, and close soon."""

    def broken(self, problem: Exception) -> None:
        """The connection has failed for this; ``closed`` follows."""

    def closed(self) -> None:
        """The connection has ended, or was never handed over. Called once, and last."""


class Takeover:
    """A successor with what guards its connection: whatever it raises, that is cut."""

    def __init__(self, connection: Peer, successor: Successor) -> None:
        self._connection = connection
        self._successor = successor
        self._hand_over = successor.receive_data

    def begin(self, connection: Connection) -> None:
        self._tell(self._successor.begin, connection)

    def receive_data(self, data: bytes) -> None:
        try:  # as _tell, which would be one more call for whatever is received
            self._hand_over(data)
        except BaseException as problem:
            self._connection.owner.report(problem)
            self._connection.cut()

    def congested(self, is_congested: bool) -> None:
        self._tell(self._successor.congested, is_congested)

    def stopping(self) -> None:
        self._tell(self._successor.stopping)

    def broken(self, problem: Exception) -> None:
        self._tell(self._successor.broken, problem)

    def closed(self) -> None:
        self._tell(self._successor.closed)

    def _tell(self, method: Callable[..., object], *arguments: Any) -> None:
        try:
            method(*arguments)
        except BaseException as problem:
            self._connection.owner.report(problem)
            self._connection.cut()
