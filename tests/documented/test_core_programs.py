"""The programs of the tutorial and of the framework chapter, in the same shape as there."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_PROGRAMS = _HERE / "programs"

pytestmark = pytest.mark.process


def run(name: str) -> tuple[str, str]:
    """Run a program until it is idle, then press ^C; what it printed, made comparable."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(_HERE / "drive.py"), str(_PROGRAMS / f"{name}.py")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return _comparable(done.stdout), _comparable(done.stderr)


def _comparable(text: str) -> str:
    text = re.sub(r"\d+:MainThread \(queued=\d+\)", "PID:THREAD (queued=N)", text)
    return re.sub(r"<frame at [^>]*>", "<frame>", text)


@pytest.mark.parametrize(
    ("program", "output"),
    [
        ("t01_component", ""),
        ("t02_own_component", ""),
        ("t03_handler", "Good morning!\n"),
        ("t04_two", "This is Ada\nThis is Kurt\n"),
        ("t06_inheritance", "Ada comes\nKurt comes\n"),
        ("t07_channels", "Ada comes\n"),
        ("t08_events", "Ada comes\nKurt comes\n"),
    ],
)
def test_the_tutorial(program: str, output: str) -> None:
    assert run(program) == (output, "")


def test_a_complex_component_shows_its_parts() -> None:
    output, errors = run("t05_complex")
    assert errors == ""
    assert output.splitlines() == [
        "* <House/* PID:THREAD (queued=N) [R]>",
        " * <Ada/* PID:THREAD (queued=N) [S]>",
        " * <Kurt/* PID:THREAD (queued=N) [S]>",
        "This is Ada",
        "This is Kurt",
    ]


def test_a_mistake_does_not_end_the_program_and_is_reported() -> None:
    output, errors = run("t09_error")
    assert output == ""
    # Where the manual shows nothing at all, the documented fallback writes to standard error.
    assert errors.count("ERROR <listener[*.ring]") == 2
    # Later Pythons go on with a guess of what was meant.
    assert errors.count("\nNameError: name 'name' is not defined") == 2


def test_the_debugger_shows_what_goes_on() -> None:
    output, errors = run("t10_debugger")
    assert output == ""
    lines = [line for line in errors.splitlines() if line.startswith(("<", "ERROR"))]
    house = "<House/* PID:THREAD (queued=N) [{}]>"
    parts = [("ada", "Ada/ada"), ("kurt", "Kurt/kurt"), ("*", "Debugger/*")]
    expected = [
        f"<Registered[{channel}.registered] (<{part} PID:THREAD (queued=N) [S]>, "
        f"{house.format('R')} )>"
        for channel, part in parts
    ]
    expected += [
        f"<Started[*.started] ({house.format('R')} )>",
        "<Ring[ada.ring] ( )>",
        "<Ring[kurt.ring] ( )>",
    ]
    assert lines[:6] == expected
    for number, resident in ((6, "Ada"), (8, "Kurt")):
        assert lines[number].startswith("<Error[*.error] (<class 'NameError'>, NameError(")
        assert lines[number + 1] == (
            f"ERROR <listener[*.ring] ({resident}.ring)> "
            "(<class 'NameError'>): name 'name' is not defined"
        )
    assert lines[10].startswith("<Signal[*.signal] (2, <frame")
    assert lines[11] == f"<Stopped[*.stopped] ({house.format('S')} )>"
    assert len(lines) == 12
    # The place of the mistake is there to be read.
    assert 'in ring\n    print("%s comes" % name)' in errors


def test_handlers_collect_results_for_the_success_event() -> None:
    output, errors = run("f01_results")
    assert output == "In the house:\nAda\nKurt\n"
    shown = [line.split("[")[0] for line in errors.splitlines()]
    assert shown == [
        "<Registered",
        "<Registered",
        "<Registered",
        "<Started",
        "<Present",
        "<PresentSuccess",
        "<Signal",
        "<Stopped",
    ]


def test_an_explicit_handler() -> None:
    output, errors = run("f02_explicit")
    assert output == "It has begun\n"
    assert [line.split("[")[0] for line in errors.splitlines()] == [
        "<Registered",
        "<Started",
        "<Signal",
        "<Stopped",
    ]


def test_a_program_left_alone_ends_at_ctrl_c() -> None:
    with subprocess.Popen(
        [sys.executable, "-u", str(_PROGRAMS / "t03_handler.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "Good morning!\n"
        program.send_signal(signal.SIGINT)
        rest, errors = program.communicate(timeout=60)
    assert (program.returncode, rest, errors) == (0, "", "")
