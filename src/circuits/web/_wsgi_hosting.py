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

#: Names of fields with the variables that they become, empty for none. Bounded, as names may come
#: from anywhere.
_keys: dict[str, str] = {}
_KEYS_LIMIT = 512


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


def _key_of(name: str) -> str:
    """The variable that a field becomes; empty if it is left out."""
    key = f"HTTP_{name.upper().replace('-', '_')}"
    if key in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
        key = key[5:]
    # An underscore would be the same variable as a dash, which a proxy may have set.
    if "_" in name or key in _LEFT_OUT:
        key = ""
    if len(_keys) >= _KEYS_LIMIT:
        _keys.clear()
    _keys[name] = key
    return key


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
    is_secure = request.scheme == "https"
    local = request.local
    address, port = request.client
    # An empty body is the application's alone, and nothing to be closed with the request.
    body = BytesIO() if request._body is None else request.body
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": to_wsgi(script_name),
        "PATH_INFO": to_wsgi(path),
        "QUERY_STRING": to_wsgi(request.qs),
        "REQUEST_URI": to_wsgi(request.raw_path + (f"?{request.qs}" if request.qs else "")),
        "SERVER_NAME": local.ip or request.host or "localhost",
        "SERVER_PORT": str(local.port or (443 if is_secure else 80)),
        "SERVER_PROTOCOL": f"HTTP/{request.protocol[0]}.{request.protocol[1]}",
        "REMOTE_ADDR": address,
        "REMOTE_PORT": str(port) if address else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": threads,
        "wsgi.multiprocess": processes,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    if is_secure:
        environ["HTTPS"] = "on"
    if isinstance(request.login, str):
        environ["REMOTE_USER"] = to_wsgi(request.login)
    has_length = False
    for name, value in request._pairs if request._headers is None else request.headers.items():
        key = _keys.get(name)
        if key is None:
            key = _key_of(name)
        if key == "CONTENT_LENGTH":
            has_length = True
        elif key in environ:
            if key != "CONTENT_TYPE":
                separator = "; " if key == "HTTP_COOKIE" else ","
                environ[key] = f"{environ[key]}{separator}{value}"
        elif key:
            environ[key] = value
    if has_length or request._body is not None:
        environ["CONTENT_LENGTH"] = str(body.seek(0, 2))
        body.seek(0)
    return environ


class Call:
    """One call of an application, in the loop.

    As an iterator it gives the pieces of the body, as far as these are not known at once.

    Attributes:
        environ: What the application is told.
        is_sent: Whether the head has been sent, or has to count as such.
        response: What it fills.
    """

    def __init__(
        self, application: Application, environ: dict[str, Any], response: Response
    ) -> None:
        self.environ = environ
        self.is_sent = False
        self._application = application
        self.response = response
        self._head: _Head | None = None
        self._pending: deque[bytes] = deque()  # pieces that go before what the iterator gives
        self._result: Any = None
        self._iterator: Iterator[Any] | None = None
        self._is_closed = False
        self._logged: BaseException | None = None

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
        fields = tuple([(name, value) for name, value in headers])
        try:
            head = _heads.get((status, fields))
        except TypeError:  # not hashable, and so no text
            head = None
        self._head = head or _check_head(status, fields)
        return self.write

    def write(self, data: bytes) -> None:
        """Write a part of the body; it goes before what the application returns."""
        self.is_sent = True
        self._pending.append(self.response.encode_part(data))

    # -- for the server --

    def run(self) -> bytes | FileRange | None:
        """Call the application.

        Returns:
            The whole body, or a file that is; ``None`` if the call has to be iterated for it.
        """
        result = self._result = self._application(self.environ, self.start_response)
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
                self._pending.append(data)
                return None
        self._check_started()
        return self._whole([])

    def _check_started(self) -> None:
        if self._head is None:
            raise AssertionError("the application did not call start_response before its output")

    def _whole(self, pieces: list[bytes]) -> bytes:
        pieces = [*self._pending, *pieces]
        self.close()
        return b"".join(pieces)

    def apply(self) -> None:
        """Put status and fields into the response."""
        response, head = self.response, self._head
        assert head is not None
        self.is_sent = True
        response.code, response._message, fields = head
        if fields:
            response._take_fields(fields)

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
                self._pending.append(piece)  # behind what was written meanwhile
        if not self._pending:
            raise StopIteration
        return self._pending.popleft()

    def close(self) -> None:
        """Tell the application, once, that its result is not needed any more."""
        if self._is_closed:
            return
        self._is_closed = True
        self._iterator = None
        self._pending.clear()
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
        self._feed = Feed(call=call)
        self._answer = answer
        self._call = call
        self._has_told = False

    def write(self, data: bytes) -> None:
        """Write a part of the body; waits while the client does not keep up."""
        data = self.response.encode_part(data)
        self._tell(self._feed)
        if data:
            self._feed.put(data)

    def _tell(self, outcome: Any) -> None:
        if not self._has_told:
            self._has_told = True
            self.is_sent = not isinstance(outcome, BaseException)
            self._call(partial(self._answer, self, outcome))

    def work(self) -> None:
        """Call the application, and hand over what it gives."""
        feed = self._feed
        try:
            try:
                body = self.run()
                if body is not None and not self._has_told:
                    self._tell(body)
                else:
                    self._tell(feed)
                    assert not isinstance(body, FileRange)  # there is none where there was a write
                    for piece in self if body is None else (body,):
                        feed.put(piece)
            finally:
                if not isinstance(self._result, FileWrapper):
                    self.close()
            feed.end()
        except BaseException as problem:  # a thread must not end with it
            self.close()
            if not feed.is_closed:  # else the client has gone
                self.log(problem)
                feed.end(problem)
                self._tell(problem)
