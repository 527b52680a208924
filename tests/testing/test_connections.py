from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from circuits.testing import MemoryConnection, memory_pair

Pair = Callable[[], tuple[MemoryConnection, MemoryConnection]]


def test_what_one_end_sends_the_other_receives(connections: Pair) -> None:
    one, other = connections()
    assert one.send(b"abc") == 3
    assert one.sendmsg([b"de", b"f"]) == 3
    assert other.received() == b"abcdef"
    assert other.received() == b""
    buffer = bytearray(10)
    one.send(memoryview(b"xyz"))
    assert other.recv_into(buffer) == 3
    assert bytes(buffer[:3]) == b"xyz"


def test_nothing_to_read_blocks(connections: Pair) -> None:
    one, _ = connections()
    with pytest.raises(BlockingIOError):
        one.recv(10)


def test_sends_can_be_cut_short(connections: Pair) -> None:
    one, other = connections()
    one.send_limit = 2
    assert one.send(b"abc") == 2
    assert one.sendmsg([b"d", b"ef"]) == 2
    one.send_limit = 0
    with pytest.raises(BlockingIOError):
        one.send(b"x")
    with pytest.raises(BlockingIOError):
        one.sendmsg([b"x"])
    assert other.received() == b"abde"


def test_receives_can_be_cut_short(connections: Pair) -> None:
    one, other = connections()
    other.receive_limit = 2
    one.send(b"abc")
    assert other.recv(100) == b"ab"
    assert other.recv_into(bytearray(10)) == 1


@pytest.mark.parametrize("which", ["send", "receive"])
def test_errors_come_once(connections: Pair, which: str) -> None:
    one, other = connections()
    setattr(one, f"{which}_error", ConnectionResetError("reset"))
    other.send(b"x")

    def attempt() -> object:
        return one.send(b"a") if which == "send" else one.recv(10)

    with pytest.raises(ConnectionResetError):
        attempt()
    assert attempt() in {1, b"x"}


def test_the_end_comes_after_what_was_sent(connections: Pair) -> None:
    one, other = connections()
    assert not other.at_end
    one.send(b"last")
    one.shutdown(socket.SHUT_WR)
    assert not other.at_end
    assert other.received() == b"last"
    assert other.at_end


def test_it_looks_like_tcp(connections: Pair) -> None:
    one, other = connections()
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
    one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert one.family == socket.AF_INET
    assert one.getpeername() == other.getsockname()
    assert one.gettimeout() == 0


def test_it_has_a_descriptor_until_it_is_closed() -> None:
    one, other = memory_pair()
    assert one.fileno() >= 0
    with one, other:
        pass
    assert one.fileno() == -1
    one.close()
