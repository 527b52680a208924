"""What goes over the private pipe between a process and its child: framed, pickled messages.

Pickle runs code of the sender's choice, so this is for a pipe whose other end was handed to a
child of our own, and for nothing that anybody else can reach.
"""

from __future__ import annotations

import io
import pickle
import struct

from circuits.core.errors import NotSendableError, RemoteError
from circuits.core.manager import Manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["LIMIT_BYTES", "Frames", "are_plain", "pack", "sendable", "unpack"]

#: The largest message, in bytes. A length beyond means that the peer is out of step.
LIMIT_BYTES = 256 * 1024 * 1024

_LENGTH = struct.Struct("!I")
_PROTOCOL = pickle.HIGHEST_PROTOCOL


class _Pickler(pickle.Pickler):
    """Refuses live components: one of them would take its whole tree along."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, Manager):
            raise pickle.PicklingError(f"{thing!r} is a live component and stays in its process")
        return NotImplemented


def pack(
    message: object,
    what: object,
    limit: int = LIMIT_BYTES,
    head: bytes = b"",
    is_plain: bool = False,
) -> bytes:
    """Make a frame.

    Args:
        message: What to send.
        what: How a refusal calls it: anything that has a text.
        limit: The largest frame, in bytes.
        head: What goes before the pickled message.
        is_plain: Whether nothing in the message can be a component. It is not looked at then,
            which takes a third of the time.

    Raises:
        NotSendableError: It cannot be pickled, or it is too large.
    """
    try:
        if is_plain:
            payload = head + pickle.dumps(message, _PROTOCOL)
        else:
            buffer = io.BytesIO()
            buffer.write(head)
            _Pickler(buffer, _PROTOCOL).dump(message)
            payload = buffer.getvalue()
    except Exception as problem:
        # Objects raise whatever they like when they are pickled.
        reason = str(problem) or type(problem).__name__
        raise NotSendableError(f"{what} cannot be sent to another process: {reason}") from problem
    size = len(payload)
    if size > limit:
        raise NotSendableError(
            f"{what} cannot be sent to another process: {size} bytes, at most {limit} are allowed"
        )
    return _LENGTH.pack(size) + payload


#: Types of which an instance contains nothing else.
_PLAIN = frozenset({bool, bytes, complex, float, int, str, type(None)})


def are_plain(things: Iterable[object]) -> bool:
    """Whether all are numbers, texts and the like, in which nothing can hide."""
    return _PLAIN.issuperset([thing.__class__ for thing in things])


def unpack(payload: bytes | memoryview) -> Any:
    """The message in a frame."""
    return pickle.loads(payload)


def sendable(problem: BaseException) -> BaseException:
    """The exception, or one that stands for it because it would not arrive."""
    try:
        # Some can be pickled, but not unpickled: their constructors want other arguments.
        unpack(pack(problem, "exception")[_LENGTH.size :])
    except Exception:
        return RemoteError(f"{type(problem).__qualname__}: {problem}")
    return problem


class Frames:
    """Puts frames together again from whatever pieces they arrive in."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def receive(self, data: bytes) -> list[bytes]:
        """Take what arrived; give what is complete.

        Raises:
            ValueError: A frame is longer than the limit.
        """
        buffer = self._buffer
        if not buffer and len(data) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(data)
            if size == len(data) - _LENGTH.size and size <= self._limit:
                return [data[_LENGTH.size :]]  # one and nothing else, as it mostly is
        buffer += data
        frames = []
        start, end = 0, len(buffer)
        head = _LENGTH.size
        while end - start >= head:
            (size,) = _LENGTH.unpack_from(buffer, start)
            if size > self._limit:
                raise ValueError(f"a message of {size} bytes, at most {self._limit} are allowed")
            if end - start - head < size:
                break
            start += head
            frames.append(bytes(memoryview(buffer)[start : start + size]))
            start += size
        if start:
            del buffer[:start]
        return frames
