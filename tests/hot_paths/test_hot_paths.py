"""What the hottest paths take, counted instead of timed, stays within budgets."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from .budgets import VERSION, budget, exceeded, load, record
from .counting import Counter, Counts, count
from .programs import PATHS

_ROOT = Path(__file__).parent.parent.parent


@pytest.mark.process
@pytest.mark.skipif(
    sys.platform != "linux" or platform.python_implementation() != "CPython",
    reason="the budgets are those of CPython, whose pollers use epoll",
)
def test_every_path_keeps_its_budget() -> None:
    # A process of its own: coverage, debuggers and plugins of this one would count and be counted.
    names = ("PYTHONPATH", "PYTHONHOME", "PATH", "HOME", "LANG")
    environment = {name: os.environ[name] for name in names if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "tests.hot_paths", "--json"],
        cwd=_ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counted = {path: Counts(*counts) for path, counts in json.loads(done.stdout).items()}
    assert counted.keys() == PATHS.keys()
    found = exceeded(counted, load())
    assert not found, "\n".join([*found, "If that is worth it: make budgets"])


def test_every_path_is_recorded_for_every_version() -> None:
    table = load()
    assert list(table) == list(PATHS)
    assert {tuple(versions) for versions in table.values()} == {("3.11", "3.12", "3.13")}


# -- counting --


def test_calls_of_python_and_of_c_are_counted() -> None:
    def inner() -> None:
        len("")
        len("")

    def program(counter: Counter) -> None:
        while counter.mark():
            inner()
            inner()
            inner()

    assert count(program)[:2] == (3, 6)


def test_more_work_takes_more_opcodes() -> None:
    def program(counter: Counter) -> None:
        x = 0
        while counter.mark():
            x += 1

    assert count(program) > (0, 0, 0)
    assert count(program)[:2] == (0, 0)


def test_a_rare_turn_does_not_count() -> None:
    def program(counter: Counter) -> None:
        cycle = 0
        while counter.mark():
            cycle += 1
            if cycle % 10 == 0:
                sorted(range(100), key=lambda number: -number)

    assert count(program)[:2] == (0, 0)


def test_what_is_done_before_a_poll_is_not_counted() -> None:
    calls = []

    class Source:
        def poll(self) -> None:
            import select

            select.poll().poll(0)

    def program(counter: Counter) -> None:
        counter.before_poll = lambda: calls.append(sorted(range(10), key=lambda number: -number))
        source = Source()
        while counter.mark():
            source.poll()

    assert count(program).python == 1
    assert len(calls) > 2


def test_a_program_that_ends_early_is_an_error() -> None:
    def program(counter: Counter) -> None:
        counter.mark()

    with pytest.raises(RuntimeError, match="program ended after 1 marks"):
        count(program)


def test_profiler_and_tracer_are_put_back() -> None:
    before = sys.getprofile(), sys.gettrace()

    def program(counter: Counter) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        count(program)
    assert (sys.getprofile(), sys.gettrace()) == before


# -- budgets --

_TABLE = {"a.path": {"3.12": Counts(9, 20, 1000), "3.13": Counts(10, 20, 1000)}}


def test_a_budget_is_what_was_counted_and_a_little_more() -> None:
    assert budget(_TABLE, "a.path", "3.13") == (10, 20, 1030)
    assert exceeded({"a.path": Counts(10, 20, 1030)}, _TABLE, "3.13") == []


def test_what_is_exceeded_is_told() -> None:
    assert exceeded({"a.path": Counts(10, 20, 1031)}, _TABLE, "3.12") == [
        "a.path on Python 3.12: 10 Python calls, budget 9",
        "a.path on Python 3.12: 1031 opcodes, budget 1030",
    ]


def test_a_version_without_figures_is_held_to_the_newest_roughly() -> None:
    assert budget(_TABLE, "a.path", "3.14") == (12, 25, 1250)


def test_a_path_without_budget_is_told() -> None:
    assert exceeded({"new": Counts(1, 1, 1)}, _TABLE) == ["new has no budget: make budgets"]


def test_recording_keeps_other_versions_and_forgets_paths_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "budgets.json"
    file.write_text('{"gone": {"3.2": [1, 1, 1]}, "a.path": {"3.2": [1, 2, 3]}}')
    monkeypatch.setattr("tests.hot_paths.budgets._FILE", file)
    record({"a.path": Counts(4, 5, 6), "new": Counts(7, 8, 9)})
    assert load() == {
        "a.path": {"3.2": (1, 2, 3), VERSION: (4, 5, 6)},
        "new": {VERSION: (7, 8, 9)},
    }
