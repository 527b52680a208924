"""HTTP over a transport in memory: what is fed in is read, what is written is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from circuits import BaseComponent, Manager, handler
from circuits.net.sockets import Connect, Disconnect, Pause, Read, Resume
from circuits.testing import settle
from circuits.web.http import HTTP


class FakeSocket:
    """Stands for a client."""

    def __init__(self, number: int) -> None:
        self.number = number

    def getpeername(self) -> tuple[str, int]:
        return ("192.0.2.1", self.number)

    def getsockname(self) -> tuple[str, int]:
        return ("192.0.2.2", 80)

    def __repr__(self) -> str:
        return f"<FakeSocket {self.number}>"


class MemoryTransport(BaseComponent):
    """Keeps what is written, in the order in which it would be sent.

    Attributes:
        can_finish: Whether it can tell a client that it has finished writing.
        can_reset: Whether it can reset a connection.
        takes: How many bytes of each file are sent by the "kernel"; they are in ``sent``.
        high_water: With more than this many bytes that were not taken, see ``take``, a
            connection is congested.
        congested: The connections to which nothing should be written.
        half_closed: Those that were told.
        reset: Those that were reset; they are among the closed ones, too.
    """

    channel = "web"

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[Any, bytes]] = []
        self.closed: list[Any] = []
        self.held: set[Any] = set()
        self.can_finish = False
        self.can_reset = True
        self.takes = 0
        self.sent = b""
        self.high_water: int | None = None
        self.pending: dict[Any, int] = {}
        self.congested: set[Any] = set()
        self.half_closed: list[Any] = []
        self.reset: list[Any] = []
        self.keeper: Any = None

    def keep_with(self, keeper: Any) -> None:
        self.keeper = keeper

    def part_from(self, keeper: Any) -> None:
        if self.keeper is keeper:
            self.keeper = None

    @handler("write")
    def write(self, sock: Any, data: bytes) -> None:
        if sock in self.reset:
            return
        assert sock not in self.closed, "written after the close"
        assert sock not in self.half_closed, "written after the end"
        assert type(data) is bytes
        self.writes.append((sock, data))
        if self.high_water is not None:
            self.pending[sock] = self.pending.get(sock, 0) + len(data)
            if self.pending[sock] > self.high_water and sock not in self.congested:
                self.congested.add(sock)
                self.fire(Pause(sock))

    def take(self, sock: Any) -> None:
        """The client takes what is pending for it."""
        self.pending[sock] = 0
        if sock in self.congested:
            self.congested.discard(sock)
            self.fire(Resume(sock))

    @handler("close")
    def close(self, sock: Any = None) -> None:
        if sock is not None and sock not in self.closed:
            self.closed.append(sock)
            self.fire(Disconnect(sock))

    def abort(self, sock: Any) -> bool:
        if self.can_reset:
            self.reset.append(sock)
            self.close(sock)
        return self.can_reset

    def finish_writing(self, sock: Any) -> bool:
        if self.can_finish:
            self.half_closed.append(sock)
        return self.can_finish

    def pause_reading(self, sock: Any) -> None:
        self.held.add(sock)

    def resume_reading(self, sock: Any) -> None:
        self.held.discard(sock)

    def is_congested(self, sock: Any) -> bool:
        return sock in self.congested

    def pending_bytes(self, sock: Any) -> int:
        return self.pending.get(sock, 0)

    def send_file(self, sock: Any, file: Any, offset: int, count: int) -> int:
        file.seek(offset)
        data = file.read(min(self.takes, count))
        self.sent += data
        return len(data)


class MemoryServer(BaseComponent):
    """What :class:`~circuits.web.servers.BaseServer` is to its HTTP component."""

    channel = "web"
    host = "192.0.2.2"
    port = 80
    secure = False
    debug = False
    display_banner = True
    version = "circuits/test"

    def __init__(self, *parts: Manager, **options: Any) -> None:
        super().__init__()
        self.server = MemoryTransport().register(self)
        self.http = HTTP(server=self, **options).register(self)
        self.http.attach(self.server)
        for part in parts:
            part.register(self)  # type: ignore[attr-defined]
        self._number = 0

    def connect(self, announce: bool = True) -> Client:
        self._number += 1
        client = Client(self, FakeSocket(self._number))
        if announce:
            self.fire(Connect(client.sock, "192.0.2.1", self._number))
        return client


class Client:
    """One connection to a :class:`MemoryServer`."""

    def __init__(self, server: MemoryServer, sock: Any) -> None:
        self.server = server
        self.sock = sock

    def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.server.fire(Read(self.sock, piece))
            settle(self.server)

    def leave(self) -> None:
        self.server.fire(Disconnect(self.sock))
        settle(self.server)

    def end(self) -> bool:
        """Finish writing; whether the connection stays open."""
        is_open: bool = self.server.http.end_of_input(self.sock)
        settle(self.server)
        return is_open

    @property
    def is_reset(self) -> bool:
        return self.sock in self.server.server.reset

    @property
    def writes(self) -> list[bytes]:
        return [data for sock, data in self.server.server.writes if sock is self.sock]

    @property
    def received(self) -> bytes:
        return b"".join(self.writes)

    @property
    def is_closed(self) -> bool:
        return self.sock in self.server.server.closed

    def ask(self, *pieces: bytes) -> Reply:
        """Feed a request and read the one response to it."""
        before = len(self.received)
        self.feed(*pieces)
        method = b"".join(pieces).partition(b" ")[0]
        replies = parse(self.received[before:], method == b"HEAD")
        assert len(replies) == 1, replies
        return replies[0]

    def get(self, target: str = "/", *headers: str, method: str = "GET") -> Reply:
        return self.ask(get(target, *headers, method=method))


def get(target: str = "/", *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "Host: test", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(body: bytes, *headers: str, target: str = "/") -> bytes:
    return get(target, f"Content-Length: {len(body)}", *headers, method="POST") + body


class Reply:
    """One response as it came."""

    def __init__(self, head: bytes) -> None:
        self.line, *fields = head.decode("latin-1").split("\r\n")
        self.code = int(self.line.split(" ")[1])
        pairs = [field.split(": ", 1) for field in fields]
        self.headers = {name.lower(): value for name, value in pairs}
        assert len(self.headers) == len(pairs), f"a field comes twice: {pairs}"
        self.body = b""
        self.is_whole = True

    def __repr__(self) -> str:
        return f"<{self.line} {self.headers} {self.body!r}>"


def parse(data: bytes, is_head: bool = False) -> list[Reply]:
    """Take responses apart, without help from what is tested."""
    replies = []
    while data:
        head, mark, data = data.partition(b"\r\n\r\n")
        assert mark, f"no end of the head in {head!r}"
        reply = Reply(head)
        replies.append(reply)
        if is_head or reply.code < 200 or reply.code in (204, 304):
            continue
        if reply.headers.get("transfer-encoding") == "chunked":
            data = _take_chunks(reply, data)
        elif "content-length" in reply.headers:
            length = int(reply.headers["content-length"])
            reply.body, data = data[:length], data[length:]
            reply.is_whole = len(reply.body) == length
        else:
            reply.body, data = data, b""
    return replies


def _take_chunks(reply: Reply, data: bytes) -> bytes:
    while data:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        reply.body += data[:size]
        assert data[size : size + 2] == b"\r\n"
        data = data[size + 2 :]
        if not size:
            return data
    reply.is_whole = False
    return b""


@contextlib.contextmanager
def serving(*parts: Manager, **options: Any) -> Iterator[MemoryServer]:
    """Run a server in memory; the block is its loop."""
    server = MemoryServer(*parts, **options)
    with server.running():
        settle(server)
        yield server


class App(BaseComponent):
    """Answers requests with a function."""

    channel = "web"

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.requests: list[Any] = []
        self._answer = answer

    @handler("request")
    def _on_request(self, request: Any, response: Any, *rest: Any) -> Any:
        self.requests.append(request)
        answer = self._answer
        return answer(self, request, response) if callable(answer) else answer


class Errors(BaseComponent):
    """Takes the errors that a test expects, so that nobody logs them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[BaseException] = []

    @handler("error", channel="*")
    def _on_error(self, kind: Any, problem: Any, *rest: Any) -> None:
        self.seen.append(problem)


#: See the fixture ``serve``.
Serve = Callable[..., Client]


class Pieces:
    """An iterator that knows how far it was read, and whether it was closed."""

    def __init__(self, *pieces: Any) -> None:
        self.left = list(pieces)
        self.closed = 0

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> Any:
        if not self.left:
            raise StopIteration
        piece = self.left.pop(0)
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        self.closed += 1


def streaming(pieces: Any, **headers: str) -> Any:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        response.body = pieces
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        return response

    return answer
