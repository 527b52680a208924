"""WSGI as rules: what an application is told, and one call of it (PEP 3333).

A :class:`Call` runs in the loop, or as a :class:`ThreadedCall` in a thread. What the
loop does with a request and its response is in ``wsgi``.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import traceback
from collections import deque
from functools import partial
from io import BytesIO
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from ._paths import unescape_segment
from ._pieces import Feed
from ._response_body import FileRange
from .headers import check_name, check_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._request import Request
    from ._response import Response

    Application = Callable[[dict[str, Any], Callable[..., Any]], Any]
    _Fields = tuple[tuple[str, str], ...]
    _Head = tuple[int, str | None, _Fields]

__all__ = [
    "HOP_BY_HOP",
    "Call",
    "FileWrapper",
    "ThreadedCall",
    "make_environ",
    "to_wsgi",
]

#: Fields of one connection, which is the server's (RFC 9110, 7.6.1).
HOP_BY_HOP = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "trailers", "transfer-encoding", "upgrade",
))  # fmt: skip

#: Variables that no field becomes. HTTP_PROXY is where libraries look for the proxy of the process;
#: the body comes without its transfer coding.
_LEFT_OUT = frozenset(("HTTP_PROXY", "HTTP_TRANSFER_ENCODING", "HTTP_TRAILER"))

_KEYS_LIMIT = 512


class _Keys(dict[str, str]):
    """Names of fields with the variables that they become. Bounded: names may come from anywhere.

    What is left out has a variable that is set already, and is no field.
    """

    def __missing__(self, name: str) -> str:
        key = f"HTTP_{name.upper().replace('-', '_')}"
        if key in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
            key = key[5:]
        # An underscore would be the same variable as a dash, which a proxy may have set.
        if "_" in name or key in _LEFT_OUT:
            key = "wsgi.version"
        if len(self) >= _KEYS_LIMIT:
            self.clear()
        self[name] = key
        return key


_keys = _Keys()

#: What requests by the same way have in common of their environs, by that. Bounded.
_templates: dict[tuple[Any, ...], dict[str, Any]] = {}
_TEMPLATES_LIMIT = 64


def to_wsgi(text: str) -> str:
    """Text as WSGI wants it: its bytes, each as one character."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


class FileWrapper:
    """A file as the body of a response: ``environ["wsgi.file_wrapper"]``.

    Args:
        file: The file; it is closed with the response.
        block_size: How much is read at a time.
    """

    def __init__(self, file: Any, block_size: int = 65536) -> None:
        self.file = file
        self.block_size = block_size

    def __iter__(self) -> FileWrapper:
        return self

    def __next__(self) -> bytes:
        data: bytes = self.file.read(self.block_size)
        if not data:
            raise StopIteration
        return data

    def close(self) -> None:
        """Close the file."""
        if hasattr(self.file, "close"):
            self.file.close()


def make_environ(
    request: Request, script_name: str, path: str, *, threads: bool, processes: bool
) -> dict[str, Any]:
    """Make what an application is told of a request.

    Args:
        request: The request, with its whole body.
        script_name: The part of the path that leads to the application.
        path: The rest of the path.
        threads: Whether other threads may call it at the same time.
        processes: Whether other processes may.
    """
    if "%" in path:
        path = "/".join([unescape_segment(segment) for segment in path.split("/")])
    host, port = request._local_address()
    way = (
        host or request.host or "localhost", port, request.scheme, request.protocol, script_name,
        threads, processes,
    )  # fmt: skip
    template = _templates.get(way)
    environ = (_make_template(*way) if template is None else template).copy()
    qs = request.qs
    target = request.raw_path
    if qs:
        target = f"{target}?{qs}"
    address, client_port = request.client
    # An empty body is the application's alone, and nothing to be closed with the request.
    body = BytesIO() if request._body is None else request.body
    environ["REQUEST_METHOD"] = request.method
    environ["PATH_INFO"] = path if path.isascii() else to_wsgi(path)
    environ["QUERY_STRING"] = qs if qs.isascii() else to_wsgi(qs)
    environ["REQUEST_URI"] = target if target.isascii() else to_wsgi(target)
    environ["REMOTE_ADDR"] = address
    environ["REMOTE_PORT"] = str(client_port) if address else ""
    environ["wsgi.input"] = body
    environ["wsgi.errors"] = sys.stderr
    if isinstance(request.login, str):
        environ["REMOTE_USER"] = to_wsgi(request.login)
    for name, value in request._pairs if request._headers is None else request.headers.items():
        key = _keys[name]
        if key not in environ:
            environ[key] = value
        elif key[:5] == "HTTP_":
            environ[key] = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
    if "CONTENT_LENGTH" in environ or request._body is not None:
        environ["CONTENT_LENGTH"] = str(body.seek(0, 2))
        body.seek(0)
    return environ


