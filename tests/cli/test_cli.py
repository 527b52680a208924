"""The program circuits: its commands, within this process."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from circuits import __version__
from circuits.cli import COMMANDS, command, main
from tests.tools.checks_support import hide_other_tests


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    for name, summary in COMMANDS.items():
        assert [line for line in lines if line.split(maxsplit=1) == [name, summary]], name


@pytest.mark.process
def test_help_imports_no_command() -> None:
    program = (
        "import contextlib, sys\nfrom circuits.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "assert not [name for name in sys.modules if name.startswith(('circuits.cli.', 'circuits.web'))]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=30)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"circuits {__version__}\n"


def test_without_a_command_it_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve"])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert f"there is no command 'serve'; there are {', '.join(COMMANDS)}" in error


def test_there_is_no_module_without_a_command() -> None:
    with pytest.raises(KeyError):
        command("__main__")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_parser_with_its_name(name: str) -> None:
    parser = command(name).make_parser()
    assert isinstance(parser, argparse.ArgumentParser)
    assert parser.prog == f"circuits {name}"
    assert parser.description


def test_options_after_a_command_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--version"])
    assert capsys.readouterr().out == f"circuits bench v{__version__}\n"
    assert main(["bench", "-e", "10", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == 10


def test_web_is_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["web", "--workers", "0"])
    assert capsys.readouterr().err.startswith("usage: circuits web ")


_APP = """
from circuits import Component

class Child(Component):
    pass

class App(Component):
    channel = "app"

    def init(self):
        Child().register(self)
"""


@pytest.fixture
def application(modules: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (modules / "graphed.py").write_text(_APP, encoding="utf-8")
    monkeypatch.chdir(modules)
    return "graphed:App"


def test_graph_shows_a_tree(application: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", application]) == 0
    top, child = capsys.readouterr().out.splitlines()
    assert top.startswith("* <App/app ")
    assert child.startswith(" * <Child/* ")


@pytest.mark.parametrize("name", ["check", "graph"])
def test_an_application_that_fires_for_ever_is_looked_at(
    name: str, modules: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (modules / "endless_app.py").write_text(
        "from circuits import Component, Event\n"
        "class again(Event): pass\n"
        "class Endless(Component):\n"
        "    def init(self): self.fire(again())\n"
        "    def again(self): self.fire(again())\n"
    )
    hide_other_tests(monkeypatch, besides=__name__)
    main([name, "endless_app:Endless"])
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("form", "first"), [("dot", "digraph "), ("mermaid", "graph TD")])
def test_graph_writes_other_forms(application: str, form: str, first: str, tmp_path: Path) -> None:
    assert main(["graph", application, "--format", form, "--output", "out.txt"]) == 0
    assert (tmp_path / "out.txt").read_text(encoding="utf-8").startswith(first)


def test_graph_says_what_it_cannot_do(
    application: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["graph", application, "-o", "out.png"]) == 1
    assert "circuits graph: a picture needs the program dot" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["graph", "graphed"])
    assert "an application is written like module:Class, not 'graphed'" in capsys.readouterr().err
