"""UNIX sockets: what differs from TCP."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

import pytest

from circuits import handler
from circuits.net.sockets import Close, Connect, UNIXClient, UNIXServer, Write

from .net_support import Journal, running


class Echo(UNIXServer):
    @handler("read")
    def _on_read(self, sock: Any, data: bytes) -> bytes:
        return data


def test_an_echo_over_a_path(tmp_path: Path) -> None:
    path = tmp_path / "with:colon"
    server, client = Echo(path), UNIXClient()
    served, journal = Journal("server"), Journal("client")
    with running(server, client, served, journal) as program:
        assert served.expect("ready") == (server, (str(path), None))
        program.app.fire(Connect(path), "client")
        assert journal.expect("connected") == (socket.gethostname(), str(path))
        assert len(served.expect("connect")) == 1  # the socket alone: a path has no peer address
        program.app.fire(Write(b"hello"), "client")
        assert journal.expect("read") == (b"hello",)
        program.app.fire(Close(), "client")
        journal.expect("disconnected")
        served.expect("disconnect")
    assert path.is_socket()  # whoever made the path removes it


def test_a_path_that_nobody_serves_is_unreachable(tmp_path: Path) -> None:
    path = str(tmp_path / "nobody")
    client, journal = UNIXClient(), Journal("client")
    with running(client, journal) as program:
        program.app.fire(Connect(path), "client")
        (problem,) = journal.expect("socket_error")
        assert problem.errno == errno.ENOENT
        assert journal.of("unreachable") == [(path, None, problem)]
    assert "connected" not in journal.names
    assert "disconnected" not in journal.names


def test_stale_sockets_and_empty_files_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "path"
    path.touch()
    UNIXServer(path)
    assert path.is_socket()
    UNIXServer(path)
    assert path.is_socket()


def test_anything_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="file"):
        UNIXServer(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("wrong", [7, None, ("host", 80)])
def test_what_is_no_path_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        UNIXServer(wrong)


def test_a_socket_that_nobody_listens_on_any_more_is_unreachable(tmp_path: Path) -> None:
    path = str(tmp_path / "dead")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    client, journal = UNIXClient(), Journal("client")
    with running(client, journal) as program:
        program.app.fire(Connect(path), "client")
        (problem,) = journal.expect("socket_error")
        assert problem.errno == errno.ECONNREFUSED
        assert journal.of("unreachable") == [(path, None, problem)]


def test_too_many_who_wait_already_are_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "busy")
    client, journal = UNIXClient(), Journal("client")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        listener.bind(path)
        listener.listen(0)
        other.connect(path)
        with running(client, journal) as program:
            program.app.fire(Connect(path), "client")
            (problem,) = journal.expect("socket_error")
            assert problem.errno == errno.EAGAIN
