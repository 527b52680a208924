"""Standard streams: nothing at import, nothing changed, opened when they are used."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Manager
from circuits.io import StdErr, StdIn, StdOut, stderr, stdin, stdout
from circuits.io.events import Close, Open, Write
from circuits.testing import settle

from .io_support import Seen, arrived


@pytest.fixture
def app(app_runner: Callable[[Manager], Manager]) -> Manager:
    return app_runner(Manager())


@pytest.fixture
def pipe() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    reader, writer = os.pipe()
    with open(reader) as reading, open(writer, "w") as writing:
        yield reading, writing


def test_the_ready_made_ones() -> None:
    assert [type(s) for s in (stdin, stdout, stderr)] == [StdIn, StdOut, StdErr]
    assert [s.channel for s in (stdin, stdout, stderr)] == ["stdin", "stdout", "stderr"]
    assert [s.mode for s in (stdin, stdout, stderr)] == ["r", "w", "w"]
    assert all(s.closed for s in (stdin, stdout, stderr))
    assert stdin.filename == "<stdin>"


@pytest.mark.process
@pytest.mark.parametrize("how", ["<&- >&- 2>&-", "</dev/null", "</dev/null >/dev/null"])
def test_importing_touches_nothing(how: str) -> None:
    code = "import circuits.io, os; os._exit(0 if circuits.io.stdin.closed else 3)"
    command = f'exec "$0" -W error -c "$1" {how}'
    done = subprocess.run(["bash", "-c", command, sys.executable, code], check=False, timeout=60)
    assert done.returncode == 0


def test_input_is_read(app: Manager, monkeypatch: pytest.MonkeyPatch, pipe: Any) -> None:
    reading, writing = pipe
    monkeypatch.setattr(sys, "stdin", reading)
    seen = Seen("stdin").register(app)
    component = StdIn().register(app)
    settle(app)
    writing.write("hello")
    writing.flush()
    settle(app)
    assert seen.data == b"hello"
    assert os.get_blocking(reading.fileno())
    app.fire(Close(), "stdin")
    settle(app)
    assert component.closed
    assert not reading.closed


def test_output_comes_after_what_was_printed(
    app: Manager, monkeypatch: pytest.MonkeyPatch, pipe: Any
) -> None:
    reading, writing = pipe
    monkeypatch.setattr(sys, "stdout", writing)
    component = StdOut().register(app)
    print("printed,", end=" ")
    app.fire(Write("written"), "stdout")
    settle(app)
    app.fire(Write(b", more"), component)
    settle(app)
    assert os.read(reading.fileno(), 100) == b"printed, written, more"
    assert os.get_blocking(writing.fileno())


def test_many_small_pieces_leave_together(
    app: Manager, monkeypatch: pytest.MonkeyPatch, pipe: Any
) -> None:
    reading, writing = pipe
    monkeypatch.setattr(sys, "stdout", writing)
    component = StdOut().register(app)
    settle(app)
    for number in range(1000):
        component.write(f"{number}\n")
    assert settle(app) < 10
    assert os.read(reading.fileno(), 65536) == b"".join(b"%d\n" % n for n in range(1000))


def test_a_terminal_that_stands_still_does_not_block(
    app: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    pty = pytest.importorskip("pty", reason="needs pseudo terminals")
    master, slave = pty.openpty()
    with open(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        seen = Seen("stdout").register(app)
        component = StdOut(high_water=1000, low_water=10).register(app)
        settle(app)
        component.write(b"x" * 100_000)
        for _ in range(100):
            app.tick(0)
        assert seen.names[-1] == "pause"
        got = b""
        while len(got) < 100_000:
            arrived(master)
            got += os.read(master, 65536)
            app.tick(0)
            settle(app)
        assert got == b"x" * 100_000
        assert seen.names[-1] == "resume"
    os.close(master)


@pytest.mark.parametrize("instead", [None, io.StringIO(), "closed"])
def test_what_is_not_there_is_told_when_it_opens(
    app: Manager, monkeypatch: pytest.MonkeyPatch, instead: Any, tmp_path: Path
) -> None:
    if instead == "closed":
        instead = open(tmp_path / "file", "w")  # noqa: SIM115 - closed is what it shall be
        instead.close()
    monkeypatch.setattr(sys, "stdout", instead)
    seen = Seen("stdout").register(app)
    StdOut().register(app)
    settle(app)
    assert isinstance(seen.problem, OSError)
    if instead is None:
        assert seen.problem.errno == errno.EBADF
        assert "no stdout" in str(seen.problem)


def test_it_opens_again_with_the_next_run(monkeypatch: pytest.MonkeyPatch, pipe: Any) -> None:
    reading, writing = pipe
    monkeypatch.setattr(sys, "stdout", writing)
    app = Component()
    StdOut().register(app)
    for text in (b"once", b"twice"):
        with app.running():
            app.fire(Write(text), "stdout")
            settle(app)
        assert os.read(reading.fileno(), 100) == text


def test_what_is_pending_is_written_before_the_end(
    monkeypatch: pytest.MonkeyPatch, pipe: Any
) -> None:
    reading, writing = pipe
    monkeypatch.setattr(sys, "stdout", writing)
    app = Component()
    StdOut().register(app)
    with app.running():
        app.fire(Write(b"x" * 60_000), "stdout")  # and stopped before it is even open
    assert len(os.read(reading.fileno(), 100_000)) == 60_000


def test_it_cannot_become_another_file(app: Manager) -> None:
    with pytest.raises(ValueError, match="another file"):
        StdOut().open("name")
    assert Open("name").args == ["name"]
