"""A hundred megabytes through an echo server: the same that went in, and no more memory."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import ssl
import subprocess
import sys
import threading

import pytest

from tests.certificates import Certificates

from .net_support import SECONDS

_SERVER = """
import json, sys
from circuits import handler
from circuits.net.sockets import TCPServer

class Echo(TCPServer):
    peak = 0
    @handler("read")
    def _on_read(self, sock, data):
        return data
    @handler("disconnect")
    def _on_disconnect(self, sock):
        self.stop()

def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

server = Echo(("127.0.0.1", 0), **json.loads(sys.argv[1]))
before = peak()
print(server.port, flush=True)
server.run()
print(peak() - before, flush=True)
"""

_PIECE, _PIECES = 1_000_000, 100


def _pieces() -> list[bytes]:
    # A few kinds of piece, none of which ends where another does.
    chosen = random.Random(3)
    return [chosen.randbytes(_PIECE + number) for number in range(5)]


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_a_hundred_megabytes_come_back(secure: bool, certificates: Certificates) -> None:
    options = {"secure": True, "certfile": str(certificates.server)} if secure else {}
    server = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _SERVER, json.dumps(options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        address = ("127.0.0.1", int(server.stdout.readline()))
        wire = socket.create_connection(address, SECONDS)
        sent, received = hashlib.sha256(), hashlib.sha256()
        pieces = _pieces()
        total = sum(len(pieces[n % len(pieces)]) for n in range(_PIECES))
        if secure:
            context = ssl.create_default_context(cafile=certificates.authority)
            _exchange_tls(wire, context, pieces, sent, received)
        else:
            _exchange(wire, pieces, sent, received, total)
        wire.close()
        output, errors = server.communicate(timeout=SECONDS)
    finally:
        server.kill()
        server.communicate()
    assert (server.returncode, errors) == (0, "")
    assert received.digest() == sent.digest()
    # The peer reads as fast as it can, so that what is pending stays below the marks.
    assert int(output) < 8 * 1024, "kB more than before"


def _exchange(
    wire: socket.socket,
    pieces: list[bytes],
    sent: hashlib._Hash,
    received: hashlib._Hash,
    total: int,
) -> None:
    def send() -> None:
        for number in range(_PIECES):
            piece = pieces[number % len(pieces)]
            sent.update(piece)
            wire.sendall(piece)

    sender = threading.Thread(target=send)
    sender.start()
    count = 0
    while count < total:
        data = wire.recv(1 << 18)
        assert data, f"only {count} of {total} bytes came back"
        received.update(data)
        count += len(data)
    sender.join(SECONDS)


def _exchange_tls(
    wire: socket.socket,
    context: ssl.SSLContext,
    pieces: list[bytes],
    sent: hashlib._Hash,
    received: hashlib._Hash,
) -> None:
    # One thread, because an SSL socket does not like two.
    with context.wrap_socket(wire, server_hostname="localhost") as secure:
        for number in range(_PIECES):
            piece = pieces[number % len(pieces)]
            for start in range(0, len(piece), 100_000):
                part = piece[start : start + 100_000]
                sent.update(part)
                secure.sendall(part)
                count = 0
                while count < len(part):
                    data = secure.recv(len(part) - count)
                    assert data, "the server has gone"
                    received.update(data)
                    count += len(data)
