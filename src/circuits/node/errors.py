"""What can go wrong between two nodes.

CircuitsError
    Unreachable             a node cannot be asked, or has not answered (a ConnectionError, too)
    RemoteError             what was raised at the other node (of circuits.core)
        Refused             ... which does not take such an event

:class:`Unreachable` is an exception. The event of sockets that has the same name, and tells that a
client could not connect, is :class:`circuits.net.events.Unreachable`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuits.core.errors import CircuitsError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Refused", "RemoteError", "Unreachable", "made_from", "text_of"]

#: What of a text travels.
_TEXT_CHARACTERS = 10_000


class Unreachable(CircuitsError, ConnectionError):
    """A node cannot be asked, or has not answered in time.

    The event may have been handled there nevertheless: what is lost may be the answer.
    """


class Refused(RemoteError):
    """A node does not take an event: its ``accept`` or ``receive``, or our ``send``, says no.

    Args:
        message: Why, as that node tells it.
        type_name: The name of the exception there.
        lines: Its traceback there, if that travels.
    """

    def __init__(
        self, message: str = "", type_name: str = "Refused", lines: Iterable[str] = ()
    ) -> None:
        super().__init__(message, type_name, lines)


def text_of(thing: object) -> str:
    """The text of something of the application, whose ``__str__`` may raise."""
    try:
        return str(thing)[:_TEXT_CHARACTERS]
    except Exception as problem:
        kind = "an exception" if isinstance(thing, BaseException) else f"a {type(thing).__name__}"
        return f"{kind} whose text cannot be made ({type(problem).__name__})"


def made_from(value: object) -> Exception:
    """The exception for an answer that tells of one, whatever the peer has sent."""
    if (
        isinstance(value, list | tuple)
        and len(value) == 3
        and isinstance(value[0], str)
        and isinstance(value[2], list | tuple)
    ):
        type_name, message = value[0], text_of(value[1])
        lines = [line for line in value[2] if isinstance(line, str)]
    else:  # the release of 2.1.0 has its own ways
        type_name, message, lines = "Exception", text_of(value)[:1000], []
    if type_name == "Unreachable":
        return Unreachable(message)
    if type_name == "Refused":
        return Refused(message, type_name, lines)
    return RemoteError(message, type_name, lines)
