"""The master of workers and what reloads, as far as no process is needed."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from types import ModuleType

import pytest

from circuits.net.sockets import TCPServer, UNIXServer
from circuits.testing import VirtualClock, settle
from circuits.web._prefork import pause_before
from circuits.web._reloading import Ages, Reloader


def test_the_pause_grows_to_a_limit() -> None:
    assert [pause_before(n) for n in (0, 1, 2, 3)] == [0.0, 0.1, 0.2, 0.4]
    assert pause_before(1000) == 10.0


def test_a_changed_file_is_found_and_a_new_one_is_not_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.touch()
    second.touch()
    ages = Ages([str(first)])
    module = ModuleType("second_of_this_test")
    module.__file__ = str(second)
    monkeypatch.setitem(sys.modules, "second_of_this_test", module)
    assert ages.changed() is None
    os.utime(second, ns=(1, 1))
    assert ages.changed() == str(second)
    assert Ages([str(first)]).changed() is None
    gone = Ages([str(first)])
    first.unlink()
    assert gone.changed() == str(first)


def test_what_is_still_being_written_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "written.py"
    path.touch()
    reloader = Reloader()
    reloader._ages = Ages([str(path)])
    with VirtualClock() as clock, reloader.running():
        settle(reloader, until=clock.now + 1)
        for number in range(1, 20):
            os.utime(path, ns=(number, number))
            settle(reloader, until=clock.now + 0.09)
            assert not reloader.has_changed
        settle(reloader, until=clock.now + 1)
        assert reloader.has_changed
        assert not reloader._running
    assert capsys.readouterr().err == f"{path} has changed\n"


def test_to_close_a_given_listener_leaves_it_to_others() -> None:
    first = TCPServer(("127.0.0.1", 0))
    copy = first.duplicate_listener()
    second = TCPServer(copy)
    port = second.port
    second.close()
    third = first.duplicate_listener()
    try:
        with socket.create_connection(("127.0.0.1", port or 0), 5) as client:
            accepted, address = third.accept()
            accepted.close()
            assert address == client.getsockname()
    finally:
        third.close()
        first.close()


def test_a_unix_socket_gets_its_mode_and_a_port_has_none(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    UNIXServer(path, mode=0o600).close()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TypeError, match="has no option mode"):
        TCPServer(("127.0.0.1", 0), mode=0o600)
