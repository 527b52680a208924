"""Looking through sources that are nested more deeply than functions usually call each other."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["deeply"]

#: A sum of a thousand texts is nested a thousand times, and a visitor takes three calls for each. The
#: parser refuses what is nested much deeper; calls between Python functions take no stack of C.
_CALLS: Final = 20_000


@contextlib.contextmanager
def deeply() -> Iterator[None]:
    """Allow for a visitor of what the parser has read."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _CALLS))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
