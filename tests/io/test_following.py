"""Files that are followed: what is appended, cut, and put in their place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from circuits import Manager
from circuits.io import File
from circuits.testing import VirtualClock, settle

from .io_support import Seen, arrived

INTERVAL = 0.25


@pytest.fixture
def app(virtual_clock: VirtualClock, app_runner: Callable[[Manager], Manager]) -> Manager:
    return app_runner(Manager())


@pytest.fixture
def seen(app: Manager) -> Seen:
    return Seen("file").register(app)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    return path


@pytest.fixture
def later(app: Manager, virtual_clock: VirtualClock) -> Callable[[], None]:
    """Lets the time of one look pass."""

    def wait() -> None:
        settle(app, until=virtual_clock.now + INTERVAL * 1.01)

    return wait


def append(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


@pytest.mark.parametrize("option", [{"autoclose": False}, {"follow": True}])
def test_what_is_appended_is_read(
    app: Manager, seen: Seen, log: Path, later: Callable[[], None], option: dict[str, bool]
) -> None:
    file = File(log, **option).register(app)  # type: ignore[arg-type]
    settle(app)
    for _ in range(3):
        append(log, b"new\n")
        later()
    assert seen.data == b"old\n" + 3 * b"new\n"
    assert seen.names.count("eof") == 1
    assert not file.closed
    file.close()
    append(log, b"late\n")
    later()
    assert seen.names[-1] == "closed"


def test_only_what_comes(app: Manager, seen: Seen, log: Path, later: Callable[[], None]) -> None:
    File(log, autoclose=False).register(app).seek(0, 2)
    settle(app)
    append(log, b"new\n")
    later()
    assert seen.data == b"new\n"


def test_nothing_spins_at_the_end(app: Manager, log: Path, virtual_clock: VirtualClock) -> None:
    File(log, follow=True, interval=10).register(app)
    settle(app)
    assert settle(app, until=virtual_clock.now + 100) < 50


def test_the_interval_can_be_chosen(
    app: Manager, seen: Seen, log: Path, virtual_clock: VirtualClock
) -> None:
    File(log, follow=True, interval=2).register(app)
    settle(app)
    append(log, b"new\n")
    settle(app, until=virtual_clock.now + 1.9)
    assert seen.data == b"old\n"
    settle(app, until=virtual_clock.now + 0.2)
    assert seen.data == b"old\nnew\n"
    with pytest.raises(ValueError, match="interval"):
        File(log, follow=True, interval=0)


def test_a_log_that_is_renamed(
    app: Manager, seen: Seen, log: Path, later: Callable[[], None]
) -> None:
    File(log, follow=True).register(app)
    settle(app)
    log.rename(log.with_name("log.1"))
    later()
    append(log.with_name("log.1"), b"last words\n")  # by who has it open still
    later()
    append(log, b"first words\n")
    later()
    assert seen.data == b"old\nlast words\nfirst words\n"
    assert seen.of("rotated") == [(log,)]
    assert seen.names.count("opened") == 1
    append(log, b"more\n")
    later()
    assert seen.data.endswith(b"first words\nmore\n")


def test_a_log_that_is_cut(app: Manager, seen: Seen, log: Path, later: Callable[[], None]) -> None:
    File(log, follow=True).register(app)
    settle(app)
    append(log, b"x" * 100)
    later()
    log.write_bytes(b"new\n")
    later()
    later()
    assert seen.data == b"old\n" + b"x" * 100 + b"new\n"
    assert seen.names.count("rotated") == 1


def test_a_log_that_is_cut_while_it_is_read(
    app: Manager, seen: Seen, log: Path, later: Callable[[], None]
) -> None:
    log.write_bytes(b"x" * 100)
    file = File(log, follow=True, bufsize=10).register(app)
    settle(app, until=lambda: len(seen.data) > 20)
    log.write_bytes(b"new\n")
    later()
    later()
    assert seen.data.endswith(b"xnew\n")
    assert seen.names.count("rotated") == 1
    assert not file.closed


def test_a_file_object_is_followed_without_a_path(
    app: Manager, seen: Seen, log: Path, later: Callable[[], None]
) -> None:
    with open(log, "rb") as given:
        file = File(given, follow=True).register(app)
        settle(app)
        log.unlink()
        log.write_bytes(b"another\n")
        later()
        assert seen.data == b"old\n"
        file.close()


def test_what_is_written_by_us_is_never_overwritten(
    app: Manager, seen: Seen, log: Path, later: Callable[[], None]
) -> None:
    File(log, "w+", follow=True).register(app)
    settle(app)
    log.unlink()
    log.write_bytes(b"another\n")
    later()
    assert log.read_bytes() == b"another\n"
    assert "rotated" not in seen.names


def test_the_next_writer_of_a_named_pipe(app: Manager, seen: Seen, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    file = File(path, follow=True).register(app)
    settle(app)
    for data in (b"one", b"two"):
        with open(path, "wb", buffering=0) as writer:
            writer.write(data)
        settle(app)
    assert seen.data == b"onetwo"
    assert seen.names.count("eof") == 1
    assert not file.closed
    path.unlink()
    file.close()
    settle(app)
    assert seen.names.count("closed") == 1


def test_a_pipe_that_nobody_can_open_again_ends(app: Manager, seen: Seen) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with open(reader, "rb", buffering=0) as given:
        File(given, follow=True).register(app)
        settle(app)
    assert seen.names[-2:] == ["eof", "closed"]


def test_the_end_of_an_input_at_a_terminal_is_not_its_end(app: Manager, seen: Seen) -> None:
    pty = pytest.importorskip("pty", reason="needs pseudo terminals")
    master, slave = pty.openpty()
    with open(slave, "rb", buffering=0) as given:
        file = File(given, follow=True).register(app)
        settle(app)
        os.write(master, b"one\n\x04two\n")
        arrived(slave)
        settle(app)
        assert seen.data == b"one\ntwo\n"
        assert not file.closed
        os.close(master)
        arrived(slave)
        settle(app)
        assert file.closed


def test_a_file_that_moves_to_another_tree_is_followed_there(
    app: Manager, log: Path, later: Callable[[], None], virtual_clock: VirtualClock
) -> None:
    file = File(log, follow=True).register(app)
    settle(app)
    other = Manager()
    seen = Seen("file").register(other)
    file.register(other)
    append(log, b"new\n")
    with other.running():
        settle(other, until=virtual_clock.now + INTERVAL * 1.01)
    assert seen.data == b"new\n"


def test_leaving_ends_it(app: Manager, seen: Seen, log: Path, later: Callable[[], None]) -> None:
    File(log, follow=True).register(app).unregister()
    settle(app)
    append(log, b"new\n")
    later()
    assert seen.data == b""
