"""A person with telnet talks to an echo server."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from circuits import handler
from circuits.net.sockets import TCPServer
from tests.support import require_program

from .net_support import running

pytestmark = pytest.mark.integration


class Echo(TCPServer):
    @handler("read")
    def _on_read(self, sock: object, data: bytes) -> bytes:
        return data


def _read_until(terminal: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        piece = os.read(terminal, 1024)
        assert piece, seen
        seen += piece
    return seen


def test_what_is_typed_comes_back() -> None:
    telnet = require_program("telnet")
    server = Echo(("127.0.0.1", 0))
    with running(server):
        ours, theirs = pty.openpty()
        child = subprocess.Popen(
            [telnet, "127.0.0.1", str(server.port)], stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        try:
            _read_until(ours, b"Escape character is")
            os.write(ours, b"hello there\r")
            # Once by the terminal, once by the server.
            seen = _read_until(ours, b"hello there\r\nhello there")
            assert seen.count(b"hello there") == 2
            os.write(ours, b"\x1d")
            _read_until(ours, b"telnet>")
            os.write(ours, b"quit\r")
            assert child.wait(10) == 0
        finally:
            child.kill()
            child.wait()
            os.close(ours)
