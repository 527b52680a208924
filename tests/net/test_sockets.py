"""Servers and clients as components, over sockets that never leave the process."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Debugger, Event, Manager, handler
from circuits.core.pollers import BasePoller, Poller, Select
from circuits.core.utils import flatten
from circuits.net import sockets
from circuits.net.sockets import (
    Close,
    Connect,
    Disconnect,
    TCP6Client,
    TCP6Server,
    TCPClient,
    TCPServer,
    UNIXClient,
    UNIXServer,
    Write,
)
from circuits.testing import MemoryConnection, Recorder, VirtualClock, settle

from .net_fakes import ADDRESS, FakeClient, FakeServer, FakeSocket, failure, fake_socket, stuff

Run = Callable[[Manager], Manager]

NAMES = (
    "ready", "connect", "connected", "read", "disconnect", "disconnected", "closed",
    "socket_error", "unreachable", "pause", "resume", "error",
)  # fmt: skip


class Application(Manager):
    """A tree of one socket component, a recorder, and what a test adds."""

    def __init__(self, socket_component: Any, *others: Any) -> None:
        super().__init__()
        self.socket = socket_component.register(self)
        # For a client, these two are requests.
        but = {"connect", "disconnect"} if isinstance(socket_component, TCPClient) else set()
        self.recorder = Recorder(*NAMES, ignore=but).register(self)
        for other in others:
            other.register(self)

    def told(self, *but: str) -> list[tuple[Any, ...]]:
        """Names and arguments of the recorded events, and forget them."""
        settle(self)
        told = [(r.name, *r.args) for r in self.recorder.records if r.name not in but]
        self.recorder.records.clear()
        return told

    def names(self) -> list[str]:
        return [entry[0] for entry in self.told()]


class Answer(Component):
    """Returns what it was made with, for each ``read``."""

    def __init__(self, answer: Any, channel: str = "server") -> None:
        super().__init__(channel=channel)
        self.answer = answer

    def read(self, *args: Any) -> Any:
        return self.answer


@pytest.fixture
def peers() -> Iterator[list[MemoryConnection]]:
    """Ends of connections; whatever is in this list is closed after the test."""
    made: list[MemoryConnection] = []
    yield made
    for peer in made:
        peer.close()


class Serving:
    """A running server, and how to get connections to it."""

    def __init__(self, run: Run, peers: list[MemoryConnection]) -> None:
        self._run = run
        self._peers = peers

    def __call__(self, *others: Any, **options: Any) -> Serving:
        self.server = FakeServer(**options)
        self.app = Application(self.server, *others)
        self._run(self.app)
        assert set(self.app.names()) == {"ready"}
        return self

    def dial(self, *outcomes: Any) -> list[MemoryConnection]:
        made = self.server.listener.dial(*outcomes)
        self._peers.extend(made)
        return made

    def connect(self) -> tuple[Any, MemoryConnection]:
        """The two ends of a new connection."""
        (peer,) = self.dial()
        ((name, sock, *_),) = self.app.told()
        assert name == "connect"
        return sock, peer


@pytest.fixture
def serving(app_runner: Run, peers: list[MemoryConnection]) -> Serving:
    return Serving(app_runner, peers)


# -- a server and its connections --


def test_a_server_is_bound_before_it_is_ready(app_runner: Run) -> None:
    server = FakeServer()
    assert (server.host, server.port) == ADDRESS
    assert server.connected
    app = Application(server)
    app_runner(app)
    assert app.told() == [("ready", server, ADDRESS)]
    settle(app)
    assert app.told() == []


def test_a_connection_from_begin_to_end(serving: Serving) -> None:
    app, server = serving().app, serving.server
    (peer,) = serving.dial()
    ((name, sock, host, port),) = app.told()
    assert (name, host, port) == ("connect", "192.0.2.9", 4711)
    assert server._clients == [sock]
    peer.send(b"hello")
    assert app.told() == [("read", sock, b"hello")]
    peer.close()
    assert app.told() == [("disconnect", sock)]
    assert server._clients == []
    assert sock.fileno() == -1


def test_connect_comes_before_read(serving: Serving) -> None:
    app = serving().app
    (peer,) = serving.dial()
    peer.send(b"early")
    peer.close()
    assert app.names() == ["connect", "read", "disconnect"]


def test_connections_are_accepted_in_batches(serving: Serving) -> None:
    app = serving().app
    serving.dial(*[None] * 100)
    app.tick(0)
    assert serving.server.listener.accepts == 64
    assert app.names() == ["connect"] * 100
    assert len(serving.server._clients) == 100


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPERM])
def test_a_peer_that_is_gone_is_skipped(serving: Serving, number: int) -> None:
    app = serving().app
    serving.dial(failure(number), None)
    assert app.names() == ["connect"]


def test_an_unexpected_failure_to_accept_is_told(serving: Serving) -> None:
    app = serving().app
    problem = failure(errno.EPROTO)
    serving.dial(problem, None)
    assert app.told()[0] == ("socket_error", serving.server.listener, problem)
    assert len(serving.server._clients) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_shortage_pauses_accepting(
    serving: Serving, virtual_clock: VirtualClock, number: int
) -> None:
    app = serving().app
    serving.dial(*[failure(number) for _ in range(7)], None)
    listener = serving.server.listener
    assert app.names() == ["socket_error"]
    assert listener.accepts == 1  # and does not try again
    waits = []
    while listener.waiting:
        before, accepts = virtual_clock.now, listener.accepts

        def is_tried_again(accepts: int = accepts) -> bool:
            return listener.accepts > accepts

        settle(app, until=is_tried_again)
        waits.append(round(virtual_clock.now - before, 6))
    assert waits[:4] == [0.1, 0.2, 0.4, 0.5]
    assert set(waits[4:]) == {0.5}
    assert app.names() == ["connect"]  # told once, until it works again
    serving.dial(failure(number))
    assert app.names() == ["socket_error"]


class Narrow(Poller):  # type: ignore[misc,valid-type]
    """Cannot watch anything but what it wakes up by."""

    def _set_interest(self, number: int, before: int, after: int) -> None:
        if after and number != self._wake_up.number:
            raise OSError(errno.EINVAL, "too large")
        super()._set_interest(number, before, after)


def test_a_listener_that_cannot_be_watched_is_told_and_closed(app_runner: Run) -> None:
    server = FakeServer()
    app = Application(server, Narrow())
    app_runner(app)
    assert set(app.names()) == {"ready", "socket_error", "closed"}
    assert server.listener.fileno() == -1


def test_closing_while_accepting_is_paused(serving: Serving, virtual_clock: VirtualClock) -> None:
    app = serving().app
    serving.dial(failure(errno.EMFILE))
    assert app.names() == ["socket_error"]
    app.fire(Close(), "server")
    assert app.names() == ["closed"]
    virtual_clock.advance(5)
    assert app.names() == []


# -- writing and closing --


def test_writing_by_event_and_by_method(serving: Serving) -> None:
    app = serving().app
    sock, peer = serving.connect()
    app.fire(Write(sock, b"one "), "server")
    settle(app)
    serving.server.write(sock, bytearray(b"two"))
    assert peer.received() == b"one two"


def test_text_is_refused_where_it_is_written(serving: Serving) -> None:
    app = serving().app
    sock, peer = serving.connect()
    with pytest.raises(TypeError, match="encode"):
        serving.server.write(sock, "text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="encode"):
        serving.server.write(object(), "text")  # type: ignore[arg-type]
    app.fire(Write(sock, "text"), "server")
    ((name, kind, *_),) = app.told()
    assert (name, kind) == ("error", TypeError)
    assert peer.received() == b""


def test_a_write_to_nobody_is_ignored(serving: Serving) -> None:
    app = serving().app
    sock, peer = serving.connect()
    serving.server.close(sock)
    assert app.names() == ["disconnect"]
    for unknown in (sock, peer, None, serving.server.listener):
        serving.server.write(unknown, b"x")
        serving.server.pause_reading(unknown)
        serving.server.resume_reading(unknown)
    assert app.names() == []


def test_closing_one_connection(serving: Serving) -> None:
    app = serving().app
    (one, peer), (other, _) = serving.connect(), serving.connect()
    app.fire(Close(one), "server")
    app.fire(Close(one), "server")
    assert app.told() == [("disconnect", one)]
    assert peer.at_end
    assert serving.server._clients == [other]


def test_closing_everything(serving: Serving) -> None:
    app = serving().app
    (one, _), (other, _) = serving.connect(), serving.connect()
    app.fire(Close(), "server")
    app.fire(Close(), "server")
    assert app.told() == [("disconnect", one), ("disconnect", other), ("closed",)]
    assert (serving.server.host, serving.server.port) == (None, None)
    assert serving.server.listener.fileno() == -1


def test_close_does_not_wait_to_tell_that_the_listener_is_gone(serving: Serving) -> None:
    app = serving().app
    sock, peer = serving.connect()
    stuff(sock)
    serving.server.write(sock, b"rest")
    serving.server.close()
    assert app.told() == [("closed",)]
    peer.received()
    assert app.told() == [("disconnect", sock)]
    assert peer.received() == b"rest"


def test_no_read_after_a_close(serving: Serving) -> None:
    app = serving().app
    sock, peer = serving.connect()
    stuff(sock)
    serving.server.write(sock, b"rest")
    serving.server.close(sock)
    peer.send(b"more")
    assert app.told() == []


@pytest.mark.parametrize("number", [errno.ECONNRESET, errno.ETIMEDOUT])
def test_a_failed_connection(serving: Serving, number: int) -> None:
    app = serving().app
    sock, peer = serving.connect()
    sock.receive_error = problem = failure(number)
    peer.send(b"x")
    assert app.told() == [("socket_error", sock, problem), ("disconnect", sock)]


def test_what_there_is_no_memory_to_deliver_is_the_last(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = serving().app
    sock, peer = serving.connect()

    def refuse(*args: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("circuits.net._endpoint.Read", refuse)
        peer.send(b"lost")
        ((name, *where, problem), end) = app.told()
    assert (name, where, problem.errno) == ("socket_error", [sock], errno.ENOMEM)
    assert end == ("disconnect", sock)


@pytest.mark.parametrize("where", ["_set_options", "adopt"])
def test_who_there_is_no_memory_to_accept_is_turned_away(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    app = serving().app

    def refuse(*args: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(serving.server, where, refuse)
        (peer,) = serving.server.listener.dial()
        ((name, _, problem),) = app.told()
    assert (name, problem.errno) == ("socket_error", errno.ENOMEM)
    with peer:
        assert peer.at_end
    sock, peer = serving.connect()
    peer.send(b"served")
    assert app.told() == [("read", sock, b"served")]


def test_reading_can_be_paused(serving: Serving) -> None:
    app = serving().app
    sock, peer = serving.connect()
    serving.server.pause_reading(sock)
    peer.send(b"wait")
    assert app.told() == []
    serving.server.resume_reading(sock)
    assert app.told() == [("read", sock, b"wait")]


# -- peers that do not keep up --


def test_pause_and_resume(serving: Serving) -> None:
    app = serving(high_water=100, low_water=10).app
    sock, peer = serving.connect()
    stuff(sock)
    serving.server.write(sock, bytes(101))
    peer.send(b"hello")
    assert app.told() == [("pause", sock)]
    peer.received()
    assert app.told() == [("resume", sock), ("read", sock, b"hello")]


def test_who_never_reads_is_given_up(serving: Serving, virtual_clock: VirtualClock) -> None:
    app = serving(write_timeout=8.0).app
    sock, _ = serving.connect()
    stuff(sock)
    serving.server.write(sock, b"unread")
    virtual_clock.advance(7.9)
    assert app.told() == []
    settle(app, until=12.0 + virtual_clock.now)
    (name, _, problem), gone = app.told()
    assert (name, problem.errno, gone) == ("socket_error", errno.ETIMEDOUT, ("disconnect", sock))


@pytest.mark.skipif(not hasattr(os, "sendfile"), reason="needs sendfile")
def test_who_never_reads_a_file_is_given_up(
    serving: Serving, virtual_clock: VirtualClock, tmp_path: Path
) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(5_000_000))
    app = serving(write_timeout=8.0).app

    class Pretender(socket.socket):
        """Takes the options of a TCP socket, though it is none."""

        def setsockopt(self, *option: Any) -> None:
            pass

    end, there = socket.socketpair()
    with there:
        serving.dial(Pretender(fileno=end.detach()))
        ((_, sock, *_),) = app.told()
        with path.open("rb") as file:
            assert serving.server.send_file("unknown", file, 0, 5_000_000) == 0
            assert serving.server.send_file(sock, file, 0, 5_000_000) == 5_000_000
        with pytest.raises(RuntimeError, match="file"):
            serving.server.starttls(sock)
        assert app.told() == [("pause", sock)]
        settle(app, until=12.0 + virtual_clock.now)
        (name, _, problem), gone = app.told()
    assert (name, problem.errno, gone) == ("socket_error", errno.ETIMEDOUT, ("disconnect", sock))


def test_who_reads_slowly_is_served(serving: Serving, virtual_clock: VirtualClock) -> None:
    app = serving(write_timeout=8.0, high_water=4_000_000).app
    sock, peer = serving.connect()
    serving.server.write(sock, bytes(3_000_000))
    received = rounds = 0
    while received < 3_000_000:
        settle(app, until=virtual_clock.now + 5)
        received += len(peer.received())
        rounds += 1
    assert rounds > 4  # much longer than the timeout
    settle(app, until=virtual_clock.now + 100)
    assert app.told() == []


def test_the_write_timeout_can_be_turned_off(serving: Serving, virtual_clock: VirtualClock) -> None:
    app = serving(write_timeout=None).app
    sock, _ = serving.connect()
    stuff(sock)
    serving.server.write(sock, b"unread")
    virtual_clock.advance(100_000)
    assert app.told() == []


# -- answers and the end of input --


@pytest.mark.parametrize(
    ("answers", "written"),
    [
        ([b"yes"], b"yes"),
        ([None], b""),
        (["text"], b""),
        ([bytearray(b"no")], b""),
        ([b"one", b"two"], b""),
        ([b"one", None], b"one"),
    ],
)
def test_one_answer_of_bytes_is_written_back(
    serving: Serving, answers: list[Any], written: bytes
) -> None:
    app = serving(*map(Answer, answers)).app
    _, peer = serving.connect()
    peer.send(b"?")
    settle(app)
    assert peer.received() == written


class Suspended(Component):
    channel = "server"

    def read(self, sock: Any, data: bytes) -> Iterator[Any]:
        yield self.wait("go")
        yield data.upper()


def test_a_generator_answers_when_it_is_done(serving: Serving) -> None:
    app = serving(Suspended()).app
    _, peer = serving.connect()
    peer.send(b"hello")
    assert app.names() == ["read"]
    peer.shutdown(socket.SHUT_WR)
    assert app.names() == []  # the connection waits for the answer
    app.fire(Event.create("Go"), "server")
    assert app.names() == ["disconnect"]
    assert peer.received() == b"HELLO"


class Chain(Component):
    """Answers three events later."""

    channel = "server"

    def read(self, sock: Any, data: bytes) -> None:
        self.fire(Event.create("Second", sock, data))

    def second(self, sock: Any, data: bytes) -> None:
        self.fire(Event.create("Third", sock, data))

    def third(self, sock: Any, data: bytes) -> None:
        self.fire(Write(sock, data[::-1]))


def test_an_answer_comes_before_the_end(serving: Serving) -> None:
    app = serving(Chain()).app
    _, peer = serving.connect()
    peer.send(b"hello")
    peer.shutdown(socket.SHUT_WR)
    assert app.names() == ["read", "disconnect"]
    assert peer.received() == b"olleh"
    assert peer.at_end


class Keep:
    """Decides when connections end."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.abandoned = 0

    def end_of_input(self, sock: Any) -> bool:
        self.asked.append(sock)
        return True

    def abandon(self) -> None:
        self.abandoned += 1


