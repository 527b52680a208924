"""The codec against the public test vectors of llhttp, which is what Node.js parses with.

Only expectations of its strict mode count: that something is accepted or refused, and what it is
decoded to. Where ours differs on purpose, `DEVIATIONS` says why.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from circuits._wire import http1
from tests.support import vectors_folder

VECTORS = vectors_folder()
if VECTORS is None:
    pytest.skip(
        "needs public test vectors: set CIRCUITS_VECTORS to their folder", allow_module_level=True
    )

CLOSE_DATA = 5  # llhttp: data after `Connection: close`; ours drops it, which is as safe
UPGRADE = (22, 23)  # llhttp: not an error, it waits to hear whether to go on

_OTHER_PROTOCOL = "ICE and RTSP are not spoken here"
_FRAGMENT = "a fragment never belongs into a request (RFC 9112, 3.2.1)"
_CODINGS = "a body in a coding that cannot be undone is of no use, and its end is disputable"
_EMPTY_LINE = "only servers need to skip an empty line before a message (RFC 9112, 2.2)"

# What is accepted there and refused here, and why.
STRICTER = {
    "request/Fragment in URI": _FRAGMENT,
    "request/M-SEARCH request": "the target * is for OPTIONS only (RFC 9112, 3.2.4)",
    "request/SOURCE request with ICE": _OTHER_PROTOCOL,
    "request/OPTIONS request with RTSP": _OTHER_PROTOCOL,
    "request/ANNOUNCE request with RTSP": _OTHER_PROTOCOL,
    "request/No HTTP version": "HTTP/0.9 is gone",
    "request/Ignoring `pigeons`": _CODINGS,
    "request/POST with `chunked` as last transfer-encoding": _CODINGS,
    "request/POST with `chunked` as last transfer-encoding (multiple headers)": _CODINGS,
    "request/`host:port` and basic auth": "user information deceives (RFC 9110, 4.2.4)",
    "response/RTSP response": _OTHER_PROTOCOL,
    "response/ICE response": _OTHER_PROTOCOL,
    "response/HTTP version 0.9": "HTTP/0.9 is gone",
    "response/HTTP 304 with Content-Length": _EMPTY_LINE,
    "response/HTTP 100 first, then 400": _EMPTY_LINE,
    "response/Should parse multiple events": _EMPTY_LINE,
    "response/Response starting with CRLF": _EMPTY_LINE,
    "response/`chunked` before other transfer-encoding": _CODINGS,
    "response/multiple transfer-encoding where chunked is not the last one": _CODINGS,
    "response/`chunkedchunked` transfer-encoding does not enable chunked enconding": _CODINGS,
}

# What is refused there and accepted here, and why.
LOOSER = {
    "request/HTTP protocol and ANNOUNCE method": "any token is a method; servers answer 405 or 501",
    "request/Invalid method": "any token is a method; servers answer 405 or 501",
}

_LAST = "what follows the last message is dropped without a look"

# What only a lenient mode accepts there and is not refused here, and why.
DROPPED = {
    "request-lenient-keep-alive/Resetting flags when keep-alive is off (1.0, lenient)": _LAST,
    "request-lenient-keep-alive/CRLF between requests, explicit `close` (lenient)": _LAST,
    "response-lenient-data-after-close/HTTP/1.1 with keep-alive disabled, content-length (lenient)": _LAST,
    "response-lenient-keep-alive/HTTP/1.1 with keep-alive disabled and 204 status (lenient)": _LAST,
}

_USER = "user information deceives (RFC 9110, 4.2.4)"
_ZONE = "a zone means something on the client's own machine only (RFC 6874, 4)"

# Targets that are taken there and refused here, also without their fragments, and why.
REFUSED_URLS = {
    "Complex URL with basic auth from node.js url parser doc": _USER,
    "Proxy basic auth with url encoded space": _USER,
    "Proxy basic auth with unreserved chars": _USER,
    "IPv6 address with Zone ID": _ZONE,
    "IPv6 address with Zone ID, but `%` is not percent-encoded": _ZONE,
}


@dataclass
class Expected:
    """What a log says about one message."""

    start: str = ""  # target of a request, status of a response
    body: bytes = b""
    complete: bool = False


@dataclass
class Vector:
    """One `http` block with its log."""

    name: str
    kind: str
    meta: dict[str, Any]
    data: bytes
    messages: list[Expected] = field(default_factory=list)
    error: int | None = None


def unescape(text: str) -> bytes:
    """Undo the notation of the vectors: lines end in CRLF unless escaped."""
    text = re.sub(r"\\\n", "", text).replace("\n", "\r\n")
    for escape, char in (("\\r", "\r"), ("\\n", "\n"), ("\\t", "\t"), ("\\f", "\f")):
        text = text.replace(escape, char)
    text = re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)
    return text.encode("latin-1" if max(map(ord, text), default=0) < 256 else "utf-8")


def read(path: Path, is_lenient: bool) -> list[Vector]:
    """The vectors of one Markdown file, of the strict mode or of the others."""
    vectors = []
    pattern = re.compile(
        r"^#+ ([^\n]+)\n(?:(?!\n#+ ).)*?<!-- meta=(\{[^\n]*\}) -->\s*```http\n(.*?)\n?```\n"
        r"(?:[^`\n][^\n]*\n|\n)*```log\n(.*?)```",
        re.DOTALL | re.MULTILINE,
    )
    for title, meta_text, http, log in pattern.findall(path.read_text(encoding="utf-8")):
        meta = json.loads(re.sub(r",\s*\}", "}", meta_text))
        kind = meta["type"].removesuffix("-finish")
        if is_lenient != (kind not in ("request", "response")):
            continue
        if kind == "request" and "skipBody" in meta:
            continue  # a feature of its interface
        vector = Vector(f"{kind}/{title}", kind.partition("-")[0], meta, unescape(http))
        current = Expected()
        for line in log.splitlines():
            if span := re.search(r' span\[(\w+)\]="(.*)"$', line):
                if span[1] == "body":
                    current.body += unescape(span[2])
                elif span[1] == "url":
                    current.start += span[2]
            elif end := re.search(r" span\[body\]=(cr|lf)$", line):
                current.body += b"\r" if end[1] == "cr" else b"\n"
            elif head := re.search(r"headers complete .*?(?:status=(\d+) )?v=", line):
                if head[1]:
                    current.start = head[1]
                vector.messages.append(current)
            elif line.endswith(" message complete"):
                current.complete = True
            elif line.endswith("message begin"):
                current = Expected()
            elif error := re.search(r"error code=(\d+)", line):
                vector.error = int(error[1])
        vectors.append(vector)
    return vectors


def load(is_lenient: bool) -> list[Vector]:
    assert VECTORS is not None
    return [
        vector
        for folder in ("request", "response")
        for path in sorted((VECTORS / "llhttp" / folder).glob("*.md"))
        for vector in read(path, is_lenient)
    ]


def decode(vector: Vector, step: int, ends: bool = False) -> tuple[list[Expected], str | None]:
    """What our decoder makes of a vector that arrives in pieces, and perhaps ends there."""
    decoder: http1.RequestDecoder | http1.ResponseDecoder
    data = vector.data
    if vector.kind == "request":
        decoder = http1.RequestDecoder()
        if b"host:" not in data.lower():
            # llhttp leaves this requirement to its caller; the rest of the vector is of interest.
            data = data.replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r\nHost: h\r\n")
    else:
        method = "HEAD" if vector.meta.get("skipBody") else "GET"
        decoder = http1.ResponseDecoder(assume_method=method)
    messages: list[Expected] = []
    try:
        for index in range(0, len(data), step):
            decoder.receive_data(data[index : index + step])
            drain(decoder, messages)
        if ends or vector.error is not None:
            decoder.receive_eof()
            drain(decoder, messages)
    except http1.RemoteProtocolError as error:
        return messages, str(error)
    return messages, None


def drain(decoder: http1.RequestDecoder | http1.ResponseDecoder, messages: list[Expected]) -> None:
    while (message := decoder.next_message()) is not None:
        if isinstance(message, http1.Data):
            messages[-1].body += message.data
        elif isinstance(message, http1.EndOfMessage):
            messages[-1].complete = True
        elif isinstance(message, http1.RequestHead):
            messages.append(Expected(message.target, complete=not message.has_body))
        else:
            messages.append(Expected(str(message.status), complete=not message.has_body))


def read_urls(path: Path) -> dict[str, tuple[bytes, bool]]:
    """Targets of requests by their names, and whether they are refused there."""
    pattern = re.compile(r"^## ([^\n]+)\n.*?```url\n(.*?)\n```.*?```log\n(.*?)```", re.S | re.M)
    found = pattern.findall(path.read_text(encoding="utf-8"))
    return {title: (unescape(url), "error code" in log) for title, url, log in found}


ALL = load(is_lenient=False)
LENIENT = load(is_lenient=True)
URLS = read_urls(VECTORS / "llhttp" / "url.md")


def test_vectors_are_read() -> None:
    """A reader that finds nothing would let everything else pass."""
    assert len(ALL) > 190
    assert sum(len(vector.messages) for vector in ALL) > 150
    assert sum(vector.error not in (None, CLOSE_DATA, *UPGRADE) for vector in ALL) > 50
    names = {vector.name for vector in ALL}
    assert names >= STRICTER.keys() | LOOSER.keys()
    assert len(LENIENT) > 30
    assert {vector.name for vector in LENIENT} >= DROPPED.keys()
    assert len(URLS) > 15
    assert URLS.keys() >= REFUSED_URLS.keys()


@pytest.mark.parametrize("step", [1 << 20, 1], ids=["whole", "bytewise"])
@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector.name)
def test_same_as_llhttp(vector: Vector, step: int) -> None:
    messages, error = decode(vector, step)
    if vector.name in STRICTER:
        assert error is not None, "no longer stricter"
        return
    if vector.name in LOOSER:
        assert error is None, "no longer looser"
        return
    expected = vector.messages
    if vector.error in UPGRADE:
        # From there on llhttp waits for a decision.
        messages = messages[: len(expected)]
        error = None
    elif vector.error == CLOSE_DATA:
        error = None
    elif vector.error is not None:
        assert error is not None
        # Ours may refuse earlier.
        starts = [message.start for message in messages]
        assert starts == [message.start for message in expected][: len(starts)]
        return
    else:
        assert error is None
    assert messages == expected


@pytest.mark.parametrize("step", [1 << 20, 1], ids=["whole", "bytewise"])
@pytest.mark.parametrize("vector", LENIENT, ids=lambda vector: vector.name)
def test_there_is_no_lenient_mode(vector: Vector, step: int) -> None:
    # What is refused for its fragment alone would say nothing about the rest.
    plain = Vector(vector.name, vector.kind, vector.meta, vector.data.replace(b"#hey", b""))
    messages, error = decode(plain, step, ends=True)
    if vector.name in DROPPED:
        assert error is None, "no longer dropped"
        assert len(messages) == 1
    else:
        assert error is not None


def refusal(url: bytes) -> http1.RemoteProtocolError | None:
    """What is said against a request for it."""
    host = re.sub(rb"^\w+://([^/?#]*).*", rb"\1", url) if b"://" in url else b"h"
    decoder = http1.RequestDecoder()
    decoder.receive_data(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (url, host))
    try:
        decoder.next_message()
    except http1.RemoteProtocolError as problem:
        return problem
    return None


@pytest.mark.parametrize("name", URLS)
def test_targets_of_llhttp(name: str) -> None:
    url, is_refused = URLS[name]
    bare, mark, _ = url.partition(b"#")
    if mark:
        assert refusal(url) is not None, _FRAGMENT
    assert (refusal(bare) is not None) == (is_refused or name in REFUSED_URLS)
