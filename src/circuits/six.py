"""What programs for Python 2 and 3 asked here; there is one answer left.

.. deprecated:: 2.1
   Write what stands here instead.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

PY2 = False
PY3 = True
MAXSIZE = sys.maxsize

string_types = (str,)
integer_types = (int,)
class_types = (type,)
text_type = str
binary_type = bytes
bytes_to_str = bytes.decode
StringIO = io.StringIO
BytesIO = io.BytesIO


def u(text: str) -> str:
    """The text."""
    return text


def b(text: str) -> bytes:
    """The text in Latin-1."""
    return text.encode("latin-1")


def iterkeys(mapping: Mapping[Any, Any]) -> Iterator[Any]:
    """Its keys."""
    return iter(mapping.keys())


def itervalues(mapping: Mapping[Any, Any]) -> Iterator[Any]:
    """Its values."""
    return iter(mapping.values())


def iteritems(mapping: Mapping[Any, Any]) -> Iterator[Any]:
    """Its pairs."""
    return iter(mapping.items())


def reraise(
    kind: type[BaseException], value: BaseException, traceback: TracebackType | None = None
) -> NoReturn:
    """Raise an exception with the traceback of another place."""
    raise value.with_traceback(traceback)
