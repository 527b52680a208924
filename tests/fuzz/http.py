"""HTTP/1.1 in both directions, beside h11 and httptools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import h11
import httptools

from circuits._wire import http1
from tests.fuzz.engine import Target, normal

_CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

REQUESTS = [
    b"GET /a?b HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h:80\r\n\r\n",
    b"GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n",
    b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\nabc",
    b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello worldGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nCookie: a=b\r\n\r\n\r\nHEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
    _CHUNKED + b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
    _CHUNKED
    + b'b;q="\\" ;";r\r\nhello world\r\n0\r\nX-T: u\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n',
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 204 \r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 304 Not\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end",
    b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\x81\x01a",
    b"HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\nX: a\r\n b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 500\r\nContent-Length: 2, 2\r\nConnection: keep-alive\r\n\r\nno",
]
_WORDS = [
    *(bytes([byte]) for byte in b'\0\t\n\r "#,:;+-_0159aAfFxX\x0b\x7f\x80\xb2\xff'),
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\r\n ",
        b"\n\n",
        b"\r\r\n",
        b" :",
        b": ",
        b"chunked, ",
        b";a",
        b';a="b"',
    ),
    *(b"Content-Length: 11\r\n", b"Content-Length: 3\r\n", b"Content-Length:\r\n", b"Host: x\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding:chunked\r\n",
    ),
    *(
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"Connection: upgrade\r\n",
        b"Upgrade: x\r\n",
    ),
    *(
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"HTTP/2.0",
        b"GET ",
        b"HEAD ",
        b"POST / ",
        b"CONNECT ",
        b"OPTIONS * ",
    ),
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 \r\n", b"HTTP/1.1 101 \r\n", b"HTTP/1.1 204 No\r\n"),
    *(b"0\r\n\r\n", b"3\r\nabc\r\n", b"0\r\n", b"3\r\n", b"Expect: 100-continue\r\n", b"X: y\r\n"),
    *REQUESTS[:2],
    *RESPONSES[:2],
]


@dataclass
class Message:
    """One message as some parser sees it."""

    start: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    is_until_end: bool = False  # its body ends with the connection


@dataclass
class Seen:
    """Everything that a parser sees, and why it sees no more."""

    messages: list[Message] = field(default_factory=list)
    refusal: str | None = None
    is_over: bool = False  # the rest is no matter of HTTP, or dropped


def _field(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    name = name.lower()
    # h11 gives these in lower case.
    return name, value.lower() if name == b"transfer-encoding" else value


def by_ours(decoder: http1.RequestDecoder | http1.ResponseDecoder, pieces: Iterable[bytes]) -> Seen:
    """What our decoder sees, up to the end of the connection for responses."""
    seen = Seen()

    def drain() -> None:
        while (message := decoder.next_message()) is not None:
            if isinstance(message, http1.Data):
                assert message.data
                seen.messages[-1].body += message.data
            elif isinstance(message, http1.EndOfMessage):
                seen.messages[-1].complete = True
            else:
                if isinstance(message, http1.RequestHead):
                    start = f"{message.method} {message.target}"
                else:
                    start = str(message.status)
                headers = [_field(n.encode(), v.encode("latin-1")) for n, v in message.headers]
                seen.messages.append(
                    Message(
                        start.encode("latin-1"),
                        headers,
                        complete=not message.has_body,
                        is_until_end=message.has_body
                        and not message.chunked
                        and message.content_length is None,
                    )
                )

    try:
        for piece in pieces:
            is_closed, pending = decoder.state is http1.State.CLOSED, decoder.pending_bytes
            decoder.receive_data(piece)
            drain()
            assert not is_closed or decoder.pending_bytes == pending
        if isinstance(decoder, http1.ResponseDecoder):
            decoder.receive_eof()
            drain()
    except http1.RemoteProtocolError as problem:
        assert decoder.state is http1.State.CLOSED
        seen.refusal = problem.reason
    seen.is_over = decoder.state in (http1.State.CLOSED, http1.State.SWITCHED)
    return seen


def _of_h11(event: Any, seen: Seen) -> bool:
    """Take down an event; whether it was one."""
    if isinstance(event, h11.Request):
        seen.messages.append(Message(event.method + b" " + event.target))
    elif isinstance(event, h11.Response | h11.InformationalResponse):
        seen.messages.append(Message(b"%d" % event.status_code))
    elif isinstance(event, h11.Data):
        seen.messages[-1].body += bytes(event.data)
        return True
    elif isinstance(event, h11.EndOfMessage):
        seen.messages[-1].complete = True
        return True
    else:
        return False
    seen.messages[-1].headers = [_field(bytes(n), bytes(v)) for n, v in event.headers]
    seen.messages[-1].complete = isinstance(event, h11.InformationalResponse)
    return True


def requests_by_h11(data: bytes) -> Seen:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    seen = Seen()
    try:
        while True:
            if not _of_h11(connection.next_event(), seen):
                seen.is_over = str(connection.their_state) == "MIGHT_SWITCH_PROTOCOL"
                return seen
            if connection.their_state is h11.DONE and connection.our_state is h11.SEND_RESPONSE:
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    seen.is_over = True
                    return seen
                connection.start_next_cycle()
    except h11.RemoteProtocolError as problem:
        seen.refusal = str(problem)
    return seen


def responses_by_h11(data: bytes, method: str) -> Seen:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    seen = Seen()

    def ask() -> None:
        target = "h:80" if method == "CONNECT" else "/"
        connection.send(h11.Request(method=method, target=target, headers=[("Host", "h")]))
        connection.send(h11.EndOfMessage())

    ask()
    connection.receive_data(data)
    is_at_end = False
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA and not is_at_end:
                is_at_end = True
                connection.receive_data(b"")
                continue
            if not _of_h11(event, seen):
                seen.is_over = True
                return seen
            if connection.their_state is h11.SWITCHED_PROTOCOL:
                seen.messages[-1].complete = seen.is_over = True
                return seen
            if connection.their_state is h11.DONE:
                if connection.our_state is not h11.DONE:
                    seen.is_over = True
                    return seen
                connection.start_next_cycle()
                if not connection.trailing_data[0]:
                    return seen
                ask()
    except h11.RemoteProtocolError as problem:
        seen.refusal = str(problem)
    return seen


class _Collector:
    """Callbacks of httptools."""

    def __init__(self, kind: Any) -> None:
        self.parser = kind(self)
        self.seen = Seen()
        self.in_head = False

    def on_message_begin(self) -> None:
        self.in_head = True
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:
            self.headers.append(_field(name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_head = False
        if isinstance(self.parser, httptools.HttpRequestParser):
            start = self.parser.get_method() + b" " + self.target
        else:
            start = b"%d" % self.parser.get_status_code()
        self.seen.messages.append(Message(start, self.headers))

    def on_body(self, body: bytes) -> None:
        self.seen.messages[-1].body += body

    def on_message_complete(self) -> None:
        self.seen.messages[-1].complete = True


def by_httptools(kind: Any, data: bytes) -> Seen:
    collector = _Collector(kind)
    try:
        collector.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        collector.seen.is_over = True
    except httptools.HttpParserError as problem:
        collector.seen.refusal = str(problem)
    return collector.seen


def differences(ours: Seen, theirs: Seen, knows_end: bool = True) -> Iterator[tuple[str, str]]:
    """The first difference, if there is one: its kind, and all of it."""
    detail = f"{ours} / {theirs}"
    for index, mine in enumerate(ours.messages):
        other = theirs.messages[index] if index < len(theirs.messages) else None
        there = other is not None and (
            other.complete or (mine.is_until_end and not knows_end and theirs.refusal is None)
        )
        if not mine.complete:
            if there:
                yield (
                    (f"refused here: {normal(ours.refusal)}" if ours.refusal else "waits here"),
                    detail,
                )
            return
        if other is None or not there:
            if not (other is None and theirs.is_over):
                yield (
                    (
                        f"refused there: {normal(theirs.refusal)}"
                        if theirs.refusal
                        else "waits there"
                    ),
                    detail,
                )
            return
        for name in ("start", "headers", "body"):
            if getattr(mine, name) != getattr(other, name):
                yield f"otherwise: {name}", detail
                return
    if len(theirs.messages) > len(ours.messages) and theirs.messages[len(ours.messages)].complete:
        if ours.refusal:
            yield f"refused here: {normal(ours.refusal)}", detail
        elif not ours.is_over:
            yield "waits here", detail


def flat(seen: Seen) -> list[Any]:
    found: list[Any] = [
        (m.start, tuple(m.headers), m.body, m.complete, m.is_until_end) for m in seen.messages
    ]
    if seen.refusal is not None:
        found.append(f"refused: {seen.refusal}")
    elif seen.is_over:
        found.append("closed")
    return found


class Requests(Target):
    name = "http-requests"
    seeds = REQUESTS
    words = _WORDS
    peers = ("h11", "httptools")
    most_held = (1 << 20) + 16384

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        return flat(by_ours(http1.RequestDecoder(), pieces))

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        yield from _steps(http1.RequestDecoder(), pieces)

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        ours = by_ours(http1.RequestDecoder(), [data])
        for peer, theirs in (
            ("h11", requests_by_h11(data)),
            ("httptools", by_httptools(httptools.HttpRequestParser, data)),
        ):
            for what, detail in differences(ours, theirs):
                yield peer, what, detail
        for message in ours.messages:
            yield from self._again(message)

    def _again(self, message: Message) -> Iterator[tuple[str, str, str]]:
        """What was read can be sent on, and is read as the same."""
        method, _, target = message.start.decode("latin-1").partition(" ")
        # An expectation is ignored in HTTP/1.0, as not in what is sent on.
        headers = [(n.decode(), v.decode("latin-1")) for n, v in message.headers if n != b"expect"]
        try:
            data = http1.encode_request_head(method, target, headers)
        except http1.LocalProtocolError as problem:
            yield "ours", f"refused when sent on: {normal(str(problem))}", repr(message)
            return
        names = {name for name, _ in message.headers}
        if b"host" not in names:
            data = data[:-2] + b"Host: h\r\n\r\n"
            headers.append(("host", "h"))
        head = http1.RequestDecoder()
        head.receive_data(data)
        found = head.next_message()
        assert isinstance(found, http1.RequestHead)
        same = [(n.lower(), v) for n, v in found.headers]
        if (found.method, found.target) != (method, target) or same != headers:
            yield "ours", "otherwise when sent on", f"{found} / {message}"


def _steps(
    decoder: http1.RequestDecoder | http1.ResponseDecoder, pieces: Iterable[bytes]
) -> Iterator[int]:
    try:
        for piece in pieces:
            decoder.receive_data(piece)
            while decoder.next_message() is not None:
                pass
            yield decoder.pending_bytes
    except http1.RemoteProtocolError:
        yield 0


class Responses(Target):
    name = "http-responses"
    seeds = RESPONSES
    words = _WORDS
    peers = ("h11", "httptools")
    most_held = (1 << 20) + 16384
    _methods = ("GET", "HEAD", "CONNECT")

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        pieces = list(pieces)
        found: list[Any] = []
        for method in self._methods:
            found += flat(by_ours(http1.ResponseDecoder(assume_method=method), pieces))
        return found

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        yield from _steps(http1.ResponseDecoder(assume_method="GET"), pieces)

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        for method in self._methods:
            ours = by_ours(http1.ResponseDecoder(assume_method=method), [data])
            for what, detail in differences(ours, responses_by_h11(data, method)):
                yield "h11", what, detail
            if method == "GET":  # it knows no requests
                theirs = by_httptools(httptools.HttpResponseParser, data)
                for what, detail in differences(ours, theirs, knows_end=False):
                    yield "httptools", what, detail


class Sent(Target):
    """What we send: lines of method, target, and names and values in turn."""

    name = "http-sent"
    seeds: Sequence[bytes] = [
        b"GET\n/\nHost\nh\nX\ny",
        b"POST\n/a?b\nHost\nh\nContent-Length\n3",
        b"200\nOK\nContent-Length\n3\nX\n\xe4",
        b"204\n\nConnection\nclose",
        b"HEAD\n*\nHost\nh",
    ]
    words = [w for w in _WORDS if len(w) < 30] + [
        b"Host\nh\n",
        b"Transfer-Encoding\nchunked\n",
        b"Set-Cookie\n",
    ]
    peers = ("h11", "httptools")
    grows = False  # we do not attack ourselves

    def _encode(self, data: bytes) -> tuple[bytes | str, list[bytes]]:
        words = [line.decode("latin-1") for line in data.split(b"\n")]
        first, second, *rest = [*words, "", ""][: max(2, len(words))]
        headers = [*zip(rest[::2], rest[1::2], strict=False)]
        try:
            if first.isascii() and first.isdigit() and len(first) < 9:
                return http1.encode_response_head(int(first), second, headers), [
                    n.encode("latin-1") for n, _ in headers
                ]
            return http1.encode_request_head(first, second, headers), [
                n.encode("latin-1") for n, _ in headers
            ]
        except http1.LocalProtocolError as problem:
            return f"refused: {problem}", []

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        return [self._encode(b"".join(pieces))[0]]

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        self._encode(b"".join(pieces))
        yield 0

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        sent, names = self._encode(data)
        if isinstance(sent, str):
            return
        # Framing is up to the caller, so what is about it is left out.
        if {name.lower() for name in names} & {b"content-length", b"transfer-encoding", b"upgrade"}:
            return
        many = http1.Limits(header_count=len(names) + 1)
        if sent.startswith(b"HTTP/"):
            if sent[9:12] < b"200":
                return
            answers = [
                ("h11", responses_by_h11(sent, "HEAD")),
                ("httptools", by_httptools(httptools.HttpResponseParser, sent)),
                ("ours", by_ours(http1.ResponseDecoder(many, assume_method="HEAD"), [sent])),
            ]
        else:
            answers = [
                ("h11", requests_by_h11(sent)),
                ("httptools", by_httptools(httptools.HttpRequestParser, sent)),
                ("ours", by_ours(http1.RequestDecoder(many), [sent])),
            ]
        for peer, seen in answers:
            if seen.refusal is not None and not seen.messages:
                yield peer, f"refused there: {normal(seen.refusal)}", f"{sent!r} {seen}"
            elif len(seen.messages) != 1:
                yield peer, f"{len(seen.messages)} messages", f"{sent!r} {seen}"
            elif [name for name, _ in seen.messages[0].headers] != [name.lower() for name in names]:
                yield peer, "otherwise: headers", f"{sent!r} {seen}"
            elif seen.messages[0].body:
                yield peer, "otherwise: body", f"{sent!r} {seen}"


TARGETS: list[Target] = [Requests(), Responses(), Sent()]
