"""Properties of the HTTP client: whatever a server says, and in whatever pieces, ends well."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits._wire.http1 import Limits
from circuits.web._client_response import Decompressor
from circuits.web.client import Client, ClientError, ProtocolError
from tests.properties.test_http1 import cut
from tests.web.client_support import network

BODY = b"".join(b"%d " % number for number in range(40))
PACKED = gzip.compress(BODY, mtime=0)

# Pieces of answers that go together often enough to be good ones, and wrong often enough.
FRAGMENTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 204 \r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\n",
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=x\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: %d\r\n" % len(PACKED),
        b"Content-Encoding: gzip\r\n",
        b"Content-Encoding: deflate\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Set-Cookie: a=b; Max-Age=9\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"abc",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        PACKED,
        b"%x\r\n%b\r\n" % (len(PACKED), PACKED),
    ]
)
ANSWERS = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=3)), max_size=9).map(b"".join)
GOOD = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\nT: x\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED)
        + PACKED,
    ]
)
CUTS = st.lists(st.integers(0, 9999), max_size=6)


def outcome(pieces: list[bytes], streams: bool) -> Any:
    """What a client makes of an answer that comes in pieces, and then of the end."""
    with pytest.MonkeyPatch.context() as patch, network(patch) as net:
        client = Client("http://a.example/", limits=Limits(body_bytes=10_000)).register(net.app)
        net.answer = lambda line, request: b""
        pending = client.stream("GET", "/") if streams else client.get("/")
        net.until(lambda: net.lines and net.lines[0].got)
        line = net.lines[0]
        for piece in pieces:
            if not pending.is_over:
                line.send(piece)
                net.app.tick(0)
                net.app.tick(0)
        line.close()
        try:
            response = net.wait(pending)
            body = b""
            if streams:
                while piece := net.wait(response.receive()):
                    body += piece
            else:
                body = response.content
        except ClientError as problem:
            return type(problem)
        return response.status, list(response.headers.items()), body


@given(st.one_of(ANSWERS, GOOD), CUTS, st.booleans())
def test_cuts_of_an_answer_mean_nothing(data: bytes, positions: list[int], streams: bool) -> None:
    whole = outcome([data], streams)
    assert outcome([piece for piece in cut(data, positions) if piece], streams) == whole
    assert outcome([data], not streams) == whole


@given(GOOD, CUTS)
def test_good_answers_arrive(data: bytes, positions: list[int]) -> None:
    status, _, body = outcome([piece for piece in cut(data, positions) if piece], False)
    assert status == 200
    assert body in (b"abc", BODY)


@given(st.binary(max_size=200), CUTS, st.sampled_from(["gzip", "deflate"]))
def test_what_is_no_compressed_body_is_refused(
    data: bytes, positions: list[int], coding: str
) -> None:
    """Or it is one by chance; nothing else happens, and cuts mean nothing."""

    def inflate(pieces: list[bytes]) -> bytes | None:
        inflating = Decompressor(coding)
        try:
            made = b"".join(part for piece in pieces for part in inflating.feed(piece))
            inflating.end()
        except ProtocolError:
            return None
        return made

    assert inflate(cut(data, positions)) == inflate([data])


@given(st.lists(st.binary(max_size=300), max_size=4), CUTS)
def test_compressed_members_one_after_the_other(parts: list[bytes], positions: list[int]) -> None:
    data = b"".join(map(gzip.compress, parts))
    inflating = Decompressor("gzip")
    made = [part for piece in cut(data, positions) for part in inflating.feed(piece)]
    inflating.end()
    assert b"".join(made) == b"".join(parts)
