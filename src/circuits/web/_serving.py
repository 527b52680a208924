"""Files as responses, and what clients have of a response already; see ``circuits.web.tools``."""

from __future__ import annotations

import logging
import mimetypes
import os
import stat
from functools import lru_cache
from hashlib import sha256
from io import FileIO
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from circuits.core import _clock

from . import _conditional as rules
from . import utils
from ._paths import TROUBLES
from .errors import Forbidden, HTTPError, NotFound, Redirect
from .headers import check_value, quote_string
from .wrappers import FileRange

if TYPE_CHECKING:
    from .wrappers import Request, Response

__all__ = [
    "guess_type",
    "refuse_file",
    "serve_download",
    "serve_file",
    "serve_real_file",
    "validate_etags",
    "validate_since",
]

_logger = logging.getLogger("circuits")

# -- files ---------------------------------------------------------------------------------------

#: What the standard table lacks, or has in some versions of Python only.
_TYPES = """
    application/atom+xml .atom
    application/epub+zip .epub
    application/geo+json .geojson
    application/gpx+xml .gpx
    application/gzip .gz .tgz
    application/java-archive .jar
    application/java-vm .class
    application/ld+json .jsonld
    application/manifest+json .webmanifest
    application/octet-stream .iso .img .db .dat .pmtiles
    application/rss+xml .rss
    application/rtf .rtf
    application/vnd.android.package-archive .apk
    application/vnd.apache.parquet .parquet
    application/vnd.apple.mpegurl .m3u8
    application/vnd.comicbook+zip .cbz
    application/vnd.debian.binary-package .deb
    application/vnd.google-earth.kml+xml .kml
    application/vnd.ms-cab-compressed .cab
    application/vnd.ms-fontobject .eot
    application/vnd.oasis.opendocument.presentation .odp
    application/vnd.oasis.opendocument.spreadsheet .ods
    application/vnd.oasis.opendocument.text .odt
    application/vnd.openxmlformats-officedocument.presentationml.presentation .pptx
    application/vnd.openxmlformats-officedocument.spreadsheetml.sheet .xlsx
    application/vnd.openxmlformats-officedocument.wordprocessingml.document .docx
    application/vnd.rar .rar
    application/vnd.sqlite3 .sqlite
    application/x-7z-compressed .7z
    application/x-apple-diskimage .dmg
    application/x-bittorrent .torrent
    application/x-brotli .br
    application/x-bzip2 .bz2
    application/x-lz4 .lz4
    application/x-mobipocket-ebook .mobi
    application/x-msi .msi
    application/x-rpm .rpm
    application/x-xz .xz
    application/xhtml+xml .xhtml
    application/zip .whl
    application/zstd .zst
    audio/aac .aac
    audio/flac .flac
    audio/midi .mid .midi
    audio/mp4 .m4a
    audio/ogg .ogg .opus
    audio/webm .weba
    audio/x-matroska .mka
    font/otf .otf
    font/ttf .ttf
    font/woff .woff
    font/woff2 .woff2
    image/apng .apng
    image/avif .avif
    image/heic .heic
    image/jp2 .jp2
    image/jxl .jxl
    image/vnd.adobe.photoshop .psd
    image/vnd.djvu .djvu
    image/webp .webp
    image/x-dwg .dwg
    image/x-icon .ico
    model/gltf+json .gltf
    model/gltf-binary .glb
    model/stl .stl
    text/calendar .ics
    text/javascript .mjs .js
    text/markdown .md
    video/mp4 .m4v
    video/x-flv .flv
    video/x-matroska .mkv
    video/x-ms-wmv .wmv
"""


@lru_cache(maxsize=1)
def _types() -> dict[str, str]:
    # Python's own table, not the machine's, so that every machine answers alike.
    types = dict(mimetypes.MimeTypes().types_map[1])
    for kind, *extensions in map(str.split, _TYPES.strip().splitlines()):
        types.update(dict.fromkeys(extensions, kind))
    return types


def guess_type(path: str) -> str:
    """The media type for a file's extension; ``text/plain`` if it is not known."""
    return _types().get(os.path.splitext(path)[1].lower(), "text/plain")


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
        raise ValueError(f"{path!r} is not an absolute path")
    header = _disposition(disposition, name or os.path.basename(path)) if disposition else None
    try:
        # Looked at before it is opened: opening a pipe or a device may block or worse.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return NotFound(request, response)
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed with the response
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the path
        return refuse_file(request, response, problem)
    return _serve(request, response, file, type or guess_type(path), header)


