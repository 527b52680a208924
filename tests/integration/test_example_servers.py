"""The examples that serve, forward and connect, run as their readers would run them."""

from __future__ import annotations

import os
import runpy
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from circuits.testing import replay
from tests.integration.example_support import EXAMPLES, SECONDS, Script, example, port_of
from tests.integration.net_support import dial, eventually, read_all, read_exactly
from tests.support import unused_port


def hear(wire: socket.socket, what: bytes) -> bytes:
    """Everything that comes, up to what is expected."""
    heard = b""
    while what not in heard:
        piece = wire.recv(1000)
        assert piece, f"only {heard!r} came"
        heard += piece
    return heard


@pytest.fixture
def echo() -> Iterator[Script]:
    with example("echoserver.py", "-b", "127.0.0.1:0") as script:
        yield script
        assert script.interrupt() == 0


def test_echo(echo: Script) -> None:
    with dial(port_of(echo)) as wire:
        wire.sendall(b"hello")
        assert read_exactly(wire, 5) == b"hello"


def test_debugging_shows_events() -> None:
    with example("echoserver.py", "-b", "127.0.0.1:0", "-d") as script:
        script.hear("Listening on")
        port = int(script.output.partition("127.0.0.1:")[2].split()[0])
        with dial(port) as wire:
            wire.sendall(b"hello")
            assert read_exactly(wire, 5) == b"hello"
        assert "b'hello'" in script.hear("b'hello'")
        assert script.interrupt() == 0


def test_telnet(echo: Script) -> None:
    port = port_of(echo)
    with example("telnet.py", "127.0.0.1", port) as telnet:
        telnet.hear(f"Connected to 127.0.0.1 {port}")
        assert telnet.output.startswith(f"Trying 127.0.0.1 {port} ...")
        telnet.type("grüße")
        telnet.hear("grüße\n")
        assert telnet.finish() == 0
        assert telnet.output.endswith("Connection closed\n")


def test_telnet_to_a_path(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(SECONDS)
        listener.bind(path)
        listener.listen()
        with example("telnet.py", path) as telnet:
            wire, _ = listener.accept()
            with wire:
                wire.settimeout(SECONDS)
                telnet.hear(f"Connected to {path}")
                telnet.type("hello")
                assert read_exactly(wire, 6) == b"hello\n"
                wire.sendall(b"bye\n")
            assert telnet.wait() == 0
            assert "bye\nConnection closed\n" in telnet.output


def test_telnet_to_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with example("telnet.py", "127.0.0.1", port) as telnet:
        assert telnet.wait() == 1
        assert "refused" in telnet.output


def test_chat() -> None:
    with example("chatserver.py", "-b", "127.0.0.1:0") as script:
        port = port_of(script)
        with dial(port) as ann, dial(port) as bob:
            for wire, name in ((ann, b"ann"), (bob, b"bob")):
                hear(wire, b"nickname: ")
                wire.sendall(name + b"\r\n")
                hear(wire, b"Hello " + name)
            hear(ann, b"!!! bob has joined !!!\n")
            ann.sendall("grüße\x1b[2J\r\n".encode())
            assert "<ann> grüße[2J\n".encode() in hear(bob, b"[2J\n")
            with dial(port) as other:
                hear(other, b"nickname: ")
                other.sendall(b"ann\n")
                hear(other, b"another nickname: ")
            bob.sendall(b"/quit\n")
            assert read_all(bob) == b""
            assert hear(ann, b"left !!!\n") == b"!!! bob has left !!!\n"
        assert script.interrupt() == 0


def test_an_endless_line_does_not_disturb_a_chat() -> None:
    with example("chatserver.py", "-b", "127.0.0.1:0") as script:
        with dial(port_of(script)) as ann:
            hear(ann, b"nickname: ")
            ann.sendall(b"x" * 100_000 + b"\nann\n")
            hear(ann, b"Hello ann")
        script.hear("a line longer than 1000 bytes")
        assert script.interrupt() == 0


def test_forwarding(echo: Script) -> None:
    target = port_of(echo)
    with example("portforward.py", "127.0.0.1:0", f"127.0.0.1:{target}") as script:
        port = port_of(script)
        assert f"to 127.0.0.1:{target}" in script.output
        with dial(port) as one, dial(port) as other:
            one.sendall(b"one")
            other.sendall(b"other")
            assert read_exactly(one, 3) == b"one"
            assert read_exactly(other, 5) == b"other"
            # More than fits into any buffer on the way.
            data = bytes(range(256)) * 16384
            writer = threading.Thread(target=one.sendall, args=(data,))
            writer.start()
            assert read_exactly(one, len(data)) == data
            writer.join(SECONDS)
        assert script.interrupt() == 0


def test_forwarding_to_nobody() -> None:
    nobody = unused_port()
    with example("portforward.py", "127.0.0.1:0", f"127.0.0.1:{nobody}") as script:
        with dial(port_of(script)) as wire:
            assert read_all(wire) == b""
        script.hear("cannot be reached")
        assert script.interrupt() == 0


def test_forwarding_in_the_background(echo: Script, tmp_path: Path) -> None:
    pidfile = tmp_path / "portforward.pid"
    target = port_of(echo)
    arguments = ("-d", "--pidfile", pidfile, "127.0.0.1:0", f"127.0.0.1:{target}")
    with example("portforward.py", *arguments) as script:
        # What was started ends, and so does its output; it has told the port before.
        assert script.wait() == 0
        port = port_of(script)
        eventually(lambda: pidfile.exists() and pidfile.read_text(), "no pid file")
        number = int(pidfile.read_text(encoding="ascii"))
        try:
            with dial(port) as wire:
                wire.sendall(b"hello")
                assert read_exactly(wire, 5) == b"hello"
        finally:
            os.kill(number, signal.SIGTERM)
        eventually(lambda: not pidfile.exists(), "it did not end")


def test_the_end_of_a_forwarded_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        target = listener.getsockname()[1]
        with example("portforward.py", "127.0.0.1:0", f"127.0.0.1:{target}") as script:
            port = port_of(script)
            for closes in ("source", "target"):
                near = dial(port)
                far, _ = listener.accept()
                far.settimeout(SECONDS)
                with near, far:
                    first, second = (near, far) if closes == "source" else (far, near)
                    first.sendall(b"last words")
                    first.close()
                    assert read_all(second) == b"last words"
            assert script.interrupt() == 0


def test_a_recorded_crash_is_replayed(tmp_path: Path) -> None:
    file = tmp_path / "a.rec"
    with example("recorded.py", "-p", "0", "-f", file) as script:
        with dial(port_of(script)) as wire:
            wire.sendall(b"4")
            assert read_exactly(wire, 3) == b"25\n"
            wire.sendall(b"0")
            with dial(port_of(script)) as other:
                other.sendall(b"50")
                assert read_exactly(other, 2) == b"2\n"
        assert script.interrupt() == 0
        assert "ZeroDivisionError" in script.output
        script.output = ""  # no other complaint is wanted
    found = runpy.run_path(str(EXAMPLES / "recorded.py"))
    replayed = replay(file, found["Divider"])
    assert [type(problem) for problem in replayed.errors] == [ZeroDivisionError]
    assert replayed.sent == {2: b"25\n", 3: b"2\n"}
