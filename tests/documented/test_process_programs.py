"""Programs with bridges and workers, as readers of the manual and of our pages write them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAMS = Path(__file__).parent / "programs"
_TOPICS = Path(__file__).parent.parent.parent / "docs" / "topics"

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
]


def run(path: Path) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("program", "output"),
    [
        ("p01_hello_bridge", "Hello from another process: True\n"),
        ("p02_worker", "3628800 1\n"),
    ],
)
def test_programs(program: str, output: str) -> None:
    assert run(_PROGRAMS / f"{program}.py") == (output, "")


@pytest.mark.parametrize(
    ("page", "output"),
    [
        ("workers", r"1234169\nrefused: invalid literal .*\n"),
        ("processes", r"hello from process (\d+) which is \1\n"),
        ("supervision", r"again: Session\nagain: Cruncher\n"),
    ],
)
def test_the_programs_of_the_topics(page: str, output: str, tmp_path: Path) -> None:
    source = _TOPICS / f"{page}.md"
    if not source.exists():
        pytest.skip("the pages are not here")
    listing = re.search(r"^```python\n(.*?)^```", source.read_text(), re.DOTALL | re.MULTILINE)
    assert listing is not None
    program = tmp_path / "program.py"
    program.write_text(listing[1])
    assert re.fullmatch(output, run(program)[0])
