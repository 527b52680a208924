"""What clients send and get: requests out of arguments, responses, redirects, cookies, errors.

HTTPException
    NotConnected
    ClientError             a request came to no good
        ConnectError        the server cannot be reached
        ClientTimeout       something took too long
        ProtocolError       the server breaks the rules, or sends too much
        TooManyRedirects
        StatusError         the status is 400 or more, and the caller minds
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from email.message import Message
from http.cookiejar import CookieJar as _Jar
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit, urlunsplit
from urllib.request import Request as _UrllibRequest

from circuits._version import __version__
from circuits._wire.http1 import LocalProtocolError, ResponseHead, encode_request_head
from circuits.core import _clock
from circuits.core.errors import CircuitsError
from circuits.net.protocols.http import ResponseHeaders, ResponseObject

from . import _json

if TYPE_CHECKING:
    from collections.abc import Sequence

    Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]

#: How many redirects are followed.
MAX_REDIRECTS: Final = 20
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

#: What a redirect to another origin does not take along.
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "host"})
_OF_BODY: Final = frozenset(
    {"content-length", "content-type", "content-encoding", "transfer-encoding"}
)
#: So many bytes are decompressed at once.
_PIECE_BYTES: Final = 64 * 1024


class HTTPException(CircuitsError):
    """A request could not be made."""


class NotConnected(HTTPException):
    """There is no connection."""


class ClientError(HTTPException):
    """A request came to no good. Base of the others.

    .. versionadded:: 2.1
    """


class ConnectError(ClientError):
    """The server cannot be reached, or its certificate is not good."""


class ClientTimeout(ClientError, TimeoutError):
    """Something took too long: connecting, the answer, or the next piece of it."""


class ProtocolError(ClientError):
    """The server broke the rules of HTTP, sent too much, or ended in the middle."""


class TooManyRedirects(ClientError):
    """One redirect led to another, again and again."""


class StatusError(ClientError):
    """A response has a status of 400 or more.

    Attributes:
        response: It.
    """

    def __init__(self, response: ClientResponse) -> None:
        super().__init__(f"{response.status} {response.reason} for {response.url}")
        self.response = response


def parse_absolute(url: str, plain: str, secure: str) -> tuple[str, int, str, bool]:
    """Take a URL apart: host, port, what to ask for, and whether to speak TLS.

    Args:
        url: An absolute one.
        plain: The scheme.
        secure: The one that it has with TLS.

    Raises:
        ValueError: It is not one of those.
    """
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(f"a URL contains no blanks and no control characters: {url!r}")
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.hostname
    if scheme not in (plain, secure) or not host:
        raise ValueError(f"{url!r} is not an absolute URL of {plain} or {secure}")
    resource = parts.path or "/"
    if parts.query:
        resource = f"{resource}?{parts.query}"
    is_secure = scheme == secure
    port = (443 if is_secure else 80) if parts.port is None else parts.port
    return host, port, resource, is_secure


def joined(base: str, url: str) -> str:
    """A URL as seen from another one.

    Raises:
        ValueError: It has line ends or tabs, which the standard library would leave out.
    """
    if any(character in url for character in "\r\n\t"):
        raise ValueError(f"a URL contains no control characters: {url!r}")
    return urljoin(base, url)


def host_header(host: str, port: int, secure: bool) -> str:
    """The value of ``Host``."""
    try:
        name = f"[{host}]" if ":" in host else host.encode("idna").decode()
    except UnicodeError as problem:
        raise ValueError(f"{host!r} is no name of a host: {problem}") from None
    return name if port == (443 if secure else 80) else f"{name}:{port}"


def basic(user: str, password: str) -> str:
    """The value of ``Authorization`` for a name and a password."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


