"""The examples that need no network, run as their readers would run them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.example_support import EXAMPLES, SECONDS, example


def test_hello() -> None:
    with example("hello.py") as script:
        assert script.wait() == 0
    assert script.output == "Hello World!\n"


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("fire", "1 + 2 = 3\n"),
        ("call", "a generator gets 3\na coroutine gets 7\n"),
        ("wait", "It rings.\nIt does not ring again.\n"),
    ],
)
def test_primitives(name: str, output: str) -> None:
    with example(f"primitives/{name}.py") as script:
        assert script.wait() == 0
    assert script.output == output


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("cat.py", [], "arguments are required: FILE"),
        ("tail.py", [], "arguments are required: FILE"),
        ("99bottles.py", ["README.md", "("], "'(' is no pattern"),
        ("dirwatch.py", [], "arguments are required: FOLDER"),
        ("portforward.py", ["8001", "localhost:8000"], "'8001' is not ADDRESS:PORT"),
    ],
)
def test_who_starts_one_in_the_wrong_way_is_told(
    name: str, arguments: list[str], complaint: str
) -> None:
    with example(name, *arguments) as script:
        assert script.wait() == 2
    assert "usage: " in script.output
    assert complaint in script.output


def test_a_bridge_to_another_process() -> None:
    with example("hello_bridge.py") as script:
        assert script.wait() == 0
        words = script.output.split()
        assert words[:3] == ["Hello", "from", "process"]
        assert words[-1] == str(script.process.pid)
        assert words[3].rstrip(",") != words[-1]


def test_timers() -> None:
    with example("timers.py", "-s", "0.02") as script:
        script.hear("Hello World\n")
        script.hear("Bar\n", after=len(script.output))
        assert script.interrupt() == 0
    lines = script.output.split("\n")
    assert lines.count("Hello World") == 1
    assert lines.index("Foo") < lines.index("Bar") < lines.index("Hello World")


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_cat(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "cat.py"), str(path)],
        check=False,
        capture_output=True,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == path.read_bytes()


def test_cat_of_nothing(tmp_path: Path) -> None:
    with example("cat.py", tmp_path / "missing") as script:
        assert script.wait() == 1
    assert "cat: " in script.output
    assert "No such file" in script.output


def test_tail(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    with example("tail.py", path) as script:
        # When it has begun is not told: append until something is shown.
        assert script.process.stdout is not None
        deadline = time.monotonic() + SECONDS
        while not select.select([script.process.stdout], [], [], 0.05)[0]:
            assert time.monotonic() < deadline
            with path.open("a") as log:
                log.write("line\n")
        assert "line\n" in script.hear("\n")
        path.rename(tmp_path / "log.1")
        path.write_text("in the new file\n")
        script.hear("in the new file\n")
        assert script.interrupt() == 0
    assert "old" not in script.output


def test_watching_a_folder(tmp_path: Path) -> None:
    with example("dirwatch.py", tmp_path) as script:
        script.hear("Ready")
        (tmp_path / "folder").mkdir()
        script.hear("folder")
        (tmp_path / "folder" / "file").touch()
        script.hear(f"<Created[notify.created] ('file', '{tmp_path}/folder'")
        assert script.interrupt() == 0


def test_bottles(tmp_path: Path) -> None:
    path = tmp_path / "song"
    lines = [f"{n} bottles of beer on the wall" for n in range(99, 0, -1)]
    path.write_text("\n".join(lines) + "\n")
    with example("99bottles.py", path, "^7.*beer") as script:
        assert script.wait() == 0
    assert script.output.splitlines() == [line for line in lines if line.startswith("7")]


def test_dirwatch_of_nothing(tmp_path: Path) -> None:
    with example("dirwatch.py", tmp_path / "missing") as script:
        assert script.wait() == 1
    assert "dirwatch: [Errno 2] No such file" in script.output
