"""The pages for man say what the programs do."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from circuits.cli import COMMANDS, command

_ROOT = Path(__file__).parents[1]
_FOLDER = _ROOT / "docs" / "man"
_GENERATED: dict[str, str] = runpy.run_path(str(_ROOT / "scripts" / "manpages.py"))["pages"]()


@pytest.mark.parametrize("name", _GENERATED)
def test_the_pages_of_commands_are_those_of_their_parsers(name: str) -> None:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    assert text == _GENERATED[name], "run `make man`"


@pytest.mark.parametrize("name", ["web", "bench", "sniff"])
def test_pages_that_were_written_by_hand_have_every_option(name: str) -> None:
    text = (_FOLDER / f"circuits.{name}.1").read_text(encoding="utf-8").replace("\\-", "-")
    options = [o for a in command(name).make_parser()._actions for o in a.option_strings]
    missing = [option for option in options if option not in text]
    assert [option for option in missing if not option.startswith("--limit-")] == []


def test_the_first_page_has_every_command() -> None:
    text = (_FOLDER / "circuits.1").read_text(encoding="utf-8")
    assert [
        name for name in COMMANDS if f"B {name}\n" not in text and f"fB{name}" not in text
    ] == []


@pytest.mark.process
@pytest.mark.parametrize("path", sorted(_FOLDER.iterdir()), ids=lambda path: path.name)
def test_man_has_nothing_to_complain_of(path: Path) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("needs groff")
    done = subprocess.run(
        [groff, "-ww", "-b", "-man", "-Tutf8", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    assert "User Commands" in done.stdout
