"""Pairs of connected clients, and sockets that others have opened."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from circuits import handler
from circuits.core.pollers import BasePoller
from circuits.net.sockets import (
    Close,
    Connect,
    Pipe,
    UNIXClient,
    UNIXServer,
    Write,
    inherited_sockets,
)

from .net_support import SECONDS, Journal, running


def test_the_ends_of_a_pipe_talk_to_each_other(poller: BasePoller) -> None:
    one, other = Pipe()
    assert (one.channel, other.channel) == ("a", "b")
    assert one.connected
    assert other.connected
    here, there = Journal("a"), Journal("b")
    with running(poller, one, other, here, there) as program:
        program.app.fire(Write(b"to b"), "a")
        assert there.expect("read") == (b"to b",)
        program.app.fire(Write(b"to a"), "b")
        assert here.expect("read") == (b"to a",)
        program.app.fire(Close(), "a")
        here.expect("disconnected")
        there.expect("disconnected")
    assert here.names.count("disconnected") == there.names.count("disconnected") == 1


def test_the_ends_may_be_in_different_applications() -> None:
    one, other = Pipe("left", "right", high_water=4096, low_water=1024)
    here, there = Journal("left"), Journal("right")
    with running(one, here) as program, running(other, there):
        program.app.fire(Write(b"hello"), "left")
        assert there.expect("read") == (b"hello",)
    assert other._limits.high_water == 4096


def test_what_was_written_before_an_end_is_registered_arrives(poller: BasePoller) -> None:
    one, other = Pipe()
    one.write(b"early")
    journal = Journal("b")
    with running(poller, one, other, journal):
        assert journal.expect("read") == (b"early",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_ends_may_be_in_different_processes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORK], check=False, capture_output=True, text=True, timeout=SECONDS
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "HELLO\n", "")


_FORK = """
import os, sys
from circuits import Component, handler
from circuits.net.sockets import Pipe

class Shout(Component):
    channel = "b"
    def read(self, data):
        return data.upper()
    def disconnected(self):
        self.stop()

class Ask(Component):
    channel = "a"
    @handler("started", channel="*")
    def _on_started(self, component):
        one.write(b"hello")
    def read(self, data):
        print(data.decode(), flush=True)
        self.stop()

one, other = Pipe()
child = os.fork()
if child == 0:
    del one
    (Shout() + other).run()
    os._exit(0)
del other
(Ask() + one).run()
sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_pipe_has_two_ends() -> None:
    with pytest.raises(TypeError, match="two ends"):
        Pipe("a", "b", "c")
    with pytest.raises(TypeError, match="no option"):
        Pipe(colour="red")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract names")
def test_an_abstract_name_needs_no_file(poller: BasePoller) -> None:
    class Echo(UNIXServer):
        @handler("read")
        def _on_read(self, sock: Any, data: bytes) -> bytes:
            return data

    name = f"\0circuits-test-{os.getpid()}"
    server, client, journal = Echo(name), UNIXClient(), Journal("client")
    assert (server.host, server.port) == (name, None)
    with running(poller, server, client, journal) as program:
        program.app.fire(Connect(name), "client")
        assert journal.expect("connected") == (socket.gethostname(), name)
        program.app.fire(Write(b"hello"), "client")
        assert journal.expect("read") == (b"hello",)


_ACTIVATED = """
import os
from circuits import handler
from circuits.net.sockets import TCPServer, inherited_sockets

os.environ["LISTEN_PID"] = str(os.getpid())  # what systemd does between fork and exec
class Echo(TCPServer):
    @handler("read")
    def _on_read(self, sock, data):
        return data
    @handler("disconnect")
    def _on_disconnect(self, sock):
        self.stop()
((name, sock),) = inherited_sockets()
assert name == "web", name
assert not [variable for variable in os.environ if variable.startswith("LISTEN_")]
assert not os.get_inheritable(sock.fileno())
assert inherited_sockets() == []
Echo(sock).run()
"""


def test_a_service_is_started_with_its_sockets() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    environment = {**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:log"}
    reader, writer = os.pipe()
    # The shell puts them where the protocol has them: 3 and 4, of which one is no socket.
    command = f'exec "$0" -c "$1" 3<&{listener.fileno()} 4<&{reader}'
    child = subprocess.Popen(
        ["bash", "-c", command, sys.executable, _ACTIVATED],
        env=environment,
        pass_fds=(listener.fileno(), reader),
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(reader)
    os.close(writer)
    try:
        with listener, socket.create_connection(listener.getsockname(), SECONDS) as wire:
            wire.sendall(b"hello")
            assert wire.recv(100) == b"hello"
        _, errors = child.communicate(timeout=SECONDS)
        assert (child.returncode, errors) == (0, "")
    finally:
        child.kill()
        child.communicate()


def test_what_is_meant_for_another_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    assert inherited_sockets(keep_environment=True) == []
    assert os.environ["LISTEN_FDS"] == "1"


def test_a_stale_path_is_replaced_by_a_server_that_works(tmp_path: Path) -> None:
    path = tmp_path / "path"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server, client, journal = UNIXServer(path), UNIXClient(), Journal("client")
    with running(server, client, journal) as program:
        program.app.fire(Connect(path), "client")
        journal.expect("connected")
