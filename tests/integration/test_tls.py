"""TLS: certificates, versions, failures, upgrades, and other people's programs."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import Component, handler
from circuits.core.pollers import BasePoller
from circuits.net.events import starttls
from circuits.net.sockets import Close, Connect, TCPClient, TCPServer, UNIXClient, Write
from circuits.web import Controller, Server
from tests.certificates import Certificates
from tests.support import require_program, unused_port

from .net_support import SECONDS, Journal, dial, read_all, read_exactly, running

HERE = ("127.0.0.1", 0)


class Echo(TCPServer):
    @handler("read")
    def _on_read(self, sock: Any, data: bytes) -> bytes:
        return data


@pytest.fixture
def echo(certificates: Certificates) -> Callable[..., Echo]:
    def make(**options: Any) -> Echo:
        options.setdefault("certfile", certificates.server)
        options.setdefault("secure", True)
        return Echo(HERE, **options)

    return make


MakeEcho = Callable[..., Echo]


def wrapped(server: Any, context: ssl.SSLContext, name: str | None = "localhost") -> ssl.SSLSocket:
    return context.wrap_socket(dial(server), server_hostname=name)


@pytest.fixture
def trusting(certificates: Certificates) -> ssl.SSLContext:
    """A context of a client that trusts the authority of the tests."""
    return ssl.create_default_context(cafile=certificates.authority)


# -- what programs learn --


def test_connect_carries_a_socket_that_knows_its_tls(
    poller: BasePoller, echo: MakeEcho, trusting: ssl.SSLContext
) -> None:
    server, journal = echo(), Journal("server")
    assert server.secure
    with running(poller, server, journal):
        with wrapped(server, trusting) as wire:
            wire.sendall(b"hello")
            assert read_exactly(wire, 5) == b"hello"
            sock, host, port = journal.expect("connect")
            assert (host, port) == wire.getsockname()
            assert (sock.version(), sock.cipher()) == (wire.version(), wire.cipher())
            assert (sock.getpeercert(), sock.selected_alpn_protocol()) == (None, None)
            assert isinstance(server.ssl_object(sock), ssl.SSLObject)
            assert server._clients == [sock]
        assert journal.expect("disconnect") == (sock,)
        assert server.ssl_object(sock) is None
    assert journal.of("socket_error") == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions(
    poller: BasePoller, echo: MakeEcho, trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trusting.minimum_version = trusting.maximum_version = version
    server, journal = echo(), Journal("server")
    with running(poller, server, journal):
        with wrapped(server, trusting) as wire:
            for size in (1, 16_384, 16_385, 300_000):
                data = os.urandom(size)
                wire.sendall(data)
                assert read_exactly(wire, size) == data
        journal.expect("disconnect")
    assert journal.of("socket_error") == []


def test_a_client_says_when_the_handshake_is_done(
    poller: BasePoller, echo: MakeEcho, certificates: Certificates
) -> None:
    server, client, journal = echo(), TCPClient(), Journal("client")
    with running(poller, server, client, journal) as program:
        secure = {"secure": True, "ca_certs": certificates.authority}
        program.app.fire(Connect("localhost", server.port, **secure), "client")
        assert journal.expect("connected") == ("localhost", server.port)
        assert client.secure
        told = client.ssl_object()
        assert told is not None
        certificate: Any = told.getpeercert()
        assert ("DNS", "localhost") in certificate["subjectAltName"]
        program.app.fire(Write(b"hello"), "client")
        assert journal.expect("read") == (b"hello",)
        program.app.fire(Close(), "client")
        journal.expect("disconnected")
        assert client.ssl_object() is None
        # The same component can speak without, afterwards.
        program.app.fire(Connect("localhost", server.port), "client")
        journal.expect("connected", 2)
        assert not client.secure


# -- certificates --


@pytest.mark.parametrize("which", ["stranger", "elsewhere", "expired"])
def test_a_client_refuses_a_wrong_certificate(
    poller: BasePoller, echo: MakeEcho, certificates: Certificates, which: str
) -> None:
    server, client = echo(certfile=getattr(certificates, which)), TCPClient()
    served, journal = Journal("server"), Journal("client")
    with running(poller, server, client, served, journal) as program:
        secure = {"secure": True, "ca_certs": certificates.authority}
        program.app.fire(Connect("localhost", server.port, **secure), "client")
        (problem,) = journal.expect("socket_error")
        assert isinstance(problem, ssl.SSLCertVerificationError)
        assert journal.of("unreachable") == [("localhost", server.port, problem)]
        assert not client.connected
        (_, alert) = served.expect("socket_error")
        assert isinstance(alert, OSError)
        program.inside(lambda: None)
    assert journal.names.count("socket_error") == served.names.count("socket_error") == 1
    for name in ("connected", "disconnected"):
        assert name not in journal.names
    for name in ("connect", "disconnect", "read"):
        assert name not in served.names


@pytest.mark.parametrize(
    ("which", "options"),
    [
        ("stranger", {"cert_reqs": ssl.CERT_NONE}),
        ("elsewhere", {"check_hostname": False}),
        ("elsewhere", {"server_hostname": "elsewhere.example"}),
    ],
)
def test_a_client_can_be_told_what_to_accept(
    echo: MakeEcho, certificates: Certificates, which: str, options: dict[str, Any]
) -> None:
    server, client = echo(certfile=getattr(certificates, which)), TCPClient()
    journal = Journal("client")
    with running(server, client, journal) as program:
        secure = {"secure": True, "ca_certs": certificates.authority, **options}
        program.app.fire(Connect("127.0.0.1", server.port, **secure), "client")
        journal.expect("connected")


def test_by_default_only_the_authorities_of_the_system_are_trusted(echo: MakeEcho) -> None:
    server, client, journal = echo(), TCPClient(), Journal("client")
    with running(server, client, journal) as program:
        program.app.fire(Connect("localhost", server.port, ssl=True), "client")
        (problem,) = journal.expect("socket_error")
        assert isinstance(problem, ssl.SSLCertVerificationError)


def test_certificates_of_clients(
    poller: BasePoller, echo: MakeEcho, certificates: Certificates
) -> None:
    server = echo(cert_reqs=ssl.CERT_REQUIRED, ca_certs=certificates.authority)
    client, served, journal = TCPClient(), Journal("server"), Journal("client")
    with running(poller, server, client, served, journal) as program:
        secure = {"secure": True, "ca_certs": certificates.authority}
        shown = {**secure, "certfile": certificates.client}
        program.app.fire(Connect("localhost", server.port, **shown), "client")
        sock, *_ = served.expect("connect")
        assert sock.getpeercert()["subject"] == ((("commonName", "client"),),)
        journal.expect("connected")
        program.app.fire(Close(), "client")
        journal.expect("disconnected")
        program.app.fire(Connect("localhost", server.port, **secure), "client")
        (_, problem) = served.expect("socket_error")
        assert isinstance(problem, ssl.SSLError)
        # In TLS 1.3 a client hears of it only after its own side of the handshake is done.
        (refusal,) = journal.expect("socket_error")
        assert isinstance(refusal, ssl.SSLError)
    assert served.names.count("connect") == 1


def test_a_missing_file_is_told(poller: BasePoller) -> None:
    client, journal = TCPClient(), Journal("client")
    with running(poller, client, journal) as program:
        missing = {"secure": True, "ca_certs": "/nonexistent"}
        program.app.fire(Connect("localhost", 9, **missing), "client")
        (problem,) = journal.expect("socket_error")
        assert problem.errno == errno.ENOENT
        assert journal.of("unreachable") == [("localhost", 9, problem)]
    with pytest.raises(FileNotFoundError):
        TCPServer(HERE, secure=True, certfile="/nonexistent")


# -- contexts --


@pytest.mark.parametrize("spelling", ["secure", "context"])
def test_contexts_are_taken_as_they_are(
    echo: MakeEcho, certificates: Certificates, trusting: ssl.SSLContext, spelling: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    served = {"secure": True, "certfile": None, spelling: context}
    asked = {"secure": True, spelling: trusting}
    server, client, journal = echo(**served), TCPClient(), Journal("client")
    with running(server, client, journal) as program:
        program.app.fire(Connect("localhost", server.port, **asked), "client")
        journal.expect("connected")
        told = client.ssl_object()
        assert told is not None
        assert told.context is trusting
        assert told.version() == "TLSv1.2"


def test_a_server_needs_a_certificate() -> None:
    with pytest.raises(RuntimeError, match="certfile"):
        TCPServer(HERE, secure=True)


# -- protocols within --


def test_protocols_are_agreed_upon(
    poller: BasePoller, echo: MakeEcho, certificates: Certificates
) -> None:
    server, client = echo(alpn_protocols=["one", "two"]), TCPClient()
    served, journal = Journal("server"), Journal("client")
    with running(poller, server, client, served, journal) as program:
        secure = {"secure": True, "ca_certs": certificates.authority}
        offers = {**secure, "alpn_protocols": ["three", "two"]}
        program.app.fire(Connect("localhost", server.port, **offers), "client")
        sock, *_ = served.expect("connect")
        assert sock.selected_alpn_protocol() == "two"
        journal.expect("connected")


@pytest.mark.parametrize("strict", ["server", "client"])
def test_a_protocol_may_be_required(
    poller: BasePoller, echo: MakeEcho, certificates: Certificates, strict: str
) -> None:
    server = echo(alpn_protocols=["one"], require_alpn=strict == "server")
    client, served, journal = TCPClient(), Journal("server"), Journal("client")
    with running(poller, server, client, served, journal) as program:
        program.app.fire(
            Connect(
                "localhost",
                server.port,
                secure=True,
                ca_certs=certificates.authority,
                alpn_protocols=["other"],
                require_alpn=strict == "client",
            ),
            "client",
        )
        if strict == "server":
            (_, problem) = served.expect("socket_error")
            assert "connect" not in served.names
        else:
            (problem,) = journal.expect("socket_error")
            assert "connected" not in journal.names
        assert "protocol" in str(problem)


# -- peers that do not do what they should --


def lonely(journal: Journal) -> OSError:
    """The one error of a peer that never got as far as ``connect``."""
    _, problem = journal.expect("socket_error")
    assert isinstance(problem, OSError)
    for name in ("connect", "disconnect", "read"):
        assert name not in journal.names
    assert journal.names.count("socket_error") == 1
    return problem


def test_plain_text_is_refused(poller: BasePoller, echo: MakeEcho) -> None:
    server, journal = echo(), Journal("server")
    with running(poller, server, journal):
        with dial(server) as wire:
            wire.sendall(b"GET / HTTP/1.1\r\n\r\n")
            read_all(wire)  # an alert, and the end
        assert isinstance(lonely(journal), ssl.SSLError)
        assert server._connections == {}


def test_old_versions_are_refused(poller: BasePoller, echo: MakeEcho) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    server, journal = echo(), Journal("server")
    with running(poller, server, journal):
        wire = dial(server)
        with wire, pytest.raises(ssl.SSLError):
            old.wrap_socket(wire)
        assert isinstance(lonely(journal), ssl.SSLError)


def test_who_says_nothing_is_sent_away_and_holds_up_nobody(
    poller: BasePoller, echo: MakeEcho, trusting: ssl.SSLContext
) -> None:
    server, journal = echo(handshake_timeout=0.3), Journal("server")
    with running(poller, server, journal):
        with dial(server) as silent, dial(server) as slow:
            slow.sendall(b"\x16\x03")  # the beginning of a beginning
            with wrapped(server, trusting) as wire:
                wire.sendall(b"hello")
                assert read_exactly(wire, 5) == b"hello"
            assert silent.recv(1) == b""
            assert slow.recv(1) == b""
        journal.expect("socket_error", 2)
        assert all(isinstance(p, TimeoutError) for _, p in journal.of("socket_error"))
        journal.expect("disconnect")
    assert journal.names.count("connect") == 1


def test_the_time_for_a_handshake_is_limited_by_default(echo: MakeEcho) -> None:
    timeout = echo().handshake_timeout
    assert timeout is not None
    assert timeout < 10


def test_a_client_does_not_wait_for_ever(poller: BasePoller) -> None:
    listener = socket.create_server(HERE)
    client, journal = TCPClient(handshake_timeout=0.05), Journal("client")
    with listener, running(poller, client, journal) as program:
        program.app.fire(Connect(*listener.getsockname(), secure=True), "client")
        (problem,) = journal.expect("socket_error")
        assert isinstance(problem, TimeoutError)
        assert len(journal.of("unreachable")) == 1
    assert "connected" not in journal.names


def test_a_client_may_give_up_in_the_handshake(poller: BasePoller) -> None:
    listener = socket.create_server(HERE)
    client, journal = TCPClient(), Journal("client")
    with listener, running(poller, client, journal) as program:
        program.app.fire(Connect(*listener.getsockname(), secure=True), "client")
        peer, _ = listener.accept()
        with peer:
            assert peer.recv(1) == b"\x16"  # it has begun
            program.inside(client.close)
            read_all(peer)
        program.inside(lambda: None)
        assert not client.connected
    assert set(journal.names) <= {"ready", "connect"}


def test_a_handshake_that_is_cut_off(poller: BasePoller, echo: MakeEcho) -> None:
    server, journal = echo(), Journal("server")
    with running(poller, server, journal):
        with dial(server) as wire:
            wire.sendall(b"\x16\x03\x01")
        lonely(journal)


def test_a_connection_that_is_cut_off_is_at_its_end(
    poller: BasePoller, echo: MakeEcho, trusting: ssl.SSLContext
) -> None:
    server, journal = echo(), Journal("server")
    with running(poller, server, journal):
        wire = wrapped(server, trusting)
        wire.sendall(b"hello")
        assert read_exactly(wire, 5) == b"hello"
        wire.close()  # without a word
        journal.expect("disconnect")
    assert journal.of("socket_error") == []


def test_garbage_after_the_handshake_is_an_error(
    poller: BasePoller, echo: MakeEcho, trusting: ssl.SSLContext
) -> None:
    server, journal = echo(), Journal("server")
    with running(poller, server, journal):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = trusting.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with dial(server) as wire:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    wire.sendall(outgoing.read())
                    incoming.write(wire.recv(65536))
            tls.write(b"fine")
            wire.sendall(outgoing.read() + b"\x17\x03\x03\x00\x20" + bytes(32))
            journal.expect("disconnect")
        (sock, _, _) = journal.expect("connect")
        assert journal.of("read") == [(sock, b"fine")]
        ((_, problem),) = journal.of("socket_error")
        assert isinstance(problem, ssl.SSLError)


def test_data_may_come_together_with_the_end_of_the_handshake(
    poller: BasePoller, echo: MakeEcho, trusting: ssl.SSLContext
) -> None:
    server, journal = echo(), Journal("server")
    with running(poller, server, journal):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = trusting.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with dial(server) as wire:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    wire.sendall(outgoing.read())
                    incoming.write(wire.recv(65536))
            tls.write(b"hello")
            with pytest.raises(ssl.SSLWantReadError):
                tls.unwrap()
            wire.sendall(outgoing.read())  # the last of the handshake, data and farewell at once
            answer = read_all(wire)
        journal.expect("disconnect")
        incoming.write(answer)
        assert tls.read(100) == b"hello"
        assert [name for name in journal.names if name in ("connect", "read", "disconnect")] == [
            "connect", "read", "disconnect",
        ]  # fmt: skip


def test_the_end_of_the_application_does_not_wait_for_handshakes(
    poller: BasePoller, echo: MakeEcho
) -> None:
    server, journal = echo(), Journal("server")
    with running(poller, server, journal) as program:
        with dial(server) as wire:
            wire.sendall(b"\x16")
            while not program.inside(lambda: len(server._connections)):
                pass
            assert server._clients == []
            program.stop()
            assert wire.recv(1) == b""
    assert [name for name in journal.names if name != "ready"] == ["closed"]


# -- upgrades --


class Upgrade(Component):
    """Greets, and upgrades whoever asks for it."""

    channel = "server"

    def __init__(self, server: TCPServer) -> None:
        super().__init__()
        self.server = server

    def connect(self, sock: Any, host: str, port: int) -> bytes | None:
        self.server.write(sock, b"hello")
        return None

    def read(self, sock: Any, data: bytes) -> bytes | None:
        if data == b"upgrade":
            self.server.write(sock, b"go ahead")
            self.fire(starttls(sock))
            return None
        return b"<" + data + b">"


class Ask(Component):
    channel = "client"

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def read(self, data: bytes) -> bytes | None:
        if data == b"hello":
            return b"upgrade"
        if data == b"go ahead":
            self.fire(starttls(**self.options))
            self.fire(Write(b"secret"))  # before the handshake is done
        return None


def test_a_key_of_another_certificate_is_told_apart(certificates: Certificates) -> None:
    with pytest.raises(ssl.SSLError) as caught:
        TCPServer(HERE, secure=True, certfile=certificates.server, keyfile=certificates.stranger)
    text = (
        f"the key in keyfile {str(certificates.stranger)!r} is not that of the certificate in "
        f"{str(certificates.server)!r}"
    )
    assert str(caught.value).endswith(text)
    assert caught.value.reason == "KEY_VALUES_MISMATCH"


def test_both_sides_upgrade_a_connection(
    poller: BasePoller, echo: MakeEcho, certificates: Certificates
) -> None:
    server = TCPServer(HERE, certfile=certificates.server)
    client, served, journal = TCPClient(), Journal("server"), Journal("client")
    ask = Ask(ca_certs=certificates.authority)
    parts = (Upgrade(server), client, ask, served, journal)
    with running(poller, server, *parts) as program:
        program.app.fire(Connect("localhost", server.port), "client")
        assert journal.expect("connected") == ("localhost", server.port)
        journal.expect("starttls_done")
        assert journal.expect("read", 3) == (b"<secret>",)
        assert client.secure
        sock, *_ = served.of("connect")[0]
        assert served.expect("starttls_done") == (sock, sock)  # the same key
        assert sock.version() == "TLSv1.3"
        program.app.fire(Close(), "client")
        assert served.expect("disconnect") == (sock,)
    assert served.names.count("connect") == journal.names.count("connected") == 1
    assert served.of("socket_error") == journal.of("socket_error") == []


def test_a_failed_upgrade_ends_the_connection(
    poller: BasePoller, echo: MakeEcho, certificates: Certificates
) -> None:
    server = TCPServer(HERE, certfile=certificates.stranger)
    client, served, journal = TCPClient(), Journal("server"), Journal("client")
    ask = Ask(ca_certs=certificates.authority)
    with running(poller, server, Upgrade(server), client, ask, served, journal) as program:
        program.app.fire(Connect("localhost", server.port), "client")
        journal.expect("disconnected")
        (problem,) = journal.expect("socket_error")
        assert isinstance(problem, ssl.SSLCertVerificationError)
        served.expect("disconnect")
        served.expect("socket_error")
    assert "unreachable" not in journal.names


def test_upgrades_that_cannot_be(echo: MakeEcho, trusting: ssl.SSLContext) -> None:
    server, plain, client = echo(), TCPServer(HERE), TCPClient()
    journal, other = Journal("server"), Journal("plain")
    plain.channel = "plain"
    with running(server, plain, client, journal, other) as program:
        with wrapped(server, trusting), dial(plain):
            sock, *_ = journal.expect("connect")
            with pytest.raises(RuntimeError, match="already"):
                program.inside(lambda: server.starttls(sock))
            sock, *_ = other.expect("connect")
            with pytest.raises(RuntimeError, match="certfile"):
                program.inside(lambda: plain.starttls(sock))
            with pytest.raises(RuntimeError, match="no connection"):
                program.inside(client.starttls)
            program.inside(lambda: plain.starttls("unknown"))


# -- other people's programs --


def test_openssl_as_a_client(echo: MakeEcho, certificates: Certificates) -> None:
    program = require_program("openssl")
    server, journal = echo(), Journal("server")
    with running(server, journal):
        for number, version in enumerate(("-tls1_2", "-tls1_3"), 1):
            arguments = ("-quiet", "-CAfile", certificates.authority, "-verify_return_error")
            child = subprocess.Popen(
                [program, "s_client", "-connect", f"127.0.0.1:{server.port}", version, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            try:
                assert child.stdin is not None
                assert child.stdout is not None
                child.stdin.write(b"hello\n")
                child.stdin.flush()
                assert child.stdout.readline() == b"hello\n"
            finally:
                child.kill()
                child.communicate()
            journal.expect("disconnect", number)


@pytest.fixture
def openssl_server(certificates: Certificates) -> Iterator[int]:
    program = require_program("openssl")
    port = unused_port()
    child = subprocess.Popen(
        [program, "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificates.server,
         "-key", certificates.server, "-rev", "-quiet"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while True:
            assert child.poll() is None
            try:
                socket.create_connection(("127.0.0.1", port), SECONDS).close()
                break
            except ConnectionRefusedError:
                continue
        yield port
    finally:
        child.kill()
        child.communicate()


def test_openssl_as_a_server(
    openssl_server: int, certificates: Certificates, poller: BasePoller
) -> None:
    client, journal = TCPClient(), Journal("client")
    with running(poller, client, journal) as program:
        secure = {"secure": True, "ca_certs": certificates.authority}
        program.app.fire(Connect("localhost", openssl_server, **secure), "client")
        journal.expect("connected")
        program.app.fire(Write(b"hello\n"), "client")
        heard = b""
        number = 0
        while b"olleh" not in heard:
            number += 1
            heard += journal.expect("read", number)[0]


def test_a_web_server_speaks_tls(certificates: Certificates, trusting: ssl.SSLContext) -> None:
    class Root(Controller):
        def index(self) -> str:
            return "hello"

    server = Server(("127.0.0.1", 0), secure=True, certfile=certificates.server)
    server.display_banner = False
    with running(server, Root()):
        client = http.client.HTTPSConnection("localhost", server.port, context=trusting)
        for _ in range(2):  # on one connection
            client.request("GET", "/")
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, b"hello")
        client.close()


def test_socat_as_a_client(echo: MakeEcho, certificates: Certificates) -> None:
    program = require_program("socat")
    server = echo()
    with running(server):
        address = f"OPENSSL:localhost:{server.port},cafile={certificates.authority}"
        done = subprocess.run(
            [program, "-t", "5", "-", address],
            input=b"hello" * 50_000,
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
    # What it sends last comes back although it has closed its side.
    assert done.stdout == b"hello" * 50_000


def test_a_name_is_needed_where_there_is_none(echo: MakeEcho) -> None:
    client = UNIXClient()
    with pytest.raises(ValueError, match="server_hostname"):
        client.connect("/tmp/path", secure=True)
    with pytest.raises(TypeError, match="colour"):
        client.connect("/tmp/path", colour="red")
