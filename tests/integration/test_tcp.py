"""TCP servers and clients, over every poller: one suite for all."""

from __future__ import annotations

import errno
import hashlib
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event, handler, sleep
from circuits.core.pollers import BasePoller, EPoll, Poller
from circuits.core.utils import findtype
from circuits.net.sockets import Close, Connect, Disconnect, TCPClient, TCPServer, Write
from tests.support import unused_port

from .net_support import (
    SECONDS,
    Journal,
    descriptors,
    dial,
    eventually,
    read_all,
    read_exactly,
    running,
)

HERE = ("127.0.0.1", 0)


class Echo(TCPServer):
    channel = "server"

    def __init__(self, **options: Any) -> None:
        super().__init__(HERE, channel="server", **options)

    @handler("read")
    def read(self, sock: Any, data: bytes) -> bytes:
        return data


class Reply(Component):
    """Returns what it is sent, as a handler beside the server."""

    channel = "server"

    def read(self, sock: Any, data: bytes) -> bytes:
        return data


def make_server(**options: Any) -> TCPServer:
    return TCPServer(HERE, **options)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def address(server: TCPServer) -> tuple[str, int]:
    assert server.port is not None
    return "127.0.0.1", server.port


# -- the life of a connection --


def test_what_a_server_fires_in_order(poller: BasePoller) -> None:
    server, journal = make_server(), Journal("server")
    with running(poller, server, Reply(), journal) as program:
        assert journal.expect("ready") == (server, ("127.0.0.1", server.port))
        with dial(server) as wire:
            here = wire.getsockname()
            wire.sendall(b"hello")
            assert read_exactly(wire, 5) == b"hello"
        journal.expect("disconnect")
        sock, host, port = journal.of("connect")[0]
        assert (host, port) == here
        assert journal.of("read") == journal.of("write") == [(sock, b"hello")]
        assert journal.of("disconnect") == [(sock,)]
        assert sock.fileno() == -1
        assert hash(sock) is not None
        assert server._clients == []
        program.stop()
    assert journal.names == ["ready", "connect", "read", "write", "disconnect", "closed"]
    assert (server.host, server.port) == (None, None)


def test_what_a_client_fires_in_order(poller: BasePoller) -> None:
    server, client, journal = make_server(), TCPClient(), Journal("client")
    with running(poller, server, Reply(), client, journal) as program:
        assert journal.expect("ready") == (client,)
        assert not client.connected
        program.app.fire(Connect("localhost", server.port), "client")
        # Exactly what the caller gave, be it resolved or not.
        assert journal.expect("connected") == ("localhost", server.port)
        assert client.connected
        program.app.fire(Write(b"hello"), "client")
        assert journal.expect("read") == (b"hello",)
        program.app.fire(Close(), "client")
        journal.expect("disconnected")
        assert not client.connected
        program.app.fire(Close(), "client")
        program.inside(lambda: None)
    assert journal.names == [
        "ready", "connect", "connected", "write", "read", "close", "disconnected", "close",
    ]  # fmt: skip


def test_one_poller_serves_the_whole_tree(poller: BasePoller) -> None:
    server, client = make_server(), TCPClient()
    journal = Journal("client")
    with running(poller, server, client, journal) as program:
        journal.expect("ready")
        assert findtype(program.app, BasePoller, all=True) == [poller]
        assert server._poller is client._poller is poller


def test_a_component_without_a_poller_brings_one() -> None:
    client, server, journal = TCPClient(), make_server(), Journal("client")
    with running(client, server, journal) as program:
        journal.expect("ready")
        assert [type(p) for p in findtype(program.app, BasePoller, all=True)] == [Poller]
    assert journal.names == ["ready"]


def test_a_subclass_echoes_what_it_returns(poller: BasePoller) -> None:
    server = Echo()
    with running(poller, server):
        with dial(server) as wire:
            for size in (1, 100, 4096, 4097, 100_000):
                wire.sendall(b"x" * size)
                assert read_exactly(wire, size) == b"x" * size