def test_half_closed_connections_can_be_held(serving: Serving) -> None:
    app, server = serving().app, serving.server
    keep = Keep()
    server.keep_with(keep)
    sock, peer = serving.connect()
    peer.shutdown(socket.SHUT_WR)
    assert app.told() == []
    assert keep.asked == [sock]
    server.write(sock, b"late")
    server.close(sock)
    assert app.told() == [("disconnect", sock)]
    assert peer.received() == b"late"


def test_who_keeps_connections_is_told_that_all_of_them_end(serving: Serving) -> None:
    app, server = serving().app, serving.server
    keep = Keep()
    server.keep_with(keep)
    serving.connect()
    server.unregister()
    settle(app)
    assert keep.abandoned == 1
    server._abort()
    assert keep.abandoned == 2


@pytest.mark.parametrize("is_other", [False, True])
def test_who_kept_connections_may_part(serving: Serving, is_other: bool) -> None:
    app, server = serving().app, serving.server
    keep = Keep()
    server.keep_with(keep)
    server.part_from(Keep() if is_other else keep)
    sock, peer = serving.connect()
    peer.shutdown(socket.SHUT_WR)
    assert ("disconnect" in app.names()) is not is_other
    assert bool(keep.asked) is is_other
    server.close(sock)  # so that nobody waits for it at the end


