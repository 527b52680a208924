"""``circuits check``: what it prints, and its exit statuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from circuits.cli import main
from tests.tools.checks_support import hide_other_tests

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
def application(modules: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (modules / "checked_app.py").write_text(_APPLICATION)
    hide_other_tests(monkeypatch, besides="checked_app")
    return "checked_app"


def test_it_prints_what_does_not_fit(application: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{application}:App"]) == 1
    lines = capsys.readouterr().out.splitlines()  # other tests have events, too
    unfired, unhandled = (
        line for line in lines if "App.nobodys_wish" in line or "checked_app.py" in line
    )
    assert "App.nobodys_wish" in unfired
    assert unfired.endswith("handles 'nobodys_wish', which nobody fires")
    assert unhandled.endswith("checked_app.py:10: 'unheard_cry' is fired, and nobody handles it")


def test_one_kind_as_json(application: str, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_the_status_is_0_where_all_fits(
    application: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", f"{application}:Fine", "--kind", "unfired"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["App"], "is written like module:Class"),
        (["nowhere_at_all:App"], "there is no module 'nowhere_at_all'"),
        (["checked_app:None_"], "has no 'None_'"),
        (["checked_app:App", "-m", "nowhere_at_all"], "nowhere_at_all"),
    ],
)
def test_what_is_not_there_is_told_by_name(
    application: str, arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments])
    assert ended.value.code == 2
    assert text in capsys.readouterr().err
