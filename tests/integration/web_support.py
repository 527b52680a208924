"""Web programs in processes of their own, and a client that sees every byte."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
SECONDS = 20.0
_ADDRESS = re.compile(rb"https?://(?:127\.0\.0\.1|\[::1\]):(\d+)/")


class Program:
    """A program that runs, and the port that it said it serves."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, greeting: str) -> None:
        self.process = process
        self.port = port
        self.greeting = greeting
        self.base = f"http://127.0.0.1:{port}"
        self.output = ""

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def connect(self) -> Wire:
        return Wire(self.port)

    def get(self, target: str, *headers: str) -> Answer:
        with self.connect() as wire:
            return wire.get(target, *headers, "Connection: close")

    def terminate(self) -> int:
        """Ask it to end; its exit status, and its whole output as ``output``."""
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=SECONDS)
        self.output = self.greeting + rest.decode()
        return self.process.returncode


@contextlib.contextmanager
def running(
    *arguments: str | os.PathLike[str],
    cwd: Path | None = None,
    status: int | None = 0,
    greeting: re.Pattern[bytes] = _ADDRESS,
) -> Iterator[Program]:
    """Run a Python program until the block ends; then it must end well when it is asked to.

    Args:
        *arguments: What follows the name of the interpreter. The program must print its address.
        cwd: Its working directory.
        status: The exit status to expect; ``None`` is any.
        greeting: What it prints when it serves; a group of it is the port.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", *[os.fspath(argument) for argument in arguments]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=environment,
    )
    try:
        program = Program(process, *_read_address(process, greeting))
        yield program
        found = program.terminate()
        assert status is None or found == status, program.output
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=SECONDS)


def _read_address(process: subprocess.Popen[bytes], greeting: re.Pattern[bytes]) -> tuple[int, str]:
    assert process.stdout is not None
    number, seen = process.stdout.fileno(), b""
    deadline = time.monotonic() + SECONDS
    while (match := greeting.search(seen)) is None or not seen.endswith(b"\n"):
        ready, _, _ = select.select([number], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(number, 65536) if ready else b""
        assert data, f"the program told no address:\n{seen.decode()}"
        seen += data
    return int(match[1]) if match.re.groups else 0, seen.decode()


class Answer:
    """A response as it came."""

    def __init__(self, head: bytes) -> None:
        self.head = head.decode("latin-1")
        self.line, *fields = self.head.rstrip().split("\r\n")
        self.protocol, code, self.reason = self.line.split(" ", 2)
        self.code = int(code)
        self.fields = [
            (name.lower(), text.strip())
            for name, _, text in (field.partition(":") for field in fields)
        ]
        self.body = b""

    def __getitem__(self, name: str) -> str | None:
        return next((text for known, text in self.fields if known == name.lower()), None)

    def __repr__(self) -> str:
        return f"<{self.line} {self.body[:80]!r}>"


class Wire:
    """A connection to a server, as a client that takes nothing for granted."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._seen = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *problem: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> Wire:
        # A server that has refused already may have closed, and that is what is looked at next.
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(data)
        return self

    def get(self, target: str, *headers: str, method: str = "GET") -> Answer:
        lines = [f"{method} {target} HTTP/1.1", "Host: test", *headers, "", ""]
        self.send("\r\n".join(lines).encode("latin-1"))
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """Read one response, interim ones included."""
        answer = Answer(self.until(b"\r\n\r\n"))
        length = answer["Content-Length"]
        if method == "HEAD" or answer.code < 200 or answer.code in (204, 304):
            return answer
        if (answer["Transfer-Encoding"] or "").lower() == "chunked":
            while True:
                size = int(self.until(b"\r\n"), 16)
                chunk = self.exactly(size + 2)
                assert chunk.endswith(b"\r\n")
                answer.body += chunk[:-2]
                if not size:
                    return answer
        answer.body = self.rest() if length is None else self.exactly(int(length))
        return answer

    def until(self, end: bytes) -> bytes:
        while end not in self._seen:
            self._read(f"before {end!r}")
        found, _, self._seen = self._seen.partition(end)
        return found + end

    def exactly(self, count: int) -> bytes:
        while len(self._seen) < count:
            self._read(f"{count - len(self._seen)} bytes short")
        found, self._seen = self._seen[:count], self._seen[count:]
        return found

    def _read(self, expected: str) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(f"the server closed {expected}: {self._seen!r}")
        self._seen += data

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while True:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                found, self._seen = self._seen, b""
                return found
            self._seen += data

    def is_closed(self) -> bool:
        """Whether the server closes, and says nothing more before."""
        return self.rest() == b""
