"""Functions for URLs, forms, ranges, dates and compression (manual: circuits.web.utils)."""

from __future__ import annotations

import re
import struct
import time
import zlib
from functools import lru_cache
from posixpath import normpath
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from circuits.core import _clock

from . import _conditional
from ._form_limits import DEFAULT_LIMITS, FormLimits
from ._forms import parse_form
from ._upload import Upload
from ._urlencoded import parse_urlencoded
from .exceptions import RequestEntityTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .wrappers import Request, Response

__all__ = [
    "RequestEntityTooLarge",
    "compress",
    "dictform",
    "form_fields",
    "formatdate",
    "get_ranges",
    "parse_body",
    "parse_qs",
    "url",
]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def formatdate(seconds: float | None = None) -> str:
    """Write a time as an IMF-fixdate, the date format of HTTP.

    Args:
        seconds: Seconds since the epoch; ``None`` is now.

    .. versionadded:: 2.1
    """
    return _date(int(_clock.wall() if seconds is None else seconds))


# All responses of one second ask for the same, and files for the few that they were changed at.
@lru_cache(maxsize=256)
def _date(second: int) -> str:
    t = time.gmtime(second)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year:04} "
        f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"
    )


# -- URLs -----------------------------------------------------------------------------------


def url(
    request: Request,
    path: str = "",
    qs: str = "",
    script_name: str | None = None,
    base: str | None = None,
    relative: bool | str | None = None,
) -> str:
    """Make the URL of a path.

    Args:
        request: The current request.
        path: With a leading slash, it is below ``base`` and ``script_name``; otherwise it is
            relative to the path of the request, which counts as a folder if the request was
            routed to an ``index`` and as a file if it was routed to a named method. An absolute
            URL stays as it is. Empty is the current path.
        qs: Query to append; the question mark is added.
        script_name: Where the application is mounted; by default what the request says.
        base: Scheme and host; by default what the request says.
        relative: ``"server"`` makes it begin at the root of the server; ``True`` makes it
            relative to the current path, with ``..`` where needed.
    """
    if qs and not qs.startswith("?"):
        qs = "?" + qs
    if script_name is None:
        script_name = getattr(request, "script_name", None) or ""
    if base is None:
        base = getattr(request, "base", None) or ""
    if _is_absolute(path):
        target = path + qs
    else:
        if not path.startswith("/"):
            current = _path_of(request)
            index = getattr(request, "index", None)
            if index is True:
                current = current if current.endswith("/") else current + "/"
            elif index is False and len(current) > 1:
                current = current.removesuffix("/")
            path = urljoin(current, path) if path else current
        target = base + script_name + _normalised(path) + qs
    if not relative:
        return target
    parts = urlsplit(target)
    server_path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    if relative == "server":
        return server_path
    return _relative(script_name + _path_of(request), server_path)


def _path_of(request: Request) -> str:
    """The path of a request as its client knows it."""
    path = getattr(request, "path", "") or "/"
    return _encoded(path.removeprefix(getattr(request, "virtual_prefix", None) or "") or "/")


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


def _is_absolute(path: str) -> bool:
    return _SCHEME.match(path) is not None


_NEEDS_QUOTING = re.compile(r"[^A-Za-z0-9_.~!$&'()*+,;=:@/\-]")


def _encoded(path: str) -> str:
    """A decoded request path in the form of a URL."""
    if _NEEDS_QUOTING.search(path) is None:
        return path
    from urllib.parse import quote

    from ._paths import unescape_segment

    return "/".join(
        [
            "%2F".join(quote(part, safe="!$&'()*+,;=:@") for part in segment.split("/"))
            for segment in map(unescape_segment, path.split("/"))
        ]
    )


def _normalised(path: str) -> str:
    if "./" not in path and not path.endswith((".", "/..")):
        return path
    path, mark, tail = path.partition("?")
    slash = "/" if path.endswith(("/", "/.", "/..")) else ""
    result = "/" + normpath(path).strip("/")
    return (result if result == "/" else result + slash) + mark + tail


def _relative(current: str, target: str) -> str:
    path, mark, query = target.partition("?")
    here = current.split("/")[:-1]
    there = path.split("/")
    while here and len(there) > 1 and here[0] == there[0]:
        del here[0], there[0]
    result = "/".join([".."] * len(here) + there)
    if not result or result.startswith("/"):
        result = "./" + result.lstrip("/")
    elif ":" in result.split("/", 1)[0]:
        result = "./" + result  # or it would read as a scheme
    return result + mark + query


# -- forms -----------------------------------------------------------------------------------

_IMAGE_MAP = re.compile(r"[0-9]+,[0-9]+", re.ASCII)


