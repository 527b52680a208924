"""The HTTP client: bodies in both directions, piece by piece."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import io
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event
from circuits._wire.http1 import Limits
from circuits.testing import Recorder
from circuits.web._client_body import StreamedBody, make_body
from circuits.web._client_response import Decompressor
from circuits.web.client import (
    ClientError,
    ClientResponse,
    ConnectError,
    HTTPException,
    ProtocolError,
)
from tests.web.client_support import OK, Network, chunk, reply
from tests.web.test_client import head_of, make

PIECE = bytes(range(256)) * 256  # 64 KiB


def run(net: Network, function: Any, turns: int = 4000) -> Any:
    """Run a handler, a coroutine function or a generator function, to its end."""
    outcome: list[Any] = []

    async def coroutine(self: Any) -> None:
        try:
            outcome.append(await function(self))
        except Exception as problem:
            outcome.append(problem)

    def generator(self: Any) -> Any:
        outcome.append((yield function(self)))

    class Runner(Component):
        run_it = coroutine if inspect.iscoroutinefunction(function) else generator

    runner = Runner().register(net.app)
    net.app.fire(Event.create("run_it"))
    net.until(lambda: outcome, turns)
    runner.unregister()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


async def cancel(awaitable: Any) -> None:
    """Begin to wait, and be cancelled."""
    task = asyncio.ensure_future(awaitable)
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def whole(request: bytes) -> bool:
    return request.endswith(b"0\r\n\r\n")


def unchunked(request: bytes) -> bytes:
    rest = request.partition(b"\r\n\r\n")[2]
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


# -- what is sent ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        ("t\u00e9xt", "t\u00e9xt".encode()),
        (io.BytesIO(b"file"), b"file"),
        (PIECE * 3, PIECE * 3),
    ],
)
def test_bodies_of_a_known_length(net: Network, content: Any, sent: bytes) -> None:
    net.answer = lambda line, request: (
        OK if len(request.partition(b"\r\n\r\n")[2]) >= len(sent) else b""
    )
    net.wait(make(net).post("/", content=content))
    assert head_of(net.requests[0])["content-length"] == str(len(sent))
    assert net.requests[0].partition(b"\r\n\r\n")[2] == sent


async def later() -> AsyncIterator[bytes]:
    for piece in (b"one", b"two"):
        await asyncio.sleep(0)
        yield piece


class Later:
    def __aiter__(self) -> AsyncIterator[bytes]:
        return later()


@pytest.mark.parametrize(
    "content",
    [[b"one", "two"], iter([b"one", b"", b"two"]), (each for each in ["one", "two"]), later, Later],
)
def test_bodies_of_an_unknown_length(net: Network, content: Any) -> None:
    net.answer = lambda line, request: OK if whole(request) else b""
    made = content() if callable(content) else content
    client = make(net)

    async def ask(self: Any) -> ClientResponse:
        return await client.post("/", content=made)

    assert run(net, ask).text == "ok"
    head = head_of(net.requests[0])
    assert head["transfer-encoding"] == "chunked"
    assert "content-length" not in head
    assert unchunked(net.requests[0]) == b"onetwo"


def test_what_is_left_of_a_file_is_sent_and_can_be_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(4)
        _, body = make_body(None, None, None, file)
        assert isinstance(body, StreamedBody)
        assert (body.length, body.is_repeatable) == (6, True)
        with path.open("ab") as more:
            more.write(b"more")
        assert [b"".join(body), b"".join(body)] == [b"456789"] * 2
    with path.open() as text, pytest.raises(TypeError, match="binary"):
        make_body(None, None, None, text)


def test_a_pipe_has_no_length() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.pieces = [b"a", b"b", b""]

        def read(self, size: int = -1) -> bytes:
            return self.pieces.pop(0)

    _, body = make_body(None, None, None, Pipe())
    assert isinstance(body, StreamedBody)
    assert (body.length, body.is_repeatable, list(body)) == (None, False, [b"a", b"b"])


def test_an_announced_length_holds(net: Network) -> None:
    net.answer = lambda line, request: OK if request.endswith(b"abc") else b""
    client = make(net)
    headers = {"Content-Length": "3"}
    net.wait(client.post("/", content=iter([b"a", b"bc"]), headers=headers))
    assert "transfer-encoding" not in head_of(net.requests[0])
    for wrong, how in [([b"a"], "shorter"), ([b"abcd"], "longer")]:
        with pytest.raises(ValueError, match=how):
            net.wait(client.post("/", content=iter(wrong), headers=headers))
    assert not client.connected


def test_what_a_body_raises_reaches_who_asked(net: Network) -> None:
    def pieces() -> Iterator[Any]:
        yield b"a"
        raise LookupError("no more")

    client = make(net)
    with pytest.raises(LookupError, match="no more"):
        net.wait(client.post("/", content=pieces()))
    with pytest.raises(TypeError, match="int"):
        net.wait(client.post("/", content=iter([5])))
    net.settle()
    assert all(line.is_closed for line in net.lines)


def test_what_an_asynchronous_body_raises_reaches_who_asked(net: Network) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        raise LookupError("no more")

    net.answer = lambda line, request: b""
    client = make(net)

    async def ask(self: Any) -> None:
        await client.post("/", content=pieces())

    with pytest.raises(LookupError, match="no more"):
        run(net, ask)


def test_a_body_is_made_no_faster_than_it_is_taken(net: Network) -> None:
    made = 0

    def pieces() -> Iterator[bytes]:
        nonlocal made
        for _ in range(100):
            made += 1
            yield PIECE

    net.reads = False
    pending = make(net).post("/", content=pieces())
    net.settle()
    assert made * len(PIECE) < 2 * 1024 * 1024
    net.reads = True
    net.answer = lambda line, request: OK if whole(request) else b""
    assert net.wait(pending).status == 200
    assert made == 100
    assert unchunked(net.requests[0]) == PIECE * 100


def test_an_asynchronous_body_is_made_no_faster_than_it_is_taken(net: Network) -> None:
    made = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal made
        for _ in range(100):
            made += 1
            yield PIECE

    client = make(net)
    found = []

    async def ask(self: Any) -> None:
        pending = client.post("/", content=pieces())
        found.append(pending)
        await pending

    net.reads = False

    class Runner(Component):
        run_it = ask

    Runner().register(net.app)
    net.app.fire(Event.create("run_it"))
    net.settle()
    assert 0 < made * len(PIECE) < 2 * 1024 * 1024
    net.reads = True
    net.answer = lambda line, request: OK if whole(request) else b""
    net.until(lambda: found[0].is_done)
    assert made == 100


def test_an_answer_before_the_end_of_the_request_ends_it(net: Network) -> None:
    is_closed = False

    def pieces() -> Iterator[bytes]:
        nonlocal is_closed
        try:
            while True:
                yield PIECE
        finally:
            is_closed = True

    net.answer = lambda line, request: reply("413 Too much", b"no")
    response = net.wait(make(net).post("/", content=pieces()))
    assert (response.status, response.text) == (413, "no")
    assert is_closed
    net.settle()
    assert net.lines[0].is_closed


def test_a_response_before_the_end_of_the_request_is_one(net: Network) -> None:
    net.answer = lambda line, request: OK  # and it would go on reading
    client = make(net)
    assert net.wait(client.post("/", content=(PIECE for _ in range(10_000)))).text == "ok"
    assert not client.connected  # the rest of the body would be taken for the next request


def test_a_body_that_cannot_be_begun(net: Network) -> None:
    class Broken:
        def __iter__(self) -> Iterator[bytes]:
            raise LookupError("no pieces")

    with pytest.raises(LookupError, match="no pieces"):
        net.wait(make(net).post("/", content=Broken()))


def test_both_directions_at_once(net: Network) -> None:
    """A server may answer piece by piece what it gets piece by piece."""
    asked: list[bytes] = []

    async def questions() -> AsyncIterator[bytes]:
        for number in range(3):
            while len(asked) < number:
                await asyncio.sleep(0)
            yield b"question %d" % number

    def answer(line: Any, request: bytes) -> bytes:
        if whole(request):
            return b"" if line.got is None else b"0\r\n\r\n"
        count = request.count(b"question")
        if count > len(seen):
            seen.append(count)
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" if count == 1 else b""
            line.send(head + chunk(b"answer %d" % count))
        return b""

    seen: list[int] = []
    net.answer = answer
    client = make(net)

    async def ask(self: Any) -> None:
        async with client.stream("POST", "/", content=questions()) as response:
            async for piece in response:
                asked.append(piece)

    run(net, ask)
    assert asked == [b"answer 1", b"answer 2", b"answer 3"]


def test_who_gives_up_closes_what_is_sent(net: Network) -> None:
    is_closed = False

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal is_closed
        try:
            while True:
                yield PIECE
        finally:
            is_closed = True

    net.reads = False
    client = make(net)

    async def ask(self: Any) -> None:
        await cancel(client.post("/", content=pieces()))

    run(net, ask)
    net.until(lambda: is_closed)
    net.settle()
    assert net.lines[0].is_closed


def test_a_body_that_nobody_begins_is_forgotten_in_silence(net: Network) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield PIECE

    client = make(net)
    recorder = Recorder().register(net.app)
    net.wait(client.get("/"))
    pending = client.post("/", content=pieces())
    client.close()
    net.settle()
    with pytest.raises(ConnectError, match="closed"):
        pending.take()
    recorder.expect_none("error")


# -- forms -----------------------------------------------------------------------------------------


def test_forms_and_queries_leave_out_what_is_none(net: Network) -> None:
    client = make(net)
    net.wait(
        client.post("/?z=0", params={"a": [1, 2], "b": None}, data={"c": "\u00e9 &", "d": None})
    )
    assert head_of(net.requests[0])[""] == "POST /?z=0&a=1&a=2 HTTP/1.1"
    assert head_of(net.requests[0])["content-type"] == "application/x-www-form-urlencoded"
    assert net.requests[0].endswith(b"\r\n\r\nc=%C3%A9+%26")
    net.wait(client.get("/", params="a=b&c"))
    assert head_of(net.requests[1])[""] == "GET /?a=b&c HTTP/1.1"
    net.wait(client.post("/", data=[("a", 1), ("a", 2)]))
    assert net.requests[2].endswith(b"\r\n\r\na=1&a=2")


def test_uploads_are_read_while_they_are_sent(net: Network, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(PIECE * 20)
    net.answer = lambda line, request: OK if whole(request) else b""
    client = make(net)
    with path.open("rb") as film:
        files = {
            "film": film,
            "note": ('a"b.txt', "caf\u00e9"),
            "raw": (None, b"raw"),
            "typed": ("x", iter([b"1", "2"]), "text/x-y"),
        }
        net.wait(client.post("/", data={"title": "T", "tags": ["a", "b"]}, files=files))
    request = net.requests[0]
    assert "content-length" not in head_of(request)
    body = unchunked(request)
    assert b'name="film"; filename="film.mp4"\r\nContent-Type: video/mp4\r\n\r\n' + PIECE in body
    assert 'filename="a%22b.txt"\r\nContent-Type: text/plain\r\n\r\ncaf\u00e9\r\n'.encode() in body
    assert b'name="raw"\r\n\r\nraw\r\n' in body
    assert b'filename="x"\r\nContent-Type: text/x-y\r\n\r\n12\r\n' in body
    assert body.count(b'name="tags"\r\n\r\n') == 2


def test_uploads_of_known_lengths_have_one(net: Network) -> None:
    kind, body = make_body({"a": 1}, None, {"f": io.BytesIO(b"123")}, None)
    assert isinstance(body, StreamedBody)
    assert body.is_repeatable
    assert body.length == len(b"".join(body)) == len(b"".join(body))
    assert kind.startswith("multipart/form-data; boundary=")
    assert isinstance(make_body(None, None, {"f": b"123"}, None)[1], bytes)
    with pytest.raises(TypeError, match="asynchronously"):
        make_body(None, None, {"f": Later()}, None)


# -- what is received --------------------------------------------------------------------------


def flooding(size: int) -> Any:
    """Sends a body of that many bytes as fast as it is taken."""
    rest = b""
    left = size

    def answer(line: Any, request: bytes) -> bytes:
        nonlocal rest, left
        if left == size:
            rest = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
        while rest or left:
            if not rest:
                rest = PIECE[: min(left, len(PIECE))]
                left -= len(rest)
            sent = line.send(rest)
            rest = rest[sent:]
            if not sent:
                break
        line.left = left
        return b""

    return answer


class Flood:
    """Turns a network in which a server sends without being asked again."""

    def __init__(self, net: Network, size: int) -> None:
        self.answer = flooding(size)
        self.net = net
        self._turn = net.turn
        self.is_asked = False
        net.answer = self._first
        net.turn = self.turn  # type: ignore[method-assign]

    def _first(self, line: Any, request: bytes) -> bytes:
        self.is_asked = True
        return b""

    def turn(self) -> None:
        self._turn()
        if self.is_asked:
            self.answer(self.net.lines[0], b"")


def test_a_stream_is_received_as_it_is_read(net: Network) -> None:
    size = 64 * len(PIECE)
    Flood(net, size)
    client = make(net)
    pending = client.stream("GET", "/")
    response = net.wait(pending)
    net.settle()
    line: Any = net.lines[0]
    held = size - line.left
    assert held < 2 * 1024 * 1024  # what is in the system's buffers included
    with pytest.raises(ClientError, match="aread"):
        response.content
    total = 0
    while piece := net.wait(response.receive()):
        total += len(piece)
    assert total == size
    assert net.wait(response.receive()) == b""
    assert client.connected
    net.settle()
    assert not line.is_closed


def test_coroutines_read_streams(net: Network) -> None:
    text = "eins\r\nzw\u00e9i\n\ndrei"
    body = gzip.compress(text.encode())
    net.answer = lambda line, request: reply(body=body, Content_Encoding="gzip")
    client = make(net)
    found: list[Any] = []

    async def ask(self: Any) -> None:
        for method in ("iter_bytes", "iter_text", "iter_lines"):
            async with client.stream("GET", "/") as response:
                found.append([piece async for piece in getattr(response, method)()])
        async with client.stream("GET", "/") as response:
            assert await response.aread() == text.encode()
            found.append(response.text)
        response = await client.get("/")
        found.append([piece async for piece in response.iter_bytes()])

    run(net, ask)
    assert [b"".join(found[0]).decode(), "".join(found[1]), found[3]] == [text] * 3
    assert found[2] == ["eins", "zw\u00e9i", "", "drei"]
    assert b"".join(found[4]).decode() == text
    assert len(net.lines) == 1


def test_generators_read_streams(net: Network) -> None:
    net.answer = lambda line, request: reply(body=b"some text")
    client = make(net)

    def ask(self: Any) -> Any:
        found = []
        with (yield client.stream("GET", "/")) as response:
            while piece := (yield response.receive()):
                found.append(piece)
        return b"".join(found)

    assert run(net, ask) == b"some text"
    assert client.connected


def test_closing_early_closes_the_connection(net: Network) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    net.answer = lambda line, request: head + chunk(b"first")
    client = make(net, max_connections=1)

    async def ask(self: Any) -> None:
        async with client.stream("GET", "/") as response:
            assert await response.receive() == b"first"
        with pytest.raises(HTTPException, match="closed before its end"):
            await response.receive()

    for count in (1, 2):
        run(net, ask)
        net.settle()
        assert len(net.lines) == count
        assert net.lines[-1].is_closed


def test_who_is_cancelled_closes(net: Network) -> None:
    net.answer = lambda line, request: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    client = make(net)

    async def ask(self: Any) -> None:
        async with client.stream("GET", "/") as response:
            await cancel(response.receive())

    run(net, ask)
    net.settle()
    assert net.lines[0].is_closed


def test_a_generator_that_is_cancelled_closes(net: Network) -> None:
    client = make(net)

    class Asker(Component):
        def head(self) -> Any:
            yield from client.get("/")

        def body(self) -> Any:
            with (yield client.stream("GET", "/")) as response:
                yield response.receive()

    for name, answer in [("head", b""), ("body", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")]:
        net.answer = lambda line, request, answer=answer: answer  # type: ignore[misc]
        asker = Asker().register(net.app)
        net.app.fire(Event.create(name))
        net.settle()
        assert not net.lines[-1].is_closed
        asker.unregister()
        net.settle()
        assert net.lines[-1].is_closed
    assert len(net.lines) == 2


def test_a_stream_that_never_begins(net: Network) -> None:
    net.refuses = True
    client = make(net)

    async def ask(self: Any) -> None:
        async with client.stream("GET", "/"):
            raise AssertionError("there is none")

    with pytest.raises(ConnectError):
        run(net, ask)


def test_giving_a_wait_up_loses_nothing(net: Network) -> None:
    net.answer = lambda line, request: b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    client = make(net)

    async def ask(self: Any) -> bytes:
        async with client.stream("GET", "/") as response:
            await cancel(response.receive())
            net.lines[0].send(b"here")
            return await response.aread()

    assert run(net, ask) == b"here"


def test_only_one_reads(net: Network) -> None:
    net.answer = lambda line, request: b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    response = net.wait(make(net).stream("GET", "/"))
    response.receive()
    with pytest.raises(RuntimeError, match="somebody else"):
        response.receive()


def test_a_stream_that_is_cut_says_so_at_the_end(net: Network) -> None:
    def answer(line: Any, request: bytes) -> None:
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")

    net.answer = answer
    response = net.wait(make(net).stream("GET", "/"))
    assert net.wait(response.receive()) == b"half"
    with pytest.raises(ProtocolError, match="inside a body"):
        net.wait(response.receive())


def test_what_comes_before_the_end_of_a_connection_is_read_after_it(net: Network) -> None:
    """The server is gone, and most of what it sent still waits to be read."""
    body = gzip.compress(bytes(10_000_000))

    def answer(line: Any, request: bytes) -> None:
        line.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + body)

    net.answer = answer
    response = net.wait(make(net).stream("GET", "/"))
    net.settle()
    total = 0
    while piece := net.wait(response.receive()):
        total += len(piece)
        net.settle()
    assert total == 10_000_000


def test_a_connection_that_was_held_up_is_kept(net: Network) -> None:
    """All has come, more than is kept for who reads; the next request finds no traces of that."""
    body = gzip.compress(bytes(1_000_000))
    net.answer = lambda line, request: reply(body=body, Content_Encoding="gzip")
    client = make(net)
    for _ in range(2):
        response = net.wait(client.stream("GET", "/"))
        net.settle()
        while net.wait(response.receive()):
            pass
    assert len(net.lines) == 1


def test_the_length_of_a_stream_can_be_limited(net: Network) -> None:
    client = make(net)
    net.answer = lambda line, request: reply(body=bytes(17 * 1024 * 1024 // 100))
    for limit in (10, None):
        response = net.wait(client.stream("GET", "/", max_bytes=limit))
        if limit is not None:
            with pytest.raises(ProtocolError, match="limit 10"):
                net.wait(response.receive())
    body = zlib.compress(bytes(1000))
    net.answer = lambda line, request: reply(body=body, Content_Encoding="deflate")
    response = net.wait(client.stream("GET", "/", max_bytes=100))
    with pytest.raises(ProtocolError, match="100 bytes when decompressed"):
        net.wait(response.receive())


def test_redirects_lead_to_a_stream(net: Network) -> None:
    net.answer = lambda line, request: (
        reply("302 X", b"moved", Location="/b") if b" /a " in request else OK
    )
    client = make(net, follow_redirects=True)
    response = net.wait(client.stream("GET", "/a"))
    assert net.wait(response.receive()) == b"ok"
    assert [each.content for each in response.history] == [b"moved"]


def test_a_line_without_end(net: Network) -> None:
    net.answer = lambda line, request: reply(body=gzip.compress(bytes(5_000_000)), Content_Encoding="gzip")  # fmt: skip
    client = make(net)

    async def ask(self: Any) -> None:
        async with client.stream("GET", "/") as response:
            async for _ in response.iter_lines():
                pass

    with pytest.raises(ProtocolError, match="a line is longer"):
        run(net, ask)


@pytest.mark.parametrize("bits", [-15, 15, 31])
def test_compressed_bodies_in_pieces(bits: int) -> None:
    coder = zlib.compressobj(wbits=bits)
    data = coder.compress(b"text " * 1000) + coder.flush()
    inflating = Decompressor("gzip" if bits == 31 else "deflate")
    assert (
        b"".join(part for at in range(len(data)) for part in inflating.feed(data[at : at + 1]))
        == b"text " * 1000
    )
    inflating.end()


def squeezed(data: bytes, bits: int) -> bytes:
    coder = zlib.compressobj(9, wbits=bits)
    return coder.compress(data) + coder.flush()


FULL = 64 * 1024  # is decompressed at once


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("bits", [-15, 15, 31])
def test_compressed_bodies_of_all_lengths(bits: int, step: int) -> None:
    """What comes out may wait in the decompressor although all has gone in."""
    around = [count * FULL + more for count in (1, 2, 3) for more in (-1, 0, 1, 2, 164, 259)]
    for length in [0, 1, *around]:
        data = squeezed(bytes(length), bits)
        inflating = Decompressor("gzip" if bits == 31 else "deflate")
        size = 0
        for at in range(0, len(data), step):
            for piece in inflating.feed(data[at : at + step]):
                assert len(piece) <= FULL
                size += len(piece)
        inflating.end()
        assert size == length
        if len(data) > 2:  # what is cut off is still found
            cut = Decompressor("gzip" if bits == 31 else "deflate")
            assert sum(map(len, cut.feed(data[:-1]))) <= length
            with pytest.raises(ProtocolError, match="in the middle"):
                cut.end()


def test_members_and_padding_come_one_after_the_other() -> None:
    body = gzip.compress(bytes(FULL)) + gzip.compress(b"") + gzip.compress(b"end") + bytes(10)
    for step in (1, 1000):
        inflating = Decompressor("gzip")
        pieces = [
            p for at in range(0, len(body), step) for p in inflating.feed(body[at : at + step])
        ]
        inflating.end()
        assert b"".join(pieces) == bytes(FULL) + b"end"


@pytest.mark.parametrize(
    ("coding", "bits"),
    [
        ("gzip, gzip", (31, 31)),
        ("deflate,X-GZIP", (-15, 31)),
        ("gzip , identity, deflate", (31, 15)),
        ("identity", ()),
        ("", ()),
    ],
)
def test_codings_come_off_in_their_order(net: Network, coding: str, bits: tuple[int, ...]) -> None:
    content = b"some text " * 10_000
    body = content
    for each in bits:
        body = squeezed(body, each)
    net.answer = lambda line, request: reply(body=body, Content_Encoding=coding)
    assert net.wait(make(net).get("/")).content == content


def test_codings_in_several_fields(net: Network) -> None:
    body = gzip.compress(zlib.compress(b"text"))
    net.answer = lambda line, request: reply(
        body=body, Content_Encoding="deflate\r\nContent-Encoding: gzip"
    )
    assert net.wait(make(net).get("/")).content == b"text"


def test_codings_that_are_not_known_change_nothing(net: Network) -> None:
    body = gzip.compress(b"x")
    net.answer = lambda line, request: reply(body=body, Content_Encoding="br, gzip")
    response = net.wait(make(net).get("/"))
    assert (response.content, response.headers["Content-Encoding"]) == (body, "br, gzip")


def test_too_many_codings_are_refused(net: Network) -> None:
    net.answer = lambda line, request: reply(body=b"x", Content_Encoding="gzip, gzip, gzip")
    client = make(net)
    with pytest.raises(ProtocolError, match="coded 3 times"):
        net.wait(client.get("/"))
    assert net.wait(client.head("/")).status == 200  # it has no body to be coded


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip"])
def test_what_makes_nothing_has_its_limit(net: Network, coding: str) -> None:
    """Members without content, which take long and never come to anything."""
    body = gzip.compress(b"") * 20_000
    body = gzip.compress(body) if "," in coding else body
    net.answer = lambda line, request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: %b\r\n\r\n" % coding.encode()
        + b"%x\r\n" % len(body) + body
    )  # fmt: skip
    with pytest.raises(ProtocolError, match="longer than 100000 bytes"):
        net.wait(make(net, limits=Limits(body_bytes=100_000)).get("/"))
