"""Opening: what a mode allows, and files that are driven without a poller."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from circuits.io._modes import DirectFile, Mode, open_path, take_file


class Owner:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def _descriptor_failed(self, descriptor: Any, problem: OSError) -> None:
        self.told.append(problem)

    def _descriptor_closed(self, descriptor: Any) -> None:
        self.told.append("closed")


@pytest.mark.parametrize(
    ("text", "reads", "writes", "ends"),
    [
        ("r", True, False, True),
        ("rb", True, False, True),
        ("r+", True, True, False),
        ("w", False, True, False),
        ("wb+", True, True, False),
        ("at", False, True, False),
        ("a+", True, True, False),
        ("x", False, True, False),
    ],
)
def test_what_a_mode_allows(text: str, reads: bool, writes: bool, ends: bool) -> None:
    mode = Mode(text)
    assert (mode.reads, mode.writes, mode.ends) == (reads, writes, ends)


def test_nothing_that_is_opened_is_inherited(tmp_path: Path) -> None:
    opened = open_path(tmp_path / "file", Mode("w"))
    assert not os.get_inheritable(opened.number)
    assert opened.is_ours
    os.close(opened.number)


def test_a_folder_is_no_file_and_leaves_nothing_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else None
    with pytest.raises(IsADirectoryError):
        open_path(tmp_path, Mode("r"))
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_has_no_descriptor_is_no_file() -> None:
    with pytest.raises(OSError, match="not an open file"):
        take_file("name")


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner()
    file = DirectFile(owner, os.open(tmp_path / "f", os.O_CREAT | os.O_WRONLY), is_ours=True)
    write = os.write
    interrupted = iter([True])

    def three_bytes(number: int, data: Any) -> int:
        if next(interrupted, False):
            raise InterruptedError
        return write(number, data[:3])

    monkeypatch.setattr("circuits.io._modes.os.write", three_bytes)
    file.write(b"0123456789")
    file.close()
    file.write(b"late")
    assert (tmp_path / "f").read_bytes() == b"0123456789"
    assert owner.told == ["closed"]
    assert file.read(1) is None


def test_an_interrupted_read_is_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner()
    (tmp_path / "f").write_bytes(b"x")
    file = DirectFile(owner, os.open(tmp_path / "f", os.O_RDONLY), is_ours=True)

    def interrupt(*args: Any) -> bytes:
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr("circuits.io._modes.os.read", interrupt)
        assert file.read(1) is None
    assert file.read(1) == b"x"
    file.close()


def test_what_closing_reports_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner()
    number = os.open(tmp_path / "f", os.O_CREAT | os.O_WRONLY)
    file = DirectFile(owner, number, is_ours=True)
    problem = OSError(errno.EDQUOT, "over quota")

    def fail(number: int) -> None:
        raise problem

    with monkeypatch.context() as patch:
        patch.setattr("circuits.io._modes.os.close", fail)
        file.close()
    file.finish()
    assert owner.told == [problem, "closed"]
    os.close(number)


def test_what_is_not_ours_stays_open(tmp_path: Path) -> None:
    owner = Owner()
    number = os.open(tmp_path / "f", os.O_CREAT | os.O_WRONLY)
    DirectFile(owner, number, is_ours=False).close()
    assert owner.told == ["closed"]
    os.close(number)
