"""The file of a recording: records one after the other, and the last one says that it is the last.

A file begins with a line that says what it is and in which format, and a line of JSON about where it
comes from. Each record is a byte for its kind, its length, and what it carries. The last one has the
number of records and a checksum of all before it; a file without it is cut.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FORMAT", "KIND_END", "RecordingError", "RecordingFile", "pack_number", "read_recording",
    "take_number",
]  # fmt: skip

#: Number of the format. Another one whenever a recording of before would be read differently.
FORMAT: Final = 1

_MAGIC: Final = b"circuits recording "

#: The kind of the last record.
KIND_END: Final = 0x5A

#: How much is collected before it is written, in bytes.
_COLLECTED: Final = 64 * 1024

#: How much room the last record needs, in bytes.
_END_ROOM: Final = 256

#: More than this is no length that was ever written: a record holds what one read has given.
_LONGEST: Final = 1 << 30


class RecordingError(ValueError):
    """A file is no recording, or none that can be replayed: the text says why.

    Attributes:
        path: The file.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


def pack_number(number: int) -> bytes:
    """A whole number, 0 or more, seven bits a byte."""
    if number < 0x80:
        return bytes((number,))
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def take_number(data: bytes, at: int) -> tuple[int, int]:
    """Read such a number; it, and where the next thing begins.

    Raises:
        IndexError: The data end before the number does.
    """
    number = shift = 0
    while True:
        part = data[at]
        at += 1
        number |= (part & 0x7F) << shift
        if part < 0x80:
            return number, at
        shift += 7


class RecordingFile:
    """Writes a recording.

    Args:
        path: Where; a file that is there is kept, under another name.
        limit: The largest size, in bytes.
        keep: How many files of before are kept.
        about: What the second line says.

    Attributes:
        records: How many were written or collected.
        written: How many bytes are in the file, without the last record.
        lost: How many bytes could not be written.
        problem: Why, or ``None``.
        is_full: Whether the limit does not allow for more.
        is_closed: Whether it is complete.
    """

    def __init__(self, path: str, limit: int, keep: int, about: dict[str, Any]) -> None:
        _set_aside(path, keep)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        self._file = os.open(path, flags, 0o600)
        self._limit = limit - _END_ROOM
        self._buffer = bytearray(_MAGIC + b"%d\n" % FORMAT + json.dumps(about).encode() + b"\n")
        self.records = self.written = self.lost = 0
        self.problem: OSError | None = None
        self.is_full = self.is_closed = False
        self._crc = 0
        #: What is whole: the size, the checksum and the records, after the last writes.
        self._good = [(0, 0, 0)]
        self._lock = threading.RLock()  # the process may end in another thread
        self.flush()
        if self.problem is not None:
            os.close(self._file)
            raise self.problem

    @property
    def has_unwritten(self) -> bool:
        """Whether something was collected."""
        return bool(self._buffer)

    def add(self, kind: int, payload: bytes) -> None:
        """Append a record."""
        if self.is_full or self.is_closed:
            return
        length = pack_number(len(payload))
        size = 1 + len(length) + len(payload)
        if self.written + len(self._buffer) + size > self._limit:
            self.is_full = True
            return
        buffer = self._buffer
        buffer.append(kind)
        buffer += length
        buffer += payload
        self.records += 1
        if len(buffer) >= _COLLECTED:
            self.flush()

    def flush(self) -> None:
        """Write what was collected. A disk that is full makes the recording end."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        if not data or self.is_closed or self.problem is not None:
            self.lost += len(data)
            return
        try:
            self._write(data)
        except OSError as problem:
            self.problem = problem
            self.is_full = True
            self.lost += len(data)
            return
        self.written += len(data)
        self._crc = zlib.crc32(data, self._crc)
        self._good = [*self._good[-1:], (self.written, self._crc, self.records)]

    def _write(self, data: bytes | bytearray) -> None:
        """Write all of it: a disk that is nearly full takes a part, and refuses the rest."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def close(self, why: str) -> None:
        """Write the last record."""
        with self._lock:
            if not self.is_closed:
                self._flush()
                self._write_end(why)
                self.is_closed = True
                os.close(self._file)

    def _write_end(self, why: str) -> None:
        for size, crc, records in reversed(self._good):
            end = {"why": why, "records": records, "crc": crc}
            try:
                # A disk that is full has room for the end where what came last was.
                os.ftruncate(self._file, size)
                os.lseek(self._file, size, os.SEEK_SET)
                payload = json.dumps(end).encode()
                self._write(bytes((KIND_END,)) + pack_number(len(payload)) + payload)
            except OSError as problem:
                self.problem = self.problem or problem
                continue
            self.lost += self.written - size
            self.records, self.written = records, size
            break

    def abandon(self) -> None:
        """Close the descriptor and leave the file alone: in a forked child."""
        if not self.is_closed:
            self.is_closed = True
            os.close(self._file)


