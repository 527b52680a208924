"""Encoding: exact bytes, and nothing on the wire that a peer could read differently."""

from __future__ import annotations

import pytest

from circuits._wire import LocalProtocolError
from circuits._wire.http1 import (
    LAST_CHUNK,
    BodyEncoder,
    encode_chunk,
    encode_request_head,
    encode_response_head,
)


def test_response_head() -> None:
    assert encode_response_head(200, "OK", [("A", "b"), ("Set-Cookie", "x=y"), ("a", "")]) == (
        b"HTTP/1.1 200 OK\r\nA: b\r\nSet-Cookie: x=y\r\na: \r\n\r\n"
    )


def test_response_head_without_fields_in_another_version() -> None:
    assert encode_response_head(100, "", (), (1, 0)) == b"HTTP/1.0 100 \r\n\r\n"


def test_request_head() -> None:
    assert encode_request_head("GET", "/x?y", [("Host", "h")]) == (
        b"GET /x?y HTTP/1.1\r\nHost: h\r\n\r\n"
    )


def test_many_fields() -> None:
    head = encode_response_head(200, "OK", [("A", "b")] * 200)
    assert head.count(b"\r\nA: b") == 200


def test_values_are_latin_1_and_only_where_that_fails_utf_8() -> None:
    assert encode_response_head(200, "é", [("A", "é"), ("B", "é€")]) == (
        b"HTTP/1.1 200 \xe9\r\nA: \xe9\r\nB: " + "é€".encode() + b"\r\n\r\n"
    )


def test_surrogates() -> None:
    """Those that stand for undecodable bytes become these bytes again, others mean nothing."""
    assert b"\nA: \xff\r\n" in encode_response_head(200, "OK", [("A", "\udcff")])
    for text in ("\ud800", "\udc0a"):
        with pytest.raises(LocalProtocolError):
            encode_response_head(200, "OK", [("A", text)])


def test_any_number_of_names_is_checked() -> None:
    """More than are remembered as good."""
    for number in range(1500):
        assert b"\nX-%d: y\r" % number in encode_response_head(200, "OK", [(f"X-{number}", "y")])


BAD_TEXT = ["\r", "\n", "\0", "x\r\nSet-Cookie: y=z", "\x0b", "\x7f", "a\r\n\r\nb", "€\n"]


@pytest.mark.parametrize("bad", BAD_TEXT)
def test_nothing_can_be_injected(bad: str) -> None:
    for text in (bad, f"a{bad}", f"{bad}a"):
        with pytest.raises(LocalProtocolError, match="control character"):
            encode_response_head(200, "OK", [("A", text)])
        with pytest.raises(LocalProtocolError, match="control character"):
            encode_response_head(200, text, [])
        with pytest.raises(LocalProtocolError, match="header name"):
            encode_response_head(200, "OK", [(text, "b")])
        with pytest.raises(LocalProtocolError, match="target"):
            encode_request_head("GET", f"/{text}", [])
        with pytest.raises(LocalProtocolError, match="method"):
            encode_request_head(text, "/", [])


@pytest.mark.parametrize("name", ["", " ", "A ", " A", "A:", "A B", "é", "A\tB", "(A)"])
def test_names_are_tokens(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="malformed header name"):
        encode_response_head(200, "OK", [(name, "b")])


@pytest.mark.parametrize("target", ["", "/a b", "/é", "/a#b"])
def test_targets_are_encoded_already(target: str) -> None:
    with pytest.raises(LocalProtocolError, match="target"):
        encode_request_head("GET", target, [])


@pytest.mark.parametrize("status", [0, 99, 1000, -200])
def test_statuses_have_three_digits(status: int) -> None:
    with pytest.raises(LocalProtocolError, match="100 to 999"):
        encode_response_head(status, "x", [])


def test_a_local_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="control character"):
        encode_response_head(200, "OK", [("A", "\n")])


@pytest.mark.parametrize("data", [b"x" * 26, bytearray(b"x" * 26), memoryview(b"x" * 26)])
def test_chunk(data: bytes) -> None:
    assert encode_chunk(data) == b"1a\r\n" + b"x" * 26 + b"\r\n"


def test_an_empty_chunk_is_not_sent() -> None:
    assert encode_chunk(b"") == b""
    assert encode_chunk(memoryview(b"")) == b""


def test_sized_body() -> None:
    body = BodyEncoder(5)
    assert body.send(b"he") == b"he"
    assert body.remaining == 3
    assert body.send(memoryview(b"llo")) == b"llo"
    assert body.end() == b""


def test_too_long_body() -> None:
    body = BodyEncoder(5)
    body.send(b"hello")
    with pytest.raises(LocalProtocolError, match="1 bytes longer"):
        body.send(b"!")


def test_too_short_body() -> None:
    body = BodyEncoder(5)
    body.send(b"hell")
    with pytest.raises(LocalProtocolError, match="1 bytes shorter"):
        body.end()


def test_a_part_that_was_sent_by_other_means_counts() -> None:
    body = BodyEncoder(5)
    body.skip(3)
    assert body.send(b"lo") == b"lo"
    assert body.end() == b""
    until_close = BodyEncoder()
    until_close.skip(3)
    assert until_close.end() == b""


@pytest.mark.parametrize("body", [BodyEncoder(2), BodyEncoder(chunked=True)])
def test_more_cannot_have_been_sent_than_was_announced(body: BodyEncoder) -> None:
    with pytest.raises(LocalProtocolError, match="3 bytes"):
        body.skip(3)


def test_chunked_body() -> None:
    body = BodyEncoder(chunked=True)
    assert b"".join(map(bytes, [body.send(b"ab"), body.send(b""), body.end(), body.end()])) == (
        b"2\r\nab\r\n" + LAST_CHUNK
    )


def test_body_until_the_connection_closes() -> None:
    body = BodyEncoder()
    assert body.send(b"ab") == b"ab"
    assert body.end() == b""


@pytest.mark.parametrize("body", [BodyEncoder(0), BodyEncoder(chunked=True), BodyEncoder()])
def test_nothing_after_the_end(body: BodyEncoder) -> None:
    body.end()
    with pytest.raises(LocalProtocolError, match="ended"):
        body.send(b"x")


def test_impossible_announcements() -> None:
    with pytest.raises(LocalProtocolError, match="either"):
        BodyEncoder(3, chunked=True)
    with pytest.raises(LocalProtocolError, match="negative"):
        BodyEncoder(-1)
