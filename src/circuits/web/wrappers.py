"""Requests and responses as objects (manual: circuits.web.wrappers).

Two objects are made for every request, and most of what they offer is not looked at. So defaults
are on the classes, and headers, cookies, peers and bodies are made at the first look. A response
whose headers nobody touched is written from a prepared head (see ``Response._encode``).
"""

from __future__ import annotations

import time as _time
from io import BytesIO
from typing import Any

from . import utils
from ._status import Status, has_no_body, reason
from .constants import SERVER_PROTOCOL, SERVER_VERSION
from .headers import Headers, check_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Protocol, overload

    from ._cookies import CookieJar

    class _Closable(Protocol):
        def close(self) -> object: ...


__all__ = ["Body", "FileRange", "Host", "Request", "Response", "file_generator"]


def file_generator(input: IO[bytes], chunkSize: int = 4096) -> Iterator[bytes]:  # noqa: A002, N803
    """Read a file in chunks and close it in the end, also if the generator is closed before.

    Args:
        input: The file.
        chunkSize: Most bytes per chunk.
    """
    try:
        while chunk := input.read(chunkSize):
            yield chunk
    finally:
        input.close()


class FileRange:
    """A part of a file as a body: an iterator of chunks, and what ``sendfile`` needs.

    Attributes:
        file: The open file; it is closed with this object.
        offset: Where the rest begins.
        remaining: Length of the rest in bytes.

    .. versionadded:: 2.1
    """

    CHUNK_BYTES = 64 * 1024

    def __init__(self, file: IO[bytes], offset: int, length: int) -> None:
        self.file = file
        self.offset = offset
        self.remaining = length
        self._sought = -1

    def __iter__(self) -> FileRange:
        return self

    def __next__(self) -> bytes:
        if self.remaining <= 0:
            self.close()
            raise StopIteration
        if self._sought != self.offset:
            self.file.seek(self.offset)
        data = self.file.read(min(self.remaining, self.CHUNK_BYTES))
        if not data:
            # Ending here would leave the client short of its Content-Length without a sign.
            missing = self.remaining
            self.close()
            raise OSError(f"the file shrank while it was sent: {missing} bytes are missing")
        self.advance(len(data))
        self._sought = self.offset
        return data

    def advance(self, count: int) -> None:
        """Take note that ``count`` bytes were sent without this object."""
        self.offset += count
        self.remaining -= count

    def close(self) -> None:
        """Close the file."""
        self.remaining = 0
        self.file.close()


class Host:
    """An internet address.

    Args:
        ip: The address; ``None`` where there is none, as for a UNIX socket.
        port: The port.
        name: Name of the host; by default the address.
    """

    ip: str | None = "0.0.0.0"
    port: int | None = 80
    name: str | None = "unknown.tld"

    def __init__(self, ip: str | None, port: int | None, name: str | None = None) -> None:
        self.ip = ip
        self.port = port
        self.name = ip if name is None else name

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Host):
            return NotImplemented
        return (self.ip, self.port, self.name) == (other.ip, other.port, other.name)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Host({self.ip!r}, {self.port!r}, {self.name!r})"


