"""Compression: who gets what, and that the client can read it as it comes."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, handler, sleep
from circuits.testing import VirtualClock, settle
from circuits.web import Compression, Controller, EventStream, Static, _coding, tools
from circuits.web.dispatchers import Dispatcher
from circuits.web.wsgi import Gateway
from tests.web.http_support import Errors, get, parse, serving

TEXT = "some text of a page " * 100


def unbrotli(data: bytes) -> bytes:
    return bytes(pytest.importorskip("brotli").decompress(data))


def unzstd(data: bytes) -> bytes:
    decompressor = pytest.importorskip("zstandard").ZstdDecompressor()
    return bytes(decompressor.decompressobj().decompress(data))


_DECODE: dict[str | None, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": unbrotli,
    "zstd": unzstd,
    None: bytes,
}


class Root(Controller):
    def index(self) -> str:
        return TEXT

    def data(self) -> Any:
        return {"text": TEXT}

    def small(self) -> str:
        return "small"

    def image(self) -> bytes:
        self.response.headers["Content-Type"] = "image/png"
        return TEXT.encode()

    def secret(self) -> str:
        self.response.headers["Cache-Control"] = "no-transform"
        return TEXT

    def coded(self) -> str:
        self.response.headers["Content-Encoding"] = "x-own"
        return TEXT

    def partly(self) -> str:
        self.response.code = 206
        return TEXT

    def tagged(self) -> str:
        self.response.headers["ETag"] = '"a"'
        self.response.headers["Vary"] = "Cookie"
        return TEXT

    def streamed(self) -> Any:
        self.response.stream = True
        self.response.body = iter(["a", None, "", "b" * 100])
        return self.response

    async def numbers(self) -> AsyncIterator[str]:
        for number in range(3):
            yield f"{number},"
            await sleep(1)

    def news(self) -> Any:
        return EventStream(self.numbers(), heartbeat=0.5)

    def refused(self) -> str:
        raise KeyError(TEXT)


@pytest.mark.parametrize("path", ["/", "/data", "/streamed"])
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_client_gets_what_it_can_read(coding: str, path: str) -> None:
    if coding not in _coding.available():
        pytest.skip(f"{coding} needs the extra web")
    with serving(Dispatcher(), Root(), Compression()) as server:
        client = server.connect()
        plain = client.get(path)
        reply = client.get(path, f"Accept-Encoding: {coding}")
        assert reply.headers["content-encoding"] == coding
        assert _DECODE[coding](reply.body) == plain.body
        assert reply.headers["content-type"] == plain.headers["content-type"]
        assert reply.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert "content-encoding" not in plain.headers
        head = client.get(path, f"Accept-Encoding: {coding}", method="HEAD")
        assert head.headers["content-encoding"] == coding
        assert head.body == b""


def test_small_and_other_things_are_left_alone() -> None:
    with serving(Dispatcher(), Root(), Compression()) as server:
        client = server.connect()
        for path in ("/small", "/image", "/secret", "/partly"):
            reply = client.get(path, "Accept-Encoding: gzip")
            assert "content-encoding" not in reply.headers, path
        assert client.get("/coded", "Accept-Encoding: gzip").headers["content-encoding"] == "x-own"


def test_a_tag_is_weak_and_vary_keeps_what_it_has() -> None:
    with serving(Dispatcher(), Root(), Compression()) as server:
        reply = server.connect().get("/tagged", "Accept-Encoding: gzip")
        assert (reply.headers["etag"], reply.headers["vary"]) == (
            'W/"a"',
            "Cookie, Accept-Encoding",
        )


@pytest.mark.parametrize("priority", [0.5, 1])
def test_what_others_make_of_a_body_is_compressed(priority: float) -> None:
    class Upper(Component):
        channel = "web"

        @handler("response", priority=priority)
        def _on_response(self, response: Any) -> None:
            response.body = "".join(response.body).upper()

    with serving(Dispatcher(), Root(), Compression(), Upper()) as server:
        reply = server.connect().get("/", "Accept-Encoding: gzip")
        assert gzip.decompress(reply.body) == TEXT.upper().encode()


def test_errors_are_compressed_like_pages() -> None:
    with serving(Dispatcher(), Root(), Compression(minimum_bytes=10), Errors()) as server:
        reply = server.connect().get("/refused", "Accept-Encoding: gzip")
        assert reply.code == 500
        assert b"Internal Server Error" in gzip.decompress(reply.body)


def test_each_piece_can_be_read_when_it_has_come() -> None:
    with VirtualClock() as clock, serving(Dispatcher(), Root(), Compression()) as server:
        client = server.connect()
        client.feed(get("/news", "Accept-Encoding: gzip"))
        decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        assert decoder.decompress(parse(client.received)[0].body) == b"data: 0,\n\n"
        seen = len(parse(client.received)[0].body)
        clock.advance(0.5)
        settle(server)
        assert decoder.decompress(parse(client.received)[0].body[seen:]) == b":\n\n"
        for _ in range(10):
            clock.advance(0.5)
            settle(server)
        whole = gzip.decompress(parse(client.received)[0].body)
        assert whole.replace(b":\n\n", b"") == b"data: 0,\n\ndata: 1,\n\ndata: 2,\n\n"


def test_files_lose_ranges_with_their_length(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "a.png").write_text(TEXT)
    (tmp_path / "small.txt").write_text("small")
    os.utime(tmp_path / "a.txt", (0, 0))
    with serving(Static(docroot=tmp_path), Compression()) as server:
        client = server.connect()
        reply = client.get("/a.txt", "Accept-Encoding: gzip")
        assert gzip.decompress(reply.body) == TEXT.encode()
        assert "accept-ranges" not in reply.headers
        assert reply.headers["etag"].startswith('W/"')
        tag = reply.headers["etag"]
        assert client.get("/a.txt", "Accept-Encoding: gzip", f"If-None-Match: {tag}").code == 304
        part = client.get("/a.txt", "Accept-Encoding: gzip", "Range: bytes=0-3")
        assert (part.code, part.body) == (206, b"some")
        for name in ("a.png", "small.txt"):
            assert "content-encoding" not in client.get(f"/{name}", "Accept-Encoding: gzip").headers


@pytest.mark.parametrize("threads", [0, 1])
def test_programs_of_wsgi_are_compressed(threads: int) -> None:
    def program(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter([TEXT.encode(), b"end"])

    with serving(Gateway({"/": program}, threads=threads), Compression()) as server:
        client = server.connect()
        client.feed(get("/", "Accept-Encoding: gzip"))
        settle(server, until=lambda: client.received.endswith(b"0\r\n\r\n"))
        reply = parse(client.received)[0]
        assert gzip.decompress(reply.body) == TEXT.encode() + b"end"


def test_the_tool_compresses_what_comes_asynchronously() -> None:
    class Tool(Component):
        channel = "web"

        @handler("response", priority=1, filter=True)
        def _on_response(self, event: Any, response: Any) -> None:
            event[0] = tools.gzip(event[0])

    class Slow(Controller):
        async def index(self) -> AsyncIterator[str]:
            for piece in ("a", "b"):
                yield piece
                await sleep(0)

    with serving(Dispatcher(), Slow(), Tool()) as server:
        reply = server.connect().get("/", "Accept-Encoding: gzip")
        assert gzip.decompress(reply.body) == b"ab"


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ([], None),
        ([("gzip", 1.0)], "gzip"),
        ([("x-gzip", 1.0)], "gzip"),
        ([("GZIP", 1.0)], "gzip"),
        ([("gzip", 1.0), ("br", 1.0)], "br"),
        ([("gzip", 1.0), ("br", 0.5)], "gzip"),
        ([("*", 1.0)], "br"),
        ([("*", 1.0), ("br", 0.0)], "gzip"),
        ([("gzip", 0.0)], None),
        ([("identity", 1.0), ("gzip", 0.5)], None),
        ([("identity", 0.5), ("gzip", 0.5)], "gzip"),
        ([("identity", 0.0)], None),
        ([("deflate", 1.0)], None),
    ],
)
def test_which_coding(accepted: list[tuple[str, float]], chosen: str | None) -> None:
    assert _coding.choose(accepted, ("br", "gzip")) == chosen


def test_a_coding_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"circuits\[web\]"):
        Compression(codings=["lzma"])


def test_without_the_extra_there_is_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_zstandard", "_std_zstd", "_brotli"):
        monkeypatch.setattr(_coding, name, None)
    assert list(_coding.available()) == ["gzip"]