def _make_template(
    host: str,
    port: int | None,
    scheme: str,
    protocol: tuple[int, int],
    script_name: str,
    threads: bool,
    processes: bool,
) -> dict[str, Any]:
    """Make what is the same for all requests by one way, and keep it."""
    template = {
        "SCRIPT_NAME": to_wsgi(script_name),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or (443 if scheme == "https" else 80)),
        "SERVER_PROTOCOL": f"HTTP/{protocol[0]}.{protocol[1]}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input_terminated": True,
        "wsgi.multithread": threads,
        "wsgi.multiprocess": processes,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    if scheme == "https":
        template["HTTPS"] = "on"
    if len(_templates) >= _TEMPLATES_LIMIT:
        _templates.clear()
    _templates[host, port, scheme, protocol, script_name, threads, processes] = template
    return template


class Call:
    """One call of an application, in the loop.

    As an iterator it gives the pieces of the body, as far as these are not known at once.

    Attributes:
        environ: What the application is told.
        is_sent: Whether the head has been sent, or has to count as such.
        response: What it fills.
    """

    is_sent = False
    _head: _Head | None = None
    _length: str | None = None  # of the body, as the application says
    _pending: deque[bytes] | None = None  # pieces that go before what the iterator gives
    _result: Any = None
    _iterator: Iterator[Any] | None = None
    _is_closed = False
    _logged: BaseException | None = None

    def __init__(
        self, application: Application, environ: dict[str, Any], response: Response
    ) -> None:
        self.environ = environ
        self.response = response
        self._application = application

    # -- for the application --

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Say what the head of the response is to be; as PEP 3333 has it.

        Returns:
            A function that writes a part of the body.

        Raises:
            AssertionError: It was said before, and there was no error since.
            TypeError, ValueError: It is no head.
        """
        if exc_info:
            try:
                if self.is_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # no cycle through this frame
        elif self._head is not None:
            raise AssertionError("start_response was called before, and without exc_info since")
        given, length = [], None
        for name, value in headers:
            # Heads are remembered without it: it may be another one each time.
            if (
                name == "Content-Length"
                and length is None
                and value.__class__ is str
                and value.isdigit()
                and value.isascii()
            ):
                length = value
            else:
                given.append((name, value))
        self._length = length
        fields = tuple(given)
        try:
            head = _heads.get((status, fields))
        except TypeError:  # not hashable, and so no text
            head = None
        self._head = head or _check_head(status, fields)
        return self.write

    def write(self, data: bytes) -> None:
        """Write a part of the body; it goes before what the application returns."""
        self.is_sent = True
        self._put(self.response.encode_part(data))

    def _put(self, *data: bytes) -> None:
        if self._pending is None:
            self._pending = deque()
        self._pending.extend(data)

    # -- for the server --

    def run(self) -> bytes | FileRange | None:
        """Call the application.

        Returns:
            The whole body, or a file that is; ``None`` if the call has to be iterated for it.
        """
        result = self._result = self._application(self.environ, self.start_response)
        if result.__class__ is list and len(result) == 1 and not self._pending:
            data = result[0]  # as most of them
            if data.__class__ is bytes:
                self._check_started()
                self._is_closed = True
                return data
        if isinstance(result, str | bytes | bytearray):
            result = (result,)
        encode = self.response.encode_part
        if isinstance(result, list | tuple):
            pieces = [encode(piece) for piece in result]
            self._check_started()
            return self._whole(pieces)
        if type(result) is FileWrapper and not self.is_sent:
            file = _rest_of(result.file)
            if file is not None:
                self._check_started()
                return file
        iterator = self._iterator = iter(result)
        for piece in iterator:
            if data := encode(piece):
                self._check_started()
                more: Any = b""
                if str(len(data)) == self._length and result.__class__ is not GeneratorType:
                    # That was all. What frameworks give has its end at hand, as others have not.
                    more = encode(next(iterator, b""))
                    if not more and not self._pending:
                        return self._whole([data])
                self._put(data, more)
                return None
        self._check_started()
        return self._whole([])

    def _check_started(self) -> None:
        if self._head is None:
            raise AssertionError("the application did not call start_response before its output")

    def _whole(self, pieces: list[bytes]) -> bytes:
        pieces = [*(self._pending or ()), *pieces]
        self.close()
        return b"".join(pieces)

    def apply(self, body: Any) -> None:
        """Put status, fields and body into the response.

        Args:
            body: All of it as bytes, a file that is, or what it comes from.
        """
        response, head = self.response, self._head
        assert head is not None
        self.is_sent = True
        response.code, response._message, fields = head
        length = self._length
        if length is not None and not (
            # Whose length is known; that of the answer to HEAD is what GET would have got.
            body.__class__ is bytes
            and body
            and response.code != 304
            and response.request.method != "HEAD"
        ):
            fields = (*fields, ("Content-Length", length))
        if fields:
            response._take_fields(fields)
        response.body = body
        if isinstance(body, FileRange):
            response._adopt(self)
            if "Content-Length" not in response.headers:
                response.headers["Content-Length"] = body.remaining
        elif not isinstance(body, bytes):
            response.stream = True

    def __iter__(self) -> Call:
        return self

    def __next__(self) -> bytes:
        if not self._pending and self._iterator is not None:
            try:
                piece = self.response.encode_part(next(self._iterator))
            except StopIteration:
                self._iterator = None
            except BaseException as problem:
                self.log(problem)
                raise
            else:
                self._put(piece)  # behind what was written meanwhile
        if not self._pending:
            raise StopIteration
        return self._pending.popleft()

    def close(self) -> None:
        """Tell the application, once, that its result is not needed any more."""
        if self._is_closed:
            return
        self._is_closed = True
        self._iterator = None
        self._pending = None
        close = getattr(self._result, "close", None)
        if close is not None:
            try:
                close()
            except Exception as problem:  # the response is none the worse
                self.log(problem)

    def log(self, problem: BaseException) -> None:
        """Write an exception of the application to where it has its errors, once."""
        if problem is not self._logged:
            self._logged = problem
            traceback.print_exception(problem, file=self.environ["wsgi.errors"])


#: Heads that were checked: most applications say the same few again and again. Bounded.
_heads: dict[tuple[str, _Fields], _Head] = {}
_HEADS_LIMIT = 256


def _check_head(status: Any, fields: tuple[tuple[Any, Any], ...]) -> _Head:
    """Check a head, and remember it: the code, the reason and the fields."""
    if not isinstance(status, str):
        raise TypeError(f"status must be a str, not {status!r:.80}")
    if not (status[:3].isascii() and status[:3].isdigit() and status[3:4] in ("", " ")):
        raise ValueError(f"status must be three digits, a blank and a reason, not {status!r}")
    if not 200 <= int(status[:3]) <= 599:
        raise ValueError(f"status must be from 200 to 599, not {status!r}")
    for name, value in fields:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header names and values must be str, not {name!r}: {value!r}")
        if check_name(name) in HOP_BY_HOP:
            raise ValueError(f"{name} is a header of the connection, which is the server's")
        check_value(value)
    check_value(status, "status")
    if len(_heads) >= _HEADS_LIMIT:
        _heads.clear()
    head = _heads[status, fields] = int(status[:3]), status[4:] or None, fields
    return head


def _rest_of(file: Any) -> FileRange | None:
    """What is left of a file, if the kernel may be able to send it."""
    if not isinstance(file, io.BufferedReader | io.BufferedRandom | io.FileIO):
        return None
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        offset = file.tell()
    except (OSError, ValueError):
        return None
    return FileRange(file, offset, max(0, status.st_size - offset))


#: With more than this that its client has not taken, a call waits, in bytes. Pages fit, so that
#: clients who do not read keep no threads.
_AHEAD_BYTES = 1024 * 1024


class ThreadedCall(Call):
    """A call in a thread, which gives its outcome to the loop.

    Args:
        application, environ, response: As for :class:`Call`.
        answer: Called in the loop, once, with this call and the body, a file, the feed that the
            body comes from, or what the application has raised.
        call: Calls a function in the loop.
    """

    def __init__(
        self,
        application: Application,
        environ: dict[str, Any],
        response: Response,
        answer: Callable[[ThreadedCall, Any], object],
        call: Callable[[Callable[[], object]], object],
    ) -> None:
        super().__init__(application, environ, response)
        self._feed: Feed | None = None  # unless the whole body is known at once
        self._answer = answer
        self._call = call
        self._has_told = False

    def write(self, data: bytes) -> None:
        """Write a part of the body; waits while the client does not keep up."""
        data = self.response.encode_part(data)
        feed = self._begin_feed()
        if data:
            feed.put(data)

    def _begin_feed(self) -> Feed:
        feed = self._feed
        if feed is None:
            feed = self._feed = Feed(_AHEAD_BYTES, self._call)
            self._tell(feed)
        return feed

    def _tell(self, outcome: Any) -> None:
        if not self._has_told:
            self._has_told = True
            self.is_sent = not isinstance(outcome, BaseException)
            self._call(partial(self._answer, self, outcome))

    def work(self) -> None:
        """Call the application, and hand over what it gives."""
        try:
            try:
                body = self.run()
                if body is not None and not self._has_told:
                    self._tell(body)
                else:
                    feed = self._begin_feed()
                    assert not isinstance(body, FileRange)  # there is none where there was a write
                    for piece in self if body is None else (body,):
                        feed.put(piece)
            finally:
                if not isinstance(self._result, FileWrapper):
                    self.close()
            if self._feed is not None:
                self._feed.end()
        except BaseException as problem:  # a thread must not end with it
            self.close()
            if self._feed is None or not self._feed.is_closed:  # else the client has gone
                self.log(problem)
                if self._feed is not None:
                    self._feed.end(problem)
                self._tell(problem)