class Outgoing:
    """A request that is to be sent.

    Args:
        method: Such as ``GET``.
        url: An absolute one; name and password in it become a header.
        headers: More headers.
        params: Is added to the query.
        cookies: Of this request only.
        data: A form; bytes, text or pieces are sent as they are.
        json: Sent as JSON.
        files: Uploads by name: bytes, an open file, or ``(filename, content[, type])``.
        content: Bytes, text, or an iterable of pieces, also an asynchronous one.

    Attributes:
        method, url: As above.
        host, port, secure, target: The URL in parts.
        headers: Pairs.
        body: Bytes, or an iterable of pieces.

    Raises:
        ValueError: The URL or a header cannot be sent.
        TypeError: There are two bodies.
    """

    def __init__(
        self,
        method: str,
        url: str,
        *,
        headers: Pairs | None = None,
        params: Pairs | None = None,
        cookies: Mapping[str, str] | None = None,
        data: Any = None,
        json: Any = None,
        files: Mapping[str, Any] | None = None,
        content: Any = None,
    ) -> None:
        if params:
            parts = urlsplit(url)
            query = "&".join(filter(None, (parts.query, urlencode(_pairs(params), doseq=True))))
            url = urlunsplit(parts._replace(query=query))
        self.method = method
        self._go_to(url)
        self.headers = [(name, str(value)) for name, value in _pairs(headers or ())]
        kind, self.body = _body(data, json, files, content)
        parts = urlsplit(url)
        if parts.username is not None:
            pair = unquote(parts.username), unquote(parts.password or "")
            self.set_default("Authorization", basic(*pair))
        self.set_default("Accept", "*/*")
        self.set_default("Accept-Encoding", "gzip, deflate")
        self.set_default("User-Agent", f"circuits/{__version__}")
        if kind:
            self.set_default("Content-Type", kind)
        if cookies:
            pairs = "; ".join(f"{name}={value}" for name, value in cookies.items())
            self.headers.append(("Cookie", pairs))
        self.head()  # an error shows here, and not when it is sent

    def _go_to(self, url: str) -> None:
        self.host, self.port, target, self.secure = parse_absolute(url, "http", "https")
        parts = urlsplit(url)
        self.target = quote(target, safe="/?:@!$&'()*+,;=%~-._[]|")
        self.url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        self._host = host_header(self.host, self.port, self.secure)

    @property
    def origin(self) -> tuple[str, int, bool]:
        """Where it goes: host, port, and whether by TLS."""
        return self.host, self.port, self.secure

    @property
    def is_repeatable(self) -> bool:
        """Whether the body can be sent once more."""
        return isinstance(self.body, bytes)

    def get(self, name: str) -> str | None:
        """The first header of a name in small letters."""
        return next((value for known, value in self.headers if known.lower() == name), None)

    def set_default(self, name: str, value: str) -> None:
        """Set a header unless the caller has."""
        if self.get(name.lower()) is None:
            self.headers.append((name, value))

    @property
    def is_chunked(self) -> bool:
        """Whether the body goes out in chunks: nobody knows its length."""
        return not isinstance(self.body, bytes) and self.get("content-length") is None

    def head(
        self, more: Iterable[tuple[str, str]] = (), cookie: str = "", target: str = ""
    ) -> bytes:
        """The head as it is sent.

        Args:
            more: Headers of who sends it.
            cookie: What the jar has for it.
            target: Instead of the own one, for a proxy.

        Raises:
            ValueError: Something cannot be sent.
        """
        headers = [] if self.get("host") is not None else [("Host", self._host)]
        headers += self.headers
        if cookie:
            given = self.get("cookie")
            headers = [pair for pair in headers if pair[0].lower() != "cookie"]
            headers.append(("Cookie", f"{given}; {cookie}" if given else cookie))
        if self.is_chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        elif isinstance(self.body, bytes) and self.get("content-length") is None:
            if self.body or self.method in ("POST", "PUT", "PATCH"):
                headers.append(("Content-Length", str(len(self.body))))
        try:
            return encode_request_head(self.method, target or self.target, [*headers, *more])
        except LocalProtocolError as problem:
            raise ValueError(str(problem)) from None

    def follow(self, status: int, location: str) -> bool:
        """Become the request that a redirect asks for, if it is one.

        What were credentials for one origin does not go to another.

        Raises:
            ProtocolError: It leads to where nobody can go.
        """
        if status not in _REDIRECTS or not location:
            return False
        becomes_get = (status == 303 and self.method != "HEAD") or (
            status in (301, 302) and self.method == "POST"
        )
        if not becomes_get and not self.is_repeatable:
            return False
        before = self.origin
        try:
            self._go_to(joined(self.url, location))
        except ValueError as problem:
            raise ProtocolError(f"a redirect to {location[:200]!r}: {problem}") from None
        lost = set() if self.origin == before else set(_CREDENTIALS)
        if becomes_get:
            self.method, self.body = "GET", b""
            lost |= _OF_BODY
        self.headers = [pair for pair in self.headers if pair[0].lower() not in lost]
        return True


def _pairs(given: Pairs) -> list[tuple[str, Any]]:
    return list(given.items() if isinstance(given, Mapping) else given)


def _body(data: Any, json: Any, files: Any, content: Any) -> tuple[str, Any]:
    """The type and the body."""
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
        return _multipart(_pairs(data or ()), _pairs(files))
    if data is not None:
        form = urlencode(_pairs(data), doseq=True)
        return "application/x-www-form-urlencoded", form.encode()
    if json is not None:
        return "application/json", _json.encode(json).encode()
    if isinstance(content, str):
        return "text/plain; charset=utf-8", content.encode()
    if content is None or isinstance(content, bytes | bytearray | memoryview):
        return "", bytes(content or b"")
    return "application/octet-stream", content