# -- the short ways nobody may notice --


class Protocol(Component):
    """A part of the framework that may be called instead of told."""

    channel = "server"

    def init(self, *args: Any, **kwargs: Any) -> None:
        self.called: list[tuple[Any, bool]] = []
        self.problem: Exception | None = None

    @handler("read")
    def _on_read(self, sock: Any, data: bytes) -> None:
        if self.problem is not None:
            raise self.problem
        self.called.append((data, bool(len(self.root))))

    _on_read.direct = True  # type: ignore[attr-defined]


def quiet(run: Run, protocol: Any) -> tuple[Manager, FakeServer, Any, MemoryConnection]:
    """A server without a recorder, and one connection."""
    app = Manager()
    server = FakeServer().register(app)
    protocol.register(app)
    run(app)
    (peer,) = server.listener.dial()
    settle(app)
    (sock,) = server._clients
    return app, server, sock, peer


def test_a_direct_handler_is_called_without_event(app_runner: Run) -> None:
    app, _, _, peer = quiet(app_runner, protocol := Protocol())
    with peer:
        peer.send(b"hello")
        settle(app)
        assert protocol.called == [(b"hello", False)]
        recorder = Recorder("read").register(app)
        peer.send(b"again")
        settle(app)
        assert recorder.names == ["read"]  # somebody looks, so there is an event
        assert [data for data, _ in protocol.called] == [b"hello", b"again"]


