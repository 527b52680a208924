"""A server in a process of its own, and a raw socket: what goes over the wire."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.web_support import SECONDS, Program, Wire, running

_APPLICATION = """
from __future__ import annotations
from circuits import Component, sleep
from circuits.web import Controller

class App(Controller):
    def index(self):
        return "index"

    def echo(self):
        return self.request.body.read()

    def size(self):
        return str(len(self.request.body.read()))

    def form(self, name="nobody", **others):
        return f"{name} {sorted(others)}"

    def slow(self, seconds="0.3"):
        yield sleep(float(seconds))
        yield "slow"

    async def waits(self, seconds="0.3"):
        await sleep(float(seconds))
        return "waited"

    def boom(self):
        raise RuntimeError("secret <detail>")

    def pieces(self):
        self.response.stream = True
        self.response.body = (f"{n};" * 1000 for n in range(200))
        return self.response

    def breaks(self):
        def generate():
            yield "some"
            raise RuntimeError("in the middle")
        self.response.stream = True
        self.response.body = generate()
        return self.response
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("application")
    (folder / "app.py").write_text(_APPLICATION)
    options = ("--no-access-log", "-b", "127.0.0.1:0")  # nobody reads its output meanwhile
    with running("-m", "circuits.web", *options, "app:App", cwd=folder) as program:
        yield program
        assert program.is_alive(), "the server died before it was asked to"


@pytest.fixture
def wire(server: Program) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


# -- requests and responses ----------------------------------------------------------------------


def test_a_response_has_all_that_a_client_needs(wire: Wire) -> None:
    answer = wire.get("/")
    assert answer.line == "HTTP/1.1 200 OK"
    assert answer.body == b"index"
    assert answer["Content-Length"] == "5"
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert (answer["Date"] or "").endswith(" GMT")
    assert (answer["Server"] or "").startswith("circuits/")
    assert answer["Connection"] is None


def test_a_connection_serves_many_requests(wire: Wire) -> None:
    for _ in range(50):
        assert wire.get("/").body == b"index"


def test_a_client_may_end_the_connection(wire: Wire) -> None:
    answer = wire.get("/", "Connection: keep-alive, Close")
    assert answer["Connection"] == "close"
    assert wire.is_closed()


def test_http_1_0_closes_by_itself(wire: Wire) -> None:
    answer = wire.send(b"GET / HTTP/1.0\r\n\r\n").answer()
    assert (answer.protocol, answer.code, answer.body) == ("HTTP/1.0", 200, b"index")
    assert wire.is_closed()


def test_http_1_0_may_keep_the_connection(wire: Wire) -> None:
    request = b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
    for _ in range(2):
        answer = wire.send(request).answer()
        assert (answer["Connection"] or "").lower() == "keep-alive"
        assert answer.body == b"index"


def test_requests_sent_at_once_are_answered_in_order(wire: Wire) -> None:
    targets = ["/slow", "/", "/form?name=x", "/missing", "/waits", "/"]
    wire.send(b"".join(b"GET %b HTTP/1.1\r\nHost: t\r\n\r\n" % t.encode() for t in targets))
    answers = [wire.answer() for _ in targets]
    assert [a.code for a in answers] == [200, 200, 200, 404, 200, 200]
    bodies = [a.body for a in answers if a.code == 200]
    assert bodies == [b"slow", b"index", b"x []", b"waited", b"index"]


def test_a_thousand_requests_sent_at_once(wire: Wire) -> None:
    wire.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n" * 1000)
    for _ in range(1000):
        assert wire.answer().body == b"index"


def test_a_slow_handler_does_not_hold_up_others(server: Program) -> None:
    with server.connect() as slow, server.connect() as fast:
        slow.send(b"GET /slow?seconds=2 HTTP/1.1\r\nHost: t\r\n\r\n")
        began = time.monotonic()
        assert fast.get("/").body == b"index"
        assert time.monotonic() - began < 1.5
        assert slow.answer().body == b"slow"


def test_a_request_may_come_one_byte_at_a_time(wire: Wire) -> None:
    wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody"
    for position in range(len(request)):
        wire.send(request[position : position + 1])
    assert wire.answer().body == b"body"


def test_head_has_the_headers_of_get_and_no_body(wire: Wire) -> None:
    get = wire.get("/")
    head = wire.get("/", method="HEAD")
    drop = {"date"}
    assert [f for f in head.fields if f[0] not in drop] == [
        f for f in get.fields if f[0] not in drop
    ]
    assert wire.get("/").body == b"index"  # nothing was left in between


