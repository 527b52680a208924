"""Decoding responses: framing depends on the request, and on the end of the connection."""

from __future__ import annotations

import pytest

from circuits._wire import http1
from circuits._wire.http1 import (
    END_OF_MESSAGE,
    Data,
    Limits,
    RemoteProtocolError,
    ResponseDecoder,
    ResponseHead,
    State,
)
from tests._wire.http1_support import Message, bytewise, drain, feed

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
UNTIL_EOF = b"HTTP/1.1 200 OK\r\n\r\nhello"


def decoder_for(*methods: str, limits: Limits = http1.DEFAULT_LIMITS) -> ResponseDecoder:
    decoder = ResponseDecoder(limits)
    for method in methods:
        decoder.expect(method)
    return decoder


def responses(data: bytes, *methods: str, eof: bool = False) -> list[Message]:
    return feed(decoder_for(*methods), [data], eof)


def response_head(data: bytes, method: str = "GET") -> ResponseHead:
    head = responses(data, method)[0]
    assert isinstance(head, ResponseHead)
    return head


def test_a_sized_response() -> None:
    assert responses(SIZED, "GET") == [
        ResponseHead(
            status=200,
            reason="OK",
            version=(1, 1),
            headers=(("Content-Length", "5"),),
            keep_alive=True,
            content_length=5,
            chunked=False,
            has_body=True,
            switched=False,
        ),
        Data(b"hello"),
        END_OF_MESSAGE,
    ]


def test_a_chunked_response() -> None:
    assert responses(CHUNKED, "GET")[1:] == [Data(b"hello"), END_OF_MESSAGE]


def test_a_body_may_end_with_the_connection() -> None:
    decoder = decoder_for("GET")
    head, *body = feed(decoder, [UNTIL_EOF])
    assert isinstance(head, ResponseHead)
    assert not head.keep_alive
    assert body == [Data(b"hello")]
    decoder.receive_data(b" world")
    decoder.receive_eof()
    assert drain(decoder) == [Data(b" world"), END_OF_MESSAGE]
    assert decoder.state is State.CLOSED


def test_a_body_does_not_end_with_a_connection_that_has_failed() -> None:
    decoder = decoder_for("GET")
    feed(decoder, [UNTIL_EOF])
    decoder.receive_data(b" wor")
    decoder.receive_eof(is_cut=True)
    assert decoder.next_message() == Data(b" wor")
    with pytest.raises(RemoteProtocolError, match="inside a body"):
        decoder.next_message()


PIPELINE = CONTINUE + SIZED + EMPTY + CHUNKED + SIZED[:-5] + UNTIL_EOF
PIPELINE_METHODS = ("POST", "PUT", "GET", "HEAD", "GET")


def test_pipelined_responses() -> None:
    messages = responses(PIPELINE, *PIPELINE_METHODS, eof=True)
    heads = [message for message in messages if isinstance(message, ResponseHead)]
    assert [head.status for head in heads] == [100, 200, 204, 200, 200, 200]
    assert [head.interim for head in heads] == [True] + [False] * 5
    assert [head.has_body for head in heads] == [False, True, False, True, False, True]


def test_cut_anywhere_it_means_the_same() -> None:
    expected = responses(PIPELINE, *PIPELINE_METHODS, eof=True)
    for cut in range(len(PIPELINE)):
        pieces = [PIPELINE[:cut], PIPELINE[cut:]]
        assert feed(decoder_for(*PIPELINE_METHODS), pieces, eof=True) == expected, cut
    assert feed(decoder_for(*PIPELINE_METHODS), bytewise(PIPELINE), eof=True) == expected


@pytest.mark.parametrize("status", [b"204 x", b"304 x", b"199 x", b"101 x"])
@pytest.mark.parametrize("field", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"A: b"])
def test_some_statuses_have_no_body(status: bytes, field: bytes) -> None:
    head = response_head(b"HTTP/1.1 " + status + b"\r\n" + field + b"\r\n\r\n")
    assert not head.has_body


def test_a_response_to_head_has_no_body_and_keeps_its_length() -> None:
    head = response_head(SIZED[:-5], "HEAD")
    assert not head.has_body
    assert head.content_length == 5
    assert head.keep_alive


def test_only_final_responses_answer_a_request() -> None:
    decoder = decoder_for("POST")
    feed(decoder, [CONTINUE])
    assert decoder.expected_responses == 1
    feed(decoder, [EMPTY])
    assert decoder.expected_responses == 0


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("GET", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
        ("CONNECT", b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
    ],
)
def test_another_protocol_gets_what_follows(method: str, data: bytes) -> None:
    decoder = decoder_for(method)
    (head,) = feed(decoder, [data + b"\x81\x00"])
    assert isinstance(head, ResponseHead)
    assert head.switched
    assert not head.interim
    assert decoder.state is State.SWITCHED
    decoder.receive_data(b"\x01")
    assert decoder.next_message() is None
    assert decoder.release() == b"\x81\x00\x01"


