"""Properties of the HTTP/1.1 codec: cuts mean nothing, and what is sent is what is understood."""

from __future__ import annotations

import string
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from circuits._wire import http1
from circuits._wire.http1 import (
    BodyEncoder,
    RequestDecoder,
    RequestHead,
    ResponseDecoder,
    ResponseHead,
    encode_request_head,
    encode_response_head,
)
from tests._wire.http1_support import feed, outcome

TOKENS = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=12)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=20
).map(lambda text: text.strip(" "))
# Names that would change the framing are added by the tests themselves.
FRAMING = {"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"}
FIELDS = st.lists(
    st.tuples(TOKENS.filter(lambda name: name.lower() not in FRAMING), VALUES), max_size=6
)
PATHS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=20
).map("/{}".format)
METHODS = TOKENS.filter(lambda method: method != "CONNECT")
BODIES = st.lists(st.binary(min_size=1, max_size=30), max_size=4)

# Pieces that go together often enough to come deep into the parser, and wrong often enough.
FRAGMENTS = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /x HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.0\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 \r\n",
        b"Host: h\r\n",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"X : y\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"3;x=y\r\n",
        b"abc",
        b"\x16\x03",
        b"\x00",
    ]
)
GARBAGE = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=4)), max_size=12).map(b"".join)
REQUESTS = st.lists(
    st.sampled_from(
        [
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nCookie: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2;q\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n",
            b"\r\n",
        ]
    ),
    max_size=5,
).map(b"".join)


def cut(data: bytes, positions: list[int]) -> list[bytes]:
    edges = [0, *sorted(position % (len(data) + 1) for position in positions), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.builds(lambda *parts: b"".join(parts), REQUESTS, GARBAGE), st.lists(st.integers(0, 999)))
def test_cuts_of_requests_mean_nothing(data: bytes, positions: list[int]) -> None:
    assert outcome(RequestDecoder(), cut(data, positions)) == outcome(RequestDecoder(), [data])


@given(GARBAGE, st.lists(st.integers(0, 999)))
def test_cuts_of_responses_mean_nothing(data: bytes, positions: list[int]) -> None:
    whole = outcome(ResponseDecoder(assume_method="GET"), [data])
    assert outcome(ResponseDecoder(assume_method="GET"), cut(data, positions)) == whole


@given(METHODS, PATHS, FIELDS, BODIES, st.sampled_from(["sized", "chunked", "none"]))
def test_requests_arrive_as_they_were_sent(
    method: str, path: str, fields: list[tuple[str, str]], body: list[bytes], framing: str
) -> None:
    headers = [("Host", "h"), *fields]
    encoder = BodyEncoder()
    if framing == "sized":
        encoder = BodyEncoder(sum(map(len, body)))
        headers.append(("Content-Length", str(encoder.remaining)))
    elif framing == "chunked":
        encoder = BodyEncoder(chunked=True)
        headers.append(("Transfer-Encoding", "chunked"))
    else:
        body = []
    wire = encode_request_head(method, path, headers)
    wire += b"".join(bytes(encoder.send(piece)) for piece in body) + encoder.end()
    head, *rest = feed(RequestDecoder(), [wire])
    assert isinstance(head, RequestHead)
    assert (head.method, head.target, head.headers) == (method, path, tuple(headers))
    assert rest[-1:] == ([http1.END_OF_MESSAGE] if head.has_body else [])
    received = [message.data for message in rest if isinstance(message, http1.Data)]
    assert b"".join(received) == b"".join(body)


@given(st.integers(200, 599), VALUES, FIELDS, st.binary(max_size=50))
def test_responses_arrive_as_they_were_sent(
    status: int, reason: str, fields: list[tuple[str, str]], body: bytes
) -> None:
    headers = [*fields, ("Content-Length", str(len(body)))]
    wire = encode_response_head(status, reason, headers)
    decoder = ResponseDecoder(assume_method="GET" if status not in (204, 304) else "HEAD")
    head, *rest = feed(decoder, [wire + body if status not in (204, 304) else wire])
    assert isinstance(head, ResponseHead)
    assert (head.status, head.reason, head.headers) == (status, reason, tuple(headers))
    if head.has_body:
        assert rest == [http1.Data(body), http1.END_OF_MESSAGE]


@given(
    st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=3), st.text(max_size=9)
)
def test_whatever_is_encoded_is_one_head(fields: list[tuple[str, str]], reason: str) -> None:
    """Either it is refused, or it is one head with as many fields as were given."""
    try:
        wire = encode_response_head(204, reason, fields)
    except http1.LocalProtocolError:
        return
    (head,) = feed(ResponseDecoder(assume_method="GET"), [wire])
    assert isinstance(head, ResponseHead)
    assert [name for name, _ in head.headers] == [name for name, _ in fields]