def _quoted(text: str) -> str:
    # As browsers do it (WHATWG, multipart/form-data).
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _multipart(
    fields: Sequence[tuple[str, Any]], files: Sequence[tuple[str, Any]]
) -> tuple[str, bytes]:
    boundary = _clock.random_bytes(16).hex()
    out = bytearray()
    for name, value in fields:
        for one in value if isinstance(value, list | tuple) else (value,):
            out += f'--{boundary}\r\nContent-Disposition: form-data; name="'.encode()
            out += f'{_quoted(name)}"\r\n\r\n{one}\r\n'.encode()
    for name, value in files:
        filename, kind = name, "application/octet-stream"
        if isinstance(value, tuple):
            filename, value, *rest = value
            kind = rest[0] if rest else kind
        elif isinstance(getattr(value, "name", None), str):
            filename = value.name.rpartition("/")[2]
        if hasattr(value, "read"):
            value = value.read()
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"; '.encode()
        out += f'filename="{_quoted(filename)}"\r\nContent-Type: {_quoted(kind)}\r\n\r\n'.encode()
        out += value.encode() if isinstance(value, str) else value
        out += b"\r\n"
    out += f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", bytes(out)


class ClientResponse(ResponseObject):
    """A response.

    Attributes:
        status, reason, headers: As they came; ``headers.get_all(name)`` gives each one.
        url: Where it is from, after redirects.
        history: The responses that redirected here.
        cookies: Those that it sets, by name.

    .. versionadded:: 2.1
    """

    def __init__(self, head: ResponseHead, request: Outgoing) -> None:
        super().__init__(head.status, head.reason, head.version)
        self.headers: ResponseHeaders = ResponseHeaders(head.headers)
        self.method = request.method
        self.url = request.url
        self.history: list[ClientResponse] = []
        self.cookies: dict[str, str] = {}
        for line in self.headers.get_all("set-cookie"):
            name, equals, value = line.partition(";")[0].partition("=")
            if equals:
                self.cookies[name.strip()] = value.strip().strip('"')

    @property
    def content(self) -> bytes:
        """The body."""
        return self.body.getvalue()

    @property
    def encoding(self) -> str:
        """How text is encoded: what ``Content-Type`` says, or UTF-8."""
        message = Message()
        message["Content-Type"] = self.headers.get("Content-Type", "")
        charset = message.get_content_charset("utf-8")
        try:
            "".encode(charset)
        except LookupError:
            return "utf-8"
        return charset

    @property
    def text(self) -> str:
        """The body as text; what cannot be decoded is replaced."""
        return self.content.decode(self.encoding, "replace")

    def json(self) -> Any:
        """The body, read as JSON.

        Raises:
            ValueError: It is none.
        """
        return _json.decode(self.content)

    def raise_for_status(self) -> None:
        """Raise :class:`StatusError` if the status is 400 or more."""
        if self.status >= 400:
            raise StatusError(self)


class Inflating:
    """Decompresses what comes, in pieces of bounded size.

    Args:
        coding: The value of ``Content-Encoding``; one that is unknown changes nothing.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding.strip().lower()
        self._inflater: Any = None
        self.is_known = self._coding in ("gzip", "x-gzip", "deflate")

    def feed(self, data: bytes) -> Iterable[bytes]:
        """The pieces that some bytes make.

        Raises:
            ProtocolError: They make none.
        """
        if not self.is_known:
            yield data
            return
        while data:
            if self._inflater is None:
                # Some servers send "deflate" without the header of zlib.
                raw = self._coding == "deflate" and data[0] & 0x0F != 8
                self._inflater = zlib.decompressobj(-15 if raw else 47)
            try:
                piece = self._inflater.decompress(data, _PIECE_BYTES)
            except zlib.error as problem:
                raise ProtocolError(f"the body is not {self._coding}: {problem}") from None
            if piece:
                yield piece
            data = self._inflater.unconsumed_tail
            if self._inflater.eof:
                # Another member may follow; zeros are padding.
                data = self._inflater.unused_data.lstrip(b"\0")
                self._inflater = None

    def end(self) -> None:
        """Nothing else comes.

        Raises:
            ProtocolError: Something is missing.
        """
        if self._inflater is not None:
            raise ProtocolError(f"the body ends in the middle of its {self._coding}")


class _Told:
    """A response as the jar of the standard library wants to see it."""

    def __init__(self, headers: ResponseHeaders) -> None:
        self._message = Message()
        for line in headers.get_all("set-cookie"):
            self._message["Set-Cookie"] = line

    def info(self) -> Message:
        return self._message


class Cookies:
    """The cookies of a client, by the rules of the standard library's jar.

    Attributes:
        jar: The jar.
    """

    def __init__(self) -> None:
        self.jar = _Jar(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainLiberal))

    def take(self, response: ClientResponse) -> None:
        """Keep what a response sets."""
        if "set-cookie" in response.headers:
            told: Any = _Told(response.headers)
            self.jar.extract_cookies(told, _UrllibRequest(response.url))

    def header(self, request: Outgoing) -> str:
        """What goes out with a request."""
        if not len(self.jar):
            return ""
        asking = _UrllibRequest(request.url)
        self.jar.add_cookie_header(asking)
        return asking.get_header("Cookie", "") or ""

    def clear(self) -> None:
        """Forget all of them."""
        self.jar.clear()

    def __getitem__(self, name: str) -> str:
        for cookie in self.jar:
            if cookie.name == name:
                return cookie.value or ""
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(cookie.name == name for cookie in self.jar)