def _host_of(name: Any) -> Host:
    """The host of what ``getpeername`` or ``getsockname`` gave."""
    if isinstance(name, tuple) and len(name) >= 2:
        return Host(name[0], name[1])
    return Host(None, None)


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

    _pairs: Iterable[tuple[str, str]] = ()
    _headers: Headers | None = None
    _cookie: CookieJar | None = None
    _body: Any = None
    _base: str | None = None
    _xhr: bool | None = None
    _host: str | None = None
    _peer: Any = None  # what getpeername gave when the client connected
    _remote: Host | None = None
    _local: Host | None = None
    _raw_path: str | None = None
    _print_debug: bool | None = None
    _display_banner: bool | None = None
    _resources: list[_Closable] | None = None

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
    def headers(self) -> Headers:  # noqa: D102 - see the class
        headers = self._headers
        if headers is None:
            headers = self._headers = Headers.from_pairs(self._pairs)
        return headers

    @headers.setter
    def headers(self, headers: Headers) -> None:
        self._headers = headers
        self._base = self._xhr = None
        if self._cookie is not None:
            for value in headers.get_all("Cookie"):
                self._cookie.receive(value)

    @property
    def cookie(self) -> CookieJar:  # noqa: D102
        jar = self._cookie
        if jar is None:
            from ._cookies import CookieJar  # few requests look at cookies

            jar = self._cookie = CookieJar("; ".join(self.headers.get_all("Cookie")))
        return jar

    @cookie.setter
    def cookie(self, jar: CookieJar) -> None:
        self._cookie = jar

    @property
    def base(self) -> str:  # noqa: D102
        base = self._base
        if base is None:
            authority = self.headers["Host"]
            if not authority:
                authority = self.host or self.local.name or "localhost"
                port = self.local.port
                if port and port != (443 if self.scheme == "https" else 80):
                    authority = f"{authority}:{port}"
            base = self._base = f"{self.scheme}://{authority}"
        return base

    @base.setter
    def base(self, base: str) -> None:
        self._base = base

    @property
    def xhr(self) -> bool:  # noqa: D102
        if self._xhr is None:
            value = self.headers.get("X-Requested-With", "")
            self._xhr = value.lower() == "xmlhttprequest"
        return self._xhr

    @xhr.setter
    def xhr(self, xhr: bool) -> None:
        self._xhr = xhr

    # -- the rest ---------------------------------------------------------------------------

    @property
    def body(self) -> Any:  # noqa: D102
        body = self._body
        if body is None or isinstance(body, (bytes, bytearray)):
            body = self._body = BytesIO(body or b"")
        return body

    @body.setter
    def body(self, body: Any) -> None:
        self._body = body

    @property
    def raw_path(self) -> str:
        """The path as it was sent."""
        return self.path if self._raw_path is None else self._raw_path

    @raw_path.setter
    def raw_path(self, raw_path: str) -> None:
        self._raw_path = raw_path

    @property
    def host(self) -> str:  # noqa: D102
        if self._host is None:
            self._host = getattr(self.server, "host", None) or ""
        return self._host

    @host.setter
    def host(self, host: str) -> None:
        self._host = host

    @property
    def remote(self) -> Host:  # noqa: D102
        if self._remote is None:
            peer = self._peer
            if peer is None and self.sock is not None:
                try:
                    peer = self.sock.getpeername()
                except (AttributeError, OSError):  # the client has gone already
                    peer = None
            self._remote = _host_of(peer)
        return self._remote

    @remote.setter
    def remote(self, remote: Host) -> None:
        self._remote = remote

    @property
    def local(self) -> Host:  # noqa: D102
        if self._local is None:
            server = self.server
            if server is not None:
                self._local = Host(
                    getattr(server, "host", None) or "0.0.0.0", getattr(server, "port", None)
                )
            else:
                try:
                    self._local = _host_of(self.sock.getsockname())
                except (AttributeError, OSError):
                    self._local = Host(None, None)
        return self._local

    @local.setter
    def local(self, local: Host) -> None:
        self._local = local

    @property
    def print_debug(self) -> bool:  # noqa: D102
        if self._print_debug is None:
            return bool(getattr(self.server, "debug", False))
        return self._print_debug

    @print_debug.setter
    def print_debug(self, print_debug: bool) -> None:
        self._print_debug = print_debug

    @property
    def display_banner(self) -> bool:  # noqa: D102
        if self._display_banner is None:
            return bool(getattr(self.server, "display_banner", True))
        return self._display_banner

    @display_banner.setter
    def display_banner(self, display_banner: bool) -> None:
        self._display_banner = display_banner

    def url(self, *args: Any, **kwargs: Any) -> str:
        """Make a URL; see :func:`circuits.web.utils.url`."""
        return utils.url(self, *args, **kwargs)

    def _release_later(self, resource: _Closable) -> None:
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
        for resource in resources or ():
            resource.close()
        # Input that the WSGI server lent us is not ours to close.
        if body is not None and not isinstance(body, bytes) and self.server is not None:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def __repr__(self) -> str:
        major, minor = self.protocol
        return f"<Request {self.method} {self.path} HTTP/{major}.{minor}>"


