"""The records of a recording: their kinds and forms, and how they are written.

What writes them is in ``circuits.app``, what reads them in ``circuits.testing``; both take from here
what a byte means.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from ._recording_values import UnrecordableError

if TYPE_CHECKING:
    from ._recording_file import RecordingFile
    from ._recording_values import Codec

__all__ = ["DOUBLE", "Form", "Kind", "LookFlag", "Readiness", "Records"]

#: How times are written.
DOUBLE: Final = struct.Struct("<d")

#: How many things that cannot be replayed are named, so that a million of them fill no disk.
_NOTES: Final = 100


class Kind:
    """The kinds of records."""

    NOW, WALL, RANDOM, ID = b"TWRI"
    LOOK, FIRE, SIGNAL, STOP, JOB, FOUND = b"PFSXJL"
    RECEIVED, SENT, ACCEPTED, CONNECTED, ASKED, SOCKET, ANSWERED = b"rsacoiy"
    NOTE, ERROR, APPLICATION = b"neA"


class Form:
    """What follows in a record of what a socket or TLS has given; one byte, behind who it was.

    Attributes:
        PLAIN: What it gave, as it is.
        FAILED: An errno.
        WITH_ADDRESS: The length of an address, that, and what it gave.
        LENGTH: How many bytes there were, of what nobody can read without its keys.
        VALUE: What the codec makes of something else.
    """

    PLAIN, FAILED, WITH_ADDRESS, LENGTH = range(4)
    VALUE = 1  # where nothing fails: of TLS


class LookFlag:
    """Flags of a look: it was waited for; something of no socket, which wakes the loop, was ready."""

    IDLE, WOKEN = 1, 2


class Readiness:
    """Bits of what a socket was ready for."""

    READABLE, WRITABLE, GONE = 1, 2, 4


class Records:
    """Writes records.

    Args:
        file: Where to.
        codec: Makes text of values.

    Attributes:
        file, codec: As above.
    """

    def __init__(self, file: RecordingFile, codec: Codec) -> None:
        self.file = file
        self.codec = codec
        self.add = file.add
        self._named: set[str] = set()

    def add_value(self, kind: int, head: bytes, value: Any, what: str = "a value") -> None:
        """Add a record that ends in a value; of one that cannot be kept, it is said what it was."""
        try:
            text = self.codec.dump(value)
        except UnrecordableError as problem:
            self.name(f"{what}: {problem}")
            text = self.codec.dump(f"{what}: {problem}")
        self.add(kind, head + text)

    def name(self, text: str) -> None:
        """Name something that cannot be replayed, once."""
        if text not in self._named and len(self._named) < _NOTES:
            self._named.add(text)
            self.add(Kind.NOTE, text.encode("utf-8", "backslashreplace"))
