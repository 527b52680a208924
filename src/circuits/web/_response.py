"""Responses as objects, and the bytes that they become; see :mod:`circuits.web.wrappers`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from circuits.core import _clock
from circuits.core.utils import call_all

from . import _json, utils
from ._cached_property import cached_property
from ._cookies import CookieJar, cookie_attributes
from ._json import is_record
from ._response_body import Body
from ._response_framing import delimit, heed_connection, state_length
from ._status import REASONS, Status, has_no_body, reason
from .constants import SERVER_VERSION
from .headers import Headers, check_value, replaced_by, to_wire

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ._request import Closable, Request

__all__ = ["Body", "Response"]

#: What a list that is a body may hold.
_PIECES = (str, bytes, bytearray, memoryview, type(None))

_JSON_FIELDS = (("Content-Type", "application/json"),)


class Response:
    """What is sent back to the client.

    Args:
        request: The request.
        encoding: How text in the body is encoded.
        code: Status code; ``None`` is 200.
        message: Reason phrase; ``None`` takes that of the code.

    Attributes:
        code: Status code.
        message: Reason phrase if it is not that of the code.
        status: ``"<code> <reason>"``, which also equals the code. A code may be assigned.
        headers: Begin with ``Date``, and with ``Server`` or ``X-Powered-By``.
        cookie: The jar of the request.
        body: See :class:`Body`.
        stream: Whether the body is sent chunk by chunk as it is made.
        chunked: Whether it goes out with the chunked transfer coding; set by :meth:`prepare`.
        close: Whether the connection is closed afterwards.
        done: Whether everything has been handed to the transport.
        protocol: ``"HTTP/1.1"`` or ``"HTTP/1.0"``.
        time: When it was made, in seconds since the epoch.

    Raises:
        ValueError: If ``message`` holds CR, LF or NUL.
    """

    code: int = 200
    protocol: str = "HTTP/1.1"
    stream: bool = False
    chunked: bool = False
    close: bool = False
    done: bool = False
    body = Body()

    _message: str | None = None
    _headers: Headers | None = None
    #: The same, and the length of the body, when a cached head went out in their place.
    _sent_headers: Headers | None = None
    _sent_length: int | None = None
    #: Fields of an application that is hosted, which go into the headers when these are made.
    _fields: tuple[tuple[str, str], ...] = ()
    _body: Any = None
    _resources: list[Closable] | None = None
    _sent_cookies: list[str] | None = None
    _bytes_logged: int | None = None  # by who logs what is sent piece by piece
    _is_data = False  # what comes of a method of a controller, which may return data
    _given: Any = None  # what the answer was made of, unless it is text
    _returned: Any = None  # what a handler returned, unless it is text or a file
    _listed: Any = None  # the list that is data, though it may hold text only
    _etags_validated = False

    def __init__(
        self,
        request: Request,
        encoding: str = "utf-8",
        code: int | None = None,
        message: str | None = None,
    ) -> None:
        self.request = request
        self.encoding = encoding
        self.time = _clock.wall()
        if code is not None:
            self.code = code
        if message is not None:
            self.message = message
        if request.protocol < (1, 1):
            self.protocol = "HTTP/1.0"

    @property
    def message(self) -> str | None:
        return self._message

    @message.setter
    def message(self, message: str | None) -> None:
        self._message = None if message is None else check_value(message, "reason")

    @property
    def status(self) -> Status:
        return Status(self.code, self._message)

    @status.setter
    def status(self, status: int | str) -> None:
        if isinstance(status, Status):
            self.code, self.message = status.code, status.reason
        elif isinstance(status, int):
            self.code, self.message = int(status), None
        else:
            code, _, message = str(status).partition(" ")
            if not code.isdecimal():
                raise ValueError(
                    f"a status is a number, or text as '404 Not Found', not {status!r}"
                )
            self.code, self.message = int(code), message or None

    @property
    def headers(self) -> Headers:
        headers = self._headers
        if headers is None:
            headers = self._sent_headers
            if headers is None:
                second = self.time // 1
                if second != _heads_second:
                    _renew(second)
                request = self.request
                first = _first_fields_cache.get((request.server, request._display_banner))
                headers = Headers._from_index(first or self._cache_first_fields())
                if self._fields:
                    headers = replaced_by(headers, self._fields)
            self._headers = headers
            if self._sent_length is not None:
                # It went out with a cached head; show what that said.
                self._complete(headers, self._sent_length)
        return headers

    @headers.setter
    def headers(self, headers: Headers) -> None:
        self._headers = headers

    def _cache_first_fields(self) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """Keep what headers begin with, for the rest of the second."""
        pairs = [("Date", utils.formatdate(self.time))]
        banner = self._banner()
        if banner is not None:
            pairs.append(banner)
        if len(_first_fields_cache) >= _CACHE_LIMIT:
            _first_fields_cache.clear()
        request = self.request
        first = pairs, {name.lower(): value for name, value in pairs}
        _first_fields_cache[request.server, request._display_banner] = first
        return first

    def _take_fields(self, fields: tuple[tuple[str, str], ...]) -> None:
        """Have the fields of an application, which are checked, in the place of our own."""
        if self._headers is None and not self._fields:
            self._fields = fields
        else:
            self.headers = replaced_by(self.headers, fields)

    @property
    def cookie(self) -> CookieJar:
        return self.request.cookie

    @cookie.setter
    def cookie(self, jar: CookieJar) -> None:
        self.request.cookie = jar

    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: float | timedelta | None = None,
        expires: datetime | float | str | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool | None = None,
        httponly: bool = False,
        samesite: str | None = "Lax",
    ) -> None:
        """Have the client keep a cookie.

        Args:
            name: Its name.
            value: Its text.
            max_age: Seconds, or a timedelta, that it is kept; ``None`` is until the browser ends.
            expires: The same as a date, or as seconds since the epoch.
            path: Prefix of the paths that it is sent to.
            domain: Host whose subdomains get it, too; ``None`` is this host only.
            secure: Whether it is sent over TLS only; ``None`` is for requests that came so.
            httponly: Whether scripts cannot read it.
            samesite: ``"Lax"``, ``"Strict"`` or ``"None"``; ``None`` leaves it to the browser.

        Raises:
            ValueError: Something cannot stand in a cookie.

        .. versionadded:: 2.1
        """
        if secure is None:
            secure = self.request.scheme == "https"
        attributes = cookie_attributes(max_age, expires, path, domain, secure, httponly, samesite)
        self.cookie.assign(name, value, attributes)

    def delete_cookie(self, name: str, path: str = "/", domain: str | None = None) -> None:
        """Have the client forget a cookie; path and domain are those that it was set with.

        .. versionadded:: 2.1
        """
        self.set_cookie(name, "", max_age=0, expires=0, path=path, domain=domain)

    @cached_property
    def gzip(self) -> bool:
        """Whether the client accepts gzip."""
        elements = self.request.headers.elements("Accept-Encoding")
        accepted = {e.value.lower(): getattr(e, "qvalue", 1.0) for e in elements}
        return accepted.get("gzip", accepted.get("x-gzip", 0.0)) > 0

    def _banner(self) -> tuple[str, str] | None:
        request = self.request
        if not request.display_banner:
            return None
        server = request.server
        if server is None:
            return ("X-Powered-By", SERVER_VERSION)
        return ("Server", getattr(server, "version", SERVER_VERSION))

    # -- resources behind the body ---------------------------------------------------------

    def _streams_file(self, file: Closable) -> None:
        self.stream = True
        self._adopt(file)

    def _adopt(self, resource: Any) -> None:
        """Keep what has to be closed with the response; it may be wrapped by later bodies."""
        if hasattr(resource, "close"):
            if self._resources is None:
                self._resources = []
            self._resources.append(resource)

    def release(self) -> None:
        """Close the files and iterators that were assigned as body.

        Called by the server when the response is over, or when the client has gone.

        .. versionadded:: 2.1
        """
        resources, self._resources = self._resources, None
        if resources is not None:
            call_all([resource.close for resource in resources])

    # -- preparing ---------------------------------------------------------------------------

    def _payload(self) -> bytes | None:
        """The whole body as bytes; ``None`` if it is made as it is sent."""
        body = self._body
        if body is None and not self.stream:
            return b""
        if self.stream or not isinstance(body, list):
            return None
        if len(body) == 1:
            part = body[0]
            if type(part) is bytes:
                return part
            if type(part) is str:
                return part.encode(self.encoding)
        return b"".join([self.encode_part(part) for part in body if part is not None])

    def encode_part(self, part: Any) -> bytes:
        """Turn a part of the body into bytes.

        Raises:
            TypeError: If it is neither text nor bytes.

        .. versionadded:: 2.1
        """
        if isinstance(part, bytes):
            return part
        if isinstance(part, str):
            return part.encode(self.encoding)
        if isinstance(part, (bytearray, memoryview)):
            return bytes(part)
        raise TypeError(
            f"a response to {self.request!r} consists of str and bytes, "
            f"but its body has {type(part).__name__}: {part!r:.80}"
        )

    def prepare(self) -> None:
        """Complete the headers and decide how the body is delimited.

        May be called again after a change.

        Raises:
            TypeError: A handler returned something that is no body.
            ValueError: Something cannot be sent.
        """
        self._prepare()

    def _render(self) -> None:
        """Write data as JSON.

        Not before everybody who handles the response has seen what the handler returned.
        """
        body = self._body
        if body is None or (body is not self._returned and body is not self._listed):
            return
        if body.__class__ is list:
            if not self._is_data:
                return
            if body and body is not self._listed and all(isinstance(p, _PIECES) for p in body):
                return
        elif not (self._is_data and (isinstance(body, dict) or is_record(type(body)))):
            raise TypeError(
                f"a request handler for {self.request.path!r} returned {type(body).__name__}: "
                f"{body!r:.80}; return str, bytes, a list of them, a file or the response; methods "
                "of controllers may return a dict or a list of anything, too"
            )
        if self._headers is None and self._sent_headers is None and not self._fields:
            self._fields = _JSON_FIELDS  # which keeps the head one of those that are remembered
        elif "Content-Type" not in self.headers:
            self.headers["Content-Type"] = "application/json"
        self._body = [_json.encode(body).encode()]

    def _prepare(self) -> bytes | None:
        if self.code == 205:  # RFC 9110, 15.3.6: the client shall clear its form, no more
            self.body = None
        elif not self.stream and (self._returned is not None or self._listed is not None):
            self._render()
        payload = self._payload()
        headers = self._headers
        if headers is None:
            headers = self.headers
        self._complete(headers, None if payload is None else len(payload))
        return payload

    def _complete(self, headers: Headers, length: int | None) -> None:
        code = self.code
        if type(code) is not int and isinstance(code, int):
            code = self.code = int(code)  # of HTTPStatus, or of our own Status
        if type(code) is not int or not 100 <= code <= 599:
            raise ValueError(f"not a status code: {code!r}")
        request = self.request
        self._sent_headers = self._sent_length = None
        if self._sent_cookies:
            sent, self._sent_cookies = self._sent_cookies, None
            cookies = [value for value in headers.get_all("Set-Cookie") if value not in sent]
            del headers["Set-Cookie"]
            for value in cookies:
                headers.append("Set-Cookie", value)
        # From here on by lower-case keys, past the checks of what our own names are.
        keys = headers._index_keys()
        if code < 200 or code == 204 or code == 304:
            self.chunked = False
            headers._drop("transfer-encoding")
            if code != 304:
                headers._drop("content-length")
        else:
            if "content-type" not in keys:
                headers._add("Content-Type", "content-type", _content_type(self.encoding))
            if length is None or self.chunked or "transfer-encoding" in keys:
                delimit(self, headers, length)
            elif "content-length" not in keys:
                headers._add("Content-Length", "content-length", str(length))
            # The answer to HEAD tells the length of what GET would have got.
            elif length or request.method != "HEAD":
                state_length(headers, length)
        if code == 413:
            self.close = True
        if request.server is not None and "connection" in keys:
            heed_connection(self, headers)
        elif request.server is not None:
            if self.protocol == "HTTP/1.0":
                if not self.close:
                    headers._add("Connection", "connection", "Keep-Alive")
            elif self.close:
                headers._add("Connection", "connection", "close")
        if request._id is not None and "x-request-id" not in keys:
            headers._add("X-Request-ID", "x-request-id", check_value(request._id))
        if request._cookie is not None:
            self._sent_cookies = request._cookie.changed()
            for value in self._sent_cookies:
                headers.append("Set-Cookie", check_value(value, "cookie"))

    # -- writing --------------------------------------------------------------------------------

    def _encode(self) -> tuple[bytes, bytes | None]:
        """Prepare, and give the head and the body as they go out.

        Returns:
            Status line and headers with the empty line; and the body, which is empty where none
            may be sent, and ``None`` where it has to be made chunk by chunk. With ``chunked``,
            the transfer coding is yet to be applied.
        """
        request = self.request
        payload: bytes | None = None
        if not self.stream and self.code != 205:
            if self._returned is not None or self._listed is not None:
                self._render()
            body = self._body
            # Most bodies are one text, which everybody who handles the response has seen already.
            payload = body[0] if body.__class__ is list and len(body) == 1 else None
            if payload.__class__ is str:
                payload = payload.encode(self.encoding)
            elif payload.__class__ is not bytes:
                payload = None
        if payload is None:
            payload = self._prepare()
        else:
            fields, headers, jar = self._fields, self._headers, request._cookie
            cookies = None if jar is None else jar.changed()
            # Headers that were emptied are special, and so is a phrase that is empty.
            is_special = headers is not None or fields or cookies or self._message is not None
            if (
                request._id is None
                and self.code.__class__ is int  # 200.0 would find what 200 has left
                and not self._sent_cookies  # else some in the headers have to go
                and not (self.chunked or (is_special and request.method == "HEAD"))
            ):
                if self.time // 1 != _heads_second:
                    _renew(self.time // 1)
                key: tuple[Any, ...]
                if is_special:
                    pairs = None if headers is None else tuple(headers._pairs)
                    key = (
                        self.code, self.close, self.protocol, self.encoding, request.server,
                        self._message, fields, pairs, tuple(cookies) if cookies else (),
                    )  # fmt: skip
                else:
                    key = (self.code, self.close, self.protocol, self.encoding, request.server)
                head = _head_cache.get(key) or self._cache_head(key)
                if head is not None and request._display_banner is None:
                    self._sent_headers, self._headers = headers, None
                    length = self._sent_length = len(payload)
                    return (
                        b"%b%d%b" % (head[0], length, head[1]),
                        payload if request.method != "HEAD" else b"",
                    )
            self._complete(headers or self.headers, len(payload))
        if request.method == "HEAD" or has_no_body(self.code):
            if self.code < 200 and self.code != 101:
                raise ValueError(f"{self.code} cannot be the last answer to {request!r}")
            payload = b""
        return self._head(self.headers), payload

    def _cache_head(self, key: tuple[Any, ...]) -> tuple[bytes, bytes] | None:
        """Keep a head, up to the length and from there on, for the rest of the second."""
        code = self.code
        if (
            not 200 <= code <= 599
            or code in (204, 304, 413)
            or self.request._display_banner is not None
        ):
            return None
        # What the general way writes for this length is the template for the others.
        headers = self.headers.copy()
        self._complete(headers, _SAMPLE_LENGTH)
        self._sent_cookies = None  # they are in the copy only
        before, stated, after = self._head(headers).partition(_SAMPLE_LINE)
        # Fields may have asked for a close, which is not for every one.
        if not stated or self.chunked or self.close is not key[1]:
            return None
        if len(_head_cache) >= _CACHE_LIMIT:
            _head_cache.clear()
        head = _head_cache[key] = (before + b"\r\nContent-Length: ", b"\r\n" + after)
        return head

    def _head(self, headers: Headers) -> bytes:
        code, phrase = self.code, self._message
        if phrase is None:
            phrase = REASONS.get(code) or reason(code)
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers._pairs])
        text = f"{self.protocol} {code} {phrase}\r\n{fields}\r\n"
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return b"\r\n".join([to_wire(line) for line in text.split("\r\n")])

    def __str__(self) -> str:
        self.prepare()
        return self._head(self.headers).decode("latin-1")

    def __repr__(self) -> str:
        headers = self._headers or self._sent_headers
        kind = None if headers is None else headers["Content-Type"]
        return f"<Response {self.status} {kind or ''}>"


def _renew(second: float) -> None:
    """Forget what was cached in another second: it has another date."""
    global _heads_second
    _heads_second = second
    _head_cache.clear()
    _first_fields_cache.clear()


@lru_cache(maxsize=64)
def _content_type(encoding: str) -> str:
    return check_value(f"text/html; charset={encoding}")


#: What the headers of the current second begin with, and its index, by server and banner.
_first_fields_cache: dict[tuple[Any, ...], tuple[list[tuple[str, str]], dict[str, str]]] = {}
#: Heads of responses in the current second, up to the length and from there on.
_head_cache: dict[tuple[Any, ...], tuple[bytes, bytes]] = {}
_heads_second = -1.0
_CACHE_LIMIT = 256
#: Not 0, which the answer to a HEAD request may leave out.
_SAMPLE_LENGTH = 4242424242
#: With the end of the line before: a value may read like this, but has no line of its own.
_SAMPLE_LINE = b"\r\nContent-Length: %d\r\n" % _SAMPLE_LENGTH
