"""Masking by compiled code, where there is some."""

from __future__ import annotations

from functools import cache

from circuits._wire.websocket import Mask, mask

__all__ = ["fastest_mask"]


@cache
def fastest_mask() -> Mask:
    """That of the package ``websockets``, if it is installed with its compiled part, or our own."""
    try:
        from websockets.speedups import apply_mask
    except ImportError:  # the extra "websocket" is not installed
        return mask
    return apply_mask
