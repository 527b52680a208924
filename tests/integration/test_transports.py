"""What every transport does, over every poller: one suite for all."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, handler, sleep
from circuits.core.pollers import BasePoller
from circuits.net.sockets import (
    Close,
    Connect,
    Pipe,
    TCP6Client,
    TCP6Server,
    TCPClient,
    TCPServer,
    UNIXClient,
    UNIXServer,
    Write,
)
from tests.certificates import Certificates
from tests.net.net_fakes import FakeClient, FakeServer

from .net_support import Journal, Running, eventually, running


class Link:
    """Two components that can be connected, and how events name their connection.

    The one that accepts is on channel ``far``, the one that connects on ``near``.
    """

    #: Whether the two can be connected again and again.
    reconnects = True

    def __init__(self, far: Any, near: Any, *where: Any, **options: Any) -> None:
        self.far, self.near = far, near
        self.heard, self.told = Journal("far"), Journal("near")
        self._connect = (where, options)
        self.sock: tuple[Any, ...] = ()  # what comes first in events of the far side
        self.program: Running

    def begin(self) -> None:
        """Connect the two."""
        count = self.told.names.count("connected") + 1
        where, options = self._connect
        self.program.app.fire(Connect(*where, **options), "near")
        self.told.expect("connected", count)
        self.sock = self.heard.expect("connect", count)[:1]

    def answer(self, data: bytes) -> None:
        self.program.app.fire(Write(*self.sock, data), "far")

    def ask(self, data: bytes) -> None:
        self.program.app.fire(Write(data), "near")

    def gone(self, count: int = 1) -> None:
        """Wait until both sides have told that it is over."""
        self.told.expect("disconnected", count)
        self.heard.expect("disconnect", count)

    @property
    def ends(self) -> tuple[int, int]:
        return self.heard.names.count("disconnect"), self.told.names.count("disconnected")


class PipeLink(Link):
    """A pipe has no server: both sides are clients, and connected from the beginning."""

    reconnects = False

    def begin(self) -> None:
        self.told.expect("ready")
        self.heard.expect("ready")

    def gone(self, count: int = 1) -> None:
        self.told.expect("disconnected", count)
        self.heard.expect("disconnected", count)

    @property
    def ends(self) -> tuple[int, int]:
        return self.heard.names.count("disconnected"), self.told.names.count("disconnected")


class MemoryClient(FakeClient):
    """Connects to a server in the same process."""

    server: FakeServer

    def _create_socket(self) -> Any:
        sock = super()._create_socket()
        self.server.listener.waiting.append(self.peers.pop())
        return sock

    def connect_is_asked(self) -> None:
        self.server.listener._button.send(b"!")


class MemoryLink(Link):
    def begin(self) -> None:
        # The constructor has made the first socket already; later ones are made on demand.
        where, _ = self._connect
        count = self.told.names.count("connected") + 1
        self.program.app.fire(Connect(*where), "near")
        self.told.expect("connected", count)
        self.near.connect_is_asked()
        self.sock = self.heard.expect("connect", count)[:1]


def memory(_: Path, __: Any, options: dict[str, Any]) -> Link:
    far = FakeServer(channel="far", **options)
    MemoryClient.server = far
    near = MemoryClient(channel="near", **options)
    return MemoryLink(far, near, "192.0.2.1", 80)


def tcp(_: Path, __: Any, options: dict[str, Any]) -> Link:
    far = TCPServer(("127.0.0.1", 0), channel="far", **options)
    return Link(far, TCPClient(channel="near", **options), "localhost", far.port)


def tcp6(_: Path, __: Any, options: dict[str, Any]) -> Link:
    far = TCP6Server(("::1", 0), channel="far", **options)
    return Link(far, TCP6Client(channel="near", **options), "::1", far.port)


def unix(folder: Path, __: Any, options: dict[str, Any]) -> Link:
    path = folder / "path"
    far = UNIXServer(path, channel="far", **options)
    return Link(far, UNIXClient(channel="near", **options), path)


def pipe(_: Path, __: Any, options: dict[str, Any]) -> Link:
    return PipeLink(*Pipe("far", "near", **options))


def tls(_: Path, certificates: Certificates, options: dict[str, Any]) -> Link:
    far = TCPServer(
        ("127.0.0.1", 0), secure=True, certfile=certificates.server, channel="far", **options
    )
    near = TCPClient(channel="near", **options)
    secure = {"secure": True, "ca_certs": certificates.authority}
    return Link(far, near, "localhost", far.port, **secure)


def tls_unix(folder: Path, certificates: Certificates, options: dict[str, Any]) -> Link:
    path = folder / "path"
    far = UNIXServer(path, secure=True, certfile=certificates.server, channel="far", **options)
    secure = {"ca_certs": certificates.authority, "server_hostname": "localhost"}
    return Link(far, UNIXClient(channel="near", **options), path, secure=True, **secure)


TRANSPORTS = {
    "memory": memory,
    "tcp": tcp,
    "tcp6": tcp6,
    "unix": unix,
    "pipe": pipe,
    "tls": tls,
    "tls-unix": tls_unix,
}


class Maker:
    """Makes the link of a test, with options and other components, and runs it."""

    def __init__(self, name: str, poller: BasePoller, folder: Path, request: Any) -> None:
        self._name = name
        self._poller = poller
        self._folder = folder
        self._request = request
        self._contexts: list[Any] = []

    def __call__(self, *others: BaseComponent, **options: Any) -> Link:
        certificates: Any = None
        if self._name.startswith("tls"):
            certificates = self._request.getfixturevalue("certificates")
        if self._name == "tcp6":
            self._request.getfixturevalue("ipv6")
        link = TRANSPORTS[self._name](self._folder, certificates, options)
        context = running(self._poller, link.far, link.near, link.heard, link.told, *others)
        link.program = context.__enter__()
        self._contexts.append(context)
        link.begin()
        return link

    def end(self) -> None:
        for context in self._contexts:
            context.__exit__(None, None, None)


@pytest.fixture(params=TRANSPORTS)
def linked(request: pytest.FixtureRequest, poller: BasePoller, tmp_path: Path) -> Iterator[Maker]:
    maker = Maker(request.param, poller, tmp_path, request)
    yield maker
    maker.end()


class Echo(Component):
    """Returns on the far side what it is sent, in capital letters."""

    channel = "far"

    def read(self, *args: Any) -> bytes:
        return bytes(args[-1]).upper()


def text(journal: Journal) -> bytes:
    return b"".join(entry[-1] for entry in journal.of("read"))


def test_data_goes_both_ways(linked: Maker) -> None:
    link = linked()
    link.ask(b"question")
    assert link.heard.expect("read") == (*link.sock, b"question")
    link.answer(b"answer")
    assert link.told.expect("read") == (b"answer",)
    assert link.near.connected


def test_what_is_returned_is_written_back(linked: Maker) -> None:
    link = linked(Echo())
    link.ask(b"hello")
    assert link.told.expect("read") == (b"HELLO",)


def test_pieces_of_all_sizes_arrive_whole_and_in_order(linked: Maker) -> None:
    class Mirror(Component):
        channel = "far"

        def read(self, *args: Any) -> bytes:
            return bytes(args[-1])

    link = linked(Mirror())
    chosen = random.Random(7)
    sizes = (1, 2, 100, 16_383, 16_384, 16_385, 70_000)
    pieces = [os.urandom(chosen.choice(sizes)) for _ in range(120)]
    for piece in pieces:
        link.ask(piece)
    total = sum(map(len, pieces))
    eventually(lambda: len(text(link.told)) >= total, "something did not come back")
    assert hashlib.sha256(text(link.told)).digest() == hashlib.sha256(b"".join(pieces)).digest()
    assert link.told.of("socket_error") == []


def test_closing_the_near_side(linked: Maker) -> None:
    link = linked()
    link.program.app.fire(Close(), "near")
    link.gone()
    link.program.app.fire(Close(), "near")
    link.program.inside(lambda: None)
    assert link.ends == (1, 1)
    assert not link.near.connected


def test_closing_the_far_side(linked: Maker) -> None:
    link = linked()
    link.program.app.fire(Close(*link.sock), "far")
    link.gone()
    assert link.ends == (1, 1)


def test_what_was_written_before_a_close_arrives(linked: Maker) -> None:
    link = linked(high_water=10_000_000, max_pending=64_000_000)

    def write_much() -> None:
        for n in range(30):
            link.far.write(*link.sock, bytes([n]) * 100_000)
        link.far.close(*link.sock)
        link.far.write(*link.sock, b"too late")

    link.program.inside(write_much)
    link.gone()
    assert text(link.told) == b"".join(bytes([n]) * 100_000 for n in range(30))
    assert link.told.of("socket_error") == link.heard.of("socket_error") == []


@pytest.mark.parametrize("size", [5, 2_000_000])
def test_who_has_finished_writing_is_still_answered(linked: Maker, size: int) -> None:
    class Slow(Component):
        channel = "far"

        async def read(self, *args: Any) -> bytes:
            await sleep(0.005)
            return b"x" * size

    link = linked(Slow())

    def ask() -> None:
        link.near.write(b"?")
        link.near.finish_writing()
        link.near.write(b"too late")
        assert link.near.connected

    link.program.inside(ask)
    link.gone()
    assert len(text(link.told)) == size
    assert text(link.heard) == b"?"
    assert link.ends == (1, 1)


def test_a_client_may_answer_a_half_closed_server(linked: Maker) -> None:
    class Answer(Component):
        channel = "near"

        def read(self, data: bytes) -> bytes:
            return data.upper()

    link = linked(Answer())

    def ask() -> None:
        link.far.write(*link.sock, b"question")
        link.far.finish_writing(*link.sock)

    link.program.inside(ask)
    link.gone()
    assert text(link.heard) == b"QUESTION"


def test_a_half_closed_connection_can_be_held_by_the_client(linked: Maker) -> None:
    class Late(Event):
        pass

    class Hold(Component):
        channel = "near"

        def late(self) -> None:
            link.near.write(b"late")
            link.near.close()

    link = linked(Hold())

    def hold() -> bool:
        link.program.app.fire(Late(), "near")
        return True

    link.near.holds_half_closed = hold
    link.program.inside(lambda: link.far.finish_writing(*link.sock))
    link.gone()
    assert text(link.heard) == b"late"


def test_pause_and_resume(linked: Maker) -> None:
    link = linked(high_water=100_000, low_water=10_000, max_pending=100_000_000)
    link.program.inside(link.near.pause_reading)
    total = 0
    while "pause" not in link.heard.names:
        assert total < 50_000_000
        link.program.inside(lambda: link.far.write(*link.sock, bytes(100_000)))
        total += 100_000
    assert link.heard.of("pause") == [link.sock]
    link.program.inside(link.near.resume_reading)
    link.heard.expect("resume")
    eventually(lambda: len(text(link.told)) == total, "something is missing")


def test_a_peer_that_never_reads_is_given_up(linked: Maker) -> None:
    class Source(Component):
        """Produces as long as nobody says stop."""

        channel = "far"
        most = 0

        paused = False

        def go(self) -> None:
            if self.paused:
                return
            link.far.write(*link.sock, bytes(50_000))
            held = getattr(link.far, "_connection", None) or link.far._connections[link.sock[0]]
            self.most = max(self.most, held.pending_bytes)
            self.fire(Go())

        def pause(self, *sock: Any) -> None:
            self.paused = True

    class Go(Event):
        pass

    source = Source()
    link = linked(source, high_water=200_000, low_water=10_000, write_timeout=0.2)
    link.program.inside(link.near.pause_reading)
    link.program.app.fire(Go(), "far")
    (*_, problem) = link.heard.expect("socket_error")
    assert isinstance(problem, TimeoutError)
    link.program.inside(link.near.resume_reading)
    link.gone()
    assert link.heard.of("pause") == [link.sock]
    assert 200_000 < source.most <= 250_000


def test_a_peer_that_vanishes_while_it_is_written_to(linked: Maker) -> None:
    link = linked(high_water=100_000_000, max_pending=100_000_000)
    link.program.inside(link.near.pause_reading)
    link.program.inside(lambda: link.far.write(*link.sock, bytes(20_000_000)))
    link.program.inside(link.near.unregister)
    link.gone()
    assert link.ends == (1, 1)
    assert len(link.heard.of("socket_error")) == 1


def test_a_reader_that_pauses_keeps_what_came_before_the_end(linked: Maker) -> None:
    link = linked()
    link.program.inside(link.near.pause_reading)
    link.program.app.fire(Write(*link.sock, b"last words"), "far")
    link.program.app.fire(Close(*link.sock), "far")
    for _ in range(5):
        link.program.inside(lambda: None)
    link.program.inside(link.near.resume_reading)
    link.gone()
    assert text(link.told) == b"last words"


def test_connecting_again_and_again(linked: Maker) -> None:
    link = linked(Echo())
    if not link.reconnects:
        pytest.skip("the ends of a pipe cannot be connected again")
    for number in range(1, 6):
        link.ask(b"hello")
        link.told.expect("read", number)
        link.program.app.fire(Close(), "near")
        link.gone(number)
        if number < 5:
            link.begin()
    assert link.ends == (5, 5)
    assert link.heard.of("socket_error") == []


def test_text_is_refused(linked: Maker) -> None:
    link = linked()
    with pytest.raises(TypeError, match="encode"):
        link.program.inside(lambda: link.near.write("text"))
    with pytest.raises(TypeError, match="encode"):
        link.program.inside(lambda: link.far.write(*link.sock, "text"))


def test_leaving_the_tree_closes_at_once(linked: Maker) -> None:
    link = linked()
    link.program.inside(link.near.unregister)
    link.gone()
    assert link.ends == (1, 1)


def test_the_end_of_the_application_sends_what_is_pending(linked: Maker) -> None:
    link = linked(high_water=10_000_000, max_pending=64_000_000)
    received = []

    class Keep(BaseComponent):
        channel = "near"

        @handler("read")
        def _on_read(self, data: bytes) -> None:
            received.append(data)

    def write_much() -> None:
        Keep().register(link.program.app)
        link.far.write(*link.sock, bytes(3_000_000))
        link.far.close(*link.sock)
        link.program.app.stop()

    link.program.inside(write_much)
    link.program.thread.join(20)
    # The near side closes too; what was on its way until then has been delivered.
    assert link.ends == (1, 1)
