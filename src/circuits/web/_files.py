"""Files as bodies of responses."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FileRange", "file_generator"]


def file_generator(input: IO[bytes], chunkSize: int = 4096) -> Iterator[bytes]:  # noqa: N803
    """Read a file in chunks and close it in the end, also if the generator is closed before.

    Args:
        input: The file.
        chunkSize: Most bytes per chunk.
    """
    try:
        while chunk := input.read(chunkSize):
            yield chunk
    finally:
        input.close()


class FileRange:
    """A part of a file as a body: an iterator of chunks, and what ``sendfile`` needs.

    Attributes:
        file: The open file; it is closed with this object.
        offset: Where the rest begins.
        remaining: Length of the rest in bytes.

    .. versionadded:: 2.1
    """

    CHUNK_BYTES = 64 * 1024

    def __init__(self, file: IO[bytes], offset: int, length: int) -> None:
        self.file = file
        self.offset = offset
        self.remaining = length
        self._sought = -1

    def __iter__(self) -> FileRange:
        return self

    def __next__(self) -> bytes:
        if self.remaining <= 0:
            self.close()
            raise StopIteration
        if self._sought != self.offset:
            self.file.seek(self.offset)
        data = self.file.read(min(self.remaining, self.CHUNK_BYTES))
        if not data:
            # Ending here would leave the client short of its Content-Length without a sign.
            missing = self.remaining
            self.close()
            raise OSError(f"the file shrank while it was sent: {missing} bytes are missing")
        self.advance(len(data))
        self._sought = self.offset
        return data

    def advance(self, count: int) -> None:
        """Take note that ``count`` bytes were sent without this object."""
        self.offset += count
        self.remaining -= count

    def close(self) -> None:
        """Close the file."""
        self.remaining = 0
        self.file.close()
