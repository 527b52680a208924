"""The HTTP client: servers that break the rules, and limits of time."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from typing import Any

import pytest

from circuits import Component, Event
from circuits._wire.http1 import Limits
from circuits.net import sockets
from circuits.testing.clock import installed_clock
from circuits.web.client import Client, ClientTimeout, ProtocolError, Timeout
from tests.net.test_tls import Side, anonymous
from tests.web.client_support import OK, Network, chunk, reply
from tests.web.test_client import make
from tests.web.test_client_streams import PIECE, Flood

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"no line end",  # and nothing else comes
        b"HTTP/2.0 200 OK\r\n\r\n",
        HEAD + b"Content-Length: 99999999999\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx",
        HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
        HEAD + b"X: y\r\n" * 200 + b"\r\n",
        CHUNKED + b"xyz\r\n",
        CHUNKED + b"1" + b";" + b"e" * 2000,
        CHUNKED + b"1;" + b"e" * 1000 + b"\r\nx\r\n" + (b"1;" + b"e" * 1000 + b"\r\nx\r\n") * 20,
        CHUNKED + chunk(PIECE) * 300,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + OK,
        HEAD
        + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n"
        + gzip.compress(b"x", mtime=0)[:10],
    ],
)
def test_servers_that_break_the_rules(net: Network, answer: bytes) -> None:
    rest = answer

    def send(line: Any, request: bytes) -> bytes:
        nonlocal rest
        while rest and (count := line.send(rest)):
            rest = rest[count:]
        return b""

    net.answer = send
    client = make(net)
    pending = client.get("/")
    for _ in range(2000):
        if pending.is_done:
            break
        net.turn()
        if net.lines and net.lines[0].got:
            send(net.lines[0], b"")
        net.app.tick(0)
    with pytest.raises(ProtocolError, match=r"http://a\.example/: "):
        pending.take()
    assert not client.connected
    net.settle()
    assert net.lines[0].is_closed


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param((HEAD, b"X: y\r\n"), id="a head"),
        pytest.param((HEAD + b"X: ", b"y" * 100), id="a field"),
        pytest.param((CHUNKED + b"1;", b"x" * 100), id="an extension"),
        pytest.param((CHUNKED, b"1;abcdefgh\r\nx\r\n"), id="extensions"),
        pytest.param((CHUNKED + b"0\r\n", b"X: y\r\n"), id="trailers"),
        pytest.param((b"", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"), id="interim responses"),
        pytest.param((b"", b"\r\n"), id="empty lines"),
    ],
)
def test_servers_that_never_end(net: Network, endless: tuple[bytes, bytes]) -> None:
    """Each is stopped by a limit, although something comes all the time."""
    first, again = endless
    has_begun = False

    def send(line: Any, request: bytes) -> bytes:
        return b""

    net.answer = send
    client = make(net)
    pending = client.get("/")
    for _ in range(60_000):
        if pending.is_done:
            break
        net.turn()
        if net.lines and net.lines[0].got:
            net.lines[0].send(again if has_begun else first)
            has_begun = True
        net.app.tick(0)
    with pytest.raises(ProtocolError):
        pending.take()


def test_a_body_that_swells(net: Network) -> None:
    body = gzip.compress(bytes(20_000_000))
    net.answer = lambda line, request: reply(body=body, Content_Encoding="gzip")
    with pytest.raises(ProtocolError, match="decompressed"):
        net.wait(make(net).get("/"))


def test_limits_are_those_of_the_client(net: Network) -> None:
    net.answer = lambda line, request: reply(body=b"12345")
    with pytest.raises(ProtocolError, match="5 bytes, limit 4"):
        net.wait(make(net, limits=Limits(body_bytes=4)).get("/"))
    endless = make(net, channel="endless", limits=Limits(body_bytes=None))
    assert net.wait(endless.get("/")).content == b"12345"


@pytest.mark.parametrize("limit", [None, 100, 1 << 24])
def test_redirects_bring_no_large_bodies(net: Network, limit: int | None) -> None:
    large = gzip.compress(bytes(1 << 21))
    net.answer = lambda line, request: reply("302 X", large, Location="/", Content_Encoding="gzip")
    client = make(net, follow_redirects=True, limits=Limits(body_bytes=limit))
    with pytest.raises(ProtocolError, match="bytes"):
        net.wait(client.get("/"))
    assert len(net.requests) == 1


@pytest.mark.parametrize("length", range(0, len(OK), 7))
def test_a_server_that_ends_in_the_middle(net: Network, length: int) -> None:
    def answer(line: Any, request: bytes) -> None:
        line.send(OK[:length])

    net.answer = answer
    with pytest.raises(ProtocolError, match="the connection ended"):
        net.wait(make(net).get("/"))


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("how", ["told", "cut", "reset"])
@pytest.mark.parametrize("head", [HEAD + b"\r\n", HEAD + b"Content-Length: 4\r\n\r\n"])
def test_a_cut_is_no_end_of_a_body_without_length(
    net: Network, head: bytes, how: str, streams: bool
) -> None:
    """Only by TLS can somebody in between be told from the server."""
    net.reads = False
    client = make(net, "https://a.example/", tls=anonymous(ssl.PROTOCOL_TLS_CLIENT))
    pending = client.stream("GET", "/") if streams else client.get("/")
    net.until(lambda: net.lines)
    server = Side(net.lines[0].end, is_server=True)
    net.until(server.receive)
    server.stream.send(head + b"part")
    if streams:
        response = net.wait(pending)
        pending = response.receive()
        assert net.wait(pending) == b"part"
        pending = response.receive()
    if how == "told":
        server.stream.close()
    if how == "reset":
        net.settle()
        sock: Any = client._pool.connections[0].transport._connection.sock  # type: ignore[union-attr]
        sock.receive_error = ConnectionResetError("reset")
    net.lines[0].close()
    if how == "told" or b"Length" in head:
        result = net.wait(pending)
        assert (result if streams else result.content) == (b"" if streams else b"part")
    else:
        why = "reset" if how == "reset" else "without close_notify"
        with pytest.raises(ProtocolError, match=rf"ended inside a body \(.*{why}"):
            net.wait(pending)


def test_an_answer_to_nothing_is_not_taken_for_the_next(net: Network) -> None:
    """A server that sends two answers could have the second one taken for somebody else's."""
    net.answer = lambda line, request: OK + reply("200 OK", b"poison")
    client = make(net)
    assert net.wait(client.get("/")).text == "ok"
    assert net.wait(client.get("/")).text == "ok"
    assert len(net.lines) == 2


