"""Decoding requests: what is understood, what is refused and with which status."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits._wire import LocalProtocolError, _http1_decoder, http1
from circuits._wire._http1_head import BAD_BYTES
from circuits._wire.http1 import (
    END_OF_MESSAGE,
    Data,
    Limits,
    RemoteProtocolError,
    RequestDecoder,
    RequestHead,
    State,
)
from tests._wire.http1_support import bytewise, drain, feed, outcome, request_head, requests

GET = b"GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5\r\nhello\r\n00a;name="v;\\"";x\r\n0123456789\r\n000\r\nX-Sum: 1\r\n\r\n'
)
PIPELINE = GET + POST + b"\r\n" + CHUNKED + GET


def refusal(data: bytes, limits: Limits = http1.DEFAULT_LIMITS) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        requests(data, limits)
    return caught.value


def with_line(line: str) -> bytes:
    return line.encode("latin-1") + b"\r\nHost: h\r\n\r\n"


def with_fields(*lines: bytes, version: bytes = b"1.1") -> bytes:
    return (
        b"POST / HTTP/"
        + version
        + b"\r\nHost: h\r\n"
        + b"".join(line + b"\r\n" for line in lines)
        + b"\r\n"
    )


# -- what is understood


def test_a_request_without_a_body_is_one_message() -> None:
    decoder = RequestDecoder()
    decoder.receive_data(GET)
    assert decoder.next_message() == RequestHead(
        method="GET",
        target="/a?b=c",
        origin_form="/a?b=c",
        version=(1, 1),
        headers=(("Host", "example.org"), ("Accept", "*/*")),
        host="example.org",
        keep_alive=True,
        content_length=None,
        chunked=False,
        expect_continue=False,
        upgrade=False,
    )
    assert decoder.next_message() is None
    assert decoder.state is State.HEAD
    assert decoder.pending_bytes == 0


def test_a_sized_body() -> None:
    head, *body = requests(POST)
    assert isinstance(head, RequestHead)
    assert head.has_body
    assert head.content_length == 5
    assert body == [Data(b"hello"), END_OF_MESSAGE]


def test_a_chunked_body_without_its_extensions_and_trailers() -> None:
    head, *body = requests(CHUNKED)
    assert isinstance(head, RequestHead)
    assert head.has_body
    assert head.chunked
    assert body == [Data(b"hello0123456789"), END_OF_MESSAGE]


def test_chunks_that_came_together_are_one_piece() -> None:
    decoder = RequestDecoder()
    decoder.receive_data(CHUNKED)
    decoder.next_message()
    assert decoder.next_message() == Data(b"hello0123456789")


def test_an_announced_body_of_no_bytes_is_no_body() -> None:
    head = request_head(with_fields(b"Content-Length: 000"))
    assert head.content_length == 0
    assert not head.has_body


def test_pipelined_requests_are_read_when_asked_for() -> None:
    decoder = RequestDecoder()
    decoder.receive_data(GET + POST + GET)
    decoder.next_message()
    assert decoder.pending_bytes == len(POST + GET)
    decoder.next_message()
    states = [decoder.state]
    assert decoder.next_message() == Data(b"hello")
    assert decoder.next_message() is END_OF_MESSAGE
    states.append(decoder.state)
    assert states == [State.BODY, State.HEAD]
    assert decoder.pending_bytes == len(GET)


def test_one_byte_at_a_time_means_the_same() -> None:
    assert feed(RequestDecoder(), bytewise(PIPELINE)) == requests(PIPELINE)


def test_cut_anywhere_it_means_the_same() -> None:
    expected = requests(PIPELINE)
    assert len(expected) == 8
    for cut in range(len(PIPELINE) + 1):
        assert feed(RequestDecoder(), [PIPELINE[:cut], PIPELINE[cut:]]) == expected, cut


def test_no_part_of_a_request_is_a_request() -> None:
    for cut in range(len(GET)):
        assert requests(GET[:cut]) == [], cut


def test_values_lose_the_whitespace_around_them_and_keep_that_inside() -> None:
    head = request_head(with_fields(b"A: \t x \t y \t ", b"B:", b"C: \t", b"D:z", b"e: \xe9"))
    assert head.headers[1:] == (("A", "x \t y"), ("B", ""), ("C", ""), ("D", "z"), ("e", "é"))


def test_the_same_head_means_the_same_every_time() -> None:
    """The first time it is parsed, the second time remembered, the third time recalled."""
    decoder = RequestDecoder()
    messages = [feed(decoder, [GET.replace(b"*/*", b"only/here")])[0] for _ in range(4)]
    assert all(message == messages[0] for message in messages)
    assert messages[2].headers is messages[3].headers  # type: ignore[union-attr] # heads all


@pytest.mark.parametrize("data", [GET, GET.replace(b"Accept", b"Cookie")])
@pytest.mark.parametrize(
    "line", [b"GET", b"GET ", b"GET /\x00", b"GET /\r\n\r\nGET /", b" /", b"G@T /", b"GET /#"]
)
def test_a_recalled_block_does_not_excuse_the_request_line(data: bytes, line: bytes) -> None:
    decoder = RequestDecoder()
    for _ in range(3):
        feed(decoder, [data])
    with pytest.raises(RemoteProtocolError):
        feed(decoder, [line + data[data.index(b" HTTP/") :]])


def test_credentials_are_recalled_by_their_own_connection_only() -> None:
    data = GET.replace(b"Accept", b"Cookie")
    first, second = RequestDecoder(), RequestDecoder()
    one, two, three = feed(first, [data]), feed(first, [data]), feed(second, [data])
    assert one == two == three
    assert one[0].headers is two[0].headers  # type: ignore[union-attr] # heads all
    assert one[0].headers is not three[0].headers  # type: ignore[union-attr] # heads all


def test_what_one_decoder_let_in_is_not_let_in_by_a_stricter_one() -> None:
    for _ in range(3):
        requests(GET)
    assert refusal(GET, Limits(header_count=1)).status == 431
    assert refusal(GET, Limits(header_block_bytes=20)).status == 431
    assert refusal(GET, Limits(request_line_bytes=10)).status == 414


def test_what_is_remembered_is_bounded() -> None:
    """However many blocks and hosts come twice; and all of them are still understood."""
    decoder = RequestDecoder(Limits(header_count=63))  # has a memo of its own
    for number in range(5000):
        host = f"h{number}"
        for _ in range(2):
            (head,) = feed(decoder, [GET.replace(b"example.org", host.encode())])
            assert isinstance(head, RequestHead)
            assert head.host == host
    memo = decoder._memo
    assert 0 < len(memo.facts) <= 512
    assert 0 < len(memo._seen) <= 4096


def test_large_blocks_are_not_remembered() -> None:
    decoder = RequestDecoder(Limits(header_count=63))
    for data in (with_fields(b"X: " + b"y" * 2048), with_fields(*[b"X: y"] * 60)):
        for _ in range(3):
            feed(decoder, [data])
    assert [len(facts[1]) for facts in decoder._memo.facts.values()] == [61]


@pytest.mark.parametrize(
    ("line", "origin_form", "host"),
    [
        ("GET / HTTP/1.1", "/", "h"),
        ("GET //x/../y?a?b HTTP/1.1", "//x/../y?a?b", "h"),
        ('GET /"<>\\^`{|} HTTP/1.1', '/"<>\\^`{|}', "h"),
        ("GET http://example.org:8080/x?y HTTP/1.1", "/x?y", "example.org:8080"),
        ("GET HTTPS://example.org HTTP/1.1", "/", "example.org"),
        ("GET http://example.org?y=/ HTTP/1.1", "/?y=/", "example.org"),
        ("GET http://[::1]:80/ HTTP/1.1", "/", "[::1]:80"),
        ("OPTIONS * HTTP/1.1", "*", "h"),
        ("OPTIONS http://example.org HTTP/1.1", "*", "example.org"),
        ("CONNECT example.org:443 HTTP/1.1", "example.org:443", "example.org:443"),
        ("CONNECT [::1]:443 HTTP/1.1", "[::1]:443", "[::1]:443"),
        ("get / HTTP/1.1", "/", "h"),
        ("X!#$%&'*+-.^_`|~9 / HTTP/1.1", "/", "h"),
    ],
)
def test_targets(line: str, origin_form: str, host: str) -> None:
    head = request_head(with_line(line))
    assert (head.method, head.target) == tuple(line.split(" ")[:2])
    assert (head.origin_form, head.host) == (origin_form, host)


@pytest.mark.parametrize(
    ("version", "field", "expected"),
    [
        (b"1.1", b"X: close", True),
        (b"1.1", b"Connection: close", False),
        (b"1.1", b"Connection: Keep-Alive", True),
        (b"1.1", b"Connection: foo ,\tCLOSE", False),
        (b"1.1", b"Connection: closed", True),
        (b"1.1", b"Connection: keep-alive\r\nConnection: close", False),
        (b"1.0", b"X: keep-alive", False),
        (b"1.0", b"Connection: x, Keep-Alive", True),
        (b"1.0", b"Connection: keep-alive, close", False),
        (b"1.7", b"X: y", True),
    ],
)
def test_persistence(version: bytes, field: bytes, expected: bool) -> None:
    assert request_head(with_fields(field, version=version)).keep_alive is expected


def test_what_follows_the_last_request_is_dropped() -> None:
    decoder = RequestDecoder()
    assert len(feed(decoder, [GET.replace(b"Accept: */*", b"Connection: close") + GET, GET])) == 1
    assert decoder.state is State.CLOSED


def test_what_follows_the_body_of_the_last_request_is_dropped() -> None:
    decoder = RequestDecoder()
    data = POST.replace(b"Host", b"Connection: close\r\nHost")
    assert len(feed(decoder, [data + GET, GET])) == 3
    assert decoder.state is State.CLOSED


@pytest.mark.parametrize(
    ("version", "fields", "expected"),
    [
        (b"1.1", [b"Expect: 100-Continue", b"Content-Length: 3"], True),
        (b"1.1", [b"Expect: 100-continue", b"Transfer-Encoding: chunked"], True),
        (b"1.1", [b"Expect: 100-continue"], False),
        (b"1.0", [b"Expect: 100-continue", b"Content-Length: 3"], False),
        (b"1.0", [b"Expect: wonders", b"Content-Length: 3"], False),
    ],
)
def test_expect(version: bytes, fields: list[bytes], expected: bool) -> None:
    assert request_head(with_fields(*fields, version=version)).expect_continue is expected


def test_another_expectation_cannot_be_met() -> None:
    assert (
        refusal(with_fields(b"Expect: 100-continue, wonders", b"Content-Length: 3")).status == 417
    )


@pytest.mark.parametrize(
    ("version", "fields", "expected"),
    [
        (b"1.1", [b"Connection: keep-alive, Upgrade", b"Upgrade: websocket"], True),
        (b"1.1", [b"Upgrade: websocket"], False),
        (b"1.1", [b"Connection: upgrade"], False),
        (b"1.0", [b"Connection: upgrade", b"Upgrade: websocket"], False),
    ],
)
def test_upgrade(version: bytes, fields: list[bytes], expected: bool) -> None:
    assert request_head(with_fields(*fields, version=version)).upgrade is expected


UPGRADE = with_fields(b"Connection: upgrade", b"Upgrade: x")


def test_a_granted_upgrade_hands_over_what_follows() -> None:
    decoder = RequestDecoder()
    decoder.receive_data(UPGRADE + b"\x81\x00")
    decoder.next_message()
    decoder.receive_data(b"\x01")
    assert decoder.release() == b"\x81\x00\x01"
    assert decoder.state is State.CLOSED
    assert decoder.next_message() is None


def test_a_refused_upgrade_goes_on_with_the_next_request() -> None:
    assert len(requests(UPGRADE + GET)) == 2


def test_after_connect_nothing_is_a_request() -> None:
    decoder = RequestDecoder()
    (head,) = feed(decoder, [b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n" + GET])
    assert isinstance(head, RequestHead)
    assert not head.keep_alive
    assert decoder.state is State.SWITCHED
    decoder.receive_data(GET)
    assert decoder.next_message() is None
    assert decoder.release() == GET + GET


def test_connect_has_no_body_whatever_it_says() -> None:
    decoder = RequestDecoder()
    data = b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\nContent-Length: 999999999\r\n\r\n"
    (head,) = feed(decoder, [data])
    assert isinstance(head, RequestHead)
    assert not head.has_body
    assert decoder.state is State.SWITCHED


def test_a_few_empty_lines_before_a_request_are_skipped() -> None:
    assert requests(b"\r\n\r\n" + GET + b"\r\n\r\n\r\n\r\n" + GET) == requests(GET + GET)
    assert feed(RequestDecoder(), bytewise(b"\r\n\r\n" + GET)) == requests(GET)


def test_many_empty_lines_are_not() -> None:
    assert refusal(b"\r\n" * 5).status == 400
    assert outcome(RequestDecoder(), bytewise(b"\r\n" * 5)) == "refused"


def test_empty_lines_do_not_count_towards_the_next_request() -> None:
    assert len(requests((b"\r\n" * 4 + GET) * 3)) == 3


# -- what is refused


DESYNC = {
    "length and chunked": with_fields(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    "chunked and length": with_fields(b"Transfer-Encoding: chunked", b"Content-Length: 3"),
    "differing lengths": with_fields(b"Content-Length: 3", b"Content-Length: 4"),
    "identical lengths": with_fields(b"Content-Length: 3", b"Content-Length: 3"),
    "list of lengths": with_fields(b"Content-Length: 3, 3"),
    "length with plus": with_fields(b"Content-Length: +3"),
    "negative length": with_fields(b"Content-Length: -3"),
    "length with underscore": with_fields(b"Content-Length: 1_0"),
    "length in hex": with_fields(b"Content-Length: 0x3"),
    "length with exponent": with_fields(b"Content-Length: 1e1"),
    "length with a fraction": with_fields(b"Content-Length: 3.0"),
    "length with superscript digit": with_fields(b"Content-Length: \xb2"),
    "length with space inside": with_fields(b"Content-Length: 1 0"),
    "empty length": with_fields(b"Content-Length:"),
    "absurd length": with_fields(b"Content-Length: " + b"9" * 400),
    "space before colon": with_fields(b"Content-Length : 3"),
    "tab before colon": with_fields(b"Transfer-Encoding\t: chunked"),
    "folded value": with_fields(b"X: a", b" Content-Length: 3"),
    "folded name": with_fields(b"Transfer-Encoding:", b" chunked"),
    "folded first line": b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare LF after request line": b"GET / HTTP/1.1\nHost: h\r\n\r\n",
    "bare LF in a field": with_fields(b"X: a\nContent-Length: 3"),
    "bare LF ends the head": b"GET / HTTP/1.1\r\nHost: h\r\n\nX: y\r\n\r\n",
    "bare CR in a value": with_fields(b"X: a\rContent-Length: 3"),
    "bare CR before a name": with_fields(b"\rContent-Length: 3"),
    "CR CR LF": with_fields(b"X: a\r"),
    "NUL in a value": with_fields(b"X: a\x00b"),
    "NUL in a name": with_fields(b"X\x00: b"),
    "control character in a value": with_fields(b"X: a\x0bb"),
    "DEL in a value": with_fields(b"X: a\x7fb"),
    "no colon": with_fields(b"Content-Length"),
    "no name": with_fields(b": chunked"),
    "name with space": with_fields(b"X Y: z"),
    "name with slash": with_fields(b"X/Y: z"),
    "name with high byte": with_fields(b"X\xe9: z"),
    "xchunked": with_fields(b"Transfer-Encoding: xchunked"),
    "gzip and chunked": with_fields(b"Transfer-Encoding: gzip, chunked"),
    "chunked and identity": with_fields(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"
    ),
    "chunked twice": with_fields(b"Transfer-Encoding: chunked, chunked"),
    "chunked in two fields": with_fields(
        b"Transfer-Encoding: chunked", b"transfer-encoding: chunked"
    ),
    "chunked with comma": with_fields(b"Transfer-Encoding: ,chunked"),
    "chunked in quotes": with_fields(b'Transfer-Encoding: "chunked"'),
    "chunked with parameter": with_fields(b"Transfer-Encoding: chunked;a=b"),
    "chunked with vertical tab": with_fields(b"Transfer-Encoding: \x0bchunked"),
    "empty coding": with_fields(b"Transfer-Encoding:"),
    "chunked in HTTP/1.0": with_fields(b"Transfer-Encoding: chunked", version=b"1.0"),
    "two hosts": with_fields(b"Host: h"),
    "two hosts in HTTP/1.0": with_fields(b"Host: h", version=b"1.0"),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "hosts in a list": b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
    "host with path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "host with user": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "host with bad port": b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "host with high port": b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
    "host of port only": b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
    "host with open bracket": b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "host with bad escape": b"GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n",
}


@pytest.mark.parametrize("name", DESYNC)
def test_ambiguous_requests_are_refused(name: str) -> None:
    """By their head alone, on the first read, on a kept connection, and byte by byte."""
    data = DESYNC[name]
    assert refusal(data).status in (400, 501)
    with pytest.raises(RemoteProtocolError):
        requests(GET + data)
    with pytest.raises(RemoteProtocolError):
        feed(RequestDecoder(), bytewise(data))


@pytest.mark.parametrize("name", DESYNC)
def test_cut_anywhere_ambiguous_requests_are_refused(name: str) -> None:
    data = DESYNC[name]
    for cut in range(1, len(data)):
        decoder = RequestDecoder()
        assert outcome(decoder, [data[:cut], data[cut:]]) == "refused", cut
        assert decoder.state is State.CLOSED


#: What looks odd, and has one meaning: what it is the same as.
TOLERATED = {
    "empty lines before it": (b"\r\n\r\n" + GET, GET),
    "blanks around values": (
        b"POST / HTTP/1.1\r\nHost: \t h \t\r\nContent-Length:\t 3 \r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    ),
    "no blank behind a colon": (
        b"POST / HTTP/1.1\r\nHost:h\r\nContent-Length:3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    ),
    "zeros before a length": (with_fields(b"Content-Length: 0003") + b"abc", None),
    "another case": (with_fields(b"tRANSFER-eNCODING: ChunkeD") + b"3\r\nabc\r\n0\r\n\r\n", None),
    "zeros before a size": (
        with_fields(b"Transfer-Encoding: chunked") + b"0003\r\nabc\r\n000\r\n\r\n",
        with_fields(b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
    ),
    "extensions and trailers": (
        with_fields(b"Transfer-Encoding: chunked") + b'3;a="\\"";b\r\nabc\r\n0;c\r\nX: y\r\n\r\n',
        with_fields(b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
    ),
    "an empty value": (with_fields(b"X:", b"Content-Length: 3") + b"abc", None),
    "high bytes in a value": (with_fields(b"X: \xe9", b"Content-Length: 3") + b"abc", None),
    "pipelined": (GET + POST + CHUNKED + GET, None),
}


@pytest.mark.parametrize("name", TOLERATED)
def test_cut_anywhere_what_is_tolerated_means_the_same(name: str) -> None:
    data, same = TOLERATED[name]
    expected = requests(data)
    assert expected[-1] is END_OF_MESSAGE or name in ("empty lines before it", "pipelined")
    if same is not None:
        assert expected == requests(same)
    elif name != "pipelined":
        assert b"".join(found.data for found in expected if isinstance(found, Data)) == b"abc"
    for cut in range(1, len(data)):
        assert feed(RequestDecoder(), [data[:cut], data[cut:]]) == expected, cut
    assert feed(RequestDecoder(), bytewise(data)) == expected


def test_unknown_codings_are_not_implemented() -> None:
    for name in ("xchunked", "gzip and chunked", "chunked and identity"):
        assert refusal(DESYNC[name]).status == 501
    for name in ("chunked twice", "empty coding", "chunked in HTTP/1.0", "length and chunked"):
        assert refusal(DESYNC[name]).status == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /", 400),
        ("GET", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET /  HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET\t/ HTTP/1.1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1.10", 400),
        ("GET / HTTP/01.1", 400),
        ("GET / HTTP/1", 400),
        ("GET / HTTP/1,1", 400),
        ("GET / HTTP/1.\xb9", 400),
        ("GET / FTP/1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("PRI * HTTP/2.0", 505),
        ("GET / HTTP/0.9", 505),
        ("G(T / HTTP/1.1", 400),
        ("G\xcaT / HTTP/1.1", 400),
        ("GET /a#b HTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET /\x01 HTTP/1.1", 400),
        ("GET /\x7f HTTP/1.1", 400),
        ("GET /\xe9 HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET a/b HTTP/1.1", 400),
        ("GET h:80 HTTP/1.1", 400),
        ("GET ftp://h/ HTTP/1.1", 400),
        ("GET http:///x HTTP/1.1", 400),
        ("GET http://u:p@h/ HTTP/1.1", 400),
        ("GET http://h:99999/ HTTP/1.1", 400),
        ("CONNECT / HTTP/1.1", 400),
        ("CONNECT h HTTP/1.1", 400),
        ("CONNECT [::1] HTTP/1.1", 400),
        ("CONNECT http://h:80/ HTTP/1.1", 400),
        ("OPTIONS h:80 HTTP/1.1", 400),
    ],
)
def test_malformed_request_lines(line: str, status: int) -> None:
    assert refusal(with_line(line)).status == status
    # The line alone is enough.
    assert refusal(line.encode("latin-1") + b"\r\n").status == status
    with pytest.raises(RemoteProtocolError):
        feed(RequestDecoder(), bytewise(with_line(line)))


def test_a_tls_handshake_gets_no_answer() -> None:
    assert refusal(b"\x16").status is None
    assert refusal(b"\x16\x03\x01\x02\x00\x01\x00 HTTP/\r\n\r\n").status is None


CHUNK_HEAD = CHUNKED[: CHUNKED.index(b"\r\n\r\n") + 4]


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\nx\r\n",
        b"0x1\r\nx\r\n",
        b"1_0\r\n",
        b" 1\r\nx\r\n",
        b"1 \r\nx\r\n",
        b"1\t\r\nx\r\n",
        b"1\nx\r\n",
        b"1\rx\r\n",
        b"1\r\r\nx\r\n",
        b"\xb2\r\nxx\r\n",
        b"1" * 17 + b"\r\n",
        b"1;\r\nx\r\n",
        b"1;;\r\nx\r\n",
        b"1 a\r\nx\r\n",
        b"1 ;a\r\nx\r\n",
        b"1; a\r\nx\r\n",
        b"1;a =b\r\nx\r\n",
        b"1;a=\r\nx\r\n",
        b'1;a="\r\nx\r\n',
        b"1;a=\x00\r\nx\r\n",
        b'1;a="\nx"\r\nx\r\n',
        b"1\r\nxy\r\n",
        b"1\r\nx\n0\r\n\r\n",
        b"1\r\nx\r0\r\n\r\n",
        b"1\r\nx0\r\n\r\n",
        b"0\r\nX : y\r\n\r\n",
        b"0\r\nX: y\n\r\n",
        b"0\r\n folded\r\n\r\n",
        b"0\r\nX: y\r\n z\r\n\r\n",
        b"0\r\nGET / HTTP/1.1\r\n\r\n",
        b"0\r\n\n",
        b"0\r\nContent-Length: 3\r\n\r\n",
        b"0\r\ntransfer-encoding: chunked\r\n\r\n",
        b"0\r\nA: b\r\nHost: x\r\n\r\n",
    ],
)
def test_malformed_chunks(body: bytes) -> None:
    for before in (b"", b"2\r\nab\r\n", b"1\r\na\r\n" * 300):
        assert refusal(CHUNK_HEAD + before + body).status == 400
        assert outcome(RequestDecoder(), bytewise(CHUNK_HEAD + before + body)) == "refused"


def test_a_decoder_that_raised_is_closed() -> None:
    decoder = RequestDecoder()
    decoder.receive_data(b"\x00" + GET)
    with pytest.raises(RemoteProtocolError):
        decoder.next_message()
    assert decoder.state is State.CLOSED
    decoder.receive_data(GET)
    assert decoder.next_message() is None
    assert decoder.pending_bytes == 0


def test_errors_name_the_line_and_the_fault() -> None:
    error = refusal(with_fields(b"X: y", b"Content-Length : 3"))
    assert str(error) == (
        "400: header line 3 has whitespace before its colon: 'Content-Length : 3'"
    )


# -- limits: exactly at the limit is accepted, one more is not, however it arrives


def at_limit(data: bytes, limits: Limits) -> bool:
    """Whether it is accepted; and that this does not depend on how it is cut."""
    ways = [
        [data],
        bytewise(data),
        [data[:-1], data[-1:]],
        [data[:-2], data[-2:]],
        [data[:-4], data[-4:]],
        [data[: len(data) // 2], data[len(data) // 2 :]],
    ]
    results = [outcome(RequestDecoder(limits), way) for way in ways]
    assert all(result == results[0] for result in results)
    return results[0] != "refused"


def test_limit_of_the_request_line() -> None:
    limits = Limits(request_line_bytes=40)
    line = b"GET /" + b"x" * 26 + b" HTTP/1.1"
    assert len(line) == 40
    rest = b"\r\nHost: h\r\n\r\n"
    assert at_limit(line + rest, limits)
    assert not at_limit(b"X" + line + rest, limits)
    assert refusal(b"X" + line + rest, limits).status == 414
    assert refusal(b"x" * 42, limits).status == 414
    assert requests(b"x" * 41, limits) == []


def test_limit_of_the_header_block() -> None:
    limits = Limits(header_block_bytes=30)
    fields = b"Host: h\r\nX: " + b"y" * 16 + b"\r\n"
    assert len(fields) == 30
    line = b"GET / HTTP/1.1\r\n"
    assert at_limit(line + fields + b"\r\n", limits)
    assert not at_limit(line + b"Z" + fields + b"\r\n", limits)
    assert refusal(line + b"Z" + fields + b"\r\n", limits).status == 431
    assert refusal(line + b"z" * 32, limits).status == 431
    assert requests(line + b"z" * 31, limits) == []


def test_limit_of_header_lines() -> None:
    limits = Limits(header_count=10)
    assert at_limit(with_fields(*[b"X: y"] * 9), limits)
    assert not at_limit(with_fields(*[b"X: y"] * 10), limits)
    assert refusal(with_fields(*[b"X: y"] * 10), limits).status == 431


def test_limit_of_an_announced_body() -> None:
    limits = Limits(body_bytes=5)
    assert at_limit(POST, limits)
    head = with_fields(b"Content-Length: 6")
    error = refusal(head, limits)
    assert error.status == 413
    assert error.head is not None
    assert error.head.method == "POST"


@pytest.mark.parametrize("rest", [b"ction", b"\r\nx\r\n", b"\r\n0\r\na\n", b"\r\n5;\r\n"])
def test_data_before_a_malformed_chunk_is_given_however_it_comes(rest: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + b"5\r\nhello" + rest
    for pieces in ([data], bytewise(data), [data[:-1], data[-1:]]):
        decoder, received = http1.RequestDecoder(), b""
        with pytest.raises(http1.RemoteProtocolError):
            for piece in pieces:
                decoder.receive_data(piece)
                while (message := decoder.next_message()) is not None:
                    received += message.data if isinstance(message, http1.Data) else b""
        assert received == b"hello"
        assert decoder.next_message() is None


@given(
    st.lists(
        st.tuples(
            st.one_of(st.binary(min_size=1, max_size=4), st.binary(min_size=1, max_size=20)),
            st.sampled_from([b"%x", b"%X", b"%016x"]),
            st.sampled_from([b"", b"", b";a", b';a="\r"', b';a="\\"";b=c', b";\xe4"]),
        ),
        max_size=40,
    ),
    st.integers(1, 50),
)
def test_chunks_are_the_same_however_they_are_written_and_cut(
    chunks: list[tuple[bytes, bytes, bytes]], step: int
) -> None:
    bad = [index for index, (*_, text) in enumerate(chunks) if b"\r" in text or b"\xe4" in text]
    malformed = bad[0] if bad else None
    body = b"".join(
        size % len(data) + extension + b"\r\n" + data + b"\r\n" for data, size, extension in chunks
    )
    data = CHUNK_HEAD + body + b"0\r\n\r\n"
    for pieces in ([data], [data[at : at + step] for at in range(0, len(data), step)]):
        decoder, received = RequestDecoder(), b""
        try:
            for piece in pieces:
                decoder.receive_data(piece)
                while (message := decoder.next_message()) is not None:
                    received += message.data if isinstance(message, Data) else b""
        except RemoteProtocolError:
            assert malformed is not None
        else:
            assert malformed is None
            assert not decoder.pending_bytes
        assert received == b"".join([chunk for chunk, _, _ in chunks[:malformed]])


@pytest.mark.parametrize(
    "chunk", [b"1\r\na\r\n", b"0001\r\na\r\n", b"1;b\r\na\r\n", b"1\r\na\r\n01;b\r\na\r\n"]
)
def test_tiny_chunks_cost_little(chunk: bytes) -> None:
    """What a chunk costs is held by the budgets; here, that not each of them is a message."""
    count = 64 * 1024 // len(chunk)
    decoder = RequestDecoder()
    decoder.receive_data(CHUNK_HEAD + chunk * count + b"0\r\n\r\n")
    messages = drain(decoder)
    received = b"".join([part.data for part in messages if isinstance(part, Data)])
    count *= chunk.count(b"a")
    assert received == b"a" * count
    assert len(messages) < count / 200


@pytest.mark.parametrize("chunk", [b"1\r\na\r\n", b"1;b\r\na\r\n"])
def test_tiny_chunks_up_to_the_limit_are_given(chunk: bytes) -> None:
    decoder = RequestDecoder(Limits(body_bytes=50))
    decoder.receive_data(CHUNK_HEAD + chunk * 60)
    received = b""
    with pytest.raises(RemoteProtocolError) as caught:
        while (message := decoder.next_message()) is not None:
            received += message.data if isinstance(message, Data) else b""
    assert caught.value.status == 413
    assert received == b"a" * 50


def test_limit_of_a_chunked_body() -> None:
    limits = Limits(body_bytes=15)
    assert at_limit(CHUNKED, limits)
    assert refusal(CHUNK_HEAD + b"10\r\n", limits).status == 413
    assert refusal(CHUNK_HEAD + b"1\r\na\r\nf\r\n", limits).status == 413
    assert refusal(CHUNK_HEAD + b"f" * 16 + b"\r\n", limits).status == 413


def test_no_limit_of_the_body() -> None:
    head = request_head(with_fields(b"Content-Length: 99999999999"), Limits(body_bytes=None))
    assert head.content_length == 99999999999


def test_limit_of_a_chunk_line() -> None:
    limits = Limits(chunk_line_bytes=20)
    assert at_limit(CHUNK_HEAD + b"1;" + b"x" * 18 + b"\r\ny\r\n0\r\n\r\n", limits)
    assert not at_limit(CHUNK_HEAD + b"1;" + b"x" * 19 + b"\r\ny\r\n0\r\n\r\n", limits)
    assert refusal(CHUNK_HEAD + b"1" * 22, limits).status == 400
    second = CHUNK_HEAD + b"1\r\na\r\n"
    assert at_limit(second + b"1;" + b"x" * 18 + b"\r\ny\r\n0\r\n\r\n", limits)
    assert not at_limit(second + b"1;" + b"x" * 19 + b"\r\ny\r\n0\r\n\r\n", limits)
    assert at_limit(second + b"001\r\na\r\n0\r\n\r\n", Limits(chunk_line_bytes=3))
    assert not at_limit(second + b"0001\r\na\r\n0\r\n\r\n", Limits(chunk_line_bytes=3))


def test_limit_of_all_extensions() -> None:
    limits = Limits(chunk_extension_bytes=100)
    chunk = b"1;123456789\r\nx\r\n"
    assert at_limit(CHUNK_HEAD + chunk * 10 + b"0\r\n\r\n", limits)
    assert not at_limit(CHUNK_HEAD + chunk * 11 + b"0\r\n\r\n", limits)


@pytest.mark.parametrize("length", [1, 32, 33])
def test_limit_of_all_extensions_of_many_tiny_chunks(length: int) -> None:
    limits = Limits(chunk_extension_bytes=600 * (1 + length))
    chunk = b"1;" + b"x" * length + b"\r\na\r\n"
    decoder = RequestDecoder(limits)
    decoder.receive_data(CHUNK_HEAD + chunk * 601 + b"0\r\n\r\n")
    received = b""
    with pytest.raises(RemoteProtocolError, match="chunk extensions over"):
        while (message := decoder.next_message()) is not None:
            received += message.data if isinstance(message, Data) else b""
    assert received == b"a" * 600


@pytest.mark.parametrize("line_bytes", [20, 52, 53])
def test_limit_of_a_line_among_many_tiny_chunks(line_bytes: int) -> None:
    limits = Limits(chunk_line_bytes=line_bytes)
    chunk = b"1;" + b"x" * 10 + b"\r\na\r\n"
    for length, fits in ((line_bytes - 2, True), (line_bytes - 1, False)):
        long = b"1;" + b"x" * length + b"\r\na\r\n"
        assert at_limit(CHUNK_HEAD + chunk * 300 + long + b"0\r\n\r\n", limits) is fits


def test_limits_of_trailers() -> None:
    limits = Limits(header_block_bytes=60, header_count=5)
    last = CHUNK_HEAD + b"0\r\n"
    assert at_limit(last + b"A: " + b"x" * 55 + b"\r\n\r\n", limits)
    assert not at_limit(last + b"A: " + b"x" * 56 + b"\r\n\r\n", limits)
    assert at_limit(last + b"A: b\r\n" * 5 + b"\r\n", limits)
    assert not at_limit(last + b"A: b\r\n" * 6 + b"\r\n", limits)
    assert refusal(last + b"A: b\r\n" * 6 + b"\r\n", limits).status == 431


def test_limit_of_waiting_bytes() -> None:
    decoder = RequestDecoder(Limits(pending_bytes=100))
    decoder.receive_data(GET * 3)
    with pytest.raises(LocalProtocolError, match="read messages before"):
        decoder.receive_data(GET)
    assert len(drain(decoder)) == 3


def test_time_is_linear_when_bytes_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts how many bytes are looked at; a clock would say little on a busy machine."""
    looked_at = 0

    class Counted(bytearray):
        def find(self, sub, start=0, end=None):  # type: ignore[no-untyped-def]
            nonlocal looked_at
            index = super().find(sub, start, len(self) if end is None else end)
            looked_at += (index if index >= 0 else len(self)) - start
            return index

        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            nonlocal looked_at
            item = super().__getitem__(index)
            looked_at += len(item) if isinstance(index, slice) else 1
            return item

    class CountedPattern:
        def search(self, data: bytes | bytearray, start: int) -> re.Match[bytes] | None:
            nonlocal looked_at
            looked_at += len(data) - start
            return BAD_BYTES.search(data, start)

    monkeypatch.setattr(_http1_decoder, "BAD_BYTES", CountedPattern())
    monkeypatch.setattr("circuits._wire.buffer.bytearray", Counted, raising=False)
    data = with_fields(*[b"X-%d: %s" % (number, b"y" * 600) for number in range(90)])
    assert len(data) > 50000
    assert len(feed(RequestDecoder(), bytewise(data))) == 1
    # The search for the end looks back three bytes, the first lines and the result are copied.
    assert len(data) < looked_at < len(data) * 15


# -- the end of the connection


@pytest.mark.parametrize("data", [b"", GET, POST, CHUNKED, b"\r\n", GET + b"\r\n"])
def test_an_end_between_requests_is_fine(data: bytes) -> None:
    decoder = RequestDecoder()
    assert feed(decoder, [data], eof=True) == requests(data)
    assert decoder.state is State.CLOSED


@pytest.mark.parametrize(
    "data", [GET[:1], GET[:-1], POST[:-1], POST[:-5], CHUNKED[:-1], CHUNKED[:-10], CHUNK_HEAD]
)
def test_an_end_inside_a_request_is_an_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="ended inside") as caught:
        feed(RequestDecoder(), [data], eof=True)
    assert caught.value.status == 400


def test_what_came_before_the_end_is_still_decoded() -> None:
    decoder = RequestDecoder()
    decoder.receive_data(PIPELINE)
    decoder.receive_eof()
    assert len(drain(decoder)) >= 8
    assert decoder.state is State.CLOSED


def test_nothing_comes_after_the_end() -> None:
    decoder = RequestDecoder()
    decoder.receive_eof()
    with pytest.raises(LocalProtocolError, match="after the end"):
        decoder.receive_data(GET)