def test_an_error_in_a_direct_handler_names_the_event(app_runner: Run) -> None:
    app, _, sock, peer = quiet(app_runner, protocol := Protocol())
    with peer:
        errors = Recorder("error").register(app)
        settle(app)
        protocol.problem = ValueError("no")
        peer.send(b"x")
        settle(app)
        (record,) = errors.records
        assert record.args[1] is protocol.problem
        assert record.event.fevent.name == "read"  # type: ignore[attr-defined]
        assert record.event.fevent.args == [sock, b"x"]  # type: ignore[attr-defined]


def test_an_only_reader_may_suspend(app_runner: Run) -> None:
    app, server, _, peer = quiet(app_runner, Suspended())
    with peer:
        peer.send(b"hello")
        peer.shutdown(socket.SHUT_WR)
        settle(app)
        assert len(server._clients) == 1  # the connection waits for the answer
        app.fire(Event.create("Go"), "server")
        settle(app)
        assert peer.received() == b"HELLO"
        assert server._clients == []


@pytest.mark.parametrize(("answer", "written"), [(b"yes", b"yes"), ("text", b""), (None, b"")])
def test_the_answer_of_an_only_reader(app_runner: Run, answer: Any, written: bytes) -> None:
    app, _, _, peer = quiet(app_runner, Answer(answer))
    with peer:
        peer.send(b"?")
        settle(app)
        assert peer.received() == written


def test_what_an_only_reader_fires_comes_before_its_answer(app_runner: Run) -> None:
    class Both(Component):
        channel = "server"

        def read(self, sock: Any, data: bytes) -> bytes:
            self.fire(Write(sock, b"one "))
            return b"two"

    app, _, _, peer = quiet(app_runner, Both())
    with peer:
        peer.send(b"?")
        settle(app)
        assert peer.received() == b"one two"


