"""Files: events in order, modes, moving, writing, failing; pipes and terminals at the poller."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event, Manager, handler
from circuits.core.pollers import BasePoller, EPoll, Poll, Select
from circuits.io import File
from circuits.io.events import Close, Open, Seek, Write
from circuits.testing import settle

from .io_support import Seen, arrived


@pytest.fixture
def app(app_runner: Callable[[Manager], Manager]) -> Manager:
    return app_runner(Manager())


@pytest.fixture
def seen(app: Manager) -> Seen:
    return Seen("file").register(app)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture
def pipe() -> Iterator[list[int]]:
    ends = list(os.pipe())
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


def test_a_file_is_read_from_beginning_to_end(app: Manager, seen: Seen, path: Path) -> None:
    file = File(path).register(app)
    assert file.closed
    settle(app)
    assert seen.entries == [
        ("ready", file),
        ("open",),
        ("opened", path, "r"),
        ("read", b"0123456789"),
        ("eof",),
        ("closed",),
    ]
    assert file.closed


@pytest.mark.parametrize("kind", [Select, Poll, EPoll])
def test_every_poller_will_do(app: Manager, seen: Seen, path: Path, kind: type[BasePoller]) -> None:
    kind().register(app)
    File(path, bufsize=4).register(app)
    settle(app)
    assert seen.of("read") == [(b"0123",), (b"4567",), (b"89",)]
    assert seen.names[-2:] == ["eof", "closed"]


def test_one_piece_is_read_per_turn(app: Manager, seen: Seen, path: Path) -> None:
    File(path, bufsize=1).register(app)
    turns = settle(app)
    assert len(seen.of("read")) == 10
    assert turns > 10


@pytest.mark.parametrize("mode", ["r", "rb", "rt"])
def test_an_empty_file_has_only_an_end(app: Manager, seen: Seen, tmp_path: Path, mode: str) -> None:
    (tmp_path / "empty").touch()
    File(tmp_path / "empty", mode).register(app)
    settle(app)
    assert seen.names == ["ready", "open", "opened", "eof", "closed"]


@pytest.mark.parametrize(
    ("mode", "content", "read"),
    [
        ("w", b"new", b""),
        ("wb", b"new", b""),
        ("a", b"0123456789new", b""),
        ("w+", b"new", b""),
        ("a+", b"0123456789new", b""),
        ("r+", b"new3456789", b"0123456789"),
    ],
)
def test_modes_that_write(
    app: Manager, seen: Seen, path: Path, mode: str, content: bytes, read: bytes
) -> None:
    file = File(path, mode).register(app)
    settle(app)
    assert seen.data == read
    if mode == "r+":
        app.fire(Seek(0), "file")
    app.fire(Write(b"new"), "file")
    settle(app)
    assert path.read_bytes() == content
    assert not file.closed
    assert "eof" not in seen.names  # of what can be written there is more to come
    app.fire(Close(), "file")
    app.fire(Close(), "file")
    settle(app)
    assert seen.names.count("closed") == 1


def test_x_makes_a_new_file_only(app: Manager, seen: Seen, path: Path) -> None:
    File(path, "x").register(app)
    settle(app)
    assert isinstance(seen.problem, FileExistsError)
    new = path.with_name("new")
    file = File(new, "x", channel="new").register(app)
    file.write(b"data")
    settle(app)
    assert new.read_bytes() == b"data"


@pytest.mark.parametrize("mode", ["", "q", "rw", "rr", "bt", "rbt", "U", None, 3])
def test_there_are_no_other_modes(mode: Any) -> None:
    with pytest.raises(ValueError, match="a mode"):
        File("name", mode)


def test_text_is_encoded(app: Manager, path: Path) -> None:
    File(path, "w", encoding="utf-16-le").register(app)
    settle(app)
    app.fire(Write("ä"), "file")
    settle(app)
    assert path.read_bytes() == "ä".encode("utf-16-le")


def test_only_bytes_and_text_are_written(app: Manager, path: Path) -> None:
    file = File(path, "w").register(app)
    settle(app)
    with pytest.raises(TypeError, match="not int"):
        file.write(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "kind"), [("nobody/here", FileNotFoundError), ("", IsADirectoryError)]
)
def test_what_cannot_be_opened_is_told(
    app: Manager, seen: Seen, tmp_path: Path, name: str, kind: type[OSError]
) -> None:
    file = File(tmp_path / name).register(app)
    settle(app)
    assert isinstance(seen.problem, kind)
    assert seen.names == ["ready", "open", "error", "io_error"]
    assert file.closed


def test_permission_is_needed(
    app: Manager, seen: Seen, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> int:
        raise PermissionError(errno.EACCES, "no", path)

    monkeypatch.setattr("circuits.io._modes.os.open", refuse)
    File(path).register(app)
    settle(app)
    assert isinstance(seen.problem, PermissionError)


def test_what_nobody_handles_is_logged(
    app: Manager, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    File(tmp_path / "missing").register(app)
    settle(app)
    (record,) = caplog.records
    assert record.name == "circuits"
    assert "missing" in record.getMessage()


def test_what_was_written_to_a_file_that_does_not_open_is_told(
    app: Manager, seen: Seen, tmp_path: Path
) -> None:
    file = File(tmp_path / "no" / "file", "w").register(app)
    file.write(b"lost")
    settle(app)
    assert seen.problem.__notes__ == ["4 bytes were not written"]
    app.fire(Write(b"more"), "file")
    settle(app)
    assert [problem.errno for (problem,) in seen.of("io_error")] == [errno.ENOENT, errno.EBADF]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_told_and_closes(app: Manager, seen: Seen) -> None:
    file = File("/dev/full", "w").register(app)
    file.write(b"data")
    settle(app)
    assert seen.names == ["ready", "open", "opened", "error", "io_error", "closed"]
    assert seen.problem.errno == errno.ENOSPC
    assert seen.problem.filename == "/dev/full"
    assert seen.problem.__notes__ == ["4 bytes of 4 were not written"]
    assert file.closed


def test_a_failing_read_is_told_and_closes(app: Manager, seen: Seen) -> None:
    File("/proc/self/mem").register(app)  # nothing is mapped at address 0
    settle(app)
    assert seen.names == ["ready", "open", "opened", "error", "io_error", "closed"]
    assert seen.problem.errno == errno.EIO


def test_writing_to_what_is_read_only(app: Manager, seen: Seen, path: Path) -> None:
    file = File(path, follow=True).register(app)
    settle(app)
    file.write(b"x")
    settle(app)
    assert seen.problem.errno == errno.EBADF
    assert not file.closed


def test_writing_when_it_is_closed(app: Manager, seen: Seen, path: Path) -> None:
    File(path).register(app)
    settle(app)
    app.fire(Write(b"late"), "file")
    settle(app)
    assert "it is closed" in str(seen.problem)


def test_what_comes_before_it_is_open_is_done_then(app: Manager, seen: Seen, path: Path) -> None:
    file = File(path, "r+").register(app)
    file.seek(0, 2)
    file.write(b"ab")
    app.fire(Write("cd"), "file")
    app.fire(Close(), "file")
    settle(app)
    assert path.read_bytes() == b"0123456789abcd"
    assert seen.data == b""
    assert seen.names[-2:] == ["opened", "closed"]


def test_too_much_before_it_is_open(app: Manager, seen: Seen, path: Path) -> None:
    file = File(path, "w", max_pending=4).register(app)
    file.write(b"01234")
    settle(app)
    assert seen.problem.errno == errno.ENOBUFS


def test_seeking_reads_from_there(app: Manager, seen: Seen, path: Path) -> None:
    file = File(path, "r+", bufsize=3).register(app)
    settle(app)
    app.fire(Seek(-2, 2), "file")
    settle(app)
    assert seen.data == b"0123456789" + b"89"
    file.seek(-100)
    settle(app)
    assert seen.problem.errno == errno.EINVAL


def test_a_plain_file_object_is_taken(app: Manager, seen: Seen, path: Path) -> None:
    with open(path, encoding="latin-1") as given:
        file = File(given, mode="w").register(app)
        assert (file.filename, file.mode, file.encoding) == (str(path), "r", "latin-1")
        settle(app)
        assert seen.data == b"0123456789"
        assert given.closed


def test_what_a_file_object_has_buffered_comes_first(app: Manager, path: Path) -> None:
    with open(path, "w") as given:
        given.write("first ")
        File(given).register(app)
        settle(app)
        app.fire(Write("second"), "file")
        settle(app)
        assert path.read_text() == "first second"
        app.fire(Close(), "file")
        settle(app)


def test_a_file_object_that_is_closed(app: Manager, seen: Seen, path: Path) -> None:
    with open(path) as given:
        pass
    File(given).register(app)
    settle(app)
    assert seen.problem.errno == errno.EBADF


def test_objects_in_memory_are_no_files(app: Manager, seen: Seen) -> None:
    import io

    File(io.BytesIO(b"data")).register(app)
    settle(app)
    assert seen.names[-1] == "io_error"


def test_another_file_can_be_opened(app: Manager, seen: Seen, path: Path) -> None:
    other = path.with_name("other")
    file = File(path, "r+").register(app)
    settle(app)
    app.fire(Open(other, "w", 7), "file")
    app.fire(Write(b"x"), "file")
    settle(app)
    assert (file.filename, file.mode, file.bufsize) == (other, "w", 7)
    assert other.read_bytes() == b"x"
    assert seen.names.count("opened") == 2
    assert seen.names.count("closed") == 1


def test_two_files_on_one_channel_open_once_each(app: Manager, seen: Seen, path: Path) -> None:
    File(path).register(app)
    File(path).register(app)
    settle(app)
    assert seen.data == b"01234567890123456789"
    assert [seen.names.count(n) for n in ("opened", "eof", "closed")] == [2, 2, 2]


def test_subclasses_have_handlers_and_children(app: Manager, path: Path) -> None:
    class Reader(File):
        channel = "mine"
        found = b""

        def read(self, data: bytes) -> None:
            self.found += data

    reader = Reader(path).register(app)
    settle(app)
    assert reader.channel == "mine"
    assert reader.found == b"0123456789"
    assert Reader(path, channel="other").channel == "other"


def test_reading_can_be_paused(app: Manager, seen: Seen, path: Path) -> None:
    file = File(path, bufsize=4).register(app)
    file.pause_reading()
    settle(app)
    assert seen.names == ["ready", "open", "opened"]
    file.resume_reading()
    settle(app)
    assert seen.data == b"0123456789"


def test_leaving_closes_at_once(app: Manager, seen: Seen, path: Path) -> None:
    file = File(path, "r+").register(app)
    settle(app)
    stream = file._stream
    assert stream is not None
    file.unregister()
    settle(app)
    assert file.closed
    assert seen.names[-1] == "closed"
    with pytest.raises(OSError):
        os.fstat(stream.file)


def test_joining_again_opens_again(app: Manager, seen: Seen, path: Path) -> None:
    file = File(path).register(app)
    settle(app)
    file.unregister()
    settle(app)
    file.register(app)
    settle(app)
    assert seen.data == b"0123456789" * 2
    assert seen.names.count("ready") == 2


def test_moving_to_another_tree_goes_on(app: Manager, path: Path) -> None:
    file = File(path, bufsize=1).register(app)
    for _ in range(6):
        app.tick(0)
    other = Manager()
    seen = Seen("file").register(other)
    file.register(other)
    with other.running():
        settle(other)
    assert 0 < len(seen.data) < 10
    assert seen.names[-2:] == ["eof", "closed"]


def test_stopping_closes(path: Path) -> None:
    app = Component()
    seen = Seen("file").register(app)
    File(path, "r+").register(app)
    with app.running():
        settle(app)
        assert "closed" not in seen.names
    assert seen.names[-1] == "closed"


def test_the_end_of_something_else_closes_nothing(app: Manager, seen: Seen, path: Path) -> None:
    class stopped(Event):
        pass

    file = File(path, "r+").register(app)
    settle(app)
    app.fire(stopped(file), "process")
    settle(app)
    assert not file.closed


def test_a_pipe_is_read_at_the_poller(app: Manager, seen: Seen, pipe: list[int]) -> None:
    reader, writer = pipe
    with open(reader, "rb", buffering=0) as given:
        File(given).register(app)
        settle(app)
        assert os.get_blocking(reader)  # it is not ours
        os.write(writer, b"hello")
        settle(app)
        assert seen.data == b"hello"
        os.close(writer)
        settle(app)
        assert seen.names[-2:] == ["eof", "closed"]
        assert given.closed


def test_a_pipe_cannot_be_moved_in(app: Manager, seen: Seen, pipe: list[int]) -> None:
    with open(pipe[0], "rb", buffering=0) as given:
        File(given).register(app)
        settle(app)
        app.fire(Seek(1), "file")
        settle(app)
        assert seen.problem.errno == errno.ESPIPE


def test_back_pressure(app: Manager, seen: Seen, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    file = File(tmp_path / "pipe", "w", high_water=100_000, low_water=50_000).register(app)
    settle(app)
    data = bytes(range(256)) * 1000
    for _ in range(2):
        file.write(data)
    file.close()
    settle(app)
    assert seen.names[-1] == "pause"
    assert not file.closed
    got = b""
    while not file.closed:
        got += os.read(reader, 65536)
        settle(app)
    while piece := os.read(reader, 65536):
        got += piece
    assert got == data * 2
    assert [seen.names.count(n) for n in ("pause", "resume", "closed")] == [1, 1, 1]
    os.close(reader)


def test_a_reader_that_leaves(app: Manager, seen: Seen, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    file = File(tmp_path / "pipe", "w").register(app)
    settle(app)
    file.write(b"x" * 1_000_000)
    settle(app)
    os.close(reader)
    settle(app)
    assert isinstance(seen.problem, BrokenPipeError)
    assert "bytes were not written" in seen.problem.__notes__[0]
    assert seen.names[-1] == "closed"


def test_a_reader_that_never_reads(app: Manager, seen: Seen, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    file = File(tmp_path / "pipe", "w", max_pending=200_000).register(app)
    settle(app)
    file.write(b"x" * 1_000_000)
    settle(app)
    assert seen.problem.errno == errno.ENOBUFS
    assert seen.names[-1] == "closed"
    os.close(reader)


def test_nobody_reads_a_named_pipe(app: Manager, seen: Seen, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    File(tmp_path / "pipe", "w").register(app)
    settle(app)
    assert seen.problem.errno == errno.ENXIO


def test_leaving_with_something_pending_is_told(app: Manager, seen: Seen, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    file = File(tmp_path / "pipe", "w").register(app)
    settle(app)
    file.write(b"x" * 1_000_000)
    file.unregister()
    settle(app)
    assert seen.problem.errno == errno.ECANCELED
    os.close(reader)


def test_a_named_pipe_waits_for_its_writer(app: Manager, seen: Seen, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    File(tmp_path / "pipe").register(app)
    settle(app)
    assert seen.names == ["ready", "open", "opened"]
    with open(tmp_path / "pipe", "wb", buffering=0) as writer:
        writer.write(b"hello")
    settle(app)
    assert seen.names[3:] == ["read", "eof", "closed"]


@pytest.mark.parametrize("kind", [Select, Poll, EPoll])
def test_the_end_of_a_terminal_is_an_end(app: Manager, seen: Seen, kind: type[BasePoller]) -> None:
    kind().register(app)
    pty = pytest.importorskip("pty", reason="needs pseudo terminals")
    master, slave = pty.openpty()
    with open(master, "rb", buffering=0) as given:
        File(given).register(app)
        settle(app)
        os.write(slave, b"hello")
        arrived(master)
        settle(app)
        os.close(slave)
        arrived(master)
        settle(app)
    assert seen.data == b"hello"
    assert seen.names[-2:] == ["eof", "closed"]
    assert "error" not in seen.names


def test_what_has_nothing_to_wait_for_is_read_at_once(app: Manager, seen: Seen) -> None:
    File("/dev/null").register(app)
    settle(app)
    assert seen.names == ["ready", "open", "opened", "eof", "closed"]


def test_what_the_poller_cannot_watch_is_told(
    app: Manager, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poller = Select().register(app)

    def refuse(*args: Any) -> None:
        raise OSError(errno.EINVAL, "cannot watch")

    monkeypatch.setattr(poller, "addReader", refuse)
    os.mkfifo(tmp_path / "pipe")
    file = File(tmp_path / "pipe").register(app)
    settle(app)
    assert seen.names == ["ready", "open", "error", "io_error", "closed"]
    assert file.closed


def test_new_files_have_usual_permissions(app: Manager, path: Path) -> None:
    mask = os.umask(0o027)
    try:
        File(path.with_name("new"), "w").register(app)
        settle(app)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.with_name("new").stat().st_mode) == 0o640


@pytest.mark.usefixtures("handler_errors")
def test_errors_reach_those_who_are_meant(app: Manager, tmp_path: Path) -> None:
    told: list[Any] = []

    class OnChannel(Component):
        channel = "file"

        def error(self, problem: OSError) -> None:
            told.append("channel")

    class Everywhere(Component):
        channel = "*"

        def error(self, kind: Any, value: Any, traceback: Any, handler: Any = None) -> None:
            told.append("kernel")

        @handler("error")
        def _any(self, *args: Any) -> None:
            told.append(len(args))

    (Everywhere() + OnChannel()).register(app)
    file = File(tmp_path / "missing").register(app)
    settle(app)
    assert sorted(map(str, told)) == ["1", "channel"]
    file.fire(Write(5), "file")  # what the kernel reports goes where it always went
    settle(app)
    assert "kernel" in told


def test_a_bufsize_is_positive() -> None:
    with pytest.raises(ValueError, match="bufsize must be at least 1, not 0"):
        File("name", bufsize=0)


def test_another_thread_may_write_and_close(app: Manager, tmp_path: Path) -> None:
    """What it asks for is done in the thread of the loop, in order."""
    path = tmp_path / "new"
    file = File(path, "w").register(app)
    settle(app)

    def work() -> None:
        file.write("one ")
        file.write(bytearray(b"two"))
        file.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert [event.name for event in app._queue] == ["write", "write", "close"]
    assert not file.closed
    settle(app)
    assert file.closed
    assert path.read_bytes() == b"one two"


# -- encodings with a mark --


@pytest.mark.parametrize(
    "encoding", ["utf-16", "UTF16", "utf-32", "utf-8-sig", "utf-16-le", "utf-8"]
)
@pytest.mark.parametrize("mode", ["w", "a", "r+"])
@pytest.mark.parametrize("before", ["", "old"])
@pytest.mark.parametrize("early", [False, True])
def test_the_mark_of_an_encoding_comes_once(
    app: Manager, tmp_path: Path, encoding: str, mode: str, before: str, early: bool
) -> None:
    path = tmp_path / "marked"
    path.write_bytes(before.encode(encoding) if before else b"")
    file = File(str(path), mode, encoding=encoding, channel="file")
    if early:
        file.write("one ")
    file.register(app)
    settle(app)
    if not early:
        app.fire(Write("one "), "file")
    for text in ("two ", "three"):
        app.fire(Write(text), "file")
    app.fire(Close(), "file")
    settle(app)
    text = "one two three"
    # One that is read, too, is read to its end before the first of these comes.
    at_end = mode == "a" or (mode == "r+" and not early)
    expected = (before + text if at_end else text).encode(encoding)
    assert path.read_bytes() == expected


def test_a_file_that_is_opened_anew_has_a_mark_of_its_own(app: Manager, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    file = File(str(one), "w", encoding="utf-16", channel="file").register(app)
    settle(app)
    for path in (one, other):
        file.open(str(path), "w")
        file.write("a")
        file.write("b")
        settle(app)
        assert path.read_bytes() == "ab".encode("utf-16")
    file.seek(0)
    file.write("c")
    settle(app)
    assert other.read_bytes()[:4] == "c".encode("utf-16")
