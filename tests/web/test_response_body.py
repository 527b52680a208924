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


@pytest.mark.parametrize("count", [0, 1, 999, 1000])
def test_what_the_kernel_does_not_take_is_written(tmp_path: Path, count: int) -> None:
    with serving(Served(tmp_path / "f")) as server:
        server.server.takes = count
        client = server.connect()
        client.feed(get())
        (reply,) = parse(client.received)
        assert server.server.sent + reply.body == _CONTENT
        assert len(server.server.sent) == count
        assert not client.is_closed


@pytest.mark.parametrize("watch", ["write", "stream", "stream_success"])
def test_who_watches_sees_every_piece(tmp_path: Path, watch: str) -> None:
    with serving(Served(tmp_path / "f"), Recorder(watch)) as server:
        server.server.takes = 1000
        assert server.connect().get().body == _CONTENT
        assert server.server.sent == b""


def test_chunks_are_made_by_us(tmp_path: Path) -> None:
    with serving(Served(tmp_path / "f", length=False)) as server:
        server.server.takes = 1000
        assert server.connect().get().body == _CONTENT
        assert server.server.sent == b""


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
    sent = server.server.send_file(server.peer, source.file, source.offset, source.remaining)
    assert sent == 900
    assert far.recv(2000) == _CONTENT[10:910]


def test_the_range_begins_where_the_kernel_has_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def send_file(sock: Any, file: Any, *place: int) -> int:
        asked.append(place)
        return 300

    with serving(Served(tmp_path / "f")) as server:
        monkeypatch.setattr(server.server, "send_file", send_file)
        client = server.connect()
        client.feed(get())
        assert asked == [(0, 1000)]
        assert client.received.endswith(b"\r\n\r\n" + _CONTENT[300:])