def parse_qs(query_string: str, keep_blank_values: bool = True) -> dict[str, Any]:
    """Read the parameters of a query.

    Args:
        query_string: The query without the question mark.
        keep_blank_values: Whether parameters with an empty value count.

    Returns:
        The first value of each name. A query such as ``12,34``, which comes from a click on an
        image map, gives the integers ``x`` and ``y``.

    Raises:
        UnicodeError: If it is not UTF-8.
        RequestEntityTooLarge: If there are more parameters than a form may have.
    """
    if not query_string:
        return {}
    if "=" not in query_string and _IMAGE_MAP.fullmatch(query_string) and len(query_string) < 40:
        x, y = query_string.split(",")
        return {"x": int(x), "y": int(y)}
    pairs = parse_urlencoded(query_string, keep_blank_values=keep_blank_values)
    params: dict[str, Any] = dict(pairs)
    if len(params) < len(pairs):
        for name, value in reversed(pairs):
            params[name] = value
    return params


def parse_body(
    request: Request,
    response: Response,
    params: dict[str, Any],
    limits: FormLimits | None = None,
) -> None:
    """Add the fields of a form in a request's body to the parameters.

    A body that is no form is left alone. Repeated fields become a list.

    Args:
        request: The request.
        response: Its response, which is not used.
        params: Is updated; a field replaces a parameter of the same name.
        limits: What the form may cost; ``None`` takes what the server says.

    Raises:
        RequestEntityTooLarge: If a limit is exceeded.
        BadRequest: If the form is malformed.
        UnicodeError: If a text cannot be decoded.
    """
    form: dict[str, list[Any]] = {}
    for name, value in form_fields(request, limits):
        form.setdefault(name, []).append(value)
    for name, values in form.items():
        params[name] = values[0] if len(values) == 1 else values


def form_fields(
    request: Request, limits: FormLimits | None = None
) -> list[tuple[str, str | Upload]]:
    """The fields of the form in a request's body, which is read once; none if it is no form.

    Args:
        request: The request.
        limits: What the form may cost; ``None`` takes what the server says.

    Raises:
        RequestEntityTooLarge, BadRequest, UnicodeError: As :func:`parse_body`.

    .. versionadded:: 2.1
    """
    fields = request._fields
    if fields is None:
        if limits is None:
            limits = getattr(request._http, "form_limits", DEFAULT_LIMITS)
        content_type = request.headers.get("Content-Type")
        found = parse_form(content_type, request.body, limits) if content_type else None
        fields = request._fields = found or []
        for _, value in fields:
            if isinstance(value, Upload):
                request._release_later(value)
    return fields


def dictform(form: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a field storage into a dictionary.

    Args:
        form: Maps names to fields, or to lists of them. A field is text, or an object with a
            ``filename`` and a ``value``.

    Returns:
        Files as the objects they are, other fields as their values, repeated fields as lists.
    """
    result = {}
    for name in form.keys():  # noqa: SIM118 - a field storage need not be iterable
        field = form[name]
        if isinstance(field, (list, tuple)):
            values = [_field_value(item) for item in field]
            result[name] = values[0] if len(values) == 1 else values
        else:
            result[name] = _field_value(field)
    return result


def _field_value(field: Any) -> Any:
    if getattr(field, "filename", None) or not hasattr(field, "value"):
        return field
    return field if isinstance(field, Upload) else field.value


# -- ranges and compression ---------------------------------------------------------------------


def get_ranges(headervalue: str | None, content_length: int) -> list[tuple[int, int]] | None:
    """Read a ``Range`` header.

    Args:
        headervalue: Value of the header, or ``None``.
        content_length: Length of the content in bytes.

    Returns:
        ``(start, stop)`` pairs that are fit for slices; an empty list, if no range lies within
        the content (answer 416); ``None``, if there is no range to obey.
    """
    return _conditional.parse_ranges(headervalue, content_length)


def compress(
    body: Iterable[str | bytes | None] | str | bytes, compress_level: int
) -> Iterator[bytes]:
    """Compress a body in the gzip format.

    Args:
        body: Its parts; text is encoded in UTF-8.
        compress_level: From 0 to 9.

    Yields:
        Bytes, never empty.
    """
    parts: Iterable[str | bytes | None] = [body] if isinstance(body, (str, bytes)) else body
    yield b"\x1f\x8b\x08\x00" + struct.pack("<L", int(_clock.wall()) & 0xFFFFFFFF) + b"\x02\xff"
    compressor = zlib.compressobj(compress_level, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum = zlib.crc32(b"")
    size = 0
    try:
        for part in parts:
            if part is None:
                continue
            data = part.encode() if isinstance(part, str) else part
            checksum = zlib.crc32(data, checksum)
            size += len(data)
            if compressed := compressor.compress(data):
                yield compressed
    finally:
        # An abandoned response closes this generator; what it reads from must know.
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    yield compressor.flush() + struct.pack("<LL", checksum, size & 0xFFFFFFFF)
