"""What a client sends: a request out of arguments, and what becomes of it by redirects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

from circuits._version import __version__
from circuits._wire._http1_head import TOKEN
from circuits._wire.http1 import LocalProtocolError, encode_request_head

from ._client_auth import DigestAuth, basic
from ._client_body import make_body, pairs
from ._client_errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._client_body import Pairs
    from ._client_response import ClientResponse

__all__ = ["MAX_REDIRECTS", "ClientRequest", "host_header", "joined", "parse_absolute", "quoted"]

#: How many redirects are followed.
MAX_REDIRECTS: Final = 20
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

#: What a redirect to another origin does not take along.
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "host"})
_DEFAULTS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"circuits/{__version__}",
}
_OF_BODY: Final = frozenset(
    {"content-length", "content-type", "content-encoding", "transfer-encoding"}
)
#: What a cookie may be (RFC 6265, 4.1.1): nothing that would end it.
_COOKIE_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]*+")
#: What the client says about a message, and nobody else.
_OURS: Final = frozenset({"transfer-encoding", "proxy-authorization"})


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


def quoted(target: str) -> str:
    """What to ask for, as it goes over the wire."""
    return quote(target, safe="/?:@!$&'()*+,;=%~-._[]|")


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


def _cookie(name: str, value: str) -> str:
    if TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r:.80} cannot be the name of a cookie")
    inner = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    if _COOKIE_VALUE.fullmatch(inner) is None:
        raise ValueError(f"{value!r:.80} cannot be the value of the cookie {name}")
    return f"{name}={value}"


class ClientRequest:
    """A request that is to be sent.

    Args:
        method: Such as ``GET``.
        url: An absolute one; name and password in it become a header.
        headers: More headers.
        params: Is added to the query: names and values, or text.
        cookies: Of this request only.
        data: A form; bytes, text, a file or pieces are sent as they are.
        json: Sent as JSON.
        files: Uploads by name: bytes, an open file, or ``(filename, content[, type])``.
        content: Bytes, text, a file, or an iterable of pieces, also an asynchronous one.
        auth: ``(user, password)``, or an object that answers challenges.

    Attributes:
        method, url: As above.
        host, port, secure, target: The URL in parts.
        headers: Pairs.
        body: Bytes, or what gives them in pieces.
        auth: What answers challenges, if anything.

    Raises:
        ValueError: The URL or a header cannot be sent.
        TypeError: There are two bodies, or it cannot be sent.
    """

    def __init__(
        self,
        method: str,
        url: str,
        *,
        headers: Pairs | None = None,
        params: Pairs | str | None = None,
        cookies: Mapping[str, str] | None = None,
        data: Any = None,
        json: Any = None,
        files: Any = None,
        content: Any = None,
        auth: tuple[str, str] | DigestAuth | None = None,
    ) -> None:
        parts = urlsplit(url)
        if params:
            more = params if isinstance(params, str) else urlencode(pairs(params), doseq=True)
            url = urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, more)))))
        self.method = method
        self._go_to(url)
        self.headers = [(name, str(value)) for name, value in pairs(headers or ())]
        given = {name.lower(): value for name, value in self.headers}
        if not _OURS.isdisjoint(given):
            raise ValueError(f"the client sets these headers itself: {', '.join(sorted(_OURS))}")
        kind, self.body = make_body(data, json, files, content)
        self.auth: DigestAuth | None = None
        self._has_answered = False
        if auth is None and parts.username is not None:
            auth = unquote(parts.username), unquote(parts.password or "")
        defaults = dict(_DEFAULTS)
        if isinstance(auth, tuple):
            defaults["Authorization"] = basic(*auth)
        if kind:
            defaults["Content-Type"] = kind
        length = len(self.body) if isinstance(self.body, bytes) else self.body.length
        if length or (length == 0 and method in ("POST", "PUT", "PATCH")):
            defaults["Content-Length"] = str(length)
        announced = given.get("content-length")
        if announced is not None and (
            not re.fullmatch("[0-9]+", announced) or length not in (None, int(announced))
        ):
            raise ValueError(f"Content-Length is {announced!r}, but the body has {length} bytes")
        self.headers += [pair for pair in defaults.items() if pair[0].lower() not in given]
        if cookies:
            own = [value for name, value in self.headers if name.lower() == "cookie"]
            own += [_cookie(name, str(value)) for name, value in cookies.items()]
            self.headers = [pair for pair in self.headers if pair[0].lower() != "cookie"]
            self.headers.append(("Cookie", "; ".join(own)))  # one field (RFC 6265, 5.4)
        self.head()  # an error shows here, and not when it is sent
        if isinstance(auth, DigestAuth):
            self.auth = auth

    def _go_to(self, url: str) -> None:
        self.host, self.port, target, self.secure = parse_absolute(url, "http", "https")
        parts = urlsplit(url)
        self.target = quoted(target)
        self.url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        self._host = host_header(self.host, self.port, self.secure)

    @property
    def origin(self) -> tuple[str, int, bool]:
        """Where it goes: host, port, and whether by TLS."""
        return self.host, self.port, self.secure

    @property
    def absolute_target(self) -> str:
        """What a proxy is asked for."""
        return f"{'https' if self.secure else 'http'}://{self._host}{self.target}"

    @property
    def is_repeatable(self) -> bool:
        """Whether the body can be sent once more."""
        return isinstance(self.body, bytes) or self.body.is_repeatable

    def get(self, name: str) -> str | None:
        """The first header of a name in small letters."""
        return next((value for known, value in self.headers if known.lower() == name), None)

    @property
    def length(self) -> int | None:
        """The length of the body that the head announces; ``None`` for chunks."""
        if isinstance(self.body, bytes):
            return len(self.body)
        given = self.get("content-length")
        return None if given is None and self.body.length != 0 else int(given or 0)

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
        if self.auth is not None and (shown := self.auth.header(self)):
            headers = [pair for pair in headers if pair[0].lower() != "authorization"]
            headers.append(("Authorization", shown))
        if self.length is None:
            headers.append(("Transfer-Encoding", "chunked"))
        try:
            return encode_request_head(self.method, target or self.target, [*headers, *more])
        except LocalProtocolError as problem:
            raise ValueError(str(problem)) from None

    # -- what comes after a response --

    def is_redirected(self, response: ClientResponse) -> bool:
        """Whether a response is a redirect that can be followed."""
        return (
            response.status in _REDIRECTS
            and bool(response.headers.get("location"))
            and (self.is_repeatable or self._becomes_get(response.status))
        )

    def _becomes_get(self, status: int) -> bool:
        return (status == 303 and self.method != "HEAD") or (
            status in (301, 302) and self.method == "POST"
        )

    def follow(self, response: ClientResponse) -> None:
        """Become the request that a redirect asks for.

        What were credentials for one origin does not go to another.

        Raises:
            ProtocolError: It leads to where nobody can go.
        """
        before, location = self.origin, response.headers["location"]
        try:
            self._go_to(joined(self.url, location))
        except ValueError as problem:
            raise ProtocolError(f"a redirect to {location[:200]!r}: {problem}") from None
        lost: set[str] = set()
        if self.origin != before:
            lost |= _CREDENTIALS
            self.auth = None
        self._has_answered = False
        if self._becomes_get(response.status):
            self.method, self.body = "GET", b""
            lost |= _OF_BODY
        self.headers = [pair for pair in self.headers if pair[0].lower() not in lost]

    def answer(self, response: ClientResponse) -> bool:
        """Whether a response asks for credentials that can be shown, once, with the same request."""
        if response.status != 401 or self.auth is None or self._has_answered:
            return False
        self._has_answered = self.auth.take(self, response) and self.is_repeatable
        return self._has_answered
