"""Small functions for connections (a path of the 3.x line)."""

from __future__ import annotations

__all__ = ["is_ssl_handshake"]


def is_ssl_handshake(buf: bytes) -> bool:
    """Whether what a client sends first is the beginning of a TLS handshake.

    Args:
        buf: Its first bytes, three at least.
    """
    return len(buf) >= 3 and buf[0] == 0x16 and buf[1] == 0x03 and buf[2] <= 0x04
