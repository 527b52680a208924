"""``circuits migrate`` and ``circuits check``: what they print, and their exit statuses."""

from __future__ import annotations

import json
import os
import sys
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


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--json", str(folder / "old.py"), str(folder / "new.py")]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found["path"] == str(folder / "old.py")
    assert (found["line"], found["column"], found["code"]) == (1, 1, "missing-name")
    assert found["text"] == "circuits has no tick"
    assert "Timer" in found["cure"]


_APPLICATION = """
from circuits import Component, Event

class Made(Event): ...
class UnheardCry(Event): ...

class App(Component):
    def init(self):
        self.fire(Made())
        self.fire(UnheardCry())

    def made(self): ...
    def nobodys_wish(self): ...

class Fine(Component):
    def started(self, manager): ...
"""


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "checked_app.py").write_text(_APPLICATION)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "checked_app", raising=False)
    return "checked_app"


def test_check_prints_what_does_not_fit(
    application: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", f"{application}:App"]) == 1
    lines = capsys.readouterr().out.splitlines()  # other tests have events, too
    unfired, unhandled = (
        line for line in lines if "App.nobodys_wish" in line or "checked_app.py" in line
    )
    assert "App.nobodys_wish" in unfired
    assert unfired.endswith("handles 'nobodys_wish', which nobody fires")
    assert unhandled.endswith("checked_app.py:10: 'unheard_cry' is fired, and nobody handles it")


def test_check_of_one_kind_as_json(application: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{application}:App", "--kind", "unhandled", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {finding["kind"] for finding in found} == {"unhandled"}
    assert "unheard_cry" in {finding["name"] for finding in found}


def test_what_is_only_looked_at_is_not_recorded(
    application: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with (tmp_path / f"{application}.py").open("a") as source:
        source.write(
            """
class Recorded(Component):
    def init(self):
        from circuits.app import Recording
        self.recording = Recording("app.rec").register(self)
"""
        )
    Path("app.rec").write_bytes(b"of a crash")
    assert main(["check", f"{application}:Recorded", "--kind", "unfired"]) == 0
    assert main(["graph", f"{application}:Recorded", "--format", "text"]) == 0
    assert Path("app.rec").read_bytes() == b"of a crash"
    assert not Path("app.rec.1").exists()
    recording = sys.modules[application].Recorded().recording  # one that is made to be run
    recording.close()
    assert Path("app.rec.1").read_bytes() == b"of a crash"


def test_check_finds_nothing(application: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{application}:Fine", "--kind", "unfired"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["App"], "is written like module:Class"),
        (["nowhere_at_all:App"], "nowhere_at_all"),
        (["checked_app:None_"], "has no 'None_'"),
        (["checked_app:App", "-m", "nowhere_at_all"], "nowhere_at_all"),
    ],
)
def test_check_refuses_by_name(
    application: str, arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments])
    assert ended.value.code == 2
    assert text in capsys.readouterr().err
