"""Requests as objects; see :mod:`circuits.web.wrappers`."""

from __future__ import annotations

import itertools
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from circuits.core import _clock
from circuits.core.utils import call_all

from . import _json, utils
from ._cached_property import cached_property
from ._cookies import CookieJar
from ._host import Host, host_of
from ._multi_values import MultiValues
from ._request_body import BodyStream
from ._upload import Upload
from ._urlencoded import parse_urlencoded
from .constants import SERVER_PROTOCOL
from .exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType
from .headers import Headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    class Closable(Protocol):
        """What has to be closed in the end."""

        def close(self) -> object: ...


__all__ = ["Request", "RequestURL"]


#: The name of a header in all its spellings: a look-up takes less than to lower each name.
_COOKIE = frozenset(map("".join, itertools.product(*zip("cookie", "COOKIE", strict=True))))


class _OfSession:
    """What a request has of its session, which is not looked for before somebody asks."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, request: Any, owner: Any = None) -> Any:
        if request is None:
            return self
        waiting, request._waiting_session = request._waiting_session, None
        if waiting is None:
            raise AttributeError(f"{type(request).__name__!r} has no {self._name!r}: no Sessions")
        waiting.give(request)
        return vars(request)[self._name]


class RequestURL(str):
    """The URL of a request as text. Called, it makes other ones.

    .. versionadded:: 2.1
    """

    __slots__ = ("_request",)
    _request: Request

    @classmethod
    def of(cls, request: Request) -> RequestURL:
        """The URL of a request."""
        self = cls(utils.url(request, qs=request.qs))
        self._request = request
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        """Make a URL; see :func:`circuits.web.utils.url`."""
        return utils.url(self._request, *args, **kwargs)


def _decoded(data: bytes, limit: int | None) -> Any:
    if limit is not None and len(data) > limit:
        raise RequestEntityTooLarge(f"The body may have {limit} bytes.")
    try:
        return _json.decode(data)
    except ValueError as problem:
        raise BadRequest(f"The body is no JSON: {problem}.") from None


class Request:
    """What a client asked for.

    Args:
        sock: Socket of the client, ``None`` under WSGI.
        method: The method as it was sent.
        scheme: ``"http"`` or ``"https"``.
        path: The decoded path, without the query.
        protocol: Version of HTTP as a pair, such as ``(1, 1)``.
        qs: The query, without the question mark; not decoded.
        pairs: Header fields that a codec has checked.
        server: The server component, ``None`` under WSGI.
        raw_path: The path as it was sent; by default the path.

    Attributes:
        headers: :class:`~circuits.web.headers.Headers`. Assigning also renews ``cookie``,
            ``base`` and ``xhr``.
        cookie: The cookies, in a jar that the response shares.
        body: The content, as a seekable binary file. Bytes may be assigned.
        remote, local: The peer, and the address that was connected to.
        base: Scheme and host of absolute URLs.
        host: Name of the server's host.
        script_name: Prefix that a WSGI application is mounted at.
        xhr: Whether the request calls itself an ``XMLHttpRequest``.
        login: Name of the user after a successful authentication, ``False`` after a failed one,
            ``None`` before any.
        index: ``True`` if routed to ``index``, ``False`` if to a named method, else ``None``.
        handled: Whether a failure has been turned into a response.
        args, kwargs: What an exposed method was called with.
        peer_cert: The client's TLS certificate as a dictionary, or ``None``.
        virtual_prefix: What ``VirtualHosts`` has put before the path, ``None`` if nothing.
        id: Text that stands for this request in logs: what a trusted proxy says by
            ``X-Request-ID``, else 128 random bits.
        session, sid: The session and its id; only with
            :class:`~circuits.web.sessions.Sessions`.
        print_debug: Whether error pages show tracebacks; by default what the server says.
        display_banner: Whether the server names itself; by default what the server says.
    """

    server: Any = None
    """The server component, ``None`` under WSGI."""

    server_protocol: tuple[int, int] = SERVER_PROTOCOL
    script_name: str = ""
    login: str | bool | None = None
    index: bool | None = None
    handled: bool = False
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] | None = None
    peer_cert: dict[str, Any] | None = None
    virtual_prefix: str | None = None
    if TYPE_CHECKING:
        sid: str
        session: Any
    else:
        sid, session = _OfSession("sid"), _OfSession("session")

    _pairs: Iterable[tuple[str, str]] = ()
    _headers: Headers | None = None
    _cookie: CookieJar | None = None
    _query: MultiValues[str] | None = None
    _body: Any = None
    _peer: Any = None  # what getpeername gave when the client connected
    _remote: Host | None = None
    _local: Host | None = None
    _client: tuple[str, int] | None = None
    _is_unread: bool = False  # it was refused before its head was understood
    _raw_path: str | None = None
    _print_debug: bool | None = None
    _display_banner: bool | None = None
    _resources: list[Closable] | None = None
    _fields: list[tuple[str, Any]] | None = None  # of the form, if somebody has looked already
    _problem: bool = False  # errors are told as problem+json
    _http_component: Any = None  # which has its exchange, where there is no server
    _csrf: Callable[[], str] | None = None
    _waiting_session: Any = None  # that is there, and nobody has asked for
    _keeper: Any = None  # who has something to do when the response begins
    _is_answered: bool = False  # the response has begun, and nobody has asked for the session
    _id: str | None = None  # until somebody wants to know

    def __init__(
        self,
        sock: Any,
        method: str,
        scheme: str,
        path: str,
        protocol: tuple[int, int],
        qs: str,
        pairs: Iterable[tuple[str, str]] = (),
        server: Any = None,
        raw_path: str | None = None,
    ) -> None:
        self.sock = sock
        self.method = method
        self.scheme = scheme
        self.path = path
        self.protocol = protocol
        self.qs = qs
        self._pairs = pairs
        self.server = server
        self._raw_path = raw_path

    # -- headers and what follows from them ----------------------------------------------

    @property
    def headers(self) -> Headers:
        headers = self._headers
        if headers is None:
            headers = self._headers = Headers.from_pairs(self._pairs)
        return headers

    @headers.setter
    def headers(self, headers: Headers) -> None:
        self._headers = headers
        for name in ("base", "xhr"):
            vars(self).pop(name, None)
        if self._cookie is not None:
            for value in headers.get_all("Cookie"):
                self._cookie.receive(value)

    def _fields_as_sent(self) -> Iterable[tuple[str, str]]:
        """The fields of the head as pairs, without an index of them."""
        headers = self._headers
        return self._pairs if headers is None else headers._pairs

    @property
    def cookie(self) -> CookieJar:
        jar = self._cookie
        if jar is None:
            headers = self._headers
            fields = self._pairs if headers is None else headers._pairs
            sent = [value for name, value in fields if name in _COOKIE]
            jar = self._cookie = CookieJar("; ".join(sent))
        return jar

    @cookie.setter
    def cookie(self, jar: CookieJar) -> None:
        self._cookie = jar

    @cached_property
    def base(self) -> str:
        authority = self.headers["Host"]
        if not authority:
            authority = self.host or self.local.name or "localhost"
            port = self.local.port
            if port and port != (443 if self.scheme == "https" else 80):
                authority = f"{authority}:{port}"
        return f"{self.scheme}://{authority}"

    @cached_property
    def xhr(self) -> bool:
        value: str = self.headers.get("X-Requested-With", "")
        return value.lower() == "xmlhttprequest"

    # -- the rest ---------------------------------------------------------------------------

    @property
    def body(self) -> Any:
        body = self._body
        if body is None or isinstance(body, (bytes, bytearray)):
            body = self._body = BytesIO(body or b"")
        return body

    @body.setter
    def body(self, body: Any) -> None:
        self._body = body
        if self._fields is not None:
            self._fields = None

    @property
    def raw_path(self) -> str:
        """The path as it was sent."""
        return self.path if self._raw_path is None else self._raw_path

    @raw_path.setter
    def raw_path(self, raw_path: str) -> None:
        self._raw_path = raw_path

    @cached_property
    def host(self) -> str:
        return getattr(self.server, "host", None) or ""

    @property
    def remote(self) -> Host:
        if self._remote is None:
            peer = self._peer
            if peer is None:
                try:
                    peer = self.sock.getpeername()
                except (AttributeError, OSError):  # there is none, or the client has gone already
                    pass
            self._remote = host_of(peer)
        return self._remote

    @remote.setter
    def remote(self, remote: Host) -> None:
        self._remote = remote

    @property
    def client(self) -> tuple[str, int]:
        """Address and port of the client, also behind trusted proxies; ``("", 0)`` if unknown.

        .. versionadded:: 2.1
        """
        if self._client is not None:
            return self._client
        peer = self._peer
        if peer is None or self._remote is not None:
            return (self.remote.ip or "", self.remote.port or 0)
        return (peer[0] or "", peer[1] or 0)  # the same, without the object

    @client.setter
    def client(self, client: tuple[str, int]) -> None:
        self._client = client

    @property
    def id(self) -> str:
        if self._id is None:
            self._id = _clock.random_bytes(16).hex()
        return self._id

    @id.setter
    def id(self, text: str) -> None:
        self._id = text

    @property
    def local(self) -> Host:
        if self._local is None:
            if self.server is not None:
                self._local = Host(*self._local_address())
            else:
                try:
                    self._local = host_of(self.sock.getsockname())
                except (AttributeError, OSError):
                    self._local = Host(None, None)
        return self._local

    @local.setter
    def local(self, local: Host) -> None:
        self._local = local

    def _local_address(self) -> tuple[str | None, int | None]:
        """Address and port of :attr:`local`, which need not be made for that."""
        server = self.server
        if server is None or self._local is not None:
            return self.local.ip, self.local.port
        bound = getattr(server, "_bound", None)
        if bound is not None:
            host, port = bound()
            return host or "0.0.0.0", port
        return getattr(server, "host", None) or "0.0.0.0", getattr(server, "port", None)

    @property
    def print_debug(self) -> bool:
        if self._print_debug is None:
            return bool(getattr(self.server, "debug", False))
        return self._print_debug

    @print_debug.setter
    def print_debug(self, print_debug: bool) -> None:
        self._print_debug = print_debug

    @property
    def display_banner(self) -> bool:
        if self._display_banner is None:
            return bool(getattr(self.server, "display_banner", True))
        return self._display_banner

    @display_banner.setter
    def display_banner(self, display_banner: bool) -> None:
        self._display_banner = display_banner

    @property
    def csrf_token(self) -> str:
        """The token for the forms of a page; ask for it before the response begins.

        Raises:
            AttributeError: There is no :class:`~circuits.web.csrf.CSRF`.

        .. versionadded:: 2.1
        """
        if self._csrf is None:
            raise AttributeError("request.csrf_token needs a CSRF component beside the server")
        return self._csrf()

    @property
    def uri(self) -> SplitResult:
        """The URL of the request, taken apart.

        .. versionadded:: 2.1
           From the 3.x line.
        """
        return urlsplit(utils.url(self, qs=self.qs))

    @property
    def url(self) -> RequestURL:
        """The URL of the request, with the query; called, it makes other ones.

        ``request.url(path)`` is :func:`circuits.web.utils.url`; without arguments, the current
        one without the query.
        """
        return RequestURL.of(self)

    # -- what came with it -------------------------------------------------------------------

    @property
    def query(self) -> MultiValues[str]:
        """The parameters of the query.

        Raises:
            HTTPException: They are not UTF-8, or too many.

        .. versionadded:: 2.1
        """
        if self._query is None:
            self._query = MultiValues(parse_urlencoded(self.qs))
        return self._query

    @property
    def form(self) -> MultiValues[str]:
        """The fields of the form in the body that are no files.

        Raises:
            HTTPException: The form is malformed, or too large.
            RuntimeError: The handler has ``stream=True`` and reads the body by itself.

        .. versionadded:: 2.1
        """
        return MultiValues(f for f in self._all_fields() if not isinstance(f[1], Upload))

    @property
    def files(self) -> MultiValues[Upload]:
        """The files of the form in the body. Raises as :attr:`form` does.

        .. versionadded:: 2.1
        """
        return MultiValues(f for f in self._all_fields() if isinstance(f[1], Upload))

    def _all_fields(self) -> list[tuple[str, Any]]:
        if isinstance(self._body, BodyStream):
            raise RuntimeError(
                "the body of this request is read as a stream; request.form and request.files "
                "need a handler without stream=True"
            )
        return utils.form_fields(self)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the client sent, name to text.

        .. versionadded:: 2.1
        """
        return self.cookie.received()

    @property
    def last_event_id(self) -> str | None:
        """Which event of a stream the client has seen last; see :class:`~circuits.web.EventStream`.

        .. versionadded:: 2.1
        """
        text: str | None = self.headers["Last-Event-ID"]
        if text is None:
            return None
        try:
            return text.encode("latin-1").decode()
        except UnicodeError:
            return text

    def json(self, limit: int | None = None) -> Any:
        """Decode the body; in a handler with ``stream=True``, to be awaited.

        Args:
            limit: The most bytes to decode, beside the limits of the server.

        Raises:
            HTTPException: 415 if it is of another type, 400 if it is no JSON, 413 if it is too
                long.

        .. versionadded:: 2.1
        """
        stated = self.headers["Content-Type"]
        if not _json.is_json(stated):
            kind = "no type" if stated is None else f"the type {stated:.80}"
            raise UnsupportedMediaType(f"The body must be application/json, but has {kind}.")
        body = self.body
        if isinstance(body, BodyStream):
            return self._stream_json(body, limit)
        body.seek(0)
        data = body.read() if limit is None else body.read(limit + 1)
        body.seek(0)
        return _decoded(data, limit)

    async def _stream_json(self, body: BodyStream, limit: int | None) -> Any:
        pieces: list[bytes] = []
        count = 0
        async for piece in body:
            count += len(piece)
            pieces.append(piece)
            if limit is not None and count > limit:
                break
        return _decoded(b"".join(pieces), limit)

    @property
    def _http(self) -> Any:
        """The HTTP component that it belongs to, or ``None``."""
        server = self.server
        return self._http_component if server is None else getattr(server, "http", server)

    def _exchange_of(self, response: Any) -> Any:
        """What sends a response to it, or ``None``."""
        http = self._http
        return None if http is None else http.exchange_of(response)

    def _release_later(self, resource: Closable) -> None:
        """Have something closed when the response is over."""
        if self._resources is None:
            self._resources = []
        self._resources.append(resource)

    def release(self) -> None:
        """Close uploads and the body; called by the server when the response is over.

        .. versionadded:: 2.1
        """
        resources, self._resources = self._resources, None
        body = self._body
        if resources is None and body is None:
            return
        closes = [resource.close for resource in resources or ()]
        if hasattr(body, "close"):
            closes.append(body.close)
        call_all(closes)

    def _brief(self) -> str:
        """How the log tells of it where something was answered in one line."""
        text = f"{self.method} {self.path:.200}"
        return text if text.isprintable() else repr(text)[1:-1]

    def __repr__(self) -> str:
        major, minor = self.protocol
        return f"<Request {self.method} {self.path} HTTP/{major}.{minor}>"
