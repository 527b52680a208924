"""What the WebSockets of one place have in common."""

from __future__ import annotations

from circuits._wire.websocket import Deflate, Limits
from circuits.net.protocols._websocket_conversation import AT_ONCE, CLOSE_TIMEOUT
from circuits.net.protocols._websocket_masking import fastest_mask
from circuits.net.protocols.websocket import MAX_SIZE

__all__ = ["BUFFERED_BYTES", "Options"]

#: What all connections together may hold of messages that nobody has taken, or that are not
#: complete: a few of the longest ones.
BUFFERED_BYTES = 4 * MAX_SIZE


class Options:
    """What the connections of one place have in common.

    Args:
        max_message_bytes: The longest message; ``None`` for no limit.
        buffered_bytes: What may be held of all connections together; see the module.
        ping_interval: Seconds from one ping to the next; ``None``: never.
        ping_timeout: Seconds for the answer.
        close_timeout: Seconds that a peer has for its part of closing.
        compression: Whether to compress if the peer can, or how.
    """

    __slots__ = (
        "buffered_bytes", "close_timeout", "deflate", "held_bytes", "limits", "mask",
        "ping_interval", "ping_timeout",
    )  # fmt: skip

    #: How to compress.
    DEFLATE = Deflate()

    def __init__(
        self,
        max_message_bytes: int | None = MAX_SIZE,
        buffered_bytes: int = BUFFERED_BYTES,
        ping_interval: float | None = 20.0,
        ping_timeout: float | None = 20.0,
        close_timeout: float | None = CLOSE_TIMEOUT,
        compression: bool | Deflate = True,
    ) -> None:
        self.limits = Limits(message_bytes=max_message_bytes, frames_at_once=AT_ONCE)
        self.buffered_bytes = buffered_bytes
        self.held_bytes = 0
        self.mask = fastest_mask()
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.close_timeout = close_timeout
        if isinstance(compression, bool):
            self.deflate = self.DEFLATE if compression else None
        else:
            self.deflate = compression