def test_a_form_is_parsed(wire: Wire) -> None:
    body = b"name=J%C3%B6rg&other=1"
    wire.send(
        b"POST /form HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    assert wire.answer().body.decode() == "Jörg ['other']"


def test_a_large_body_arrives_whole(wire: Wire) -> None:
    body = bytes(range(256)) * 4096 * 3  # beyond what is kept in memory
    wire.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body))
    wire.send(body)
    assert wire.answer().body == body


def test_a_chunked_body_is_decoded(wire: Wire) -> None:
    wire.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.send(b"5;extension=1\r\nhello\r\n1\r\n \r\n")
    wire.send(b"5\r\nworld\r\n0\r\nTrailer: x\r\n\r\n")
    assert wire.answer().body == b"hello world"
    assert wire.get("/").body == b"index"


def test_a_client_that_expects_it_is_told_to_continue(wire: Wire) -> None:
    wire.send(
        b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    )
    assert wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert wire.send(b"body").answer().body == b"body"


def test_nobody_is_told_to_continue_whose_body_is_there(wire: Wire) -> None:
    wire.send(
        b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody"
    )
    assert wire.answer().code == 200


def test_a_body_that_will_be_refused_is_not_asked_for(wire: Wire) -> None:
    wire.send(
        b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 999999999999\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    assert wire.answer().code == 413
    assert wire.is_closed()


def test_a_streamed_response_arrives_whole(wire: Wire) -> None:
    answer = wire.get("/pieces")
    assert answer["Transfer-Encoding"] == "chunked"
    assert answer.body == "".join(f"{n};" * 1000 for n in range(200)).encode()
    assert wire.get("/").body == b"index"


def test_a_stream_that_breaks_is_not_ended_properly(wire: Wire) -> None:
    wire.send(b"GET /breaks HTTP/1.1\r\nHost: t\r\n\r\n")
    received = wire.rest()
    assert b"some" in received
    assert not received.endswith(b"0\r\n\r\n")


def test_a_client_that_leaves_in_the_middle_harms_nobody(server: Program) -> None:
    for _ in range(5):
        with server.connect() as wire:
            wire.send(b"GET /pieces HTTP/1.1\r\nHost: t\r\n\r\n").until(b"\r\n\r\n")
    assert server.get("/").body == b"index"


def test_an_error_page_shows_no_detail(wire: Wire) -> None:
    answer = wire.get("/boom")
    assert answer.code == 500
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body
    assert b"app.py" not in answer.body


@pytest.mark.parametrize("target", ["/started", "/registered", "/signal", "/stopped", "/__init__"])
def test_other_handlers_cannot_be_reached(server: Program, target: str) -> None:
    assert server.get(target).code == 404
    assert server.get("/").code == 200


@pytest.mark.parametrize(
    ("target", "location"),
    [("/a/../form", "/form"), ("/%2e%2e/form", "/form"), ("/./", "/"), ("/../../..", "/")],
)
def test_dot_segments_are_redirected(server: Program, target: str, location: str) -> None:
    answer = server.get(target)
    assert (answer.code, answer["Location"]) == (301, f"http://test{location}")


def test_dot_segments_are_refused_where_a_redirect_would_lose_the_body(wire: Wire) -> None:
    assert wire.get("/a/../form", method="POST").code == 400


# -- what must be refused ------------------------------------------------------------------------

_REFUSED = {
    "garbage": (b"garbage\r\n\r\n", {400}),
    "one word": (b"GET\r\n\r\n", {400}),
    "no version": (b"GET /\r\n\r\n", {400}),
    "two blanks": (b"GET  / HTTP/1.1\r\nHost: t\r\n\r\n", {400}),
    "lower-case version": (b"GET / http/1.1\r\nHost: t\r\n\r\n", {400}),
    "bad method": (b"G@T / HTTP/1.1\r\nHost: t\r\n\r\n", {400}),
    "fragment": (b"GET /#a HTTP/1.1\r\nHost: t\r\n\r\n", {400}),
    "relative target": (b"GET index HTTP/1.1\r\nHost: t\r\n\r\n", {400}),
    "bad escape": (b"GET /%zz HTTP/1.1\r\nHost: t\r\n\r\n", {400}),
    "not utf-8": (b"GET /%ff HTTP/1.1\r\nHost: t\r\n\r\n", {400}),
    "version 2": (b"GET / HTTP/2.0\r\nHost: t\r\n\r\n", {505}),
    "version 0.9": (b"GET / HTTP/0.9\r\nHost: t\r\n\r\n", {505, 400}),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", {400}),
    "bare newlines": (b"GET / HTTP/1.1\nHost: t\n\n", {400}),
    "bare newline in a header": (b"GET / HTTP/1.1\r\nHost: t\nA: b\r\n\r\n", {400}),
    "bare return in a header": (b"GET / HTTP/1.1\r\nHost: t\r\nA: b\rc\r\n\r\n", {400}),
    "nul in a header": (b"GET / HTTP/1.1\r\nHost: t\r\nA: b\0c\r\n\r\n", {400}),
    "blank before the colon": (b"GET / HTTP/1.1\r\nHost: t\r\nA : b\r\n\r\n", {400}),
    "no colon": (b"GET / HTTP/1.1\r\nHost: t\r\nA\r\n\r\n", {400}),
    "folded header": (b"GET / HTTP/1.1\r\nHost: t\r\nA: b\r\n c\r\n\r\n", {400}),
    "length and chunked": (
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n"  # noqa: ISC004
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        {400},
    ),
    "two lengths": (
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        {400},
    ),
    "list of lengths": (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1, 2\r\n\r\nab", {400}),
    "negative length": (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n", {400}),
    "length with a sign": (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: +1\r\n\r\na", {400}),
    "length with a letter": (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1x\r\n\r\na", {400}),
    "unknown coding": (
        b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        {501},
    ),
    "coding after chunked": (
        b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        {400, 501},
    ),
    "bad chunk size": (
        b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        {400},
    ),
    "chunk size with a prefix": (
        b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        {400},
    ),
    "chunk without its end": (
        b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        {400},
    ),
    "connect": (b"CONNECT example.com:80 HTTP/1.1\r\nHost: t\r\n\r\n", {405, 501}),
    "unknown expectation": (
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: miracle\r\n\r\n",
        {417},
    ),
    "long request line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: t\r\n\r\n", {414}),
    "long headers": (b"GET / HTTP/1.1\r\nHost: t\r\nA: " + b"a" * 70000 + b"\r\n\r\n", {431}),
    "many headers": (b"GET / HTTP/1.1\r\nHost: t\r\n" + b"A: b\r\n" * 200 + b"\r\n", {431}),
    "long body": (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999\r\n\r\n", {413}),
}


@pytest.mark.parametrize("case", _REFUSED)
def test_a_malformed_request_is_refused_and_the_server_lives(server: Program, case: str) -> None:
    data, codes = _REFUSED[case]
    with server.connect() as wire:
        wire.send(data)
        answer = wire.answer()
        assert answer.protocol == "HTTP/1.1"
        assert answer.code in codes
        assert answer["Connection"] == "close"
        assert wire.is_closed()
    assert server.is_alive()
    assert server.get("/").body == b"index"


def test_what_follows_a_malformed_request_is_not_answered(wire: Wire) -> None:
    wire.send(
        b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /form?name=smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
    )
    assert wire.answer().code == 400
    assert wire.is_closed()


def test_a_tls_greeting_is_closed_without_a_word(wire: Wire) -> None:
    wire.send(bytes.fromhex("16030100c8010000c40303") + bytes(192))
    assert wire.is_closed()


def test_many_at_once_are_all_answered(server: Program) -> None:
    wires = [server.connect() for _ in range(60)]
    try:
        for wire in wires:
            wire.send(b"GET /slow?seconds=0.1 HTTP/1.1\r\nHost: t\r\n\r\n")
        assert [wire.answer().body for wire in wires] == [b"slow"] * len(wires)
    finally:
        for wire in wires:
            wire.sock.close()


# -- the end -------------------------------------------------------------------------------------


@pytest.fixture
def application(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(_APPLICATION)
    return tmp_path


def test_sigterm_ends_an_idle_server_at_once(application: Path) -> None:
    with running("-m", "circuits.web", "-b", "127.0.0.1:0", "app:App", cwd=application) as program:
        with program.connect() as wire:
            assert wire.get("/").code == 200  # and stays connected
            began = time.monotonic()
            assert program.terminate() == 0
            assert time.monotonic() - began < SECONDS / 4
            assert wire.is_closed()


def test_sigterm_lets_requests_in_flight_be_answered(application: Path) -> None:
    with running("-m", "circuits.web", "-b", "127.0.0.1:0", "app:App", cwd=application) as program:
        wires = [program.connect() for _ in range(50)]
        try:
            for number, wire in enumerate(wires):
                target = b"/slow?seconds=1" if number % 2 else b"/waits?seconds=1"
                wire.send(b"GET %b HTTP/1.1\r\nHost: t\r\n\r\n" % target)
            assert program.get("/").code == 200  # those before have been read by now
            assert program.terminate() == 0
            answers = [wire.answer() for wire in wires]
            assert {a.body for a in answers} == {b"slow", b"waited"}, program.output
        finally:
            for wire in wires:
                wire.sock.close()