def test_a_generator_echoes_its_result(poller: BasePoller) -> None:
    class Slow(Component):
        channel = "server"

        def read(self, sock: Any, data: bytes) -> Generator[Any, Any, bytes]:
            yield sleep(0.001)
            return data[::-1]

    server = make_server()
    with running(poller, server, Slow()):
        with dial(server) as wire:
            wire.sendall(b"abc")
            assert read_exactly(wire, 3) == b"cba"


def test_a_coroutine_echoes_its_result(poller: BasePoller) -> None:
    class Slow(Component):
        channel = "server"

        async def read(self, sock: Any, data: bytes) -> bytes:
            await sleep(0.001)
            return data[::-1]

    server = make_server()
    with running(poller, server, Slow()):
        for _ in range(2):
            with dial(server) as wire:
                wire.sendall(b"abc")
                wire.shutdown(socket.SHUT_WR)
                assert read_all(wire) == b"cba"


def test_two_answers_or_text_are_not_written(poller: BasePoller) -> None:
    class More(Component):
        channel = "server"

        def read(self, sock: Any, data: bytes) -> Any:
            return data if data == b"two" else "text" if data == b"text" else None

    class Other(Component):
        channel = "server"

        def read(self, sock: Any, data: bytes) -> Any:
            if data == b"end":
                self.fire(Write(sock, b"end"))
            return b"other" if data == b"two" else None

    server, journal = make_server(), Journal("server")
    with running(poller, server, More(), Other(), journal):
        with dial(server) as wire:
            for number, data in enumerate((b"two", b"text", b"end"), 1):
                wire.sendall(data)
                journal.expect("read", number)
            assert read_exactly(wire, 3) == b"end"


def test_ten_megabytes_come_back_unchanged(poller: BasePoller) -> None:
    class Sink(Component):
        channel = "client"
        digest = hashlib.sha256()
        count = 0

        def read(self, data: bytes) -> None:
            self.digest.update(data)
            self.count += len(data)
            if self.count >= len(payload):
                self.fire(Close())

    payload = os.urandom(1024) * 10240
    server, client, sink, journal = Echo(), TCPClient(), Sink(), Journal("client")
    sink.digest = hashlib.sha256()
    with running(poller, server, client, sink, journal) as program:
        program.app.fire(Connect("127.0.0.1", server.port), "client")
        journal.expect("connected")
        # In uneven pieces, so that borders fall everywhere.
        for start in range(0, len(payload), 77_777):
            program.app.fire(Write(payload[start : start + 77_777]), "client")
        journal.expect("disconnected")
    assert sink.count == len(payload)
    assert sink.digest.digest() == hashlib.sha256(payload).digest()
    assert journal.of("socket_error") == []


# -- half-close --


class first(Event):
    pass


class second(Event):
    pass


class third(Event):
    pass


class Chain(Component):
    """Answers after a chain of events."""

    channel = "server"

    def read(self, sock: Any, data: bytes) -> None:
        self.fire(first(sock, data))

    def first(self, sock: Any, data: bytes) -> None:
        self.fire(second(sock, data))

    def second(self, sock: Any, data: bytes) -> None:
        self.fire(third(sock, data))

    def third(self, sock: Any, data: bytes) -> None:
        self.fire(Write(sock, data.upper()))


class Direct(Component):
    channel = "server"

    def read(self, sock: Any, data: bytes) -> None:
        self.fire(Write(sock, data.upper()))


class Called(Component):
    channel = "server"

    def read(self, sock: Any, data: bytes) -> Generator[Any, Any, bytes]:
        value = yield self.call(first(sock, data))
        return bytes(value.value)

    def first(self, sock: Any, data: bytes) -> Generator[Any, Any, bytes]:
        yield sleep(0.001)
        return data.upper()


