"""The request decoder against other people's parsers, on requests broken in random ways.

Whatever ours accepts, h11 and httptools must accept, too, and understand in the same way: a request
that two parsers understand differently is how requests are smuggled. That ours refuses more is
fine. The exceptions are explained in `excused`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import h11
import httptools
import pytest

from circuits._wire import http1
from tests._wire.http1_support import feed

SEED = 20260923
COUNT = 6000

CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
SEEDS = [
    b"GET /a?b HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h:80\r\n\r\n",
    b"GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello world",
    CHUNKED + b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
    CHUNKED + b"b\r\nhello world\r\n0\r\nX-T: u\r\n\r\n",
]
INSERTS = [
    *(bytes([byte]) for byte in b'\0\t\n\r "#,:;+-_0159aAfFxX\x0b\x7f\x80\xb2\xff'),
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n ",
    b"Content-Length: 11\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Host: x\r\n",
    b"Connection: close\r\n",
    b" :",
    b"chunked, ",
]


@dataclass
class Understood:
    """One request as some parser sees it."""

    method: bytes = b""
    target: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False


def broken_requests() -> Iterator[bytes]:
    chance = random.Random(SEED)
    for _ in range(COUNT):
        data = bytearray(chance.choice(SEEDS))
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            at = chance.randrange(len(data) + 1)
            if chance.random() < 0.3 and b"\r\n" in data[at:]:
                at = data.index(b"\r\n", at) + 2  # at the start of a line
            kind = chance.random()
            if kind < 0.55:
                data[at:at] = chance.choice(INSERTS)
            elif kind < 0.75:
                data[at : at + chance.choice([1, 1, 2])] = chance.choice(INSERTS)
            elif kind < 0.9:
                del data[at : at + 1]
            else:
                size = chance.randrange(1, 12)
                data[at:at] = data[at : at + size]
        yield bytes(data)


def ours(data: bytes) -> Understood | None:
    """The first request, or None if anything is refused."""
    try:
        messages = feed(http1.RequestDecoder(), [data])
    except http1.RemoteProtocolError:
        return None
    if not messages:
        return Understood()
    head = messages[0]
    assert isinstance(head, http1.RequestHead)
    result = Understood(
        head.method.encode(),
        head.target.encode(),
        [(name.lower().encode(), value.encode("latin-1")) for name, value in head.headers],
        complete=not head.has_body,
    )
    for message in messages[1:]:
        if isinstance(message, http1.Data):
            result.body += message.data
        elif isinstance(message, http1.EndOfMessage):
            result.complete = True
        if result.complete:
            break
    return result


def by_h11(data: bytes) -> Understood | None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    result = Understood()
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                result.method, result.target = event.method, event.target
                result.headers = [(bytes(name), bytes(value)) for name, value in event.headers]
            elif isinstance(event, h11.Data):
                result.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                result.complete = True
                return result
            else:
                return result
    except h11.RemoteProtocolError:
        return None


class _Collector:
    """Callbacks of httptools; takes down the first request only."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.request = Understood()
        self.in_head = True

    def on_url(self, url: bytes) -> None:
        if not self.request.complete:
            self.request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:
            self.request.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        if self.in_head:
            self.request.method = self.parser.get_method()
        self.in_head = False

    def on_body(self, body: bytes) -> None:
        if not self.request.complete:
            self.request.body += body

    def on_message_complete(self) -> None:
        self.request.complete = True


def by_httptools(data: bytes) -> Understood | None:
    collector = _Collector()
    try:
        collector.parser.feed_data(data)
    except httptools.HttpParserError:
        # What is wrong with the second request, or that there is one after a `close`, is no
        # matter here.
        if not collector.request.complete:
            return None
    return collector.request


BROKEN = list(broken_requests())
KNOWN_METHODS = {b"GET", b"POST", b"OPTIONS"}


def excused(mine: Understood, data: bytes, parser: str) -> bool:
    """Whether a parser that refuses what ours accepts has a reason that is not ours."""
    if parser == "h11":
        # RFC 9112, 2.2 asks servers to skip an empty line before a request.
        return data.startswith(b"\r\n")
    return (
        # llhttp has a list of methods. Here any token is one, and the server answers 405 or 501.
        mine.method not in KNOWN_METHODS
        # It has one of versions, whereas RFC 9110, 2.5 has us take HTTP/1.9 for HTTP/1.1.
        or (b" HTTP/1.1" not in data and b" HTTP/1.0" not in data)
        # Whitespace after a value is not part of it (RFC 9110, 5.5), a tab included.
        or b"chunked\t\r\n" in data
    )


def test_the_fuzz_is_not_in_vain() -> None:
    """Enough is accepted and enough refused for the comparison to mean something."""
    accepted = [mine for data in BROKEN if (mine := ours(data)) is not None and mine.complete]
    assert COUNT * 0.1 < len(accepted) < COUNT * 0.9
    assert sum(bool(mine.body) for mine in accepted) > 200


@pytest.mark.parametrize(
    ("parser", "parse"), [("h11", by_h11), ("httptools", by_httptools)], ids=["h11", "httptools"]
)
def test_what_is_accepted_means_the_same_to_others(
    parser: str, parse: Callable[[bytes], Understood | None]
) -> None:
    differences: list[tuple[bytes, Understood, Understood | None]] = []
    for data in BROKEN:
        mine = ours(data)
        if mine is None:
            continue
        theirs = parse(data)
        if not mine.complete:
            # Waiting for more is the same as refusing, unless the other one goes ahead.
            if theirs is not None and theirs.complete:
                differences.append((data, mine, theirs))
        elif theirs is None:
            if not excused(mine, data, parser):
                differences.append((data, mine, theirs))
        elif mine != theirs:
            differences.append((data, mine, theirs))
    assert differences == []
