"""Lines for a pipe or a socket that nobody reads."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from circuits.core._clock import Schedule
from circuits.testing import VirtualClock
from circuits.web._log_outlet import Outlet

pytestmark = pytest.mark.skipif(not hasattr(os, "O_NONBLOCK"), reason="another system")


class Ends:
    """Both ends of what standard output may be; the near one blocks."""

    def __init__(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.schedule = Schedule()
        if kind == "socket":
            near, far = socket.socketpair()
            self.far, number = far.detach(), near.detach()
        else:
            self.far, number = os.pipe()
        self.file: Any = open(number, "w")  # noqa: SIM115
        if kind == "pipe without /proc":
            with monkeypatch.context() as patch:
                patch.setattr(os, "open", self._no_proc)
                self.outlet = Outlet(self.file)
        else:
            self.outlet = Outlet(self.file)
        os.set_blocking(self.far, False)

    @staticmethod
    def _no_proc(*args: Any) -> int:
        raise FileNotFoundError(2, "no /proc")

    def write(self, line: bytes) -> None:
        self.outlet.write(line, self.schedule)

    def read(self) -> bytes:
        data = b""
        try:
            while piece := os.read(self.far, 65536):
                data += piece
        except BlockingIOError:
            pass
        return data


@pytest.fixture(params=["pipe", "pipe without /proc", "socket"])
def ends(
    request: pytest.FixtureRequest, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ends]:
    ends = Ends(request.param, monkeypatch)
    yield ends
    ends.outlet.close()
    os.close(ends.far)
    ends.file.close()


def test_what_it_is_for(tmp_path: Any) -> None:
    near, far = os.pipe()
    with open(near) as reading, open(far, "w") as writing, open(tmp_path / "a", "w") as plain:
        assert Outlet.leads_to(reading)
        assert Outlet.leads_to(writing)
        assert not Outlet.leads_to(plain)
    assert not Outlet.leads_to(writing)  # it is closed
    assert not Outlet.leads_to(io.StringIO())
    assert not Outlet.leads_to(object())


def test_lines_go_out_at_once_behind_what_was_printed(ends: Ends) -> None:
    print("printed", file=ends.file)
    ends.write(b"one\n")
    ends.write(b"two\n")
    assert ends.read() == b"printed\none\ntwo\n"
    assert len(ends.schedule) == 0
    assert os.get_blocking(ends.file.fileno())  # others have it, too


def test_nobody_waits_for_who_does_not_read(
    ends: Ends, virtual_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    line = b"x" * 999 + b"\n"
    for _ in range(3000):
        ends.write(line)
    assert ends.outlet.lost > 0
    assert not caplog.records  # it might go to the same pipe
    lost, data = ends.outlet.lost, b""
    while len(ends.schedule):
        data += ends.read()
        ends.schedule.run_due(virtual_clock.advance(0.2))
    data += ends.read()
    assert data == line * (3000 - lost)
    assert caplog.messages == [f"{lost} lines of the log are lost: nobody read standard output"]
    ends.write(b"again\n")
    assert ends.read() == b"again\n"


def test_a_reader_that_has_gone_is_told(
    ends: Ends, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = b"x" * 999 + b"\n"
    for _ in range(1000):
        ends.write(line)
    assert len(ends.schedule)
    gone = os.open(os.devnull, os.O_RDONLY)
    os.dup2(gone, ends.far)  # which closes it
    os.close(gone)
    ends.schedule.run_due(virtual_clock.advance(0.2))
    with pytest.raises(OSError, match="Broken pipe"):
        ends.write(b"one\n")


def test_closing_tries_once_more(ends: Ends) -> None:
    ends.write(b"x" * 300_000)
    data = ends.read()
    ends.outlet.close()
    data += ends.read()
    assert len(data) > 100_000
    assert len(ends.schedule) == 0