def test_data_does_not_overtake_events(app_runner: Run) -> None:
    seen: list[Any] = []

    class Order(Component):
        channel = "server"

        def before(self) -> None:
            seen.append("before")

        def read(self, sock: Any, data: bytes) -> None:
            seen.append(data)

    app, server, sock, peer = quiet(app_runner, Order())
    with peer:
        peer.send(b"data")
        app.fire(Event.create("Before"), "server")
        server._on_readable(sock)
        settle(app)
        assert seen == ["before", b"data"]


def test_an_observer_of_answers_sees_them(app_runner: Run) -> None:
    app, _, _, peer = quiet(app_runner, Answer(b"yes"))
    with peer:
        seen = Recorder("read_value_changed").register(app)
        peer.send(b"?")
        settle(app)
        assert [record.args[0].value for record in seen.records] == [b"yes"]
        assert peer.received() == b"yes"


def test_a_debugger_sees_everything(app_runner: Run, capsys: pytest.CaptureFixture[str]) -> None:
    app, _, _, peer = quiet(app_runner, Answer(b"yes"))
    with peer:
        Debugger().register(app)
        settle(app)
        peer.send(b"?")
        settle(app)
        shown = "".join(capsys.readouterr())
    for name in ("_read", "read", "read_value_changed", "write"):
        assert f".{name}]" in shown


def test_who_looks_at_what_is_written_sees_answers(app_runner: Run) -> None:
    app, _, sock, peer = quiet(app_runner, Answer(b"yes"))
    with peer:
        seen = Recorder("write").register(app)
        peer.send(b"?")
        settle(app)
        assert [record.args for record in seen.records] == [(sock, b"yes")]
        assert peer.received() == b"yes"


def test_a_subclass_sees_its_answers(app_runner: Run) -> None:
    class Loud(FakeServer):
        @handler("write", override=True)
        def write(self, sock: Any, data: Any) -> None:
            super().write(sock, data.upper())

    server = Loud()
    app = Manager()
    for component in (server, Answer(b"yes")):
        component.register(app)
    app_runner(app)
    (peer,) = server.listener.dial()
    with peer:
        settle(app)
        peer.send(b"?")
        settle(app)
        assert peer.received() == b"YES"


# -- errors under their name in the 3.x line --


class Listening(Component):
    """Handles ``error`` on one channel."""

    def __init__(self, channel: Any) -> None:
        super().__init__(channel=channel)
        self.told: list[tuple[Any, ...]] = []

    def error(self, *args: Any, **kwargs: Any) -> None:
        self.told.append(args)


def test_errors_are_told_by_error_where_that_is_asked_for(serving: Serving) -> None:
    here, everywhere, elsewhere = map(Listening, ("server", "*", "another"))
    app = serving(here, everywhere, elsewhere, error_events=True).app
    problem = failure(errno.EPROTO)
    serving.dial(problem)
    settle(app)
    assert here.told == [(serving.server.listener, problem)]
    assert (everywhere.told, elsewhere.told) == ([], [])  # they expect other arguments
    assert "socket_error" in app.names()


def test_nobody_is_told_by_error_unasked(serving: Serving) -> None:
    listening = Listening("server")
    app = serving(listening).app
    serving.dial(failure(errno.EPROTO))
    assert app.names() == ["socket_error"]
    assert listening.told == []


