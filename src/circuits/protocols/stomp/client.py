"""The client."""

from __future__ import annotations

from circuits.net.protocols.stomp import (
    ACK_AUTO,
    ACK_CLIENT,
    ACK_CLIENT_INDIVIDUAL,
    ACK_MODES,
    StompClient,
    StompError,
)

__all__ = [
    "ACK_AUTO",
    "ACK_CLIENT",
    "ACK_CLIENT_INDIVIDUAL",
    "ACK_MODES",
    "StompClient",
    "StompError",
]
