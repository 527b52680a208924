"""A test in which a handler has raised what nobody took fails at its end."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

#: The outcomes of tests, and what is said of them.
Run = tuple[dict[str, str], str]

_HEAD = """
import pytest
from circuits import Component, Event, handler
from circuits.testing import Recorder, settle

class Fails(Component):
    def go(self):
        raise ValueError("lost")
"""

_LOST = """
def test_it():
    app = Fails()
    app.fire(Event.create("go"))
    settle(app)
"""

#: Another way to run it than by ``settle``: whose failures these are, nobody can know.
_OTHERS = """
from circuits import Component, Event
def test_it():
    class Fails(Component):
        def go(self):
            raise ValueError("lost")
    app = Fails()
    app.fire(Event.create("go"))
    app.flush()
    app.flush()
"""

_TAKEN = {
    "value": "def test_it():\n    app = Fails()\n    value = app.fire(Event.create('go'))\n    settle(app)\n    assert value.errors",
    "recorder": "def test_it():\n    app = Fails()\n    Recorder('error').register(app)\n    app.fire(Event.create('go'))\n    settle(app)",
    "log": "def test_it(caplog):\n    app = Fails()\n    app.fire(Event.create('go'))\n    settle(app)",
    "fixture": "def test_it(handler_errors):\n    app = Fails()\n    app.fire(Event.create('go'))\n    settle(app)\n    assert str(handler_errors[0]) == 'lost'",
    "awaited": """
def test_it(app_runner):
    class Asks(Fails):
        async def ask(self):
            with pytest.raises(ValueError):
                await self.call(Event.create("go"))
    app = app_runner(Asks())
    app.fire(Event.create("ask"))
    settle(app)
""",
}


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What the tests come to, all at once: to start pytest takes longer than they do."""
    folder = tmp_path_factory.mktemp("failures")
    tests = {"lost": _HEAD + _LOST, "others": _OTHERS}
    tests |= {way: _HEAD + test for way, test in _TAKEN.items()}
    for name, test in tests.items():
        (folder / f"test_{name}.py").write_text(test, encoding="utf-8")
    return run_in(folder)


def run_in(folder: Path, *options: str) -> Run:
    """What the tests in a folder come to, by their names, and what is said."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            *options,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = re.findall(r"^test_(\w+)\.py::test_it (\w+)", done.stdout, re.MULTILINE)
    return dict(said), done.stdout + done.stderr


def test_what_nobody_took_fails_the_test(run: Run) -> None:
    outcomes, said = run
    assert [name for name, outcome in outcomes.items() if outcome != "PASSED"] == ["lost"], said
    assert outcomes["lost"] == "FAILED"
    assert "a handler has raised what nobody took" in said
    assert re.search(r"\(Fails\.go\).*lost", said)


@pytest.mark.parametrize("way", _TAKEN)
def test_what_was_taken_does_not(run: Run, way: str) -> None:
    assert run[0][way] == "PASSED"


def test_it_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "test_lost.py").write_text(_HEAD + _LOST, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\ncircuits_handler_errors = false")
    outcomes, said = run_in(tmp_path)
    assert outcomes == {"lost": "PASSED"}, said


def test_others_are_left_alone(run: Run) -> None:
    assert run[0]["others"] == "PASSED"
