"""What programs rely on beyond names: order, arguments and silence of socket events."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, handler
from circuits.core.pollers import BasePoller, EPoll
from circuits.core.utils import flatten
from circuits.net.sockets import (
    Close,
    Connect,
    Disconnect,
    Pipe,
    TCP6Client,
    TCP6Server,
    TCPClient,
    TCPServer,
    UDPServer,
    UNIXClient,
    UNIXServer,
    Write,
)
from tests.certificates import Certificates
from tests.integration.net_support import (
    Journal,
    dial,
    eventually,
    read_all,
    read_exactly,
    running,
)
from tests.support import unused_port

pytestmark = pytest.mark.integration

HERE = ("127.0.0.1", 0)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Answer(Component):
    """Returns what came, in capitals."""

    channel = "server"

    def read(self, whom: Any, data: bytes) -> bytes:
        return data.upper()


# -- pollers and their components --


def test_what_a_poller_needs_for_itself_is_not_listed() -> None:
    for component in (EPoll(), TCPServer(HERE), TCPClient()):
        assert not [name for name in component.handlers() if name.startswith("_")]


@pytest.mark.parametrize("first", ["poller", "server", "client"])
def test_there_is_one_poller_and_everybody_is_ready_once(first: str) -> None:
    parts: dict[str, BaseComponent] = {
        "poller": EPoll(),
        "server": TCPServer(HERE),
        "client": TCPClient(),
    }
    order = [parts.pop(first), *parts.values()]
    journals = Journal("server"), Journal("client")
    with running(*journals, *order) as program:
        for journal in journals:
            journal.expect("ready")
        program.inside(lambda: None)
        found = [node for node in flatten(program.app) if isinstance(node, BasePoller)]
        assert len(found) == 1
        for journal in journals:
            assert journal.names.count("ready") == 1


# -- what old subclasses look at --


def test_attributes_of_subclasses() -> None:
    client = TCPClient(bufsize=100)
    assert (client._bufsize, client._bind, client._poller) == (100, None, None)
    assert isinstance(client._sock, socket.socket)
    assert not client._connected
    server = TCPServer(HERE, bufsize=200)
    assert (server._bufsize, server._bind, server._clients) == (200, HERE, [])
    assert server._sock.getsockname() == (server.host, server.port)
    with pytest.raises(AttributeError):
        client.connected = True  # type: ignore[misc]
    for kind in (TCPServer, UDPServer):
        assert kind.socket_protocol == 0
    assert TCPServer.socket_type == TCPClient.socket_type == socket.SOCK_STREAM
    assert UDPServer.socket_type == socket.SOCK_DGRAM


# -- clients --


def test_requests_without_a_connection_are_silent() -> None:
    client, journal = TCPClient(), Journal("client")
    with running(client, journal) as program:
        journal.expect("ready")
        for request in (Write(b"nobody"), Close(), Disconnect(), Close()):
            program.app.fire(request, "client")
        program.inside(lambda: None)
        program.inside(lambda: None)
        assert journal.names == ["ready", "write", "close", "disconnect", "close"]


def test_a_write_after_the_end_does_not_end_it_twice() -> None:
    server, client, journal = TCPServer(HERE), TCPClient(), Journal("client")
    with running(server, client, journal) as program:
        for turn in (1, 2, 3):
            program.app.fire(Connect(server.host, server.port), "client")
            assert journal.expect("connected", turn) == (server.host, server.port)
            program.app.fire(Close(), "client")
            journal.expect("disconnected", turn)
            program.app.fire(Write(b"too late"), "client")
            program.inside(lambda: None)
            assert journal.names.count("disconnected") == turn
    assert "socket_error" not in journal.names


def test_a_client_that_has_failed_can_be_used_again() -> None:
    port = unused_port()
    server, client, journal = TCPServer(HERE), TCPClient(), Journal("client")
    with running(server, client, journal) as program:
        program.app.fire(Connect("127.0.0.1", port), "client")
        host, number, problem = journal.expect("unreachable")
        assert (host, number, problem.errno) == ("127.0.0.1", port, errno.ECONNREFUSED)
        assert journal.expect("socket_error") == (problem,)
        assert not client.connected
        program.app.fire(Connect(server.host, server.port), "client")
        journal.expect("connected")
    assert journal.names.count("disconnected") == 1  # of the second connection


def test_ssl_is_another_word_for_secure(certificates: Certificates) -> None:
    server = TCPServer(HERE, secure=True, certfile=str(certificates.server))
    client, journal = TCPClient(), Journal("client")
    with running(server, Answer(), client, journal) as program:
        request = Connect(*HERE[:1], server.port, ssl=True, ca_certs=str(certificates.authority))
        program.app.fire(request, "client")
        journal.expect("connected")
        assert client.secure
        program.app.fire(Write(b"secret"), "client")
        assert journal.expect("read") == (b"SECRET",)


# -- servers --


def test_connect_has_three_arguments_over_ipv6_too() -> None:
    try:
        server = TCP6Server(("::1", 0))
    except OSError as problem:
        pytest.skip(f"needs IPv6: {problem}")
    client = TCP6Client()
    here, there = Journal("client"), Journal("server")
    with running(server, Answer(), client, here, there) as program:
        program.app.fire(Connect("::1", server.port), "client")
        _, host, port = there.expect("connect")
        assert host == "::1"
        assert isinstance(port, int)
        program.app.fire(Write(b"six"), "client")
        assert here.expect("read") == (b"SIX",)


def test_connect_over_a_path_carries_the_socket_alone(tmp_path: Path) -> None:
    server, journal = UNIXServer(str(tmp_path / "here:80")), Journal("server")
    with running(server, journal), socket.socket(socket.AF_UNIX) as wire:
        assert journal.expect("ready") == (server, (str(tmp_path / "here:80"), None))
        wire.bind(str(tmp_path / "from"))  # so that the kernel has an address to tell
        wire.connect(server.host)
        assert len(journal.expect("connect")) == 1
    assert (tmp_path / "here:80").exists()  # it stays when the server is gone
    assert (server.host, server.port) == (None, None)


def test_the_listening_socket_is_no_connection_that_ends() -> None:
    server, journal = TCPServer(HERE), Journal("server")
    with running(server, journal) as program, dial(server) as wire:
        (sock, *_) = journal.expect("connect")
        program.app.fire(Close(), "server")
        journal.expect("closed")
        journal.expect("disconnect")
        assert wire.recv(1) == b""
        program.app.fire(Close(), "server")
        program.inside(lambda: None)
    assert journal.of("disconnect") == [(sock,)]
    assert journal.names.count("closed") == 1
    assert {sock: "still a key"}[sock]


def test_a_chain_of_events_answers_who_has_finished_writing() -> None:
    class Next(Event):
        pass

    class Chain(Component):
        channel = "server"

        def read(self, sock: Any, data: bytes) -> None:
            self.fire(Next(sock, data, 3))

        def next(self, sock: Any, data: bytes, left: int) -> None:
            self.fire(Next(sock, data, left - 1) if left else Write(sock, data[::-1]))

    server = TCPServer(HERE)
    with running(server, Chain()), dial(server) as wire:
        wire.sendall(b"drawer")
        wire.shutdown(socket.SHUT_WR)
        assert read_all(wire) == b"reward"


def test_what_is_returned_is_written_by_an_event_that_others_can_see() -> None:
    server, journal = TCPServer(HERE), Journal("server")
    with running(server, Answer(), journal), dial(server) as wire:
        wire.sendall(b"hello")
        assert read_exactly(wire, 5) == b"HELLO"
        (sock, *_) = journal.expect("connect")
        assert journal.expect("write") == (sock, b"HELLO")


def test_events_of_other_components_do_not_end_a_server() -> None:
    class Stopped(Event):
        pass

    class Started(Event):
        pass

    server, journal = TCPServer(HERE), Journal("server")
    with running(server, Answer(), journal) as program:
        for event in (Started(object()), Stopped(object())):  # such as those of a process
            program.app.fire(event, "process")
        program.inside(lambda: None)
        with dial(server) as wire:
            wire.sendall(b"alive")
            assert read_exactly(wire, 5) == b"ALIVE"
        assert "closed" not in journal.names[:-1]


# -- datagrams --


def test_a_datagram_socket_from_begin_to_end() -> None:
    one, other = UDPServer(HERE, channel="one"), UDPServer(HERE, channel="other")
    here, there = Journal("one"), Journal("other")
    with running(one, other, here, there) as program:
        where = (other.host, other.port)
        for data in (b"first", b"", b"x" * 9000):
            program.app.fire(Write(where, data), "one")
        there.expect("read", 3)
        assert there.of("read") == [((one.host, one.port), d) for d in (b"first", b"", b"x" * 9000)]
        sock = other._sock
        program.app.fire(Close(), "other")
        there.expect("disconnect")
        program.app.fire(Close(), "other")
        program.inside(lambda: None)
        assert there.names[-3:] == ["closed", "disconnect", "close"]
        assert there.of("disconnect") == [(sock,)]
        assert (other.host, other.port) == (None, None)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(where)


# -- paths and pipes --


def test_a_client_of_a_path_is_told_the_name_of_this_machine(tmp_path: Path) -> None:
    server, client, journal = UNIXServer(str(tmp_path / "s")), UNIXClient(), Journal("client")
    with running(server, client, journal) as program:
        program.app.fire(Connect(server.host), "client")
        assert journal.expect("connected") == (socket.gethostname(), server.host)
        program.app.fire(Close(), "client")
        journal.expect("disconnected")
        program.app.fire(Connect(str(tmp_path / "nobody")), "client")
        (problem,) = journal.expect("socket_error")
        assert isinstance(problem, OSError)
        assert problem.errno == errno.ENOENT


def test_both_ends_of_a_pipe_end_together() -> None:
    one, other = Pipe()
    here, there = Journal("a"), Journal("b")
    with running(one, other, here, there) as program:
        program.app.fire(Write(b"hello"), "a")
        assert there.expect("read") == (b"hello",)
        program.app.fire(Close(), "b")
        for journal in (here, there):
            journal.expect("disconnected")
        program.inside(lambda: None)
        assert here.names.count("disconnected") == there.names.count("disconnected") == 1


# -- the later line --


def test_a_name_that_nobody_knows_is_told_on_the_channel_of_the_client() -> None:
    class Told(Component):
        channel = "client"
        problem: Any = None

        @handler("error")
        def _on_error(self, problem: Exception) -> None:
            self.problem = problem

    told, journal = Told(), Journal("client")
    with running(TCPClient(error_events=True), told, journal) as program:
        program.app.fire(Connect("name.invalid", 80), "client")
        (problem,) = journal.expect("socket_error")
        program.inside(lambda: None)
        assert isinstance(problem, OSError)
        assert told.problem is problem
        if isinstance(problem, socket.gaierror):  # or the resolver has not answered in time
            assert problem.errno in (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_AGAIN)


def test_a_certificate_without_secure_is_for_later(certificates: Certificates) -> None:
    class Upgrade(Component):
        channel = "server"

        def read(self, sock: Any, data: bytes) -> bytes | None:
            if data != b"STARTTLS\n":
                return data.upper()
            self.fire(Write(sock, b"go ahead\n"))
            self.fire(Event.create("starttls", sock))
            return None

    server, journal = TCPServer(HERE, certfile=str(certificates.server)), Journal("server")
    context = ssl.create_default_context(cafile=str(certificates.authority))
    with running(server, Upgrade(), journal) as program, dial(server) as wire:
        wire.sendall(b"STARTTLS\n")
        assert read_exactly(wire, 9) == b"go ahead\n"
        with context.wrap_socket(wire, server_hostname="localhost") as secure:
            secure.sendall(b"secret")
            assert secure.recv(100) == b"SECRET"
        (sock, *_) = journal.expect("connect")
        assert journal.expect("starttls_done") == (sock, sock)
        journal.expect("disconnect")
        assert journal.names.count("connect") == 1
        with dial(server) as twice:
            twice.sendall(b"plain")
            assert read_exactly(twice, 5) == b"PLAIN"
            (other, *_) = journal.expect("connect", 2)
            program.inside(lambda: server.starttls(other))
            with pytest.raises(RuntimeError, match="already"):
                program.inside(lambda: server.starttls(other))


# -- threads --


def test_events_may_come_from_any_thread() -> None:
    server, client, journal = TCPServer(HERE), TCPClient(), Journal("server")
    with running(server, client, journal, Journal("client")) as program:
        program.app.fire(Connect(server.host, server.port), "client")
        journal.expect("connect")

        def write() -> None:
            for _ in range(100):
                program.app.fire(Write(b"x"), "client")

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        eventually(lambda: sum(len(data) for _, data in journal.of("read")) == 400, "bytes lost")