def _set_aside(path: str, keep: int) -> None:
    """Give what is at a path, and what was there before that, other names: ``path.1``, ``path.2``."""
    if not os.path.lexists(path):
        return
    if keep <= 0:
        os.unlink(path)
        return
    for number in range(keep, 1, -1):
        if os.path.lexists(f"{path}.{number - 1}"):
            os.replace(f"{path}.{number - 1}", f"{path}.{number}")
    os.replace(path, f"{path}.1")


def read_recording(
    path: str | os.PathLike[str], *, partial: bool = False
) -> tuple[dict[str, Any], list[tuple[int, bytes]], str]:
    """Read a recording.

    Args:
        path: The file.
        partial: Take one that is cut, too, up to where it is.

    Returns:
        What it says about itself, the records, and why it ends.

    Raises:
        OSError: The file cannot be read.
        RecordingError: It is no recording, one of another version, cut, or damaged.
    """
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(_MAGIC):
        raise RecordingError(path, "this is no recording of circuits")
    first, _, rest = data.partition(b"\n")
    second, _, rest = rest.partition(b"\n")
    try:
        about: Any = json.loads(second)
    except ValueError:
        about = None
    number = first.removeprefix(_MAGIC).decode("ascii", "replace")
    if number != str(FORMAT):
        maker = about.get("circuits", "?") if isinstance(about, dict) else "?"
        raise RecordingError(
            path,
            f"it is of another version: circuits {maker} has written it in format {number}, and "
            f"format {FORMAT} is read here; replay it with the circuits that has recorded it",
        )
    if not isinstance(about, dict):
        raise RecordingError(path, "it is cut: it ends within its head")
    records: list[tuple[int, bytes]] = []
    at = len(data) - len(rest)
    try:
        for kind, payload, begin in _records(data, at):
            if kind == KIND_END:
                _check_end(path, payload, records, zlib.crc32(data[:begin]))
                return about, records, str(json.loads(payload)["why"])
            records.append((kind, payload))
    except IndexError:
        pass  # within a record
    if partial:
        return about, records, "cut"
    raise RecordingError(
        path,
        f"it is cut after {len(records)} records: its end is missing. Either the process was killed, "
        "or the file was copied while it was still written, or not all of it. What there is can be "
        "replayed with partial=True (circuits replay --partial)",
    )


def _records(data: bytes, at: int) -> Iterator[tuple[int, bytes, int]]:
    while at < len(data):
        begin = at
        length, at = take_number(data, at + 1)
        if length > _LONGEST or at + length > len(data):
            raise IndexError
        yield data[begin], data[at : at + length], begin
        at += length


def _check_end(path: Any, payload: bytes, records: list[Any], crc: int) -> None:
    try:
        end = json.loads(payload)
        is_right = end["records"] == len(records) and end["crc"] == crc and "why" in end
    except (ValueError, TypeError, KeyError):
        is_right = False
    if not is_right:
        raise RecordingError(path, "it is damaged: its checksum is not that of what is in it")
