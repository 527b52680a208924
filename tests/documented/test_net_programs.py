"""Programs in the manner of the manual's guides, over real sockets."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_PROGRAMS = Path(__file__).parent / "programs"
_SECONDS = 20.0

pytestmark = pytest.mark.integration


@pytest.fixture
def chat() -> Iterator[int]:
    """The chat server as a program of its own; its port."""
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", str(_PROGRAMS / "chat_server.py"), "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=_SECONDS)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate()


def join(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)


def hear(wire: socket.socket, what: bytes) -> bytes:
    """Everything that comes, up to what is expected."""
    heard = b""
    while what not in heard:
        piece = wire.recv(1000)
        assert piece, f"only {heard!r} came"
        heard += piece
    return heard


def meet(first: socket.socket, *others: socket.socket) -> None:
    """Have the first heard by the others: only then all have been accepted."""
    for other in others:
        other.settimeout(0.05)
        while True:
            first.sendall(b"anybody?\n")
            try:
                hear(other, b"anybody?")
                break
            except TimeoutError:
                continue
        other.settimeout(_SECONDS)


def test_the_chat_server_relays_to_all_others(chat: int) -> None:
    with join(chat) as one, join(chat) as other, join(chat) as third:
        meet(one, other, third)
        other.sendall(b"  hello all \r\n")
        assert hear(one, b"hello all").endswith(b"hello all")  # without what is around it
        hear(third, b"hello all")
        # Who has left is no longer sent to, and nobody else notices.
        third.close()
        one.sendall(b"still here?\n")
        heard = hear(other, b"still here?")
        assert b"hello" not in heard  # its own words did not come back


def test_the_chat_server_survives_rude_guests(chat: int) -> None:
    for _ in range(20):
        rude = join(chat)
        rude.sendall(b"bye")
        rude.close()
    with join(chat) as one, join(chat) as other:
        meet(one, other)
        other.sendall(b"peace\n")
        hear(one, b"peace")
