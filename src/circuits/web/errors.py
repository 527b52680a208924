"""HTTP errors as events: what request handlers return, and what turns failures into pages.

::

    HTTPError (500)
        Forbidden (403), NotFound (404), Unauthorized (401)
        Redirect (303)

Whatever the class, the name of the event is ``httperror``. The names in lower case are the same
classes, under their names in the 3.x line.
"""

from __future__ import annotations

import json
import re
from html import escape
from traceback import format_tb
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from circuits.core.events import Event

from . import utils
from ._status import Status, describe, has_no_body, reason
from .constants import DEFAULT_ERROR_MESSAGE, POWERED_BY, SERVER_URL, SERVER_VERSION
from .exceptions import HTTPException
from .headers import check_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .headers import Headers
    from .wrappers import Request, Response

__all__ = [
    "Forbidden",
    "HTTPError",
    "NotFound",
    "Redirect",
    "Unauthorized",
    "forbidden",
    "httperror",
    "notfound",
    "redirect",
    "unauthorized",
]

#: A line of the page that is of no use without one.
_NO_TRACEBACK = ' <pre id="traceback"></pre>\n'

#: After these the connection goes on: nothing about them makes it doubtful where the next request
#: begins.
_KEEPS_CONNECTION = frozenset({*range(300, 400), 401, 404, 405, 416})


class HTTPError(Event[Any]):
    """A request cannot be answered as it should.

    To be returned by a request handler, or fired on the server's channel, where the HTTP component
    turns it into a response. Making one already changes the response: it gets the code, and the
    connection is closed afterwards unless the error is a harmless one. Return values are ignored.

    Args:
        request: The request.
        response: Its response.
        code: Status code; ``None`` takes that of the class, or of the exception in ``error``.
        **kwargs: ``error``, a triple of type, exception and traceback (or its lines);
            ``description``, text for the page, which is escaped.

    Attributes:
        request, response, code: As above.
        description: The text for the page; the default of a status is markup.
        error: The triple, or ``None``.
        traceback: Text of the traceback; empty unless the request asks for debugging.
        data: What the page is filled with: code, name, description, traceback, url, version.
    """

    name = "httperror"
    code = 500
    description = ""

    def __init__(
        self, request: Request, response: Response, code: int | None = None, **kwargs: Any
    ) -> None:
        error = kwargs.get("error")
        exception = error[1] if error else None
        if code is None:
            code = self.code
            if isinstance(exception, HTTPException) and type(self) is HTTPError:
                code = exception.code
        super().__init__(request, response, code, **kwargs)
        self.request = request
        self.response = response
        self.code = code
        self.error = error
        description = kwargs.get("description")
        if description is None:
            if isinstance(exception, HTTPException):
                description = exception.description
            else:
                description = type(self).description or describe(code)
        self.description = description
        self.traceback = _traceback(error) if _shows_traceback(request, exception) else ""

        response.code = code
        if code != 304 and response._headers is not None:
            _forget_representation(response._headers, code)
        if code not in _KEEPS_CONNECTION:
            response.close = True
        if isinstance(exception, HTTPException):
            for name, value in exception.headers:
                response.headers[name] = value

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # A name in a class body is not inherited by events, but all errors answer to one.
        has_name = "name" in cls.__dict__
        super().__init_subclass__(**kwargs)
        if not has_name:
            cls.name = HTTPError.name

    @property
    def data(self) -> dict[str, Any]:  # noqa: D102 - see the class
        return {
            "code": self.code,
            "name": reason(self.code) if self.response.message is None else self.response.message,
            "description": self.description,
            "traceback": self.traceback,
            "url": SERVER_URL,
            "version": SERVER_VERSION,
        }

    def sanitize(self) -> None:
        """Drop a ``Location`` that the code does not go with."""
        if self.code != 201 and not 300 <= self.code <= 399:
            del self.response.headers["Location"]

    def __str__(self) -> str:
        self.sanitize()
        if has_no_body(self.code) or self.code == 205:
            return ""
        headers = self.response.headers
        data = self.data
        kind = headers["Content-Type"] or ""
        if self.request._problem or "json" in kind:
            told = self._told()
            if self.request._problem or "problem" in kind:
                headers["Content-Type"] = "application/problem+json"
                self.response.encoding = "utf-8"
                problem = {"type": "about:blank", "title": data["name"], "status": self.code}
                told = {**problem, "detail": told["description"], **told}
            return json.dumps(told)
        headers["Content-Type"] = "text/html; charset=utf-8"
        self.response.encoding = "utf-8"
        for key in ("name", "traceback", "url", "version"):
            data[key] = escape(data[key])
        if self.description != describe(self.code):
            data["description"] = f"<p>{escape(self.description)}</p>" if self.description else ""
        data["footer"] = POWERED_BY % data if self.request.display_banner else ""
        page = DEFAULT_ERROR_MESSAGE % data
        return page if self.traceback else page.replace(_NO_TRACEBACK, "")

    def _told(self) -> dict[str, Any]:
        """What programs are told."""
        data = self.data
        data["description"] = _plain(self.description, self.code)
        for key in ("url", "version", *([] if self.traceback else ["traceback"])):
            del data[key]
        return data

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {Status(self.code)}>"