def test_a_switch_that_nobody_wants(net: Network) -> None:
    net.answer = lambda line, request: b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nmore"
    client = make(net)
    assert net.wait(client.get("/")).status == 101
    assert not client.connected


# -- time ------------------------------------------------------------------------------------------


def forward(net: Network, seconds: float) -> None:
    clock = installed_clock()
    assert clock is not None
    clock.advance(seconds)
    net.settle()


def late(pending: Any, phase: str) -> None:
    assert pending.is_done
    with pytest.raises(ClientTimeout, match=rf"http://a.example/.*\({phase} timeout\)") as raised:
        pending.take()
    assert raised.value.phase == phase
    assert isinstance(raised.value, TimeoutError)


TIMES = Timeout(connect=1, read=2, write=3, pool=4)


def test_a_server_that_says_nothing(net: Network) -> None:
    net.answer = lambda line, request: b""
    pending = make(net, timeout=TIMES).get("/")
    net.settle()
    forward(net, 1.9)
    assert not pending.is_done
    forward(net, 0.2)
    late(pending, "read")
    assert net.lines[0].is_closed


def test_each_piece_has_its_time(net: Network) -> None:
    net.answer = lambda line, request: HEAD + b"Content-Length: 3\r\n\r\n"
    pending = make(net, timeout=(1, 2, 3, 4)).get("/")
    net.settle()
    for _ in range(3):
        forward(net, 1.5)
        net.lines[0].send(b"x")
        net.settle()
    assert net.wait(pending).content == b"xxx"


def test_a_server_that_dribbles_is_stopped_by_the_total(net: Network) -> None:
    net.answer = lambda line, request: HEAD + b"Content-Length: 100\r\n\r\n"
    pending = make(net, timeout=Timeout(read=2, total=10)).get("/")
    net.settle()
    for _ in range(9):
        forward(net, 1)
        net.lines[0].send(b"x")
        net.settle()
        assert not pending.is_done
    forward(net, 1.5)
    late(pending, "total")


def test_the_total_counts_redirects(net: Network) -> None:
    net.answer = lambda line, request: b""
    pending = make(net, timeout=Timeout(total=10), follow_redirects=True).get("/")
    for _ in range(3):
        net.settle()
        assert not pending.is_done
        forward(net, 3)
        net.lines[0].send(reply("302 X", Location="/"))
    forward(net, 1.5)
    late(pending, "total")


