"""What may be the body of a response, files among them."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._response import Response

__all__ = ["Body", "FileRange", "file_generator"]


def file_generator(input: IO[bytes], chunkSize: int = 4096) -> Iterator[bytes]:  # noqa: N803
    """Read a file in chunks and close it in the end, also if the generator is closed before.

    Args:
        input: The file; what can be read and not closed will do.
        chunkSize: Most bytes per chunk.
    """
    try:
        while chunk := input.read(chunkSize):
            yield chunk
    finally:
        if hasattr(input, "close"):
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


class Body:
    """The descriptor behind ``response.body``: what may be assigned, and what it becomes.

    - ``bytes`` and ``str``: a list of one element, or an empty one; text is encoded when the
      response is prepared, so that filters see what the handler returned;
    - a file: ``stream`` is set and the body is a generator of its chunks;
    - a :class:`FileRange`: ``stream`` is set;
    - an ``HTTPError``: its page;
    - ``None``: an empty list;
    - a tuple: a list; a list or any other iterable: as it is.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self, response: None, owner: type[Response]) -> Body: ...
        @overload
        def __get__(self, response: Response, owner: type[Response]) -> Any: ...

    def __get__(self, response: Response | None, owner: type[Response]) -> Any:
        if response is None:
            return self
        body = response._body
        if body is None:
            body = response._body = []
        return body

    def __set__(self, response: Response, value: Any) -> None:
        kind = type(value)
        if kind is str or kind is bytes:
            body: Any = [value] if value else []
        elif kind is list:
            body = value
        elif value is None:
            body = []
        elif isinstance(value, (str, bytes, bytearray, memoryview)):
            body = [value] if len(value) else []
        elif isinstance(value, tuple):
            body = list(value)
        elif isinstance(value, FileRange):
            response._streams_file(value)
            response._body = value
            return
        elif hasattr(value, "read"):
            response._streams_file(value)
            response._body = file_generator(value, FileRange.CHUNK_BYTES)
            return
        elif getattr(value, "name", None) == "httperror":
            page = str(value)
            body = [page] if page else []
        else:
            if value is not response._body:
                response._adopt(value)
            response._body = value
            return
        if response._resources is not None:
            # A file was assigned before and is not wanted any more.
            response.release()
            response.stream = False
        response._body = body
