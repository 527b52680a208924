"""What is dropped unclosed is closed quietly, wherever the garbage collector begins."""

from __future__ import annotations

import gc
import os
import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circuits import Bridge, Manager
from circuits.core import _latch
from circuits.core._descriptor import Descriptor, DescriptorOwner
from circuits.core._held import HELD, close, hold
from circuits.core.pollers import Poll
from circuits.io import Notify, Process
from circuits.io._child import ChildPipe
from circuits.net._tls import TLSSocket
from circuits.net.sockets import Pipe, UDPServer, UNIXClient, UNIXServer
from circuits.web import Logger
from circuits.web._session_sqlite import SQLiteStore

pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc"
)


def _pipe(app: Any, folder: Path) -> list[Any]:
    return [end.register(app)._sock for end in Pipe()]


def _listener(app: Any, folder: Path) -> list[Any]:
    return [UNIXServer(str(folder / "s")).register(app)._sock]


def _datagrams(app: Any, folder: Path) -> list[Any]:
    return [UDPServer(("127.0.0.1", 0)).register(app)._sock]


def _connections(app: Any, folder: Path) -> list[Any]:
    Poll().register(app)
    server = UNIXServer(str(folder / "s")).register(app)
    client = UNIXClient().register(app)
    app.tick()
    client.connect(str(folder / "s"))
    for _ in range(20):
        app.tick()
    return [*server._connections, client._sock]


def _encrypted(app: Any, folder: Path) -> list[Any]:
    near, far = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with far:
        server = UNIXServer(str(folder / "s"), secure=context).register(app)  # type: ignore[arg-type]
        server._begin(sock := TLSSocket.take_over(near), None)
    return [server._sock, sock]


def _bridge(app: Any, folder: Path) -> list[Any]:
    near, far = socket.socketpair()
    with far:
        Bridge(near).register(app)
    return [near]


def _wake_up(app: Any, folder: Path) -> list[Any]:
    app.wake_up = _latch.WakeUp()
    app.wake_up._open_pipe()
    return [end._sock for end in (app.wake_up._reader, app.wake_up._writer)]


def _sessions(app: Any, folder: Path) -> list[Any]:
    app.store = SQLiteStore(folder / "sessions")
    app.store.load("x")
    return [app.store._connection]


def _log(app: Any, folder: Path) -> list[Any]:
    near, far = socket.socketpair()
    with far, near, near.makefile("w") as out:
        log = Logger().register(app)
        outlet = log._outlet_of(out)
        assert outlet is not None
        return [outlet._sock]


@pytest.mark.parametrize(
    "leave_open",
    [_pipe, _listener, _datagrams, _connections, _encrypted, _bridge, _wake_up, _sessions, _log],
)
def test_nothing_warns_nor_stays_open(
    leave_open: Callable[[Any, Path], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_latch, "SOCKETS_ONLY", leave_open is _wake_up)
    gc.collect()
    held, descriptors = set(HELD), _open_descriptors()
    app = Manager()
    app.itself = app  # type: ignore[attr-defined]
    things = leave_open(app, tmp_path)
    assert {id(thing) for thing in things} <= set(HELD) - held
    gc.collect()  # leaves what it finds in use where it is, and what is reached by way of others behind
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del app, things
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    assert set(HELD) == held
    assert _open_descriptors() == descriptors


def _notify(app: Any) -> None:
    Notify().register(app).add_path("/")


def _fifo(app: Any) -> None:
    number, other = os.pipe()
    os.close(other)
    app.owner = DescriptorOwner().register(app)
    app.owner._adopt(Descriptor(app.owner, number))


def _child_pipe(app: Any) -> None:
    number, other = os.pipe()
    os.close(other)
    ChildPipe(Process("true"), 1, number, "stdin").register(app)  # which opens it in a later turn


@pytest.mark.parametrize("leave_open", [_notify, _fifo, _child_pipe])
def test_numbers_are_closed(leave_open: Callable[[Any], None]) -> None:
    gc.collect()
    before = _open_descriptors()
    app = Manager()
    leave_open(app)
    assert _open_descriptors() > before
    del app
    gc.collect()
    assert _open_descriptors() == before


def test_what_is_equal_is_held_apart() -> None:
    class Same:
        __hash__ = None  # type: ignore[assignment]
        is_closed = False

        def __eq__(self, other: object) -> bool:
            return True

        def close(self) -> None:
            self.is_closed = True

    one, other = Same(), Same()
    hold(one)
    hold(one)
    hold(other)
    close(one)
    assert (one.is_closed, other.is_closed) == (True, False)
    assert id(one) not in HELD
    assert id(other) in HELD
    close(other)
    close(other)
    assert id(other) not in HELD


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.integration
def test_nor_when_the_interpreter_ends() -> None:
    program = """
import gc
from circuits import Manager
from circuits.net._tls import TLSSocket
from circuits.net.sockets import Pipe, TCPClient, UDPServer

app = Manager()
ends = [end.register(app) for end in Pipe()]
server = UDPServer(("127.0.0.1", 0)).register(app)
client = TCPClient().register(app)
gc.collect()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
