"""No memory: requests that need more than there is fail by themselves, and others are answered."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and /proc")

_MORE = 24 * 1024 * 1024


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server that may have a little more memory."""
    program = Path(__file__).with_name("memory_program.py")
    command = [sys.executable, str(program), str(_MORE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0, "it ends as it should"
        finally:
            process.kill()


def _ask(port: int, method: str, path: str, body: bytes = b"") -> int | None:
    """The status; ``None`` for a connection that was cut."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return response.status


def test_who_asks_for_too_much_gets_an_error_and_others_an_answer(port: int) -> None:
    for _ in range(3):
        assert _ask(port, "GET", "/much") in (500, 503, None)
        assert _ask(port, "GET", "/") == 200
        assert _ask(port, "POST", "/echo", bytes(8 * 1024 * 1024)) in (500, 503, 507, None)
        assert _ask(port, "GET", "/") == 200


def test_many_that_send_at_once_end_nothing(port: int) -> None:
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(40)]
    try:
        for connection in connections:
            connection.putrequest("POST", "/echo")
            connection.putheader("Content-Length", "2000000")
            connection.endheaders()
            try:
                connection.send(bytes(1_000_000))
            except OSError:  # it was refused, or cut
                continue
    finally:
        for connection in connections:
            connection.close()
    assert _ask(port, "GET", "/") == 200