httperror = HTTPError


#: What describes the content that was about to be sent, and not the page of an error.
_OF_CONTENT = (
    "Accept-Ranges",
    "Age",
    "Content-Digest",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-MD5",
    "Content-Range",
    "Digest",
    "ETag",
    "Expires",
    "Last-Modified",
    "Repr-Digest",
)


def _forget_representation(headers: Headers, code: int) -> None:
    for name in _OF_CONTENT:
        if name in headers and not (code == 416 and name.endswith(("Range", "Ranges"))):
            del headers[name]
    # Errors may be kept from caches, but not told to be kept in them.
    if "no-store" not in (headers["Cache-Control"] or "no-store"):
        del headers["Cache-Control"]


def _plain(description: str, code: int) -> str:
    if description != describe(code):
        return description
    return re.sub(r"<[^>]*>", "", description)


def _shows_traceback(request: Request, exception: Any) -> bool:
    return bool(request.print_debug) and getattr(exception, "traceback", True) is not False


def _traceback(error: Any) -> str:
    if not error:
        return ""
    kind, value, trace = error
    if isinstance(trace, TracebackType):
        trace = format_tb(trace)
    lines = [trace] if isinstance(trace, str) else list(trace or ())
    return f"ERROR: ({kind}) {value}\n" + "".join(lines)


class Forbidden(HTTPError):
    """The client is not permitted this."""

    code = 403


forbidden = Forbidden


class Unauthorized(HTTPError):
    """The client must show credentials; set ``WWW-Authenticate`` as well."""

    code = 401


unauthorized = Unauthorized


class NotFound(HTTPError):
    """There is no such resource."""

    code = 404


notfound = NotFound


class Redirect(HTTPError):
    """The client shall go elsewhere.

    Args:
        request: The request.
        response: Its response.
        urls: One URL or several; relative ones are relative to the current one. May be empty only
            for 304.
        code: 300 to 305, 307 or 308; ``None`` means 303, or 302 for an HTTP/1.0 client.

    Attributes:
        urls: List of the absolute URLs.

    Raises:
        ValueError: If the code does not redirect, or a URL is missing or holds CR, LF or NUL.
    """

    code = 303

    def __init__(
        self,
        request: Request,
        response: Response,
        urls: str | Iterable[str],
        code: int | None = None,
    ) -> None:
        if code is None:
            code = 303 if request.protocol >= (1, 1) else 302
        if code not in _REDIRECTS and code not in (304, 305):
            raise ValueError(
                f"code {code} does not redirect; use one of 300 to 303, 304, 305, 307 or 308"
            )
        given = [urls] if isinstance(urls, str) else list(urls)
        # Before joining, which would quietly remove what is forbidden.
        given = [check_value(url, "redirect URL") for url in given]
        if not given and code != 304:
            raise ValueError(f"a redirect with code {code} needs a URL")
        here = utils.url(request)
        if here.startswith(
            f"{request.scheme}:///"
        ):  # over a UNIX socket nobody may have said where
            here = here.partition("//")[2]
        self.urls = [_ascii(urljoin(here, url)) for url in given]
        super().__init__(request, response, code)

        headers = response.headers
        if code == 304:
            for name in _ENTITY_HEADERS:
                del headers[name]
            del headers["Location"]
            response.body = None
            return
        headers["Location"] = self.urls[0]
        del headers["Content-Length"]
        if code == 305:
            response.body = None
        else:
            headers["Content-Type"] = "text/html; charset=utf-8"
            response.encoding = "utf-8"
            response.body = str(self)

    def __str__(self) -> str:
        if self.code not in _REDIRECTS:
            return ""
        links = [f'<a href="{escape(url)}">{escape(url)}</a>' for url in self.urls]
        return _REDIRECTS[self.code] % "<br />\n".join(links)


redirect = Redirect


_REDIRECTS = {
    300: "This resource can be found at %s.",
    301: "This resource has permanently moved to %s.",
    302: "This resource resides temporarily at %s.",
    303: "This resource can be found at %s.",
    307: "This resource has moved temporarily to %s.",
    308: "This resource has permanently moved to %s.",
}

#: What describes content that a 304 does not carry. ``ETag``, ``Expires``, ``Vary`` and the like
#: stay (RFC 9110, 15.4.5).
_ENTITY_HEADERS = (
    "Allow",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "Transfer-Encoding",
)


def _ascii(url: str) -> str:
    """Percent-encode what may not stand in a URL."""
    return quote(url, safe="%/:=&?~#+!$,;'@()*[]")
