"""A request made of what a WSGI server tells: its environ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from . import exceptions, wrappers
from ._paths import parse_target

if TYPE_CHECKING:
    from ._hosted_tree import HostedHTTP

__all__ = ["make_request"]


def make_request(
    environ: dict[str, Any], http: HostedHTTP
) -> tuple[wrappers.Request, exceptions.HTTPException | None, str | None]:
    """Make a request of an environ.

    Args:
        environ: What a WSGI server says of it.
        http: Who has the exchange.

    Returns:
        The request, what is wrong with it, and where it should be sent instead.
    """
    method = environ["REQUEST_METHOD"]
    target = environ.get("PATH_INFO", "").encode("latin-1")
    text = "*" if target == b"*" else quote(b"/" + target.removeprefix(b"/"))
    if environ.get("QUERY_STRING"):
        text = f"{text}?{environ['QUERY_STRING']}"
    refusal: exceptions.HTTPException | None = None
    path, raw_path, qs, redirect = "/", "/", "", None
    try:
        path, raw_path, qs, _, redirect = parse_target(text, method)
        body = _read(environ, http)
    except exceptions.HTTPException as problem:
        refusal, body = problem, None
    request = wrappers.Request(
        None,
        method,
        environ["wsgi.url_scheme"],
        path,
        _version(environ.get("SERVER_PROTOCOL", "")),
        qs,
        _fields(environ),
        None,
        raw_path,
    )
    if body is not None:
        request.body = body
    request._http_component = http
    request.script_name = _text(environ.get("SCRIPT_NAME", ""))
    request.host = environ["SERVER_NAME"]
    request.local = wrappers.Host(environ["SERVER_NAME"], _number(environ["SERVER_PORT"]))
    address = environ.get("REMOTE_ADDR") or None
    request.remote = wrappers.Host(address, _number(environ.get("REMOTE_PORT")))
    request.wsgi_environ = environ  # type: ignore[attr-defined]  # documented; only here
    return request, refusal, redirect


def _read(environ: dict[str, Any], http: HostedHTTP) -> Any:
    """Read the body of a request."""
    text = environ.get("CONTENT_LENGTH") or ""
    if text and not (text.isascii() and text.isdigit()):
        raise exceptions.BadRequest("The length of the body is no number.")
    left = int(text) if text else None
    if left is None and not environ.get("wsgi.input_terminated"):
        return None
    limit = http.limits.body_bytes
    if limit is not None and left is not None and left > limit:
        raise exceptions.RequestEntityTooLarge
    body = http.body_file()
    read = environ["wsgi.input"].read
    try:
        while left is None or left > 0:
            data = read(65536 if left is None else min(left, 65536))
            if not data:
                break
            body.write(data)
            if left is not None:
                left -= len(data)
            elif limit is not None and body.tell() > limit:
                raise exceptions.RequestEntityTooLarge
        if left:
            raise exceptions.BadRequest("The body ends before its length.")
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body


def _fields(environ: dict[str, Any]) -> list[tuple[str, str]]:
    """The header fields of a request."""
    fields = [
        (key[5:].replace("_", "-").title(), value)
        for key, value in environ.items()
        if key.startswith("HTTP_") and key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH")
    ]
    for key, name in (("CONTENT_TYPE", "Content-Type"), ("CONTENT_LENGTH", "Content-Length")):
        if environ.get(key):
            fields.append((name, environ[key]))
    return fields


def _version(protocol: str) -> tuple[int, int]:
    return (1, 0) if protocol == "HTTP/1.0" else (1, 1)


def _text(data: str) -> str:
    return data.encode("latin-1").decode("utf-8", "replace")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