def test_a_server_that_does_not_read(net: Network) -> None:
    net.reads = False
    pending = make(net, timeout=TIMES).post("/", content=[PIECE] * 100)
    net.settle()
    forward(net, 2.9)
    assert not pending.is_done
    forward(net, 0.2)
    late(pending, "write")


def test_a_server_that_reads_slowly_is_waited_for(net: Network) -> None:
    net.reads = False
    pending = make(net, timeout=TIMES).post("/", content=[PIECE] * 60)
    net.settle()
    for _ in range(10):
        net.lines[0].end.recv(1 << 20)
        net.settle()
        forward(net, 2)
    assert not pending.is_done
    net.reads = True
    net.answer = lambda line, request: OK if request.endswith(b"0\r\n\r\n") else b""
    assert net.wait(pending).status == 200


def test_one_large_piece_may_take_its_time(net: Network) -> None:
    net.reads = False
    pending = make(net, timeout=TIMES).post("/", content=[bytes(5_000_000)])
    net.settle()
    for _ in range(10):
        net.lines[0].end.recv(1 << 20)
        net.settle()
        forward(net, 2)
    assert not pending.is_done
    forward(net, 6)
    late(pending, "write")


def test_who_makes_a_body_takes_the_time_that_it_takes(net: Network) -> None:
    net.answer = lambda line, request: OK if request.endswith(b"0\r\n\r\n") else b""
    client = make(net, timeout=TIMES)
    is_going: list[bool] = []

    async def pieces() -> Any:
        yield b"a"
        while not is_going:
            await asyncio.sleep(0)
        yield b"b"

    found: list[Any] = []

    class Asker(Component):
        async def go(self) -> None:
            found.append(client.post("/", content=pieces()))
            found.append(await found[0])

    Asker().register(net.app)
    net.app.fire(Event.create("go"))
    net.until(lambda: net.lines and b"a" in net.lines[0].got)
    forward_only(net, 20)
    assert not found[0].is_done
    is_going.append(True)
    net.until(lambda: len(found) == 2)
    assert found[1].status == 200


def forward_only(net: Network, seconds: float) -> None:
    clock = installed_clock()
    assert clock is not None
    clock.advance(seconds)
    for _ in range(5):
        net.turn()
        net.app.tick(0)


def test_nobody_reads_a_stream_for_long(net: Network) -> None:
    """Time that whoever asked takes for a piece is not the server's."""
    Flood(net, 40 * len(PIECE))
    response = net.wait(make(net, timeout=TIMES).stream("GET", "/"))
    net.settle()
    forward(net, 100)
    total = 0
    while piece := net.wait(response.receive()):
        total += len(piece)
    assert total == 40 * len(PIECE)


def test_the_next_piece_of_a_stream_has_its_time(net: Network) -> None:
    net.answer = lambda line, request: HEAD + b"Content-Length: 3\r\n\r\n"
    response = net.wait(make(net, timeout=TIMES).stream("GET", "/"))
    piece = response.receive()
    net.settle()
    forward(net, 2.1)
    late(piece, "read")


def test_a_server_that_is_not_reached(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(client: Any, *args: Any, **options: Any) -> None:
        """Dials, and nothing happens."""

    monkeypatch.setattr(sockets.TCPClient, "connect", nobody)
    pending = make(net, timeout=TIMES).get("/")
    net.settle()
    forward(net, 1.1)
    late(pending, "connect")


def test_no_connection_is_free(net: Network) -> None:
    net.answer = lambda line, request: b""
    client = make(net, max_connections=1, timeout=Timeout(read=None, pool=4))
    first, second = client.get("/"), client.get("/")
    net.settle()
    forward(net, 4.1)
    late(second, "pool")
    net.lines[0].send(OK)
    assert net.wait(first).status == 200


def test_times_are_given_in_several_ways() -> None:
    assert Timeout.of(5) == Timeout(5, 5, 5, 5)
    assert Timeout.of(None) == Timeout(None, None, None, None)
    assert Timeout.of((1, 2, 3, None)) == Timeout(connect=1, read=2, write=3, pool=None)
    with pytest.raises(ValueError, match="-1"):
        Timeout(read=-1)
    with pytest.raises(ValueError, match="nan"):
        Client("http://a/", timeout=float("nan"))


def test_a_request_has_its_own_time(net: Network) -> None:
    net.answer = lambda line, request: b""
    client = make(net, timeout=50)
    pending, patient = client.get("/", timeout=5), client.get("/", timeout=None)
    net.settle()
    forward(net, 6)
    late(pending, "read")
    forward(net, 1000)
    assert not patient.is_done