def test_a_client_tells_by_error_too(app_runner: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Client(FakeClient):
        error_events = True  # a subclass may say so

    client, listening = Client(), Listening("client")
    app = Application(client, listening)
    app_runner(app)
    problem = socket.gaierror(socket.EAI_NONAME, "unknown")
    Names(monkeypatch, problem)
    client.connect("nowhere.example", 80)
    assert app.names() == ["ready", "unreachable", "socket_error"]
    assert listening.told == [(problem,)]


# -- the tree --


def test_stopping_closes_everything(peers: list[MemoryConnection]) -> None:
    server = FakeServer()
    app = Application(server)
    with app.running():
        settle(app)
        peers.extend(server.listener.dial())
        settle(app)
        (sock,) = server._clients
        app.recorder.records.clear()
    assert [(r.name, *r.args) for r in app.recorder.records] == [("disconnect", sock), ("closed",)]
    assert server.listener.fileno() == -1


def test_stopping_writes_what_is_pending_first(peers: list[MemoryConnection]) -> None:
    server = FakeServer()
    app = Application(server)
    with app.running():
        settle(app)
        peers.extend(server.listener.dial())
        settle(app)
        (sock,) = server._clients
        stuff(sock)
        server.write(sock, b"rest")
        peers[0].received()
    assert peers[0].received() == b"rest"
    assert sock.fileno() == -1


def test_stopping_gives_up_in_time(
    peers: list[MemoryConnection], virtual_clock: VirtualClock
) -> None:
    server = FakeServer()
    app = Application(server)
    app.stop_timeout = 10.0
    with app.running():
        settle(app)
        peers.extend(server.listener.dial())
        settle(app)
        (sock,) = server._clients
        stuff(sock)
        server.write(sock, b"rest")
        app.recorder.records.clear()
        app.stop()
        settle(app, until=virtual_clock.now + 9.5)
        assert app.recorder.names == ["closed", "disconnect"]


def test_connections_may_be_drained_by_somebody_else(peers: list[MemoryConnection]) -> None:
    class Last(Component):
        channel = "server"

        def closed(self) -> None:
            (sock,) = server._clients
            self.fire(Write(sock, b"last words"))
            self.fire(Close(sock))

    server = FakeServer()
    server.keep_with(Keep())
    app = Application(server, Last())
    with app.running():
        settle(app)
        peers.extend(server.listener.dial())
        settle(app)
        app.recorder.records.clear()
    assert app.recorder.names == ["closed", "disconnect"]
    assert peers[0].received() == b"last words"


def test_a_server_tells_what_it_can_do_for_a_connection(serving: Serving) -> None:
    app, server = serving().app, serving.server
    sock, _ = serving.connect()
    assert server.finish_writing(sock)
    assert server.abort(sock)
    assert app.told() == [("disconnect", sock)]
    for known in (server.finish_writing, server.abort, server.is_congested):
        assert not known(sock)


def test_who_writes_may_ask_first(serving: Serving) -> None:
    app, server = serving(high_water=10, low_water=5).app, serving.server
    sock, peer = serving.connect()
    sock.send_limit = 0
    server.write(sock, b"x" * 10)
    assert not server.is_congested(sock)
    server.write(sock, b"x")
    assert server.is_congested(sock)
    sock.send_limit = None
    assert app.told() == [("pause", sock), ("resume", sock)]
    assert peer.received() == b"x" * 11


def test_only_the_end_of_the_application_counts(serving: Serving) -> None:
    app = serving().app
    sock, _ = serving.connect()
    app.fire(Event.create("Stopped", object()), "process")
    app.fire(Event.create("Stopped", serving.server), "process")
    assert app.told() == []
    assert serving.server._clients == [sock]


def test_leaving_the_tree_closes_at_once(serving: Serving) -> None:
    app = serving().app
    sock, peer = serving.connect()
    stuff(sock)
    serving.server.write(sock, b"rest")
    serving.server.unregister()
    assert app.told() == [("disconnect", sock), ("closed",)]
    assert set(peer.received()) == {0}  # without the rest
    assert peer.at_end
    assert serving.server.parent is serving.server


def pollers(app: Manager) -> list[BasePoller]:
    return [node for node in flatten(app) if isinstance(node, BasePoller)]


def test_a_tree_has_one_poller(app_runner: Run) -> None:
    app = Application(FakeServer(), FakeServer(channel="other"), FakeClient())
    app_runner(app)
    assert len(pollers(app)) == 1
    assert app.names().count("ready") == 3


@pytest.mark.parametrize("kind", [FakeServer, FakeClient])
def test_a_poller_that_cannot_be_made_is_told(
    app_runner: Run, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    problem = failure(errno.EMFILE)

    def refuse() -> None:
        raise problem

    component = kind()
    app = Manager()
    recorder = Recorder("socket_error", "ready").register(app)
    monkeypatch.setattr("circuits.core._poller_user.Poller", refuse)
    component.register(app)
    settle(app)
    assert [(record.name, record.args[-1]) for record in recorder.records] == [
        ("socket_error", problem)
    ]
    monkeypatch.undo()
    recorder.records.clear()
    app_runner(app)  # the next occasion
    settle(app)
    assert [record.name for record in recorder.records] == ["ready"]


def test_a_poller_of_the_application_is_used(app_runner: Run) -> None:
    app = Application(server := FakeServer())
    poller = Select().register(app)
    app_runner(app)
    assert server._poller is poller
    assert pollers(app) == [poller]


def test_another_poller_takes_over(serving: Serving) -> None:
    app, server = serving().app, serving.server
    _, peer = serving.connect()
    first = pollers(app)[0]
    second = Poller().register(app)
    first.unregister()
    settle(app)
    assert server._poller is second
    peer.send(b"still here")
    serving.dial()
    assert sorted(app.names()) == ["connect", "read"]


def test_components_ignore_descriptors_that_are_not_theirs(serving: Serving) -> None:
    client = FakeClient(channel="server")
    app = serving(client).app
    for name in ("_read", "_write", "_disconnect"):
        app.fire(Event.create(name, object()), "server")
    app.fire(Event.create("_error", object(), OSError()), "server")
    assert app.told() == []


# -- clients --


def connecting(run: Run, *socks: FakeSocket, **options: Any) -> tuple[Application, FakeClient]:
    client = FakeClient(*socks, **options)
    app = Application(client)
    run(app)
    assert app.names() == ["ready"]
    return app, client


def test_a_client_before_it_connects(app_runner: Run) -> None:
    client = FakeClient()
    assert (client.host, client.port, client.secure, client.connected) == (None, 0, False, False)
    app = Application(client)
    app_runner(app)
    assert app.told() == [("ready", client)]
    for event in (Write(b"dropped"), Close(), Disconnect()):
        app.fire(event, "client")
    assert app.told() == []


def test_a_connection_of_a_client(app_runner: Run) -> None:
    sock, peer = fake_socket()
    with peer:
        app, client = connecting(app_runner, sock)
        app.fire(Connect("192.0.2.1", 80), "client")
        assert app.told() == [("connected", "192.0.2.1", 80)]
        assert sock.dialled == ("192.0.2.1", 80)
        assert (client.connected, client.host, client.port) == (True, "192.0.2.1", 80)
        app.fire(Write(b"hello"), "client")
        settle(app)
        assert peer.received() == b"hello"
        peer.send(b"you")
        assert app.told() == [("read", b"you")]
        app.fire(Close(), "client")
        app.fire(Close(), "client")
        assert app.told() == [("disconnected",)]
        assert peer.at_end
        assert not client.connected


@pytest.mark.parametrize("request_to_close", [Close, Disconnect])
def test_both_words_for_closing(app_runner: Run, request_to_close: Any) -> None:
    app, client = connecting(app_runner)
    client.connect("192.0.2.1", 80)
    app.fire(request_to_close(), "client")
    assert app.names() == ["connected", "disconnected"]


def test_connected_comes_when_the_system_says_so(app_runner: Run) -> None:
    sock, peer = fake_socket(errno.EINPROGRESS)
    with peer:
        stuff(sock)
        app, client = connecting(app_runner, sock)
        client.connect("192.0.2.1", 80)
        assert app.told() == []
        assert not client.connected
        peer.received()
        assert app.told() == [("connected", "192.0.2.1", 80)]


def unreachable(app: Application, number: int) -> None:
    """Nothing but the two events for one failure has been fired."""
    first, second = app.told()
    assert first[:3] == ("unreachable", "192.0.2.1", 80)
    assert first[3].errno == number
    assert second == ("socket_error", first[3])


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (errno.ECONNREFUSED, 0),
        (failure(errno.EACCES), 0),
        (errno.EINPROGRESS, errno.ECONNREFUSED),
        (errno.EINPROGRESS, errno.EHOSTUNREACH),
    ],
)
def test_a_connection_that_fails(app_runner: Run, outcome: int | OSError, error: int) -> None:
    sock, peer = fake_socket(outcome, error)
    with peer:
        app, client = connecting(app_runner, sock)
        client.connect("192.0.2.1", 80)
        expected = error or (outcome if isinstance(outcome, int) else outcome.errno)
        assert expected is not None
        unreachable(app, expected)
        assert not client.connected
        assert sock.fileno() == -1
        client.connect("192.0.2.1", 80)  # it can be tried again
        assert app.names() == ["connected"]


