"""TLS between two ends within the process. There are no certificates: anonymous keys will do."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits.net import events
from circuits.net._tls import _CLOG, TLSSocket, TLSStream
from circuits.net._tls_contexts import client_context
from circuits.testing import MemoryConnection, Recorder, VirtualClock, settle

from .net_fakes import FakeClient, FakeServer, failure, fake_socket, stuff
from .test_sockets import Application

Pairs = Callable[[], tuple[MemoryConnection, MemoryConnection]]


def anonymous(kind: int) -> ssl.SSLContext:
    context = ssl.SSLContext(kind)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH:ADH:@SECLEVEL=0")
    return context


class Side:
    """One end, as a connection would use it."""

    def __init__(self, sock: MemoryConnection, *, is_server: bool, before: bytes = b"") -> None:
        kind = ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT
        self.sock = sock
        self.opened = 0
        self.goes_on = True
        self.stream = TLSStream(
            sock, anonymous(kind), server_side=is_server, opened=self._open, before=before
        )

    def _open(self) -> bool:
        self.opened += 1
        return self.goes_on

    def _has_more(self) -> bool:
        try:
            return bool(self.sock._socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def receive(self) -> bytes | None:
        """Everything there is now; ``None`` at the end."""
        pieces: list[bytes] = []
        while True:
            try:
                piece = self.stream.recv(1)
            except BlockingIOError:
                if self._has_more():
                    continue  # that was a part of a record
                return b"".join(pieces)
            if not piece:
                return b"".join(pieces) or None
            pieces.append(piece)


class Two:
    def __init__(self, pairs: Pairs, before: bytes = b"") -> None:
        here, there = pairs()
        self.server = Side(here, is_server=True, before=before)
        self.client = Side(there, is_server=False)

    def shake(self) -> Two:
        self.client.stream.begin()
        for _ in range(1000):
            for side in (self.server, self.client):
                side.stream.push()
                assert side.receive() == b""
            if self.client.stream.is_open and self.server.stream.is_open:
                return self
        raise AssertionError("no handshake")

    def carry(self, data: bytes) -> bytes:
        """Send as a connection does, with what was not counted offered again; what arrives."""
        arrived = b""
        while data:
            data = data[self.client.stream.send(data) :]
            arrived += self.server.receive() or b""
        return arrived + (self.server.receive() or b"")


@pytest.fixture
def two(connections: Pairs) -> Two:
    return Two(connections).shake()


@pytest.mark.parametrize("limit", [None, 1, 7, 1000])
@pytest.mark.parametrize("size", [1, 100, 16_384, 16_385, 200_000])
def test_all_sizes_in_all_pieces(connections: Pairs, limit: int | None, size: int) -> None:
    if limit == 7:
        size = min(size, 50_000)  # a few records are as good as many
    two = Two(connections)
    if limit != 1 or size < 1000:
        two.client.sock.send_limit = limit
        two.server.sock.receive_limit = limit
    two.shake()
    assert (two.client.opened, two.server.opened) == (1, 1)
    data = bytes(n % 251 for n in range(size))
    assert two.carry(data) == data


def test_nothing_is_counted_before_it_has_left(two: Two) -> None:
    sock, stream = two.client.sock, two.client.stream
    sock.send_limit = 0
    data = bytes(100_000)
    assert stream.send(data) == 0
    assert stream.has_output
    assert stream.send(data) == 0  # and it is not encrypted again
    sock.send_limit = None
    assert stream.send(data) == len(data)
    assert not stream.has_output
    assert two.server.receive() == data


def test_several_pieces_are_one(two: Two) -> None:
    assert two.client.stream.sendmsg([b"one ", memoryview(b"two")]) == 7
    assert two.server.receive() == b"one two"


def test_only_as_much_is_joined_as_is_sent(two: Two) -> None:
    pieces = [b"x" * 60_000, memoryview(b"y" * 60_000), b"z" * 1_000_000]
    assert two.client.stream.sendmsg(pieces) == 65_536
    assert two.server.receive() == b"x" * 60_000 + b"y" * 5_536


def test_a_peer_that_takes_no_answers_is_not_read(two: Two) -> None:
    """TLS answers some of what it receives by itself; who reads none of that is left waiting."""
    client, server = two.client, two.server
    client.stream.send(b"data")
    server.stream._rest = memoryview(b"x" * (_CLOG + 1))
    server.sock.send_limit = 0
    assert server.stream.is_clogged
    with pytest.raises(BlockingIOError):
        server.stream.recv(1)
    assert server._has_more()  # it is still where it was


def test_nothing_is_sent_before_the_handshake_is_done(connections: Pairs) -> None:
    two = Two(connections)
    assert two.client.stream.send(b"secret") == 0
    assert two.server.sock.received() == b""


def test_what_was_pending_before_leaves_first_and_as_it_was(connections: Pairs) -> None:
    two = Two(connections, before=b"go ahead\n")
    two.server.stream.push()
    assert two.client.sock.recv(9) == b"go ahead\n"
    two.shake()
    assert two.carry(b"secret") == b"secret"


def test_whoever_opened_it_may_stop_it_there(connections: Pairs) -> None:
    two = Two(connections)
    two.server.goes_on = False
    two.shake()
    assert two.server.opened == 1


def test_half_a_close(two: Two) -> None:
    two.client.stream.send(b"last")
    two.client.stream.end_output()
    assert two.server.receive() == b"last"
    assert two.server.stream.at_eof  # the poller cannot know
    assert two.server.stream.recv(1) == b""
    two.server.stream.send(b"answer")
    assert two.client.receive() == b"answer"
    two.server.stream.close()
    assert two.client.receive() is None
    assert not two.client.stream.was_cut
    assert not two.server.stream.was_cut


def test_a_close_that_is_cut_off_is_an_end(two: Two) -> None:
    two.client.stream.send(b"last")
    two.client.sock.close()
    assert two.server.receive() == b"last"
    assert two.server.receive() is None
    assert two.server.stream.was_cut


def test_who_has_not_got_everything_is_not_told_that_it_was_all(two: Two) -> None:
    two.client.stream.close(is_whole=False)
    assert two.server.sock.received() == b""
    two.client.stream.close()
    assert two.server.sock.received() != b""


def test_data_before_garbage_arrives(two: Two) -> None:
    two.client.stream.send(b"fine")
    two.client.sock.send(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert two.server.stream.recv(1) == b"fine"
    assert two.server.stream.at_eof
    for _ in range(2):
        with pytest.raises(ssl.SSLError):
            two.server.stream.recv(1)


def test_garbage_instead_of_a_handshake(connections: Pairs) -> None:
    two = Two(connections)
    two.client.sock.send(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        two.server.stream.recv(1)
    assert two.client.sock.received()[:1] in (b"", b"\x15")  # an alert says why


def test_a_failure_to_send(two: Two) -> None:
    two.client.sock.send_error = problem = failure(errno.ECONNRESET)
    with pytest.raises(OSError, match="reset") as caught:
        two.client.stream.send(b"x")
    assert caught.value is problem


def test_a_farewell_never_fails(two: Two) -> None:
    two.client.sock.send_error = failure(errno.EPIPE)
    two.client.stream.close()
    two.client.stream.close()


def test_the_buffer_follows_the_traffic(two: Two) -> None:
    sizes: list[int] = []
    receive = two.server.sock.recv

    def recv(size: int, flags: int = 0) -> bytes:
        sizes.append(size)
        return receive(size, flags)

    two.server.sock.recv = recv  # type: ignore[method-assign]
    two.carry(bytes(1_000_000))
    assert max(sizes) > 65536
    for _ in range(10):
        two.carry(b"x")
    assert sizes[-1] == 4096


# -- a server --


@pytest.fixture
def secured(app_runner: Any) -> tuple[Application, FakeServer]:
    server = FakeServer(secure=anonymous(ssl.PROTOCOL_TLS_SERVER), handshake_timeout=5)
    app = Application(server)
    app_runner(app)
    app.told()
    return app, server


def test_a_server_tells_of_those_who_have_shaken_hands(
    secured: tuple[Application, FakeServer],
) -> None:
    app, server = secured
    (peer,) = server.listener.dial()
    client = Side(peer, is_server=False)
    assert app.told() == []
    assert server._clients == []
    client.stream.begin()
    while not client.stream.is_open:
        settle(app)
        client.receive()
    ((name, sock, *_),) = app.told()
    assert name == "connect"
    assert server._clients == [sock]
    client.stream.send(b"hello")
    assert app.told() == [("read", sock, b"hello")]
    server.write(sock, b"answer")
    server.close(sock)
    assert client.receive() == b"answer"
    assert client.stream.at_eof
    assert app.told() == [("disconnect", sock)]
    peer.close()


@pytest.mark.parametrize("end", ["abort", "too much", "the end", "close"])
def test_a_close_notify_means_that_this_was_all(app_runner: Any, end: str) -> None:
    server = FakeServer(
        secure=anonymous(ssl.PROTOCOL_TLS_SERVER), high_water=10, low_water=5, max_pending=10
    )
    app = Application(server)
    app_runner(app)
    (peer,) = server.listener.dial()
    client = Side(peer, is_server=False)
    client.stream.begin()
    while not client.stream.is_open:
        settle(app)
        client.receive()
    settle(app)
    (sock,) = server._clients
    if end == "abort":
        server.write(sock, b"some")
        server.abort(sock)
    elif end == "close":
        server.write(sock, b"some")
        server.close(sock)
    else:
        sock.send_limit = 0
        server.write(sock, b"x" * 20)
        if end == "too much":
            server.write(sock, b"x")
        else:
            server._abort()
    settle(app)
    assert server._clients == []
    client.stream._incoming.write(peer.received())
    client.stream._incoming.write_eof()
    read = client.stream.object.read
    if end in ("abort", "close"):
        assert read(100) == b"some"
    if end == "close":
        assert read(100) == b""
    else:
        with pytest.raises(ssl.SSLEOFError):
            read(100)
    peer.close()


def test_a_silent_peer_is_dropped_in_time(
    secured: tuple[Application, FakeServer], virtual_clock: VirtualClock
) -> None:
    app, server = secured
    (peer,) = server.listener.dial()
    settle(app, until=virtual_clock.now + 4.9)
    assert app.told() == []
    settle(app, until=virtual_clock.now + 0.2)
    ((name, _, problem),) = app.told()
    assert (name, type(problem), problem.errno) == ("socket_error", TimeoutError, errno.ETIMEDOUT)
    assert peer.at_end
    peer.close()


# -- a client --


class Clients:
    """A client, and the side of the server, which is not one of ours."""

    def __init__(self, run: Any, **options: Any) -> None:
        sock, self.peer = fake_socket()
        self.client = FakeClient(sock, **options)
        self.app = Application(self.client)
        run(self.app)
        self.app.told()
        self.context = anonymous(ssl.PROTOCOL_TLS_CLIENT)

    def shake(self) -> Side:
        side = Side(self.peer, is_server=True)
        while not side.stream.is_open:
            settle(self.app)
            side.receive()
        return side


@pytest.fixture
def clients(app_runner: Any) -> Iterator[Clients]:
    made = Clients(app_runner, handshake_timeout=5)
    yield made
    made.peer.close()


def test_a_client_is_connected_after_the_handshake(clients: Clients) -> None:
    app, client = clients.app, clients.client
    client.connect("192.0.2.1", 443, secure=clients.context)  # type: ignore[arg-type]
    assert app.told() == []
    assert (client.connected, client.secure) == (False, True)
    client.connect("192.0.2.1", 443)
    ((name, problem),) = app.told()
    assert (name, problem.errno) == ("socket_error", errno.EALREADY)
    side = clients.shake()
    assert app.told() == [("connected", "192.0.2.1", 443)]
    assert client.ssl_object() is not None
    client.write(b"question")
    client.finish_writing()
    assert side.receive() == b"question"
    assert side.stream.at_eof
    side.stream.send(b"answer")
    side.stream.close()
    assert app.told() == [("read", b"answer"), ("disconnected",)]
    assert client.ssl_object() is None


def test_a_name_that_is_none_is_told(clients: Clients) -> None:
    options: dict[str, Any] = {
        "secure": True,
        "context": clients.context,
        "server_hostname": ".dot",
    }
    clients.client.connect("192.0.2.1", 443, **options)
    assert clients.app.names() == ["unreachable", "socket_error"]
    assert not clients.client.connected


def test_a_client_gives_up_a_silent_server(clients: Clients, virtual_clock: VirtualClock) -> None:
    clients.client.connect("192.0.2.1", 443, context=clients.context, ssl=True)
    settle(clients.app, until=virtual_clock.now + 6)
    unreachable, told = clients.app.told()
    assert unreachable[:3] == ("unreachable", "192.0.2.1", 443)
    assert isinstance(told[1], TimeoutError)


def test_a_client_upgrades(clients: Clients) -> None:
    app, client = clients.app, clients.client
    client.connect("192.0.2.1", 25)
    done = Recorder("starttls_done").register(app)
    app.told()
    stuff(client._connection.sock)  # type: ignore[union-attr]
    client.write(b"last in plain")
    client.starttls(context=clients.context)
    client.write(b"first in secret")
    with pytest.raises(RuntimeError, match="already"):
        client.starttls(context=clients.context)
    received = clients.peer.received()
    while not received.endswith(b"last in plain"):
        settle(app)
        received += clients.peer.recv(len(b"last in plain"))
    side = clients.shake()
    settle(app)
    assert side.receive() == b"first in secret"
    assert done.names == ["starttls_done"]


def test_closing_in_the_midst_of_an_upgrade(clients: Clients) -> None:
    app, client = clients.app, clients.client
    client.connect("192.0.2.1", 25)
    client.starttls(context=clients.context)
    client.write(b"secret")
    client.close()
    assert not client.connected
    side = clients.shake()
    settle(app)
    assert side.receive() == b"secret"
    assert app.names()[-1] == "disconnected"


# -- upgrades of a server --


def test_a_server_upgrades_when_asked(app_runner: Any, virtual_clock: VirtualClock) -> None:
    server = FakeServer(context=anonymous(ssl.PROTOCOL_TLS_SERVER), handshake_timeout=5)
    assert not server.secure
    app = Application(server)
    app_runner(app)
    done = Recorder("starttls_done").register(app)
    (peer,) = server.listener.dial()
    with peer:
        settle(app)
        (sock,) = server._clients
        assert server.ssl_object(sock) is None
        server.write(sock, b"go")
        app.fire(events.starttls(sock), "server")
        settle(app)
        assert peer.received() == b"go"
        client = Side(peer, is_server=False)
        client.stream.begin()
        while not client.stream.is_open:
            settle(app)
            client.receive()
        assert [tuple(record.args) for record in done.records] == [(sock, sock)]
        assert server.ssl_object(sock) is not None
        with pytest.raises(RuntimeError, match="already"):
            server.starttls(sock)
        server.finish_writing(sock)
        assert client.receive() is None


def test_an_upgrade_that_never_begins(app_runner: Any, virtual_clock: VirtualClock) -> None:
    server = FakeServer(context=anonymous(ssl.PROTOCOL_TLS_SERVER), handshake_timeout=5)
    app = Application(server)
    app_runner(app)
    (peer,) = server.listener.dial()
    with peer:
        settle(app)
        (sock,) = server._clients
        app.told()
        server.starttls(sock)
        settle(app, until=virtual_clock.now + 6)
        assert app.names() == ["socket_error", "disconnect"]


def test_an_upgrade_needs_a_certificate(app_runner: Any) -> None:
    server = FakeServer()
    app = Application(server)
    app_runner(app)
    (peer,) = server.listener.dial()
    with peer:
        settle(app)
        (sock,) = server._clients
        with pytest.raises(RuntimeError, match="certfile"):
            server.starttls(sock)
        server.starttls("unknown")
        server.finish_writing("unknown")
    with pytest.raises(RuntimeError, match="certfile"):
        FakeServer(secure=True)
    client = FakeClient()
    with pytest.raises(RuntimeError, match="no connection"):
        client.starttls()
    client.finish_writing()
    assert client.ssl_object() is None
    with pytest.raises(TypeError, match="colour"):
        client.connect("192.0.2.1", 1, colour="red")
    client._abort()


# -- contexts --


def test_clients_check_by_default() -> None:
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert client_context() is context  # to load certificates takes its time


def test_less_must_be_asked_for() -> None:
    assert client_context(cert_reqs=ssl.CERT_NONE).verify_mode is ssl.CERT_NONE
    assert not client_context(cert_reqs=ssl.CERT_NONE).check_hostname
    lenient = client_context(check_hostname=False)
    assert (lenient.verify_mode, lenient.check_hostname) == (ssl.CERT_REQUIRED, False)


@pytest.mark.parametrize("version", [None, ssl.PROTOCOL_TLS_CLIENT, ssl.TLSVersion.TLSv1_2, 2, 5])
def test_versions_that_mean_1_2(version: Any) -> None:
    assert client_context(ssl_version=version).minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_later_version_may_be_the_least() -> None:
    context = client_context(ssl_version=ssl.TLSVersion.TLSv1_3)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("version", [0, 1, 3, 4, ssl.TLSVersion.SSLv3, ssl.TLSVersion.TLSv1_1])
def test_what_is_too_old(version: Any) -> None:
    with pytest.raises(ValueError, match="TLS 1"):
        client_context(ssl_version=version)


def test_only_sockets_are_taken_over(connections: Pairs) -> None:
    one, _ = connections()
    assert TLSSocket.take_over(one) is one
