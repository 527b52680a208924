"""Peers and systems that misbehave, and what that may cost at most."""

from __future__ import annotations

import errno
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import Component, handler, sleep
from circuits.core.pollers import BasePoller
from circuits.net.sockets import TCPServer, Write
from tests.certificates import Certificates

from .net_support import SECONDS, Journal, dial, running

_PIECE = bytes(64 * 1024)
_GIGABYTE = 1024 * 1024 * 1024


class Producer(Component):
    """Writes a gigabyte to whoever comes, but heeds ``pause``."""

    channel = "server"

    def __init__(self, server: TCPServer) -> None:
        super().__init__()
        self.server = server
        self.most = self.written = 0
        self.is_paused = False
        self.was_paused = threading.Event()

    def connect(self, sock: Any, host: str, port: int) -> Iterator[Any]:
        connection = self.server._connections[sock]
        while self.written < _GIGABYTE and not connection.is_closed:
            while self.is_paused and not connection.is_closed:
                yield sleep(0.01)
            self.fire(Write(sock, _PIECE))
            self.written += len(_PIECE)
            yield None
            self.most = max(self.most, connection.pending_bytes)

    def pause(self, sock: Any) -> None:
        self.is_paused = True
        self.was_paused.set()

    def resume(self, sock: Any) -> None:
        self.is_paused = False


def test_a_gigabyte_for_a_peer_that_does_not_read(poller: BasePoller) -> None:
    server, journal = TCPServer(("127.0.0.1", 0), write_timeout=1.0), Journal("server")
    producer = Producer(server)
    with running(poller, server, producer, journal), dial(server):
        (sock, *_) = journal.expect("connect")
        assert journal.expect("pause") == (sock,)
        whose, problem = journal.expect("socket_error")
        assert whose is sock
        assert problem.errno == errno.ETIMEDOUT
        assert journal.expect("disconnect") == (sock,)
    # One piece was on its way when the pause was told.
    assert server._limits.high_water < producer.most <= server._limits.high_water + 2 * len(_PIECE)
    assert producer.written < 64 * 1024 * 1024


_LAST_DESCRIPTOR = """
import os, resource
from circuits import handler
from circuits.net.sockets import TCPServer

class Echo(TCPServer):
    @handler("ready")
    def _on_ready(self, server, bind):
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        try:
            while True:
                last = os.dup(0)
        except OSError:
            os.close(last)
        print(self.port, flush=True)
    @handler("read")
    def _on_read(self, sock, data):
        return data

Echo(("127.0.0.1", 0), secure=True, certfile={certificate!r}).run()
"""


def test_tls_takes_one_descriptor_and_no_more(certificates: Certificates) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            _LAST_DESCRIPTOR.format(certificate=str(certificates.server)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    context = ssl.create_default_context(cafile=str(certificates.authority))
    try:
        assert process.stdout is not None
        with (
            dial(int(process.stdout.readline())) as wire,
            context.wrap_socket(wire, server_hostname="localhost") as encrypted,
        ):
            encrypted.sendall(b"first")
            assert encrypted.recv(100) == b"first"
        process.terminate()
        _, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("ending", ["the peer", "the server"])
def test_nothing_is_kept_for_a_connection_that_has_ended(poller: BasePoller, ending: str) -> None:
    class Flood(Component):
        channel = "server"

        @handler("connect")
        def _on_connect(self, sock: Any, host: str, port: int) -> None:
            self.fire(Write(sock, bytes(40_000_000)))

    server, journal = TCPServer(("127.0.0.1", 0)), Journal("server")
    with running(poller, server, Flood(), journal) as program:
        wire = dial(server)
        (sock, *_) = journal.expect("connect")
        journal.expect("pause")
        connection = program.inside(lambda: server._connections[sock])
        if ending == "the peer":
            wire.close()  # with unread data: a reset
        else:
            program.inside(lambda: server.unregister())
        journal.expect("disconnect")
        assert connection.pending_bytes == 0
        assert sock.fileno() == -1
        assert not server._connections
        wire.close()