@pytest.mark.parametrize("address", [("192.0.2.1", 99999), ("192.0.2.1", "http")])
def test_an_address_that_is_none(app_runner: Run, address: Any) -> None:
    app = Application(client := TCPClient())
    app_runner(app)
    client.connect(*address)
    assert app.names() == ["ready", "unreachable", "socket_error"]


def test_a_peer_that_does_not_answer(app_runner: Run, virtual_clock: VirtualClock) -> None:
    sock, peer = fake_socket(errno.EINPROGRESS)
    with peer:
        stuff(sock)
        app, client = connecting(app_runner, sock, connect_timeout=3)
        client.connect("192.0.2.1", 80)
        settle(app, until=virtual_clock.now + 2.9)
        assert app.told() == []
        settle(app, until=virtual_clock.now + 0.2)
        unreachable(app, errno.ETIMEDOUT)
        assert sock.fileno() == -1


def test_closing_while_connecting(app_runner: Run) -> None:
    sock, peer = fake_socket(errno.EINPROGRESS)
    with peer:
        stuff(sock)
        app, client = connecting(app_runner, sock)
        client.connect("192.0.2.1", 80)
        client.close()
        peer.received()
        assert app.told() == []
        assert sock.fileno() == -1


@pytest.mark.parametrize("outcome", [0, errno.EINPROGRESS])
def test_connecting_twice_is_an_error(app_runner: Run, outcome: int) -> None:
    sock, peer = fake_socket(outcome)
    with peer:
        stuff(sock)
        app, client = connecting(app_runner, sock)
        client.connect("192.0.2.1", 80)
        app.told()
        client.connect("192.0.2.2", 80)
        ((name, problem),) = app.told()
        assert name == "socket_error"
        assert problem.errno == (errno.EALREADY if outcome else errno.EISCONN)
        assert sock.dialled == ("192.0.2.1", 80)
        client._abort()


def test_connecting_before_there_is_a_poller(app_runner: Run) -> None:
    client = FakeClient()
    client.connect("192.0.2.1", 80)
    app = Application(client)
    app_runner(app)
    assert app.names() == ["ready", "connected"]


def test_bound_before_it_connects(app_runner: Run) -> None:
    sock, peer = fake_socket()
    with peer:
        app, client = connecting(app_runner, sock, bind=("127.0.0.1", 7))
        client.connect("192.0.2.1", 80)
        assert app.names() == ["connected"]
        assert sock.bound == ("127.0.0.1", 7)


def test_a_socket_that_was_given_is_not_bound_again(app_runner: Run) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as sock:
        listener.bind(b"\0circuits-test-given")
        listener.listen()
        sock.bind(b"\0circuits-test-here")
        app = Application(client := UNIXClient(sock))
        app_runner(app)
        client.connect("\0circuits-test-given")
        assert app.names() == ["ready", "connected"]
        assert client._sock is sock
        client._abort()


def test_a_client_that_loses_its_peer(app_runner: Run) -> None:
    sock, peer = fake_socket()
    app, client = connecting(app_runner, sock)
    client.connect("192.0.2.1", 80)
    peer.send(b"last")
    peer.close()
    assert app.told() == [("connected", "192.0.2.1", 80), ("read", b"last"), ("disconnected",)]
    client.connect("192.0.2.1", 80)
    assert app.names() == ["connected"]