class Body:
    """The descriptor behind ``response.body``: what may be assigned, and what it becomes.

    - ``bytes`` and ``str``: a list of one element, or an empty one; text is encoded when the
      response is prepared, so that filters see what the handler returned;
    - a file: ``stream`` is set and the body is a generator of its chunks;
    - a :class:`FileRange`: ``stream`` is set;
    - an ``HTTPError``: its page;
    - ``None``: an empty list;
    - a tuple: a list; a list or any other iterable: as it is.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self, response: None, owner: type[Response]) -> Body: ...
        @overload
        def __get__(self, response: Response, owner: type[Response]) -> Any: ...

    def __get__(self, response: Response | None, owner: type[Response]) -> Any:
        if response is None:
            return self
        body = response._body
        if body is None:
            body = response._body = []
        return body

    def __set__(self, response: Response, value: Any) -> None:
        kind = type(value)
        if kind is str or kind is bytes:
            body: Any = [value] if value else []
        elif kind is list:
            body = value
        elif value is None:
            body = []
        elif isinstance(value, (str, bytes, bytearray, memoryview)):
            body = [value] if len(value) else []
        elif isinstance(value, tuple):
            body = list(value)
        elif isinstance(value, FileRange):
            response._streams_file(value)
            response._body = value
            return
        elif hasattr(value, "read"):
            response._streams_file(value)
            response._body = file_generator(value, FileRange.CHUNK_BYTES)
            return
        elif getattr(value, "name", None) == "httperror":
            page = str(value)
            body = [page] if page else []
        else:
            if value is not response._body:
                response._adopt(value)
            response._body = value
            return
        if response._resources is not None:
            # A file was assigned before and is not wanted any more.
            response.release()
            response.stream = False
        response._body = body


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

    #: Tells the time; replaced by tests.
    _clock = staticmethod(_time.time)

    code: int = 200
    protocol: str = "HTTP/1.1"
    stream: bool = False
    chunked: bool = False
    close: bool = False
    done: bool = False
    body = Body()

    _message: str | None = None
    _headers: Headers | None = None
    _body: Any = None
    _gzip: bool | None = None
    _resources: list[_Closable] | None = None
    _sent_cookies: list[str] | None = None
    _prepared = False
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
        self.time = self._clock()
        if code is not None:
            self.code = code
        if message is not None:
            self.message = message
        if request.protocol < (1, 1):
            self.protocol = "HTTP/1.0"

    @property
    def message(self) -> str | None:  # noqa: D102 - see the class
        return self._message

    @message.setter
    def message(self, message: str | None) -> None:
        self._message = None if message is None else check_value(message, "reason")

    @property
    def status(self) -> Status:  # noqa: D102
        return Status(self.code, self._message)

    @status.setter
    def status(self, status: int | str) -> None:
        if isinstance(status, Status):
            self.code, self.message = status.code, status.reason
        elif isinstance(status, int):
            self.code, self.message = int(status), None
        else:
            code, _, message = status.partition(" ")
            self.code, self.message = int(code), message or None

    @property
    def headers(self) -> Headers:  # noqa: D102
        headers = self._headers
        if headers is None:
            pairs = [("Date", utils.formatdate(self.time))]
            banner = self._banner()
            if banner is not None:
                pairs.append(banner)
            headers = self._headers = Headers.from_pairs(pairs)
            if self._prepared:
                # It went out from a prepared head; show what that said.
                self._complete(headers, self._payload_length())
        return headers

    @headers.setter
    def headers(self, headers: Headers) -> None:
        self._headers = headers

    @property
    def cookie(self) -> CookieJar:  # noqa: D102
        return self.request.cookie

    @cookie.setter
    def cookie(self, jar: CookieJar) -> None:
        self.request.cookie = jar

    @property
    def gzip(self) -> bool:
        """Whether the client accepts gzip."""
        if self._gzip is None:
            elements = self.request.headers.elements("Accept-Encoding")
            accepted = {e.value.lower(): getattr(e, "qvalue", 1.0) for e in elements}
            self._gzip = accepted.get("gzip", accepted.get("x-gzip", 0.0)) > 0
        return self._gzip

    @gzip.setter
    def gzip(self, gzip: bool) -> None:
        self._gzip = gzip

    def _banner(self) -> tuple[str, str] | None:
        request = self.request
        if not request.display_banner:
            return None
        server = request.server
        if server is None:
            return ("X-Powered-By", SERVER_VERSION)
        return ("Server", getattr(server, "version", SERVER_VERSION))

    # -- resources behind the body ---------------------------------------------------------

    def _streams_file(self, file: _Closable) -> None:
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
        for resource in reversed(resources or ()):
            resource.close()

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

    def _payload_length(self) -> int | None:
        payload = self._payload()
        return None if payload is None else len(payload)

    def prepare(self) -> None:
        """Complete the headers and decide how the body is delimited.

        May be called again after a change.
        """
        self._prepare()

    def _prepare(self) -> bytes | None:
        payload = self._payload()
        self._complete(self.headers, None if payload is None else len(payload))
        return payload

    def _complete(self, headers: Headers, length: int | None) -> None:
        code = self.code
        if type(code) is not int or not 100 <= code <= 999:
            raise ValueError(f"not a status code: {code!r}")
        request = self.request
        self._prepared = True
        if self._sent_cookies:
            sent, self._sent_cookies = self._sent_cookies, None
            cookies = [value for value in headers.get_all("Set-Cookie") if value not in sent]
            del headers["Set-Cookie"]
            for value in cookies:
                headers.append("Set-Cookie", value)
        # From here on by lower-case keys, past the checks of what our own names are.
        has = headers._index_keys().__contains__
        if has_no_body(code):
            self.chunked = False
            headers._drop("transfer-encoding")
            if code != 304:
                headers._drop("content-length")
        else:
            if not has("content-type"):
                kind = check_value(f"text/html; charset={self.encoding}")
                headers._put("Content-Type", "content-type", kind)
            if length is not None and not self.chunked and not has("transfer-encoding"):
                # The answer to HEAD tells the length of what GET would have got.
                if length or request.method != "HEAD" or not has("content-length"):
                    self._state_length(headers, length)
            else:
                self._delimit(headers, length)
        if code == 413:
            self.close = True
        if request.server is not None and not has("connection"):
            if self.protocol == "HTTP/1.0":
                if not self.close:
                    headers._put("Connection", "connection", "Keep-Alive")
            elif self.close:
                headers._put("Connection", "connection", "close")
        if request._cookie is not None:
            self._sent_cookies = request._cookie.changed()
            for value in self._sent_cookies:
                headers.append("Set-Cookie", check_value(value, "cookie"))

    def _delimit(self, headers: Headers, length: int | None) -> None:
        """Decide how the end of the body is told, where its length is not all there is to it."""
        request = self.request
        may_chunk = self.protocol != "HTTP/1.0" and request.server is not None
        wish = headers["Transfer-Encoding"]
        if may_chunk and (self.chunked or (wish or "").strip().lower() == "chunked"):
            self.chunked = True
        else:
            self.chunked = False
            if length is not None:
                self._state_length(headers, length)
            elif "Content-Length" not in headers and request.method != "HEAD":
                self.chunked = may_chunk
                self.close = self.close or not may_chunk
        if not self.chunked:
            del headers["Transfer-Encoding"]
        else:
            del headers["Content-Length"]
            if wish != "chunked":
                headers["Transfer-Encoding"] = "chunked"

    @staticmethod
    def _state_length(headers: Headers, length: int) -> None:
        text = str(length)
        # A field that is right stays in its place, so that preparing twice changes nothing.
        if dict.get(headers, "content-length") != text:
            headers._put("Content-Length", "content-length", text)

    # -- writing --------------------------------------------------------------------------------

    def _encode(self) -> tuple[bytes, bytes | None]:
        """Prepare, and give the head and the body as they go out.

        Returns:
            Status line and headers with the empty line; and the body, which is empty where none
            may be sent, and ``None`` where it has to be made chunk by chunk. With ``chunked``,
            the transfer coding is yet to be applied.
        """
        body = self._body
        request = self.request
        if (
            self._headers is None
            and request._cookie is None
            and body.__class__ is list
            and len(body) == 1
            and self._message is None
            and not self.stream
            and not self.chunked
        ):
            global _heads_second
            part = body[0]
            if part.__class__ is str:
                part = part.encode(self.encoding)
            if part.__class__ is bytes:
                if self.time // 1 != _heads_second:
                    _heads.clear()
                    _heads_second = self.time // 1
                server = request.server
                key = (self.code, self.close, self.protocol, self.encoding, server)
                head = _heads.get(key) or self._make_head(key)
                if head is not None and request._display_banner is None:
                    self._prepared = True
                    return (
                        b"%b%d%b" % (head[0], len(part), head[1]),
                        part if request.method != "HEAD" else b"",
                    )
        payload = self._prepare()
        if has_no_body(self.code) or request.method == "HEAD":
            payload = b""
        return self._head(), payload

    def _make_head(self, key: tuple[Any, ...]) -> tuple[bytes, bytes] | None:
        """Keep a head, up to the length and from there on, for the rest of the second."""
        code = self.code
        if (
            type(code) is not int
            or not 200 <= code <= 999
            or code in (204, 304, 413)
            or self.request._display_banner is not None
        ):
            return None
        # What the general way writes for this length is the template for the others.
        self._complete(self.headers, _SAMPLE_LENGTH)
        before, after = self._head().split(b"Content-Length: %d\r\n" % _SAMPLE_LENGTH)
        self._headers = None
        if len(_heads) >= _HEADS_LIMIT:
            _heads.clear()
        head = _heads[key] = (before + b"Content-Length: ", b"\r\n" + after)
        return head

    def _head(self) -> bytes:
        phrase = self._message
        if phrase is None:
            phrase = reason(self.code)
        text = f"{self.protocol} {self.code} {phrase}\r\n{self._headers}"
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            lines = text.split("\r\n")
            return b"\r\n".join([_encode_line(line) for line in lines])

    def __str__(self) -> str:
        self.prepare()
        return self._head().decode("latin-1")

    def __repr__(self) -> str:
        kind = None if self._headers is None else self._headers["Content-Type"]
        return f"<Response {self.status} {kind or ''}>"


def _encode_line(line: str) -> bytes:
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode("utf-8")


#: Prepared heads of the current second, up to the length and from there on.
_heads: dict[tuple[Any, ...], tuple[bytes, bytes]] = {}
_heads_second = -1.0
_HEADS_LIMIT = 256
#: Not 0, which the answer to a HEAD request may leave out.
_SAMPLE_LENGTH = 4242424242
