"""The records of a recording: their kinds, and how they are written."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from ._recording_values import UnrecordableError

if TYPE_CHECKING:
    from ._recording_file import RecordingFile
    from ._recording_values import Codec

__all__ = ["DOUBLE", "Kind", "Records"]

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