class Returned(Component):
    channel = "server"

    def read(self, sock: Any, data: bytes) -> bytes:
        return data.upper()


@pytest.mark.parametrize("way", [Returned, Direct, Chain, Called])
def test_the_reply_to_a_half_closed_peer_is_sent(
    poller: BasePoller, way: Callable[[], Component]
) -> None:
    server, journal = make_server(), Journal("server")
    with running(poller, server, way(), journal):
        for number in range(1, 4):
            with dial(server) as wire:
                wire.sendall(b"hello")
                wire.shutdown(socket.SHUT_WR)
                assert read_all(wire) == b"HELLO"
            journal.expect("disconnect", number)
    assert journal.of("socket_error") == []


def test_a_large_reply_to_a_half_closed_peer_is_sent(poller: BasePoller) -> None:
    class Large(Component):
        channel = "server"

        def read(self, sock: Any, data: bytes) -> bytes:
            return b"x" * 5_000_000

    server = make_server()
    with running(poller, server, Large()):
        with dial(server) as wire:
            wire.sendall(b"?")
            wire.shutdown(socket.SHUT_WR)
            assert len(read_all(wire)) == 5_000_000


def test_a_client_reads_what_is_left_before_it_is_disconnected(poller: BasePoller) -> None:
    listener = socket.create_server(HERE)
    client, journal = TCPClient(), Journal("client")
    with listener, running(poller, client, journal) as program:
        program.app.fire(Connect(*listener.getsockname()), "client")
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"x" * 200_000)
        journal.expect("disconnected")
    names = journal.names
    assert names.count("disconnected") == 1
    assert names[-1] == "disconnected"
    assert sum(len(data) for (data,) in journal.of("read")) == 200_000


# -- failures --


def test_a_reset_is_told_as_an_error(poller: BasePoller) -> None:
    server, journal = make_server(), Journal("server")
    with running(poller, server, journal):
        wire = dial(server)
        wire.sendall(b"half a mess")
        journal.expect("read")
        reset(wire)
        journal.expect("disconnect")
    sock = journal.of("connect")[0][0]
    assert [(s, e.errno) for s, e in journal.of("socket_error")] == [(sock, errno.ECONNRESET)]
    assert journal.of("disconnect") == [(sock,)]
    assert [n for n in journal.names if n in ("socket_error", "disconnect")] == [
        "socket_error", "disconnect",
    ]  # fmt: skip


def test_a_reset_reaches_a_client(poller: BasePoller) -> None:
    listener = socket.create_server(HERE)
    client, journal = TCPClient(), Journal("client")
    with listener, running(poller, client, journal) as program:
        program.app.fire(Connect(*listener.getsockname()), "client")
        peer, _ = listener.accept()
        journal.expect("connected")
        reset(peer)
        journal.expect("disconnected")
    assert [e.errno for (e,) in journal.of("socket_error")] == [errno.ECONNRESET]
    assert journal.names.index("socket_error") < journal.names.index("disconnected")


def test_a_refused_connection_is_unreachable(poller: BasePoller) -> None:
    client, journal, port = TCPClient(), Journal("client"), unused_port()
    with running(poller, client, journal) as program:
        program.app.fire(Connect("127.0.0.1", port), "client")
        (problem,) = journal.expect("socket_error")
        assert problem.errno == errno.ECONNREFUSED
        assert journal.expect("unreachable") == ("127.0.0.1", port, problem)
        assert not client.connected
        # And it can try again.
        with socket.create_server(HERE) as listener:
            program.app.fire(Connect(*listener.getsockname()), "client")
            journal.expect("connected")
    assert journal.names.count("disconnected") == 1  # at the end, of the second
    assert journal.names.index("connected") < journal.names.index("disconnected")


