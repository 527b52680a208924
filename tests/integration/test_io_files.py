"""Files, pipes and standard streams of programs that run: full disks, slow readers, idle loops."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import resource
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits.core.pollers import EPoll, Poll, Select
from circuits.io import Close, File, Write
from tests.support import LOAD_ALL

from .net_support import SECONDS, Journal, descriptors, eventually, running


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount a file system: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "file"
    file, journal = File(path, "w"), Journal("file")
    with running(file, journal) as program:
        journal.expect("opened")
        program.app.fire(Write(b"x" * 40_000), "file")
        program.app.fire(Write(b"y" * 40_000), "file")
        program.app.fire(Write(b"z"), "file")
        journal.expect("closed")
        (problem,) = journal.expect("io_error")
        assert problem.errno == errno.ENOSPC
        assert problem.__notes__ == [
            f"{80_000 - path.stat().st_size} bytes of 40000 were not written"
        ]
        # What comes after a gap is not written, and told.
        assert journal.expect("io_error", 2)[0].errno == errno.EBADF
    assert path.stat().st_size == 65536


_FORBIDDEN = f"""
import os, sys
{LOAD_ALL}
os.setgid(65534)
os.setuid(65534)
from circuits import Component
from circuits.io import File
class App(Component):
    def io_error(self, problem):
        print(type(problem).__name__, problem.filename)
        raise SystemExit(0)
(App(channel="file") + File(sys.argv[1], sys.argv[2])).run()
"""


@pytest.mark.parametrize("mode", ["r", "a", "w", "r+"])
def test_a_file_of_somebody_else(tmp_path: Path, mode: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs the right to become somebody else")
    path = tmp_path / "file"
    path.touch(mode=0o600)
    for folder in path.parents[:3]:
        folder.chmod(folder.stat().st_mode | 0o111)
    done = subprocess.run(
        [sys.executable, "-c", _FORBIDDEN, str(path), mode],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stdout) == (0, f"PermissionError {path}\n"), done.stderr


@pytest.mark.parametrize("kind", [Select, Poll, EPoll])
def test_much_goes_through_a_named_pipe(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = bytes(range(256)) * 8192
    reading, journal = File(path), Journal("file")
    with running(kind(), reading, journal):
        journal.expect("opened")
        writing, other = File(path, "w", channel="other"), Journal("other")
        with running(kind(), writing, other) as second:
            other.expect("opened")
            second.app.fire(Write(data), "other")
            second.app.fire(Close(), "other")
            other.expect("closed")
        journal.expect("closed")
        assert b"".join(piece for (piece,) in journal.of("read")) == data


def test_files_leave_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"data")
    journal = Journal("file")
    with running(File(path), journal) as program:
        journal.expect("closed")
        before = program.inside(descriptors)
        for _ in range(100):
            File(path).register(program.app)
            File(tmp_path / "missing").register(program.app)
            File(path, "a").register(program.app)
        journal.expect("closed", 101)
        journal.expect("io_error", 100)
        journal.expect("opened", 201)
        for file in [c for c in program.app.components if isinstance(c, File)]:
            file.unregister()
        journal.expect("closed", 201)
        eventually(lambda: program.inside(descriptors) <= before, "a descriptor is left open")


def test_nothing_spins(tmp_path: Path) -> None:
    """Files at their ends, paused, followed, or waiting for somebody, cost next to nothing."""
    (tmp_path / "file").write_bytes(b"data" * 10_000)
    os.mkfifo(tmp_path / "pipe")
    reader, writer = os.pipe()
    os.write(writer, b"data")
    paused = File(tmp_path / "file", channel="paused")
    with (
        open(reader, "rb", buffering=0) as given,
        running(
            File(tmp_path / "pipe"),
            File(tmp_path / "pipe", follow=True),
            File(tmp_path / "file", "r+", channel="read"),
            File(tmp_path / "file", follow=True, channel="followed"),
            paused,
            File(given, channel="given"),
            journal := Journal("read"),
        ) as program,
    ):
        program.inside(paused.pause_reading)
        journal.expect("read", 10)
        with (tmp_path / "pipe").open("wb"):
            pass  # one comes and goes
        time.sleep(0.3)
        before = resource.getrusage(resource.RUSAGE_SELF)
        time.sleep(1.0)
        after = resource.getrusage(resource.RUSAGE_SELF)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert spent < 0.1
    os.close(writer)


_COPY = """
import sys
from circuits import Component, handler
from circuits.io import stdin, stdout, stderr, Write
class App(Component):
    @handler("read", channel="stdin")
    def _on_read(self, data):
        self.fire(Write(data.upper()), "stdout")
    @handler("eof", channel="stdin")
    def _on_eof(self):
        self.fire(Write("end\\n"), "stderr")
        self.stop()