def serve_real_file(request: Request, response: Response, path: str) -> Any:
    """Do what :func:`serve_file` does for a file that was found to be a regular one.

    Args:
        request: The request.
        response: Its response.
        path: Its absolute path, of which no part is a symbolic link. A link that has taken the
            place of the file since is not followed.
    """
    try:
        file = FileIO(path, opener=_open_real)
    except (OSError, ValueError) as problem:
        return refuse_file(request, response, problem)
    return _serve(request, response, file, guess_type(path), None)


def refuse_file(request: Request, response: Response, problem: OSError | ValueError) -> HTTPError:
    """The error for a file that cannot be served: not there, not allowed, or not now."""
    if isinstance(problem, OSError) and problem.errno in TROUBLES:
        _logger.error("%s could not be served: %s", request.path, problem)
        return HTTPError(request, response, 503)
    kind = Forbidden if isinstance(problem, PermissionError) else NotFound
    return kind(request, response)


#: So that neither a link is followed nor a pipe waited for; not every system has these.
_REAL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def _open_real(path: str, flags: int) -> int:
    return os.open(path, flags | _REAL)


def _serve(
    request: Request, response: Response, file: IO[bytes], kind: str, disposition: str | None
) -> Any:
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            file.close()
            return NotFound(request, response)
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
        refused = _validate_file(request, response, int(status.st_mtime))
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


# -- validators ------------------------------------------------------------------------------------


def _refuse_cached(request: Request, response: Response) -> HTTPError:
    """What a condition that says "you have it already" leads to."""
    if request.method in ("GET", "HEAD"):
        return Redirect(request, response, [], 304)
    return HTTPError(request, response, 412)


def _validate_file(request: Request, response: Response, modified: int) -> HTTPError | None:
    """Compare a file with what the client has of it.

    Dates are compared exactly: an older copy that was put in its place is a change, too.
    """
    headers = request.headers
    tag = response.headers["ETag"]
    current = rules.parse_etag(tag) if tag else None
    if "If-Match" in headers:
        if not rules.if_match(",".join(headers.get_all("If-Match")), current):
            return HTTPError(request, response, 412)
    elif "If-Unmodified-Since" in headers:
        since = rules.parse_http_date(headers["If-Unmodified-Since"])
        if since is not None and since != modified:
            return HTTPError(request, response, 412)
    if "If-None-Match" in headers:
        if not rules.if_none_match(",".join(headers.get_all("If-None-Match")), current):
            return _refuse_cached(request, response)
    elif "If-Modified-Since" in headers:
        since = rules.parse_http_date(headers["If-Modified-Since"])
        if since is not None and since == modified:
            return _refuse_cached(request, response)
    return None


def validate_since(request: Request, response: Response) -> HTTPError | None:
    """Compare the response's ``Last-Modified`` with what the client has.

    Does nothing without that header. A client that also names entity tags has them compared by
    :func:`validate_etags` instead.

    Args:
        request: The request.
        response: Its response.

    Returns:
        An event to return, 304 or 412, or ``None`` to go on.
    """
    headers = request.headers
    unmodified = headers["If-Unmodified-Since"] if "If-Match" not in headers else None
    modified = headers["If-Modified-Since"] if "If-None-Match" not in headers else None
    if (unmodified is None and modified is None) or not 200 <= response.code <= 299:
        return None
    stated = response.headers["Last-Modified"]
    changed = None if stated is None else rules.parse_http_date(stated)
    if changed is None:
        return None
    if unmodified is not None and not rules.if_unmodified_since(unmodified, changed):
        return HTTPError(request, response, 412)
    if modified is not None and not rules.if_modified_since(modified, changed):
        return _refuse_cached(request, response)
    return None


def validate_etags(
    request: Request, response: Response, autotags: bool = False
) -> HTTPError | None:
    """Compare the response's ``ETag`` with those the client names.

    Runs once per response; further calls do nothing.

    Args:
        request: The request.
        response: Its response.
        autotags: Whether to make a tag of the body if there is none. Of no use for a body that is
            streamed, and wrong for resources that are changed through the same URL.

    Returns:
        An event to return, 304 or 412, or ``None`` to go on.
    """
    if response._etags_validated:
        return None
    response._etags_validated = True
    if not 200 <= response.code <= 299:
        return None
    stated = response.headers["ETag"]
    if stated is None and autotags and response.code == 200 and not response.stream:
        body = response.body
        if not isinstance(body, list):
            body = response.body = list(body)
        digest = sha256()
        for part in body:
            if part is not None:
                digest.update(response.encode_part(part))
        stated = response.headers["ETag"] = f'"{digest.hexdigest()[:32]}"'
    current = rules.parse_etag(stated) if stated else None
    wanted = request.headers.get_all("If-Match")
    if wanted and not rules.if_match(",".join(wanted), current):
        return HTTPError(request, response, 412)
    known = request.headers.get_all("If-None-Match")
    if known and not rules.if_none_match(",".join(known), current):
        return _refuse_cached(request, response)
    return None
