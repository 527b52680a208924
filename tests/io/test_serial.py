"""Serial ports over pseudo terminals: data, lines, back-pressure, and devices that vanish."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import Component, Manager
from circuits.io import Serial
from circuits.io.events import Close, Open, Write
from circuits.testing import settle

from .io_support import Seen, arrived

pytest.importorskip("serial", reason="needs pyserial")
termios = pytest.importorskip("termios", reason="needs pseudo terminals")
pty = pytest.importorskip("pty")
tty = pytest.importorskip("tty")


@pytest.fixture
def app(app_runner: Callable[[Manager], Manager]) -> Manager:
    return app_runner(Manager())


@pytest.fixture
def seen(app: Manager) -> Seen:
    return Seen("serial").register(app)


class Line:
    """A device, and who is at the other end of its cable."""

    def __init__(self) -> None:
        self.far, slave = pty.openpty()
        tty.setraw(slave)
        self.name = os.ttyname(slave)
        self._slave = slave

    def send(self, data: bytes, serial: Serial) -> None:
        os.write(self.far, data)
        arrived(serial.device.fileno())

    def receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            arrived(self.far)
            data += os.read(self.far, 65536)
        return data

    def vanish(self) -> None:
        for number in (self.far, self._slave):
            if number >= 0:
                os.close(number)
        self.far = self._slave = -1


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.vanish()


def test_a_port_is_opened_read_written_and_closed(app: Manager, seen: Seen, line: Line) -> None:
    serial = Serial(line.name, 9600).register(app)
    assert serial.closed
    settle(app)
    assert seen.entries == [("ready", serial), ("open",), ("opened", line.name)]
    assert (serial.port, serial.baudrate, serial.device.baudrate) == (line.name, 9600, 9600)
    line.send(b"\x00\xff\r\n\x03", serial)
    settle(app)
    assert seen.data == b"\x00\xff\r\n\x03"
    app.fire(Write(b"bytes "), "serial")
    app.fire(Write("täxt"), "serial")
    settle(app)
    assert line.receive(11) == "bytes täxt".encode()
    app.fire(Close(), "serial")
    app.fire(Close(), "serial")
    settle(app)
    assert seen.entries[-1] == ("closed", line.name)
    assert seen.names.count("closed") == 1
    assert serial.closed
    assert serial.device is None


def test_it_is_raw_with_eight_bits_and_no_parity(app: Manager, line: Line) -> None:
    serial = Serial(line.name).register(app)
    settle(app)
    _, output, control, local, *_ = termios.tcgetattr(serial.device.fileno())
    assert control & termios.CSIZE == termios.CS8
    assert not control & (termios.PARENB | termios.CSTOPB)
    assert not local & (termios.ICANON | termios.ECHO | termios.ISIG)
    assert not output & termios.OPOST


def test_options_of_the_library(app: Manager, line: Line) -> None:
    serial = Serial(line.name, stopbits=2).register(app)
    settle(app)
    assert serial.device.stopbits == 2


def test_a_port_that_is_not_there(app: Manager, seen: Seen) -> None:
    serial = Serial("/dev/nobody").register(app)
    serial.write(b"lost")
    settle(app)
    assert seen.names == ["ready", "open", "error", "io_error"]
    assert seen.problem.errno == errno.ENOENT
    assert seen.problem.__notes__ == ["4 bytes were not written"]
    seen.entries.clear()
    serial.write(b"more")
    settle(app)
    assert seen.problem.errno == errno.EBADF


def test_bad_options_are_told(app: Manager, seen: Seen, line: Line) -> None:
    Serial(line.name, bytesize=77).register(app)
    settle(app)
    assert isinstance(seen.problem, ValueError)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")
def test_a_device_that_vanishes(app: Manager, seen: Seen, line: Line) -> None:
    settle(app)
    serial = Serial(line.name).register(app)
    settle(app)
    seen.entries.clear()
    arrived_last = serial.device.fileno()
    line.vanish()
    arrived(arrived_last)
    settle(app)
    assert seen.names == ["error", "io_error", "closed"]
    assert seen.problem.errno == errno.EIO
    assert seen.problem.filename == serial.port
    here = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    assert serial.port not in [os.readlink(path) for path in here if os.path.islink(path)]


def test_it_can_be_opened_again(app: Manager, seen: Seen, line: Line) -> None:
    serial = Serial(line.name).register(app)
    settle(app)
    app.fire(Open(), "serial")  # it is open
    serial.close()
    app.fire(Open(), "serial")
    settle(app)
    assert [seen.names.count(name) for name in ("opened", "closed")] == [2, 1]
    line.send(b"again", serial)
    settle(app)
    assert seen.data == b"again"


def test_two_ports_on_one_channel_open_once_each(app: Manager, seen: Seen, line: Line) -> None:
    Serial(line.name).register(app)
    Serial("/dev/nobody").register(app)
    settle(app)
    assert seen.names.count("opened") == 1
    assert seen.names.count("io_error") == 1


def test_whole_lines(app: Manager, seen: Seen, line: Line) -> None:
    serial = Serial(line.name, readline=True).register(app)
    settle(app)
    for piece in (b"one\r", b"\ntwo\nth", b"ree\n", b"rest"):
        line.send(piece, serial)
        settle(app)
    assert seen.of("read") == [(b"one\r\n",), (b"two\n",), (b"three\n",)]


def test_an_endless_line_is_told_once_and_dropped(app: Manager, seen: Seen, line: Line) -> None:
    serial = Serial(line.name, readline=True, max_line=100).register(app)
    settle(app)
    for _ in range(20):
        line.send(b"x" * 1000, serial)
        settle(app)
    line.send(b"end\nnext\n", serial)
    settle(app)
    assert "longer than 100 bytes" in str(seen.problem)
    assert seen.of("read") == [(b"next\n",)]


def test_what_comes_before_it_is_open_is_done_then(app: Manager, seen: Seen, line: Line) -> None:
    serial = Serial(line.name).register(app)
    serial.write(b"early")
    serial.close()
    settle(app)
    assert line.receive(5) == b"early"
    assert seen.names[-2:] == ["opened", "closed"]


def test_a_device_that_takes_nothing(app: Manager, seen: Seen, line: Line) -> None:
    serial = Serial(line.name, high_water=10_000, low_water=1000, max_pending=100_000).register(app)
    settle(app)
    data = bytes(range(256)) * 200
    serial.write(data)
    settle(app)
    assert seen.names[-1] == "pause"
    assert drained(app, line, len(data)) == data
    settle(app)
    assert seen.names[-1] == "resume"
    serial.write(b"x" * 200_000)
    settle(app)
    assert seen.problem.errno == errno.ENOBUFS
    assert seen.names[-1] == "closed"


def drained(app: Manager, line: Line, count: int) -> bytes:
    """Receive while the application sends."""
    data = b""
    while len(data) < count:
        app.tick(0)
        arrived(line.far)
        data += os.read(line.far, 65536)
    return data


def test_leaving_closes(app: Manager, seen: Seen, line: Line) -> None:
    serial = Serial(line.name).register(app)
    settle(app)
    serial.unregister()
    settle(app)
    assert serial.closed
    assert seen.names[-1] == "closed"
    serial.register(app)
    settle(app)
    assert not serial.closed


def test_it_opens_again_with_the_next_run(line: Line) -> None:
    app = Component()
    seen = Seen("serial").register(app)
    serial = Serial(line.name).register(app)
    for count in (1, 2):
        with app.running():
            settle(app)
            assert not serial.closed
        assert [seen.names.count(name) for name in ("opened", "closed")] == [count, count]


def test_who_lacks_the_library_is_told_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(RuntimeError, match=r"pip install 'circuits\[serial\]'"):
        Serial("/dev/ttyS0")


def test_only_bytes_and_text_are_sent(line: Line) -> None:
    with pytest.raises(TypeError, match="not int"):
        Serial(line.name).write(5)  # type: ignore[arg-type]


def test_channels(line: Line) -> None:
    class Mine(Serial):
        channel = "mine"

        def read(self, data: bytes) -> Any:
            return None

    assert Mine(line.name).channel == "mine"
    assert Mine(line.name, channel="other").channel == "other"


def test_what_was_thrown_away_is_no_end(app: Manager, seen: Seen, line: Line) -> None:
    serial = Serial(line.name).register(app)
    settle(app)
    line.send(b"lost", serial)
    serial.device.reset_input_buffer()
    ((file),) = serial._descriptors or {}
    serial._on_readable(file)  # as the poller has told before
    settle(app)
    assert not serial.closed
    assert not seen.of("io_error")
    line.send(b"kept", serial)
    settle(app)
    assert seen.data == b"kept"


def test_a_port_without_a_descriptor_left_for_it_is_not_opened(
    app: Manager, seen: Seen, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(number: int) -> int:
        raise OSError(errno.EMFILE, "too many")

    serial = Serial(line.name).register(app)
    settle(app)
    app.fire(Close(), "serial")
    settle(app)
    before = _open_descriptors()
    monkeypatch.setattr(os, "dup", fail)
    app.fire(Open(), "serial")
    settle(app)
    monkeypatch.undo()
    [(problem,)] = seen.of("io_error")
    assert problem.errno == errno.EMFILE
    assert serial.device is None
    assert _open_descriptors() == before
    app.fire(Open(), "serial")
    settle(app)
    assert seen.of("opened") == [(line.name,), (line.name,)]


def _open_descriptors() -> int:
    """How many there are, where the system tells."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
