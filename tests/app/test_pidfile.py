"""circuits.app._pidfile: one process for one file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from circuits.app._pidfile import PidFile, PidFileError, above_streams, open_own, read_pid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs file locks")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the file is."""
    return os.fspath(tmp_path / "app.pid")


@pytest.fixture
def file(path: str) -> Iterator[PidFile]:
    """A pid file that is released in the end."""
    made = PidFile(path)
    yield made
    made.release()


@pytest.fixture(scope="module")
def dead() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


def test_it_holds_the_number_and_nothing_else(file: PidFile, path: str) -> None:
    write(path, "12345678901234567890\n")
    file.write()
    assert read(path) == str(os.getpid())
    assert read_pid(path) == os.getpid()


def test_removing_it_removes_it(file: PidFile, path: str) -> None:
    file.write()
    file.remove()
    assert not os.path.exists(path)
    file.remove()
    file.write()
    assert os.path.exists(path)


def test_a_second_owner_is_refused(file: PidFile, path: str) -> None:
    file.write()
    other = PidFile(path)
    with pytest.raises(PidFileError, match=f"belongs to process {os.getpid()}") as caught:
        other.acquire()
    assert caught.value.pid == os.getpid()
    assert read(path) == str(os.getpid())
    file.remove()
    other.write()
    other.remove()


def test_an_owner_that_has_not_written_yet_is_an_owner(file: PidFile, path: str) -> None:
    file.acquire()
    with pytest.raises(PidFileError, match="belongs to another process"):
        PidFile(path).acquire()


@pytest.mark.parametrize("text", ["", "0", "99999999999999999999999999"])
def test_what_is_no_process_is_replaced(file: PidFile, path: str, text: str) -> None:
    write(path, text)
    assert read_pid(path) is None
    file.write()
    assert read(path) == str(os.getpid())


@pytest.mark.process
def test_what_a_dead_process_left_is_replaced(file: PidFile, path: str, dead: int) -> None:
    write(path, str(dead))
    assert read_pid(path) is None
    file.write()
    assert read_pid(path) == os.getpid()


@pytest.mark.parametrize("pid", [1, os.getppid()])
def test_a_stranger_that_got_the_number_is_told_by_the_lock(
    file: PidFile, path: str, pid: int
) -> None:
    write(path, str(pid))
    file.write()
    assert read(path) == str(os.getpid())


@pytest.mark.parametrize("text", ["rubbish", "-1", "root:x:0:0", "1 2", "9" * 100])
def test_what_is_no_pid_file_is_left_alone(file: PidFile, path: str, text: str) -> None:
    write(path, text)
    with pytest.raises(OSError, match="no pid file") as caught:
        file.acquire()
    assert caught.value.filename == path
    assert read(path) == text


def test_a_named_pipe_is_left_alone(file: PidFile, path: str) -> None:
    os.mkfifo(path)
    with pytest.raises(OSError, match="no plain file") as caught:
        file.acquire()
    assert caught.value.filename == path


def test_nobody_is_waited_for_at_the_other_end_of_a_named_pipe(path: str) -> None:
    os.mkfifo(path)
    with pytest.raises(OSError, match=re.escape(path)):
        open_own(path, os.O_WRONLY)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = open_own(path, os.O_WRONLY)
    assert os.get_blocking(writer)
    os.write(writer, b"read")
    assert os.read(reader, 10) == b"read"
    os.close(reader)
    os.close(writer)


def test_a_link_is_not_followed(file: PidFile, path: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    for exists in (False, True):
        if exists:
            target.write_text("")
        os.symlink(target, path)
        with pytest.raises(OSError, match="symbolic link"):
            file.acquire()
        os.unlink(path)
        assert target.exists() is exists


def test_what_belongs_to_somebody_else_is_left_alone(
    file: PidFile, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, "")
    os.chmod(path, 0o666)
    status = os.fstat

    def somebody_else(number: int) -> os.stat_result:
        found = [*status(number)]
        found[4] = 4242
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", somebody_else)
    with pytest.raises(PermissionError, match="somebody else"):
        file.acquire()


@pytest.mark.parametrize("exists", [False, True])
def test_nobody_else_can_lock_it(file: PidFile, path: str, exists: bool) -> None:
    if exists:
        write(path, "42")
        os.chmod(path, 0o666)
    before = os.umask(0)
    try:
        file.acquire()
    finally:
        os.umask(before)
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.skipif(not os.path.exists("/dev/fd/1"), reason="needs /dev/fd")
def test_devices_may_be_links() -> None:
    os.close(open_own("/dev/fd/1", os.O_WRONLY))
    os.close(open_own(os.devnull, os.O_WRONLY))


def test_a_child_does_not_remove_the_file_of_its_parent(file: PidFile, path: str) -> None:
    file.write()
    file._owner = os.getppid()  # as in a forked child, where the number of the process is another
    file.remove()
    assert os.path.exists(path)


def test_a_file_that_somebody_has_replaced_is_left_alone(file: PidFile, path: str) -> None:
    file.write()
    os.unlink(path)
    write(path, "42")
    file.remove()
    assert read(path) == "42"


def test_a_file_that_vanishes_while_it_is_locked_is_made_again(
    file: PidFile, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = PidFile._claim
    calls: list[int] = []

    def lose_once(self: PidFile, number: int) -> None:
        claim(self, number)
        if not calls:
            os.unlink(path)  # as its last owner does at this moment
        calls.append(number)

    monkeypatch.setattr(PidFile, "_claim", lose_once)
    file.write()
    assert len(calls) == 2
    assert read(path) == str(os.getpid())


def test_a_folder_that_takes_no_more_changes_gets_an_empty_file(
    file: PidFile, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    file.write()
    monkeypatch.setattr(os, "unlink", refuse)
    file.remove()
    assert read(path) == ""


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        PidFile(os.fspath(tmp_path / "missing" / "a.pid")).acquire()
    assert read_pid(os.fspath(tmp_path / "missing" / "a.pid")) is None


def test_descriptors_of_the_standard_streams_are_not_taken(tmp_path: Path) -> None:
    number = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    assert above_streams(number) == number
    os.close(number)


@pytest.mark.process
@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_zombie_is_dead(path: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # leaves it unreaped
    write(path, str(process.pid))
    assert read_pid(path) is None
    process.wait()
