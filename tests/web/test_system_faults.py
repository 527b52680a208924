"""The system fails at each place of a request: who is hit gets one answer or an end, others are served.

A fault is raised once where the system, or Python, would raise it: while a connection is accepted
or watched, while its bytes are read, parsed, written, put to the disk or sent from a file.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, handler
from circuits._wire.http1 import RequestDecoder
from circuits.testing import MemoryConnection, Recorder, VirtualClock, memory_pair, settle
from circuits.web.http import HTTP
from circuits.web.tools import serve_file
from tests.net.net_fakes import FakeServer, failure
from tests.web.http_support import get, parse, post

FAULTS = {
    **{name: getattr(errno, name) for name in ("EINTR", "ENOMEM", "ENOSPC", "EMFILE", "EIO")},
    "memory": None,
}
SIZE = 50_000
PLACES = ("accept", "watch", "read", "parse", "write", "spool", "file")


def fault(name: str) -> Exception:
    number = FAULTS[name]
    return MemoryError() if number is None else failure(number)


class Site(BaseComponent):
    """Answers with what it was sent, or with a file."""

    channel = "web"
    host, port, secure, debug, display_banner = "192.0.2.1", 80, False, False, False
    version = "circuits/test"

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.server = FakeServer(channel="web").register(self)
        self.http = HTTP(server=self, memory_body_bytes=1000).register(self)
        self.http.attach(self.server)

    @handler("request")
    def _on_request(self, event: Any, request: Any, response: Any) -> Any:
        if request.path == "/file":
            return serve_file(request, response, str(self.file))
        return f"got {len(request.body.read())}"


class Once:
    """Does what a function does, but the first time it raises."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, target: Any, name: str, problem: Any
    ) -> None:
        self._original = getattr(target, name)
        self.problem: Exception | None = problem
        once = self

        def function(*args: Any, **kwargs: Any) -> Any:
            if once.problem is not None:
                problem, once.problem = once.problem, None
                raise problem
            return once._original(*args, **kwargs)

        monkeypatch.setattr(target, name, function)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Site, Recorder, VirtualClock]]:
    (tmp_path / "file").write_bytes(bytes(SIZE))
    with ExitStack() as stack:
        clock = stack.enter_context(VirtualClock())
        site = Site(tmp_path / "file")
        recorder = Recorder("error", "socket_error").register(site)
        site.stop_timeout = 0
        stack.enter_context(site.running())
        settle(site)
        yield site, recorder, clock


def ask(site: Site, peer: MemoryConnection, data: bytes) -> list[Any]:
    """What comes for it; a connection that ends at once gives nothing."""
    received = b""
    with suppress(OSError):
        peer.send(data)
        settle(site)
        while more := peer.received():
            received += more
            settle(site)
    return parse(received)


def has_ended(peer: MemoryConnection) -> bool:
    try:
        return peer.at_end
    except ConnectionResetError:
        return True


def expected(name: str, place: str) -> int | None:
    """The code of the answer; ``None`` for a connection that ends without one."""
    if place == "accept" or (name == "EINTR" and place in ("read", "write")):
        return 200
    if place in ("watch", "read", "write"):
        return None
    if place == "file":
        return 500 if name == "memory" else 503
    return 507 if name == "ENOSPC" else 500


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", FAULTS)
def test_who_is_hit_gets_an_answer_or_an_end_and_others_are_served(
    site: tuple[Site, Recorder, VirtualClock],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    place: str,
) -> None:
    app, recorder, clock = site
    (bystander,) = app.server.listener.dial()
    settle(app)
    assert [reply.body for reply in ask(app, bystander, get())] == [b"got 0"]
    problem = fault(name)
    ours, peer = memory_pair()
    once: Once | None = None
    if place == "accept":
        app.server.listener.dial(problem, ours)
    elif place == "watch":
        once = Once(monkeypatch, app.server._poller, "addReader", problem)
    elif place == "read":
        ours.receive_error = problem
    elif place == "write":
        ours.send_error = problem
    elif place == "parse":
        once = Once(monkeypatch, RequestDecoder, "next_message", problem)
    elif place == "spool":
        once = Once(monkeypatch, tempfile, "TemporaryFile", problem)
    elif place == "file":
        once = Once(monkeypatch, os, "open", problem)
    if place != "accept":
        app.server.listener.dial(ours)
    settle(app, until=clock.now + 2)
    replies = ask(app, peer, get("/file") if place == "file" else post(b"b" * 2000))
    assert once is None or once.problem is None, "nothing was hit"
    code = expected(name, place)
    assert [reply.code for reply in replies] == ([] if code is None else [code])
    if code == 200:
        assert replies[0].body == b"got 2000"
        assert [reply.body for reply in ask(app, peer, get())] == [b"got 0"], "it is kept"
    elif place != "file":
        assert has_ended(peer)
    if name != "EINTR":
        assert recorder.records or caplog.records, "it is told"
    (other,) = app.server.listener.dial()
    settle(app)
    for one in (bystander, other):
        assert [reply.body for reply in ask(app, one, get())] == [b"got 0"]
        assert len(ask(app, one, get("/file"))[0].body) == SIZE
    for one in (bystander, other, peer):
        one.close()
    settle(app)
    assert not app.http._connections
    assert not app.server._connections