def test_an_unknown_name_is_unreachable(
    poller: BasePoller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown name")

    monkeypatch.setattr("circuits.net.sockets.getaddrinfo", getaddrinfo)
    client, journal = TCPClient(), Journal("client")
    with running(poller, client, journal) as program:
        program.app.fire(Connect("no.such.host.invalid", 80), "client")
        (problem,) = journal.expect("socket_error")
        assert isinstance(problem, socket.gaierror)
        assert problem.errno == socket.EAI_NONAME
        assert journal.expect("unreachable") == ("no.such.host.invalid", 80, problem)
    assert "disconnected" not in journal.names


def test_a_connect_that_takes_too_long_fails(poller: BasePoller) -> None:
    # A listener whose backlog is full answers nothing.
    listener = socket.socket()
    listener.bind(HERE)
    listener.listen(0)
    address = listener.getsockname()
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(address)
    client, journal = TCPClient(connect_timeout=0.05), Journal("client")
    try:
        with running(poller, client, journal) as program:
            program.app.fire(Connect(*address), "client")
            (problem,) = journal.expect("socket_error")
    finally:
        for sock in (listener, *fillers):
            sock.close()
    assert isinstance(problem, TimeoutError)
    assert "connected" not in journal.names


def test_every_address_of_a_name_is_tried(
    poller: BasePoller, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, server, journal = TCPClient(), make_server(), Journal("client")
    dead, alive = ("127.0.0.1", unused_port()), ("127.0.0.1", server.port)

    def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (dead, dead, alive)
        ]

    monkeypatch.setattr("circuits.net.sockets.getaddrinfo", getaddrinfo)
    with running(poller, server, client, journal) as program:
        program.app.fire(Connect("several.invalid", 7), "client")
        assert journal.expect("connected") == ("several.invalid", 7)
    assert "socket_error" not in journal.names


def test_a_port_in_use_raises_in_the_constructor() -> None:
    server = make_server()
    with pytest.raises(OSError) as caught:
        TCPServer(("127.0.0.1", server.port))
    assert caught.value.errno == errno.EADDRINUSE
    assert str(caught.value).endswith(f"in use: '127.0.0.1:{server.port}'")


def test_socket_options_are_set_before_binding() -> None:
    option = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    server = make_server(socket_options=[(*option, 1)])
    assert server._sock.getsockopt(*option) == 1
    assert make_server()._sock.getsockopt(*option) == 0


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        make_server(colour="red")


# -- requests at odd moments --


def test_connect_before_ready_is_kept(poller: BasePoller) -> None:
    server, client, journal = make_server(), TCPClient(), Journal("client")
    client.fire(Connect("127.0.0.1", server.port))
    with running(server, client, journal, poller):
        journal.expect("connected")
    assert journal.names.index("ready") < journal.names.index("connected")


def test_connect_by_method_before_there_is_a_poller(poller: BasePoller) -> None:
    server, client, journal = make_server(), TCPClient(), Journal("client")
    client.connect(*address(server))
    with running(server, client, journal, poller):
        journal.expect("connected")


def test_a_client_connects_again_and_again(poller: BasePoller) -> None:
    server, client, journal = Echo(), TCPClient(), Journal("client")
    with running(poller, server, client, journal) as program:
        for number in range(1, 6):
            program.app.fire(Connect("127.0.0.1", server.port), "client")
            journal.expect("connected", number)
            program.app.fire(Write(b"%d" % number), "client")
            assert journal.expect("read", number) == (b"%d" % number,)
            program.app.fire([Close, Disconnect][number % 2](), "client")
            journal.expect("disconnected", number)


def test_connect_while_connected_is_an_error_and_changes_nothing(poller: BasePoller) -> None:
    server, client, journal = Echo(), TCPClient(), Journal("client")
    with running(poller, server, client, journal) as program:
        program.app.fire(Connect("127.0.0.1", server.port), "client")
        journal.expect("connected")
        program.app.fire(Connect("127.0.0.1", server.port), "client")
        (problem,) = journal.expect("socket_error")
        assert problem.errno == errno.EISCONN
        program.app.fire(Write(b"still there"), "client")
        assert journal.expect("read") == (b"still there",)
    assert journal.names.count("connected") == 1
    assert journal.names.count("disconnected") == 1


def test_close_while_connecting_cancels(poller: BasePoller) -> None:
    server, client, journal = make_server(), TCPClient(), Journal("client")
    accepted = Journal("server")
    with running(poller, server, client, journal, accepted) as program:

        def both() -> None:
            client.connect(*address(server))
            client.close()

        for _ in range(5):
            program.inside(both)
        program.app.fire(Connect("127.0.0.1", server.port), "client")
        journal.expect("connected")
        assert client.connected
    assert journal.names.count("connected") == 1
    assert journal.names.count("disconnected") == 1
    assert "socket_error" not in journal.names
    assert "unreachable" not in journal.names


def test_close_while_looking_up_cancels(
    poller: BasePoller, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    original = socket.getaddrinfo

    def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
        go_on.wait(SECONDS)
        return original(*args, **kwargs)

    monkeypatch.setattr("circuits.net.sockets.getaddrinfo", getaddrinfo)
    server, client, journal = make_server(), TCPClient(), Journal("client")
    with running(poller, server, client, journal) as program:
        program.inside(lambda: client.connect("localhost", address(server)[1]))
        # The loop goes on while the name is looked up.
        program.inside(client.close)
        go_on.set()
        program.app.fire(Connect("localhost", server.port), "client")
        journal.expect("connected")
    assert journal.names.count("connected") == 1
    assert "socket_error" not in journal.names


def test_closing_twice_is_silent(poller: BasePoller) -> None:
    server, journal = make_server(), Journal("server")
    with running(poller, server, journal) as program:
        with dial(server) as wire:
            (sock, *_) = journal.expect("connect")
            program.app.fire(Close(sock), "server")
            program.app.fire(Close(sock), "server")
            assert read_all(wire) == b""
        journal.expect("disconnect")
        program.app.fire(Close(sock), "server")
        program.app.fire(Write(sock, b"to nobody"), "server")
        program.inside(lambda: server.write(object(), b"to nobody"))
        program.app.fire(Close(), "server")
        journal.expect("closed")
        program.app.fire(Close(), "server")
        program.inside(lambda: None)
    assert journal.names.count("disconnect") == 1
    assert journal.names.count("closed") == 1
    assert not {"socket_error", "error"} & set(journal.names)


def test_close_of_a_server_closes_all_connections(poller: BasePoller) -> None:
    server, journal = make_server(), Journal("server")
    with running(poller, server, journal) as program:
        wires = [dial(server) for _ in range(3)]
        journal.expect("connect", 3)
        program.app.fire(Close(), "server")
        for wire in wires:
            with wire:
                assert read_all(wire) == b""
        journal.expect("disconnect", 3)
        journal.expect("closed")
    assert {s for s, *_ in journal.of("connect")} == {s for (s,) in journal.of("disconnect")}


def test_what_was_written_before_close_arrives_and_nothing_after(poller: BasePoller) -> None:
    server, journal = make_server(), Journal("server")
    with running(poller, server, journal) as program:
        with dial(server) as wire:
            (sock, *_) = journal.expect("connect")

            def work() -> None:
                server.write(sock, b"x" * 5_000_000)
                server.close(sock)
                server.write(sock, b"too late")

            program.inside(work)
            assert read_all(wire) == b"x" * 5_000_000
        journal.expect("disconnect")


def test_text_is_refused_at_the_call(poller: BasePoller) -> None:
    server, client, journal = make_server(), TCPClient(), Journal("server")
    with running(poller, server, client, journal) as program:
        with dial(server):
            (sock, *_) = journal.expect("connect")
            refused: list[Any] = ["text", 7, None]
            for data in refused:
                with pytest.raises(TypeError):
                    program.inside(partial(server.write, sock, data))
            with pytest.raises(TypeError):
                program.inside(lambda: client.write("text"))  # type: ignore[arg-type]


def test_anything_like_bytes_is_written_as_it_was(poller: BasePoller) -> None:
    server, journal = make_server(), Journal("server")
    with running(poller, server, journal) as program:
        with dial(server) as wire:
            (sock, *_) = journal.expect("connect")

            def work() -> None:
                mutable = bytearray(b"y" * 3_000_000)
                server.write(sock, mutable)
                mutable[:] = b"z" * len(mutable)
                server.write(sock, b"")
                server.write(sock, memoryview(b"end"))
                server.close(sock)

            program.inside(work)
            assert read_all(wire) == b"y" * 3_000_000 + b"end"


def test_a_write_without_a_connection_is_dropped(poller: BasePoller) -> None:
    client, journal = TCPClient(), Journal("client")
    with running(poller, client, journal) as program:
        program.app.fire(Write(b"to nobody"), "client")
        program.inside(lambda: None)
    assert sorted(journal.names) == ["ready", "write"]  # from two threads: in either order


# -- limits --


def test_a_slow_reader_pauses_and_resumes(poller: BasePoller) -> None:
    server = make_server(high_water=100_000, low_water=10_000)
    journal = Journal("server")
    with running(poller, server, journal) as program:
        with dial(server) as wire:
            (sock, *_) = journal.expect("connect")
            total = 0
            while "pause" not in journal.names:
                program.inside(lambda: server.write(sock, b"x" * 50_000))
                total += 50_000
                assert total < 50_000_000, "pause did not come"
            assert journal.of("pause") == [(sock,)]
            # While it is paused, nothing is read from that peer.
            wire.sendall(b"ping")
            program.inside(lambda: None)
            assert "read" not in journal.names
            got = len(read_exactly(wire, total))
            assert journal.expect("resume") == (sock,)
            assert journal.expect("read") == (sock, b"ping")
            assert got == total
    assert journal.names.count("pause") == journal.names.count("resume") == 1


def test_a_peer_that_never_reads_is_given_up(poller: BasePoller) -> None:
    server = make_server(high_water=100_000, low_water=10_000, max_pending=1_000_000)
    journal = Journal("server")
    with running(poller, server, journal) as program:
        with dial(server):
            (sock, *_) = journal.expect("connect")
            for _ in range(1000):
                program.inside(lambda: server.write(sock, b"x" * 50_000))
                if "disconnect" in journal.names:
                    break
            journal.expect("disconnect")
    assert [problem.errno for _, problem in journal.of("socket_error")] == [errno.ENOBUFS]


def test_reading_can_be_held(poller: BasePoller) -> None:
    server, journal = make_server(), Journal("server")
    with running(poller, server, journal) as program:
        with dial(server) as wire:
            (sock, *_) = journal.expect("connect")
            program.inside(lambda: server.pause_reading(sock))
            wire.sendall(b"later")
            program.inside(lambda: None)
            assert "read" not in journal.names
            program.inside(lambda: server.resume_reading(sock))
            assert journal.expect("read") == (sock, b"later")


_OUT_OF_DESCRIPTORS = """
import resource, socket, sys, time
from circuits import Component, handler
from circuits.core.pollers import {poller}
from circuits.net.sockets import TCPServer

errors = []
class Server(TCPServer):
    @handler("read")
    def read(self, sock, data):
        return data
    @handler("socket_error")
    def socket_error(self, sock, problem):
        errors.append((sock is server._sock, problem.errno))
app = Component()
{poller}().register(app)
server = Server(("127.0.0.1", 0)).register(app)
print(server.port, flush=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
app.run()
print(time.process_time(), errors, flush=True)
"""


def test_running_out_of_descriptors_is_survived(poller: BasePoller) -> None:
    program = _OUT_OF_DESCRIPTORS.format(poller=type(poller).__name__)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wires: list[socket.socket] = []
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        for _ in range(150):
            wires.append(dial(port))
        # All of the first answer, though the others wait.
        wires[0].sendall(b"first")
        assert read_exactly(wires[0], 5) == b"first"
        before = _cpu_seconds(process.pid)
        threading.Event().wait(1.0)  # the time in which it must not spin
        assert _cpu_seconds(process.pid) - before <= 0.05
        # As soon as there is a descriptor again, the next who waits has its turn.
        waiting = select.poll()
        for wire in wires[1:]:
            wire.sendall(b"?")
            waiting.register(wire, select.POLLIN)
        answered = {number for number, _ in _ready_for(waiting, 0.3)}
        assert 0 < len(answered) < 64
        for number in answered:
            waiting.unregister(number)
        wires.pop(0).close()
        begin = time.monotonic()
        assert waiting.poll(1000), "nobody was accepted within a second"
        assert time.monotonic() - begin < 1
        process.terminate()
        output, errors = process.communicate(timeout=SECONDS)
    finally:
        for wire in wires:
            wire.close()
        process.kill()
        process.communicate()
    assert process.returncode == 0, errors
    assert errors == ""
    seen = eval(output.split(" ", 1)[1])  # what our own program printed
    assert 1 <= len(seen) <= 3  # told once for each shortage, not once for each attempt
    assert set(seen) == {(True, errno.EMFILE)}


def _ready_for(poll: select.poll, seconds: float) -> list[tuple[int, int]]:
    """What is ready when nothing more has become so for a time."""
    ready: list[tuple[int, int]] = []
    while True:
        threading.Event().wait(seconds)
        if len(found := poll.poll(0)) == len(ready):
            return found
        ready = found


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_descriptor_that_the_poller_cannot_watch_costs_only_that_connection() -> None:
    class Narrow(EPoll):
        limit = 10_000

        def _set_interest(self, number: int, before: int, after: int) -> None:
            if after and number > self.limit:
                raise OSError(errno.EINVAL, "too large")
            super()._set_interest(number, before, after)

    poller, server, journal = Narrow(), Echo(), Journal("server")
    with running(poller, server, journal):
        with dial(server) as good:
            journal.expect("connect")
            poller.limit = 0
            with dial(server) as bad:
                assert read_all(bad) == b""
            poller.limit = 10_000
            journal.expect("disconnect")
            good.sendall(b"alive")
            assert read_exactly(good, 5) == b"alive"
    sockets = {s for s, *_ in journal.of("connect")}
    assert len(journal.of("socket_error")) == 1
    assert {s for (s,) in journal.of("disconnect")} == sockets


# -- leaving and stopping --


def test_leaving_the_tree_closes_everything(poller: BasePoller) -> None:
    server, client = Echo(), TCPClient()
    journal, served = Journal("client"), Journal("server")
    with running(poller, server, client, journal, served) as program:
        port = server.port
        program.app.fire(Connect("127.0.0.1", port), "client")
        journal.expect("connected")
        with dial(port) as wire:
            served.expect("connect", 2)
            program.inside(client.unregister)
            journal.expect("disconnected")
            program.inside(server.unregister)
            served.expect("disconnect", 2)
            served.expect("closed")
            assert read_all(wire) == b""
        assert client._sock is None
        assert server._sock is None
        with pytest.raises(ConnectionRefusedError):
            dial(port)
        assert len(poller._watches) == 0


def test_stopping_sends_what_is_pending(poller: BasePoller) -> None:
    server, journal = make_server(), Journal("server")
    with running(poller, server, journal) as program:
        with dial(server) as wire:
            (sock, *_) = journal.expect("connect")

            def work() -> None:
                server.write(sock, b"x" * 8_000_000)
                program.app.stop()

            program.app.fire(Event.create("Nothing"))
            program.inside(work)
            assert read_all(wire) == b"x" * 8_000_000
        program.stop()
    assert journal.names[-1] == "disconnect"


def test_stopping_does_not_wait_for_a_peer_that_never_reads(poller: BasePoller) -> None:
    server, journal = make_server(), Journal("server")
    with running(poller, server, journal) as program:
        program.app.stop_timeout = 0.2
        with dial(server):
            (sock, *_) = journal.expect("connect")
            program.inside(lambda: server.write(sock, b"x" * 20_000_000))
            program.stop()
    assert journal.of("disconnect") == [(sock,)]
    assert sock.fileno() == -1


def test_only_the_end_of_the_application_closes(poller: BasePoller) -> None:
    class Stopped(Event):
        name = "stopped"

    class Started(Event):
        name = "started"

    server = Echo()
    with running(poller, server) as program:
        with dial(server) as wire:
            # As the process component fires them, about itself.
            program.app.fire(Started(server), "process")
            program.app.fire(Stopped(object()), "process")
            program.app.fire(Stopped(server), "process")
            program.inside(lambda: None)
            wire.sendall(b"open")
            assert read_exactly(wire, 4) == b"open"


def test_another_poller_takes_over(poller: BasePoller) -> None:
    server, client, journal = Echo(), TCPClient(), Journal("client")
    with running(poller, server, client, journal) as program:
        program.app.fire(Connect("127.0.0.1", server.port), "client")
        journal.expect("connected")
        program.inside(poller.unregister)
        eventually(lambda: server._poller not in (None, poller), "the server has no poller")
        eventually(lambda: client._poller is server._poller, "the client has another one")
        assert findtype(program.app, BasePoller) is server._poller
        program.app.fire(Write(b"still there"), "client")
        assert journal.expect("read") == (b"still there",)
        with dial(server) as wire:
            wire.sendall(b"new")
            assert read_exactly(wire, 3) == b"new"
    assert journal.names.count("ready") == 1


def test_two_servers_on_one_channel_leave_each_other_alone(poller: BasePoller) -> None:
    one, other = make_server(), make_server()
    with running(poller, one, other, Reply()):
        for server in (one, other):
            with dial(server) as wire:
                wire.sendall(b"hello")
                assert read_exactly(wire, 5) == b"hello"
                assert len(server._clients) == 1


# -- resources --


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    yield found
    assert found == []


def test_no_descriptor_is_lost(poller: BasePoller, unraisable: list[Any]) -> None:
    server, client, journal = Echo(), TCPClient(), Journal("client")
    with running(poller, server, client, journal) as program:
        journal.expect("ready")
        before = descriptors()
        for number in range(1, 201):
            program.app.fire(Connect("127.0.0.1", server.port), "client")
            journal.expect("connected", number)
            program.app.fire(Write(b"x"), "client")
            journal.expect("read", number)
            program.app.fire(Close(), "client")
            journal.expect("disconnected", number)
        eventually(lambda: not server._clients, "connections are left")
        # The client may have made the socket of its next connection already.
        assert descriptors() <= before
        assert len(poller._watches) == 1


def test_failed_connects_lose_no_descriptor(poller: BasePoller) -> None:
    client, journal, port = TCPClient(), Journal("client"), unused_port()
    with running(poller, client, journal) as program:
        journal.expect("ready")
        before = descriptors()
        for number in range(1, 51):
            program.app.fire(Connect("127.0.0.1", port), "client")
            journal.expect("socket_error", number)
        assert descriptors() <= before
        assert len(poller._watches) == 0


def test_idle_connections_cost_no_turns(poller: BasePoller) -> None:
    server, journal = Echo(), Journal("server")
    turns = 0
    with running(poller, server, journal) as program:
        wires = [dial(server) for _ in range(20)]
        journal.expect("connect", 20)
        original = poller.block

        def counted(timeout: float) -> Any:
            nonlocal turns
            turns += 1
            return original(timeout)

        program.inside(lambda: setattr(poller, "block", counted))
        threading.Event().wait(0.2)
        assert turns <= 2
        for wire in wires:
            wire.close()
