"""A log file: larger pieces while the loop runs, and nothing that stops a request."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from circuits import Manager, handler
from circuits.core import _clock
from circuits.testing import VirtualClock
from circuits.web import _log_file
from circuits.web._log_file import LogFile
from circuits.web.loggers import Logger

LINE = "a line of the log\n"


class Disk:
    """Takes the place of what writes to files; may be full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 10**9
        self.calls = 0
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, number: int, data: bytes) -> int:
        self.calls += 1
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = self._write(number, data[: self.room])
        self.room -= count
        return count


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_without_a_loop_each_line_is_written_at_once(tmp_path: Path, disk: Disk) -> None:
    file = LogFile(str(tmp_path / "log"))
    for number in range(1, 4):
        file.write(LINE, None)
        assert (tmp_path / "log").read_text() == LINE * number
    file.close()
    assert file.closed


def test_in_a_loop_lines_go_out_together(tmp_path: Path, disk: Disk) -> None:
    with VirtualClock():
        app = Manager()
        schedule = app._tree_engine.schedule
        file = LogFile(str(tmp_path / "log"))
        for _ in range(100):
            file.write(LINE, schedule)
        assert disk.calls == 0
        schedule.run_due(_clock.now() + 0.6)
        assert disk.calls == 1
        assert (tmp_path / "log").read_text() == LINE * 100
        file.write(LINE, schedule)
        file.close()  # as at a stop
        assert (tmp_path / "log").read_text() == LINE * 101


def test_what_is_much_does_not_wait(tmp_path: Path, disk: Disk) -> None:
    schedule = Manager()._tree_engine.schedule
    file = LogFile(str(tmp_path / "log"))
    for _ in range(10_000):
        file.write(LINE, schedule)
    assert disk.calls == 10_000 * len(LINE) // (64 * 1024)
    file.close()
    assert (tmp_path / "log").read_text() == LINE * 10_000


def test_a_full_disk_is_said_once_and_what_is_lost_is_counted(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    file = LogFile(str(tmp_path / "log"))
    file.open()
    disk.room = 10  # in the middle of a line
    total = 2 * _log_file._HELD_BYTES // len(LINE)
    for _ in range(total):
        file.write(LINE, None)
        assert len(file._held) + file._characters <= _log_file._HELD_BYTES + len(LINE)
    path = tmp_path / "log"
    assert messages(caplog) == [f"{path} cannot be written: {os.strerror(errno.ENOSPC)}"]
    lost = file.lost
    assert 0 < lost < total
    disk.room = 10**9
    file.flush()
    assert path.read_text() == LINE * (total - lost)
    assert messages(caplog)[1:] == [f"{path} can be written again; {lost} lines are lost"]
    assert file.lost == 0
    file.close()


def test_a_folder_that_has_gone_and_comes_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    file = LogFile(str(folder / "log"))
    file.write(LINE, None)
    file.close()  # as for a rotation
    shutil.rmtree(folder)
    for _ in range(3):
        file.write(LINE, None)
    assert len(messages(caplog)) == 1
    folder.mkdir()
    file.write(LINE, None)
    file.flush()
    assert (folder / "log").read_text() == LINE * 4
    file.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_whose_reader_waits_or_dies_keeps_nobody_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    file = LogFile(str(tmp_path / "pipe"))
    for _ in range(5000):  # more than a pipe holds
        file.write(LINE, None)
    assert os.read(reader, len(LINE)) == LINE.encode()
    os.close(reader)
    file.write(LINE, None)
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    file.write("the last\n", None)
    file.flush()
    assert file._held  # a pipe takes no more at once
    assert os.read(reader, 5)
    os.close(reader)
    file.close()


def test_the_requests_of_a_logger_whose_file_fails_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from circuits.testing import web_client
    from circuits.web import Controller

    class Root(Controller):
        def index(self) -> str:
            return "hello"

    errors: list[Any] = []

    class Errors(Manager):
        @handler("error", channel="*")
        def _on_error(self, *args: Any) -> None:
            errors.append(args)

    root = Root()
    logger = Logger(tmp_path / "log")
    logger.register(root)

    def full(number: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    with web_client(root) as client:
        assert client.get("/").text == "hello"
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            assert client.get("/").text == "hello"
            logger.file.flush()
        assert client.get("/").text == "hello"
    assert not errors
    logger._close()
    assert (tmp_path / "log").read_text().count("GET / ") == 3
