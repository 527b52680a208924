"""``circuits migrate``: what it prints, and its exit statuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from circuits.cli import main

_OLD = "from circuits import tick\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old.py").write_text(_OLD)
    (tmp_path / "new.py").write_text("from circuits import Timer\n")
    (tmp_path / "text.txt").write_text(_OLD)
    for skipped in (".git", "__pycache__", "node_modules"):
        (tmp_path / skipped).mkdir()
        (tmp_path / skipped / "a.py").write_text(_OLD)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "older.py").write_text("print 'x'\n")
    return tmp_path


def test_places_are_lines_and_there_is_a_status(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", str(folder)]) == 1
    output = capsys.readouterr()
    first, second = output.out.splitlines()
    assert first.startswith(f"{folder}/old.py:1:1: missing-name: circuits has no tick; ")
    assert second.startswith(f"{folder}/deep/older.py:1:1: python2: the print statement")
    assert output.err == "3 files, 2 places that changed\n"


def test_without_a_place_the_status_is_0(folder: Path) -> None:
    assert main(["migrate", str(folder / "new.py")]) == 0


def test_a_file_is_read_whatever_its_name(folder: Path) -> None:
    assert main(["migrate", str(folder / "text.txt")]) == 1


def test_what_cannot_be_read_is_trouble(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(folder / "none.py"), str(folder / "old.py")]) == 2
    output = capsys.readouterr()
    assert "none.py" in output.err
    assert "old.py:1:1" in output.out


def test_one_is_counted_as_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(folder / "old.py")]) == 1
    assert capsys.readouterr().err == "1 file, 1 place that changed\n"


def test_a_pipe_in_a_folder_is_not_waited_for(folder: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes here")
    os.mkfifo(folder / "pipe.py")
    (folder / "folder.py").mkdir()
    assert main(["migrate", str(folder)]) == 1


def test_a_name_that_is_no_text_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = os.fsencode(folder / "x") + b"\xff.py"
    try:
        Path(os.fsdecode(path)).write_text(_OLD)
    except OSError:
        pytest.skip("names are text here")
    assert main(["migrate", os.fsdecode(path)]) == 1
    assert "x\\udcff.py:1:1: missing-name" in capsys.readouterr().out


def test_places_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--json", str(folder / "old.py"), str(folder / "new.py")]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found["path"] == str(folder / "old.py")
    assert (found["line"], found["column"], found["code"]) == (1, 1, "missing-name")
    assert found["text"] == "circuits has no tick"
    assert "Timer" in found["cure"]
