"""What a request sends: bytes, or pieces that are made while they are sent."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import TextIOBase
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from circuits.core import _clock

from . import _json

if TYPE_CHECKING:
    from collections.abc import Sequence

    Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]

__all__ = ["PIECE_BYTES", "StreamedBody", "make_body", "pairs"]

#: So much of a file is read at once, in bytes.
PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class StreamedBody:
    """A body that comes in pieces.

    Attributes:
        start: Begins it: gives an iterable of bytes or text, perhaps an asynchronous one.
        length: In bytes, if that is known.
        is_repeatable: Whether it can be begun once more.
    """

    start: Callable[[], Any]
    length: int | None = None
    is_repeatable: bool = True

    def __iter__(self) -> Iterator[Any]:
        pieces = self.start()
        if hasattr(pieces, "__aiter__"):
            raise TypeError("an asynchronous body cannot be read in a plain for loop")
        return iter(pieces)


def pairs(given: Pairs) -> list[tuple[str, Any]]:
    """Names and values, without those that are ``None``."""
    found = given.items() if isinstance(given, Mapping) else given
    return [(name, value) for name, value in found if value is not None]


def make_body(data: Any, json: Any, files: Any, content: Any) -> tuple[str, bytes | StreamedBody]:
    """The type and the body of a request.

    Raises:
        TypeError: There are two, or it is of a type that cannot be sent.
    """
    is_form = isinstance(data, Mapping) or (
        isinstance(data, list | tuple) and all(isinstance(pair, tuple) for pair in data)
    )
    if data is not None and not is_form:
        if content is not None:
            raise TypeError("a request has one body: data or content")
        data, content = None, data
    if sum((content is not None, json is not None, data is not None or bool(files))) > 1:
        raise TypeError("a request has one body: content, json, or data and files")
    if files:
        return _multipart(pairs(data or ()), pairs(files))
    if data is not None:
        form = urlencode(pairs(data), doseq=True)
        return "application/x-www-form-urlencoded", form.encode()
    if json is not None:
        return "application/json", _json.encode(json).encode()
    if content is None:
        return "", b""
    if isinstance(content, str):
        return "text/plain; charset=utf-8", content.encode()
    body = _content(content)
    return "" if isinstance(body, bytes) else "application/octet-stream", body


def _content(content: Any) -> bytes | StreamedBody:
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    if isinstance(content, str):
        return content.encode()
    if hasattr(content, "read"):
        return _file(content)
    if isinstance(content, AsyncIterable):
        return StreamedBody(lambda: content, None, not hasattr(content, "__anext__"))
    if isinstance(content, Iterable) and not isinstance(content, Mapping):
        return StreamedBody(lambda: iter(content), None, not hasattr(content, "__next__"))
    raise TypeError(
        f"a body is bytes, text, a file or an iterable of them, not {type(content).__name__}"
    )


def _file(file: Any) -> StreamedBody:
    """What is left of an open file."""
    if isinstance(file, TextIOBase):
        raise TypeError("a file that is sent has to be opened in binary mode")
    try:
        start = file.tell()
        file.seek(0, 2)
        length = file.tell() - start
        file.seek(start)
    except (AttributeError, OSError):  # a pipe
        return StreamedBody(lambda: iter(lambda: file.read(PIECE_BYTES), b""), None, False)

    def pieces() -> Iterator[bytes]:
        file.seek(start)
        left = length  # and no more, if it grows meanwhile
        while left > 0 and (piece := file.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            yield piece

    return StreamedBody(pieces, length)


def _quoted(text: str) -> str:
    # As browsers do it (WHATWG, multipart/form-data).
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _multipart(
    fields: Sequence[tuple[str, Any]], files: Sequence[tuple[str, Any]]
) -> tuple[str, bytes | StreamedBody]:
    boundary = _clock.random_bytes(16).hex()
    parts: list[bytes | StreamedBody] = []

    def add(name: str, filename: str | None, kind: str, body: bytes | StreamedBody) -> None:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'
        if filename is not None:
            head += f'; filename="{_quoted(filename)}"'
        if kind:
            head += f"\r\nContent-Type: {_quoted(kind)}"
        parts.extend((f"{head}\r\n\r\n".encode(), body, b"\r\n"))

    for name, value in fields:
        for one in value if isinstance(value, list | tuple) else (value,):
            add(name, None, "", one if isinstance(one, bytes) else str(one).encode())
    for name, value in files:
        filename: str | None = name
        kind = ""
        if isinstance(value, tuple):
            filename, value, *rest = value
            kind = rest[0] if rest else ""
        elif isinstance(getattr(value, "name", None), str):
            filename = value.name.rpartition("/")[2]
        if not kind and filename is not None:
            kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        if hasattr(value, "__aiter__"):
            raise TypeError(f"the file {name!r} cannot come asynchronously")
        add(name, filename, kind, _content(value))
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", _joined(parts)


def _joined(parts: Sequence[bytes | StreamedBody]) -> bytes | StreamedBody:
    whole = [part for part in parts if isinstance(part, bytes)]
    if len(whole) == len(parts):
        return b"".join(whole)
    lengths = [len(part) if isinstance(part, bytes) else part.length for part in parts]
    length = None if None in lengths else sum(filter(None, lengths))

    def pieces() -> Iterator[Any]:
        for part in parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from part

    return StreamedBody(
        pieces, length, all(isinstance(part, bytes) or part.is_repeatable for part in parts)
    )