app = App() + stdin + stdout + stderr
if sys.argv[1:]:
    app.stop_timeout = float(sys.argv[1])
app.run()
"""


def copying(*arguments: str, **pipes: Any) -> subprocess.Popen[bytes]:
    """A program that copies in capitals, until the end of its input."""
    return subprocess.Popen([sys.executable, "-W", "error", "-c", _COPY, *arguments], **pipes)


def test_a_filter() -> None:
    pipe = subprocess.PIPE
    program = copying(stdin=pipe, stdout=pipe, stderr=pipe)
    output, errors = program.communicate(b"hello\n" * 50_000, timeout=SECONDS)
    assert (program.returncode, errors) == (0, b"end\n")
    assert output == b"HELLO\n" * 50_000


@pytest.mark.parametrize("kind", ["file", "null"])
def test_a_filter_of_files(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"" if kind == "null" else b"hello\n" * 1000)
    with open(os.devnull if kind == "null" else source, "rb") as given, target.open("wb") as output:
        program = copying(stdin=given, stdout=output, stderr=subprocess.PIPE)
        _, errors = program.communicate(timeout=SECONDS)
    assert (program.returncode, errors) == (0, b"end\n")
    assert target.read_bytes() == source.read_bytes().upper()


def test_the_last_output_waits_for_a_slow_reader() -> None:
    pipe = subprocess.PIPE
    program = copying(stdin=pipe, stdout=pipe, stderr=pipe)
    assert program.stdin is not None
    assert program.stdout is not None
    data = b"x" * 500_000
    writer = threading.Thread(target=lambda: (program.stdin.write(data), program.stdin.close()))  # type: ignore[union-attr]
    writer.start()
    writer.join(SECONDS)
    assert program.stderr is not None
    assert program.stderr.read(4) == b"end\n"  # it has stopped, but for its output
    assert len(program.stdout.read()) == len(data)
    assert program.wait(SECONDS) == 0
    for stream in (program.stdout, program.stderr):
        stream.close()


def test_a_reader_that_never_reads_does_not_hold_the_end_up_for_ever() -> None:
    pipe = subprocess.PIPE
    program = copying("0.5", stdin=pipe, stdout=pipe, stderr=pipe)
    assert program.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        program.stdin.write(b"x" * 500_000)
    program.stdin.close()
    assert program.wait(SECONDS) == 0
    assert program.stderr is not None
    assert b"nobody takes what is pending" in program.stderr.read()
    for stream in (program.stdout, program.stderr):
        assert stream is not None
        stream.close()


def test_a_reader_that_leaves_is_told_and_ends_nothing() -> None:
    pipe = subprocess.PIPE
    program = copying(stdin=pipe, stdout=pipe, stderr=pipe)
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(b"one\n")
    program.stdin.flush()
    assert program.stdout.read(4) == b"ONE\n"
    program.stdout.close()
    _, errors = program.communicate(b"two\n", timeout=SECONDS)
    assert program.returncode == 0
    assert b"Broken pipe: '<stdout>'" in errors
    assert errors.endswith(b"end\n")


def test_what_a_program_shares_keeps_its_flags(tmp_path: Path) -> None:
    """A shell and its children have the same terminal; pipes are no different."""
    reader, writer = os.pipe()
    with open(reader, "rb") as output, open(writer, "wb") as given:
        program = copying(stdin=subprocess.DEVNULL, stdout=given, stderr=given)
        assert program.wait(SECONDS) == 0
        assert os.get_blocking(given.fileno())
        assert output.read1() == b"end\n"


def test_a_program_at_a_terminal() -> None:
    master, slave = pty.openpty()
    pipe = subprocess.PIPE
    program = copying(stdin=slave, stdout=slave, stderr=pipe)

    def hear(text: bytes) -> bytes:
        heard = b""
        while text not in heard:
            ready, _, _ = select.select([master], [], [], SECONDS)
            assert ready, f"only {heard!r} was said"
            heard += os.read(master, 65536)
        return heard

    os.write(master, b"hello\n")
    hear(b"HELLO\r\n")
    os.write(master, b"again\n")
    hear(b"AGAIN\r\n")
    assert os.get_blocking(slave)
    os.write(master, b"\x04")  # ^D
    _, errors = program.communicate(timeout=SECONDS)
    assert (program.returncode, errors) == (0, b"end\n")
    assert os.get_blocking(slave)
    os.close(slave)
    os.close(master)


def test_a_terminal_that_is_closed_ends_the_input() -> None:
    master, slave = pty.openpty()
    program = copying(stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(slave)
    os.write(master, b"hello\n")
    assert program.stdout is not None
    assert program.stdout.read(6) == b"HELLO\n"
    os.close(master)
    _, errors = program.communicate(timeout=SECONDS)
    assert (program.returncode, errors) == (0, b"end\n")