def test_a_refused_tunnel_is_an_ordinary_response() -> None:
    head = response_head(SIZED.replace(b"200", b"405"), "CONNECT")
    assert head.has_body
    assert not head.switched


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"HTTP/1.1 200", ""),
        (b"HTTP/1.1 200 ", ""),
        (b"HTTP/1.1 200 Not  bad\t(\xe9)", "Not  bad\t(é)"),
    ],
)
def test_reasons(line: bytes, reason: str) -> None:
    assert response_head(line + b"\r\nContent-Length: 0\r\n\r\n").reason == reason


def test_folded_lines_are_joined() -> None:
    head = response_head(b"HTTP/1.1 204 x\r\nA: b\r\n c\r\n\t d\r\nE:\r\n f\r\n\r\n")
    assert head.headers == (("A", "b c d"), ("E", "f"))


@pytest.mark.parametrize("fields", [b"5\r\nContent-Length: 5", b"5, 5", b"5,5\r\ncontent-length:5"])
def test_a_repeated_length_is_one_length(fields: bytes) -> None:
    assert response_head(SIZED.replace(b"5", fields)).content_length == 5


@pytest.mark.parametrize(
    ("version", "field", "expected"),
    [
        (b"1.1", b"A: b", True),
        (b"1.1", b"Connection: Close", False),
        (b"1.0", b"A: b", False),
        (b"1.0", b"Connection: Keep-Alive", True),
    ],
)
def test_persistence(version: bytes, field: bytes, expected: bool) -> None:
    decoder = decoder_for("GET", "GET")
    data = SIZED.replace(b"1.1", version).replace(b"Content-", field + b"\r\nContent-")
    head = feed(decoder, [data])[0]
    assert isinstance(head, ResponseHead)
    assert head.keep_alive is expected
    assert decoder.state is (State.HEAD if expected else State.CLOSED)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 200 O\x00K\r\n\r\n",
        b"HTTP/1.1 200 O\x7fK\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ],
)
def test_malformed_responses(data: bytes) -> None:
    for pieces in ([data], bytewise(data)):
        with pytest.raises(RemoteProtocolError) as caught:
            feed(decoder_for("GET"), pieces)
        assert caught.value.status is None


def test_bytes_that_no_request_has_asked_for() -> None:
    with pytest.raises(RemoteProtocolError, match="no request"):
        responses(SIZED + b"H", "GET")


def test_without_announcements_a_method_can_be_assumed() -> None:
    decoder = ResponseDecoder(assume_method="GET")
    assert len(feed(decoder, [SIZED * 3])) == 9


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "before the response"),
        (CONTINUE, "before the response"),
        (SIZED[:10], "inside a head"),
        (SIZED[:-1], "inside a body"),
        (CHUNKED[:-1], "inside a body"),
    ],
)
def test_a_truncated_response_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(RemoteProtocolError, match=message):
        responses(data, "GET", eof=True)


def test_an_end_when_nothing_is_expected_is_fine() -> None:
    decoder = decoder_for("GET")
    feed(decoder, [SIZED], eof=True)
    assert decoder.state is State.CLOSED


@pytest.mark.parametrize("data", [SIZED, CHUNKED, UNTIL_EOF])
def test_limit_of_the_body(data: bytes) -> None:
    feed(decoder_for("GET", limits=Limits(body_bytes=5)), bytewise(data), eof=True)
    with pytest.raises(RemoteProtocolError, match=r"limit 4|longer than 4") as caught:
        feed(decoder_for("GET", limits=Limits(body_bytes=4)), bytewise(data), eof=True)
    assert caught.value.status is None


def test_limit_of_interim_responses() -> None:
    limits = Limits(interim_responses=3)
    feed(decoder_for("GET", limits=limits), [CONTINUE * 3 + EMPTY])
    with pytest.raises(RemoteProtocolError, match="interim"):
        feed(decoder_for("GET", limits=limits), [CONTINUE * 4])


@pytest.mark.parametrize(
    "limits", [Limits(request_line_bytes=14), Limits(header_block_bytes=18), Limits(header_count=0)]
)
def test_limits_of_the_head(limits: Limits) -> None:
    for pieces in ([SIZED], bytewise(SIZED)):
        with pytest.raises(RemoteProtocolError) as caught:
            feed(decoder_for("GET", limits=limits), pieces)
        assert caught.value.status is None
    exact = Limits(request_line_bytes=15, header_block_bytes=19, header_count=1)
    assert len(feed(decoder_for("GET", limits=exact), bytewise(SIZED))) == 3
