"""Files that the kernel sends: when it is asked to, and what is done when it cannot."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, handler
from circuits.testing import Recorder, settle
from circuits.web import BaseServer
from circuits.web.wrappers import FileRange
from tests.web.http_support import get, parse, serving

_CONTENT = bytes(range(250)) * 4


class Served(BaseComponent):
    channel = "web"

    def __init__(self, path: Path, length: bool = True) -> None:
        super().__init__()
        path.write_bytes(_CONTENT)
        self.path = path
        self.length = length

    @handler("request")
    def _on_request(self, request: Any, response: Any) -> Any:
        if self.length:
            response.headers["Content-Length"] = "1000"
        response.body = FileRange(self.path.open("rb", buffering=0), 0, 1000)
        return response


class Kernel:
    """Sends up to so many bytes of each file."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.sent = b""

    def send_file(self, sock: Any, source: FileRange) -> None:
        source.file.seek(source.offset)
        data = source.file.read(min(self.count, source.remaining))
        source.advance(len(data))
        self.sent += data


@pytest.mark.parametrize("count", [0, 1, 999, 1000])
def test_what_the_kernel_does_not_take_is_written(tmp_path: Path, count: int) -> None:
    kernel = Kernel(count)
    with serving(Served(tmp_path / "f")) as server:
        server.http.send_file = kernel.send_file
        client = server.connect()
        client.feed(get())
        (reply,) = parse(client.received)
        assert kernel.sent + reply.body == _CONTENT
        assert len(kernel.sent) == count
        assert not client.is_closed


@pytest.mark.parametrize("watch", ["write", "stream", "stream_success"])
def test_who_watches_sees_every_piece(tmp_path: Path, watch: str) -> None:
    kernel = Kernel(1000)
    with serving(Served(tmp_path / "f"), Recorder(watch)) as server:
        server.http.send_file = kernel.send_file
        assert server.connect().get().body == _CONTENT
        assert kernel.sent == b""


def test_chunks_are_made_by_us(tmp_path: Path) -> None:
    kernel = Kernel(1000)
    with serving(Served(tmp_path / "f", length=False)) as server:
        server.http.send_file = kernel.send_file
        assert server.connect().get().body == _CONTENT
        assert kernel.sent == b""


# -- the server ------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[FileRange, Any, Any]]:
    """A source, a server that has one connection, and its far end."""
    path = tmp_path / "f"
    path.write_bytes(_CONTENT)
    server = BaseServer(str(tmp_path / "s"))
    near, far = socket.socketpair()
    with server.running(), near, far, path.open("rb", buffering=0) as file:
        settle(server)
        server.server._accepted(near, "")
        far.settimeout(5)
        server.peer = near  # type: ignore[attr-defined]
        yield FileRange(file, 10, 900), server, far


@pytest.mark.skipif(not hasattr(os, "sendfile"), reason="needs sendfile")
def test_the_kernel_sends_the_range(pair: Any) -> None:
    source, server, far = pair
    server._send_file(server.peer, source)
    assert (source.offset, source.remaining) == (910, 0)
    assert far.recv(2000) == _CONTENT[10:910]


def test_the_range_begins_where_the_kernel_has_stopped(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, server, _ = pair
    asked: list[Any] = []

    def send_file(*arguments: Any) -> int:
        asked.append(arguments)
        return 300

    monkeypatch.setattr(server.server, "send_file", send_file)
    server._send_file(server.peer, source)
    assert asked == [(server.peer, source.file, 10, 900)]
    assert (source.offset, source.remaining) == (310, 600)
