"""Fragments are joined into CHANGES.md as `make changes` does it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def join(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "towncrier", "build", "--date", "2030-01-02", *options]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What joining needs of the sources, with fragments of our own."""
    for name in ("pyproject.toml", "scripts/changes.md.jinja", "src/circuits/_version.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_ROOT / name, tmp_path / name)
    (tmp_path / "src/circuits/__init__.py").write_text("from ._version import __version__\n")
    (tmp_path / "CHANGES.md").write_text(
        "# Changes\n\n<!-- towncrier release notes start -->\n\n## 1.0 (2020-01-01)\n\n- Old.\n"
    )
    news = tmp_path / "newsfragments"
    news.mkdir()
    (news / "README.md").write_text("How to.\n")
    (news / "b.fix.md").write_text("Mended.\n")
    (news / "b-c.feature.md").write_text("Made,\nat last.\n")
    (news / "a.feature.md").write_text("Able.\n")
    (news / "a.removal.md").write_text("Gone.\n")
    return tmp_path


_JOINED = """\
## 3.0 (2030-01-02)

### New

- Able.
- Made,
  at last.

### Removed

- Gone.

### Fixed

- Mended.

"""


def test_a_draft_writes_nothing(checkout: Path) -> None:
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    assert join(checkout, "--draft", "--version", "3.0").rstrip() == _JOINED.rstrip()
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before


def test_a_release_stands_before_the_older_ones_and_removes_the_fragments(checkout: Path) -> None:
    join(checkout, "--yes", "--version", "3.0")
    assert (checkout / "CHANGES.md").read_text(encoding="utf-8") == (
        f"# Changes\n\n<!-- towncrier release notes start -->\n\n{_JOINED}"
        "## 1.0 (2020-01-01)\n\n- Old.\n"
    )
    assert [path.name for path in (checkout / "newsfragments").iterdir()] == ["README.md"]


def test_all_our_fragments_are_in_the_draft() -> None:
    draft = join(_ROOT, "--draft")
    fragments = {*(_ROOT / "newsfragments").iterdir()} - {_ROOT / "newsfragments/README.md"}
    texts = {path.name: path.read_text(encoding="utf-8").split("\n")[0] for path in fragments}
    assert [name for name, text in texts.items() if f"\n- {text}\n" not in draft] == []
    assert draft.count("\n- ") == len(texts)
