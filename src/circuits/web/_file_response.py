"""Files as responses, whole or in parts; see ``circuits.web.tools``."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from circuits.core import _clock
from circuits.core._reports import log_diagnosis

from . import _conditional as rules
from . import utils
from ._header_elements import quote_string
from ._media_types import guess_type
from ._paths import SYSTEM_ERRORS, open_file
from ._validators import validate_file
from .errors import Forbidden, HTTPError, NotFound
from .headers import check_value
from .wrappers import FileRange

if TYPE_CHECKING:
    from .wrappers import Request, Response

__all__ = ["refuse_file", "serve_download", "serve_file", "serve_real_file"]

_log = logging.getLogger("circuits.web")


def _disposition(kind: str, name: str) -> str:
    """The value of ``Content-Disposition`` (RFC 6266)."""
    if any(character in name for character in "\r\n\0"):
        raise ValueError(f"a file name must not contain CR, LF or NUL: {name!r}")
    if name.isascii():
        return f"{kind}; filename={quote_string(name)}"
    fallback = name.encode("ascii", "replace").decode().replace("?", "_")
    extended = quote(name, safe="!#$&+.^_`|~-", errors="replace")
    return f"{kind}; filename={quote_string(fallback)}; filename*=UTF-8''{extended}"


def serve_file(
    request: Request,
    response: Response,
    path: str,
    type: str | None = None,  # documented name
    disposition: str | None = None,
    name: str | None = None,
) -> Any:
    """Make the response deliver a file, or the part of it that the client asks for.

    Args:
        request: The request.
        response: Its response.
        path: Absolute path of the file.
        type: Media type; by default that of the extension.
        disposition: ``"inline"`` or ``"attachment"``, for a ``Content-Disposition``.
        name: Name of the file in that header; by default the last part of the path.

    Returns:
        The response, or an error event to return: there is no such file, or what the client has
        is up to date.

    Raises:
        ValueError: If the path is relative, or the name holds CR, LF or NUL.
    """
    if not os.path.isabs(path):
        raise ValueError(
            f"{path!r} is not an absolute path: join it to its folder, such as that of __file__"
        )
    header = _disposition(disposition, name or os.path.basename(path)) if disposition else None
    try:
        file, status = open_file(path)
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the path
        log_diagnosis(f"{request.method} {request.path:.200}: no file to serve: {problem}")
        return refuse_file(request, response, problem)
    return _serve(request, response, file, status, type or guess_type(path), header)


def serve_real_file(request: Request, response: Response, path: str) -> Any:
    """Do what :func:`serve_file` does for a file that was found to be a regular one.

    Args:
        request: The request.
        response: Its response.
        path: Its absolute path, of which no part is a symbolic link. A link that has taken the
            place of the file since is not followed.
    """
    try:
        file, status = open_file(path, is_real=True)
    except (OSError, ValueError) as problem:
        return refuse_file(request, response, problem)
    return _serve(request, response, file, status, guess_type(path), None)


def refuse_file(request: Request, response: Response, problem: OSError | ValueError) -> HTTPError:
    """The error for a file that cannot be served: not there, not allowed, or not now."""
    if isinstance(problem, OSError) and problem.errno in SYSTEM_ERRORS:
        _log.error("%s could not be served: %s", request.path, problem)
        return HTTPError(request, response, 503)
    kind = Forbidden if isinstance(problem, PermissionError) else NotFound
    return kind(request, response)


def _serve(
    request: Request,
    response: Response,
    file: IO[bytes],
    status: os.stat_result,
    kind: str,
    disposition: str | None,
) -> Any:
    try:
        return _deliver(request, response, file, status, kind, disposition)
    except OSError as problem:
        file.close()
        return refuse_file(request, response, problem)
    except BaseException:
        file.close()
        raise


def _deliver(
    request: Request,
    response: Response,
    file: IO[bytes],
    status: os.stat_result,
    kind: str,
    disposition: str | None,
) -> Any:
    headers = response.headers
    fields = _fields(status.st_ino, status.st_size, status.st_mtime_ns, check_value(kind))
    if "ETag" in headers:  # the application's own
        fields = tuple(field for field in fields if field[0] != "ETag")
    headers._put_all(fields)
    if disposition is not None:
        headers["Content-Disposition"] = disposition
    length = status.st_size
    if not _CONDITIONS.isdisjoint(request.headers._index_keys()):
        refused = validate_file(request, response, int(status.st_mtime))
        if refused is not None:
            file.close()
            for name in _OF_CONTENT:
                del headers[name]
            return refused
        ranges = _ranges(request, response, length, status.st_mtime)
        if ranges is not None:
            del headers["Content-Length"]
            return _serve_ranges(request, response, file, length, ranges)
    response.body = FileRange(file, 0, length)
    return response


#: What a client may ask of a file beyond having it.
_CONDITIONS = frozenset(
    {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "range"}
)
#: What is not said of a file that is not sent.
_OF_CONTENT = ("Content-Type", "Content-Disposition", "Accept-Ranges", "Content-Length")


@lru_cache(maxsize=256)
def _fields(number: int, length: int, modified: int, kind: str) -> tuple[tuple[str, str, str], ...]:
    """The fields of the response for a file as it is now, for ``Headers._put_all``."""
    return tuple(
        (name, name.lower(), value)
        for name, value in (
            ("Last-Modified", utils.formatdate(modified // 1_000_000_000)),
            ("ETag", f'"{number:x}-{length:x}-{modified:x}"'),
            ("Content-Type", kind),
            ("Accept-Ranges", "bytes"),
            ("Content-Length", str(length)),
        )
    )


def _ranges(
    request: Request, response: Response, length: int, modified: float
) -> list[tuple[int, int]] | None:
    if request.method != "GET":  # RFC 9110, 14.2
        return None
    ranges = rules.parse_ranges(request.headers["Range"], length, rules.RANGES_LIMIT)
    if ranges is None:
        return None
    condition = request.headers["If-Range"]
    if condition is not None:
        tag = response.headers["ETag"]
        if not rules.if_range(condition, rules.parse_etag(tag) if tag else None, modified):
            return None
    return rules.merge_ranges(ranges)


def _serve_ranges(
    request: Request,
    response: Response,
    file: IO[bytes],
    length: int,
    ranges: list[tuple[int, int]],
) -> Any:
    headers = response.headers
    if not ranges:
        file.close()
        headers["Content-Range"] = f"bytes */{length}"
        return HTTPError(request, response, 416)
    response.code = 206
    if len(ranges) == 1:
        start, stop = ranges[0]
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{length}"
        headers["Content-Length"] = str(stop - start)
        response.body = FileRange(file, start, stop - start)
        return response
    kind = headers["Content-Type"]
    boundary = _clock.random_bytes(16).hex()
    headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    body = _ManyRanges(file, length, ranges, kind, boundary)
    headers["Content-Length"] = str(body.length)
    response.stream = True
    response.body = body
    return response


class _ManyRanges:
    """Body of a ``multipart/byteranges`` response: an iterator that closes its file."""

    def __init__(
        self,
        file: IO[bytes],
        total: int,
        ranges: list[tuple[int, int]],
        kind: str,
        boundary: str,
    ) -> None:
        self._file = file
        self._parts = [
            (
                f"\r\n--{boundary}\r\nContent-type: {kind}\r\n"
                f"Content-range: bytes {start}-{stop - 1}/{total}\r\n\r\n".encode("latin-1"),
                start,
                stop,
            )
            for start, stop in ranges
        ]
        self._end = f"\r\n--{boundary}--\r\n".encode("ascii")
        self.length = len(self._end) + sum(
            len(head) + stop - start for head, start, stop in self._parts
        )
        self._chunks = self._generate()

    def _generate(self) -> Any:
        for head, start, stop in self._parts:
            yield head
            self._file.seek(start)
            left = stop - start
            while left:
                data = self._file.read(min(left, FileRange.CHUNK_BYTES))
                if not data:
                    raise OSError(f"the file shrank while it was sent: {left} bytes are missing")
                left -= len(data)
                yield data
        yield self._end
        self.close()

    def __iter__(self) -> _ManyRanges:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)  # type: ignore[no-any-return]  # a generator of bytes

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def serve_download(request: Request, response: Response, path: str, name: str | None = None) -> Any:
    """Deliver a file for saving; see :func:`serve_file`.

    Args:
        request: The request.
        response: Its response.
        path: Absolute path of the file.
        name: What the client shall call it; by default the last part of the path.
    """
    return serve_file(request, response, path, "application/x-download", "attachment", name)