def test_a_client_answers_what_its_handlers_return(app_runner: Run) -> None:
    sock, peer = fake_socket()
    with peer:
        app, client = connecting(app_runner, sock)
        Answer(b"yes", "client").register(app)
        client.connect("192.0.2.1", 80)
        peer.send(b"?")
        settle(app)
        assert peer.received() == b"yes"


def test_leaving_the_tree_disconnects(app_runner: Run) -> None:
    sock, peer = fake_socket()
    with peer:
        app, client = connecting(app_runner, sock)
        client.connect("192.0.2.1", 80)
        app.told()
        client.unregister()
        assert app.names() == ["disconnected"]
        client.register(app)
        client.connect("192.0.2.1", 80)
        assert app.names() == ["ready", "connected"]


# -- names --


class Names:
    """Look-ups that are done at once, in this thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *found: Any) -> None:
        self.asked: list[Any] = []

        def getaddrinfo(*args: Any) -> Any:
            self.asked.append(args)
            if isinstance(found[0], Exception):
                raise found[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in found]

        class Thread:
            def __init__(self, target: Any, args: Any, **options: Any) -> None:
                self.start = lambda: target(*args)

        monkeypatch.setattr(sockets, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(threading, "Thread", Thread)


def test_names_are_looked_up(app_runner: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sock, peer = fake_socket()
    with peer:
        app, client = connecting(app_runner, sock)
        names = Names(monkeypatch, ("192.0.2.7", 80))
        client.connect("example.org", 80)
        assert app.told() == [("connected", "example.org", 80)]
        assert sock.dialled == ("192.0.2.7", 80)
        assert names.asked == [("example.org", 80, socket.AF_INET, socket.SOCK_STREAM)]


def test_an_unknown_name(app_runner: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    app, client = connecting(app_runner)
    problem = socket.gaierror(socket.EAI_NONAME, "unknown")
    Names(monkeypatch, problem)
    client.connect("nowhere.example", 80)
    assert app.told() == [
        ("unreachable", "nowhere.example", 80, problem),
        ("socket_error", problem),
    ]


def test_the_next_address_is_tried_when_one_fails_or_says_nothing(
    app_runner: Run, monkeypatch: pytest.MonkeyPatch, virtual_clock: VirtualClock
) -> None:
    made = [fake_socket(errno.ECONNREFUSED), fake_socket(errno.EINPROGRESS), fake_socket()]
    stuff(made[1][0])
    app, client = connecting(app_runner, *(sock for sock, _ in made), connect_timeout=4)
    Names(monkeypatch, *(("192.0.2.1", n) for n in (1, 2, 2, 3)))
    before = virtual_clock.now
    client.connect("example.org", 80)
    settle(app, until=lambda: client.connected)
    assert app.told() == [("connected", "example.org", 80)]
    assert [sock.dialled[1] for sock, _ in made] == [1, 2, 3]
    assert virtual_clock.now - before == pytest.approx(0.25)  # a refusal costs nothing
    assert [sock.fileno() for sock, _ in made[:2]] == [-1, -1]
    for _, peer in made:
        peer.close()


def test_an_answer_that_comes_too_late_is_ignored(
    app_runner: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, client = connecting(app_runner)
    Names(monkeypatch, ("192.0.2.7", 80))
    client.connect("example.org", 80)
    client.close()
    assert app.told() == []
    assert not client.connected


# -- what constructors accept --


@pytest.mark.parametrize("make", [TCPClient, lambda **o: FakeServer(**o)])
def test_unknown_options_are_refused(make: Any) -> None:
    with pytest.raises(TypeError, match="no option colour"):
        make(colour="red")
    with pytest.raises(ValueError, match="must hold"):
        make(high_water=1, low_water=2)


def test_families() -> None:
    assert TCPServer.socket_family == socket.AF_INET == 2
    assert TCPClient.socket_family == socket.AF_INET
    assert TCP6Server.socket_family == TCP6Client.socket_family == socket.AF_INET6
    assert (sockets.BUFSIZE, sockets.BACKLOG) == (4096, 5000)


@pytest.mark.parametrize(
    ("cls", "channel"),
    [(TCPClient, "client"), (TCP6Client, "client"), (UNIXClient, "client"), (FakeServer, "server")],
)
def test_default_channels(cls: Any, channel: str) -> None:
    component = cls()
    assert component.channel == channel
    component._abort()
    other = cls(channel=("any", "hashable"))
    assert other.channel == ("any", "hashable")
    other._abort()


def test_a_listening_socket_is_adopted(app_runner: Run) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(b"\0circuits-test-adopted")
    sock.listen()
    server = TCPServer(sock)
    assert server._sock is sock
    assert not sock.getblocking()
    app = Application(server)
    app_runner(app)
    assert app.names() == ["ready"]


def test_a_unix_path_may_hold_a_colon_but_no_file_is_overwritten(tmp_path: Path) -> None:
    assert UNIXServer.parse_bind_parameter(None, "/run/a:b") == "/run/a:b"  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        UNIXServer(8000)
    precious = tmp_path / "file"
    precious.write_text("precious")
    with pytest.raises(FileExistsError):
        UNIXServer(precious)
    assert precious.read_text() == "precious"
