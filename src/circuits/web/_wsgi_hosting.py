"""One call of a hosted WSGI application (PEP 3333).

A :class:`Call` runs in the loop, or as a :class:`ThreadedCall` in a thread. What the
loop does with a request and its response is in ``wsgi``.
"""

from __future__ import annotations

import traceback
from collections import deque
from functools import partial
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from ._pieces import Feed
from ._response_body import FileRange
from ._wsgi_hosting_files import FileWrapper, rest_of
from .headers import HOP_BY_HOP, check_name, check_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._response import Response

    Application = Callable[[dict[str, Any], Callable[..., Any]], Any]
    _Fields = tuple[tuple[str, str], ...]
    _Head = tuple[int, str | None, _Fields]

__all__ = ["Call", "ThreadedCall"]


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
            file = rest_of(result.file)
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
