"""Lines of bytes, under the names of the 3.x line.

.. versionadded:: 2.1
"""

from __future__ import annotations

from typing import Any

from circuits.net.protocols.line import LINESEP, LP, LineTooLongError, splitLines
from circuits.net.protocols.line import Line as line  # noqa: N813 - documented name

__all__ = ["LINESEP", "Line", "LineTooLongError", "line", "splitLines"]


class Line(LP):
    """Line protocol, as :class:`circuits.net.protocols.line.LP`, whose lines are bytes.

    Args:
        *args: As there.
        encoding: ``None``, the default: lines are bytes. A name: lines are text.
        **kwargs: As there.
    """

    def __init__(self, *args: Any, encoding: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, encoding=encoding, **kwargs)
