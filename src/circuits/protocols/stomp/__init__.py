"""A client of brokers that speak STOMP, under the paths of the 3.x line.

.. versionadded:: 2.1
"""

from __future__ import annotations

from .client import ACK_AUTO, ACK_CLIENT, ACK_CLIENT_INDIVIDUAL, ACK_MODES, StompClient, StompError

__all__ = [
    "ACK_AUTO",
    "ACK_CLIENT",
    "ACK_CLIENT_INDIVIDUAL",
    "ACK_MODES",
    "StompClient",
    "StompError",
]
