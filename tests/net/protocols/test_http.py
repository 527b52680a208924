"""The component that makes HTTP responses."""

from __future__ import annotations

from typing import Any

import pytest

from circuits._wire.http1 import Limits
from circuits.net.protocols.http import HTTP, Request, ResponseHeaders, ResponseObject
from circuits.net.sockets import Disconnected, Read

from .protocol_support import Bench, shown


@pytest.fixture
def bench() -> Bench:
    return Bench(HTTP(), on="web", ignore=("disconnected",))


def facts(told: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [
        (entry[1].status, entry[1].message, entry[1].read()) if entry[0] == "response" else entry
        for entry in shown(told)
    ]


def test_a_response(bench: Bench) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    ((name, response),) = bench.feed(Read(data))
    assert name == "response"
    assert (response.status, response.message, response.reason) == (200, "OK", "OK")
    assert response.protocol == response.version == (1, 1)
    assert response.headers["content-type"] == "text/plain"
    assert repr(response) == "<Response 200 OK text/plain (5)>"
    assert response.read(2) == b"he"
    assert response.read() == b"llo"
    assert response.body.getvalue() == b"hello"


def test_one_byte_at_a_time(bench: Bench) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert facts(bench.feed(*[Read(bytes([byte])) for byte in data])) == [(200, "OK", b"hi")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, "No Content", b"")),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", (304, "Not Modified", b"")),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", (200, "", b"")),
        (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", (200, "", b"")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n4;x\r\n you\r\n0\r\n\r\n",
            (200, "OK", b"hi you"),
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 N\r\n\r\n", (204, "N", b"")),
        (b"HTTP/1.0 200 OK\r\nX: a\r\n b\r\nContent-Length: 1\r\n\r\nx", (200, "OK", b"x")),
    ],
)
def test_bodies(bench: Bench, data: bytes, expected: tuple[Any, ...]) -> None:
    assert facts(bench.feed(Read(data))) == [expected]
    # And what comes next is not disturbed.
    assert facts(bench.feed(Read(data))) == [expected]


def test_several_in_one_read(bench: Bench) -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    other = b"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nb"
    assert facts(bench.feed(Read(one + other + one[:-1]), Read(b"c"))) == [
        (200, "OK", b"a"),
        (404, "Not Found", b"b"),
        (200, "OK", b"c"),
    ]


def test_a_body_that_ends_with_the_connection(bench: Bench) -> None:
    assert bench.feed(Read(b"HTTP/1.1 200 OK\r\n\r\nall "), Read(b"of this")) == []
    assert facts(bench.feed(Disconnected())) == [(200, "OK", b"all of this")]
    # The next connection begins anew.
    assert facts(bench.feed(Read(b"HTTP/1.1 204 N\r\n\r\n"))) == [(204, "N", b"")]


def test_a_body_that_is_cut_off_is_reported(bench: Bench) -> None:
    bench.feed(Read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))
    assert facts(bench.feed(Disconnected())) == [
        ("socket_error", "the connection ended inside a body")
    ]


def test_head_has_no_body() -> None:
    http = HTTP()
    bench = Bench(http, on="web")
    http.expect("HEAD")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert facts(bench.feed(Read(head + head + b"hello"))) == [
        (200, "OK", b""),
        (200, "OK", b"hello"),
    ]


def test_after_101_it_gets_out_of_the_way(bench: Bench) -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    ((_, response),) = bench.feed(Read(head + b"frames"))
    assert (response.status, response.surplus) == (101, b"frames")
    assert bench.feed(Read(b"\xff\xff\xff")) == []
    assert bench.feed(Disconnected()) == []
    assert facts(bench.feed(Read(b"HTTP/1.1 204 N\r\n\r\n"))) == [(204, "N", b"")]


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    ],
)
def test_what_is_malformed_is_reported_once_and_forgotten(bench: Bench, data: bytes) -> None:
    assert [entry[0] for entry in bench.feed(Read(data))] == ["socket_error"]
    assert facts(bench.feed(Read(b"HTTP/1.1 204 N\r\n\r\n"))) == [(204, "N", b"")]


def test_bodies_are_limited() -> None:
    bench = Bench(HTTP(limits=Limits(body_bytes=4)), on="web")
    assert [e[0] for e in bench.feed(Read(b"HTTP/1.1 200 OK\r\n\r\nhello"))] == ["socket_error"]


def test_the_encoding_of_headers() -> None:
    data = b"HTTP/1.1 200 Sch\xc3\xb6n\r\nX: gr\xc3\xbc\xff\r\nContent-Length: 0\r\n\r\n"
    ((_, response),) = Bench(HTTP(), on="web").feed(Read(data))
    assert (response.message, response.headers["X"]) == ("Schön", "grü\ufffd")
    ((_, response),) = Bench(HTTP("latin-1", "web"), on="web").feed(Read(data))
    assert response.headers["X"] == "gr\xc3\xbc\xff"
    with pytest.raises(LookupError):
        HTTP("no such encoding")


def test_headers_that_come_twice() -> None:
    headers = ResponseHeaders([("Set-Cookie", "a"), ("X", "1"), ("set-cookie", "b")])
    assert headers["SET-COOKIE"] == "a, b"
    assert headers.get_all("Set-Cookie") == ["a", "b"]
    assert headers.get_all("Y") == []
    assert dict(headers) == {"Set-Cookie": "a, b", "X": "1"}
    assert "x" in headers
    assert "y" not in headers
    assert 1 not in headers
    assert len(headers) == 2
    assert repr(headers) == "ResponseHeaders({'Set-Cookie': 'a, b', 'X': '1'})"


def test_requests_are_left_alone(bench: Bench) -> None:
    assert bench.feed(Request("GET", "/")) == [("request", "GET", "/")]


def test_an_object_by_hand() -> None:
    response = ResponseObject(200, "OK")
    assert (response.protocol, dict(response.headers), response.read()) == (None, {}, b"")
