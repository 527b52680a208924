"""Messages, limits, codes and errors of `circuits._wire.websocket`, which is their public face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from circuits._wire import ProtocolError

#: Codes that may stand in a close frame (RFC 6455, 7.4, and the registry of IANA), besides the
#: 3000 to 4999 of libraries and applications. 1004 to 1006 and 1015 are never sent.
_DEFINED_CODES: Final = frozenset([*range(1000, 1004), *range(1007, 1015)])

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005
ABNORMAL: Final = 1006
INVALID_DATA: Final = 1007
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
TRY_AGAIN_LATER: Final = 1013


def is_sendable_code(code: int) -> bool:
    """Whether a close frame may have this code."""
    return code in _DEFINED_CODES or 3000 <= code <= 4999


@dataclass(frozen=True)
class Limits:
    """What is accepted at most. Sizes are in bytes.

    Attributes:
        message_bytes: A whole message, after decompression; ``None`` for no limit. It is held
            in memory until it is complete, so 16 MiB is what one connection may cost.
        frame_bytes: One frame, as it is on the wire; ``None`` for no limit but the other.
        frames_at_once: After so many frames that do not end a message, nothing is given for once,
            so that a peer that cuts its messages small cannot keep others waiting. Neither is
            before a close frame and an error: what was sent before can be answered.
    """

    message_bytes: int | None = 16 * 1024 * 1024
    frame_bytes: int | None = None
    frames_at_once: int | None = None


class RemoteProtocolError(ProtocolError):
    """The peer broke the rules, or passed a limit. Close the connection with `code`.

    Args:
        code: What to tell the peer: 1002 protocol error, 1007 not UTF-8, 1009 too big.
        reason: What is wrong.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life is wanted: answer with the same payload."""

    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Pong:
    """A sign of life."""

    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Close:
    """The peer closes, or agrees to close.

    Attributes:
        code: As sent; 1005 if there was none.
        reason: As sent.
    """

    code: int = NO_STATUS
    reason: str = ""
